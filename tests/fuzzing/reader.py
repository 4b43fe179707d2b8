"""The process that reads damaged files, one a line of its input, and says how each reading ended.

What is accepted is used as well: a fixed or float network runs for a few steps and is saved, spikes are counted.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ssdp_hw as sh
from ssdp_hw.cli.files import read_labels, read_spikes
from ssdp_hw.reporting.data import ReportData

# What files may unfold to, and what this process may take beyond what it has after the first readings.
MAX_BYTES, MEMORY = 64 << 20, 512 << 20


def _use(network: Any) -> None:
    """Run and save a network that was accepted, if it is small."""
    sizes = [i.size for i in network.inputs] + [p.size for p in network.populations]
    if sum(sizes) > 10_000 or max((int(np.max(p.delay, initial=0)) for p in network.projections), default=0) > 1000:
        return
    inputs = {i.name: np.ones((3, 1, i.size), bool) for i in network.inputs}
    sh.run(network, inputs, "spec", record=("spikes", "v"), on_overflow="ignore")
    with tempfile.TemporaryDirectory() as folder:
        sh.save(network, Path(folder) / "again.h5")
        sh.load(Path(folder) / "again.h5", trusted=True)


def _learning(path: str) -> None:
    network, state = sh.load_learning(path, MAX_BYTES)
    _use(network)
    if state.counters.keys() - {p.name for p in network.projections}:
        raise AssertionError("counters of no projection")


def _spikes(path: str) -> None:
    read_spikes(Path(path))
    if path.endswith(".npz"):
        read_labels(Path(path), None)


def _nir(path: str) -> Any:
    """The network of a NIR file, with a step where the file does not state one."""
    try:
        return sh.from_nir(path, max_bytes=MAX_BYTES)
    except sh.SsdpHwError as error:
        if "give dt" not in str(error):
            raise
    return sh.from_nir(path, 1e-3, max_bytes=MAX_BYTES)


READERS: dict[str, Callable[[str], object]] = {
    ".nir": lambda path: (_use(_nir(path)), sh.rule_from_nir(path)),
    ".h5": lambda path: _use(sh.load(path, MAX_BYTES)),
    ".net": lambda path: _use(sh.from_lava_dl(path, max_bytes=MAX_BYTES)),
    ".npz": _spikes,
    ".npy": _spikes,
    ".toml": lambda path: sh.load_chip(path),
    ".json": lambda path: ReportData.from_json(Path(path).read_bytes()),
}


def outcome(name: str, path: str) -> str:
    """``accepted``, ``refused`` (by one of this package's errors, in one line), or the traceback of what else came."""
    reader = _learning if name.startswith("learning") else READERS[Path(name).suffix]
    try:
        reader(path)
    except sh.SsdpHwError as error:
        text = str(error)
        return "refused" if text and "\n" not in text and text.isprintable() else f"a message in lines: {text!r}"
    except BaseException:  # what this looks for
        return traceback.format_exc()
    return "accepted"


def main() -> None:
    """Read files until there are no more."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    limited = False
    for number, line in enumerate(sys.stdin):
        name, path = json.loads(line)
        answers.write(json.dumps(outcome(name, path)) + "\n")
        answers.flush()
        if number >= 100 and not limited:
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.RLIM_INFINITY))
            limited = True


if __name__ == "__main__":
    main()
