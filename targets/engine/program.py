"""A network flattened into the arrays that the kernels walk.

All inputs and populations share one index space of *sources* (who may fire); the populations' part
of it is the space of *neurons* (who has state). Each begins at a multiple of ``LANES`` and is padded
to one, so that the kernels work in whole vectors: a padding neuron has no input and never fires.
Synapses become *segments*: those of one projection with one delay, stored by presynaptic neuron, so
that a spike adds one contiguous row.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.chips import Chip
from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.fixed import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.graph import BaseProjection, Comparison, Reset
from ssdp_hw.network import Network

Array = NDArray[Any]

LANES = 16  # neurons a block
ROWS = 8  # rows that are added in one pass

DENSE, SPARSE = 0, 1


class Layout(NamedTuple):
    """Where groups lie: inputs first, then populations."""

    channel_start: Array  # of each input in the raster, with the total at the end
    source_start: Array  # of each group in the source space, with the total at the end
    source_size: Array  # of each group, without padding
    slots: int  # steps ahead that synaptic input is kept for
    zero: Any  # a scalar of the state's type


class Wiring(NamedTuple):
    """Segments, one entry each in the int64 arrays; ``weights`` holds them one after the other.

    A dense segment is a matrix (pre + 1, padded post) at ``weight_start``, whose last row is zero.
    A sparse one has the row pointers ``indptr[pointer_start:]``, which count from ``weight_start``
    and, in ``indices``, from ``index_start``.
    """

    kind: Array
    source: Array  # index of the source group
    target: Array  # index of the target group
    delay: Array
    shift: Array  # the sum of one step acts as sum * 2**shift
    weight_start: Array
    pointer_start: Array
    index_start: Array
    weights: Array
    indptr: Array
    indices: Array
    partial: Any  # a scalar of the type in which rows are added up
    chunk: int  # how many rows that type can hold, a multiple of ROWS


class FixedNeurons(NamedTuple):
    """Parameters of every neuron of a fixed network, and the chip's widths, all of the state's type."""

    kept_u: Array  # 2**bits - du - offset
    kept_v: Array
    fire_above: Array  # fires if v > this
    down: Array  # a spike makes v (v - down) & keep
    keep: Array
    v_init: Array
    simple: Array  # of each population: see _is_simple
    decay_bits: Any
    state_half: Any
    activation_shift: Any


class FloatNeurons(NamedTuple):
    """Step coefficients of every neuron of a float network."""

    decay_u: Array
    gain_u: Array
    decay_v: Array
    gain_v: Array
    drift: Array
    fire_above: Array
    down: Array  # what a subtracting reset takes off
    v_reset: Array
    subtract: Array
    old_current: Array
    v_init: Array


@dataclass(frozen=True, eq=False)
class Program:
    """Everything that a kernel needs to know of a network.

    ``bias`` is what is added to each neuron in every step where the drive says nothing else, shape
    (1, neurons). ``positions`` gives for each plastic projection where its synapses (in row-major
    order) lie in ``wiring.weights``.
    """

    layout: Layout
    wiring: Wiring
    neurons: FixedNeurons | FloatNeurons
    bias: Array
    positions: dict[str, NDArray[np.int64]]

    def start(self, group: int) -> int:
        """Where a group begins in the source space."""
        return int(self.layout.source_start[group])

    @property
    def channels(self) -> int:
        """Where the neurons begin in the source space."""
        return self.start(len(self.layout.channel_start) - 1)

    def with_own_weights(self) -> Program:
        """A copy whose weights may be changed."""
        return replace(self, wiring=self.wiring._replace(weights=self.wiring.weights.copy()))


_compiled: weakref.WeakKeyDictionary[Any, dict[Any, Program]] = weakref.WeakKeyDictionary()


def compiled_program(network: AnyNetwork, real: Any = np.float64) -> Program:
    """The program of a network, made once: the arrays of a network are read-only."""
    programs = _compiled.setdefault(network, {})
    if real not in programs:
        programs[real] = compile_program(network, real)
    return programs[real]


def padded(count: Any) -> Any:
    """The next multiple of LANES."""
    return -(-count // LANES) * LANES


class _Segments:
    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.rows: list[tuple[int, ...]] = []
        self.weights: list[Array] = []
        self.indptr: list[Array] = [np.zeros(0, np.int64)]
        self.indices: list[Array] = [np.zeros(0, np.int32)]

    @property
    def length(self) -> int:
        """Number of weights so far: where the next segment's begin."""
        return sum(w.size for w in self.weights)

    def add_dense(self, head: tuple[int, int, int, int], values: Array) -> None:
        """A matrix of shape (post, pre)."""
        post, pre = values.shape
        rows = np.zeros((pre + 1, padded(post)), self.dtype)
        rows[:pre, :post] = values.T
        self.rows.append((DENSE, *head, self.length, 0, 0))
        self.weights.append(rows.reshape(-1))

    def add_sparse(self, head: tuple[int, int, int, int], columns: Any) -> None:
        """A matrix of shape (post, pre), by columns."""
        starts = (sum(a.size for a in arrays) for arrays in (self.indptr, self.indices))
        self.rows.append((SPARSE, *head, self.length, *starts))
        self.weights.append(columns.data.astype(self.dtype, copy=False))
        self.indptr.append(columns.indptr.astype(np.int64))
        self.indices.append(columns.indices.astype(np.int32, copy=False))

    def wiring(self, largest: int) -> Wiring:
        """All segments; ``largest`` is the largest magnitude of an integer weight."""
        columns = np.array(self.rows, np.int64).reshape(len(self.rows), 8).T.copy()
        weights = np.concatenate([*self.weights, np.zeros(0, self.dtype)])
        indptr, indices = np.concatenate(self.indptr), np.concatenate(self.indices)
        if np.issubdtype(self.dtype, np.integer):
            partial = np.int32(0) if self.dtype == np.int32 else np.int16(0)
            chunk = int(np.iinfo(partial.dtype).max) // max(largest, 1) // ROWS * ROWS
        else:
            partial, chunk = self.dtype(0), ROWS
        return Wiring._make([*columns, weights, indptr, indices, partial, chunk])


