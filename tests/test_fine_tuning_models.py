"""Fine-tuning of declared models: forwards their integers, backwards the gradient of their real numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from declared_models import FIXED_MODELS, NoVoltage, Relay, declared_fixed_networks, input_of, register_values
from example_counts import examples
from hypothesis import given, reject, strategies as st
from odd_models import MODELS as ODD_MODELS, OUTSIDERS

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.models.base import BIAS, Kind, Unit
from ssdp_hw.models.form import StepForm
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.operations.base import Values
from ssdp_hw.operations.ideal import IdealOperations
from ssdp_hw.operations.philox import NOISE_KEY_BITS

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # small tensors

from ssdp_hw.operations import straight_through  # noqa: E402
from ssdp_hw.operations.straight_through import StraightThroughOperations, Tracked  # noqa: E402
from ssdp_hw.quantization.fine_tuning import TorchFixedNetwork, fine_tune  # noqa: E402

CHIP = load_chip("loihi2")
# What these send comes from comparisons without op.fires alone.
WITHOUT_GRADIENT = ("NoVoltage", "Clock", "Softmaxish")
EVERY_MODEL = (*FIXED_MODELS, Relay(), *ODD_MODELS, *OUTSIDERS)
TUNED_MODELS = tuple(m for m in EVERY_MODEL if m.name not in WITHOUT_GRADIENT)
# Most of a network of these sends payloads, and each fires by comparisons of its own.
GRADED_MODELS = tuple(m for m in TUNED_MODELS if m.name in ("Relay", "Tabled", "SigmaDelta", "AdaptiveLIF"))


def refusal(network):
    """Why a network cannot be tuned; empty where it can."""
    try:
        TorchFixedNetwork(network)
    except UnsupportedError as error:
        return str(error)
    return ""


@examples(150, default=25)
@given(
    st.one_of(declared_fixed_networks(models=TUNED_MODELS), declared_fixed_networks(models=GRADED_MODELS)),
    st.integers(0, 2**32 - 1),
)
def test_the_forward_pass_is_the_specification(network, seed):
    """Every spike and state of every model: graded messages, ports, loops, delays, exponents, random numbers."""
    inputs = input_of(network, seed, steps=15)
    reason = refusal(network)
    if reason:  # what a graded neuron sends has a gradient; that it sends has none at times
        refused = network.population(reason.split("'")[1])
        assert "no gradient passes" in reason
        assert refused.declared.name == "Sigma" or (refused.payload and refused.name in network.outputs)
        reject()
    module = TorchFixedNetwork(network)
    names = {s for p in network.populations for s in p.state_names}
    wanted = sh.run(network, inputs, "spec", record=("spikes", *names), on_overflow="ignore")
    spikes, states = module.traced(inputs)
    for name in network.population_names:
        np.testing.assert_array_equal(spikes[name].detach().numpy() != 0, wanted.spikes[name])
        for state in network.population(name).state_names:
            np.testing.assert_array_equal(states[state][name].detach().numpy(), wanted.recorded(state)[name])


class _ScaledIdeal(IdealOperations):
    """Real numbers on the two scales of a chip."""

    def unshifted(self, x):
        return np.multiply(x, 2.0**-CHIP.activation_shift)


def values_of(model, form, rng, n):
    """Random integers of every state, and those that act and arrive beside them."""
    states = {}
    for s in model.states:
        top = min(1 << (form.registers[s.name] - 2), 1 << 18 if s.unit is Unit.VOLTAGE else 1 << 4)
        states[s.name] = rng.integers(-top if s.signed else 0, top, n)
    registers = register_values(rng, model, n)
    acting = {q.name: q.acting(registers[q.name], CHIP) for q in model.parameters}
    acting |= {
        q.name: np.maximum(acting[q.name], 64) for q in model.parameters if q.kind is Kind.LEVEL
    }  # some divide by it
    acting |= {key: rng.integers(0, 1 << NOISE_KEY_BITS, n) for key in model.noise_keys}
    acting |= {BIAS: rng.integers(-1000, 1000, n)}
    inputs = {name: rng.integers(-(1 << 18), 1 << 18, n) for name in ("arriving", *model.ports)}
    return states, acting, inputs


def step_of(model, op, states, acting, inputs):
    """Every state after a step."""
    ports = {name: value for name, value in inputs.items() if name != "arriving"}
    return model.advance(op, Values(states), Values(acting | ports), inputs["arriving"])[0]


@pytest.mark.parametrize("model", EVERY_MODEL, ids=lambda m: m.name)
def test_the_gradient_of_a_step_is_that_of_its_real_numbers(model, monkeypatch):
    """Every state by every state and input, against central differences of the ideal step; spikes as they fell.

    Neurons at which rounding decides what a step does are left out: there real numbers and integers are far apart. A
    product with a factor that is itself rounded has its gradient to one unit of that factor, 1/4096.
    """
    monkeypatch.setattr(
        straight_through._Spike, "backward", staticmethod(lambda ctx, g: (torch.zeros_like(g), None, None))
    )
    monkeypatch.setattr(
        straight_through._Events, "backward", staticmethod(lambda ctx, g: (torch.zeros_like(g), None, None, None))
    )
    n, h = 400, 2.0**-10
    form = StepForm(model, CHIP, ports=model.ports)
    states, acting, inputs = values_of(model, form, np.random.default_rng(1), n)
    exact = step_of(model, form.exact(), states, acting, inputs)
    real = _ScaledIdeal(form.chip.decay_bits, form.registers, spiking=True, at_least=False, subtract=False)

    def ideal(shifted: str, by: float):
        moved = {name: v + by * (name == shifted) for name, v in {**states, **inputs}.items()}
        after = step_of(model, real, {s: moved[s] for s in states}, acting, {i: moved[i] for i in inputs})
        return {name: np.broadcast_to(value, n) for name, value in after.items()}

    at = ideal("", 0.0)
    near = np.all([np.abs(np.broadcast_to(exact[s], n) - at[s]) <= 2**-6 * np.abs(at[s]) + 64 for s in states], axis=0)
    assert near.mean() > 0.5
    leaves = {
        name: Tracked(v, torch.tensor(v.astype(np.float64), requires_grad=True))
        for name, v in {**states, **inputs}.items()
    }
    after = step_of(
        model,
        StraightThroughOperations(form.exact()),
        {s: leaves[s] for s in states},
        {key: Tracked.of(value) for key, value in acting.items()},
        {i: leaves[i] for i in inputs},
    )
    compared = 0
    for name, value in after.items():
        result = Tracked.of(value).tensor
        np.testing.assert_array_equal(np.broadcast_to(result.detach().numpy(), n), np.broadcast_to(exact[name], n))
        if not result.requires_grad:
            assert all(np.allclose(ideal(leaf, h)[name][near], at[name][near]) for leaf in leaves)
            continue
        found = torch.autograd.grad(
            result.sum(), [x.real for x in leaves.values()], retain_graph=True, allow_unused=True
        )
        for leaf, gradient in zip(leaves, found, strict=True):
            up, down = ideal(leaf, h)[name], ideal(leaf, -h)[name]
            smooth = near & np.isclose(up - at[name], at[name] - down, rtol=1e-3, atol=1e-6)
            wanted = ((up - down) / (2 * h))[smooth]
            mine = np.zeros(n) if gradient is None else gradient.numpy()
            np.testing.assert_allclose(mine[smooth], wanted, rtol=1e-3, atol=3e-4, err_msg=f"{name} by {leaf}")
            compared += np.count_nonzero(wanted)
    assert compared > n or model.name in ("Delta", *WITHOUT_GRADIENT)


def one_layer(model, **options):
    """Four inputs and three neurons of a model, whose weights are in reach of their thresholds."""
    rng = np.random.default_rng(3)
    population = sh.FixedPopulation(name="p", size=3, model=model, **options)
    weight = 2 * rng.integers(-30, 100, (3, 4))
    inputs, outputs = [sh.Input("in", 4)], ["p"]
    return sh.FixedNetwork(
        inputs,
        [population],
        [sh.FixedProjection(pre="in", post="p", weight=weight, weight_exp=5)],
        outputs,
        chip="loihi2",
    )


def test_adaptive_neurons_learn_by_the_gradient_of_their_published_equations():
    """The gradient of weights and the spikes of SE-adLIF, against the equations written again in torch's floats."""
    registers = {"dw": [90, 200, 400], "coupling": [3000, 9000, 20000], "jump": [2000, 5000, 900]}
    network = one_layer("SEAdLIF", dv=[300, 500, 800], vth=[9000, 7000, 11000], parameters=registers)
    rng = np.random.default_rng(0)
    spikes = rng.random((40, 5, 4)) < 0.4
    steps, cotangent = 41, torch.tensor(rng.normal(size=(41, 5, 3)))
    module = TorchFixedNetwork(network)
    fired = module(spikes, steps)[0]["p"]
    (fired * cotangent).sum().backward()

    (p,), chip = network.populations, network.limits
    lost, lost_w = (torch.tensor(p.registers[n] / 2.0**chip.decay_bits) for n in ("dv", "dw"))
    unit = torch.tensor(p.vth * 2.0**chip.activation_shift)  # voltages in thresholds
    coupling = torch.tensor(p.registers["coupling"] / 2.0**16)
    jump = torch.tensor(p.registers["jump"] * 2.0**chip.activation_shift) / unit
    weight = torch.tensor(network.projections[0].weight.astype(np.float64), requires_grad=True)
    v, w = torch.zeros(5, 3), torch.zeros(5, 3)
    theirs = []
    for t in range(steps):
        x = torch.tensor(spikes[t - 1].astype(np.float64)) if t else torch.zeros(5, 4, dtype=torch.float64)
        v = (1 - lost) * v + x @ weight.T * 2.0 ** (5 + chip.activation_shift) / unit - lost * w
        distance = v - 1.0
        smooth = distance / (1 + straight_through.STEEPNESS * distance.abs())  # the antiderivative of its own slope
        z = (distance > 0).double().detach() + smooth - smooth.detach()
        v = v * (1 - z.detach())
        w = (1 - lost_w) * w + coupling * v + jump * z
        theirs.append(z)
    theirs = torch.stack(theirs)
    assert 0.05 < theirs.mean() < 0.5
    np.testing.assert_array_equal(fired.detach().numpy() > 0.5, theirs.detach().numpy() > 0.5)
    (theirs * cotangent).sum().backward()
    step = network.projections[0].format.step
    wanted, found = weight.grad.numpy() * step, module.synapses[0].master.grad.numpy().reshape(3, 4)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3 * np.abs(wanted).max())


