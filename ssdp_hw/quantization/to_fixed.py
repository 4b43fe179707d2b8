"""``quantize``: the one call from float to fixed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import synapse_values, with_synapse_values
from ssdp_hw.chips import Chip, load_chip
from ssdp_hw.drive import DirectInput
from ssdp_hw.errors import ParameterError
from ssdp_hw.fixed import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.formats import SignMode, WeightFormat, round_to_int, sign_mode_of
from ssdp_hw.graph import Comparison
from ssdp_hw.network import Network, Population, Projection
from ssdp_hw.neurons import LIF, Discretization
from ssdp_hw.quantization.normal_form import Incoming, NormalPopulation, normal_form
from ssdp_hw.quantization.report import PopulationReport, ProjectionReport, QuantizationReport
from ssdp_hw.quantization.scale import Peaks, choose_scale, closed_form_peaks, weight_exponent
from ssdp_hw.simulation import run

Real = NDArray[np.float64]


def quantize(
    network: Network,
    chip: str = "loihi",
    calibration: ArrayLike | Mapping[str, ArrayLike] | DirectInput | None = None,
    *,
    weight_bits: int | Mapping[str, int] | None = None,
    sign_mode: str | Mapping[str, str] = "mixed",
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
        chip: name of the chip.
        calibration: typical input; the float network is run on it (target ``engine``) and u and v
            may reach ``headroom`` times the peaks seen. Without it the peaks are bounded in closed
            form, which is safe and coarser.
        weight_bits: width of the weights, one for all or by projection; default the chip's.
        sign_mode: ``mixed``, ``excitatory``, ``inhibitory``, or ``auto`` (from the signs that occur),
            one for all or by projection. Mixed weights have half the resolution, but learning may
            then change their sign.
        headroom: safety factor on calibrated peaks, at least 1.

    Returns:
        The fixed network; its ``report`` says what was clipped, zeroed and rounded, by how much.

    Raises:
        ParameterError: unknown chip, bad option, or a value that no scale can bring into range.
    """
    limits = load_chip(chip)
    if not math.isfinite(headroom) or headroom < 1:
        raise ParameterError(f"headroom = {headroom!r}; a factor of at least 1 is needed")
    lowered, notes = _bias_sources(network)
    formats = {p.name: _format(p.name, p.weight, limits, weight_bits, sign_mode) for p in lowered.projections}
    peaks = _calibrated(network, calibration) if calibration is not None else {}
    populations, projections, about_p, about_q = [], {}, [], []
    for population in lowered.populations:
        normal = normal_form(lowered, population.name)
        closed = closed_form_peaks(normal)
        peak = peaks.get(population.name, closed)
        scale = choose_scale(normal, peak, limits, formats, headroom if peak.bound == "calibration" else 1.0)
        fixed, report = _population(normal, population.threshold, scale, limits, peak, closed)
        populations.append(replace(fixed, reset=population.reset))
        about_p.append(report)
        for q in normal.incoming:
            projections[q.name], weights = _projection(lowered, q, scale, limits, formats[q.name])
            about_q.append(weights)
    if any(network.uses_old_current(p.name) for p in network.populations):
        notes.append(
            "the chip updates the current before the voltage; this network has update_order 'voltage_first', so "
            "its current-based neurons respond one step sooner on the chip"
        )
    report_all = QuantizationReport(chip, tuple(about_p), tuple(about_q), tuple(notes))
    return FixedNetwork(
        lowered.inputs, populations, [projections[p.name] for p in lowered.projections], lowered.outputs,
        limits, network.semantics.dt, report_all, (*network.notes, *notes),
    )


def _bias_sources(network: Network) -> tuple[Network, list[str]]:
    """Give every biased current-based population a neuron that fires in each step.

    The chip adds a bias to v only; a constant current into u must come through a synapse.
    """
    populations, projections, notes = [], list(network.projections), []
    for p in network.populations:
        bias = np.asarray(p.bias)
        if not (p.neuron.has_current and bias.any()):
            populations.append(p)
            continue
        name = f"{p.name}.bias"
        dt = network.semantics.dt
        # tau_mem = dt under Euler keeps nothing, so v is 2 in every step: above its threshold of 1.
        # The same under exponential integration: exp(-1000) is 0.
        exponential = network.semantics.discretization is Discretization.EXPONENTIAL
        steady = LIF(size=1, tau_mem=dt / 1000 if exponential else dt, v_leak=2.0)
        populations += [replace(p, bias=0.0), Population(name=name, neuron=steady)]
        projections.append(Projection(source=name, target=p.name, weight=bias[:, None]))
        notes.append(
            f"population '{p.name}': its bias is a current, for which the chip has no register; the neuron '{name}' "
            "fires in every step instead, and the bias starts to act in step 1 instead of step 0"
        )
    return (replace(network, populations=populations, projections=projections) if notes else network), notes


