"""Folded populations as a network of this toolkit, in which every projection takes a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.alignment import PACEMAKER, Timing, aligned
from ssdp_hw.conversion.torch.folding import FoldedPopulation
from ssdp_hw.conversion.torch.lags import lags_of
from ssdp_hw.conversion.weight_algebra import identity
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.neurons import IF, LI, CubaLI, StepCoefficients, without_memory

Folded = Mapping[str, FoldedPopulation]

START = "start"


@dataclass(frozen=True)
class Layout:
    """What a network is made of beside its populations.

    Attributes:
        inputs: number of channels of each.
        outputs: names of populations.
        dt: length of a step in seconds.
    """

    inputs: dict[str, int]
    outputs: tuple[str, ...]
    dt: float


def network_of(folded: Folded, layout: Layout, timing: Timing = Timing.SAME_STEP) -> Network:
    """The network whose populations do what the module's do, each its lag later.

    Raises:
        UnsupportedError: see :func:`ssdp_hw.conversion.torch.lags.lags_of`; a constant that cannot begin with the
            input.
    """
    plain = timing is not Timing.SAME_STEP
    lag = lags_of(folded, layout.inputs) if not plain else dict.fromkeys((*layout.inputs, *folded), 0)
    semantics = Semantics(layout.dt)
    populations, helpers, projections, notes = [], _Helpers(folded, layout), _projections(folded, lag, plain), []
    for p in folded.values():
        notes += p.neurons.notes
        neuron, constant = p.neurons.neuron, p.constant
        if lag[p.name]:
            if isinstance(neuron, LI) and np.any(neuron.v_leak):
                constant = constant + neuron.v_leak / neuron.r
                neuron = replace(neuron, v_leak=0.0, v_init=0.0)
            rest = neuron.parameter("v_leak")
            if isinstance(neuron, CubaLI) and neuron.spiking and np.any(rest >= neuron.parameter("v_threshold")):
                raise UnsupportedError(f"layer '{p.layer}' fires by its v_leak alone, before the first input arrives")
            coefficients = neuron.coefficients(layout.dt, semantics.discretization)
            projections += helpers.constant(p.name, constant, lag[p.name])
            projections += helpers.voltage(p.name, p.v_init - rest, coefficients, lag[p.name])
            projections += helpers.first_step(p.name, p.neurons.late_bias, lag[p.name])
            neuron, constant = replace(neuron, v_init=rest), np.zeros(neuron.size)
        else:
            neuron = replace(neuron, v_init=p.v_init)
            if p.neurons.late_bias is not None and p.neurons.late_bias.any():
                raise UnsupportedError(
                    f"layer '{p.layer}' adds the bias of its recurrent weights from its second step on, which needs an "
                    "input of its own and timing='same_step'; or train it without that bias"
                )
        populations.append(
            Population(name=p.name, neuron=neuron, bias=constant, reset=p.neurons.reset, threshold=p.neurons.threshold)
        )
    inputs = [Input(name, size) for name, size in layout.inputs.items()]
    network = Network(
        inputs, [*populations, *helpers.populations(semantics)], projections, layout.outputs, semantics,
        notes=[*notes, *helpers.notes],
    )  # fmt: skip
    return aligned(network, timing) if plain else network


class _Helpers:
    """Helper neurons, which the module lacks: one fires in every step, for biases, one in the first step alone."""

    def __init__(self, folded: Folded, layout: Layout) -> None:
        taken = {*folded, *layout.inputs}
        self.bias, self.start = (_free(name, taken) for name in (PACEMAKER, START))
        self._used: dict[str, list[str]] = {self.bias: [], self.start: []}
        self._late: list[str] = []

    def constant(self, target: str, values: Real, lag: int) -> list[Projection]:
        """What drives a population from the step on in which the input reaches it."""
        return [self._made(self.bias, target, values, lag - 1)] if values.any() else []

    def first_step(self, target: str, late: Real | None, lag: int) -> list[Projection]:
        """What takes a part of the bias back in the step in which the input reaches a population."""
        if late is None or not late.any():
            return []
        made = self._made(self.start, target, -late, lag - 1, "''")
        self._late.append(self._used[self.start].pop())
        return [made]

    def voltage(self, target: str, values: Real, c: StepCoefficients, lag: int) -> list[Projection]:
        """What gives a population a voltage before the step in which the input reaches it."""
        if not values.any():
            return []
        pulse = c.decay_v * values / (c.gain_v * c.gain_u)
        found = [self._made(self.start, target, pulse, lag - 1)]
        if np.any(c.decay_u):  # a second pulse takes back the current that the first one leaves
            found.append(self._made(self.start, target, -c.decay_u * pulse, lag, "'"))
        return found

    def _made(self, source: str, target: str, values: Real, delay: int, mark: str = "") -> Projection:
        self._used[source].append(target)
        name = f"{source}->{target}{mark}"
        return Projection(pre=source, post=target, weight=values[:, None], delay=delay, name=name)

    def populations(self, semantics: Semantics) -> list[Population]:
        """The helper populations that the network uses."""
        found = []
        if self._used[self.bias]:
            neuron = without_memory(np.array([0.5]), semantics.dt, semantics.discretization)
            found.append(Population(name=self.bias, neuron=neuron, bias=1.0))
        if self._used[self.start] or self._late:
            once = IF(size=1, r=1.0 / semantics.dt, v_threshold=0.5, v_init=1.0)
            found.append(Population(name=self.start, neuron=once))
        return found

    @property
    def notes(self) -> list[str]:
        """Notes on what the helper populations are for."""
        found = []
        for source, what, when in (
            (self.bias, "biases", "in every step, and so begin with the first input"),
            (self.start, "initial voltages", "in the first step alone"),
        ):
            targets = ", ".join(f"'{t}'" for t in dict.fromkeys(self._used[source]))
            if targets:
                found.append(f"the {what} of {targets} come from neuron '{source}', which fires {when}")
        if self._late:
            targets = ", ".join(f"'{t}'" for t in self._late)
            found.append(
                f"the biases of the recurrent weights of {targets} begin with the second step, as in the module: "
                f"neuron '{self.start}', which fires in the first step alone, takes them back there"
            )
        return found


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name


def _projections(folded: Folded, lag: Mapping[str, int], plain: bool) -> list[Projection]:
    """Projections named after the module's weights, or after their ends where that is not unique."""
    parts = [(p, source, delay, path) for p in folded.values() for (source, delay), path in p.terms.items()]
    short = ["->".join(path.via) or f"{source}->{p.name}" for p, source, _, path in parts]
    count, used = Counter(short), set[str]()
    found = []
    for base, (p, source, delay, path) in zip(short, parts, strict=True):
        name = base if count[base] == 1 or not path.via else f"{source}->{base}->{p.name}"
        while name in used:
            name += "'"
        used.add(name)
        steps = delay - 1 if source == p.name else delay if plain else lag[p.name] - lag[source] + delay - 1
        weight = identity(path.weight, p.neurons.neuron.size).given
        found.append(Projection(pre=source, post=p.name, weight=weight, delay=steps, name=name))
    return found
