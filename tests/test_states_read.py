"""Rules that read states of the neurons at both ends: the same values as a run records, on every target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rule_examples import EveryRead

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable, StateRead
from ssdp_hw.testing import check_rule

STEPS, BATCH = 20, 3
SPIKES = np.random.default_rng(5).random((STEPS, BATCH, 6)) < 0.4


class SumsOfStates(RuleModel):
    """Its variables add up what it reads in every step, so that sums over steps show every value; weights stay."""

    name = "SumsOfStates"
    reads = (StateRead("v"), StateRead("u"), StateRead("v", "pre", name="of_pre"))
    pre = (RuleVariable("sum_v", 40, signed=True, lasts=True),)
    post = (
        RuleVariable("sum_v", 40, signed=True, lasts=True),
        RuleVariable("sum_u", 40, signed=True, lasts=True),
        RuleVariable("at_spikes", 40, signed=True, lasts=True),
    )
    parameters = (RuleParameter("bound", RuleKind.LIMIT, bits=36, default=(1 << 36) - 1),)

    def pre_step(self, op, n, p):
        return {"sum_v": op.clip(n.sum_v + n.of_pre, 0 - p.bound, p.bound)}

    def post_step(self, op, n, p):
        at_spike = op.select(n.spike, n.v, 0)
        return {
            "sum_v": op.clip(n.sum_v + (n.step + 1) * n.v, 0 - p.bound, p.bound),
            "sum_u": op.clip(n.sum_u + n.u, 0 - p.bound, p.bound),
            "at_spikes": op.clip(n.at_spikes + at_spike, 0 - p.bound, p.bound),
        }


def network(fixed, reset, model="CubaLIF"):
    """Two layers and a loop; both populations fire."""
    rng = np.random.default_rng(1)
    first, second = rng.integers(20, 60, (5, 6)), rng.integers(10, 60, (4, 5))
    names = [("in", "a", first, 0), ("a", "b", second, 1), ("b", "a", rng.integers(-20, 20, (5, 4)), 2)]
    if fixed:
        populations = [sh.FixedPopulation(name=n, size=s, du=1500, dv=400, vth=100, reset=reset) for n, s in SIZES]
        ends = [sh.FixedProjection(pre=i, post=o, weight=2 * w, delay=d, scale=100.0) for i, o, w, d in names]
        return sh.FixedNetwork([sh.Input("in", 6)], populations, ends, ["b"])
    kind = {"CubaLIF": sh.CubaLIF, "LIF": sh.LIF}[model]
    times = {"tau_mem": 1e-2, "v_threshold": 0.1, **({"tau_syn": 3e-3} if model == "CubaLIF" else {})}
    real = [sh.Population(name=n, neuron=kind(size=s, **times), reset=reset) for n, s in SIZES]
    ends = [sh.Projection(pre=i, post=o, weight=w / 20, delay=d) for i, o, w, d in names]
    return sh.Network([sh.Input("in", 6)], real, ends, ["b"], sh.Semantics(1e-3))


SIZES = (("a", 5), ("b", 4))


def lesson(given, target, options=None):
    """What lasts of the rule after a lesson, and the result."""
    fixed = isinstance(given, sh.FixedNetwork)
    rule = sh.FixedDeclaredRule(model=SumsOfStates(), lsb_shift=8) if fixed else sh.rule(SumsOfStates())
    presentation = sh.Presentation(shuffle=False, windows=2, steps=STEPS)
    rule = replace(rule, windows_per_update=2)
    found = sh.learn(
        given, SPIKES, None, rule, target, plastic="a->b", presentation=presentation, options=options, health=False
    )
    return found.state.lasting["a->b"]


# Every neuron and every reset once on each simulator by default.
SIMULATED = {("fixed", "subtract"), ("CubaLIF", "zero"), ("LIF", "subtract")}
READINGS = [
    pytest.param(
        kind,
        reset,
        target,
        marks=[] if target in ("spec", "engine") or (kind, reset) in SIMULATED else pytest.mark.slow,
    )
    for kind in ("fixed", "CubaLIF", "LIF")
    for reset in ("zero", "subtract")
    for target in ("spec", "engine", "lava", "brian2")
]


@pytest.mark.slow_after(4)
@pytest.mark.parametrize(("kind", "reset", "target"), READINGS)
def test_a_rule_reads_what_a_run_records(kind, reset, target):
    """A run is what it is held to: of the specification, in a lesson that moves no weight."""
    given = network(kind == "fixed", reset, kind)
    run = sh.run(given, SPIKES, "spec", record=("spikes", "v", "u"))
    assert run.spikes["a"].any()
    assert run.spikes["b"].any()
    step = np.arange(STEPS)[:, None, None] % (STEPS // 2) + 1
    v = run.v["b"]
    wanted = {
        "pre_sum_v": run.v["a"].sum((0, 1)),
        "post_sum_v": (step * v).sum((0, 1)),
        "post_sum_u": run.u["b"].sum((0, 1)),
        "post_at_spikes": np.where(run.spikes["b"], v, 0).sum((0, 1)),
    }
    for options in ({}, {"fast_paths": False}) if target in ("engine", "brian2") and kind == "fixed" else ({},):
        found = lesson(given, target, options)
        for name, values in wanted.items():
            np.testing.assert_allclose(found[name], values, rtol=0, atol=0 if kind == "fixed" else 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "lava", "brian2"])
def test_every_target_computes_the_same(target):
    check_rule(EveryRead(), [target], lessons=1)


def test_an_input_and_a_neuron_without_the_state_are_refused_by_name():
    rule = sh.FixedDeclaredRule(model=SumsOfStates(), lsb_shift=8)
    with pytest.raises(UnsupportedError, match=r"its rule reads the state 'v' of 'in', an input, which has no states"):
        sh.learn(network(True, "zero"), SPIKES, None, rule, plastic="in->a")
    wrong = type("Wrong", (SumsOfStates,), {"reads": (*SumsOfStates.reads[1:], StateRead("w", name="v"))})()
    rule = sh.FixedDeclaredRule(model=wrong, lsb_shift=8)
    with pytest.raises(UnsupportedError, match=r"the state 'w' of 'b', whose neurons have u, v"):
        sh.learn(network(True, "zero"), SPIKES, None, rule, plastic="a->b")


def test_a_register_that_is_too_narrow_is_refused_with_the_width_that_does():
    narrow = type("Narrow", (SumsOfStates,), {"reads": (StateRead("v", bits=16), *SumsOfStates.reads[1:])})()
    rule = sh.FixedDeclaredRule(model=narrow, lsb_shift=8)
    with pytest.raises(
        UnsupportedError,
        match=r"a signed register of 24 bits, into a signed one of 16 bits; declare StateRead\('v', 'post', bits=24",
    ):
        sh.learn(network(True, "zero"), SPIKES, None, rule, plastic="a->b")


def test_what_arrives_has_no_state_of_its_neuron():
    rule = sh.FixedDeclaredRule(model=SumsOfStates(), lsb_shift=8, pre_trace="arrives")
    with pytest.raises(UnsupportedError, match=r"'a->b': its rule reads states of presynaptic neurons, .*'fires'"):
        sh.learn(network(True, "zero"), SPIKES, None, rule, plastic="a->b")


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (StateRead("v", "group"), "reads the state 'v' of 'group'"),
        (StateRead("v", bits=49), "in 49 bits"),
        (StateRead("v", name="sum_v"), "must differ"),
    ],
)
def test_a_read_that_no_target_has_is_refused(read, said):
    wrong = type("Wrong", (SumsOfStates,), {"reads": (read,)})()
    with pytest.raises(ParameterError, match=said):
        sh.rule(wrong)


def test_what_functions_make_of_a_state_must_fit_their_registers():
    class Wide(SumsOfStates):
        def post_step(self, op, n, p):
            return {**super().post_step(op, n, p), "sum_u": n.u * n.v}

    with pytest.raises(ParameterError, match=r"'sum_u' can reach"):
        sh.rule(Wide())


def test_learning_on_line_reads_the_state_that_goes_on():
    """One run in pieces reads what one long sample does."""
    given = network(True, "subtract")
    rule = sh.FixedDeclaredRule(model=SumsOfStates(), lsb_shift=8)
    for target in ("spec", "engine"):
        pieces = SPIKES[:, :2]
        online = sh.Presentation(shuffle=False, restart=False)
        run = sh.run(given, np.concatenate(list(pieces.swapaxes(0, 1)))[:, None], "spec", record=["v"])
        found = sh.learn(given, pieces, None, rule, target, plastic="a->b", presentation=online, health=False)
        np.testing.assert_array_equal(found.state.lasting["a->b"]["pre_sum_v"], run.v["a"].sum((0, 1)))
