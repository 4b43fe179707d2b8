"""``ssdp-hw report``: a page about a network on a chip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ssdp_hw.cli import files
from ssdp_hw.cli.checking import check_loss
from ssdp_hw.cli.nir_options import NirOptions, with_nir_options
from ssdp_hw.cli.options import AsJson, ChipName, Decode, LabelFile, MaxLoss, NetworkFile, Steps, Targets
from ssdp_hw.cli.output import print_json, print_line


@with_nir_options
def report(
    *,
    network: NetworkFile,
    spikes: Annotated[
        Path | None, typer.Option("--spikes", help="samples, as for run; without them nothing is run")
    ] = None,
    labels: LabelFile = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="the .html file; its numbers go beside it as .json")] = Path(
        "report.html"
    ),
    fixed: Annotated[Path | None, typer.Option(help="the fixed network; default: quantise here")] = None,
    nir: NirOptions,
    chip: ChipName = None,
    calibration: Annotated[Path | None, typer.Option(help="typical spikes for quantising [those of --spikes]")] = None,
    weight_bits: Annotated[int | None, typer.Option(help="width of the weights")] = None,
    method: Annotated[str | None, typer.Option(help="as for quantize [max_abs]")] = None,
    target: Targets = None,
    ladder: Annotated[bool, typer.Option(help="take the loss apart, step by step")] = True,
    prove: Annotated[bool, typer.Option(help="ask which registers can overflow")] = True,
    sample: Annotated[int, typer.Option(help="the one whose spikes are drawn")] = 0,
    max_loss: MaxLoss = None,
    title: Annotated[str, typer.Option(help="of the page")] = "",
    decode: Decode = None,
    steps: Steps = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page about a network on a chip.

    It says what was found, proved, rounded and measured.
    """
    from ssdp_hw.reporting.report import report as write

    found = files.read_network(network, **nir)
    given = {"chip": chip, "weight_bits": weight_bits, "method": method}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if calibration is not None:
        options["calibration"] = files.read_spikes(calibration)
    samples = None if spikes is None else files.read_spikes(spikes)
    data = write(
        out,
        found,
        samples,
        files.labels_if_any(spikes, labels),
        None if fixed is None else files.as_fixed(files.read_network(fixed), fixed),
        targets=target,
        ladder=ladder,
        prove=prove,
        sample=sample,
        decode=decode,
        steps=steps,
        title=title,
        **options,
    )
    if as_json:
        print_json("report", data.to_dict())
    else:
        # It needs markupsafe; where that is missing, `report` above has said so.
        from ssdp_hw.reporting.finding import finding_text

        for sentence in finding_text(data):
            print_line(sentence)
        print_line(f"written to {out}")
    check_loss(_loss(data.agreement), max_loss)


def _loss(agreement: Mapping[str, Any] | None) -> float | None:
    """Points that fixed point costs; None where it was not measured."""
    runs = {} if agreement is None else agreement["runs"]
    if len(runs) < 2 or runs["fixed"]["accuracy"] is None:
        return None
    loss: float = 100 * (runs["float"]["accuracy"]["value"] - runs["fixed"]["accuracy"]["value"])
    return loss
