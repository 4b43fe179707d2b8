"""A fixed network, step by step, by the operations of :mod:`ssdp_hw.arithmetic`."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from ssdp_hw import arithmetic as op
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.graph import BaseProjection, Comparison, Reset
from ssdp_hw.running.drive import Drive
from ssdp_hw.running.result import OverflowCount, Record, Recording

from .sending import Sending
from .traces import Traces

Int = NDArray[np.int64]


class FixedState:
    """State u and v of one population for a batch, and its overflow counts."""

    def __init__(self, network: FixedNetwork, population: FixedPopulation, drive: Drive) -> None:
        self.chip, self.p = network.limits, population
        self.u: Int = np.zeros((drive.batch, population.size), np.int64)
        self.v: Int = np.tile(population.v_init, (drive.batch, 1))
        self.bias = drive.fixed_bias(network, population.name)
        self.threshold = op.shift(population.vth, self.chip.activation_shift)
        self.overflow = OverflowCount()

    def step(self, activation: Int) -> NDArray[np.bool_]:
        """Advance one step and return the spikes, shape (batch, n)."""
        chip, p = self.chip, self.p
        half = 1 << (chip.state_bits - 1)
        self.u, raw_u = op.next_current(
            self.u,
            activation,
            p.du,
            offset=chip.current_decay_offset,
            bits=chip.decay_bits,
            state_bits=chip.state_bits,
            activation_shift=chip.activation_shift,
        )
        v, raw_v = op.next_voltage(
            self.v,
            self.u,
            self.bias,
            p.dv,
            offset=chip.voltage_decay_offset,
            bits=chip.decay_bits,
            state_bits=chip.state_bits,
        )
        self.overflow += OverflowCount(
            int(np.count_nonzero(raw_u != self.u)),
            int(np.count_nonzero((self.u > half) | (self.u < -half))),
            int(np.count_nonzero(raw_v != v)),
        )
        if not p.spiking:
            self.v = v
            return np.zeros(v.shape, bool)
        fired = op.fires(v, self.threshold, p.threshold is Comparison.AT_LEAST)
        self.v = op.reset(v, fired, self.threshold, p.reset is Reset.SUBTRACT)
        return fired


def scale_activation(projection: BaseProjection, total: Int) -> Int:
    """The sum of weights times 2**weight_exp (floor for a negative exponent)."""
    return op.shift(total, cast(FixedProjection, projection).weight_exp)


def run_fixed(network: FixedNetwork, drive: Drive, record: Record) -> Recording:
    """Run every sample of the drive from the initial state."""
    states = {p.name: FixedState(network, p, drive) for p in network.populations}
    sending = Sending(network, drive.batch, np.int64)
    traces = Traces(network, drive, record, np.int64)
    for step in range(drive.steps):
        fired = {name: s[step] for name, s in drive.spikes.items()}
        for name, state in states.items():
            fired[name] = state.step(sending.arriving(step, name))
            traces.keep(step, name, fired[name], state.v, state.u)
        sending.send(step, fired, scale_activation)
    return traces.recording({name: state.overflow for name, state in states.items()})
