"""Float learning as state of Brian2 synapses; see :mod:`ssdp_hw.rules.local` for gate, clip and update."""

from __future__ import annotations

import numpy as np
from brian2 import amp
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.rules import FloatRule
from ssdp_hw.running.learning_plan import LearningPlan

from .gates import Gating
from .kernels import GATED, Kernel
from .synapses import SynapseModel, update_period, windows_ended
from .weight_change import WeightChange

LIMIT = "gated = clip(scaled, -CLIP, CLIP)\n"
# ``gathered`` is what the windows since the last update ask for.
GATHER = "gathered += ended*gated*amp\n"
UPDATE = """
w += updating*gathered
gathered = (1 - updating)*gathered
"""


def float_plasticity(
    projection: BaseProjection,
    rule: FloatRule,
    weight_change: WeightChange,
    gating: Gating,
    gathered: NDArray[np.float64],
    plan: LearningPlan,
    steps: int,
) -> SynapseModel:
    """Model of synapses that learn in float.

    Args:
        projection: the projection, with its weights before learning.
        rule, weight_change, gating: how it learns.
        gathered: steps that were gathered before, one for each stored weight.
        plan: the learning run.
        steps: length of a window.
    """
    gate = gating.code + "scaled = wanted*gate\n" if gating.code else "scaled = wanted\n"
    ended, synapses = windows_ended(steps), projection.synapse_count
    wanted, update = ended + weight_change.wanted + gate + LIMIT, (ended + UPDATE, update_period(plan))
    equations = "".join(f"{name} : 1\n" for name in weight_change.reals)
    equations += "".join(f"{name} : integer\n" for name in weight_change.variables)
    numbers = {
        "CLIP": rule.clip,
        "amp": amp,
        "FIRST_WINDOW": plan.first_window,
        "WINDOWS_PER_UPDATE": plan.windows_per_update,
    }
    initial: dict[str, Numbers] = {
        name: np.broadcast_to(value, synapses)
        for name, value in (*weight_change.variables.items(), *weight_change.reals.items())
    }
    kernel = None
    if projection.is_convolution:
        kernel = Kernel(
            f"w : amp\ngathered : amp\n{GATED} : 1\n",
            {},
            {"w": projection.stored_weights, "gathered": gathered},
            [(ended + GATHER, 1), update],
            numbers,
        )
        equations += f"{GATED} : 1\n"
    else:
        equations += "gathered : amp\n"
        initial["gathered"] = gathered
    return SynapseModel(
        equations=equations,
        types=dict.fromkeys(weight_change.variables, np.int64),
        initial=initial,
        each_step=weight_change.each_step,
        on_pre=weight_change.on_pre,
        on_post=weight_change.on_post,
        updates=[(wanted, 1)] if kernel else [(wanted + GATHER, 1), update],
        namespace={**weight_change.namespace, **gating.namespace, **numbers},
        kernel=kernel,
    )
