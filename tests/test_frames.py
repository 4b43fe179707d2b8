"""Recordings as tables: every value stands where its time, sample and neuron say."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import drives_for, fixed_networks, float_networks

import ssdp_hw as sh
from ssdp_hw.errors import MissingPackageError, ParameterError


def run(data):
    net = data.draw(st.one_of(fixed_networks(), float_networks()))
    inputs = data.draw(drives_for(net))
    return net, sh.run(net, inputs, "spec", record=("spikes", "v", "u"), on_overflow="ignore")


@examples(20, default=4)
@given(st.data())
def test_xarray_has_named_axes(data):
    xarray = pytest.importorskip("xarray")
    net, result = run(data)
    for p in net.populations:
        found = result.to_xarray(p.name)
        assert isinstance(found, xarray.Dataset)
        assert dict(found.sizes) == {"time": result.steps, "sample": result.batch, "neuron": p.size}
        for variable in found.data_vars:
            recorded = result.recorded(variable)[p.name]
            assert found[variable].dtype == recorded.dtype
            t, s, n = (data.draw(st.integers(0, length - 1)) for length in recorded.shape)
            assert found[variable].sel(neuron=n, time=t, sample=s).item() == recorded[t, s, n]
        assert found.attrs["target"] == "spec"
    with pytest.raises(ParameterError, match="nothing was recorded"):
        result.to_xarray(net.input_names[0])


@examples(20, default=4)
@given(st.data())
def test_pandas_has_a_row_for_each_neuron_step_and_sample(data):
    pandas = pytest.importorskip("pandas")
    net, result = run(data)
    name = net.populations[0].name
    found = result.to_pandas(name)
    assert isinstance(found, pandas.DataFrame)
    assert list(found.index.names) == ["time", "sample", "neuron"]
    spikes = result.spikes[name]
    assert len(found) == spikes.size
    np.testing.assert_array_equal(found["spikes"].groupby("neuron").sum().to_numpy(), spikes.sum(axis=(0, 1)))
    t, s, n = (data.draw(st.integers(0, length - 1)) for length in spikes.shape)
    assert found.loc[(t, s, n), "v"] == result.v[name][t, s, n]


@pytest.mark.parametrize("package", ["pandas", "xarray"])
def test_what_is_missing_is_named(monkeypatch, package):
    net = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="out", size=1, vth=1)],
        [sh.FixedProjection(pre="in", post="out", weight=[[2]])],
        ["out"],
    )
    result = sh.run(net, np.ones((3, 1, 1), bool), "spec")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"{package}.*pip install 'ssdp-hw\[frames\]'"):
        getattr(result, f"to_{package}")()
