"""A declared learning rule as a compiled function: printed as Python for Numba, kept on disk as :mod:`.generated` says.

One function does two things. For ``row`` -1 it follows the variables of all neurons through a window and keeps them
step by step; otherwise it computes the weight changes of one postsynaptic neuron from all presynaptic ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.operations.node import Node
from ssdp_hw.operations.philox import neuron_layer
from ssdp_hw.rules.form import NEURON_MOMENTS, SUM_MOMENT, MomentGraph, leaf_name, moment_graph, moments
from ssdp_hw.rules.model import (
    FAN_IN,
    INDEX,
    POST_COUNT,
    PRE_COUNT,
    SPIKE,
    STEP,
    STEPS,
    WEIGHT,
    WEIGHT_SUM,
    Declaration,
    RuleKind,
    RuleModel,
)

from .generated import NumbaPrinter, cached_module
from .jit import ANY_LENGTH, RULE_ARGUMENTS
from .types import NumberArray

_SIZES = {"pre": "n_pre", "post": "n_post", "group": "1"}


class RuleShape(NamedTuple):
    """What the compiled loops must know of a rule's memory."""

    pre: int  # number of variables of a presynaptic neuron
    post: int
    group: int
    synapse: int
    draws: int  # random numbers of a neuron in a step
    post_factors: int  # number of third factors of a postsynaptic neuron, which lie behind its variables
    group_factors: int
    pre_reads: int  # number of states of a presynaptic neuron that are read, which lie behind its variables
    post_reads: int  # of a postsynaptic one, which lie behind its third factors
    weight_sums: bool  # whether the sum and the number of a row's weights are read, which lie behind these


class _RulePrinter(NumbaPrinter):
    """Prints one moment; names of values begin with a letter of the moment's own."""

    def __init__(self, prefix: str, *, real: bool) -> None:
        super().__init__()
        self.prefix, self.real = prefix, real

    def leaf(self, name: str) -> str:
        return name

    def entry(self, table: str, index: str) -> str:
        """The entry of a table; in real numbers on the straight line between two entries."""
        if self.real:
            return f"between_entries(parameters, int64(at_{table}), int64({table}_size), {index})"
        return f"parameters[index(int64(at_{table}) + int64({index}))]"


def rule_shape(model: RuleModel) -> RuleShape:
    """The memory of a rule."""
    draws = [len(moment_graph(model, m).randoms) for m in moments(model) if m in NEURON_MOMENTS]
    variables = len(model.pre), len(model.post), len(model.group), len(model.synapse)
    factors = len(model.factors_of("post")), len(model.factors_of("group"))
    reads = len(model.reads_of("pre")), len(model.reads_of("post"))
    return RuleShape(*variables, max(draws, default=0), *factors, *reads, model.reads_weight_sums)


def rule_address(model: RuleModel, *, real: bool) -> int:
    """The address of the compiled functions of a rule; see :func:`.jit.call_rule`."""
    address: int = cached_module(_text(model, real=real), f"rule_{model.name}").changes.address
    return address


def packed_parameters(declaration: Declaration, steps: int, *, real: bool) -> NumberArray:
    """The numbers of a rule in one array: steps of a window, numbers or places of tables, sizes, entries of tables."""
    model, numbers = declaration.model, declaration.parameters
    count = len(model.parameters)
    head: list[float] = [steps, *[0] * (2 * count)]
    entries: list[float] = []
    for k, q in enumerate(model.parameters):
        value = numbers[q.name]
        if isinstance(value, tuple):
            head[1 + k], head[1 + count + k] = len(head) + len(entries), len(value)
            entries += value
        else:
            head[1 + k] = value
    if real:
        return np.array([*head, *entries], np.float64)
    return np.array([*head, *entries], np.int64)


def packed_factors(model: RuleModel, factors: Mapping[str, Numbers], *, real: bool) -> NumberArray:
    """The third factors of a learning plan, by names such as ``post_reward``, in one array: those of neurons first."""
    given = [factors[leaf_name(home, f.name)] for home in ("post", "group") for f in model.factors_of(home)]
    row: Numbers = np.concatenate([np.zeros(0), *(values.reshape(-1) for values in given)])
    return np.array(row, np.float64) if real else np.array(row, np.int64)


