"""Homeostatic normalisation: the closed formula of the sum of a neuron's weights, and the same integers everywhere."""

from __future__ import annotations

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.testing import check_rule

PRE, POST, STEPS = 8, 5, 4


def network(weight, *, fixed, delay=0):
    if fixed:
        populations = [sh.FixedPopulation(name="out", size=POST, du=2000, dv=300, vth=120)]
        ends = [sh.FixedProjection(pre="in", post="out", weight=weight, scale=100.0, delay=delay)]
        return sh.FixedNetwork([sh.Input("in", PRE)], populations, ends, ["out"])
    populations = [sh.Population(name="out", neuron=sh.LIF(size=POST, tau_mem=1e-2))]
    ends = [sh.Projection(pre="in", post="out", weight=weight, delay=delay)]
    return sh.Network([sh.Input("in", PRE)], populations, ends, ["out"], sh.Semantics(1e-3))


def after(given, windows, on, **values):
    """The network after so many windows without a spike, each with a weight update."""
    rule = sh.rule("NormalizedSTDP", a_plus=0.0, a_minus=0.0, counter_bits=24, clip=10.0, **values)
    silence = np.zeros((STEPS, windows, PRE), bool)
    return sh.learn(given, silence, None, rule, on, presentation=sh.Presentation(shuffle=False), health=False)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("target", ["spec", "engine"])
def test_sums_follow_the_closed_formula_and_ratios_of_weights_stay(target):
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.1, 1.0, (POST, PRE))
    weight[:, 0] = -0.05
    first = weight.sum(axis=1)
    for windows, pull, goal in ((1, 0.3, 4.0), (6, 0.3, 4.0), (1, 1.0, 5.0)):
        found = after(network(weight, fixed=False), windows, target, pull=pull, target=goal)
        learned = found.network.projection("in->out").stored_weights.reshape(POST, PRE)
        np.testing.assert_allclose(learned.sum(axis=1), goal + (1 - pull) ** windows * (first - goal), rtol=1e-12)
        np.testing.assert_allclose(learned / learned[:, 1:2], weight / weight[:, 1:2], rtol=1e-12)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("target", ["spec", "engine"])
def test_integers_reach_the_target_and_stay(target):
    """A pull is rounded to the counter, and weights move by whole LSBs: each ends within one of its share."""
    rng = np.random.default_rng(2)
    weight = 2 * rng.integers(10, 60, (POST, PRE))
    given = network(weight, fixed=True)
    p = given.projection("in->out")
    goal = 320  # LSBs
    found = after(given, 60, target, pull=0.3, target=goal * p.format.step / float(np.mean(p.scale)))
    assert found.rules["in->out"].parameters["target"] == goal
    learned = found.network.projection("in->out").mantissa.reshape(POST, PRE)
    first = p.mantissa.reshape(POST, PRE)
    assert np.all(np.abs(learned.sum(axis=1) - goal) <= 4)
    wanted = first * goal / first.sum(axis=1, keepdims=True)
    assert np.all(np.abs(learned - wanted) <= 1.5)


@pytest.mark.slow
def test_a_sparse_row_sums_what_it_has():
    """Weights that are not there take no part in the sum: each row reaches the target with those it has."""
    import scipy.sparse as sp

    rng = np.random.default_rng(3)
    dense = np.where(rng.random((POST, PRE)) < 0.6, rng.uniform(0.2, 1.0, (POST, PRE)), 0.0)
    dense[:, 0] = 0.5
    for target in ("spec", "engine"):
        found = after(network(sp.csr_array(dense), fixed=False), 1, target, pull=1.0, target=3.0)
        p = found.network.projection("in->out")
        learned = np.zeros_like(dense)
        learned[p.synapse_indices] = p.synapse_weights
        limited = np.minimum(3.0, 2 * dense.sum(axis=1))  # a weight at most doubles
        np.testing.assert_allclose(learned.sum(axis=1), limited, rtol=1e-12)
        assert np.array_equal(learned != 0, dense != 0)


def test_a_neuron_whose_sum_is_not_above_zero_keeps_its_weights():
    weight = np.full((POST, PRE), -0.1)
    found = after(network(weight, fixed=False), 3, "spec", pull=0.5, target=1.0)
    np.testing.assert_array_equal(found.network.projection("in->out").stored_weights, weight.reshape(-1))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "brian2", "lava"])
def test_every_target_computes_the_same(target):
    check_rule("NormalizedSTDP", [target], lessons=2)
