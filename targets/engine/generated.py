"""The step of a declared neuron model as a compiled function: printed as Python for Numba, kept on disk.

The text lies in the user's own cache folder, one file for each text, named by the model and a hash; Numba keeps the
compiled code beside it. A file whose text is not what would be printed is written anew before it is run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np

from ssdp_hw.errors import TargetRunError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.models.base import ARRIVING, BIAS
from ssdp_hw.models.form import StepForm, StepGraph
from ssdp_hw.models.printing import PrintedStep, Printer
from ssdp_hw.operations.node import Node

from .jit import ANY_LENGTH, STEP_ARGUMENTS
from .segments import LANES
from .types import IntegerType, RealType

CACHE_VARIABLE = "SSDP_HW_CACHE"


class NumbaPrinter(Printer):
    """Prints integers of one width, in which the intervals of the step fit, or floats.

    Numba widens every integer operation to 64 bits; the conversion around each lets LLVM narrow it again.
    """

    templates: ClassVar[Mapping[str, str]] = {
        **Printer.templates,
        "shift_left": "shift_left({0}, number({bits}))",
        "shift_right": "shift_right({0}, number({bits}))",
        "shift_left_by": "shift_left({0}, {1})",
        "shift_right_by": "shift_right({0}, {1})",
        "minimum": "lesser({0}, {1})",
        "maximum": "greater({0}, {1})",
        "select": "{1} if {0} else {2}",
    }

    def __init__(self) -> None:
        self.tables: list[tuple[int, ...]] = []

    def leaf(self, name: str) -> str:
        return f"of_{name}"

    def constant(self, value: int | float) -> str:
        return f"number({value!r})"

    def lookup(self, table: tuple[int, ...], index: str) -> str:
        if table not in self.tables:
            self.tables.append(table)
        return f"table_{self.tables.index(table)}[index({index})]"

    def assign(self, name: str, expression: str, node: Node) -> str:
        return f"{name} = {expression}" if node.condition else f"{name} = number({expression})"


def step_address(form: StepForm, state: IntegerType | RealType) -> int:
    """The address of the compiled step of a model whose state arrays have that type; see :func:`.jit.call_step`.

    Raises:
        ParameterError: the model's step is none; see :meth:`ssdp_hw.models.form.StepForm.graph`.
        TargetRunError: the printed file cannot be loaded as a Python module.
    """
    address: int = cached_module(_text(form, np.dtype(state).name), f"step_{form.model.name}").step.address
    return address


def state_slots(names: tuple[str, ...]) -> dict[str, int]:
    """The place of every state: 0 and 1 for u and v, from 2 on for those of other names."""
    others = [name for name in names if name not in ("u", "v")]
    own = {name: k for k, name in enumerate(("u", "v")) if name in names}
    return {**own, **{name: 2 + k for k, name in enumerate(others)}}


def narrowest(form: StepForm) -> StepGraph:
    """The step on 32 bits where its intervals allow that, else on 64."""
    graph = form.graph(word=32)
    return graph if graph.bits <= 32 else form.graph(word=64)


@lru_cache(maxsize=256)
def _text(form: StepForm, state: str) -> str:
    """The module that has the step: one loop over steps, blocks of LANES neurons and lanes."""
    real = state.startswith("float")
    graph = form.graph(ideal=True) if real else narrowest(form)
    number = state if real else ("int32" if graph.bits <= 32 else "int64")
    printer = NumbaPrinter()
    printed = printer.print(graph)
    shift = 0 if real else form.chip.activation_shift
    slots = state_slots(tuple(s.name for s in form.model.states))
    tables = "".join(f"table_{k} = np.array({list(t)!r}, np.int64)\n" for k, t in enumerate(printer.tables))
    randoms = "from ssdp_hw.targets.engine.random_loops import neuron_random\n" if form.model.stochastic else ""
    arguments = ", ".join(STEP_ARGUMENTS)
    pointers = {
        "integer": "types.int64",
        "state": f"types.CPointer(types.{state})",
        "byte": "types.CPointer(types.uint8)",
        "count": "types.CPointer(types.int32)",
    }
    signature = ", ".join(pointers[kind] for kind in STEP_ARGUMENTS.values())
    passed = ", ".join(
        name if kind == "integer" else f"nb.carray({name}, ({ANY_LENGTH},))" for name, kind in STEP_ARGUMENTS.items()
    )
    body = "\n".join(f"                {line}" for line in _body(form, printed, slots, shift))
    return f'''"""One step of the neuron model {form.model.name}, printed by ssdp_hw.targets.engine.generated.

