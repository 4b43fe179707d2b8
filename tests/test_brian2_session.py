"""A run leaves the user's own Brian2 session as it was."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest
from brian2_helpers import requires_brian2

import ssdp_hw as sh
from ssdp_hw.errors import TargetRunError

pytestmark = [requires_brian2, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def run_something():
    network = sh.FixedNetwork(
        [sh.Input("in", 2)],
        [sh.FixedPopulation(name="out", size=2, vth=10)],
        [sh.FixedProjection(pre="in", post="out", weight=[[20, 0], [0, 20]])],
        ["out"],
    )
    return sh.run(network, np.ones((5, 1, 2), bool), "brian2").spikes["out"].sum()


@pytest.fixture
def brian2():
    import brian2

    preferences = {name: brian2.prefs[name] for name in ("codegen.target", "core.default_float_dtype")}
    yield brian2
    brian2.device.reinit()
    brian2.set_device("runtime")
    for name, value in preferences.items():
        brian2.prefs[name] = value


def test_a_standalone_project_under_construction_is_not_touched(brian2):
    brian2.set_device("cpp_standalone", build_on_run=False)
    group = brian2.NeuronGroup(3, "dv/dt = 1/second : 1", method="euler")
    brian2.Network(group).run(1 * brian2.ms)
    device = brian2.get_device()
    before = len(device.main_queue), list(device.code_objects), [device.arrays[v] for v in device.arrays]
    assert run_something() == 8
    assert brian2.get_device() is device
    assert before == (len(device.main_queue), list(device.code_objects), [device.arrays[v] for v in device.arrays])


def test_preferences_clock_logging_and_magic_are_kept(brian2):
    brian2.prefs.codegen.target = "numpy"
    brian2.prefs.core.default_float_dtype = np.float32
    brian2.defaultclock.dt = 0.5 * brian2.ms
    group = brian2.NeuronGroup(1, "dv/dt = 1/second : 1", method="euler")
    brian2.run(1 * brian2.ms)
    before = dict(brian2.prefs), brian2.get_device(), logging.getLogger("brian2").handlers[:]
    assert run_something() == 8
    assert before == (dict(brian2.prefs), brian2.get_device(), logging.getLogger("brian2").handlers[:])
    brian2.run(1 * brian2.ms)  # a magic network is the same as before
    assert group.t == 2 * brian2.ms
    assert group.v[0] == pytest.approx(2e-3)


def test_a_failure_is_named_and_restores_everything(brian2):
    from ssdp_hw.targets.brian2.session import open_session

    device, codegen = brian2.get_device(), brian2.prefs.codegen.target
    sessions = []

    def fail():
        with open_session("cpp_standalone", "cython") as session:
            sessions.append(session)
            (session.directory / "file").write_text("something")
            assert brian2.get_device() is session.device is not device
            raise OSError("no disk")

    with pytest.raises(TargetRunError, match="'cpp_standalone': no disk"):
        fail()
    assert not sessions[0].directory.exists()
    assert brian2.get_device() is device
    assert brian2.prefs.codegen.target == codegen


def test_an_import_that_fails_says_with_which_versions(monkeypatch):
    monkeypatch.setitem(sys.modules, "brian2", None)
    with pytest.raises(TargetRunError, match=f"cannot be imported with numpy {np.__version__}"):
        run_something()
