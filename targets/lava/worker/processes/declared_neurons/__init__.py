"""The Lava Process of neurons of any model that the toolkit knows a declaration of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

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

from ...synapses import Values
from ..shown_states import add_ports

# Of the synaptic input, the states and the parameters: the new states, the spikes, and where registers overflow.
Step = Callable[..., tuple[Sequence[Values], Values, Sequence[Values]]]


def state_variable(name: str) -> str:
    """The Lava Var of a state, whose own name a Process may need for something else."""
    return f"state_{name}"


def synaptic_input(port: str) -> str:
    """The Lava port of a synaptic input beside the first, as links name it."""
    return f"a_in_{port}"


class DeclaredNeurons(AbstractProcess):
    """Neurons whose step is a printed function; each state is a Var, ``state_`` and its name.

    Arrays of one value a neuron have shape (n,); the population's ``shape`` is (n,) or (batch, n).

    Args:
        shape: shape of the ports and of the states.
        step: the step, a function of a module that imports NumPy alone.
        states: names of the states.
        start: the states before the first step, shape (state, n).
        parameters: what the step takes after the states, shape (parameter, n).
        counts: number of overflow counts that the step gives.
        restart: number of steps after which the states return to the initial ones; 0: never.
        payload: the state that spikes carry; empty where they carry nothing.
        ports: synaptic inputs beside the first, which the step takes after it.
        shown: variables of states that are sent at the end of every step; see :mod:`.shown_states`.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        step: Step,
        states: Sequence[str],
        start: Values,
        parameters: Values,
        counts: int = 0,
        restart: int = 0,
        payload: str = "",
        ports: Sequence[str] = (),
        shown: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        shape = tuple(shape)
        super().__init__(
            shape=shape,
            step=step,
            states=states,
            start=start,
            parameters=parameters,
            counts=counts,
            restart=restart,
            payload=payload,
            ports=ports,
            shown=shown,
            **kwargs,
        )
        add_ports(self, shown, shape)
        self.a_in = InPort(shape=shape)
        for port in ports:
            setattr(self, synaptic_input(port), InPort(shape=shape))
        self.s_out = OutPort(shape=shape)
        self.fired_out = OutPort(shape=shape)  # of graded neurons: which of them fire
        for name, values in zip(states, start, strict=True):
            setattr(self, state_variable(name), Var(shape=shape, init=np.broadcast_to(values, shape).copy()))


class AbstractDeclaredModel(PyLoihiProcessModel):
    """Runs the printed step; :func:`with_states` adds the Vars, whose names the Process alone knows."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool, precision=1)
    fired_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool, precision=1)
    number: Any  # type of states and parameters
    message: Any  # type of what spikes carry
    a_in: PyInPort

    def run_spk(self) -> None:
        p = self.proc_params
        if self.time_step == 1:
            self.overflow_counts = np.zeros(p["counts"], np.int64)
        states = [getattr(self, state_variable(name)) for name in p["states"]]
        if p["restart"] and (self.time_step - 1) % p["restart"] == 0:
            for state, values in zip(states, p["start"], strict=True):
                state[...] = values
        # Copies, since a new state may be an old one, which would be overwritten before it is read.
        received = [self.a_in.recv(), *(getattr(self, synaptic_input(port)).recv() for port in p["ports"])]
        new, fired, overflows = p["step"](*received, *(state.copy() for state in states), *p["parameters"])
        for state, values in zip(states, new, strict=True):
            state[...] = values
        self.s_out_buff = np.broadcast_to(fired, p["shape"]).copy()
        for number, where in enumerate(overflows):
            self.overflow_counts[number] += np.count_nonzero(np.broadcast_to(where, p["shape"]))
        if p["payload"]:
            carried = getattr(self, state_variable(p["payload"]))
            self.s_out.send(np.where(self.s_out_buff, carried, 0).astype(self.message))
            self.fired_out.send(self.s_out_buff)
        else:
            self.s_out.send(self.s_out_buff)


@implements(proc=DeclaredNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDeclaredFixed(AbstractDeclaredModel):
    """The neurons in integers."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=16)
    number = np.int64
    message = np.int32


@implements(proc=DeclaredNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDeclaredFloat(AbstractDeclaredModel):
    """The neurons in float64."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    number = np.float64
    message = np.float64


def with_states(
    model: type[AbstractDeclaredModel], states: Sequence[str], ports: Sequence[str] = (), *, graded: bool = False
) -> type[AbstractDeclaredModel]:
    """A ProcessModel that has a Lava variable for each state and port, as Lava wants for those of a Process.

    With ``graded`` it sends what spikes carry instead of spikes.
    """
    variables = {state_variable(name): LavaPyType(np.ndarray, model.number) for name in states}
    variables |= dict.fromkeys(map(synaptic_input, ports), model.a_in)
    if graded:
        variables["s_out"] = LavaPyType(PyOutPort.VEC_DENSE, model.message, precision=32)
    return type(model.__name__, (model,), variables)
