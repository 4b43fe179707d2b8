"""The packaged network on the real digits: accuracy in float and fixed, and learning after a drift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, load_digits
from ssdp_hw.rules import SSDP, SilentPairs, WeightRounding
from ssdp_hw.running.result import first_divergence

pytest.importorskip("sklearn", reason="the digits come with scikit-learn")

PLASTIC = "fc2"
# A step of less than half a weight LSB, which the counters gather and `nearest` rounds away.
RULE = SSDP(a_plus=1e-3, a_baseline=1e-4, sigma=30.0, silent_pairs=SilentPairs.SKIP)
DEAD_PIXELS = 13


@pytest.fixture(scope="module")
def data():
    return load_digits()


@pytest.fixture(scope="module")
def network():
    return sh.from_nir(DIGITS_MODEL, dt=DIGITS_DT)


@pytest.fixture(scope="module")
def train(data):
    return sh.encode(data.train_values, "rate", steps=DIGITS_STEPS, seed=1)


@pytest.fixture(scope="module")
def test(data):
    return sh.encode(data.test_values, "rate", steps=DIGITS_STEPS, seed=0)


@pytest.fixture(scope="module")
def fixed(network, train):
    return sh.quantize(network, calibration=train[:, :256])


def accuracy(net, spikes, labels):
    run = sh.run(net, spikes, steps=DIGITS_STEPS + net.latency, on_overflow="error")
    return float(np.mean(run.predict() == labels))


def drifted(spikes, seed=0):
    out = spikes.copy()
    out[:, :, np.random.default_rng(seed).permutation(64)[:DEAD_PIXELS]] = False
    return out


def test_fixed_accuracy_is_within_a_point_of_float(network, fixed, test, data):
    assert len(data.test_labels) == 599
    exact = accuracy(network, test, data.test_labels)
    assert exact >= 0.96
    assert abs(exact - accuracy(fixed, test, data.test_labels)) <= 0.01
    # Without calibration the bounds are wider, the result is as good.
    assert abs(exact - accuracy(sh.quantize(network), test, data.test_labels)) <= 0.01


def test_engine_and_specification_agree_on_real_samples(network, fixed, test):
    options = {"record": ("spikes", "v", "u"), "steps": DIGITS_STEPS + 2}
    a, b = (sh.run(fixed, test[:, :100], target, **options) for target in ("spec", "engine"))
    assert first_divergence(a, b) is None
    assert a.overflow == b.overflow
    assert a.spikes["readout"].any()
    a, b = (sh.run(network, test[:, :100], target, **options) for target in ("spec", "engine"))
    assert all(np.array_equal(s, b.spikes[name]) for name, s in a.spikes.items())
    assert first_divergence(a, b, tolerance=1e-11) is None


def learn(net, rounding, train, data):
    rule = replace(RULE, rounding=rounding)
    return sh.learn(
        net,
        drifted(train)[:, :300],
        data.train_labels[:300],
        rule,
        teach=sh.Teaching("delta", refresh=50),
        presentation=sh.Presentation(epochs=4),
    )


@pytest.mark.parametrize("rounding", [WeightRounding.CARRY, WeightRounding.STOCHASTIC])
def test_learning_after_a_drift_raises_the_accuracy(fixed, train, test, data, rounding):
    learned = learn(fixed, rounding, train, data)
    assert learned.teacher_hits > 0.95
    before, after = (accuracy(net, drifted(test), data.test_labels) for net in (fixed, learned.network))
    assert before < 0.9
    assert after >= before + 0.02  # 12 of the 599 samples, none of which was taught


def test_rounding_to_the_nearest_learns_nothing_below_half_a_step(fixed, train, data):
    learned = learn(fixed, WeightRounding.NEAREST, train, data)
    rule = learned.rules[PLASTIC]
    assert 0 < rule.tables[0][0] < 2**rule.lsb_shift / 2
    assert learned.windows > 30
    assert not learned.counters[PLASTIC].any()
    assert learned.changed == {PLASTIC: 0.0}
    before, after = (net.projection(PLASTIC).weight for net in (fixed, learned.network))
    assert np.array_equal(before, after)
