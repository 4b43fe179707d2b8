"""The specification as a target."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.result import Record, Recording
from ssdp_hw.running.target import Availability, Target

from .learn import learn_fixed, learn_float
from .run_fixed import run_fixed
from .run_float import run_float


class SpecTarget(Target):
    """Plain NumPy integers and floats, one step after the other."""

    name = "spec"
    title = "executable specification in NumPy"
    speed_rank = 1  # ahead of the simulators, each of which takes a second or more to start
    is_reference = True
    any_register_width = True
    declared_models = frozenset({"fixed", "float"})
    several_inputs = True
    graded_spikes = frozenset({"inference", "learning"})
    learns_in_pieces = True
    sees_arrivals = True

    def availability(self) -> Availability:
        """Always: it needs NumPy alone."""
        return Availability(True, f"numpy {np.__version__}")

    def run(self, network: AnyNetwork, drive: Drive, record: Record, options: Mapping[str, object]) -> Recording:
        """Run the network step by step."""
        if isinstance(network, FixedNetwork):
            return run_fixed(network, drive, record)
        return run_float(network, drive, record)

    def learn(self, network: AnyNetwork, drive: Drive, plan: LearningPlan, options: Mapping[str, object]) -> Learned:
        """Learn window by window."""
        plan.check_windows(drive.steps)
        if isinstance(network, FixedNetwork):
            return learn_fixed(network, drive, plan)
        return learn_float(network, drive, plan)


TARGET = SpecTarget()
