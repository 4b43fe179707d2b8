"""Declared rules as rules that :func:`ssdp_hw.learn` takes, in float and in integers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Int, Numbers
from ssdp_hw.checks import as_array, as_int, real_vector
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.counter import CounterRule
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.gate import GATE_MAX
from ssdp_hw.rules.intervals import LEAST_EXTENT, Extent, largest_change, largest_changes
from ssdp_hw.rules.local import Float, FloatRule, Observed, RasterRule
from ssdp_hw.rules.model import (
    DECAY_BITS,
    HOMES,
    STEPS_MAX,
    Declaration,
    Parameters,
    RuleFactor,
    RuleKind,
    RuleModel,
    RuleParameter,
    StateRead,
    WrittenVariable,
)
from ssdp_hw.rules.registry import rule_model


class DeclaredRule(RasterRule):
    """What the float and the integer form of a declared rule have in common."""

    model: RuleModel
    parameters: Parameters

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the call that makes it, since read-only mappings cannot be pickled."""
        given: Any = {f.name: getattr(self, f.name) for f in fields(cast(Any, self)) if f.init}
        return partial(
            type(self), **{n: dict(v) if isinstance(v, MappingProxyType) else v for n, v in given.items()}
        ), ()

    @property
    def reads_weight(self) -> bool:
        return self.model.reads_weight or self.model.reads_weight_sums

    @property
    def factors(self) -> tuple[RuleFactor, ...]:
        return self.model.factors

    @property
    def reads(self) -> tuple[StateRead, ...]:
        return self.model.reads

    def declaration(self, steps: int) -> Declaration:
        """The rule as targets run it, for windows of that many steps."""
        return Declaration(self.model, self.parameters)

    @property
    def writes(self) -> tuple[WrittenVariable, ...]:
        return tuple(v for written in self.model.writes.values() for v in written)

    @property
    def prunes(self) -> bool:
        return self.model.alive is not None

    def check_window(self, steps: int) -> None:
        super().check_window(steps)
        if steps > STEPS_MAX:
            raise ParameterError(
                f"a window of {steps} steps exceeds the {STEPS_MAX} of a declared rule; use several windows a sample"
            )

    def _window(self, observed: Observed, window: int, rows: Int, cols: Int) -> Window:
        pre, post = observed.pre.spikes[:, window], observed.post.spikes[:, window]
        if self.reads_weight and observed.weight is None:
            raise ParameterError(f"{self.model} reads weights, and was given none")
        factors = {name: values[window] for name, values in observed.factors.items()}
        return Window(pre, post, rows, cols, observed.weight, observed.key, window, observed.lasting, factors)

    def first_lasting(self, sizes: Mapping[str, int]) -> dict[str, Numbers]:
        """The start values of the variables that outlast a window; see :meth:`.LocalRule.first_lasting`."""
        kind = np.float64 if isinstance(self, FloatRule) else np.int64
        return {
            leaf_name(home, v.name): np.full(sizes[home], v.start_value(self.parameters), kind)
            for home, kept in self.model.lasting.items()
            for v in kept
        }


def _check_ranges(model: RuleModel, parameters: Parameters) -> None:
    """Raise where a quantity that the rule moves would have to stay in no range at all."""
    for v in (v for written in model.writes.values() for v in written if v.least and v.most):
        least, most = cast("float", parameters[v.least]), cast("float", parameters[v.most])
        if least > most:
            raise ParameterError(
                f"{model}: '{v.name}' keeps the {v.quantity.value} from {v.least} = {least:g} to {v.most} = {most:g}, "
                f"where there is nothing; give a {v.most} from {least:g} on"
            )


def _check_starts(model: RuleModel, parameters: Parameters) -> None:
    """Raise where a variable starts with a parameter that is beyond its register."""
    for home in HOMES:
        for v in getattr(model, home):
            start, (low, high) = v.start_value(parameters), v.limits
            if not low <= start <= high:
                raise ParameterError(
                    f"{model}: '{v.name}' of {home} starts with {v.start} = {start}, outside {low} .. {high} of its "
                    f"{v.bits} bits; give a {v.start} within them, or the variable more bits"
                )


def _check_names(model: RuleModel, given: Mapping[str, Any], known: list[str]) -> None:
    for name in given:
        if name not in known:
            raise ParameterError(f"{model}: it has no parameter '{name}'; there are: {', '.join(known)}")


