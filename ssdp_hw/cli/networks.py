"""Commands about a network at rest: what it consists of, and its form in integers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssdp_hw.cli import files
from ssdp_hw.cli.nir_options import NirOptions, with_nir_options
from ssdp_hw.cli.options import AsJson, ChipName, Method, NetworkFile
from ssdp_hw.cli.output import print_json, print_line


@with_nir_options
def inspect(
    *,
    network: NetworkFile,
    nir: NirOptions,
    as_json: AsJson = False,
) -> None:
    """Say what a network consists of and what had to be assumed."""
    from ssdp_hw.analysis.resources import resources
    from ssdp_hw.network.fixed_network import FixedNetwork
    from ssdp_hw.running.run import semantics_of

    found = files.read_network(network, **nir)
    report = getattr(found, "report", None)
    used = resources(found) if isinstance(found, FixedNetwork) else None
    if as_json:
        print_json(
            "inspect",
            {
                "kind": type(found).__name__,
                "summary": found.summary(),
                "latency": found.latency,
                "semantics": semantics_of(found),
                "notes": list(found.notes),
                "quantization": report.to_dict() if report is not None else None,
                "resources": used.to_dict() if used is not None else None,
            },
        )
        return
    notes = [f"note: {note}" for note in found.notes]
    for line in [*found.summary(), *notes, *(used.lines() if used is not None else [])]:
        print_line(line)
    if report is not None:
        print_line("\n".join(report.lines()))


@with_nir_options
def quantize(
    *,
    network: NetworkFile,
    out: Annotated[Path, typer.Option("--out", help="file for the fixed network")],
    nir: NirOptions,
    chip: ChipName = None,
    calibration: Annotated[Path | None, typer.Option(help="typical spikes, as for run --spikes")] = None,
    weight_bits: Annotated[int | None, typer.Option(help="width of the weights")] = None,
    method: Method = "max_abs",
    granularity: Annotated[str, typer.Option(help="projection or channel: what has a scale of its own")] = "projection",
    sign_mode: Annotated[str, typer.Option(help="mixed, excitatory, inhibitory or auto")] = "mixed",
    split: Annotated[int, typer.Option(help="synapses that each weight is split over")] = 1,
    headroom: Annotated[
        float, typer.Option(help="safety factor on calibrated peaks; below 1 v may saturate, for a finer scale")
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Round a float network to a chip's integers; say what it loses."""
    from ssdp_hw.files.container import check_no_nir
    from ssdp_hw.network.network_file import save
    from ssdp_hw.quantization import quantize as convert

    check_no_nir(out)
    found = files.as_float(files.read_network(network, **nir), network)
    spikes = files.read_spikes(calibration) if calibration is not None else None
    fixed = convert(
        found,
        "loihi" if chip is None else chip,
        spikes,
        weight_bits=weight_bits,
        sign_mode=sign_mode,
        method=method,
        granularity=granularity,
        split=split,
        headroom=headroom,
    )
    save(fixed, out)
    if as_json:
        print_json("quantize", {} if fixed.report is None else fixed.report.to_dict())
    else:
        print_line("\n".join(fixed.report.lines() if fixed.report is not None else []))
        print_line(f"written to {out}")


@with_nir_options
def to_nir(
    *,
    network: NetworkFile,
    out: Annotated[Path, typer.Option("--out", help=".nir file to write")],
    nir: NirOptions,
    as_json: AsJson = False,
) -> None:
    """Write a network to a NIR file.

    Of a fixed network, other tools read the float network that it means.
    """
    from ssdp_hw.conversion.nir.writer import write_nir

    found = files.read_network(network, **nir)
    write_nir(found, out)
    if as_json:
        print_json("to-nir", {"written": str(out), "summary": found.summary(), "notes": list(found.notes)})
    else:
        print_line(f"written to {out}")
