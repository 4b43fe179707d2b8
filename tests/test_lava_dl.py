"""lava-dl files: every layer type against SLAYER's meaning of it, and damaged files refused."""

import itertools

import h5py
import numpy as np
import pytest
from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from test_nir_hostile import BYTES, damaged
from typer.testing import CliRunner

from ssdp_hw.cli.files import read_network
from ssdp_hw.cli.main import app
from ssdp_hw.conversion import from_lava_dl
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError, SsdpHwError, UnsupportedError
from ssdp_hw.running.drive import DirectInput
from ssdp_hw.running.run import run

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _numbers_do_not_depend_on_the_tests_before(monkeypatch):
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(5))


NEURON = {
    "type": b"LOIHI",
    "iDecay": 1024,
    "vDecay": 512,
    "vThMant": 60,
    "refDelay": 1,
    "gradedSpike": False,
    "wgtExp": 0,
    "tauRho": 0.1,
}


def even(*shape, size=60):
    return 2.0 * RNG.integers(-size // 3, size // 2, shape)


def layers():
    """One of each type, from 2 x 6 x 6 pixels to 2 groups of 2 neurons."""
    return [
        {
            "type": [b"input"],
            "shape": [2, 6, 6],
            "neuron": NEURON | {"iDecay": 4096, "vDecay": 100, "vThMant": 50},
            "weight": [40.0],
            "bias": [8.0],
        },
        {
            "type": [b"conv"],
            "shape": [3, 6, 5],
            "neuron": NEURON | {"iDecay": 4096},
            "weight": even(3, 2, 3, 2, 1),
            "bias": even(3),
            "stride": [1, 1],
            "padding": [1, 0],
            "dilation": [1, 1],
            "groups": 1,
            "kernelSize": [3, 2],
            "inChannels": 2,
            "outChannels": 3,
        },
        {
            "type": [b"pool"],
            "shape": [3, 3, 2],
            "neuron": NEURON,
            "weight": np.full((1, 1, 2, 2, 1), 12.0),
            "stride": [2, 2],
            "padding": [0, 0],
            "dilation": [1, 1],
            "kernelSize": [2, 2],
            "delay": [0.0, 1.0, 2.0],
        },
        {"type": [b"flatten"], "shape": [18, 1, 1]},
        {
            "type": [b"dense"],
            "shape": [6, 1, 1],
            "neuron": NEURON,
            "weight": even(6, 18, size=160),
            "delay": np.arange(6.0),
            "inFeatures": 18,
            "outFeatures": 6,
        },
        {
            "type": [b"dense_rec"],
            "shape": [4, 1, 1],
            "neuron": NEURON,
            "weight": even(4, 6, size=200),
            "weight_rec": even(4, 4),
            "inFeatures": 6,
            "outFeatures": 4,
        },
        {"type": [b"average"], "shape": [2, 1, 1]},
    ]


def write(path, content):
    def fill(group, values):
        for key, value in values.items():
            if isinstance(value, dict):
                fill(group.create_group(key), value)
            else:
                group[key] = value

    with h5py.File(path, "w") as file:
        for index, values in enumerate(content):
            fill(file.create_group(f"layer/{index}"), values)
    return path


def decay(x, d):
    return np.sign(x) * ((np.abs(x) * (4096 - d)) >> 12)


class Slayer:
    """The layers by their definition, channel by channel and tap by tap; spikes of a step act in the next."""

    def __init__(self, content, values):
        self.content, self.state, self.values = content, {}, values

    def neurons(self, index, layer, arriving, bias):
        n = layer["neuron"]
        u, v = self.state.get(index, (0, 0))
        u = decay(u, n["iDecay"]) + 64 * arriving
        v = decay(v, n["vDecay"]) + u + 64 * bias
        fired = v > n["vThMant"] * 64
        self.state[index] = u, np.where(fired, 0, v)
        return fired.astype(np.int64)

    def sliding(self, x, kernel, layer, groups_are_channels):
        (ph, pw), (sh, sw) = layer["padding"], layer["stride"]
        x = np.pad(x, [(0, 0), (ph, ph), (pw, pw)])
        kh, kw = kernel.shape[2:]
        rows, cols = range(0, x.shape[1] - kh + 1, sh), range(0, x.shape[2] - kw + 1, sw)
        out = np.zeros((len(x) if groups_are_channels else len(kernel), len(rows), len(cols)), np.int64)
        for o, (i, r), (j, c) in itertools.product(range(len(out)), enumerate(rows), enumerate(cols)):
            window = x[o : o + 1, r : r + kh, c : c + kw] if groups_are_channels else x[:, r : r + kh, c : c + kw]
            out[o, i, j] = int((window * (kernel[0] if groups_are_channels else kernel[o])).sum())
        return out

    def run(self, steps):
        """Spikes of every layer with neurons, (time, neuron)."""
        shapes = {
            index: tuple(layer["shape"]) if "conv pool input".count(layer["type"][0].decode()) else (layer["shape"][0],)
            for index, layer in enumerate(self.content)
            if "neuron" in layer
        }
        sent = {index: [] for index in shapes}
        for step in range(steps):
            fired, source, axonal = {}, None, 0
            for index in shapes:
                layer = self.content[index]
                kind, bias = layer["type"][0].decode(), np.asarray(layer.get("bias", 0), np.int64)
                if kind == "input":
                    fired[index] = self.neurons(index, layer, 0, int(layer["weight"][0]) * self.values + bias)
                    source = index
                    continue
                x, weight = delayed(sent[source], shapes[source], step, axonal), layer["weight"].astype(np.int64)
                if kind in ("conv", "pool"):
                    arriving = self.sliding(x, weight[..., 0], layer, groups_are_channels=kind == "pool")
                    bias = bias[:, None, None] if bias.ndim else bias
                else:
                    arriving = weight @ x.reshape(-1)
                if kind == "dense_rec":
                    feedback = layer["weight_rec"].astype(np.int64)
                    arriving = arriving + feedback @ delayed(sent[index], shapes[index], step, 0)
                fired[index] = self.neurons(index, layer, arriving, bias)
                axonal = np.asarray(layer.get("delay", 0), np.int64)
                axonal = axonal.reshape(-1, *[1] * (len(shapes[index]) - 1)) if axonal.ndim else axonal
                source = index
            for index, spikes in fired.items():
                sent[index].append(spikes)
        return {f"layer{index}": np.array([s.reshape(-1) for s in spikes]) for index, spikes in sent.items()}


def delayed(sent, shape, step, delay):
    """What was sent a step and the delay ago, shape by neuron; nothing before the first step."""
    found = np.zeros(shape, np.int64)
    for at, d in np.ndenumerate(np.broadcast_to(delay, shape)):
        then = step - 1 - int(d)
        found[at] = sent[then][at] if then >= 0 else 0
    return found


def test_every_layer_type(tmp_path):
    content = layers()
    network = from_lava_dl(write(tmp_path / "all.net", content))
    values = RNG.uniform(-1, 1, (2, 6, 6)).round(2)
    values = np.rint(values * 40) / 40
    result = run(network, DirectInput(values.reshape(1, -1), 61), "spec", record=("spikes",))
    slayer = Slayer(content, np.rint(values * 40).astype(np.int64))
    slayer.content[0] = content[0] | {"weight": [1.0]}
    expected = slayer.run(60)
    assert list(expected) == list(network.population_names)
    for name, spikes in expected.items():
        assert 0.005 < spikes.mean() < 0.9, name
        assert np.array_equal(result.spikes[name][1:, 0], spikes), name
    assert any("outputs 2 k to" in note for note in network.notes)
    assert any("DirectInput" in note for note in network.notes)


def test_weights_and_registers_are_those_of_the_file(tmp_path):
    content = layers()[4:5]
    network = from_lava_dl(write(tmp_path / "dense.net", content))
    (population,), (projection,) = network.populations, network.projections
    assert np.array_equal(projection.weight, content[0]["weight"])
    assert (population.du == 1023).all()
    assert (population.dv == 512).all()
    assert (population.vth == 60).all()
    assert network.inputs[0].size == 18


def test_biases_begin_with_the_input(tmp_path):
    """Whatever the decays are, a step 0 without input leaves every voltage at 0."""
    for i_decay, v_decay in ((4096, 0), (1024, 512), (4096, 3000), (1, 1)):
        dense = layers()[4] | {"neuron": NEURON | {"iDecay": i_decay, "vDecay": v_decay}, "bias": even(6)}
        network = from_lava_dl(write(tmp_path / f"{i_decay}.{v_decay}.net", [dense]))
        v = run(network, np.zeros((3, 1, 18)), "spec", record=("v",)).v["layer0"][:, 0]
        assert not v[0].any()
        fired = np.asarray(dense["bias"]) * 64 > 60 * 64
        np.testing.assert_array_equal(v[1], np.where(fired, 0, np.asarray(dense["bias"]) * 64))


def test_decays_and_thresholds_of_single_neurons(tmp_path):
    values = {"iDecay": np.arange(1, 7) * 500, "vDecay": np.arange(6) * 700, "vThMant": np.arange(6) * 10 + 5}
    (population,) = from_lava_dl(write(tmp_path / "own.net", [layers()[4] | {"neuron": NEURON | values}])).populations
    assert population.du.tolist() == (values["iDecay"] - 1).tolist()
    assert population.dv.tolist() == values["vDecay"].tolist()
    assert population.vth.tolist() == values["vThMant"].tolist()


def test_slayers_affine_block_and_thresholds_of_the_caller(tmp_path):
    affine = layers()[4] | {"neuron": NEURON | {"vThMant": (1 << 18) - 1}}
    network = from_lava_dl(write(tmp_path / "affine.net", [affine]))
    assert not network.populations[0].spiking
    assert any("must not fire" in note for note in network.notes)
    path = write(tmp_path / "dense.net", [layers()[4]])
    assert not from_lava_dl(path, threshold={"layer0": None}).populations[0].spiking
    assert from_lava_dl(path, threshold={"layer0": 77}).populations[0].vth.tolist() == [77] * 6
    with pytest.raises(ParameterError, match=r"no population 'layer9'; there are: layer0"):
        from_lava_dl(path, threshold={"layer9": 1})


def test_a_first_convolution_takes_its_input_shape(tmp_path):
    path = write(tmp_path / "conv.net", layers()[1:2])
    with pytest.raises(UnsupportedError, match=r"input_shape=\(channels, rows, columns\)"):
        from_lava_dl(path)
    assert from_lava_dl(path, input_shape=(2, 6, 6)).inputs[0].size == 72
    shown = CliRunner().invoke(app, ["inspect", str(path), "--input-shape", "2,6,6"])
    assert shown.exit_code == 0
    assert "72 channels" in shown.output


@pytest.mark.parametrize(("size", "window"), [(7, 2), (5, 2), (7, 3), (6, 3)])
def test_pools_of_any_size_pad_as_slayer_does(tmp_path, size, window):
    """SLAYER appends as many zeros as windows leave over."""
    padded = size + size % window
    out = (padded - window) // window + 1
    pool = layers()[2] | {
        "shape": [1, out, out],
        "weight": np.full((1, 1, window, window, 1), 2.0),
        "stride": [window, window],
        "delay": 0.0,
    }
    network = from_lava_dl(write(tmp_path / "pool.net", [pool]), input_shape=(1, size, size))
    image = np.arange(size * size).reshape(size, size)
    wide = np.zeros((padded, padded))
    wide[:size, :size] = image
    wanted = [
        2 * wide[r * window : (r + 1) * window, c * window : (c + 1) * window].sum()
        for r in range(out)
        for c in range(out)
    ]
    np.testing.assert_array_equal(network.projections[0].matrix @ image.reshape(-1), wanted)


def test_a_layer_without_neurons_sums_up(tmp_path):
    content = [{"type": [b"dense"], "shape": [2], "weight": [[10.0, -4.0], [2.0, 6.0]]}]
    network = from_lava_dl(write(tmp_path / "sum.net", content))
    spikes = np.ones((4, 1, 2), bool)
    v = run(network, spikes, "spec", record=("v",), steps=5).v["layer0"][:, 0]
    assert np.array_equal(v, 64 * np.arange(5)[:, None] * [6, 8])


def changed(index, **values):
    content = layers()
    content[index] = {k: v for k, v in (content[index] | values).items() if v is not None}
    return content


def neuron(index, **values):
    return changed(index, neuron={k: v for k, v in (NEURON | values).items() if v is not None})


REFUSED = [
    (changed(4, type=[b"convT"]), UnsupportedError, "type 'convT'"),
    (changed(4, type=[b"a\nb"]), FileFormatError, "printable"),
    (changed(4, type=None), FileFormatError, "'type'"),
    (changed(4, type=[3]), FileFormatError, "no text"),
    (changed(4, secret=1), UnsupportedError, "'secret'"),
    (changed(4, neuron=None, weight={"real": [[1.0]], "imag": [[1.0]]}), UnsupportedError, "complex"),
    (changed(4, weight=None), FileFormatError, "'weight'"),
    (changed(4, weight=np.full((6, 18), 0.5)), ParameterError, "whole numbers"),
    (changed(4, weight=np.full((6, 18), np.nan)), ParameterError, "whole numbers"),
    (changed(4, weight=np.full((6, 18), 1e300)), ParameterError, "whole numbers"),
    (changed(4, weight=np.full((6, 18), 3.0)), ParameterError, "weight"),
    (changed(4, weight=np.full((6, 18), 512.0)), ParameterError, "weight"),
    (changed(4, weight=np.full((18, 6), 2.0)), ShapeError, "shape"),
    (changed(4, weight=np.full(7, 2.0)), ShapeError, "7 weights"),
    (changed(4, weight=np.full((6, 18), 2j)), FileFormatError, "complex128"),
    (changed(4, weight=[b"text"]), FileFormatError, "not numbers"),
    (changed(4, shape=[6, 0, 1]), ParameterError, "no shape"),
    (changed(4, shape=[1 << 20, 1 << 20]), ParameterError, "no shape"),
    (changed(4, shape=[-6]), ParameterError, "no shape"),
    (changed(4, delay=[1.0, 2.0]), ShapeError, "2 values"),
    (changed(4, delay=np.full(6, -1.0)), ParameterError, "delay"),
    (changed(4, delay=np.full(6, 99.0)), ParameterError, "delay"),
    (changed(5, weight_rec=even(2, 2)), ShapeError, "weight_rec"),
    (changed(1, stride=[0, 1]), ParameterError, "stride"),
    (changed(1, padding=[1 << 30, 1 << 30]), SsdpHwError, "layer 1"),
    (changed(1, groups=5), ShapeError, "groups"),
    (changed(1, weight=even(3, 2)), ShapeError, "shape"),
    (changed(1, shape=[3, 9, 9]), ShapeError, "states the shape"),
    (changed(2, dilation=[2, 2]), UnsupportedError, "dilation"),
    (changed(6, shape=[3, 1, 1]), ShapeError, "3 groups of 4"),
    (neuron(4, type=b"SIGMA"), UnsupportedError, "SIGMA"),
    (neuron(4, refDelay=2), UnsupportedError, "refDelay = 2"),
    (neuron(4, gradedSpike=True), UnsupportedError, "gradedSpike"),
    (neuron(4, wgtExp=1), UnsupportedError, "wgtExp"),
    (neuron(4, iDecay=0), UnsupportedError, "iDecay"),
    (neuron(4, vDecay=4096), UnsupportedError, "vDecay"),
    (neuron(4, vThMant=None), FileFormatError, "vThMant"),
    (neuron(4, vThMant=1 << 20), ParameterError, "vth"),
    (neuron(4, vThMant=[1, 2]), ShapeError, "2 values"),
    (neuron(4, vThMant=-1), ParameterError, "vth"),
    ([*layers(), layers()[4]], UnsupportedError, "after an average"),
    ([layers()[0], layers()[0]], UnsupportedError, "not the first"),
    (layers()[3:], UnsupportedError, "nothing tells the shape"),
    ([{"type": [b"input"], "shape": [4]}], UnsupportedError, "no layer has neurons"),
]


@pytest.mark.parametrize(("content", "error", "said"), REFUSED, ids=[f"{k}-{s[2]}" for k, s in enumerate(REFUSED)])
def test_what_cannot_be_is_refused_by_name(content, error, said, tmp_path):
    path = write(tmp_path / "bad.net", content)
    with pytest.raises(error) as caught:
        from_lava_dl(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "fill",
    [
        lambda f: None,
        lambda f: f.create_dataset("layer", data=3),
        lambda f: f.create_group("layer"),
        lambda f: f.create_group("layer/1"),
        lambda f: f.create_dataset("layer/0", data=3),
        lambda f: f.create_group("layer/0/type"),
    ],
    ids=["empty", "dataset", "no layers", "no first layer", "layer is data", "type is a group"],
)
def test_other_hdf5_is_refused(fill, tmp_path):
    with h5py.File(tmp_path / "other.net", "w") as file:
        fill(file)
    with pytest.raises(FileFormatError, match=r"other\.net"):
        from_lava_dl(tmp_path / "other.net")


def test_what_points_outside_or_is_too_large_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(b"\x02" * 108)
    path = write(tmp_path / "external.net", layers())
    with h5py.File(path, "a") as file:
        del file["layer/4/weight"]
        file.create_dataset("layer/4/weight", (6, 18), "u1", external=[(tmp_path / "secret", 0, 108)])
    with pytest.raises(FileFormatError, match="stored in other files"):
        from_lava_dl(path)
    path = write(tmp_path / "link.net", layers())
    with h5py.File(path, "a") as file:
        file["layer/7"] = h5py.ExternalLink("external.net", "/layer/4")
    with pytest.raises(FileFormatError, match="external link"):
        from_lava_dl(path)
    path = write(tmp_path / "circle.net", layers())
    with h5py.File(path, "a") as file:
        file["layer/7"] = file["layer"]
    with pytest.raises(FileFormatError, match="second link"):
        from_lava_dl(path)
    path = write(tmp_path / "large.net", layers())
    with h5py.File(path, "a") as file:
        file.create_dataset("layer/0/extra", (1 << 20, 1 << 20), "f4", chunks=(1 << 10, 1 << 10))
    with pytest.raises(FileFormatError, match="max_bytes"):
        from_lava_dl(path)
    with pytest.raises(FileFormatError, match="no such file"):
        from_lava_dl(tmp_path / "none.net")


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    return write(tmp_path_factory.mktemp("valid") / "valid.net", layers()).read_bytes()


@examples(200, default=25, base=settings(suppress_health_check=list(HealthCheck)))
@given(changes=st.lists(BYTES, min_size=1, max_size=4))
def test_changed_bytes_give_only_own_errors(valid, tmp_path_factory, changes):
    path = tmp_path_factory.getbasetemp() / "bytes.net"
    path.write_bytes(damaged(valid, changes))
    said = f"{path}"
    try:
        from_lava_dl(path, max_bytes=1 << 24)
    except SsdpHwError as error:
        said = str(error)
    assert str(path) in said
    assert "\n" not in said


def test_the_command_line_reads_it(valid, tmp_path):
    (tmp_path / "a.net").write_bytes(valid)
    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "a.net")])
    assert shown.exit_code == 0
    assert "layer5" in shown.output
    with pytest.raises(ParameterError, match="leave dt"):
        read_network(tmp_path / "a.net", dt=1e-3)
