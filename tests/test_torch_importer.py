"""Modules of torch, snnTorch and Norse: imported, run beside torch in float64, or refused by name."""

import numpy as np
import pytest

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import ParameterError, SsdpHwError, UnsupportedError
from ssdp_hw.network.weight import DenseWeight

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS, BATCH = 40, 3


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def spikes(*shape):
    return np.random.default_rng(1).random((STEPS, BATCH, *shape)) < 0.4


def between(low, high, *shape):
    return torch.rand(*shape) * (high - low) + low


def normalisation(made, channels):
    made = made(channels)
    for values, low, high in (
        (made.running_mean, -0.2, 0.2),
        (made.running_var, 0.5, 2.0),
        (made.weight.data, 0.5, 1.5),
        (made.bias.data, 0.0, 0.3),
    ):
        values.copy_(between(low, high, channels))
    return made


def two(*neurons, scale=1.0):
    """12 -> 20 -> 6 with these neurons."""
    first, second = nn.Linear(12, 20), nn.Linear(20, 6, bias=False)
    first.weight.data.mul_(2 * scale)
    second.weight.data.mul_(4 * scale)
    return nn.Sequential(first, neurons[0], second, neurons[1])


def leaky(beta=0.9, **kind):
    return snn.Leaky(beta=beta, **kind)


