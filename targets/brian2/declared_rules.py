"""Any declared learning rule in Brian2: its functions as printed code of neurons, synapses and the projection.

In the slot "synapses" of a step the code of the synapses reads the variables of the neurons as they were before the
step, and whether neurons fire (:data:`.memory.FIRES`); in the slot "end" the neurons' variables step, whether the
neurons fire or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from brian2 import Function, TimedArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.operations.philox import neuron_layer
from ssdp_hw.rules import LocalRule, model as rule_model
from ssdp_hw.rules.form import NEURON_MOMENTS, SUM_MOMENT, MomentGraph, leaf_name, moment_graph, moments, sum_names
from ssdp_hw.rules.local import FloatRule, RandomKey
from ssdp_hw.rules.model import (
    FAN_IN,
    INDEX,
    SPIKE,
    STEP,
    STEPS,
    WEIGHT,
    WEIGHT_SUM,
    Declaration,
    RuleModel,
    RuleVariable,
)

from .group_variables import POST_COUNT, PRE_COUNT, GroupVariables
from .memory import FIRES, INTEGER, REAL, Memory, kept_name, seen_state
from .printer import INTEGER_FUNCTIONS, REAL_FUNCTIONS, Brian2Printer, real_table_function, table_function
from .random_bits import synapse_bits
from .weight_change import TICK, WeightChange

# What the moments of a step have brought a synapse in its window.
BROUGHT = "brought"
_COUNTS = {rule_model.PRE_COUNT: PRE_COUNT, rule_model.POST_COUNT: POST_COUNT}


def declared_weight_change(
    rule: LocalRule,
    steps: int,
    label: str,
    key: RandomKey,
    lasting: Mapping[str, Numbers],
    factors: Mapping[str, Numbers],
) -> WeightChange:
    """The weight change by the declaration of a rule; other arguments as for :func:`.weight_change.weight_change_of`.

    ``lasting`` are the variables that outlast a window before the first one, ``factors`` the third factors, as in a
    learning plan.
    """
    declaration = rule.declaration(steps)
    assert declaration is not None
    tables = {
        name: TimedArray(values.reshape(-1, values.shape[-1]), dt=TICK, name=f"factor_{name}_{label}")
        for name, values in factors.items()
    }
    printed = _Rule(declaration, steps, label, key, lasting, tables, ideal=isinstance(rule, FloatRule))
    return printed.weight_change()


@dataclass(frozen=True)
class _Moment:
    """The code of one moment, and what it needs."""

    code: str
    namespace: dict[str, object]


@dataclass(frozen=True)
class _Rule:
    """A rule of one projection in windows of so many steps, in integers or (``ideal``) in real numbers."""

    declaration: Declaration
    steps: int
    label: str
    key: RandomKey
    lasting: Mapping[str, Numbers]
    factors: Mapping[str, TimedArray]  # by names such as ``post_reward``; one entry a step of the run
    ideal: bool

    @property
    def model(self) -> RuleModel:
        return self.declaration.model

    @cached_property
    def graphs(self) -> dict[str, MomentGraph]:
        """The functions of the rule, by moment."""
        return {m: moment_graph(self.model, m, ideal=self.ideal) for m in moments(self.model)}

    def variable(self, home: str, name: str) -> str:
        """The Brian2 variable that has a variable of the rule; a name of a rule alone may be one that is reserved."""
        return f"{leaf_name(home, name)}_{self.label}"

    def copy(self, name: str) -> str:
        """The variable of neurons that has a copy of the projection's."""
        return f"seen_{self.variable('group', name)}"

    def number(self, value: int | float) -> int | float:
        """A number of the type that all numbers of the rule have."""
        return float(value) if self.ideal else int(value)

    def start(self, home: str, variable: RuleVariable) -> int | float | Numbers:
        """The value of a variable at the start of a window, or of the run if it lasts."""
        if variable.lasts:
            return self.lasting[leaf_name(home, variable.name)]
        value = variable.start_value(self.declaration.parameters)
        assert not isinstance(value, tuple)
        return self.number(value)

    def weight_change(self) -> WeightChange:
        """The rule in the terms of synapses."""
        starts = {self.variable("synapse", v.name): self.start("synapse", v) for v in self.model.synapse}
        kept = [self.variable("synapse", v.name) for v in self.model.lasting.get("synapse", ())]
        spikes = {m: self.synapse_moment(m) for m in self.graphs if m in ("each_step", "pre_spike", "post_spike")}
        end = self.synapse_moment("window_end") if "window_end" in self.graphs else _Moment("", {})
        nothing = self.number(0)
        # At the start of the first window no window has ended, and what its end brings is not defined.
        wanted = end.code + f"wanted = choose(ended > 0, {BROUGHT}, {nothing})\n{BROUGHT} = {nothing}\n"
        wanted += "".join(
            f"{kept_name(name)} = {name}\n" if name in kept else f"{name} = {start!r}\n"
            for name, start in starts.items()
        )
        namespace: dict[str, object] = dict(REAL_FUNCTIONS if self.ideal else INTEGER_FUNCTIONS)
        for moment in (*spikes.values(), end):
            namespace |= moment.namespace
        variables = {BROUGHT: nothing, **starts, **{kept_name(name): nothing for name in kept}}
        return WeightChange(
            self.memories("pre"),
            self.memories("post"),
            wanted,
            variables={} if self.ideal else variables,
            reals=variables if self.ideal else {},
            each_step=spikes["each_step"].code if "each_step" in spikes else "",
            on_pre=spikes["pre_spike"].code if "pre_spike" in spikes else "",
            on_post=spikes["post_spike"].code if "post_spike" in spikes else "",
            namespace=namespace,
            group=self.group() if self.model.group else None,
            weight_sums=self.added_weights(),
        )

    def added_weights(self) -> Mapping[str, str]:
        """What each synapse adds to the variables of its postsynaptic neuron at the start of a window."""
        if not self.model.reads_weight_sums:
            return {}
        each = {WEIGHT_SUM: "w/amp" if self.ideal else "w", FAN_IN: repr(self.number(1))}
        return {self.weight_sum(name).name: added for name, added in each.items()}

    def memory(self, home: str, v: RuleVariable, name: str, fade: _Moment | None = None) -> Memory:
        """A variable of neurons, whose code steps those declared after it, too."""
        code, kind = fade or _Moment("", {}), REAL if self.ideal else INTEGER
        return Memory(name, self.start(home, v), "", code.code, kind, code.namespace, v.lasts)

    def memories(self, home: str) -> list[Memory]:
        """What the neurons of one end remember."""
        found: list[Memory] = []
        moment = f"{home}_step"
        for k, v in enumerate(getattr(self.model, home)):
            step = None if k else self.state_moment(home, moment)
            found.append(self.memory(home, v, self.variable(home, v.name), step))
        if any(graph.reads(leaf_name(home, SPIKE)) for graph in self.graphs.values()):
            found.append(FIRES)
        found += [seen_state(read, integers=not self.ideal) for read in self.model.reads_of(home)]
        if home == "post" and self.model.reads_weight_sums:
            found += [self.weight_sum(name) for name in (WEIGHT_SUM, FAN_IN)]
        return [*found, *(self.copies().values() if self.reads_group(home) else ())]

    def weight_sum(self, name: str) -> Memory:
        """The sum of the weights that end at a neuron, or their number."""
        kind = REAL if self.ideal else INTEGER
        return Memory(self.variable("post", name), self.number(0), kind=kind, received=True)

    def copies(self) -> dict[str, Memory]:
        """The copies of the projection's variables that neurons have."""
        return {self.variable("group", v.name): self.memory("group", v, self.copy(v.name)) for v in self.model.group}

    def reads_group(self, home: str) -> bool:
        """Whether the projection's variables are read at one end: by its neurons, or by synapses, which see those of
        the target.
        """
        readers = [f"{home}_step"]
        if home == "post":
            readers += [SUM_MOMENT, "each_step", "pre_spike", "post_spike", "window_end"]
        return any(self.graphs[m].reads("group_") for m in readers if m in self.graphs)

    def group(self) -> GroupVariables:
        """The variables of the projection."""
        step = self.state_moment("group", "group_step")
        sums = self.sum_moment() if SUM_MOMENT in self.graphs else _Moment("", {})
        kind = REAL if self.ideal else INTEGER
        return GroupVariables(
            [self.memory("group", v, self.variable("group", v.name)) for v in self.model.group],
            self.copies(),
            self.reads_group("pre"),
            self.reads_group("post"),
            step.code,
            step.namespace,
            [Memory(self.variable("sum", name), self.number(0), kind=kind) for name in sum_names(self.model)],
            sums.code,
            sums.namespace,
        )

    def sum_moment(self) -> _Moment:
        """What a postsynaptic neuron adds to the sums: code of a synapse from it to the projection's neuron."""
        graph, printer = self.graphs[SUM_MOMENT], _Printer(self, SUM_MOMENT)
        lines, names = printer.printed(graph.nodes)
        added = [f"{self.variable('sum', name)}_post += {names[id(node)]}" for name, node in graph.results.items()]
        return printer.moment([*printer.before, *lines, *added])

    def state_moment(self, home: str, moment: str) -> _Moment:
        """The step of the variables of neurons, or of the projection."""
        graph, printer = self.graphs[moment], _Printer(self, moment)
        lines, names = printer.printed(graph.nodes)
        old = [self.variable(home, v.name) for v in getattr(self.model, home)]
        before = [f"{printer.old(name)} = {name}" for name in old]
        if home != "group":
            side = int(home == "post")
            before += [self.random(printer, graph, side, k) for k in range(len(graph.randoms))]
        after = [f"{self.variable(home, name)} = {names[id(node)]}" for name, node in graph.results.items()]
        return printer.moment([*before, *printer.before, *lines, *after])

    def random(self, printer: _Printer, graph: MomentGraph, side: int, k: int) -> str:
        """A line that draws a random number of a neuron in a step."""
        key, bits = self.key, int(graph.randoms[k].high).bit_length()
        step = f"(t_in_timesteps + {key.first_window * self.steps}) % {1 << 32}"
        layer, low, high = neuron_layer(key.layer, side, k), key.seed & 0xFFFFFFFF, key.seed >> 32
        return f"{printer.random(k)} = synapse_bits(i, {step}, {layer}, {low}, {high}, {bits})"

    def synapse_moment(self, moment: str) -> _Moment:
        """What a moment brings synapses; the end of a window all that it does not clear at once."""
        graph, printer = self.graphs[moment], _Printer(self, moment)
        lines, names = printer.printed(graph.nodes)
        own = [self.variable("synapse", v.name) for v in self.model.synapse]
        before = [f"{printer.old(name)} = {name}" for name in own]
        changed = {name: names[id(node)] for name, node in graph.results.items()}
        after = [
            f"{self.variable('synapse', name)} = {self.ended(moment, name, value)}"
            for name, value in changed.items()
            if name != WEIGHT
        ]
        if WEIGHT in changed:
            after.append(f"{BROUGHT} += {changed[WEIGHT]}")
        return printer.moment([*before, *printer.before, *lines, *after])

    def ended(self, moment: str, name: str, value: str) -> str:
        """The new value of a variable of synapses: the end of a window leaves it as it is before the first window."""
        variable = self.variable("synapse", name)
        return f"choose(ended > 0, {value}, {variable})" if moment == "window_end" else value


