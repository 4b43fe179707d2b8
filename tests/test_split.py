"""Weights split over several synapses, and scales that let v saturate."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import CHIP, float_networks

import ssdp_hw as sh
from ssdp_hw.analysis.ladder import rungs
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.formats import SignMode, WeightFormat
from ssdp_hw.quantization.normal_form import normal_form
from ssdp_hw.quantization.options import SPLIT_MAX, ProjectionOptions
from ssdp_hw.quantization.split import parts_of, split_weights, units_of

UNIT = 1 << CHIP.activation_shift


@examples(100, default=35)
@given(
    st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20),
    st.integers(2, 8),
    st.integers(1, SPLIT_MAX),
    st.sampled_from((SignMode.MIXED, SignMode.EXCITATORY)),
)
def test_parts_add_up_to_half_a_step_of_the_finest(weights, bits, split, sign):
    values = np.abs(weights) if sign is SignMode.EXCITATORY else np.array(weights)
    number = WeightFormat(bits, sign, CHIP.weight_scale_bits)
    parts = list(split_weights(values, ProjectionOptions(split=split), number, CHIP))
    assert 1 <= len(parts) <= split
    error = np.abs(values - sum(part.units for part in parts))
    steps = [part.number.step * 2.0**part.exponent for part in parts]
    # Nothing is clipped, so a part that is left out would not round to anything either: a unit at the finest.
    assert np.all(error <= max(steps[-1], 1.0 if len(parts) < split else 0.0) / 2 + 1e-9)
    assert all(coarse > fine for coarse, fine in pairwise(steps))
    assert all(step >= 1.0 for step in steps[1:])  # the chip floors none of their sums
    assert all(part.number.min <= part.weight.min() and part.weight.max() <= part.number.max for part in parts)


@pytest.fixture(scope="module")
def case():
    """A recurrent network of current-based neurons with a bias, and its input."""
    rng = np.random.default_rng(3)
    neuron = sh.CubaLIF(size=20, tau_mem=10.0, tau_syn=3.0, v_threshold=0.5)
    net = sh.Network(
        [sh.Input("in", 12)],
        [
            sh.Population(name="hidden", neuron=neuron, bias=rng.normal(0.0, 0.3, 20)),
            sh.Population(name="out", neuron=sh.LIF(size=4, tau_mem=5.0, v_threshold=0.2)),
        ],
        [
            sh.Projection(pre="in", post="hidden", weight=rng.normal(0.1, 0.8, (20, 12))),
            sh.Projection(pre="hidden", post="hidden", weight=rng.normal(-0.3, 0.8, (20, 20))),
            sh.Projection(pre="hidden", post="out", weight=rng.normal(0.2, 0.8, (4, 20))),
        ],
        ["out"],
        sh.Semantics(1.0),
    )
    return net, rng.random((25, 6, 12)) < 0.3


def test_each_projection_names_its_parts_and_their_error(case):
    net, spikes = case
    fixed = sh.quantize(net, calibration=spikes, split={"in->hidden": 2}, overrides={"hidden->out": {"split": 2}})
    names = [q.name for q in fixed.projections]
    assert names == [
        "in->hidden",
        "in->hidden+2",
        "hidden->hidden",
        "hidden->out",
        "hidden->out+2",
        "hidden.bias->hidden",
    ]
    assert any("'in->hidden' and 'in->hidden+2'" in note for note in fixed.notes)
    reports = {r.name: r for r in fixed.report.projections}
    assert list(reports) == [n for n in names if "+" not in n]
    for name in ("in->hidden", "hidden->out"):
        target = fixed.population(fixed.projection(name).post)
        p = normal_form(net, target.name)
        exact = next(q for q in p.incoming if q.name == name).weight.values * target.scale[0] / UNIT
        error = units_of(fixed, name).values - exact
        assert reports[name].rms_error == pytest.approx(np.sqrt(np.mean(error**2) / np.mean(exact**2)))
        assert reports[name].rms_error < reports["hidden->hidden"].rms_error
        # What each part stands for in the float network adds up to its weights.
        stands = sum(q.stored_weights / q.scale[:, None].repeat(q.shape[1], 1).ravel() for q in parts_of(fixed, name))
        half = 0.5 * UNIT / target.scale[0] / np.abs(p.incoming[0].gain).min()
        assert np.all(np.abs(stands - net.projection(name).stored_weights) <= half + 1e-12)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("target", ["spec", "lava", "brian2"])
def test_targets_agree_on_split_weights(case, target):
    if not next(t for t in sh.list_targets() if t.name == target).installed:
        pytest.skip(f"{target} is not installed")
    net, spikes = case
    fixed = sh.quantize(net, calibration=spikes, split=2)
    record = ("spikes", "u", "v")
    ours, other = (sh.run(fixed, spikes[:, :2], t, record=record) for t in ("engine", target))
    for kind in record:
        for name, values in getattr(ours, kind).items():
            assert np.array_equal(values, getattr(other, kind)[name]), (kind, name)
    assert ours.spikes["out"].any()


@pytest.mark.slow
@examples(20, default=7)
@given(float_networks())
def test_a_split_network_has_its_ladder(net):
    """The weights of the ladder are the sums, so what they add is what the chip adds; and it is what float has."""
    fixed = sh.quantize(net, split=2)
    lowered = rungs.in_chip_timing(net)
    rungs.check_match(lowered, fixed)
    rounded = rungs.rounded(lowered, fixed, rungs.Step.WEIGHTS)
    for p in rounded.projections:
        added = sum(q.stored_weights * 2.0**q.weight_exp for q in parts_of(fixed, p.name)) * UNIT
        assert np.array_equal(p.synapse_weights, added)


def test_another_network_is_still_refused(case):
    net, _ = case
    fixed = sh.quantize(net, split=2)
    lowered = rungs.in_chip_timing(net)
    fewer = replace(fixed, projections=[q for q in fixed.projections if not q.name.startswith("in->hidden")])
    with pytest.raises(ParameterError, match="not this float network's"):
        rungs.check_match(lowered, fewer)
    stranger = replace(fixed.projections[0], name="stranger")
    with pytest.raises(ParameterError, match="not this float network's"):
        rungs.check_match(lowered, replace(fixed, projections=[*fixed.projections, stranger]))


def test_little_headroom_saturates_v_and_wraps_nothing(case):
    """A constant inhibition far below the threshold: v is clipped there, u never wraps, and the scale is finer."""
    net, spikes = case
    hidden = replace(net.populations[0], bias=np.where(np.arange(20) < 5, -20.0, net.populations[0].bias))
    net = replace(net, populations=[hidden, net.populations[1]])
    wide, tight = (sh.quantize(net, calibration=spikes, headroom=h) for h in (1.0, 0.1))
    scales = [f.population("hidden").scale[0] for f in (wide, tight)]
    assert scales[1] > 4 * scales[0]
    result = sh.run(tight, spikes, "engine", record=("v",), on_overflow="ignore")
    count = result.overflow["hidden"]
    assert count.v_saturations > 0
    assert count.u_wraps == 0
    assert result.v["hidden"].min() == -CHIP.state_max
