"""How much memory large networks and long runs take: ``python benchmarks/memory.py [synapses in millions ...]``.

A million neurons, each with the same number of 8-bit synapses from others, and a small sparse input, run for
``STEPS`` steps in the engine. Each size runs in a process of its own, whose largest resident memory counts what
everything takes together: the interpreter, the making of the weights, the network, the engine's program, the run.
Then a small network runs in pieces of ``PIECE`` steps, for 100,000 and for 1,000,000 steps, with all spikes recorded
to a file. At last 10,000 and 100,000 samples are encoded by ``ssdp-hw encode``, and go through ``compare`` and
``loss_ladder``; ``--samples`` does this alone.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

NEURONS = 1_000_000
INPUTS = 1_000
STEPS = 50
PIECE = 10_000
SAMPLE_STEPS = 16
SAMPLED = ("encode", "compare", "ladder")
LIMIT = 2 << 30  # bytes for a million neurons and 100 million synapses


def sparse_weight(post: int, pre: int, per_neuron: int, seed: int) -> Any:
    """Random even weights of ``per_neuron`` synapses a row, each from its own stretch of the sources."""
    import scipy.sparse as sp

    rng = np.random.default_rng(seed)
    stretch = pre // per_neuron
    indices = rng.integers(0, stretch, (post, per_neuron), dtype=np.int32)
    indices += np.arange(per_neuron, dtype=np.int32) * stretch
    weights = rng.integers(-60, 64, post * per_neuron, dtype=np.int16)
    weights *= 2
    return sp.csr_array((weights, indices.reshape(-1), np.arange(post + 1, dtype=np.int32) * per_neuron), (post, pre))


def measure(millions: int) -> dict[str, float]:
    """Make and run the network in this process."""
    import ssdp_hw as sh

    started = time.perf_counter()
    network = sh.FixedNetwork(
        [sh.Input("input", INPUTS)],
        [sh.FixedPopulation(name=n, size=k, dv=256, vth=150) for n, k in (("cells", NEURONS), ("output", 10))],
        [
            sh.FixedProjection(pre="input", post="cells", weight=sparse_weight(NEURONS, INPUTS, 4, 0)),
            sh.FixedProjection(
                pre="cells", post="cells", weight=sparse_weight(NEURONS, NEURONS, millions * 10**6 // NEURONS, 1)
            ),
            sh.FixedProjection(pre="cells", post="output", weight=sparse_weight(10, NEURONS, 1000, 2)),
        ],
        ["output"],
    )
    built = time.perf_counter()
    spikes = np.random.default_rng(3).random((STEPS, 1, INPUTS)) < 0.1
    short = sh.run(network, spikes[:1], populations=("output",))  # makes the program
    ready = time.perf_counter()
    sh.run(network, spikes, populations=("output",))
    done = time.perf_counter()
    counted = sh.run(network, spikes, populations=("cells",))
    return {
        "synapses": sum(p.synapse_count for p in network.projections),
        "build_seconds": built - started,
        "program_seconds": ready - built - short.seconds,
        "seconds_per_step": (done - ready) / STEPS,
        "spike_rate": counted.spike_rate("cells"),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def measure_stream(steps: int) -> dict[str, float]:
    """A run of 64-128-10 in pieces, recorded to a file."""
    import ssdp_hw as sh

    rng = np.random.default_rng(0)
    sizes = {"input": 64, "hidden": 128, "output": 10}
    network = sh.FixedNetwork(
        [sh.Input("input", 64)],
        [sh.FixedPopulation(name=n, size=sizes[n], dv=256, vth=1000) for n in ("hidden", "output")],
        [
            sh.FixedProjection(pre=a, post=b, weight=2 * rng.integers(-60, 68, (sizes[b], sizes[a])))
            for a, b in (("input", "hidden"), ("hidden", "output"))
        ],
        ["output"],
    )
    pieces = (rng.random((PIECE, 1, 64)) < 0.05 for _ in range(steps // PIECE))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        path = Path(folder) / "run.h5"
        result = sh.stream(network, pieces, path)
        seconds, size = time.perf_counter() - started, path.stat().st_size
    return {
        "steps": steps,
        "seconds": seconds,
        "engine_seconds": result.seconds,
        "file_bytes": size,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def measure_samples(what: str, samples: int) -> dict[str, float]:
    """One call on that many samples of the digits' network, of ``SAMPLE_STEPS`` steps."""
    import ssdp_hw as sh
    from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL

    rng = np.random.default_rng(0)
    started = time.perf_counter()
    if what == "encode":
        given = rng.random((samples, 64), np.float32)
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "values.npy", given)
            command = ["encode", f"{folder}/values.npy", "--out", f"{folder}/spikes.npz", "--seed", "0"]
            sys.argv = ["ssdp-hw", *command, "--steps", str(SAMPLE_STEPS), "--json"]
            _call_quietly()
        held = given.nbytes
    else:
        net = sh.from_nir(DIGITS_MODEL, dt=DIGITS_DT)
        spikes = rng.random((SAMPLE_STEPS, samples, 64), np.float32) < 0.3
        labels, fixed = rng.integers(0, 10, samples), sh.quantize(net, calibration=spikes[:, :64])
        if what == "compare":
            sh.compare(net, fixed, spikes, labels, "engine")
        else:
            sh.loss_ladder(net, spikes, labels, fixed)
        held = spikes.nbytes
    return {
        "samples": samples,
        "seconds": time.perf_counter() - started,
        "input_bytes": held,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _call_quietly() -> None:
    from ssdp_hw.cli import main as command_line

    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        command_line()


def show_samples() -> None:
    """Print a row for each call and number of samples."""
    for what in SAMPLED:
        for r in in_processes(f"--{what}", [10_000, 100_000]):
            print(
                f"{what}, {r['samples']:,} samples: {r['peak_bytes'] / 2**20:.0f} MiB at most, "
                f"{r['input_bytes'] / 2**20:.0f} MiB of them its input; {r['seconds']:.1f} s"
            )


def in_processes(what: str, sizes: list[int]) -> list[dict[str, float]]:
    """Each size of ``--network`` or ``--stream`` in a process of its own."""
    rows = []
    for size in sizes:
        command = [sys.executable, __file__, what, str(size)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return rows


def main() -> None:
    """Print a row a size, bytes a synapse by a straight line, and whether the limit holds."""
    of_samples = {f"--{what}": partial(measure_samples, what) for what in SAMPLED}
    work = {"--network": measure, "--stream": measure_stream, **of_samples}.get("".join(sys.argv[1:2]))
    if work is not None:
        print(json.dumps(work(int(sys.argv[2]))))
        return
    if sys.argv[1:] == ["--samples"]:
        show_samples()
        return
    rows = in_processes("--network", [int(a) for a in sys.argv[1:]] or [20, 50, 100])
    for r in rows:
        print(
            f"{r['synapses'] / 1e6:6.1f} M synapses: {r['peak_bytes'] / 2**30:.2f} GiB at most, "
            f"built in {r['build_seconds']:.1f} s, {r['seconds_per_step'] * 1e3:.1f} ms a step "
            f"at {r['spike_rate']:.1%} spikes"
        )
    if len(rows) > 1:
        slope, base = np.polyfit([r["synapses"] for r in rows], [r["peak_bytes"] for r in rows], 1)
        print(f"{slope:.1f} bytes a synapse and {base / 2**20:.0f} MiB for everything else")
    for r in in_processes("--stream", [100_000, 1_000_000]):
        print(
            f"{r['steps']:,} steps in pieces of {PIECE:,}: {r['peak_bytes'] / 2**20:.0f} MiB at most, "
            f"{r['seconds']:.1f} s, {r['engine_seconds']:.1f} s of them in the engine; "
            f"{r['file_bytes'] / 2**20:.0f} MiB written"
        )
    show_samples()
    if rows[-1]["synapses"] >= 100e6 and rows[-1]["peak_bytes"] > LIMIT:
        raise SystemExit("above the limit of 2 GiB")


if __name__ == "__main__":
    main()
