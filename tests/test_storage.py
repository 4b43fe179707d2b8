import dataclasses
import json
import os
import time
from importlib import resources

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from example_counts import examples, share
from hypothesis import given, strategies as st
from strategies import fixed_networks, float_networks

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import FileFormatError, ParameterError, SsdpHwError
from ssdp_hw.network.formats import SignMode
from ssdp_hw.network.graph import NETWORK_FILE, Comparison, Reset
from ssdp_hw.quantization import PopulationReport, ProjectionReport, QuantizationReport


def same(a, b, where="network"):
    """Equality of everything: types, dtypes, values, through dataclasses and sequences."""
    assert type(a) is type(b), where
    if sp.issparse(a):
        same(a.data, b.data, f"{where}.data")
        for name in ("indices", "indptr"):  # SciPy chooses their width
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), f"{where}.{name}")
        assert a.shape == b.shape
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, where
        np.testing.assert_array_equal(a, b, where)
    elif dataclasses.is_dataclass(a):
        for f in dataclasses.fields(a):
            same(getattr(a, f.name), getattr(b, f.name), f"{where}.{f.name}")
    elif isinstance(a, tuple | list):
        assert len(a) == len(b), where
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}[{k}]")
    else:
        assert a == b, where


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.h5"


def fixed_network(**more):
    populations = [
        sh.FixedPopulation(
            name="hidden / ü",
            size=3,
            du=[1, 2, 3],
            dv=7,
            vth=9,
            bias_mant=[-1, 0, 4],
            bias_exp=2,
            v_init=[5, 0, -6],
            reset=Reset.SUBTRACT,
            threshold=Comparison.AT_LEAST,
            scale=1 / 3,
        ),
        sh.FixedPopulation(name="out", size=2, spiking=False),
    ]
    sparse = sp.csr_array((np.array([0, 4, -6]), np.array([1, 0, 2]), np.array([0, 1, 3])), shape=(2, 3))
    projections = [
        sh.FixedProjection(
            pre="in",
            post="hidden / ü",
            weight=4 * np.arange(12).reshape(3, 4),
            format=sh.WeightFormat(8, SignMode.EXCITATORY),
            weight_exp=-2,
            delay=np.arange(12).reshape(3, 4),
            scale=[0.1, 0.2, 0.3],
        ),
        sh.FixedProjection(pre="hidden / ü", post="out", weight=sparse, delay=[1, 2, 3], name="readout"),
        sh.FixedProjection(
            pre="hidden / ü",
            post="out",
            weight=np.zeros((2, 3), int),
            delay=5,
            name="late",
            format=sh.WeightFormat(4, SignMode.INHIBITORY),
        ),
    ]
    return sh.FixedNetwork(
        [sh.Input("in", 4)], populations, projections, ["out", "hidden / ü"], notes=["a", "b\n"], **more
    )


def report():
    return QuantizationReport(
        "loihi",
        (PopulationReport("out", 0.1, 0.2, 1 / 3, 0.4, 0.5, 6, 0.7, 0.8, 0.9, "calibration"),),
        (ProjectionReport("late", "w8/8-mixed", "max_abs", -2, 6, 1, 2, 0.1, float("inf")),),
        ("note",),
    )


def float_network():
    populations = [
        sh.Population(
            name="a",
            neuron=sh.CubaLIF(size=2, tau_mem=[0.01, 0.02], tau_syn=0.1, w_in=3, v_init=0.5),
            bias=[0.1, 0.2],
            reset=Reset.SUBTRACT,
        ),
        sh.Population(name="b", neuron=sh.LI(size=1, tau_mem=1 / 300), threshold=Comparison.AT_LEAST),
    ]
    projections = [
        sh.Projection(pre="x", post="a", weight=np.ones((2, 3), np.float32) / 3),
        sh.Projection(pre="a", post="b", weight=sp.csr_array([[0.1, 0.0]])),
    ]
    return sh.Network(
        [sh.Input("x", 3)],
        populations,
        projections,
        ["b"],
        sh.Semantics(1e-3, "exponential", "voltage_first"),
        ["note"],
    )


@pytest.mark.parametrize(
    "network",
    [fixed_network(), fixed_network(dt=1e-3, report=report()), float_network()],
    ids=["fixed", "report", "float"],
)
def test_everything_comes_back(network, path):
    sh.save(network, path)
    same(sh.load(path), network)


@examples(100, default=15)
@given(st.one_of(fixed_networks(), float_networks()))
def test_round_trip_of_values_and_bytes(tmp_path_factory, network):
    folder = tmp_path_factory.mktemp("round")
    sh.save(network, folder / "a")
    loaded = sh.load(folder / "a")
    same(loaded, network)
    sh.save(loaded, folder / "b")
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_bytes_do_not_depend_on_time_or_name(tmp_path):
    sh.save(fixed_network(), tmp_path / "a")
    time.sleep(1.1)  # HDF5 counts its times in seconds
    sh.save(fixed_network(), tmp_path / "another_name")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "another_name").read_bytes()


