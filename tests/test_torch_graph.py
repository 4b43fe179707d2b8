"""``from_torch`` reads what a forward does: converted and held to the module, or refused with its source line.

``SSDP_HW_GENERATED`` is how many random modules of each kind are tried.
"""

import os

import numpy as np
import pytest

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.running.run import run

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from generated_modules import KINDS, outcome  # noqa: E402
from torch_generator import Generated  # noqa: E402

nn, functional = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS, BATCH = 30, 3
COUNT = int(os.environ.get("SSDP_HW_GENERATED", "8"))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(5)


def spikes(*shape, seed=1):
    return np.random.default_rng(seed).random((STEPS, BATCH, *shape)) < 0.4


def held(module, sample, shape, *, layers=2, **options):
    """Converted, and equal to the module by verify and by its own spikes in float64."""
    network = from_torch(module, sample, **options)
    x = spikes(*shape)
    found = verify(module, network, x)
    assert found.agrees, found.to_markdown()
    assert len(found.layers) == layers
    assert sum(layer.source_spikes for layer in found.layers) > 20
    return network


class Loop(nn.Module):
    """6 -> 6 -> 6 over time; subclasses say what lies between."""

    def __init__(self):
        super().__init__()
        self.fc1, self.l1 = nn.Linear(6, 6), snn.Leaky(beta=0.8)
        self.fc2, self.l2 = nn.Linear(6, 6), snn.Leaky(beta=0.9)
        for p in self.parameters():
            p.data *= 2.0

    def start(self, x):
        return self.l1.reset_mem(), self.l2.reset_mem()

    def steps(self, x):
        return list(x)

    def forward(self, x):
        m1, m2 = self.start(x)
        a = b = x.new_zeros(self.steps(x)[0].shape[0], 6)
        sent = []
        for t, xt in enumerate(self.steps(x)):
            a, b, m1, m2 = self.step(xt, a, b, m1, m2, t)
            sent.append(b)
        return torch.stack(sent)

    def step(self, x, a, b, m1, m2, t):
        a, m1 = self.l1(self.first(x, a, b, t), m1)
        b, m2 = self.l2(self.second(a, x, b, t), m2)
        return a, b, m1, m2

    def first(self, x, a, b, t):
        return self.fc1(x)

    def second(self, a, x, b, t):
        return self.fc2(a)


class Scaled(Loop):
    def first(self, x, a, b, t):
        return self.fc1(1 - 2.5 * x)


class Residual(Loop):
    def second(self, a, x, b, t):
        h = self.fc2(a)
        h += a + 0.5 * x
        return h


class Recurrent(Loop):
    """Spikes of the step before, of a layer to itself and sideways."""

    def first(self, x, a, b, t):
        return self.fc1(x) + a @ self.fc1.weight.t() * 0.3

    def second(self, a, x, b, t):
        return self.fc2(a) - 0.4 * (b.sum(1, keepdim=True) - b)


class Later(Loop):
    """Spikes of the step before, from another layer, forwards."""

    def second(self, a, x, b, t):
        return self.fc2(self.before)

    def step(self, x, a, b, m1, m2, t):
        self.before = a
        return super().step(x, a, b, m1, m2, t)


class Shared(Loop):
    """One Linear and one layer of neurons for both, with two states."""

    def __init__(self):
        super().__init__()
        del self.fc2, self.l2

    def start(self, x):
        return self.l1.reset_mem(), torch.zeros(0)

    def step(self, x, a, b, m1, m2, t):
        a, m1 = self.l1(self.fc1(x), m1)
        b, m2 = self.l1(self.fc1(a), m2)
        return a, b, m1, m2


class Views(Loop):
    def second(self, a, x, b, t):
        h = functional.avg_pool1d(a.reshape(-1, 2, 3), 2, 1).flatten(1)
        return self.fc2(torch.cat([h, a[:, 4:]], 1))


class Initial(Loop):
    def start(self, x):
        n = self.steps(x)[0].shape[0]
        return torch.full((n, 6), 0.75), torch.tensor([0.5, -1.0, 0.0, 0.25, 0.75, 1.0]).expand(n, 6)


class BatchFirst(Loop):
    def steps(self, x):
        return [x[:, t] for t in range(x.shape[1])]


class Whole(Loop):
    """The first Linear on all steps at once, the recording filled step by step."""

    def forward(self, x):
        m1, m2 = self.start(x)
        currents = self.fc1(x.float()) * 1.5
        sent = torch.zeros_like(x)
        for t in range(len(x)):
            a, m1 = self.l1(currents[t], m1)
            sent[t], m2 = self.l2(self.fc2(a), m2)
        return sent, m2


