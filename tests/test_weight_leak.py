"""A weight leak is a product with the weight at the end of a window: ``(1 - b)**n`` of it is left after n."""

import numpy as np
import pytest

import ssdp_hw as sh

WEIGHT = 2 * np.random.default_rng(0).integers(-120, 120, (3, 5))
LEAK, WINDOWS = 0.02, 80


def network(fixed):
    inputs, silent = [sh.Input("in", 5)], np.zeros((6, WINDOWS, 5), bool)
    if fixed:
        ends = [sh.FixedProjection(pre="in", post="out", weight=WEIGHT, scale=100.0)]
        return sh.FixedNetwork(inputs, [sh.FixedPopulation(name="out", size=3, vth=100)], ends, ["out"]), silent
    neuron = sh.LIF(size=3, tau_mem=1e-2, v_threshold=1.0)
    ends = [sh.Projection(pre="in", post="out", weight=WEIGHT / 100)]
    return sh.Network(inputs, [sh.Population(name="out", neuron=neuron)], ends, ["out"], sh.Semantics(1e-3)), silent


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("target", ["spec", "engine"])
@pytest.mark.parametrize(("fixed", "bound"), [(True, 2.0), (False, 1e-11)], ids=["fixed", "float"])
def test_a_leak_leaves_a_power_of_each_weight(target, fixed, bound):
    """In integers to one LSB, which is 2, since carry keeps what is smaller."""
    net, silent = network(fixed)
    found = sh.learn(net, silent, None, sh.Rule("-b*w*u0", b=LEAK), target, health=False)
    weight = found.network.projections[0].weight * (1 if fixed else 100)
    assert np.abs(weight - WEIGHT * (1 - LEAK) ** WINDOWS).max() <= bound
    assert np.abs(weight).max() < 0.25 * np.abs(WEIGHT).max()
