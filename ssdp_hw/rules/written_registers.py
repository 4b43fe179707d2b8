"""The registers of what a declared rule reads and moves: counts, decays, thresholds, delays, levels of a voltage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ssdp_hw.chips import Chip
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedPopulation
from ssdp_hw.rules.declared import FloatDeclaredRule, float_name
from ssdp_hw.rules.model import Quantity, RuleKind, RuleParameter, WrittenVariable

# Bits of an accumulator that are left for what gathers between two weight updates, and for its sign.
_ROOM_BITS = 12


def register_of(owner: str, rule: FloatDeclaredRule, q: RuleParameter) -> Any:
    """The register of a parameter that is no amplitude."""
    if q.name in rule.registers:
        return rule.registers[q.name]
    if q.kind in (RuleKind.UNIT, RuleKind.LIMIT):
        if q.default is None:
            raise ParameterError(
                f"{owner}: {rule.model} has no default for {q.name}; give registers={{'{q.name}': ...}}"
            )
        return int(q.default)
    value = rule.parameters[q.name]
    units = {u.name: u for u in rule.model.parameters if u.name in q.units}
    unit = math.prod(register_of(owner, rule, units[name]) for name in q.units)  # of a table or gain; 1 without one
    rounded = np.rint(np.asarray(value, np.float64) * unit)
    if q.kind not in (RuleKind.DECAY, RuleKind.GAIN) and not q.units and np.any(rounded != np.asarray(value)):
        raise ParameterError(f"{owner}: {float_name(q)} = {value} of {rule.model} must be whole in integers")
    return tuple(int(x) for x in rounded) if isinstance(value, tuple) else int(rounded)


@dataclass(frozen=True)
class WrittenRegisters:
    """How float thresholds become registers: those of the neurons, and those in units of an accumulator."""

    owner: str
    rule: FloatDeclaredRule
    chip: Chip
    post: FixedPopulation | None
    notes: list[str]

    def registers(self) -> dict[str, int]:
        """The registers of thresholds and of changes of thresholds and delays, and the shifts of accumulators."""
        found: dict[str, int] = {}
        for quantity, kind in (
            (Quantity.THRESHOLD, RuleKind.THRESHOLD_CHANGE),
            (Quantity.DELAY, RuleKind.DELAY_CHANGE),
        ):
            written = [v for home in self.rule.model.writes.values() for v in home if v.quantity is quantity]
            if written:
                unit = self._threshold_unit() if quantity is Quantity.THRESHOLD else 1.0
                shift = self._changes(kind, unit, min(written, key=lambda v: v.bits), found)
                found |= {v.shift: shift for v in written}
        for q in self.rule.model.parameters:
            if q.kind is RuleKind.THRESHOLD:
                found[q.name] = round(self._value(q) * self._threshold_unit())
            elif q.kind is RuleKind.LEVEL:
                found[q.name] = round(self._value(q) * self._threshold_unit() * (1 << self.chip.activation_shift))
        return found

    def _value(self, q: RuleParameter) -> float:
        return cast("float", self.rule.values[float_name(q)])

    def _changes(self, kind: RuleKind, unit: float, narrowest: WrittenVariable, found: dict[str, int]) -> int:
        """Add the registers of all changes of a kind; returns their shift.

        Raises:
            ParameterError: the narrowest accumulator leaves no room, or a register does not hold one change.
        """
        model = self.rule.model
        units = {q.name: register_of(self.owner, self.rule, q) for q in model.parameters if q.kind is RuleKind.UNIT}
        wanted = {
            q: self._value(q) * unit / math.prod(units[u] for u in q.units) for q in model.parameters if q.kind is kind
        }
        moves, bits = narrowest.quantity.value, narrowest.bits
        if bits < _ROOM_BITS:
            raise ParameterError(
                f"{self.owner}: {model}: '{narrowest.name}', in which changes of a {moves} gather, has {bits} "
                f"bits, and its integer form takes {_ROOM_BITS} or more; give it more bits, or the rule in integers"
            )
        largest = [math.log2(q.limits[1] / abs(x)) for q, x in wanted.items() if x]
        shift = math.floor(min([bits - _ROOM_BITS, *largest]))
        if shift < 0:
            q = max(wanted, key=lambda q: abs(wanted[q]) / q.limits[1])
            raise ParameterError(
                f"{self.owner}: {model}: {float_name(q)} = {self._value(q):g} is {abs(wanted[q]):.4g} units of a "
                f"{moves}, above the {q.limits[1]} of its register '{q.name}'; give a smaller value, or the rule a "
                "wider register"
            )
        for q, x in wanted.items():
            found[q.name] = round(x * 2.0**shift)
            if x and not found[q.name]:
                self.notes.append(
                    f"{self.owner}: {float_name(q)} is below half a unit of an accumulator and has no effect"
                )
        return shift

    def _threshold_unit(self) -> float:
        """Thresholds of the chip in one unit of the float threshold."""
        if self.post is None or self.post.scale is None:
            raise UnsupportedError(
                f"{self.owner}: its neurons are written in chip integers without a scale, so float thresholds have no "
                "meaning here; give the rule in its integer form, or the population a scale"
            )
        scale = np.asarray(self.post.scale, np.float64)
        mean = float(np.mean(scale))
        spread = float(np.max(np.abs(scale / mean - 1.0)))
        if spread > 0.01:
            note = f"{self.owner}: its neurons differ in scale, so changes of a threshold are off by up to {spread:.1%}"
            if note not in self.notes:
                self.notes.append(note)
        return mean / (1 << self.chip.activation_shift)
