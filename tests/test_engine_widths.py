"""Chips of other widths than Loihi's: the engine takes the integer type that they need, and equals the spec."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from ssdp_hw.targets.engine.program_neurons import state_type
from strategies import drives_for, fixed_networks

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError

LOIHI = load_chip("loihi")
RECORD = ("spikes", "v", "u")


def same(left, right):
    for name in RECORD:
        for population, trace in getattr(left, name).items():
            np.testing.assert_array_equal(trace, getattr(right, name)[population])
    assert left.overflow == right.overflow


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.data(), fixed_networks(), st.sampled_from((20, 28, 30, 31, 32, 40, 50)))
def test_engine_equals_the_spec_at_any_width_of_the_state(data, network, bits):
    population = [replace(p, v_init=p.v_init >> max(24 - bits, 0)) for p in network.populations]
    chip = replace(LOIHI, state_bits=bits, activation_bits=32 if bits < 31 else 62)
    try:
        network = replace(network, chip=chip, populations=population)
    except ParameterError:  # more input in a step than a narrow state can hold
        assume(False)
    inputs = data.draw(drives_for(network, analog=True))
    runs = [sh.run(network, inputs, target, record=RECORD, on_overflow="ignore") for target in ("spec", "engine")]
    same(*runs)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, np.int32),
        ({"state_bits": 30}, np.int32),
        ({"state_bits": 31}, np.int64),
        ({"activation_bits": 33}, np.int64),
        ({"decay_bits": 16}, np.int64),
        ({"threshold_bits": 26}, np.int64),
        ({"bias_mant_bits": 26}, np.int64),
    ],
)
def test_the_type_of_the_state(change, expected):
    assert state_type(replace(LOIHI, **change)) is expected
