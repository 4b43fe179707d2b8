"""Forwards as public code writes them: what counts its steps, what limits its input, what it adds up and returns."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import SsdpHwError, UnsupportedError
from ssdp_hw.running.run import run

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn, functional = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS, BATCH, N = 12, 3, 5


class Written(nn.Module):
    """5 -> 4 -> 3 over time; ``before`` does something to the input, ``at`` to that of a step."""

    def __init__(self, before=lambda x: x, at=lambda x, step: x):
        super().__init__()
        torch.manual_seed(0)
        self.before, self.at = before, at
        self.fc1, self.l1 = nn.Linear(N, 4), snn.Leaky(beta=0.8)
        self.fc2, self.l2 = nn.Linear(4, 3), snn.Leaky(beta=0.9)
        for layer in (self.fc1, self.fc2):
            layer.weight.data *= 4

    def steps(self, x):
        """What the second linear layer gives in each step."""
        mem = self.l1.init_leaky()
        for step, xt in enumerate(self.before(x)):
            spikes, mem = self.l1(self.fc1(self.at(xt, step)), mem)
            yield self.fc2(spikes)

    def forward(self, x):
        mem, sent = self.l2.init_leaky(), []
        for current in self.steps(x):
            spikes, mem = self.l2(current, mem)
            sent.append(spikes)
        return torch.stack(sent)


def events(*shape):
    return (np.random.default_rng(0).random((STEPS, BATCH, *(shape or (N,)))) < 0.4).astype(np.float32)


@pytest.mark.parametrize("begins", [9, 20, 30])
@pytest.mark.parametrize("steps", [4, 8])
def test_what_begins_behind_the_last_step_of_the_sample_is_seen(begins, steps):
    later = Written(at=lambda x, step: x if step < begins else 0 * x)
    if begins >= steps + 25:
        assert f"in runs of up to {steps + 25} steps" in from_torch(later, torch.rand(steps, 2, N)).notes[1]
        return
    with pytest.raises(UnsupportedError, match=r"on 25 steps more the module does something else than on the sample"):
        from_torch(later, torch.rand(steps, 2, N))


LIMITS = {
    "clamp": lambda x: x.clamp(0, 1),
    "clamp from above": lambda x: torch.clamp(x, max=1),
    "hardtanh": lambda x: functional.hardtanh(x, 0.0, 1.0),
    "windows of one": lambda x: functional.max_pool1d(x, 1),
}


@pytest.mark.parametrize(
    ("limit", "a_step"),
    [(limit, a_step) for limit in LIMITS for a_step in (True, False) if a_step or limit != "windows of one"],
)
def test_a_limit_of_the_input_is_left_out_and_said(limit, a_step):
    does = LIMITS[limit]
    module = Written(at=lambda x, step: does(x)) if a_step else Written(before=does)
    network = from_torch(module, torch.rand(8, 2, N))
    assert any("is left out: it changes no value between 0 and 1" in note for note in network.notes)
    assert verify(module, network, np.random.default_rng(1).random((STEPS, BATCH, N))).agrees
    if limit != "windows of one":  # the maximum of one value is that value
        with pytest.raises(UnsupportedError, match=r"cannot be expressed.*no neuron limits a current"):
            from_torch(module, 2 * torch.randn(8, 2, N))


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (lambda x: x.clamp(max=0.5) * 2, "'clamp' cannot be expressed"),
        (lambda x: (x * x).flatten(2), "'mul' multiplies two values that both depend on the input"),
        (lambda x: x.round(), "'round' acts on all steps at once.*done outside the module"),
    ],
)
def test_the_first_operation_that_cannot_be_expressed_is_named(before, said):
    with pytest.raises(UnsupportedError, match=said):
        from_torch(Written(before=before), torch.rand(8, 2, N))


def added(values):
    total = 0
    for value in values:
        total = total + value
    return total


def added_in_place(values):
    total = torch.zeros(1)
    for value in values:
        total = total.expand_as(value).clone() if total.ndim < value.ndim else total
        total += value
    return total


# What a forward makes of the values of its last linear layer, one a step.
RETURNED = {
    "sum": lambda m, x: added(m.steps(x)),
    "mean": lambda m, x: added(m.steps(x)) / len(x),
    "mean by a factor": lambda m, x: added(m.steps(x)) * (1.0 / x.shape[0]),
    "mean in place": lambda m, x: added_in_place(m.steps(x)).div_(len(x)),
    "sum of a list": lambda m, x: sum(m.steps(x)) / x.shape[0],
    "softmax": lambda m, x: functional.log_softmax(added(m.steps(x)), -1),
    "softmax of the mean": lambda m, x: functional.softmax(added(m.steps(x)) / len(x), dim=1),
    "largest": lambda m, x: added(m.steps(x)).max(1)[0],
    "class": lambda m, x: added(m.steps(x)).argmax(1),
    "linear of the mean": lambda m, x: m.fc2(added(m.sent(x)) / len(x)),
    "stacked": lambda m, x: torch.stack(list(m.steps(x))).mean(0),
}


class Returned(Written):
    def __init__(self, how):
        super().__init__()
        self.how = RETURNED[how]
        del self.l2

    def sent(self, x):
        mem = self.l1.init_leaky()
        for xt in x:
            spikes, mem = self.l1(self.fc1(xt), mem)
            yield spikes

    def forward(self, x):
        return self.how(self, x)


@pytest.mark.parametrize("how", RETURNED)
def test_a_sum_over_all_steps_is_a_readout_of_each(how):
    module, x = Returned(how), events()
    network = from_torch(module, torch.rand(8, 2, N))
    assert network.outputs == ("fc2",)
    with torch.no_grad():
        expected = torch.stack(list(module.steps(torch.tensor(x)))).numpy()
    lag = network.latency
    found = run(network, x, "spec", record=("spikes", "v"), steps=STEPS + lag).v["fc2"][lag:]
    assert np.allclose(found, expected, rtol=0, atol=1e-5)
    assert verify(module, network, x).agrees


class OfSpikes(Written):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return self.how(added(super().forward(x)), len(x))


@pytest.mark.parametrize(
    "how",
    [
        lambda total, steps: functional.log_softmax(total, -1),
        lambda total, steps: functional.softmax(total / steps, -1),
        lambda total, steps: total.max(1),
        lambda total, steps: (total / steps).argmax(-1),
    ],
)
def test_what_is_made_of_counts_of_spikes_may_be_returned(how):
    module = OfSpikes(how)
    network = from_torch(module, torch.rand(8, 2, N))
    assert network.outputs == ("l2",)
    assert verify(module, network, events()).agrees


@pytest.mark.parametrize(
    "how",
    [
        lambda values: functional.softmax(added(values[:-1]), -1),
        lambda values: torch.stack([functional.softmax(added(values[: k + 1]), -1) for k in range(len(values))]),
        lambda values: added(functional.softmax(value, -1) for value in values),
    ],
)
def test_other_sums_are_refused(how):
    module = Returned("sum")
    module.how = lambda m, x: how(list(m.steps(x)))
    with pytest.raises(UnsupportedError, match="the module returns something else than spikes and voltages"):
        from_torch(module, torch.rand(8, 2, N))


class Around(nn.Module):
    """A module around another one, as a refusal advises it: ``given`` makes the other one's input of a tensor."""

    def __init__(self, module, given):
        super().__init__()
        self.module, self.given = module, given

    def forward(self, x):
        return self.module(self.given(x))


