"""A slow and a fast plane of weights: what lasts of a lesson is a closed formula of the rates."""

from dataclasses import replace

import numpy as np
import pytest

import ssdp_hw as sh

WEIGHT = 2 * np.random.default_rng(0).integers(-20, 60, (3, 5))
LEAK, TAU = 0.03, 50.0


def network(fixed):
    inputs = [sh.Input("in", 5)]
    if fixed:
        ends = [sh.FixedProjection(pre="in", post="out", weight=WEIGHT, scale=100.0)]
        return sh.FixedNetwork(inputs, [sh.FixedPopulation(name="out", size=3, vth=30)], ends, ["out"])
    neuron = sh.LIF(size=3, tau_mem=1e-3, v_threshold=0.3)
    ends = [sh.Projection(pre="in", post="out", weight=WEIGHT / 100)]
    return sh.Network(inputs, [sh.Population(name="out", neuron=neuron)], ends, ["out"], sh.Semantics(1e-3))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("target", "fixed", "bound"),
    [
        ("spec", True, 2.0),
        ("engine", True, 2.0),
        ("spec", False, 0.01),
        ("engine", False, 0.01),
    ],
)
def test_the_slow_plane_keeps_its_share_and_the_rest_is_forgotten(target, fixed, bound):
    """In integers to one LSB, which is 2 of the units here; in float, ``0.97 ** 400`` of the fast plane is left."""
    rule = sh.rule("TwoPlanes", a_plus=0.005, a_minus=0.001, counter_bits=29, leak=LEAK, tau_slow=TAU)
    spikes = np.random.default_rng(1).random((20, 6, 5)) < 0.4
    given = {"health": False, "on_overflow": "ignore"}
    taught = sh.learn(network(fixed), spikes, None, rule, target, **given)
    unit, lsb = (1, 2 / 128) if fixed else (100, 100)
    weight = taught.network.projections[0].weight * unit
    slow = taught.state.lasting["in->out"]["synapse_slow"].reshape(3, 5) * lsb
    assert np.abs(weight - WEIGHT).max() > 40
    silent = np.zeros((4, 400, 5), bool)
    state = replace(taught.state, epochs=0)
    later = sh.learn(taught.network, silent, None, rule, target, state=state, **given)
    share = 1 - np.exp(-1 / TAU)
    expected = slow + (weight - slow) * share / (LEAK + share)
    assert np.abs(later.network.projections[0].weight * unit - expected).max() <= bound
    assert np.abs(weight - expected).max() > 20
