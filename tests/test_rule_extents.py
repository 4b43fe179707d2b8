"""What a projection bounds of the values that a rule finds: its neurons' numbers, their count, its weights, sums."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.arrivals import extent_of
from ssdp_hw.rules.intervals import Extent, largest_change
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable
from ssdp_hw.testing import check_rule, conformance

PRE, POST = 6, 4
SPIKES = np.random.default_rng(0).random((12, 3, PRE)) < 0.4


class OfExtent(RuleModel):
    """A weight change of what each projection bounds otherwise."""

    name = "OfExtent"
    group = (RuleVariable("seen", 31), RuleVariable("total", 40))
    parameters = (RuleParameter("a", RuleKind.AMPLITUDE, bits=8),)
    reads_weight = True
    reads_weight_sums = True

    def post_sum(self, op, n, p):
        return {"late": n.index + 2}

    def group_step(self, op, n, p):
        return {"seen": n.pre_count + n.post_count, "total": n.sums.late}

    def post_spike(self, op, at, p):
        return p.a * (at.pre.index - at.post.index)

    def each_step(self, op, at, p):
        return op.select(at.group.seen > 2, op.minimum(at.group.seen, at.group.total), 0)

    def pre_spike(self, op, at, p):
        return at.synapse.weight - at.post.fan_in

    def window_end(self, op, at, p):
        return at.post.weight_sum


def of_moments(pre, post, low, high, a):
    """The largest change by hand, where all weights may lie at one end."""
    apart = a * max(pre - 1, post - 1)
    counts = min(pre + post, sum(j + 2 for j in range(post))) if pre + post > 2 else 0
    ends = max(abs(w - f) for w in (low, high) for f in (1, pre))
    return max(apart, ends, pre * max(-low, high)), counts


@given(
    pre=st.integers(1, 40),
    post=st.integers(1, 40),
    low=st.integers(-128, 0),
    high=st.integers(0, 127),
    a=st.integers(0, 255),
)
def test_the_largest_change_is_that_of_the_projection(pre, post, low, high, a):
    found = largest_change(OfExtent(), {"a": a}, Extent(pre, post, (low, high)))
    exact, counts = of_moments(pre, post, low, high, a)
    assert max(exact, counts) <= found <= max(exact, pre + post)


def network(weight=None, scale=100.0):
    weight = 2 * np.random.default_rng(1).integers(20, 60, (POST, PRE)) if weight is None else weight
    out = sh.FixedPopulation(name="out", size=POST, du=2000, dv=300, vth=80)
    return sh.FixedNetwork(
        [sh.Input("in", PRE)], [out], [sh.FixedProjection(pre="in", post="out", weight=weight, scale=scale)], ["out"]
    )


class FarWeaker(RuleModel):
    """A spike of the target weakens sources by how far their number is from its own."""

    name = "FarWeaker"
    parameters = (RuleParameter("a", RuleKind.AMPLITUDE),)

    def post_spike(self, op, at, p):
        return p.a * (2 - op.absolute(at.pre.index - at.post.index))


@pytest.mark.parametrize("gate", [None, 2.0])
def test_a_rule_by_the_numbers_of_neurons_learns_where_they_are_few(gate):
    rule = sh.FixedDeclaredRule(model=FarWeaker(), parameters={"a": 30}, lsb_shift=8, windows_per_update=3)
    gates = None if gate is None else np.full(3, gate)
    found = sh.learn(network(), SPIKES, None, rule, "spec", health=False, gates=gates)
    spikes = (
        sh.run(network(), SPIKES, "spec", steps=13).spikes["out"].sum(axis=(0, 1))
    )  # no weight moves before the end
    rows, cols = network().projections[0].synapse_indices
    wanted = 30 * (1 if gate is None else 2) * (2 - np.abs(cols - rows)) * spikes[rows]
    moved = found.network.projections[0].mantissa - network().projections[0].mantissa
    assert np.array_equal(moved * 256 + found.state.counters["in->out"], wanted)
    assert wanted.any()


def test_a_projection_too_large_for_the_counter_is_refused_by_its_name_the_value_and_what_to_do():
    rule = sh.FixedDeclaredRule(model=FarWeaker(), parameters={"a": 3000}, lsb_shift=8, counter_bits=14)
    said = (
        "projection 'in->out': learning rule FarWeaker: post_spike: one weight change is 9000 counter units, above the "
        "8191 of a counter of 14 bits; give more counter_bits (up to 32) or smaller amplitudes"
    )
    with pytest.raises(ParameterError, match=re.escape(said)):
        sh.learn(network(), SPIKES, None, rule, "spec")


def test_what_no_projection_can_hold_is_refused_at_once():
    with pytest.raises(ParameterError, match=r"on any projection: post_spike: one weight change is 6000 .*smaller amp"):
        sh.FixedDeclaredRule(model=FarWeaker(), parameters={"a": 3000}, lsb_shift=8, counter_bits=12)


def test_a_gate_from_outside_counts_with_the_bound_of_the_projection():
    rule = sh.FixedDeclaredRule(model=FarWeaker(), parameters={"a": 2000}, lsb_shift=8, counter_bits=14)
    sh.learn(network(), SPIKES, None, rule, "spec", health=False, gates=np.ones(3))
    with pytest.raises(ParameterError, match=r"one step of 6000 counter units times 2 exceeds the 8191 of a counter"):
        sh.learn(network(), SPIKES, None, rule, "spec", gates=np.full(3, 2.0))


def test_a_float_rule_by_the_numbers_of_neurons_has_an_integer_form():
    found = sh.learn(network(), SPIKES, None, sh.rule(FarWeaker(), a=0.005), "spec", health=False)
    assert found.changed["in->out"]


def test_a_rule_that_reads_weights_has_all_the_bits_that_its_weights_leave():
    """Oja's rule forgets by w y**2, of which w has 8 bits here and not the 17 of the widest chip."""
    net = network()
    rule = sh.learn(net, SPIKES, None, sh.rule("Oja", eta=1e-3, forget=1e-3, counter_bits=24), "spec").rules["in->out"]
    largest = rule.largest_step_in(extent_of(rule, net.projections[0]), "")
    assert largest <= rule.counter_max < 4 * largest  # another shift of 2 would be too much


@pytest.mark.slow
def test_the_conformance_suite_takes_rules_by_the_numbers_of_neurons():
    check_rule(FarWeaker(), ["engine"], lessons=2)


@pytest.mark.parametrize("fixed", [True, False])
def test_lessons_of_the_conformance_suite_differ_in_what_rules_see_of_delays(fixed):
    seen = {conformance.lesson(FarWeaker(), seed, fixed=fixed)[1].rules["out->out"].pre_trace.value for seed in (0, 1)}
    assert seen == {"fires", "arrives"}
    for model in ("PruningSTDP", "DelaySTDP"):  # which cannot see arrivals
        plan = conformance.lesson(conformance.rule_model(model), 1, fixed=fixed)[1]
        assert plan.rules["out->out"].pre_trace.value == "fires"
