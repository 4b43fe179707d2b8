"""The options that say what a NIR file leaves open: the same for every command that reads a network."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Annotated, Any

import typer

Dt = Annotated[float | None, typer.Option(help="length of a step in seconds (NIR does not state it)")]
ResetRule = Annotated[str | None, typer.Option("--reset", help="zero or subtract [NIR: zero]")]
Threshold = Annotated[str | None, typer.Option(help="'>' or '>=' [NIR: >]")]
Discretization = Annotated[str | None, typer.Option(help="euler or exponential [NIR: euler]")]
UpdateOrder = Annotated[str | None, typer.Option(help="current_first or voltage_first [NIR: current_first]")]
PresetName = Annotated[str | None, typer.Option("--preset", help="framework to reproduce, with its dt: snntorch ...")]

_OPTIONS = {
    "dt": Dt,
    "reset": ResetRule,
    "threshold": Threshold,
    "discretization": Discretization,
    "update_order": UpdateOrder,
    "preset": PresetName,
}
NirOptions = dict[str, Any]


def with_nir_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer is to see it: in place of its parameter ``nir`` these options, one by one.

    The command, which is called by keywords, gets those that were given as ``nir``: arguments of
    :func:`ssdp_hw.from_nir`.
    """
    own = inspect.signature(command, eval_str=True)
    options = [Parameter(n, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for n, kind in _OPTIONS.items()]
    seen = []
    for p in own.parameters.values():
        seen += options if p.name == "nir" else [p.replace(kind=Parameter.KEYWORD_ONLY)]

    @functools.wraps(command)
    def shown(**given: Any) -> None:
        nir = {name: given.pop(name) for name in _OPTIONS}
        command(**given, nir={name: value for name, value in nir.items() if value is not None})

    vars(shown)["__signature__"] = own.replace(parameters=seen)
    shown.__annotations__ = {p.name: p.annotation for p in seen}
    return shown
