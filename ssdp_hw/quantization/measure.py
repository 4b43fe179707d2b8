"""Errors of rounding: the integers of a fixed network compared with the exact values that they stand for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.arrays import Real
from ssdp_hw.models.base import Kind, NeuronModel
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.quantization_report import PopulationReport, ProjectionReport
from ssdp_hw.quantization.decays import leak_ratio
from ssdp_hw.quantization.model_registers import register_values, relative_error
from ssdp_hw.quantization.normal_form import Incoming, NormalPopulation
from ssdp_hw.quantization.options import ProjectionOptions
from ssdp_hw.quantization.peaks import Peaks, register_peaks
from ssdp_hw.quantization.split import parts_of, units_of
from ssdp_hw.quantization.state_rounding import step_bias_bound


def population_report(
    exact: NormalPopulation, network: FixedNetwork, peaks: Peaks, scale: float, step_bias: float = 0.0
) -> PopulationReport:
    """How far a population of ``network`` is from its exact form at a scale, and how full its registers get.

    ``step_bias`` is what :mod:`ssdp_hw.quantization.state_rounding` measured.
    """
    fixed, chip = network.population(exact.name), network.limits
    if exact.model is not None:
        return _model_report(exact, exact.model, network, peaks, scale)
    unity = float(1 << chip.decay_bits)
    rate_u, rate_v = fixed.du + chip.current_decay_offset, fixed.dv + chip.voltage_decay_offset
    vth = (fixed.vth << chip.activation_shift) / scale
    wanted = exact.bias * leak_ratio(exact, fixed.dv, chip)
    bias_error = np.max(np.abs(fixed.bias / scale - wanted))
    # The limit of u if every synapse is active in every step: the activation of one step, summed over its decay.
    worst_u = (network.activation_bound(exact.name) << chip.activation_shift) * unity / np.maximum(rate_u, 1)
    return PopulationReport(
        name=exact.name,
        scale=scale,
        threshold_error=0.0 if exact.threshold is None else _relative(vth, exact.threshold),
        tau_mem_error=_relative(rate_v / unity, 1.0 - exact.decay_v),
        tau_syn_error=_relative(rate_u / unity, 1.0 - exact.decay_u),
        bias_error=float(bias_error / np.max(np.abs(wanted))) if wanted.any() else 0.0,
        lost_leaks=int(np.count_nonzero((exact.decay_v < 1.0) & (rate_v == 0))),
        v_peak=peaks.v * scale / chip.state_max,
        u_peak=peaks.u * scale / chip.state_max,
        worst_case_u=float(worst_u.max()) / chip.state_max,
        bound=peaks.bound,
        step_bias=step_bias,
        step_bias_bound=step_bias_bound(network, fixed),
        has_threshold=exact.threshold is not None,
    )


def _model_report(
    exact: NormalPopulation, model: NeuronModel, network: FixedNetwork, peaks: Peaks, scale: float
) -> PopulationReport:
    """The report of a population of a declared model: errors of its parameters, by their float names."""
    fixed, chip = network.population(exact.name), network.limits
    errors, decays, lost = {}, [0.0], 0
    for q in model.parameters:
        rounded = register_values(q, fixed.registers[q.name], scale, chip)
        errors[q.float_name] = relative_error(q, rounded, exact.values[q.name])
        if q.kind is Kind.DECAY:
            decays.append(errors[q.float_name])
            lost += int(np.count_nonzero((exact.values[q.name] < 1.0) & (rounded == 1.0)))
    bias_error = np.max(np.abs(fixed.bias / scale - exact.bias))
    return PopulationReport(
        name=exact.name,
        scale=scale,
        threshold_error=errors.get("v_threshold", 0.0),
        tau_mem_error=errors.get("tau_mem", max(decays)),
        tau_syn_error=errors.get("tau_syn", 0.0),
        bias_error=float(bias_error / np.max(np.abs(exact.bias))) if np.any(exact.bias) else 0.0,
        lost_leaks=lost,
        v_peak=max((volts * scale / largest for largest, volts in register_peaks(exact, peaks, chip)), default=0.0),
        u_peak=peaks.u * scale / chip.state_max,
        worst_case_u=0.0,
        bound=peaks.bound,
        parameter_errors=errors,
        has_current=any(s.name == "u" for s in model.states),
        has_threshold=fixed.spiking and "v_threshold" in errors,
    )


def projection_report(
    exact: Incoming, scale: float, network: FixedNetwork, options: ProjectionOptions
) -> ProjectionReport:
    """How far the weights of a projection of ``network`` are from their exact values at the scale of its target.

    For weights that are split over several synapses, the error is that of the sum of the parts; format, exponent and
    LSB are those of the finest part.
    """
    *before, last = parts_of(network, exact.name)
    wanted = exact.weight.values * (scale / (1 << network.limits.activation_shift))
    rounded = units_of(network, exact.name).values
    error = rounded - wanted
    unit = 2.0**last.weight_exp
    left = wanted - sum(q.stored_weights * 2.0**q.weight_exp for q in before)
    power = float(np.sqrt(np.mean(np.square(wanted)))) if wanted.any() else 0.0
    return ProjectionReport(
        name=exact.name,
        weight_format=last.format.name,
        method=options.method.value,
        weight_exp=last.weight_exp,
        synapses=int(wanted.size),
        clipped=last.format.nearest(left / unit)[1],
        zeroed=int(np.count_nonzero((rounded == 0) & (wanted != 0))),
        rms_error=float(np.sqrt(np.mean(np.square(error)))) / power if power else 0.0,
        max_error_lsb=float(np.max(np.abs(error), initial=0.0)) / (unit * last.format.step),
    )


def _relative(rounded: ArrayLike, exact: Real) -> float:
    """Worst relative error where the exact value is not 0."""
    used = exact > 0
    return float(np.max(np.abs(np.asarray(rounded)[used] / exact[used] - 1.0), initial=0.0))
