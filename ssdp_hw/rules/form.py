"""The functions of a declared rule as graphs, and what is the same for all synapses of a projection."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.operations.graph import GraphOperations
from ssdp_hw.operations.node import Node, TableLeaf, in_order
from ssdp_hw.registry import check_identifiers
from ssdp_hw.rules.model import (
    DECAY_BITS,
    FAN_IN,
    HOMES,
    INDEX,
    POST_COUNT,
    PRE_COUNT,
    QUANTITY_HOMES,
    SPIKE,
    STEP,
    STEPS,
    STEPS_MAX,
    SUMS,
    WEIGHT,
    WEIGHT_SUM,
    AliveBit,
    Quantity,
    RuleFactor,
    RuleKind,
    RuleModel,
    RuleVariable,
    StateRead,
    WrittenVariable,
)

# Moments of a neuron, and of a synapse in the order in which they come in a step.
NEURON_MOMENTS = {"pre_step": "pre", "post_step": "post", "group_step": "group"}
SUM_MOMENT = "post_sum"
SYNAPSE_MOMENTS = ("each_step", "pre_spike", "post_spike", "window_end")

# A stored weight has at most so many bits on any chip, and a population at most so many neurons.
_WEIGHT_MAX, _COUNT_MAX = 2**16, 2**30
_UNBOUNDED = float("inf")


@dataclass(frozen=True, eq=False)
class MomentGraph:
    """One function of a rule as values that depend on each other.

    Attributes:
        results: for a neuron or the projection every variable after the step; for a synapse ``weight``, the change in
            counter units, and the variables that it changes.
        randoms: the random numbers that it draws, in order, as leaves.
    """

    results: Mapping[str, Node]
    randoms: tuple[Node, ...]

    @property
    def nodes(self) -> list[Node]:
        """Every value, each after those that it is computed from."""
        return list(in_order(list(self.results.values())))

    def reads(self, prefix: str) -> set[str]:
        """The names of the leaves that begin so."""
        return {str(n.detail) for n in self.nodes if n.operation == "leaf" and str(n.detail).startswith(prefix)}


# Homes that third factors have, and the widest register of one: targets keep them in tables of 32-bit integers.
_FACTOR_HOMES, _FACTOR_BITS = ("post", "group"), 31

# Homes whose states a rule can read, and the widest register that holds one.
READ_HOMES, _READ_BITS = ("pre", "post"), 48

_TAKEN = {SPIKE, STEP, STEPS, WEIGHT, PRE_COUNT, POST_COUNT, INDEX, SUMS, WEIGHT_SUM, FAN_IN, "group"}


def check_model(model: object, owner: str) -> RuleModel:
    """A rule, whose names and functions are checked.

    Raises:
        ParameterError: it is none, or one of its names or functions is none.
    """
    if not isinstance(model, RuleModel):
        raise ParameterError(f"{owner}: {model!r} is no learning rule: an instance of a subclass of RuleModel")
    _check_factors(model, owner)
    _check_reads(model, owner)
    of_homes = [(*getattr(model, home), *model.given_of(home)) for home in HOMES]
    for names in ([one.name for one in known] for known in (*of_homes, model.factors, model.parameters)):
        check_identifiers([model.name, *names], owner, "a rule, variable or parameter")
        if len(set(names)) < len(names) or _TAKEN & set(names):
            raise ParameterError(
                f"{owner}: names of {model} must differ, also from {', '.join(sorted(_TAKEN))}: {', '.join(names)}"
            )
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
    return model


def _check_factors(model: RuleModel, owner: str) -> None:
    units = {q.name for q in model.parameters if q.kind is RuleKind.UNIT}
    for f in model.factors:
        if f.home not in _FACTOR_HOMES or not 1 + f.signed <= f.bits <= _FACTOR_BITS:
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
        if r.home not in READ_HOMES or not 1 + r.signed <= r.bits <= _READ_BITS:
            raise ParameterError(
                f"{owner}: {model} reads the state '{r.state}' of '{r.home}' in {r.bits} bits; it needs "
                f"{' or '.join(READ_HOMES)}, and {1 + r.signed} to {_READ_BITS} bits"
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
            if v.shows and not any(v.shows == other.name and other.lasts for other in _seen(model, home)):
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


def moments(model: RuleModel) -> list[str]:
    """The moments at which something happens: those of synapses in their order, of neurons, and the sums."""
    neurons = [m for m, home in NEURON_MOMENTS.items() if getattr(model, home)]
    sums = [SUM_MOMENT] if model.has(SUM_MOMENT) else []
    return [m for m in SYNAPSE_MOMENTS if model.has(m)] + neurons + sums


def sum_names(model: RuleModel) -> list[str]:
    """The names of the sums over the postsynaptic neurons, of which ``group_step`` finds leaves ``sum_...``."""
    return list(moment_graph(model, SUM_MOMENT).results) if model.has(SUM_MOMENT) else []


def leaf_name(home: str, name: str) -> str:
    """The name of a leaf: ``pre_x``, ``post_spike``, ``synapse_weight``, ``group_a``, ``of_decay`` (a parameter)."""
    return f"{home}_{name}"


@lru_cache(maxsize=512)
def moment_graph(model: RuleModel, moment: str, *, ideal: bool = False) -> MomentGraph:
    """A function of a rule on symbols.

    Args:
        model: the rule.
        moment: one of :func:`moments`.
        ideal: whether in real numbers.

    Raises:
        ParameterError: it is none: it leaves out a variable, uses what there is not, or makes what a register or 64
            bits cannot hold.
    """
    return _graph(model, moment, _Leaves(model, ideal=ideal))


def _graph(
    model: RuleModel, moment: str, leaves: _Leaves, operations: type[GraphOperations] = GraphOperations
) -> MomentGraph:
    owner, ideal = f"learning rule '{model.name}': {moment}", leaves.ideal
    op = operations(
        DECAY_BITS,
        {v.name: v.bits for v in (*model.pre, *model.post, *model.synapse, *model.group)},
        spiking=True,
        at_least=False,
        subtract=False,
        ideal=ideal,
        draws=moment in ("pre_step", "post_step"),
    )
    try:
        found = call_moment(model, moment, op, leaves)
    except ParameterError as error:
        raise ParameterError(f"{owner}: {error}") from None
    except Exception as error:
        how = _DECLARED_BY.get(getattr(error, "name", None) or "", "")
        hint = how and f"; a rule that reads it says so in its class: {how}"
        raise ParameterError(f"{owner} fails with {type(error).__name__}: {error}{hint}") from error
    results = {name: _number(owner, name, value) for name, value in found.items()}
    _check_names(model, moment, owner, results)
    graph = MomentGraph(results, tuple(op.randoms))
    if not ideal:
        for variable in _variables(model, moment) if moment != SUM_MOMENT else ():
            if variable.name in results:
                _check_register(owner, variable, results[variable.name])
        for node in graph.nodes:
            _check_integer(owner, node)
    return graph


def call_moment(model: RuleModel, moment: str, op: Operations, leaves: Any) -> dict[str, Value]:
    """Call a function of a rule with values of a kind; ``leaves`` gives each by home and name.

    Returns:
        The results by name.
    """
    names = [q.name for q in model.parameters]
    p = Values({**{name: leaves.parameter(name) for name in names}, STEPS: leaves.parameter(STEPS)})

    def leaves_of(home: str) -> dict[str, Value]:
        return {name: leaves(home, name) for name in _found_by_functions(model, home)}

    group = Values(leaves_of("group"))
    if moment in NEURON_MOMENTS or moment == SUM_MOMENT:
        home = NEURON_MOMENTS.get(moment, "post")
        own = {**leaves_of(home), STEP: leaves("", STEP)}
        if home == "group":
            counts = {c: leaves(home, c) for c in (PRE_COUNT, POST_COUNT)}
            n = Values({**own, **counts, SUMS: Values({name: leaves("sum", name) for name in sum_names(model)})})
        else:
            n = Values({**own, SPIKE: leaves(home, SPIKE), INDEX: leaves(home, INDEX), "group": group})
        found = dict(getattr(model, moment)(op, n, p))
        return found if moment == SUM_MOMENT else _gathered(model, home, op, leaves, found)
    ends = moment != "window_end"
    sums = {name: leaves("post", name) for name in (WEIGHT_SUM, FAN_IN)} if model.reads_weight_sums else {}
    sides = {
        home: Values(
            {
                **leaves_of(home),
                **(sums if home == "post" else {}),
                INDEX: leaves(home, INDEX),
                **({SPIKE: leaves(home, SPIKE)} if ends else {}),
            }
        )
        for home in ("pre", "post")
    }
    weight = {WEIGHT: leaves("synapse", WEIGHT)} if model.reads_weight else {}
    synapse = Values({**leaves_of("synapse"), **weight})
    step = {STEP: leaves("", STEP)} if ends else {}
    at = Values({**sides, "synapse": synapse, "group": group, **step})
    changes = getattr(model, moment)(op, at, p)
    results = dict(changes) if isinstance(changes, Mapping) else {WEIGHT: changes}
    return _gathered(model, "synapse", op, leaves, results)


def _seen(model: RuleModel, home: str) -> list[RuleVariable]:
    """The variables of a home that functions see: all but accumulators."""
    return [v for v in getattr(model, home) if not isinstance(v, WrittenVariable)]


# A specification run calls a function in every step, and the model's properties would be computed for each call.
@lru_cache(maxsize=512)
def _found_by_functions(model: RuleModel, home: str) -> tuple[str, ...]:
    """The names that functions find at a home: of variables, of factors, and of states of neurons."""
    return (*(v.name for v in _seen(model, home)), *(f.name for f in model.given_of(home)))


@lru_cache(maxsize=512)
def _written_names(model: RuleModel, home: str) -> tuple[tuple[str, ...], str]:
    """The names of a home's accumulators, and of its alive bit, or an empty one."""
    alive = model.alive.name if home == "synapse" and model.alive is not None else ""
    return tuple(v.name for v in model.writes.get(home, ())), alive


