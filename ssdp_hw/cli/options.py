"""Options that several commands share, and what their ``name=value`` texts mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from ssdp_hw.chips import chip_names
from ssdp_hw.cli.user_objects import user_object
from ssdp_hw.deprecation import with_new_names
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.running.decoding import DECODERS
from ssdp_hw.running.target_registry import target_names


def _starting(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """A function that completes the beginning of a name for a shell."""
    return lambda incomplete: [name for name in names() if name.startswith(incomplete)]


NetworkFile = Annotated[Path, typer.Argument(help="a NIR file, or a network saved by ssdp-hw")]
SpikeFile = Annotated[Path, typer.Option("--spikes", help=".npy, or .npz with 'spikes' (time, batch, channels)")]
LabelFile = Annotated[Path | None, typer.Option("--labels", help="labels (batch,); default: in the spike file")]
Decode = Annotated[
    str | None,
    typer.Option(
        help="how outputs become a class: spike_count, first_spike, max_membrane, mean_membrane or last_membrane "
        "[spike_count, of a readout max_membrane]",
        autocompletion=_starting(lambda: DECODERS),
    ),
]
TargetName = Annotated[
    str | None,
    typer.Option(help="where to run, see: ssdp-hw targets [the fastest]", autocompletion=_starting(target_names)),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        help="may be repeated, to compare them; the first is the reference",
        autocompletion=_starting(target_names),
    ),
]
ChipName = Annotated[
    str | None,
    typer.Option(help="name of the chip, or path of its .toml file [loihi]", autocompletion=_starting(chip_names)),
]
MaxLoss = Annotated[
    float | None, typer.Option(help="points of accuracy that fixed point may cost; more ends with exit code 5")
]
Steps = Annotated[int | None, typer.Option(help="length of the run; default: the spikes' and the way to the output")]
Options = Annotated[list[str] | None, typer.Option("--option", "-o", help="option of the target: name=value")]
Method = Annotated[str, typer.Option(help="max_abs, percentile, mse or threshold_balance")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for machines")]


def name_values(pairs: list[str] | None) -> dict[str, JSON]:
    """``name=value`` pairs; values are read as JSON where they are JSON, else as text."""
    found: dict[str, JSON] = {}
    for pair in pairs or []:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise ParameterError(f"{pair}: expected name=value")
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            # Not JSON, an integer of thousands of digits, or brackets nested too deep: it is kept as text.
            found[name] = value
    return found


def rule_of(name: str, parameters: list[str] | None) -> Any:
    """A float rule with these ``name=value`` parameters.

    Args:
        name: ssdp, stdp, sadp; a declared rule's name; a formula; or ``file.py:RULE`` or ``module:RULE``, which is a
            float rule, or the model of a declared one.
        parameters: pairs.

    Raises:
        ParameterError: no such rule, or parameters that it has not.
    """
    from ssdp_hw.rules import SADP, SSDP, STDP, FloatRule, Rule, rule, rule_names

    kinds: dict[str, Any] = {"ssdp": SSDP, "stdp": STDP, "sadp": SADP}
    if name not in kinds:
        values: dict[str, Any] = name_values(parameters)
        if ":" in name:
            found = user_object(name, Path(), "--rule")
            if not isinstance(found, FloatRule):
                return rule(found, **values)
            if values:
                raise ParameterError(f"--set: '{name}' is a rule with its parameters; leave --set out")
            return found
        if name in rule_names():
            return rule(name, **values)
        if any(sign in name for sign in "*+-/( "):
            return Rule(name, **values)
        names = ", ".join([*kinds, *rule_names()])
        raise ParameterError(f"--rule {name}: choose {names}; a formula, as 'a*x1*y0 - b*x0*y1'; or file.py:RULE")
    known = {field.name for field in fields(kinds[name])} - {"gate"}
    given = with_new_names(kinds[name], name_values(parameters))
    for parameter in given:
        if parameter not in known:
            raise ParameterError(f"--set {parameter}: {name} has {', '.join(sorted(known))}")
    return kinds[name](**given)
