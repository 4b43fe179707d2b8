"""The command line: its commands, its entry point, and what every command has in common."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Annotated, NoReturn

import typer

from ssdp_hw.cli import exit_codes
from ssdp_hw.cli.analyses import compare, ladder
from ssdp_hw.cli.checking import check, verify
from ssdp_hw.cli.interruption import Stopped
from ssdp_hw.cli.networks import inspect, quantize, to_nir
from ssdp_hw.cli.output import errors, print_line
from ssdp_hw.cli.plotting import plot
from ssdp_hw.cli.reports import report
from ssdp_hw.cli.runs import learn, run
from ssdp_hw.cli.samples import encode
from ssdp_hw.cli.sweeps import sweep
from ssdp_hw.cli.time_limit import TimeIsUp, limited_command
from ssdp_hw.cli.tools import demo, microcode, targets, warm_up
from ssdp_hw.errors import SsdpHwError
from ssdp_hw.running.progress import no_progress

COMMANDS = (
    *(check, inspect, quantize, to_nir, encode, run, learn),
    *(compare, ladder, verify, report, plot, sweep, microcode, demo, targets, warm_up),
)
EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in exit_codes.MEANINGS.items()) + "."

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take the brackets of defaults and extras for markup
    help="Trained spiking networks in a neuromorphic chip's integers: run, quantise, learn, compare.",
    epilog=EPILOG,
)
for command in COMMANDS:
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        import ssdp_hw

        print_line(f"ssdp-hw {ssdp_hw.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback prints
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and end")
    ] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="say what is done; -vv says more", show_default=False)
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="no warnings and no progress, only results and errors")
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option(help="seconds after which the command ends, with exit code 5; what is finished is kept"),
    ] = None,
) -> None:
    if verbose:
        logging.basicConfig(format="%(name)s: %(message)s", stream=sys.stderr)
        logging.getLogger("ssdp_hw").setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
    if quiet:
        warnings.simplefilter("ignore")
    if quiet or "--json" in sys.argv:
        context.with_resource(no_progress())
    if time_limit is not None:
        context.with_resource(limited_command(time_limit))


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    errors.print(f"warning: {' '.join(str(message).split())}")


def _end(kind: str, message: str, code: int) -> NoReturn:
    """Tell an error in one line, or with ``--json`` as an object, and end."""
    text = " ".join(message.split())
    if "--json" in sys.argv:
        sys.stderr.write(json.dumps(exit_codes.error_record(kind, text, code)) + "\n")
    else:
        errors.print(f"error: {text}")
    sys.exit(code)


def main() -> None:
    """Entry point: errors of this package and of options end with an exit code and one line, not with a traceback."""
    warnings.showwarning = _show_warning
    warnings.filterwarnings("default", message="--", category=DeprecationWarning)  # old names of options
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    try:
        code = app(standalone_mode=False)
        if code == exit_codes.INTERRUPTED:  # so typer ends after Ctrl-C
            _end("KeyboardInterrupt", "interrupted", exit_codes.INTERRUPTED)
        sys.exit(code)
    except SsdpHwError as error:
        _end(type(error).__name__, str(error), exit_codes.exit_code(error))
    except TimeIsUp as over:
        _end("LimitError", str(over), exit_codes.LIMIT)
    except Stopped as stop:
        _end("KeyboardInterrupt", str(stop), exit_codes.INTERRUPTED)
    except (KeyboardInterrupt, typer.Abort):
        _end("KeyboardInterrupt", "interrupted", exit_codes.INTERRUPTED)
    except BrokenPipeError:  # the program that reads our output has ended, as `head` does
        sys.stdout = None  # so that Python does not try to flush the rest at its end
        sys.exit(exit_codes.FAILED)
    except Exception as error:
        # Errors of options are typer's, whose class has another place in every version.
        if not hasattr(error, "format_message"):
            raise
        where = getattr(getattr(error, "ctx", None), "command_path", "ssdp-hw")
        _end(type(error).__name__, f"{error.format_message()} (see: {where} --help)", exit_codes.BAD_INPUT)
