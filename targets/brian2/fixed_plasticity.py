"""Integer learning as state of Brian2 synapses: the stored weight integer and the synchrony counter.

The weight change of a window (:mod:`.weight_change`) passes the gate and gathers in the counter, which moves the
weight at an update; see :mod:`ssdp_hw.rules.counter`. Every variable is int64, and ``clip`` takes plain
names; see :mod:`.fixed_neurons`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedProjection
from ssdp_hw.rules import CounterRule, WeightRounding
from ssdp_hw.running.learning_plan import LearningPlan

from .gates import Gating
from .kernels import GATED, Kernel
from .random_bits import synapse_bits
from .synapses import SynapseModel, update_period, windows_ended
from .weight_change import WeightChange

VARIABLES = ("c", "weights_clipped", "counters_full")
NUMBER = "number : integer (constant)\n"

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
move = updating*sign(c)*(abs(c)//LSB)
c -= move*LSB
""",
    WeightRounding.STOCHASTIC: """
updates = FIRST_UPDATE + (FIRST_WINDOW + windows)//WINDOWS_PER_UPDATE - 1
raised = c + synapse_bits(number, updates, LAYER, KEY_LOW, KEY_HIGH, LSB_SHIFT)
move = updating*(raised//LSB)
c = c*(1 - updating)
""",
    WeightRounding.NEAREST: """
move = updating*sign(c)*((abs(c) + HALF_LSB)//LSB)
c = c*(1 - updating)
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
    weight_change: WeightChange,
    gating: Gating,
    counters: NDArray[np.int64],
    plan: LearningPlan,
    steps: int,
    layer: int,
) -> SynapseModel:
    """Model of synapses that learn in integers.

    Args:
        projection: the projection, with its weights before learning.
        rule, weight_change, gating: how it learns.
        counters: synchrony counters before learning, one for each stored weight.
        plan: the learning run.
        steps: length of a window.
        layer: position of the projection in the network, a part of the key of the random numbers.
    """
    gate = gating.code + THROUGH_GATE if gating.code else "gated = wanted\n"
    ended, synapses = windows_ended(steps), projection.synapse_count
    wanted, update = ended + weight_change.wanted + gate, (ended + ROUNDINGS[rule.rounding] + MOVE, update_period(plan))
    numbers = {
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
        "WINDOWS_PER_UPDATE": plan.windows_per_update,
        "FIRST_UPDATE": plan.first_update,
        "LAYER": layer,
        "KEY_LOW": plan.seed & 0xFFFFFFFF,
        "KEY_HIGH": (plan.seed >> 32) & 0xFFFFFFFF,
        "synapse_bits": synapse_bits,
    }
    variables = [*weight_change.variables]
    initial: dict[str, Numbers] = {n: np.broadcast_to(value, synapses) for n, value in weight_change.variables.items()}
    # What each stored weight has: a neuron of the kernel, or the only synapse that uses it.
    counting: dict[str, Numbers] = {"c": counters, "number": np.arange(counters.size)}
    kernel = None
    if projection.is_convolution:
        own = ("w", GATED, *VARIABLES)
        kernel = Kernel(
            "".join(f"{name} : integer\n" for name in own) + NUMBER,
            dict.fromkeys((*own, "number"), np.int64),
            {"w": projection.mantissa, **counting},
            [(ended + GATHER, 1), update],
            numbers,
        )
        variables.append(GATED)
    else:
        variables += VARIABLES
        initial |= counting
    return SynapseModel(
        equations="".join(f"{name} : integer\n" for name in variables) + ("" if kernel else NUMBER),
        types=dict.fromkeys((*variables, "number"), np.int64),
        initial=initial,
        each_step=weight_change.each_step,
        on_pre=weight_change.on_pre,
        on_post=weight_change.on_post,
        updates=[(wanted, 1)] if kernel else [(wanted + GATHER, 1), update],
        namespace={**weight_change.namespace, **gating.namespace, **numbers},
        kernel=kernel,
    )