def of_another(cast):
    """A forward that takes something else than a tensor, of which ``cast`` makes one."""

    class Other(Written):
        def forward(self, given):
            return super().forward(cast(given))

    return Other()


X = torch.rand(8, 2, N)


@pytest.mark.parametrize(
    ("module", "sample", "said", "given"),
    [
        (
            of_another(lambda given: given["events"]),
            {"events": X},
            r"takes one dict.*def forward\(self, events\): return self.module\(\{'events': events\}\)",
            lambda x: {"events": x},
        ),
        (
            of_another(torch.stack),
            list(X),
            "8 tensors has one for each argument.*a list or a tuple is called from a module that takes tensors",
            list,
        ),
        (of_another(lambda given: given[0]), (X, torch.tensor(3)), r"shape \(\); .*without labels", lambda x: (x, 3)),
    ],
)
def test_a_forward_of_something_else_than_tensors(module, sample, said, given):
    with pytest.raises(SsdpHwError, match=said):
        from_torch(module, sample)
    around = Around(module, given)
    assert verify(around, from_torch(around, X), events()).agrees


@pytest.mark.parametrize(
    ("sample", "said", "advised"),
    [
        (list(X), r"torch.stack\(sample\)", torch.stack),
        (X.tolist(), r"nested lists of numbers; give torch.tensor\(sample\)", torch.tensor),
    ],
)
def test_samples_in_lists(sample, said, advised):
    with pytest.raises(SsdpHwError, match=said):
        from_torch(Written(), sample)
    assert verify(Written(), from_torch(Written(), advised(sample)), events()).agrees


PICKED = {
    "every second step": (lambda x: x[::2], "0, 2, 4"),
    "all but the first": (lambda x: x[1:], "1, 2, 3"),
    "each twice": (lambda x: [step for step in x for _ in range(2)], "0, 0, 1"),
    "the last ones first": (lambda x: [x[k] for k in reversed(range(len(x)))], "7, 6, 5"),
}


