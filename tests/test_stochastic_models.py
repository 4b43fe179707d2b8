"""Random numbers in the steps of neuron models: what they are keyed by, and that every target draws the same."""

from __future__ import annotations

import numpy as np
import pytest
from brian2_helpers import quick_builds, requires_brian2, requires_compiler
from odd_models import MODELS, TwoCompartments
from scipy import stats

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import NOISE_STEP, Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.philox import NOISE_KEY_BITS, neuron_random, noise_keys, philox4x32
from ssdp_hw.running.target_registry import get_target
from ssdp_hw.testing import check_neuron_model


class Dice(NeuronModel):
    """A state of random numbers; it fires at two of the four."""

    name = "Dice"
    states = (State("v"),)
    parameters = (Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),)
    stochastic = True

    def step(self, op, s, p, arriving):
        v = op.scale(p.vth, op.random(2), 2, "stochastic")
        return {"v": v}, op.random(8) >= 128


class Undeclared(Dice):
    """It draws and does not say so."""

    name = "Undeclared"
    stochastic = False
    states = (State("v"),)
    parameters = Dice.parameters[:1]


def fixed(sizes=(400,), model=None, seed=0):
    populations = [
        sh.FixedPopulation(name=f"p{k}", size=n, model=model or Dice(), vth=64, parameters={"seed": seed})
        for k, n in enumerate(sizes)
    ]
    return sh.FixedNetwork([sh.Input("in", 1)], populations, [], ["p0"], chip="loihi2")


NOTHING = np.zeros((50, 2, 1), bool)


def test_the_definition():
    """A draw is the first word of Philox at (step, draw); a neuron's key are two words of (neuron, place, seed)."""
    low, high = noise_keys(np.array([7, 7, 9]), 2)
    assert low.max() < 1 << NOISE_KEY_BITS
    words = philox4x32((np.arange(3), 2, np.array([7, 7, 9]), 1), (0, 0)) >> np.uint64(32 - NOISE_KEY_BITS)
    np.testing.assert_array_equal([low, high], words[:2])
    drawn = neuron_random(11, low, high, 3, 20)
    for k in range(3):
        assert drawn[k] == philox4x32((11, 3, 0, 0), (int(low[k]), int(high[k])))[0] >> np.uint64(12)


def test_the_numbers_of_a_run_are_those_and_uniform():
    net = fixed()
    result = sh.run(net, NOTHING, "spec", record=("spikes", "v", NOISE_STEP.name))
    low, high = noise_keys(np.zeros(400), 0)
    steps = np.arange(50)[:, None]
    drawn = neuron_random(steps, low, high, 2, 8)  # the third draw: random(2), the rounding, random(8)
    np.testing.assert_array_equal(result.spikes["p0"][:, 0], drawn >= 128)
    exact = 64 * 64 * neuron_random(steps, low, high, 0, 2)
    np.testing.assert_array_equal(result.v["p0"][:, 0], (exact + neuron_random(steps, low, high, 1, 2)) >> 2)
    np.testing.assert_array_equal(result.states["noise_step"]["p0"][:, 0, 0], np.arange(1, 51))
    assert stats.chisquare(np.bincount(drawn.ravel(), minlength=256)).pvalue > 1e-3
    neighbours = (
        np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1],
        np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1],
    )
    assert np.abs(neighbours).max() < 0.03  # 4 standard deviations of 20,000 pairs


