"""Rules from a formula: held to Python's own evaluation of the formula, step by step, and to pair STDP."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from attempts import attempt
from example_counts import examples
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import Rounding
from ssdp_hw.rules.counter import accumulate, update_weights
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.models.oja import Oja
from ssdp_hw.rules.values import rule_from_dict, rule_to_dict

TRACES = ("x1", "x2", "y1", "y2", "y3")
NAMES = {"a": 0.7, "b": -1.3}


@st.composite
def formulas(draw: st.DrawFn) -> str:
    """Sums of products as people write them, each with a spike or the end of a window."""
    factor = st.sampled_from((*TRACES, "w", "a", "b", "2", "0.5"))
    inner = st.one_of(
        factor,
        st.tuples(factor, st.integers(1, 2)).map(lambda f: f"{f[0]}**{f[1]}"),
        st.tuples(factor, factor).map(lambda f: f"({f[0]} - {f[1]})"),
    )

    def product(spike: str, others: list[str], by: str) -> str:
        return "*".join([spike, *others]) + by

    term = st.builds(
        product,
        st.sampled_from(("x0", "y0", "u0", "x0*y0")),
        st.lists(inner, max_size=2),
        st.sampled_from(("", "/4")),
    )
    terms = draw(st.lists(st.tuples(st.sampled_from(("+", "-")), term), min_size=1, max_size=4))
    return " ".join(f"{sign} {term}" for sign, term in terms).lstrip("+ ")


def by_python(formula: str, values: dict, pre: np.ndarray, post: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The weight change of every pair, shape (post, pre): the formula evaluated by Python in every step."""
    keep = {t: math.exp(-1.0 / values[f"tau_{t}"]) for t in TRACES}
    traces = {t: np.zeros(pre.shape[1] if t[0] == "x" else post.shape[1]) for t in TRACES}
    total = np.zeros((post.shape[1], pre.shape[1]))

    def change(x0: np.ndarray, y0: np.ndarray, u0: float) -> np.ndarray:
        given = {t: v[None, :] if t[0] == "x" else v[:, None] for t, v in traces.items()}
        return eval(formula, {"__builtins__": {}}, {**NAMES, **given, "x0": x0, "y0": y0, "u0": u0, "w": w})

    for s_pre, s_post in zip(pre.astype(float), post.astype(float), strict=True):
        total += change(s_pre[None, :], s_post[:, None], 0.0)
        for t, spikes in ((t, s_pre if t[0] == "x" else s_post) for t in TRACES):
            traces[t] = keep[t] * (traces[t] + spikes)
    return total + change(np.zeros((1, pre.shape[1])), np.zeros((post.shape[1], 1)), 1.0)


def changes(rule, pre, post, weight, **options):
    rows, cols = (index.reshape(-1) for index in np.indices((post.shape[1], pre.shape[1])))
    declared = rule.declaration(len(pre))
    window = Window(pre, post, rows, cols, weight.reshape(-1), RandomKey(3, 1, 2), 0)
    return window_changes(declared.model, declared.parameters, window, **options).reshape(weight.shape)


@examples(200, default=30)
@given(
    formulas(),
    st.tuples(*[st.floats(1.0, 30.0)] * 5),
    arrays(bool, (8, 3)),
    arrays(bool, (8, 2)),
    arrays(float, (2, 3), elements=st.floats(-2, 2)),
)
def test_a_formula_means_what_python_makes_of_it(formula, taus, pre, post, weight):
    values = {f"tau_{t}": tau for t, tau in zip(TRACES, taus, strict=True)}
    wanted = by_python(formula, values, pre, post, weight)
    numbers = {n: v for n, v in NAMES.items() if n in formula}
    rule, said = attempt(lambda: sh.Rule(formula, **numbers))
    if rule is None and "more than the 64 bits" in said:
        assert formula.count("w") >= 2  # the third may be a power
        return
    if rule is None:  # terms that cancel
        assert "is 0" in said
        np.testing.assert_allclose(wanted, 0, atol=1e-12)
        return
    read = {f"tau_{t}": values[f"tau_{t}"] for t in rule.model.traces}
    found = changes(sh.Rule(formula, **numbers, **read), pre, post, weight, ideal=True)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * max(1.0, float(np.abs(wanted).max())))


@pytest.mark.parametrize(
    ("formula", "bits", "widest"), [("x0*w*w**2 + x0", 7, "x0*w*w*w"), ("u0*x1*x2*w**2 - y0*w", 16, "u0*w*w*x1*x2")]
)
def test_a_product_that_is_too_wide_for_integers_is_named(formula, bits, widest):
    with pytest.raises(ParameterError, match=f"its widest product, {re.escape(widest)}, .* give it fewer factors"):
        sh.Rule(formula, trace_bits=bits)
    # What the message says to do.
    assert sh.Rule(formula.replace("w**2", "w").replace("w*w", "w"), trace_bits=7).model.products


@examples(60, default=12)
@given(st.integers(0, 2**32 - 1), st.integers(0, 900), st.integers(0, 900), st.integers(0, 6))
def test_pair_stdp_as_a_formula_has_its_bits(seed, a_plus, a_minus, dw_shift):
    rng = np.random.default_rng(seed)
    pre, post = rng.random((20, 1, 5)) < 0.3, rng.random((20, 1, 4)) < 0.3
    common = {"lsb_shift": 4, "counter_bits": 24}
    shared = {"dw_shift": dw_shift, **common}
    stdp = sh.FixedSTDP(a_plus=a_plus, a_minus=a_minus, decay_plus=300, decay_minus=700, trace_impulse=40, **shared)
    model = sh.Rule("x1*y0 - x0*y1").model
    assert model.products == (("x0", "y1"), ("y0", "x1")) or model.products == (("x0", "y1"), ("x1", "y0"))
    found = sh.FixedDeclaredRule(
        model=model,
        parameters={
            "c0": -a_minus,
            "c1": a_plus,
            "decay_x1": 300,
            "decay_y1": 700,
            "impulse_x1": 40,
            "impulse_y1": 40,
            "dw_shift": dw_shift,
        },
        **common,
    )
    rows, cols = (index.reshape(-1) for index in np.indices((4, 5)))
    steps = [r.step(r.observe(pre, post), 0, rows, cols) for r in (stdp, found)]
    np.testing.assert_array_equal(*steps)


