"""What is wrong with what a neuron model declares, before its step is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import ARRIVING, BIAS, Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.registry import check_identifiers

# The widest register, as of a chip's states; what a step makes of it must still fit 64 bits.
BITS_MAX = 48
# What :func:`ssdp_hw.neuron` takes beside the parameters of a model.
_RESERVED = ("model", "size", "fires", "v_init")
# What recordings have beside states: a variable, and the axes of their tables (ssdp_hw/running/frames.py).
RECORDED = ("spikes", "time", "sample", "neuron")
_OFFSETS = ("", "current", "voltage")


def check_declaration(model: NeuronModel, owner: str) -> None:
    """Raise where states, parameters, ports or names of a model are none.

    Raises:
        ParameterError: the first mistake, with its name.
    """
    for problem in _kinds(model):
        raise ParameterError(f"{owner}: {problem}")
    names = [model.name, *(s.name for s in model.states), *model.acting_names, *model.ports]
    check_identifiers(names, owner, "a model, state, parameter or port")
    for problem in (*_names(names, model), *_states(model), *_parameters(model)):
        raise ParameterError(f"{owner}: {problem}")


def _kinds(model: NeuronModel) -> Iterator[str]:
    """Attributes of another kind than they must have."""
    wanted: dict[str, type] = {"states": State, "parameters": Parameter, "ports": str}
    for attribute, kind in wanted.items():
        given: Any = getattr(model, attribute, None)
        if not isinstance(given, tuple) or not all(isinstance(x, kind) for x in given):
            yield f"{attribute} of neuron model {_name(model)} must be a tuple of {kind.__name__}, not {given!r}"
    own = ", ".join(getattr(model, "__dict__", {}))
    if own:
        yield (
            f"{_name(model)} has attributes of its instance, {own}, which nothing would tell from another instance: "
            "declare a Parameter, or make a subclass with a name and class attributes of its own"
        )
    if not isinstance(getattr(model, "name", None), str):
        yield f"{type(model).__name__} has no name: give its class one, name = '{type(model).__name__}'"


def _name(model: NeuronModel) -> str:
    return str(getattr(model, "name", type(model).__name__))


def _names(names: list[str], model: NeuronModel) -> Iterator[str]:
    """Names that collide, and names of states that are none."""
    taken = {BIAS, ARRIVING}
    if len(set(names)) < len(names) or taken & set(names):
        twice = ", ".join(dict.fromkeys(n for n in names if names.count(n) > 1 or n in taken))
        yield f"names of {model} must differ, also from '{BIAS}' and '{ARRIVING}': {names}; choose another for {twice}"
    floats = [q.float_name for q in model.parameters]
    for name in floats:
        if floats.count(name) > 1:
            yield f"two parameters of {model} have the float name '{name}'"
        if name in _RESERVED:
            yield f"the float name '{name}' of {model} is what sh.neuron itself calls something: choose another"
        if not isinstance(name, str) or not name.isidentifier():
            yield f"the float name {name!r} of {model} is no Python identifier, by which sh.neuron could take it"
    states = [s.name for s in model.states]
    for name in states:
        if name in RECORDED:
            yield f"the state '{name}' of {model} is what recordings call something else: choose another name"
    if model.payload and model.payload not in states:
        yield f"spikes of {model} carry '{model.payload}', which is none of its states: {', '.join(states)}"
    if model.voltage not in ("", "v", *states):
        yield f"the voltage of {model} is '{model.voltage}', which is none of its states: {', '.join(states)}"
    if "v" in states and model.voltage not in ("", "v"):
        yield (
            f"the voltage of {model} is '{model.voltage}', but it has a state v, which is what is recorded as v: give "
            "that state another name, or leave voltage out"
        )


def _states(model: NeuronModel) -> Iterator[str]:
    if not model.states:
        yield f"{model} has no state"
    for s in model.states:
        if s.bits is not None and not _whole(s.bits, 2, BITS_MAX):
            yield f"state '{s.name}' of {model}: bits = {s.bits!r}; its register has 2 to {BITS_MAX}, sign included"
        unit: Any = s.unit
        if not isinstance(unit, Unit):
            yield f"state '{s.name}' of {model}: unit = {s.unit!r}; there are: {_members(Unit)}"


def _parameters(model: NeuronModel) -> Iterator[str]:
    for q in model.parameters:
        owner = f"parameter '{q.name}' of {model}"
        kind: Any = q.kind
        if not isinstance(kind, Kind):
            yield f"{owner}: kind = {q.kind!r}; there are: {_members(Kind)}"
        if q.bits is not None and not _whole(q.bits, 1, BITS_MAX):
            yield f"{owner}: bits = {q.bits!r}; a register has 1 to {BITS_MAX}, without a sign"
        if q.places is not None and not _whole(q.places, 0, BITS_MAX):
            yield f"{owner}: places = {q.places!r}; a gain has 0 to {BITS_MAX} binary places"
        if q.offset not in _OFFSETS:
            yield f"{owner}: offset = {q.offset!r}; the chip's are 'current' and 'voltage', or '' for none"
        if q.powers_of_two and q.kind is not Kind.DECAY:
            yield f"{owner}: powers_of_two is for decays, and this is a {q.kind.value}"


def _members(enum: type[Kind] | type[Unit]) -> str:
    return ", ".join(f"{enum.__name__}.{member.name}" for member in enum)


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
