"""What is wrong with what a learning rule declares: parts of another kind, registers, names, and what nothing uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cached_property
from inspect import getattr_static
from reprlib import repr as short
from typing import Any

from ssdp_hw.operations.node import Node
from ssdp_hw.rules.form import (
    NEURON_MOMENTS,
    SUM_MOMENT,
    SYNAPSE_MOMENTS,
    leaf_name,
    moment_graph,
    moments,
)
from ssdp_hw.rules.model import (
    HOMES,
    WEIGHT,
    RuleFactor,
    RuleKind,
    RuleModel,
    RuleParameter,
    RuleVariable,
    StateRead,
    WrittenVariable,
)

# The widest register of a variable or a parameter; what a function makes of it must still fit 64 bits.
BITS_MAX = 63
_ALL_MOMENTS = (*SYNAPSE_MOMENTS, *NEURON_MOMENTS, SUM_MOMENT)


def declared_faults(model: RuleModel) -> Iterator[str]:
    """What is wrong with the declarations, before the functions are looked at."""
    yield from _choices(model)
    yield from _kinds(model)
    for home in HOMES:
        for v in getattr(model, home):
            yield from _variable(model, home, v)
    units = {q.name for q in model.parameters if q.kind is RuleKind.UNIT}
    for q in model.parameters:
        yield from _parameter(model, q, units)
    yield from _functions(model)


def unused_faults(model: RuleModel) -> Iterator[str]:
    """What is declared and has no effect, by what the functions do."""
    graphs = {m: moment_graph(model, m) for m in moments(model)}
    read = {str(n.detail) for g in graphs.values() for n in g.nodes if n.operation == "leaf"}
    read |= {str(n.detail) for g in graphs.values() for n in g.nodes if n.operation == "entry"}
    of_synapses = [g.results for m, g in graphs.items() if m in SYNAPSE_MOMENTS]
    yield from _without_effect(model, of_synapses)
    yield from _never_returned(model, of_synapses)
    for moment in graphs:
        yield from _overwritten(model, moment, graphs[moment].results)
    for name in graphs[SUM_MOMENT].results if SUM_MOMENT in vars(type(model)) else ():
        if leaf_name("sum", name) not in read:
            yield f"{SUM_MOMENT} of {model} returns '{name}', and group_step never reads n.sums.{name}; leave it out"
    if not _has_choices(model):
        yield from _unread(model, read)


def _unread(model: RuleModel, read: set[str]) -> Iterator[str]:
    """What functions are to find, and none reads; a subclass may leave out what it inherits."""
    own = vars(type(model))
    for f in model.factors if "factors" in own else ():
        if leaf_name(f.home, f.name) not in read:
            yield f"no function of {model} reads its factor '{f.name}'; use it, or leave it out"
    used = _named_parameters(model)
    for q in model.parameters if "parameters" in own else ():
        # Amplitudes are derived for the shift: without it every change would be too large by its power of two.
        if q.kind is RuleKind.SHIFT and leaf_name("of", q.name) not in read and q.name not in used:
            yield f"nothing of {model} uses its parameter '{q.name}'; use it, or leave it out"


def _choices(model: RuleModel) -> Iterator[str]:
    """Attributes of the instance that may change, or that cannot be told from others: what was made of it is kept."""
    if not _has_choices(model):
        own = [n for n in vars(model) if not isinstance(getattr_static(type(model), n, None), cached_property)]
        if own:
            yield (
                f"{_name(model)} has attributes of its instance, {', '.join(own)}, which could change after graphs and "
                "compiled loops were made of it: make its class a frozen dataclass, whose fields these are"
            )
        return
    of_class: Any = type(model)
    if not of_class.__dataclass_params__.frozen:
        yield f"{_name(model)} is a dataclass whose fields could change: give it @dataclass(frozen=True, repr=False)"
    for field in fields(of_class):
        value = getattr(model, field.name)
        try:
            hash(value)
        except TypeError:
            yield (
                f"{_name(model)}: its field {field.name} = {short(value)} is a {type(value).__name__}, which could "
                "change after graphs and compiled loops were made of it; give a tuple"
            )


def _kinds(model: RuleModel) -> Iterator[str]:
    """Attributes of another kind than they must have."""
    wanted: dict[str, type] = dict.fromkeys(HOMES, RuleVariable)
    wanted |= {"factors": RuleFactor, "reads": StateRead, "parameters": RuleParameter}
    for attribute, kind in wanted.items():
        given: Any = getattr(model, attribute)
        if not isinstance(given, tuple | list) or not all(isinstance(x, kind) for x in given):
            yield f"{attribute} of {_name(model)} must be a tuple of {kind.__name__}, not {short(given)}"
    if not isinstance(getattr(model, "name", None), str):
        yield f"{type(model).__name__} has no name: give its class one, name = '{type(model).__name__}'"


def _name(model: RuleModel) -> str:
    return f"learning rule {getattr(model, 'name', type(model).__name__)}"


def _variable(model: RuleModel, home: str, v: RuleVariable) -> Iterator[str]:
    owner = f"variable '{v.name}' of {home} of {model}"
    if not whole(v.bits, 1 + v.signed, BITS_MAX):
        yield f"{owner}: bits = {v.bits!r}; its register has {1 + v.signed} to {BITS_MAX}"
        return
    low, high = v.limits
    if isinstance(v.start, str):
        named = next((q for q in model.parameters if q.name == v.start), None)
        if named is None or named.kind is RuleKind.TABLE:
            numbers = ", ".join(q.name for q in model.parameters if q.kind is not RuleKind.TABLE) or "none"
            yield f"{owner} starts with '{v.start}', which is no parameter that is a number; there are: {numbers}"
    elif not whole(v.start, low, high):
        yield f"{owner}: start = {v.start!r}; it is a whole number within {low} .. {high} of its {v.bits} bits"


def _parameter(model: RuleModel, q: RuleParameter, units: set[str]) -> Iterator[str]:
    owner = f"parameter '{q.name}' of {model}"
    kind: Any = q.kind
    if not isinstance(kind, RuleKind):
        yield f"{owner}: kind = {q.kind!r}; there are: {', '.join(f'RuleKind.{k.name}' for k in RuleKind)}"
        return
    if not whole(q.bits, 1, BITS_MAX):
        yield f"{owner}: bits = {q.bits!r}; its register has 1 to {BITS_MAX}, without a sign"
        return
    if q.default is not None and q.kind in _AS_THEY_ARE:
        low, high = q.limits
        if not float(q.default).is_integer() or not low <= q.default <= high:
            yield f"{owner}: default = {q.default!r}; it is a whole number within {low} .. {high} of its {q.bits} bits"
    if q.default is not None and q.kind is RuleKind.SHIFT:
        yield f"{owner}: default = {q.default!r}; a shift has none, it is given or found with the amplitudes"
    for unit in q.units:
        if unit not in units:
            known = ", ".join(sorted(units)) or "none"
            yield f"{owner} has the unit '{unit}', which is no parameter of the kind 'unit'; there are: {known}"
    if not whole(q.weights, 0, 8) or (q.weights and q.kind is not RuleKind.AMPLITUDE):
        yield f"{owner}: weights = {q.weights!r}; of an amplitude it is how many of its factors are the weight, 0 to 8"
    elif q.weights and not (model.reads_weight or model.reads_weight_sums):
        yield f"{owner}: weights = {q.weights}, and {model} reads no weight: give it reads_weight = True, or no weights"


# The kinds whose default is that of the register.
_AS_THEY_ARE = (RuleKind.UNIT, RuleKind.LIMIT, RuleKind.NUMBER)


def _functions(model: RuleModel) -> Iterator[str]:
    """Functions that nothing calls, or that are missing."""
    for name in dir(type(model)):
        if name.startswith("_") or hasattr(RuleModel, name) or not callable(getattr(type(model), name)):
            continue
        close = get_close_matches(name, _ALL_MOMENTS, 1, 0.85)
        if close:
            yield f"{model} has a function {name}, which nothing calls; did you mean {close[0]}?"
    for moment, home in NEURON_MOMENTS.items():
        if moment in vars(type(model)) and not getattr(model, home) and not _has_choices(model):
            yield f"{moment} of {model} is never called: the rule has no variables of {home}, which it would return"
        if getattr(model, home) and not model.has(moment):
            names = ", ".join(v.name for v in getattr(model, home))
            yield f"{model} has variables of {home}, {names}, and no {moment}, which returns them after each step"


def _without_effect(model: RuleModel, of_synapses: list[Mapping[str, Node]]) -> Iterator[str]:
    """Whether the rule moves nothing at all, and leaves nothing to be read in variables that last."""
    changes = [r[WEIGHT] for r in of_synapses if WEIGHT in r]
    if model.writes or model.lasting or any(not (n.low == 0 == n.high) for n in changes):
        return
    has = ", ".join(m for m in SYNAPSE_MOMENTS if model.has(m))
    why = f"no weight change but 0 comes from {has}" if has else "it has no function of synapses"
    yield (
        f"{model} changes nothing: {why}, it moves no thresholds or delays, and none of its variables lasts; return "
        f"a change from one of {', '.join(SYNAPSE_MOMENTS)}"
    )


def _never_returned(model: RuleModel, of_synapses: list[Mapping[str, Node]]) -> Iterator[str]:
    """Variables of synapses that no function changes."""
    shown = {v.shows for written in model.writes.values() for v in written}
    own = "synapse" in vars(type(model)) and not _has_choices(model)
    for v in model.synapse if own else ():  # not what a subclass inherits
        if any(v.name in r for r in of_synapses) or v.name in shown:
            continue
        if isinstance(v, WrittenVariable):
            yield f"no function of a synapse returns a change of '{v.name}' of {model}, so that nothing moves by it"
        elif v is model.alive:
            yield f"no function of a synapse returns '{v.name}' of {model}, so that no synapse dies; leave it out"
        elif not v.lasts:
            yield (
                f"no function of a synapse returns '{v.name}' of {model}, which stays at its start: make it a "
                "parameter, or one that lasts if a state is to give it"
            )


def _overwritten(model: RuleModel, moment: str, results: Mapping[str, Node]) -> Iterator[str]:
    """What a function returns by the name of a variable that shows what the rule moves."""
    home = NEURON_MOMENTS.get(moment, "synapse")
    for v in model.writes.get(home, ()) if moment != SUM_MOMENT else ():
        node = results.get(v.shows)
        if node is not None and (node.operation, node.detail) != ("leaf", leaf_name(home, v.shows)):
            yield (
                f"{moment} of {model} returns a '{v.shows}' of its own, which shows the {v.quantity.value}; return it "
                f"as it is, and the change by the name '{v.name}'"
            )


def _named_parameters(model: RuleModel) -> set[str]:
    """The parameters that a declaration names."""
    found = {v.start for home in HOMES for v in getattr(model, home) if isinstance(v.start, str)}
    found |= {u for q in model.parameters for u in q.units} | {f.unit for f in model.factors}
    return found | {n for written in model.writes.values() for v in written for n in (v.shift, v.least, v.most)}


def _has_choices(model: RuleModel) -> bool:
    """Whether it is one of several rules of its class, whose functions may use what its own do not."""
    return hasattr(model, "__dataclass_fields__")


def whole(value: object, low: int, high: int) -> bool:
    """Whether a value is a whole number within limits."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
