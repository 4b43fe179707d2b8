"""Gates of a projection: from outside as a table, or made by the rule from the group synchrony counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from brian2 import BrianObject, Clock, NeuronGroup, Synapses, TimedArray
from numpy.typing import NDArray

from ssdp_hw.rules import CounterRule, FixedGate, FloatRule
from ssdp_hw.rules.gate import GATE_MAX
from ssdp_hw.rules.spike_times import SpikeTime

from .memory import INTEGER, REAL, Memory, time_register
from .weight_change import TICK

# At the end of a window the gate is made and told to the neurons, before synapses learn (order 0).
MAKE_GATE, TELL_GATE = -2, -1


@dataclass(frozen=True)
class Gating:
    """How synapses find the gate of a window.

    Attributes:
        code: code that sets ``gate``; empty if there is none. ``windows`` is the number of windows that ended.
        namespace: constants and functions of that code.
        copy: variable of the postsynaptic neurons that holds the rule's own gate.
        counted: variable of both ends that shows whether a neuron has fired, for the own gate.
    """

    code: str = ""
    namespace: Mapping[str, object] = field(default_factory=dict)
    copy: Memory | None = None
    counted: Memory | None = None


def gating_of(
    rule: CounterRule | FloatRule, gates: NDArray[np.int64] | NDArray[np.float64] | None, steps: int, label: str
) -> Gating:
    """The gate of a rule in windows of that many steps; gates from outside have shape (window, post)."""
    fixed = isinstance(rule, CounterRule)
    if rule.gate is not None:
        copy = Memory(f"gate_{label}", 0, kind=INTEGER if fixed else REAL)
        return Gating(f"gate = {copy.name}_post\n", {}, copy, time_register(SpikeTime.FIRST, 0, steps))
    if gates is None:
        return Gating()
    rows = np.concatenate([np.zeros((1, gates.shape[1])), gates])  # no window has ended at the start of the first
    table = TimedArray(rows, dt=TICK, name=f"outside_{label}")
    found = f"{table.name}(windows*TICK, j)"
    return Gating(f"gate = {f'int({found})' if fixed else found}\n", {table.name: table, "TICK": TICK})


# Brian2's own code that makes synapses has variables "sources" and "targets".
_COUNTERS = ("n_source", "n_target")
_COUNT = "{counter}_post += int({register}_pre == {never})\n"
_FIXED_GATE = """
raised = OFFSET + (n_source*n_target*SLOPE)//UNIT
gate = clip(raised, 0, GATE_MAX)
"""
_FLOAT_GATE = """
raised = 1 + K*(1.0*n_source*n_target/PAIRS - MEAN)/DEVIATION
gate = clip(raised, 0, GATE_MAX)
"""


def gate_neuron(
    rule: CounterRule | FloatRule,
    gating: Gating,
    pre: NeuronGroup,
    post: NeuronGroup,
    clock: Clock,
    window_clock: Clock,
    restart: int,
    label: str,
) -> list[BrianObject]:
    """A neuron that counts the neurons that fired in a window, and makes the rule's own gate from these counts.

    Args:
        rule, gating: see :func:`gating_of`.
        pre, post: groups that fire.
        clock, window_clock: their ticks are steps and windows.
        restart: order in the slot "start" at which a new window begins.
        label: suffix for names that no other projection may use.
    """
    register, copy = gating.counted, gating.copy
    if register is None or copy is None or rule.gate is None:
        return []
    fixed = isinstance(rule.gate, FixedGate)
    neuron = NeuronGroup(
        1,
        f"n_source : integer\nn_target : integer\ngate : {'integer' if fixed else '1'}\n",
        dtype={**dict.fromkeys(_COUNTERS, np.int64), "gate": np.int64 if fixed else np.float64},
        clock=clock,
        name=f"gate_neuron_{label}",
        namespace=_numbers(rule, len(pre) * len(post)),
    )
    make = _FIXED_GATE if fixed else _FLOAT_GATE
    neuron.run_regularly(make, clock=window_clock, when="start", order=MAKE_GATE)
    neuron.run_regularly("n_source = 0\nn_target = 0\n", clock=window_clock, when="start", order=restart)
    objects = [neuron]
    for counter, group in zip(_COUNTERS, (pre, post), strict=True):
        if not group.events:  # without a threshold nothing fires
            continue
        count = _COUNT.format(counter=counter, register=register.name, never=register.start)
        counting = Synapses(group, neuron, on_pre=count, clock=clock, name=f"count_{counter}_{label}")
        counting.connect(i=np.arange(len(group)), j=np.zeros(len(group), int))
        objects.append(counting)
    telling = Synapses(neuron, post, clock=clock, name=f"tell_gate_{label}")
    telling.connect(i=np.zeros(len(post), int), j=np.arange(len(post)))
    # The copy is 0 in every window. A sum, of one term, is what Brian2 knows to be independent of its order.
    telling.run_regularly(f"{copy.name}_post += gate_pre\n", clock=window_clock, when="start", order=TELL_GATE)
    return [*objects, telling]


def _numbers(rule: CounterRule | FloatRule, pairs: int) -> dict[str, int | float]:
    if isinstance(rule, CounterRule):
        assert rule.gate is not None
        g = rule.gate
        return {
            "OFFSET": g.offset,
            "SLOPE": g.slope,
            "UNIT": 1 << g.shift,
            "GATE_MAX": int(GATE_MAX) << g.gate_bits,
        }
    assert rule.gate is not None
    k, mean, deviation = rule.gate.k, rule.gate.mean, rule.gate.deviation
    return {"K": k, "PAIRS": pairs, "MEAN": mean, "DEVIATION": deviation, "GATE_MAX": GATE_MAX}
