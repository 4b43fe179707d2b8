"""How long the process that reads untrusted files takes for one: ``python benchmarks/reading.py``.

It prints the time of the processor, of this process and of the one that reads, and the median by the clock, which on a
busy machine is longer.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_MODEL
from ssdp_hw.files.hdf5_reading import read_values
from ssdp_hw.files.reading_process import reading_process_id

FILES = 300


def computed() -> float:
    """Seconds of the processor that this process and the one that reads have taken."""
    fields = Path(f"/proc/{reading_process_id()}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    start = time.perf_counter()
    read_values(DIGITS_MODEL)
    print(f"the first file, with the start of the process: {time.perf_counter() - start:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "network.h5")
        sh.quantize(sh.from_nir(DIGITS_MODEL, dt=1e-3)).save(saved)
        for path, what in ((DIGITS_MODEL, "the demo's network as NIR"), (saved, "the same, saved by this toolkit")):
            seconds, before = [], computed()
            for _ in range(FILES):
                start = time.perf_counter()
                read_values(path)
                seconds.append(time.perf_counter() - start)
            a_file = (computed() - before) / FILES
            print(f"{what}: {1e3 * a_file:.1f} ms of the processor a file, {1e3 * statistics.median(seconds):.1f} ms")


if __name__ == "__main__":
    main()