@pytest.mark.parametrize("made", [Loop, Scaled, Residual, Recurrent, Later, Shared, Views, Initial, Whole])
def test_converted(made):
    module = made()
    network = held(module, torch.rand(10, 2, 6), (6,))
    x = spikes(6, seed=3)
    with torch.no_grad():
        out = module(torch.tensor(x, dtype=torch.float32))
    expected = (out[0] if isinstance(out, tuple) else out).numpy() != 0
    lag = verify(module, network, x).layers[-1].lag
    sent = run(network, x, "spec", steps=STEPS + lag).spikes[network.outputs[0]][lag:]
    assert np.array_equal(sent, expected)
    assert expected.any()


def test_batch_first():
    held(BatchFirst(), torch.rand(2, 10, 6), (6,))


def test_layers_bear_the_names_of_the_module():
    network = from_torch(Loop(), torch.rand(10, 2, 6))
    assert {"fc1", "fc2"} <= {p.name for p in network.projections}
    assert network.population_names[:2] == ("l1", "l2")
    assert network.outputs == ("l2",)


def test_two_inputs():
    class Two(Loop):
        def forward(self, left, right):
            self.right = right
            return super().forward(left)

        def first(self, x, a, b, t):
            return self.fc1(x) - self.right[t].repeat_interleave(2, 1)

    module = Two()
    network = from_torch(module, (torch.rand(10, 2, 6), torch.rand(10, 2, 3)))
    assert [(i.name, i.size) for i in network.inputs] == [("left", 6), ("right", 3)]
    found = verify(module, network, {"left": spikes(6), "right": spikes(3, seed=2)})
    assert found.equal, found.to_markdown()


def test_parameters_a_channel():
    channels = torch.tensor([0.5, 0.7, 0.9]).reshape(3, 1, 1)
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        snn.Leaky(beta=channels, threshold=channels, init_hidden=True),
        nn.Flatten(),
        nn.Linear(48, 4),
        snn.Leaky(beta=0.8, init_hidden=True),
    )
    module[0].weight.data *= 3
    network = held(module, (1, 6, 6), (1, 6, 6))
    np.testing.assert_allclose(network.coefficients("1").decay_v, np.repeat([0.5, 0.7, 0.9], 16), rtol=1e-6)


def test_a_sequential_with_a_forward_of_its_own():
    class Own(nn.Sequential):
        def forward(self, x):
            return self[3](self[2](self[1](self[0](2 * x - 1)) * 0.5))

    module = Own(
        nn.Linear(6, 8), snn.Leaky(beta=0.8, init_hidden=True), nn.Linear(8, 3), snn.Leaky(beta=0.8, init_hidden=True)
    )
    for p in module.parameters():
        p.data *= 3 if p.ndim > 1 else 1
    held(module, (6,), (6,))


def test_a_module_twice_in_a_sequential():
    shared = nn.Linear(6, 6)
    shared.weight.data *= 3
    module = nn.Sequential(shared, snn.Leaky(beta=0.8, init_hidden=True), shared, snn.Leaky(beta=0.8, init_hidden=True))
    network = held(module, (6,), (6,))
    dense = [p for p in network.projections if p.shape == (6, 6) and not p.is_sparse]
    assert len(dense) == 2
    assert np.array_equal(dense[0].weight, dense[1].weight)


