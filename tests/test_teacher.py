"""The teacher: the labelled neuron fires when it says so, the others do not."""

from __future__ import annotations

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.learning.teacher import OFF, ON, Teacher

DT, STEPS = 1.0, 20
NEURONS = {
    "LIF": sh.LIF(size=4, tau_mem=8.0, v_threshold=[1.0, 0.7, 2.0, 1.0]),
    "fast LIF": sh.LIF(size=4, tau_mem=1.0),
    "LIF with reset": sh.LIF(size=4, tau_mem=8.0, v_reset=-2.0, v_threshold=-1.0, v_leak=-2.0, v_init=-2.0),
    "IF": sh.IF(size=4, r=0.2),
    "CubaLIF": sh.CubaLIF(size=4, tau_mem=8.0, tau_syn=3.0, w_in=2.0),
}


def network(neuron):
    weight = np.random.default_rng(0).normal(0.3, 0.3, (4, 6))
    return sh.Network(
        [sh.Input("in", 6)],
        [sh.Population(name="out", neuron=neuron)],
        [sh.Projection(pre="in", post="out", weight=weight)],
        ["out"],
        sh.Semantics(DT),
    )


def noise(batch=4):
    return np.random.default_rng(1).random((STEPS, batch, 6)) < 0.2


def taught_run(net, teacher, labels=(0, 1, 2, 3), inputs=None):
    with_teacher = teacher.attach(net, "out")
    spikes = teacher.spikes(with_teacher, "out", np.array(labels), STEPS)
    drive = {"in": noise(len(labels)) if inputs is None else inputs, **spikes}
    return sh.run(with_teacher, drive, "engine", record=("spikes", "v", "u"), on_overflow="ignore")


@pytest.mark.parametrize("fixed", [False, True], ids=["float", "fixed"])
@pytest.mark.parametrize("name", NEURONS)
def test_only_the_labelled_neuron_fires(name, fixed):
    net = network(NEURONS[name])
    net = sh.quantize(net, calibration=noise()) if fixed else net
    spikes = taught_run(net, Teacher(first_step=5)).spikes["out"]
    assert np.array_equal(spikes.any(axis=0), np.eye(4, dtype=bool))
    # A step after the teaching spike, unless the chip's current must gather first.
    assert spikes[6:9].any(axis=0)[np.eye(4, dtype=bool)].all()
    if not (fixed and name == "CubaLIF"):
        assert spikes[6][np.eye(4, dtype=bool)].all()


@pytest.mark.parametrize("fixed", [False, True], ids=["float", "fixed"])
def test_last_step_ends_the_teaching(fixed):
    net = network(NEURONS["fast LIF"])
    net = sh.quantize(net) if fixed else net
    spikes = taught_run(net, Teacher(first_step=3, last_step=7), inputs=np.zeros((STEPS, 4, 6), bool)).spikes["out"]
    when = spikes[:, np.arange(4), np.arange(4)]
    assert np.array_equal(np.flatnonzero(when[:, 0]), [4, 5, 6, 7, 8])
    assert np.all(when == when[:, :1])


@pytest.mark.parametrize("fixed", [False, True], ids=["float", "fixed"])
def test_without_inhibition_the_others_are_left_alone(fixed):
    net = network(NEURONS["CubaLIF"])
    net = sh.quantize(net) if fixed else net
    alone = sh.run(net, noise(), "engine").spikes["out"]
    spikes = taught_run(net, Teacher(inhibit=False)).spikes["out"]
    others = ~np.eye(4, dtype=bool)
    assert np.array_equal(spikes[:, others], alone[:, others])
    assert alone[:, others].any()
    assert spikes[:, ~others].any(axis=0).all()