class _Printer(Brian2Printer):
    """Prints one moment of a rule.

    Attributes:
        before: lines that the printed code needs before it: numbers that do not differ between neurons or synapses
            get variables of their own, which are 64 bits wide.
        namespace: constants of the printed code and of ``before``.
    """

    def __init__(self, rule: _Rule, moment: str) -> None:
        super().__init__(ideal=rule.ideal)
        self.rule, self.moment_name, self.at_synapse = rule, moment, moment not in NEURON_MOMENTS
        self.prefix = f"{moment}_{rule.label}_x"
        self.before: list[str] = []
        self.namespace: dict[str, object] = {"synapse_bits": synapse_bits}

    def moment(self, lines: list[str]) -> _Moment:
        """The finished code."""
        return _Moment("".join(f"{line}\n" for line in lines), {**self.functions, **self.namespace})

    def old(self, name: str) -> str:
        """The name of a variable's value before the moment."""
        return f"{self.prefix}_old_{name}"

    def random(self, k: int) -> str:
        """The name of a random number."""
        return f"{self.prefix}_random_{k}"

    def leaf(self, name: str) -> str:
        """A value that the moment reads; see :func:`ssdp_hw.rules.form.leaf_name`."""
        if name == STEP:
            return self._given(STEP, f"t_in_timesteps % {self.rule.steps}")
        home, _, own = name.partition("_")
        if home == "sum":
            return self.rule.variable("sum", own)
        if own == INDEX and home in ("pre", "post"):
            return self._given(f"{home}_{INDEX}", self.own_index(home))
        if home == "of":
            return self._parameter(own)
        if home == "random":
            return self.random(int(own))
        if home == "synapse" and own == WEIGHT:
            return self._given(WEIGHT, "w/amp" if self.ideal else "w")
        if name in self.rule.factors:
            return self._factor(name)
        if home == "group":
            return self._of_group(own)
        if (seen := self._seen(home, own)) is not None:
            end = "pre" if self.moment_name == SUM_MOMENT else home
            return f"{seen}_{end}" if self.at_synapse else seen
        if self.moment_name == SUM_MOMENT:  # a synapse, whose source is the postsynaptic neuron
            return f"{FIRES.name if own == SPIKE else self.rule.variable(home, own)}_pre"
        if own == SPIKE:
            return f"{FIRES.name}_{home}" if self.at_synapse else FIRES.name
        variable = self.rule.variable(home, own)
        return f"{variable}_{home}" if self.at_synapse and home != "synapse" else self.old(variable)

    def entry(self, table: str, index: str) -> str:
        name = f"{table}_{self.rule.label}"
        entries = self.rule.declaration.parameters[table.partition("_")[2]]
        assert isinstance(entries, tuple)
        function: Function
        if self.ideal:
            function = real_table_function(name, entries)
        else:
            function = table_function(name, tuple(int(x) for x in entries))
        self.functions[name] = function
        return f"{name}({index})"

    def own_index(self, home: str) -> str:
        """Brian2's name of a neuron's number: i in its own code and at a synapse's source, j at its target."""
        return "j" if self.at_synapse and home == "post" and self.moment_name != SUM_MOMENT else "i"

    def _seen(self, home: str, name: str) -> str | None:
        """The variable of neurons that has a state which the rule reads; None if it is no such state."""
        reads = [r for r in self.rule.model.reads_of(home) if r.name == name]
        return seen_state(reads[0], integers=not self.rule.ideal).name if reads else None

    def _factor(self, name: str) -> str:
        """A third factor; the end of a window comes in the step after, and reads that of the last one."""
        table = self.rule.factors[name]
        self.namespace |= {table.name: table, "TICK": TICK}
        step = "(t_in_timesteps - 1)" if self.moment_name == "window_end" else "t_in_timesteps"
        who = "0" if name.startswith("group_") else self.own_index("post")
        found = f"{table.name}({step}*TICK, {who})"
        return self._given(name, found if self.rule.ideal else f"int({found})")

    def _of_group(self, name: str) -> str:
        if name in _COUNTS:
            return self._given(name, _COUNTS[name])
        if self.moment_name == "group_step":
            return self.old(self.rule.variable("group", name))
        end = "_pre" if self.moment_name == SUM_MOMENT else "_post"
        return self.rule.copy(name) + (end if self.at_synapse else "")

    def _parameter(self, name: str) -> str:
        known = self.rule.declaration.parameters
        if name == STEPS:
            value: int | float = self.rule.steps
        elif name in known:
            number = known[name]
            assert not isinstance(number, tuple)
            value = number
        else:  # the number of entries of a table
            table = known[name.removesuffix("_size")]
            assert isinstance(table, tuple)
            value = len(table)
        constant = f"of_{name}_{self.rule.label}"
        self.namespace[constant] = self.rule.number(value)
        return self._given(f"of_{name}", constant)

    def _given(self, name: str, expression: str) -> str:
        """The name of a number that a line before the printed code sets."""
        given = f"{self.prefix}_{name}"
        line = f"{given} = {'1.0*' if self.ideal else ''}({expression})"
        if line not in self.before:
            self.before.append(line)
        return given