@pytest.mark.parametrize("how", PICKED)
def test_steps_that_are_picked_are_picked_outside(how):
    pick, said = PICKED[how]
    with pytest.raises(UnsupportedError, match=rf"take steps {said}.*of the samples outside the module"):
        from_torch(Written(before=pick), X)
    x = torch.tensor(events())
    picked = pick(x)
    given = picked if isinstance(picked, torch.Tensor) else torch.stack(picked)
    network = from_torch(Written(), X)
    sent = run(network, given, "spec", steps=len(given) + network.latency).spikes["l2"][network.latency :]
    with torch.no_grad():
        assert np.array_equal(sent, Written(before=pick)(x).numpy() != 0)
    assert sent.any()


@dataclass
class Result:
    spikes: torch.Tensor
    counts: torch.Tensor


def test_a_dataclass_and_a_sparse_input():
    class Both(Written):
        def forward(self, x):
            sent = super().forward(x.to_dense())
            return Result(sent, sent.sum(0))

    network = from_torch(Both(), X.to_sparse())
    assert network.outputs == ("l2",)
    assert verify(Both(), network, events()).agrees


class ByHand(nn.Module):
    """A linear layer, and neurons as a formula: what drives them and their state make spikes and a new state."""

    def __init__(self, formula):
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.formula = nn.Linear(N, 8), formula
        self.fc.weight.data *= 4

    def forward(self, x):
        state, sent = (torch.zeros(x.shape[1], 8),) * 2, []
        for xt in x:
            spikes, state = self.formula(self.fc(xt), *state)
            sent.append(spikes)
        return torch.stack(sent)


class AsLayer(ByHand):
    """The same with a layer of a framework in the place of the formula."""

    def __init__(self, neurons, factor=1.0):
        super().__init__(None)
        self.neurons, self.factor = neurons, factor

    def forward(self, x):
        state, sent = (), []
        for xt in x:
            made = self.neurons(self.factor * self.fc(xt), *state)
            spikes, *state = made if isinstance(made, tuple) else (made,)
            sent.append(state[-1] if getattr(self.neurons, "_reset_mechanism", "") == "none" else spikes)
        return torch.stack(sent)


A, B, THRESHOLD = 0.6, 0.85, 0.7


def fires(v):
    return (v > THRESHOLD).float()


def zero_after(v):
    return fires(v), (v * (1 - fires(v)), v)


def current_based(x, v, i):
    i = A * i + x
    spikes, (v, _) = zero_after(B * v + i)
    return spikes, (v, i)


def late(x, v, s):
    v = B * v + x - THRESHOLD * s
    return fires(v), (v, fires(v))


def zero_before(x, v, s):
    v = B * v * (1 - s) + x
    return fires(v), (v, fires(v))


def subtracts(x, v, _):
    v = B * v + x
    return fires(v), (v - THRESHOLD * fires(v), v)


def node(**settings):
    jelly = pytest.importorskip("spikingjelly.activation_based.neuron")
    return jelly.LIFNode(tau=1 / (1 - B), decay_input=False, v_threshold=THRESHOLD, **settings)


ZERO = {"threshold": THRESHOLD, "reset_mechanism": "zero", "reset_delay": False}
# As docs/first-hour.md has them.
BY_HAND = {
    "subtracts in the next step": (late, lambda: snn.Leaky(beta=B, threshold=THRESHOLD), 1.0),
    "zero in the next step": (zero_before, lambda: snn.Leaky(beta=B, **ZERO), 1.0),
    "zero": (lambda x, v, _: zero_after(B * v + x), node, 1.0),
    "zero, of snnTorch": (lambda x, v, _: zero_after(B * v + x), lambda: snn.Leaky(beta=B, **ZERO), 1.0),
    "subtracts": (subtracts, lambda: node(v_reset=None), 1.0),
    "average": (lambda x, v, _: zero_after(B * v + (1 - B) * x), lambda: snn.Leaky(beta=B, **ZERO), 1 - B),
    "current": (current_based, lambda: snn.Synaptic(alpha=A, beta=B, **ZERO), 1.0),
    "readout": (lambda x, v, _: (B * v + x, (B * v + x, v)), lambda: snn.Leaky(beta=B, reset_mechanism="none"), 1.0),
}


