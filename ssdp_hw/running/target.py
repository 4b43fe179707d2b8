"""The interface of a target, and the registry that finds targets by name.

A target runs networks; it registers itself through the entry-point group ``ssdp_hw.targets``. The
toolkit never imports a target by its module.
"""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import numpy as np

import ssdp_hw
from ssdp_hw.arrays import Numbers
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import Table, shown, text
from ssdp_hw.errors import ParameterError, TargetUnavailableError, UnknownTargetError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.graph import Input
from ssdp_hw.rules import CounterRule, FloatRule
from ssdp_hw.rules.declared import FloatDeclaredRule
from ssdp_hw.rules.form import moment_graph, moments
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import OverflowCount, Record, Recording

GROUP = "ssdp_hw.targets"
# Beside the package in a checkout, which may be used without being installed.
_PROJECT = Path(ssdp_hw.__file__).parents[1] / "pyproject.toml"


@shown
@dataclass(frozen=True)
class Availability:
    """Whether a target can run here.

    Attributes:
        installed: whether everything that it needs is installed.
        version: versions of what it runs on.
        install: how to install what is missing; empty if installed.
    """

    installed: bool
    version: str = ""
    install: str = ""


@renamed(first_commit="first_update", commit_windows="windows_per_update")
@dataclass(frozen=True, eq=False)
class LearningPlan:
    """One learning run: which projections learn by which rule, from which state.

    Attributes:
        rules: by projection; all integer rules in a fixed network, all float rules in a float
            network, and all with the same ``windows_per_update``.
        seed: seed of the random rounding.
        counters: before the first window, one a stored weight, zeros where a projection is missing:
            synchrony counters in a fixed network, in a float network the steps gathered since the
            last weight update. Synapses that share a weight have one counter, which takes the sum of their steps.
        first_update: number of weight updates before this run, for the random rounding.
        first_window: windows gathered since the last weight update, fewer than ``windows_per_update``.
        windows_per_sample: each sample of the drive is so many windows of equal length. The state of
            the neurons goes on from one to the next; weight updates come at the ends of samples.
        gates: gates from outside by projection, shape (window, post): integers of the rule's
            ``gate_bits`` in a fixed network, floats in a float network.
    """

    rules: Mapping[str, CounterRule | FloatRule]
    seed: int = 0
    counters: Mapping[str, Numbers] = field(default_factory=dict)
    first_update: int = 0
    first_window: int = 0
    windows_per_sample: int = 1
    gates: Mapping[str, Numbers] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.gates:
            if name in self.rules and self.rules[name].gate is not None:
                raise ParameterError(
                    f"projection '{name}': its rule makes its own gate, so it takes none from outside (gates, or "
                    "teach = 'delta'); give a rule without a gate"
                )

    @property
    def windows_per_update(self) -> int:
        """Windows between two weight updates.

        Raises:
            ParameterError: no rule, or rules that differ in it.
        """
        found = {rule.windows_per_update for rule in self.rules.values()}
        if len(found) != 1:
            raise ParameterError(f"plastic projections need one windows_per_update in common, found {sorted(found)}")
        return found.pop()

    def random_key(self, network: AnyNetwork, name: str) -> RandomKey:
        """The key of the random numbers of a plastic projection from the first window of this run on."""
        first = self.first_update * self.windows_per_update + self.first_window
        return RandomKey(self.seed, network.layer(name), first)

    def check_windows(self, steps: int) -> None:
        """Raise if a rule cannot learn from the windows of samples of that many steps.

        Raises:
            ParameterError: it cannot, or the steps or ``windows_per_update`` are no multiple of ``windows_per_sample``.
        """
        if self.windows_per_update % self.windows_per_sample:
            raise ParameterError(
                f"windows_per_update = {self.windows_per_update} is no multiple of the {self.windows_per_sample} "
                "windows of a sample: weights move between samples only"
            )
        if steps % self.windows_per_sample:
            raise ParameterError(f"{steps} steps are no multiple of the {self.windows_per_sample} windows of a sample")
        for rule in self.rules.values():
            rule.check_window(steps // self.windows_per_sample)

    def groups(self, samples: int) -> list[tuple[int, int, bool]]:
        """The samples between weight updates: first, one past the last, and whether an update follows."""
        size = self.windows_per_update // self.windows_per_sample
        stop = size - self.first_window // self.windows_per_sample
        found, start = [], 0
        while start < samples:
            found.append((start, min(stop, samples), stop <= samples))
            start, stop = stop, stop + size
        return found


@renamed(seen="observed")
@dataclass(frozen=True, eq=False)
class Learned:
    """What a target hands back from learning.

    Attributes:
        weights: by plastic projection, one a synapse in row-major order, or the values of a
            convolution's kernel: stored weight integers in a fixed network, float weights in a float network.
        counters: likewise, as in the plan.
        observed: by plastic projection what the rule observed of its source and of its target. A rule that
            keeps rasters: spikes of shape (time, window, n). Any other: registers of shape (window, n),
            the tick (float network: step) of the representative spike, ``silent_time`` of
            :mod:`ssdp_hw.rules.spike_times` if there was none.
        weight_saturations, counter_saturations: by plastic projection; None where the target
            cannot count them.
        overflow: of the neurons' registers; None where the target cannot see it.
        info: versions and options of the target, for the report.
    """

    weights: Mapping[str, Numbers]
    counters: Mapping[str, Numbers]
    observed: Mapping[str, tuple[Numbers, Numbers]]
    weight_saturations: Mapping[str, int] | None = None
    counter_saturations: Mapping[str, int] | None = None
    overflow: Mapping[str, OverflowCount] | None = None
    info: Mapping[str, object] = field(default_factory=dict)


class Session(ABC):
    """A run in pieces: the state of every sample is carried from one to the next."""

    @abstractmethod
    def advance(self, drive: Drive, record: Record) -> Recording:
        """Run the steps of ``drive``, whose batch is that of the pieces before."""


@shown
class Target(ABC):
    """Something that runs float and fixed networks.

    Attributes:
        name: the name users write.
        title: one line for people.
        options: option names that ``run`` and ``learn`` understand, each with its default.
        speed_rank: where no target is named, the target of the lowest rank runs that can run the network.
            A target without a rank (None) comes after all that have one.
        is_reference: whether its results define what is right; the other targets are compared with it.
        any_register_width: whether it runs fixed networks whose registers are wider than any chip's, up to 64 bits.
        declared_models: of which networks it runs any declared neuron model: ``fixed``, ``float``, both or none.
        several_inputs: whether it runs neurons of which projections feed several synaptic inputs.
        graded_spikes: where it runs neurons whose spikes carry a payload: in ``inference``, in ``learning``, both or
            nowhere.
    """

    name: str
    title: str
    options: Mapping[str, object] = MappingProxyType({})
    speed_rank: int | None = None
    is_reference: bool = False
    any_register_width: bool = False
    declared_models: frozenset[str] = frozenset()
    several_inputs: bool = False
    graded_spikes: frozenset[str] = frozenset()

    @property
    def runs_in_pieces(self) -> bool:
        """Whether it has a :meth:`start` of its own."""
        return type(self).start is not Target.start

    @property
    def learns(self) -> bool:
        """Whether it has a :meth:`learn` of its own."""
        return type(self).learn is not Target.learn

    def availability(self) -> Availability:
        """Whether it can run here; must not import anything heavy."""
        return Availability(True)

    def _table(self) -> Table:
        return Table(
            f"{self.name}: {self.title}", ("option", "default"), [(k, text(v)) for k, v in self.options.items()]
        )

    def unsupported(self, network: AnyNetwork, *, learning: bool = False) -> list[str]:
        """What in this network the target cannot express, one sentence each."""
        return []

    def unsupported_plan(self, network: AnyNetwork, plan: LearningPlan) -> list[str]:
        """What in this learning run the target cannot do, one sentence each."""
        return []

    @abstractmethod
    def run(self, network: AnyNetwork, drive: Drive, record: Record, options: Mapping[str, object]) -> Recording:
        """Run every sample of the drive from the initial state."""

    def start(self, network: AnyNetwork, options: Mapping[str, object]) -> Session:
        """Begin a run in pieces from the initial state.

        Raises:
            UnsupportedError: this target cannot run in pieces.
        """
        able = ", ".join(f"'{t.name}'" for t in targets_by_speed() if t.runs_in_pieces)
        raise UnsupportedError(
            f"target '{self.name}' cannot run in pieces; " + (f"the target {able} can" if able else "no target can")
        )

    def learn(self, network: AnyNetwork, drive: Drive, plan: LearningPlan, options: Mapping[str, object]) -> Learned:
        """Present the drive's samples one after the other as windows to learn from.

        Each sample starts from the initial state; weights change at weight updates only.

        Raises:
            UnsupportedError: this target cannot learn.
        """
        raise UnsupportedError(f"target '{self.name}' cannot learn")

    def resolve(self, options: Mapping[str, object]) -> dict[str, object]:
        """The options with defaults filled in.

        Raises:
            ParameterError: an option that this target does not have.
        """
        for name in options:
            if name not in self.options:
                known = ", ".join(self.options) or "none"
                raise ParameterError(f"target '{self.name}' has no option '{name}'; its options: {known}")
        return {**self.options, **options}


def shared_weights(network: AnyNetwork, plan: LearningPlan) -> list[str]:
    """The plastic convolutions of a plan, one sentence each: for targets that know no shared weights."""
    return [
        f"projection '{name}' is a convolution, whose synapses share their weights: here each would learn by itself"
        for name in plan.rules
        if network.projection(name).is_convolution
    ]


def graded_sources(network: AnyNetwork, plan: LearningPlan) -> list[str]:
    """Plastic projections of a plan whose presynaptic spikes carry a payload, which no rule reads: a sentence each."""
    graded = {p.name for p in network.populations if p.payload} | {i.name for i in network.inputs if i.payload_bits}
    return [
        f"projection '{name}': the spikes of '{network.projection(name).pre}' are graded, and no learning rule reads "
        "their payload: let the projection keep its weights"
        for name in plan.rules
        if network.projection(name).pre in graded
    ]


def steps_without_graph(network: AnyNetwork) -> list[str]:
    """The declared models whose step has no graph, one sentence each: for targets that print steps."""
    reasons = []
    for p in network.populations:
        if isinstance(p, FixedPopulation) or hasattr(p.neuron, "declared"):
            try:
                network.step_form(p.name).graph(ideal=not isinstance(network, FixedNetwork))
            except ParameterError as error:
                reasons.append(f"population '{p.name}': {error}")
    return reasons


def rules_without_graph(plan: LearningPlan) -> list[str]:
    """The float rules whose declaration has no graph, one sentence each: for targets that print rules.

    That of a rule in integers was made when the rule was.
    """
    reasons = []
    for name, rule in plan.rules.items():
        if isinstance(rule, FloatDeclaredRule):
            try:
                for moment in moments(rule.model):
                    moment_graph(rule.model, moment, ideal=True)
            except ParameterError as error:
                reasons.append(f"projection '{name}': {error}")
    return reasons


@lru_cache(maxsize=1)
def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {**_of_checkout(), **{e.name: e for e in metadata.entry_points(group=GROUP)}}


def _of_checkout() -> dict[str, metadata.EntryPoint]:
    """The entry points that a checkout declares; none where the toolkit is installed as a distribution."""
    try:
        project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):
        return {}
    if project.get("name") != "ssdp-hw":
        return {}
    declared: dict[str, str] = project["entry-points"][GROUP]
    return {name: metadata.EntryPoint(name, place, GROUP) for name, place in declared.items()}


