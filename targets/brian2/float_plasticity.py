"""Float learning as state of Brian2 synapses; see :mod:`ssdp_hw.rules.local` for gate, clip and update."""

from __future__ import annotations

import numpy as np
from brian2 import amp
from numpy.typing import NDArray

from ssdp_hw.rules import FloatRule
from ssdp_hw.running.learning_plan import LearningPlan

from .gates import Gating
from .synapses import SynapseModel, update_period, windows_ended
from .weight_change import WeightChange

# ``gathered`` is what the windows since the last update ask for.
GATHER = """
gated = clip(scaled, -CLIP, CLIP)
gathered += ended*gated*amp
"""
UPDATE = """
w += updating*gathered
gathered = (1 - updating)*gathered
"""


def float_plasticity(
    rule: FloatRule,
    weight_change: WeightChange,
    gating: Gating,
    gathered: NDArray[np.float64],
    plan: LearningPlan,
    steps: int,
) -> SynapseModel:
    """Model of synapses that learn in float.

    Args:
        rule, weight_change, gating: how they learn.
        gathered: steps that were gathered before, one for each synapse.
        plan: the learning run.
        steps: length of a window.
    """
    gate = gating.code + "scaled = wanted*gate\n" if gating.code else "scaled = wanted\n"
    ended = windows_ended(steps)
    return SynapseModel(
        equations="gathered : amp\n"
        + "".join(f"{name} : 1\n" for name in weight_change.reals)
        + "".join(f"{name} : integer\n" for name in weight_change.variables),
        types=dict.fromkeys(weight_change.variables, np.int64),
        initial={
            "gathered": gathered,
            **{name: np.broadcast_to(v, gathered.size) for name, v in weight_change.variables.items()},
            **{name: np.broadcast_to(v, gathered.size) for name, v in weight_change.reals.items()},
        },
        each_step=weight_change.each_step,
        on_pre=weight_change.on_pre,
        on_post=weight_change.on_post,
        updates=((ended + weight_change.wanted + gate + GATHER, 1), (ended + UPDATE, update_period(plan))),
        namespace={
            **weight_change.namespace,
            **gating.namespace,
            "CLIP": rule.clip,
            "amp": amp,
            "FIRST_WINDOW": plan.first_window,
            "WINDOWS_PER_UPDATE": plan.windows_per_update,
        },
    )
