"""A process of its own reads HDF5 files: what ends or stops it is one clear error, and the next file is read."""

import os
import signal
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_MODEL
from ssdp_hw.errors import FileFormatError
from ssdp_hw.files import reading_process
from ssdp_hw.files.hdf5_reading import read_values


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as f:
        f["x"] = np.arange(3)
    return path


def process():
    return reading_process._reader._process._popen


def tree_of(path, **options):
    return read_values(path, **options).tree


_NUMBERS = arrays.arrays(
    st.sampled_from(["?", "i1", "<i8", ">u4", "<f2", ">f8", "<c16", "S3"]), arrays.array_shapes(min_dims=0, min_side=0)
)
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)


@given(st.dictionaries(st.sampled_from("abcd"), _NUMBERS | _TEXT | st.lists(_TEXT, min_size=1, max_size=3)))
@examples(200, default=15)
def test_the_process_hands_over_what_h5py_reads(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("values") / "file.h5"
    with h5py.File(path, "w") as f:
        for name, value in content.items():
            kind = None if isinstance(value, np.ndarray) else h5py.string_dtype()
            f.create_dataset(f"group/{name}/value", data=value, dtype=kind)
    found, trusted = tree_of(path), tree_of(path, trusted=True)
    with h5py.File(path) as f:
        for name in content:
            read = f[f"group/{name}/value"][()]
            for tree in (found, trusted):
                value = tree["group"][name]["value"]
                assert type(value) is type(read)
                np.testing.assert_array_equal(value, read, strict=True)
                assert not isinstance(value, np.ndarray) or value.flags.writeable


def test_this_process_opens_no_untrusted_file(tmp_path, monkeypatch):
    net = sh.quantize(sh.from_nir(DIGITS_MODEL, dt=1e-3))
    sh.save(net, tmp_path / "net.h5")

    def opened(*_, **__):
        raise AssertionError("HDF5 in this process")

    monkeypatch.setattr(h5py, "File", opened)
    loaded = sh.load(tmp_path / "net.h5")
    for projection in net.projections:
        np.testing.assert_array_equal(loaded.projection(projection.name).weight, projection.weight)
    sh.from_nir(DIGITS_MODEL, dt=1e-3)
    for read in (lambda: sh.load(tmp_path / "net.h5", trusted=True), lambda: sh.from_nir(DIGITS_MODEL, trusted=True)):
        with pytest.raises(AssertionError, match="HDF5 in this process"):
            read()


def test_one_process_reads_file_after_file(path):
    tree_of(path)
    first = process().pid
    with pytest.raises(FileFormatError, match="occupy more"):
        tree_of(path, max_bytes=1)
    tree_of(path)
    assert process().pid == first


@pytest.mark.slow
def test_a_process_that_a_file_ends_is_named_and_started_anew(path, monkeypatch):
    with monkeypatch.context() as patched:
        reading_process._reader.end()
        patched.setattr(reading_process, "_COMMAND", (sys.executable, "-c", "input(); print('not JSON')"))
        with pytest.raises(FileFormatError, match="crashed on it") as caught:
            tree_of(path)
        assert str(path) in str(caught.value)
    assert list(tree_of(path)["x"]) == [0, 1, 2]
    process().kill()
    process().wait()
    assert list(tree_of(path)["x"]) == [0, 1, 2]


def test_a_crash_that_an_earlier_file_may_have_prepared_is_not_laid_to_this_one(path):
    tree_of(path)
    stopped = process()
    stopped.send_signal(signal.SIGSTOP)
    threading.Timer(0.2, stopped.kill).start()
    assert list(tree_of(path)["x"]) == [0, 1, 2]
    assert process() is not stopped


def test_a_file_that_takes_for_ever_is_named(path, monkeypatch):
    tree_of(path)
    process().send_signal(signal.SIGSTOP)
    with monkeypatch.context() as patched:
        patched.setattr(reading_process, "TIME_LIMIT", 0.1)
        with pytest.raises(FileFormatError, match=r"reading it had not ended after 0\.1\d+ s"):
            tree_of(path)
    assert list(tree_of(path)["x"]) == [0, 1, 2]


def test_a_file_that_keeps_the_library_busy_is_named(path, tmp_path, monkeypatch):
    with h5py.File(tmp_path / "busy.h5", "w") as f:
        f.create_dataset("x", shape=(100, 1 << 20), dtype="i1", chunks=(1, 1 << 20), compression="gzip")
        folded = zlib.compress(bytes(1 << 20), 9)
        for row in range(100):
            f["x"].id.write_direct_chunk((row, 0), folded)
    with monkeypatch.context() as patched:
        patched.setattr(reading_process, "CPU_LIMIT", 0.01)
        with pytest.raises(FileFormatError, match=r"had not ended after computing for 0\.\d+ s"):
            tree_of(tmp_path / "busy.h5")
    assert list(tree_of(path)["x"]) == [0, 1, 2]


@pytest.mark.parametrize("trusted", [False, True])
def test_a_file_over_whose_groups_the_library_would_go_in_a_circle_is_refused(trusted):
    """Found by changing bytes of a network's file: h5py's own iteration over its names never ends."""
    with pytest.raises(FileFormatError, match="is damaged"):
        tree_of(Path(__file__).parent / "data" / "damaged" / "endless.h5", trusted=trusted)


def test_ctrl_c_in_the_middle_leaves_no_half_answer(path, monkeypatch):
    tree_of(path)
    process().send_signal(signal.SIGSTOP)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            tree_of(path)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert list(tree_of(path)["x"]) == [0, 1, 2]


@pytest.mark.slow
def test_max_bytes_bounds_what_the_process_takes(path):
    """96 bytes of data whose compressed chunk unfolds to 256 MiB."""
    with h5py.File(path, "w") as f:
        data = f.create_dataset("x", shape=(12,), dtype="f8", chunks=(12,), compression="gzip")
        folded = zlib.compressobj(1)
        data.id.write_direct_chunk(
            (0,), b"".join([folded.compress(bytes(1 << 24)) for _ in range(16)]) + folded.flush()
        )
    for _ in range(2):
        with pytest.raises(FileFormatError, match="more memory to read than max_bytes, 1000000, allows") as caught:
            tree_of(path, max_bytes=1_000_000)
        assert str(path) in str(caught.value)


_SCRIPT = """
import os, sys, threading
from ssdp_hw.files.hdf5_reading import read_values
paths = sys.argv[1:]
def read(turn, out):
    for k in range(12):
        which = (turn + k) % len(paths)
        out.append(int(read_values(paths[which]).tree["x"][0]) == which)
read(0, first := [])
print("once", all(first))
child = os.fork()
here = []
threads = [threading.Thread(target=read, args=(k, here)) for k in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
if child == 0:
    os._exit(0 if len(here) == 48 and all(here) else 3)
print(len(here), all(here), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
def test_threads_forked_processes_and_scripts_without_a_main_guard(tmp_path):
    paths = [tmp_path / f"{value}.h5" for value in range(3)]
    for value, path in enumerate(paths):
        with h5py.File(path, "w") as f:
            f["x"] = np.full(100_000, value)
    (tmp_path / "json.py").write_text("raise SystemExit('a module of the user in place of one of Python')")
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    command = [sys.executable, "-P", "-W", "error", script, *paths]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert (done.stdout.split("\n"), done.stderr) == (["once True", "48 True 0", ""], "")


def test_the_process_ends_with_the_one_who_asks(path):
    code = (
        "import os, sys; from ssdp_hw.files import hdf5_reading, reading_process as r;"
        "hdf5_reading.read_values(sys.argv[1]);"
        "print(r._reader._process._popen.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120)
    pid = int(done.stdout)
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                return
        threading.Event().wait(0.05)
    pytest.fail("the reading process outlived its parent")


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


@examples(2000, default=40)
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
