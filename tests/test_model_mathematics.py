"""What is known of each neuron model without running it: limits, invariances, and its equations written down again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from step_runner import CHIP, acting, chip_of, registers, stepped

from ssdp_hw.errors import ParameterError
from ssdp_hw.models.balanced_resonate_and_fire import balanced_resonator
from ssdp_hw.models.fractional_lif import fractional_memory
from ssdp_hw.models.homeostatic_lif import threshold_in_deviations
from ssdp_hw.models.resonate_and_fire import resonator
from ssdp_hw.models.se_adlif import adaptation

N, STEPS = 200, 400
seeds = st.integers(0, 2**32 - 1)


def adlif(rng, n):
    """Parameters of the published ranges, and the input of each neuron as (1 - beta) I."""
    tau, tau_w = rng.uniform(5, 25, n), rng.uniform(60, 300, n)
    lost = 1 - np.exp(-1 / tau)
    q = 120.0
    values = {
        "dv": lost,
        "dw": 1 - np.exp(-1 / tau_w),
        "vth": 1.0,
        "a": q * rng.uniform(0, 1, n),
        "b": q * rng.uniform(0, 2, n),
    }
    made = [adaptation(*x, q=1.0) for x in zip(tau_w, values["a"], values["b"], strict=True)]
    return values | {n: np.array([m[n] for m in made]) for n in ("coupling", "jump")}, lost


def published_adlif(values, current, symplectic):
    """SE-adLIF and EF-adLIF as their authors' code has them; spikes (time, n)."""
    beta, beta_w = 1 - values["dv"], 1 - values["dw"]
    n = current.shape[1]
    u, z, w, spikes = np.zeros(n), np.zeros(n), np.zeros(n), []
    for x in current:
        old_u, old_z = u * (1 - z), z
        u = beta * old_u + (1 - beta) * (x - w)
        z = (u > 1).astype(float)
        at, jump = (u * (1 - z), z) if symplectic else (old_u, old_z)
        w = beta_w * w + (1 - beta_w) * (values["a"] * at + values["b"] * jump)
        spikes.append(z > 0)
    return np.array(spikes)


def jaccard(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("mean", "noise", "least"), [(1.0, 10.0, 0.9975), (8.0, 6.0, 0.99)])
@pytest.mark.parametrize(("name", "symplectic"), [("SEAdLIF", True), ("EFAdLIF", False)])
def test_adlif_is_the_published_one_and_integers_approach_it(name, symplectic, mean, noise, least):
    rng = np.random.default_rng(1)
    values, lost = adlif(rng, N)
    if not symplectic:
        values |= {
            n: values[n] / 10 for n in ("a", "coupling")
        }  # with more coupling its oscillation grows without bound
    current = rng.normal(mean, noise, (STEPS, N))
    theirs = published_adlif(values, current, symplectic)
    assert 0.03 < theirs.mean() < 0.2
    ideal, _, _ = stepped(name, acting(name, values), current * lost, ideal=True)
    assert jaccard(ideal, theirs) > 0.9999  # two orders of float operations may part at a threshold
    found = {}
    for bits, scale in ((12, 2**8), (12, 2**16), (16, 2**12), (16, 2**16)):
        chip = chip_of(bits)
        arriving = np.rint(current * lost * scale).astype(np.int64)
        spikes, _, counts = stepped(name, registers(name, values, scale, chip), arriving, chip=chip)
        assert not any(counts.values())
        found[bits, scale] = jaccard(spikes, theirs)
    assert found[16, 2**16] >= (least if symplectic else 0.99)
    assert found[16, 2**16] > found[12, 2**16] > found[12, 2**8]
    assert found[16, 2**16] > found[16, 2**12]


