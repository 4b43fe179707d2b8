"""Spikes, states, weights and counters are those that were recorded before the code was moved and renamed."""

from __future__ import annotations

import json

import pytest
from brian2_helpers import requires_brian2
from golden import RECORDING, SLOW_TARGETS, compute

RECORDED = json.loads(RECORDING.read_text())


GROUPS = ["run/", "quantize/", "float/", "learn/ssdp", "learn/stdp", "learn/sadp"]


def of_a_simulator(name):
    """By default other tests hold these to the specification, which is held to the recording here."""
    return name.endswith(SLOW_TARGETS)


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_differs_from_the_recording(group):
    wanted = {name: value for name, value in RECORDED.items() if group in name and not of_a_simulator(name)}
    assert wanted
    assert compute((group,), of_a_simulator) == wanted


@pytest.mark.slow
@requires_brian2
def test_simulators_do_not_differ_from_the_recording():
    found = compute(SLOW_TARGETS)
    assert found == {name: value for name, value in RECORDED.items() if of_a_simulator(name)}
    assert len(found) > 10
