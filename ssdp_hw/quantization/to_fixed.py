"""``quantize``: the one call from float to fixed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.arrays import Real
from ssdp_hw.checks import real_vector
from ssdp_hw.chips import Chip, load_chip
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.models.scaling import other_width
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.model_neuron import ModelNeuron
from ssdp_hw.network.quantization_report import QuantizationReport
from ssdp_hw.quantization.balance import balance_thresholds
from ssdp_hw.quantization.bias_sources import bias_sources
from ssdp_hw.quantization.channels import channel_factors, in_own_units
from ssdp_hw.quantization.exponent import unused_bits
from ssdp_hw.quantization.far_thresholds import about_far_threshold, far_threshold, without_far_threshold
from ssdp_hw.quantization.measure import population_report, projection_report
from ssdp_hw.quantization.normal_form import NormalPopulation, normal_form
from ssdp_hw.quantization.options import Granularity, Method, ProjectionOptions, projection_options
from ssdp_hw.quantization.parts import fixed_population, fixed_projections
from ssdp_hw.quantization.payloads import Payloads
from ssdp_hw.quantization.peaks import Peaks, calibrated_peaks, closed_form_peaks
from ssdp_hw.quantization.scale import choose_scale
from ssdp_hw.quantization.state_rounding import step_biases
from ssdp_hw.running.drive import DirectInput

# Safety factor on peaks in closed form, which hold for exact weights: rounding makes some of them larger.
_ROUNDING_ROOM = 1.125


def quantize(
    network: Network,
    chip: Chip | str | os.PathLike[str] = "loihi",
    calibration: ArrayLike | Mapping[str, ArrayLike] | DirectInput | None = None,
    *,
    weight_bits: int | Mapping[str, int] | None = None,
    sign_mode: str | Mapping[str, str] = "mixed",
    method: str | Mapping[str, str] = "max_abs",
    granularity: str = "projection",
    split: int | Mapping[str, int] = 1,
    overrides: Mapping[str, Mapping[str, object]] | None = None,
    headroom: float = 2.0,
) -> FixedNetwork:
    """Round a float network to a chip's integers.

    Every population gets one scale for its voltage, current, threshold, bias and incoming weights;
    every projection an exponent of its own. The scale is the one of smallest rounding error within
    an octave below the largest that keeps all registers in range. The gain of each neuron is folded
    into its incoming weights and v_reset is moved to 0, so neurons with different parameters share
    a scale.

    Args:
        network: the float network.
        chip: name of the chip, path of its .toml file, or the chip itself.
        calibration: typical input; the float network is run on it and u, v and
            bias may reach ``headroom`` times the peaks seen. Without it the peaks are bounded in
            closed form for any input, which is coarser; see :mod:`ssdp_hw.quantization.peaks`.
        weight_bits: width of the weights, one for all or by projection; default the chip's.
        sign_mode: ``mixed``, ``excitatory``, ``inhibitory``, or ``auto`` (from the signs that occur),
            one for all or by projection. Mixed weights have half the resolution, but learning may
            then change their sign.
        method: how weights meet their range, one for all or by projection: ``max_abs``, ``percentile``,
            ``mse`` or ``threshold_balance`` (which needs a calibration input and is one for all); see
            :class:`~ssdp_hw.quantization.Method`.
        granularity: ``projection``: one scale a population; ``channel``: one a spiking neuron (of a
            convolution: a channel), where the chip has a threshold a neuron.
        overrides: options of single projections, ``{"in->hidden": {"weight_bits": 4, "method": "mse"}}``; see
            :class:`~ssdp_hw.quantization.ProjectionOptions`.
        split: over how many synapses each weight is split, one for all or by projection: 2 of 8 bits hold it to
            15; the second's projection is named ``in->hidden+2``. See :mod:`ssdp_hw.quantization.split`.
        headroom: safety factor on calibrated peaks. Below 1, v may saturate (as where inhibition drives it far
            below the threshold) for a finer scale; u and biases keep a factor of 1, since u would wrap.

    Returns:
        The fixed network; its ``report`` says what was clipped, zeroed and rounded, by how much.

    Raises:
        ParameterError: unknown chip, bad option, or a value that no scale can bring into range.
        ShapeError: a calibration input that does not fit.
    """
    if not isinstance(network, Network):
        raise ParameterError(f"quantize takes a float Network, not {type(network).__name__}")
    limits = load_chip(chip)
    factor = float(real_vector(headroom, 1, "headroom")[0])
    if factor <= 0:
        raise ParameterError(f"headroom = {factor:g}; a factor above 0 is needed")
    lowered, notes = bias_sources(network)
    _check_widths(lowered, limits)
    common = {"sign_mode": sign_mode, "method": method, "weight_bits": weight_bits, "split": split}
    options = projection_options(lowered, limits, common, overrides)
    balanced = _balances(options, calibration)
    formats = {p.name: options[p.name].weight_format(p.stored_weights, limits) for p in lowered.projections}
    normal = {name: normal_form(lowered, name) for name in lowered.population_names}
    factors = _factors(normal, limits, granularity)
    normal = {name: in_own_units(p, factors[name]) if np.any(factors[name] != 1) else p for name, p in normal.items()}
    if calibration is None:
        peaks, factor = {name: closed_form_peaks(p, limits) for name, p in normal.items()}, _ROUNDING_ROOM
    else:
        peaks = calibrated_peaks(lowered, calibration, factors)
    notes += _drop_far_thresholds(lowered, normal, peaks, factor)
    payloads, scales = Payloads(lowered.inputs, normal.values(), limits), {}
    senders = {q.name: q.pre for q in lowered.projections}
    for name, p in normal.items():
        scales[name] = choose_scale(payloads.into(p, senders), peaks[name], limits, formats, options, factor)
        payloads.add(p, peaks[name].payload, scales[name], factor)
    normal = {name: payloads.into(p, senders) for name, p in normal.items()}
    incoming = {q.name: (q, scales[p.name]) for p in normal.values() for q in p.incoming}
    if any(network.uses_old_current(name) for name in network.population_names):
        notes.append(
            "the chip updates the current before the voltage; this network has update_order 'voltage_first', so "
            "its current-based neurons respond one step sooner on the chip"
        )
    populations = [
        replace(fixed_population(p, scales[name], limits, payloads.of[name].bits), scale=scales[name] * factors[name])
        for name, p in normal.items()
    ]
    parts = {
        p.name: fixed_projections(p, *incoming[p.name], limits, formats[p.name], options[p.name])
        for p in lowered.projections
    }
    notes += _split_weights(parts)
    notes += [
        f"projection '{name}': {bits} of its {formats[name].bits} bits are unused, since at this scale of its "
        "population the chip drops what is below one unit of the activation, whatever the weight exponent"
        for name, (q, scale) in incoming.items()
        if (bits := unused_bits(q.weight.values * (scale / (1 << limits.activation_shift)), formats[name], limits))
    ]
    fixed = FixedNetwork(
        lowered.inputs,
        populations,
        [q for own in parts.values() for q in own],
        lowered.outputs,
        limits,
        network.semantics.dt,
    )
    if balanced:
        assert calibration is not None
        fixed, tuned = balance_thresholds(lowered, fixed, calibration)
        notes += [f"population '{n}': thresholds times {f:.3f}, for the float spike rate" for n, f in tuned.items()]
    biases = step_biases(fixed, calibration)
    report = QuantizationReport(
        limits.name,
        tuple(
            population_report(p, fixed, peaks[name], scales[name], biases.get(name, 0.0))
            for name, p in normal.items()
            if name not in lowered.helpers
        ),
        tuple(projection_report(*incoming[name], fixed, options[name]) for name in parts),
        tuple(notes),
    )
    return replace(fixed, report=report, notes=(*network.notes, *notes))


def _check_widths(network: Network, chip: Chip) -> None:
    """Refuse declared models whose step means something else with decays as wide as the chip's."""
    for p in network.populations:
        model = p.neuron.declared if isinstance(p.neuron, ModelNeuron) else None
        if model is not None and (reason := other_width(model, chip.decay_bits)):
            raise UnsupportedError(f"population '{p.name}', chip '{chip.name}': {reason}")


