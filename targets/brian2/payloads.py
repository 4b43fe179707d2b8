"""What graded spikes carry, kept until delayed spikes arrive.

Brian2's synapses read variables of presynaptic neurons when a spike arrives, and not when it was sent. A neuron
therefore keeps the payloads of the last steps, one variable a step: at delay d synapses read that of d steps ago.
"""

from __future__ import annotations

from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork

from .memory import INTEGER, REAL, Memory
from .printer import state_variable


def carried_variable(payload: str, delay: int) -> str:
    """The variable of a sender that has the payload of its spike of ``delay`` steps ago."""
    return f"carried_{delay}" if delay else state_variable(payload)


def carried_memories(network: AnyNetwork, name: str) -> list[Memory]:
    """The variables of a population of graded neurons for the delays of its spikes; none of any other."""
    if name not in network.population_names or not network.population(name).payload:
        return []
    payload, kind = network.population(name).payload, INTEGER if isinstance(network, FixedNetwork) else REAL
    longest = max((q.max_delay for q in network.projections if q.pre == name), default=0)
    return [
        Memory(
            carried_variable(payload, delay),
            0,
            fade=f"{carried_variable(payload, delay)} = {carried_variable(payload, delay - 1)}\n",
            kind=kind,
            lasts=True,  # a window may begin while spikes are under way
        )
        for delay in range(longest, 0, -1)
    ]
