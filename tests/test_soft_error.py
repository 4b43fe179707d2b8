"""Learning by the softmax of spike counts: the integers against SciPy, and the lesson against the delta rule."""

from __future__ import annotations

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from lesson_options import lesson
from scipy.special import softmax

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.learning.soft_error import soft_error, softmax_table


@examples(200, default=30)
@given(arrays(np.int64, (5, 7), elements=st.integers(0, 60)), st.floats(0.2, 20.0), st.integers(0, 6))
def test_the_error_is_the_label_minus_the_softmax(counts, temperature, label):
    labels = np.full(5, label)
    found = soft_error(counts, labels, temperature)
    wanted = np.eye(7)[labels] - softmax(counts / temperature, axis=1)
    # An entry is off by half of 1/255, the sum of seven by as much each, and the division drops less than 1/256.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=4.5 / 255 + 1 / 256)
    np.testing.assert_array_equal(found * 256, np.rint(found * 256))
    assert np.all((found.sum(axis=1) >= 0) & (found.sum(axis=1) < 7 / 256))


@given(st.floats(0.05, 500.0))
def test_the_table_falls_from_255_to_its_first_0(temperature):
    table = softmax_table(temperature)
    assert table[0] == 255
    assert np.all(np.diff(table) <= 0)
    assert np.flatnonzero(table == 0).tolist() == [table.size - 1]


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, 1e9])
def test_what_is_no_temperature_is_said(temperature):
    with pytest.raises(ParameterError, match="temperature"):
        softmax_table(temperature)


def network(rng, hidden=6):
    weight = rng.normal(1.0, 0.3, (4, hidden))
    neuron = sh.CubaLIF(size=4, tau_syn=2e-3, tau_mem=1e-2, v_threshold=1.0)
    return sh.Network(
        [sh.Input("in", hidden)],
        [sh.Population(name="out", neuron=neuron)],
        [sh.Projection(pre="in", post="out", weight=weight)],
        ["out"],
        sh.Semantics(1e-3),
    )


@pytest.mark.slow
def test_a_lesson_is_the_delta_rule():
    """One update from all samples: the weights change by ``a * sum over samples of error times source's count``."""
    rng = np.random.default_rng(1)
    net = network(rng)
    spikes, labels = rng.random((20, 9, 6)) < 0.3, rng.integers(0, 4, 9)
    rule = sh.Rule("a*x1*u0", a=0.01, tau_x1=1e12, windows_per_update=9, clip=100.0)
    learned = sh.learn(
        net,
        spikes,
        labels,
        rule,
        teach=sh.Teaching("softmax", temperature=1.5),
        presentation=sh.Presentation(shuffle=False, steps=20),
    )
    counts = sh.run(net, spikes, steps=20).spikes["out"].sum(axis=0)
    assert counts.any()
    change = 0.01 * soft_error(counts, labels, 1.5).T @ spikes.sum(axis=0)
    found = learned.network.projections[0].weight - net.projections[0].weight
    np.testing.assert_allclose(found, change, rtol=0, atol=1e-9)
    assert learned.teacher_hits is None
    right = np.mean(sh.run(net, spikes, steps=20).predict("spike_count") == labels)
    assert [float(point.accuracy.value) for point in learned.curve] == [right]


def test_it_learns_a_task_in_integers_alike_on_specification_and_engine():
    """Four classes, each with inputs of its own that fire more: from chance to nearly all right, no teacher."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 120)
    rate = np.full((120, 8), 0.1)
    rate[np.arange(120), labels] = rate[np.arange(120), labels + 4] = 0.5
    spikes = rng.random((24, 120, 8)) < rate
    fixed = sh.quantize(network(rng, 8), chip="loihi", calibration=spikes[:, :30])
    rule = sh.Rule("a*x1*u0", a=0.02, tau_x1=200.0, trace_bits=12, trace_rounding="nearest", counter_bits=24)
    given = lesson(teach="softmax", temperature=1.0, refresh=20, epochs=3)
    learned = {t: sh.learn(fixed, spikes, labels, rule, t, health=False, **given) for t in ("spec", "engine")}
    a, b = (r.network.projections[0].weight for r in learned.values())
    np.testing.assert_array_equal(a, b)
    before, after = (
        np.mean(sh.run(n, spikes).predict("spike_count") == labels) for n in (fixed, learned["engine"].network)
    )
    assert before < 0.6
    assert after > 0.95


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"teacher": sh.Teacher()}, "needs no teacher"),
        ({"gates": np.ones(9)}, "makes the gates itself"),
        ({"temperature": 0.0}, "temperature"),
        ({"labels": None}, "needs labels"),
    ],
)
def test_what_contradicts_is_said(values, said):
    rng = np.random.default_rng(1)
    spikes, labels = rng.random((20, 9, 6)) < 0.3, rng.integers(0, 4, 9)
    given = {"labels": labels, "teach": "softmax", **values}
    with pytest.raises(ParameterError, match=said):
        sh.learn(network(rng), spikes, given.pop("labels"), sh.Rule("a*x1*u0", a=0.01), **lesson(**given))
