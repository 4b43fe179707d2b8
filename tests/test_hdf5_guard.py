"""Files that point elsewhere, into circles, or declare too much are refused before they are read."""

import os

import h5py
import numpy as np
import pytest

from ssdp_hw.errors import FileFormatError
from ssdp_hw.files import hdf5_guard
from ssdp_hw.files.hdf5_reading import read_values


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.h5"


def refuses(path, words, **limits):
    for trusted in (False, True):  # the same look, in a process of its own and in this one
        with pytest.raises(FileFormatError, match=words) as caught:
            read_values(path, trusted=trusted, **limits)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    os.rename(path, path.with_suffix(".moved"))  # nothing keeps the file open under its name
    os.rename(path.with_suffix(".moved"), path)


def test_plain_file_opens_and_reads(path):
    with h5py.File(path, "w") as f:
        f.create_group("a/b")["x"] = np.arange(3)
        f["text"] = "word"
        f["empty"] = h5py.Empty("f8")
    tree = read_values(path).tree
    assert list(tree["a"]["b"]["x"]) == [0, 1, 2]
    assert (tree["text"], tree["empty"]) == (b"word", None)


def test_missing_folder_and_foreign_files(path, tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        read_values(tmp_path / "absent.nir")
    with pytest.raises(FileFormatError, match="not a regular file"):
        read_values(tmp_path)
    for content in (b"", b"\x89HDF\r\n\x1a\n", b"not HDF5 at all" * 100):
        path.write_bytes(content)
        refuses(path, "cannot be opened as HDF5")


def test_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileFormatError, match="not a regular file"):
        read_values(tmp_path / "pipe")


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


def test_texts_that_share_their_bytes(path):
    """1000 texts of 60 kB in a file of 111 kB: the sixteen bytes that point at the text are all the same."""
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=["a" * 60_000, *["b"] * 999], dtype=h5py.string_dtype())
        offset = f["x"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[offset : offset + 16_000] = bytes(content[offset : offset + 16]) * 1000
    path.write_bytes(content)
    assert len(content) < 120_000
    with h5py.File(path) as f:
        assert f["x"][999] == b"a" * 60_000
    refuses(path, "'/x': the texts of the file are longer than")


@pytest.mark.parametrize("size", [0, 2**64 - 16, 2**64 - 4096])
def test_collection_of_texts_without_end(path, size):
    """HDF5 steps over the objects of a collection by their sizes, and would go on for ever."""
    with h5py.File(path, "w") as f:
        f["x"] = "text"
    content = bytearray(path.read_bytes())
    start = content.index(b"GCOL") + 16
    free = start + 16 + 8  # behind the header and the text, padded
    assert content[start : start + 2] == b"\x01\x00"
    assert content[free : free + 2] == b"\x00\x00"
    place = free if size == 0 else start
    content[place + 8 : place + 16] = size.to_bytes(8, "little")
    path.write_bytes(content)
    refuses(path, "a collection of texts at byte")


def test_text_that_claims_4_gigabytes(path):
    with h5py.File(path, "w") as f:
        f["x"] = "text"
        offset = f["x"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[offset : offset + 4] = b"\xff" * 4
    path.write_bytes(content)
    refuses(path, "'/x': the texts of the file are longer than")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shape": (2**20, 2)}, "more than .* texts"),
        ({"shape": (4, 2), "chunks": (2, 2)}, "'/x' has texts in chunks"),
    ],
)
def test_too_many_texts_and_texts_in_chunks(path, options, words):
    with h5py.File(path, "w") as f:
        f.create_dataset("x", dtype=h5py.string_dtype(), **options)
    refuses(path, words)


@pytest.mark.parametrize(
    "dtype",
    [
        h5py.vlen_dtype(np.float64),
        h5py.ref_dtype,
        np.dtype([("a", "f8"), ("b", "i4")]),
        np.dtype("V8"),
    ],
)
def test_types_other_than_numbers_and_text(path, dtype):
    with h5py.File(path, "w") as f:
        f.create_dataset("x", shape=(3,), dtype=dtype)
    refuses(path, "'/x' has values of type .* only numbers and text are read")