def _gathered(model: RuleModel, home: str, op: Operations, leaves: Any, results: dict[str, Value]) -> dict[str, Value]:
    """The results of a function, in which changes of accumulators have become new values, and no synapse revives."""
    accumulators, alive = _written_names(model, home)
    for name in accumulators:
        if name in results:
            results[name] = op.saturate(leaves(home, name) + results[name], name)
    if alive in results:  # dead synapses stay dead
        results[alive] = op.minimum(leaves(home, alive), results[alive])
    return results


# What functions find only in a rule whose class says that it reads it.
_DECLARED_BY = {
    WEIGHT: "reads_weight = True",
    WEIGHT_SUM: "reads_weight_sums = True",
    FAN_IN: "reads_weight_sums = True",
    "v": 'reads = (StateRead("v"),)',
}


class _Leaves:
    """The symbols of a rule, each with its interval: that of its register, or one of ``known`` by its name."""

    def __init__(
        self, model: RuleModel, *, ideal: bool = False, known: Mapping[str, tuple[float, float]] = MappingProxyType({})
    ) -> None:
        self.model, self.ideal, self.known = model, ideal, known
        self.made: dict[str, Any] = {}

    def leaf(self, name: str, low: float, high: float) -> Node:
        if name not in self.made:
            limits = self.known.get(name, (-_UNBOUNDED, _UNBOUNDED) if self.ideal else (low, high))
            self.made[name] = Node("leaf", (), *limits, name)
        node: Node = self.made[name]
        return node

    def parameter(self, name: str) -> Node | TableLeaf:
        full = leaf_name("of", name)
        if name == STEPS:
            return self.leaf(full, 1, STEPS_MAX)
        parameter = next(q for q in self.model.parameters if q.name == name)
        if parameter.kind is RuleKind.TABLE:
            low, high = self.known.get(full, (-_UNBOUNDED, _UNBOUNDED) if self.ideal else parameter.limits)
            return TableLeaf(full, self.leaf(f"{full}_size", 1, 2**20), low, high)
        return self.leaf(full, *parameter.limits)

    def __call__(self, home: str, name: str) -> Node:
        full = leaf_name(home, name) if home else name
        if name == SPIKE:
            return Node("leaf", (), *self.known.get(full, (0, 1)), full, condition=True)
        if name == STEP:
            return self.leaf(full, 0, STEPS_MAX)
        if name == WEIGHT:
            return self.leaf(full, -_WEIGHT_MAX, _WEIGHT_MAX)
        if name == WEIGHT_SUM:
            return self.leaf(full, -_WEIGHT_MAX * _COUNT_MAX, _WEIGHT_MAX * _COUNT_MAX)
        if name == FAN_IN:  # of a neuron that has a synapse
            return self.leaf(full, 1, _COUNT_MAX)
        if name in (PRE_COUNT, POST_COUNT, INDEX):
            return self.leaf(full, 0, _COUNT_MAX)
        if home == "sum":
            term = moment_graph(self.model, SUM_MOMENT).results[name]
            return self.leaf(full, min(term.low, 0) * _COUNT_MAX, max(term.high, 0) * _COUNT_MAX)
        known = (*getattr(self.model, home), *self.model.given_of(home))
        variable: RuleVariable | RuleFactor | StateRead = next(v for v in known if v.name == name)
        return self.leaf(full, *variable.limits)


