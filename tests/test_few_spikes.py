"""The few-spikes neuron and the stochastic oscillator: closed formulas, invariants and statistics."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from step_runner import stepped

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.few_spikes import as_few_spikes
from ssdp_hw.models.stochastic_oscillator import DEVIATION, noise_level
from ssdp_hw.operations.philox import noise_keys


def layer(name, size, bits, full, phase, **values):
    return sh.FixedPopulation(
        name=name,
        size=size,
        model="FewSpikes",
        vth=full,
        threshold=">=",
        parameters={"window": bits, "phase": phase % bits},
        **values,
    )


def few_spikes_network(weights, biases, bits, full):
    """Layers one after the other; a bias is in units of weights times the last bit."""
    names = ["in", *(f"p{k}" for k in range(len(weights)))]
    populations = [
        layer(names[k + 1], len(w), bits, full, k + 1, bias_mant=b, bias_exp=6)
        for k, (w, b) in enumerate(zip(weights, biases, strict=True))
    ]
    projections = [
        sh.FixedProjection(pre=a, post=b, weight=w) for a, b, w in zip(names, names[1:], weights, strict=False)
    ]
    return sh.FixedNetwork([sh.Input("in", weights[0].shape[1])], populations, projections, [names[-1]], chip="loihi2")


def read(spikes, bits, number):
    """The number that a layer sent of the input's window; its first spike of it comes in that step."""
    start = number * (bits + 1)
    places = 1 << np.arange(bits)[::-1]
    return np.tensordot(places, spikes[start : start + bits].astype(np.int64), 1)


