"""Declared learning rules: what their functions mean, and that the engine computes the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from plan_strategies import learning_runs, lively_runs
from rule_examples import EveryMoment, EverySum, Hebb
from test_engine_learning import ENGINE, OPTIONS, SPEC, assert_bits_equal, assert_close, learn

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.form import moment_graph
from ssdp_hw.rules.local import FloatRule
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable
from ssdp_hw.running.target_registry import get_target


@examples(300, default=6)
@given(learning_runs(fixed=True, declared=True), OPTIONS, st.booleans())
def test_any_plan_of_declared_rules_is_bit_equal(case, options, fast_paths):
    assert_bits_equal(learn(SPEC, *case), learn(ENGINE, *case, fast_paths=fast_paths, **options))


@pytest.mark.slow
@examples(200, default=6)
@given(learning_runs(fixed=False, declared=True), OPTIONS, st.booleans())
def test_any_float_plan_of_declared_rules_is_equal_up_to_rounding(case, options, fast_paths):
    assert_close(learn(SPEC, *case), learn(ENGINE, *case, fast_paths=fast_paths, **options))


@pytest.mark.slow_after(1)
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
    """A table that is no parameter; in real numbers it is the straight lines between its entries."""

    name = "ConstantTable"

    def post_spike(self, op, at, p):
        return op.shift_right(p.a * op.lookup((1, 2, 4), at.pre.x), p.dw_shift, "nearest")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "lava", "brian2"])
def test_a_table_of_constants_in_real_numbers(target):
    network, drive, plan = next(iter(lively_runs(fixed=False).values()))
    plan = replace(
        plan,
        rules=dict.fromkeys(plan.rules, sh.rule(ConstantTable(), a=0.01, windows_per_update=4)),
        counters={},
        gates={},
    )
    wanted, found = (learn(t, network, drive, plan) for t in (SPEC, get_target(target)))
    for name, weight in wanted.weights.items():
        assert np.abs(weight - network.projection(name).stored_weights).max() > 0
        np.testing.assert_allclose(found.weights[name], weight, rtol=1e-9, atol=1e-12)


def test_a_table_has_at_most_65536_entries():
    def entries(count):
        given = {**numbers, "k": [1] * count}
        rule = sh.FixedDeclaredRule(model=EveryMoment(), parameters=given, lsb_shift=4, counter_bits=24)
        return len(rule.parameters["k"])

    numbers = {"a": -5, "b": 3, "d": 700, "one": 40, "dw_shift": 6}
    assert [entries(count) for count in (1, 100, 2**16)] == [1, 100, 2**16]
    for count in (0, 2**16 + 1):
        with pytest.raises(ParameterError, match=f"1 to 65536 entries .* found {count}"):
            entries(count)


def test_the_interval_of_a_sum_holds_that_over_one_neuron():
    leaves = {n.detail: n for n in moment_graph(EverySum(), "group_step").nodes if n.operation == "leaf"}
    assert leaves["sum_one"].low <= 1
    assert leaves["sum_one"].high >= 10_000


class TableAndSize(RuleModel):
    """A parameter whose name stands for the size of a table."""

    name = "TableAndSize"
    parameters = (RuleParameter("k", RuleKind.TABLE), RuleParameter("k_size"))

    def window_end(self, op, at, p):
        return op.lookup(p.k, p.k_size)


class Doubled(RuleModel):
    """A variable that grows without end."""

    name = "Doubled"
    pre = (RuleVariable("x", 8),)

    def pre_step(self, op, n, p):
        return {"x": 2 * n.x + 1}


class Branching(RuleModel):
    """A rule that asks whether a value is true."""

    name = "Branching"
    pre = (RuleVariable("x", 8),)

    def pre_step(self, op, n, p):
        return {"x": 1 if n.spike else 0}


class Named(RuleModel):
    """A name that is no identifier."""

    name = "import os; os.system('true')"


class Forgetful(RuleModel):
    """A variable that a step leaves out."""

    name = "Forgetful"
    post = (RuleVariable("y"), RuleVariable("z"))

    def post_step(self, op, n, p):
        return {"y": n.y}


@dataclass(frozen=True, repr=False)
class Undeclared(RuleModel):
    """It reads what its class does not say that it reads."""

    read: str

    name = "Undeclared"

    def window_end(self, op, at, p):
        return getattr(at.post if self.read != "weight" else at.synapse, self.read)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Undeclared("weight"), "there are: none; .* reads_weight = True"),
        (Undeclared("weight_sum"), "no 'weight_sum'; .* reads_weight_sums = True"),
        (Undeclared("fan_in"), "reads_weight_sums = True"),
        (Undeclared("v"), r'reads = \(StateRead\("v"\),\)'),
        (TableAndSize(), "k_size names the size of a table"),
        (Doubled(), r"'x' can reach 1 \.\. 511, outside 0 \.\. 255 of its 8 bits"),
        (Branching(), r"op\.select"),
        (Named(), "must be a Python identifier"),
        (Forgetful(), "must return every variable, y, z"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, RuleModel) else "",
)
def test_what_is_no_rule_is_said_before_the_first_step(model, said):
    with pytest.raises(ParameterError, match=said):
        sh.FixedDeclaredRule(model=model, parameters={"k": [1], "k_size": 1}, lsb_shift=2)
    with pytest.raises(ParameterError, match=said):
        sh.register_rule(model)


class EveryScaledKind(RuleModel):
    """A register of 4 bits for each kind whose integer is another number than its float value."""

    name = "EveryScaledKind"
    parameters = (
        RuleParameter("a", RuleKind.AMPLITUDE, default=0.001),
        RuleParameter("one", RuleKind.UNIT, bits=4, default=10),
        RuleParameter("heavy", RuleKind.WEIGHT, bits=4, default=0.0),
        RuleParameter("gain", RuleKind.GAIN, bits=4, default=1.0, units=("one",)),
        RuleParameter("level", RuleKind.LEVEL, bits=4, default=0.0),
        RuleParameter("table", RuleKind.TABLE, bits=4, units=("one",)),
        RuleParameter("count", bits=4, default=1),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )

    def window_end(self, op, at, p):
        return op.shift_right(p.a, p.dw_shift, "nearest")


@pytest.mark.parametrize("name", ["heavy", "gain", "level", "table", "count"])
def test_a_parameter_beyond_its_register_is_named_and_not_the_counter(name):
    """No counter is wide enough for it, so that more of its bits are no advice."""
    values = {"table": [0.5, 1.0], name: [0.1, 500.0] if name == "table" else 500.0}
    net = sh.quantize(
        sh.Network(
            [sh.Input("in", 3)],
            [sh.Population(name="out", neuron=sh.LIF(size=2, tau_mem=5.0, v_threshold=0.3))],
            [sh.Projection(pre="in", post="out", weight=np.full((2, 3), 0.2))],
            ["out"],
            sh.Semantics(1e-3),
        )
    )
    rule = sh.rule(EveryScaledKind(), **values)
    with pytest.raises(ParameterError, match=rf"{name} = 500 is \d+ in integers, outside the 0 .. 15 of") as caught:
        sh.learn(net, np.ones((5, 2, 3), bool), None, rule, "spec")
    assert "counter_bits" not in str(caught.value)