def _add_projection(
    segments: _Segments, p: BaseProjection, values: Array, source: int, target: int, shift: int, plastic: bool
) -> NDArray[np.int64]:
    """Append the segments of a projection; for a plastic one where each synapse lies is returned."""
    post, pre = p.shape
    delays = np.unique(np.asarray(p.delay)).tolist() if values.size else [0]
    positions = np.zeros(values.size if plastic else 0, np.int64)
    for delay in delays:
        head, start = (source, target, delay, shift), segments.length
        if len(delays) == 1 and not p.is_sparse:
            segments.add_dense(head, values.reshape(post, pre))
            if plastic:
                rows, cols = np.divmod(np.arange(values.size), pre)
                positions[:] = start + cols * padded(post) + rows
            continue
        chosen = slice(None) if len(delays) == 1 else np.flatnonzero(p.synapse_delays == delay)
        segments.add_sparse(head, _by_column(p, chosen, values[chosen]))
        if plastic:
            # Counted from 1, so that no number looks like an entry that is not there.
            numbers = np.arange(values.size)[chosen]
            ordered = _by_column(p, chosen, numbers + 1).data - 1
            positions[ordered] = start + np.arange(ordered.size)
    return positions


def _by_column(p: BaseProjection, chosen: Any, values: Array) -> Any:
    """Some synapses of a projection as a matrix (post, pre) stored by column."""
    if p.is_sparse and isinstance(chosen, slice):
        return sp.csr_array((values, p.weight.indices, p.weight.indptr), shape=p.shape).tocsc()
    rows, cols = p.synapse_indices
    return sp.coo_array((values, (rows[chosen], cols[chosen])), shape=p.shape).tocsc()


def _largest_weight(network: FixedNetwork) -> int:
    """The largest magnitude that any stored weight integer can take."""
    formats = [q.format for q in network.projections]
    return max((max(-f.mantissa_min, f.mantissa_max) for f in formats), default=1)


def _weight_type(network: FixedNetwork) -> Any:
    """The narrowest type whose rows can be added up ROWS at a time in 16 bits, else int32."""
    lowest = min((q.format.mantissa_min for q in network.projections), default=0)
    highest = max((q.format.mantissa_max for q in network.projections), default=0)
    if lowest >= -128 and highest <= 127:
        return np.int8
    return np.int16 if _largest_weight(network) * ROWS <= np.iinfo(np.int16).max else np.int32


def compile_program(network: AnyNetwork, real: Any = np.float64, plastic: Collection[str] = ()) -> Program:
    """Flatten a network; a float network computes in the type ``real``."""
    names = [*network.input_names, *network.population_names]
    sizes = np.array([network.size_of(name) for name in names], np.int64)
    channels = np.concatenate([[0], np.cumsum(sizes[:len(network.inputs)])])
    layout = Layout(
        channels, np.concatenate([[0], np.cumsum(padded(sizes))]), sizes, network.max_delay + 1,
        state_type(network.limits)(0) if isinstance(network, FixedNetwork) else real(0),
    )
    segments = _Segments(_weight_type(network) if isinstance(network, FixedNetwork) else real)
    positions = {}
    for p in network.projections:
        values, shift = p.synapse_weights, 0
        if isinstance(p, FixedProjection):
            values, shift = p.mantissa, p.format.lsb_shift + p.weight_exp
        learns = p.name in plastic
        found = _add_projection(segments, p, values, names.index(p.source), names.index(p.target), shift, learns)
        if learns:
            positions[p.name] = found
    bias = bias_table(network, Drive({}, 0, 0), layout.zero.dtype)
    if isinstance(network, FixedNetwork):
        wiring = segments.wiring(_largest_weight(network))
        return Program(layout, wiring, _fixed_neurons(network, plastic), bias, positions)
    return Program(layout, segments.wiring(0), _float_neurons(network, real), bias, positions)


def _joined(parts: list[Array], dtype: Any, fill: Any = 0) -> Array:
    """Arrays (n,) of the populations in the space of neurons."""
    blocks = []
    for part in parts:
        block = np.full(padded(part.shape[-1]), fill, dtype)
        block[:part.shape[-1]] = part
        blocks.append(block)
    return np.concatenate(blocks)


