"""Whether float rounding explains a difference: never in integers, however near the threshold is."""

from __future__ import annotations

import numpy as np
import pytest

import ssdp_hw as sh

STEPS = 4


def fixed(weight, scale):
    """One neuron whose threshold is 1000 * 64 units; a spike brings ``weight`` * 4 * 64."""
    return sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="p", size=1, vth=1000, scale=scale)],
        [sh.FixedProjection(pre="in", post="p", weight=[[weight]], weight_exp=2)],
        ["p"],
    )


def real(weight, threshold):
    return sh.Network(
        [sh.Input("in", 1)],
        [sh.Population(name="p", neuron=sh.IF(size=1, v_threshold=threshold))],
        [sh.Projection(pre="in", post="p", weight=[[weight]])],
        ["p"],
        sh.Semantics(1.0),
    )


def first_difference(network, source_fires, source_v, **options):
    """The first difference to a source that fires, or not, at once upon a spike in step 0, with that voltage."""
    samples = np.zeros((STEPS, 1, 1), bool)
    samples[0] = True
    fired, v = np.zeros((STEPS, 1, 1), bool), np.full((STEPS, 1, 1), float(source_v))
    fired[0] = source_fires
    found = sh.verify({"p": (fired, v)}, network, samples, **options)
    return found, found.layers[0].first


@pytest.mark.parametrize("scale", [64000.0, 500.0, 1.0, None])
@pytest.mark.parametrize("target", ["spec", "engine"])
def test_integers_at_their_threshold_are_not_explained(scale, target):
    """v is exactly at the threshold and does not fire: the miss is 0 units, yet no rounding of floats."""
    found, first = first_difference(fixed(250, scale), True, 0.0, target=target)
    assert (first.step, first.our_step, first.source_fired, first.miss) == (0, 1, True, 0.0)
    assert not first.rounding
    assert not found.agrees


@pytest.mark.parametrize("scale", [64000.0, 500.0, 1.0])
def test_a_source_just_below_the_threshold_is_measured_in_its_own_volts(scale):
    """The network fires at 252 * 4; the source stays a billionth below its threshold of 64000 / scale volts."""
    threshold = 64000 / scale
    found, first = first_difference(fixed(252, scale), False, threshold * (1 - 1e-9))
    assert not first.source_fired
    assert first.miss == pytest.approx(threshold * 1e-9, rel=1e-5)
    assert not first.rounding
    assert not found.agrees


def test_a_silent_source_without_voltages_has_no_miss():
    samples = np.ones((STEPS, 1, 1), bool)
    first = sh.verify({"p": np.zeros((STEPS, 1, 1), bool)}, fixed(252, 500.0), samples).layers[0].first
    assert first.miss is None
    assert not first.rounding


@pytest.mark.parametrize(("relative", "explained"), [(9e-6, True), (1.1e-5, False), (-9e-6, True), (-1.1e-5, False)])
@pytest.mark.parametrize("source_fires", [True, False])
@pytest.mark.parametrize("threshold", [1.0, 50.0])
def test_floats_are_explained_within_a_part_of_the_threshold(relative, explained, source_fires, threshold):
    """The way from the reset to the threshold is the measure, on both sides of it and for both sides' voltages."""
    if source_fires:
        relative = abs(relative)  # a float neuron above its threshold fires
        found, first = first_difference(real(threshold * (1 - relative), threshold), True, 0.0)
    else:
        found, first = first_difference(real(2 * threshold, threshold), False, threshold * (1 - relative))
    assert first.miss == pytest.approx(relative * threshold, rel=1e-6)
    assert first.rounding is explained
    assert found.agrees is explained


def test_neurons_of_own_scales_are_measured_each_by_its_own():
    net = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="p", size=2, vth=1000, scale=[500.0, 2000.0])],
        [sh.FixedProjection(pre="in", post="p", weight=[[100], [252]], weight_exp=2)],
        ["p"],
    )
    samples, fired = np.zeros((STEPS, 1, 1), bool), np.zeros((STEPS, 1, 2), bool)
    samples[0] = True
    v = np.full((STEPS, 1, 2), 25600 / 500)
    v[0, 0, 1] = 31.5
    layer = sh.verify({"p": (fired, v)}, net, samples).layers[0]
    assert (layer.first.neuron, layer.first.miss, layer.first.rounding) == (1, 64000 / 2000 - 31.5, False)
    v[0, 0, 1] = 33.0
    fired[0, 0, 1] = True
    v[:, 0, 0] += 0.25
    layer = sh.verify({"p": (fired, v)}, net, samples, timing="same_step").layers[0]
    assert layer.first is None
    v[1:, 0, 1] = 0.0  # reset
    assert sh.verify({"p": (fired, v)}, net, samples).layers[0].voltage == pytest.approx(0.25)


def test_without_a_scale_volts_and_units_are_not_compared():
    _, first = first_difference(fixed(252, None), False, 0.5)
    assert (first.source_fired, first.miss, first.rounding) == (False, None, False)