def _variables(model: RuleModel, moment: str) -> tuple[RuleVariable, ...]:
    found: tuple[RuleVariable, ...] = getattr(model, NEURON_MOMENTS.get(moment, "synapse"))
    return found


def _check_names(model: RuleModel, moment: str, owner: str, results: Mapping[str, Node]) -> None:
    known = {v.name for v in _variables(model, moment)}
    if moment == SUM_MOMENT:
        if not results:
            raise ParameterError(f"{owner} returns no sum")
    elif moment in NEURON_MOMENTS:
        if set(results) != known:
            raise ParameterError(f"{owner} must return every variable, {', '.join(sorted(known))}, and nothing else")
    elif set(results) - known - {WEIGHT}:
        wrong = ", ".join(sorted(set(results) - known - {WEIGHT}))
        raise ParameterError(f"{owner} returns {wrong}; a synapse has {', '.join(sorted({*known, WEIGHT}))}")


def _number(owner: str, name: str, value: Value) -> Node:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Node("constant", (), value, value, value)
    if not isinstance(value, Node) or value.condition:
        raise ParameterError(f"{owner} returns {value!r} as '{name}', which is no number of the rule")
    return value


def _check_register(owner: str, variable: RuleVariable, node: Node) -> None:
    low, high = variable.limits
    if not (low <= node.low and node.high <= high):
        raise ParameterError(
            f"{owner}: '{variable.name}' can reach {node.low} .. {node.high}, outside {low} .. {high} of its "
            f"{variable.bits} bits; limit it with op.clip, op.minimum or op.maximum, or give it more bits"
        )


