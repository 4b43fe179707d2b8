"""The engine as a target."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import metadata
from types import MappingProxyType

import numpy as np

from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.rules import SADP, SSDP, STDP, FixedSADP, FixedSSDP, FixedSTDP
from ssdp_hw.rules.declared import FixedDeclaredRule, FloatDeclaredRule
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.result import Record, Recording
from ssdp_hw.running.target import Availability, Session, Target, rules_without_graph

from .compilation import told
from .inference import EngineSession, run_program
from .program import compiled_program
from .program_neurons import most_overflow_counts
from .types import RealType


@cache
def _numba_version() -> str:  # reading a package's metadata takes longer than a small run
    return metadata.version("numba")


RULES = (SSDP, STDP, SADP, FloatDeclaredRule, FixedSSDP, FixedSTDP, FixedSADP, FixedDeclaredRule)

_PRECISIONS: Mapping[str, RealType] = {"float64": np.float64, "float32": np.float32}


class EngineTarget(Target):
    """Event-driven simulation in functions that Numba compiles once and caches on disk."""

    name = "engine"
    title = "fast engine: event-driven, batched, in Numba"
    speed_rank = 0
    any_register_width = True
    # threads: None for all processors where that pays; precision: of float networks, in inference; counters: lazy
    # or dense, two ways to the same bits, the former with less work where few neurons fire. fast_paths: False runs the
    # CUBA LIF of fixed networks by its declaration, as any other model, in inference; to the same bits.
    options: Mapping[str, object] = MappingProxyType(
        {"threads": None, "precision": "float64", "counters": "lazy", "fast_paths": True}
    )
    several_inputs = True
    declared_models = frozenset({"fixed", "float"})
    graded_spikes = frozenset({"inference", "learning"})
    learns_in_pieces = True
    sees_arrivals = True

    def availability(self) -> Availability:
        """Always: Numba is a dependency of the core."""
        return Availability(True, f"numba {_numba_version()}")

    def unsupported(self, network: AnyNetwork, *, learning: bool = False) -> list[str]:
        """Sums of stored weights that could leave 32 bits."""
        if not isinstance(network, FixedNetwork):
            return []
        return [
            f"projection '{p.name}' has {p.shape[1]} presynaptic neurons, whose weights may add up to more than "
            "32 bits; split it"
            for p in network.projections
            if p.shape[1] * max(-p.format.mantissa_min, p.format.mantissa_max) >= 2**31
        ]

    def unsupported_plan(self, network: AnyNetwork, plan: LearningPlan) -> list[str]:
        """Plastic projections whose rule has no compiled form."""
        known = ", ".join(kind.__name__ for kind in RULES)
        return rules_without_graph(plan) + [
            f"projection '{name}': its rule {type(rule).__name__} is none of {known}; the target 'spec' runs any rule"
            for name, rule in plan.rules.items()
            if type(rule) not in RULES
        ]

    def bytes_per_sample(self, network: AnyNetwork) -> int:
        if not isinstance(network, FixedNetwork):
            return 0
        return 8 * most_overflow_counts(network) * len(network.populations)  # of states there is one set a thread

    def run(self, network: AnyNetwork, drive: Drive, record: Record, options: Mapping[str, object]) -> Recording:
        """Run all samples, on one or several threads."""
        with told():
            program = compiled_program(network, _precision(options), fast_paths=bool(options["fast_paths"]))
            return run_program(program, network, drive, record, options["threads"], self._info())

    def start(self, network: AnyNetwork, options: Mapping[str, object]) -> Session:
        """Begin a run in pieces."""
        program = compiled_program(network, _precision(options), fast_paths=bool(options["fast_paths"]))
        return EngineSession(program, network, options["threads"], self._info())

    def learn(self, network: AnyNetwork, drive: Drive, plan: LearningPlan, options: Mapping[str, object]) -> Learned:
        """Learn window by window."""
        from .learn import learn

        if _precision(options) is not np.float64:
            raise ParameterError("engine: float networks learn with precision = 'float64' only")
        if options["counters"] not in ("lazy", "dense"):
            raise ParameterError(f"engine: counters = {options['counters']!r} is unknown; choose lazy or dense")
        plan.check_windows(drive.steps)
        lazy = options["counters"] == "lazy"
        fast_paths = bool(options["fast_paths"])
        with told():
            return learn(network, drive, plan, options["threads"], self._info(), lazy=lazy, fast_paths=fast_paths)

    def _info(self) -> dict[str, object]:
        return {"numba": _numba_version()}


def _precision(options: Mapping[str, object]) -> RealType:
    name = str(options["precision"])
    if name not in _PRECISIONS:
        raise ParameterError(f"engine: precision = {name!r} is unknown; there are: {', '.join(_PRECISIONS)}")
    return _PRECISIONS[name]


TARGET = EngineTarget()
