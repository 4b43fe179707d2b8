"""``make endurance``: many runs on Lava in one process, and processes that are killed while they store something.

    python benchmarks/endurance.py --lava 1000 --kills 150 --seed 0

1. Lava: as many runs of a small network, one after the other in this process; each gives the specification's spikes,
   and afterwards there are as many processes, open files and pieces of shared memory as before, and no folder is left.
2. Kills: processes that learn with a checkpoint, sample by sample and on-line, one that streams to a file, and one that
   sweeps with a store are killed (SIGKILL) at a random moment and started again until they finish. What they wrote in
   the end has the bytes of a run that nothing disturbed, and no draft of a file is left.

It prints what it found; the exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import ssdp_hw as sh
from ssdp_hw.learning.nothing_learned import NothingLearnedWarning
from ssdp_hw.running.silence import SilentNetworkWarning

STEPS, SAMPLES = 30, 24


def network() -> sh.FixedNetwork:
    """A network of two layers, in integers."""
    rng = np.random.default_rng(0)
    return sh.FixedNetwork(
        [sh.Input("in", 40)],
        [
            sh.FixedPopulation(name="hidden", size=60, du=1000, dv=200, vth=1500),
            sh.FixedPopulation(name="out", size=4, dv=256, vth=1500),
        ],
        [
            sh.FixedProjection(pre="in", post="hidden", weight=2 * rng.integers(-30, 50, (60, 40))),
            sh.FixedProjection(
                pre="hidden", post="out", weight=2 * rng.integers(-30, 50, (4, 60)), delay=1, scale=100.0
            ),
        ],
        ["out"],
    )


def spikes(seed: int, samples: int = SAMPLES) -> np.ndarray:
    """Random input."""
    return np.random.default_rng(seed).random((STEPS, samples, 40)) < 0.2


# What is killed. Each goes on where an earlier process stopped, and ends with the same file.


def learning(folder: Path, epochs: int = 12, online: bool = False) -> None:
    """A lesson of several epochs that saves itself after every second sample; its weights move until the end."""
    path = folder / "learned.h5"
    net, state = (network(), None) if not path.exists() else sh.load_learning(path)
    left = epochs - (0 if state is None else state.epochs)
    if left:
        random = sh.SSDP(a_plus=0.002, a_baseline=0.001, sigma=5.0, rounding="stochastic")
        carry = sh.FixedSTDP(a_plus=3, a_minus=2, decay_plus=400, decay_minus=400, lsb_shift=16, counter_bits=24)
        sh.learn(
            net, spikes(1), np.arange(SAMPLES) % 4, {"hidden->out": random, "in->hidden": carry}, "spec", state=state,
            presentation=sh.Presentation(left, seed=3, shuffle=not online, restart=not online),
            checkpoint=sh.Checkpoint(path, 2), on_overflow="ignore", health=False,
        )  # fmt: skip


def learning_online(folder: Path) -> None:
    """A lesson whose samples are pieces of one run: its file holds the neurons and spikes under way, too."""
    learning(folder, online=True)


def streaming(folder: Path) -> None:
    """A recording of many pieces; it is there when it is whole."""
    path = folder / "recorded.h5"
    if not path.exists():
        pieces = (spikes(k) for k in range(150))
        sh.stream(network(), pieces, path, record=("spikes", "v", "u"), on_overflow="ignore")


def study(weight_bits: int, seed: int) -> dict[str, float]:
    """Spikes of the network with fewer bits."""
    net = network()
    mask = -(1 << (9 - weight_bits))
    net = net.with_mantissas({p.name: p.mantissa & mask for p in net.projections})
    ran = sh.run(net, spikes(seed), "spec", on_overflow="ignore")
    return {"rate": ran.spike_rate(), "first": float(ran.predict()[0])}


def sweeping(folder: Path) -> None:
    """A sweep, whose table holds what its cells do."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        found = sh.sweep(study, {"weight_bits": range(2, 9), "seed": range(4)}, executor=pool, store=folder / "runs")
    text = "\n".join(str(row) for row in found.rows())
    (folder / "table.txt").write_text(text)


JOBS: dict[str, tuple[Callable[[Path], None], str]] = {
    "learn": (learning, "learned.h5"),
    "learn on-line": (learning_online, "learned.h5"),
    "stream": (streaming, "recorded.h5"),
    "sweep": (sweeping, "table.txt"),
}


class Differences(list[str]):
    """What differs; each is printed as soon as it is found, so that a run that is ended early has said it."""

    def append(self, difference: str) -> None:
        """Keep it, and print it."""
        print(f"DIFFERS: {difference}", flush=True)
        super().append(difference)


