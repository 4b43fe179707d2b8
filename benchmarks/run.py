"""All benchmarks: ``make bench``. Writes results/results.json and results/results.md beside this file.

Every contender gets the same network and the same spikes, is checked against the specification before
it is timed, and takes turns with the others. SSDP_HW_BENCH_COMPILED=1 adds Brian2's Cython and C++
standalone, which compile for minutes. Peers with packages of their own (torch, emulators of Loihi) run where
``make bench-peers`` has installed them.
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
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import learning
from goals import ENGINE, LIMITS, STEPS, goals, share_of
from inference import Runner, additions, emulators, fixed_contenders, float_contenders, float_peers, step_contenders
from learning import learning_groups
from measure import Timing, measure
from peer_process import PeerProcess
from profile_engine import lines as profile_lines, profile
from roofline import roofline
from scaling import lines as scaling_lines, scaling
from workloads import inference_workloads, many_neurons

import ssdp_hw as sh

HERE = Path(__file__).parent
COMPILED = bool(os.environ.get("SSDP_HW_BENCH_COMPILED"))


def installed(target: str) -> bool:
    """Whether a target can run here."""
    return any(t.name == target and t.installed for t in sh.list_targets())


def group(name: str, batch: int, timings: list[Timing], base: str, **more: Any) -> dict[str, Any]:
    """One group as plain values; ratios are of medians, to its base."""
    fastest = next(t.rate for t in timings if t.name == base)
    rows = [
        asdict(t)
        | {
            "samples_per_second": t.rate,
            "best_samples_per_second": t.best,
            "base_is_faster": fastest / t.rate,
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
        expected = Runner(w.fixed, w.spikes, "spec")()
        timings = measure([*fixed_contenders(w, installed, COMPILED), *emulators(w, peers)], expected, 1)
        updates = len(w.spikes) * sum(p.size for p in w.fixed.populations)
        yield group(
            w.name, batch, timings, ENGINE, additions_per_sample=additions(w), neuron_updates_per_sample=updates
        )
        expected = Runner(w.float, w.spikes, "spec")()
        contenders = [*float_contenders(w), *float_peers(w, peers)]
        yield group(f"{w.name}, float", batch, measure(contenders, expected, 1), "engine, float32")
    for batch in (1, 64):
        name, network, spikes = many_neurons(batch)
        if only in name:
            timings = measure([*step_contenders(network, spikes)], Runner(network, spikes, "spec")(), 1)
            yield group(name, batch, timings, STEPS[0])
    for name, timings in learning_groups(only, installed, COMPILED, peers):
        yield group(name, 0, timings, learning.ENGINE, unit="windows")


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
                [sys.executable, "-c", program],
                env={**os.environ, "NUMBA_CACHE_DIR": folder},
                check=True,
                capture_output=True,
                text=True,
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
        "processor": processor,
        "processors": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": versions,
        "date": time.strftime("%Y-%m-%d"),
    }


def bound_sentence(g: dict[str, Any], limits: dict[str, float]) -> str:
    """How far the engine is from the limits that took turns with it; they are known for dense networks."""
    rows, added = {r["name"]: r for r in g["rows"]}, g["additions_per_sample"]
    sentence = (
        f"{added / 1e6:.2f} M synaptic additions and {g['neuron_updates_per_sample'] / 1e3:.0f} k neuron updates a "
        f"sample: the engine adds {added * rows[ENGINE]['samples_per_second'] / 1e9:.1f} G a second"
    )
    if LIMITS[0] not in rows:
        return f"{sentence}."
    rate = added * rows[LIMITS[0]]["samples_per_second"]
    shares = " and ".join(
        f"{share_of(rows, limit):.0%} of the {limit.replace(':', ' of')} (best rounds: "
        f"{share_of(rows, limit, 'best_samples_per_second'):.0%})"
        for limit in LIMITS
    )
    return (
        f"{sentence}. It reaches {shares}. The former adds {rate / 1e9:.0f} G a second, "
        f"{rate / limits['additions_per_second_in_l1']:.0%} of the most that was measured in L1."
    )


def markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    m, limits = report["machine"], report["roofline"]
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items())
    lines = [
        "# Benchmarks",
        "",
        f"{m['processor']}, {m['processors']} processors, load before the run {m['load']:.1f}; Python {m['python']}, "
        f"{versions}; {m['date']}. Made by `make bench`.",
        "",
        "Samples (learning: windows) a second at the median of interleaved rounds, all processors unless said; a run",
        "that takes less than a tenth of a second is timed when it is made a second time at once. Every row gave the",
        "same output spikes (learning: weights and counters) as the specification, bit for bit, before it was timed,",
        "except where a share is stated. The last column says how many times faster the first row is. Simulators that",
        "must be started, built or compiled are timed from the first step to the last alone; the slowest in a single",
        "round. A limit is what no one can leave out, on the same spikes and in the same rounds: to add the rows of",
        "the sources that fire, and to leak, compare and reset the neurons (benchmarks/limit.py).",
        "",
        *([] if COMPILED else ["Brian2 ran in NumPy code; `SSDP_HW_BENCH_COMPILED=1 make bench` compiles it too.", ""]),
        "## Limits of this machine",
        "",
        f"* {limits['additions_per_second_in_l1'] / 1e9:.0f} G additions a second, 8-bit rows into 16-bit sums, in L1, "
        f"all processors; {limits['additions_per_second_in_l2'] / 1e9:.0f} G with the 784 x 1000 matrix in L2",
        f"* {limits['neuron_updates_per_second'] / 1e9:.0f} G neurons a second that leak and take their input, in L1, "
        "all processors",
        f"* {limits['copied_bytes_per_second'] / 1e9:.0f} GB/s copied by one thread, read and written counted",
        "",
        "## Compilation",
        "",
        *[f"* {name}: {seconds:.1f} s" for name, seconds in report["compile_seconds"].items()],
        "",
        "## Goals",
        "",
        *goals(report),
        "",
        "## Where the engine's time goes",
        "",
        *profile_lines(report["profile"]),
        "",
        "## Scaling of the engine",
        "",
        *scaling_lines(report["scaling"]),
        "",
        "## Peers",
        "",
        *[f"* {name}: {version}" for kind in report["peers"]["versions"].values() for name, version in kind.items()],
        *[f"* {name} failed: {reason}" for name, reason in report["peers"]["failures"].items()],
        "" if report["peers"]["versions"] else "Not installed; `make bench-peers` installs them.",
        "",
    ]
    for g in report["groups"]:
        lines += [f"## {g['name']}" + (f", batch {g['batch']}" if g["batch"] else ""), ""]
        if "additions_per_sample" in g:
            lines += [bound_sentence(g, limits), ""]
        lines += [f"| | {g.get('unit', 'samples')}/s | best | slower by |", "| --- | ---: | ---: | ---: |"]
        for r in g["rows"]:
            share = f" ({_share(r['equal'])})" if r["equal"] != 1 and r["name"] not in LIMITS else ""
            lines.append(
                f"| {r['name']}{share} | {r['samples_per_second']:,.4g} | {r['best_samples_per_second']:,.4g} | "
                f"{r['base_is_faster']:,.3g} |"
            )
        lines.append("")
    return "\n".join(lines)


def _share(equal: float | None) -> str:
    return "another rule, not compared" if equal is None else f"{equal:.2%} of the values equal"


def write(report: dict[str, Any], name: str) -> None:
    """Keep what there is, so that nothing is lost if a later group fails."""
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    for suffix, text in (("json", json.dumps(report, indent=1) + "\n"), ("md", markdown(report))):
        unfinished = folder / f"{name}.{suffix}.unfinished"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(folder / f"{name}.{suffix}")


def main() -> None:
    """Measure, print and write."""
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    where = machine()
    report: dict[str, Any] = {
        "machine": where,
        "roofline": roofline(where["processors"]),
        "compile_seconds": compile_seconds(),
        "profile": profile(),
        "scaling": scaling(),
        "groups": [],
    }
    with PeerProcess() as peers:
        for found in all_groups(only, peers):
            report["groups"].append(found)
            print(f"{found['name']}, batch {found['batch']}" if found["batch"] else found["name"])
            for r in found["rows"]:
                rate, ratio = r["samples_per_second"], r["base_is_faster"]
                print(f"  {r['name']:64} {rate:12,.1f}/s {ratio:10,.2f}", flush=True)
            report["peers"] = {"versions": peers.versions, "failures": peers.failures}
            write(report, "part" if only else "results")


if __name__ == "__main__":
    main()
