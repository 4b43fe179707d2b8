"""Lava as a target."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib import metadata

from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.result import Record, Recording
from ssdp_hw.running.target import Availability, Target, rules_without_graph, steps_without_graph

from .inference import Task, run_all
from .learning import LearningTask, learn_all, unsupported
from .session import INSTALL, PYTHON_VARIABLE

REQUIRED = ("lava-nc", "asteval", "networkx", "scikit-learn")


class LavaTarget(Target):
    """Intel's Lava on the CPU, in a worker subprocess.

    Fixed networks equal the specification bit for bit; float networks up to rounding, since Lava
    multiplies by 1 - du and adds its inputs in an order of its own. Recordings have overflow counts where no population
    runs on Lava's own LIF, which does not count them: ``processes="own"`` for networks of such populations.
    A call takes about a second to start the worker, and each step some tenths of a millisecond for
    every process of the network, hardly more for a large batch: give it many samples at once.

    ``info`` of a run names the populations and projections that ran on Lava's own processes, and the
    seconds that the steps took without compiling and starting the processes.

    Options:
        processes: ``auto`` uses Lava's own LIF, Dense and DelayDense wherever they express a
            population or projection exactly; ``own`` uses our Processes throughout.
        batch_size: samples side by side in one Lava network; further samples run after them. Fewer
            take less memory where u and v are recorded (8 bytes a neuron, sample and step each).
        time_limit: seconds after which the worker is ended.
        python: interpreter that has lava-nc; default the environment variable
            ``SSDP_HW_LAVA_PYTHON``, else the running one.
        fast_paths: with False the CUBA LIF of a fixed network and the rules SSDP, STDP and SADP run by their
            declarations, as other neuron models and rules do, instead of on Lava's LIF or code that is written for
            them by hand; the results are the same.
    """

    name = "lava"
    title = "Intel Lava: LIF, Dense and own processes on the CPU"
    speed_rank = 3
    several_inputs = True
    declared_models = frozenset({"fixed", "float"})
    graded_spikes = frozenset({"inference", "learning"})
    sees_arrivals = True
    learns_in_pieces = True
    options: Mapping[str, object] = {
        "processes": "auto",
        "batch_size": 512,
        "time_limit": 600.0,
        "python": None,
        "fast_paths": True,
    }

    def availability(self) -> Availability:
        """Whether lava-nc and its requirements are installed here, or the environment names another interpreter."""
        elsewhere = os.environ.get(PYTHON_VARIABLE)
        if elsewhere:
            found = shutil.which(elsewhere) is not None
            return Availability(found, f"in {elsewhere}", "" if found else f"{PYTHON_VARIABLE}=/path/to/python")
        try:
            versions = [metadata.version(name) for name in REQUIRED]
        except metadata.PackageNotFoundError:
            return Availability(False, install=INSTALL)
        return Availability(True, f"lava-nc {versions[0]}")

    def resolve(self, options: Mapping[str, object]) -> dict[str, object]:
        """The options with defaults filled in.

        Raises:
            ParameterError: an unknown option, or a value out of range.
        """
        resolved = super().resolve(options)
        if resolved["processes"] not in ("auto", "own"):
            raise ParameterError(f"target 'lava': processes = {resolved['processes']!r}; choose auto or own")
        for name, kinds in (("batch_size", int), ("time_limit", (int, float))):
            value = resolved[name]
            if isinstance(value, bool) or not isinstance(value, kinds) or not value > 0:
                raise ParameterError(f"target 'lava': {name} = {value!r} must be a number above 0")
        if not isinstance(resolved["fast_paths"], bool):
            raise ParameterError(f"target 'lava': fast_paths = {resolved['fast_paths']!r}; choose True or False")
        if resolved["python"] is not None and not isinstance(resolved["python"], (str, os.PathLike)):
            raise ParameterError(f"target 'lava': python = {resolved['python']!r} is no path")
        return resolved

    def unsupported(self, network: AnyNetwork, *, learning: bool = False) -> list[str]:
        """Chips whose registers do not fit the int32 of Lava's processes, and neuron models that cannot be printed."""
        unprinted = steps_without_graph(network)
        if not isinstance(network, FixedNetwork) or network.limits.activation_bits <= 32:
            return unprinted
        chip = network.limits
        return [
            *unprinted,
            f"chip '{chip.name}' needs registers of {chip.activation_bits} bits; Lava's are int32: use spec or engine",
        ]

    def unsupported_plan(self, network: AnyNetwork, plan: LearningPlan) -> list[str]:
        """Rules that Lava's worker does not know or that cannot be printed."""
        return [*unsupported(plan), *rules_without_graph(plan)]

    def run(self, network: AnyNetwork, drive: Drive, record: Record, options: Mapping[str, object]) -> Recording:
        """Run in batches side by side."""
        return run_all([Task(network, drive, record)], options)[0]

    def learn(self, network: AnyNetwork, drive: Drive, plan: LearningPlan, options: Mapping[str, object]) -> Learned:
        """Learn window by window, the samples between two weight updates side by side."""
        plan.check_windows(drive.steps)
        return learn_all([LearningTask(network, drive, plan)], options)[0]


TARGET = LavaTarget()