MODULES = {
    "leaky as it comes": lambda: (two(leaky(), leaky(0.7)), (12,)),
    "leaky, zero": lambda: (
        two(leaky(reset_mechanism="zero"), leaky(reset_mechanism="zero", reset_delay=False)),
        (12,),
    ),
    "leaky, at once": lambda: (two(leaky(reset_delay=False), leaky(reset_delay=False), scale=0.25), (12,)),
    "leaky, a beta and threshold a neuron": lambda: (
        two(leaky(between(0.2, 0.95, 20), threshold=between(0.5, 1.5, 20)), leaky(between(0.2, 0.95, 6))),
        (12,),
    ),
    "leaky without leak": lambda: (two(leaky(1.0), leaky(1.0, reset_mechanism="zero")), (12,)),
    "synaptic": lambda: (
        two(
            snn.Synaptic(alpha=0.7, beta=0.8),
            snn.Synaptic(alpha=0.5, beta=between(0.3, 0.9, 6), reset_mechanism="zero", reset_delay=False),
        ),
        (12,),
    ),
    "recurrent": lambda: (
        two(snn.RLeaky(beta=0.9, linear_features=20), snn.RLeaky(beta=0.8, V=torch.rand(6), all_to_all=False)),
        (12,),
    ),
    "recurrent, at once": lambda: (
        two(snn.RLeaky(beta=0.9, linear_features=20, reset_mechanism="zero", reset_delay=False), leaky()),
        (12,),
    ),
    "recurrent synaptic": lambda: (two(snn.RSynaptic(alpha=0.6, beta=0.9, linear_features=20), leaky()), (12,)),
    "hidden state": lambda: (two(leaky(init_hidden=True), leaky(init_hidden=True, output=True)), (12,)),
    "recurrent with hidden state": lambda: (
        two(snn.RLeaky(beta=0.9, linear_features=20, init_hidden=True), leaky(init_hidden=True)),
        (12,),
    ),
    "convolution": lambda: (
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, bias=False),
            normalisation(nn.BatchNorm2d, 4),
            leaky(),
            nn.AvgPool2d(2),
            nn.Dropout(),
            nn.Conv2d(4, 6, 3, stride=2, groups=2),
            leaky(0.8, threshold=0.5),
            nn.Flatten(),
            nn.Linear(6, 10),
            normalisation(nn.BatchNorm1d, 10),
            leaky(0.8, threshold=0.5),
        ),
        (2, 8, 8),
    ),
    "one axis": lambda: (
        nn.Sequential(
            nn.Conv1d(2, 4, 3, dilation=2, padding="same"),
            leaky(threshold=0.5),
            nn.Flatten(),
            nn.Linear(36, 5),
            leaky(threshold=0.5),
        ),
        (2, 9),
    ),
    "sums": lambda: (
        nn.Sequential(
            nn.Conv2d(1, 3, 3), leaky(threshold=0.2), nn.LPPool2d(1, 2), nn.Flatten(), nn.Linear(27, 5), leaky()
        ),
        (1, 8, 8),
    ),
    "nested": lambda: (
        nn.Sequential(two(leaky(), leaky()), nn.Sequential(nn.Linear(6, 4), nn.Identity()), leaky()),
        (12,),
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_spikes_and_voltages_are_those_of_torch(name):
    module, shape = MODULES[name]()
    module = module.double().eval()
    network = from_torch(module, shape)
    found = verify(module, network, spikes(*shape))
    assert found.equal, found.to_markdown()
    assert all(check.voltage < 1e-9 for check in found.layers)
    assert found.layers[0].source_spikes > 10


def test_norse():
    norse = pytest.importorskip("norse.torch")
    cells = [
        [norse.LIFCell(), norse.LIFBoxCell(), norse.LIBoxCell()],
        [norse.IAFCell(), norse.LIFCell(), norse.LICell()],
    ]
    for first, second, last in cells:
        module = nn.Sequential(nn.Linear(12, 20), first, nn.Linear(20, 6), second, nn.Linear(6, 3), last).double()
        module[0].weight.data.mul_(8)
        network = from_torch(module, (12,))
        assert network.semantics.dt == 1e-3
        found = verify(module, network, spikes(12))
        assert found.equal, found.to_markdown()
        assert found.layers[0].source_spikes > 20
        assert found.layers[2].voltage < 1e-6
        with pytest.raises(ParameterError, match="made for dt"):
            from_torch(module, (12,), dt=1e-4)


class Net(nn.Module):
    """A module of its own: one step a call."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(12, 8)
        self.hidden = leaky(init_hidden=True, threshold=0.3)
        self.drop = nn.Dropout(0.5)
        self.outer = nn.Linear(8, 4)
        self.readout = leaky(init_hidden=True, output=True, threshold=0.3)

    def forward(self, x):
        return self.readout(self.outer(self.drop(self.hidden(self.inner(x)))))


class Loop(Net):
    """All steps in a call."""

    def forward(self, x):
        return torch.stack([Net.forward(self, step)[0] for step in x])


@pytest.mark.parametrize(("made", "sample"), [(Net, (12,)), (Net, torch.rand(2, 12)), (Loop, torch.rand(5, 2, 12))])
def test_a_forward_that_is_a_chain(made, sample):
    module = made()
    module.train()
    network = from_torch(module, sample)
    assert network.population_names == ("hidden", "readout", "bias")
    assert module.training
    found = verify(module, network, spikes(12))
    assert found.agrees, found.to_markdown()


def test_the_module_is_left_as_it_was():
    module = two(leaky(init_hidden=True), leaky(init_hidden=True))
    module(torch.rand(3, 12))
    before = {name: value.clone() for name, value in module.state_dict().items()}, module[1].mem.clone()
    verify(module, from_torch(module, (12,)), spikes(12))
    assert all(torch.equal(value, before[0][name]) for name, value in module.state_dict().items())
    assert torch.equal(module[1].mem, before[1])


def test_float32_differs_by_rounding_alone():
    """A voltage that reaches the threshold to the last bit, or not: 0.1 in float32 is more than 0.1."""
    module = nn.Sequential(nn.Linear(1, 1, bias=False), leaky(1.0, threshold=0.3, reset_mechanism="zero"))
    module[0].weight.data.fill_(0.1)
    network = from_torch(module, (1,))
    found = verify(module, network, np.ones((12, 1, 1), bool))
    assert found.agrees, found.to_markdown()


class Double(Net):
    def forward(self, x):
        return self.readout(self.outer(self.hidden(self.inner(x)) * 2))


class Skip(Net):
    def forward(self, x):
        return self.readout(self.outer(self.hidden(self.inner(x))) + x[:, :4])


CONVERTED = {
    "a factor": (Double, (12,)),
    "a branch": (Skip, (12,)),
    "normalisation alone": (lambda: nn.Sequential(normalisation(nn.BatchNorm1d, 12), leaky()), (12,)),
    "reflection": (
        lambda: nn.Sequential(nn.Conv1d(2, 3, 3, padding=1, padding_mode="reflect"), leaky(threshold=0.3)),
        (2, 6),
    ),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_what_lies_beside_the_layers_is_converted(name):
    made, shape = CONVERTED[name]
    module = made()
    found = verify(module, from_torch(module, shape), spikes(*shape))
    assert found.agrees, found.to_markdown()
    assert found.layers[0].source_spikes > 10


class Again(Net):
    def forward(self, x):
        return self.readout(self.outer(self.hidden(self.hidden(self.inner(x)))))


class Unused(Net):
    def forward(self, x):
        return self.hidden(self.inner(x))


class Other(Net):
    def forward(self, x):
        return super().forward(x)[0] * 2


class Extra(Net):
    def __init__(self):
        super().__init__()
        self.extra = nn.Parameter(torch.ones(3))


REFUSED = {
    "a layer twice": (Again, "a state of its own"),
    "a layer unused": (Unused, "does not use"),
    "another value returned": (Other, "returns something else"),
    "a parameter of its own": (Extra, "extra"),
    "no layers": (lambda: nn.Linear(12, 3), "no neurons"),
    "no neurons": (lambda: nn.Sequential(nn.Linear(12, 3)), "no neurons"),
    "an activation": (lambda: nn.Sequential(nn.Linear(12, 3), nn.ReLU(), leaky()), "ReLU"),
    "alpha": (lambda: nn.Sequential(nn.Linear(12, 3), snn.Alpha(alpha=0.9, beta=0.8)), "Alpha"),
    "late zero": (lambda: nn.Sequential(snn.Synaptic(alpha=0.9, beta=0.8, reset_mechanism="zero")), "reset_delay=True"),
    "no reset within": (
        lambda: nn.Sequential(leaky(reset_mechanism="none"), nn.Linear(12, 3), leaky()),
        "never resets or has an infinite threshold",
    ),
    "no reset of a recurrent layer": (
        lambda: nn.Sequential(snn.RLeaky(beta=0.9, all_to_all=False, reset_mechanism="none")),
        "without a reset",
    ),
    "an infinite threshold in some neurons": (
        lambda: nn.Sequential(leaky(threshold=torch.tensor([1.0] * 11 + [float("inf")]))),
        "make two layers",
    ),
    "inhibition": (lambda: nn.Sequential(leaky(inhibition=True)), "inhibition"),
    "graded": (lambda: nn.Sequential(leaky(graded_spikes_factor=2.0)), "graded_spikes_factor"),
    "nan": (lambda: nn.Sequential(leaky(float("nan"))), "not finite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    made, said = REFUSED[name]
    with pytest.raises(SsdpHwError, match=said):
        from_torch(made(), (12,))


def test_samples_and_modules_that_are_none():
    for sample in (12, "ab", (), (0,), (1.5,)):
        with pytest.raises(ParameterError):
            from_torch(two(leaky(), leaky()), sample)
    with pytest.raises(ParameterError, match=r"torch\.nn\.Module"):
        from_torch("module", (12,))
    with pytest.raises(UnsupportedError, match="cannot be run on a sample"):
        from_torch(Net(), (13,))


def test_the_guard_sees_a_bias_that_was_lost(monkeypatch):
    """As released nirtorch loses it."""
    from ssdp_hw.conversion.torch import linear_steps, operations

    def without_bias(op):
        return linear_steps.LinearStep(DenseWeight(linear_steps.array(op.args[1]))) if op.name == "linear" else None

    monkeypatch.setattr(operations, "linear", without_bias)
    with pytest.raises(UnsupportedError, match="the network differs from the module"):
        from_torch(two(leaky(), leaky()), (12,))


def test_what_the_module_says_itself_may_still_be_said():
    module = two(leaky(reset_mechanism="subtract"), leaky(reset_mechanism="subtract"))
    with pytest.warns(DeprecationWarning, match="no longer needed"):
        net = from_torch(module, (12,), preset="snntorch", reset="subtract")
    assert [p.reset.value for p in net.populations if p.size > 1] == ["subtract", "subtract"]
    for wrong in ({"preset": "norse"}, {"reset": "zero"}, {"preset": "nonsense"}):
        with pytest.warns(DeprecationWarning, match="no longer"), pytest.raises(ParameterError):
            from_torch(module, (12,), **wrong)
