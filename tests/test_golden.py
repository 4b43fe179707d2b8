"""Spikes, states, weights and counters are those that were recorded before the code was moved and renamed."""

from __future__ import annotations

import json

import pytest
from brian2_helpers import requires_brian2
from golden import RECORDING, SLOW_TARGETS, compute

RECORDED = json.loads(RECORDING.read_text())


GROUPS = ["run/", "quantize/", "float/", "learn/ssdp", "learn/stdp", "learn/sadp"]


def held_to_others(name):
    """By default other tests hold simulators to the specification, and its lessons to the engine's, recorded here."""
    return name.endswith(SLOW_TARGETS) or (name.startswith("learn/") and name.endswith("/spec"))


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("group", GROUPS)
def test_nothing_differs_from_the_recording(group):
    wanted = {name: value for name, value in RECORDED.items() if group in name and not held_to_others(name)}
    assert wanted
    assert compute((group,), held_to_others) == wanted


@pytest.mark.slow
@requires_brian2
def test_the_other_targets_do_not_differ_from_the_recording():
    found = compute(leave_out=lambda name: not held_to_others(name))
    assert found == {name: value for name, value in RECORDED.items() if held_to_others(name)}
    assert len(found) > 10