class _StepPWL(torch.autograd.Function):
    """Rockpool's number of events, written again: window of half a threshold, at most so many."""

    @staticmethod
    def forward(ctx, v, most):
        ctx.save_for_backward(v)
        ctx.most = most
        return torch.clamp(torch.floor(v), 0, most)

    @staticmethod
    def backward(ctx, gradient):
        (v,) = ctx.saved_tensors
        return gradient * ((v >= 0.5) & (v < ctx.most + 0.5)), None


def xylo_network(most):
    """Hidden neurons that send several spikes in a step, and outputs that send at most so many."""
    rng = np.random.default_rng(5)

    def population(name, size, events):
        registers = {"syn": 1 << 13, "mem": 1 << 12, "most": events}
        return sh.FixedPopulation(name=name, size=size, model="XyloLIF", vth=1200, payload_bits=5, parameters=registers)

    def weights(*shape):
        return 2 * rng.integers(-60, 100, shape)

    return sh.FixedNetwork(
        [sh.Input("in", 4, payload_bits=4)],
        [population("hidden", 6, 31), population("out", 3, most)],
        [
            sh.FixedProjection(pre="in", post="hidden", weight=weights(6, 4), weight_exp=3),
            sh.FixedProjection(pre="hidden", post="hidden", weight=weights(6, 6) // 8 * 2, weight_exp=0),
            sh.FixedProjection(pre="hidden", post="out", weight=weights(3, 6), weight_exp=2),
        ],
        ["out"],
        chip="xylo",
    )


def pinned(value, integers, apart=2):
    """The integers, with the gradient of the value, from which they are not far."""
    assert (value - integers).abs().max() <= apart
    return value + (integers - value).detach()


def test_neurons_of_several_spikes_learn_by_the_gradient_of_rockpools_own():
    """The gradient of weights by what the outputs send, against the equations in torch's floats."""
    network = xylo_network(31)
    rng = np.random.default_rng(0)
    spikes = rng.integers(0, 3, (30, 5, 4)) * (rng.random((30, 5, 4)) < 0.4)
    steps, cotangent = 32, torch.tensor(rng.normal(size=(32, 5, 3)))
    module = TorchFixedNetwork(network)
    states = module.traced(spikes, steps)[1]
    events = states["events"]
    (events["out"] * cotangent).sum().backward()

    weight = [torch.tensor(q.weight.astype(np.float64), requires_grad=True) for q in network.projections]
    lost, scale = (1 - 2.0**13 / 2**15, 1 - 2.0**12 / 2**15), [2.0**q.weight_exp for q in network.projections]
    n = {"hidden": 6, "out": 3}
    i, v, sent = ({name: torch.zeros(5, k, dtype=torch.float64) for name, k in n.items()} for _ in range(3))
    theirs = []
    for t in range(steps):
        x = torch.tensor(spikes[t - 1] if 0 < t <= len(spikes) else 0 * spikes[0], dtype=torch.float64)
        caused = [s @ w.T * k for s, w, k in zip((x, sent["hidden"], sent["hidden"]), weight, scale, strict=True)]
        for name, arriving in (("hidden", caused[0] + caused[1]), ("out", caused[2])):
            # The integers' own numbers, which differ by what one step rounds, decide how often a threshold fits.
            i[name] = pinned(lost[0] * (i[name] + arriving), states["i"][name][t])
            before = states["v"][name][t] + 1200 * events[name][t]
            v[name] = pinned(lost[1] * v[name] + i[name], before)
            sent[name] = pinned(_StepPWL.apply(v[name] / 1200, 31), events[name][t], 0)
            v[name] = v[name] - sent[name].detach() * 1200
        theirs.append(sent["out"])
    theirs = torch.stack(theirs)
    assert events["hidden"].max() > 3
    assert 0.05 < theirs.mean() < 5
    (theirs * cotangent).sum().backward()
    for synapses, matrix in zip(module.synapses, weight, strict=True):
        wanted = matrix.grad.numpy() * synapses.step
        found = synapses.master.grad.numpy().reshape(wanted.shape)
        np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=1e-2 * np.abs(wanted).max())


