import gzip
import sys
from pathlib import Path

import nir
import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, load_digits, load_fashion_mnist
from ssdp_hw.errors import FileFormatError, UnsupportedError


def test_digits_are_scikit_learns_in_its_split():
    datasets = pytest.importorskip("sklearn.datasets")
    pixels, labels = datasets.load_digits(return_X_y=True)
    data = load_digits()
    assert (len(data.train_values), len(data.test_values)) == (1198, 599)
    selection = pytest.importorskip("sklearn.model_selection")
    theirs = selection.train_test_split(pixels / 16, labels, test_size=599, random_state=0, stratify=labels)
    ours = data.train_values, data.test_values, data.train_labels, data.test_labels
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_digits_without_the_file_come_from_the_loader(monkeypatch):
    pytest.importorskip("sklearn.datasets")
    from_file = load_digits()
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    np.testing.assert_array_equal(load_digits().train_values, from_file.train_values)


def test_digits_values_are_brightness_and_classes_are_balanced():
    pytest.importorskip("sklearn")
    data = load_digits()
    assert data.train_values.min() == data.test_values.min() == 0.0
    assert data.train_values.max() == data.test_values.max() == 1.0
    counts = np.bincount(data.test_labels, minlength=10)
    assert counts.shape == (10,)
    # Stratified: each class has a third of its samples, up to rounding.
    np.testing.assert_allclose(counts / (counts + np.bincount(data.train_labels)), 1 / 3, atol=0.01)


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UnsupportedError, match=r"ssdp-hw\[demo\]"):
        load_digits()


def test_packaged_network_steps_by_fifteen_sixteenths():
    graph = nir.read(DIGITS_MODEL)
    kinds = sorted(type(node).__name__ for node in graph.nodes.values())
    assert kinds == ["Input", "LIF", "LIF", "Linear", "Linear", "Output"]
    for name in ("hidden", "readout"):
        node = graph.nodes[name]
        np.testing.assert_array_equal(1 - DIGITS_DT / node.tau, 15 / 16)
        np.testing.assert_array_equal(DIGITS_DT / node.tau * node.r, 1.0)
        np.testing.assert_array_equal(node.v_threshold, 1.0)
    for name in ("fc1", "fc2"):
        weight = graph.nodes[name].weight
        assert weight.dtype == np.float32
        # No outliers: 8 bits cover the matrix with a step below a twentieth of its spread.
        assert np.abs(weight).max() / 127 < weight.std() / 20


def test_packaged_network_classifies_what_its_file_says():
    pytest.importorskip("sklearn")
    data, stated = load_digits(), nir.read(DIGITS_MODEL).metadata
    network = sh.from_nir(DIGITS_MODEL, dt=DIGITS_DT)
    spikes = sh.encode(data.test_values, "rate", steps=DIGITS_STEPS, seed=0)
    result = sh.run(network, spikes, target="engine", steps=DIGITS_STEPS + network.latency)
    correct = int((result.predict("spike_count") == data.test_labels).sum())
    assert (correct, len(data.test_labels)) == (stated["test_correct"], stated["test_samples"])
    assert 0.05 <= result.spike_rate("hidden") <= 0.2


# Fashion-MNIST, on files of its format that are made here.


@pytest.fixture(scope="module")
def fashion(tmp_path_factory):
    """A folder of the four files, and what is in them."""
    folder, rng, content = tmp_path_factory.mktemp("fashion"), np.random.default_rng(0), {}
    for part, samples in (("train", 60_000), ("t10k", 10_000)):
        for kind, high, shape in (("images-idx3", 256, (samples, 28, 28)), ("labels-idx1", 10, (samples,))):
            values = rng.integers(0, high, shape, dtype=np.uint8)
            header = np.array([0x0800 + len(shape), *shape], ">u4").tobytes()
            name = f"{part}-{kind}-ubyte.gz"
            (folder / name).write_bytes(gzip.compress(header + values.tobytes(), compresslevel=0))
            content[part, kind] = values
    return folder, content


@pytest.mark.slow
def test_fashion_mnist_is_what_its_files_say(fashion):
    folder, content = fashion
    data = load_fashion_mnist(folder)
    for part, values, labels in (
        ("train", data.train_values, data.train_labels),
        ("t10k", data.test_values, data.test_labels),
    ):
        np.testing.assert_array_equal(np.rint(values * 255), content[part, "images-idx3"].reshape(len(values), 784))
        np.testing.assert_array_equal(labels, content[part, "labels-idx1"])
        assert (values.min(), values.max()) == (0.0, 1.0)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("damage", ["missing", "short", "long", "no gzip", "other type", "class 10"])
def test_fashion_mnist_damaged(fashion, tmp_path, damage):
    for file in fashion[0].iterdir():
        (tmp_path / file.name).symlink_to(file)
    labels = tmp_path / "t10k-labels-idx1-ubyte.gz"
    raw = gzip.decompress(labels.read_bytes())
    labels.unlink()
    damaged = {
        "short": gzip.compress(raw)[:-100],
        "long": gzip.compress(raw + b"x"),
        "no gzip": raw,
        "other type": gzip.compress(raw[:2] + b"\x0d" + raw[3:]),
        "class 10": gzip.compress(raw[:-1] + b"\x0a"),
    }
    if damage in damaged:
        labels.write_bytes(damaged[damage])
    with pytest.raises(FileFormatError, match="t10k-labels-idx1-ubyte"):
        load_fashion_mnist(tmp_path)


def test_fashion_mnist_absent(tmp_path):
    with pytest.raises(UnsupportedError, match="dataset-fashion-mnist"):
        load_fashion_mnist(tmp_path / "nowhere")
