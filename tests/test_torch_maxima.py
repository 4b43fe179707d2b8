"""A maximum of spikes in a torch module is an OR: a population of its own, held to the module like any layer."""

import numpy as np
import pytest

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.quantization.to_fixed import quantize
from ssdp_hw.running.run import run

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn, functional = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS, BATCH = 30, 3


def spikes(*shape, seed=1):
    return np.random.default_rng(seed).random((STEPS, BATCH, *shape)) < 0.4


class Two(nn.Module):
    """Two layers side by side, whose spikes ``joined`` joins, and a third one behind."""

    def __init__(self, joined, last=True):
        super().__init__()
        torch.manual_seed(3)
        self.joined = joined
        self.fc1, self.l1 = nn.Linear(6, 8), snn.Leaky(beta=0.8)
        self.fc2, self.l2 = nn.Linear(6, 8), snn.Leaky(beta=0.9, reset_mechanism="zero")
        for p in self.parameters():
            p.data *= 2.0
        if last:
            self.fc3, self.l3 = nn.LazyLinear(5), snn.Leaky(beta=0.7)

    def forward(self, x):
        m1, m2, m3 = self.l1.reset_mem(), self.l2.reset_mem(), None
        a = b = x.new_zeros(x.shape[1], 8)
        sent = []
        for step in x:
            before = b
            a, m1 = self.l1(self.fc1(step), m1)
            b, m2 = self.l2(self.fc2(step), m2)
            out = self.joined(a, b, before, step)
            if hasattr(self, "l3"):
                m3 = self.l3.reset_mem() if m3 is None else m3
                out, m3 = self.l3(self.fc3(out), m3)
            sent.append(out)
        return torch.stack(sent)


ORS = {
    "maximum": lambda a, b, before, x: torch.maximum(a, b),
    "max of two": lambda a, b, before, x: torch.max(a, b),
    "clamp": lambda a, b, before, x: torch.clamp(a + b, max=1),
    "clip on both sides": lambda a, b, before, x: (a + b + before).clip(0, 1),
    "minimum with one": lambda a, b, before, x: torch.minimum(a + b, torch.ones_like(a)),
    "over an axis": lambda a, b, before, x: a.view(-1, 2, 4).amax(1),
    "values of max over an axis": lambda a, b, before, x: a.view(-1, 2, 4).max(dim=1).values,
    "max_pool1d": lambda a, b, before, x: functional.max_pool1d(a[:, None], 3, 2, 1).flatten(1),
    "max_pool2d": lambda a, b, before, x: functional.max_pool2d(a.view(-1, 1, 4, 2), 2).flatten(1),
    "adaptive": lambda a, b, before, x: functional.adaptive_max_pool1d(b[:, None], 3).flatten(1),
    "of three": lambda a, b, before, x: torch.maximum(torch.maximum(a, b), a.flip(1)),
    "with the step before": lambda a, b, before, x: torch.maximum(a, before),
    "with the input": lambda a, b, before, x: torch.maximum(a[:, :6], x),
    "and a sum beside it": lambda a, b, before, x: 0.5 * torch.maximum(a, b) - a,
    "twice": lambda a, b, before, x: torch.cat([torch.maximum(a, b), torch.maximum(a, b.flip(1))], 1),
}


def binary(module):
    x = torch.tensor(spikes(6, seed=4)[:10], dtype=torch.float32)
    with torch.no_grad():
        module(x)  # LazyLinear takes its size
    return x


@pytest.mark.parametrize("joined", ORS)
def test_an_or_is_a_population(joined):
    module = Two(ORS[joined])
    network = from_torch(module, binary(module))
    found = verify(module, network, spikes(6))
    assert found.agrees, found.to_markdown()
    relays = [layer for layer in found.layers if layer.population not in ("l1", "l2", "l3")]
    assert relays
    assert all(layer.source_spikes > 20 for layer in relays)
    assert any("fires where at least one of them arrives" in note for note in network.notes)
    # It is behind its layers by one step, and the next layer by another one.
    lags = {layer.population: layer.lag for layer in found.layers}
    assert lags["l3"] == max(layer.lag for layer in relays) + 1


