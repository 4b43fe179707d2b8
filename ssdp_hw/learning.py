"""``learn``: SSDP on a float or fixed network, sample by sample, on any target that can."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import as_int, class_labels, with_synapse_values
from ssdp_hw.drive import AnyNetwork, DirectInput, Drive, make_drive
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.fixed import FixedNetwork, FixedProjection
from ssdp_hw.health import LearningHealth, learning_health
from ssdp_hw.learning_input import (
    Rule,
    check_counters,
    check_growth,
    padded,
    plastic_names,
    resolve_rules,
    teachable_output,
)
from ssdp_hw.readout import required_record
from ssdp_hw.simulation import run, semantics_of
from ssdp_hw.ssdp import FixedSSDP
from ssdp_hw.ssdp.registers import silent_time
from ssdp_hw.target import Learned, LearningPlan, get_target
from ssdp_hw.teacher import Teacher

Teach = Literal["all", "errors"]


@dataclass(frozen=True, eq=False)
class LearnResult:
    """A learning run.

    Attributes:
        network: the network with its learned weights.
        counters: synchrony counters by plastic projection, one a synapse in row-major order; empty
            in a float network. With ``commits`` they let a later run go on where this one stopped.
        rules: the rule of each plastic projection as it ran, integers in a fixed network.
        windows, commits: windows presented, and commits done since the counters were zero.
        order: index of the sample of each window.
        changed: share of the weights that moved, by plastic projection.
        weight_saturations, counter_saturations: by plastic projection; None where the target
            cannot count them, or nothing was presented.
        teacher_hits: share of the windows in which the labelled neuron fired and, where the teacher
            inhibits, no other neuron did; None where no plastic projection could see it.
        health: of each plastic projection of a fixed network; see :mod:`ssdp_hw.health`.
        target, seconds, notes, info: how it ran, for the report.
    """

    network: AnyNetwork
    counters: Mapping[str, NDArray[np.int64]]
    rules: Mapping[str, Rule]
    windows: int
    commits: int
    order: NDArray[np.int64]
    changed: Mapping[str, float]
    weight_saturations: Mapping[str, int] | None
    counter_saturations: Mapping[str, int] | None
    teacher_hits: float | None
    health: Mapping[str, LearningHealth]
    target: str
    seconds: float
    notes: Sequence[str] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


def learn(
    network: AnyNetwork,
    inputs: ArrayLike | Mapping[str, ArrayLike],
    labels: ArrayLike | None,
    rule: Rule | Mapping[str, Rule],
    target: str = "engine",
    *,
    plastic: str | Sequence[str] | None = None,
    teacher: Teacher | None = None,
    teach: Teach = "all",
    readout: str = "spike_count",
    epochs: int = 1,
    shuffle: bool = True,
    seed: int = 0,
    steps: int | None = None,
    counters: Mapping[str, NDArray[np.int64]] | None = None,
    commits: int = 0,
    options: Mapping[str, Any] | None = None,
) -> LearnResult:
    """Present samples one after the other and let the synapses learn.

    Every sample is one window and starts from the initial state. With labels the learning is
    supervised: a :class:`~ssdp_hw.teacher.Teacher` makes the labelled output neuron fire.

    A rule with ``commit_windows`` above 1 commits full groups only. What the windows after the last
    full group of an epoch brought stays in the counters; the float rule, which has none, drops it.

    Args:
        network: a float network learns in float, a fixed network in integers.
        inputs: spikes (time, batch, channels), or a dict of them by input.
        labels: class of every sample, shape (batch,); None to learn without a teacher.
        rule: :class:`~ssdp_hw.SSDP` (for a fixed network turned into integers through each
            projection's scale) or :class:`~ssdp_hw.FixedSSDP`, one for all or by projection.
        target: where to learn.
        plastic: names of the projections that learn; default those of ``rule`` if it is by
            projection, else the only projection into the output from a spiking source.
        teacher: default ``Teacher()`` if there are labels.
        teach: ``all`` presents every sample; ``errors`` first runs all samples without a teacher in
            each epoch and teaches only those that ``readout`` gets wrong.
        readout: see :mod:`ssdp_hw.readout`; for ``errors`` only.
        epochs, shuffle, seed: how often and in which order samples come; the seed also keys the
            random rounding.
        steps: length of a window; default ``len(inputs) + network.latency``, so that the last
            spike reaches the output.
        counters, commits: state of an earlier run to go on from.
        options: options of the target.

    Raises:
        ParameterError, ShapeError: labels, windows or counters that do not fit.
        UnsupportedError: the network, rule or target cannot learn this way.
        UnknownTargetError, TargetUnavailableError, TargetRunError: as in :func:`ssdp_hw.run`.
    """
    if teach not in ("all", "errors"):
        raise ParameterError(f"teach = {teach!r}; choose all or errors")
    for what, value, low, high in (
        ("epochs", epochs, 1, 2**31), ("seed", seed, 0, 2**64 - 1), ("commits", commits, 0, 2**32 - 1)
    ):
        if not low <= as_int(value, what) <= high:
            raise ParameterError(f"{what} = {value} is outside {low} .. {high}")
    if isinstance(inputs, DirectInput):
        raise UnsupportedError("learning is by spikes; encode the values by rate or latency instead of directly")
    given = make_drive(network, inputs)
    length = given.steps + network.latency if steps is None else as_int(steps, "steps")
    spikes = {name: padded(s, length) for name, s in given.spikes.items()}
    names = plastic_names(network, rule, plastic)
    rules, notes = resolve_rules(network, rule, names)
    for r in rules.values():
        if isinstance(r, FixedSSDP):
            r.check_window(length)
    group = LearningPlan(rules).commit_windows
    lesson = _lesson(network, labels, teacher, given.batch)
    if lesson is None and teach == "errors":
        raise ParameterError("teach = 'errors' needs labels")
    taught = network if lesson is None else lesson.teacher.attach(network, lesson.output)
    notes += taught.notes[len(network.notes):]
    check_growth(taught, names)
    resolved = get_target(target).resolve(options or {})
    initial = check_counters(network, rules, counters)
    progress = _Progress(network, initial, commits)
    generator = np.random.default_rng(seed)
    start = time.perf_counter()
    for _ in range(epochs):
        order = generator.permutation(given.batch) if shuffle else np.arange(given.batch)
        if lesson is not None and teach == "errors":
            wrong = _mistaken(progress.network, spikes, lesson, readout, target, options)
            order = order[wrong[order]]
            if not order.size:
                break
        drive, taught = _windows(progress.network, spikes, lesson, order, length)
        chosen = get_target(target, taught, learning=True)
        plan = LearningPlan(rules, seed, progress.counters, progress.commits)
        learned = chosen.learn(taught, drive, plan, resolved)
        progress.take(learned, order, order.size // group)
    seconds = time.perf_counter() - start
    info = {
        "options": resolved, "seed": seed, "epochs": epochs, "shuffle": shuffle, "teach": teach, "window": length,
        "rules": {name: _described(r) for name, r in rules.items()},
    }
    windows = progress.presented.size
    return LearnResult(
        progress.network, progress.counters, rules, windows, progress.commits,
        progress.presented,
        {name: _changed(network, progress.network, name) for name in names},
        progress.weight_saturations, progress.counter_saturations,
        None if lesson is None else _teacher_hits(network, progress, lesson, rules, length),
        _health(network, progress, rules, length, initial) if windows else {}, target, seconds, tuple(notes),
        {**info, **semantics_of(network), **progress.info},
    )


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What is taught: the class of every sample, by which teacher, to which population."""

    classes: NDArray[np.int64]
    teacher: Teacher
    output: str


class _Progress:
    """State of a learning run between two epochs."""

    def __init__(self, network: AnyNetwork, counters: Mapping[str, NDArray[np.int64]], commits: int) -> None:
        self.network, self.counters, self.commits = network, counters, commits
        self.order: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        self.spike_times: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}
        self.weight_saturations: dict[str, int] | None = None
        self.counter_saturations: dict[str, int] | None = None
        self.info: Mapping[str, Any] = {}

    def take(self, learned: Learned, order: NDArray[np.int64], commits: int) -> None:
        """Go on from what a target has learned."""
        self.network = _with_weights(self.network, learned.weights)
        self.counters, self.info = learned.counters, learned.info
        self.commits += commits
        self.order.append(order)
        for name, times in learned.spike_times.items():
            self.spike_times.setdefault(name, []).append(times)
        self.weight_saturations = _added(self.weight_saturations, learned.weight_saturations)
        self.counter_saturations = _added(self.counter_saturations, learned.counter_saturations)

    @property
    def presented(self) -> NDArray[np.int64]:
        """Sample of every window so far."""
        return np.concatenate(self.order).astype(np.int64)

    def registers(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ticks of source and target of a projection in every window so far."""
        pre, post = zip(*self.spike_times[name], strict=True)
        return np.concatenate(pre), np.concatenate(post)


def _added(total: dict[str, int] | None, more: Mapping[str, int] | None) -> dict[str, int] | None:
    if more is None:
        return total
    return {name: count + (total or {}).get(name, 0) for name, count in more.items()}


def _health(
    before: AnyNetwork, progress: _Progress, rules: Mapping[str, Rule], steps: int,
    counters: Mapping[str, NDArray[np.int64]],
) -> dict[str, LearningHealth]:
    """Health of every projection that learned in integers."""
    found = {}
    for name, rule in rules.items():
        p, q = before.projection(name), progress.network.projection(name)
        if not (isinstance(rule, FixedSSDP) and isinstance(p, FixedProjection) and isinstance(q, FixedProjection)):
            continue
        found[name] = learning_health(
            p, q, rule, progress.registers(name), steps, counters[name], progress.counters[name],
            (progress.weight_saturations, progress.counter_saturations),
        )
    return found


def _lesson(network: AnyNetwork, labels: ArrayLike | None, teacher: Teacher | None, batch: int) -> _Lesson | None:
    if labels is None:
        if teacher is not None:
            raise ParameterError("a teacher needs labels")
        return None
    output = teachable_output(network)
    return _Lesson(class_labels(labels, batch, network.size_of(output)), teacher or Teacher(), output)


def _windows(
    network: AnyNetwork, spikes: Mapping[str, NDArray[np.bool_]], lesson: _Lesson | None, order: NDArray[np.int64],
    steps: int,
) -> tuple[Drive, AnyNetwork]:
    """The samples of ``order`` as windows, and the network that runs them: with its teacher, if any."""
    chosen = {name: s[:, order] for name, s in spikes.items()}
    taught = network
    if lesson is not None:
        taught = lesson.teacher.attach(network, lesson.output)
        chosen |= lesson.teacher.spikes(taught, lesson.output, lesson.classes[order], steps)
    return make_drive(taught, chosen), taught


def _mistaken(
    network: AnyNetwork, spikes: Mapping[str, NDArray[np.bool_]], lesson: _Lesson, readout: str, target: str,
    options: Mapping[str, Any] | None,
) -> NDArray[np.bool_]:
    """Which samples the network gets wrong by itself."""
    needed = (required_record(readout),)
    result = run(
        network, dict(spikes), target, record=needed, populations=(lesson.output,), on_overflow="ignore",
        options=options,
    )
    return np.asarray(result.predict(readout, lesson.output) != lesson.classes)


def _described(rule: Rule) -> dict[str, Any]:
    return {key: value.value if isinstance(value, StrEnum) else value for key, value in asdict(rule).items()}


def _with_weights(network: AnyNetwork, weights: Mapping[str, NDArray[Any]]) -> AnyNetwork:
    if isinstance(network, FixedNetwork):
        return network.with_mantissas(weights)
    return network.with_weights(
        {name: with_synapse_values(network.projection(name).weight, w) for name, w in weights.items()}
    )


def _changed(before: AnyNetwork, after: AnyNetwork, name: str) -> float:
    """Share of the weights of a projection that differ."""
    return float(np.mean(before.projection(name).synapse_weights != after.projection(name).synapse_weights))


def _teacher_hits(
    network: AnyNetwork, progress: _Progress, lesson: _Lesson, rules: Mapping[str, Rule], steps: int
) -> float | None:
    """Share of the windows in which the teacher had its way, as a plastic projection onto its output saw it."""
    labels = lesson.classes[progress.presented]
    for name, rule in rules.items():
        if network.projection(name).target != lesson.output or not labels.size:
            continue
        never = silent_time(steps, rule.time_shift if isinstance(rule, FixedSSDP) else 0)
        fired = progress.registers(name)[1] != never
        labelled = labels[:, None] == np.arange(fired.shape[1])
        wrong = fired != labelled if lesson.teacher.inhibit else labelled & ~fired
        return float(np.mean(~wrong.any(axis=1)))
    return None
