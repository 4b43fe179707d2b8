"""The interface of a target: what it must say of itself and do, so that networks can run on it.

:mod:`ssdp_hw.running.target_registry` finds targets by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ssdp_hw.deprecation import moved_names
from ssdp_hw.display import Table, shown, text
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.rules.declared import FloatDeclaredRule
from ssdp_hw.rules.form import moment_graph, moments
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.result import Record, Recording

__getattr__ = moved_names(
    __name__,
    ("TargetInfo", "choose_target", "fastest_target", "get_target", "list_targets", "reference_target", "target_names",
     "targets_by_speed", "why_not"),
    "ssdp_hw.running.target_registry",
)  # fmt: skip


# 64-bit counts of overflows that a target may keep for a population and sample.
_COUNTS = 8


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
        learns_in_pieces: whether it learns from samples that are pieces of one run, each of which goes on from the one
            before (``LearningPlan.restart``).
        sees_arrivals: whether rules may see presynaptic spikes as they arrive (:mod:`ssdp_hw.rules.arrivals`).
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
    learns_in_pieces: bool = False
    sees_arrivals: bool = False

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
        raise UnsupportedError(f"target '{self.name}' cannot run in pieces")

    def learn(self, network: AnyNetwork, drive: Drive, plan: LearningPlan, options: Mapping[str, object]) -> Learned:
        """Present the drive's samples one after the other as windows to learn from.

        Each sample starts from the initial state; weights change at weight updates only.

        Raises:
            UnsupportedError: this target cannot learn.
        """
        raise UnsupportedError(f"target '{self.name}' cannot learn")

    def bytes_per_sample(self, network: AnyNetwork) -> int:
        """Memory that a run takes for each of its samples beside input and recordings, about: states and counts."""
        states = sum(p.size * (len(p.state_names) + 1) for p in network.populations)
        return 8 * (states + _COUNTS * len(network.populations))

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


def graded_sources(network: AnyNetwork, plan: LearningPlan) -> list[str]:
    """One sentence about each plastic projection whose presynaptic spikes carry a payload, which no rule reads."""
    graded = {p.name for p in network.populations if p.payload} | {i.name for i in network.inputs if i.payload_bits}
    return [
        f"projection '{name}': the spikes of '{network.projection(name).pre}' are graded, and no learning rule reads "
        "their payload: let the projection keep its weights"
        for name in plan.rules
        if network.projection(name).pre in graded
    ]


def steps_without_graph(network: AnyNetwork) -> list[str]:
    """One sentence about each declared model whose step has no graph, for targets that print steps as code."""
    reasons = []
    for p in network.populations:
        if isinstance(p, FixedPopulation) or hasattr(p.neuron, "declared"):
            try:
                network.step_form(p.name).graph(ideal=not isinstance(network, FixedNetwork))
            except ParameterError as error:
                reasons.append(f"population '{p.name}': {error}")
    return reasons


def rules_without_graph(plan: LearningPlan) -> list[str]:
    """One sentence about each float rule whose declaration has no graph, for targets that print rules as code.

    Rules in integers are left out: making one already made its graph.
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
