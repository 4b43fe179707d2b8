"""Neuron models that are declared wrongly: every mistake is named before the first step, whatever runs the network."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.models.declaration import RECORDED
from ssdp_hw.running.frames import AXES

DECAY = Parameter("dv", "tau_mem", Kind.DECAY)
LEVEL = Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0)
# What a step must not depend on.
RNG, CALLS = np.random.default_rng(0), itertools.count()


def model(step=None, **changes):
    """A LIF, or with a step of (op, s, p, arriving) or with declarations in the place of its own."""

    def lif(self, op, s, p, arriving):
        v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias, "v")
        fired = op.fires(v, p.vth)
        return {"v": op.reset(v, fired, p.vth)}, fired

    own = {"name": "Odd", "states": (State("v"),), "parameters": (DECAY, LEVEL), "source": "made up"}
    given = lif if step is None else lambda self, op, s, p, arriving: step(op, s, p, arriving)
    return type("Odd", (NeuronModel,), {**own, **changes, "step": given})()


def value(make):
    """A step whose voltage is what ``make`` says."""

    def step(op, s, p, arriving):
        v = op.saturate(make(op, s, p, arriving), "v")
        return {"v": v}, op.fires(v, p.vth)

    return step


def value_wrapped(make):
    """A step whose voltage is what ``make`` says, in a register that turns."""

    def step(op, s, p, arriving):
        v = op.wrap(make(op, s, p, arriving), "v")
        return {"v": v}, op.fires(v, p.vth)

    return step


def branching(op, s, p, arriving):
    v = op.saturate(s.v + arriving, "v")
    return {"v": 0 if op.fires(v, p.vth) else v}, op.fires(v, p.vth)


def endless(op, s, p, arriving):
    return endless(op, s, p, arriving)


def setting(op, s, p, arriving):
    s.v = arriving
    return {"v": op.saturate(s.v, "v")}, op.never()


STEPS = {
    "no condition": (lambda op, s, p, x: {"v": op.saturate(s.v, "v")}, "must return two values: a dict of its states"),
    "nothing": (lambda op, s, p, x: None, "must return two values"),
    "a state too many": (lambda op, s, p, x: ({"v": s.v, "w": 0}, op.never()), "nothing else; 'w' is none of them"),
    "no state": (lambda op, s, p, x: ({}, op.never()), "every state, v, and nothing else; 'v' is missing"),
    "the condition first": (lambda op, s, p, x: (op.never(), {"v": s.v}), "a dict of its states first.*returns Node"),
    "the states as they came": (lambda op, s, p, x: (s, op.never()), "a dict of its states first.*returns Values"),
    "a truth": (lambda op, s, p, x: ({"v": op.saturate(x, "v")}, True), "must return a condition as its second value"),
    "a condition as a state": (lambda op, s, p, x: ({"v": x > 0}, op.never()), r"op\.select\(v, 1, 0\) counts it"),
    "text as a state": (lambda op, s, p, x: ({"v": "v"}, op.never()), "'v' as state 'v', which is no number"),
    "no limit": (lambda op, s, p, x: ({"v": s.v + x}, op.never()), r"limit it in the step with op\.saturate"),
    "a branch": (branching, r"a step has no branches.*op\.select"),
    "recursion": (endless, "its step calls itself without end"),
    "an assignment": (setting, "return 'v' instead of setting it"),
    "an assignment to an item": (lambda op, s, p, x: s.__setitem__("v", x), "return 'v' instead of setting it"),
    "an item": (value(lambda op, s, p, x: s["v"] + x), r"write s\.v or p\.dv"),
    "the smaller by Python": (value(lambda op, s, p, x: min(s.v, x)), r"min\(\).*op\.minimum"),
    "a chain": (lambda op, s, p, x: ({"v": s.v}, 0 < s.v < 9), "chains such as 0 < v < 9.*& | ~"),
    "a function of Python": (value(lambda op, s, p, x: math.exp(s.v)), r"a function of math.*op\.lookup"),
    "a rounding by Python": (value(lambda op, s, p, x: round(s.v)), r"no number of Python.*round\(\)"),
    "an entry by Python": (value(lambda op, s, p, x: (1, 2)[s.v]), r"is op\.lookup\(table, index\)"),
    "a range": (value(lambda op, s, p, x: sum(range(s.v))), "one number for each neuron"),
    "the parts of a value": (value(lambda op, s, p, x: sum(s.v)), "has no parts and no length"),
    "a whole real number": (value(lambda op, s, p, x: x * 2.0), r"has the number 2\.0; .* write 2"),
    "a factor by its number": (
        value(lambda op, s, p, x: op.scale(x, 0.9, 0)),
        r"op\.scale\(x, p\.gain, op\.decay_bits\)",
    ),
    "a choice by NumPy": (value(lambda op, s, p, x: np.where(x > 0, x, 0)), r"calls NumPy.*op\.select for np\.where"),
    "a maximum by NumPy": (value(lambda op, s, p, x: np.maximum(x, 0)), "calls NumPy"),
    "chance": (value(lambda op, s, p, x: x + RNG.integers(1 << 20)), r"something else each time.*op\.random\(bits\)"),
    "a memory of its own": (
        value(lambda op, s, p, x: x + next(CALLS)),
        "something else each time.*remembers by its states",
    ),
    "a turn too few": (
        value_wrapped(lambda op, s, p, x: s.v + x + p.bias),
        r"op\.wrap turns once around the register, and what it gets, -25689984 \.\. 25689984, may need more turns",
    ),
    "two limits": (value(lambda op, s, p, x: op.saturate(s.v, "v") + x), "limits a state twice"),
    "a limit of nothing": (
        lambda op, s, p, x: ({"v": op.saturate(x, "w")}, op.never()),
        "limits 'w', which is none of",
    ),
    "a real number": (value(lambda op, s, p, x: x * 0.5), r"has the number 0\.5; a step is of integers"),
    "an unknown operation": (value(lambda op, s, p, x: op.exp(s.v)), r"no operation op\.exp; there are: absolute"),
    "a misspelled operation": (value(lambda op, s, p, x: op.saturat(x, "v")), r"did you mean op\.saturate\?"),
    "an unknown state": (value(lambda op, s, p, x: s.w), "declares no 'w'; there are: v"),
    "an unknown parameter": (value(lambda op, s, p, x: p.dw + x), "declares no 'dw'; there are: dv, vth, bias"),
    "too wide": (
        value(lambda op, s, p, x: op.shift_left(s.v, 50)),
        r"needs 75 bits on chip 'loihi2'; 64 are held.*'shift_left' of -8388608 \.\. 8388608: make",
    ),
    "a shift by -2": (value(lambda op, s, p, x: op.shift_left(x, -2)), "to the left by -2; a shift is a whole number"),
    "a shift by 100": (value(lambda op, s, p, x: op.shift_right(x, 100)), "to the right by 100; a shift is a whole"),
    "a shift by 1.5": (value(lambda op, s, p, x: op.shift_right(x, 1.5)), r"to the right by 1\.5; a shift is a whole"),
    "division": (value(lambda op, s, p, x: s.v // 2), "a step cannot divide"),
    "division by 0": (value(lambda op, s, p, x: op.divide(op.absolute(x), p.vth)), r"divides 0 .* by 0 \.\."),
    "a table of reals": (value(lambda op, s, p, x: op.lookup((0.5, 1), x)), "a table is of whole numbers"),
    "an empty table": (value(lambda op, s, p, x: op.lookup((), x)), "an empty table"),
    "a shift by >>": (value(lambda op, s, p, x: s.v >> 3), r"op\.shift_right\(x, bits\)"),
    "a shift by <<": (value(lambda op, s, p, x: 3 << s.v), r"op\.shift_left\(x, bits\)"),
    "an absolute value": (value(lambda op, s, p, x: abs(s.v)), r"op\.absolute\(x\)"),
    "exclusive or": (value(lambda op, s, p, x: op.select((x > 0) ^ (s.v > 0), x, 0)), r"\(a & ~b\) \| \(~a & b\)"),
    "a plus sign": (value(lambda op, s, p, x: s.v + +x), r"no unary \+"),
    "a constant of 71 bits": (value(lambda op, s, p, x: op.minimum(x, 2**70)), "'constant' of 1180591620717411303424"),
    "an unknown rounding": (value(lambda op, s, p, x: op.shift_right(x, 2, "up")), "Rounding 'up' is unknown"),
    "a draw": (value(lambda op, s, p, x: s.v + op.random(3)), "stochastic = True"),
    "NumPy": (value(lambda op, s, p, x: np.exp(s.v)), "its step calls NumPy"),
    "a number as a condition": (value(lambda op, s, p, x: op.select(s.v, x, 0)), "uses a number as a condition"),
    "a condition as a number": (value(lambda op, s, p, x: s.v + (x > 0)), r"use op\.select\(condition, 1, 0\)"),
}
DECLARATIONS = {
    "a state twice": ({"states": (State("v"), State("v"))}, "names of neuron model Odd must differ"),
    "state and parameter": ({"states": (State("v"), State("dv"))}, "must differ"),
    "state and port": ({"ports": ("v",)}, "must differ"),
    "a state bias": ({"states": (State("v"), State("bias"))}, "also from 'bias' and 'arriving'"),
    "a keyword": ({"states": (State("v"), State("lambda"))}, "'lambda' names a model, state, parameter or port"),
    "a name with a blank": ({"name": "a b"}, "'a b' names a model"),
    "no name": ({"name": None}, "has no name"),
    "no states": ({"states": ()}, "has no state"),
    "a list of states": ({"states": [State("v")]}, "must be a tuple of State"),
    "states as text": ({"states": ("v",)}, "must be a tuple of State"),
    "no parameters": ({"parameters": None}, "must be a tuple of Parameter"),
    "a register of 0 bits": ({"states": (State("v", bits=0),)}, "bits = 0; its register has 2 to 48"),
    "a wide register": (
        {"parameters": (DECAY, Parameter("n", "n", Kind.NUMBER, bits=80))},
        "bits = 80; a register has",
    ),
    "negative places": ({"parameters": (DECAY, Parameter("g", "g", Kind.GAIN, places=-1))}, "places = -1"),
    "a unit as text": ({"states": (State("v", unit="voltage"),)}, r"there are: Unit\.VOLTAGE"),
    "a kind as text": (
        {"parameters": (Parameter("dv", "tau_mem", "decay"), LEVEL)},
        r"kind = 'decay'; there are: Kind",
    ),
    "an offset": ({"parameters": (Parameter("dv", "tau_mem", Kind.DECAY, offset="volts"), LEVEL)}, "offset = 'volts'"),
    "a level of shifts": ({"parameters": (Parameter("q", "q", Kind.LEVEL, powers_of_two=True),)}, "is for decays"),
    "a float name twice": ({"parameters": (DECAY, Parameter("q", "tau_mem", Kind.LEVEL))}, "float name 'tau_mem'"),
    "a float name taken": ({"parameters": (DECAY, Parameter("q", "fires", Kind.LEVEL))}, "what sh.neuron itself calls"),
    "a float name that no call can give": (
        {"parameters": (DECAY, Parameter("q", "tau/2", Kind.LEVEL))},
        "float name 'tau/2' .* is no Python identifier",
    ),
    **{
        f"a state {name}": ({"states": (State("v"), State(name))}, f"'{name}' .* is what recordings call something")
        for name in RECORDED
    },
    "a payload of nothing": ({"payload": "w"}, "carry 'w', which is none of its states"),
    "a voltage beside v": ({"states": (State("v"), State("u")), "voltage": "u"}, "is 'u', but it has a state v"),
    "a voltage of nothing": ({"voltage": "w"}, "is 'w', which is none of its states"),
}


def network(made):
    parameters = {} if made.parameters is None else {q.name: 1 for q in made.parameters if q.name not in ("dv", "vth")}
    population = sh.FixedPopulation(name="p", size=1, model=made, parameters=parameters)
    projection = sh.FixedProjection(pre="in", post="p", weight=[[254]])
    return sh.FixedNetwork([sh.Input("in", 1)], [population], [projection], ["p"], chip="loihi2")


def test_the_axes_of_tables_name_no_state():
    assert set(AXES) < set(RECORDED)


@pytest.mark.parametrize("mistake", STEPS)
def test_a_wrong_step_is_named(mistake):
    step, words = STEPS[mistake]
    made = model(step)
    with pytest.raises(ParameterError, match=f"neuron model 'Odd'.*{words}"):
        sh.run(network(made), np.zeros((2, 1, 1), bool), "spec")


def test_a_register_turns_where_what_is_added_is_bounded_by_a_level():
    """As the message about a turn too few, and docs/models.md, say."""
    bounded = value_wrapped(lambda op, s, p, x: s.v + op.clip(x + p.bias, -p.vth, p.vth))
    found = sh.run(network(model(bounded)), np.ones((3, 1, 1), bool), "spec", record=("v",))
    assert found.v["p"][:, 0, 0].tolist() == [0, 0, 0]  # the threshold of 0 bounds everything


def test_an_unsigned_state_that_falls_below_0_is_said_to():
    count = State("c", bits=4, unit=Unit.NUMBER, signed=False)
    for step in (lambda op, s: op.saturate(s.c - 1, "c"), lambda op, s: op.wrap(s.c - 1, "c"), lambda op, s: s.c - 1):
        made = model(lambda op, s, p, x, f=step: ({"v": s.v, "c": f(op, s)}, op.never()), states=(State("v"), count))
        with pytest.raises(ParameterError, match=r"state 'c' can reach -1 \.\. 7.*signed=False: .*op\.maximum"):
            sh.FixedPopulation(name="p", size=1, model=made)


@pytest.mark.parametrize("draw", [lambda op, x: op.random(33), lambda op, x: op.scale(x, 3, 40, "stochastic")])
def test_more_random_bits_than_a_draw_has_are_refused(draw):
    """Word 0 of a Philox block has 32; 40 of them were always 0."""
    made = model(lambda op, s, p, x: ({"v": op.saturate(draw(op, x), "v")}, op.never()), stochastic=True)
    with pytest.raises(ParameterError, match=r"random bits; there are 0 to 32"):
        sh.FixedPopulation(name="p", size=1, model=made, parameters={"seed": 1})


def test_numbers_of_numpy_are_numbers():
    for make in (lambda op, s, p, x: x * np.int64(2), lambda op, s, p, x: np.int32(2) * x):
        found = sh.run(network(model(value(make))), np.ones((3, 1, 1), bool), "spec", record=("v",))
        assert found.v["p"][:, 0, 0].tolist() == [0, 2 * 254 * 64, 2 * 254 * 64]


def test_a_number_of_numpy_is_a_state():
    count = State("k", unit=Unit.NUMBER)
    made = model(
        lambda op, s, p, x: ({"v": op.saturate(x, "v"), "k": np.int64(3)}, op.never()), states=(State("v"), count)
    )
    found = sh.run(network(made), np.ones((2, 1, 1), bool), "spec", record=("k",))
    assert found.states["k"]["p"].tolist() == [[[3]], [[3]]]


@pytest.mark.parametrize("limit", ["saturate", "wrap"])
def test_a_value_limited_by_the_register_of_another_state_is_named(limit):
    """A voltage would be clipped to the 8 bits of a trace, and counted as overflows of it."""
    states = (State("v"), State("w", bits=8))

    def made(name):
        return model(lambda op, s, p, x: ({"v": getattr(op, limit)(x, name), "w": s.w}, op.never()), states=states)

    with pytest.raises(
        ParameterError, match=r"limited by the 8 bits of state 'w', which does not get it: write 'v' there"
    ):
        sh.run(network(made("w")), np.zeros((2, 1, 1), bool), "spec")
    sh.run(network(made("v")), np.zeros((2, 1, 1), bool), "spec")


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_a_square_is_divided_as_it_is(target):
    """No square is below 0, whatever its root is; `op.divide(size * size, ...)` of an `op.absolute` is not needed."""
    made = model(
        lambda op, s, p, x: ({"v": op.saturate(op.divide((x - s.v) * (x - 70 * 64), 1) - s.v, "v")}, op.never())
    )
    with pytest.raises(ParameterError, match=r"op\.divide takes an a from 0 on"):
        network(made)

    def squared(op, s, p, x):
        off = x - 70 * 64
        return {"v": op.saturate(op.divide(off * off, 64 * 7) - 900, "v")}, op.never()

    net = network(model(squared))
    spikes = np.array([1, 0, 0, 1, 1], bool)[:, None, None]
    found = sh.run(net, spikes, target, record=("v",)).v["p"][:, 0, 0].tolist()
    offs = [64 * (254 * int(k) - 70) for k in (0, 1, 0, 0, 1)]
    assert found == [off * off // 448 - 900 for off in offs]
    (register,) = (r for r in sh.prove(net).registers if r.count == "v_saturations")
    assert (register.low, register.high) == (-900, max(offs) ** 2 // 448 - 900)


def test_instances_of_one_class_do_not_differ():
    """Targets keep a compiled step for a model, which is its class."""

    class Times(NeuronModel):
        name = "Times"
        states = (State("v"),)
        parameters = ()

        def __init__(self, k):
            self.k = k

        def step(self, op, s, p, arriving):
            return {"v": op.saturate(arriving * self.k, "v")}, op.never()

    with pytest.raises(ParameterError, match=r"Times has attributes of its instance, k.*declare a Parameter"):
        sh.FixedPopulation(name="p", size=1, model=Times(3))


def test_a_class_stays_as_it_was_when_it_ran():
    """A step that is changed afterwards, as in a notebook, would run on the specification alone."""
    made = type(model(lambda op, s, p, x: ({"v": op.saturate(op.decay(s.v, p.dv) + x, "v")}, op.never())))
    for name in ("gain", "step", "states"):
        with pytest.raises(ParameterError, match=rf"{name} cannot be set anew.*make a subclass"):
            setattr(made, name, 5)
    other = type("Other", (made,), {"name": "Other", "gain": 5})
    assert sh.FixedPopulation(name="p", size=1, model=other()).model.gain == 5


@pytest.mark.parametrize("fixed", [True, False])
def test_a_bias_that_a_step_does_not_use_is_refused(fixed):
    made = model(lambda op, s, p, x: ({"v": op.saturate(op.decay(s.v, p.dv) + x, "v")}, op.never()))

    def population(bias):
        if fixed:
            return sh.FixedPopulation(name="p", size=1, model=made, bias_mant=bias)
        return sh.Population(name="p", neuron=sh.neuron(made, 1, tau_mem=1e-2), bias=bias)

    population(0)
    with pytest.raises(ParameterError, match=r"'p': a bias is given, but .* uses no p\.bias"):
        population(5)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize(("port", "unused"), [("", "gaba"), ("gaba", "")])
def test_a_projection_to_an_input_that_a_step_does_not_use_is_refused(fixed, port, unused):
    made = model(
        lambda op, s, p, x: ({"v": op.saturate(op.decay(s.v, p.dv) + (p.gaba if port else x), "v")}, op.never()),
        ports=("gaba",),
    )

    def network(port):
        common = {"pre": "in", "post": "p", "weight": np.ones((1, 1), int) * 2, "port": port}
        if fixed:
            parts = [sh.FixedPopulation(name="p", size=1, model=made)], [sh.FixedProjection(**common)]
            return sh.FixedNetwork([sh.Input("in", 1)], *parts, ["p"], "loihi2")
        parts = [sh.Population(name="p", neuron=sh.neuron(made, 1, tau_mem=1e-2))], [sh.Projection(**common)]
        return sh.Network([sh.Input("in", 1)], *parts, ["p"], sh.Semantics(1e-3))

    network(port)
    with pytest.raises(
        ParameterError, match=r"the step of 'p' makes nothing of .* it uses: (the first|port = 'gaba')$"
    ):
        network(unused)


@pytest.mark.parametrize("mistake", DECLARATIONS)
def test_a_wrong_declaration_is_named(mistake):
    changes, words = DECLARATIONS[mistake]
    for use in (network, sh.register_model):
        with pytest.raises(ParameterError, match=words):
            use(model(**changes))


def test_what_is_changed_here_is_a_model():
    """Without a mistake it runs, so that each message above is about its mistake."""
    made = network(model())
    assert Unit.VOLTAGE is made.populations[0].declared.states[0].unit
    made = replace(made, populations=[replace(made.populations[0], vth=1)])
    assert sh.run(made, np.ones((9, 1, 1), bool), "spec").spikes["p"].any()