def kills(count: int, seed: int) -> list[str]:
    """Kill each job so often in all, and say what differs from a run that nothing disturbed."""
    wrong = Differences()
    chance = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for job, (_, file) in JOBS.items():
            whole = root / f"{job}-whole"
            whole.mkdir()
            start = time.perf_counter()
            subprocess.run(command(job, whole), check=True)
            lasts = time.perf_counter() - start
            done = rounds = 0
            while done < -(-count // len(JOBS)):
                folder = root / f"{job}-{rounds}"
                folder.mkdir()
                rounds += 1
                patience = lasts  # it grows, so that a round ends where the machine has become busier
                while True:
                    process = subprocess.Popen(command(job, folder))
                    try:
                        process.wait(chance.uniform(0.2, 1.5) * patience)
                    except subprocess.TimeoutExpired:
                        process.send_signal(signal.SIGKILL)
                    code = process.wait()
                    if code == 0:
                        break
                    if code != -signal.SIGKILL:
                        wrong.append(f"{job}, round {rounds}: started again it ended with {code}")
                        break
                    done += 1
                    patience *= 1.05
                if (folder / file).exists() and (folder / file).read_bytes() != (whole / file).read_bytes():
                    wrong.append(f"{job}, round {rounds}: {file} differs")
                for draft in folder.rglob("*.partial*"):
                    wrong.append(f"{job}, round {rounds}: {draft} is left")
            print(f"{job}: {done} kills in {rounds} rounds of {lasts:.1f} s", flush=True)
    return wrong


def command(job: str, folder: Path) -> list[str]:
    """This script, which does one job."""
    return [sys.executable, __file__, "--job", job, str(folder)]


def lava(count: int) -> list[str]:
    """Run on Lava so often, and say what differs or grows."""
    net, wrong = network(), Differences()
    sh.run(net, spikes(0, 1), "lava", on_overflow="ignore")
    before, pieces, start = held(), shared_memory(), time.perf_counter()
    for k in range(count):
        given = spikes(k, 1)
        found, wanted = (sh.run(net, given, target, on_overflow="ignore") for target in ("lava", "spec"))
        if any(not np.array_equal(found.spikes[name], wanted.spikes[name]) for name in wanted.spikes):
            wrong.append(f"Lava, run {k}: other spikes than the specification's")
        if (k + 1) % 100 == 0:
            print(f"Lava: {k + 1} runs after {time.perf_counter() - start:.0f} s; {held()}", flush=True)
    left, deadline = shared_memory() - pieces, time.monotonic() + 60
    while left and time.monotonic() < deadline:  # what others on the machine use meanwhile goes, and what leaked stays
        time.sleep(0.1)
        left &= shared_memory()
    if left:
        wrong.append(f"Lava: {len(left)} pieces of shared memory are left")
    after = held()
    for what, number in after.items():
        if number > before[what] * (1.2 if what == "largest memory in MiB" else 1):
            wrong.append(f"Lava: {what} grew from {before[what]} to {number}")
    print(f"Lava: all {count} runs in {time.perf_counter() - start:.0f} s", flush=True)
    return wrong


def held() -> dict[str, int]:
    """What this process and its worker hold."""
    folders = [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("ssdp-hw-lava-")]
    children = sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))
    return {
        "children": children,
        "open files": len(os.listdir("/proc/self/fd")),
        "folders": sum(f"-{os.getpid()}-" in name for name in folders),
        "largest memory in MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def shared_memory() -> set[str]:
    """Names of the pieces of shared memory that Python's multiprocessing made, of all processes of this machine."""
    return {name for name in os.listdir("/dev/shm") if name.startswith("psm_")}  # noqa: S108


def main() -> None:
    """Run what the options say."""
    parser = argparse.ArgumentParser(description="Many runs on Lava, and processes that are killed.")
    parser.add_argument("--lava", type=int, default=1000, help="runs on Lava (default: 1000)")
    parser.add_argument("--kills", type=int, default=150, help="kills of all jobs together (default: 150)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--job", nargs=2, metavar=("JOB", "FOLDER"), help="what a process that is killed does")
    arguments = parser.parse_args()
    if arguments.job:
        warnings.simplefilter("ignore", SilentNetworkWarning)  # with few bits no weight is left
        warnings.simplefilter("ignore", NothingLearnedWarning)  # a process started near the end has few windows left
        JOBS[arguments.job[0]][0](Path(arguments.job[1]))
        return
    wrong = kills(arguments.kills, arguments.seed) if arguments.kills else []
    wrong += lava(arguments.lava) if arguments.lava else []
    print(f"{len(wrong)} differ" if wrong else "nothing differs")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
