"""The kernel of a plastic convolution: a neuron for each of its weights, which many synapses share.

At the end of a window each synapse has its own weight change; those of all synapses that share a weight are added up in
the kernel, which has the counters and moves its weights. The synapses then copy them. Brian2's synapses lead from
synapses to neurons, and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from brian2 import BrianObject, Clock, NeuronGroup, Synapses

from ssdp_hw.arrays import Numbers
from ssdp_hw.network.projection import BaseProjection

# The weight change of a synapse in a window, and the sum of those that share a weight.
GATED = "gated"
# Order of code in the slot "start": the synapses' own updates are 0, 1, ..; the recorders of memories come later.
CLEAR, SUM, UPDATE, TELL = 10, 11, 12, 20


@dataclass(frozen=True)
class Kernel:
    """State of the weights that synapses share, and the code that changes it.

    Attributes:
        equations: equations of all variables; ``w`` and :data:`GATED` are among them.
        types: types of integer variables.
        initial: initial values, one for each stored weight.
        updates: as in :class:`.synapses.SynapseModel`.
        namespace: constants and functions of that code.
    """

    equations: str
    types: Mapping[str, type[np.int64]]
    initial: Mapping[str, Numbers]
    updates: Sequence[tuple[str, int]]
    namespace: Mapping[str, object] = field(default_factory=dict)


def kernel_group(
    kernel: Kernel, projection: BaseProjection, synapses: Synapses | None, clock: Clock, window_clock: Clock, label: str
) -> tuple[NeuronGroup, list[BrianObject]]:
    """The neurons that have the kernel, and what adds up the synapses' weight changes and tells them the weights.

    Args:
        kernel, projection: what they have, and of which projection.
        synapses: all synapses of the projection, in row-major order; None where no weight is used by any.
        clock, window_clock: their ticks are steps and windows.
        label: suffix for names that no other projection may use.
    """
    neurons = NeuronGroup(
        projection.stored_weights.size,
        kernel.equations,
        dtype=dict(kernel.types),
        clock=clock,
        name=f"kernel_{label}",
        namespace=dict(kernel.namespace),
    )
    for variable, values in kernel.initial.items():
        setattr(neurons, f"{variable}_", values)
    neurons.run_regularly(f"{GATED} = 0\n", clock=window_clock, when="start", order=CLEAR)
    for order, (code, windows) in enumerate(kernel.updates, UPDATE):
        own = Clock(dt=windows * window_clock.dt, name=f"kernel_clock_{label}_{order}")
        neurons.run_regularly(code, clock=own, when="start", order=order)
    if synapses is None:
        return neurons, [neurons]
    index, each = projection.stored_index, np.arange(len(synapses))
    adding = Synapses(synapses, neurons, clock=clock, name=f"sum_kernel_{label}")
    adding.connect(i=each, j=index)
    adding.run_regularly(f"{GATED}_post += {GATED}_pre\n", clock=window_clock, when="start", order=SUM)
    telling = Synapses(neurons, synapses, clock=clock, name=f"tell_kernel_{label}")
    telling.connect(i=index, j=each)
    # A sum of one term is what Brian2 knows to be independent of its order.
    synapses.run_regularly("w = 0*w\n", clock=window_clock, when="start", order=TELL)
    telling.run_regularly("w_post += w_pre\n", clock=window_clock, when="start", order=TELL + 1)
    return neurons, [neurons, adding, telling]