def _flags(populations: Any, flags: list[bool]) -> list[Array]:
    return [np.full(p.size, flag) for p, flag in zip(populations, flags, strict=True)]


def state_type(chip: Chip) -> Any:
    """The integer type in which no step of this chip's neurons can turn around.

    It must hold u before its wrap (by the design rule of the activation register), a register and one
    turn of it, threshold and bias, and the low bits of the state times a decay.
    """
    needed = max(
        chip.activation_bits, chip.state_bits + 2, chip.threshold_bits + chip.activation_shift + 1,
        chip.bias_mant_bits + chip.bias_exp_max, 2 * chip.decay_bits + 2,
    )
    return np.int32 if needed <= 32 else np.int64


def _is_simple(network: FixedNetwork, p: FixedPopulation, plastic: Collection[str]) -> bool:
    """Whether all neurons are alike, and no current outlives its step or can wrap, whatever spikes arrive."""
    chip = network.limits
    if not p.uniform or p.du[0] + chip.current_decay_offset != 1 << chip.decay_bits:
        return False
    if p.spiking and p.vth[0] == 0:  # the neurons of the padding, whose voltage is 0, would fire at 0 >= 0
        return False
    if any(q.name in plastic for q in network.incoming(p.name)):  # the bound is that of the present weights
        return False
    return int(np.max(network.activation_bound(p.name))) << chip.activation_shift < 1 << (chip.state_bits - 1)


def _fixed_neurons(network: FixedNetwork, plastic: Collection[str]) -> FixedNeurons:
    chip, populations = network.limits, network.populations
    unity, integer = 1 << chip.decay_bits, state_type(network.limits)
    never = np.iinfo(integer).max
    thresholds = [p.vth << chip.activation_shift for p in populations]
    inclusive = [p.threshold is Comparison.AT_LEAST for p in populations]
    fire_above = [
        t - at_least if p.spiking else np.full(p.size, never)
        for p, t, at_least in zip(populations, thresholds, inclusive, strict=True)
    ]
    keep = [np.full(p.size, -1 if p.reset is Reset.SUBTRACT else 0) for p in populations]
    return FixedNeurons(
        kept_u=_joined([unity - chip.current_decay_offset - p.du for p in populations], integer),
        kept_v=_joined([unity - chip.voltage_decay_offset - p.dv for p in populations], integer),
        fire_above=_joined(fire_above, integer, never), down=_joined(thresholds, integer),
        keep=_joined(keep, integer), v_init=_joined([p.v_init for p in populations], integer),
        simple=np.array([_is_simple(network, p, plastic) for p in populations]),
        decay_bits=integer(chip.decay_bits), state_half=integer(1 << (chip.state_bits - 1)),
        activation_shift=integer(chip.activation_shift),
    )


def _float_neurons(network: Network, real: Any) -> FloatNeurons:
    populations = network.populations
    steps = [network.coefficients(p.name) for p in populations]

    def parameter(name: str) -> Array:
        return _joined([p.neuron.parameter(name) for p in populations], real)

    def step(name: str) -> Array:
        return _joined([getattr(c, name) for c in steps], real)

    fire_above = [p.neuron.parameter("v_threshold").astype(real) for p in populations]
    for k, p in enumerate(populations):
        if not p.spiking:
            fire_above[k] = np.full(p.size, np.inf, real)
        elif p.threshold is Comparison.AT_LEAST:  # v >= x is v > the number before x
            fire_above[k] = np.nextafter(fire_above[k], real(-np.inf))
    return FloatNeurons(
        decay_u=step("decay_u"), gain_u=step("gain_u"), decay_v=step("decay_v"), gain_v=step("gain_v"),
        drift=step("drift"), fire_above=_joined(fire_above, real, np.inf),
        down=parameter("v_threshold") - parameter("v_reset"), v_reset=parameter("v_reset"),
        subtract=_joined(_flags(populations, [p.reset is Reset.SUBTRACT for p in populations]), np.bool_),
        old_current=_joined(_flags(populations, [network.uses_old_current(p.name) for p in populations]), np.bool_),
        v_init=parameter("v_init"),
    )


def bias_table(network: AnyNetwork, drive: Drive, dtype: Any) -> Array:
    """What is added in every step, shape (batch, neurons), or (1, neurons) if all samples share it."""
    parts: list[Array]
    if isinstance(network, FixedNetwork):
        parts = [drive.fixed_bias(network, p.name) for p in network.populations]
    else:
        parts = [drive.float_bias(network, p.name) for p in network.populations]
    batch = max(len(part) for part in parts)
    return np.stack([_joined([part[k % len(part)] for part in parts], dtype) for k in range(batch)])


def input_raster(network: AnyNetwork, drive: Drive) -> NDArray[np.bool_]:
    """Spikes of all inputs side by side, shape (time, batch, channels)."""
    arrays = [drive.spikes[name] for name in network.input_names]
    return np.ascontiguousarray(arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=2))