@shown
@dataclass(frozen=True, kw_only=True, eq=False)
class FixedDeclaredRule(DeclaredRule, CounterRule):
    """A declared rule of one projection in integers.

    Attributes:
        model: the rule.
        parameters: integers by name of the register; tables as sequences. Missing ones have their defaults.
        lsb_shift, counter_bits, windows_per_update, rounding, gate, gate_bits: see :class:`ssdp_hw.rules.CounterRule`.

    Raises:
        ParameterError: a value out of range, or a single weight change that overflows the counter.
    """

    model: RuleModel
    parameters: Parameters = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        model = rule_model(self.model)
        _check_names(model, self.parameters, [q.name for q in model.parameters])
        object.__setattr__(self, "model", model)
        found = {q.name: _register(model, q, self.parameters) for q in model.parameters}
        object.__setattr__(self, "parameters", MappingProxyType(found))
        _check_ranges(model, found)
        for v in self.writes:
            if 1 << found[v.shift] > v.limits[1]:
                raise ParameterError(
                    f"{model}: one {v.quantity.value} is {1 << found[v.shift]} units of '{v.name}', above the "
                    f"{v.limits[1]} of its {v.bits} bits, so that none would ever move; give it more bits or a smaller "
                    f"{v.shift}"
                )
        _check_starts(model, found)
        object.__setattr__(self, "_largest", largest_change(model, found))
        self.check_counter(0)
        if not self._holds(self.largest_step):  # perhaps on projections that are smaller than the largest of all
            self._check_extent(LEAST_EXTENT, f"{type(self).__name__} of {model.name}, on any projection")

    @property
    def largest_step(self) -> int:
        """The largest weight change that one event can bring, on a projection of any size."""
        largest: int = self.__dict__["_largest"]
        return largest

    def largest_step_in(self, extent: Extent, owner: str) -> int:
        if self._holds(self.largest_step * int(GATE_MAX)):  # with any gate from outside too
            return self.largest_step
        return self._check_extent(extent, f"{owner}: {self.model}")

    def _check_extent(self, extent: Extent, owner: str) -> int:
        """The largest weight change of a projection.

        Raises:
            ParameterError: the counter does not hold it.
        """
        changes = largest_changes(self.model, self.parameters, extent)
        moment = max(changes, key=lambda name: changes[name], default="")
        shift = " or a larger dw_shift" if "dw_shift" in self.parameters else ""
        remedy = f"smaller amplitudes{shift}, or limit by op.clip what {moment} returns"
        self.check_change(changes.get(moment, 0), f"{owner}: {moment}", remedy)
        return changes.get(moment, 0)

    def _holds(self, largest: int) -> bool:
        return self._by_own_gate(largest) <= self.counter_max

    @property
    def leaves_weights(self) -> bool:
        return self.largest_step == 0

    def step(self, observed: Observed, window: int, rows: Int, cols: Int) -> Int:
        return window_changes(self.model, self.parameters, self._window(observed, window, rows, cols))

    def unrounded(self, observed: Observed, window: int, rows: Int, cols: Int) -> Float:
        found = window_changes(self.model, self.parameters, self._window(observed, window, rows, cols), unrounded=True)
        return np.asarray(found * 2.0**-self.lsb_shift)


# The kinds whose register is another number than the float value, so that its default is none.
_SCALED = (
    RuleKind.WEIGHT,
    RuleKind.AMPLITUDE,
    RuleKind.DECAY,
    RuleKind.GAIN,
    RuleKind.THRESHOLD,
    RuleKind.LEVEL,
    RuleKind.THRESHOLD_CHANGE,
    RuleKind.DELAY_CHANGE,
)


def _register(model: RuleModel, q: RuleParameter, given: Parameters) -> Any:
    owner = f"{model}: {q.name}"
    if q.name not in given:
        if q.kind is RuleKind.SHIFT:
            return 0
        if q.default is None or q.kind in _SCALED:
            raise ParameterError(f"{owner} is missing; give its integer")
        return int(q.default)
    low, high = q.limits
    if q.kind is RuleKind.TABLE:
        entries = tuple(as_int(x, f"{owner} entry") for x in np.atleast_1d(as_array(given[q.name], owner)).tolist())
        if not 1 <= len(entries) <= 2**16 or not all(low <= x <= high for x in entries):
            raise ParameterError(f"{owner} needs 1 to {2**16} entries within {low} .. {high}, found {len(entries)}")
        return entries
    value = as_int(given[q.name], owner)
    if not low <= value <= high:
        raise ParameterError(f"{owner} = {value} is outside {low} .. {high}")
    return value


