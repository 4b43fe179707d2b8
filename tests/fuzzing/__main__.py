"""``make fuzz``: damage files of every format, read each within 2 s, and accept only this package's own errors.

    python -m fuzzing --count 2000 --seed 0      from the folder tests

A file is determined by seed, format and number. What ends otherwise than accepted or refused is kept in
``tests/data/fuzz-found`` with its traceback, and the exit code is 1. Each run adds a line to ``docs/fuzz.md``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from fuzzing.corpus import FOLDER
from fuzzing.damage import damaged

ROOT = Path(__file__).parents[2]
FOUND = ROOT / "tests" / "data" / "fuzz-found"
LOG = ROOT / "docs" / "fuzz.md"

# Seconds that a file may take: of the processor, since others may use this machine, and by the clock.
CPU_SECONDS, SECONDS = 2.0, 60.0


class _Reader:
    """The reading process, and the watch over it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fuzzing.reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT / "tests",
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)])},
        )
        self.files = 0

    def read(self, name: str, path: Path) -> str:
        """How reading a file ended."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        if self.files > 1:  # the first ones import what they need
            before, limit = _cpu_seconds(process.pid), time.monotonic() + SECONDS
        else:
            before, limit = float("inf"), time.monotonic() + 5 * SECONDS
        self.files += 1
        try:
            process.stdin.write(json.dumps([name, str(path)]).encode() + b"\n")
            process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                while not selector.select(0.25):
                    if time.monotonic() > limit or _cpu_seconds(process.pid) - before > CPU_SECONDS:
                        return self._ended("did not end")
            line = process.stdout.readline()
        except OSError:
            line = b""
        return json.loads(line) if line else self._ended("crashed")

    def _ended(self, how: str) -> str:
        self.end()
        code = self._process.returncode
        self._start()
        return f"the process {how} (exit code {code})"

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _reason(outcome: str) -> str:
    """The last line of a traceback and the last line of this package in it: one fault has one reason."""
    lines = outcome.strip().splitlines()
    places = [line.strip() for line in lines if "ssdp_hw" in line and "line" in line]
    return f"{lines[-1][:120]} @ {places[-1][-90:] if places else ''}"


def fuzz(count: int, seed: int, only: str = "") -> tuple[Counter[str], Counter[str]]:
    """Read ``count`` damaged files.

    Returns:
        Outcomes by format and kind, and what was found by reason.
    """
    corpus = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if only in path.name}
    outcomes: Counter[str] = Counter()
    found: Counter[str] = Counter()
    reader = _Reader()
    with tempfile.TemporaryDirectory(prefix="ssdp-hw-fuzz-") as folder:
        for name, content in corpus.items():  # whole files are accepted, or nothing is shown by the others
            whole = Path(folder) / f"whole{Path(name).suffix}"
            whole.write_bytes(content)
            if (outcome := reader.read(name, whole)) != "accepted":
                raise SystemExit(f"{name}, undamaged: {outcome}")
        for number in range(count):
            name = list(corpus)[number % len(corpus)]
            draw = random.Random(f"{seed} {name} {number}")
            suffix = Path(name).suffix
            others = [data for other, data in corpus.items() if Path(other).suffix == suffix]
            path = Path(folder) / f"damaged{suffix}"
            path.write_bytes(damaged(corpus[name], name, draw, others, Path(folder) / "scratch.h5"))
            outcome = reader.read(name, path)
            kind = outcome if outcome in ("accepted", "refused") else "found"
            outcomes[f"{suffix} {kind}"] += 1
            if kind == "found":
                reason = _reason(outcome)
                if not found[reason]:
                    FOUND.mkdir(exist_ok=True)
                    kept = FOUND / f"{seed}-{number}-{name}"
                    kept.write_bytes(path.read_bytes())
                    kept.with_name(kept.name + ".txt").write_text(outcome, encoding="utf-8")
                    print(f"{kept.name}: {reason}", flush=True)
                found[reason] += 1
    reader.end()
    return outcomes, found


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="corpus files whose name has this in it")
    parser.add_argument("--log", action="store_true", help="add a line to docs/fuzz.md")
    arguments = parser.parse_args()
    outcomes, found = fuzz(arguments.count, arguments.seed, arguments.only)
    formats = sorted({key.split()[0] for key in outcomes})
    table = {f: {kind: outcomes[f"{f} {kind}"] for kind in ("accepted", "refused", "found")} for f in formats}
    for f, row in table.items():
        print(f, row)
    print(f"{sum(outcomes.values())} files, {sum(found.values())} not as they should be, of {len(found)} kinds")
    if arguments.log:
        cells = ", ".join(f"{f} {row['accepted']}/{row['refused']}/{row['found']}" for f, row in table.items())
        with LOG.open("a", encoding="utf-8") as log:
            day = datetime.datetime.now(tz=datetime.UTC).date()
            log.write(f"| {day} | {arguments.seed} | {sum(outcomes.values())} | {len(found)} | {cells} |\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
