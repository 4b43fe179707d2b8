"""The matrix of an affine operation, found by applying it to unit vectors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from ssdp_hw.conversion.torch.affine import Affine, LinearStep
from ssdp_hw.conversion.torch.tape import Tape, content, tensors_in
from ssdp_hw.conversion.torch.types import Arguments, Function, Keywords, Nested, Tensor
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.weight import SparseWeight

# Values that one evaluation of the operation may give, 8 bytes each.
_CHUNK = 1 << 22


def linear_by_probing(
    tape: Tape, func: Function, args: Arguments, kwargs: Keywords, made: list[Tensor], where: str
) -> list[Tensor]:
    """What an operation that is jointly affine in its arguments makes of them, one value a tensor that it made.

    Every argument that depends on spikes is given the unit vectors of a sample in turn, as a batch, the others
    zeros. That samples do not mix, and that it is affine on random values, is tested.

    Raises:
        UnsupportedError: the operation mixes samples or is not affine, or a constant beside it differs between
            samples.
    """
    given, run = replayed(tape, func, args, kwargs, made, where)
    shapes = [tuple(t.shape[1:]) for t in made]
    zero = [row.numpy()[0] for row in run([torch.zeros(1, *t.shape[1:], dtype=torch.float64) for t, _ in given])]
    taken = tuple(tuple(t.shape[1:]) for t, _ in given)
    key = (getattr(func, "__name__", ""), where, taken, tuple(shapes), _key(tape, args, kwargs))
    if key not in tape.cache:
        widest = max(made[0][0].numel(), 1)
        tape.cache[key] = (
            [
                [
                    SparseWeight(sp.csr_array(sp.vstack(parts).T))
                    for parts in zip(*unit_rows(run, given, k, zero, widest), strict=True)
                ]
                for k in range(len(given))
            ],
            given,
        )
    matrices = tape.cache[key][0]
    _tested(run, given, matrices, zero, where)
    results = []
    for index, shape in enumerate(shapes):
        if len(given) == 1 and not zero[index].any() and _keeps_all(matrices[0][index]):
            results.append(given[0][1].reshaped(shape))
            continue
        parts = []
        for (_, argument), found in zip(given, matrices, strict=True):
            weight = found[index]
            fan = int(np.max(np.diff(weight.row_start), initial=0))
            parts.append(tape.algebra.through(LinearStep(weight, None, fan + 1), argument, shape, where))
        constant = Affine(shape, {}, zero[index], np.abs(zero[index]), where=where)
        parts += [constant] if zero[index].any() else []
        results.append(parts[0] if len(parts) == 1 else tape.algebra.total(parts, shape, where))
    return results


def _keeps_all(weight: SparseWeight) -> bool:
    factors = weight.diagonal
    return factors is not None and weight.shape[0] == weight.shape[1] and bool(np.all(factors == 1))


def replayed(
    tape: Tape, func: Function, args: Arguments, kwargs: Keywords, made: list[Tensor], where: str
) -> tuple[list[tuple[Tensor, Affine]], Callable[[list[Tensor]], list[Tensor]]]:
    """The arguments of an operation that depend on spikes, and the operation on other rows in their place.

    Returns:
        The tensors with what they are, and what takes for each of them rows of shape (rows, *shape) in float64 and
        returns what the operation makes of them, each of shape (rows, values).
    """
    given: list[tuple[Tensor, Affine]] = []
    for t in tensors_in((args, kwargs)):
        value = tape.value_before(t)
        if isinstance(value, Affine) and not any(t is other for other, _ in given):
            given.append((t, value))
    batch, shapes = given[0][0].shape[0], [tuple(t.shape[1:]) for t in made]

    def run(rows: list[Tensor], *, by_sample: bool = True) -> list[Tensor]:
        replaced = {id(t): row for (t, _), row in zip(given, rows, strict=True)}
        depth = {t.ndim for t, _ in given} if by_sample else set()

        def put(value: Nested) -> Nested:
            if isinstance(value, torch.Tensor):
                if id(value) in replaced:
                    return replaced[id(value)]
                deep = set() if id(value) in tape.names else depth
                return _for_batch(value, batch, len(rows[0]), deep)
            if isinstance(value, tuple | list):
                return type(value)(put(v) for v in value)
            return {k: put(v) for k, v in value.items()} if isinstance(value, dict) else value

        found = list(tensors_in(func(*put(args), **put(kwargs))))
        if [tuple(f.shape) for f in found] != [(len(rows[0]), *shape) for shape in shapes]:
            raise UnsupportedError(f"{where}: an operation that mixes the samples of a batch, or names their number")
        return [f.reshape(len(rows[0]), -1) for f in found]

    # A constant beside the batch may have as many rows as the batch by chance, as a kernel or a matrix: then the
    # operation takes one row of the input and the constant as it is.
    try:
        run([torch.zeros(1, *t.shape[1:], dtype=torch.float64) for t, _ in given], by_sample=False)
    except (RuntimeError, IndexError, UnsupportedError):
        return given, run
    return given, functools.partial(run, by_sample=False)


def _key(tape: Tape, args: Arguments, kwargs: Keywords) -> str:
    """What is given beside the input: constants by their values, since one line may be run with several."""

    def text(value: Nested) -> Nested:
        if isinstance(value, torch.Tensor):
            return tuple(value.shape) if tape.value_before(value) is not None else content(tape, value)
        if isinstance(value, tuple | list):
            return [text(v) for v in value]
        return {k: text(v) for k, v in value.items()} if isinstance(value, dict) else repr(value)

    return str(text((args, kwargs)))


def _for_batch(value: Nested, batch: int, rows: int, depth: set[int]) -> Nested:
    """A constant beside the batch, in float64: one that has a row a sample must have the same in each."""
    value = value.detach().double() if value.is_floating_point() else value.detach().clone()
    if value.ndim in depth and value.ndim > 1 and value.shape[0] == batch and batch > 1:
        if not torch.equal(value, value[:1].expand_as(value)):
            raise UnsupportedError("a constant that differs between the samples of a batch")
        return value[:1].expand(rows, *value.shape[1:])
    return value


def unit_rows(run: Function, given: Nested, k: int, zero: Nested, widest: int) -> Iterator[list[Tensor]]:
    """The columns of the matrix: the result for each unit vector of one argument minus the result for zeros."""
    size = given[k][1].size
    step = max(1, _CHUNK // max(widest, size))
    for begin in range(0, size, step):
        count = min(step, size - begin)
        rows = [torch.zeros(count, *t.shape[1:], dtype=torch.float64) for t, _ in given]
        rows[k].reshape(count, -1)[torch.arange(count), begin + torch.arange(count)] = 1.0
        yield [sp.csr_array(found.numpy() - z) for found, z in zip(run(rows), zero, strict=True)]


def _tested(run: Function, given: Nested, matrices: Any, zero: Nested, where: str) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = [torch.rand(3, *t.shape[1:], generator=generator, dtype=torch.float64) * 4 - 2 for t, _ in given]
    found = run(rows)
    turned = run([row[[2, 0]] for row in rows])
    for index, out in enumerate(found):
        expected = zero[index] + sum(
            (m[index].given @ row.reshape(3, -1).numpy().T).T for m, row in zip(matrices, rows, strict=True)
        )
        if not torch.allclose(turned[index], out[[2, 0]], rtol=1e-9, atol=1e-9):
            raise UnsupportedError(f"{where}: the operation mixes the samples of a batch")
        if not np.allclose(out.numpy(), expected, rtol=1e-9, atol=1e-9):
            raise UnsupportedError(f"{where}: the operation is not linear in what depends on the input")
