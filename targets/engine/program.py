"""A network flattened into the arrays that the kernels walk.

All inputs and populations share one index space of *sources* (who may fire), all populations one of
*neurons* (who has state). Synapses become *segments*: those of one projection with one delay, stored
by presynaptic neuron, so that a spike adds one contiguous row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.fixed import FixedNetwork, FixedProjection
from ssdp_hw.graph import BaseProjection, Comparison, Reset
from ssdp_hw.network import Network

Array = NDArray[Any]

DENSE, SPARSE = 0, 1


class Wiring(NamedTuple):
    """Segments, one entry each in the int64 arrays; ``weights`` holds them one after the other.

    A dense segment is a matrix (pre, post) at ``weight_start``. A sparse one has the row pointers
    ``indptr[pointer_start:]`` (absolute positions in ``weights`` and ``indices``).
    """

    kind: Array
    source: Array  # index of the source group
    target: Array  # first neuron of the target
    target_size: Array
    delay: Array
    shift: Array  # the sum of one step acts as sum * 2**shift
    weight_start: Array
    pointer_start: Array
    weights: Array
    indptr: Array
    indices: Array


class Layout(NamedTuple):
    """Where groups lie: inputs first, then populations."""

    source_start: Array  # of each group in the source space
    source_size: Array
    neuron_start: Array  # of each population in the neuron space, with the total at the end
    spiking: Array  # of each population


class FixedNeurons(NamedTuple):
    """Parameters of every neuron of a fixed network, and the chip's widths."""

    kept_u: Array  # 2**bits - du - offset
    kept_v: Array
    fire_above: Array  # fires if v > this
    threshold: Array
    subtract: Array
    v_init: Array
    decay_bits: int
    state_half: int
    activation_shift: int


class FloatNeurons(NamedTuple):
    """Step coefficients of every neuron of a float network."""

    decay_u: Array
    gain_u: Array
    decay_v: Array
    gain_v: Array
    drift: Array
    threshold: Array
    at_least: Array
    down: Array  # what a subtracting reset takes off
    v_reset: Array
    subtract: Array
    old_current: Array
    v_init: Array


@dataclass(frozen=True, eq=False)
class Program:
    """Everything that a kernel needs to know of a network.

    ``positions`` gives for each projection where its synapses (in row-major order) lie in
    ``wiring.weights``.
    """

    layout: Layout
    wiring: Wiring
    neurons: FixedNeurons | FloatNeurons
    slots: int
    positions: dict[str, NDArray[np.int64]]
    zero: Any  # a scalar of the state's type


class _Segments:
    def __init__(self) -> None:
        self.rows: list[tuple[int, ...]] = []
        self.weights: list[Array] = []
        self.indptr: list[Array] = []
        self.indices: list[Array] = []
        self.length = 0
        self.pointers = 0

    def add(
        self, kind: int, head: tuple[int, int, int, int, int], weights: Array, indptr: Array, indices: Array
    ) -> None:
        self.rows.append((kind, *head, self.length, self.pointers))
        self.weights.append(weights)
        self.indptr.append(indptr + self.length if indptr.size else indptr)
        # Dense segments need no indices, but positions must agree with those of the weights.
        self.indices.append(indices if indices.size else np.zeros(weights.size, np.int32))
        self.length += weights.size
        self.pointers += indptr.size

    def wiring(self, dtype: Any) -> Wiring:
        columns = np.array(self.rows, np.int64).reshape(len(self.rows), 8).T.copy()
        weights = np.concatenate([*self.weights, np.zeros(0)]).astype(dtype)
        indptr = np.concatenate([*self.indptr, np.zeros(0, np.int64)]).astype(np.int64)
        indices = np.concatenate([*self.indices, np.zeros(0, np.int32)]).astype(np.int32)
        return Wiring._make([*columns, weights, indptr, indices])


def _add_projection(
    segments: _Segments, p: BaseProjection, values: Array, source: int, target: int, shift: int
) -> NDArray[np.int64]:
    """Append the segments of a projection; where each synapse lies is returned."""
    post, pre = p.shape
    positions = np.zeros(values.size, np.int64)
    delays = p.synapse_delays
    distinct = np.unique(delays)
    for delay in distinct.tolist():
        head = (source, target, post, delay, shift)
        if not p.is_sparse and distinct.size == 1:
            positions[:] = segments.length + np.arange(post * pre).reshape(pre, post).T.reshape(-1)
            segments.add(
                DENSE, head, values.reshape(post, pre).T.reshape(-1), np.zeros(0, np.int64), np.zeros(0, np.int32)
            )
            continue
        chosen = np.flatnonzero(delays == delay)
        if p.is_sparse:
            rows = np.repeat(np.arange(post), np.diff(p.weight.indptr))[chosen]
            cols = p.weight.indices[chosen]
        else:
            rows, cols = np.divmod(chosen, pre)
        order = sp.coo_array((np.arange(1, chosen.size + 1), (rows, cols)), shape=p.shape).tocsc()
        where = order.data - 1
        positions[chosen[where]] = segments.length + np.arange(chosen.size)
        segments.add(
            SPARSE, head, values[chosen[where]], order.indptr.astype(np.int64), rows[where].astype(np.int32)
        )
    return positions