{_described(form)} Changes of this file are lost.
"""

import numba as nb
import numpy as np
from numba.core import types

from ssdp_hw.targets.engine.jit import compiled_loop, greater, lesser, shift_left, shift_right
{randoms}
number, state, index = np.{number}, np.{state}, np.uint64
{tables}

@compiled_loop
def advance({arguments}):
    for _ in range(steps):
        for block in range(start // {LANES}, stop // {LANES}):
            first = index(block * {LANES})
            for lane in range({LANES}):
                i = index(lane)
                j = first + i
{body}
        slot += stride
        offset += stride


@nb.cfunc(types.void({signature}), cache=True)
def step({arguments}):
    advance({passed})
'''


def _described(form: StepForm) -> str:
    reset = "subtracts the threshold" if form.subtract else "sets the voltage to 0"
    fires = (
        f"fires {'at' if form.at_least else 'above'} the threshold, a spike {reset}" if form.spiking else "no spikes"
    )
    chip = re.sub("[^A-Za-z0-9 _.-]", "?", form.chip.name)  # the name comes from a file
    return f"Chip {chip}; {fires}."


def _body(form: StepForm, printed: PrintedStep, slots: dict[str, int], shift: int) -> list[str]:
    """The lines of one neuron's step."""

    def place(slot: int) -> str:
        return ("u[j]", "v[j]")[slot] if slot < 2 else f"extra[index({slot - 2} * n) + j]"

    def arrived(at: str) -> str:
        found = f"number(ring[index(slot) + {at}])"
        return f"shift_left({found}, number({shift}))" if shift else found

    lines = [f"of_{ARRIVING} = {arrived('j')}"]
    lines += [f"of_{name} = number({place(slot)})" for name, slot in slots.items()]
    # Row 0 of the parameters says what a neuron is: 3 may fire, 2 belongs to a readout, 0 is padding. Overflows of
    # padding do not count: a model may leave its registers without any input.
    names = form.model.acting_names
    lines += [f"of_{name} = number(parameters[index({k + 1} * n) + j])" for k, name in enumerate(names)]
    # What arrives at a port is where a neuron of the port's own has it; the last rows say how much further that is.
    for k, port in enumerate(form.ports, len(names) + 1):
        lines.append(f"of_{port} = {arrived(f'j + index(parameters[index({k} * n) + j])')}")
    lines.append(f"of_{BIAS} = number(bias[index(biased) + j])")
    lines += printed.lines
    lines += [
        f"lanes[index(counted + {k * LANES}) + i] += np.int32({condition}) & (np.int32(parameters[j]) >> 1)"
        for k, condition in enumerate(printed.counts.values())
    ]
    lines += [f"{place(slot)} = state({printed.states[name]})" for name, slot in slots.items()]
    lines.append("ring[index(slot) + j] = state(0)")
    lines.append(f"fired[index(offset) + j] = np.uint8({printed.fired}) & np.uint8(parameters[j])")
    return lines


def cache_folder() -> Path:
    """The folder of generated code: ``SSDP_HW_CACHE``, else ``ssdp-hw`` in the user's cache folder.

    Where it cannot be written, or is not the user's own, a folder of this process that is deleted at its end.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen) if chosen else base / "ssdp-hw"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mine = folder.stat()
        if mine.st_uid == os.getuid() and not mine.st_mode & 0o022 and os.access(folder, os.W_OK | os.X_OK):
            return folder
    except OSError:
        pass
    return Path(_temporary_folder().name)


@lru_cache(maxsize=1)
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ssdp-hw-")


@lru_cache(maxsize=256)
def cached_module(text: str, name: str) -> ModuleType:
    """The module of that text, from the cache folder; ``name`` begins the name of its file."""
    # The compiled code holds functions of ours, so that it must not outlive them.
    sources = ("jit.py", "vectors.py", "random_loops.py")
    ours = "".join(Path(__file__).with_name(source).read_text(encoding="utf-8") for source in sources)
    digest = hashlib.sha256(f"{text}{ours}{np.__version__}{sys.version}".encode()).hexdigest()[:16]
    name = f"{re.sub('[^A-Za-z0-9]', '_', name)[:48]}_{digest}"
    file = cache_folder() / f"{name}.py"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_atomically(file, lambda partial: partial.write_text(text, encoding="utf-8"))
    spec = importlib.util.spec_from_file_location(f"ssdp_hw_generated_{name}", file)
    if spec is None or spec.loader is None:
        raise TargetRunError(f"engine: {file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # Numba looks there for the module of a function, also when it loads code
    spec.loader.exec_module(module)
    return module
