"""Lava against the specification: fixed networks bit by bit, float networks up to rounding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strategies import drives_for, fixed_networks, float_networks

import ssdp_hw as sh
from ssdp_hw.drive import make_drive
from ssdp_hw.result import RECORDABLE, Record, Recording
from ssdp_hw.target import get_target

LAVA = get_target("lava")
if not LAVA.availability().installed:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from ssdp_hw.targets.lava.inference import Task, run_all  # noqa: E402

SPEC = get_target("spec")
OPTIONS = {"time_limit": 120.0}

# Lava computes u * (1 - du) with du = 1 - decay, and adds up its inputs and folded gains in another
# order: a handful of float64 roundings a step, each within 2**-53 of the largest magnitude so far.
FLOAT_BOUND = 1e-12


def record_all(network: sh.Network | sh.FixedNetwork) -> Record:
    return Record(RECORDABLE, tuple(p.name for p in network.populations))


@st.composite
def tasks(draw: st.DrawFn, networks: st.SearchStrategy) -> Task:
    network = draw(networks)
    return Task(network, make_drive(network, draw(drives_for(network, max_steps=20))), record_all(network))


def several(networks: st.SearchStrategy, count: int) -> st.SearchStrategy:
    """Many networks an example: a worker costs more to start than a network to run."""
    return st.lists(tasks(networks), min_size=count, max_size=count)


# The first example that Hypothesis tries is the simplest one throughout: hence more than one.
GENERATED = settings(
    max_examples=3, deadline=None, phases=[Phase.generate], derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def specified(task: Task) -> Recording:
    return SPEC.run(task.network, task.drive, task.record, {})


def assert_equal(task: Task, found: Recording) -> None:
    """Bit equality of all that was recorded."""
    wanted = specified(task)
    for variable in ("u", "v", "spikes"):
        traces = getattr(wanted, variable)
        assert traces.keys() == getattr(found, variable).keys()
        for name, trace in traces.items():
            other = getattr(found, variable)[name]
            assert other.dtype == trace.dtype
            np.testing.assert_array_equal(other, trace, err_msg=f"{variable} of {name}")


def assert_close(task: Task, found: Recording) -> None:
    """Equal spikes, and u and v within the rounding bound of the largest magnitude."""
    wanted = specified(task)
    for name, trace in wanted.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], trace, err_msg=f"spikes of {name}")
    for variable in ("u", "v"):
        for name, trace in getattr(wanted, variable).items():
            bound = FLOAT_BOUND * max(1.0, float(np.abs(trace).max()))
            np.testing.assert_allclose(getattr(found, variable)[name], trace, rtol=0, atol=bound)


@pytest.mark.parametrize("processes", ["auto", "own"])
def test_generated_fixed_networks_are_bit_equal(processes):
    @GENERATED
    @given(several(fixed_networks(), 10))
    def check(cases):
        for task, found in zip(cases, run_all(cases, LAVA.resolve({**OPTIONS, "processes": processes})), strict=True):
            assert_equal(task, found)

    check()


def test_generated_float_networks_are_equal_up_to_rounding():
    @GENERATED
    @given(several(float_networks(), 10), st.sampled_from(("auto", "own")))
    def check(cases, processes):
        for task, found in zip(cases, run_all(cases, LAVA.resolve({**OPTIONS, "processes": processes})), strict=True):
            assert_close(task, found)

    check()
