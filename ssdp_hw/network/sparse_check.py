"""Checks of the sparse arrays that users give as weights, before SciPy's compiled loops trust them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from ssdp_hw.arrays import GivenWeight, Numbers
from ssdp_hw.errors import ParameterError, ShapeError


def check_compressed(
    data: ArrayLike, indices: ArrayLike, indptr: ArrayLike, shape: tuple[int, int], owner: str
) -> None:
    """Raise unless these arrays are those of a compressed sparse matrix, by rows; by columns with ``shape`` reversed.

    SciPy's compiled loops trust them, and its own check leaves out some (of an ``indptr`` that ends in 0 all).

    Args:
        data: shape (stored, ...).
        indices: column of each stored entry, shape (stored,).
        indptr: first entry of each row, and their number at the end; shape (rows + 1,).
        shape: (rows, columns).
        owner: whose weight it is, for the message.

    Raises:
        ParameterError: they are not.
    """
    data, indices, indptr = (np.asarray(a) for a in (data, indices, indptr))
    rows, columns = shape
    where = f"{owner}: the sparse weight is malformed"
    for name, array in (("indices", indices), ("indptr", indptr)):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ParameterError(f"{where}: {name} are {array.dtype} of shape {array.shape}, not a row of integers")
    if len(indptr) != rows + 1 or data.ndim < 1 or len(data) != len(indices):
        raise ParameterError(
            f"{where}: {len(indptr)} row ends for {rows} rows, {np.shape(data)} values for {len(indices)} indices"
        )
    if indptr[0] != 0 or indptr[-1] != len(indices) or np.any(indptr[1:] < indptr[:-1]):
        raise ParameterError(f"{where}: its row ends do not rise from 0 to the number of its entries, {len(indices)}")
    if len(indices) and (indices.min() < 0 or indices.max() >= columns):
        raise ParameterError(f"{where}: an index is outside 0 .. {columns - 1}")


def _check_sparse(given: GivenWeight, owner: str) -> None:
    """Raise unless the arrays of a sparse array of any of SciPy's formats point inside of it."""
    if len(given.shape) != 2:
        raise ShapeError(f"{owner}: weight of shape {given.shape}; expected (post, pre)")
    rows, columns = given.shape
    if given.format in ("csr", "csc"):
        shape = (rows, columns) if given.format == "csr" else (columns, rows)
        if np.ndim(given.data) != 1:
            raise ParameterError(f"{owner}: the sparse weight is malformed: values of shape {np.shape(given.data)}")
        check_compressed(given.data, given.indices, given.indptr, shape, owner)
    elif given.format == "bsr":
        blocks = np.shape(given.data)[1:]
        if len(blocks) != 2 or 0 in blocks or rows % blocks[0] or columns % blocks[1]:
            raise ParameterError(f"{owner}: the sparse weight is malformed: blocks of shape {blocks}")
        shape = (rows // blocks[0], columns // blocks[1])
        check_compressed(given.data, given.indices, given.indptr, shape, owner)
    elif given.format == "coo":
        places = [np.asarray(c) for c in given.coords]
        if any(c.ndim != 1 or c.dtype.kind not in "iu" or len(c) != len(given.data) for c in places):
            raise ParameterError(f"{owner}: the sparse weight is malformed: coordinates that are no rows of integers")
        if any(len(c) and (c.min() < 0 or c.max() >= size) for c, size in zip(places, given.shape, strict=True)):
            raise ParameterError(f"{owner}: the sparse weight is malformed: a coordinate is outside of {given.shape}")


def canonical(given: GivenWeight, owner: str) -> sp.csr_array:
    """A sorted copy in rows."""
    _check_sparse(given, owner)  # before the conversion, whose compiled loops trust the indices
    try:
        matrix = sp.csr_array(given, copy=True)
    except (ValueError, IndexError, TypeError) as error:  # the formats that SciPy converts in Python
        raise ParameterError(f"{owner}: the sparse weight is malformed: {error}") from None
    _check_sparse(matrix, owner)
    matrix.sort_indices()
    if not matrix.has_canonical_format:
        raise ParameterError(f"{owner}: a synapse occurs twice in the sparse weight; add its weights up")
    if max(*matrix.shape, matrix.nnz) <= np.iinfo(np.int32).max:  # half of the memory
        matrix.indices, matrix.indptr = (a.astype(np.int32, copy=False) for a in (matrix.indices, matrix.indptr))
    return matrix


def in_row_major_order(given: GivenWeight, values: Numbers) -> Numbers:
    """Values in the stored order of a sparse array that a user gives, as those of its rows one after the other."""
    if not sp.issparse(given) or values.shape != (given.nnz,):
        return values
    stored = given.tocoo()  # which keeps the order that the values are given in
    return np.asarray(values[np.lexsort((stored.col, stored.row))])
