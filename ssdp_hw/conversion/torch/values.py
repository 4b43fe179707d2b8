"""Values of tensors in a recorded run that are no affine functions of spikes: states, sequences, readouts, others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ssdp_hw.conversion.torch.affine import Affine
from ssdp_hw.conversion.torch.types import Nested, Tensor, Tensors
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.weight import Weight


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set of names."""
    return frozenset(text.split())


@dataclass(frozen=True, eq=False)
class Voltage:
    """A state that a layer of neurons left behind: its voltage, current or spikes.

    Attributes:
        population: whose.
        step: the step that left it.
        field: its name in the layer, for example ``mem``.
        fires: whether the field holds the spikes.
        where: source line of the call.
    """

    population: str
    step: int
    field: str
    where: str = ""


@dataclass(frozen=True, eq=False)
class Sequence:
    """One value a step, along an axis of the tensor.

    Attributes:
        steps: the values in order of time.
        axis: that of time; the first of the others is the batch.
        where: source line of the operation that made it.
        merged: whether the first two axes, time and batch in their order, are one.
    """

    steps: Tensors
    axis: int
    where: str = ""
    merged: bool = False

    def taken_apart(self, tensor: Tensor) -> list[Tensor]:
        """The parts of the tensor that belong to the steps, each of shape (batch, *shape)."""
        if self.merged:
            count = len(self.steps)
            lead = (count, len(tensor) // count) if self.axis == 0 else (len(tensor) // count, count)
            tensor = tensor.reshape(*lead, *tensor.shape[1:])
        return list(tensor.unbind(self.axis))


@dataclass(frozen=True, eq=False)
class Readout:
    """A sum, mean or selection over the steps of spikes or states: it may be returned, but cannot drive a neuron.

    Attributes:
        populations: those that sent it.
        where: source line of the operation that made it.
        of: for values of a linear layer: all their steps, or their sum, and the tensor that holds them.
    """

    populations: tuple[str, ...]
    where: str = ""
    of: tuple[tuple[Sequence | Affine, Tensor], ...] = ()


@dataclass(frozen=True, eq=False)
class Opaque:
    """A value that depends on the input and that no network of this toolkit can compute.

    Attributes:
        what: the operation in words.
        advice: what to write instead.
        where: its source line.
        of_readout: whether the operation acts on a :class:`Readout`.
    """

    what: str
    advice: str
    where: str
    of_readout: bool = False

    def error(self, used: str) -> UnsupportedError:
        """The refusal, where ``used`` says what needs the value."""
        return UnsupportedError(f"{self.where}: {self.what}, and {used}; {self.advice}")


Value: TypeAlias = Affine | Voltage | Sequence | Readout | Opaque


def linear_parts(values: list[Tensor], tensors: list[Tensor]) -> tuple[tuple[Sequence | Affine, Tensor], ...] | None:
    """All steps of the linear layers that values are made of, with their tensors; None if anything else is among them.

    Args:
        values: one for each tensor.
        tensors: those that depend on the input.
    """
    parts: list[tuple[Sequence | Affine, Tensor]] = []
    for value, tensor in zip(values, tensors, strict=True):
        if isinstance(value, Readout) and value.of and not value.populations:
            parts += value.of
        elif isinstance(value, Sequence) and all(isinstance(s, Affine) and not s.spikes for s in value.steps):
            parts.append((value, tensor))
        else:
            return None
    return tuple(parts) or None


def populations_of(value: Nested) -> tuple[str, ...] | None:
    """Names of the populations whose spikes or states make up this value, of one step or more; None for others."""
    if isinstance(value, Voltage):
        return (value.population,)
    if isinstance(value, Readout):
        return value.populations
    if isinstance(value, Affine):
        return tuple(name for name, _ in value.terms) if value.spikes else None
    if isinstance(value, Sequence):
        found = [populations_of(step) for step in value.steps]
        return None if None in found else tuple(dict.fromkeys(name for names in found for name in names or ()))
    return None


def summed(value: Affine) -> tuple[str, ...] | None:
    """Sources of a sum or mean over steps of their spikes."""
    names = {name for name, _ in value.terms}
    factors = [_factor(path.weight) for path in value.terms.values()]
    alike = None not in factors and len(set(factors)) == 1
    summed = alike and (factors[0] == 1 or len(value.terms) > len(names))
    return tuple(names) if summed and not value.constant.any() else None


def _factor(weight: Weight | None) -> float | None:
    """The factor of a weight that multiplies all values by one; None if it does anything else."""
    if weight is None:
        return 1.0
    factors = weight.diagonal
    return None if factors is None or np.any(factors != factors[0]) else float(factors[0])