@cache
def _load(name: str) -> Target | str:
    """The target, or why it cannot be loaded; a broken package is asked once, not at every run."""
    try:
        target = _entry_points()[name].load()
    except Exception as error:  # any: a broken package of someone else must not hide the other targets
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return f"target '{name}' cannot be loaded ({reason}); reinstall its package"
    if not isinstance(target, Target):
        return f"target '{name}': its entry point is no ssdp_hw.running.target.Target"
    return target


def _loaded(name: str) -> Target:
    found = _load(name)
    if isinstance(found, str):
        raise TargetUnavailableError(found)
    return found


def target_names() -> list[str]:
    """Names of all registered targets, installed or not."""
    return sorted(_entry_points())


def targets_by_speed() -> list[Target]:
    """All registered targets that can be loaded, installed or not: by ``speed_rank``, then by name."""
    found = [t for t in map(_load, target_names()) if isinstance(t, Target)]
    return sorted(found, key=lambda t: (t.speed_rank is None, t.speed_rank or 0, t.name))


def fastest_target(
    network: AnyNetwork | None = None,
    *,
    learning: bool = False,
    in_pieces: bool = False,
    any_register_width: bool = False,
) -> Target:
    """The installed target of the best ``speed_rank`` that can do what is asked.

    Args:
        network: what it must be able to run; None for any network.
        learning: whether it must be able to learn.
        in_pieces: whether it must be able to run in pieces.
        any_register_width: whether it must run registers wider than any chip's.

    Raises:
        TargetUnavailableError: no target with these abilities is installed.
        UnsupportedError: those that are installed cannot run the network; every reason is listed.
    """
    refused = []
    for target in targets_by_speed():
        able = (target.learns or not learning) and (target.runs_in_pieces or not in_pieces)
        if not able or (any_register_width and not target.any_register_width) or not target.availability().installed:
            continue
        reasons = [] if network is None else _unsupported(target, network, learning=learning)
        if not reasons:
            return target
        refused.append(f"target '{target.name}': {'; '.join(reasons)}")
    if refused:
        raise UnsupportedError(f"no installed target can run this network: {'; '.join(refused)}")
    raise TargetUnavailableError(
        f"none of the targets {', '.join(target_names())} is installed and able to do this; see ssdp_hw.list_targets()"
    )


