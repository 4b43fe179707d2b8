"""Formulas as microcode: amplitudes, literals, what is refused, and the text. No Lava."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attempts import attempt
from example_counts import examples
from hypothesis import event, given, strategies as st
from matplotlib.figure import Figure
from test_formula import by_python, formulas

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.microcode.literals import is_literal

TRACES = ("x1", "x2", "y1", "y2", "y3")
STDP = sh.Rule("a*x1*y0 - b*x0*y1", a=0.04, b=0.03, tau_x1=10, tau_y1=15)


def engine_changes(code, pre, post, w):
    """The products step by step, with traces in real numbers that begin with the spike of their own step."""
    values = {n: np.zeros(pre.shape[1] if n[0] == "x" else post.shape[1]) for n in code.traces}
    total = np.zeros((post.shape[1], pre.shape[1]))
    for step, (x, y) in enumerate(zip(pre.astype(float), post.astype(float), strict=True), start=1):
        for name, trace in code.traces.items():
            values[name] = np.exp(-1 / trace.tau) * values[name] + trace.impulse * (x if name[0] == "x" else y)
        given = {"x0": x[None, :], "y0": y[:, None], "w": w}
        given |= {n: v[None, :] if n[0] == "x" else v[:, None] for n, v in values.items()}
        for product in code.products:
            of, factors = product.factors[0], product.factors
            acts = 1.0 if of in ("x0", "y0") else float(step % 2 ** int(of[1:]) == 0)
            total = total + product.coefficient * acts * np.prod(
                [np.broadcast_to(given[f], total.shape) for f in factors if f in given], axis=0
            )
    return total


@examples(150, default=15)
@given(formulas(), st.tuples(*[st.floats(1.0, 30.0)] * 5), st.integers(0, 2**32 - 1), st.floats(20, 200))
def test_the_products_compute_what_python_makes_of_the_formula(formula, taus, seed, scale):
    """With the amplitudes that the compiler says it obtains, which are those of the formula but for its tolerance."""
    rng = np.random.default_rng(seed)
    numbers = {n: v for n, v in {"a": 0.7, "b": -1.3}.items() if n in formula}
    tau = dict(zip((f"tau_{t}" for t in TRACES), taus, strict=True))
    rule, _ = attempt(lambda: sh.Rule(formula, clip=1e6, **numbers))
    if rule is None:
        return
    rule = replace(rule, values={**rule.values, **{f"tau_{t}": tau[f"tau_{t}"] for t in rule.model.traces}})
    code, said = attempt(lambda: sh.compile_microcode(rule, window=8, scale=scale))
    event(said[:20] or "compiled")
    if code is None:
        assert "changes a weight by" in said or "leaves no room" in said
        return
    pre, post = rng.random((8, 3)) < 0.4, rng.random((8, 2)) < 0.4
    w = rng.uniform(-2, 2, (2, 3))
    obtained = " + ".join(
        f"({term.obtained!r} * {scale!r} ** {term.factors.count('w') - 1})*{'*'.join(term.factors)}"
        for term in code.terms
    )
    wanted = scale * by_python(obtained, tau, pre, post, w)
    found = engine_changes(code, pre, post, scale * w)
    size = sum(abs(p.coefficient) * 4000.0 ** (len(p.factors) - 1) for p in code.products)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * size)
    for k, (term, product) in enumerate(zip(code.terms, rule.model.products, strict=True)):
        exact = rule.values[f"c{k}"] * scale ** (1 - product.count("w"))
        assert term.factors == product
        assert term.wanted == pytest.approx(exact)
        assert term.relative_error <= 0.02 or abs(term.wanted - term.obtained) <= abs(term.wanted) / 3


def test_pair_stdp():
    code = sh.compile_microcode(STDP, scale=100)
    assert {p.factors for p in code.products} == {("x0", "y1"), ("y0", "x1"), ("x0", "y0")}
    assert code.t_epoch == 1
    assert {name: trace.tau for name, trace in code.traces.items()} == {"x1": 10, "y1": 15}
    assert [term.wanted for term in code.terms] == [-3.0, 4.0]
    assert code.largest_error < 0.02
    for product in code.products:
        assert is_literal(product.coefficient)
    coincidence = sum(p.coefficient for p in code.products if p.factors == ("x0", "y0"))
    obtained = {term.text: term.obtained for term in code.terms}
    assert coincidence == -obtained["x0*y1"] - obtained["y0*x1"]  # traces have the spike of this very step
    distance, wanted, found = code.pair_curve()
    exact = np.select([distance > 0, distance < 0], [4 * np.exp(-distance / 10), -3 * np.exp(distance / 15)], 0.0)
    np.testing.assert_allclose(wanted, exact, rtol=1e-12)
    np.testing.assert_allclose(found, exact, rtol=0.02)
    assert found[distance == 0] == 0


def test_impulses_that_are_given_stay():
    rule = sh.Rule("a*x1*y0 - b*x0*y1", a=0.04, b=0.03, impulse_x1=60, impulse_y1=1)
    code = sh.compile_microcode(rule, scale=100)
    assert {name: trace.impulse for name, trace in code.traces.items()} == {"x1": 60, "y1": 1}
    assert [term.relative_error for term in code.terms] == [
        0.0,
        pytest.approx(1 / 16),
    ]  # 60 / 16 for 4, no smaller rest


def test_u0_acts_at_the_end_of_a_window():
    rule = sh.Rule("0.01*x1*y1*u0 - 0.02*w*u0", tau_x1=5, tau_y1=9)
    for exponent in (0, 4, 9):
        code = sh.compile_microcode(rule, window=2**exponent, scale=500)
        assert {p.factors[0] for p in code.products} == {f"u{exponent}"}


def test_notes_say_what_differs():
    def notes(formula, window=None, **values):
        return " ".join(sh.compile_microcode(sh.Rule(formula, **values), window=window, scale=100).replaced)

    plain = notes("0.1*x0*y0", rounding="stochastic")
    assert "one random number" in plain
    assert "not limited to 100 LSBs" in plain
    assert not any(word in plain for word in ("Traces", "Rounding", "lowest bits", "factor w", "saturates"))
    assert "do not begin anew" in notes("0.1*x1*y0")
    assert "after 4 spikes" in notes("0.1*x1*y0")
    assert "Rounding 'carry'" in notes("0.1*x0*y0")
    assert "not after 3 windows" in notes("0.1*x0*y0", windows_per_update=3)
    assert "lowest bits" in notes("0.4*x1*x2*y0")
    assert "weight of the moment" in notes("0.1*w*u0", window=2)


@pytest.mark.parametrize(
    ("rule", "form", "error", "said"),
    [
        (
            sh.Rule("a*x1*y0", a=1e-5),
            {},
            ParameterError,
            "product y0.x1 changes a weight by 0.001 LSBs.*2..-7 to 1792; raise",
        ),
        (
            sh.Rule("a*x1*y0", a=1e-3, impulse_x1=120),
            {},
            ParameterError,
            r"impulses: 120.*raise its amplitude or scale",
        ),
        (
            sh.Rule("a*x1*y0", a=9.0, clip=10),
            {},
            ParameterError,
            "changes a weight by 900 LSBs at a spike, and a product",
        ),
        (sh.Rule("a*x1*y0", a=40.0, clip=50), {"scale": 1000}, ParameterError, "lower its amplitude or scale"),
        (sh.Rule("a*x1*y0", a=0.2, clip=0.1), {}, UnsupportedError, "clip = 0.1 is below an amplitude"),
        (sh.Rule("a*x1*u0", a=0.1), {}, ParameterError, "window is missing: the formula has u0"),
        (sh.Rule("a*x1*u0", a=0.1), {"window": 30}, ParameterError, "window = 30 steps.*1, 2, 4 ... 512"),
        (sh.Rule("a*x1*u0", a=0.1), {"window": 1024}, ParameterError, "window = 1024 steps"),
        (sh.Rule("a*x1*u0", a=0.1), {"window": 0}, ParameterError, "window = 0 steps"),
        (sh.Rule("a*x1*y0", a=0.1, trace_bits=9), {}, UnsupportedError, "trace_bits = 9.*7 bits"),
        (sh.Rule("a*x1*y0", a=0.1, trace_rounding="nearest"), {}, UnsupportedError, "trace_rounding = 'nearest'"),
        (sh.Rule("a*x1*y0", a=0.1, pre_trace="arrives"), {}, UnsupportedError, "pre_trace = 'fires'"),
        (sh.Rule("a*x1*y0", a=0.1), {"exponentials": 1}, UnsupportedError, "exponentials = 1 is of SSDP"),
        (sh.Rule("a*x1*y0", a=0.1), {"epoch": "window"}, UnsupportedError, "epoch = 'window' is of SSDP"),
        (sh.Rule("a*x1*y0", a=0.1), {"one_silent": "flat"}, UnsupportedError, "one_silent = 'flat' is of SSDP"),
        (sh.Rule("a*x1**3*y1**2*y0", a=2.5, clip=9), {}, ParameterError, "leaves no room to make up for a right shift"),
        (sh.Rule("a*x1*y0", a=0.1), {"scale": None}, ParameterError, "scale is missing"),
        (sh.rule("Oja", eta=0.1, forget=0.1), {}, UnsupportedError, "Oja has no form here.*a formula"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(rule, form, error, said):
    with pytest.raises(error, match=said):
        sh.compile_microcode(rule, **{"scale": 100, **form})


@pytest.mark.parametrize(("exponent", "factor"), [(3, 1), (-2, 4)])
def test_the_lsb_of_a_negative_weight_exponent(exponent, factor):
    code, other = (sh.compile_microcode(STDP, scale=100 * f, weight_exp=e) for f, e in ((1, 0), (factor, exponent)))
    assert code.dw() == other.dw()


def test_the_picture_shows_what_a_pair_does():
    code = sh.compile_microcode(STDP, scale=100)
    ax = code.plot(ax=Figure().subplots())
    lines = {line.get_label(): line for line in ax.get_lines()}
    for label, values in zip(("wanted", "obtained"), code.pair_curve()[1:], strict=True):
        np.testing.assert_array_equal(lines[label].get_ydata(), values)
    assert "4 products" in ax.get_title(loc="left")
    assert code.dw() in str(code)
    assert "1.6% off" in str(code)
    assert code.to_dict()["terms"][0]["factors"] == ["x0", "y1"]
