"""The result of a learning run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.analysis.activity import Activity
from ssdp_hw.analysis.statistics import Interval
from ssdp_hw.arrays import Numbers
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import Axes, Drawn, Table, draw, shown
from ssdp_hw.learning.alive import AliveHealth
from ssdp_hw.learning.health import LearningHealth
from ssdp_hw.learning.inputs import Rule
from ssdp_hw.learning.state import LearningState
from ssdp_hw.learning.written import WrittenHealth
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.result import OverflowCount


@shown
@dataclass(frozen=True)
class CurvePoint:
    """How many samples the network got right without a teacher, at one moment of a learning run.

    Attributes:
        epoch: number of epochs that were finished before, in this run and in those that it goes on from.
        presented: samples of this run: in ``curve`` up to and with the group that is about to be taught, in
            ``evaluations`` those that were presented before.
        accuracy: share of the samples that were right, with its 95 % Wilson interval.
    """

    epoch: int
    presented: int
    accuracy: Interval


@shown
@renamed(commits="updates")
@dataclass(frozen=True, eq=False)
class LearnResult:
    """A learning run.

    Attributes:
        network: the network with its learned weights.
        state: what a later run needs to go on where this one stopped, beside the network.
        rules: the rule of each plastic projection as it ran, integers in a fixed network.
        windows: windows presented in this run.
        order: index of the sample of each presentation.
        synchrony: group synchrony counters by plastic projection, shape (window, 2): how many neurons of
            the source and of the target fired in each window.
        changed: share of the weights that moved, by plastic projection; of synapses that died nothing is counted.
        weight_saturations, counter_saturations: by plastic projection; None where the target
            cannot count them, or nothing was presented.
        overflow: of the neurons' registers; None where the target cannot see it.
        teacher_hits: share of the windows in which the labelled neuron fired and, where the teacher
            inhibits, no other neuron did; None where no plastic projection could see it.
        health: of each plastic projection of a fixed network; see :mod:`ssdp_hw.learning.health`.
        before, after: spikes and synaptic operations of the network without a teacher, before and after
            learning, on the first samples (at most 256), counted on the fastest target; None without ``health``.
        target, seconds, notes, info: how it ran, for the report.
        curve: accuracy while it learned, group by group of ``refresh`` samples; empty unless ``teach`` is ``errors`` or
            ``delta``, which ask the network before they teach.
        alive: the synapses of the projections whose rules let some die, by projection.
        written: what rules wrote beside weights, by projection and name of the accumulator.
        evaluations: accuracy on the samples of ``evaluate``, before the first sample, in between, and after the last.
    """

    network: AnyNetwork
    state: LearningState
    rules: Mapping[str, Rule]
    windows: int
    order: NDArray[np.int64]
    synchrony: Mapping[str, NDArray[np.int64]]
    changed: Mapping[str, float]
    weight_saturations: Mapping[str, int] | None
    counter_saturations: Mapping[str, int] | None
    overflow: Mapping[str, OverflowCount] | None
    teacher_hits: float | None
    health: Mapping[str, LearningHealth]
    before: Activity | None
    after: Activity | None
    target: str
    seconds: float
    notes: Sequence[str] = ()
    info: Mapping[str, object] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    evaluations: tuple[CurvePoint, ...] = ()
    written: Mapping[str, Mapping[str, WrittenHealth]] = field(default_factory=dict)
    alive: Mapping[str, AliveHealth] = field(default_factory=dict)

    def _table(self) -> Table:
        rows = []
        for name, share in self.changed.items():
            health = self.health.get(name)
            saturated = "not counted" if self.weight_saturations is None else str(self.weight_saturations.get(name, 0))
            lost = "-" if health is None else f"{health.lost_lsb:.3g}"
            at_limit = "-" if health is None else f"{health.at_limit:.1%}"
            rows.append((name, type(self.rules[name]).__name__, f"{share:.1%}", at_limit, saturated, lost))
        notes = [*self.notes]
        for name, full in (self.counter_saturations or {}).items():
            if full:
                notes.append(
                    f"projection '{name}': counters were full {full:,} times, and what went beyond them is lost; "
                    "more counter_bits or fewer windows_per_update, or more headroom of a declared rule, leave room"
                )
        for name, found in self.written.items():
            notes += [f"projection '{name}': {one.said()}" for one in found.values()]
        notes += [one.said() for one in self.alive.values()]
        header = ("projection", "rule", "weights moved", "at a limit", "saturations", "lost by rounding, LSB")
        title = f"{self.windows} windows learned on {self.target} in {self.seconds:.2f} s"
        if self.curve:
            first, last = self.curve[0].accuracy, self.curve[-1].accuracy
            title += f"; right before they were taught: {first.percent()} at first, {last.percent()} at last"
        if self.evaluations:
            first, last = self.evaluations[0].accuracy, self.evaluations[-1].accuracy
            title += f"; evaluated: {first.percent()} before, {last.percent()} after"
        return Table(title, header, rows, notes)

    def plot(self, *, projection: str | None = None, ax: Axes | None = None) -> Drawn:
        """Draw the curve, weights before and after, counters, and how many neurons fired in each window.

        Args:
            projection: the plastic one that is drawn; default the first.
            ax: matplotlib Axes to draw in; default a new figure.

        Returns:
            The Axes, from top to bottom.

        Raises:
            ParameterError: that projection did not learn.
            UnsupportedError: matplotlib is not installed.
        """
        return draw("learned", self, projection=projection, ax=ax)

    @property
    def counters(self) -> Mapping[str, Numbers]:
        """Synchrony counters by plastic projection, one a stored weight."""
        return self.state.counters

    @property
    def updates(self) -> int:
        """Weight updates since the counters were zero."""
        return self.state.updates
