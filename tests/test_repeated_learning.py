"""What one network may learn from again and again, and gates that would contradict each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.rules import Gate
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.target_registry import get_target

ENGINE, SPEC = get_target("engine"), get_target("spec")
RULE = sh.FixedSSDP(a_plus=3, a_baseline=1, lut=(255, 128, 9), lsb_shift=9)


def network() -> sh.FixedNetwork:
    """A convolution, whose synapses share weights, and a dense projection after it."""
    rng = np.random.default_rng(0)
    kernel = 2 * rng.integers(-20, 60, (2, 1, 3, 3))
    return sh.FixedNetwork(
        [sh.Input("in", 16)],
        [sh.FixedPopulation(name="c", size=8, vth=20), sh.FixedPopulation(name="out", size=3, vth=60)],
        [
            sh.FixedProjection(pre="in", post="c", weight=ConvWeight(kernel, (1, 4, 4)), name="conv"),
            sh.FixedProjection(pre="c", post="out", weight=2 * rng.integers(-20, 60, (3, 8)), name="fc"),
        ],
        ["out"],
    )


def test_a_network_learns_again_whatever_of_it_was_frozen_meanwhile():
    """What a network derives from its projections is kept read-only, which is a type of its own to Numba."""
    net, spikes = network(), np.random.default_rng(1).random((12, 4, 16)) < 0.3
    spikes.setflags(write=False)
    drive, plan = make_drive(net, spikes), LearningPlan({"conv": RULE, "fc": RULE})
    wanted = SPEC.learn(net, drive, plan, SPEC.resolve({}))
    for _ in range(3):
        found = ENGINE.learn(net, drive, plan, ENGINE.resolve({}))
        for name in plan.rules:
            np.testing.assert_array_equal(found.counters[name], wanted.counters[name])
            assert found.counters[name].any()
        net = replace(net, projections=list(net.projections))  # which freezes what was derived


GATE = sh.FixedGate(offset=9, slope=3, shift=1)
OWN = [
    sh.SSDP(gate=Gate(k=0.5, mean=0.2, deviation=0.1)),
    sh.FixedSTDP(a_plus=3, a_minus=2, decay_plus=200, decay_minus=200, lsb_shift=8, gate=GATE),
    sh.FixedSADP(a_plus=3, a_minus=1, lsb_shift=12, gate=GATE),
]


@pytest.mark.parametrize("target", ["spec", "engine", "lava", "brian2"])
@pytest.mark.parametrize("rule", OWN, ids=lambda r: type(r).__name__)
def test_a_rule_that_makes_its_gate_takes_none_from_outside(rule, target):
    net = network()
    net = replace(net, projections=[net.projections[0], replace(net.projections[1], scale=[100.0] * 3)])
    spikes, labels = np.ones((6, 4, 16), bool), np.zeros(4, int)
    with pytest.raises(ParameterError, match=r"'fc'.* its rule makes its own gate"):
        sh.learn(net, spikes, labels, rule, target, plastic="fc", teach="delta")
    with pytest.raises(ParameterError, match=r"'fc'.* its rule makes its"):
        sh.learn(net, spikes, None, rule, target, plastic="fc", gates=np.ones(4))
    with pytest.raises(ParameterError, match="'fc': its rule makes its own gate"):
        LearningPlan({"fc": rule}, gates={"fc": np.ones((4, 3), int)})
