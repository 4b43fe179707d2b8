"""All benchmarks: ``make bench``. Writes results/results.json and results/results.md beside this file.

Every contender gets the same network and the same spikes, is checked against the specification before
it is timed, and takes turns with the others. SSDP_HW_BENCH_COMPILED=1 adds Brian2's Cython and C++
standalone, which compile for minutes. The torch-based peers run where ``make bench-peers`` has installed them.
``make bench ONLY=784-256`` keeps the groups of that name and
writes results/part.json and part.md.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from baselines import NumbaEventLoop, NumpyMatmul
from goals import ENGINE, goals
from measure import Contender, Timing, measure
from peer_process import PeerProcess
from roofline import roofline
from scaling import lines as scaling_lines
from scaling import scaling
from workloads import Lesson, Workload, inference_workloads, lesson

import ssdp_hw as sh
from ssdp_hw.drive import make_drive
from ssdp_hw.target import LearningPlan, get_target

HERE = Path(__file__).parent
COMPILED = bool(os.environ.get("SSDP_HW_BENCH_COMPILED"))


def installed(target: str) -> bool:
    """Whether a target can run here."""
    return any(t.name == target and t.installed for t in sh.targets())


def runner(network: Any, spikes: Any, target: str, **options: Any) -> Callable[[], Any]:
    """A run that keeps the output's spikes alone."""
    outputs = tuple(network.outputs)

    def run() -> Any:
        result = sh.run(
            network, spikes, target=target, populations=outputs, on_overflow="ignore", options=options
        )
        return result.spikes[result.output]

    return run


def inference_contenders(w: Workload) -> Iterator[Contender]:
    """Everyone who runs the fixed network."""
    batch = w.spikes.shape[1]
    yield Contender(ENGINE, runner(w.fixed, w.spikes, "engine"), batch)
    if batch > 1:
        yield Contender("engine, fixed, 1 thread", runner(w.fixed, w.spikes, "engine", threads=1), batch)
    loop, matmul = NumbaEventLoop(w.fixed), NumpyMatmul(w.fixed)
    yield Contender("plain Numba event loop", lambda: loop(w.spikes), batch)
    yield Contender("NumPy float32 matmul loop", lambda: matmul(w.spikes), batch)
    yield Contender("spec, fixed", runner(w.fixed, w.spikes, "spec"), batch, rounds=3)
    if installed("brian2"):
        yield Contender("Brian2, NumPy", runner(w.fixed, w.spikes, "brian2"), batch, rounds=3)
        if COMPILED and batch > 1:
            cython = runner(w.fixed, w.spikes, "brian2", codegen="cython", batching="sequence")
            yield Contender("Brian2, Cython", cython, batch, rounds=2)
            standalone = runner(w.fixed, w.spikes, "brian2", device="cpp_standalone")
            yield Contender("Brian2, C++ standalone", standalone, batch, rounds=2)
    if installed("lava"):
        # One sample at a time runs on Lava's own Dense and LIF, as its users have it.
        few = min(batch, 4)
        stock = runner(w.fixed, w.spikes[:, :few], "lava", batch_size=1)
        yield Contender("Lava, stock, one sample after the other", stock, few, rounds=1)
        if batch > 1:
            yield Contender("Lava, our target, batched", runner(w.fixed, w.spikes, "lava"), batch, rounds=1)


def float_contenders(w: Workload) -> Iterator[Contender]:
    """Everyone who runs the float network; float32 rounds otherwise, so its spikes may differ."""
    batch = w.spikes.shape[1]
    yield Contender("engine, float64", runner(w.float, w.spikes, "engine"), batch)
    yield Contender("engine, float32", runner(w.float, w.spikes, "engine", precision="float32"), batch, exact=False)
    yield Contender("spec, float64", runner(w.float, w.spikes, "spec"), batch, rounds=3)


