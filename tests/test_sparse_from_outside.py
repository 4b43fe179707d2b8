"""Sparse weights whose arrays point outside: refused before the compiled loops of SciPy follow them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from attempts import attempt
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import SsdpHwError

SHAPE = (4, 6)
WEIGHT = sp.csr_array(np.where(np.random.default_rng(0).random(SHAPE) < 0.5, 2, 0))
FORMATS = ("csr", "csc", "bsr", "coo")
PLACES = st.one_of(
    st.integers(-3, 12), st.sampled_from((-(2**48), -(2**31), 2**31 - 1, 2**31, 2**40, 2**62, 5000, 100_000))
)


def damaged(draw, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same arrays with some entries changed, some cut off, or all of them gone."""
    name = draw(st.sampled_from(sorted(arrays)))
    array = arrays[name].astype(np.int64)
    how = draw(st.sampled_from(("entries", "cut", "longer", "flat")))
    if how == "entries" and array.size:
        for _ in range(draw(st.integers(1, 3))):
            array.flat[draw(st.integers(0, array.size - 1))] = draw(PLACES)
    elif how == "cut":
        array = array[: draw(st.integers(0, max(len(array) - 1, 0)))]
    elif how == "longer":
        array = np.concatenate([array, array[:1]])
    else:
        array = array.reshape(1, -1) if draw(st.booleans()) else np.zeros_like(array)
    return {**arrays, name: array}


def is_whole(kind: str, arrays: dict[str, np.ndarray]) -> bool:
    """Whether these arrays are those of a matrix of that shape, written from the definition of the formats."""
    rows, columns = SHAPE if kind != "csc" else SHAPE[::-1]
    if any(a.ndim != 1 for a in arrays.values()):
        return False
    if kind == "coo":
        row, col = arrays["row"], arrays["col"]
        inside = all(0 <= r < rows and 0 <= c < columns for r, c in zip(row, col, strict=False))
        return len(row) == len(col) == WEIGHT.nnz and inside
    indptr, indices = arrays["indptr"], arrays["indices"]
    ends = indptr.tolist()
    if len(ends) != rows + 1 or ends[0] != 0 or ends[-1] != len(indices) or sorted(ends) != ends:
        return False
    return len(indices) == WEIGHT.nnz and all(0 <= i < columns for i in indices.tolist())


@examples(300, default=50)
@given(st.data(), st.sampled_from(FORMATS))
def test_arrays_of_a_user(data, kind):
    matrix = WEIGHT.tobsr((1, 1)) if kind == "bsr" else WEIGHT.asformat(kind, copy=True)
    names = ("row", "col") if kind == "coo" else ("indices", "indptr")
    given_arrays = {n: np.array(getattr(matrix, n)) for n in names}
    arrays = damaged(data.draw, given_arrays)
    if kind == "coo":
        matrix.coords = (arrays["row"], arrays["col"])
    else:
        matrix.indices, matrix.indptr = arrays["indices"], arrays["indptr"]
    made, error = attempt(lambda: sh.FixedProjection(pre="a", post="b", weight=matrix))
    if made is None:
        assert "'a->b'" in error
        assert "occurs twice" in error or not is_whole(kind, arrays)
    else:
        assert is_whole(kind, arrays)
        np.testing.assert_array_equal(made.weight.toarray(), matrix.toarray())


def network() -> sh.FixedNetwork:
    return sh.FixedNetwork(
        [sh.Input("in", SHAPE[1])],
        [sh.FixedPopulation(name="out", size=SHAPE[0], vth=9)],
        [sh.FixedProjection(pre="in", post="out", weight=WEIGHT)],
        ["out"],
    )


@pytest.mark.parametrize("kind", ["h5", "nir"])
@examples(150, default=20)
@given(data=st.data())
def test_arrays_in_files(kind, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("sparse") / f"n.{kind}"
    sh.save(network(), path) if kind == "h5" else sh.write_nir(network(), path)
    found: dict[str, list[str]] = {}
    with h5py.File(path, "r+") as file:
        file.visit(lambda n: found.setdefault(n.split("/")[-1], []).append(n))
        places = {name: data.draw(st.sampled_from(found[name])) for name in ("indices", "indptr")}
        arrays = {name: file[place][()] for name, place in places.items()}
        changed = damaged(data.draw, arrays)
        for name, place in places.items():
            del file[place]
            file[place] = changed[name]
    loaded, error = attempt(lambda: sh.load(path) if kind == "h5" else sh.from_nir(path))
    if loaded is None:
        assert "n." in error
        return
    if kind == "h5":
        assert is_whole("csr", changed)
    assert sh.run(loaded, np.ones((2, 1, SHAPE[1]), bool), "spec").spikes["out"].shape == (2, 1, SHAPE[0])


@pytest.mark.parametrize("middle", [-281474976710656, 5000, 100_000])
def test_an_empty_weight_whose_row_ends_lead_astray(middle):
    hostile = sp.csr_array((2, 3), dtype=np.int64)
    hostile.indptr = np.array([0, middle, 0])
    with pytest.raises(SsdpHwError, match="do not rise from 0"):
        sh.Projection(pre="a", post="b", weight=hostile)