def test_outputs_of_one_spike_a_step_have_the_gradient_of_their_spikes():
    module = TorchFixedNetwork(xylo_network(1))
    spikes = np.random.default_rng(0).integers(0, 8, (20, 3, 4))
    module(spikes)[0]["out"].sum().backward()
    assert all(np.count_nonzero(s.master.grad) > s.master.numel() / 2 for s in module.synapses)


@pytest.mark.parametrize("name", ["Delta", "SigmaDelta"])
def test_a_sigma_delta_network_has_the_gradient_of_the_layers_that_it_stands_for(name):
    """Where every change is sent, the last sigma is ``W2 f(W1 x + bias)`` up to the bits that payloads drop."""
    rng = np.random.default_rng(1)
    first, second, bias = 2 * rng.integers(-20, 21, (5, 4)), 2 * rng.integers(-20, 21, (2, 5)), 4000
    values = np.zeros((5, 3, 4), int)
    values[0] = rng.integers(-15, 16, (3, 4))
    if name == "Delta":  # which takes values, where the others add up changes
        values[:] = values[0]
    network = sh.FixedNetwork(
        [sh.Input("in", 4, payload_bits=4)],
        [
            sh.FixedPopulation(name="hidden", size=5, model=name, payload_bits=18, bias_mant=bias),
            sh.FixedPopulation(name="out", size=2, model="Sigma", spiking=False),
        ],
        [
            sh.FixedProjection(pre="in", post="hidden", weight=first, weight_exp=5),
            sh.FixedProjection(pre="hidden", post="out", weight=second),
        ],
        ["out"],
        chip="loihi2",
    )
    module, cotangent = TorchFixedNetwork(network), torch.tensor(rng.normal(size=(3, 2)))
    found = module(values)[1]["out"][-1]
    (found * cotangent).sum().backward()

    w1, w2 = (torch.tensor(w.astype(np.float64), requires_grad=True) for w in (first, second))
    unit = 2.0**network.limits.activation_shift
    activation = torch.tensor(values[0].astype(np.float64)) @ w1.T * 2.0**5 * (unit if name == "Delta" else 1) + bias
    wanted = (torch.relu(activation) if name == "SigmaDelta" else activation) / unit @ w2.T
    (wanted * cotangent).sum().backward()
    dropped = len(values) * np.abs(second).sum(axis=1).max()  # less than one a message and weight
    assert np.abs(wanted.detach().numpy()).max() > 20 * dropped
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), atol=dropped)
    for synapses, weight in zip(module.synapses, (w1, w2), strict=True):
        gradient = synapses.master.grad.numpy().reshape(weight.shape) / synapses.step
        np.testing.assert_allclose(gradient, weight.grad.numpy(), rtol=1e-2, atol=1e-2 * np.abs(weight.grad).max())