def learning_contenders(task: Lesson) -> Iterator[Contender]:
    """SSDP on every target; the slow ones get fewer windows."""
    name = task.network.projections[0].name
    for target, windows, label in (
        ("engine", 200, "engine"), ("spec", 20, "spec"), ("brian2", 5, "Brian2, NumPy"), ("lava", 5, "Lava, ours"),
    ):
        if installed(target):
            chosen = get_target(target)
            drive = make_drive(task.network, task.spikes[:, :windows])
            plan = LearningPlan({name: task.rule})

            def run(chosen: Any = chosen, drive: Any = drive, plan: Any = plan) -> Any:
                return chosen.learn(task.network, drive, plan, chosen.resolve({}))

            expected = get_target("spec").learn(task.network, drive, plan, {})

            def agrees(run: Any = run, expected: Any = expected) -> Any:
                learned = run()
                return np.array([
                    np.array_equal(learned.weights[name], expected.weights[name])
                    and np.array_equal(learned.counters[name], expected.counters[name])
                ])

            yield Contender(label, agrees, windows, rounds=9 if target == "engine" else 2)


def additions(w: Workload) -> float:
    """Synaptic additions of one sample."""
    spikes = {**sh.run(w.fixed, w.spikes, on_overflow="ignore").spikes, w.fixed.inputs[0].name: w.spikes}
    total = sum(int(np.count_nonzero(spikes[p.source])) * p.shape[0] for p in w.fixed.projections)
    return total / w.spikes.shape[1]


def group(name: str, batch: int, timings: list[Timing], base: str, **more: Any) -> dict[str, Any]:
    """One group as plain values; ratios are of medians, to its base."""
    fastest = next(t.rate for t in timings if t.name == base)
    rows = [
        asdict(t) | {
            "samples_per_second": t.rate, "best_samples_per_second": t.best, "base_is_faster": fastest / t.rate,
        }
        for t in timings
    ]
    return {"name": name, "batch": batch, "base": base, "rows": rows, **more}


def all_groups(only: str, peers: PeerProcess) -> Iterator[dict[str, Any]]:
    """Measure group after group."""
    for w in inference_workloads():
        if only not in w.name:
            continue
        batch = w.spikes.shape[1]
        expected = runner(w.fixed, w.spikes, "spec")()
        timings = measure(list(inference_contenders(w)), expected, 1)
        updates = len(w.spikes) * sum(p.size for p in w.fixed.populations)
        yield group(
            w.name, batch, timings, ENGINE, additions_per_sample=additions(w), neuron_updates_per_sample=updates
        )
        expected = runner(w.float, w.spikes, "spec")()
        contenders = [*float_contenders(w), *peers.contenders(w)]
        yield group(f"{w.name}, float", batch, measure(contenders, expected, 1), "engine, float32")
    task = lesson()
    if only in task.name:
        timings = measure(list(learning_contenders(task)), np.array([True]), 0)
        yield group(f"SSDP, {task.name}", 1, timings, "engine")


def compile_seconds() -> dict[str, float]:
    """Processor seconds of the first fixed and float run in a fresh process, with and without a cache of kernels."""
    program = (
        f"import sys, time, numpy as np; sys.path.insert(0, {str(HERE)!r}); import workloads, ssdp_hw as sh\n"
        "w = workloads.wide(32, 0.05, 2)\n"
        "for n in (w.fixed, w.float):\n"
        "    t = time.process_time(); sh.run(n, w.spikes); print(time.process_time() - t)"
    )
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for state in ("empty cache", "cached"):
            out = subprocess.run(
                [sys.executable, "-c", program], env={**os.environ, "NUMBA_CACHE_DIR": folder}, check=True,
                capture_output=True, text=True,
            ).stdout.split()
            found |= {f"first fixed run, {state}": float(out[0]), f"first float run, {state}": float(out[1])}
    return found


def machine() -> dict[str, Any]:
    """Where this ran."""
    names = ("numpy", "scipy", "numba", "brian2", "lava-nc")
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor()
    return {
        "processor": processor, "processors": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0],
        "python": platform.python_version(), "system": platform.platform(), "versions": versions,
        "date": time.strftime("%Y-%m-%d"),
    }


