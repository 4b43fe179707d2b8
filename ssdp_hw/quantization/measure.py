"""What rounding did: the integers of a fixed network against the exact values they stand for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.checks import synapse_values
from ssdp_hw.fixed import FixedNetwork
from ssdp_hw.quantization.normal_form import Incoming, NormalPopulation, Real
from ssdp_hw.quantization.peaks import Peaks
from ssdp_hw.quantization.report import PopulationReport, ProjectionReport


def population_report(exact: NormalPopulation, network: FixedNetwork, peaks: Peaks) -> PopulationReport:
    """How far a population of ``network`` is from its exact form, and how full its registers get."""
    fixed, chip = network.population(exact.name), network.limits
    assert fixed.scale is not None
    unity = float(1 << chip.decay_bits)
    rate_u, rate_v = fixed.du + chip.current_decay_offset, fixed.dv + chip.voltage_decay_offset
    vth = (fixed.vth << chip.activation_shift) / fixed.scale
    bias_error = np.max(np.abs(fixed.bias / fixed.scale - exact.bias))
    # All synapses at once in every step: the geometric sum of what one step brings.
    worst_u = (network.activation_bound(exact.name) << chip.activation_shift) * unity / np.maximum(rate_u, 1)
    return PopulationReport(
        name=exact.name,
        scale=fixed.scale,
        threshold_error=0.0 if exact.threshold is None else _relative(vth, exact.threshold),
        tau_mem_error=_relative(rate_v / unity, 1.0 - exact.decay_v),
        tau_syn_error=_relative(rate_u / unity, 1.0 - exact.decay_u),
        bias_error=float(bias_error / np.max(np.abs(exact.bias))) if exact.bias.any() else 0.0,
        lost_leaks=int(np.count_nonzero((exact.decay_v < 1.0) & (rate_v == 0))),
        v_peak=peaks.v * fixed.scale / chip.state_max,
        u_peak=peaks.u * fixed.scale / chip.state_max,
        worst_case_u=float(worst_u.max()) / chip.state_max,
        bound=peaks.bound,
    )


def projection_report(exact: Incoming, network: FixedNetwork) -> ProjectionReport:
    """How far the weights of a projection of ``network`` are from their exact values."""
    fixed = network.projection(exact.name)
    scale = network.population(fixed.target).scale
    assert scale is not None
    wanted = synapse_values(exact.weight) * (scale / (1 << network.limits.activation_shift) / 2.0**fixed.weight_exp)
    rounded = fixed.stored_weights
    error = rounded - wanted
    power = float(np.sqrt(np.mean(np.square(wanted)))) if wanted.any() else 0.0
    return ProjectionReport(
        name=exact.name,
        weight_format=fixed.format.name,
        weight_exp=fixed.weight_exp,
        synapses=int(wanted.size),
        clipped=fixed.format.nearest(wanted)[1],
        zeroed=int(np.count_nonzero((rounded == 0) & (wanted != 0))),
        rms_error=float(np.sqrt(np.mean(np.square(error)))) / power if power else 0.0,
        max_error_lsb=float(np.max(np.abs(error), initial=0.0)) / fixed.format.step,
    )


def _relative(rounded: ArrayLike, exact: Real) -> float:
    """Worst relative error where the exact value is not 0."""
    used = exact > 0
    return float(np.max(np.abs(np.asarray(rounded)[used] / exact[used] - 1.0), initial=0.0))
