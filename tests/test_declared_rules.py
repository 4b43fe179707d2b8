"""Declared learning rules: what their functions mean, and that the engine computes the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from plan_strategies import learning_runs, lively_runs
from rule_examples import Hebb
from test_engine_learning import ENGINE, OPTIONS, SPEC, assert_bits_equal, assert_close, learn

import ssdp_hw as sh
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.local import FloatRule
from ssdp_hw.running.target import get_target


@examples(300, default=60)
@given(learning_runs(fixed=True, declared=True), OPTIONS, st.booleans())
def test_any_plan_of_declared_rules_is_bit_equal(case, options, fast_paths):
    assert_bits_equal(learn(SPEC, *case), learn(ENGINE, *case, fast_paths=fast_paths, **options))


@examples(200, default=40)
@given(learning_runs(fixed=False, declared=True), OPTIONS, st.booleans())
def test_any_float_plan_of_declared_rules_is_equal_up_to_rounding(case, options, fast_paths):
    assert_close(learn(SPEC, *case), learn(ENGINE, *case, fast_paths=fast_paths, **options))


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "float"])
def test_rules_with_loops_of_their_own_equal_their_declarations(fixed):
    """On the engine as a whole, and step by step on the specification."""
    for network, drive, plan in lively_runs(fixed).values():
        wanted = learn(SPEC, network, drive, plan)
        check = assert_bits_equal if fixed else assert_close
        check(wanted, learn(ENGINE, network, drive, plan, fast_paths=False))
        for name, rule in plan.rules.items():
            steps = drive.steps // plan.windows_per_sample
            rows, cols = network.projection(name).synapse_indices
            observed = rule.from_recorded(*wanted.observed[name], steps)
            if not rule.keeps_raster:
                continue
            declared = rule.declaration(steps)
            for window in range(observed.pre.spikes.shape[1]):
                ends = observed.pre.spikes[:, window], observed.post.spikes[:, window]
                found = window_changes(
                    declared.model,
                    declared.parameters,
                    Window(*ends, rows, cols, None, observed.key, window),
                    ideal=isinstance(rule, FloatRule),
                )
                wanted_step = rule.step(observed, window, rows, cols)
                np.testing.assert_allclose(found, wanted_step, rtol=0, atol=0 if fixed else 1e-15)


class ConstantTable(Hebb):
    """A table that is no parameter, which only the specification evaluates in real numbers."""

    name = "ConstantTable"

    def post_spike(self, op, at, p):
        return op.shift_right(p.a * op.lookup((1, 2, 4), at.pre.x), p.dw_shift, "nearest")


@pytest.mark.parametrize("target", ["engine", "lava"])
def test_a_rule_that_cannot_be_printed_in_real_numbers_is_refused_by_name(target):
    network, drive, plan = next(iter(lively_runs(fixed=False).values()))
    plan = replace(
        plan,
        rules=dict.fromkeys(plan.rules, sh.rule(ConstantTable(), a=0.01, windows_per_update=4)),
        counters={},
        gates={},
    )
    learn(SPEC, network, drive, plan)
    reasons = get_target(target).unsupported_plan(network, plan)
    assert len(reasons) == 2
    for name, reason in zip(plan.rules, reasons, strict=True):
        assert reason.startswith(
            f"projection '{name}': learning rule 'ConstantTable': post_spike: a table of constants"
        )
        assert reason.endswith("a learning rule a parameter of the kind table")
