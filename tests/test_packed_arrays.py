"""Files of many small arrays hold them as a few large ones, and give back the same."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

import ssdp_hw as sh
from ssdp_hw.errors import FileFormatError
from ssdp_hw.files import container
from ssdp_hw.files.packed_arrays import MANY_ARRAYS, packed, unpacked

PATHS = st.tuples(*[st.sampled_from("abc")] * 3).map("/".join)
VALUES = arrays.arrays(
    st.sampled_from(["?", "i1", "<i8", "<u4", "<f8"]), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0)
)


@examples(200, default=20)
@given(st.dictionaries(PATHS, VALUES))
def test_what_is_packed_comes_back(given_arrays):
    stored: dict[str, object] = {"values": {}}
    for path, array in packed(given_arrays).items():
        if path.startswith("values/"):
            stored["values"][path.removeprefix("values/")] = array
        else:
            stored[path] = array
    found = unpacked(stored)
    for path, array in given_arrays.items():
        inside = found
        for part in path.split("/"):
            inside = inside[part]
        np.testing.assert_array_equal(inside, array, strict=True)


def many(count: int = MANY_ARRAYS // 4) -> sh.FixedNetwork:
    """A chain of so many populations."""
    rng = np.random.default_rng(0)
    names = [f"p{k}" for k in range(count)]
    populations = [sh.FixedPopulation(name=n, size=2, vth=int(rng.integers(1, 99))) for n in names]
    joins = zip(["in", *names], names, strict=False)
    projections = [
        sh.FixedProjection(
            pre=a, post=b, name=b, weight=2 * rng.integers(-9, 9, (2, 2)), delay=rng.integers(0, 3, (2, 2))
        )
        for a, b in joins
    ]
    return sh.FixedNetwork([sh.Input("in", 2)], populations, projections, [names[-1]])


def same(a, b):
    """Whether two networks hold the same values."""
    left, right = a.to_record(), b.to_record()
    assert left.values == right.values
    wanted, found = (dict(container._by_path(r.arrays)) for r in (left, right))
    assert wanted.keys() == found.keys()
    for path, array in wanted.items():
        np.testing.assert_array_equal(found[path], array, err_msg=path)


def test_a_network_of_many_parts_is_one_of_few_arrays(tmp_path):
    network, path = many(), tmp_path / "network.h5"
    network.save(path)
    with h5py.File(path) as file:
        assert file.attrs["version"] == 2
        assert set(file) == {"header", "index", "values"}
        assert len(file["values"]) < 5
    same(sh.load(path), network)
    same(sh.load(path, trusted=True), network)
    sh.save(network, tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_the_bytes_of_small_networks_are_those_of_version_1(tmp_path, monkeypatch):
    small = many(3)
    small.save(tmp_path / "one.h5")
    with h5py.File(tmp_path / "one.h5") as file:
        assert file.attrs["version"] == 1
        assert "populations" in file
    monkeypatch.setattr(container, "MANY_ARRAYS", 3)
    small.save(tmp_path / "two.h5")
    same(sh.load(tmp_path / "two.h5"), sh.load(tmp_path / "one.h5"))


@examples(200, default=15)
@given(st.data())
def test_a_damaged_index_is_refused(tmp_path_factory, data):
    """Sizes that do not fit, negative ones, paths through arrays: an error of ours, never other values."""
    folder = tmp_path_factory.mktemp("packed")
    network = many(3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(container, "MANY_ARRAYS", 3)
        network.save(folder / "network.h5")
    with h5py.File(folder / "network.h5", "r+") as file:
        index = json.loads(bytes(file["index"]))
        what = data.draw(st.sampled_from(["paths", "kinds", "shapes"]))
        place = data.draw(st.integers(0, len(index[what]) - 1))
        wrong = {
            "paths": st.sampled_from(["", "populations", "populations/0/du/x", "../x", None, 3]),
            "kinds": st.sampled_from([-1, 9, None, "x"]),
            "shapes": st.lists(st.integers(-9, 9) | st.just(2**70), min_size=1, max_size=3),
        }
        index[what][place] = data.draw(wrong[what].filter(lambda value: value != index[what][place]))
        del file["index"]
        file["index"] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    with pytest.raises(FileFormatError, match=r"network\.h5"):
        sh.load(folder / "network.h5", trusted=True)
