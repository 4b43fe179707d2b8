"""The functions of a declared rule as graphs, and what is the same for all synapses of a projection."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from reprlib import repr as short
from types import MappingProxyType
from typing import Any

from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.base import Operations, Value, Values
from ssdp_hw.operations.graph import GraphOperations
from ssdp_hw.operations.node import Node, TableLeaf, graph_text, in_order
from ssdp_hw.rules.model import (
    DECAY_BITS,
    FAN_IN,
    INDEX,
    POST_COUNT,
    PRE_COUNT,
    SPIKE,
    STEP,
    STEPS,
    STEPS_MAX,
    SUMS,
    WEIGHT,
    WEIGHT_SUM,
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
# How often the graph of a moment is made again, to see whether it is the same one every time.
_REPEATS = 2

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
    made = graph_of(model, moment, Leaves(model, ideal=ideal))
    again = [] if ideal else [graph_of(model, moment, Leaves(model, ideal=False)) for _ in range(_REPEATS)]
    if len({graph_text(graph.nodes, graph.results.items()) for graph in (made, *again)}) > 1:
        raise ParameterError(
            f"learning rule '{model.name}': {moment} computes something else each time that it is called; random "
            "numbers come from op.random(bits), and a rule remembers by its variables"
        )
    return made


def graph_of(
    model: RuleModel, moment: str, leaves: Leaves, operations: type[GraphOperations] = GraphOperations
) -> MomentGraph:
    """A function of a rule on given symbols, with given operations; see :func:`moment_graph`."""
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


def seen_variables(model: RuleModel, home: str) -> list[RuleVariable]:
    """The variables of a home that functions see: all but accumulators."""
    return [v for v in getattr(model, home) if not isinstance(v, WrittenVariable)]


# A specification run calls a function in every step, and the model's properties would be computed for each call.
@lru_cache(maxsize=512)
def _found_by_functions(model: RuleModel, home: str) -> tuple[str, ...]:
    """The names that functions find at a home: of variables, of factors, and of states of neurons."""
    return (*(v.name for v in seen_variables(model, home)), *(f.name for f in model.given_of(home)))


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


class Leaves:
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
        what = "a condition" if isinstance(value, Node) else short(value)
        raise ParameterError(
            f"{owner} returns {what} as '{name}', which is no number of the rule; return 0 for no change, and of a "
            "condition op.select(condition, 1, 0)"
        )
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
