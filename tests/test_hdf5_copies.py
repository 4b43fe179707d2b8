"""Datasets that are described as one before them are read without the library, and hold what the library reads."""

import os
import pickle
import signal

import h5py
import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from ssdp_hw.errors import FileFormatError
from ssdp_hw.files import hdf5_copies, hdf5_values
from ssdp_hw.files.hdf5_reading import read_values

_TYPES = st.sampled_from(["?", "i1", "<i8", ">u4", "<f2", "<f4", "<f8", ">f8", "<c16", "S3"])
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
_WAYS = st.sampled_from(
    [
        {},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True},
        {"compression": "lzf"},
        {"chunks": True},
        {"fletcher32": True},
        {"maxshape": True},
    ]
)


@st.composite
def datasets(draw):
    """Values of one type and shape, and how they are stored."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.lists(_TEXT, min_size=1, max_size=6)), {"dtype": h5py.string_dtype()}
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    many = arrays.arrays(draw(_TYPES), (draw(st.integers(1, 6)), *shape))
    how = draw(_WAYS) if shape and 0 not in shape else {}
    if "maxshape" in how:
        how = {"maxshape": tuple(2 * size for size in shape)}
    return list(draw(many)), how


def write(path, kinds):
    """Each value in a group of its own, those of the kinds in turn."""
    with h5py.File(path, "w") as file:
        for k, (values, how) in enumerate(kinds):
            for n, value in enumerate(values):
                file.create_dataset(f"{n}/kind {k}", data=value, track_times=False, **how)


def same(one, other):
    """Whether two trees are the same, in types and bytes."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, bytes | None) and not isinstance(one, np.bytes_):
        return one == other
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@given(st.lists(datasets(), min_size=1, max_size=4))
@examples(400, default=20)
def test_they_hold_what_h5py_reads(tmp_path_factory, kinds):
    path = tmp_path_factory.getbasetemp() / "copies.h5"
    write(path, kinds)
    with h5py.File(path) as file:
        wanted = {group: {name: item[()] for name, item in file[group].items()} for group in file}
    assert same(read_values(path, trusted=True).tree, wanted)
    assert same(read_values(path).tree, wanted)


def test_kinds_that_differ_in_one_thing_are_kept_apart(tmp_path):
    """Four numbers of eight bytes: by type, byte order, shape, and how they are stored."""
    values = np.random.default_rng(0).integers(1, 1 << 62, 4)
    ways = [{}, {"chunks": True}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}]
    kinds = [
        ([values.view(dtype).reshape(shape)] * 2, how)
        for dtype in ("<i8", "<u8", ">i8", "<f8", ">f8")
        for shape in ((4,), (2, 2), (1, 4))
        for how in ways
    ]
    write(tmp_path / "kinds.h5", kinds)
    tree = read_values(tmp_path / "kinds.h5", trusted=True).tree
    for k, (wanted, _) in enumerate(kinds):
        for n in range(2):
            assert same(tree[str(n)][f"kind {k}"], wanted[n])


@pytest.mark.parametrize(
    ("value", "how"),
    [
        (np.ones(3), {"compression": "gzip"}),
        (np.ones((2, 3), "f4"), {"chunks": (2, 3)}),
        (np.int64(3), {}),
        (np.ones((2, 2), ">u2"), {}),
        ("word", {"dtype": h5py.string_dtype()}),
        ("word", {"dtype": h5py.string_dtype("ascii")}),
    ],
)
def test_the_library_opens_the_first_only(tmp_path, monkeypatch, value, how):
    """For what files of NIR consist of."""
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        for k in range(50):
            file.create_dataset(str(k), data=value, **({"track_times": False} | how))
    opened = []
    value_of = hdf5_values._Reader.value
    monkeypatch.setattr(hdf5_values._Reader, "value", lambda *given: opened.append(given) or value_of(*given))
    tree = read_values(path, trusted=True).tree
    assert len(opened) == 1
    wanted = value.encode() if isinstance(value, str) else value
    assert all(np.array_equal(found, wanted) for found in tree.values())


