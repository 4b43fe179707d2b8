"""Brian2 as a target."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

from ssdp_hw.errors import ParameterError
from ssdp_hw.rules import SADP, SSDP, STDP, FixedSADP, FixedSSDP, FixedSTDP
from ssdp_hw.rules.declared import FixedDeclaredRule, FloatDeclaredRule
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.result import Record, Recording
from ssdp_hw.running.target import Availability, Target, steps_without_graph

from .arrivals import unsupported_arrivals
from .session import open_session

# The values of each option; the first is the default.
CHOICES = MappingProxyType(
    {
        "device": ("runtime", "cpp_standalone"),
        "codegen": ("numpy", "cython"),
        "batching": ("auto", "copies", "sequence"),
        "fast_paths": (True, False),
    }
)


# Rules that are known here. One of a class derived from these may step otherwise.
RULES = (SSDP, FixedSSDP, STDP, FixedSTDP, SADP, FixedSADP, FloatDeclaredRule, FixedDeclaredRule)


class Brian2Target(Target):
    """The runtime device with NumPy or Cython code, or C++ standalone.

    Options:
        device: ``cpp_standalone`` compiles a program for every run and is the fastest beyond some
            hundred samples; it needs g++ and make.
        codegen: language of the runtime device's code; Cython is compiled once and cached.
        batching: ``copies`` runs all samples side by side, ``sequence`` one after the other with
            Brian2's own Synapses. ``auto`` takes what is faster: copies on the runtime device,
            sequence on standalone and for learning, which can do nothing else.
        fast_paths: with False the CUBA LIF of a fixed network and SSDP, STDP and SADP run by their declarations, as
            other neuron models and rules do, instead of the code that is written for them by hand; the results are
            the same, in float up to rounding.
    """

    name = "brian2"
    title = "Brian2: differential equations with units, integers in int64 state"
    speed_rank = 2
    several_inputs = True
    declared_models = frozenset({"fixed", "float"})
    graded_spikes = frozenset({"inference", "learning"})
    sees_arrivals = True
    learns_in_pieces = True
    options: Mapping[str, object] = MappingProxyType({name: values[0] for name, values in CHOICES.items()})

    def availability(self) -> Availability:
        """Whether the package is installed; it is not imported."""
        try:
            return Availability(True, f"brian2 {metadata.version('brian2')}")
        except metadata.PackageNotFoundError:
            return Availability(False, install="pip install 'ssdp-hw[brian2]'")

    def resolve(self, options: Mapping[str, object]) -> dict[str, object]:
        """The options with defaults filled in.

        Raises:
            ParameterError: an unknown option or value.
        """
        resolved = super().resolve(options)
        for name, values in CHOICES.items():
            if resolved[name] not in values:
                raise ParameterError(
                    f"target 'brian2': {name} = {resolved[name]!r}; choose {', '.join(map(str, values))}"
                )
        if (resolved["device"], resolved["batching"]) == ("cpp_standalone", "copies"):
            raise ParameterError("target 'brian2': on device = 'cpp_standalone' choose batching = 'sequence'")
        return resolved

    def unsupported(self, network: AnyNetwork, *, learning: bool = False) -> list[str]:
        """Neuron models whose step cannot be printed."""
        return steps_without_graph(network)

    def unsupported_plan(self, network: AnyNetwork, plan: LearningPlan) -> list[str]:
        """Rules that have no form in Brian2's code here."""
        known = ", ".join(kind.__name__ for kind in RULES)
        unknown = [
            f"projection '{name}': its rule {type(rule).__name__} is none of {known}"
            for name, rule in plan.rules.items()
            if type(rule) not in RULES
        ]
        return [*unknown, *unsupported_arrivals(network, plan)]

    def run(self, network: AnyNetwork, drive: Drive, record: Record, options: Mapping[str, Any]) -> Recording:
        """Run all samples as copies side by side (runtime device) or in sequence (standalone)."""
        with open_session(options["device"], options["codegen"]) as session:
            if session.standalone or options["batching"] == "sequence":
                from .sequence_runner import run_sequence

                return run_sequence(network, drive, record, session, fast_paths=options["fast_paths"])
            from .copies_runner import run_copies

            return run_copies(network, drive, record, fast_paths=options["fast_paths"])

    def learn(self, network: AnyNetwork, drive: Drive, plan: LearningPlan, options: Mapping[str, Any]) -> Learned:
        """Learn window by window, with the weights as state of Brian2's Synapses.

        Raises:
            ParameterError: ``batching`` asks for copies.
        """
        if options["batching"] == "copies":
            raise ParameterError("target 'brian2': learning needs one sample after the other: batching = 'sequence'")
        plan.check_windows(drive.steps)
        with open_session(options["device"], options["codegen"]) as session:
            from .learn_runner import learn_sequence

            return learn_sequence(network, drive, plan, session, fast_paths=options["fast_paths"])


TARGET = Brian2Target()
