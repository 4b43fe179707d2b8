"""Studies that the tests sweep; workers import them from here."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

OFFSET = 0.5


def shifted(value: float) -> float:
    """What the study below calls."""
    return value + OFFSET


def product(a: int, b: float, seed: int = 0, log: str = "", pause: float = 0.0) -> dict[str, Any]:
    """a times b and a seed; each call leaves a line in a file."""
    if log:
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{a} {b} {seed}\n")
    time.sleep(pause)
    if a == 3 and b == 2.0:
        raise ValueError("no product of 3 and 2")
    return {"product": a * shifted(b) + seed, "bits": a, "even": a % 2 == 0, "name": f"{a}x{b}"}


def deadly(a: int, marker: str, pause: float = 0.0, ballast: Any = None) -> dict[str, Any]:
    """Kills its own process with a = 3, the first time alone."""
    del ballast  # what only makes the data large
    time.sleep(pause)
    if a == 3 and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": a * a}


def waits(a: int, until: str) -> dict[str, Any]:
    """The second and later ones wait for a file."""
    while a > 1 and not Path(until).exists():
        time.sleep(0.01)
    return {"square": a * a}
