"""Options that several commands share: what a NIR file leaves open, and an option's old name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Annotated, Any

import typer

from ssdp_hw.deprecation import warn_renamed


def _presets(incomplete: str) -> list[str]:
    from ssdp_hw.conversion.nir.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


Dt = Annotated[float | None, typer.Option(help="length of a step in seconds (NIR does not state it)")]
ResetRule = Annotated[str | None, typer.Option("--reset", help="zero or subtract [NIR: zero]")]
Threshold = Annotated[str | None, typer.Option(help="'>' or '>=' [NIR: >]")]
Discretization = Annotated[str | None, typer.Option(help="euler or exponential [NIR: euler]")]
UpdateOrder = Annotated[str | None, typer.Option(help="current_first or voltage_first [NIR: current_first]")]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="framework to reproduce, with its dt: snntorch, norse, lava-dl, sinabs, spikingjelly, spyx or rockpool",
        autocompletion=_presets,
    ),
]

TauUnitName = Annotated[
    str | None, typer.Option("--tau-unit", help="seconds, steps or seconds_times_dt (Norse's export) [seconds]")
]
TimingName = Annotated[str | None, typer.Option("--timing", help="projections, same_step or layer_steps [projections]")]
InputShape = Annotated[
    str | None, typer.Option("--input-shape", help="2,34,34: of a .net file that begins with a convolution")
]

_OPTIONS = {
    "dt": Dt,
    "reset": ResetRule,
    "threshold": Threshold,
    "discretization": Discretization,
    "update_order": UpdateOrder,
    "preset": PresetName,
    "tau_unit": TauUnitName,
    "timing": TimingName,
    "input_shape": InputShape,
}
NAMES = tuple(_OPTIONS)
NirOptions = dict[str, Any]
# The name that --decode had in 0.1.0.
OldDecode = Annotated[str | None, typer.Option("--readout", hidden=True)]


def with_nir_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command: typer sees the options of NIR files one by one in place of its parameter ``nir``.

    The command, which is called by keywords, gets those that were given as ``nir``: arguments of
    :func:`ssdp_hw.from_nir`. If it has ``--decode``, it accepts that option's old name ``--readout``, too.
    """
    own = inspect.signature(command, eval_str=True)
    options = [Parameter(n, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for n, kind in _OPTIONS.items()]
    seen = []
    for p in own.parameters.values():
        seen += options if p.name == "nir" else [p.replace(kind=Parameter.KEYWORD_ONLY)]
    if "decode" in own.parameters:
        seen.append(Parameter("readout", Parameter.KEYWORD_ONLY, default=None, annotation=OldDecode))

    @functools.wraps(command)
    def shown(**given: Any) -> None:
        nir = {name: given.pop(name) for name in _OPTIONS}
        old = given.pop("readout", None)
        if old is not None:
            warn_renamed("--readout", "--decode")
            given["decode"] = old
        command(**given, nir={name: value for name, value in nir.items() if value is not None})

    vars(shown)["__signature__"] = own.replace(parameters=seen)
    shown.__annotations__ = {p.name: p.annotation for p in seen}
    return shown