def test_texts_in_a_large_collection(tmp_path, monkeypatch):
    """HDF5 puts later texts where an earlier array of many left room."""
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("edges", data=[f"node {k}" for k in range(9000)], dtype=h5py.string_dtype())
        for k in range(50):
            file.create_dataset(str(k), data=f"word {k}", dtype=h5py.string_dtype(), track_times=False)
    opened = []
    value_of = hdf5_values._Reader.value
    monkeypatch.setattr(hdf5_values._Reader, "value", lambda *given: opened.append(given) or value_of(*given))
    tree = read_values(path, trusted=True).tree
    assert all(tree[str(k)] == f"word {k}".encode() for k in range(50))
    assert len(opened) == 2


def test_limits_count_them(tmp_path, monkeypatch):
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        for k in range(50):
            file.create_dataset(f"number/{k}", data=np.ones(4), track_times=False)
            file.create_dataset(f"text/{k}", data="word", dtype=h5py.string_dtype(), track_times=False)
    read_values(path, 50 * (32 + 8))
    with pytest.raises(FileFormatError, match=r"text/9' *: the datasets of the file occupy more than 1999 bytes"):
        read_values(path, 50 * (32 + 8) - 1)
    for limit, least, words in (("MAX_TEXTS", 50, "more than 49 texts"), ("MAX_TEXT_BYTES", 200, "longer than 199")):
        with monkeypatch.context() as patched:
            patched.setattr(hdf5_values.hdf5_guard, limit, least - 1)
            with pytest.raises(FileFormatError, match=words):
                read_values(path, trusted=True)


def read_in_a_child(path):
    """What a forked process reads: a tree, None where it refuses, or the signal that ended it."""
    receive, send = os.pipe()
    if (child := os.fork()) == 0:
        signal.alarm(20)
        try:
            found = read_values(path, trusted=True).tree
        except FileFormatError:
            found = None
        with os.fdopen(send, "wb") as out:
            pickle.dump(found, out)
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as answer:
        content = answer.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code else pickle.loads(content)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("copies") / "whole.h5"
    numbers = list(np.random.default_rng(0).random((4, 3)))
    texts = ["LIF", "Linear", "LIF", "Affine"]
    write(path, [(numbers, {}), (numbers, {"compression": "gzip"}), (texts, {"dtype": h5py.string_dtype()})])
    return path


def parts(path):
    """Where what is fetched without the library lies: headers, trees of chunks, pointers at texts, collections."""
    content = path.read_bytes()
    with h5py.File(path) as file:
        items = [item for group in file.values() for item in group.values()]
        found = [(h5py.h5o.get_info(item.id).addr, 272) for item in items]
        found += [(item.id.get_offset(), 16) for item in items if item.dtype.kind == "O"]
    for mark, size in ((b"TREE\x01", 64), (b"GCOL", 250)):
        found += [(place, size) for place in range(len(content)) if content.startswith(mark, place)]
    return found


_CHANGES = st.tuples(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True), st.integers(0, 255))


@pytest.mark.slow
@given(st.lists(_CHANGES, min_size=1, max_size=3))
@examples(500, default=6)
def test_damaged_ones_are_what_the_library_makes_of_them(whole, tmp_path_factory, changes):
    path, places = tmp_path_factory.getbasetemp() / "damaged.h5", parts(whole)
    content = bytearray(whole.read_bytes())
    for which, at, value in changes:
        start, size = places[int(which * len(places))]
        content[start + int(at * size)] = value
    path.write_bytes(content)
    found = read_in_a_child(path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hdf5_copies.Copies, "find", lambda *_: None)
        wanted = read_in_a_child(path)
    if not isinstance(wanted, int):  # the library itself ended the process
        assert (found is None) == (wanted is None)
        assert found is None or same(found, wanted)
