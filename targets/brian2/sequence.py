"""A network that runs one sample after the other, with Brian2's own Synapses.

The C++ standalone device runs all networks in this form, and every device learns in it. Neurons return to their
initial state at the start of each sample, by code that runs on a clock of samples, unless samples are pieces of one run
(:mod:`.one_run`). The memories of learning rules are reset at the start of each window, which is a sample or a part of
it. Spikes of inputs are a TimedArray.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from brian2 import (
    BrianObject,
    Clock,
    Network,
    NetworkOperation,
    NeuronGroup,
    SpikeMonitor,
    Synapses,
    TimedArray,
    amp,
    second,
)
from numpy.typing import NDArray

from ssdp_hw.arrays import Int, Numbers
from ssdp_hw.errors import TargetRunError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.time_limit import check_time, remaining_time

from . import memory
from .guard import check_compiled
from .kernels import Kernel, kernel_group
from .memory import Memory, SeenState
from .model import SCHEDULE, add_neurons, bias_of, state_type, step_length
from .neurons import Setup, inbox_of
from .payloads import carried_memories
from .random_bits import synapse_bits
from .session import Session
from .synapses import STATIC, Bundle, SynapseModel, bundles, connect, past_weights

# Order of code in the slot "start" between two windows: weights are kept before they are updated (0, 1, ..), then come
# the recorders of the old window's memories, then the start of the new window.
KEEP_WEIGHTS, READ_MEMORIES, RESTART = -1, 100, 101

T = TypeVar("T", bound=np.generic)


class SampleSequence:
    """A network assembled for the samples of a drive.

    Attributes:
        clock, window_clock, sample_clock: their ticks are steps, windows and samples.
        window_steps: length of a window.
        senders: by input and population the group that fires.
        neurons: the groups of every population.
        synapses: (bundle, Brian2 synapses) of every projection that has synapses.
        kernels: by name of a plastic convolution the group that has its weights.
        objects: all Brian2 objects of the simulation; recorders may be added.

    Args:
        network, drive: what to run.
        models: of the projections that are plastic.
        memories: for each input and population the variables that learning rules read.
        windows: windows of a sample.
        relayed: by projection the delay of each synapse, in row-major order, where its presynaptic neurons are relays
            that fire that much later than those that sent; see :mod:`.arrivals`.
        restart: whether each sample starts from the initial state of the neurons.
        fast_paths: see :func:`.model.add_neurons`.
    """

    def __init__(
        self,
        network: AnyNetwork,
        drive: Drive,
        models: Mapping[str, SynapseModel] | None = None,
        memories: Mapping[str, Sequence[Memory]] | None = None,
        windows: int = 1,
        *,
        relayed: Mapping[str, Int] | None = None,
        restart: bool = True,
        fast_paths: bool = True,
    ) -> None:
        self._network, self._drive, self._restarts = network, drive, restart
        self._models, self._memories = models or {}, memories or {}
        self.clock = Clock(dt=step_length(network) * second, name="step_clock")
        self.window_steps = drive.steps // windows
        self.window_clock = Clock(dt=self.window_steps * self.clock.dt, name="window_clock")
        self.sample_clock = Clock(dt=drive.steps * self.clock.dt, name="sample_clock")
        payloads = {p.name: p.payload for p in network.populations if p.payload}
        self._relayed = relayed or {}
        incoming = {n: bundles(network.incoming(n), payloads, self._relayed) for n in network.population_names}
        self.objects: list[BrianObject] = []
        self.neurons = add_neurons(
            network,
            {name: self._setup(k, name, incoming[name]) for k, name in enumerate(network.population_names)},
            fast_paths=fast_paths,
        )
        self.senders = {name: self._input(k, name) for k, name in enumerate(network.input_names)} | {
            name: made.sender for name, made in self.neurons.items()
        }
        for index, name in enumerate(network.population_names):
            if name in drive.currents.frames:
                self.let_gather(name, "", by_time(drive.currents.by_time(name)), f"analog_{index}")
        for name, group in self.senders.items():
            if memory.FIRES in self._memories.get(name, ()) and group.events:
                group.run_regularly(f"{memory.FIRES.name} = {group.events['spike']}", when="thresholds", order=1)
        for name, made in self.neurons.items():
            for seen in self._memories.get(name, ()):
                if isinstance(seen, SeenState):
                    made.sender.run_regularly(seen.code(made.after_reset[seen.state]), when="thresholds", order=1)
            for group, code in made.starts:
                self._at_start(group, code if restart else "", self.sample_clock)
                self.objects.append(group)
            self._at_start(made.receiver, made.sample_bias, self.sample_clock)
            self._at_start(made.sender, made.window_start, self.window_clock)
        self.synapses = [self._connect(k, b) for k, b in enumerate(b for found in incoming.values() for b in found)]
        self.kernels: dict[str, NeuronGroup] = {}
        for index, (name, model) in enumerate(self._models.items()):
            if model.kernel is not None:
                self._add_kernel(index, network.projection(name), model.kernel)

    def _setup(self, index: int, name: str, incoming: Sequence[Bundle]) -> Setup:
        bias: NDArray[np.int64] | NDArray[np.float64] | TimedArray = bias_of(self._network, self._drive, name)
        if len(bias) > 1:  # one for each sample
            unit = 1 if isinstance(self._network, FixedNetwork) else amp
            bias = TimedArray(bias * unit, dt=self.sample_clock.dt, name=f"bias_{index}")
        inboxes = {
            port: {inbox_of(port): 0, **{b.inbox: b.exponent for b in incoming if b.projection.port == port}}
            for port in self._network.synaptic_inputs(name)
        }
        return Setup(
            str(index),
            self.clock,
            bias,
            inboxes=inboxes.pop(""),
            port_inboxes=inboxes,
            memories=[*self._memories.get(name, ()), *carried_memories(self._network, name)],
            spikes_seen=any(
                self._models[b.projection.name].on_post for b in incoming if b.projection.name in self._models
            ),
            counted_steps=self._drive.steps * self._drive.batch,
        )

    def let_gather(self, name: str, port: str, values: Numbers, label: str) -> None:
        """Let values, shape (step, n), gather beside the input of spikes, each before the neurons read it.

        Args:
            name, port: a population and its synaptic input.
            values: those of the first steps; then there are none.
            label: a name of their own for Brian2.
        """
        fixed = isinstance(self._network, FixedNetwork)
        table = TimedArray(values.astype(np.float64) * (1 if fixed else amp), dt=self.clock.dt, name=label)
        receiver = self.neurons[name].receiver
        receiver.namespace[table.name] = table
        value = f"{table.name}(t, i)"
        # Beyond the last step a TimedArray repeats its last values.
        receiver.run_regularly(
            f"{inbox_of(port)} += int(t_in_timesteps < {len(values)})*{f'int({value})' if fixed else value}",
            when="start",
            order=RESTART + 1,
        )

    def _input(self, index: int, name: str) -> NeuronGroup:
        """A group that fires at the spikes of an input, which are a TimedArray."""
        spikes = self._drive.spikes[name]
        raster = TimedArray(by_time(spikes).astype(np.float64), dt=self.clock.dt, name=f"raster_{index}")
        memories = self._memories.get(name, ())
        group = NeuronGroup(
            spikes.shape[2],
            memory.equations(memories),
            threshold=f"{raster.name}(t, i) > 0.5",
            reset=memory.keep(memories),
            dtype=memory.types(memories),
            clock=self.clock,
            name=f"input_{index}",
            namespace={raster.name: raster, "synapse_bits": synapse_bits, **memory.namespace(memories)},
        )
        if memory.fade(memories):
            group.run_regularly(memory.fade(memories), when="end")
        self._at_start(group, memory.start(memories), self.window_clock)
        self.objects.append(group)
        return group

    def _at_start(self, group: NeuronGroup, code: str, clock: Clock) -> None:
        """Let a group run this code, by which a sample or window starts, at every tick of a clock."""
        if code:
            group.run_regularly(code, clock=clock, when="start", order=RESTART)

    def _connect(self, index: int, bundle: Bundle) -> tuple[Bundle, Synapses]:
        p = bundle.projection
        model = self._models.get(p.name, STATIC)
        past: list[str] | None = None
        if not self._restarts:
            delays = self._relayed.get(p.name, p.synapse_delays)
            past = past_weights(delays, self._drive.steps) if p.name in self._models else []
        group = connect(
            bundle,
            self.senders[p.pre],
            self.neurons[p.post].receiver,
            model,
            self.clock,
            self._drive.steps,
            f"synapses_{index}",
            past,
        )
        if past:
            now = "".join(f"{old} = {new}\n" for old, new in zip(past[::-1], [*past[-2::-1], "w"], strict=True))
            group.run_regularly(now, clock=self.sample_clock, when="start", order=KEEP_WEIGHTS)
        for order, (code, windows) in enumerate(model.updates):
            clock = Clock(dt=windows * self.window_clock.dt, name=f"clock_{index}_{order}")
            group.run_regularly(code, clock=clock, when="start", order=order)
        self.objects.append(group)
        return bundle, group

    def _add_kernel(self, index: int, projection: BaseProjection, kernel: Kernel) -> None:
        """Give a plastic convolution, whose synapses are there, the neurons that have its weights."""
        own = [group for bundle, group in self.synapses if bundle.projection is projection]
        made = kernel_group(kernel, projection, own[0] if own else None, self.clock, self.window_clock, str(index))
        self.kernels[projection.name] = made[0]
        self.objects += made[1]

    def synapse_values(self, projection: BaseProjection, variable: str) -> Numbers:
        """A variable of all synapses of a projection in row-major order."""
        values = np.zeros(projection.synapse_weights.size, state_type(self._network))
        for bundle, group in self.synapses:
            if bundle.projection.name == projection.name:  # the same, whoever leads to it
                values[bundle.positions] = group.state(variable, use_units=False)[:]
        return values

    def stored_values(self, projection: BaseProjection, variable: str) -> Numbers:
        """A variable of all weights of a plastic projection, in the order in which it stores them."""
        if projection.name not in self.kernels:
            return self.synapse_values(projection, variable)
        values = self.kernels[projection.name].state(variable, use_units=False)
        return np.array(values[:], state_type(self._network))

    def raster(self, spikes: SpikeMonitor, steps: int) -> NDArray[np.bool_]:
        """The spikes that a SpikeMonitor recorded in the first ``steps`` steps, shape (time, n)."""
        times, neurons = np.rint(np.asarray(spikes.t_) / self.clock.dt_).astype(np.int64), np.asarray(spikes.i)
        fired = np.zeros((steps, len(spikes.source)), bool)
        fired[times[times < steps], neurons[times < steps]] = True
        return fired

    def simulate(self, session: Session, steps: int) -> float:
        """Run for that many steps.

        Returns:
            The seconds of the steps, without building and compiling the network.

        Raises:
            TargetRunError: code did not compile, or the compiled program failed.
        """
        objects = list(self.objects)
        if remaining_time() is not None and not session.standalone:
            objects.append(NetworkOperation(check_time, clock=self.clock, when="end", name="time_limit"))
        simulation = Network(*objects, name="simulation")
        simulation.schedule = SCHEDULE
        if not session.standalone:
            simulation.run(0 * second)
            check_compiled(simulation)
        start = time.perf_counter()
        simulation.run(steps * self.clock.dt)
        if session.standalone:
            try:
                session.device.build(directory=str(session.directory / "project"), with_output=False)
            except RuntimeError as error:
                check_time()
                raise TargetRunError(f"brian2: {error} C++ standalone needs a C++ compiler and make") from error
            return float(session.device._last_run_time)  # seconds that the compiled program measured
        return time.perf_counter() - start


def by_time(samples: NDArray[T]) -> NDArray[T]:
    """Concatenate samples (time, batch, n) in time: shape (batch * time, n)."""
    return np.ascontiguousarray(samples.transpose(1, 0, 2)).reshape(-1, samples.shape[2])


def by_sample(trace: NDArray[T], steps: int) -> NDArray[T]:
    """The inverse of :func:`by_time`, for samples of that many steps."""
    return np.ascontiguousarray(trace.reshape(-1, steps, trace.shape[1]).transpose(1, 0, 2))
