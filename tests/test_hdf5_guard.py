"""Files that point elsewhere, into circles, or declare too much are refused before they are read."""

import os

import h5py
import numpy as np
import pytest

from ssdp_hw import hdf5_guard
from ssdp_hw.errors import FileFormatError
from ssdp_hw.hdf5_guard import open_checked


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.h5"


def refuses(path, words, **limits):
    with pytest.raises(FileFormatError, match=words) as caught:
        open_checked(path, **limits)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    os.rename(path, path.with_suffix(".moved"))  # nothing keeps the file open under its name
    os.rename(path.with_suffix(".moved"), path)


def test_plain_file_opens_and_reads(path):
    with h5py.File(path, "w") as f:
        f.create_group("a/b")["x"] = np.arange(3)
        f["text"] = "word"
        f["empty"] = h5py.Empty("f8")
    with open_checked(path) as f:
        assert list(f["a/b/x"]) == [0, 1, 2]


def test_missing_folder_and_foreign_files(path, tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        open_checked(tmp_path / "absent.nir")
    with pytest.raises(FileFormatError, match="not a regular file"):
        open_checked(tmp_path)
    for content in (b"", b"\x89HDF\r\n\x1a\n", b"not HDF5 at all" * 100):
        path.write_bytes(content)
        refuses(path, "cannot be opened as HDF5")


def test_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileFormatError, match="not a regular file"):
        open_checked(tmp_path / "pipe")


@pytest.mark.parametrize("link", [h5py.SoftLink("/a"), h5py.SoftLink("/nowhere"), h5py.ExternalLink("o.h5", "/a")])
def test_links(path, link):
    with h5py.File(path, "w") as f:
        f["a"] = 1
        f.create_group("g")["link"] = link
    refuses(path, "'/g/link' is a soft or external link")


@pytest.mark.parametrize("target", ["/", "g", "g/x"])
def test_second_hard_link(path, target):
    with h5py.File(path, "w") as f:
        f.create_group("g")["x"] = 1
        f["g"]["again"] = f[target]
    refuses(path, "is a second link")


def test_external_storage(path, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(80))
    with h5py.File(path, "w") as f:
        f.create_dataset("x", shape=(10,), dtype="f8", external=[(str(tmp_path / "secret"), 0, 80)])
    refuses(path, "'/x' is stored in other files")


def test_virtual_dataset(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as f:
        f["x"] = np.arange(4)
    layout = h5py.VirtualLayout(shape=(4,), dtype="i8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape=(4,))
    with h5py.File(path, "w") as f:
        f.create_virtual_dataset("x", layout)
    refuses(path, "'/x' is stored in other files")


def test_named_type(path):
    with h5py.File(path, "w") as f:
        f["kind"] = np.dtype("f8")
    refuses(path, "neither a group nor a dataset")


def test_budget_counts_all_datasets_as_they_unfold(path):
    with h5py.File(path, "w") as f:
        for name in ("a", "b"):
            f.create_dataset(name, data=np.zeros(1000), compression="gzip")
    open_checked(path, max_bytes=16_000).close()
    refuses(path, "occupy more than 15999 bytes", max_bytes=15_999)


def test_size_that_turns_around_in_64_bits(path):
    with h5py.File(path, "w") as f:  # 2**66 bytes declared, none written
        f.create_dataset("x", shape=(2**31, 2**32), dtype="f8", chunks=(1, 1024))
    assert path.stat().st_size < 10_000
    refuses(path, "occupy more than")


def test_depth_and_number_of_objects(path, monkeypatch):
    with h5py.File(path, "w") as f:
        f.create_group("/".join("a" * (hdf5_guard.MAX_DEPTH + 1)))
    refuses(path, "nested deeper")
    monkeypatch.setattr(hdf5_guard, "MAX_OBJECTS", 20)
    refuses(path, "more than 20 objects")


def test_every_truncation_opens_or_is_refused(path):
    with h5py.File(path, "w") as f:
        f.create_group("g")["x"] = np.arange(100)
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        try:
            with open_checked(path) as f:
                f["g/x"][()]
        except FileFormatError:
            continue
        pytest.fail(f"a file cut to {length} of {len(content)} bytes was accepted")