@pytest.mark.parametrize("how", BY_HAND)
def test_the_layer_in_the_place_of_a_formula(how):
    formula, layer, factor = BY_HAND[how]
    by_hand = ByHand(formula)
    with pytest.raises(UnsupportedError, match=r"docs/first-hour.md has which layer a formula is"):
        from_torch(by_hand, X)
    module, x = AsLayer(layer(), factor), events()
    network = from_torch(module, X)
    with torch.no_grad():
        expected = by_hand(torch.tensor(x)).numpy()
    result = run(network, x, "spec", record=("spikes", "v"), steps=STEPS + network.latency)
    if how == "readout":
        assert np.allclose(result.v["neurons"][network.latency :], expected, rtol=0, atol=1e-4)
    else:
        assert np.array_equal(result.spikes["neurons"][network.latency :], expected != 0)
    assert np.any(expected)


def averages(spikes):
    return functional.avg_pool1d(spikes[:, None], 2, 2)[:, 0]


class Votes(Written):
    """Averages of the spikes of several neurons a class, in every step or over all of them."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.fc2, self.l2 = nn.Linear(4, 6), snn.Leaky(beta=0.9)
        self.fc2.weight.data *= 4

    def forward(self, x):
        return self.how(super().forward(x))


@pytest.mark.parametrize(
    "how",
    [
        lambda sent: torch.stack([averages(step) for step in sent]),
        lambda sent: torch.stack([step.view(-1, 3, 2).mean(-1) for step in sent]),
        lambda sent: added(averages(step) for step in sent) / len(sent),
        lambda sent: functional.softmax(added(averages(step) for step in sent), -1),
    ],
)
def test_averages_of_spikes_are_a_readout(how):
    module, x = Votes(how), events()
    network = from_torch(module, X)
    assert network.outputs == ("l2.readout",)
    with torch.no_grad():
        expected = torch.stack([averages(step) for step in Written.forward(module, torch.tensor(x))]).numpy()
    lag = network.latency
    found = run(network, x, "spec", record=("v",), steps=STEPS + lag).v["l2.readout"][lag:]
    assert np.allclose(found, expected, rtol=0, atol=1e-6)
    assert expected.any()
    assert verify(module, network, x).agrees


def test_names_and_parts_that_stand_beside_the_layers():
    """A layer that bears the name of the input, another one that of a helper neuron, and a loss with weights."""

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.fc1, self.input = nn.Linear(N, 4), snn.Leaky(beta=0.8)
            self.fc2, self.bias = nn.Linear(4, 3), snn.Leaky(beta=0.9)
            self.loss = nn.CrossEntropyLoss(weight=torch.ones(3))
            self.fc1.weight.data *= 4

        def forward(self, x):
            m1, m2, sent = self.input.init_leaky(), self.bias.init_leaky(), []
            for xt in x:
                spikes, m1 = self.input(self.fc1(xt), m1)
                spikes, m2 = self.bias(self.fc2(spikes), m2)
                sent.append(spikes)
            return torch.stack(sent)

    network = from_torch(Beside(), X)
    assert network.outputs == ("bias",)
    found = verify(Beside(), network, events())
    assert found.agrees
    assert found.layers[0].source_spikes > 10


def test_an_optional_state_that_is_not_returned():
    class Step(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(N, 4), snn.Leaky(beta=0.8, init_hidden=True))

        def forward(self, x, mem=None):
            return self.layers(x)

    network = from_torch(Step(), (N,))
    assert verify(Step(), network, events()).agrees


@pytest.mark.parametrize("settings", [{"R": 5, "C": 1.5}, {"R": 5, "C": 1e-3, "time_step": 1e-3}, {"beta": 0.9}])
def test_the_layer_in_the_place_of_lapicque(settings):
    def net(neurons, factor=1.0):
        module = AsLayer(neurons, factor)
        module.fc.weight.data *= 5
        return module

    lapicque = net(snn.Lapicque(**settings))
    with pytest.raises(UnsupportedError, match="put it in its place") as caught:
        from_torch(lapicque, X)
    beta, gain = (
        float(re.search(rf"{text}([\d.e-]+)", str(caught.value))[1]) for text in (r"\(beta=", "time_step / C = ")
    )
    module, x, state, expected = net(snn.Leaky(beta=beta), gain), events(), torch.zeros(1), []
    with torch.no_grad():
        for xt in torch.tensor(x):
            spikes, state = lapicque.neurons(lapicque.fc(xt), state)
            expected.append(spikes.numpy() != 0)
    network = from_torch(module, X)
    sent = run(network, x, "spec", steps=STEPS + network.latency).spikes["neurons"][network.latency :]
    assert np.array_equal(sent, expected)
    assert sent.any()


def test_lapicque_that_loses_inputs():
    with pytest.raises(UnsupportedError, match="loses the input of the step after a spike"):
        from_torch(AsLayer(snn.Lapicque(beta=0.9, reset_mechanism="zero")), X)