def _narrowest(network: FixedNetwork) -> Any:
    low = min((q.format.mantissa_min for q in network.projections), default=0)
    high = max((q.format.mantissa_max for q in network.projections), default=0)
    for dtype in (np.int8, np.int16):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return dtype
    return np.int32


def compile_program(network: AnyNetwork) -> Program:
    """Flatten a network."""
    fixed = isinstance(network, FixedNetwork)
    names = [*network.input_names, *network.population_names]
    sizes = [network.size_of(name) for name in names]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    channels = int(starts[len(network.inputs)])
    layout = Layout(
        starts[:-1], np.array(sizes, np.int64), starts[len(network.inputs):] - channels,
        np.array([p.spiking for p in network.populations], np.bool_),
    )
    segments = _Segments()
    positions = {}
    for p in network.projections:
        values, shift = p.synapse_weights, 0
        if isinstance(p, FixedProjection):
            values, shift = p.mantissa, p.format.lsb_shift + p.weight_exp
        target = int(starts[names.index(p.target)]) - channels
        positions[p.name] = _add_projection(segments, p, values, names.index(p.source), target, shift)
    wiring = segments.wiring(_narrowest(network) if isinstance(network, FixedNetwork) else np.float64)
    neurons = _fixed_neurons(network) if isinstance(network, FixedNetwork) else _float_neurons(network)
    zero = np.int32(0) if fixed else np.float64(0)
    return Program(layout, wiring, neurons, network.max_delay + 1, positions, zero)


def _fixed_neurons(network: FixedNetwork) -> FixedNeurons:
    chip, populations = network.limits, network.populations
    unity = 1 << chip.decay_bits
    threshold = np.concatenate([p.vth for p in populations]) << chip.activation_shift
    inclusive = _each(populations, [p.threshold is Comparison.AT_LEAST for p in populations])
    return FixedNeurons(
        kept_u=unity - chip.current_decay_offset - np.concatenate([p.du for p in populations]),
        kept_v=unity - chip.voltage_decay_offset - np.concatenate([p.dv for p in populations]),
        fire_above=(threshold - inclusive).astype(np.int64),
        threshold=threshold.astype(np.int64),
        subtract=_each(populations, [p.reset is Reset.SUBTRACT for p in populations]),
        v_init=np.concatenate([p.v_init for p in populations]).astype(np.int32),
        decay_bits=chip.decay_bits, state_half=1 << (chip.state_bits - 1), activation_shift=chip.activation_shift,
    )


def _float_neurons(network: Network) -> FloatNeurons:
    populations = network.populations
    steps = [network.coefficients(p.name) for p in populations]

    def joined(name: str) -> Array:
        return np.concatenate([p.neuron.parameter(name) for p in populations])

    def step(name: str) -> Array:
        return np.concatenate([getattr(c, name) for c in steps])

    return FloatNeurons(
        decay_u=step("decay_u"), gain_u=step("gain_u"), decay_v=step("decay_v"), gain_v=step("gain_v"),
        drift=step("drift"), threshold=joined("v_threshold"),
        at_least=_each(populations, [p.threshold is Comparison.AT_LEAST for p in populations]),
        down=joined("v_threshold") - joined("v_reset"), v_reset=joined("v_reset"),
        subtract=_each(populations, [p.reset is Reset.SUBTRACT for p in populations]),
        old_current=_each(populations, [network.uses_old_current(p.name) for p in populations]),
        v_init=joined("v_init"),
    )


def _each(populations: Any, flags: list[bool]) -> Array:
    return np.repeat(np.array(flags, np.bool_), [p.size for p in populations])


def bias_table(network: AnyNetwork, drive: Drive) -> Array:
    """What is added in every step, shape (batch, neurons), or (1, neurons) if all samples share it."""
    parts: list[Array]
    if isinstance(network, FixedNetwork):
        parts = [drive.fixed_bias(network, p.name) for p in network.populations]
    else:
        parts = [drive.float_bias(network, p.name) for p in network.populations]
    batch = max(len(part) for part in parts)
    table = np.concatenate([np.broadcast_to(part, (batch, part.shape[1])) for part in parts], axis=1)
    return np.ascontiguousarray(table, np.int32 if isinstance(network, FixedNetwork) else np.float64)


def input_raster(network: AnyNetwork, drive: Drive) -> NDArray[np.bool_]:
    """Spikes of all inputs side by side, shape (time, batch, channels)."""
    arrays = [drive.spikes[name] for name in network.input_names]
    return np.ascontiguousarray(arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=2))
