"""The Lava Process that sends the synaptic input of analog inputs."""

from __future__ import annotations

from typing import Any

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

from ...synapses import Values


class AnalogSource(AbstractProcess):
    """Sends one frame in each step, and zeros after the last.

    Args:
        shape: shape of the port ``a_out``.
        frames: shape (frame, *shape).
        of_step: for each step the number of its frame.
    """

    def __init__(self, *, shape: tuple[int, ...], frames: Values, of_step: NDArray[np.int64], **kwargs: Any) -> None:
        super().__init__(shape=tuple(shape), frames=frames, of_step=of_step, **kwargs)
        self.a_out = OutPort(shape=tuple(shape))


class _Sender(PyLoihiProcessModel):
    """Sends the frame of the current step."""

    a_out: Any
    kind: Any

    def run_spk(self) -> None:
        frames, of_step, step = self.proc_params["frames"], self.proc_params["of_step"], self.time_step - 1
        values = np.zeros(self.proc_params["shape"], self.kind)
        if step < len(of_step):
            values = frames[of_step[step]].astype(self.kind)
        self.a_out.send(values)


@implements(proc=AnalogSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyAnalogSourceFixed(_Sender):
    """Sends integers."""

    kind = np.int64
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)


@implements(proc=AnalogSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyAnalogSourceFloat(_Sender):
    """Sends real values."""

    kind = np.float64
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
