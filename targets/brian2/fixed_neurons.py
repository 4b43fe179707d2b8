"""A fixed population of the chip's own neuron in Brian2: int64 state, and Brian2 code that runs in every step.

This is the fast path of the CUBA LIF, written by hand; :mod:`.declared_neurons` runs any model.

The code is that of :mod:`ssdp_hw.arithmetic` in Brian2's language, which has no shifts: ``//``
rounds down, so the decay is computed of the magnitude and the sign put back. Every value is int64, since int32 state
overflows silently in the NumPy code; ``int()`` of Brian2 is 32 bits wide and is used on
conditions only; ``clip`` takes a plain name, since with an expression its Cython code would not
compile.
"""

from __future__ import annotations

import numpy as np
from brian2 import NeuronGroup

from ssdp_hw.arithmetic import shift
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.network.graph import Reset
from ssdp_hw.running.result import CUBA_LIF_COUNTS

from . import memory
from .neurons import Neurons, Setup, arriving
from .random_bits import synapse_bits

RESETS = {Reset.ZERO: "v = 0\n", Reset.SUBTRACT: "v -= limit\n"}

# u = wrap(decay(u, du + offset) + input), v = saturate(decay(v, dv + offset) + u + bias)
STEP = """
p = u*kept_u
raw_u = sign(p)*(abs(p)//DECAY_UNIT) + ACTIVATION_UNIT*({arriving})
u = raw_u - TURN*int(raw_u > HALF) + TURN*int(raw_u <= -HALF)
q = v*kept_v
raw_v = sign(q)*(abs(q)//DECAY_UNIT) + u + bias
v = clip(raw_v, 1 - HALF, HALF - 1)
counted = int(t_in_timesteps < COUNTED_STEPS)
u_wraps += counted*int(raw_u != u)
u_out_of_range += counted*(int(u > HALF) + int(u < -HALF))
v_saturations += counted*int(raw_v != v)
"""


def fixed_neurons(network: FixedNetwork, population: FixedPopulation, setup: Setup) -> Neurons:
    """One group with the state, parameters and overflow counts of every neuron."""
    chip, p = network.limits, population
    variables = ("u", "v", "bias", *CUBA_LIF_COUNTS, *setup.inboxes)
    constants = {
        "kept_u": (1 << chip.decay_bits) - (p.du + chip.current_decay_offset),
        "kept_v": (1 << chip.decay_bits) - (p.dv + chip.voltage_decay_offset),
        "v_init": p.v_init,
        "limit": shift(p.vth, chip.activation_shift),
    }
    group = NeuronGroup(
        setup.copies * p.size,
        "".join([f"{v} : integer\n" for v in variables] + [f"{c} : integer (constant)\n" for c in constants])
        + memory.equations(setup.memories),
        threshold=f"v {p.threshold.value} limit" if p.spiking else None,
        reset=RESETS[p.reset] + memory.keep(setup.memories) if p.spiking else None,
        dtype={**dict.fromkeys((*variables, *constants), np.int64), **memory.types(setup.memories)},
        clock=setup.clock,
        name=f"population_{setup.label}",
        namespace={
            "synapse_bits": synapse_bits,
            **memory.namespace(setup.memories),
            "DECAY_UNIT": 1 << chip.decay_bits,
            "ACTIVATION_UNIT": 1 << chip.activation_shift,
            "TURN": 1 << chip.state_bits,
            "HALF": 1 << (chip.state_bits - 1),
            "COUNTED_STEPS": setup.counted_steps,
        },
    )
    for name, values in constants.items():
        setattr(group, name, setup.repeated(values))
    group.v = setup.repeated(p.v_init)
    clear = "".join(f"{a} = 0\n" for a in setup.inboxes)
    group.run_regularly(STEP.format(arriving=arriving(setup)) + clear, when="groups")
    if memory.fade(setup.memories):
        group.run_regularly(memory.fade(setup.memories), when="end")
    start = "u = 0\nv = v_init\n" + clear
    states, counts = {"u": (group, "u"), "v": (group, "v")}, {name: name for name in CUBA_LIF_COUNTS}
    fires = f"int(v {p.threshold.value} limit)"
    after = {Reset.ZERO: f"v*(1 - {fires})", Reset.SUBTRACT: f"v - limit*{fires}"}[p.reset] if p.spiking else "v"
    bias, window_start = setup.place_bias(group, "int"), memory.start(setup.memories)
    return Neurons(group, group, states, [(group, start)], bias, window_start, counts, {"u": "u", "v": after})
