"""What writes to a disk that is full: an error of ours, older files as they were, no draft, and the process lives.

A limit on the size of files (``RLIMIT_FSIZE``) stands for the disk: beyond it a write fails as on a full one.
"""

import resource
import signal
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from command_calls import call
from example_counts import examples
from hypothesis import given, strategies as st
from ssdp_hw.targets.lava.export import export_script

import ssdp_hw as sh
from ssdp_hw.cli.files import write_arrays
from ssdp_hw.errors import FileFormatError, TargetRunError
from ssdp_hw.files.failure_keeper import FailureKeeper
from ssdp_hw.files.hdf5_writing import held_interrupts, new_hdf5

LIMIT = 20_000


def network(size=200):
    rng = np.random.default_rng(0)
    return sh.FixedNetwork(
        [sh.Input("in", size)],
        [sh.FixedPopulation(name="out", size=40, dv=256, vth=60)],
        [sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(-30, 40, (40, size)))],
        ["out"],
    )


@contextmanager
def full_disk(limit=LIMIT):
    """No file becomes longer than the limit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails instead of ending the process
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def pieces(count=6):
    for k in range(count):
        yield np.random.default_rng(k).random((300, 20, 200)) < 0.5


WRITERS = {
    "save.h5": lambda path: sh.save(network(4000), path),
    "learning.h5": lambda path: sh.save_learning(
        network(), sh.LearningState({"in->out": np.arange(8000)}, 1, 0, 1), path
    ),
    "net.nir": lambda path: sh.write_nir(network(4000), path),
    "stream.h5": lambda path: sh.stream(network(), pieces(), path, record=("spikes", "v", "u"), on_overflow="ignore"),
    "script.py": lambda path: export_script(network(4000), path),
    "arrays.npz": lambda path: write_arrays(path, {"x": np.random.default_rng(0).random(100_000)}),
}


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_an_error_of_ours(tmp_path, name, capfd):
    path = tmp_path / name
    older = b"precious"
    path.write_bytes(older)
    with full_disk(), pytest.raises(FileFormatError, match="cannot be written"):
        WRITERS[name](path)
    assert path.read_bytes() == older
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert capfd.readouterr().err == ""  # nothing is complained of by an object that is collected
    WRITERS[name](path)
    assert path.read_bytes() != older


def test_encode_on_a_full_disk(tmp_path):
    np.save(tmp_path / "values.npy", np.random.default_rng(0).random((200, 64)))
    with full_disk():
        done = call("encode", tmp_path / "values.npy", "--steps", "50", "--seed", "1", "--out", tmp_path / "s.npz")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be written" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["values.npy"]


def test_lavas_folder_is_full():
    spikes = np.random.default_rng(0).random((50, 2, 200)) < 0.3
    if not sh.list_targets(tried=False) or not next(t for t in sh.list_targets() if t.name == "lava").installed:
        pytest.skip("lava-nc is not installed")
    with full_disk(2000), pytest.raises(TargetRunError, match="cannot be written to a temporary folder"):
        sh.run(network(), spikes, "lava")


@given(
    st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=40)), max_size=12),
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(0, 60),
)
@examples(300, default=30)
def test_what_was_written_is_read_whether_it_is_on_the_disk_or_not(tmp_path_factory, writes, limit, start, size):
    """As in a file of memory."""
    folder = tmp_path_factory.mktemp("keeper")
    expected = bytearray()
    with full_disk(limit):
        keeper = FailureKeeper(folder / "file", reads=True)
        for at, content in writes:
            keeper.seek(at)
            assert keeper.write(content) == len(content)
            expected.extend(bytes(max(0, at + len(content) - len(expected))))
            expected[at : at + len(content)] = content
        keeper.seek(start)
        assert keeper.read(size) == bytes(expected[start : start + size])
        assert keeper.seek(0, 2) == len(expected)
        reached = any(content and at + len(content) > limit for at, content in writes)
        assert (keeper.failure is not None) == reached
        keeper.close()


def test_h5py_reads_what_it_would_have_written_itself(tmp_path):
    def fill(file):
        file.attrs["format"] = "x"
        file.create_dataset("a", data=np.arange(1000), track_times=False, compression="gzip")
        file.create_dataset("g/b", data=np.zeros(3), track_times=False)

    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        fill(file)
    with new_hdf5(tmp_path / "ours.h5") as new, new.writing() as file:
        fill(file)
    with h5py.File(tmp_path / "ours.h5") as ours, h5py.File(tmp_path / "theirs.h5") as theirs:
        assert ours.attrs["format"] == theirs.attrs["format"]
        for name in ("a", "g/b"):
            assert np.array_equal(ours[name], theirs[name])
            assert ours[name].compression == theirs[name].compression
    # Nothing of it depends on the time or on the process.
    with new_hdf5(tmp_path / "again.h5") as new, new.writing() as file:
        fill(file)
    assert (tmp_path / "ours.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()


# Ctrl-C.


@pytest.fixture(autouse=True)
def _handled():
    """Python's handler, which a job in the background of a shell does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("ignored", [signal.SIG_IGN, None])
def test_where_ctrl_c_is_ignored_it_stays_so(ignored, tmp_path):
    if ignored is not None:
        signal.signal(signal.SIGINT, ignored)
    before = signal.getsignal(signal.SIGINT)
    with held_interrupts():
        if ignored is not None:
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def interrupting(after, count=6):
    """Pieces, and Ctrl-C while one of them is made."""
    for k, piece in enumerate(pieces(count)):
        if k == after:
            signal.raise_signal(signal.SIGINT)
        yield piece


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("after", [1, 3])
def test_one_press_ends_a_stream_whose_file_is_whole_up_to_there(tmp_path, after):
    net, path = network(), tmp_path / "s.h5"
    record = ("spikes", "v", "u")
    with pytest.raises(KeyboardInterrupt, match=f"the first {300 * after} steps"):
        sh.stream(net, interrupting(after), path, record=record, on_overflow="ignore")
    whole = sh.run(net, np.concatenate(list(pieces(after))), record=record, on_overflow="ignore")
    with h5py.File(path, "r") as file:
        assert not file.attrs["complete"]
        for variable in record:
            assert np.array_equal(file[variable]["out"], getattr(whole, variable)["out"])
    sh.stream(net, pieces(after), path, record=record, on_overflow="ignore")
    with h5py.File(path, "r") as file:
        assert file.attrs["complete"]


def test_before_the_first_piece_there_is_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        sh.stream(network(), interrupting(0), tmp_path / "s.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_press_while_the_library_writes_waits_for_it(tmp_path):
    def interrupted():
        with new_hdf5(tmp_path / "x.h5") as new, new.writing() as file:
            file.create_dataset("a", data=np.arange(10))
            signal.raise_signal(signal.SIGINT)
            file.create_dataset("b", data=np.arange(10))

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with h5py.File(tmp_path / "x.h5", "r") as found:
        assert set(found) == {"a", "b"}


def test_the_users_own_handler_is_called_once_and_stays():
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append("own"))
    try:
        own = signal.getsignal(signal.SIGINT)
        with held_interrupts():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert calls == []
        assert calls == ["own"]
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