@shown
@dataclass(frozen=True, kw_only=True, eq=False)
class FloatDeclaredRule(DeclaredRule, FloatRule):
    """A declared rule in float; see :func:`rule` to make one.

    Attributes:
        model: the rule.
        values: parameters by their float names: amplitudes in units of the float weight, time constants in steps.
        registers: integer form only: registers of the kinds ``unit`` and ``limit`` that are not the defaults.
        headroom: integer form only: weight LSBs that the counter holds beside what one moment brings; the more, the
            fewer of its bits are below one LSB.
        clip, windows_per_update, gate, rounding, counter_bits: see :class:`ssdp_hw.rules.FloatRule`.
    """

    model: RuleModel
    values: Parameters = field(default_factory=lambda: MappingProxyType({}))
    registers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    headroom: float = 1.0

    def __post_init__(self) -> None:
        self.check_common()
        object.__setattr__(self, "headroom", float(real_vector(self.headroom, 1, f"{self.model}: headroom")[0]))
        if not 1.0 <= self.headroom <= _HEADROOM_MAX:
            raise ParameterError(f"{self.model}: headroom = {self.headroom:g} is outside 1 .. {_HEADROOM_MAX} LSB")
        model = rule_model(self.model)
        _check_names(model, self.values, [float_name(q) for q in model.parameters if q.kind in GIVEN])
        _check_names(model, self.registers, [q.name for q in model.parameters if q.kind not in GIVEN])
        object.__setattr__(self, "model", model)
        registers = {q.name: _register(model, q, self.registers) for q in model.parameters if q.name in self.registers}
        object.__setattr__(self, "registers", MappingProxyType(registers))
        found = {float_name(q): _real(model, q, self.values) for q in model.parameters if q.kind in GIVEN}
        object.__setattr__(self, "values", MappingProxyType(found))
        acting = {q.name: _acting(q, found) for q in model.parameters}
        _check_ranges(model, acting)
        object.__setattr__(self, "_acting", MappingProxyType(acting))

    @property
    def parameters(self) -> Parameters:  # type: ignore[override]
        """What acts in the functions, by name of the register."""
        acting: Parameters = self.__dict__["_acting"]
        return acting

    def step(self, observed: Observed, window: int, rows: Int, cols: Int) -> Float:
        return window_changes(self.model, self.parameters, self._window(observed, window, rows, cols), ideal=True)


# More than all weights of 16 bits can move.
_HEADROOM_MAX = 2**17

# The kinds whose float value the user gives.
GIVEN = tuple(k for k in RuleKind if k not in (RuleKind.UNIT, RuleKind.LIMIT, RuleKind.SHIFT))


def float_name(q: RuleParameter) -> str:
    """Name of a parameter in the float rule."""
    return q.float_name or q.name


def _real(model: RuleModel, q: RuleParameter, given: Parameters) -> Any:
    name = float_name(q)
    if name not in given and q.default is None:
        raise ParameterError(f"{model}: {name} is missing")
    value = given.get(name, q.default)
    if q.kind is RuleKind.TABLE:
        entries: NDArray[np.float64] = np.asarray(as_array(value, f"{model}: {name}"), np.float64)
        return tuple(real_vector(entries, entries.size, f"{model}: {name}").tolist())
    number = float(real_vector(value, 1, f"{model}: {name}")[0])
    if q.kind is RuleKind.DECAY and number <= 0:
        raise ParameterError(f"{model}: {name} = {number:g} must be above 0: a time constant in steps")
    if number < 0 and not q.signed:
        raise ParameterError(f"{model}: {name} = {number:g} must not be negative")
    return number


def _acting(q: RuleParameter, values: Parameters) -> Any:
    """What acts in real numbers."""
    if q.kind is RuleKind.UNIT:
        return 1.0
    if q.kind is RuleKind.LIMIT:
        return math.inf
    if q.kind is RuleKind.SHIFT:
        return 0
    value = values[float_name(q)]
    if q.kind is RuleKind.DECAY:
        assert isinstance(value, int | float)
        return (1.0 - math.exp(-1.0 / value)) * (1 << DECAY_BITS)
    return value


def rule(
    model: str | RuleModel,
    *,
    clip: float = 1.0,
    windows_per_update: int = 1,
    counter_bits: int = 16,
    rounding: str = "carry",
    pre_trace: str = "fires",
    registers: Mapping[str, int] = MappingProxyType({}),
    headroom: float = 1.0,
    **values: Any,
) -> FloatDeclaredRule:
    """A declared rule in float, from which :func:`ssdp_hw.learn` derives the integers of a fixed network.

    Args:
        model: the rule, or its name.
        clip, windows_per_update, counter_bits, rounding, pre_trace: see :class:`ssdp_hw.rules.FloatRule`.
        registers: integer form only: registers of the kinds ``unit`` and ``limit`` that are not the defaults.
        headroom: integer form only: see :class:`FloatDeclaredRule`; :func:`ssdp_hw.learning_scale` says how much a
            lesson needs.
        values: parameters by their float names.

    Raises:
        ParameterError: an unknown or missing parameter, or a value out of range.
    """
    return FloatDeclaredRule(
        model=rule_model(model),
        values=values,
        registers=registers,
        headroom=headroom,
        clip=clip,
        windows_per_update=windows_per_update,
        counter_bits=counter_bits,
        rounding=rounding,  # type: ignore[arg-type]  # made a WeightRounding by check_common
        pre_trace=pre_trace,  # type: ignore[arg-type]  # likewise a PreTrace
    )
