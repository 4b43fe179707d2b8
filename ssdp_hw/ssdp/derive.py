"""From the float rule to the integer rule of one projection."""

from __future__ import annotations

import math

import numpy as np

from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.fixed import FixedProjection
from ssdp_hw.ssdp.fixed_rule import FixedSSDP
from ssdp_hw.ssdp.rule import SSDP

_LUT_MAX = 255
_AMPLITUDE_MAX = 2**16 - 1
_SHIFT_MAX = 24


def fixed_rule(rule: SSDP, projection: FixedProjection, chip: Chip) -> tuple[FixedSSDP, list[str]]:
    """Integer SSDP whose evidence equals the float step of ``rule`` as nearly as its integers can.

    That is to half a counter unit, to the 8 bits of the kernel's table, and to the 16 bits of the
    larger amplitude, whose unit both share.

    A float step of ``a`` is ``a * scale / step`` weight LSBs; one LSB is as many counter units as
    the counter can hold beside the evidence of one commit, and as the amplitudes can express.

    Returns:
        The integer rule, and what was lost, one sentence each.

    Raises:
        UnsupportedError: the projection does not know how its integers relate to float weights, a
            gain is not positive, or the rule clips below its own amplitude.
        ParameterError: one commit can bring more evidence than the counter holds.
    """
    owner = f"projection '{projection.name}'"
    if projection.scale is None:
        raise UnsupportedError(
            f"{owner}: written in chip integers without a scale, so float amplitudes have no meaning here; "
            "give the rule as FixedSSDP, or the projection a scale"
        )
    if np.min(projection.scale) <= 0:
        raise UnsupportedError(
            f"{owner}: a neuron has the gain {np.min(projection.scale):g}; SSDP in integers needs gains above 0, so "
            "that a larger integer is a larger weight"
        )
    if max(rule.a_plus, rule.a_baseline) > rule.clip:
        raise UnsupportedError(
            f"{owner}: clip = {rule.clip:g} is below an amplitude of SSDP; the integer rule has no such clip: "
            "lower the amplitudes"
        )
    notes = []
    scale = float(np.mean(projection.scale))
    spread = float(np.max(np.abs(projection.scale / scale - 1.0)))
    if spread > 0.01:
        notes.append(
            f"{owner}: its neurons differ in gain, so the integer step is off by up to {spread:.1%}"
        )
    lsb = np.array([rule.a_plus, rule.a_baseline]) * scale / projection.format.step
    counter_max = (1 << (rule.counter_bits - 1)) - 1
    gathered = rule.commit_windows * float(lsb.max())
    shift = math.floor(math.log2(counter_max / (1.0 + gathered)))
    if lsb.max() > 0:  # an amplitude is what one window brings at most, divided by the kernel's 255
        shift = min(shift, math.floor(math.log2(_AMPLITUDE_MAX * _LUT_MAX / float(lsb.max()))))
    if shift < 0:
        raise ParameterError(
            f"{owner}: one commit can bring {gathered:.3g} weight LSBs, more than a counter of "
            f"{rule.counter_bits} bits holds; use more counter_bits, fewer commit_windows or smaller amplitudes"
        )
    units = lsb * 2.0**shift
    room = _AMPLITUDE_MAX * _LUT_MAX / float(units.max()) if units.max() > 0 else 1.0
    evidence_shift = min(_SHIFT_MAX, math.floor(math.log2(room)))
    plus, base = (round(float(x) * 2.0**evidence_shift / _LUT_MAX) for x in units)
    time_bits = max(1, chip.window_ticks_max.bit_length())
    ticks = np.arange(2**time_bits) << rule.time_shift
    fixed = FixedSSDP(
        a_plus=plus, a_baseline=base, lut=tuple(np.rint(_LUT_MAX * rule.kernel(ticks)).astype(int).tolist()),
        lsb_shift=shift, evidence_shift=evidence_shift, counter_bits=rule.counter_bits, time_bits=time_bits,
        time_shift=rule.time_shift, commit_windows=rule.commit_windows, rounding=rule.rounding,
        spike_time=rule.spike_time, silent_pairs=rule.silent_pairs,
    )
    for what, wanted, amplitude in (("a_plus", rule.a_plus, plus), ("a_baseline", rule.a_baseline, base)):
        if wanted > 0 and fixed.table(amplitude)[0] == 0:
            notes.append(
                f"{owner}: {what} is below half a unit of a {rule.counter_bits}-bit counter and has no effect; "
                "use more counter_bits"
            )
    return fixed, notes
