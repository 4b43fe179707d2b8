"""Each operation of a step: the graph evaluated on arrays against the exact operations, and these against fractions."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from example_counts import examples
from graph_evaluator import evaluate
from hypothesis import given, strategies as st

from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import Rounding
from ssdp_hw.operations.exact import ExactOperations
from ssdp_hw.operations.graph import GraphOperations
from ssdp_hw.operations.ideal import IdealOperations
from ssdp_hw.operations.interval import Interval, IntervalOperations
from ssdp_hw.operations.node import Node, TableLeaf
from ssdp_hw.operations.philox import philox4x32

ROUNDINGS = [r.value for r in Rounding if r is not Rounding.STOCHASTIC]
WIDTH, TABLE = 4, (5, -3, 0, 7)
ROUND = {
    "floor": math.floor,
    "zero": math.trunc,
    "nearest": lambda x: math.floor(x + Fraction(1, 2)),
}


def turned(x):
    """One turn around a register of WIDTH bits."""
    return x - 2**WIDTH if x > 2 ** (WIDTH - 1) else x + 2**WIDTH if x <= -(2 ** (WIDTH - 1)) else x


TOP = 2 ** (WIDTH - 1) - 1
# Operations of x and y beside the products: what a step writes, and the same in Python's unbounded integers.
PLAIN = {
    "add": (lambda op, x, y: x + y, lambda x, y: x + y),
    "subtract": (lambda op, x, y: x - y, lambda x, y: x - y),
    "multiply": (lambda op, x, y: x * y, lambda x, y: x * y),
    "from a number": (lambda op, x, y: 3 - x, lambda x, y: 3 - x),
    "minimum": (lambda op, x, y: op.minimum(x, y), min),
    "maximum": (lambda op, x, y: op.maximum(x, y), max),
    "absolute": (lambda op, x, y: op.absolute(x), lambda x, y: abs(x)),
    "clip": (lambda op, x, y: op.clip(x, -3, 5), lambda x, y: max(-3, min(5, x))),
    "select": (lambda op, x, y: op.select(x < y, x, 2), lambda x, y: x if x < y else 2),
    "conditions": (
        lambda op, x, y: op.select(((x <= y) & ~(x == 2)) | (y != 1), 1, 0),
        lambda x, y: int((x <= y and x != 2) or y != 1),
    ),
    "select a condition": (
        lambda op, x, y: op.select(op.select(x > y, x >= 3, y < 0), 1, 0),
        lambda x, y: int(x >= 3 if x > y else y < 0),
    ),
    "lookup": (lambda op, x, y: op.lookup(TABLE, x), lambda x, y: TABLE[max(0, min(3, x))]),
    "shift_left": (lambda op, x, y: op.shift_left(x, 3), lambda x, y: 8 * x),
    "divide": (
        lambda op, x, y: op.divide(op.absolute(x), op.maximum(y, 1)),
        lambda x, y: math.floor(Fraction(abs(x), max(y, 1))),
    ),
    "shift by a value": (
        lambda op, x, y: op.shift_right(x, op.clip(y, 0, 5)),
        lambda x, y: math.floor(Fraction(x, 2 ** max(0, min(5, y)))),
    ),
    "shift by a value to the nearest": (
        lambda op, x, y: op.shift_right(x, op.clip(y, 0, 5), "nearest"),
        lambda x, y: math.floor(Fraction(x, 2 ** max(0, min(5, y))) + Fraction(1, 2)),
    ),
    "saturate": (lambda op, x, y: op.saturate(x + y, "v"), lambda x, y: max(-TOP, min(TOP, x + y))),
    "wrap": (lambda op, x, y: op.wrap(x + y, "v"), lambda x, y: turned(x + y)),
    "fires": (lambda op, x, y: op.select(op.fires(x, y), 1, 0), lambda x, y: int(x > y)),
    "reset": (
        lambda op, x, y: op.reset(x, op.fires(x, y), y),
        lambda x, y: 0 if x > y else x,
    ),
    "lsb": (lambda op, x, y: x - op.lsb, lambda x, y: x - 1),
}


def exact(**options):
    values = {"spiking": True, "at_least": False, "subtract": False, **options}
    return ExactOperations(3, {"v": WIDTH}, **values).counting()


def graph(word=64, **options):
    values = {"spiking": True, "at_least": False, "subtract": False, **options}
    return GraphOperations(3, {"v": WIDTH}, word=word, **values)


def leaf(name, values):
    return Node("leaf", (), int(np.min(values)), int(np.max(values)), name)


def both(step, x, y, *, word=64, **options):
    """What the exact operations and the graph make of the arrays x and y, with the overflow counts of each."""
    e, g = exact(**options), graph(word, **options)
    made = step(e, x, y)
    node = step(g, leaf("x", x), leaf("y", y))
    value, *counted = evaluate([node, *g.counts.values()], {"x": x, "y": y})
    counts = {n: int(np.count_nonzero(np.broadcast_to(c, x.shape))) for n, c in zip(g.counts, counted, strict=True)}
    return np.broadcast_to(made, x.shape), np.broadcast_to(value, x.shape), e.counts, counts


SMALL = tuple(a.reshape(-1) for a in np.meshgrid(np.arange(-11, 12), np.arange(-9, 10)))


@pytest.mark.parametrize("name", PLAIN)
def test_every_small_value(name):
    step, formula = PLAIN[name]
    for x, y in (SMALL, *(tuple(a[side] for a in SMALL) for side in (SMALL[0] >= 0, SMALL[1] < 0))):
        made, value, exact_counts, graph_counts = both(step, x, y)
        expected = [formula(int(a), int(b)) for a, b in zip(x, y, strict=True)]
        assert made.tolist() == expected
        assert value.tolist() == expected
        assert exact_counts == graph_counts


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_small_product(rounding):
    # A narrow word makes the graph split the product, which must not change it.
    for word in (4, 6, 64):
        for bits in range(5):
            for sign in (slice(None), SMALL[0] >= 0, SMALL[0] < 0, SMALL[1] >= 0, SMALL[1] < 0):
                x, y = (a[sign] for a in SMALL)
                expected = [ROUND[rounding](Fraction(int(a) * int(b), 2**bits)) for a, b in zip(x, y, strict=True)]
                made, value, *_ = both(lambda op, a, b, n=bits: op.scale(a, b, n, rounding), x, y, word=word)
                assert made.tolist() == expected
                assert value.tolist() == expected


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_small_shift_and_decay(rounding):
    x, y = SMALL
    for bits in range(5):
        expected = [ROUND[rounding](Fraction(int(a), 2**bits)) for a in x]
        made, value, *_ = both(lambda op, a, b, n=bits: op.shift_right(a, n, rounding), x, y)
        assert made.tolist() == value.tolist() == expected
    keep = np.abs(y)
    expected = [ROUND[rounding](Fraction(int(a) * (8 - int(b)), 8)) for a, b in zip(x, keep, strict=True)]
    for word in (5, 64):
        made, value, *_ = both(lambda op, a, b: op.decay(a, b, rounding=rounding), x, keep, word=word)
        assert made.tolist() == value.tolist() == expected


@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("at_least", [False, True])
def test_the_options_of_a_population(subtract, at_least):
    x = SMALL[0]
    for y in (np.abs(SMALL[1]), np.abs(SMALL[1]) + 3, -np.abs(SMALL[1]) - 1):
        made, value, *_ = both(
            lambda op, a, b: op.reset(a, op.fires(a, b), b), x, y, at_least=at_least, subtract=subtract
        )
        fired = x >= y if at_least else x > y
        assert made.tolist() == value.tolist() == np.where(fired, x - y if subtract else 0, x).tolist()
    silent, value, *_ = both(lambda op, a, b: op.reset(a, op.fires(a, b), b), x, y, spiking=False)
    assert silent.tolist() == value.tolist() == x.tolist()


@pytest.mark.parametrize("at_least", [False, True])
def test_a_level_that_is_taken_off_where_it_was_reached_leaves_nothing_below_0(at_least):
    """As by a step whose reset always subtracts: its voltage then fits the register that the voltage fits."""
    x, y = SMALL[0], np.abs(SMALL[1])
    op = graph(at_least=at_least)
    v, level, quiet = leaf("x", x), leaf("y", y), leaf("x", x) < 3
    for fired in (op.fires(v, level), op.fires(v, level) & ~quiet):
        after = op.select(fired, v - level, v)
        assert (after.low, after.high) == (x.min(), x.max())
        (made,) = evaluate([after], {"x": x, "y": y})
        assert after.low <= made.min()
        assert made.max() <= after.high
    for fired in (v < level, quiet, op.fires(level, v), op.fires(v, level) | quiet, ~op.fires(v, level)):
        assert op.select(fired, v - level, v).low == x.min() - y.max()


numbers = st.integers(-(2**24), 2**24)
vectors = st.lists(st.tuples(numbers, st.integers(-(2**13), 2**13)), min_size=1, max_size=20)


@examples(400, default=20)
@given(pairs=vectors, bits=st.integers(0, 16), rounding=st.sampled_from(ROUNDINGS), word=st.sampled_from([32, 64]))
def test_products_of_the_width_of_a_chip(pairs, bits, rounding, word):
    x, y = np.array(pairs, np.int64).T
    expected = [ROUND[rounding](Fraction(a * b, 2**bits)) for a, b in pairs]
    made, value, *_ = both(lambda op, a, b: op.scale(a, b, bits, rounding), x, y, word=word)
    assert made.tolist() == expected
    assert value.tolist() == expected


wide = st.one_of(st.integers(-(2**47), 2**47), st.sampled_from([2**47, -(2**47), 2**47 - 1, 0, -1]))
gains = st.one_of(st.integers(-(2**32), 2**32), st.sampled_from([2**32, -(2**32), 1, 0]))


@examples(400, default=20)
@given(
    pairs=st.lists(st.tuples(wide, gains), min_size=1, max_size=8),
    bits=st.integers(17, 30),
    rounding=st.sampled_from(ROUNDINGS),
)
def test_products_beyond_64_bits(pairs, bits, rounding):
    """A model may scale its widest state by its widest gain: the product of 80 bits is never made, its result is."""
    x, y = np.array(pairs, np.int64).T
    expected = [ROUND[rounding](Fraction(a * b, 2**bits)) for a, b in pairs]
    made, value, *_ = both(lambda op, a, b: op.scale(a, b, bits, rounding), x, y)
    assert made.tolist() == expected
    assert value.tolist() == expected
    op = IntervalOperations(3, {"v": WIDTH}, spiking=True, at_least=False, subtract=False)
    ends = op.scale(Interval(np.minimum(x, -x), np.maximum(x, -x)), y, bits, rounding)
    mirrored = [ROUND[rounding](Fraction(-a * b, 2**bits)) for a, b in pairs]
    assert ends.low.tolist() == np.minimum(expected, mirrored).tolist()
    assert ends.high.tolist() == np.maximum(expected, mirrored).tolist()


@examples(200, default=12)
@given(pairs=vectors, name=st.sampled_from(sorted(PLAIN)))
def test_other_operations_of_the_width_of_a_chip(pairs, name):
    x, y = np.array(pairs, np.int64).T
    made, value, exact_counts, graph_counts = both(PLAIN[name][0], x, y)
    assert made.tolist() == value.tolist() == [PLAIN[name][1](a, b) for a, b in pairs]
    assert exact_counts == graph_counts


def test_a_split_product_needs_no_more_bits_than_its_word():
    g = graph(word=32)
    node = g.scale(Node("leaf", (), -(2**23), 2**23, "x"), Node("leaf", (), 0, 4096, "y"), 12)
    pending = [node]
    while pending:
        n = pending.pop()
        assert -(2**31) <= n.low <= n.high < 2**31, n.operation
        pending += n.arguments


@pytest.mark.parametrize("name", ["shift_right", "scale", "decay"])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_ideal_operations_do_not_round(name, rounding):
    x, y = np.linspace(-3, 3, 13), np.linspace(-2, 2, 13)
    op = IdealOperations(3, {"v": WIDTH}, spiking=True, at_least=False, subtract=False)
    made, expected = {
        "shift_right": (lambda: op.shift_right(x, 2, rounding), x / 4),
        "scale": (lambda: op.scale(x, y, 2, rounding), x * y / 4),
        "decay": (lambda: op.decay(x, y, rounding=rounding), x * (1 - y / 8)),
    }[name]
    assert np.allclose(made(), expected, rtol=1e-15, atol=0)


def test_ideal_operations_do_not_overflow():
    x = np.array([-1e9, -0.5, 1e9])
    op = IdealOperations(3, {"v": WIDTH}, spiking=True, at_least=False, subtract=False)
    assert np.array_equal(op.saturate(x, "v"), x)
    assert np.array_equal(op.wrap(x, "v"), x)
    assert np.array_equal(op.shift_left(x, 3), 8 * x)
    assert op.lsb == 0
    assert np.array_equal(op.lookup((0, 10, 30), np.array([-1.0, 0.5, 1.5, 9.0])), [0, 5, 20, 30])


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda op, x, y: op.select(x, 1, 0), "as a condition"),
        (lambda op, x, y: (x > 0) + 1, "as with a number"),
        (lambda op, x, y: 1 if x > y else 0, "no branches"),
        (lambda op, x, y: x // 2, "cannot divide"),
        (lambda op, x, y: x / 2, "cannot divide"),
        (lambda op, x, y: op.select(x > 0, x, x > 1), "between a number and a condition"),
        (lambda op, x, y: x + "1", "computes with numbers"),
        (lambda op, x, y: x + np.ones(3), "computes with numbers"),
        (lambda op, x, y: op.lookup((), x), "empty table"),
        (lambda op, x, y: op.saturate(op.saturate(x, "v"), "v"), "twice"),
    ],
)
def test_what_a_step_cannot_do(step, message):
    x, y = SMALL
    with pytest.raises(ParameterError, match=message):
        step(graph(), leaf("x", x), leaf("y", y))


def test_the_entry_of_a_parameter_is_that_of_a_table():
    index = np.arange(-2, 9)
    table = TableLeaf("t", leaf("t_size", [len(TABLE)]), min(TABLE), max(TABLE))
    node = graph().lookup(table, leaf("x", index))
    (found,) = evaluate([node], {"x": index, "t": TABLE, "t_size": len(TABLE)})
    np.testing.assert_array_equal(found, [TABLE[max(0, min(3, x))] for x in index])
    np.testing.assert_array_equal(exact().lookup(np.array(TABLE), index), found)


@pytest.mark.parametrize("write", [lambda op, x: op.shift_right(x, 3, "stochastic"), lambda op, x: op.random(4)])
def test_random_numbers_are_drawn_where_there_are_some(write):
    x = np.arange(-20, 20)
    for op, value in ((exact(), x), (graph(), leaf("x", x))):
        with pytest.raises(ParameterError, match="random numbers"):
            write(op, value)


def test_stochastic_rounding_adds_the_random_number_before_it_rounds_down():
    x = np.arange(-20, 20)
    drawn = np.arange(40) % 8
    op = exact()
    op.draw = lambda bits, number: drawn
    wanted = [math.floor(Fraction(int(a) + int(r), 8)) for a, r in zip(x, drawn, strict=True)]
    np.testing.assert_array_equal(op.shift_right(x, 3, "stochastic"), wanted)
    symbols = replace(graph(), draws=True)
    node = symbols.shift_right(leaf("x", x), 3, "stochastic")
    assert [(n.detail, n.low, n.high) for n in symbols.randoms] == [("random_0", 0, 7)]
    np.testing.assert_array_equal(evaluate([node], {"x": x, "random_0": drawn})[0], wanted)


def test_real_numbers_count_the_draws_of_the_integers():
    """The first draw has the number 0; rounding to the nearest draws nothing, stochastic rounding one number."""
    op, x, keys = IdealOperations(3, {}, spiking=True, at_least=False, subtract=False), np.arange(5.0), np.arange(5)
    np.testing.assert_array_equal(op.random(4), 0)  # in a rule
    for step in (11, 12):
        op.begin_noise(step, keys, keys + 7)
        drawn = [op.random(4), op.shift_right(x, 2, "nearest"), op.random(6)]
        drawn += [op.scale(x, 3.0, 2, "stochastic"), op.random(8)]
        for found, (number, bits) in zip(drawn[::2], ((0, 4), (1, 6), (3, 8)), strict=True):
            words = philox4x32((step, number, 0, 0), (0, 7))[0]
            assert found[0] == int(words) >> (32 - bits)
        np.testing.assert_array_equal(drawn[1::2], [x / 4, 3 * x / 4])


def test_a_division_by_what_may_be_0_is_refused():
    with pytest.raises(ParameterError, match=r"op\.divide takes"):
        graph().divide(leaf("x", [0, 5]), leaf("y", [0, 3]))


def test_the_interval_of_a_wrapped_value_is_exact():
    """For every interval of integers around a register of four bits."""
    for low in range(-20, 21):
        for high in range(low, 21):
            x = np.arange(low, high + 1)
            node = graph().wrap(leaf("x", x), "v")
            (found,) = evaluate([node], {"x": x})
            assert (node.low, node.high) == (found.min(), found.max()), (low, high)


OF_ONE = ["absolute", "clip", "shift_left", "from a number", "lookup"]


@pytest.mark.parametrize("name", OF_ONE)
def test_the_interval_of_an_operation_of_one_value_is_exact(name):
    """For every interval of small integers, as ``prove`` follows them through a population."""
    step, formula = PLAIN[name]
    op = IntervalOperations(3, {"v": WIDTH}, spiking=True, at_least=False, subtract=False).counting()
    for low in range(-6, 7):
        for high in range(low, 7):
            found = step(op, Interval(np.asarray(low), np.asarray(high)), Interval.of(0))
            values = [formula(x, 0) for x in range(low, high + 1)]
            assert (int(found.low), int(found.high)) == (min(values), max(values)), (low, high)
