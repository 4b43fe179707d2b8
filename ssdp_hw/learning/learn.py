"""``learn``: a local rule on a float or fixed network, sample by sample, on any target that can."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.activity import Activity, measure_activity
from ssdp_hw.deprecation import renamed
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.learning.health import LearningHealth, learning_health
from ssdp_hw.learning.inputs import (
    Rule,
    check_gates,
    check_learns_from_spikes,
    check_state,
    padded,
    plan_gates,
    plastic_names,
    resolve_rules,
    with_widest_weights,
)
from ssdp_hw.learning.nothing_learned import warn_if_nothing_learned
from ssdp_hw.learning.presentation import Presentation
from ssdp_hw.learning.progress import Progress
from ssdp_hw.learning.result import LearnResult
from ssdp_hw.learning.state import LearningState
from ssdp_hw.learning.supervision import Supervision, Teach, Teaching
from ssdp_hw.learning.teacher import Teacher
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.rules import CounterRule
from ssdp_hw.rules.local import Observation
from ssdp_hw.running.analog import Analog
from ssdp_hw.running.drive import AnyNetwork, DirectInput, Drive, Inputs, make_drive
from ssdp_hw.running.result import OverflowCount, RunResult
from ssdp_hw.running.run import OnOverflow, report_overflow, run, semantics_of
from ssdp_hw.running.target import LearningPlan, fastest_target, get_target

__all__ = ["LearnResult", "Teach", "learn"]

_ACTIVITY_SAMPLES = 256


@renamed(readout="decode")
def learn(
    network: AnyNetwork,
    inputs: Inputs,
    labels: ArrayLike | None,
    rule: Rule | Mapping[str, Rule],
    target: str | None = None,
    *,
    plastic: str | Sequence[str] | None = None,
    teacher: Teacher | None = None,
    teach: Teach = "all",
    gates: ArrayLike | Mapping[str, ArrayLike] | None = None,
    decode: str = "spike_count",
    epochs: int = 1,
    refresh: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    steps: int | None = None,
    windows: int = 1,
    state: LearningState | None = None,
    on_overflow: OnOverflow = "warn",
    health: bool = True,
    options: Mapping[str, Any] | None = None,
) -> LearnResult:
    """Present samples one after the other and let the synapses learn.

    Every sample is one window, or several, and starts from the initial state. With labels the learning
    is supervised: a :class:`~ssdp_hw.learning.teacher.Teacher` makes the labelled output neuron fire.

    A rule with ``windows_per_update`` above 1 moves the weights after full groups of windows only. The weight
    changes of the windows after the last full group stay in the counters, from which a later run goes on
    by ``state``.

    Args:
        network: a float network learns in float, a fixed network in integers.
        inputs: spikes or analog values as for :func:`ssdp_hw.run`; a projection from an analog input cannot learn.
        labels: class of every sample, shape (batch,); None to learn without a teacher.
        rule: one for all plastic projections, or one by projection: :class:`~ssdp_hw.SSDP`,
            :class:`~ssdp_hw.STDP` or :class:`~ssdp_hw.SADP` (for a fixed network turned into integers
            through each projection's scale), or their integer forms.
        target: where to learn; default the fastest installed target that can learn with this network.
        plastic: names of the projections that learn; default those of ``rule`` if it is by
            projection, else the only projection into the output from a spiking source.
        teacher: default ``Teacher()`` if there are labels, for ``delta`` one that does not inhibit.
        teach: ``all`` presents every sample. ``errors`` first runs the samples without a teacher and
            teaches only those that ``decode`` gets wrong. ``delta`` does so too, with a gate for each
            output neuron: 1 for the labelled, -1 for the wrongly chosen, 0 for the others.
        gates: third factor from outside for each sample, shape (batch,) or (batch, post), or a dict of
            such arrays by projection: every step of the rule is multiplied by it; -2 to 2.
        decode: rule by which the class of a sample is predicted, see :mod:`ssdp_hw.running.decoding`; for
            ``errors`` and ``delta`` only.
        epochs, shuffle, seed: how often and in which order samples come; the seed also keys the
            random rounding.
        refresh: for ``errors`` and ``delta``: number of samples after which the network, with the weights
            learned until then, predicts the classes of the next samples; default once an epoch.
        steps: length of a sample; default ``len(inputs) + network.latency``, so that the last
            spike reaches the output, and no less than a multiple of ``windows``.
        windows: equal windows that each sample is cut into.
        state: state of an earlier run to go on from, with the network that it returned. The rule may
            be another one: that is how its parameters change between windows.
        on_overflow: see :func:`ssdp_hw.run`; that a teacher drives the voltage of a taught neuron to the end
            of its range is counted, but no reason to warn.
        health: whether to report the learning health, and the activity before and after.
        options: options of the target.

    Raises:
        ParameterError, ShapeError: labels, gates, windows or counters that do not fit.
        UnsupportedError: the network, rule or target cannot learn this way.
        UnknownTargetError, TargetUnavailableError, TargetRunError: as in :func:`ssdp_hw.run`.
        StateOverflowError: a register overflowed and ``on_overflow`` is ``error``.
    """
    teaching = Teaching(teacher, teach, decode, refresh)
    presentation = Presentation(epochs, shuffle, seed, steps, windows)
    if target is None:
        target = fastest_target(network, learning=True).name
    execution = _Execution(target, dict(options or {}), on_overflow)
    given, spikes = _given(network, inputs, presentation)
    names = plastic_names(network, rule, plastic)
    check_learns_from_spikes(network, given.values, names)
    rules, notes = resolve_rules(network, rule, names)
    LearningPlan(rules, windows_per_sample=windows).check_windows(len(next(iter(spikes.values()))))
    supervision = teaching.supervise(network, labels, given, names, gated=gates is not None)
    outside = check_gates(network, rules, gates, given.batch)
    widest = with_widest_weights(network, names)
    if supervision is not None:
        taught = supervision.attach(network, widest)
        with_widest_weights(taught, names)
        notes += taught.notes[len(network.notes) :]
    samples = _Samples(spikes, frozenset(given.values))
    learner = _Learner(network, samples, rules, notes, outside, widest, supervision, teaching, presentation, execution)
    return learner.learn(check_state(network, rules, state, windows), health=health)


def _given(network: AnyNetwork, inputs: Inputs, presentation: Presentation) -> tuple[Drive, dict[str, NDArray[Any]]]:
    """The checked input, and by input its spikes or values up to the length of a sample: silent where it ends.

    Raises:
        ParameterError, ShapeError: inputs that do not fit the network or are longer than a sample.
    """
    given = make_drive(network, inputs)
    length = presentation.length(given.steps + network.latency)
    if isinstance(inputs, DirectInput):  # goes on to the end of the sample
        given = make_drive(network, inputs, length)
    return given, {name: padded(s, length) for name, s in given.arrays().items()}


@dataclass(frozen=True, eq=False)
class _Samples:
    """The input of all samples.

    Attributes:
        arrays: by input its spikes or values, shape (time, batch, channels).
        analog: names of the inputs with values.
    """

    arrays: Mapping[str, NDArray[Any]]
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
        """Those of some samples, as input of a run."""
        return {n: Analog(a[:, samples]) if n in self.analog else a[:, samples] for n, a in self.arrays.items()}


@dataclass(frozen=True)
class _Execution:
    """Where a learning run is executed.

    Attributes:
        target: name of the target.
        options: its options, as given.
        on_overflow: what a register overflow leads to; see :func:`ssdp_hw.run`.

    Raises:
        UnknownTargetError, ParameterError: an unknown target, option or ``on_overflow``.
    """

    target: str
    options: Mapping[str, Any]
    on_overflow: OnOverflow

    def __post_init__(self) -> None:
        if self.on_overflow not in ("error", "warn", "ignore"):
            raise ParameterError(f"on_overflow = {self.on_overflow!r}; choose error, warn or ignore")
        _ = self.resolved

    @property
    def resolved(self) -> dict[str, Any]:
        """The options with defaults filled in."""
        return get_target(self.target).resolve(self.options)


@dataclass(frozen=True, eq=False)
class _Learner:
    """What stays the same during a learning run.

    Attributes:
        network: the network before learning.
        samples: the input of all samples.
        rules: the rule of each plastic projection, in the arithmetic of the network.
        notes: what the arithmetic of the rules and of the teacher lost.
        gates: gates from outside by projection, shape (batch, post).
        widest: the network with its plastic weights at the end of their range; None for a float network.
        supervision: labels and teacher; None without labels.
        teaching, presentation, execution: as the caller asked for.
    """

    network: AnyNetwork
    samples: _Samples
    rules: Mapping[str, Rule]
    notes: Sequence[str]
    gates: Mapping[str, NDArray[np.float64]]
    widest: FixedNetwork | None
    supervision: Supervision | None
    teaching: Teaching
    presentation: Presentation
    execution: _Execution

    @property
    def steps(self) -> int:
        """Length of a sample in steps."""
        return self.samples.steps

    @property
    def batch(self) -> int:
        """Number of samples."""
        return self.samples.batch

    def learn(self, first: LearningState, *, health: bool) -> LearnResult:
        """Present the samples of all epochs from the state ``first`` on."""
        progress = Progress(self.network, first, self.presentation.windows)
        start = time.perf_counter()
        for samples in self.presentation.groups(first.epochs, self.batch, self.teaching.group_size(self.batch)):
            self.present(progress, samples)
        return self.result(progress, first, time.perf_counter() - start, health=health)

    def present(self, progress: Progress, samples: NDArray[np.int64]) -> None:
        """Present some samples, or those of them that the network mistakes, and take over what was learned."""
        gates, supervision = self.gates, self.supervision
        if supervision is not None and supervision.teach != "all":
            samples, predicted = supervision.mistaken(self._untaught(progress.network, samples), samples)
            if supervision.teach == "delta":
                size = self.network.size_of(supervision.output)
                gates = dict.fromkeys(self.rules, supervision.error_gates(samples, predicted, size))
        if samples.size:
            self._learn(progress, samples, gates)

    def _untaught(self, network: AnyNetwork, samples: NDArray[np.int64]) -> RunResult:
        """A run of some samples without the teacher, for the prediction of their classes."""
        assert self.supervision is not None
        return run(
            network,
            self.samples.chosen(samples),
            self.execution.target,
            record=(self.supervision.record,),
            populations=(self.supervision.output,),
            on_overflow="ignore",
            options=self.execution.options,
        )

    def _learn(self, progress: Progress, samples: NDArray[np.int64], gates: Mapping[str, NDArray[np.float64]]) -> None:
        target, windows = self.execution.target, self.presentation.windows
        network, chosen = progress.network, self.samples.chosen(samples)
        if self.supervision is None:
            drive = make_drive(network, chosen)
        else:
            network = self.supervision.attach(network, self.widest)
            drive = self.supervision.drive(network, chosen, samples, self.steps)
        plan = LearningPlan(
            self.rules,
            self.presentation.seed,
            progress.counters,
            progress.updates,
            progress.pending,
            windows,
            plan_gates(self.rules, gates, samples, windows),
        )
        runner = get_target(target, network, learning=True)
        reasons = runner.unsupported_plan(network, plan)
        if reasons:
            raise UnsupportedError(f"target '{target}' cannot learn this way: {'; '.join(reasons)}")
        progress.take(runner.learn(network, drive, plan, self.execution.resolved), samples, plan)

    def result(self, progress: Progress, first: LearningState, seconds: float, *, health: bool) -> LearnResult:
        """The result of a run that began in the state ``first``."""
        presented = progress.presented
        windows = self.presentation.windows
        observed = {}
        if presented.size:
            start = LearningPlan(self.rules, self.presentation.seed, {}, first.updates, first.pending)
            observed = {
                name: replace(
                    progress.observation(name, r, self.steps // windows), key=start.random_key(self.network, name)
                )
                for name, r in self.rules.items()
            }
        changed = {name: _changed(self.network, progress.network, name) for name in self.rules}
        if isinstance(self.network, FixedNetwork):
            before = {name: self.network.projection(name) for name in self.rules}
            after = progress.state(first.epochs).counters
            warn_if_nothing_learned(before, self.rules, observed, changed, after)
        overflow = _unintended(progress.overflow, self.supervision)
        report_overflow(overflow, self.steps, presented.size, self.execution.on_overflow)
        return LearnResult(
            network=progress.network,
            state=progress.state(first.epochs + self.presentation.epochs),
            rules=self.rules,
            windows=presented.size * windows,
            order=presented,
            synchrony={name: _synchrony(observation) for name, observation in observed.items()},
            changed=changed,
            weight_saturations=progress.weight_saturations,
            counter_saturations=progress.counter_saturations,
            overflow=progress.overflow,
            teacher_hits=_teacher_hits(self.network, progress, self.supervision, observed),
            health=_health(self.network, progress, self.rules, observed, first) if health else {},
            before=_activity(self.network, self.samples) if health else None,
            after=_activity(progress.network, self.samples) if health else None,
            target=self.execution.target,
            seconds=seconds,
            notes=tuple(self.notes),
            info={**self._info(), **semantics_of(self.network), **progress.info},
        )

    def _info(self) -> dict[str, Any]:
        return {
            "options": self.execution.resolved,
            "seed": self.presentation.seed,
            "epochs": self.presentation.epochs,
            "shuffle": self.presentation.shuffle,
            "teach": self.teaching.teach,
            "refresh": self.teaching.refresh,
            "steps": self.steps,
            "windows_per_sample": self.presentation.windows,
            "rules": {name: _described(rule) for name, rule in self.rules.items()},
        }


def _synchrony(observed: Observation[Any]) -> NDArray[np.int64]:
    """Group synchrony counters of every window, shape (window, 2)."""
    counts = [observed.pre.fired.sum(axis=1), observed.post.fired.sum(axis=1)]
    return np.asarray(np.stack(counts, axis=1), np.int64)


def _unintended(
    overflow: Mapping[str, OverflowCount] | None, supervision: Supervision | None
) -> Mapping[str, OverflowCount] | None:
    """Overflows without the saturations of the taught neurons, which the teacher holds at the ends on purpose."""
    if overflow is None or supervision is None:
        return overflow
    return {**overflow, supervision.output: replace(overflow[supervision.output], v_saturations=0)}


def _health(
    before: AnyNetwork,
    progress: Progress,
    rules: Mapping[str, Rule],
    observed: Mapping[str, Observation[Any]],
    initial: LearningState,
) -> dict[str, LearningHealth]:
    """Health of every projection that learned in integers."""
    found = {}
    for name, observation in observed.items():
        rule, p, q = rules[name], before.projection(name), progress.network.projection(name)
        if not (isinstance(rule, CounterRule) and isinstance(p, FixedProjection) and isinstance(q, FixedProjection)):
            continue
        gates = progress.gates.get(name)
        found[name] = learning_health(
            p,
            q,
            rule,
            observation,
            None if gates is None else np.concatenate(gates),
            initial.counters[name],
            progress.counters[name],
            (progress.weight_saturations, progress.counter_saturations),
        )
    return found


def _activity(network: AnyNetwork, samples: _Samples) -> Activity:
    """Activity of the network without a teacher, on the first samples, run on the fastest target."""
    first = samples.chosen(np.arange(min(_ACTIVITY_SAMPLES, samples.batch)))
    return measure_activity(network, first, steps=samples.steps)


def _described(rule: Rule) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        return value.value if isinstance(value, StrEnum) else value

    return {"rule": type(rule).__name__, **{key: plain(value) for key, value in vars(rule).items()}}


def _changed(before: AnyNetwork, after: AnyNetwork, name: str) -> float:
    """Share of the weights of a projection that differ."""
    return float(np.mean(before.projection(name).stored_weights != after.projection(name).stored_weights))


def _teacher_hits(
    network: AnyNetwork, progress: Progress, supervision: Supervision | None, observed: Mapping[str, Observation[Any]]
) -> float | None:
    """Share of the windows in which the output fired as the teacher wants, as a plastic projection observed it."""
    if supervision is None:
        return None
    labels = np.repeat(supervision.classes[progress.presented], progress.windows)
    for name, observation in observed.items():
        if network.projection(name).post != supervision.output:
            continue
        fired = observation.post.fired
        labelled = labels[:, None] == np.arange(fired.shape[1])
        wrong = fired != labelled if supervision.teacher.inhibit else labelled & ~fired
        return float(np.mean(~wrong.any(axis=1)))
    return None