def artificial(values, weights, biases, bits, full):
    """A network of K-bit ReLUs: floor(y 2**K / full), within its bits."""
    for w, b in zip(weights, biases, strict=True):
        values = np.clip(((values @ w.T + b) << bits) // full, 0, (1 << bits) - 1)
        yield values


@pytest.mark.parametrize("bits", range(2, 9))
def test_one_neuron_is_a_relu_of_so_many_bits_for_every_input(bits):
    weights, bias, full = [np.array([[2], [-2], [14]])], [np.array([-3, 40, 5])], 1 << bits + 1
    every = np.arange(1 << bits)[:, None]
    spikes = np.zeros((3 * bits, 1 << bits, 1), bool)
    spikes[:bits] = as_few_spikes(every, bits)
    found = sh.run(few_spikes_network(weights, bias, bits, full), spikes, "spec").spikes["p0"]
    np.testing.assert_array_equal(read(found, bits, 1), *artificial(every, weights, bias, bits, full))


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_layers_are_an_artificial_network(target):
    rng, bits, full = np.random.default_rng(4), 6, 1 << 10
    sizes = (10, 16, 12, 4)
    weights = [2 * rng.integers(-15, 20, (b, a)) for a, b in pairwise(sizes)]
    biases = [rng.integers(-200, 200, n) for n in sizes[1:]]
    values = rng.integers(0, 1 << bits, (30, 10))
    spikes = np.zeros((5 * bits, 30, 10), bool)
    spikes[:bits] = as_few_spikes(values, bits)
    result = sh.run(few_spikes_network(weights, biases, bits, full), spikes, target, on_overflow="error")
    for k, wanted in enumerate(artificial(values, weights, biases, bits, full)):
        np.testing.assert_array_equal(read(result.spikes[f"p{k}"], bits, k + 1), wanted)
        assert len(np.unique(wanted)) > 10 or k == 2


def test_a_window_follows_the_other():
    """Two inputs in two windows, without a gap."""
    bits, full, weights, bias = 5, 64, [np.array([[2, 2]])], [np.zeros(1, int)]
    values = np.array([[[3, 9]], [[20, 30]]])
    spikes = np.concatenate([as_few_spikes(v, bits) for v in values] + [np.zeros((2 * bits, 1, 2), bool)])
    found = sh.run(few_spikes_network(weights, bias, bits, full), spikes, "spec").spikes["p0"]
    for k in range(2):
        np.testing.assert_array_equal(
            read(found[k * bits :], bits, 1), *artificial(values[k], weights, bias, bits, full)
        )


@pytest.mark.parametrize(("values", "bits"), [([[8]], 3), ([[-1]], 3), ([[0.5]], 3), ([[0]], 0), ([[0]], 17)])
def test_what_is_no_number_of_so_many_bits(values, bits):
    with pytest.raises(ParameterError, match="as_few_spikes"):
        as_few_spikes(values, bits)


def oscillator(*, dv=0, rate=400, stiffness=300, noise=0, vth=1 << 18, seed=0, n=400):
    low, high = noise_keys(np.full(n, seed), 0)
    keys = {"noise_low": low, "noise_high": high, "seed": np.full(n, seed)}
    return {"dv": dv, "rate": rate, "stiffness": stiffness, "noise": noise, "vth": vth, **keys}


def kicked(steps, n=400, size=1 << 16):
    arriving = np.zeros((steps, n), np.int64)
    arriving[0] = np.random.default_rng(1).integers(-size, size, n)
    return arriving


def test_without_friction_integers_run_backwards_to_the_bit():
    states = stepped("StochasticOscillator", oscillator(), kicked(300))[1]
    z, v = states["z"], states["velocity"]

    def product(x, gain):
        return np.sign(x) * ((np.abs(x) * gain) >> 12)

    for t in range(299, 0, -1):
        before = v[t] + product(z[t], 300)
        np.testing.assert_array_equal(before, v[t - 1])
        np.testing.assert_array_equal(z[t] - product(before, 400), z[t - 1])


def test_without_friction_an_energy_is_kept():
    """The symplectic map keeps stiffness z^2 + rate v^2 + rate stiffness z v exactly; friction loses it."""
    rate, stiffness = 400 / 4096, 300 / 4096

    def energy(dv):
        states = stepped("StochasticOscillator", oscillator(dv=dv, n=50), kicked(300, n=50).astype(float), ideal=True)[
            1
        ]
        z, v = states["z"], states["velocity"]
        return stiffness * z**2 + rate * v**2 + rate * stiffness * z * v

    kept = energy(0)
    np.testing.assert_allclose(kept, np.broadcast_to(kept[0], kept.shape), rtol=1e-9)
    assert np.all(energy(200)[-1] < 1e-3 * kept[0])


@pytest.mark.slow
def test_noise_has_the_variance_and_correlation_of_its_equation():
    """Without a spring v is an autoregression of order 1: variance s^2 / (1 - k^2), correlation k^lag."""
    dv, deviation = 410, 20_000.0
    noise = int(noise_level(deviation))
    v = stepped("StochasticOscillator", oscillator(dv=dv, rate=0, stiffness=0, noise=noise), kicked(500, size=1))[1][
        "velocity"
    ]
    v = v[100:].astype(float)
    kept = 1 - dv / 4096
    assert abs(v.mean()) < 0.04 * v.std()  # 4 standard errors of correlated values
    np.testing.assert_allclose(v.std(), deviation / np.sqrt(1 - kept**2), rtol=0.02)
    for lag in (1, 5):
        np.testing.assert_allclose(np.mean(v[lag:] * v[:-lag]) / v.var(), kept**lag, atol=0.02)
    assert pytest.approx(np.sqrt(4 * (256**2 - 1) / 12) / 256) == DEVIATION


def test_a_spike_for_each_turn():
    """Its period is 2 pi / arccos(1 - rate stiffness / 2)."""
    spikes, states, _ = stepped("StochasticOscillator", oscillator(vth=1000, n=100), kicked(600, n=100))
    turns = 600 * np.arccos(1 - 400 * 300 / 4096**2 / 2) / (2 * np.pi)
    large = np.abs(states["z"]).max(axis=0) > 5000
    counts = spikes.sum(axis=0)[large]
    assert np.all(np.abs(counts - turns) <= 1.01)
