"""``ssdp-hw plot``: one picture of a network or of its run, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ssdp_hw.checks import Choice
from ssdp_hw.cli import files
from ssdp_hw.cli.nir_options import NirOptions, with_nir_options
from ssdp_hw.cli.options import AsJson, ChipName, Decode, NetworkFile, Steps, TargetName
from ssdp_hw.cli.output import print_json, print_line
from ssdp_hw.display import Axes, Drawn
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.decoding import decoding_rules
from ssdp_hw.running.drive import AnyNetwork, make_drive


class Picture(Choice):
    """What is drawn."""

    NETWORK = "network"
    WEIGHTS = "weights"
    RESOURCES = "resources"
    RUN = "run"
    RANGES = "ranges"


NEEDS_SPIKES = (Picture.RUN, Picture.RANGES)


@with_nir_options
def plot(
    *,
    network: NetworkFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="file for the picture (.png, .svg, .pdf)")],
    what: Annotated[
        str,
        typer.Option(help="network, weights, resources, run (spikes, float over fixed) or ranges (of registers)"),
    ] = "network",
    spikes: Annotated[Path | None, typer.Option("--spikes", help="samples, for run and ranges")] = None,
    nir: NirOptions,
    chip: ChipName = None,
    target: TargetName = None,
    sample: Annotated[int, typer.Option(help="run: the one whose spikes are drawn")] = 0,
    decode: Decode = None,
    steps: Steps = None,
    as_json: AsJson = False,
) -> None:
    """Draw a network, its weights or resources, or a run of it.

    What needs integers quantises a float network.
    """
    picture = Picture(what)
    source = files.read_network(network, **nir)
    samples: Any = None if spikes is None else files.read_spikes(spikes)
    if samples is None and picture in NEEDS_SPIKES:
        raise ParameterError(f"--what {picture}: a run is drawn: give --spikes")
    axes = _drawn(picture, source, samples, spikes, chip, target, sample, decode, steps)
    write_picture(axes, out)
    if as_json:
        titles = [title for ax in np.ravel(np.asarray(axes, object)) if (title := ax.get_title(loc="left"))]
        print_json("plot", {"written": str(out), "what": picture.value, "titles": titles})
    else:
        print_line(f"written to {out}")


def write_picture(axes: Drawn, out: Path) -> None:
    """Write the figure of these axes, whole or not at all; the name's ending chooses the format.

    Raises:
        ParameterError: a format that matplotlib does not write.
        FileFormatError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    one: Axes = next(iter(axes)) if isinstance(axes, np.ndarray) else axes
    figure = one.get_figure()
    assert isinstance(figure, Figure)  # pictures make no subfigures
    known = figure.canvas.get_supported_filetypes()
    if out.suffix.lower().lstrip(".") not in known:
        raise ParameterError(f"{out}: matplotlib writes no such file; it writes {', '.join(sorted(known))}")
    write_atomically(out, lambda partial: figure.savefig(partial, dpi=150))


def _drawn(
    picture: Picture,
    source: AnyNetwork,
    samples: Any,
    labelled: Path | None,
    chip: str | None,
    target: str | None,
    sample: int,
    decode: str | None,
    steps: int | None,
) -> Drawn:
    """The axes of the picture."""
    from ssdp_hw.analysis.resources import resources
    from ssdp_hw.quantization import quantize
    from ssdp_hw.running.run import run

    if picture is Picture.NETWORK:
        return source.plot()
    fixed = source
    if not isinstance(fixed, FixedNetwork):
        fixed = quantize(fixed, "loihi" if chip is None else chip, samples)
    if picture is Picture.WEIGHTS:
        return fixed.plot_weights(None if isinstance(source, FixedNetwork) else source)
    if picture is Picture.RESOURCES:
        return resources(fixed).plot()
    length = make_drive(fixed, samples).steps + fixed.latency if steps is None else steps
    states = ("spikes", "u", "v") if picture is Picture.RANGES else ("spikes", "v")
    options: dict[str, Any] = dict(record=states, steps=length, on_overflow="ignore")
    result = run(fixed, samples, target, **options)
    if picture is Picture.RANGES:
        return fixed.plot_ranges(result)
    decoding_rules(decode, fixed)
    against = None if isinstance(source, FixedNetwork) else run(source, samples, target, **options)
    labels = files.labels_if_any(labelled, None)
    if labels is not None:
        labels = files.checked_labels(labels, fixed, result.batch, length)
    label = int(labels[sample]) if labels is not None and 0 <= sample < len(labels) else None
    return result.plot(sample=sample, label=label, against=against, decode=decode)
