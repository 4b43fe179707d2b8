"""``learn``: a local rule on a float or fixed network, sample by sample, on any target that can."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.activity import Activity, measure_activity
from ssdp_hw.checks import as_int, class_labels, with_synapse_values
from ssdp_hw.deprecation import renamed
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.learning.health import LearningHealth, learning_health
from ssdp_hw.learning.inputs import (
    Rule,
    check_gates,
    check_state,
    error_gates,
    padded,
    plan_gates,
    plastic_names,
    resolve_rules,
    teachable_output,
    with_widest_weights,
)
from ssdp_hw.learning.state import LearningState
from ssdp_hw.learning.teacher import Teacher
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.rules import CounterRule
from ssdp_hw.rules.local import Observation
from ssdp_hw.running.decoding import required_record
from ssdp_hw.running.drive import AnyNetwork, DirectInput, Drive, make_drive
from ssdp_hw.running.result import OverflowCount
from ssdp_hw.running.run import OnOverflow, report_overflow, run, semantics_of
from ssdp_hw.running.target import Learned, LearningPlan, get_target

_ACTIVITY_SAMPLES = 256

Teach = Literal["all", "errors", "delta"]


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
        changed: share of the weights that moved, by plastic projection.
        weight_saturations, counter_saturations: by plastic projection; None where the target
            cannot count them, or nothing was presented.
        overflow: of the neurons' registers; None where the target cannot see it.
        teacher_hits: share of the windows in which the labelled neuron fired and, where the teacher
            inhibits, no other neuron did; None where no plastic projection could see it.
        health: of each plastic projection of a fixed network; see :mod:`ssdp_hw.learning.health`.
        before, after: spikes and synaptic operations of the network without a teacher, before and after
            learning, on the first samples (at most 256), counted on the engine; None without ``health``.
        target, seconds, notes, info: how it ran, for the report.
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
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counters(self) -> Mapping[str, NDArray[Any]]:
        """Synchrony counters by plastic projection, one a stored weight."""
        return self.state.counters

    @property
    def updates(self) -> int:
        """Weight updates since the counters were zero."""
        return self.state.updates


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
    gates: ArrayLike | Mapping[str, ArrayLike] | None = None,
    readout: str = "spike_count",
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
        inputs: spikes (time, batch, channels), or a dict of them by input.
        labels: class of every sample, shape (batch,); None to learn without a teacher.
        rule: one for all plastic projections, or one by projection: :class:`~ssdp_hw.SSDP`,
            :class:`~ssdp_hw.STDP` or :class:`~ssdp_hw.SADP` (for a fixed network turned into integers
            through each projection's scale), or their integer forms.
        target: where to learn.
        plastic: names of the projections that learn; default those of ``rule`` if it is by
            projection, else the only projection into the output from a spiking source.
        teacher: default ``Teacher()`` if there are labels, for ``delta`` one that does not inhibit.
        teach: ``all`` presents every sample. ``errors`` first runs the samples without a teacher and
            teaches only those that ``readout`` gets wrong. ``delta`` does so too, with a gate for each
            output neuron: 1 for the labelled, -1 for the wrongly chosen, 0 for the others.
        gates: third factor from outside for each sample, shape (batch,) or (batch, post), or a dict of
            such arrays by projection: every step of the rule is multiplied by it; -2 to 2.
        readout: see :mod:`ssdp_hw.running.decoding`; for ``errors`` and ``delta`` only.
        epochs, shuffle, seed: how often and in which order samples come; the seed also keys the
            random rounding.
        refresh: for ``errors`` and ``delta``: after so many samples the network that has learned since
            is asked anew; default once an epoch.
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
    if teach not in ("all", "errors", "delta"):
        raise ParameterError(f"teach = {teach!r}; choose all, errors or delta")
    if on_overflow not in ("error", "warn", "ignore"):
        raise ParameterError(f"on_overflow = {on_overflow!r}; choose error, warn or ignore")
    for what, value, low, high in (
        ("epochs", epochs, 1, 2**31),
        ("seed", seed, 0, 2**64 - 1),
        ("windows", windows, 1, 2**20),
        ("refresh", 1 if refresh is None else refresh, 1, 2**31),
    ):
        if not low <= as_int(value, what) <= high:
            raise ParameterError(f"{what} = {value} is outside {low} .. {high}")
    if isinstance(inputs, DirectInput):
        raise UnsupportedError("learning is by spikes; encode the values by rate or latency instead of directly")
    given = make_drive(network, inputs)
    length = given.steps + network.latency if steps is None else as_int(steps, "steps")
    length = -(-length // windows) * windows
    spikes = {name: padded(s, length) for name, s in given.spikes.items()}
    names = plastic_names(network, rule, plastic)
    rules, notes = resolve_rules(network, rule, names)
    LearningPlan(rules, windows_per_sample=windows).check_windows(length)
    if teach == "delta" and teacher is None:
        teacher = Teacher(inhibit=False)
    supervision = _supervision(network, labels, teacher, given.batch)
    _check_teaching(network, teach, supervision, gates, names)
    outside = check_gates(network, rules, gates, given.batch)
    widest = with_widest_weights(network, names)
    if supervision is not None:
        taught = supervision.teacher.attach(network, supervision.output, widest)
        notes += taught.notes[len(network.notes) :]
        with_widest_weights(taught, names)
    resolved = get_target(target).resolve(options or {})
    initial = check_state(network, rules, state, windows)
    progress = _Progress(network, initial, windows)
    start = time.perf_counter()
    for epoch in range(epochs):
        generator = np.random.default_rng((seed, initial.epochs + epoch))
        order = generator.permutation(given.batch) if shuffle else np.arange(given.batch)
        for chosen in _chunks(order, given.batch if teach == "all" or refresh is None else refresh):
            factors = outside
            if supervision is not None and teach != "all":
                predicted = _predicted(progress.network, spikes, chosen, supervision, readout, target, options)
                wrong = predicted != supervision.classes[chosen]
                chosen, predicted = chosen[wrong], predicted[wrong]
                if teach == "delta":
                    size = network.size_of(supervision.output)
                    factors = error_gates(rules, supervision.classes, chosen, predicted, size)
            if not chosen.size:
                continue
            drive, taught = _drive(progress.network, spikes, supervision, widest, chosen, length)
            plan = LearningPlan(
                rules,
                seed,
                progress.counters,
                progress.updates,
                progress.pending,
                windows,
                plan_gates(rules, factors, chosen, windows),
            )
            runner = get_target(target, taught, learning=True)
            reasons = runner.unsupported_plan(taught, plan)
            if reasons:
                raise UnsupportedError(f"target '{target}' cannot learn this way: {'; '.join(reasons)}")
            progress.take(runner.learn(taught, drive, plan, resolved), chosen, plan)
    seconds = time.perf_counter() - start
    info = {
        "options": resolved,
        "seed": seed,
        "epochs": epochs,
        "shuffle": shuffle,
        "teach": teach,
        "refresh": refresh,
        "steps": length,
        "windows_per_sample": windows,
        "rules": {name: _described(r) for name, r in rules.items()},
    }
    presented = progress.presented.size * windows
    observed = (
        {name: progress.observation(name, r, length // windows) for name, r in rules.items()} if presented else {}
    )
    report_overflow(_unintended(progress.overflow, supervision), length, progress.presented.size, on_overflow)
    return LearnResult(
        progress.network,
        progress.state(initial.epochs + epochs),
        rules,
        presented,
        progress.presented,
        {name: _synchrony(observation) for name, observation in observed.items()},
        {name: _changed(network, progress.network, name) for name in names},
        progress.weight_saturations,
        progress.counter_saturations,
        progress.overflow,
        None if supervision is None else _teacher_hits(network, progress, supervision, observed),
        _health(network, progress, rules, observed, initial) if health else {},
        _activity(network, spikes) if health else None,
        _activity(progress.network, spikes) if health else None,
        target,
        seconds,
        tuple(notes),
        {**info, **semantics_of(network), **progress.info},
    )


def _chunks(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, order.size, size):
        yield order[start : start + size]


@dataclass(frozen=True, eq=False)
class _Supervision:
    """What is taught: the class of every sample, by which teacher, to which population."""

    classes: NDArray[np.int64]
    teacher: Teacher
    output: str


class _Progress:
    """A learning run between two presentations."""

    def __init__(self, network: AnyNetwork, state: LearningState, windows: int) -> None:
        self.network, self.windows = network, windows
        self.counters, self.updates, self.pending = state.counters, state.updates, state.pending
        self.order: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        self.gates: dict[str, list[NDArray[Any]]] = {}
        self.observed: dict[str, list[tuple[NDArray[Any], NDArray[Any]]]] = {}
        self.weight_saturations: dict[str, int] | None = None
        self.counter_saturations: dict[str, int] | None = None
        self.overflow: dict[str, OverflowCount] | None = None
        self.info: Mapping[str, Any] = {}

    def take(self, learned: Learned, order: NDArray[np.int64], plan: LearningPlan) -> None:
        """Go on from what a target has learned."""
        self.network = _with_weights(self.network, learned.weights)
        self.counters, self.info = learned.counters, learned.info
        updates, self.pending = divmod(plan.first_window + order.size * self.windows, plan.windows_per_update)
        self.updates += updates
        self.order.append(order)
        for name, observed in learned.observed.items():
            self.observed.setdefault(name, []).append(observed)
        for name, gates in plan.gates.items():
            self.gates.setdefault(name, []).append(gates)
        self.weight_saturations = _added(self.weight_saturations, learned.weight_saturations, 0)
        self.counter_saturations = _added(self.counter_saturations, learned.counter_saturations, 0)
        self.overflow = _added(self.overflow, learned.overflow, OverflowCount())

    def state(self, epochs: int) -> LearningState:
        """For a later run, after so many epochs in all."""
        return LearningState(self.counters, self.updates, self.pending, epochs)

    @property
    def presented(self) -> NDArray[np.int64]:
        """Sample of every presentation so far."""
        return np.concatenate(self.order).astype(np.int64)

    def observation(self, name: str, rule: Rule, steps: int) -> Observation[Any]:
        """What the rule of a projection held of every window so far; ``steps`` is the length of a window."""
        axis = 1 if rule.keeps_raster else 0
        pre, post = zip(*self.observed[name], strict=True)
        return rule.from_recorded(np.concatenate(pre, axis), np.concatenate(post, axis), steps)


def _synchrony(observed: Observation[Any]) -> NDArray[np.int64]:
    """Group synchrony counters of every window, shape (window, 2)."""
    counts = [observed.pre.fired.sum(axis=1), observed.post.fired.sum(axis=1)]
    return np.asarray(np.stack(counts, axis=1), np.int64)


def _unintended(
    overflow: Mapping[str, OverflowCount] | None, supervision: _Supervision | None
) -> Mapping[str, OverflowCount] | None:
    """Overflows without the saturations of the taught neurons, which the teacher holds at the ends on purpose."""
    if overflow is None or supervision is None:
        return overflow
    return {**overflow, supervision.output: replace(overflow[supervision.output], v_saturations=0)}


def _added(total: dict[str, Any] | None, more: Mapping[str, Any] | None, zero: Any) -> dict[str, Any] | None:
    if more is None:
        return total
    return {name: (total or {}).get(name, zero) + count for name, count in more.items()}


def _health(
    before: AnyNetwork,
    progress: _Progress,
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


def _supervision(
    network: AnyNetwork, labels: ArrayLike | None, teacher: Teacher | None, batch: int
) -> _Supervision | None:
    if labels is None:
        if teacher is not None:
            raise ParameterError("a teacher needs labels")
        return None
    output = teachable_output(network)
    return _Supervision(class_labels(labels, batch, network.size_of(output)), teacher or Teacher(), output)


def _check_teaching(
    network: AnyNetwork, teach: Teach, supervision: _Supervision | None, gates: Any, names: Sequence[str]
) -> None:
    if teach == "all":
        return
    if supervision is None:
        raise ParameterError(f"teach = '{teach}' needs labels")
    if teach == "errors":
        return
    if gates is not None:
        raise ParameterError("teach = 'delta' makes the gates itself; give none")
    if supervision.teacher.inhibit:
        raise ParameterError("teach = 'delta' needs a teacher with inhibit=False: the wrong neuron has to fire")
    for name in names:
        if network.projection(name).post != supervision.output:
            raise ParameterError(
                f"teach = 'delta' has an error for the neurons of '{supervision.output}' only; projection '{name}' "
                "leads elsewhere"
            )


def _drive(
    network: AnyNetwork,
    spikes: Mapping[str, NDArray[np.bool_]],
    supervision: _Supervision | None,
    widest: FixedNetwork | None,
    order: NDArray[np.int64],
    steps: int,
) -> tuple[Drive, AnyNetwork]:
    """The samples of ``order``, and the network that runs them: with its teacher, if any."""
    chosen = {name: s[:, order] for name, s in spikes.items()}
    taught = network
    if supervision is not None:
        taught = supervision.teacher.attach(network, supervision.output, widest)
        chosen |= supervision.teacher.spikes(taught, supervision.output, supervision.classes[order], steps)
    return make_drive(taught, chosen), taught


def _predicted(
    network: AnyNetwork,
    spikes: Mapping[str, NDArray[np.bool_]],
    samples: NDArray[np.int64],
    supervision: _Supervision,
    readout: str,
    target: str,
    options: Mapping[str, Any] | None,
) -> NDArray[np.int64]:
    """What the network by itself takes these samples for."""
    result = run(
        network,
        {name: s[:, samples] for name, s in spikes.items()},
        target,
        record=(required_record(readout),),
        populations=(supervision.output,),
        on_overflow="ignore",
        options=options,
    )
    return np.asarray(result.predict(readout, supervision.output), np.int64)


def _activity(network: AnyNetwork, spikes: Mapping[str, NDArray[np.bool_]]) -> Activity:
    """What the network does by itself; the engine's bits are those of every target."""
    first = {name: s[:, :_ACTIVITY_SAMPLES] for name, s in spikes.items()}
    return measure_activity(network, first, steps=len(next(iter(first.values()))))


