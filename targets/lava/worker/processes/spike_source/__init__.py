"""The Lava Process that sends recorded spikes."""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray


class SpikeSource(AbstractProcess):
    """Sends one row of recorded spikes in each step, and no spikes after the last row.

    The rows are proc_params, which the model's OS process inherits; Lava would send a Var element by
    element.

    Args:
        shape: shape of the port ``s_out``.
        packed: spikes of each step, a row packed by ``numpy.packbits``; uint8, shape (steps, bytes).
    """

    def __init__(self, *, shape: tuple[int, ...], packed: NDArray[np.uint8], **kwargs: object) -> None:
        super().__init__(shape=tuple(shape), packed=packed, **kwargs)
        self.s_out = OutPort(shape=tuple(shape))


@implements(proc=SpikeSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt")
class PySpikeSource(PyLoihiProcessModel):
    """Unpacks and sends the row of the current step."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool, precision=1)

    def run_spk(self) -> None:
        shape, packed = self.proc_params["shape"], self.proc_params["packed"]
        step = self.time_step - 1
        spikes = np.zeros(shape, bool)
        if step < len(packed):
            spikes = np.unpackbits(packed[step], count=spikes.size).astype(bool).reshape(shape)
        self.s_out.send(spikes)
