"""Damaged HDF5 files end a process that reads them for this one, and not this one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import FileFormatError
from ssdp_hw.files import probe


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small network in a file."""
    path = tmp_path_factory.mktemp("probe") / "network.ssdp"
    population = sh.FixedPopulation(name="p", size=3, vth=5)
    projection = sh.FixedProjection(pre="in", post="p", weight=np.full((3, 2), 8))
    sh.FixedNetwork([sh.Input("in", 2)], [population], [projection], ["p"], notes=["a note"]).save(path)
    return path


def was_read(path):
    """Whether a file was read; False if it was refused, with its name."""
    try:
        sh.load(path)
    except FileFormatError as refused:
        if str(path) not in str(refused):
            raise
        return False
    return True


@examples(2000, default=60)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_file_is_read_or_refused(saved, tmp_path_factory, changes):
    content = bytearray(saved.read_bytes())
    for place, value in changes:
        content[int(place * len(content))] = value
    path = tmp_path_factory.getbasetemp() / "damaged.ssdp"
    path.write_bytes(content)
    assert was_read(path) in (True, False)  # and this process is still there


def test_a_pointer_of_an_attribute_that_leads_nowhere_is_refused(saved, tmp_path):
    """The text of an attribute lies in a collection; HDF5 follows its address without looking."""
    content = saved.read_bytes()
    heap = content.find(b"GCOL\x01")
    address = heap.to_bytes(8, "little")
    refused = 0
    place = content.find(address)
    while place >= 0:
        path = tmp_path / "pointer.ssdp"
        for other in (2**63, heap + 8, 2**40):
            path.write_bytes(content[:place] + other.to_bytes(8, "little") + content[place + 8 :])
            refused += not was_read(path)
        place = content.find(address, place + 1)
    assert refused


def test_a_reading_that_does_not_end_is_ended_and_the_next_file_is_read(saved, monkeypatch):
    monkeypatch.setattr(probe, "TIME_LIMIT", -1.0)
    monkeypatch.setattr(probe, "BYTES_A_SECOND", 1e12)
    with pytest.raises(FileFormatError, match="had not ended after"):
        sh.load(saved)
    monkeypatch.undo()
    assert sh.load(saved).population("p").size == 3


def test_a_process_that_died_is_started_again(saved):
    sh.load(saved)
    probe._reader._process.kill()
    probe._reader._process.wait()
    assert sh.load(saved).population("p").size == 3


def test_threads_share_one_process(saved):
    found = []
    threads = [threading.Thread(target=lambda: found.append(sh.load(saved).population("p").size)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3] * 8


def test_a_forked_process_has_a_reader_of_its_own(saved):
    """In a script of its own, since a fork of this process would copy its threads' locks."""
    script = (
        "import os, sys, ssdp_hw as sh\n"
        "sh.load(sys.argv[1])\n"
        "child = os.fork()\n"
        "size = sh.load(sys.argv[1]).population('p').size\n"
        "if not child:\n"
        "    os._exit(size)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == size == 3\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, os.fspath(saved)], check=True, timeout=120)


def test_a_users_modules_do_not_take_the_place_of_pythons(saved, tmp_path):
    """A file json.py where the user works is not run by the reading process."""
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')", encoding="utf-8")
    script = (
        f"import sys; sys.path[:] = [p for p in sys.path if p]; import ssdp_hw as sh; sh.load({os.fspath(saved)!r})"
    )
    subprocess.run([sys.executable, "-P", "-c", script], check=True, timeout=120, cwd=tmp_path)