@pytest.mark.parametrize(
    ("formula", "values", "said"),
    [
        ("a*x1", {"a": 1}, "has no x0, y0 or u0"),
        ("x1*y0*q", {}, r"character 7: 'q' is no factor .*give q="),
        ("x1*y0", {"q": 1}, "does not use q"),
        ("x1*", {}, "no formula"),
        ("__import__('os').system('true')", {}, "no sum, product, name or number"),
        ("x0.real", {}, "no sum, product"),
        ("x0[0]", {}, "no sum, product"),
        ("x0 if y0 else x1", {}, "no sum, product"),
        ("(x1 + y1)**9*y0", {}, "power must be a whole number"),
        ("x1*y0/0", {}, "division by a number other than 0"),
        ("y0*1e200*1e200", {}, "not finite"),
        ("x1*y0 - y0*x1", {}, "is 0"),
        ("u0*x0", {}, "at a spike and at the end"),
        ("x0*y1*y1*y1*y1*y1*y1*y1", {}, "more than 6"),
        ("(" * 400 + "x0" + ")" * 400, {}, "formula|levels"),
        ("x0" + "+x0" * 500, {}, "at most 1000 characters"),
        ("x1*y0", {"x1": 2.0}, "is a factor"),
        ("x1*y0", {"tau_y3": 2.0}, "does not read"),
        ("x1*y0", {"tau_x1": 0.0}, "tau_x1 = 0 must be above 0"),
        ("x1*y0", {"impulse_x1": 200}, "impulse_x1 = 200 is outside 0 .. 127"),
    ],
)
def test_what_is_no_formula_is_said(formula, values, said):
    with pytest.raises(ParameterError, match=said):
        sh.Rule(formula, **values)


def test_a_formula_goes_through_a_file():
    rule = sh.Rule("0.1*x1*y0 - 0.2*x0*y1*w", tau_x1=7.0, trace_bits=9)
    again = rule_from_dict(rule_to_dict(rule))
    assert again.model == rule.model
    assert again.values == rule.values
    with pytest.raises(ParameterError, match="computes something else"):
        rule_from_dict({**rule_to_dict(rule), "model": {**rule_to_dict(rule)["model"], "digest": "0" * 16}})


ETA, LSB = 1e-4, 128  # weight LSBs in a weight of 1
STEPS = 40


def counts_of_known_covariance():
    """Spikes of four neurons in each of 400 windows, and the first principal component of their counts."""
    rng = np.random.default_rng(4)
    mixing = np.array([[3.0, 0, 0], [2.0, 1.0, 0], [1.0, 0.5, 1.5], [0.5, 1.0, 0.2]])
    counts = np.clip(np.rint(6 + rng.normal(size=(400, 3)) @ mixing.T), 0, 20).astype(int)
    _, vectors = np.linalg.eigh(counts.T @ counts / len(counts))
    return counts, vectors[:, -1] * np.sign(vectors[:, -1].sum())


def spikes(counts):
    return np.arange(STEPS)[:, None] < np.atleast_1d(counts)[None, :]


def assert_first_component(weight, first):
    assert weight @ first / np.linalg.norm(weight) > 0.999
    assert np.linalg.norm(weight) == pytest.approx(1.0, abs=0.03)


@pytest.mark.slow
def test_oja_finds_the_first_principal_component_in_float():
    """The target's count is the weighted sum of the sources' counts, as for a linear neuron."""
    rule = sh.rule("Oja", eta=ETA, forget=ETA, tau_x=1e9, tau_y=1e9)
    counts, first = counts_of_known_covariance()
    weight = np.full((1, 4), 0.3)
    for x in counts:
        y = np.clip(np.rint(weight @ x), 0, STEPS).astype(int)
        weight = weight + changes(rule, spikes(x), spikes(y), weight, ideal=True)
    assert_first_component(weight[0], first)


def test_oja_finds_the_first_principal_component_in_integers():
    shift = 16  # an LSB has 2**16 counter units
    unit = ETA * 2.0 ** (shift + 18) / 64**2
    rule = sh.FixedDeclaredRule(
        model=Oja(Rounding.NEAREST),
        parameters={
            "grow": round(unit * LSB),
            "forget": round(unit),
            "decay_x": 0,
            "decay_y": 0,
            "unit": 64,
            "dw_shift": 18,
        },
        lsb_shift=shift,
        counter_bits=32,
    )
    counts, first = counts_of_known_covariance()
    stored, counter = np.full((1, 4), round(0.3 * LSB)), np.zeros(4, np.int64)
    for index, x in enumerate(counts):
        y = np.clip(np.rint(stored @ x / LSB), 0, STEPS).astype(int)
        e = changes(rule, spikes(x), spikes(y), stored).reshape(-1)
        counter, full = accumulate(rule, counter, e)
        moved, counter, cut = update_weights(rule, stored.reshape(-1), counter, -256, 255, seed=0, layer=0, index=index)
        assert full == cut == 0
        stored = moved.reshape(1, 4)
    assert_first_component(stored[0] / LSB, first)