def _check_integer(owner: str, node: Node) -> None:
    if node.operation == "constant" and not isinstance(node.detail, int):
        raise ParameterError(f"{owner} has the number {node.detail!r}; a rule is of integers: op.scale")
    for end in (node.low, node.high):
        if not -(2**63) <= end < 2**63:
            raise ParameterError(f"{owner}: a value can reach {end}, beyond 64 bits; narrow a register or shift")


# Steps after which a variable that still grows is taken to reach the ends of its register.
_STEPS_TO_BOUND = 300


def _limits_of(parameters: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The smallest and the largest value of every parameter, by the name of its leaf."""
    entries = {name: value if isinstance(value, tuple) else (value,) for name, value in parameters.items()}
    return {leaf_name("of", name): (min(e), max(e)) for name, e in entries.items()}


def largest_change(model: RuleModel, parameters: Mapping[str, Any]) -> int:
    """The largest weight change that one moment can bring a synapse with these parameters, in counter units.

    The variables are bounded by following their intervals through the steps of a window until they stay the same.
    """
    known = _limits_of(parameters)
    homes = {m: home for m, home in NEURON_MOMENTS.items() if getattr(model, home)}
    bounds = {}
    for home in HOMES:
        for v in getattr(model, home):
            start = v.start_value(parameters)
            bounds[leaf_name(home, v.name)] = v.limits if home == "synapse" or v.lasts else (start, start)
    for number in range(_STEPS_TO_BOUND):
        before = dict(bounds)
        leaves = _Leaves(model, known={**known, **bounds})
        for moment, home in homes.items():
            graph = _graph(model, moment, leaves)
            for v in getattr(model, home):
                name, node = leaf_name(home, v.name), graph.results[v.name]
                low, high = bounds[name]
                bounds[name] = min(low, int(node.low)), max(high, int(node.high))
                if number == _STEPS_TO_BOUND - 2 and bounds[name] != (low, high):
                    bounds[name] = v.limits
        if bounds == before:
            break
    leaves = _Leaves(model, known={**known, **bounds})
    changes = [
        _graph(model, moment, leaves).results.get(WEIGHT) for moment in moments(model) if moment in SYNAPSE_MOMENTS
    ]
    return max((int(max(abs(n.low), abs(n.high))) for n in changes if n is not None), default=0)


class _DecidingOperations(GraphOperations):
    """Operations that take the branch of a condition which the intervals of its sides decide."""

    def select(self, condition: Value, where_true: Value, where_false: Value) -> Node:
        decided = _decided(condition)
        if decided is None:
            return super().select(condition, where_true, where_false)
        return super().select(condition, *[where_true if decided else where_false] * 2)


def _decided(condition: Node) -> bool | None:
    """Whether a condition holds, if that is known."""
    if condition.operation in ("and", "or"):
        parts = [_decided(a) for a in condition.arguments]
        end = condition.operation == "or"
        if end in parts:
            return end
        return None if None in parts else not end
    if condition.operation == "not":
        inner = _decided(condition.arguments[0])
        return None if inner is None else not inner
    if condition.operation == "leaf":
        return bool(condition.low) if condition.low == condition.high else None
    a, b = condition.arguments
    if condition.operation in ("equal", "not_equal"):
        if a.high < b.low or b.high < a.low:
            return condition.operation == "not_equal"
        same = a.low == a.high == b.low == b.high
        return condition.operation == "equal" if same else None
    strict = condition.operation == "less"
    if a.high < b.low or (not strict and a.high <= b.low):
        return True
    return False if a.low > b.high or (strict and a.low >= b.high) else None


def keeps_silent_rows(model: RuleModel, parameters: Mapping[str, Any], *, real: bool = False) -> bool:
    """Whether the synapses of a postsynaptic neuron that does not fire in a window keep their weight for certain.

    That is so where its variables stay at their start without a spike, and every moment then brings 0; an engine may
    leave out such neurons.
    """
    if model.group or {"post", "synapse"} & set(model.lasting):
        return False
    known = {**_limits_of(parameters), leaf_name("post", SPIKE): (0, 0)}
    starts = {
        leaf_name(home, v.name): v.start_value(parameters) for home in ("post", "synapse") for v in getattr(model, home)
    }
    leaves = _Leaves(model, ideal=real, known={**known, **{name: (start, start) for name, start in starts.items()}})
    for moment in moments(model):
        if moment in ("pre_step", "post_spike"):
            continue
        home = NEURON_MOMENTS.get(moment, "synapse")
        for name, node in _graph(model, moment, leaves, _DecidingOperations).results.items():
            stays = 0 if name == WEIGHT else starts[leaf_name(home, name)]
            if not node.low == node.high == stays:
                return False
    return True


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


def rule_digest(model: RuleModel) -> str:
    """A hash of what a rule's functions compute."""
    lines = []
    for moment in moments(model):
        graph = moment_graph(model, moment)
        number = {id(node): k for k, node in enumerate(graph.nodes)}
        lines += [f"{n.operation} {[number[id(a)] for a in n.arguments]} {n.detail}" for n in graph.nodes]
        lines += [f"{moment} {name} {number[id(node)]}" for name, node in graph.results.items()]
    lines += [f"{leaf_name(f.home, f.name)} of {f.limits}" for f in model.factors]
    lines += [f"{leaf_name(r.home, r.name)} is {r.state} of {r.limits}" for r in model.reads]
    lines += [f"{leaf_name(home, v.name)} lasts" for home, kept in model.lasting.items() for v in kept]
    lines += [
        f"{v.name} {v.quantity} {v.shift} {v.least} {v.most} {v.shows}"
        for written in model.writes.values()
        for v in written
    ]
    lines += [] if model.alive is None else [f"{model.alive.name} is alive"]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