def test_symplectic_euler_is_stable_where_forward_euler_is_not():
    """The published claim: without spikes, the modulus of SE's eigenvalues stays below 1 for every a; EF's does not."""
    lost, lost_w = 1 - math.exp(-1 / 15), 1 - math.exp(-1 / 60)
    for a, grows in ((20.0, False), (200.0, True)):
        values = {"dv": lost, "dw": lost_w, "vth": 1e9, "coupling": lost_w * a, "jump": 0.0}
        kick = np.zeros((1500, 1))
        kick[0] = 1.0
        late = {}
        for name in ("SEAdLIF", "EFAdLIF"):
            _, states, _ = stepped(name, acting(name, values), kick, ideal=True, spiking=False)
            late[name] = np.abs(states["v"][-200:]).max()
            forward = np.array([[1 - lost, -lost], [lost_w * a, 1 - lost_w]])
            symplectic = np.array([[1 - lost, -lost], [lost_w * a * (1 - lost), 1 - lost_w - lost_w * a * lost]])
            matrix = symplectic if name == "SEAdLIF" else forward
            expected = np.linalg.matrix_power(matrix, 700) @ [1.0, late_w(name, lost_w, a)]
            assert np.allclose([states["v"][700, 0], states["w"][700, 0]], expected, rtol=1e-6, atol=1e-12)
        assert late["SEAdLIF"] < 1
        assert (late["EFAdLIF"] > 1e3) == grows
        assert np.linalg.det(symplectic) == pytest.approx((1 - lost) * (1 - lost_w))


def late_w(name, lost_w, a):
    """The adaptation after the kick: EF sees it a step later."""
    return lost_w * a if name == "SEAdLIF" else 0.0


def plain_lif(rng, n=40):
    """Registers of a LIF and its input, both within what no register clips."""
    values = {"dv": rng.integers(0, 4096, n), "vth": 64 * rng.integers(1, 3000, n)}
    return values, rng.integers(-3000, 9000, (120, n)) * 8


def cuba(values, arriving, **options):
    return stepped("CubaLIF", {"du": 4096, **values}, arriving, **options)


@examples(15, default=6)
@given(seed=seeds, at_least=st.booleans(), subtract=st.booleans())
def test_models_without_their_extra_are_the_lif(seed, at_least, subtract):
    rng = np.random.default_rng(seed)
    values, arriving = plain_lif(rng)
    options = {"at_least": at_least, "subtract": subtract}
    spikes, states, _ = cuba(values, arriving, **options)
    memory = {f"{what}{i}": 4096 * (what == "gain" and i == 1) for what in ("keep", "gain") for i in (1, 2, 3)}
    for name, extra in {
        "SEAdLIF": {"dw": 100, "coupling": 0, "jump": 0},
        "EFAdLIF": {"dw": 100, "coupling": 0, "jump": 0},
        "AdaptiveLIF": {"du": 4096, "da": 100, "jump": 0},
        "RefractoryLIF": {"du": 4096, "period": 0},
        "SteppedThresholdLIF": {"step": 64, "levels": 0, "patience": 3},
        "FractionalLIF": memory,
    }.items():
        other, others, _ = stepped(name, {**values, **extra}, arriving, **options)
        assert np.array_equal(other, spikes), name
        assert np.array_equal(others["v"], states["v"]), name


@examples(15, default=6)
@given(seed=seeds)
def test_alif_without_adaptation_and_refractory_response_never_resets(seed):
    """With a and r that a step forgets at once, ALIF is the LIF that keeps its voltage."""
    rng = np.random.default_rng(seed)
    values, arriving = plain_lif(rng)
    shared = {**values, "du": 1500}
    spikes, states, _ = stepped("NonResettingLIF", shared, arriving)
    other, others, _ = stepped("ALIF", {**shared, "da": 4096, "dr": 4096, "jump": 0}, arriving)
    assert np.array_equal(other, spikes)
    assert np.array_equal(others["v"], states["v"])
    assert np.array_equal(spikes, states["v"] > values["vth"])
    silent, traces, _ = stepped("CubaLIF", shared, arriving, spiking=False)
    assert not silent.any()
    assert np.array_equal(traces["v"], states["v"])


@examples(20, default=7)
@given(seed=seeds, period=st.integers(0, 20), subtract=st.booleans())
def test_a_refractory_neuron_never_fires_within_its_period(seed, period, subtract):
    rng = np.random.default_rng(seed)
    values, arriving = plain_lif(rng)
    spikes, states, _ = stepped(
        "RefractoryLIF", {"du": 3000, **values, "period": period}, arriving + 20_000, subtract=subtract
    )
    assert spikes.any()
    for n in range(spikes.shape[1]):
        at = np.flatnonzero(spikes[:, n])
        assert at.size < 2 or np.diff(at).min() > period
    resting = states["rest"][:-1] > 0
    assert np.array_equal(states["v"][1:][resting], states["v"][:-1][resting])


