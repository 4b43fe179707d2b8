"""The gate of DA-SSDP: its fit on warm-up samples, and what it then gives."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.rules.gate import Gate, WarmUp


@st.composite
def warm_ups(draw):
    """Synchrony and losses of 2 to 40 samples, and how they come in batches (empty ones included)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, 40))
    synchrony = rng.uniform(0, 1, count) * draw(st.sampled_from((1.0, 1e-3)))
    slope = draw(st.sampled_from((-3.0, 0.0, 3.0)))
    losses = slope * synchrony / synchrony.max() + rng.normal(0, 1, count) + draw(st.sampled_from((0.0, 1e3)))
    return synchrony, losses, sorted(rng.integers(0, count + 1, draw(st.integers(0, 5))))


@given(warm_ups())
def test_fit_is_the_correlation_however_the_samples_were_batched(case):
    synchrony, losses, cuts = case
    warm_up = WarmUp()
    for s, loss in zip(np.split(synchrony, cuts), np.split(losses, cuts), strict=True):
        warm_up = warm_up.with_batch(s, loss)
    gate = warm_up.fit()
    assert warm_up.samples == synchrony.size
    assert gate.mean == pytest.approx(synchrony.mean(), rel=1e-12)
    assert gate.deviation == pytest.approx(synchrony.std(), rel=1e-9)
    assert gate.k == pytest.approx(-np.corrcoef(synchrony, losses)[0, 1], abs=1e-9)


def test_synchrony_that_lowers_the_loss_is_learned_from_more():
    synchrony = np.array([0.1, 0.2, 0.3, 0.4])
    helpful = WarmUp().with_batch(synchrony, -synchrony).fit()
    harmful = WarmUp().with_batch(synchrony, synchrony).fit()
    assert (helpful.k, harmful.k) == pytest.approx((1, -1))
    assert np.all(np.diff(helpful(synchrony)) > 0)
    assert np.all(np.diff(harmful(synchrony)) < 0)


@given(warm_ups())
def test_gate_is_within_0_and_2_with_the_mean_at_1(case):
    synchrony, losses, _ = case
    gate = WarmUp().with_batch(synchrony, losses).fit()
    values = gate(synchrony)
    assert values.shape == synchrony.shape
    assert np.all((values >= 0) & (values <= 2))
    assert gate(gate.mean) == 1.0
    strong = Gate(k=1.0, mean=0.5, deviation=0.01)
    assert strong([0.0, 0.495, 0.5, 0.505, 1.0]) == pytest.approx([0, 0.5, 1, 1.5, 2])


@pytest.mark.parametrize(("synchrony", "losses"), [([0.1] * 7, range(7)), ([0.1, 0.2, 0.3], [0.7] * 3)])
def test_without_variation_the_gate_stays_open(synchrony, losses):
    gate = WarmUp().with_batch(synchrony, list(losses)).fit()
    assert gate.k == 0
    assert np.all(gate(np.linspace(0, 1, 5)) == 1)


def test_bad_input():
    with pytest.raises(ParameterError, match="at least two warm-up samples, found 1"):
        WarmUp().with_batch([0.5], [1.0]).fit()
    for losses in (1.0, [1.0], [[1.0, 2.0]]):
        with pytest.raises(ShapeError, match="one value a sample"):
            WarmUp().with_batch([0.5, 0.6], losses)
    with pytest.raises(ParameterError, match="losses has a NaN"):
        WarmUp().with_batch([0.5, 0.6], [1.0, math.nan])
    for bad in ({"deviation": 0}, {"deviation": -1}, {"k": math.nan}, {"mean": "x"}, {"mean": [1, 2]}):
        with pytest.raises(ParameterError, match="Gate: "):
            Gate(**{"k": 0.1, "mean": 0.5, "deviation": 0.1} | bad)
    for bad in ({"samples": -1}, {"samples": 1.5}, {"mean_loss": math.inf}):
        with pytest.raises(ParameterError, match="WarmUp: "):
            WarmUp(**bad)
