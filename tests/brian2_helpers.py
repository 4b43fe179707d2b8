"""What the Brian2 tests share."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.result import first_divergence

requires_brian2 = pytest.mark.skipif(find_spec("brian2") is None, reason="brian2 is not installed")
requires_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is found")

# Float runs differ in the order of sums and in how a step is written: a few units in the last
# place a step, which decay with the state. The bound leaves room for long runs and is far below
# anything that a different equation, order or method would give.
TOLERANCE = 1e-9


def run_both(network, inputs, **options):
    """The same run on the specification and on Brian2."""
    everything = {"record": ("spikes", "u", "v"), "on_overflow": "ignore"}
    left = sh.run(network, inputs, "spec", **everything)
    return left, sh.run(network, inputs, "brian2", options=options, **everything)


def assert_equal(left, right):
    """Bit equality of spikes, u, v and of what overflowed."""
    assert first_divergence(left, right) is None, str(first_divergence(left, right))
    assert left.overflow == right.overflow
    assert all(right.u[name].dtype == right.v[name].dtype == np.int64 for name in left.u)


def assert_close(left, right):
    """The same spikes; u and v within TOLERANCE of their largest value."""
    for name in left.spikes:
        np.testing.assert_array_equal(left.spikes[name], right.spikes[name])
        for a, b in ((left.u[name], right.u[name]), (left.v[name], right.v[name])):
            np.testing.assert_allclose(b, a, rtol=0, atol=TOLERANCE * np.abs(a).max(initial=1e-300))
