import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ssdp_hw.errors import ParameterError
from ssdp_hw.running.decoding import (
    DECODERS,
    UNDECIDED,
    decode,
    first_spike,
    last_membrane,
    max_membrane,
    mean_membrane,
    required_record,
    spike_count,
)
from ssdp_hw.running.result import RunResult

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


@given(arrays(np.int64, array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.integers(-5, 5)))
def test_mean_and_last_membrane(v):
    for sample in range(v.shape[1]):
        sums = [int(v[:, sample, n].sum()) for n in range(v.shape[2])]
        assert mean_membrane(v)[sample] == sums.index(max(sums))
        last = v[-1, sample].tolist()
        assert last_membrane(v)[sample] == last.index(max(last))


def result(**more):
    spikes = np.zeros((2, 1, 3), bool)
    spikes[1, 0, 2] = True
    fields = {"spikes": {"out": spikes}, "v": {"out": ~spikes * 1.0}, "u": {}, "outputs": ("out",), "target": "none"}
    fields |= {"arithmetic": "float", "steps": 2, "batch": 1, "seconds": 0.0, "overflow": None, "info": {}}
    return RunResult(**(fields | more))


def test_predict_by_name():
    assert [result().predict(rule).tolist() for rule in DECODERS] == [[2], [2], [0], [0], [0]]
    assert result(outputs=("other",)).predict("spike_count", "out").tolist() == [2]


def test_what_cannot_be_predicted():
    with pytest.raises(ParameterError, match="decode = 'guess' is unknown; there are: spike_count"):
        result().predict("guess")
    with pytest.raises(ParameterError, match="'max_membrane' needs 'v' of population 'out' recorded"):
        result(v={}).predict("max_membrane")
    with pytest.raises(ParameterError, match="needs 'spikes' of population 'none' recorded"):
        result().predict("first_spike", "none")


def test_decode_takes_arrays():
    made = result()
    for rule in DECODERS:
        trace = made.v["out"] if required_record(rule) == "v" else made.spikes["out"]
        assert decode(rule, trace).tolist() == made.predict(rule).tolist()
    with pytest.raises(ParameterError, match="decode = 'guess' is unknown"):
        decode("guess", made.spikes["out"])


def test_required_record():
    assert [required_record(rule) for rule in DECODERS] == ["spikes", "spikes", "v", "v", "v"]


def test_names_of_the_first_version():
    from ssdp_hw.running import decoding

    with pytest.warns(DeprecationWarning, match="READOUTS is now DECODERS"):
        assert decoding.READOUTS == DECODERS
    with pytest.warns(DeprecationWarning, match="is now result.predict"):
        assert decoding.predict(result(), "max_membrane").tolist() == [0]
    with pytest.warns(DeprecationWarning, match=r"RunResult.predict\(readout=\.\.\.\) is now decode="):
        assert result().predict(readout="first_spike").tolist() == [2]
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = decoding.absent
