"""The Lava Process of leaky integrate-and-fire neurons and readouts with parameters for each neuron."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray

from ...synapses import Values
from ..shown_states import add_ports

Numbers = Values | int | float  # integers in fixed_pt, floats in floating_pt


class Neurons(AbstractProcess):
    """Neurons as in Lava's LIF, with decay, threshold and bias of each neuron.

    Arrays have shape (n,) or ``shape``, which is the population's (n,) or (batch, n). In
    ``fixed_pt`` the numbers are integers and mean what they mean in LIF (the bias is mantissa and
    exponent together); ``floating_pt`` computes
    ``u <- (1 - du) u + gain_in (a_in + bias_in)``, ``v <- (1 - dv) v + gain u + bias``.

    Args:
        shape: shape of the ports and of u and v.
        du, dv: decays.
        vth: threshold.
        u, v: current and voltage before the first step.
        bias: added to v in every step.
        spiking: whether there is a threshold at all.
        at_least: fire at ``v >= vth`` instead of ``v > vth``.
        subtract: a spike subtracts the threshold's height above the reset instead of resetting v.
        restart: number of steps after which u and v return to the initial state; 0: never.
        varying: ``bias`` or ``bias_in`` if that array has a further first axis, the number of the
            sample; empty if none has.
        gain_in, bias_in, gain, v_reset: ``floating_pt`` only, see above.
        voltage_first: ``floating_pt`` only: v sees the current before the step.
        decay_bits, current_offset, voltage_offset, state_bits, activation_shift: ``fixed_pt`` only:
            width of du and dv, what the chip adds to them, width of u and v, and the left shift of
            synaptic input and threshold.
        shown: states that are sent at the end of every step; see :mod:`.shown_states`.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        du: Numbers,
        dv: Numbers,
        vth: Numbers,
        u: Numbers = 0,
        v: Numbers = 0,
        bias: Numbers = 0,
        spiking: bool = True,
        at_least: bool = False,
        subtract: bool = False,
        restart: int = 0,
        varying: str = "",
        gain_in: Numbers = 1.0,
        bias_in: Numbers = 0.0,
        gain: Numbers = 1.0,
        v_reset: Numbers = 0.0,
        voltage_first: bool = False,
        decay_bits: int = 12,
        current_offset: int = 1,
        voltage_offset: int = 0,
        state_bits: int = 24,
        activation_shift: int = 6,
        shown: Sequence[str] = (),
        **kwargs: object,
    ) -> None:
        super().__init__(
            shape=tuple(shape),
            du=du,
            dv=dv,
            vth=vth,
            u=u,
            v=v,
            bias=bias,
            spiking=spiking,
            at_least=at_least,
            subtract=subtract,
            restart=restart,
            varying=varying,
            gain_in=gain_in,
            bias_in=bias_in,
            gain=gain,
            v_reset=v_reset,
            voltage_first=voltage_first,
            decay_bits=decay_bits,
            current_offset=current_offset,
            voltage_offset=voltage_offset,
            state_bits=state_bits,
            activation_shift=activation_shift,
            shown=shown,
            **kwargs,
        )
        add_ports(self, shown, shape)
        self.a_in = InPort(shape=tuple(shape))
        self.s_out = OutPort(shape=tuple(shape))
        self.u = Var(shape=tuple(shape), init=np.broadcast_to(u, tuple(shape)).copy())
        self.v = Var(shape=tuple(shape), init=np.broadcast_to(v, tuple(shape)).copy())


class AbstractNeuronsModel(PyLoihiProcessModel):
    """The parts that both arithmetics share: samples, threshold and reset."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool, precision=1)

    def run_spk(self) -> None:
        p = self.proc_params
        if p["restart"] and (self.time_step - 1) % p["restart"] == 0:
            self.u[...], self.v[...] = p["u"], p["v"]
        self.update(self.a_in.recv())
        self.s_out_buff = np.zeros(p["shape"], bool)
        if p["spiking"]:
            threshold, lowest = self.levels()
            self.s_out_buff = self.v >= threshold if p["at_least"] else self.v > threshold
            after = self.v - (threshold - lowest) if p["subtract"] else lowest
            self.v[...] = np.where(self.s_out_buff, after, self.v)
        self.s_out.send(self.s_out_buff)

    def constant(self, name: str) -> Numbers:
        """The array ``bias`` or ``bias_in``; its entry of the current sample if it is ``varying``."""
        p = self.proc_params
        value: Numbers = p[name][(self.time_step - 1) // p["restart"]] if name == p["varying"] else p[name]
        return value

    def update(self, activation: Values) -> None:
        """Advance u and v by one step, before threshold and reset."""
        raise NotImplementedError

    def levels(self) -> tuple[Numbers, Numbers]:
        """Threshold and reset voltage on the scale of v."""
        raise NotImplementedError


@implements(proc=Neurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyNeuronsFixed(AbstractNeuronsModel):
    """The neurons in the chip's integers, bit by bit."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=16)
    u: NDArray[np.int64] = LavaPyType(np.ndarray, np.int64, precision=24)
    v: NDArray[np.int64] = LavaPyType(np.ndarray, np.int64, precision=24)

    def _decayed(self, state: NDArray[np.int64], rate: Numbers) -> NDArray[np.int64]:
        bits = self.proc_params["decay_bits"]
        product = state * ((1 << bits) - np.asarray(rate, np.int64))
        # A right shift rounds down; lifting negative numbers first makes it round toward zero.
        decayed: NDArray[np.int64] = (product + np.where(product < 0, (1 << bits) - 1, 0)) >> bits
        return decayed

    def update(self, activation: Values) -> None:
        p = self.proc_params
        if self.time_step == 1:  # currents that wrapped, those that are outside even then, voltages that saturated
            self.overflow_counts = np.zeros(3, np.int64)
        half = 1 << (p["state_bits"] - 1)
        u = self._decayed(self.u, p["du"] + p["current_offset"])
        u += activation.astype(np.int64) << p["activation_shift"]
        # The chip wraps a value once, even if it is farther out of range; +half itself is not wrapped.
        self.u[...] = u - 2 * half * (u > half) + 2 * half * (u <= -half)
        v = self._decayed(self.v, p["dv"] + p["voltage_offset"]) + self.u + self.constant("bias")
        self.v[...] = np.minimum(np.maximum(v, 1 - half), half - 1)
        overflows = (self.u != u, np.abs(self.u) > half, self.v != v)
        self.overflow_counts += [np.count_nonzero(where) for where in overflows]

    def levels(self) -> tuple[Numbers, Numbers]:
        return self.proc_params["vth"] << self.proc_params["activation_shift"], 0


@implements(proc=Neurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyNeuronsFloat(AbstractNeuronsModel):
    """The neurons in float64."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    u: NDArray[np.float64] = LavaPyType(np.ndarray, float)
    v: NDArray[np.float64] = LavaPyType(np.ndarray, float)

    def update(self, activation: Values) -> None:
        p = self.proc_params
        before = self.u.copy()
        self.u[...] = (1 - p["du"]) * self.u + p["gain_in"] * (activation + self.constant("bias_in"))
        current = before if p["voltage_first"] else self.u
        self.v[...] = (1 - p["dv"]) * self.v + p["gain"] * current + self.constant("bias")

    def levels(self) -> tuple[Numbers, Numbers]:
        return self.proc_params["vth"], self.proc_params["v_reset"]
