"""Integer SSDP as state of Brian2 synapses: the stored weight integer and the synchrony counter.

At the end of a window the registers of both neurons give the evidence, which a table holds by
distance in ticks and number of neurons that fired. See :mod:`ssdp_hw.ssdp.fixed_rule`. Every variable
is int64, and ``clip`` takes plain names; see :mod:`.fixed_neurons`.
"""

from __future__ import annotations

import numpy as np
from brian2 import TimedArray, second
from numpy.typing import NDArray

from ssdp_hw.fixed import FixedProjection
from ssdp_hw.ssdp import FixedSSDP, SilentPairs, WeightRounding

from .random_bits import synapse_bits
from .registers import TimeRegister
from .synapses import SynapseModel

VARIABLES = ("c", "weights_clipped", "counters_full")

# No window has ended at the start of the first.
ENDED = "ended = int(t_in_timesteps > 0)\n"

ACCUMULATE = ENDED + """
distance = abs({register}_post - {register}_pre)
fired = int({register}_post < SILENT) + int({register}_pre < SILENT)
total = c + ended*int({table}(distance*TICK, fired))
c = clip(total, COUNTER_MIN, COUNTER_MAX)
counters_full += int(total != c)
"""

# How far the weight moves, and what stays in the counter.
ROUNDINGS = {
    WeightRounding.CARRY: """
move = ended*sign(c)*(abs(c)//LSB)
c -= move*LSB
""",
    WeightRounding.STOCHASTIC: """
commits = FIRST_COMMIT + t_in_timesteps//COMMIT_STEPS - 1
raised = c + synapse_bits(number, commits, LAYER, KEY_LOW, KEY_HIGH, LSB_SHIFT)
move = ended*(raised//LSB)
c = c*(1 - ended)
""",
    WeightRounding.NEAREST: """
move = ended*sign(c)*((abs(c) + HALF_LSB)//LSB)
c = c*(1 - ended)
""",
}
MOVE = """
moved = w + move
w = clip(moved, WEIGHT_MIN, WEIGHT_MAX)
weights_clipped += int(moved != w)
"""


def evidence_table(rule: FixedSSDP, silent: int) -> NDArray[np.int64]:
    """Evidence by distance in ticks (rows) and number of neurons that fired (0, 1, 2)."""
    plus, minus = (table[:silent + 1] for table in rule.tables)
    neither = np.zeros_like(minus) if rule.silent_pairs is SilentPairs.SKIP else -minus
    return np.stack([neither, -minus, plus], axis=1)


def fixed_plasticity(
    projection: FixedProjection, rule: FixedSSDP, register: TimeRegister, counters: NDArray[np.int64], *,
    seed: int, layer: int, first_commit: int,
) -> SynapseModel:
    """Model of plastic synapses with integer SSDP.

    Args:
        projection: the projection, with its weights before learning.
        rule: its rule.
        register: the spike-time register of source and target.
        counters: synchrony counters before learning, one a synapse.
        seed, layer, first_commit: key of the random numbers: the run's seed, the position of the
            projection in the network, commits before this run.
    """
    table = TimedArray(evidence_table(rule, register.silent), dt=1 * second, name=f"evidence_{layer}")
    count = projection.synapse_weights.size
    return SynapseModel(
        equations="".join(f"{name} : integer\n" for name in VARIABLES) + "number : integer (constant)\n",
        types=dict.fromkeys((*VARIABLES, "number"), np.int64),
        initial={"c": counters, "number": np.arange(count)},
        updates=(
            (ACCUMULATE.format(register=register.name, table=table.name), 1),
            (ENDED + ROUNDINGS[rule.rounding] + MOVE, rule.commit_windows),
        ),
        namespace={
            table.name: table, "TICK": 1 * second, "SILENT": register.silent,
            "COUNTER_MIN": rule.counter_min, "COUNTER_MAX": rule.counter_max,
            "LSB": 1 << rule.lsb_shift, "HALF_LSB": (1 << rule.lsb_shift) >> 1, "LSB_SHIFT": rule.lsb_shift,
            "WEIGHT_MIN": projection.format.mantissa_min, "WEIGHT_MAX": projection.format.mantissa_max,
            "COMMIT_STEPS": register.steps * rule.commit_windows, "FIRST_COMMIT": first_commit,
            "LAYER": layer, "KEY_LOW": seed & 0xFFFFFFFF, "KEY_HIGH": (seed >> 32) & 0xFFFFFFFF,
            "synapse_bits": synapse_bits,
        },
    )
