"""CSDP: the equations of the paper in NumPy, the gradient that they are, and the same integers on every target."""

from __future__ import annotations

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.declared import FixedDeclaredRule
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.testing import check_rule

ETA, LEAVE, THETA, KEEP = 0.02, 0.003, 1.5, 0.769
RULE = sh.csdp(ETA, theta=THETA, per_unit=8, w_decay=LEAVE, tau_z=-1 / np.log(KEEP))


def sigmoid(goodness):
    return 1 / (1 + np.exp(THETA - goodness))


def paper(pre, post, true, probability=sigmoid):
    """The change of the weights of a window, shape (post, pre), and the largest size of its first term."""
    change, z, p, most = np.zeros((post.shape[1], pre.shape[1])), np.zeros(post.shape[1]), probability(0.0), 0.0
    for t in range(len(pre)):
        arriving = pre[t - 1].astype(float) if t else np.zeros(pre.shape[1])
        z = np.where(post[t], 1.0, KEEP * z)
        change += ETA * 2 * (true - p) * np.outer(z, arriving) - LEAVE * np.outer(post[t], 1 - arriving)
        most += ETA * 2
        p = probability((z**2).sum())
    return change, most


def change(rule, pre, post, true, **options):
    """The weight change of every synapse of a window."""
    rows, cols = (index.reshape(-1) for index in np.indices((post.shape[1], pre.shape[1])))
    factors = {"group_true": np.full((len(pre), 1), true)}
    window = Window(pre, post, rows, cols, None, RandomKey(), 0, None, factors)
    return window_changes(rule.model, rule.parameters, window, **options).reshape(post.shape[1], pre.shape[1])


@st.composite
def lessons(draw):
    """Spikes of both ends, and whether the sample is true."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps, pre, post = draw(st.integers(1, 12)), draw(st.integers(1, 4)), draw(st.integers(1, 9))
    rate = draw(st.sampled_from([0.1, 0.4, 0.9]))
    return rng.random((steps, pre)) < rate, rng.random((steps, post)) < rate, int(rng.integers(2))


@examples(200, default=15)
@given(lessons())
def test_real_numbers_equal_the_papers_equations(case):
    """To the bit with the table of the sigmoid, and to its straight lines, h^2/8 of its curvature, with the sigmoid."""
    found = change(RULE, *case, ideal=True)
    table = np.asarray(RULE.values["sigmoid"])
    on_lines, _ = paper(*case, lambda g: np.interp(8 * g, np.arange(table.size), table))
    np.testing.assert_allclose(found, on_lines, rtol=0, atol=1e-12)
    exact, most = paper(*case)
    np.testing.assert_allclose(found, exact, rtol=0, atol=most * max(0.0963 / 8 / 8**2, 1 - table[-1]))


@examples(200, default=15)
@given(lessons())
def test_integers_follow_them_to_a_unit_of_each_factor(case):
    unit = 1 << 20
    table = np.rint(255 * np.asarray(RULE.values["sigmoid"])).astype(int)
    integers = {
        "rate": round(ETA * unit / 255**2 * 2**8),
        "leave": round(LEAVE * unit * 2**8),
        "dw_shift": 8,
        "decay_z": round((1 - KEEP) * 4096),
        "sigmoid": table,
        "per_unit": 8,
        "one": 255,
        "z_one": 255,
    }
    fixed = FixedDeclaredRule(model=RULE.model, parameters=integers, lsb_shift=8, counter_bits=32)
    found = change(fixed, *case) / unit
    wanted, most = paper(*case)
    # Of p a unit of the table, and what lies between two entries, at most a quarter of their distance; three of z.
    assert (np.abs(found - wanted) <= most * (1 / 255 + 0.25 / 8 + 9 * 6 / 255 / 4 + 3 / 255) + 12 / unit).all()


def test_the_change_is_the_descent_of_the_cross_entropy():
    """Of a step in which everything arrives and nothing leaves: finite differences along z."""
    pre, post = np.ones((3, 1), bool), np.array([[1, 0], [0, 1], [0, 0]], bool)
    rule = sh.csdp(1.0, theta=THETA, per_unit=255, tau_z=-1 / np.log(KEEP))
    z = np.array([[1, 0], [KEEP, 1], [KEEP**2, KEEP]])

    def entropy(values, true):
        p = sigmoid((values**2).sum())
        return -np.log(p) if true else -np.log(1 - p)

    for true in (0, 1):
        two, three = (change(rule, pre[:n], post[:n], true, ideal=True)[:, 0] for n in (2, 3))
        small = 1e-5 * np.eye(2)
        slope = np.array([(entropy(z[1] + d, true) - entropy(z[1] - d, true)) / 2e-5 for d in small])
        # The change of the third step has the error of the second, along the z of the third.
        np.testing.assert_allclose((three - two) / z[2], -slope / z[1], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["engine", "brian2", "lava"])
def test_every_target_computes_the_same(target):
    check_rule("CSDP", [target], lessons=1)


@pytest.mark.slow
def test_layers_that_learn_name_digits(studies, monkeypatch):
    """The study's networks and seed 0, of fewer epochs; random layers are right by chance alone."""
    study = studies.contrastive
    monkeypatch.setattr(study, "EPOCHS", 6)
    found = study.measured(0, {"all projections": (1e-4, 0.15)})
    for form in ("float", "8-bit"):
        assert found[f"untaught, {form}"].accuracy < 0.3
        assert found[f"all projections, {form}"].accuracy > 0.75


def test_wrong_arguments_are_named():
    for wrong, said in (({"theta": -1.0}, "theta = -1"), ({"per_unit": 256}, "per_unit = 256"), ({"eat": 1}, "'eat'")):
        with pytest.raises(ParameterError, match=said):
            sh.csdp(0.1, **wrong)
