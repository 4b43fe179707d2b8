"""Nodes of a fixed network: Lava's own process where it computes the same bits, else one of worker/processes."""

from __future__ import annotations

import numpy as np

from ssdp_hw.chips import Chip
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.running.drive import Drive

from .blueprint import Choice, Node, per_sample, population_node, port_shape, projection_node, synapse_delays

# DelayDense rebuilds a (delays * post, pre) matrix of int32 in every step. For matrices with more entries than
# this limit (about a millisecond per step) a Connection node takes its place.
DELAY_DENSE_LIMIT = 1 << 16


def widths(chip: Chip) -> dict[str, int]:
    """The chip's widths under the names of the parameters of the Neurons process."""
    return {
        "decay_bits": chip.decay_bits,
        "current_offset": chip.current_decay_offset,
        "voltage_offset": chip.voltage_decay_offset,
        "state_bits": chip.state_bits,
        "activation_shift": chip.activation_shift,
    }


# Constants in lava/proc/lif/models.py, AbstractPyLifModelFixed.
LIF_WIDTHS = {"decay_bits": 12, "current_offset": 1, "voltage_offset": 0, "state_bits": 24, "activation_shift": 6}


def lif_expresses(chip: Chip, p: FixedPopulation) -> bool:
    """Whether Lava's LIF computes this population: shared parameters, reset to 0, ``v > vth``, LIF_WIDTHS."""
    return (
        p.uniform
        and p.spiking
        and p.reset is Reset.ZERO
        and p.threshold is Comparison.ABOVE
        and widths(chip) == LIF_WIDTHS
    )


def population(
    network: FixedNetwork,
    p: FixedPopulation,
    drive: Drive,
    *,
    own: bool,
    restart: int = 0,
) -> Node:
    """The node of a population; ``drive`` gives the number of samples and their biases.

    With ``own`` it is a Neurons node even where LIF would do. After every ``restart`` steps (never if 0) it
    returns to the initial state.
    """
    shape = port_shape(drive.batch, p.size)
    name = population_node(p.name)
    if not own and lif_expresses(network.limits, p):
        return Node(
            name,
            "LIF",
            {
                "shape": shape,
                "du": int(p.du[0]),
                "dv": int(p.dv[0]),
                "vth": int(p.vth[0]),
                "bias_mant": np.broadcast_to(p.bias_mant, shape).copy(),
                "bias_exp": p.bias_exp,
                "v": np.broadcast_to(p.v_init, shape).copy(),
            },
        )
    bias = per_sample(drive.fixed_bias(network, p.name), drive.batch)
    return Node(
        name,
        "Neurons",
        {
            "shape": shape,
            "du": p.du,
            "dv": p.dv,
            "vth": p.vth,
            "v": p.v_init,
            "bias": bias,
            "spiking": p.spiking,
            "at_least": p.threshold is Comparison.AT_LEAST,
            "subtract": p.reset is Reset.SUBTRACT,
            "restart": restart,
            **widths(network.limits),
        },
    )


def projection(q: FixedProjection, *, batch: int, own: bool, restart: int = 0, payload_bits: int = 0) -> Node:
    """The node of a projection; ``own`` and ``restart`` as in :func:`population`.

    ``payload_bits`` are those of its presynaptic spikes; 0 where they carry nothing.
    """
    name = projection_node(q.name)
    common = {"weights": q.matrix.astype(np.int32), "weight_exp": q.weight_exp}
    plain = batch == 1 and not own and not q.is_sparse and q.format.scale_bits == 8
    # Given sign mode and number of bits, Dense leaves weights of that format unchanged.
    stated: dict[str, object] = {"num_weight_bits": q.format.bits, "sign_mode": Choice(q.format.sign_mode.name)}
    if payload_bits:
        stated["num_message_bits"] = payload_bits + 1  # that of the sign
    if plain and q.max_delay == 0:
        return Node(name, "Dense", {**common, **stated})
    if plain and q.synapse_count * (q.max_delay + 1) <= DELAY_DENSE_LIMIT:
        delays = q.synapse_delays.reshape(q.shape).astype(np.int64)
        return Node(name, "DelayDense", {**common, **stated, "delays": delays})
    kind = "GradedConnection" if payload_bits else "Connection"
    return Node(name, kind, {**common, "delays": synapse_delays(q), "batch": batch, "restart": restart})
