"""``ssdp-hw compare`` and ``ssdp-hw ladder``: float against fixed on several targets, and where the loss comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ssdp_hw.cli import files
from ssdp_hw.cli.checking import check_loss
from ssdp_hw.cli.interruption import raise_if_stopped, whole_or_part
from ssdp_hw.cli.nir_options import NirOptions, with_nir_options
from ssdp_hw.cli.options import AsJson, ChipName, Decode, LabelFile, MaxLoss, SpikeFile, Steps, Targets
from ssdp_hw.cli.output import print_json, print_line, print_table
from ssdp_hw.cli.plotting import write_picture


@with_nir_options
def compare(
    *,
    network: Annotated[Path, typer.Argument(help="the float network: NIR or saved")],
    fixed: Annotated[Path, typer.Argument(help="the fixed network: ssdp-hw quantize wrote it")],
    spikes: SpikeFile,
    labels: LabelFile = None,
    nir: NirOptions,
    target: Targets = None,
    max_loss: MaxLoss = None,
    decode: Decode = None,
    steps: Steps = None,
    as_json: AsJson = False,
) -> None:
    """Run float and fixed on several targets, side by side."""
    from ssdp_hw.analysis.comparison import compare as run_both

    found = files.as_float(files.read_network(network, **nir), network)
    other = files.as_fixed(files.read_network(fixed), fixed)
    table, stop = whole_or_part(
        run_both,
        found,
        other,
        files.read_spikes(spikes),
        files.read_labels(spikes, labels),
        target,
        decode=decode,
        steps=steps,
    )
    if as_json:
        print_json("compare", table.to_dict())
    else:
        print_table(table.header, table.cells())
        print_line(f"fixed point costs {table.loss:.2f} points on {table.reference}")
    raise_if_stopped(stop, "what is printed is of these")
    check_loss(table.loss, max_loss)


@with_nir_options
def ladder(
    *,
    network: Annotated[Path, typer.Argument(help="the float network: NIR or saved")],
    spikes: SpikeFile,
    labels: LabelFile = None,
    fixed: Annotated[Path | None, typer.Option(help="the fixed network; default: quantise here")] = None,
    source: Annotated[Path | None, typer.Option(help=".npy of the source framework's predictions (batch,)")] = None,
    nir: NirOptions,
    chip: ChipName = None,
    calibration: Annotated[Path | None, typer.Option(help="typical spikes, as for --spikes")] = None,
    weight_bits: Annotated[int | None, typer.Option(help="width of the weights")] = None,
    method: Annotated[str | None, typer.Option(help="as for quantize [max_abs]")] = None,
    target: Annotated[str | None, typer.Option(help="one that runs registers of any width [the fastest]")] = None,
    max_loss: MaxLoss = None,
    alone: Annotated[bool, typer.Option(help="take each step alone, too")] = True,
    by_layer: Annotated[
        bool | None, typer.Option(help="round one layer at a time, too, and all but one [for 2 to 16 layers]")
    ] = None,
    decode: Decode = None,
    steps: Steps = None,
    plot: Annotated[Path | None, typer.Option(help="file for a plot (.png, .svg, .pdf)")] = None,
    as_json: AsJson = False,
) -> None:
    """Take the loss from float to the chip apart, step by step."""
    from ssdp_hw.analysis.ladder import loss_ladder

    found = files.as_float(files.read_network(network, **nir), network)
    given = {"chip": chip, "weight_bits": weight_bits, "method": method}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if calibration is not None:
        options["calibration"] = files.read_spikes(calibration)
    result, stop = whole_or_part(
        loss_ladder,
        found,
        files.read_spikes(spikes),
        files.read_labels(spikes, labels),
        None if fixed is None else files.as_fixed(files.read_network(fixed), fixed),
        source=None if source is None else files.read_predictions(source),
        target=target,
        alone=alone,
        by_layer=by_layer,
        decode=decode,
        steps=steps,
        **options,
    )
    if plot is not None:
        write_picture(result.plot(), plot)
    if as_json:
        print_json("ladder", result.to_dict())
    else:
        print_table(result.header, result.cells())
        if result.alone:
            print_table(("step alone", *result.header[1:]), result.cells(alone=True))
        if result.by_layer:
            print_table(result.layer_header, result.layer_cells())
        print_line(f"fixed point costs {result.loss:.2f} points")
    raise_if_stopped(stop, "what is printed is of these")
    check_loss(result.loss, max_loss)
