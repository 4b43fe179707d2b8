"""The engine against the specification on many generated cases, learning included: not one bit differs.

A case is a network of any kind, its input, and a plan of any mixture of plastic projections, rules and gates. The
engine runs it twice on the same network, and then learns from it twice. ``SSDP_HW_CASES`` sets the number of cases.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from plan_strategies import learning_runs

from ssdp_hw.running.result import Record
from ssdp_hw.running.target_registry import get_target

CASES = int(os.environ.get("SSDP_HW_CASES", "100"))
SPEC, ENGINE = get_target("spec"), get_target("engine")
KEPT = ("weights", "counters", "weight_saturations", "counter_saturations", "overflow")


def same(a, b, where):
    """Whether two recordings, or what was learned, hold the same values."""
    if isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, where)
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for name in a:
            same(a[name], b[name], f"{where}/{name}")
    elif isinstance(a, tuple):
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}/{k}")
    else:
        assert a == b, where


@pytest.mark.slow
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(learning_runs(fixed=True), st.sampled_from((1, None)))
def test_not_one_bit_differs(case, threads):
    network, drive, plan = case
    options = ENGINE.resolve({"threads": threads})
    record = Record(("spikes", "v", "u"), network.population_names)
    wanted = SPEC.run(network, drive, record, SPEC.resolve({}))
    for call in ("first", "second"):
        found = ENGINE.run(network, drive, record, options)
        for variable in ("spikes", "v", "u", "overflow"):
            same(getattr(wanted, variable), getattr(found, variable), f"{call} run: {variable}")
    learned = SPEC.learn(network, drive, plan, SPEC.resolve({}))
    for call in ("first", "second"):
        again = ENGINE.learn(network, drive, plan, options)
        for part in (*KEPT, "observed"):
            same(getattr(learned, part), getattr(again, part), f"{call} learn: {part}")