def _unsupported(target: Target, network: AnyNetwork, *, learning: bool) -> list[str]:
    """What in this network the target cannot express: declared neuron models, and what the target itself names."""
    kind, reasons = "fixed" if isinstance(network, FixedNetwork) else "float", []
    if kind not in target.declared_models:
        for p in network.populations:
            model = p.declared if isinstance(p, FixedPopulation) else getattr(p.neuron, "declared", None)
            if model is not None and not (isinstance(p, FixedPopulation) and p.is_cuba_lif):
                able = _names(lambda t: kind in t.declared_models)
                reasons.append(f"population '{p.name}': {model}, of which it knows no step; these targets do: {able}")
    if isinstance(network, FixedNetwork) and not target.several_inputs:
        reasons += [
            f"projection '{q.name}' feeds the synaptic input '{q.port}'; this target has one for each neuron; "
            f"these targets have all: {_names(lambda t: t.several_inputs)}"
            for q in network.projections
            if q.port
        ]
    where = "learning" if learning else "inference"
    if where not in target.graded_spikes:
        reasons += [
            f"population '{p.name}': its spikes carry '{p.payload}', which this target cannot send in {where}; these "
            f"targets can: {_names(lambda t: where in t.graded_spikes)}"
            for p in network.populations
            if p.payload
        ]
    return [*reasons, *target.unsupported(network, learning=learning)]