@pytest.mark.parametrize("decay", [0.001, 0.01, 0.1])
@pytest.mark.parametrize("period", [4.0, 7.3, 16.0, 64.0])
def test_a_resonator_turns_once_a_period_and_decays(period, decay):
    """From a kick z on, z(n) = (1 - decay)^n exp(2 pi i n / period) z: exactly in real numbers, else within a bound."""
    parameters = {**resonator(period, decay), "vth": 1e9}
    kick = np.zeros((300, 1))
    kick[0] = 1.0
    _, states, _ = stepped("RF", acting("RF", parameters), kick, ideal=True)
    z = states["real"][:, 0] + 1j * states["imag"][:, 0]
    turn = (1 - decay) * np.exp(2j * np.pi / period)
    assert np.allclose(z, turn ** np.arange(300), rtol=0, atol=1e-12)
    amplitude = 2**20
    gains = registers("RF", {**parameters, "vth": 0}, 1)
    _, states, _ = stepped("RF", {**gains, "vth": 2**23}, (kick * amplitude).astype(np.int64))
    coded = (int(gains["cos"]) + 1j * int(gains["sin"])) / 4096
    assert abs(coded) < 1
    assert abs(abs(coded) - (1 - decay)) < 1.5e-4
    assert abs(np.angle(coded) * period / (2 * np.pi) - 1) < 5e-3
    exact = amplitude * coded ** np.arange(300)
    error = np.abs(states["real"][:, 0] + 1j * states["imag"][:, 0] - exact)
    assert error.max() < 2 * math.sqrt(2) / (1 - abs(coded))  # each product loses less than one unit


def test_parameters_that_no_neuron_has():
    for period, decay in ((3.9, 0.1), (10, -0.1), (10, 1.1), (math.nan, 0.1)):
        with pytest.raises(ParameterError, match="resonator"):
            resonator(period, decay)
    for tau, a in ((0.0, 1.0), (100.0, -1.0)):
        with pytest.raises(ParameterError, match="adaptation"):
            adaptation(tau, a, 0.0)
    for omega, damping in ((101.0, 0.0), (-1.0, 0.0), (5.0, -0.1)):
        with pytest.raises(ParameterError, match="balanced_resonator"):
            balanced_resonator(omega, damping)


@pytest.mark.parametrize("omega", [5.0, 10.0, 50.0])
def test_a_balanced_resonator_without_damping_keeps_its_modulus(omega):
    values = balanced_resonator(omega, 0.0)
    assert math.hypot(values["cos"], values["sin"]) == pytest.approx(1, abs=1e-15)
    assert math.hypot(*(balanced_resonator(omega, 2.0)[n] for n in ("cos", "sin"))) < 1


def test_brf_is_the_published_one_and_integers_approach_it():
    rng, dt = np.random.default_rng(3), 0.01
    omega, offset = rng.uniform(5, 10, N), rng.uniform(0, 3, N)
    current = rng.random((STEPS, N)) * 40 * (rng.random((STEPS, N)) < 0.4)
    u, v, q, theirs = np.zeros(N), np.zeros(N), np.zeros(N), []
    for x in current:
        b = (-1 + np.sqrt(1 - (dt * omega) ** 2)) / dt - offset - q
        u, v = u + b * u * dt - omega * v * dt + x * dt, v + omega * u * dt + b * v * dt
        z = u - 1 - q > 0
        q = 0.9 * q + z
        theirs.append(z)
    theirs = np.array(theirs)
    assert 0.01 < theirs.mean() < 0.3
    made = [balanced_resonator(w, b, dt) for w, b in zip(omega, offset, strict=True)]
    values = {n: np.array([m[n] for m in made]) for n in ("cos", "sin")}
    values |= {"damping": dt, "dq": 0.1, "vth": 1.0, "jump": 1.0}
    ideal, _, _ = stepped("BRF", acting("BRF", values), current * dt, ideal=True)
    assert jaccard(ideal, theirs) > 0.9999
    found = {}
    for bits, scale in ((12, 2**8), (12, 2**16), (16, 2**16)):
        chip = chip_of(bits)
        arriving = np.rint(current * dt * scale).astype(np.int64)
        spikes, _, counts = stepped("BRF", registers("BRF", values, scale, chip), arriving, chip=chip)
        assert not any(counts.values())
        found[bits, scale] = jaccard(spikes, theirs)
    assert found[16, 2**16] > found[12, 2**16] > found[12, 2**8]
    assert found[16, 2**16] > 0.97


