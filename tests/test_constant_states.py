"""Steps that set a state to what is the same for all samples or all neurons: every target means the same by them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.testing import check_neuron_model


class ConstantStates(NeuronModel):
    """``level`` is a parameter, in a register that some neurons overflow; ``one`` is a number; v adds up its input."""

    name = "ConstantStates"
    states: ClassVar = (State("v"), State("level", bits=18), State("one"))
    parameters = (Parameter("vth", "v_threshold", Kind.LEVEL),)

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Fire above the level of the step before."""
        v = s.v + arriving + p.bias + s.one
        fired = op.fires(v, op.maximum(s.level, 64))
        after = op.saturate(op.reset(v, fired, s.level), "v")
        return {"v": after, "level": op.saturate(p.vth, "level"), "one": 1}, fired


@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "brian2", "lava"])
def test_all_targets_are_the_same(target):
    check_neuron_model(ConstantStates(), [target], networks=2)


def network() -> sh.FixedNetwork:
    rng = np.random.default_rng(3)
    population = sh.FixedPopulation(name="p0", size=6, model=ConstantStates(), vth=[1, 5, 2000, 4000, 8000, 100_000])
    weight = 2 * rng.integers(-20, 60, (6, 4))
    return sh.FixedNetwork(
        [sh.Input("in", 4)],
        [population],
        [sh.FixedProjection(pre="in", post="p0", weight=weight, scale=64.0)],
        ["p0"],
        "loihi2",
    )


SPIKES = np.random.default_rng(4).random((20, 3, 4)) < 0.4


@pytest.mark.parametrize("target", ["spec", "engine", "brian2"])
def test_overflows_of_them_count_for_each_neuron_sample_and_step(target):
    net = network()
    overflowing = int(np.count_nonzero(net.population("p0").vth * 64 >= 1 << 17))
    assert 0 < overflowing < 6
    found = sh.run(net, SPIKES, target, record=("spikes", "level"), on_overflow="ignore")
    assert found.overflow["p0"].total == overflowing * SPIKES.shape[0] * SPIKES.shape[1]
    expected = np.minimum(net.population("p0").vth * 64, (1 << 17) - 1)
    np.testing.assert_array_equal(found.states["level"]["p0"], np.broadcast_to(expected, (20, 3, 6)))


def test_a_lesson_in_one_run_goes_on_with_them():
    rule = sh.SSDP(a_plus=0.4, a_baseline=0.1, sigma=3.0)
    piece = sh.Presentation(restart=False, shuffle=False)
    learned = [
        sh.learn(network(), SPIKES, None, rule, target, presentation=piece, on_overflow="ignore")
        for target in ("spec", "engine")
    ]
    np.testing.assert_array_equal(*(one.network.projections[0].mantissa for one in learned))
    np.testing.assert_array_equal(*(one.state.neurons["p0"]["level"] for one in learned))
    np.testing.assert_array_equal(*(one.state.neurons["p0"]["v"] for one in learned))
