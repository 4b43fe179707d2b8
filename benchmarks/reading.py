"""How long NIR files take to be read by the process that reads untrusted files: ``python benchmarks/reading.py``.

    python benchmarks/reading.py --sizes 1000 10000 100000

Small files first: the demo's network as NIR, and as this toolkit saves it. Then chains of so many nodes, every other
one linear: written by this toolkit and, up to ``--nir`` nodes, by NIR's own writer, which compresses each number and
is slow; read; and read with one node of an unknown type, which is refused.

It prints the time of the processor, of this process and of the one that reads, and for small files the median by
the clock, which on a busy machine is longer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import nir
from graphs import graph, refused

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_MODEL
from ssdp_hw.files.hdf5_reading import read_values
from ssdp_hw.files.reading_process import reading_process_id

FILES = 300


def computed() -> float:
    """Seconds of the processor that this process and the one that reads have taken."""
    fields = Path(f"/proc/{reading_process_id()}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of the processor of both processes."""
    before = computed()
    work()
    return computed() - before


def small_files(folder: Path) -> None:
    """Measure and print what a small file takes."""
    start = time.perf_counter()
    read_values(DIGITS_MODEL)
    print(f"the first file, with the start of the process: {time.perf_counter() - start:.2f} s")
    saved = folder / "network.h5"
    sh.quantize(sh.from_nir(DIGITS_MODEL, dt=1e-3)).save(saved)
    for path, what in ((DIGITS_MODEL, "the demo's network as NIR"), (saved, "the same, saved by this toolkit")):
        seconds, before = [], computed()
        for _ in range(FILES):
            start = time.perf_counter()
            read_values(path)
            seconds.append(time.perf_counter() - start)
        a_file = (computed() - before) / FILES
        print(f"{what}: {1e3 * a_file:.1f} ms of the processor a file, {1e3 * statistics.median(seconds):.1f} ms")


def large_files(folder: Path, sizes: list[int], largest_by_nir: int) -> None:
    """Measure and print what graphs of many nodes take, in Markdown."""
    print("\n| nodes | written by | size | write | read_values | from_nir | refuse a node |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for size in sizes:
        nodes = graph("chain with linear nodes", size)
        network = sh.from_nir(nodes, dt=1e-3)
        writers: dict[str, Callable[[Path], object]] = {"write_nir": partial(sh.write_nir, network)}
        if size <= largest_by_nir:
            writers["nir.write"] = partial(nir.write, graph=nodes)
        for name, write in writers.items():
            print(f"| {size:,} | {name} | {_cells(folder / 'graph.nir', write)} |", flush=True)


def _cells(path: Path, write: Callable[[Path], object]) -> str:
    """Size of a file, and the seconds to write it, read it, read its network and refuse one of its nodes."""
    columns = [
        seconds_of(lambda: write(path)),
        seconds_of(lambda: read_values(path)),
        seconds_of(lambda: sh.from_nir(path, dt=1e-3)),
    ]
    length = path.stat().st_size
    with h5py.File(path, "r+") as file:
        del file["node/nodes/n0/type"]
        file["node/nodes/n0/type"] = "Unknown"
    columns.append(seconds_of(lambda: refused(lambda: sh.from_nir(path, dt=1e-3))))
    return " | ".join([f"{length / 1e6:.3g} MB", *(f"{seconds:.2g} s" for seconds in columns)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="nodes of the graphs")
    parser.add_argument("--nir", type=int, default=10_000, help="the most nodes that NIR's own writer writes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small_files(Path(folder))
        large_files(Path(folder), arguments.sizes, arguments.nir)


if __name__ == "__main__":
    main()
