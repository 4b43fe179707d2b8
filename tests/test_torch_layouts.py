"""Where time stands in what a module takes and returns, and how it takes the steps apart and keeps what they send."""

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.running.run import run

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS, N, OUT = 10, 6, 4
# The axis of time in what the module takes, and how its forward comes by the steps.
TAKEN = {
    "for": (0, lambda x: x),
    "index": (0, lambda x: (x[t] for t in range(x.size(0)))),
    "unbind": (0, lambda x: x.unbind(0)),
    "chunk": (0, lambda x: (part.squeeze(0) for part in x.chunk(len(x)))),
    "split": (0, lambda x: (part[0] for part in torch.split(x, 1))),
    "split in two": (0, lambda x: (step for part in x.split([3, len(x) - 3]) for step in part)),
    "batch first": (1, lambda x: (x[:, t] for t in range(x.shape[1]))),
    "batch first, turned": (1, lambda x: x.permute(1, 0, 2)),
    "last": (2, lambda x: (x[:, :, t] for t in range(x.shape[2]))),
    "last, ellipsis": (2, lambda x: (x[..., t] for t in range(x.shape[-1]))),
    "last, select": (2, lambda x: (x.select(-1, t) for t in range(x.shape[-1]))),
    "last, turned": (2, lambda x: x.permute(2, 0, 1)),
    "last, moved": (2, lambda x: torch.movedim(x, -1, 0)),
    "last, scaled": (2, lambda x: (2 * x - 0.5).permute(2, 0, 1)),
    "turned and back": (0, lambda x: x.permute(1, 2, 0).mul(2).permute(2, 0, 1)),
}


def filled(sent, shape, at):
    """A tensor that is made first, and filled step by step."""
    made = torch.zeros(shape)
    for t, spikes in enumerate(sent):
        made[at(t)] = spikes
    return made


RETURNED = {
    "stack": lambda s: torch.stack(s),
    "stack, batch first": lambda s: torch.stack(s, dim=1),
    "stack, last": lambda s: torch.stack(s, -1),
    "stack, turned": lambda s: torch.stack(s).permute(1, 2, 0),
    "list": list,
    "dict": lambda s: {"spikes": torch.stack(s), "count": sum(s)},
    "sum": lambda s: torch.stack(s, -1).sum(-1),
    "filled": lambda s: filled(s, (len(s), *s[0].shape), lambda t: t),
    "filled, slices": lambda s: filled(s, (len(s), *s[0].shape), lambda t: (t, slice(None), slice(None))),
    "filled, batch first": lambda s: filled(s, (len(s[0]), len(s), OUT), lambda t: (slice(None), t)),
    "filled, last": lambda s: filled(s, (*s[0].shape, len(s)), lambda t: (Ellipsis, t)).mean(-1),
    "grown": lambda s: torch.cat([step[None] for step in s]),
}


