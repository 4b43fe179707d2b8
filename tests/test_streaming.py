"""Runs in pieces against whole runs, bit by bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from strategies import drives_for, fixed_networks, float_networks

import ssdp_hw as sh
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError, StateOverflowError, UnsupportedError
from ssdp_hw.running.result import RECORDABLE


def small(bias=0, weight_exp=0):
    return sh.FixedNetwork(
        [sh.Input("in", 3)],
        [
            sh.FixedPopulation(name="p", size=4, du=1000, dv=100, vth=30, bias_mant=bias),
            sh.FixedPopulation(name="q", size=2, vth=20),
        ],
        [
            sh.FixedProjection(pre="in", post="p", weight=np.full((4, 3), 20), weight_exp=weight_exp, delay=2),
            sh.FixedProjection(pre="p", post="q", weight=np.full((2, 4), 10)),
        ],
        ["q"],
    )


def cut(inputs, lengths):
    """Pieces of these lengths, the last with what remains."""
    total, start = len(next(iter(inputs.values()))), 0
    for length in [*lengths, total]:
        if start < total:
            yield {name: s[start : start + length] for name, s in inputs.items()}
        start += length


@examples(60, default=10, base=settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow]))
@given(st.data(), st.lists(st.integers(1, 6), max_size=4), st.sampled_from((1, None)))
def test_pieces_make_the_whole(data, lengths, threads):
    network = data.draw(st.one_of(fixed_networks(), float_networks()))
    inputs = data.draw(drives_for(network, analog=True))
    whole = sh.run(network, inputs, record=RECORDABLE, on_overflow="ignore")
    with tempfile.TemporaryDirectory() as folder:
        result = sh.stream(
            network,
            cut(inputs, lengths),
            Path(folder) / "run.h5",
            record=RECORDABLE,
            on_overflow="ignore",
            options={"threads": threads},
        )
        with h5py.File(result.path) as file:
            for variable in RECORDABLE:
                for name, trace in getattr(whole, variable).items():
                    np.testing.assert_array_equal(file[variable][name][()], trace, strict=True)
    assert (result.steps, result.batch, result.overflow) == (whole.steps, whole.batch, whole.overflow)
    for name, spikes in whole.spikes.items():
        np.testing.assert_array_equal(result.spike_counts[name], spikes.sum(axis=0))


def test_counts_alone_and_prediction():
    rng = np.random.default_rng(0)
    spikes = rng.random((40, 3, 3)) < 0.4
    whole = sh.run(small(), spikes)
    result = sh.stream(small(), (spikes[t : t + 1] for t in range(40)))
    assert result.path is None
    np.testing.assert_array_equal(result.spike_counts["p"], whole.spikes["p"].sum(axis=0))
    np.testing.assert_array_equal(result.predict(), whole.predict())
    only = sh.stream(small(), [spikes], populations=["p"])
    with pytest.raises(ParameterError, match="name one of the recorded populations: p; not 'q'"):
        only.predict()


def test_direct_input_in_pieces():
    network = sh.FixedNetwork(
        [sh.Input("in", 2)],
        [sh.FixedPopulation(name="p", size=3, dv=10, vth=100)],
        [sh.FixedProjection(pre="in", post="p", weight=np.full((3, 2), 8))],
        ["p"],
    )
    values = np.array([[0.5, 1.0], [3.0, 2.0]])
    whole = sh.run(network, sh.DirectInput(values, 30))
    result = sh.stream(network, [sh.DirectInput(values, 11), sh.DirectInput(values, 19)])
    assert whole.spikes["p"].any()
    np.testing.assert_array_equal(result.spike_counts["p"], whole.spikes["p"].sum(axis=0))


def test_what_cannot_be_is_refused(tmp_path):
    spikes = np.ones((4, 2, 3), bool)
    with pytest.raises(ParameterError, match="no piece of input"):
        sh.stream(small(), [])
    with pytest.raises(ShapeError, match="from step 4 on has 1 samples; before 2"):
        sh.stream(small(), [spikes, spikes[:, :1]])
    with pytest.raises(ParameterError, match="give a path"):
        sh.stream(small(), [spikes], record=("spikes", "v"))
    with pytest.raises(ParameterError, match="recording spikes of 4 steps and 2 samples would take"):
        sh.stream(small(), [spikes], max_bytes=30)
    named = sh.FixedNetwork([sh.Input("in", 1)], [sh.FixedPopulation(name="a/b", size=1)], [], ["a/b"])
    with pytest.raises(ParameterError, match="'a/b' cannot be the name of a dataset"):
        sh.stream(named, [np.ones((1, 1, 1))], tmp_path / "x.h5")
    with pytest.raises(FileFormatError, match="cannot be written"):
        sh.stream(small(), [spikes], tmp_path / "missing" / "x.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["spec", "lava", "brian2"])
def test_targets_that_cannot_say_so_by_name(target):
    with pytest.raises(UnsupportedError, match=f"target '{target}' cannot run in pieces; the target 'engine' can"):
        sh.stream(small(), [np.ones((1, 1, 3))], target=target)


def test_a_failing_input_leaves_no_file(tmp_path):
    def pieces():
        yield np.ones((4, 1, 3), bool)
        raise OSError("disk gone")

    path = tmp_path / "run.h5"
    path.write_text("older")
    with pytest.raises(ParameterError, match="input from step 4 on cannot be read"):
        sh.stream(small(), pieces(), path)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_overflow_is_that_of_all_pieces():
    network = sh.FixedNetwork(
        [sh.Input("in", 8)],
        [sh.FixedPopulation(name="p", size=1, du=0, vth=131071)],
        [sh.FixedProjection(pre="in", post="p", weight=np.full((1, 8), 254), weight_exp=6)],
        ["p"],
    )
    spikes = np.ones((30, 1, 8), bool)
    whole = sh.run(network, spikes, on_overflow="ignore").overflow
    assert whole["p"].total
    with pytest.warns(sh.running.run.OverflowWarning, match=f"wrapped {whole['p'].u_wraps} times"):
        assert sh.stream(network, np.array_split(spikes, 7)).overflow == whole
    with pytest.raises(StateOverflowError):
        sh.stream(network, [spikes], on_overflow="error")