def _described(rule: Rule) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        return value.value if isinstance(value, StrEnum) else value

    return {"rule": type(rule).__name__, **{key: plain(value) for key, value in vars(rule).items()}}


def _with_weights(network: AnyNetwork, weights: Mapping[str, NDArray[Any]]) -> AnyNetwork:
    if isinstance(network, FixedNetwork):
        return network.with_mantissas(weights)
    return network.with_weights(
        {name: with_synapse_values(network.projection(name).weight, w) for name, w in weights.items()}
    )


def _changed(before: AnyNetwork, after: AnyNetwork, name: str) -> float:
    """Share of the weights of a projection that differ."""
    return float(np.mean(before.projection(name).stored_weights != after.projection(name).stored_weights))


def _teacher_hits(
    network: AnyNetwork, progress: _Progress, supervision: _Supervision, observed: Mapping[str, Observation[Any]]
) -> float | None:
    """Share of the windows in which the teacher had its way, as a plastic projection onto its output saw it."""
    labels = np.repeat(supervision.classes[progress.presented], progress.windows)
    for name, observation in observed.items():
        if network.projection(name).post != supervision.output:
            continue
        fired = observation.post.fired
        labelled = labels[:, None] == np.arange(fired.shape[1])
        wrong = fired != labelled if supervision.teacher.inhibit else labelled & ~fired
        return float(np.mean(~wrong.any(axis=1)))
    return None
