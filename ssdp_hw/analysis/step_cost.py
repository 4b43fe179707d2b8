"""What a step of each population's neurons costs: operations and registers of the declared model.

For chips whose neurons are programs. No instruction set of theirs is published, so that operations are those of the
declaration, as :mod:`ssdp_hw.operations.node` lists them, and not a chip's instructions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ssdp_hw.display import Table, shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork

# Values that are read and not computed.
_READ = frozenset({"leaf", "constant"})


@shown
@dataclass(frozen=True)
class StepCost:
    """One step of one neuron.

    Attributes:
        population, model: their names.
        operations: how often each operation is done, of rounding and of limits of registers too; a value that is used
            twice is computed once. Counting overflows is left out.
        states: width in bits of every register that a step changes.
        parameters: width in bits of every register that it reads, without signs; the bias included.
    """

    population: str
    model: str
    operations: Mapping[str, int]
    states: Mapping[str, int]
    parameters: Mapping[str, int]

    @property
    def state_bits(self) -> int:
        """Bits of all registers that a step changes."""
        return sum(self.states.values())

    def __str__(self) -> str:
        done = ", ".join(f"{count} {name}" for name, count in sorted(self.operations.items()))
        return (
            f"population '{self.population}' ({self.model}): {sum(self.operations.values())} operations a step "
            f"({done}); {len(self.states)} states of {self.state_bits} bits, {len(self.parameters)} parameters of "
            f"{sum(self.parameters.values())} bits"
        )

    def _table(self) -> Table:
        rows = [(name, "operation", str(count)) for name, count in sorted(self.operations.items())]
        rows += [(name, "state", f"{bits} bits") for name, bits in self.states.items()]
        rows += [(name, "parameter", f"{bits} bits") for name, bits in self.parameters.items()]
        return Table(str(self), ("what", "kind", "count"), rows)


def step_costs(fixed: FixedNetwork) -> tuple[StepCost, ...]:
    """The cost of a step of each population's neurons, in the network's order.

    Raises:
        ParameterError: no fixed network.
    """
    if not isinstance(fixed, FixedNetwork):
        raise ParameterError(f"step_costs takes a FixedNetwork, not {type(fixed).__name__}")
    found = []
    for p in fixed.populations:
        form = fixed.step_form(p.name)
        graph = form.graph()
        found.append(
            StepCost(
                p.name,
                form.model.name,
                dict(Counter(node.operation for node in graph.computed if node.operation not in _READ)),
                form.registers,
                {q.name: q.width(fixed.limits) for q in form.model.parameters} | {"bias": fixed.limits.bias_mant_bits},
            )
        )
    return tuple(found)