def test_norse_recurrent_and_linear_cells():
    norse = pytest.importorskip("norse.torch")

    class Cells(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = norse.LIFRecurrentCell(6, 12), norse.LILinearCell(12, 3)
            self.one.input_weights.data *= 4

        def forward(self, x):
            s = r = None
            out = []
            for step in x:
                z, s = self.one(step, s)
                v, r = self.two(z, r)
                out.append(v)
            return torch.stack(out)

    module = Cells()
    network = held(module, torch.rand(10, 2, 6), (6,))
    assert network.outputs == ("two",)


def test_norse_sequential_state():
    norse = pytest.importorskip("norse.torch")
    module = norse.SequentialState(nn.Linear(6, 12), norse.LIFCell(), nn.Linear(12, 3), norse.LICell())
    module[0].weight.data *= 8
    held(module, (6,), (6,))


def test_one_input_for_all_steps():
    class Static(Loop):
        def steps(self, x):
            return [x] * 15

    network = from_torch(Static(), torch.rand(4, 6))
    assert any("one input for all steps" in note for note in network.notes)
    with pytest.raises(UnsupportedError, match="one input for all steps"):
        verify(Static(), network, spikes(6))


# What is refused, and the line that it names.


class Clamped(Loop):
    def step(self, x, a, b, m1, m2, t):
        return super().step(x, a, b, m1.clamp(min=0), m2, t)


class FedBack(Loop):
    def first(self, x, a, b, t):
        return self.fc1(x + b)


class MaxPooled(Loop):
    def second(self, a, x, b, t):
        h = self.fc2(a)
        return functional.max_pool1d(h[:, None], 2).repeat_interleave(2, 2).flatten(1)


class OtherStep(Loop):
    def first(self, x, a, b, t):
        return self.fc1(x) if t != 4 else -self.fc1(x)


class Reads(Loop):
    def first(self, x, a, b, t):
        return self.fc1(x) if x.sum().item() > 3 else 2 * self.fc1(x)


class DropoutOn(Loop):
    def first(self, x, a, b, t):
        return functional.dropout(self.fc1(x), 0.5, training=True)


class Counts(Loop):
    """Another answer in every call."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x)

    def first(self, x, a, b, t):
        return self.fc1(x) * self.calls


class ByVoltage(Loop):
    def step(self, x, a, b, m1, m2, t):
        a, m1 = self.l1(self.fc1(x), m1)
        b, m2 = self.l2(self.fc2(m1), m2)
        return a, b, m1, m2


class Aliased(Loop):
    def first(self, x, a, b, t):
        h = self.fc1(x)
        h[:, :2] *= 3
        return h


class Begins(Loop):
    """A state that begins anew within the run."""

    def step(self, x, a, b, m1, m2, t):
        return super().step(x, a, b, torch.zeros_like(m1) if t == 5 else m1, m2, t)


class Samples(Loop):
    def first(self, x, a, b, t):
        h = self.fc1(x)
        return h - h.mean(0)


REFUSED = {
    Clamped: r"test_torch_graph.py:\d+ \(step\): 'clamp' acts on the mem of 'l1'",
    FedBack: (
        r"loop of 2 layers in 1 step.*'l1' takes those of 'l2' of 1 step before \(test_torch_graph.py:\d+ \(first\)\)"
        r".*let 'l1' take those of 'l2' of 2 steps before"
    ),
    MaxPooled: r"\(second\): 'max_pool1d'.*pool behind the neurons",
    OtherStep: r"\(first\): the input of layer 'l1' is made in step 4 otherwise",
    Reads: r"\(first\): 'item' hands the value",
    DropoutOn: r"\(first\): 'dropout' is left on",
    Counts: "answers twice differently",
    ByVoltage: r"driven by the .*'l1'|'linear' acts on the mem of 'l1'",
    Aliased: r"\(first\): (a tensor is changed in place|values are assigned)",
    Begins: r"runs \d+ steps where \d+ are expected",
    Samples: r"\(first\): ",
}


@pytest.mark.parametrize("made", REFUSED)
def test_refused_with_its_line(made):
    with pytest.raises(UnsupportedError, match=REFUSED[made]):
        from_torch(made(), torch.rand(10, 2, 6))


# The check.


def test_verify_runs_the_module_and_sees_one_weight():
    module = Generated(4).eval()
    network = from_torch(module, module.sample())
    module.calls.clear()
    x = spikes(module.width)
    assert verify(module, network, x).equal
    assert module.calls
    sent = {**run(network, x, "spec", steps=STEPS).spikes, "input": x}
    dense = [p for p in network.projections if not p.is_sparse]
    assert len(dense) > 2
    for p in dense:
        weight = np.array(p.weight)
        # A neuron that fires at nearly every spike hides its voltage by the reset: take the quietest.
        quietest = sent[p.post].sum(axis=(0, 1)).argmin()
        weight[quietest, sent[p.pre].sum(axis=(0, 1)).argmax()] += 1e-4
        found = verify(module, network.with_weights({p.name: weight}), spikes(module.width))
        assert not found.equal, p.name
        assert found.stepwise.wrong
        assert not found.agrees


def test_verify_sees_a_module_that_was_changed():
    module = Loop()
    network = from_torch(module, torch.rand(10, 2, 6))
    module.fc2.bias.data[3] += 1e-3
    assert not verify(module, network, spikes(6)).equal


@pytest.mark.parametrize("seed", range(COUNT))
def test_generated_modules_are_converted_and_right(seed):
    assert outcome(seed) == ("right", "")


@pytest.mark.parametrize("seed", range(1 + COUNT // 16))
@pytest.mark.parametrize("outside", KINDS)
def test_generated_modules_with_something_else_are_refused(outside, seed):
    assert outcome(seed, outside)[0] == "refused"