@lru_cache(maxsize=128)
def _text(model: RuleModel, *, real: bool) -> str:
    number = "float64" if real else "int64"
    graphs = {m: moment_graph(model, m, ideal=real) for m in moments(model)}
    arguments = ", ".join(RULE_ARGUMENTS)
    pointers = {
        "integer": "types.int64",
        "number": f"types.CPointer(types.{number})",
        "byte": "types.CPointer(types.uint8)",
        "index": "types.CPointer(types.int64)",
        "neuron": "types.CPointer(types.int32)",
        "word": "types.CPointer(types.uint32)",
        "words": "types.CPointer(types.uint32)",
    }
    signature = ", ".join(pointers[kind] for kind in RULE_ARGUMENTS.values())
    draws = max(1, rule_shape(model).draws)
    shapes = {"integer": "{0}", "word": f"nb.carray({{0}}, ({4 * draws}, columns))"}
    plain = f"nb.carray({{0}}, ({ANY_LENGTH},))"
    passed = ", ".join(shapes.get(kind, plain).format(name) for name, kind in RULE_ARGUMENTS.items())
    body = [*_loaded_parameters(model), "if row < 0:", *_indented(_neurons(model, graphs, real=real)), "else:"]
    body += _indented(_row(model, graphs, real=real) or ["pass"])
    return f'''"""The learning rule {model.name}, printed by ssdp_hw.targets.engine.generated_rules.

Changes of this file are lost.
"""

import numba as nb
import numpy as np
from numba.core import types

from ssdp_hw.targets.engine.jit import between_entries, compiled_loop, greater, lesser, shift_left, shift_right
from ssdp_hw.targets.engine.random_loops import fill_words, words_in_order

number, index, int64 = np.{number}, np.uint64, np.int64


@compiled_loop
def advance({arguments}):
{chr(10).join("    " + line for line in body)}


@nb.cfunc(types.void({signature}), cache=True)
def changes({arguments}):
    advance({passed})
'''


def _indented(lines: list[str], by: int = 1) -> list[str]:
    return ["    " * by + line for line in lines]


def _loaded_parameters(model: RuleModel) -> list[str]:
    """Lines that give every parameter its name."""
    count = len(model.parameters)
    lines = [f"{leaf_name('of', STEPS)} = parameters[0]"]
    for k, q in enumerate(model.parameters):
        name = leaf_name("of", q.name)
        if q.kind is RuleKind.TABLE:
            lines += [f"at_{name} = parameters[{1 + k}]", f"{name}_size = parameters[{1 + count + k}]"]
        else:
            lines.append(f"{name} = parameters[{1 + k}]")
    return lines


def _place(home: str, k: int, step: str, who: str) -> str:
    """A variable of a neuron before a step, in the table of its home."""
    size = _SIZES[home]
    return f"{home}_table[index(({k} * (steps + 1) + {step}) * {size} + {who})]"


def _loads(model: RuleModel, home: str, step: str, who: str) -> list[str]:
    known = [v.name for v in (*getattr(model, home), *model.given_of(home))]
    if home == "post" and model.reads_weight_sums:
        known += [WEIGHT_SUM, FAN_IN]
    found = [f"{leaf_name(home, name)} = {_place(home, k, step, who)}" for k, name in enumerate(known)]
    return found if home == "group" else [*found, f"{leaf_name(home, INDEX)} = number({who})"]


def _neurons(model: RuleModel, graphs: dict[str, MomentGraph], *, real: bool) -> list[str]:
    """The variables of all neurons and of the projection in every step of a window."""
    lines = []
    for home, size in _SIZES.items():
        for k, v in enumerate(getattr(model, home)):
            if v.lasts:  # its value is there already
                continue
            start = leaf_name("of", v.start) if isinstance(v.start, str) else f"number({v.start})"
            lines += [f"for i in range({size}):", f"    {_place(home, k, '0', 'i')} = {start}"]
    step = [f"{STEP} = number(t)", *_loads(model, "group", "t", "0")]
    if SUM_MOMENT in graphs:
        step += _sums(model, graphs[SUM_MOMENT], _RulePrinter("h", real=real))
    for letter, (moment, home) in zip("abc", NEURON_MOMENTS.items(), strict=True):
        if moment in graphs:
            step += _neuron_moment(model, home, graphs[moment], _RulePrinter(letter, real=real))
    return [*lines, "for t in range(steps):", *_indented(step)]


def _sums(model: RuleModel, graph: MomentGraph, printer: _RulePrinter) -> list[str]:
    """The sums over the postsynaptic neurons in a step."""
    lines, names = printer.printed(graph.nodes)
    body = [*_loads(model, "post", "t", "i"), f"{leaf_name('post', SPIKE)} = post[index(t * n_post + i)] != 0", *lines]
    body += [f"{leaf_name('sum', name)} += number({names[id(node)]})" for name, node in graph.results.items()]
    before = [f"{leaf_name('sum', name)} = number(0)" for name in graph.results]
    return [*before, "for i in range(n_post):", *_indented(body)]