def _names(able: Callable[[Target], bool]) -> str:
    """Names of the registered targets that can do something."""
    return ", ".join(f"'{t.name}'" for t in targets_by_speed() if able(t))


def reference_target() -> Target:
    """The installed target whose results define what is right; if there is none, the fastest.

    Raises:
        TargetUnavailableError: no target is installed.
    """
    found = [t for t in targets_by_speed() if t.is_reference and t.availability().installed]
    return found[0] if found else fastest_target()


def choose_target(name: str | None, network: AnyNetwork, *, learning: bool = False, in_pieces: bool = False) -> Target:
    """The target of that name or, where none is named, the fastest, checked to be able to run the network.

    Raises:
        UnknownTargetError, TargetUnavailableError, UnsupportedError: see :func:`get_target` and :func:`fastest_target`.
    """
    if name is None:
        return fastest_target(network, learning=learning, in_pieces=in_pieces)
    return get_target(name, network, learning=learning)


def get_target(name: str, network: AnyNetwork | None = None, *, learning: bool = False) -> Target:
    """The target of that name, checked to be installed and, given a network, able to run it.

    Raises:
        UnknownTargetError: no such target.
        TargetUnavailableError: what it needs is not installed; the message says how to install it.
        UnsupportedError: it cannot express the network; every reason is listed.
    """
    if name not in _entry_points():
        raise UnknownTargetError(f"target '{name}' is unknown; there are: {', '.join(target_names())}")
    target = _loaded(name)
    available = target.availability()
    if not available.installed:
        raise TargetUnavailableError(f"target '{name}' is not installed; install it with: {available.install}")
    if network is not None:
        reasons = _unsupported(target, network, learning=learning)
        if reasons:
            raise UnsupportedError(f"target '{name}' cannot run this network: {'; '.join(reasons)}")
    return target


