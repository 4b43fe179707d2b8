"""Learning rules that contradict themselves, do nothing or hold nothing: each refused, and by what name."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import pytest
from rule_examples import Hebb, MovesDelays, MovesThresholds

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.model import (
    AliveBit,
    Quantity,
    RuleFactor,
    RuleKind,
    RuleModel,
    RuleParameter,
    RuleVariable,
    WrittenVariable,
)

A = RuleParameter("a", RuleKind.AMPLITUDE)
SHIFT = RuleParameter("s", RuleKind.SHIFT)


def change(rule, op, at, p):
    """Every spike brings the amplitude."""
    return p.a


def kept(rule, op, n, p):
    """A variable that stays."""
    return {"x": n.x}


def of_x(rule, op, at, p):
    """A change by the variable."""
    return p.a * at.pre.x


def rule_of(**parts):
    """A rule of these parts; a spike of the target brings the amplitude, unless they say otherwise."""
    return type("Odd", (RuleModel,), {"name": "Odd", "parameters": (A,), "post_spike": change, **parts})()


def counts(start=0, bits=4):
    """A rule with a variable of the source."""
    return {"pre": (RuleVariable("x", bits, start=start),), "pre_step": kept, "post_spike": of_x}


DELAY = WrittenVariable("acc", quantity=Quantity.DELAY, shift="s")

RNG = np.random.default_rng(0)

WRONG = {
    "chance of its own": (
        {"post_spike": lambda rule, op, at, p: p.a * int(RNG.integers(1, 64))},
        r"post_spike computes something else each time that it is called; .*op\.random\(bits\)",
    ),
    "no function": ({"post_spike": RuleModel.post_spike}, "Odd changes nothing: it has no function of synapses"),
    "a change of 0": (
        {"parameters": (), "post_spike": lambda rule, op, at, p: 0},
        "Odd changes nothing: no weight change but 0 comes from post_spike",
    ),
    "no change": ({"parameters": (), "post_spike": lambda rule, op, at, p: {}}, "Odd changes nothing"),
    "None": ({"post_spike": lambda rule, op, at, p: None}, "returns None as 'weight', .* return 0 for no change"),
    "a condition": (
        {"post_spike": lambda rule, op, at, p: at.pre.spike},
        r"returns a condition as 'weight', .*op\.select\(condition, 1, 0\)",
    ),
    "a misspelt function": ({"pre_spikes": change}, "function pre_spikes, which nothing calls; did you mean pre_spike"),
    "a shift unused": ({"parameters": (A, RuleParameter("dw_shift", RuleKind.SHIFT))}, "uses its parameter 'dw_shift'"),
    "a factor unused": ({"factors": (RuleFactor("reward"),)}, "reads its factor 'reward'"),
    "a synapse's variable unset": (
        {"synapse": (RuleVariable("e", 4),), "post_spike": lambda rule, op, at, p: p.a * at.synapse.e},
        "returns 'e' of .*, which stays at its start",
    ),
    "an accumulator unset": (
        {"synapse": (DELAY,), "parameters": (A, SHIFT)},
        "returns a change of 'acc' .* nothing moves by it",
    ),
    "an alive bit unset": ({"synapse": (AliveBit("ok"),)}, "returns 'ok' of .*, so that no synapse dies"),
    "what shows a threshold": (
        {
            "post": (
                RuleVariable("now", 18, lasts=True),
                WrittenVariable("th", shift="s", least="lo", shows="now"),
            ),
            "parameters": (A, SHIFT, RuleParameter("lo", RuleKind.THRESHOLD)),
            "post_step": lambda rule, op, n, p: {"now": 5, "th": op.select(n.spike, n.now, 0)},
        },
        "post_step of .* returns a 'now' of its own, which shows the threshold; .* by the name 'th'",
    ),
    "no step": ({"pre": (RuleVariable("x", 4),)}, "variables of pre, x, and no pre_step"),
    "a step of nothing": ({"post_step": kept}, "post_step of .* is never called: the rule has no variables of post"),
    "a sum of nothing": (
        {
            "group": (RuleVariable("x", 4),),
            "group_step": kept,
            "post_sum": lambda rule, op, n, p: {"all": n.index},
            "post_spike": lambda rule, op, at, p: p.a * at.group.x,
        },
        r"post_sum of .* returns 'all', and group_step never reads n\.sums\.all",
    ),
    "no tuple": ({"pre": RuleVariable("x")}, "pre of .* must be a tuple of RuleVariable, not RuleVariable"),
    "another kind": ({"pre": (A,)}, "pre of .* must be a tuple of RuleVariable"),
    "no bits": (counts(bits=0), "variable 'x' of pre of .*: bits = 0; its register has 1 to 63"),
    "too many bits": (counts(bits=64), "bits = 64; its register has 1 to 63"),
    "bits in words": (counts(bits="8"), "bits = '8'; its register has"),
    "a start beyond": (counts(99), r"start = 99; it is a whole number within 0 \.\. 15 of its 4 bits"),
    "half a start": (counts(0.5), "start = 0.5; it is a whole number"),
    "a start by no name": (counts("b"), "starts with 'b', which is no parameter that is a number; there are: a"),
    "no parameter's bits": (
        {"parameters": (RuleParameter("a", RuleKind.AMPLITUDE, bits=0),)},
        "parameter 'a' of .*: bits = 0; its register has 1 to 63",
    ),
    "a default beyond": (
        {"parameters": (RuleParameter("a", bits=4, default=255),)},
        r"parameter 'a' of .*: default = 255; it is a whole number within 0 \.\. 15 of its 4 bits",
    ),
    "half a default": ({"parameters": (RuleParameter("a", default=0.5),)}, "default = 0.5; it is a whole number"),
    "a shift's default": (
        {
            "parameters": (A, RuleParameter("dw_shift", RuleKind.SHIFT, default=3)),
            "post_spike": lambda rule, op, at, p: op.shift_right(p.a, p.dw_shift),
        },
        "default = 3; a shift has none",
    ),
    "a unit by no name": (
        {"parameters": (RuleParameter("a", RuleKind.AMPLITUDE, units=("one",)),)},
        "has the unit 'one', which is no parameter of the kind 'unit'; there are: none",
    ),
    "fewer weights than none": (
        {"parameters": (RuleParameter("a", RuleKind.AMPLITUDE, weights=-1),)},
        "weights = -1; of an amplitude it is how many",
    ),
    "weights that nothing reads": (
        {"parameters": (RuleParameter("a", RuleKind.AMPLITUDE, weights=1),)},
        "weights = 1, and .* reads no weight: give it reads_weight = True",
    ),
    "a name that functions find": (
        {"parameters": (RuleParameter("step"),)},
        "Odd calls something 'step', which functions find by themselves",
    ),
    "a name twice": (
        {**counts(), "pre": (RuleVariable("x", 4), RuleVariable("x", 5))},
        "Odd has two 'x' at one place; their names must differ",
    ),
}


@pytest.mark.parametrize(("parts", "said"), WRONG.values(), ids=WRONG)
def test_a_rule_that_contradicts_itself_or_does_nothing_is_refused_by_name(parts, said):
    with pytest.raises(ParameterError, match=said):
        sh.FixedDeclaredRule(model=rule_of(**parts), parameters={}, lsb_shift=4)


def test_what_is_declared_and_used_is_not_refused():
    sh.FixedDeclaredRule(model=rule_of(**counts()), parameters={"a": 1}, lsb_shift=4)
    lasting = {"synapse": (RuleVariable("e", 4, lasts=True),), "post_spike": lambda rule, op, at, p: at.synapse.e * p.a}
    sh.FixedDeclaredRule(model=rule_of(**lasting), parameters={"a": 1}, lsb_shift=4)  # which a state may give


def test_a_choice_may_leave_out_what_another_reads():
    @dataclass(frozen=True, repr=False)
    class Chosen(Hebb):
        name = "Chosen"
        traced: bool = False

        def post_spike(self, op, at, p):
            return op.shift_right(p.a * at.pre.x if self.traced else 300, p.dw_shift)

    for traced in (False, True):
        sh.FixedDeclaredRule(model=Chosen(traced), parameters=registers(Chosen()), lsb_shift=4)


@pytest.mark.parametrize("formula", ["0.1*x1*y0", "0.1*x0*y1", "0.1*x1*u0", "0.1*y0", "-0.1*w*u0", "0.1*x0*y0"])
def test_a_formula_may_have_traces_of_one_end_or_none(formula):
    sh.Rule(formula)


def test_a_subclass_may_leave_out_what_it_inherits():
    class Constant(Hebb):
        name = "Constant"

        def post_spike(self, op, at, p):
            return p.a

    sh.FixedDeclaredRule(model=Constant(), parameters=registers(Constant()), lsb_shift=4)


def test_a_rule_that_only_watches_may_leave_what_it_saw():
    parts = {**counts(), "pre": (RuleVariable("x", 4, lasts=True),), "parameters": ()}
    sh.FixedDeclaredRule(model=rule_of(**{**parts, "post_spike": RuleModel.post_spike}), lsb_shift=4)


def registers(model, **chosen):
    """The smallest registers of a rule, but for some."""
    of_kind = {RuleKind.TABLE: (1,), RuleKind.SHIFT: 3}
    return {q.name: chosen.get(q.name, of_kind.get(q.kind, 1)) for q in model.parameters}


def test_a_start_by_a_parameter_has_to_fit_its_register():
    class Starts(Hebb):
        pre = (RuleVariable("x", 8, start="first"),)
        parameters = (*Hebb.parameters, RuleParameter("first", bits=12))

    sh.FixedDeclaredRule(model=Starts(), parameters=registers(Starts(), first=255), lsb_shift=4)
    with pytest.raises(ParameterError, match=r"'x' of pre starts with first = 256, outside 0 \.\. 255 of its 8 bits"):
        sh.FixedDeclaredRule(model=Starts(), parameters=registers(Starts(), first=256), lsb_shift=4)


def test_one_unit_of_what_moves_has_to_fit_its_accumulator():
    def made(shift):
        parameters = registers(MovesThresholds(), theta_shift=shift)
        return sh.FixedDeclaredRule(model=MovesThresholds(), parameters=parameters, lsb_shift=4, counter_bits=32)

    made(12)
    with pytest.raises(ParameterError, match="one threshold is 8192 units of 'theta', above the 8191 of its 14 bits"):
        made(13)


@pytest.mark.parametrize("fixed", [True, False])
def test_what_moves_has_to_have_a_range(fixed):
    model = MovesDelays()

    def made(shortest, longest):
        if fixed:
            given = registers(model, shortest=shortest, longest=longest)
            return sh.FixedDeclaredRule(model=model, parameters=given, lsb_shift=4, counter_bits=32)
        return sh.rule(model, k=[1.0], shortest=shortest, longest=longest)

    made(3, 3)
    with pytest.raises(ParameterError, match=r"'moved' keeps the delay from shortest = 3 to longest = 2, .* from 3 on"):
        made(3, 2)


def network():
    """Two neurons with three sources."""
    out = sh.FixedPopulation(name="out", size=2, du=2000, dv=300, vth=80, scale=1000.0)
    ends = sh.FixedProjection(pre="in", post="out", weight=np.full((2, 3), 40), scale=100.0)
    return sh.FixedNetwork([sh.Input("in", 3)], [out], [ends], ["out"])


SPIKES = np.ones((4, 1, 3), bool)


def test_changes_of_a_quantity_that_no_register_holds_are_refused_by_their_value():
    given = {"k": [0.1], "b": 0.0}
    said = r"further = 1e\+06 is 1.\d*e\+04 units of a delay, above the 511 of its register 'further'; give a smaller"
    with pytest.raises(ParameterError, match=said):
        sh.learn(network(), SPIKES, None, sh.rule(MovesDelays(), further=1e6, up=0.0, **given), "spec")

    class Narrow(MovesThresholds):
        post = (*MovesThresholds.post[:-1], WrittenVariable("theta", bits=11, shift="theta_shift", least="least"))

    said = "'theta', in which changes of a threshold gather, has 11 bits, and its integer form takes 12 or more"
    with pytest.raises(ParameterError, match=said):
        sh.learn(network(), SPIKES, None, sh.rule(Narrow(), **given), "spec")


def test_a_range_beyond_the_network_is_refused():
    class Far(MovesDelays):
        parameters = tuple(
            RuleParameter(q.name, bits=9) if q.name in ("shortest", "longest") else q for q in MovesDelays.parameters
        )

    given = registers(Far(), shortest=70, longest=80)
    rule = sh.FixedDeclaredRule(model=Far(), parameters=given, lsb_shift=4, counter_bits=32)
    said = (
        "'moved' keeps the delay from shortest = 70 on, and the network holds no more than 63; give a smaller shortest"
    )
    with pytest.raises(ParameterError, match=said):
        sh.learn(network(), SPIKES, None, rule, "spec")


class Plain(RuleModel):
    """A rule to make others of."""

    name = "Plain"
    parameters = (RuleParameter("a", RuleKind.AMPLITUDE),)

    def post_spike(self, op, at, p):
        return p.a


def test_a_class_stays_as_it_was_when_it_learned():
    """A function that is changed afterwards, as in a notebook, would act on the specification alone."""
    for name in ("post_spike", "parameters", "gain"):
        with pytest.raises(ParameterError, match=rf"Plain\.{name} cannot be set anew.*make a subclass"):
            setattr(Plain, name, 5)
    other = type("Other", (Plain,), {"name": "Other", "gain": 5})
    assert sh.rule(other(), a=1.0).model.gain == 5


def test_attributes_of_an_instance_that_could_change_are_refused():
    class Kept(Plain):
        def __init__(self):
            self.gain, self.sign = 3, 1

    with pytest.raises(ParameterError, match=r"attributes of its instance, gain, sign, .* a frozen dataclass"):
        sh.rule(Kept(), a=1.0)

    class Derived(Plain):
        found = functools.cached_property(lambda self: 5)

    derived = Derived()
    assert derived.found == 5
    assert sh.rule(derived, a=1.0).model is derived

    @dataclass
    class Changing(Plain):
        gain: int = 3

    with pytest.raises(ParameterError, match=r"fields could change: give it @dataclass\(frozen=True"):
        sh.rule(Changing(), a=1.0)


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, np.arange(3), {4}])
def test_fields_that_could_change_are_refused(value):
    """Their hash would not tell one instance from another; Python has none of them."""

    @dataclass(frozen=True, repr=False)
    class Choosing(Plain):
        gains: object = field(default=(1, 2))

    assert sh.rule(Choosing(), a=1.0).model == Choosing((1, 2))
    with pytest.raises(ParameterError, match=f"its field gains = .* is a {type(value).__name__}, .* give a tuple"):
        sh.rule(Choosing(value), a=1.0)
