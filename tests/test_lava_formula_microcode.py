"""Formulas as microcode on Lava's LearningDense, against what Python makes of the formula."""

from __future__ import annotations

from itertools import product as combinations
from math import log

import numpy as np
import pytest
from example_counts import share
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from test_formula import by_python

import ssdp_hw as sh
from ssdp_hw.microcode import Arithmetic
from ssdp_hw.running.target_registry import get_target

if not get_target("lava").availability().installed:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from ssdp_hw.targets.lava.microcode import MicrocodeRun, run_microcode

TRACES = ("x1", "x2", "y1", "y2", "y3")
ONCE = settings(
    max_examples=share(2, default=1), deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
SCALE = 100.0


@st.composite
def rules(draw, taus, amplitudes, most=2, window_end=True, **impulses):
    """Formulas of up to four products, each of a spike (or the end of a window) and of up to ``most`` traces."""
    spikes = st.sampled_from((("x0",), ("y0",), ("x0", "y0"), *((("u0",),) if window_end else ())))
    traces = st.lists(st.sampled_from(TRACES), min_size=1, max_size=most).map(sorted).map(tuple)
    factors = draw(st.lists(st.tuples(spikes, traces), min_size=1, max_size=4, unique=True))
    terms, names = [], []
    for fired, read in factors:
        terms.append(f"({draw(amplitudes(len(read)))!r})*{'*'.join((*fired, *read))}")
        names += read
    read = sorted({n for n in names if n in TRACES})
    values = {f"tau_{n}": draw(taus) for n in read} | {f"impulse_{n}": v for n in read for v in impulses.values()}
    return sh.Rule(" + ".join(terms), clip=1e6, **values)


def python_changes(rule, amplitudes, pre, post):
    """The weight change of every pair in LSB, by Python's own evaluation."""
    text = " + ".join(f"({a!r})*{'*'.join(p)}" for a, p in zip(amplitudes, rule.model.products, strict=True))
    taus = {f"tau_{n}": rule.values.get(f"tau_{n}", 1.0) for n in TRACES}
    return by_python(text, taus, pre, post, np.zeros((post.shape[1], pre.shape[1])))


@pytest.mark.slow
@pytest.mark.more_examples
def test_generated_formulas_in_floating_point():
    """Equal up to the rounding of sums: compiled with amplitudes that its literals obtain."""
    steps = 32

    @ONCE
    @given(
        st.lists(rules(st.floats(1.0, 30.0), lambda n: st.floats(0.2, 2.0), most=2), min_size=6, max_size=6),
        st.integers(0, 2**32 - 1),
        st.booleans().filter(bool),  # else the only example is the simplest one
    )
    def check(drawn, seed, _):
        rng = np.random.default_rng(seed)
        runs = []
        for rule in drawn:
            code = sh.compile_microcode(rule, window=steps, scale=4.0)
            pre, post = rng.random((steps, 5)) < 0.15, rng.random((steps, 4)) < 0.15
            runs.append(MicrocodeRun(code, Arithmetic.FLOATING, pre, post, np.zeros((4, 5))))
        for rule, run, found in zip(drawn, runs, run_microcode(runs), strict=True):
            wanted = python_changes(rule, [term.obtained for term in run.code.terms], run.pre, run.post)
            assert np.any(wanted)
            np.testing.assert_allclose(found[-1], wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())

    check()


# Four steps, all trains of either neuron, and traces that halve or stay: 64, 32, 16 and 8 are whole numbers.
STEPS, IMPULSE = 4, 32
PATTERNS = np.array(list(combinations((False, True), repeat=STEPS))).T
WHOLE = st.sampled_from((1 / log(2), 1e12))


def whole_amplitudes(traces):
    """Float amplitudes by which products of traces of 32, 16, 8 and 4 are whole numbers of LSBs."""
    return st.sampled_from([sign * k / SCALE for sign in (1, -1) for k in ((8, 16) if traces == 1 else (64,))])


def within_range(code):
    """Of every pair whether no partial sum leaves the range of a weight, and no trace its own."""
    inside = np.ones((16, 16), bool)
    values = {n: np.zeros(16) for n in code.traces}
    total = np.zeros((16, 16))
    for spikes in PATTERNS.astype(float):
        for name, trace in code.traces.items():
            values[name] = np.rint(np.exp(-1 / trace.tau) * values[name]) + trace.impulse * spikes
            inside &= (values[name] <= 127)[None, :] if name[0] == "x" else (values[name] <= 127)[:, None]
        given = {n: v[None, :] if n[0] == "x" else v[:, None] for n, v in values.items()}
        given |= {"x0": spikes[None, :], "y0": spikes[:, None], "u2": np.ones((1, 1))}
        total = total + sum(
            abs(p.coefficient) * np.prod([np.broadcast_to(given[f], total.shape) for f in p.factors], axis=0)
            for p in code.products
        )
    return inside & (total <= 250)


@pytest.mark.slow
@pytest.mark.more_examples
def test_generated_formulas_in_fixed_point_where_nothing_is_rounded():
    """Equal to the LSB: every train of four steps of one neuron beside every one of the other."""
    drawn, runs = [], []

    @settings(
        max_examples=share(25, default=10),
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(rules(WHOLE, whole_amplitudes, most=2, window_end=False, every=IMPULSE))
    def draw(rule):
        drawn.append(rule)
        code = sh.compile_microcode(rule, scale=SCALE)
        assert code.largest_error == pytest.approx(0, abs=1e-12)
        runs.append(MicrocodeRun(code, Arithmetic.FIXED, PATTERNS, PATTERNS, np.zeros((16, 16)), rng_seed=5))

    draw()
    compared = moved = 0
    for rule, run, found in zip(drawn, runs, run_microcode(runs), strict=True):
        amplitudes = [rule.values[f"c{k}"] * SCALE for k in range(len(rule.model.products))]
        wanted, inside = python_changes(rule, amplitudes, PATTERNS, PATTERNS), within_range(run.code)
        np.testing.assert_allclose(found[-1][inside], wanted[inside], rtol=0, atol=1e-9, err_msg=str(rule.model))
        compared, moved = compared + inside.sum(), moved + np.count_nonzero(wanted[inside])
    assert compared > 0.3 * 256 * len(runs)
    assert moved > 0.1 * compared


@pytest.mark.slow
def test_a_weight_leak_in_floating_point():
    """``- b*w*u0`` takes the same share from every weight at the end of each window."""
    code = sh.compile_microcode(sh.Rule("-0.0625*w*u0"), window=4, scale=SCALE)
    silent = np.zeros((40, 2), bool)
    first = np.array([[100.0, -60.0], [2.0, 0.0]])
    (found,) = run_microcode([MicrocodeRun(code, Arithmetic.FLOATING, silent, silent, first)])
    np.testing.assert_allclose(found[-1], first * (1 - 0.0625) ** 10, rtol=1e-12)


@pytest.mark.slow
def test_means_in_fixed_point_are_those_of_the_pair_curve():
    """Literals and traces that are rounded at random: the mean of many pairs, within four standard errors."""
    reach, windows = 8, 40
    drawn, runs = [], []

    @settings(max_examples=5, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(rules(st.floats(1.0, 3.0), lambda n: st.floats(0.02, 0.1), most=1, window_end=False))
    def draw(rule):
        code = sh.compile_microcode(rule, scale=SCALE)
        drawn.append(code)
        period = 40
        pre = np.zeros((windows * period, 2 * reach + 1), bool)
        post = np.zeros((windows * period, 1), bool)
        for start in range(reach, windows * period, period):
            post[start] = True
            pre[start - np.arange(-reach, reach + 1), np.arange(2 * reach + 1)] = True
        runs.append(MicrocodeRun(code, Arithmetic.FIXED, pre, post, np.zeros((1, 2 * reach + 1))))

    draw()
    checked = 0
    for code, found in zip(drawn, run_microcode(runs), strict=True):
        distance, _, obtained = code.pair_curve()
        curve = dict(zip(distance.tolist(), obtained.tolist(), strict=True))
        steps = np.diff(found[::40, 0], axis=0)
        for k, d in enumerate(range(-reach, reach + 1)):
            if d not in curve or np.abs(found[:, 0, k]).max() > 200:
                continue
            allowed = 4 * max(steps[:, k].std(), 0.3) / np.sqrt(len(steps))
            assert abs(steps[:, k].mean() - curve[d]) <= allowed, (code.dw(), d)
            checked += 1
    assert checked > 30
