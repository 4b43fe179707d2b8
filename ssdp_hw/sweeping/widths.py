"""Registers narrower than the chip's, and how many bits of memory a network takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import as_int
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, Parameter
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.running.batches import BATCH_BYTES, batch_size, batches
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.run import run


def decays_of(population: FixedPopulation) -> list[Parameter]:
    """The decay registers of a population."""
    model: Any = population.model
    return [q for q in model.parameters if q.kind is Kind.DECAY]


def narrow_decays(network: FixedNetwork, bits: int | Mapping[str, int]) -> FixedNetwork:
    """The network with decay registers whose low bits are 0, as if they were narrower.

    A register rounds to the nearest multiple, half up, and the two that have a meaning of their own stay: 0, which
    loses nothing, and the largest, which keeps nothing.

    Args:
        network: the network.
        bits: bits that are left, one for all or by population; populations that are not named keep theirs.

    Raises:
        ParameterError: an unknown population, or bits outside 1 and the register's width.
    """
    named = bits if isinstance(bits, Mapping) else dict.fromkeys(network.population_names, bits)
    for name in named:
        network.population(name)  # names an unknown one
    populations = [_narrowed(p, named[p.name], network) if p.name in named else p for p in network.populations]
    return replace(network, populations=populations)


def _narrowed(population: FixedPopulation, bits: int, network: FixedNetwork) -> FixedPopulation:
    left = as_int(bits, f"population '{population.name}': decay_bits")
    fields: dict[str, Any] = {}
    parameters = dict(population.parameters)
    for register in decays_of(population):
        width = register.width(network.limits)
        if not 1 <= left <= width:
            raise ParameterError(f"population '{population.name}': decay_bits = {left} is outside 1 .. {width}")
        own = parameters if register.name in parameters else fields
        given = parameters[register.name] if own is parameters else getattr(population, register.name)
        own[register.name] = _rounded(np.asarray(given, np.int64), width, left)
    return replace(population, **fields, parameters=parameters)


def _rounded(codes: NDArray[np.int64], width: int, bits: int) -> NDArray[np.int64]:
    unit, top = 1 << (width - bits), (1 << width) - 1
    rounded = np.minimum((codes + unit // 2) // unit * unit, top + 1 - unit)
    return np.where((codes == 0) | (codes == top), codes, rounded)


def state_bits(
    network: FixedNetwork, inputs: Any, target: str | None, max_batch_bytes: int = BATCH_BYTES
) -> dict[str, int]:
    """By population the bits of the narrowest signed register that holds all its states in a run.

    Args:
        network: the network.
        inputs, target: see :func:`ssdp_hw.run`.
        max_batch_bytes: what the recordings of one batch of samples may occupy in memory.
    """
    drive = make_drive(network, inputs)
    length = drive.steps + network.latency
    record = tuple(dict.fromkeys(name for p in network.populations for name in p.state_names))
    needed: dict[str, int] = {}
    for _, samples in batches(inputs, drive.batch, batch_size(network, length, record, max_batch_bytes)):
        ran = run(network, samples, target, record=record, steps=length, on_overflow="ignore")
        for p in network.populations:
            for state in p.state_names:
                values = ran.recorded(state)[p.name]
                # Of a two's complement register the smallest value is one further from 0 than the largest.
                reach = max(int(values.max(initial=0)), -1 - int(values.min(initial=0)))
                needed[p.name] = max(needed.get(p.name, 1), reach.bit_length() + 1)
    return needed


def memory_bits(
    network: FixedNetwork,
    weights: Mapping[str, int],
    decays: Mapping[str, int],
    states: Mapping[str, int],
    counters: Mapping[str, int],
) -> int:
    """Bits that weights, decay registers, states and counters of a network take; the chip's width where none is given.

    Args:
        network: the network; of a convolution its kernels are counted, not a weight for each synapse.
        weights: bits of a weight by projection.
        decays: bits of a decay register by population.
        states: bits of a state by population.
        counters: bits of a synapse's counter by plastic projection; the others have none.
    """
    chip = network.limits
    total = sum(p.stored_weights.size * weights.get(p.name, chip.weight_bits) for p in network.projections)
    total += sum(network.projection(name).stored_weights.size * bits for name, bits in counters.items())
    for p in network.populations:
        own = len(decays_of(p)) * decays.get(p.name, chip.decay_bits)
        total += p.size * (own + len(p.state_names) * states.get(p.name, chip.state_bits))
    return total