@pytest.mark.parametrize("joined", ["maximum", "clamp", "max_pool1d", "with the step before", "of three"])
def test_its_spikes_are_those_of_the_module_in_float_and_in_integers(joined):
    module = Two(ORS[joined], last=False)
    network = from_torch(module, binary(module))
    x = spikes(6, seed=5)
    with torch.no_grad():
        expected = module(torch.tensor(x, dtype=torch.float32)).numpy() != 0
    lag = verify(module, network, x).layers[-1].lag
    sent = run(network, x, "spec", steps=STEPS + lag)
    assert np.array_equal(sent.spikes[network.outputs[0]][lag:], expected)
    assert 0.1 < expected.mean() < 0.95
    fixed = run(quantize(network, calibration=x), x, "spec", steps=STEPS + lag)
    a, b = (torch.tensor(fixed.spikes[name][:-1].astype(np.float32)) for name in ("l1", "l2"))
    before = torch.cat([torch.zeros_like(b[:1]), b[:-1]])
    here = torch.stack([ORS[joined](p, q, r, None) for p, q, r in zip(a, b, before, strict=True)]).numpy() != 0
    if joined != "of three":  # its second maximum is behind by a step more
        assert np.array_equal(fixed.spikes[network.outputs[0]][1:], here)


def test_a_pooling_layer_bears_its_name():
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        snn.Leaky(beta=0.8, init_hidden=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 4),
        snn.Leaky(beta=0.8, init_hidden=True),
    )
    module[0].weight.data *= 4
    network = from_torch(module, (1, 6, 6))
    assert "2" in network.population_names
    assert verify(module, network, spikes(1, 6, 6)).agrees


def test_one_spike_at_most_needs_no_population():
    module = Two(lambda a, b, before, x: a.clamp(0, 1))
    network = from_torch(module, binary(module))
    assert set(network.population_names) <= {"l1", "l2", "l3", "bias"}
    assert verify(module, network, spikes(6)).agrees


def test_max_pooling_over_all_steps_at_once():
    jelly = pytest.importorskip("spikingjelly.activation_based.neuron")
    from spikingjelly.activation_based import functional as jelly_functional, layer

    torch.manual_seed(2)
    made = [layer.Conv2d(1, 4, 3), jelly.LIFNode(decay_input=False), layer.MaxPool2d(2), layer.Flatten()]
    module = nn.Sequential(*made, layer.Linear(16, 5), jelly.IFNode())
    jelly_functional.set_step_mode(module, "m")
    network = from_torch(module, (1, 6, 6))
    assert "2" in network.population_names
    assert verify(module, network, spikes(1, 6, 6)).agrees


@pytest.mark.parametrize(
    ("joined", "said"),
    [
        (lambda a, b, before, x: torch.maximum(a, 0.5 * b), "'maximum' cannot be expressed.*maximum of currents"),
        (lambda a, b, before, x: torch.clamp(a + b, max=1.5), "'clamp' cannot be expressed.*a number of spikes to 1"),
        (lambda a, b, before, x: torch.clamp(a - b, max=1), "'clamp' cannot be expressed"),
        (lambda a, b, before, x: torch.minimum(a, b), "'minimum' cannot be expressed"),
    ],
)
def test_what_is_no_or_is_refused(joined, said):
    module = Two(joined)
    with pytest.raises(UnsupportedError, match=said):
        from_torch(module, binary(module))


def test_a_maximum_with_analog_input_is_refused():
    module = Two(ORS["with the input"])
    binary(module)
    with pytest.raises(UnsupportedError, match="'maximum' acts on values that are no spikes"):
        from_torch(module, torch.rand(10, 2, 6))