def test_samples_meet_the_same_noise_and_seeds_and_populations_another():
    net = fixed((20, 20))
    result = sh.run(net, NOTHING, "engine")
    np.testing.assert_array_equal(result.spikes["p0"][:, 0], result.spikes["p0"][:, 1])
    np.testing.assert_array_equal(sh.run(net, NOTHING[:, :1], "engine").spikes["p1"][:, 0], result.spikes["p1"][:, 1])
    other = sh.run(fixed((20, 20), seed=1), NOTHING, "engine")
    for name, another in (("p0", result.spikes["p1"]), ("p0", other.spikes["p0"]), ("p1", other.spikes["p1"])):
        assert 0.4 < np.mean(result.spikes[name] == another) < 0.6


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("target", ["engine", "lava", "brian2"])
def test_every_target_draws_the_same(target):
    if not get_target(target).availability().installed:
        pytest.skip(f"{target} is not installed")
    net = fixed((20, 20), seed=5)
    wanted, found = (sh.run(net, NOTHING[:20], t, record=("spikes", "v")) for t in ("spec", target))
    for name, spikes in wanted.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], spikes)
        np.testing.assert_array_equal(found.v[name], wanted.v[name])


def test_real_numbers_draw_the_same():
    real = sh.Network(
        [sh.Input("in", 1)],
        [sh.Population(name="p0", neuron=sh.neuron(Dice(), 20, v_threshold=1.0, seed=5))],
        [],
        ["p0"],
        sh.Semantics(1e-3),
    )
    result = sh.run(real, NOTHING, "spec", record=("spikes", "v"))
    whole = sh.run(fixed((20,), seed=5), NOTHING, "spec", record=("spikes", "v"))
    np.testing.assert_array_equal(result.spikes["p0"], whole.spikes["p0"])
    np.testing.assert_array_equal(result.v["p0"] * 64 * 64, whole.v["p0"])  # multiples of 1024, which nothing rounds


def test_a_stream_goes_on_with_the_noise():
    net = fixed((20,))
    whole = sh.run(net, NOTHING[:, :1], "engine")
    pieces = sh.stream(net, [NOTHING[:7, :1], NOTHING[7:, :1]], target="engine")
    np.testing.assert_array_equal(pieces.spike_counts["p0"], whole.spikes["p0"].sum(axis=0))


def test_a_model_says_that_it_draws():
    with pytest.raises(ParameterError, match=r"'Undeclared': its step draws random numbers.*stochastic = True"):
        sh.FixedPopulation(name="p0", size=3, model=Undeclared(), vth=64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "target"),
    [
        pytest.param(model, target, id=f"{model.name}-{target}")
        for model in MODELS
        for target in ("engine", "lava", "brian2")
    ],
)
def test_a_model_that_was_dropped_in_is_the_same_on_all_targets(model, target):
    check_neuron_model(model, [target], networks=1, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "lava", "brian2"])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_many_networks_of_it(model, target):
    check_neuron_model(model, [target], networks=20 if target == "engine" else 6, seed=10)


@requires_brian2
@requires_compiler
@pytest.mark.slow
@pytest.mark.parametrize("options", [{"device": "cpp_standalone"}, {"codegen": "cython", "batching": "sequence"}])
@quick_builds()
def test_compiled_brian2_draws_the_same(options):
    rng = np.random.default_rng(0)
    neurons = sh.neuron(TwoCompartments(), 12, tau_mem=1e-2, tau_dendrite=2e-2, seed=4)
    weights = [rng.normal(0.1, 0.2, (12, 6)) for _ in range(3)]
    names = ["", "dendritic", "shunt"]
    real = sh.Network(
        [sh.Input("in", 6)],
        [sh.Population(name="p", neuron=neurons)],
        [
            sh.Projection(pre="in", post="p", weight=w, port=n, name=n or "in")
            for w, n in zip(weights, names, strict=True)
        ],
        ["p"],
        sh.Semantics(1e-3),
    )
    spikes = rng.random((40, 2, 6)) < 0.3
    for network in (real, sh.quantize(real, chip="loihi2", calibration=spikes)):
        wanted, found = (
            sh.run(network, spikes, target, options=chosen, record=("spikes", "v"))
            for target, chosen in (("spec", {}), ("brian2", options))
        )
        assert wanted.spikes["p"].any()
        np.testing.assert_array_equal(found.spikes["p"], wanted.spikes["p"])
        np.testing.assert_allclose(found.v["p"], wanted.v["p"], rtol=1e-9, atol=1e-12)