def bound_sentence(g: dict[str, Any], limits: dict[str, float]) -> str:
    """What the engine's best round is of the least time that additions and neurons would take on this machine."""
    added, updated = g["additions_per_sample"], g["neuron_updates_per_sample"]
    rate = next(r["best_samples_per_second"] for r in g["rows"] if r["name"] == ENGINE)
    adding = added / limits["additions_per_second_in_l2"]
    bound = adding + updated / limits["neuron_updates_per_second"]
    return (
        f"{added / 1e6:.2f} M synaptic additions and {updated / 1e3:.0f} k neuron updates a sample: the engine adds "
        f"{added * rate / 1e9:.1f} G a second, {adding * rate:.0%} of the limit of additions alone, "
        f"{bound * rate:.0%} of that with neurons."
    )


def markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    m, limits = report["machine"], report["roofline"]
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items())
    lines = [
        "# Benchmarks", "",
        f"{m['processor']}, {m['processors']} processors, load before the run {m['load']:.1f}; Python {m['python']}, "
        f"{versions}; {m['date']}. Made by `make bench`.", "",
        "Samples a second at the median of interleaved rounds, all processors unless said. Every row gave the same",
        "output spikes (learning: weights and counters) as the specification, bit for bit, before it was timed,",
        "except where a share is stated. The last column says how many times faster the first row is.", "",
        "## Limits of this machine", "",
        f"* {limits['additions_per_second_in_l1'] / 1e9:.0f} G additions a second, 8-bit rows into 16-bit sums, in L1, "
        f"all processors; {limits['additions_per_second_in_l2'] / 1e9:.0f} G with the 784 x 1000 matrix in L2",
        f"* {limits['neuron_updates_per_second'] / 1e9:.0f} G neurons a second that leak and take their input, in L1, "
        "all processors",
        f"* {limits['copied_bytes_per_second'] / 1e9:.0f} GB/s copied by one thread, read and written counted", "",
        "## Compilation", "",
        *[f"* {name}: {seconds:.1f} s" for name, seconds in report["compile_seconds"].items()], "",
        "## Goals", "", *goals(report), "", "## Scaling of the engine", "", *scaling_lines(report["scaling"]), "",
        "## Peers", "",
        *[f"* {name}: {version}" for name, version in report["peers"]["versions"].items()],
        *[f"* {name} failed: {reason}" for name, reason in report["peers"]["failures"].items()],
        "" if report["peers"]["versions"] else "Not installed; `make bench-peers` installs them.", "",
    ]
    for g in report["groups"]:
        lines += [f"## {g['name']}, batch {g['batch']}", ""]
        if "additions_per_sample" in g:
            lines += [bound_sentence(g, limits), ""]
        lines += ["| | samples/s | best | slower by |", "| --- | ---: | ---: | ---: |"]
        for r in g["rows"]:
            share = "" if r["equal"] == 1 else f" ({r['equal']:.2%} of the values equal)"
            lines.append(
                f"| {r['name']}{share} | {r['samples_per_second']:,.4g} | {r['best_samples_per_second']:,.4g} | "
                f"{r['base_is_faster']:,.3g} |"
            )
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write."""
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    where = machine()
    report: dict[str, Any] = {
        "machine": where, "roofline": roofline(where["processors"]), "compile_seconds": compile_seconds(), "groups": [],
    }
    with PeerProcess() as peers:
        for found in all_groups(only, peers):
            report["groups"].append(found)
            print(f"{found['name']}, batch {found['batch']}")
            for r in found["rows"]:
                rate, ratio = r["samples_per_second"], r["base_is_faster"]
                print(f"  {r['name']:42} {rate:12,.1f} samples/s {ratio:10,.2f}", flush=True)
        report["scaling"] = scaling()
        report["peers"] = {"versions": peers.versions, "failures": peers.failures}
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    name = "results" if not only else "part"
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(markdown(report), encoding="utf-8")


if __name__ == "__main__":
    main()
