import sys

import nir
import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, load_digits
from ssdp_hw.errors import UnsupportedError


def test_digits_split_covers_every_sample_once():
    datasets = pytest.importorskip("sklearn.datasets")
    pixels, labels = datasets.load_digits(return_X_y=True)
    data = load_digits()
    assert (len(data.train_values), len(data.test_values)) == (1198, 599)
    ours = np.column_stack([
        np.concatenate([data.train_values, data.test_values]) * 16,
        np.concatenate([data.train_labels, data.test_labels]),
    ])
    theirs = np.column_stack([pixels, labels])
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


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
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
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
