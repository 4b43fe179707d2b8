"""The Lava Process of a projection for a whole batch, with delays, dense or sparse."""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import issparse

from ...synapses import Matrix, Parameters, Slots, Synapses, Values, product_dtype


class Connection(AbstractProcess):
    """Synapses as in Lava's Dense and DelayDense, for samples that lie side by side.

    A spike received in step t leaves as activation in step t + 1 + delay. In ``fixed_pt`` the
    activation of one step and delay is the sum of weights shifted left by ``weight_exp`` (an
    arithmetic right shift if that is negative).

    Args:
        weights: shape (post, pre), dense or ``scipy.sparse.csr_matrix``.
        delays: one integer, or a delay for each synapse: shape (post, pre), or (nnz,) for a sparse matrix.
        weight_exp: exponent of the weights, read in ``fixed_pt`` only.
        batch: number of samples; ports have shape (pre,) and (post,) for 1, else (batch, ...).
        restart: number of steps after which input that has not arrived is dropped; 0: never.
    """

    def __init__(
        self,
        *,
        weights: Matrix,
        delays: int | NDArray[np.int64] = 0,
        weight_exp: int = 0,
        batch: int = 1,
        restart: int = 0,
        **kwargs: object,
    ) -> None:
        super().__init__(weights=weights, delays=delays, weight_exp=weight_exp, batch=batch, restart=restart, **kwargs)
        post, pre = weights.shape
        leading = () if batch == 1 else (batch,)
        self.s_in = InPort(shape=(*leading, pre))
        self.a_out = OutPort(shape=(*leading, post))


class GradedConnection(Connection):
    """A connection that multiplies each weight by the integer or number that a spike carries."""


class AbstractConnectionModel(PyLoihiProcessModel):
    """Sends the arriving input before it receives the spikes of the step, so that loops of processes cannot block."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool, precision=1)
    fixed = True
    exact_product: DTypeLike = None  # type of the matrix product; None: product_dtype chooses it from the weights

    def __init__(self, proc_params: Parameters) -> None:
        super().__init__(proc_params)
        p = proc_params
        dtype = self.exact_product or product_dtype(p["weights"], self.fixed)
        self.synapses = Synapses(p["weights"], p["delays"], dtype)
        shape = (p["batch"], self.synapses.post)
        self.slots = Slots(max(self.synapses.delays), shape, np.int64 if self.fixed else np.float64)

    def run_spk(self) -> None:
        p = self.proc_params
        if p["restart"] and (self.time_step - 1) % p["restart"] == 0:
            self.slots.clear()
        arriving = self.slots.leave()
        self.a_out.send(arriving[0] if p["batch"] == 1 else arriving)
        self.spikes = self.received().reshape(p["batch"], -1)
        for delay, total in self.synapses.activations(self.spikes):
            self.slots.add(delay, self.scaled(total))

    @property
    def waiting(self) -> Values:
        """The input that arrives from the next step on, shape (step, batch, post)."""
        return self.slots.waiting()

    def received(self) -> Values:
        """The spikes of the step."""
        spikes: Values = self.s_in.recv().astype(bool)
        return spikes

    def scaled(self, total: Values) -> Values:
        """The activation that a sum of weights causes."""
        return total


class AbstractFixedModel(AbstractConnectionModel):
    """A connection in integers."""

    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=16)

    def scaled(self, total: Values) -> Values:
        exponent = self.proc_params["weight_exp"]
        total = total.astype(np.int64)
        activation: Values = total << exponent if exponent > 0 else total >> -exponent
        return activation


class AbstractFloatModel(AbstractConnectionModel):
    """A connection in float64."""

    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    fixed = False


@implements(proc=Connection, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyConnectionFixed(AbstractFixedModel):
    """Spikes to integers; the matrix product has the fastest type in which it is exact."""


@implements(proc=Connection, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyConnectionFloat(AbstractFloatModel):
    """Spikes to real numbers."""


@implements(proc=GradedConnection, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyGradedConnectionFixed(AbstractFixedModel):
    """Payloads to integers; a float64 holds every sum of products that the design rules let through."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=32)

    def __init__(self, proc_params: Parameters) -> None:
        self.exact_product = np.int64 if issparse(proc_params["weights"]) else np.float64
        super().__init__(proc_params)

    def received(self) -> Values:
        received: Values = self.s_in.recv()
        return received


@implements(proc=GradedConnection, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyGradedConnectionFloat(AbstractFloatModel):
    """Numbers to real numbers."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)

    def received(self) -> Values:
        received: Values = self.s_in.recv()
        return received