def test_a_wide_chip_is_exact_beyond_float64():
    """Products of 60 bits: integers are computed as integers, whatever torch's floats hold."""
    chip = replace(CHIP, state_bits=46, activation_bits=60)
    rng = np.random.default_rng(0)
    populations = [
        sh.FixedPopulation(name="p", size=4, model="RF", vth=90000, parameters={"cos": 4001, "sin": 800}),
        sh.FixedPopulation(name="out", size=2, du=300, dv=100, spiking=False),
    ]
    ends = [
        sh.FixedProjection(pre=a, post=b, weight=2 * rng.integers(-90, 127, s), weight_exp=7)
        for a, b, s in (("in", "p", (4, 3)), ("p", "out", (2, 4)))
    ]
    network = sh.FixedNetwork([sh.Input("in", 3)], populations, ends, ["out"], chip=chip)
    network = replace(network, populations=[replace(p, v_init=2**44) if p.name == "out" else p for p in populations])
    spikes = rng.random((30, 2, 3)) < 0.5
    wanted = sh.run(network, spikes, "spec", record=("real", "v"))
    _, states = TorchFixedNetwork(network).traced(spikes)
    np.testing.assert_array_equal(states["v"]["out"].detach().numpy(), wanted.v["out"])
    np.testing.assert_array_equal(states["real"]["p"].detach().numpy(), wanted.states["real"]["p"])