def grunwald_letnikov(order, tau, current, threshold):
    """spikeDE's fractional LIF with the whole memory, a step of 1 and a subtracting reset; spikes and voltages."""
    steps = len(current)
    c = np.concatenate([[1.0], np.cumprod(1 - (1 + order) / np.arange(1, steps + 1))])
    v, spikes = np.zeros((steps + 1, current.shape[1])), []
    for k in range(steps):
        new = (-v[k] + current[k]) / tau - np.tensordot(c[1 : k + 2], v[k::-1], 1)
        fired = new > threshold
        v[k + 1] = new - threshold * fired
        spikes.append(fired)
    return np.array(spikes), v[1:]


@pytest.mark.parametrize("order", [0.5, 0.7, 0.8, 0.9, 1.0])
def test_three_exponentials_stand_for_a_fractional_derivative(order):
    rng, tau = np.random.default_rng(4), 2.0
    current = (rng.random((128, 30)) < 0.2).astype(float)
    _, v = grunwald_letnikov(order, tau, current, 1e9)
    values = {**fractional_memory(order, 128), "dv": 1 / tau, "vth": 1e9}
    _, states, _ = stepped("FractionalLIF", acting("FractionalLIF", values), current / tau, ideal=True)
    assert np.abs(states["v"] - v).max() < (1e-12 if order == 1 else 0.02)
    scale = 2**16
    arriving = np.rint(current / tau * scale).astype(np.int64)
    _, fixed, counts = stepped(
        "FractionalLIF", {**registers("FractionalLIF", {**values, "vth": 0}, 1), "vth": 2**23}, arriving
    )
    assert not any(counts.values())
    assert np.abs(fixed["v"] / scale - v).max() < 0.02
    spikes, _ = grunwald_letnikov(order, tau, 3 * current, 1.0)
    ideal, _, _ = stepped(
        "FractionalLIF", acting("FractionalLIF", {**values, "vth": 1.0}), 3 * current / tau, ideal=True, subtract=True
    )
    assert spikes.mean() > 0.05
    assert jaccard(ideal, spikes) > 0.95


def test_fractional_memory_sums_up_to_what_the_kernel_does():
    """The kernel's sum over j = 1 to n is 1 - Gamma(n + 1 - alpha) / (Gamma(1 - alpha) Gamma(n + 1))."""
    for order in (0.5, 0.7, 0.9):
        for steps in (128, 1000):
            p = fractional_memory(order, steps)
            made = sum(p[f"gain{i}"] * (1 - p[f"keep{i}"] ** steps) / (1 - p[f"keep{i}"]) for i in (1, 2, 3))
            log = math.lgamma(steps + 1 - order) - math.lgamma(1 - order) - math.lgamma(steps + 1)
            assert made == pytest.approx(1 - math.exp(log), abs=0.025)
            assert all(0 <= p[f"keep{i}"] < 1 and p[f"gain{i}"] >= 0 for i in (1, 2, 3))
    for order, steps in ((0.0, 100), (1.1, 100), (0.5, 2)):
        with pytest.raises(ParameterError, match="fractional_memory"):
            fractional_memory(order, steps)


def homeostatic(tau=30.0, n=50):
    return {"dv": 0.2, "rate": 1 / (tau + 1), "kappa": threshold_in_deviations(tau)}