class Module(nn.Module):
    def __init__(self, taken, returned, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.taken, self.returned = TAKEN[taken][1], RETURNED[returned]
        self.fc1, self.l1 = nn.Linear(N, 8), snn.Leaky(beta=0.8)
        self.fc2, self.l2 = nn.Linear(8, OUT), snn.Leaky(beta=0.9)
        self.fc1.weight.data *= 2
        self.fc2.weight.data *= 4

    def forward(self, x):
        m1, m2, sent = self.l1.init_leaky(), self.l2.init_leaky(), []
        for xt in self.taken(x):
            a, m1 = self.l1(self.fc1(xt), m1)
            b, m2 = self.l2(self.fc2(a.to(xt)), m2)
            sent.append(b)
        return self.returned(sent)


@examples(60, default=10)
@given(
    taken=st.sampled_from(sorted(TAKEN)),
    returned=st.sampled_from(sorted(RETURNED)),
    batch=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_every_layout_is_read(taken, returned, batch, seed):
    module = Module(taken, returned, seed).eval()
    axis = TAKEN[taken][0]
    network = from_torch(module, torch.rand(STEPS, batch, N).movedim(0, axis))
    x = np.random.default_rng(seed).random((STEPS, 3, N)) < 0.4
    found = verify(module, network, x)
    assert found.agrees, found.to_markdown()
    assert network.outputs == ("l2",)
    module.returned = torch.stack
    with torch.no_grad():
        expected = module.double()(torch.tensor(x).double().movedim(0, axis)).numpy() != 0
    assert np.array_equal(run(network, x, "engine", steps=STEPS + 2).spikes["l2"][2:], expected)


def test_images_with_time_last():
    class Images(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.l1 = nn.Conv2d(2, 4, 3), snn.Leaky(beta=0.8)
            self.fc, self.l2 = nn.Linear(64, 5), snn.Leaky(beta=0.8)
            self.conv.weight.data *= 3

        def forward(self, x):
            m1, m2, sent = self.l1.init_leaky(), self.l2.init_leaky(), []
            for t in range(x.shape[-1]):
                a, m1 = self.l1(self.conv(x[..., t]), m1)
                b, m2 = self.l2(self.fc(a.flatten(1)), m2)
                sent.append(b)
            return torch.stack(sent, -1)

    module = Images().eval()
    network = from_torch(module, torch.rand(2, 2, 6, 6, STEPS))
    found = verify(module, network, np.random.default_rng(0).random((STEPS, 3, 2, 6, 6)) < 0.4)
    assert found.agrees
    assert found.layers[0].source_spikes > 20


def test_batch_normalisation_over_a_turned_sequence():
    class Normed(Module):
        def __init__(self):
            super().__init__("for", "stack")
            self.norm = nn.BatchNorm1d(N)
            self.norm.running_mean.uniform_(-0.2, 0.2)
            self.norm.running_var.uniform_(0.5, 2.0)

        def forward(self, x):
            return super().forward(self.norm(x.permute(1, 2, 0)).permute(2, 0, 1))

    module = Normed().eval()
    network = from_torch(module, torch.rand(STEPS, 2, N))
    assert verify(module, network, np.random.default_rng(0).random((STEPS, 3, N)) < 0.4).agrees


def test_a_constant_a_step_is_seen_where_time_is_last():
    """As many steps as channels, so that a factor for each step could be taken for one a channel."""

    class Weighted(Module):
        def forward(self, x):
            return super().forward((x * torch.linspace(0.5, 2, x.shape[-1])).permute(2, 0, 1))

    with pytest.raises(UnsupportedError, match="acts on what is made of several steps at once"):
        from_torch(Weighted("for", "stack"), torch.rand(2, N, N))


def test_what_is_made_of_several_steps_of_the_input_is_named():
    class Differences(Module):
        def forward(self, x):
            return super().forward((torch.cat([x[:1], x[1:] - x[:-1]]) > 0.1).float())

    said = r"'gt' acts on what is made of several steps at once.*outside the module"
    with pytest.raises(UnsupportedError, match=said):
        from_torch(Differences("for", "stack"), torch.rand(STEPS, 2, N))


def test_a_sample_of_all_steps_for_a_module_of_one():
    module = nn.Sequential(nn.Conv2d(2, 4, 3), snn.Leaky(beta=0.8, init_hidden=True))
    module[0].weight.data *= 3
    sample = torch.rand(STEPS, 2, 2, 6, 6)
    with pytest.raises(ParameterError, match=r"takes one step a call.*give the sample of one step, sample\[0\]"):
        from_torch(module, sample)
    network = from_torch(module, sample[0])
    assert verify(module, network, np.random.default_rng(0).random((STEPS, 3, 2, 6, 6)) < 0.4).agrees


@pytest.mark.parametrize("shape", [(6, 3, 4), (6, 1, 4), (6, 2, 3, 4)])
def test_a_sample_whose_second_axis_may_be_the_batch(shape):
    """A linear layer takes any number of axes before the last one, so that a batch is taken for a part of a sample."""
    module = nn.Sequential(nn.Linear(4, 3), snn.Leaky(beta=0.8, init_hidden=True))
    module[0].weight.data *= 3
    with pytest.raises(
        ParameterError, match=r"takes one step a call, and does the same to each.*sample\[0\]"
    ) as caught:
        from_torch(module, torch.rand(shape))
    assert str(shape[1:]) in str(caught.value)
    assert from_torch(module, shape[1:]).inputs[0].size == np.prod(shape[1:])
    if len(shape) == 3:
        network = from_torch(module, torch.rand(shape)[0])
        assert verify(module, network, np.random.default_rng(0).random((STEPS, 3, 4)) < 0.4).agrees


@pytest.mark.parametrize("layers", [(nn.Conv1d(4, 3, 2),), (nn.Flatten(), nn.Linear(20, 3))])
def test_axes_that_a_step_works_on_are_no_batch(layers):
    module = nn.Sequential(*layers, snn.Leaky(beta=0.8, init_hidden=True))
    assert from_torch(module, torch.rand(3, 4, 5)).inputs[0].size == 20


@pytest.mark.parametrize("taken", ["for", "batch first"])
def test_a_sample_of_one_step_for_a_loop(taken):
    sample = torch.rand(1, 3, N) if taken == "for" else torch.rand(3, 1, N)
    with pytest.raises(ParameterError, match=r"loops over axis \d of .*, which has one step; give at least two steps"):
        from_torch(Module(taken, "stack").eval(), sample)


def test_voltages_above_their_thresholds_are_named_by_verify():
    module = Module("for", "stack").eval()
    module.l1 = snn.Leaky(beta=0.8, reset_delay=False)
    module.fc1.weight.data *= 3
    network = from_torch(module, torch.rand(STEPS, 2, N))
    found = verify(module, network, np.random.default_rng(0).random((STEPS, 3, N)) < 0.4)
    assert found.stepwise.outside > 0
    assert "subtracts twice there, and the network does not (train with reset_delay=True)" in found.to_markdown()
    module.l1 = snn.Leaky(beta=0.8)
    network = from_torch(module, torch.rand(STEPS, 2, N))
    assert verify(module, network, np.random.default_rng(0).random((STEPS, 3, N)) < 0.4).stepwise.outside == 0


@pytest.mark.parametrize("kind", ["LIF", "LIFBox", "IAF"])
def test_layers_of_norse_over_time_have_a_cell_instead(kind):
    norse = pytest.importorskip("norse.torch")
    if not hasattr(norse, kind):
        pytest.skip(f"this Norse has no {kind}")

    def made(name):
        torch.manual_seed(0)
        module = norse.SequentialState(nn.Linear(N, 8), getattr(norse, name)(), nn.Linear(8, 3), norse.LICell())
        module[0].weight.data *= 8
        return module

    with pytest.raises(UnsupportedError, match=rf"'1' is norse's {kind}, .*all steps.*; {kind}Cell is the same of one"):
        from_torch(made(kind), torch.rand(STEPS, 2, N))
    module = made(f"{kind}Cell")
    network = from_torch(module, (N,))
    x = np.random.default_rng(0).random((STEPS, 3, N)) < 0.4
    assert verify(module, network, x).agrees
    with torch.no_grad():  # the cell is what the layer runs in every step
        over_time = getattr(norse, kind)()(torch.tensor(8.0 * x))[0]
        cell, state, stepwise = getattr(norse, f"{kind}Cell")(), None, []
        for step in torch.tensor(8.0 * x):
            z, state = cell(step, state)
            stepwise.append(z)
    assert over_time.sum() > 10
    assert torch.equal(over_time, torch.stack(stepwise))
