"""Spikes, states, weights and counters are those that were recorded before the code was moved and renamed."""

from __future__ import annotations

import json

import pytest
from brian2_helpers import requires_brian2
from golden import RECORDING, compute

RECORDED = json.loads(RECORDING.read_text())


@pytest.mark.parametrize("group", ["run/", "quantize/", "float/", "learn/ssdp", "learn/stdp", "learn/sadp"])
@requires_brian2
def test_nothing_differs_from_the_recording(group):
    assert compute((group,)) == {name: value for name, value in RECORDED.items() if group in name}