def test_a_homeostatic_neuron_does_not_know_the_scale_of_its_input():
    rng = np.random.default_rng(6)
    current = rng.normal(0.3, 1.0, (600, 50))
    values = acting("HomeostaticLIF", homeostatic())
    reference, _, _ = stepped("HomeostaticLIF", values, current, ideal=True)
    assert 0.02 < reference.mean() < 0.4
    for factor in (0.25, 4.0, 16.0):  # powers of two are exact
        spikes, _, _ = stepped("HomeostaticLIF", values, factor * current, ideal=True)
        assert np.array_equal(spikes, reference)
    rates = []
    for scale in (2**12, 2**14, 2**16):
        arriving = np.rint(current * scale).astype(np.int64)
        spikes, _, counts = stepped("HomeostaticLIF", registers("HomeostaticLIF", homeostatic(), 1), arriving)
        assert not any(counts.values())
        assert jaccard(spikes, reference) > 0.97
        rates.append(spikes.mean())
    assert max(rates) / min(rates) < 1.02


def test_statistics_of_a_homeostatic_neuron_are_those_of_its_voltage():
    rng = np.random.default_rng(7)
    current = rng.normal(0.0, 1.0, (6000, 20))
    values = acting("HomeostaticLIF", homeostatic(200.0))
    _, states, _ = stepped("HomeostaticLIF", values, current, ideal=True, spiking=False)
    v = states["v"][2000:]
    assert states["mean"][-1].mean() == pytest.approx(v.mean(), abs=0.1 * v.std())
    assert states["spread"][2000:].mean() == pytest.approx(np.abs(v - v.mean()).mean(), rel=0.05)


@pytest.mark.parametrize(("tau", "deviations"), [(5, 0.4820), (20, 0.8219), (50, 1.1107)])
def test_the_threshold_in_deviations_is_the_root_of_its_equation(tau, deviations):
    z = threshold_in_deviations(tau) / math.sqrt(math.pi / 2)
    assert math.tanh(z) == pytest.approx(math.exp(-10 / (tau + 1) * z), abs=1e-9)
    assert z == pytest.approx(deviations, abs=1e-4)
    with pytest.raises(ParameterError, match="tau"):
        threshold_in_deviations(0)


def test_silence_leaves_a_homeostatic_neuron_silent():
    spikes, states, _ = stepped("HomeostaticLIF", registers("HomeostaticLIF", homeostatic(), 1), np.zeros((50, 3), int))
    assert not spikes.any()
    assert not any(x.any() for x in states.values())


@examples(20, default=7)
@given(seed=seeds, levels=st.integers(0, 6), patience=st.integers(1, 30))
def test_a_stepped_threshold_stays_among_its_levels(seed, levels, patience):
    rng = np.random.default_rng(seed)
    values, arriving = plain_lif(rng)
    step = 64 * 50
    spikes, states, _ = stepped(
        "SteppedThresholdLIF", {**values, "step": step, "levels": levels, "patience": patience}, arriving
    )
    level = states["level"]
    assert level.min() >= 0
    assert level.max() <= levels
    before = np.vstack([np.zeros_like(level[:1]), level[:-1]])
    silent = 0
    for k, fired in enumerate(spikes):
        waited = ~fired & (silent + 1 >= patience)
        expected = np.where(fired, np.minimum(before[k] + 1, levels), np.maximum(before[k] - waited, 0))
        assert np.array_equal(level[k], expected)
        silent = np.where(fired | waited, 0, silent + 1)


def test_ups_and_downs_of_a_stepped_threshold_balance():
    """Under a constant drive it fires about once in ``patience`` steps where its levels reach high enough."""
    values = {"dv": 400, "vth": 64 * 100, "step": 64 * 20, "levels": 200, "patience": 25}
    drive = np.linspace(2_000, 6_000, 9).astype(np.int64)
    spikes, states, _ = stepped("SteppedThresholdLIF", values, np.tile(drive, (6000, 1)))
    assert states["level"].max() < 200
    late = spikes[3000:].mean(0)
    assert np.all(np.abs(late * 25 - 1) < 0.1)


def test_adaptation_brings_the_rate_of_alif_down():
    values = {"du": 4096, "dv": 400, "vth": 64 * 100, "dr": 1000}
    drive = np.full((800, 1), 6_000, np.int64)
    rates = []
    for jump in (0, 64 * 10, 64 * 40):
        spikes, _, _ = stepped("ALIF", {**values, "da": 20, "jump": jump}, drive)
        rates.append(spikes.mean())
    assert rates[0] > rates[1] > rates[2] > 0
    assert CHIP.decay_bits == 12