def _format(
    name: str, weight: Any, chip: Chip, weight_bits: int | Mapping[str, int] | None, sign_mode: str | Mapping[str, str]
) -> WeightFormat:
    bits = weight_bits.get(name, chip.weight_bits) if isinstance(weight_bits, Mapping) else weight_bits
    mode = sign_mode.get(name, "mixed") if isinstance(sign_mode, Mapping) else sign_mode
    bits = chip.weight_bits if bits is None else bits
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 1 <= bits <= chip.weight_bits:
        raise ParameterError(f"projection '{name}': weight_bits = {bits!r} is outside 1 .. {chip.weight_bits}")
    if mode != "auto" and mode not in set(SignMode):
        raise ParameterError(
            f"projection '{name}': sign_mode = {mode!r}; choose auto, {', '.join(m.value for m in SignMode)}"
        )
    found = sign_mode_of(synapse_values(weight)) if mode == "auto" else SignMode(mode)
    return WeightFormat(int(bits), found, chip.weight_scale_bits)


def _calibrated(network: Network, inputs: Any) -> dict[str, Peaks]:
    """Peaks of every population on the calibration input, from a float run."""
    result = run(network, inputs, "engine", record=("v", "u"))
    peaks = {}
    for p in network.populations:
        c = network.coefficients(p.name)
        u = float(np.max(np.abs(result.u[p.name] * c.gain_v)))
        kept = result.v[p.name] - p.neuron.parameter("v_reset")
        # v is recorded after the reset: before it, it was at most one step of u and drift higher.
        v = float(np.max(np.abs(kept))) + u + float(np.max(np.abs(c.drift)))
        if p.spiking:
            v = max(v, float(p.neuron.threshold_distance.max()) + u)
        peaks[p.name] = Peaks(v, u, "calibration")
    return peaks


def _population(
    p: NormalPopulation, comparison: Comparison, scale: float, chip: Chip, peak: Peaks, closed: Peaks
) -> tuple[FixedPopulation, PopulationReport]:
    unity = float(1 << chip.decay_bits)
    du = np.clip(round_to_int((1.0 - p.decay_u) * unity) - chip.current_decay_offset, 0, chip.decay_max)
    dv = np.clip(round_to_int((1.0 - p.decay_v) * unity) - chip.voltage_decay_offset, 0, chip.decay_max)
    unit = float(1 << chip.activation_shift)
    spiking = p.threshold is not None
    exact = p.threshold * scale / unit if p.threshold is not None else np.zeros(len(du))
    vth = np.clip(round_to_int(exact), 0, chip.threshold_max)
    bias = p.bias * scale
    largest = float(np.max(np.abs(bias), initial=0.0))
    exponent = 0
    while largest / 2.0**exponent > chip.bias_mant_max and exponent < chip.bias_exp_max:
        exponent += 1
    mantissa = np.clip(round_to_int(bias / 2.0**exponent), -chip.bias_mant_max, chip.bias_mant_max)
    fixed = FixedPopulation(
        name=p.name, size=len(du), du=du, dv=dv, vth=vth, bias_mant=mantissa, bias_exp=exponent,
        v_init=round_to_int(p.v_init * scale), threshold=comparison, spiking=spiking, scale=scale,
    )
    bias_error = np.max(np.abs(mantissa * 2.0**exponent - bias), initial=0.0) / largest if largest else 0.0
    leaking = p.decay_v < 1.0
    return fixed, PopulationReport(
        p.name, scale,
        float(np.max(np.abs(vth / exact - 1.0), initial=0.0)) if spiking else 0.0,
        _relative((dv + chip.voltage_decay_offset) / unity, 1.0 - p.decay_v),
        _relative((du + chip.current_decay_offset) / unity, 1.0 - p.decay_u),
        float(bias_error), int(np.count_nonzero(leaking & (dv == 0))),
        peak.v * scale / chip.state_max, peak.u * scale / chip.state_max, closed.u * scale / chip.state_max, peak.bound,
    )


def _relative(rounded: Real, exact: Real) -> float:
    """Worst relative error where the exact value is not 0."""
    used = exact > 0
    return float(np.max(np.abs(rounded[used] / exact[used] - 1.0), initial=0.0))


def _projection(
    network: Network, q: Incoming, scale: float, chip: Chip, number: WeightFormat
) -> tuple[FixedProjection, ProjectionReport]:
    source = network.projection(q.name)
    unit = float(1 << chip.activation_shift)
    exact = synapse_values(q.weight) * scale / unit
    exponent = weight_exponent(float(np.max(np.abs(exact), initial=0.0)), number, chip)
    exact = exact / 2.0**exponent
    rounded, clipped = number.nearest(exact)
    power = float(np.sqrt(np.mean(np.square(exact)))) if exact.size else 0.0
    error = rounded - exact
    fixed = FixedProjection(
        source=source.source, target=source.target, name=q.name, delay=source.delay, weight_exp=exponent, format=number,
        weight=with_synapse_values(source.weight, rounded), scale=q.gain * scale / unit / 2.0**exponent,
    )
    return fixed, ProjectionReport(
        q.name, number.name, exponent, int(exact.size), clipped,
        int(np.count_nonzero((rounded == 0) & (exact != 0))),
        float(np.sqrt(np.mean(np.square(error)))) / power if power else 0.0,
        float(np.max(np.abs(error), initial=0.0)) / number.step,
    )
