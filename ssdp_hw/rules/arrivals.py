"""What a rule sees of presynaptic spikes: as neurons fire, or as spikes arrive through the delay of each synapse.

With ``pre_trace="arrives"`` a rule sees arrival lines in place of presynaptic neurons: one for each neuron and each
delay that its synapses have. A line of delay d fires in step t if its neuron fired in step t - d of the same sample; it
has presynaptic variables of its own. So a rule on synapses of delay d changes weights as it would without the delay,
if the same spikes came d steps later. A spike acts one step after its line fires, as through any projection.

Where samples are pieces of one run, a line may fire in a later piece than its neuron: the spikes of the last steps are
among the variables that last, by the name :data:`SENT`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssdp_hw.arrays import Bool, Int, Numbers
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_parts import FixedProjection
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.rules.counter import CounterRule
from ssdp_hw.rules.declared import DeclaredRule
from ssdp_hw.rules.form import leaf_name, moment_graph, moments
from ssdp_hw.rules.intervals import Extent
from ssdp_hw.rules.local import FloatRule, LocalRule, PreTrace
from ssdp_hw.rules.model import INDEX, PRE_COUNT, Quantity

# Whether presynaptic neurons fired (0 or 1) in the last steps, as many as the longest delay, shape (step, n), oldest
# first.
SENT = "spikes_sent"


@dataclass(frozen=True, eq=False)
class ArrivalLines:
    """The lines through which spikes arrive at the synapses of a projection.

    Attributes:
        neurons: presynaptic neuron of each line, ascending; lines of one neuron by their delay.
        delays: delay of each line in steps.
        rows, cols: postsynaptic neuron and line of each synapse, in row-major order.
    """

    neurons: Int
    delays: Int
    rows: Int
    cols: Int

    def raster(self, spikes: Bool) -> Bool:
        """The spikes of the lines, shape (time, ..., line), from those of the neurons, shape (time, ..., n)."""
        arrived = np.zeros((*spikes.shape[:-1], self.neurons.size), bool)
        for delay in np.unique(self.delays).tolist():
            mine = np.flatnonzero(self.delays == delay)
            arrived[delay:, ..., mine] = spikes[: max(len(spikes) - delay, 0), ..., self.neurons[mine]]
        return arrived


def sees_arrivals(rule: LocalRule, p: BaseProjection) -> bool:
    """Whether the rule sees presynaptic spikes of a projection later than they are sent."""
    return rule.pre_trace is PreTrace.ARRIVES and p.max_delay > 0


def arrival_lines(p: BaseProjection) -> ArrivalLines:
    """The lines of a projection.

    Where all synapses of a neuron have one delay, lines are the neurons, in their order.
    """
    rows, cols = p.synapse_indices
    delays, size = p.synapse_delays, p.shape[1]
    if not _differs_within_neurons(p):
        of_neuron = np.zeros(size, np.int64)
        of_neuron[cols] = delays
        return ArrivalLines(np.arange(size), of_neuron, rows, cols)
    codes, lines = np.unique(cols * (p.max_delay + 1) + delays, return_inverse=True)
    return ArrivalLines(*np.divmod(codes, p.max_delay + 1), rows, lines.reshape(-1))


def seen_synapses(rule: LocalRule, p: BaseProjection) -> tuple[Int, Int]:
    """Postsynaptic neuron of each synapse, and what the rule sees of its presynaptic side: a neuron or a line."""
    if not sees_arrivals(rule, p):
        return p.synapse_indices
    lines = arrival_lines(p)
    return lines.rows, lines.cols


def seen_size(rule: LocalRule, p: BaseProjection) -> int:
    """Number of presynaptic neurons or lines that the rule sees."""
    return arrival_lines(p).neurons.size if sees_arrivals(rule, p) else p.shape[1]


def extent_of(rule: LocalRule, p: FixedProjection) -> Extent:
    """What a projection bounds of the values that a rule finds."""
    post, pre = p.shape
    return Extent(max(pre, seen_size(rule, p)), post, (p.format.mantissa_min, p.format.mantissa_max))


def seen_spikes(rule: LocalRule, p: BaseProjection, spikes: Bool, sent: Numbers | None = None) -> Bool:
    """What the rule sees of the spikes of whole samples.

    Args:
        rule: the rule.
        p: its projection.
        spikes: of the presynaptic neurons, shape (time, sample, n).
        sent: where samples are pieces of one run the spikes before, as :data:`SENT`; None where each has a start of its
            own.
    """
    if not sees_arrivals(rule, p):
        return spikes
    if sent is None:
        return arrival_lines(p).raster(spikes)
    steps, samples, _ = spikes.shape
    arrived = arrival_lines(p).raster(_one_run(spikes, sent))[len(sent) :]
    return arrived.reshape(samples, steps, -1).transpose(1, 0, 2)


def nothing_sent(p: BaseProjection) -> Int:
    """:data:`SENT` before the first step."""
    return np.zeros((p.max_delay, p.shape[1]), np.int64)


def sent_after(spikes: Bool, sent: Numbers) -> Int:
    """:data:`SENT` after pieces of a run, shape (time, sample, n), from what it was before."""
    run = _one_run(spikes, sent)
    return run[len(run) - len(sent) :].astype(np.int64)


def _one_run(spikes: Bool, sent: Numbers) -> Bool:
    """The spikes of all pieces one after the other, shape (time, n), behind those before."""
    return np.concatenate([np.asarray(sent, bool), spikes.transpose(1, 0, 2).reshape(-1, spikes.shape[2])])


def _differs_within_neurons(p: BaseProjection) -> bool:
    """Whether synapses of one presynaptic neuron differ in their delay."""
    if np.ndim(p.delay) == 0:
        return False
    cols, delays = p.synapse_indices[1], p.synapse_delays
    least, most = np.full(p.shape[1], p.max_delay, np.int64), np.zeros(p.shape[1], np.int64)
    np.minimum.at(least, cols, delays)
    np.maximum.at(most, cols, delays)
    return bool(np.any(least < most))


def why_no_arrivals(rule: CounterRule | FloatRule, p: BaseProjection) -> str | None:
    """Why the rule cannot see spikes of a projection as they arrive, and what would help; None where it can."""
    if rule.pre_trace is not PreTrace.ARRIVES:
        return None
    if any(v.quantity is Quantity.DELAY for v in rule.writes):
        return "its rule moves delays, and with them what has arrived; give it pre_trace = 'fires'"
    if not p.max_delay:
        return None
    if any(read.home == "pre" for read in rule.reads):
        return (
            "its rule reads states of presynaptic neurons, which are those of now, and not of when what arrives was "
            "sent; give it pre_trace = 'fires'"
        )
    if rule.prunes:
        return (
            "its rule lets synapses die, and with them lines through which spikes arrive; give it pre_trace = 'fires'"
        )
    if _differs_within_neurons(p) and (reads := _reads_neurons(rule)):
        return (
            f"its rule {reads}, and with pre_trace = 'arrives' it sees a neuron once for each delay of its synapses; "
            "give all synapses of a presynaptic neuron one delay, or the rule pre_trace = 'fires'"
        )
    return None


def _reads_neurons(rule: CounterRule | FloatRule) -> str:
    """In which way a rule depends on how many presynaptic neurons there are, or on their numbers; else empty."""
    if rule.gate is not None:
        return "makes a gate from how many presynaptic neurons fire"
    if not isinstance(rule, DeclaredRule):
        return ""
    try:
        graphs = [moment_graph(rule.model, m, ideal=isinstance(rule, FloatRule)) for m in moments(rule.model)]
    except ParameterError:
        return "has no graph that would show whether it counts presynaptic neurons"
    if any(leaf_name("group", PRE_COUNT) in graph.reads("group") for graph in graphs):
        return "counts presynaptic neurons that fire"
    return "reads the numbers of presynaptic neurons" if any(g.reads(leaf_name("pre", INDEX)) for g in graphs) else ""
