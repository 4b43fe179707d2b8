"""The other end of peers.py: a process with an interpreter of its own, told line by line what to run."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from measure import Contender
from numpy.typing import NDArray

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("SSDP_HW_BENCH_PEERS", HERE.parent / ".venv-peers" / "bin" / "python"))


class PeerProcess(AbstractContextManager["PeerProcess"]):
    """A running peers.py.

    Attributes:
        versions: by kind and name package and version of every installed peer; empty without their interpreter.
        failures: why a peer is not in a group, by name.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[str] | None = None
        self.versions: dict[str, dict[str, str]] = {}
        self.failures: dict[str, str] = {}
        if PYTHON.exists():
            self._process = subprocess.Popen(
                [PYTHON, HERE / "peers.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            )
            self.versions = self._answer()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate("end\n")
        self._folder.cleanup()

    def contenders(self, kind: str, given: Mapping[str, Any], samples: int, exact: bool = False) -> Iterator[Contender]:
        """Every peer of a kind on what it is given, arrays and numbers; those that fail are noted.

        The first run of each gives its result, the others give nothing.
        """
        if not self.versions.get(kind):
            return
        path = str(Path(self._folder.name) / "given.npz")
        np.savez(path, **given)
        self._ask("load", kind, path)
        for name in self.versions[kind]:
            try:
                first = self._check(name)
            except ChildProcessError as error:
                self.failures[name] = str(error)
            else:
                yield Contender(name, _Once(first, lambda name=name: self._ask("run", name)), samples, exact)

    def _check(self, name: str) -> NDArray[np.bool_]:
        path = Path(self._folder.name) / "out.npy"
        self._ask("check", name, str(path))
        return np.load(path)

    def _ask(self, *command: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("\t".join(command) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise ChildProcessError(answer["error"])

    def _answer(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:  # libraries print too
            if line.startswith("peers: "):
                return json.loads(line.removeprefix("peers: "))
        raise ChildProcessError(f"{PYTHON} has ended")


class _Once:
    """A run whose first call returns a result that is there already; the others leave theirs where it is."""

    def __init__(self, first: Any, run: Any) -> None:
        self._first, self._run = first, run

    def __call__(self) -> Any:
        first, self._first = self._first, None
        return self._run() if first is None else first