def test_adaptive_neurons_of_two_bits_come_back():
    """A hidden layer of SE-adLIF, whose weights lie between a rounded network and its float one."""
    rng = np.random.default_rng(0)
    patterns, labels = rng.random((4, 24)) < 0.4, rng.integers(0, 4, 160)
    spikes = (rng.random((25, 160, 24)) < 0.5) & patterns[labels]
    hidden = sh.neuron("SEAdLIF", 16, tau_mem=8e-3, tau_adapt=30e-3, coupling=0.05, jump=0.1)
    net = sh.Network(
        [sh.Input("in", 24)],
        [sh.Population(name="hidden", neuron=hidden), sh.Population(name="out", neuron=sh.LIF(size=4, tau_mem=5e-3))],
        [
            sh.Projection(pre="in", post="hidden", weight=rng.normal(0.1, 0.3, (16, 24))),
            sh.Projection(pre="hidden", post="out", weight=rng.normal(0, 1.0, (4, 16))),
        ],
        ["out"],
        sh.Semantics(1e-3),
    )
    fixed = sh.quantize(net, chip="loihi2", calibration=spikes, weight_bits=2)
    tuned = fine_tune(fixed, spikes[:, :120], labels[:120], start=net, epochs=10, batch=40, rate=0.05, progress=False)
    before, after = (
        np.mean(sh.run(n, spikes[:, 120:], steps=27, on_overflow="ignore").predict() == labels[120:])
        for n in (fixed, tuned)
    )
    assert after > before + 0.2
    assert after > 0.9
    assert tuned.projections[0].format == fixed.projections[0].format


