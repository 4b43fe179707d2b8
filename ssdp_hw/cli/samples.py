"""``ssdp-hw encode``: from real values to spikes in a file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ssdp_hw.arrays import Array
from ssdp_hw.cli.options import AsJson
from ssdp_hw.cli.output import print_json, print_line
from ssdp_hw.errors import FileFormatError, ParameterError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.files.failure_keeper import kept_failure
from ssdp_hw.files.numpy_arrays import read_arrays


def encode(
    values: Annotated[Path, typer.Argument(help=".npy, or .npz with 'values' (batch, channels) and perhaps 'labels'")],
    out: Annotated[Path, typer.Option("--out", help=".npz with 'spikes' (and 'labels'), or .npy of the spikes")],
    steps: Annotated[int, typer.Option(help="steps of a sample")],
    encoder: Annotated[str, typer.Option(help="rate or latency")] = "rate",
    seed: Annotated[int | None, typer.Option(help="of the random spikes of 'rate'")] = None,
    as_json: AsJson = False,
) -> None:
    """Turn values between 0 and 1 into spikes for the other commands."""
    from ssdp_hw.running.encoding import encode_steps

    if out.suffix not in (".npy", ".npz"):
        raise ParameterError(f"--out {out}: the name of the file ends with .npz or .npy")
    arrays = read_arrays(values)
    name = "spikes" if values.suffix == ".npy" else "values"
    if name not in arrays:
        raise FileFormatError(f"{values}: holds {sorted(arrays)}; expected an array 'values' (batch, channels)")
    given = arrays[name].reshape(len(arrays[name]), -1) if arrays[name].ndim > 2 else arrays[name]
    fired = _Counting(encode_steps(given, encoder, steps=steps, seed=seed))
    shape = (steps, *given.shape)
    labels = arrays.get("labels")
    if labels is not None and labels.shape != given.shape[:1]:
        raise FileFormatError(f"{values}: labels of shape {labels.shape} beside values of shape {given.shape}")
    write_atomically(out, lambda partial: _write(partial, shape, fired, labels))
    rate = fired.spikes / float(np.prod(shape)) if np.prod(shape) else 0.0
    if as_json:
        found = {"out": str(out), "shape": list(shape), "spikes": fired.spikes, "spike_rate": rate, "seed": seed}
        print_json("encode", {**found, "encoder": encoder, "labels": labels is not None})
        return
    print_line(f"{shape[1]} samples of {steps} steps and {shape[2]} channels: {rate:.4f} spikes per channel and step")
    print_line(f"written to {out}")


class _Counting:
    """An iterator that hands on steps and counts their spikes."""

    def __init__(self, steps: Iterator[NDArray[np.bool_]]) -> None:
        self._steps, self.spikes = steps, 0

    def __iter__(self) -> Iterator[NDArray[np.bool_]]:
        for step in self._steps:
            self.spikes += int(np.count_nonzero(step))
            yield step


def _write(path: Path, shape: tuple[int, ...], steps: _Counting, labels: Array | None) -> None:
    """Write spikes to a .npy or .npz file step by step, without an array of all steps in memory."""
    format_of: Any = np.lib.format  # NumPy declares no types for this module
    header = {"descr": "|b1", "fortran_order": False, "shape": shape}
    if path.suffix == ".npy":
        with path.open("wb") as file:
            format_of.write_array_header_1_0(file, header)
            for step in steps:
                file.write(np.ascontiguousarray(step).tobytes())
        return
    with kept_failure(path) as kept, zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("spikes.npy", "w", force_zip64=True) as member:
            format_of.write_array_header_1_0(member, header)
            for step in steps:
                member.write(np.ascontiguousarray(step).tobytes())
        if labels is not None:
            with archive.open("labels.npy", "w") as member:
                format_of.write_array(member, labels, allow_pickle=False)
