"""What a declared rule must be like before anything runs it: names, registers, what it reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from reprlib import repr as short
from typing import Any

from ssdp_hw.errors import ParameterError
from ssdp_hw.registry import check_identifiers
from ssdp_hw.rules.declaration import declared_faults, unused_faults, whole
from ssdp_hw.rules.form import SUM_MOMENT, leaf_name, moment_graph, moments, seen_variables, sum_names
from ssdp_hw.rules.model import (
    FAN_IN,
    HOMES,
    INDEX,
    POST_COUNT,
    PRE_COUNT,
    QUANTITY_HOMES,
    SPIKE,
    STEP,
    STEPS,
    SUMS,
    WEIGHT,
    WEIGHT_SUM,
    AliveBit,
    Quantity,
    RuleKind,
    RuleModel,
)

# Homes that third factors have, and the widest register of one: targets keep them in tables of 32-bit integers.
_FACTOR_HOMES, _FACTOR_BITS = ("post", "group"), 31

# Homes whose states a rule can read, and the widest register that holds one.
_READ_HOMES, _READ_BITS = ("pre", "post"), 48

_TAKEN = {SPIKE, STEP, STEPS, WEIGHT, PRE_COUNT, POST_COUNT, INDEX, SUMS, WEIGHT_SUM, FAN_IN, "group"}


def check_model(model: object, owner: str) -> RuleModel:
    """A rule, whose names and functions are checked.

    Raises:
        ParameterError: it is none, or one of its names or functions is none.
    """
    if not isinstance(model, RuleModel):
        raise ParameterError(f"{owner}: {short(model)} is no learning rule: an instance of a subclass of RuleModel")
    for fault in declared_faults(model):
        raise ParameterError(f"{owner}: {fault}")
    _check_factors(model, owner)
    _check_reads(model, owner)
    of_homes = [(*getattr(model, home), *model.given_of(home)) for home in HOMES]
    for names in ([one.name for one in known] for known in (*of_homes, model.factors, model.parameters)):
        check_identifiers([model.name, *names], owner, "a rule, variable or parameter")
        for name in names:
            if name in _TAKEN:
                raise ParameterError(
                    f"{owner}: {model} calls something '{name}', which functions find by themselves; choose another "
                    f"name than {', '.join(sorted(_TAKEN))}"
                )
            if names.count(name) > 1:
                raise ParameterError(f"{owner}: {model} has two '{name}' at one place; their names must differ")
    _check_writes(model, owner)
    _check_alive(model, owner)
    sizes = {f"{q.name}_size" for q in model.parameters if q.kind is RuleKind.TABLE}
    if taken := sizes & {q.name for q in model.parameters}:
        raise ParameterError(f"{owner}: {sorted(taken)[0]} names the size of a table of {model}; give it another name")
    if model.has(SUM_MOMENT):
        if not model.group:
            raise ParameterError(
                f"{owner}: {SUM_MOMENT} of {model} is for group_step, and there are no group variables"
            )
        check_identifiers([model.name, *sum_names(model)], owner, "a sum")
    for moment in moments(model):
        moment_graph(model, moment)
    for fault in _unused(model):
        raise ParameterError(f"{owner}: {fault}")
    return model


@lru_cache(maxsize=512)
def _unused(model: RuleModel) -> tuple[str, ...]:
    """What is declared and has no effect; kept, since a rule is checked whenever it is used."""
    return tuple(unused_faults(model))


def _check_factors(model: RuleModel, owner: str) -> None:
    units = {q.name for q in model.parameters if q.kind is RuleKind.UNIT}
    for f in model.factors:
        if f.home not in _FACTOR_HOMES or not whole(f.bits, 1 + f.signed, _FACTOR_BITS):
            raise ParameterError(
                f"{owner}: factor '{f.name}' of {model} has the home '{f.home}' and {f.bits} bits; it needs "
                f"{' or '.join(_FACTOR_HOMES)}, and {1 + f.signed} to {_FACTOR_BITS} bits"
            )
        if f.unit and f.unit not in units:
            raise ParameterError(
                f"{owner}: factor '{f.name}' of {model} has the unit '{f.unit}', which is no parameter of that kind"
            )


def _check_reads(model: RuleModel, owner: str) -> None:
    for r in model.reads:
        if r.home not in _READ_HOMES or not whole(r.bits, 1 + r.signed, _READ_BITS):
            raise ParameterError(
                f"{owner}: {model} reads the state '{r.state}' of '{r.home}' in {r.bits} bits; it needs "
                f"{' or '.join(_READ_HOMES)}, and {1 + r.signed} to {_READ_BITS} bits"
            )


def _check_writes(model: RuleModel, owner: str) -> None:
    """Check that accumulators are where their quantity is, and that they name parameters of the right kind."""
    kinds = {q.name: q.kind for q in model.parameters}
    for home, written in model.writes.items():
        for v in written:
            quantity = Quantity(v.quantity)
            said = f"{owner}: {v.name} of {model}, which moves the {quantity.value},"
            if home != QUANTITY_HOMES[quantity]:
                raise ParameterError(f"{said} is a variable of {home}; it has to be one of {QUANTITY_HOMES[quantity]}")
            if sum(v.name == other.name for h in HOMES for other in getattr(model, h)) > 1:
                raise ParameterError(f"{said} shares its name with another variable; give it a name of its own")
            if not (v.lasts and v.signed):
                raise ParameterError(f"{said} has to be signed and to outlast windows")
            if v.shows and not any(v.shows == other.name and other.lasts for other in seen_variables(model, home)):
                raise ParameterError(f"{said} shows '{v.shows}', which is no variable of {home} that lasts")
            bound = RuleKind.THRESHOLD if quantity is Quantity.THRESHOLD else RuleKind.NUMBER
            named = [(v.shift, RuleKind.SHIFT), *((name, bound) for name in (v.least, v.most) if name)]
            if quantity is Quantity.THRESHOLD and not v.least:
                named.append((v.least, bound))
            for name, kind in named:
                if kinds.get(name) is not kind:
                    raise ParameterError(f"{said} needs a parameter of the kind '{kind.value}'; '{name}' is none")


def _check_alive(model: RuleModel, owner: str) -> None:
    """Check that there is at most one alive bit, where synapses have it, as it must be."""
    found = [(home, v) for home in HOMES for v in getattr(model, home) if isinstance(v, AliveBit)]
    if len(found) > 1 or any(home != "synapse" for home, _ in found):
        said = ", ".join(f"{v.name} of {home}" for home, v in found)
        raise ParameterError(
            f"{owner}: {model} has the alive bits {said}; it may have one, among its synapse variables"
        )
    if any((v.bits, v.signed, v.start, v.lasts) != (1, False, 1, True) for _, v in found):
        raise ParameterError(f"{owner}: {found[0][1].name} of {model} is an alive bit; give it nothing but its name")
    if found and any(v.quantity is Quantity.DELAY for written in model.writes.values() for v in written):
        raise ParameterError(f"{owner}: {model} moves delays and lets synapses die; a rule may do one of both")


def check_registers(model: RuleModel, lasting: Mapping[str, Any], owner: str) -> None:
    """Raise unless variables that outlast a window, by :func:`leaf_name`, fit their registers.

    Raises:
        ParameterError: one does not.
    """
    for home, kept in model.lasting.items():
        for v in kept:
            values, (low, high) = lasting[leaf_name(home, v.name)], v.limits
            if values.size and not low <= values.min() <= values.max() <= high:
                found = f"{values.min()} .. {values.max()}"
                raise ParameterError(f"{owner}: '{v.name}' has {found}, outside {low} .. {high} of its {v.bits} bits")
