"""From a float rule to the integer rule of one projection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedPopulation, FixedProjection
from ssdp_hw.rules import SADP, STDP, CounterRule, FixedSADP, FixedSTDP, FloatRule, Pairing
from ssdp_hw.rules.arrivals import extent_of
from ssdp_hw.rules.counter import rounded_product
from ssdp_hw.rules.declared import FixedDeclaredRule, FloatDeclaredRule, float_name
from ssdp_hw.rules.fixed_gate import fixed_gate
from ssdp_hw.rules.fixed_ssdp import FixedSSDP
from ssdp_hw.rules.gate import GATE_MAX
from ssdp_hw.rules.model import RuleKind
from ssdp_hw.rules.ssdp import SSDP
from ssdp_hw.rules.stdp import DECAY_BITS
from ssdp_hw.rules.written_registers import WrittenRegisters, register_of

_LUT_MAX = 255
_AMPLITUDE_MAX = 2**16 - 1
_SHIFT_MAX = 24
# The shift of weight changes of declared rules, and the kinds of parameters whose registers are found with it.
_DW_SHIFT = "dw_shift"
_FOUND = (
    RuleKind.WEIGHT,
    RuleKind.AMPLITUDE,
    RuleKind.SHIFT,
    RuleKind.THRESHOLD,
    RuleKind.LEVEL,
    RuleKind.THRESHOLD_CHANGE,
    RuleKind.DELAY_CHANGE,
)

# Number of spikes in quick succession that a trace adds up before it saturates, with ``Pairing.ALL``.
_TRACE_SPIKES = 4


@dataclass(frozen=True)
class _Amplitudes:
    """Two amplitudes in integers, and the shifts that give them their meaning.

    Attributes:
        first, second: integer amplitudes; the largest weight change by each is ``(amplitude * full) >> dw_shift``
            counter units.
        dw_shift, lsb_shift: of the integer rule.
        common: arguments of the integer rule that equal those of the float rule, and its integer gate.
    """

    first: int
    second: int
    dw_shift: int
    lsb_shift: int
    common: dict[str, Any]


def fixed_rule(
    rule: FloatRule, projection: FixedProjection, chip: Chip, post: FixedPopulation | None = None
) -> tuple[CounterRule, list[str]]:
    """The integer rule whose weight changes equal the float steps of ``rule`` as nearly as its integers can.

    The weight changes are equal to half a counter unit, to the bits of the learning window's table, of the trace or
    of kappa, and to the 16 bits of the larger amplitude, whose unit both share.

    A float step of ``a`` is ``a * scale / step`` weight LSBs; one LSB is as many counter units as
    the counter can hold beside the weight changes of one weight update, and as the amplitudes can express.

    ``post`` are the postsynaptic neurons, which rules that move thresholds have to know.

    Returns:
        The integer rule, and notes on what the conversion lost, one sentence for each loss.

    Raises:
        UnsupportedError: the projection does not know how its integers relate to float weights, a
            gain is not positive, or the rule clips below its own amplitude.
        ParameterError: the weight changes of one weight update can exceed the counter.
    """
    owner = f"projection '{projection.name}'"
    notes: list[str] = []
    fixed: CounterRule
    if type(rule) is SSDP:  # a subclass may step otherwise
        names, wanted, full = ("a_plus", "a_baseline"), (rule.a_plus, rule.a_baseline), _LUT_MAX
        found = _amplitudes(owner, rule, wanted, full, projection, notes)
        fixed = _fixed_ssdp(rule, found, chip)
    elif type(rule) is STDP:
        impulse = (1 << rule.trace_bits) - 1
        if rule.pairing is Pairing.ALL:
            impulse = max(1, impulse // _TRACE_SPIKES)
            notes.append(
                f"{owner}: a trace of {rule.trace_bits} bits saturates above {_TRACE_SPIKES} spikes in quick succession"
            )
        names, wanted, full = ("a_plus", "a_minus"), (rule.a_plus, rule.a_minus), impulse
        found = _amplitudes(owner, rule, wanted, full, projection, notes, largest=(1 << rule.trace_bits) - 1)
        decays = [round((1.0 - math.exp(-1.0 / tau)) * (1 << DECAY_BITS)) for tau in (rule.tau_plus, rule.tau_minus)]
        fixed = FixedSTDP(
            a_plus=found.first,
            a_minus=found.second,
            decay_plus=decays[0],
            decay_minus=decays[1],
            trace_impulse=impulse,
            trace_bits=rule.trace_bits,
            pairing=rule.pairing,
            trace_rounding=rule.trace_rounding,
            dw_shift=found.dw_shift,
            lsb_shift=found.lsb_shift,
            **found.common,
        )
    elif type(rule) is SADP:
        names, wanted, full = ("a_plus", "a_minus"), (rule.a_plus, rule.a_minus), 1 << rule.kappa_bits
        found = _amplitudes(owner, rule, wanted, full, projection, notes)
        fixed = FixedSADP(
            a_plus=found.first,
            a_minus=found.second,
            kappa_bits=rule.kappa_bits,
            dw_shift=found.dw_shift,
            lsb_shift=found.lsb_shift,
            **found.common,
        )
    elif type(rule) is FloatDeclaredRule:
        written = WrittenRegisters(owner, rule, chip, post, notes).registers()
        return _fixed_declared(owner, rule, projection, written, notes), notes
    else:
        raise UnsupportedError(f"{owner}: {type(rule).__name__} has no integer form; give the projection a CounterRule")
    for name, amount, amplitude in zip(names, wanted, (found.first, found.second), strict=True):
        if amount > 0 and (amplitude * full + ((1 << found.dw_shift) >> 1)) >> found.dw_shift == 0:
            notes.append(
                f"{owner}: {name} is below half a unit of a counter of {rule.counter_bits} bits and has no effect; "
                "use more counter_bits"
            )
    return fixed, notes


def _amplitudes(
    owner: str,
    rule: FloatRule,
    wanted: tuple[float, float],
    full: int,
    projection: FixedProjection,
    notes: list[str],
    largest: int | None = None,
) -> _Amplitudes:
    """Integers for two float amplitudes. A float amplitude is the step where table, trace or kappa equals ``full``.

    The counter holds the step at ``largest`` too, which a trace reaches after several spikes; by default ``full``.
    """
    scale = _gain(owner, projection, notes)
    largest_gate = 1.0 if rule.gate is None else GATE_MAX
    _check_clip(owner, rule, max(wanted) * largest_gate)
    lsb = np.array(wanted) * scale / projection.format.step
    counter_max = (1 << (rule.counter_bits - 1)) - 1
    gathered = rule.windows_per_update * largest_gate * float(lsb.max())
    shift = math.floor(math.log2(counter_max / (1.0 + gathered)))
    if lsb.max() > 0:  # an amplitude is what one window brings at most, divided by ``full``
        shift = min(shift, math.floor(math.log2(_AMPLITUDE_MAX * full / float(lsb.max()))))
    while shift >= 0:
        first, second, dw_shift = _in_counter_units(lsb, shift, full)
        step = rounded_product(max(first, second), np.array(full if largest is None else largest), dw_shift)
        if step * int(largest_gate) <= counter_max:
            break
        shift -= 1
    else:
        raise ParameterError(
            f"{owner}: one weight update can bring {gathered:.3g} weight LSBs, more than a counter of "
            f"{rule.counter_bits} bits holds; use more counter_bits, fewer windows_per_update or smaller amplitudes"
        )
    return _Amplitudes(first, second, dw_shift, shift, _common(rule, projection))


def _common(rule: FloatRule, projection: FixedProjection) -> dict[str, Any]:
    """Arguments of the integer rule that equal those of the float rule, and its integer gate."""
    common: dict[str, Any] = {
        "counter_bits": rule.counter_bits,
        "windows_per_update": rule.windows_per_update,
        "rounding": rule.rounding,
        "pre_trace": rule.pre_trace,
    }
    if rule.gate is not None:
        post, pre = projection.shape
        common["gate"] = fixed_gate(rule.gate, pre, post)
    return common


def _gain(owner: str, projection: FixedProjection, notes: list[str]) -> float:
    """Weight units of the chip in one unit of the float weight, of which a note says how much neurons differ.

    Raises:
        UnsupportedError: it is unknown or not positive.
    """
    if projection.scale is None:
        raise UnsupportedError(
            f"{owner}: written in chip integers without a scale, so float amplitudes have no meaning here; "
            "give the rule in its integer form, or the projection a scale"
        )
    if np.min(projection.scale) <= 0:
        raise UnsupportedError(
            f"{owner}: a neuron has the gain {np.min(projection.scale):g}; learning in integers needs gains above 0, "
            "so that a larger integer is a larger weight"
        )
    scale = float(np.mean(projection.scale))
    spread = float(np.max(np.abs(projection.scale / scale - 1.0)))
    if spread > 0.01:
        notes.append(f"{owner}: its neurons differ in gain, so the integer step is off by up to {spread:.1%}")
    return scale


def _check_clip(owner: str, rule: FloatRule, amplitude: float) -> None:
    if amplitude > rule.clip:
        raise UnsupportedError(
            f"{owner}: clip = {rule.clip:g} is below an amplitude of {type(rule).__name__}; the integer rule has no "
            "such clip: lower the amplitudes"
        )


def _in_counter_units(lsb: NDArray[np.float64], shift: int, full: int) -> tuple[int, int, int]:
    """Both amplitudes and their ``dw_shift``, where one weight LSB is ``2**shift`` counter units."""
    units = lsb * 2.0**shift
    room = _AMPLITUDE_MAX * full / float(units.max()) if units.max() > 0 else 1.0
    dw_shift = min(_SHIFT_MAX, math.floor(math.log2(room)))
    first, second = (round(float(x) * 2.0**dw_shift / full) for x in units)
    return first, second, dw_shift


def _fixed_ssdp(rule: SSDP, found: _Amplitudes, chip: Chip) -> FixedSSDP:
    time_bits = max(1, chip.window_ticks_max.bit_length())
    ticks = np.arange(2**time_bits) << rule.time_shift
    plus, baseline = (tuple(np.rint(_LUT_MAX * k).astype(int).tolist()) for k in rule.learning_windows(ticks))
    return FixedSSDP(
        a_plus=found.first,
        a_baseline=found.second,
        lut=plus,
        lut_baseline=None if baseline == plus else baseline,
        dw_shift=found.dw_shift,
        lsb_shift=found.lsb_shift,
        time_bits=time_bits,
        time_shift=rule.time_shift,
        spike_time=rule.spike_time,
        silent_pairs=rule.silent_pairs,
        **found.common,
    )


def _fixed_declared(
    owner: str, rule: FloatDeclaredRule, projection: FixedProjection, written: dict[str, int], notes: list[str]
) -> FixedDeclaredRule:
    """The integer form of a declared rule, by the kinds of its parameters."""
    model = rule.model
    lsb = 1.0  # of no matter to a rule that leaves weights
    in_weights = [q for q in model.parameters if q.kind in (RuleKind.WEIGHT, RuleKind.AMPLITUDE)]
    if any(rule.values[float_name(q)] for q in in_weights):
        lsb = _gain(owner, projection, notes) / projection.format.step  # weight LSBs in one unit of the float weight
    largest_gate = 1.0 if rule.gate is None else GATE_MAX
    amplitudes = {
        q: cast("float", rule.values[float_name(q)]) for q in model.parameters if q.kind is RuleKind.AMPLITUDE
    }
    _check_clip(owner, rule, max((abs(a) for a in amplitudes.values()), default=0.0) * largest_gate)
    numbers = {q.name: register_of(owner, rule, q) for q in model.parameters if q.kind not in _FOUND} | written
    for q in in_weights:
        if q.kind is RuleKind.WEIGHT:
            numbers[q.name] = round(cast("float", rule.values[float_name(q)]) * lsb)
            if rule.values[float_name(q)] and not numbers[q.name]:
                notes.append(f"{owner}: {float_name(q)} is below half a weight LSB and has no effect")
    _check_registers(owner, rule, numbers)
    wanted = {q: a * lsb ** (1 - q.weights) / math.prod(numbers[u] for u in q.units) for q, a in amplitudes.items()}
    weight_max = max(-projection.format.mantissa_min, projection.format.mantissa_max)
    whole = [abs(a) * lsb * (weight_max / lsb) ** q.weights for q, a in amplitudes.items()]
    counter_max = (1 << (rule.counter_bits - 1)) - 1
    gathered = rule.windows_per_update * largest_gate * max(whole, default=0.0)
    has_shift = any(q.name == _DW_SHIFT for q in model.parameters)
    common = _common(rule, projection)
    failure: ParameterError | None = None
    for shift in range(math.floor(math.log2(counter_max / (rule.headroom + gathered))), -1, -1):
        rooms = [((1 << q.bits) - 1) / (abs(a) * 2.0**shift) for q, a in wanted.items() if a]
        if rooms and min(rooms) < 1:
            continue
        dw_shift = min(_SHIFT_MAX, math.floor(math.log2(min(rooms)))) if rooms and has_shift else 0
        found = {q.name: round(a * 2.0 ** (shift + dw_shift)) for q, a in wanted.items()}
        integers = {**numbers, **found, **({_DW_SHIFT: dw_shift} if has_shift else {})}
        try:
            fixed = FixedDeclaredRule(model=model, parameters=integers, lsb_shift=shift, **common)
            fixed.largest_step_in(extent_of(fixed, projection), owner)
        except ParameterError as error:  # a single change overflows the counter
            failure = error
            continue
        notes += [
            f"{owner}: {float_name(q)} is below half a unit of a counter of {rule.counter_bits} bits and has no "
            "effect; use more counter_bits"
            for q, a in amplitudes.items()
            if a and not found[q.name]
        ]
        return fixed
    raise ParameterError(
        f"{owner}: one weight update can bring {gathered:.3g} weight LSBs, more than a counter of {rule.counter_bits} "
        f"bits holds; use more counter_bits, fewer windows_per_update or smaller amplitudes"
        + (f" ({failure})" if failure else "")
    )


def _check_registers(owner: str, rule: FloatDeclaredRule, numbers: Mapping[str, Any]) -> None:
    """Raise where a parameter that is no amplitude does not fit its register, whatever the counter is.

    Raises:
        ParameterError: one does not; the message has its float value and its integer.
    """
    for q in rule.model.parameters:
        low, high = q.limits
        found = np.atleast_1d(numbers.get(q.name, low))
        if found.size and not low <= found.min() <= found.max() <= high:
            reached = int(found.max() if found.max() > high else found.min())
            given = np.atleast_1d(rule.values.get(float_name(q), reached))
            raise ParameterError(
                f"{owner}: {rule.model}: {float_name(q)} = {float(given[np.abs(given).argmax()]):g} is {reached} in "
                f"integers, outside the {low} .. {high} of its register '{q.name}'; give another value, or the rule "
                "a wider register"
            )
