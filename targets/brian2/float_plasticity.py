"""Float SSDP as state of Brian2 synapses; see :mod:`ssdp_hw.ssdp.rule` for the equations."""

from __future__ import annotations

from brian2 import amp

from ssdp_hw.ssdp import SSDP, SilentPairs

from .registers import TimeRegister
from .synapses import SynapseModel

# ``step`` gathers what the windows since the last commit ask for. No window has ended at the start
# of the first.
EQUATIONS = "step : amp\n"
ACCUMULATE = """
ended = int(t_in_timesteps > 0)
distance = 1.0*({register}_post - {register}_pre)
fired = int({register}_post < SILENT) + int({register}_pre < SILENT)
amplitude = A_PLUS*int(fired == 2) - A_BASELINE*int(fired == 1) - A_SILENT*int(fired == 0)
wanted = amplitude*exp(-distance*distance/(2*SIGMA*SIGMA))
step += ended*clip(wanted, -CLIP, CLIP)*amp
"""
COMMIT = """
w += step
step = 0*amp
"""


def float_plasticity(rule: SSDP, register: TimeRegister) -> SynapseModel:
    """Model of plastic synapses with float SSDP."""
    depress = rule.silent_pairs is SilentPairs.DEPRESS
    return SynapseModel(
        equations=EQUATIONS,
        updates=((ACCUMULATE.format(register=register.name), 1), (COMMIT, rule.commit_windows)),
        namespace={
            "A_PLUS": rule.a_plus, "A_BASELINE": rule.a_baseline, "A_SILENT": rule.a_baseline if depress else 0.0,
            "SIGMA": rule.sigma, "CLIP": rule.clip, "SILENT": register.silent, "amp": amp,
        },
    )