def _neuron_moment(model: RuleModel, home: str, graph: MomentGraph, printer: _RulePrinter) -> list[str]:
    lines, names = printer.printed(graph.nodes)
    body = _loads(model, home, "t", "i")
    before = []
    if home == "group":
        for count, end in ((PRE_COUNT, "pre"), (POST_COUNT, "post")):
            before += [
                "fired = int64(0)",
                f"for i in range(n_{end}):",
                f"    fired += {end}[index(t * n_{end} + i)] != 0",
                f"{leaf_name(home, count)} = number(fired)",
            ]
    else:
        body.append(f"{leaf_name(home, SPIKE)} = {home}[index(t * n_{home} + i)] != 0")
        side = int(home == "post")
        for k, leaf in enumerate(graph.randoms):
            layer = neuron_layer(0, side, k)
            drawn = f"words[{4 * k}:{4 * k + 4}]"
            before.append(
                f"fill_words({drawn}, (n_{home} + 3) >> 2, 0, layer + {layer}, (first_step + t) & 0xFFFFFFFF, "
                "key_low, key_high)"
            )
            before.append(f"words_in_order({drawn}, (n_{home} + 3) >> 2, drawn, {4 * k} * columns)")
            bits = int(leaf.high).bit_length()
            body.append(f"random_{k} = number(drawn[index({4 * k} * columns + i)] >> np.uint32({32 - bits}))")
    body += lines
    for k, v in enumerate(getattr(model, home)):
        body.append(f"{_place(home, k, '(t + 1)', 'i')} = number({names[id(graph.results[v.name])]})")
    return [*before, f"for i in range({_SIZES[home]}):", *_indented(body)]


def _row(model: RuleModel, graphs: dict[str, MomentGraph], *, real: bool) -> list[str]:
    """The weight changes of one row."""
    starts = ["    dw[index(i)] = number(0)"]
    for k, v in enumerate(model.synapse):
        if v.lasts:
            continue
        start = leaf_name("of", v.start) if isinstance(v.start, str) else f"number({v.start})"
        starts.append(f"    synapses[index({k} * n_pre + i)] = {start}")
    step = [f"{STEP} = number(t)", *_loads(model, "group", "t", "0"), *_loads(model, "post", "t", "row")]
    step.append(f"{leaf_name('post', SPIKE)} = post[index(t * n_post + row)] != 0")
    inside = [m for m in ("each_step", "pre_spike", "post_spike") if m in graphs]
    # The end of a window alone writes its change in place of adding it to 0; a real one could be -0.
    at_end = not (inside or model.synapse or real) and WEIGHT in _results(graphs, "window_end")
    lines = [] if at_end else ["for i in range(n_pre):", *starts]
    for moment in inside:
        printer = _RulePrinter({"each_step": "d", "pre_spike": "e"}.get(moment, "f"), real=real)
        body = _synapse_moment(model, moment, graphs[moment], printer)
        if moment == "pre_spike":
            listed = ["for k in range(first[index(t)], first[index(t + 1)]):", "    i = int64(listed[index(k)])"]
            step += _of_neuron(graphs[moment], printer) or [*listed, *_indented(body)]
        elif moment == "post_spike":
            step += [f"if {leaf_name('post', SPIKE)}:", "    for i in range(n_pre):", *_indented(body, 2)]
        else:
            step += ["for i in range(n_pre):", *_indented(body)]
    if inside:
        lines += ["for t in range(steps):", *_indented(step)]
    if "window_end" in graphs:
        lines += [*_loads(model, "group", "steps", "0"), *_loads(model, "post", "steps", "row")]
        lines += ["for i in range(n_pre):"]
        printer, writes = _RulePrinter("g", real=real), "=" if at_end else "+="
        lines += _indented(_synapse_moment(model, "window_end", graphs["window_end"], printer, writes))
    return lines


def _results(graphs: dict[str, MomentGraph], moment: str) -> Mapping[str, Node]:
    return graphs[moment].results if moment in graphs else {}


def _of_neuron(graph: MomentGraph, printer: _RulePrinter) -> list[str]:
    """The lines of a presynaptic spike that changes all its synapses of a row alike, which is nothing most of the time.

    Empty where the change depends on the presynaptic neuron, or variables of the synapse change.
    """
    if set(graph.results) != {WEIGHT} or graph.randoms or graph.reads("pre_") or graph.reads("synapse_"):
        return []
    lines, names = printer.printed(graph.nodes)
    change = f"change = number({names[id(graph.results[WEIGHT])]})"
    added = ["for k in range(first[index(t)], first[index(t + 1)]):", "    dw[index(listed[index(k)])] += change"]
    return [*lines, change, "if change != 0:", *_indented(added)]


def _synapse_moment(
    model: RuleModel, moment: str, graph: MomentGraph, printer: _RulePrinter, writes: str = "+="
) -> list[str]:
    lines, names = printer.printed(graph.nodes)
    step = "steps" if moment == "window_end" else "t"
    body = _loads(model, "pre", step, "i")
    if moment != "window_end":
        body.append(f"{leaf_name('pre', SPIKE)} = pre[index(t * n_pre + i)] != 0")
    body += [f"{leaf_name('synapse', v.name)} = synapses[index({k} * n_pre + i)]" for k, v in enumerate(model.synapse)]
    if model.reads_weight:
        body.append(f"{leaf_name('synapse', WEIGHT)} = weight[index(i)]")
    body += lines
    if WEIGHT in graph.results:
        body.append(f"dw[index(i)] {writes} number({names[id(graph.results[WEIGHT])]})")
    for k, v in enumerate(model.synapse):
        if v.name in graph.results:
            body.append(f"synapses[index({k} * n_pre + i)] = number({names[id(graph.results[v.name])]})")
    return body
