"""Damaged and hostile NIR files: whatever is changed in a valid file, only the toolkit's own errors come out."""

import itertools
import shutil

import h5py
import nir
import numpy as np
import pytest
from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from test_nir_writer import network
from test_storage import fixed_network

from ssdp_hw import SSDP
from ssdp_hw.conversion.nir import from_nir, rule_from_nir, write_nir
from ssdp_hw.errors import SsdpHwError

MAX_BYTES = 1 << 24
DT = {"a": 1e-3, "b": 1e-3, "c": None}  # a fixed network states its own


def convolutional():
    """Nodes of most types, nested graphs and loops."""

    def neuron(shape):
        return nir.CubaLIF(*(np.full(shape, v) for v in (0.01, 0.005, 1.0, 0.0, 1.0)))

    inner = nir.NIRGraph(
        {
            "in": nir.Input({"input": np.array([2])}),
            "w": nir.Affine(np.eye(2), np.ones(2)),
            "n": neuron(2),
            "out": nir.Output({"output": np.array([2])}),
        },
        [("in", "n"), ("n", "w"), ("w", "n"), ("n", "out")],
        type_check=False,
    )
    nodes = {
        "in": nir.Input({"input": np.array([1, 6, 6])}),
        "conv": nir.Conv2d((6, 6), np.ones((2, 1, 3, 3)), 1, "same", 1, 1, np.zeros(2)),
        "pop": neuron((2, 6, 6)),
        "pool": nir.SumPool2d(*(np.array([k, k]) for k in (2, 2, 0))),
        "flat": nir.Flatten({"input": np.array([2, 3, 3])}, 0, -1),
        "scale": nir.Scale(np.full(18, 0.5)),
        "delay": nir.Delay(np.full(18, 0.003)),
        "fc": nir.Linear(np.ones((2, 18))),
        "sub": inner,
        "last": nir.Threshold(np.ones(2)),
        "out": nir.Output({"output": np.array([2])}),
    }
    return nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False)


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """Folder of valid files: one by NIR, one of a float and one of a fixed network by the toolkit."""
    folder = tmp_path_factory.mktemp("valid")
    nir.write(folder / "a.nir", convolutional())
    write_nir(network(), folder / "b.nir")
    write_nir(fixed_network(), folder / "c.nir", rule=SSDP())
    for name in "abc":
        from_nir(folder / f"{name}.nir", DT[name])
    return folder


def read_or_refuse(path, dt):
    """Read the file, or get one of the toolkit's errors: one line that names the file."""
    for read, options in ((from_nir, {"dt": dt, "max_synapses": 1 << 20}), (rule_from_nir, {})):
        said = f"{path}"
        try:
            read(path, max_bytes=MAX_BYTES, **options)
        except SsdpHwError as error:
            said = str(error)
        assert str(path) in said
        assert "\n" not in said


FRACTION = st.floats(0, 1, exclude_max=True)
BYTES = st.one_of(
    st.tuples(st.just("cut"), FRACTION, st.just(0)),
    st.tuples(st.just("set"), FRACTION, st.integers(0, 255)),
    st.tuples(st.just("fill"), FRACTION, st.sampled_from((0, 255))),
    st.tuples(st.just("copy"), FRACTION, FRACTION),
)


def damaged(content, changes):
    data = bytearray(content)
    for kind, where, value in changes:
        start = int(where * len(data))
        if kind == "cut":
            del data[start:]
        elif kind == "set":
            data[start : start + 1] = bytes([value])
        elif kind == "fill":
            data[start : start + 8] = bytes([value] * 8)
        else:
            source = int(value * len(data))
            data[start : start + 16] = data[source : source + 16]
        if not data:
            break
    return bytes(data)


@examples(200, default=40, base=settings(suppress_health_check=list(HealthCheck)))
@given(which=st.sampled_from("abcc"), changes=st.lists(BYTES, min_size=1, max_size=4))
def test_changed_bytes(valid, tmp_path_factory, which, changes):
    path = tmp_path_factory.getbasetemp() / "bytes.nir"
    path.write_bytes(damaged((valid / f"{which}.nir").read_bytes(), changes))
    read_or_refuse(path, DT[which])