def test_methods(path):
    fixed_network().save(path)
    same(sh.FixedNetwork.load(path), fixed_network())
    with pytest.raises(FileFormatError, match="holds a fixed network, not a float one"):
        sh.Network.load(path)
    float_network().save(path)
    same(sh.Network.load(path), float_network())
    with pytest.raises(FileFormatError, match="holds a float network, not a fixed one"):
        sh.FixedNetwork.load(path)


def test_saving_replaces_the_file_in_one_move_and_leaves_nothing_else(path):
    path.write_bytes(b"old")
    other = path.with_name("other")
    os.link(path, other)
    sh.save(fixed_network(), path)
    same(sh.load(path), fixed_network())
    assert other.read_bytes() == b"old"  # whoever has the old file open keeps it whole
    assert sorted(os.listdir(path.parent)) == [path.name, "other"]


def test_failure_to_write_leaves_the_old_file(path, monkeypatch):
    sh.save(fixed_network(), path)
    before = path.read_bytes()

    def full(*args, **more):
        raise OSError("no space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    with pytest.raises(FileFormatError, match=r"net\.h5: cannot be written .*no space left"):
        sh.save(float_network(), path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_places_that_cannot_be_written(tmp_path):
    for place in (tmp_path / "no" / "folder", tmp_path, tmp_path / ("x" * 300), "."):
        with pytest.raises(FileFormatError, match="cannot be written"):
            sh.save(fixed_network(), place)
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_saved(path):
    with pytest.raises(ParameterError, match="only networks can be saved, not dict"):
        sh.save({}, path)
    with pytest.raises(ParameterError, match="report is a str"):
        sh.save(fixed_network(report="good"), path)
    with pytest.raises(FileFormatError, match=r"chip 'loihi': 'weight_exp_max' = 30; a whole number from 0 to 15"):
        sh.save(fixed_network(chip=dataclasses.replace(load_chip("loihi"), weight_exp_max=30)), path)
    assert not path.exists()


@pytest.mark.parametrize("change", [{"name": "mine"}, {"threshold_bits": 16}, {"title": "another", "delay_max": 70}])
def test_a_users_chip_travels_with_its_network(path, change):
    chip = dataclasses.replace(load_chip("loihi"), **change)
    sh.save(fixed_network(chip=chip), path)
    found = sh.load(path).limits
    assert found == chip
    assert found.figures("core") == chip.figures("core")
    assert found.entries["state_bits"] == chip.entries["state_bits"]
    assert all(name == "threshold_bits" or found.entries[name].source for name in found.entries)


def test_a_file_cannot_name_the_path_of_a_chip(path, tmp_path):
    (tmp_path / "mine.toml").write_text((resources.files("ssdp_hw.chips") / "loihi.toml").read_text())
    sh.save(fixed_network(chip=tmp_path / "mine.toml"), path)
    change_header(path, lambda h: h.update(chip=str(tmp_path / "mine.toml")))
    with pytest.raises(FileFormatError, match="is unknown"):
        sh.load(path)


# Damaged and foreign files.


def refused(path, words):
    with pytest.raises(FileFormatError, match=words) as caught:
        sh.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_foreign_files(path):
    refused(path, "no such file")
    path.write_text("text")
    refused(path, "cannot be opened as HDF5")
    with h5py.File(path, "w") as f:
        f["node"] = 1
    refused(path, "not a network saved by ssdp-hw")


@pytest.mark.parametrize("value", [b"other", "other", 3, np.zeros(2), h5py.Empty("f8")])
def test_other_format_attribute(path, value):
    sh.save(fixed_network(), path)
    with h5py.File(path, "r+") as f:
        f.attrs["format"] = value
    refused(path, "not a network saved by ssdp-hw")


@pytest.mark.parametrize("value", [3, 0, -1, "1", 1.5, np.ones(2)])
def test_other_version(path, value):
    sh.save(fixed_network(), path)
    with h5py.File(path, "r+") as f:
        f.attrs["version"] = value
    refused(path, "reads up to 2")


def change_header(path, change):
    with h5py.File(path, "r+") as f:
        header = json.loads(f["header"][()].tobytes())
        change(header)
        del f["header"]
        f["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)


HEADERS = [
    lambda h: h.pop("populations"),
    lambda h: h.pop("kind"),
    lambda h: h.update(kind="other"),
    lambda h: h.update(kind="float"),
    lambda h: h.update(chip="none"),
    lambda h: h.update(dt="x"),
    lambda h: h.update(dt=-1),
    lambda h: h.update(notes="abc"),
    lambda h: h.update(outputs=[1]),
    lambda h: h.update(outputs=["hidden"]),
    lambda h: h.update(report={"chip": 1}),
    lambda h: h.update(report=[]),
    lambda h: h["inputs"][0].update(size=5),
    lambda h: h["inputs"][0].update(more=5),
    lambda h: h["populations"].pop(),
    lambda h: h["populations"].append(h["populations"][0]),
    lambda h: h["populations"][0].update(size=10**12),
    lambda h: h["populations"][0].update(spiking="no"),
    lambda h: h["populations"][0].update(reset="x"),
    lambda h: h["populations"][0].update(scale="x"),
    lambda h: h["populations"][0].update(du=3),
    lambda h: h["populations"][0].update(name=None),
    lambda h: h["projections"][0].update(weight_exp=2.5),
    lambda h: h["projections"][0].update(weight=[[0]]),
    lambda h: h["projections"][0].update(post="out"),
    lambda h: h["projections"][0].update(delay=0),
    lambda h: h["projections"][0].update(source="x"),
    lambda h: h["projections"][0]["format"].update(bits=9),
    lambda h: h["projections"][0]["format"].update(bits="8"),
    lambda h: h["projections"][1].update(shape=[2, 2]),
    lambda h: h["projections"][1].update(shape=[2, 10**12]),
    lambda h: h["projections"][1].update(shape=3),
    lambda h: h["projections"][1].pop("shape"),
]


@pytest.mark.parametrize("change", HEADERS)
def test_damaged_header(path, change):
    sh.save(fixed_network(), path)
    change_header(path, change)
    refused(path, "net")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_header_that_is_no_json_object(path, text):
    sh.save(fixed_network(), path)
    with h5py.File(path, "r+") as f:
        del f["header"]
        f["header"] = np.frombuffer(text, np.uint8)
    refused(path, "is damaged")


@pytest.mark.parametrize("name", ["semantics", "model", "size"])
def test_damaged_float_header(path, name):
    for value in (None, "x", {"dt": 0}, 10**12):
        sh.save(float_network(), path)
        change_header(path, lambda h, v=value: (h if name in h else h["populations"][0]).update({name: v}))
        refused(path, "net")


ARRAYS = {
    "populations/0/du": [np.zeros(1, int), np.zeros(4, int), np.zeros(3), np.array([0, 1, 4096])],
    "populations/0/bias_mant": [np.array([0, 0, 4096]), b"text"],
    "projections/0/weight": [np.ones((4, 3), int), np.full((3, 4), 256), np.full((3, 4), 0.5), np.ones(12, int)],
    "projections/0/delay": [np.full(12, 64), np.full(12, -1), np.ones(11, int), 0.5],
    "projections/0/scale": [np.ones(2), np.full(3, np.nan), b"x"],
    "projections/1/indices": [np.array([1, 0, 3]), np.array([1, 0, -1]), np.array([1, 2, 2]), np.array([1, 0])],
    "projections/1/indptr": [np.array([0, 4, 3]), np.array([0, 1, 9]), np.array([1, 1, 3]), np.array([0, 3])],
    "projections/1/data": [np.array([0, 4, 7]), np.array([0, 4])],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in ARRAYS.items() for v in values])
def test_damaged_array(path, name, value):
    sh.save(fixed_network(), path)
    with h5py.File(path, "r+") as f:
        del f[name]
        f[name] = value
    refused(path, "net")


@pytest.mark.parametrize("name", [n for n in ARRAYS if n != "projections/0/scale"])
def test_missing_array(path, name):
    sh.save(fixed_network(), path)
    with h5py.File(path, "r+") as f:
        del f[name]
    refused(path, "is damaged")


def test_links_and_size(path):
    sh.save(fixed_network(), path)
    with pytest.raises(FileFormatError, match="more than 100 bytes"):
        sh.load(path, max_bytes=100)
    with h5py.File(path, "r+") as f:
        del f["projections/0/weight"]
        f["projections/0/weight"] = h5py.ExternalLink("other.h5", "/w")
    refused(path, "soft or external link")


@pytest.mark.more_examples
def test_every_cut_or_flipped_file_is_read_or_refused(path):
    sh.save(fixed_network(), path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    for k in range(share(200, default=60)):
        damaged = bytearray(content)
        if k % 3 == 0:
            del damaged[rng.integers(len(damaged)) :]
        else:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            sh.load(path)
            outcomes.add("read")
        except SsdpHwError as error:
            outcomes.add("refused" if str(path) in str(error) else f"without the file's name: {error}")
    assert outcomes == {"read", "refused"}


def test_format_is_as_documented(path):
    """A reader that knows only the module's docstring finds its way."""
    sh.save(fixed_network(), path)
    with h5py.File(path) as f:
        assert (f.attrs["format"], f.attrs["version"]) == (NETWORK_FILE.format, 1)
        header = json.loads(bytes(f["header"]))
        assert header["populations"][0]["name"] == "hidden / ü"
        assert f["populations/0/du"][()].tolist() == [1, 2, 3]
        assert f["projections/1/data"][()].tolist() == [0, 4, -6]
