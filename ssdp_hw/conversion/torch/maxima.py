"""The maximum of spikes, an OR: a population that fires where at least one of its spikes arrives."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.torch.affine import Affine, LinearStep
from ssdp_hw.conversion.torch.probing import replayed, unit_rows
from ssdp_hw.conversion.torch.tape import Tape, tensors_in
from ssdp_hw.conversion.torch.types import Arguments, Function, Keywords, Nested, Tensor
from ssdp_hw.conversion.torch.values import Opaque, Value, words
from ssdp_hw.conversion.weight_algebra import identity
from ssdp_hw.network.weight import SparseWeight

_NAMES = words("maximum fmax max amax clamp clip clamp_max minimum min hardtanh")
_POOLS = ("max_pool", "adaptive_max_pool", "_max_pool")


def may_be_or(name: str) -> bool:
    """Whether an operation of that name is an OR where it is given spikes."""
    return name in _NAMES or name.startswith(_POOLS)


def or_of_spikes(
    tape: Tape, name: str, func: Function, args: Arguments, kwargs: Keywords, made: list[Tensor], where: str
) -> list[Value | None] | None:
    """What an operation makes of numbers of spikes, where that is 1 for every number above 0; None if it is not so.

    Which spikes belong to which value is read off unit vectors; that it is an OR of them is tested on numbers of
    spikes that can occur.

    Raises:
        UnsupportedError: it mixes the samples of a batch.
    """
    given, run = replayed(tape, func, args, kwargs, made, where)
    bounds = [_most(value) for _, value in given]
    if any(bound is None for bound in bounds):
        return None
    key = ("or", name, where, *(tuple(t.shape[1:]) for t, _ in given), str([a for a in args if _plain(a)]), str(kwargs))
    if key not in tape.cache:
        zero = [row.numpy()[0] for row in run([torch.zeros(1, *t.shape[1:], dtype=torch.float64) for t, _ in given])]
        widest = max(made[0][0].numel(), 1)
        tape.cache[key] = [
            SparseWeight(sp.csr_array(sp.vstack([parts[0] for parts in unit_rows(run, given, k, zero, widest)]).T))
            for k in range(len(given))
        ]
    matrices: list[SparseWeight] = tape.cache[key]
    if not _is_or(run, given, bounds, matrices):
        return None
    shape = tuple(made[0].shape[1:])
    parts = [
        tape.algebra.through(LinearStep(matrix, None, 1), value, shape, where)
        for (_, value), matrix in zip(given, matrices, strict=True)
    ]
    total = parts[0] if len(parts) == 1 else tape.algebra.total(parts, shape, where)
    rest: list[Value | None] = [
        Opaque(f"'{name}' gives the places of maxima", "use the maxima alone", where) for _ in made[1:]
    ]
    most = _most(total)
    # A constant beside it can stand for the spikes before the first step.
    alone = sum(1 for _ in tensors_in((args, kwargs))) == 1
    if alone and most is not None and np.max(most, initial=0) <= 1:
        # At most one spike contributes to a value, so that the maximum is that spike. An input may send other values.
        analog = next((source for source, _ in total.terms if source in tape.inputs), None)
        if analog is not None and not _keeps(run, matrices[0], given[0][0], made[0]):
            return None
        if analog is not None:
            said = f"'{name}' of '{analog}' ({where}) is left out: it changes no value between 0 and 1; give no others"
            tape.notes[said] = None
        return [total, *rest]
    return [tape.relay(name.lstrip("_"), total, made[0], where), *rest]


def _keeps(run: Any, matrix: SparseWeight, given: Tensor, made: Tensor) -> bool:
    """Whether an operation did nothing but this product to what an input sent, and does so between 0 and 1."""

    def product(x: Tensor) -> Real:
        return np.asarray((matrix.given @ x.double().numpy().reshape(len(x), -1).T).T, np.float64)

    between = torch.rand(3, *given.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sent = made.double().numpy().reshape(len(made), -1)
    return np.array_equal(product(given), sent) and np.array_equal(product(between), run([between])[0].numpy())


def _plain(argument: Nested) -> bool:
    return not isinstance(argument, torch.Tensor)


def _most(value: Affine) -> Real | None:
    """How many spikes a value counts at most, shape (values,); None if it is not a number of spikes."""
    if value.constant.any():
        return None
    most = np.zeros(value.size)
    for path in value.terms.values():
        matrix = identity(path.weight, value.size).by_synapse().given
        numbers = matrix.data if sp.issparse(matrix) else matrix
        if np.any(numbers < 0) or np.any(numbers != np.round(numbers)):
            return None
        most += np.asarray(matrix.sum(axis=1)).reshape(-1)
    return most


def _is_or(run: Any, given: Nested, bounds: list[Tensor], matrices: list[SparseWeight]) -> bool:
    """Whether, of numbers of spikes within these bounds, the operation makes 1 where any is above 0, else 0."""
    if any(np.any((m.values != 0) & (m.values != 1)) for m in matrices):
        return False
    generator = np.random.default_rng(0)
    numbers = [np.zeros((1, b.size)) for b in bounds]
    for density in (0.1, 0.5, 1.0):
        drawn = [generator.integers(0, b + 1, (3, b.size)) * (generator.random((3, b.size)) < density) for b in bounds]
        numbers = [np.concatenate([a, b]) for a, b in zip(numbers, drawn, strict=True)]
    numbers = [np.concatenate([a, b[None]]) for a, b in zip(numbers, bounds, strict=True)]
    rows = [
        torch.tensor(a, dtype=torch.float64).reshape(-1, *t.shape[1:]) for a, (t, _) in zip(numbers, given, strict=True)
    ]
    counted = sum((m.given @ a.T).T for m, a in zip(matrices, numbers, strict=True))
    return bool(np.array_equal(run(rows)[0].numpy(), np.asarray(counted >= 1, np.float64)))
