"""Ports by which neurons show their states to the projections whose learning rules read them.

Which states are shown the Process alone knows, while Lava wants every port in the class of the ProcessModel: the
functions here make such a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess

# The tag of ProcessModels that compute in integers.
_FIXED = "fixed_pt"


def shown_port(variable: str) -> str:
    """The port at which a variable is sent."""
    return f"shown_{variable}"


def read_port(name: str) -> str:
    """The port of a projection at which a state arrives, by its name in the rule, such as ``post_v``."""
    return f"read_{name}"


def add_ports(process: AbstractProcess, shown: Sequence[str], shape: Sequence[int]) -> None:
    """Give a Process of neurons a port for each variable that it shows."""
    for variable in shown:
        setattr(process, shown_port(variable), OutPort(shape=tuple(shape)))


def _number(tag: str) -> type[np.int64] | type[np.float64]:
    return np.int64 if tag == _FIXED else np.float64


def showing(model: type[PyLoihiProcessModel], shown: Sequence[str], tag: str) -> type[PyLoihiProcessModel]:
    """A ProcessModel that runs ``model`` and sends these variables at the end of each step."""

    class Showing(model):
        def run_spk(self) -> None:
            super().run_spk()
            for variable in shown:
                getattr(self, shown_port(variable)).send(np.asarray(getattr(self, variable)))

    ports = {shown_port(v): LavaPyType(PyOutPort.VEC_DENSE, _number(tag)) for v in shown}
    return type(model.__name__, (Showing,), ports)


def reading(model: type[PyLoihiProcessModel], reads: Sequence[Sequence[Any]], tag: str) -> type[PyLoihiProcessModel]:
    """The ProcessModel of a projection with a port for each state that its rule reads."""
    ports = {read_port(name): LavaPyType(PyInPort.VEC_DENSE, _number(tag)) for name, *_ in reads}
    return type(model.__name__, (model,), ports)
