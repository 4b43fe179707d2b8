"""Calls of the command line: in this process, which takes no second for its imports, or in one of its own."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from ssdp_hw.cli import main

SSDP_HW = str(Path(sys.executable).with_name("ssdp-hw"))


def call_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The installed command."""
    command = [SSDP_HW, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What the installed command does after its imports, with the same filters of warnings."""
    words, before = ["ssdp-hw", *map(str, arguments)], sys.argv
    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
        warnings.resetwarnings()
        warnings.simplefilter("ignore", DeprecationWarning)  # as Python does outside of __main__
        sys.argv = words
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            sys.argv = before
    assert isinstance(code, int)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