@shown
@dataclass(frozen=True)
class TargetInfo:
    """One registered target; see :func:`list_targets`.

    Attributes:
        name, title: what it is called, and one line about it.
        installed: whether what it needs is installed.
        version: versions of that.
        install: how to install what is missing.
        options: names of its options.
        failure: why it did not run although it is installed; empty if it did, or was not tried.
    """

    name: str
    title: str
    installed: bool
    version: str
    install: str
    options: Sequence[str]
    failure: str = ""


def list_targets(*, tried: bool = False) -> list[TargetInfo]:
    """Every registered target: whether it is installed and, if not, how to install it.

    Args:
        tried: whether to run a network of one neuron on each that is installed, since packages that are installed may
            not fit each other. That imports what it runs on and may take some seconds.
    """
    found = []
    for name in target_names():
        target = _load(name)
        if isinstance(target, str):
            found.append(TargetInfo(name, "", False, "", target, ()))
            continue
        a = target.availability()
        failure = why_not(target) if tried and a.installed else ""
        found.append(TargetInfo(name, target.title, a.installed, a.version, a.install, tuple(target.options), failure))
    return found


def why_not(target: Target) -> str:
    """Why an installed target does not run a network of one neuron; empty if it does."""
    network = FixedNetwork(
        [Input("in", 1)],
        [FixedPopulation(name="out", size=1, du=4095, dv=256, vth=10)],
        [FixedProjection(pre="in", post="out", weight=[[64]])],
        ["out"],
    )
    # The weight of 64 at exponent 0 exceeds the threshold, so that the spike of step 0 fires the neuron in step 1.
    drive = Drive({"in": np.array([[[True]], [[False]], [[False]]])}, 3, 1)
    try:
        found = target.run(network, drive, Record(("spikes",), ("out",)), target.resolve({}))
    except Exception as error:  # any: what is installed may fail in any way
        return " ".join(f"{type(error).__name__}: {error}".split())
    fired = found.spikes["out"][:, 0, 0].tolist()
    return "" if fired == [False, True, False] else f"it ran one neuron wrongly: spikes {fired}"