@pytest.mark.parametrize("fixed", [False, True], ids=["float", "fixed"])
def test_a_teacher_that_is_silent_changes_nothing(fixed):
    net = network(NEURONS["LIF"])
    net = sh.quantize(net) if fixed else net
    taught = Teacher().attach(net, "out")
    silent = {name: np.zeros((STEPS, 4, taught.size_of(name)), bool) for name in (ON, OFF)}
    a = sh.run(net, noise(), "engine", record=("v", "u"))
    b = sh.run(taught, {"in": noise(), **silent}, "engine", record=("v", "u"))
    assert np.array_equal(a.v["out"], b.v["out"])
    assert np.array_equal(a.u["out"], b.u["out"])
    assert [p.name for p in taught.projections[:1]] == [p.name for p in net.projections]
    assert taught.input_names == ("in", ON, OFF)


def chip_network(**population):
    return sh.FixedNetwork(
        [sh.Input("in", 6)],
        [sh.FixedPopulation(name="out", size=4, **population)],
        [sh.FixedProjection(pre="in", post="out", weight=np.full((4, 6), 2))],
        ["out"],
    )


def test_strength_is_in_thresholds():
    """Without leak: v moves by 3 thresholds of 200 << 6 a spike."""
    net = chip_network(vth=200, dv=0)
    run = taught_run(net, Teacher(strength=3.0), inputs=np.zeros((STEPS, 4, 6), bool))
    np.testing.assert_array_equal(run.v["out"][3][~np.eye(4, dtype=bool)], 3 * -3 * (200 << 6))


@pytest.mark.parametrize(
    "population",
    [
        {"vth": 131071},
        {"vth": [131071, 40000, 9000, 1]},
        {"vth": 20000, "du": 800},
        {"vth": [100000, 500, 500, 500], "du": [4095, 0, 1, 2], "dv": 10},
    ],
)
def test_a_strong_teacher_does_not_wrap_the_current(population):
    """4 thresholds a spike would pass 2**23 and turn its sign; the network says that it gets less."""
    net = chip_network(**population)
    taught = Teacher().attach(net, "out")
    assert len(taught.notes) == 1
    assert "at strength 4 the current of 'out' could wrap" in taught.notes[0]
    run = taught_run(net, Teacher())
    assert run.overflow["out"].u_wraps == 0
    assert np.array_equal(run.spikes["out"].any(axis=0), np.eye(4, dtype=bool))
    assert np.abs(run.u["out"]).max() > 2**21  # what the register allows is used


def test_several_channels_where_one_weight_is_too_small():
    taught = Teacher().attach(chip_network(vth=131071), "out")
    # One threshold fits the register: 131071 of at most 255 << 7 each.
    assert taught.size_of(ON) == taught.size_of(OFF) == 4 * 5
    assert Teacher().attach(chip_network(vth=100), "out").size_of(ON) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"first_step": -1},
        {"first_step": 5, "last_step": 4},
        {"first_step": 1.5},
        {"last_step": "end"},
        {"strength": 0.0},
        {"strength": -1.0},
        {"strength": np.nan},
        {"strength": "strong"},
        {"strength": None},
    ],
)
def test_parameters_out_of_range(options):
    with pytest.raises(ParameterError, match="teacher"):
        Teacher(**options)


def test_refused():
    net = network(NEURONS["LIF"])
    taught = Teacher().attach(net, "out")
    with pytest.raises(UnsupportedError, match=r"already has 'teacher\.on'"):
        Teacher().attach(taught, "out")
    with pytest.raises(UnsupportedError, match="'out' is a readout without spikes"):
        Teacher().attach(network(sh.LI(size=4, tau_mem=5.0)), "out")
    with pytest.raises(UnsupportedError, match="a neuron of gain 0"):
        Teacher().attach(network(sh.LIF(size=4, tau_mem=5.0, r=[1.0, 0.0, 1.0, 1.0])), "out")
    with pytest.raises(ParameterError, match="first_step = 20 is beyond a window of 20 steps"):
        Teacher(first_step=20).spikes(taught, "out", [0], 20)
