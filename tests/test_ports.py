"""Projections that feed a second synaptic input of their neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.running import target_registry
from ssdp_hw.running.target_registry import get_target

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _numbers_do_not_depend_on_the_tests_before(monkeypatch):
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(5))


RF = {"cos": 3300, "sin": 1900}


def network(port="imag_input", model="RF", imag=None, **values):
    real = 2 * RNG.integers(-40, 60, (6, 8))
    imag = 2 * RNG.integers(-40, 60, (6, 8)) if imag is None else imag
    return sh.FixedNetwork(
        [sh.Input("in", 8)],
        [sh.FixedPopulation(name="p", size=6, model=model, parameters=RF, vth=90, du=4095, **values)],
        [
            sh.FixedProjection(pre="in", post="p", weight=real),
            sh.FixedProjection(pre="in", post="p", weight=imag, name="second", port=port, delay=2, weight_exp=1),
        ],
        ["p"],
        chip="loihi2",
    )


def decayed(x, gain):
    return np.sign(x) * ((np.abs(x) * gain) >> 12)


def test_a_second_input_acts_on_its_own():
    net = network()
    spikes = RNG.random((50, 1, 8)) < 0.2
    result = sh.run(net, spikes, "spec", record=("spikes", "real", "imag"))
    weights = [p.weight.astype(np.int64) for p in net.projections]
    real = imag = np.zeros(6, np.int64)
    for step in range(50):
        first = weights[0] @ spikes[step - 1, 0] if step >= 1 else np.zeros(6, np.int64)
        second = 2 * (weights[1] @ spikes[step - 3, 0]) if step >= 3 else np.zeros(6, np.int64)
        before = imag
        real, imag = (
            decayed(real, 3300) - decayed(imag, 1900) + 64 * first,
            decayed(real, 1900) + decayed(imag, 3300) + 64 * second,
        )
        assert np.array_equal(result.states["real"]["p"][step, 0], real)
        assert np.array_equal(result.states["imag"]["p"][step, 0], imag)
        assert np.array_equal(result.spikes["p"][step, 0], (real > 90 * 64) & (imag >= 0) & (before < 0))


def test_saved_with_the_network(tmp_path):
    net = network()
    sh.save(net, tmp_path / "net.h5")
    assert [p.port for p in sh.load(tmp_path / "net.h5").projections] == ["", "imag_input"]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("target", ["engine", "lava", "brian2"])
def test_targets_equal_the_specification(target):
    """Loops, delays and a negative exponent at the port, of a graded and a plain sender; two samples."""
    net = network()
    loop = sh.FixedProjection(
        pre="p", post="p", weight=4 * RNG.integers(-30, 30, (6, 6)), name="loop", port="imag_input", weight_exp=-2
    )
    net = replace(net, projections=[*net.projections, loop])
    spikes, states = RNG.random((40, 2, 8)) < 0.3, ("spikes", "real", "imag")
    wanted = sh.run(net, spikes, "spec", record=states)
    found = sh.run(net, spikes, target, record=states)
    assert wanted.spikes["p"].any()
    np.testing.assert_array_equal(found.spikes["p"], wanted.spikes["p"])
    for state in states[1:]:
        np.testing.assert_array_equal(found.states[state]["p"], wanted.states[state]["p"])


def test_threads_that_share_a_sample():
    net = network()
    spikes = RNG.random((40, 1, 8)) < 0.3
    wanted, found = (sh.run(net, spikes, "engine", options={"threads": k}, record=("imag",)) for k in (1, None))
    np.testing.assert_array_equal(found.states["imag"]["p"], wanted.states["imag"]["p"])


class OneInput(type(get_target("spec"))):
    """A target that has one synaptic input for each neuron."""

    several_inputs = False


def test_a_target_with_one_input_refuses_it(monkeypatch):
    monkeypatch.setattr(target_registry, "targets_by_speed", lambda: [get_target("engine")])
    reasons = target_registry.unsupported(OneInput(), network(), learning=False)
    assert len(reasons) == 1
    assert "'second' feeds the synaptic input 'imag_input'" in reasons[0]
    assert "'engine'" in reasons[0]


@pytest.mark.parametrize(("port", "message"), [("other", "port = 'other'.*'imag_input'"), ("a\nb", "port")])
def test_unknown_ports(port, message):
    with pytest.raises(ParameterError, match=message):
        network(port)


def test_a_model_without_ports():
    with pytest.raises(ParameterError, match="beside their first synaptic input: none"):
        sh.FixedNetwork(
            [sh.Input("in", 1)],
            [sh.FixedPopulation(name="p", size=1, vth=1)],
            [sh.FixedProjection(pre="in", post="p", weight=[[2]], port="imag_input")],
            ["p"],
        )
