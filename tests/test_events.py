"""Spikes from events: by definition, and as tonic bins them."""

from collections import Counter

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, ShapeError

FIELDS = [("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)]
SIZE = (3, 2, 2)


class DataSet(list):
    """As a data set of tonic."""

    sensor_size = SIZE


events = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 12_000), st.integers(0, 1)), min_size=1, max_size=40
)


def array(rows):
    return np.array(sorted(rows, key=lambda row: row[2]), FIELDS)


@given(st.lists(events, min_size=1, max_size=3), st.sampled_from(["first", "zero"]), st.integers(1, 15))
@examples(200, default=20)
def test_every_event_is_a_spike_or_is_counted(rows, start, steps):
    found = sh.from_events(DataSet((array(own), i) for i, own in enumerate(rows)), dt=1e-3, steps=steps, start=start)
    expected, late, number = np.zeros((steps, len(rows), 2, 2, 3), bool), 0, Counter()
    for sample, own in enumerate(rows):
        first = min(t for _, _, t, _ in own) if start == "first" else 0
        for x, y, t, p in own:
            step = (t - first) // 1000
            late += step >= steps
            if step < steps:
                number[step, sample, p, y, x] += 1
                expected[step, sample, p, y, x] = True
    assert np.array_equal(found.spikes.reshape(expected.shape), expected)
    assert found.labels.tolist() == list(range(len(rows)))
    assert (found.late, found.merged) == (late, sum(n - 1 for n in number.values()))
    assert found.events == late + found.merged + int(expected.sum()) == sum(map(len, rows))
    assert found.shape == (2, 2, 3)


@pytest.mark.parametrize("dt", [1e-3, 2e-3, 1e-4, 7e-6, 2.5e-6])
def test_an_event_at_the_beginning_of_a_step_is_in_it(dt):
    """Whatever the steps and the units of time are in binary."""
    tenths = round(dt * 1e7)
    own = np.array([(0, 0, tenths * k, 0) for k in range(300)], FIELDS)
    found = sh.from_events([(own, 0)], sensor_size=SIZE, dt=dt, time_unit=1e-7, steps=300)
    assert found.spikes[:, 0, 0].all()
    assert (found.late, found.merged) == (0, 0)


@given(events)
@examples(100, default=20)
def test_they_are_tonics_frames(rows):
    transforms = pytest.importorskip("tonic.transforms")
    own = array(rows)
    frames = transforms.ToFrame(sensor_size=SIZE, time_window=1000, include_incomplete=True)(own)
    found = sh.from_events([(own, 0)], sensor_size=SIZE, dt=1e-3, steps=len(frames))
    assert found.late == 0
    assert np.array_equal(found.spikes[:, 0].reshape(frames.shape), frames > 0)
    assert found.merged == int(frames.sum() - (frames > 0).sum())


def test_a_network_takes_them():
    rng = np.random.default_rng(0)
    rows = [[(rng.integers(3), rng.integers(2), t, rng.integers(2)) for t in range(0, 9000, 300)] for _ in range(4)]
    found = sh.from_events(DataSet((array(own), 1) for own in rows), dt=1e-3, steps=10, count=3)
    net = sh.Network(
        [sh.Input("in", 12)],
        [sh.Population(name="out", neuron=sh.LIF(size=2, tau_mem=1e-2, v_threshold=0.01))],
        [sh.Projection(pre="in", post="out", weight=np.ones((2, 12)))],
        ["out"],
        sh.Semantics(1e-3),
    )
    assert sh.run(net, found.spikes).batch == 3
    assert "3 samples of 10 steps and 12 channels, from 90 events" in str(found)


def test_a_sensor_of_one_row_and_one_polarity():
    own = np.array([(0, 0), (4, 2500)], [("x", int), ("t", int)])
    found = sh.from_events([(own, 7)], sensor_size=(5, 1, 1), dt=1e-3, steps=3)
    assert np.argwhere(found.spikes[:, 0]).tolist() == [[0, 0], [2, 4]]
    silent = sh.from_events([(own[:0], 7)], sensor_size=(5, 1, 1), dt=1e-3, steps=3)
    assert not silent.spikes.any()


@pytest.mark.parametrize(
    ("samples", "options", "error", "said"),
    [
        ([(array([(3, 0, 0, 0)]), 0)], {}, ParameterError, "sample 0: an event has x from 3 to 3"),
        ([(array([(0, 0, -5, 0)]), 0)], {}, ParameterError, "time -5"),
        ([(array([(0, 0, 0, 0)]), "seven")], {}, ParameterError, "sample 0: label"),
        ([array([(0, 0, 0, 0)])], {}, ShapeError, "no pair"),
        ([(np.zeros(3), 0)], {}, ParameterError, "'t' and 'x' are needed"),
        ([(array([(0, 0, 0, 0)])[None], 0)], {}, ShapeError, "expected one axis"),
        ([], {}, ParameterError, "no samples"),
        ([(array([(0, 0, 0, 0)]), 0)], {"sensor_size": (3, 2)}, ParameterError, "polarities"),
        ([(array([(0, 0, 0, 0)]), 0)], {"sensor_size": None}, ParameterError, "not known"),
        ([(array([(0, 0, 0, 0)]), 0)], {"dt": 0.0}, ParameterError, "above 0"),
        ([(array([(0, 0, 0, 0)]), 0)], {"start": "late"}, ParameterError, "choose first or zero"),
        ([(array([(0, 0, 0, 0)]), 0)], {"steps": 10**8, "max_bytes": 10**8}, ParameterError, "the limit is"),
        (((array([(0, 0, 0, 0)]), 0) for _ in range(100)), {"max_bytes": 1000}, ParameterError, "the limit is"),
    ],
)
def test_what_are_no_events_is_refused(samples, options, error, said):
    with pytest.raises(error, match=said):
        sh.from_events(samples, **{"sensor_size": SIZE, "dt": 1e-3, "steps": 10, **options})
