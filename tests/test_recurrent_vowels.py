"""The recurrent network that is shipped: the whole path from its NIR file to integers, on some of its test samples."""

import importlib
from pathlib import Path

import nir
import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import UnsupportedError

EXAMPLES = Path(__file__).parent.parent / "examples"
SAMPLES = 60


@pytest.fixture(scope="module")
def example():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        yield importlib.import_module("recurrent_vowels")


@pytest.fixture(scope="module")
def spikes(example):
    """Of all training samples, and of some test samples with their labels."""
    try:
        data = example.load_japanese_vowels()
    except UnsupportedError as error:
        pytest.skip(str(error))
    coder = example.LevelCoder.fit(data.train, example.LEVELS)
    some = np.arange(0, len(data.test), len(data.test) // SAMPLES)[:SAMPLES]
    return coder(data.train), coder([data.test[k] for k in some]), data.test_labels[some]


def test_the_file_is_read_as_it_was_trained(example):
    """Weights bit for bit, the recurrent ones a step late, and a step that is v <- beta v + input."""
    graph, network = nir.read(example.MODEL), example.read_network()
    assert {(p.pre, p.post) for p in network.projections} == {
        ("input", "hidden"),
        ("hidden", "hidden"),
        ("hidden", "readout"),
    }
    for p in network.projections:
        assert np.array_equal(p.weight, graph.nodes[p.name].weight)
    for name, beta in (("hidden", 7 / 8), ("readout", 15 / 16)):
        step = network.coefficients(name)
        np.testing.assert_allclose(step.decay_v, beta, rtol=1e-6)
        np.testing.assert_allclose(np.asarray(step.gain_u) * step.gain_v, 1.0, rtol=1e-6)


def test_the_chip_is_as_good_as_float(example, spikes):
    """All steps of the ladder, and the last one, on the specification too."""
    train, test, labels = spikes
    network = example.read_network()
    fixed = sh.quantize(network, calibration=train)
    ladder = sh.loss_ladder(network, test, labels, fixed, alone=False)
    steps = {r.step.value: r for r in ladder.cumulative}
    assert steps["float"].accuracy.value > 0.85  # of nine classes
    assert abs(ladder.loss) <= 100 * 3 / SAMPLES  # three samples at most; of all 370 it is within a point
    assert steps["timing"].layers[0].different == 0  # nothing of this network has another timing on the chip
    assert steps["overflow"].overflow == 0
    record = ("spikes", "u", "v")
    ours, spec = (sh.run(fixed, test[:, :10], target, record=record) for target in ("engine", "spec"))
    for kind in record:
        assert all(np.array_equal(a, getattr(spec, kind)[n]) for n, a in getattr(ours, kind).items())
