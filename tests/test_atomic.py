"""Drafts of files: complete files replace older ones, and what killed processes left is removed by the next write."""

import os
import subprocess
import sys

import pytest

from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.atomic import write_atomically, write_together

_KILLED = """
import os, sys
from pathlib import Path
from ssdp_hw.files.atomic import write_atomically, write_together
def write(partial):
    (partial / "x" if partial.is_dir() else partial).write_text("half")
    os.kill(os.getpid(), 9)
if sys.argv[2] == "together":
    write_together(sys.argv[1], write)
write_atomically(Path(sys.argv[1]) / "file.h5", write)
"""


@pytest.mark.parametrize("how", ["atomically", "together"])
def test_what_a_killed_process_left_is_removed_and_what_a_running_one_writes_is_not(tmp_path, how):
    (tmp_path / "file.h5").write_text("old")
    done = subprocess.run([sys.executable, "-c", _KILLED, tmp_path, how], timeout=120)
    assert done.returncode == -9
    assert (tmp_path / "file.h5").read_text() == "old"
    assert len(os.listdir(tmp_path)) == 2

    def write(partial):
        partial.write_text("new")
        write_atomically(tmp_path / "other.h5", lambda path: path.write_text("inner"))
        assert partial.exists()

    (tmp_path / ".ssdp-hw-elsewhere-1-a.partial.h5").write_text("of another computer")
    write_atomically(tmp_path / "file.h5", write)
    assert sorted(os.listdir(tmp_path)) == [".ssdp-hw-elsewhere-1-a.partial.h5", "file.h5", "other.h5"]
    assert (tmp_path / "file.h5").read_text() == "new"


def test_a_write_that_fails_leaves_nothing(tmp_path):
    def fails(partial):
        partial.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(FileFormatError, match="No space left"):
        write_atomically(tmp_path / "file.h5", fails)
    with pytest.raises(FileFormatError, match="cannot be written"):
        write_together(tmp_path, lambda folder: fails(folder / "x"))
    assert os.listdir(tmp_path) == []
