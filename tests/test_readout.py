from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ssdp_hw.errors import ParameterError
from ssdp_hw.running.readout import (
    READOUTS,
    UNDECIDED,
    first_spike,
    max_membrane,
    predict,
    required_record,
    spike_count,
)

rasters = arrays(bool, array_shapes(min_dims=3, max_dims=3, max_side=6))


@given(rasters)
def test_spike_count(spikes):
    for sample, label in enumerate(spike_count(spikes).tolist()):
        counts = [int(spikes[:, sample, n].sum()) for n in range(spikes.shape[2])]
        assert label == (counts.index(max(counts)) if any(counts) else UNDECIDED)


@given(rasters)
def test_first_spike(spikes):
    for sample, label in enumerate(first_spike(spikes).tolist()):
        fired = [(t, n) for t in range(len(spikes)) for n in range(spikes.shape[2]) if spikes[t, sample, n]]
        assert label == (min(fired)[1] if fired else UNDECIDED)


@given(arrays(np.int64, array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.integers(-5, 5)))
def test_max_membrane(v):
    for sample, label in enumerate(max_membrane(v).tolist()):
        peaks = [int(v[:, sample, n].max()) for n in range(v.shape[2])]
        assert label == peaks.index(max(peaks))


def result(**more):
    spikes = np.zeros((2, 1, 3), bool)
    spikes[1, 0, 2] = True
    return SimpleNamespace(**({"spikes": {"out": spikes}, "v": {"out": ~spikes * 1.0}, "output": "out"} | more))


def test_predict_by_name():
    assert [predict(result(), rule).tolist() for rule in READOUTS] == [[2], [2], [0]]
    assert predict(result(output="other"), "spike_count", "out").tolist() == [2]


def test_what_cannot_be_predicted():
    with pytest.raises(ParameterError, match="readout 'guess' is unknown; there are: spike_count"):
        predict(result(), "guess")
    with pytest.raises(ParameterError, match="'max_membrane' needs 'v' of population 'out' recorded"):
        predict(result(v={}), "max_membrane")
    with pytest.raises(ParameterError, match="needs 'spikes' of population 'none' recorded"):
        predict(result(), "first_spike", "none")


def test_required_record():
    assert [required_record(rule) for rule in READOUTS] == ["spikes", "spikes", "v"]
