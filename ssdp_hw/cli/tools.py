"""Commands that take no network: microcode, the demo and the list of targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssdp_hw.cli.options import AsJson, TargetName, rule_of
from ssdp_hw.cli.output import print_json, print_line, print_table
from ssdp_hw.cli.plotting import write_picture

if TYPE_CHECKING:
    from ssdp_hw.running.target_registry import TargetInfo


def microcode(
    scale: Annotated[float, typer.Option(help="weight LSBs of a float weight of 1")],
    window: Annotated[int | None, typer.Option(help="steps of a window; a formula needs it for u0 only")] = None,
    rule: Annotated[str, typer.Option(help="ssdp, or a formula as 'a*x1*y0 - b*x0*y1'; no other has a form")] = "ssdp",
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="parameter of the rule, as a_plus=1e-3; may be repeated")
    ] = None,
    exponentials: Annotated[
        int | None, typer.Option(help="SSDP: traces a side for the learning window, 0 to 2 (the default)")
    ] = None,
    epoch: Annotated[
        str | None, typer.Option(help="SSDP: update at the end of a window (the default), or in every step")
    ] = None,
    one_silent: Annotated[str | None, typer.Option(help="SSDP: timed, flat or skip")] = None,
    plot: Annotated[Path | None, typer.Option(help="file for a plot (.png, .svg, .pdf)")] = None,
    as_json: AsJson = False,
) -> None:
    """Compile a rule for Loihi's learning engine: SSDP or a formula.

    It says what had to be replaced to write the rule as a sum of products.
    """
    from ssdp_hw.microcode import compile_microcode

    code = compile_microcode(
        rule_of(rule, parameter),
        window=window,
        scale=scale,
        exponentials=exponentials,
        epoch=epoch,
        one_silent=one_silent,
    )
    if plot is not None:
        write_picture(code.plot(), plot)
    if as_json:
        print_json("microcode", code.to_dict())
    else:
        print_line(str(code))


def demo(
    out: Annotated[Path, typer.Option("--out", help="directory for the report")] = Path("demo-report"),
    as_json: AsJson = False,
) -> None:
    """Run the main job on real data, end to end, and report it."""
    from ssdp_hw.demo import run_demo
    from ssdp_hw.reporting import write_demo_report

    result = run_demo(None if as_json else print_line)
    path = write_demo_report(result, out)
    if as_json:
        print_json("demo", result.to_dict())
        return
    print_table(result.comparison.header, result.comparison.cells())
    print_table(
        ("drift", "rule", "before", "after", "windows", "weights moved"),
        [
            (str(r.drift_seed), r.rule, r.before.percent(), r.after.percent(), str(r.windows), f"{r.changed:.1%}")
            for r in result.learning
        ],
    )
    print_line(f"report: {path}")


def targets(
    tried: Annotated[bool, typer.Option("--try/--no-try", help="run a network of one neuron on each")] = True,
    as_json: AsJson = False,
) -> None:
    """List the targets, and how to install those that are missing."""
    from ssdp_hw.running.target_registry import list_targets

    found = list_targets(tried=tried)
    if as_json:
        print_json("targets", {"targets": [vars(t) for t in found]})
        return
    print_table(
        ("target", "what", "state", "options"),
        [(t.name, t.title, _state(t), ", ".join(t.options)) for t in found],
    )


def _state(target: TargetInfo) -> str:
    """The version of a target, what is missing to run it, or why it fails."""
    if not target.installed:
        return f"missing: {target.install}"
    return f"{target.version}; DOES NOT RUN: {target.failure}" if target.failure else target.version


def warm_up(
    target: TargetName = None,
    as_json: AsJson = False,
) -> None:
    """Compile what a target compiles on first use.

    The next run then starts at once.
    """
    from ssdp_hw.learning.first_use import compile_target

    found = compile_target(target)
    if as_json:
        print_json("warm-up", found)
        return
    for name, seconds in found["seconds"].items():
        print_line(f"{found['target']}: {name} in {seconds:.1f} s")