def _drop_far_thresholds(
    network: Network, normal: dict[str, NormalPopulation], peaks: dict[str, Peaks], factor: float
) -> list[str]:
    """Replace populations, and their peaks, whose threshold is far above them and that drive no other population.

    Returns:
        Notes on all populations of a far threshold.
    """
    driving = {q.pre for q in network.projections if q.pre != q.post}
    notes = []
    for name, p in normal.items():
        if not far_threshold(p, peaks[name]):
            continue
        notes.append(about_far_threshold(p, peaks[name], bounds_scale=name in driving))
        if name not in driving:
            normal[name], peaks[name] = without_far_threshold(p, peaks[name], factor)
    return notes


def _split_weights(parts: Mapping[str, Sequence[FixedProjection]]) -> list[str]:
    """Notes on the projections that became several, whose weights add up to each weight."""
    return [
        f"projection '{name}': each weight is split over {len(own)} synapses, of "
        + " and ".join(f"'{q.name}'" for q in own)
        for name, own in parts.items()
        if len(own) > 1
    ]


def _balances(options: Mapping[str, ProjectionOptions], calibration: object) -> bool:
    """Whether the method is ``threshold_balance``, which must then be that of all projections."""
    wanted = {o.method is Method.THRESHOLD_BALANCE for o in options.values()}
    if wanted == {False} or not wanted:
        return False
    if len(wanted) > 1:
        raise ParameterError("method 'threshold_balance' tunes the whole network: choose it for every projection")
    if calibration is None:
        raise ParameterError("method 'threshold_balance' needs a calibration input, whose spike rates it restores")
    return True


def _factors(normal: Mapping[str, NormalPopulation], chip: Chip, granularity: str) -> dict[str, Real]:
    """Factors on the voltages of each population's neurons, applied before the population gets one scale."""
    ones = {name: np.ones(len(p.bias)) for name, p in normal.items()}
    if Granularity(granularity) is Granularity.PROJECTION:
        return ones
    if not chip.channel_scales:
        raise ParameterError(
            f"granularity = 'channel': chip '{chip.name}' has no threshold a neuron (its file says "
            "channel_scales = 0); choose 'projection'"
        )
    # Payloads of all neurons of a population are on one scale.
    return {name: ones[name] if p.payload else channel_factors(p) for name, p in normal.items()}
