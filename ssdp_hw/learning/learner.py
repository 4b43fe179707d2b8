"""A learning run: it presents the samples group by group to a target and takes over the weights that came back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.learning.alive import alive_health, prune_any
from ssdp_hw.learning.factors import Checked, plan_factors
from ssdp_hw.learning.inputs import Rule, plan_gates, with_widest_weights
from ssdp_hw.learning.interludes import Interludes
from ssdp_hw.learning.nothing_learned import warn_if_nothing_learned, warn_if_nothing_written
from ssdp_hw.learning.outcome import (
    activity,
    described,
    health_by_projection,
    share_changed,
    synchrony_counts,
    teacher_hits,
    unintended,
)
from ssdp_hw.learning.pieces import Pieces
from ssdp_hw.learning.presentation import Presentation
from ssdp_hw.learning.progress import Progress
from ssdp_hw.learning.result import LearnResult
from ssdp_hw.learning.state import LearningState
from ssdp_hw.learning.supervision import Supervision, Teaching
from ssdp_hw.learning.written import between_updates, with_written, written_health
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.rules.arrivals import sees_arrivals
from ssdp_hw.running.analog import Analog
from ssdp_hw.running.drive import AnyNetwork, make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.progress import progress as show_progress
from ssdp_hw.running.result import RunResult
from ssdp_hw.running.run import OnOverflow, report_overflow, run, semantics_of
from ssdp_hw.running.target import graded_sources
from ssdp_hw.running.target_registry import get_target, targets_by_speed
from ssdp_hw.running.time_limit import STOPS, check_time, unlimited_time, with_result

_ACTIVITY_SAMPLES = 256


@dataclass(frozen=True, eq=False)
class Samples:
    """The input of all samples.

    Attributes:
        arrays: by input its spikes or values, shape (time, batch, channels).
        analog: names of the inputs with values.
    """

    arrays: Mapping[str, Numbers]
    analog: frozenset[str]

    @property
    def steps(self) -> int:
        """Length of a sample."""
        return len(next(iter(self.arrays.values())))

    @property
    def batch(self) -> int:
        """Number of samples."""
        return int(next(iter(self.arrays.values())).shape[1])

    def chosen(self, samples: NDArray[np.int64]) -> dict[str, Any]:
        """The input of some samples, as :func:`ssdp_hw.run` takes it."""
        return {n: Analog(a[:, samples]) if n in self.analog else a[:, samples] for n, a in self.arrays.items()}

    def first(self, count: int) -> dict[str, Any]:
        """The input of the first samples, at most ``count``, as :func:`ssdp_hw.run` takes it."""
        return self.chosen(np.arange(min(count, self.batch)))


def _stopped(done: int, total: int, left: int) -> str:
    """What a learning run that was stopped had done, and how it goes on: ``left`` epochs, the one begun among them."""
    said = f"after {done} of {total} samples; what was learned until then is the exception's 'result'"
    if not left:
        return said
    return f"{said}, and learn(result.network, ..., state=result.state) with epochs={left} goes on from there"


@dataclass(frozen=True)
class Execution:
    """Where a learning run is executed.

    Attributes:
        target: name of the target.
        options: its options, as given.
        on_overflow: what a register overflow leads to; see :func:`ssdp_hw.run`.

    Raises:
        UnknownTargetError, ParameterError: an unknown target, option or ``on_overflow``.
    """

    target: str
    options: Mapping[str, object]
    on_overflow: OnOverflow

    def __post_init__(self) -> None:
        if self.on_overflow not in ("error", "warn", "ignore"):
            raise ParameterError(f"on_overflow = {self.on_overflow!r}; choose error, warn or ignore")
        _ = self.resolved

    @property
    def resolved(self) -> dict[str, object]:
        """The options with defaults filled in."""
        return get_target(self.target).resolve(self.options)


@dataclass(frozen=True, eq=False)
class Plasticity:
    """What of a network learns, and how.

    Attributes:
        rules: the rule of each plastic projection, in the arithmetic of the network.
        gates: gates from outside by projection, shape (batch, post).
        factors: third factors of rules, see :func:`.factors.check_factors`.
        widest: the network with its plastic weights at the end of their range; None for a float network.
        notes: what the arithmetic of the rules and of the teacher lost.
    """

    rules: Mapping[str, Rule]
    gates: Mapping[str, NDArray[np.float64]]
    factors: Checked
    widest: FixedNetwork | None
    notes: Sequence[str]


@dataclass(frozen=True, eq=False)
class Learner:
    """A learning run: everything that stays the same while it lasts; :class:`Progress` has what changes.

    Attributes:
        network: the network before learning.
        samples: the input of all samples.
        plasticity: what of the network learns, and how.
        supervision: labels and teacher; None without labels.
        teaching, presentation, execution: as the caller asked for.
        interludes: what it does between samples.
    """

    network: AnyNetwork
    samples: Samples
    plasticity: Plasticity
    supervision: Supervision | None
    teaching: Teaching
    presentation: Presentation
    execution: Execution
    interludes: Interludes

    @property
    def steps(self) -> int:
        """Length of a sample in steps."""
        return self.samples.steps

    @property
    def batch(self) -> int:
        """Number of samples."""
        return self.samples.batch

    def learn(self, first: LearningState, *, health: bool, progress: bool | None = None) -> LearnResult:
        """Present the samples of all epochs from the state ``first`` on; ``progress``: whether it is shown.

        Raises:
            Interrupted, TimeLimitError: Ctrl-C, or over the time limit, after at least one piece.
        """
        so_far = Progress(self.network, first, self.presentation.windows, self.batch)
        start = time.perf_counter()
        total = self.presentation.epochs * self.batch - first.presented
        try:
            with show_progress(f"learning on {self.execution.target}", total, progress) as advance:
                self._present_all(so_far, first, advance)
        except STOPS as stop:
            so_far.forget_unfinished()
            if not so_far.done:
                raise
            with unlimited_time():
                self.interludes.save(so_far)
                found = self.result(so_far, first, time.perf_counter() - start, health=health)
            left = self.presentation.epochs - (found.state.epochs - first.epochs)
            raise with_result(stop, _stopped(so_far.done, total, left), found) from None
        with unlimited_time():
            return self.result(so_far, first, time.perf_counter() - start, health=health)

    def _present_all(self, progress: Progress, first: LearningState, advance: Callable[[int], None]) -> None:
        self.interludes.begin(progress)
        size = self.teaching.group_size(self.batch)
        pieces = Pieces(self.execution.target)
        for epoch, group in self.presentation.groups((first.epochs, first.presented), self.batch, size):
            for whole in self.interludes.cut(group, progress.done) if self.teaching.teach == "all" else [group]:
                for samples in pieces.of(whole) if self.teaching.teach == "all" else [whole]:
                    check_time()
                    self.present(progress, samples, epoch)
                    self.interludes.follow(progress, samples.size)
                    progress.finish_piece()
                    advance(samples.size)
        self.interludes.end(progress)

    def present(self, progress: Progress, samples: NDArray[np.int64], epoch: int) -> None:
        """Let the network learn from some samples, or (``errors``, ``delta``) from those that it classifies wrongly."""
        gates, supervision = self.plasticity.gates, self.supervision
        if supervision is not None and supervision.teach != "all":
            asked = samples.size
            untaught = self._untaught(progress.network, samples)
            mistaken, predicted = supervision.mistaken(untaught, samples)
            progress.note_accuracy(asked - mistaken.size, asked, epoch)
            if supervision.teach == "softmax":
                gates = dict.fromkeys(self.plasticity.rules, supervision.soft_gates(untaught, samples))
            else:
                samples = mistaken
            if supervision.teach == "delta":
                size = self.network.size_of(supervision.output)
                gates = dict.fromkeys(self.plasticity.rules, supervision.error_gates(samples, predicted, size))
        if samples.size:
            self._learn(progress, samples, gates)

    def _untaught(self, network: AnyNetwork, samples: NDArray[np.int64]) -> RunResult:
        """A run of some samples without the teacher, for the prediction of their classes."""
        assert self.supervision is not None
        return run(
            network,
            self.samples.chosen(samples),
            self.execution.target,
            record=self.supervision.record,
            populations=(self.supervision.output,),
            on_overflow="ignore",
            options=self.execution.options,
        )

    def _learn(self, progress: Progress, samples: NDArray[np.int64], gates: Mapping[str, NDArray[np.float64]]) -> None:
        for piece in between_updates(samples, self._plan(progress, samples, gates)):
            self._learn_piece(progress, piece, gates)

    def _plan(
        self, progress: Progress, samples: NDArray[np.int64], gates: Mapping[str, NDArray[np.float64]]
    ) -> LearningPlan:
        windows = self.presentation.windows
        return LearningPlan(
            self.plasticity.rules,
            self.presentation.seed,
            progress.counters,
            progress.updates,
            progress.pending,
            windows,
            plan_gates(self.plasticity.rules, gates, samples, windows),
            progress.lasting,
            self.presentation.restart,
            progress.steps,
            {} if self.presentation.restart else progress.neurons,
            plan_factors(self.plasticity.factors, samples, windows),
        )

    def _learn_piece(
        self, progress: Progress, samples: NDArray[np.int64], gates: Mapping[str, NDArray[np.float64]]
    ) -> None:
        target, rules = self.execution.target, self.plasticity.rules
        network, chosen = progress.network, self.samples.chosen(samples)
        if self.supervision is None:
            drive = make_drive(network, chosen)
        else:
            widest = with_widest_weights(network, list(rules)) if prune_any(rules) else self.plasticity.widest
            network = self.supervision.attach(network, with_written(widest, network, rules))
            drive = self.supervision.drive(network, chosen, samples, self.steps)
        plan = self._plan(progress, samples, gates)
        runner = get_target(target, network, learning=True)
        reasons = [*graded_sources(network, plan), *runner.unsupported_plan(network, plan)]
        if not plan.restart and not runner.learns_in_pieces:
            reasons.append("each sample starts from the initial state here, and presentation says restart=False")
        late = [name for name, rule in rules.items() if sees_arrivals(rule, network.projection(name))]
        if late and not runner.sees_arrivals:
            able = ", ".join(sorted(t.name for t in targets_by_speed() if t.sees_arrivals))
            reasons.append(f"the rule of '{late[0]}' has pre_trace = 'arrives', which these targets know: {able}")
        if reasons:
            raise UnsupportedError(f"target '{target}' cannot learn this way: {'; '.join(reasons)}")
        progress.take(runner.learn(network, drive, plan, self.execution.resolved), samples, plan, self.steps)

    def result(self, progress: Progress, first: LearningState, seconds: float, *, health: bool) -> LearnResult:
        """The result of a run that began in the state ``first``."""
        presented, rules = progress.presented, self.plasticity.rules
        windows = self.presentation.windows
        observed = {}
        if presented.size:
            seed = self.presentation.seed
            start = LearningPlan(rules, seed, {}, first.updates, first.pending, lasting=first.lasting)
            factors = plan_factors(self.plasticity.factors, presented, windows)
            observed = {
                name: replace(
                    progress.observation(name, r, self.steps // windows),
                    key=start.random_key(self.network, name),
                    lasting=start.first_lasting(self.network, name),
                    factors={**factors.get(name, {}), **progress.read_states(name)},
                )
                for name, r in rules.items()
            }
        written = written_health(self.network, progress.network, rules, progress.moves)
        changed = {name: share_changed(self.network, progress.network, name) for name in rules}
        if isinstance(self.network, FixedNetwork):
            before = {name: self.network.projection(name) for name in rules}
            warn_if_nothing_learned(before, rules, observed, changed, progress.state.counters)
            warn_if_nothing_written(rules, written, progress.lasting, presented.size * windows)
        overflow = unintended(progress.overflow, self.supervision)
        report_overflow(self.network, overflow, self.steps, presented.size, self.execution.on_overflow)
        return LearnResult(
            network=progress.network,
            state=progress.state,
            rules=rules,
            windows=presented.size * windows,
            order=presented,
            synchrony={name: synchrony_counts(observation) for name, observation in observed.items()},
            changed=changed,
            weight_saturations=progress.weight_saturations,
            counter_saturations=progress.counter_saturations,
            overflow=progress.overflow,
            teacher_hits=teacher_hits(self.network, progress, self.supervision, observed),
            health=health_by_projection(self.network, progress, rules, observed, first) if health else {},
            written=written,
            alive=alive_health(self.network, progress.network, rules, progress.lasting),
            before=activity(self.network, self.samples.first(_ACTIVITY_SAMPLES), self.steps) if health else None,
            after=activity(progress.network, self.samples.first(_ACTIVITY_SAMPLES), self.steps) if health else None,
            target=self.execution.target,
            seconds=seconds,
            notes=tuple(self.plasticity.notes),
            info={**self._info(), **semantics_of(self.network), **progress.info},
            curve=tuple(progress.curve),
            evaluations=tuple(progress.evaluations),
        )

    def _info(self) -> dict[str, object]:
        return {
            "options": self.execution.resolved,
            "seed": self.presentation.seed,
            "epochs": self.presentation.epochs,
            "shuffle": self.presentation.shuffle,
            "teach": self.teaching.teach,
            "refresh": self.teaching.refresh,
            "steps": self.steps,
            "windows_per_sample": self.presentation.windows,
            "rules": {name: described(rule) for name, rule in self.plasticity.rules.items()},
        }