ODD = [
    -1,
    0,
    2,
    2**31,
    2**63 - 1,
    -2.0,
    1e308,
    float("nan"),
    float("inf"),
    1j,
    True,
    "",
    "text",
    "a\nb",
    "NIRGraph",
    "LIF",
    "Conv1d",
    "same",
    b"\xff",
    h5py.Empty("f8"),
    "in",
    "sub.w",
]
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from([(0,), (1,), (2,), (3,), (2, 2), (2, 1, 3, 3), (1, 1, 1, 1, 1), (2, 0)]).flatmap(
        lambda shape: st.sampled_from(["f8", "i8", "u1", "?", "S3", "f2", "c16"]).map(
            lambda dtype: np.ones(shape, dtype)
        )
    ),
    st.lists(
        st.sampled_from(["in", "conv", "pop", "pool", "sub", "out", "last", "nobody", ""]), min_size=2, max_size=8
    ).map(lambda names: np.array(names[: len(names) // 2 * 2], object).reshape(-1, 2)),
    st.sampled_from([(1 << 40,), (1 << 20, 1 << 20), (2, 1 << 23)]).map(lambda shape: ("declared", shape)),
)
STRUCTURE = st.tuples(st.sampled_from(("delete", "value", "move", "copy", "group")), FRACTION, FRACTION, VALUES)


def restructure(file, kind, where, other, value):
    """One change of a file's objects, if HDF5 allows it."""
    names = []
    file.visit(names.append)
    if not names:
        return
    name, second = names[int(where * len(names))], names[int(other * len(names))]
    try:
        if kind == "copy":
            file.copy(second, file, name + "_2" if other < 0.5 else f"{name}/{second.rsplit('/')[-1]}")
        elif kind == "move":
            file.move(name, f"{second.rsplit('/', 1)[0]}/{name.rsplit('/')[-1]}")
        else:
            del file[name]
            if kind == "group":
                file.create_group(name)
            elif kind == "value" and isinstance(value, tuple):
                file.create_dataset(name, shape=value[1], dtype="f8", chunks=(1,) * len(value[1]))
            elif kind == "value" and isinstance(value, np.ndarray) and value.dtype.hasobject:
                file.create_dataset(name, data=value, dtype=h5py.string_dtype())
            elif kind == "value":
                file[name] = value
    except (ValueError, OSError, RuntimeError, TypeError, KeyError):
        pass  # not every change is possible


@examples(200, default=30, base=settings(suppress_health_check=list(HealthCheck)))
@given(which=st.sampled_from("abcc"), changes=st.lists(STRUCTURE, min_size=1, max_size=3))
def test_changed_structure(valid, tmp_path_factory, which, changes):
    path = tmp_path_factory.getbasetemp() / "structure.nir"
    path.write_bytes((valid / f"{which}.nir").read_bytes())
    with h5py.File(path, "r+") as f:
        for change in changes:
            restructure(f, *change)
    read_or_refuse(path, DT[which])


OPTIONS = [
    *(f"conv/{name}" for name in ("dilation", "groups", "input_shape", "padding", "stride", "weight", "bias")),
    *(f"pool/{name}" for name in ("kernel_size", "padding", "stride")),
    *(f"flat/{name}" for name in ("end_dim", "input_type")),
    *("in/shape", "delay/delay", "pop/tau_mem", "last/threshold", "fc/weight"),
]


@pytest.mark.parametrize(
    "option", ["flat/start_dim", "scale/scale", *(pytest.param(name, marks=pytest.mark.slow) for name in OPTIONS)]
)
def test_an_odd_value_of_an_option(valid, tmp_path, option):
    """Each of them, since a random change seldom meets one."""
    for value in ODD:
        path = tmp_path / "odd.nir"
        shutil.copy(valid / "a.nir", path)
        with h5py.File(path, "r+") as file:
            del file[f"node/nodes/{option}"]
            file[f"node/nodes/{option}"] = value
        read_or_refuse(path, DT["a"])