def test_filters_of_other_programs(path):
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=np.zeros(100), chunks=(10,), compression="gzip", shuffle=True, fletcher32=True)
        f.create_dataset("y", data=np.zeros(100), chunks=(10,), compression="lzf")
    read_values(path)
    with h5py.File(path, "w") as f:  # optional, so that HDF5 writes it without the filter
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((10,))
        plist.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
        h5py.h5d.create(f.id, b"x", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((10,)), plist)
    content = path.read_bytes()
    number = (32000).to_bytes(2, "little")
    assert content.count(number) == 1
    path.write_bytes(content.replace(number, (32013).to_bytes(2, "little")))
    refuses(path, "'/x' is stored through the HDF5 filter 32013")


def test_budget_counts_all_datasets_as_they_unfold(path):
    with h5py.File(path, "w") as f:
        for name in ("a", "b"):
            f.create_dataset(name, data=np.zeros(1000), compression="gzip")
    read_values(path, max_bytes=16_000)
    refuses(path, "occupy more than 15999 bytes", max_bytes=15_999)


def test_size_that_turns_around_in_64_bits(path):
    with h5py.File(path, "w") as f:  # 2**66 bytes declared, none written
        f.create_dataset("x", shape=(2**31, 2**32), dtype="f8", chunks=(1, 1024))
    assert path.stat().st_size < 10_000
    refuses(path, "occupy more than")


def test_chunks_that_unfold_to_more_than_the_dataset(path):
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=np.zeros((8, 1)), maxshape=(8, None), chunks=(8, 1 << 20), compression="gzip")
    assert path.stat().st_size < 100_000
    refuses(path, r"'/x' is stored in chunks \(8, 1048576\) of more than max_bytes, 1000000, each", max_bytes=1_000_000)


def test_attributes_are_bounded(path):
    with h5py.File(path, "w") as f:
        f.attrs["text"], f.attrs["fixed"], f.attrs["number"] = "word", np.bytes_(b"x"), np.int16(3)
        f.attrs["array"] = np.zeros(3)
    found = read_values(path).attributes
    assert found == read_values(path, trusted=True).attributes == {"text": "word", "fixed": "x", "number": 3}
    with h5py.File(path, "w", libver="latest") as f:
        f.attrs["text"] = "a" * (hdf5_guard.MAX_ATTRIBUTE_BYTES + 1)
    refuses(path, "has an attribute of more than")
    with h5py.File(path, "w", libver="latest") as f:
        for index in range(hdf5_guard.MAX_ATTRIBUTES + 1):
            f.attrs[str(index)] = 0
    refuses(path, "has more than 1000 attributes")


def test_depth_and_number_of_objects(path, monkeypatch):
    with h5py.File(path, "w") as f:
        f.create_group("/".join("a" * (hdf5_guard.MAX_DEPTH + 1)))
    refuses(path, "nested deeper")
    monkeypatch.setattr(hdf5_guard, "MAX_OBJECTS", 20)
    with pytest.raises(FileFormatError, match="more than 20 objects"):
        read_values(path, trusted=True)


def test_every_truncation_opens_or_is_refused(path):
    with h5py.File(path, "w") as f:
        f.create_group("g")["x"] = np.arange(100)
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        try:
            read_values(path)
        except FileFormatError:
            continue
        pytest.fail(f"a file cut to {length} of {len(content)} bytes was accepted")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        (b"PK\x03\x04" + b"0" * 40, "zip archive, as torch.save"),
        (b"\x80\x04\x95", "Python pickle"),
        (b"<!DOCTYPE html><html>", "web page"),
    ],
)
def test_what_is_often_given_in_place_of_hdf5_is_named(tmp_path, content, said):
    path = tmp_path / "network.nir"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=said):
        read_values(path)
