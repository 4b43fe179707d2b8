"""Float learning as state of Brian2 synapses; see :mod:`ssdp_hw.rules.local` for gate, clip and commit."""

from __future__ import annotations

import numpy as np
from brian2 import amp
from numpy.typing import NDArray

from ssdp_hw.rules import FloatRule
from ssdp_hw.running.target import LearningPlan

from .evidence import Evidence
from .gates import Gating
from .synapses import SynapseModel, commit_period, windows_ended

# ``gathered`` is what the windows since the last commit ask for.
GATHER = """
gated = clip(scaled, -CLIP, CLIP)
gathered += ended*gated*amp
"""
COMMIT = """
w += due*gathered
gathered = (1 - due)*gathered
"""


def float_plasticity(
    rule: FloatRule,
    evidence: Evidence,
    gating: Gating,
    gathered: NDArray[np.float64],
    plan: LearningPlan,
    steps: int,
) -> SynapseModel:
    """Model of synapses that learn in float.

    Args:
        rule, evidence, gating: how they learn.
        gathered: steps gathered before, one a synapse.
        plan: the learning run.
        steps: length of a window.
    """
    gate = gating.code + "scaled = wanted*gate\n" if gating.code else "scaled = wanted\n"
    ended = windows_ended(steps)
    return SynapseModel(
        equations="gathered : amp\n"
        + "".join(f"{name} : 1\n" for name in evidence.reals)
        + "".join(f"{name} : integer\n" for name in evidence.variables),
        types=dict.fromkeys(evidence.variables, np.int64),
        initial={
            "gathered": gathered,
            **{name: np.full(gathered.size, v) for name, v in evidence.variables.items()},
        },
        on_pre=evidence.on_pre,
        on_post=evidence.on_post,
        updates=((ended + evidence.wanted + gate + GATHER, 1), (ended + COMMIT, commit_period(plan))),
        namespace={
            **evidence.namespace,
            **gating.namespace,
            "CLIP": rule.clip,
            "amp": amp,
            "FIRST_WINDOW": plan.first_window,
            "COMMIT_WINDOWS": plan.commit_windows,
        },
    )
