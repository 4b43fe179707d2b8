"""Arrays from files of NumPy: nothing larger than the limit is made, whatever a header or a directory states."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.numpy_arrays import read_arrays


def npy(array, shape=None):
    """A .npy file's bytes; ``shape``: what its header states in place of the truth."""
    buffer = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + array.tobytes()


@examples(100, default=30)
@given(
    st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 5), min_size=0, max_size=3), min_size=1),
    st.sampled_from(["?", "<i2", ">f8", "<c16"]),
    st.booleans(),
)
def test_what_was_written_is_read(tmp_path_factory, shapes, dtype, compressed):
    path = tmp_path_factory.mktemp("arrays") / "a.npz"
    rng = np.random.default_rng(0)
    given_arrays = {name: rng.integers(0, 2, shape).astype(dtype) for name, shape in shapes.items()}
    (np.savez_compressed if compressed else np.savez)(path, **given_arrays)
    found = read_arrays(path)
    assert found.keys() == given_arrays.keys()
    for name, array in given_arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    total = sum(array.nbytes for array in given_arrays.values())
    if total:
        with pytest.raises(FileFormatError, match="above the limit"):
            read_arrays(path, max_bytes=total - 1)


@pytest.mark.parametrize("what", ["zeros", "header", "header in an archive", "array"])
def test_nothing_large_is_made(tmp_path, what):
    """An archive of a few kilobytes may hold gigabytes, and a header may state any shape."""
    path = tmp_path / ("a.npy" if what in ("header", "array") else "a.npz")
    if what == "zeros":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("spikes.npy", npy(np.zeros(1 << 25, np.uint8)))
    elif what == "header":
        path.write_bytes(npy(np.zeros(8), (1 << 27,)))
    elif what == "array":
        path.write_bytes(npy(np.zeros(1 << 22)))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("spikes.npy", npy(np.zeros(8), (1 << 27,)))
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=r"above the limit of 0\.0156 GiB|a header of shape \(134217728,\)"):
            read_arrays(path, max_bytes=1 << 24)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
