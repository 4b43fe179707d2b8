"""The weight and the bias of every linear node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.arrays import Real
from ssdp_hw.checks import real_array, real_vector
from ssdp_hw.conversion.nir.metadata import CONVOLUTION, metadata_of
from ssdp_hw.conversion.nir.nodes import MATRICES, kind_of
from ssdp_hw.conversion.nir.wiring import Wiring
from ssdp_hw.conversion.weight_algebra import diagonal
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.projection import MAX_DELAY
from ssdp_hw.network.sparse_check import check_compressed
from ssdp_hw.network.weight import Weight, checked_weight


@dataclass
class LinearMap:
    """``y = weight x + bias``: a weight (post, pre), a bias (post,) or None, and delays.

    ``delay`` is the delay of each synapse in seconds, in row-major order, or None.
    """

    weight: Weight
    bias: Real | None = None
    delay: Real | None = None


def linear_map(wiring: Wiring, name: str) -> LinearMap:
    """The weight and bias that a linear node applies to its values.

    Raises:
        ParameterError, ShapeError: a weight or bias that is not numeric, not finite or does not fit.
    """
    node, owner = wiring.nodes[name], wiring.title(name)
    post, pre = wiring.gives(name), wiring.takes(name)
    if name in wiring.convolutions:
        found = wiring.convolutions[name]
        return LinearMap(found.weight, found.bias_of_outputs())
    if kind_of(node) not in MATRICES:  # Scale
        return LinearMap(diagonal(real_vector(node.scale, post, f"{owner}: scale")))
    given = checked_weight(node.weight, owner, (post, pre))
    weight = given.with_values(given.values.astype(np.float64))
    bias = real_vector(node.bias, post, f"{owner}: bias") if hasattr(node, "bias") else None
    return _with_synapses(LinearMap(weight, bias), node, owner)


def _with_synapses(found: LinearMap, node: nir.NIRNode, owner: str) -> LinearMap:
    """The map with the synapses and delays that the metadata of its node states."""
    stated = metadata_of(node)
    if "kernel" in stated:
        found.weight = _convolution(stated, found.weight, owner)
    if "indices" in stated and "indptr" in stated:
        shape = found.weight.shape
        indices, indptr = np.asarray(stated["indices"]), np.asarray(stated["indptr"])
        ones, whose = np.ones(indices.shape), f"{owner}: the sparse pattern in its metadata"
        check_compressed(ones, indices, indptr, (shape[0], shape[1]), whose)
        kept = checked_weight(sp.csr_array((ones, indices, indptr), shape=shape), whose)
        rows, cols = kept.synapse_indices()
        kept = kept.with_values(found.weight.values[rows * shape[1] + cols])
        if np.count_nonzero(kept.values) != np.count_nonzero(found.weight.values):
            raise ParameterError(f"{owner}: the sparse pattern in its metadata leaves out weights that are not zero")
        found.weight = kept
    if "delay" in stated:
        count = found.weight.values.size
        found.delay = real_vector(stated["delay"], count, f"{owner}: the delay in its metadata")
    return found


def _convolution(stated: Mapping[str, ArrayLike], matrix: Weight, owner: str) -> ConvWeight:
    """The convolution that the metadata of a matrix node describe."""
    what = f"{owner}: the convolution in its metadata"
    try:
        values: dict[str, Any] = {name: np.asarray(stated[name]) for name in CONVOLUTION}
        weight = ConvWeight(**values | {"kernel": real_array(values["kernel"], what)})
    except KeyError as error:
        raise ParameterError(f"{what} has no {error}") from None
    except ParameterError as error:
        raise type(error)(f"{what}: {error}") from None
    if weight.shape != matrix.shape or not np.array_equal(weight.unrolled().toarray(), matrix.given):
        raise ParameterError(f"{what} is not the matrix beside it")
    return weight


def delay_steps(seconds: ArrayLike, size: int, dt: float, owner: str) -> tuple[NDArray[np.int64], float]:
    """Delays in steps, rounded to the nearest, and the largest rounding in seconds.

    Raises:
        ParameterError: a delay below 0, not finite, or of too many steps.
    """
    delay = real_vector(seconds, size, owner)
    with np.errstate(over="ignore"):  # infinitely many steps are refused below, as any number that is too large
        steps = np.rint(delay / dt)
    if np.any(delay < 0) or np.any(steps > MAX_DELAY):
        worst = float(delay.min() if np.any(delay < 0) else delay.max())
        raise ParameterError(
            f"{owner} = {worst:g} s is outside 0 .. {MAX_DELAY * dt:g} s ({MAX_DELAY} steps of dt = {dt:g} s)"
        )
    return steps.astype(np.int64), float(np.max(np.abs(steps * dt - delay), initial=0.0))
