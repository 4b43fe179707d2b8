"""Brian2's runtime device, all samples side by side, against the specification."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from brian2_helpers import assert_close, assert_equal, requires_brian2, run_both
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import drives_for, fixed_networks, float_networks

import ssdp_hw as sh
from ssdp_hw.running.drive import DirectInput

pytestmark = requires_brian2


@pytest.mark.slow
@examples(20, default=4)
@given(st.data())
def test_fixed_networks_equal_the_specification(data):
    network = data.draw(fixed_networks())
    assert_equal(*run_both(network, data.draw(drives_for(network, analog=True))))


@pytest.mark.slow
@examples(15, default=3)
@given(st.data())
def test_float_networks_equal_the_specification_up_to_rounding(data):
    network = data.draw(float_networks())
    assert_close(*run_both(network, data.draw(drives_for(network, analog=True))))


def test_constant_input_takes_a_bias_of_each_sample():
    rng = np.random.default_rng(0)
    network = sh.FixedNetwork(
        [sh.Input("in", 5)],
        [sh.FixedPopulation(name="out", size=4, dv=300, vth=200)],
        [sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(-100, 100, (4, 5)))],
        ["out"],
    )
    left, right = run_both(network, DirectInput(rng.random((3, 5)), 20))
    assert_equal(left, right)
    assert left.spike_rate() > 0


@pytest.mark.parametrize("sparse", [False, True])
def test_sums_of_single_precision_are_used_only_where_they_are_exact(sparse):
    from ssdp_hw.targets.brian2.copies_runner import Segment, exact_type

    small = np.full(2**16, 254, np.int16)  # 2**16 * 254 < 2**24
    rows = np.zeros(2**16, np.int64)
    assert exact_type(small, rows) is np.float32
    assert exact_type(np.full(2**17, 254, np.int16), np.zeros(2**17, np.int64)) is np.float64
    assert exact_type(small.astype(float), rows) is np.float64
    weight = np.full((1, 2**17), 255, np.int16)
    projection = sh.FixedProjection(
        pre="in",
        post="out",
        weight=sp.csr_array(weight) if sparse else weight,
        format=sh.WeightFormat(sign_mode="excitatory"),
    )
    total = Segment(projection, 0, np.arange(2**17)).total(np.ones((1, 2**17), bool))
    assert total.tolist() == [[255 * 2**17]]
