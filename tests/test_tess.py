"""TESS: the formula of the paper in NumPy, the same integers on every target, and what its helper takes."""

from __future__ import annotations

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.rules.declared import FixedDeclaredRule
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.models.tess import TESS
from ssdp_hw.rules.tess_layer import square_waves
from ssdp_hw.testing import check_rule

CLASSES, TEMPERATURE, THRESHOLD, WIDTH = 3, 2.5, 0.8, 0.6
KEEP_PRE, KEEP_POST = 0.5, 0.2
TAU = {"tau_pre": -1 / np.log(KEEP_PRE), "tau_post": -1 / np.log(KEEP_POST)}


def paper(pre, post, v, label, signs, amplitudes, *, counts):
    """The change of the weights of a window, shape (post, pre): the paper's equations, one step after the other.

    Also what it can be off by where each factor is off by the unit of its register, 1/255.
    """
    steps, change = len(pre), np.zeros((post.shape[1], pre.shape[1]))
    off = np.zeros_like(change)
    x, q, psi_before = np.zeros(pre.shape[1]), np.zeros(post.shape[1]), np.zeros(post.shape[1])
    signal = np.zeros(post.shape[1])
    for t in range(steps):
        arriving = pre[t - 1].astype(float) if t else np.zeros(pre.shape[1])
        x = KEEP_PRE * x + arriving
        psi = np.maximum(0, 1 - np.abs(v[t] + THRESHOLD * post[t] - THRESHOLD) / WIDTH)
        q = KEEP_POST * q + psi_before
        change += signal[:, None] * (amplitudes[0] * np.outer(psi, x) + amplitudes[1] * np.outer(q, arriving))
        sizes = np.abs(amplitudes)
        off += (sizes[0] * np.outer(psi, x) + sizes[1] * np.outer(q, arriving)) * np.abs(signs).sum(axis=0)[:, None]
        off += np.abs(signal)[:, None] * (sizes[0] * (x + psi[:, None]) + 2 * sizes[1] * arriving)
        said = signs @ (post[: t + 1].sum(axis=0) if counts else post[t])
        share = np.exp(said / TEMPERATURE)
        signal = signs.T @ ((np.arange(CLASSES) == label) - share / share.sum())
        psi_before = psi
    return change, off / 255


@st.composite
def lessons(draw):
    """Spikes of both ends, voltages after the reset, a label, and a matrix of signs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps, pre, post = draw(st.integers(1, 12)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    rate = draw(st.sampled_from([0.1, 0.4, 0.9]))
    spikes = rng.random((steps, pre)) < rate, rng.random((steps, post)) < rate
    v = rng.uniform(-1, 1.5, (steps, post))
    return *spikes, v, int(rng.integers(CLASSES)), rng.integers(-1, 2, (CLASSES, post)).astype(float)


def made(signs, *, counts, rounding="nearest", **values):
    size = signs.shape[1]
    return sh.tess(
        size,
        CLASSES,
        0.01,
        a_post=-0.004,
        temperature=TEMPERATURE,
        signs=signs,
        counts=counts,
        rounding=rounding,
        v_threshold=THRESHOLD,
        width=WIDTH,
        **TAU,
        **values,
    )


def changes(rule, pre, post, v, label, **options):
    """The weight change of every synapse of a window."""
    rows, cols = (index.reshape(-1) for index in np.indices((post.shape[1], pre.shape[1])))
    given_ = {"post_v": v, "group_label": np.full((len(pre), 1), label)}
    window = Window(pre, post, rows, cols, None, RandomKey(), 0, None, given_)
    return window_changes(rule.model, rule.parameters, window, **options).reshape(post.shape[1], pre.shape[1])


@examples(200, default=12)
@given(lessons(), st.booleans())
def test_real_numbers_equal_the_papers_equations(case, counts):
    pre, post, v, label, signs = case
    # Beyond its end the table stays at its last entry: its 255 units end there.
    table = np.exp(-np.arange(2 * pre.size * post.size + 200) / TEMPERATURE)
    rule = made(signs, counts=counts)
    rule = sh.rule(rule.model, **{**rule.values, "exponential": table})
    found = changes(rule, pre, post, v, label, ideal=True)
    wanted, _ = paper(pre, post, v, label, signs, (0.01, -0.004), counts=counts)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.slow
@examples(200, default=4)
@given(lessons(), st.booleans())
def test_integers_follow_the_papers_equations_to_the_bits_of_each_factor(case, counts):
    pre, post, v, label, signs = case
    volt, unit = 1 << 16, 1 << 20  # v in units of the chip; counter units of a float weight
    rule = made(signs, counts=counts)
    numbers = {q.name: int(q.default) for q in rule.model.parameters if q.kind.value in ("unit", "limit")}
    scaled = unit / (255 * 255 * 128)
    integers = {
        **numbers,
        "a_pre": round(0.01 * scaled * 2**20),
        "a_post": round(-0.004 * scaled * 2**20),
        "dw_shift": 20,
        "decay_x": 2048,
        "decay_q": 3277,
        "threshold": round(THRESHOLD * volt),
        "width": round(WIDTH * volt),
        "signs": signs.T.reshape(-1).astype(int),
        "exponential": np.rint(255 * np.asarray(rule.values["exponential"])).astype(int),
    }
    fixed = FixedDeclaredRule(model=rule.model, parameters=integers, lsb_shift=8, counter_bits=32)
    found = changes(fixed, pre, post, np.rint(v * volt).astype(np.int64), label) / unit
    wanted, off = paper(pre, post, v, label, signs, (0.01, -0.004), counts=counts)
    assert (np.abs(found - wanted) <= off + len(pre) / unit).all()


# States that a rule reads and sums run on every target by default: test_states_read.py, test_third_factors.py.
@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "brian2", "lava"])
def test_every_target_computes_the_same(target):
    check_rule(TESS(classes=3, counts=target != "lava"), [target], lessons=1)


def test_the_matrix_is_that_of_square_waves():
    waves = square_waves(10, 24)
    assert set(np.unique(waves)) == {-1.0, 1.0}
    assert len(np.unique(waves, axis=0)) == 10
    rule = sh.tess(24, 10, 0.01, temperature=2.0)
    np.testing.assert_array_equal(np.reshape(rule.values["signs"], (24, 10)).T, waves)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"temperature": None}, "temperature is missing"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": 1.0, "signs": np.ones((4, 3))}, "expected"),
        ({"temperature": 1.0, "signs": np.full((3, 4), 0.5)}, "other than -1, 0 and 1"),
        ({"temperature": 1.0, "a_pr": 1.0}, "has no parameter 'a_pr'"),
    ],
)
def test_wrong_arguments_are_named(arguments, said):
    with pytest.raises((ParameterError, ShapeError), match=said):
        sh.tess(4, 3, 0.01, **arguments)
    with pytest.raises(ParameterError, match="classes = 1 is outside 2"):
        sh.rule(TESS(classes=1), a_pre=1.0)


@pytest.mark.slow
def test_a_hidden_layer_that_learns_is_far_above_a_frozen_one(studies, monkeypatch):
    """The study's network and seed 0, of fewer epochs: 15 points in real numbers and in integers."""
    study = studies.hidden_layer
    monkeypatch.setattr(study, "EPOCHS", 6)
    found = study.measured(0, {"frozen": (3e-3, 1.0, 4.0), "TESS": (1e-3, 4.0, 4.0)})
    for form in ("float", "8-bit"):
        assert found[f"TESS, {form}"] - found[f"frozen, {form}"] >= 0.15
    assert abs(found["TESS, 8-bit"] - found["TESS, float"]) <= 0.03
