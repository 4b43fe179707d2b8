"""Nodes of a float network: Lava's own process where it agrees up to rounding, else one of worker/processes.

Lava's LIF has no gains. Where a LIF node stands for a population, the gain of the synaptic input goes into
the weights of its incoming projections, the constant part of the input into the bias, and recordings of u are
scaled back (:class:`Scaling`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.network.float_network import Network, Population, Projection
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.running.drive import Drive

from .blueprint import Node, per_sample, population_node, port_shape, projection_node, shared_value, synapse_delays
from .fixed import DELAY_DENSE_LIMIT


@dataclass(frozen=True, eq=False)
class Scaling:
    """How the variables of a LIF node relate to those of its population.

    Attributes:
        gain: factor on the incoming weights, shape (n,).
        u_scale, u_offset: the network's u is ``u_scale * u + u_offset`` of Lava's u.
    """

    gain: NDArray[np.float64] | float = 1.0
    u_scale: NDArray[np.float64] | float = 1.0
    u_offset: NDArray[np.float64] | float = 0.0


def lif_expresses(network: Network, p: Population, bias: NDArray[np.float64]) -> bool:
    """Whether Lava's LIF computes this population once its gains are folded into the weights."""
    c = network.coefficients(p.name)
    same = (c.decay_u, c.decay_v, p.neuron.parameter("v_threshold"))
    return (
        p.spiking
        and p.reset is Reset.ZERO
        and p.threshold is Comparison.ABOVE
        and not network.uses_old_current(p.name)
        and all(shared_value(x) is not None for x in same)
        and not p.neuron.parameter("v_reset").any()
        and bool(np.all(c.gain_v != 0))
        # LIF has no bias for u, on which a constant input acts; without memory in u the bias of v stands for it.
        and (not bias.any() or not c.decay_u.any())
    )


def population(network: Network, p: Population, drive: Drive, *, own: bool, restart: int = 0) -> tuple[Node, Scaling]:
    """The node of a population, and the scaling of its variables."""
    shape = port_shape(drive.batch, p.size)
    name, c = population_node(p.name), network.coefficients(p.name)
    bias = drive.float_bias(network, p.name)
    if not own and lif_expresses(network, p, bias):
        gain = c.gain_v * c.gain_u
        constant = per_sample(c.drift + gain * bias, drive.batch)
        return Node(
            name,
            "LIF",
            {
                "shape": shape,
                "du": float(1 - c.decay_u[0]),
                "dv": float(1 - c.decay_v[0]),
                "vth": float(p.neuron.parameter("v_threshold")[0]),
                "bias_mant": np.broadcast_to(constant, shape).copy(),
                "v": np.broadcast_to(p.neuron.v_init, shape).copy(),
            },
        ), Scaling(gain, 1 / c.gain_v, c.gain_u * bias)
    return Node(
        name,
        "Neurons",
        {
            "shape": shape,
            "du": 1 - c.decay_u,
            "dv": 1 - c.decay_v,
            "vth": p.neuron.parameter("v_threshold"),
            "v": p.neuron.v_init,
            "bias": c.drift,
            "gain_in": c.gain_u,
            "bias_in": per_sample(bias, drive.batch),
            "gain": c.gain_v,
            "v_reset": p.neuron.parameter("v_reset"),
            "spiking": p.spiking,
            "at_least": p.threshold is Comparison.AT_LEAST,
            "subtract": p.reset is Reset.SUBTRACT,
            "voltage_first": network.uses_old_current(p.name),
            "restart": restart,
        },
    ), Scaling()


def projection(
    q: Projection, gain: NDArray[np.float64] | float, *, batch: int, own: bool, restart: int = 0, graded: bool = False
) -> Node:
    """The node of a projection.

    ``gain`` is the :class:`Scaling` gain of its target, shape (n,) or a number; ``graded`` says whether its presynaptic
    spikes carry a payload.
    """
    name = projection_node(q.name)
    gains = np.broadcast_to(np.asarray(gain, np.float64), (q.shape[0],))
    weights = q.unshared.times_rows(gains).given
    plain = batch == 1 and not own and not q.is_sparse and not graded
    if plain and q.max_delay == 0:
        return Node(name, "Dense", {"weights": weights})
    if plain and q.synapse_count * (q.max_delay + 1) <= DELAY_DENSE_LIMIT:
        return Node(
            name, "DelayDense", {"weights": weights, "delays": q.synapse_delays.reshape(q.shape).astype(np.int64)}
        )
    kind = "GradedConnection" if graded else "Connection"
    return Node(name, kind, {"weights": weights, "delays": synapse_delays(q), "batch": batch, "restart": restart})
