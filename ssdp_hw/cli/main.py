"""The command line: its commands and its entry point. Bad input ends with exit code 2 and one line that says why."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

from ssdp_hw.cli.analyses import compare, ladder
from ssdp_hw.cli.networks import inspect, quantize, to_nir
from ssdp_hw.cli.output import errors
from ssdp_hw.cli.reports import report
from ssdp_hw.cli.runs import learn, run
from ssdp_hw.cli.tools import demo, microcode, targets
from ssdp_hw.errors import SsdpHwError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Trained spiking networks in a neuromorphic chip's integers: run, quantise, learn, compare.",
)
for command in (inspect, quantize, to_nir, run, learn, compare, ladder, report, microcode, demo, targets):
    app.command()(command)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    errors.print(f"warning: {message}", markup=False, soft_wrap=True)


def main() -> None:
    """Entry point: our own errors become exit code 2 and one line."""
    warnings.showwarning = _show_warning
    warnings.filterwarnings("default", message="--", category=DeprecationWarning)  # old names of options
    try:
        app()
    except SsdpHwError as error:
        errors.print(f"error: {' '.join(str(error).split())}", markup=False, soft_wrap=True)
        sys.exit(2)
