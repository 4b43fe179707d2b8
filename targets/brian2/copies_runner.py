"""The runner of the runtime device, which runs all samples at once as copies of every population side by side.

Brian2 updates the neurons. A network operation delivers the spikes of a projection by the product of one weight matrix
and the spikes of all samples, since Brian2's Synapses would need a copy of the weights for each sample.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from brian2 import Clock, Network, NetworkOperation, second
from numpy.typing import DTypeLike, NDArray

from ssdp_hw.arithmetic import shift
from ssdp_hw.arrays import Numbers
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import Record, Recording
from ssdp_hw.running.time_limit import check_time

from .guard import check_compiled
from .model import SCHEDULE, add_neurons, bias_of, state_type, step_length
from .neurons import Neurons, Setup, inbox_of
from .wiring import by_delay, weight_exponent


def exact_type(weights: Numbers, rows: NDArray[np.int64]) -> type[np.floating[Any]]:
    """A type in which any sum of these weights over a row is exact, in every order.

    All partial sums are integers of at most the row's sum of magnitudes: float32 holds every
    integer up to 2**24, float64 up to 2**53 (beyond any chip's 32-bit activation). Weights that
    are not integers stay float64.
    """
    if not np.issubdtype(weights.dtype, np.integer):
        return np.float64
    largest = np.bincount(rows, np.abs(weights.astype(np.float64)), minlength=1).max()
    return np.float32 if largest <= 2**24 else np.float64


class Segment:
    """The synapses of one projection and delay, as a matrix that is multiplied with spikes."""

    def __init__(
        self, projection: BaseProjection, delay: int, positions: NDArray[np.int64], *, graded: bool = False
    ) -> None:
        self.pre, self.post, self.delay = projection.pre, (projection.post, projection.port), delay
        self._exponent = weight_exponent(projection)
        rows, cols = (index[positions] for index in projection.synapse_indices)
        weights = projection.synapse_weights[positions]
        self._type = np.float64 if graded else exact_type(weights, rows)
        self._integer = bool(np.issubdtype(weights.dtype, np.integer))
        matrix = sp.csr_array((weights.astype(self._type), (cols, rows)), shape=projection.shape[::-1])
        self._matrix = matrix.T.tocsr() if projection.is_sparse else matrix.toarray()

    def total(self, sent: Numbers) -> Numbers:
        """The input (batch, post) that spikes, or what they carry, of shape (batch, pre) cause."""
        spikes = sent.astype(self._type)
        total = (self._matrix @ spikes.T).T if sp.issparse(self._matrix) else spikes @ self._matrix
        return shift(total.astype(np.int64), self._exponent) if self._integer else np.asarray(total)


class Courier:
    """Delivers spikes step by step: a spike of step t acts in step t + 1 + delay."""

    def __init__(self, network: AnyNetwork, neurons: Mapping[str, Neurons], drive: Drive) -> None:
        self._neurons, self._drive, self._step = neurons, drive, 0
        self._payloads = {p.name: p.payload for p in network.populations if p.payload}
        self._segments = [
            Segment(p, delay, positions, graded=bool(p.pre in self._payloads))
            for p in network.projections
            for delay, positions in by_delay(p.synapse_delays).items()
        ]
        self._slots = {
            (name, port): np.zeros((network.max_delay + 1, drive.batch, network.size_of(name)), state_type(network))
            for name in neurons
            for port in network.synaptic_inputs(name)
        }
        self._spiking = {name: network.population(name).spiking for name in neurons}
        self.fired: dict[str, NDArray[np.bool_]] = {
            name: np.zeros((drive.batch, network.size_of(name)), bool) for name in neurons
        }
        self._hand_over()

    def deliver(self) -> None:
        """Collect the spikes of a step after its thresholds, and write the input of the next step."""
        check_time()
        for name, spiking in self._spiking.items():
            if spiking:
                self.fired[name][:] = False
                self.fired[name].reshape(-1)[self._neurons[name].sender.spikes] = True
        sent: dict[str, Numbers] = {**self.fired, **{name: s[self._step] for name, s in self._drive.spikes.items()}}
        for name, payload in self._payloads.items():
            group, variable = self._neurons[name].states[payload]
            carried = group.state(variable, use_units=False)[:]
            sent[name] = np.where(self.fired[name], np.reshape(carried, self.fired[name].shape), 0)
        self._step += 1
        for segment in self._segments:
            slots = self._slots[segment.post]
            slots[(self._step + segment.delay) % len(slots)] += segment.total(sent[segment.pre])
        self._hand_over()

    def _hand_over(self) -> None:
        """Write the input of the step that comes next."""
        currents, more = self._drive.currents, self._step < self._drive.steps
        for (name, port), slots in self._slots.items():
            slot = slots[self._step % len(slots)]
            if currents and more and not port:
                slot += currents.at(self._step, name)
            self._neurons[name].receiver.state(inbox_of(port), use_units=False)[:] = slot.reshape(-1)
            slot[:] = 0


class Traces:
    """Recordings, filled at the end of every step."""

    def __init__(
        self, network: AnyNetwork, neurons: Mapping[str, Neurons], drive: Drive, record: Record, courier: Courier
    ) -> None:
        def arrays(variable: str, kind: DTypeLike) -> dict[str, Numbers]:
            return {
                name: np.zeros((drive.steps, drive.batch, network.size_of(name)), kind)
                for name in neurons
                if record.wants(variable, name)
            }

        kind = state_type(network)
        self.spikes = arrays("spikes", bool)
        self.states = {state: arrays(state, kind) for state in record.state_names}
        self._neurons, self._courier, self._step = neurons, courier, 0

    def keep(self) -> None:
        """Store the end of a step."""
        for name, raster in self.spikes.items():
            raster[self._step] = self._courier.fired[name]
        for state, traces in self.states.items():
            for name, trace in traces.items():
                group, variable = self._neurons[name].states[state]
                trace[self._step].reshape(-1)[:] = group.state(variable, use_units=False)
        self._step += 1


def run_copies(network: AnyNetwork, drive: Drive, record: Record, *, fast_paths: bool = True) -> Recording:
    """Run every sample of the drive from the initial state, all at the same time."""
    clock = Clock(dt=step_length(network) * second, name="step_clock")
    neurons = add_neurons(
        network,
        {
            name: Setup(
                str(k),
                clock,
                bias_of(network, drive, name),
                drive.batch,
                port_inboxes={port: {inbox_of(port): 0} for port in network.ports(name)},
            )
            for k, name in enumerate(network.population_names)
        },
        fast_paths=fast_paths,
    )
    courier = Courier(network, neurons, drive)
    traces = Traces(network, neurons, drive, record, courier)
    simulation = Network(
        *{group for made in neurons.values() for group, _ in made.starts},
        NetworkOperation(courier.deliver, clock=clock, when="synapses", name="courier"),
        NetworkOperation(traces.keep, clock=clock, when="end", name="traces"),
        name="simulation",
    )
    simulation.schedule = SCHEDULE
    simulation.run(0 * second)
    check_compiled(simulation)
    start = time.perf_counter()
    simulation.run(drive.steps * clock.dt)
    info = {"steps_seconds": time.perf_counter() - start}
    overflow = {n: made.overflow() for n, made in neurons.items()} if isinstance(network, FixedNetwork) else None
    return Recording.of(traces.spikes, traces.states, overflow, info)
