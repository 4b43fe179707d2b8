"""``quantize``: the one call from float to fixed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from numpy.typing import ArrayLike

from ssdp_hw.checks import as_int, real_vector
from ssdp_hw.chips import Chip, load_chip
from ssdp_hw.drive import DirectInput
from ssdp_hw.errors import ParameterError
from ssdp_hw.fixed import FixedNetwork
from ssdp_hw.formats import SignMode, WeightFormat, sign_mode_of
from ssdp_hw.network import Network
from ssdp_hw.quantization.bias_sources import bias_sources
from ssdp_hw.quantization.measure import population_report, projection_report
from ssdp_hw.quantization.normal_form import normal_form
from ssdp_hw.quantization.parts import fixed_population, fixed_projection
from ssdp_hw.quantization.peaks import calibrated_peaks, closed_form_peaks
from ssdp_hw.quantization.report import QuantizationReport
from ssdp_hw.quantization.scale import choose_scale

# What bounds in closed form are multiplied by, since rounding up can add to the exact weights.
_ROUNDING_ROOM = 1.125


def quantize(
    network: Network,
    chip: Chip | str | os.PathLike[str] = "loihi",
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
        chip: name of the chip, path of its .toml file, or the chip itself.
        calibration: typical input; the float network is run on it (target ``engine``) and u, v and
            bias may reach ``headroom`` times the peaks seen. Without it the peaks are bounded in
            closed form for any input, which is coarser; see :mod:`ssdp_hw.quantization.peaks`.
        weight_bits: width of the weights, one for all or by projection; default the chip's.
        sign_mode: ``mixed``, ``excitatory``, ``inhibitory``, or ``auto`` (from the signs that occur),
            one for all or by projection. Mixed weights have half the resolution, but learning may
            then change their sign.
        headroom: safety factor on calibrated peaks, at least 1.

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
    if factor < 1:
        raise ParameterError(f"headroom = {factor:g}; a factor of at least 1 is needed")
    lowered, notes = bias_sources(network)
    formats = _formats(lowered, limits, weight_bits, sign_mode)
    normal = {name: normal_form(lowered, name) for name in lowered.population_names}
    if calibration is None:
        peaks, factor = {name: closed_form_peaks(p, limits) for name, p in normal.items()}, _ROUNDING_ROOM
    else:
        peaks = calibrated_peaks(lowered, calibration)
    scales = {name: choose_scale(p, peaks[name], limits, formats, factor) for name, p in normal.items()}
    incoming = {q.name: (q, scales[p.name]) for p in normal.values() for q in p.incoming}
    if any(network.uses_old_current(name) for name in network.population_names):
        notes.append(
            "the chip updates the current before the voltage; this network has update_order 'voltage_first', so "
            "its current-based neurons respond one step sooner on the chip"
        )
    fixed = FixedNetwork(
        lowered.inputs, [fixed_population(p, scales[name], limits) for name, p in normal.items()],
        [fixed_projection(p, *incoming[p.name], limits, formats[p.name]) for p in lowered.projections],
        lowered.outputs, limits, network.semantics.dt, notes=(*network.notes, *notes),
    )
    report = QuantizationReport(
        limits.name, tuple(population_report(p, fixed, peaks[name]) for name, p in normal.items()),
        tuple(projection_report(incoming[p.name][0], fixed) for p in fixed.projections), tuple(notes),
    )
    return replace(fixed, report=report)


def _formats(
    network: Network, chip: Chip, weight_bits: int | Mapping[str, int] | None, sign_mode: str | Mapping[str, str]
) -> dict[str, WeightFormat]:
    """The weight format of every projection."""
    for option in (weight_bits, sign_mode):
        for name in option if isinstance(option, Mapping) else ():
            network.projection(name)
    formats = {}
    for p in network.projections:
        bits = weight_bits.get(p.name) if isinstance(weight_bits, Mapping) else weight_bits
        mode = sign_mode.get(p.name, SignMode.MIXED) if isinstance(sign_mode, Mapping) else sign_mode
        width = chip.weight_bits if bits is None else as_int(bits, f"projection '{p.name}': weight_bits")
        if not 1 <= width <= chip.weight_bits:
            raise ParameterError(f"projection '{p.name}': weight_bits = {width} is outside 1 .. {chip.weight_bits}")
        if mode != "auto" and mode not in list(SignMode):
            known = ", ".join(m.value for m in SignMode)
            raise ParameterError(f"projection '{p.name}': sign_mode = {mode!r}; choose auto, {known}")
        sign = sign_mode_of(p.stored_weights) if mode == "auto" else SignMode(mode)
        formats[p.name] = WeightFormat(width, sign, chip.weight_scale_bits)
    return formats
