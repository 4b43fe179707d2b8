"""A network that is given one sample after the other, with Brian2's own Synapses.

This is the form of C++ standalone, and of learning on every device. Everything returns to its
initial state at the start of each window (the steps of one sample), by code that runs on a clock of
windows. Spikes from outside are a TimedArray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from brian2 import Clock, Network, NeuronGroup, TimedArray, amp, second
from numpy.typing import NDArray

from ssdp_hw.drive import AnyNetwork, Drive
from ssdp_hw.errors import TargetRunError
from ssdp_hw.fixed import FixedNetwork

from . import registers
from .guard import check_compiled
from .model import SCHEDULE, add_neurons, bias_of, step_length
from .neurons import INBOX, Setup
from .registers import TimeRegister
from .session import Session
from .synapses import STATIC, Bundle, SynapseModel, bundles, connect

# Where two windows meet, in the slot "start": updates of synapses come first (order 0, 1, ..), then
# what reads the registers of the old window, then the initial state of the new one.
READ_REGISTERS, RESTART = 100, 101


class SampleSequence:
    """A network assembled for the samples of a drive.

    Attributes:
        clock, window_clock: their ticks are steps and windows.
        senders: by input and population the group that fires.
        neurons: the groups of every population.
        synapses: (bundle, Brian2 synapses) of every projection that has synapses.
        objects: all that belongs to the simulation; recorders may be added.

    Args:
        network, drive: what to run.
        models: of the projections that are plastic.
        time_registers: spike-time registers by input and population.
    """

    def __init__(
        self, network: AnyNetwork, drive: Drive, models: Mapping[str, SynapseModel] | None = None,
        time_registers: Mapping[str, Sequence[TimeRegister]] | None = None,
    ) -> None:
        self._network, self._drive = network, drive
        self._models, self._registers = models or {}, time_registers or {}
        self.clock = Clock(dt=step_length(network) * second, name="step_clock")
        self.window_clock = Clock(dt=drive.steps * self.clock.dt, name="window_clock")
        incoming = {name: bundles(network.incoming(name)) for name in network.population_names}
        self.objects: list[Any] = []
        self.neurons = add_neurons(network, {
            name: self._setup(k, name, incoming[name]) for k, name in enumerate(network.population_names)
        })
        self.senders = {
            name: self._input(k, name) for k, name in enumerate(network.input_names)
        } | {name: made.sender for name, made in self.neurons.items()}
        for made in self.neurons.values():
            for group, code in made.starts:
                self._add(group, code)
        self.synapses = [self._connect(k, b) for k, b in enumerate(b for found in incoming.values() for b in found)]

    def _setup(self, index: int, name: str, incoming: Sequence[Bundle]) -> Setup:
        bias: Any = bias_of(self._network, self._drive, name)
        if len(bias) > 1:  # one for each sample
            unit = 1 if isinstance(self._network, FixedNetwork) else amp
            bias = TimedArray(bias * unit, dt=self.window_clock.dt, name=f"bias_{index}")
        inboxes = {INBOX: 0, **{bundle.inbox: bundle.exponent for bundle in incoming}}
        return Setup(str(index), self.clock, bias, inboxes=inboxes, registers=self._registers.get(name, ()))

    def _input(self, index: int, name: str) -> Any:
        """A group that fires as the TimedArray says."""
        spikes = self._drive.spikes[name]
        raster = TimedArray(by_time(spikes).astype(np.float64), dt=self.clock.dt, name=f"raster_{index}")
        kept = self._registers.get(name, ())
        group = NeuronGroup(
            spikes.shape[2], registers.equations(kept), threshold=f"{raster.name}(t, i) > 0.5",
            reset=registers.keep(kept), dtype={r.name: np.int64 for r in kept}, clock=self.clock,
            name=f"input_{index}", namespace={raster.name: raster},
        )
        self._add(group, registers.clear(kept))
        return group

    def _add(self, group: Any, restart: str) -> None:
        """Add a group with the code that brings it to its initial state."""
        if restart:
            group.run_regularly(restart, clock=self.window_clock, when="start", order=RESTART)
        self.objects.append(group)

    def _connect(self, index: int, bundle: Bundle) -> tuple[Bundle, Any]:
        p = bundle.projection
        model = self._models.get(p.name, STATIC)
        group = connect(
            bundle, self.senders[p.source], self.neurons[p.target].receiver, model, self.clock, self._drive.steps,
            f"synapses_{index}",
        )
        for order, (code, windows) in enumerate(model.updates):
            clock = Clock(dt=windows * self.window_clock.dt, name=f"clock_{index}_{order}")
            group.run_regularly(code, clock=clock, when="start", order=order)
        self.objects.append(group)
        return bundle, group

    def simulate(self, session: Session, steps: int) -> None:
        """Run for that many steps.

        Raises:
            TargetRunError: code did not compile, or the compiled program failed.
        """
        simulation = Network(*self.objects, name="simulation")
        simulation.schedule = SCHEDULE
        if not session.standalone:
            simulation.run(0 * second)
            check_compiled(simulation)
        simulation.run(steps * self.clock.dt)
        if session.standalone:
            try:
                session.device.build(directory=str(session.directory / "project"), with_output=False)
            except RuntimeError as error:
                raise TargetRunError(f"brian2: {error} C++ standalone needs a C++ compiler and make") from error


def by_time(samples: NDArray[Any]) -> NDArray[Any]:
    """Samples of shape (time, batch, n) one after the other: shape (batch * time, n)."""
    return np.ascontiguousarray(samples.transpose(1, 0, 2)).reshape(-1, samples.shape[2])


def by_sample(trace: NDArray[Any], steps: int) -> NDArray[Any]:
    """The inverse of :func:`by_time`, for samples of that many steps."""
    return np.ascontiguousarray(trace.reshape(-1, steps, trace.shape[1]).transpose(1, 0, 2))
