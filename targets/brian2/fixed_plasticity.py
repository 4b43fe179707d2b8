"""Integer learning as state of Brian2 synapses: the stored weight integer and the synchrony counter.

What a window brings (:mod:`.evidence`) passes the gate and gathers in the counter, which moves the
weight at a commit; see :mod:`ssdp_hw.rules.counter`. Every variable is int64, and ``clip`` takes plain
names; see :mod:`.fixed_neurons`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.network.fixed_network import FixedProjection
from ssdp_hw.rules import CounterRule, WeightRounding
from ssdp_hw.running.target import LearningPlan

from .evidence import Evidence
from .gates import Gating
from .random_bits import synapse_bits
from .synapses import SynapseModel, commit_period, windows_ended

VARIABLES = ("c", "weights_clipped", "counters_full")

THROUGH_GATE = """
product = wanted*gate
gated = sign(product)*((abs(product) + HALF_GATE)//GATE_ONE)
"""
GATHER = """
total = c + ended*gated
c = clip(total, COUNTER_MIN, COUNTER_MAX)
counters_full += int(total != c)
"""

# How far the weight moves, and what stays in the counter.
ROUNDINGS = {
    WeightRounding.CARRY: """
move = due*sign(c)*(abs(c)//LSB)
c -= move*LSB
""",
    WeightRounding.STOCHASTIC: """
commits = FIRST_COMMIT + (FIRST_WINDOW + windows)//COMMIT_WINDOWS - 1
raised = c + synapse_bits(number, commits, LAYER, KEY_LOW, KEY_HIGH, LSB_SHIFT)
move = due*(raised//LSB)
c = c*(1 - due)
""",
    WeightRounding.NEAREST: """
move = due*sign(c)*((abs(c) + HALF_LSB)//LSB)
c = c*(1 - due)
""",
}
MOVE = """
moved = w + move
w = clip(moved, WEIGHT_MIN, WEIGHT_MAX)
weights_clipped += int(moved != w)
"""


def fixed_plasticity(
    projection: FixedProjection,
    rule: CounterRule,
    evidence: Evidence,
    gating: Gating,
    counters: NDArray[np.int64],
    plan: LearningPlan,
    steps: int,
    layer: int,
) -> SynapseModel:
    """Model of synapses that learn in integers.

    Args:
        projection: the projection, with its weights before learning.
        rule, evidence, gating: how it learns.
        counters: synchrony counters before learning, one a synapse.
        plan: the learning run.
        steps: length of a window.
        layer: position of the projection in the network, a part of the key of the random numbers.
    """
    gate = gating.code + THROUGH_GATE if gating.code else "gated = wanted\n"
    ended = windows_ended(steps)
    return SynapseModel(
        equations="".join(f"{name} : integer\n" for name in (*VARIABLES, *evidence.variables))
        + "number : integer (constant)\n",
        types=dict.fromkeys((*VARIABLES, *evidence.variables, "number"), np.int64),
        initial={
            "c": counters,
            "number": np.arange(counters.size),
            **{name: np.full(counters.size, value) for name, value in evidence.variables.items()},
        },
        on_pre=evidence.on_pre,
        on_post=evidence.on_post,
        updates=(
            (ended + evidence.wanted + gate + GATHER, 1),
            (ended + ROUNDINGS[rule.rounding] + MOVE, commit_period(plan)),
        ),
        namespace={
            **evidence.namespace,
            **gating.namespace,
            "GATE_ONE": 1 << rule.gate_bits,
            "HALF_GATE": (1 << rule.gate_bits) >> 1,
            "COUNTER_MIN": rule.counter_min,
            "COUNTER_MAX": rule.counter_max,
            "LSB": 1 << rule.lsb_shift,
            "HALF_LSB": (1 << rule.lsb_shift) >> 1,
            "LSB_SHIFT": rule.lsb_shift,
            "WEIGHT_MIN": projection.format.mantissa_min,
            "WEIGHT_MAX": projection.format.mantissa_max,
            "FIRST_WINDOW": plan.first_window,
            "COMMIT_WINDOWS": plan.commit_windows,
            "FIRST_COMMIT": plan.first_commit,
            "LAYER": layer,
            "KEY_LOW": plan.seed & 0xFFFFFFFF,
            "KEY_HIGH": (plan.seed >> 32) & 0xFFFFFFFF,
            "synapse_bits": synapse_bits,
        },
    )
