"""Small whole files of each format that the toolkit reads; ``python -m fuzzing.corpus`` wrote ``tests/data/fuzz``."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import scipy.sparse

import ssdp_hw as sh

FOLDER = Path(__file__).parents[1] / "data" / "fuzz"


def _fixed() -> sh.FixedNetwork:
    random = np.random.default_rng(0)
    return sh.FixedNetwork(
        [sh.Input("in", 4)],
        [
            sh.FixedPopulation(name="h", size=3, dv=256, vth=60, bias_mant=[1, 2, 3], bias_exp=6),
            sh.FixedPopulation(name="out", size=2, du=2048, dv=256, vth=60),
        ],
        [
            sh.FixedProjection(pre="in", post="h", weight=2 * random.integers(-30, 60, (3, 4)), name="a", delay=1),
            sh.FixedProjection(
                pre="h", post="out", name="b", weight=scipy.sparse.csr_array(2 * random.integers(0, 3, (2, 3)))
            ),
        ],
        ["out"],
        notes=["a note"],
    )


def _convolution() -> sh.FixedNetwork:
    kernel = 2 * np.random.default_rng(1).integers(-20, 60, (2, 1, 2, 2))
    return sh.FixedNetwork(
        [sh.Input("in", 9)],
        [sh.FixedPopulation(name="c", size=8, dv=256, vth=20)],
        [sh.FixedProjection(pre="in", post="c", weight=sh.ConvWeight(kernel, (1, 3, 3)), name="conv")],
        ["c"],
    )


def _float() -> sh.Network:
    random = np.random.default_rng(2)
    neuron = sh.CubaLIF(size=3, tau_mem=0.02, tau_syn=0.01, r=1.0, v_threshold=1.0)
    return sh.Network(
        [sh.Input("in", 4)],
        [sh.Population(name="h", neuron=neuron), sh.Population(name="out", neuron=sh.LIF(size=2, tau_mem=0.02))],
        [
            sh.Projection(pre="in", post="h", weight=random.normal(size=(3, 4)), name="a"),
            sh.Projection(pre="h", post="out", weight=random.normal(size=(2, 3)), name="b", delay=2),
        ],
        ["out"],
        sh.Semantics(dt=1e-3),
    )


def _slayer(path: Path) -> None:
    """A file such as lava-dl's ``export_hdf5`` writes: input, dense with delays, dense."""
    neuron = {"type": "CUBA", "vThMant": 64, "vDecay": 400, "iDecay": 900, "wgtExp": 0, "refDelay": 1}
    random = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        sizes = (4, 3, 2)
        first = file.create_group("layer/0")
        first["type"], first["shape"] = "input", np.array([4])
        for index, (before, after) in enumerate(itertools.pairwise(sizes), 1):
            layer = file.create_group(f"layer/{index}")
            layer["type"], layer["shape"] = "dense", np.array([after])
            layer["inFeatures"], layer["outFeatures"] = before, after
            layer["weight"] = 2.0 * random.integers(-30, 60, (after, before))
            layer["delay"] = random.integers(0, 3, after)
            for name, value in neuron.items():
                layer[f"neuron/{name}"] = value


def _chip(path: Path) -> None:
    source = Path(sh.__file__).parent / "chips" / "generic16.toml"
    text = source.read_text(encoding="utf-8").replace('name = "generic16"', 'name = "own"')
    path.write_text(text, encoding="utf-8")


def _report(path: Path) -> None:
    net = _fixed()
    with TemporaryDirectory() as folder:
        sh.report(Path(folder) / "report.html", net)
        text = (Path(folder) / "report.json").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")


def _learning(path: Path) -> None:
    net = _fixed()
    sh.save_learning(net, sh.LearningState({"a": np.arange(12)}, 1, 0, 1), path)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "fixed.nir": lambda path: sh.write_nir(_fixed(), path),
    "float.nir": lambda path: sh.write_nir(_float(), path, rule=sh.SSDP(a_plus=1e-2)),
    "convolution.nir": lambda path: sh.write_nir(_convolution(), path),
    "fixed.h5": lambda path: sh.save(_fixed(), path),
    "float.h5": lambda path: sh.save(_float(), path),
    "convolution.h5": lambda path: sh.save(_convolution(), path),
    "learning.h5": _learning,
    "dense.net": _slayer,
    "spikes.npz": lambda path: np.savez_compressed(
        path, spikes=np.random.default_rng(0).random((5, 2, 4)) < 0.4, labels=np.array([0, 1])
    ),
    "spikes.npy": lambda path: np.save(path, np.random.default_rng(0).random((5, 2, 4)) < 0.4),
    "chip.toml": _chip,
    "report.json": _report,
}


def write() -> None:
    """Write every file of the corpus anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, writer in WRITERS.items():
        (FOLDER / name).unlink(missing_ok=True)
        writer(FOLDER / name)


if __name__ == "__main__":
    write()
