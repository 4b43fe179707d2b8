"""Declared learning rules on Brian2, against the specification."""

from __future__ import annotations

import numpy as np
import pytest
from brian2_helpers import (
    assert_learned_close,
    assert_learned_equal,
    learn_both,
    learn_plan,
    quick_builds,
    requires_brian2,
    requires_compiler,
)
from example_counts import examples
from hypothesis import given, strategies as st
from plan_strategies import learning_runs, lively_runs
from rule_examples import EveryHomeLasts, Hebb
from strategies import not_the_simplest

import ssdp_hw as sh
from ssdp_hw.rules.declared import FixedDeclaredRule, rule
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan

pytestmark = requires_brian2


@examples(40, default=1)
@given(not_the_simplest(learning_runs(fixed=True, declared=True)), st.booleans())
def test_fixed_plans_equal_the_specification(run, fast_paths):
    assert_learned_equal(*learn_plan(*run, fast_paths=fast_paths))


@pytest.mark.slow
@examples(40, default=1)
@given(not_the_simplest(learning_runs(fixed=False, declared=True)), st.booleans())
def test_float_plans_equal_the_specification_up_to_rounding(run, fast_paths):
    assert_learned_close(*learn_plan(*run, fast_paths=fast_paths))


def test_a_rule_without_variables_of_its_target_sees_the_spikes_of_float_neurons_with_a_current():
    """Their synapses end at a group of its own, that of the current."""
    network = sh.Network(
        [sh.Input("in", 4)],
        [sh.Population(name="out", neuron=sh.CubaLIF(size=3, tau_mem=9e-3, tau_syn=4e-3, v_threshold=0.1))],
        [sh.Projection(pre="in", post="out", weight=np.random.default_rng(0).random((3, 4)))],
        ["out"],
        sh.Semantics(1e-3),
    )
    spikes = np.random.default_rng(1).random((20, 3, 4)) < 0.4
    left, right = learn_both(network, spikes, LearningPlan({"in->out": rule(Hebb(), a=0.02)}))
    assert_learned_close(left, right)
    assert np.all(right.weights["in->out"] > network.projection("in->out").synapse_weights)


LIVELY = {fixed: list(lively_runs(fixed).values()) for fixed in (True, False)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fixed", "number"),
    [(fixed, k) for fixed, runs in LIVELY.items() for k in range(len(runs))],
)
def test_rules_with_code_of_their_own_run_by_their_declarations(fixed, number):
    network, drive, plan = LIVELY[fixed][number]
    left, right = learn_plan(network, drive, plan, fast_paths=False)
    (assert_learned_equal if fixed else assert_learned_close)(left, right)
    for p in network.projections:
        assert np.any(right.weights[p.name] != before(p)), p.name


def before(projection):
    """The weights before learning, as :class:`ssdp_hw.running.learning_plan.Learned` has them."""
    return projection.mantissa if isinstance(projection, sh.FixedProjection) else projection.synapse_weights


# Amplitudes at which every moment moves weights.
TABLE = (3, -2, 5, -60, 40, 7)
REGISTERS = {"a": -300, "b": 900, "d": 900, "k": TABLE, "never": 2**20, "dw_shift": 9}
VALUES = {"a": -0.004, "b": 0.002, "tau": 4.0, "k": tuple(x / 200 for x in TABLE)}


def every_moment_run(fixed, model):
    """Two projections, one of them recurrent with delays, that learn by a rule with every moment and home.

    Two windows a sample, two samples a weight update, begun between two weight updates.
    """
    network, _, plan = LIVELY[fixed][0]
    common = {"windows_per_update": 4}
    learned = (
        FixedDeclaredRule(model=model, parameters=REGISTERS, lsb_shift=9, counter_bits=30, **common)
        if fixed
        else rule(model, clip=10.0, **common, **VALUES)
    )
    drive = make_drive(network, np.random.default_rng(4).random((24, 6, 6)) < 0.3)
    rules = dict.fromkeys(plan.rules, learned)
    return network, drive, LearningPlan(rules, 2**63 + 5, {}, 7, 2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "float"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"device": "cpp_standalone"}, marks=requires_compiler, id="standalone"),
        pytest.param({"codegen": "cython"}, marks=requires_compiler, id="cython"),
    ],
)
@quick_builds()
def test_every_moment_on_every_device(fixed, options):
    network, drive, plan = every_moment_run(fixed, EveryHomeLasts())
    first = {name: plan.first_lasting(network, name) for name in plan.rules}
    left, right = learn_plan(network, drive, plan, **options)
    (assert_learned_equal if fixed else assert_learned_close)(left, right)
    for p in network.projections:
        assert np.mean(right.weights[p.name] != before(p)) > 0.5, p.name
        assert np.mean(right.counters[p.name] != 0) > 0.5, p.name
        assert set(right.lasting[p.name]) == {"pre_i", "post_t", "synapse_x_", "group_v"}
        for key, values in right.lasting[p.name].items():
            assert np.any(values != first[p.name][key]), key