def test_models_without_a_gradient_are_refused_by_name():
    """As a hidden layer and as the output."""
    model = NoVoltage()
    assert model.name in WITHOUT_GRADIENT
    own = {q.name: 1 for q in model.parameters if q.name not in ("vth",)}
    population = sh.FixedPopulation(
        name="p", size=2, model=model, parameters=own, payload_bits=3 if model.payload else 0
    )
    weight = np.full((2, 2), 4)
    out = sh.FixedPopulation(name="out", size=2, du=0, dv=0, vth=10)
    first = sh.FixedProjection(pre="in", post="p", weight=weight)
    alone = sh.FixedNetwork([sh.Input("in", 2)], [population], [first], ["p"], chip="loihi2")
    behind = replace(
        alone,
        populations=[population, out],
        projections=[first, sh.FixedProjection(pre="p", post="out", weight=weight)],
        outputs=["out"],
    )
    for network in (alone, behind):
        with pytest.raises(UnsupportedError, match=f"'p': neuron model {model.name} cannot be fine-tuned"):
            TorchFixedNetwork(network)


def test_an_output_that_counts_graded_spikes_is_refused():
    network = sh.FixedNetwork(
        [sh.Input("in", 2)],
        [sh.FixedPopulation(name="p", size=2, model="Delta", vth=10, payload_bits=8)],
        [sh.FixedProjection(pre="in", post="p", weight=np.full((2, 2), 4))],
        ["p"],
        chip="loihi2",
    )
    with pytest.raises(UnsupportedError, match=r"'p': neuron model Delta .* no gradient passes from its spikes"):
        TorchFixedNetwork(network)


def test_weights_and_payloads_beyond_float64_are_refused():
    populations = [
        sh.FixedPopulation(name="p", size=512, model="Delta", payload_bits=31),
        sh.FixedPopulation(name="out", size=1, model="Sigma", spiking=False),
    ]
    wide = WeightFormat(bits=16, scale_bits=16)
    ends = [
        sh.FixedProjection(pre="in", post="p", weight=np.full((512, 1), 2), format=wide),
        sh.FixedProjection(pre="p", post="out", weight=np.full((1, 512), 2**14), format=wide),
    ]
    chip = replace(load_chip("generic16"), activation_bits=62, payload_bits=31)
    network = sh.FixedNetwork([sh.Input("in", 1)], populations, ends, ["out"], chip=chip)
    with pytest.raises(
        UnsupportedError, match=r"'p->out': weights times payloads add up to .* give 'p' fewer payload_bits"
    ):
        TorchFixedNetwork(network)
