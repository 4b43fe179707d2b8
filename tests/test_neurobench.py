"""NeuroBench's own benchmark run on our networks: its figures are ours."""

import numpy as np
import pytest

pytest.importorskip("neurobench")

import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
from neurobench.metrics.workload import ActivationSparsity, ClassificationAccuracy, SynapticOperations
from scipy.sparse import random as random_sparse
from torch.utils.data import DataLoader, TensorDataset

import ssdp_hw as sh
from ssdp_hw.analysis.activity import measure_activity
from ssdp_hw.errors import ParameterError, ShapeError

STATIC, WORKLOAD = (
    [ParameterCount, Footprint, ConnectionSparsity],
    [ClassificationAccuracy, ActivationSparsity, SynapticOperations],
)


def network(kind, seed, bias=0.0):
    rng = np.random.default_rng(seed)
    first = rng.normal(0.2, 0.5, (16, 16)) * (rng.random((16, 16)) < 0.7)
    if kind == "convolution":
        first = sh.ConvWeight(rng.normal(0.2, 0.4, (1, 1, 3, 3)), (1, 4, 4), padding=1)
    if kind == "asymmetric":
        first = sh.ConvWeight(rng.normal(0.2, 0.4, (1, 1, 2, 2)), (1, 4, 4), padding=((1, 0), (0, 1)))
    if kind == "sparse":
        first = random_sparse(16, 16, 0.4, format="csr", random_state=seed)
    projections = [
        sh.Projection(pre="in", post="hidden", weight=first),
        sh.Projection(pre="hidden", post="out", weight=rng.normal(0.2, 0.4, (4, 16)), delay=1),
    ]
    if kind == "recurrent":
        projections.append(sh.Projection(pre="hidden", post="hidden", weight=rng.normal(0.0, 0.2, (16, 16))))
    lif = {"tau_mem": 10e-3, "v_threshold": 0.05}
    return sh.Network(
        [sh.Input("in", 16)],
        [
            sh.Population(name="hidden", neuron=sh.LIF(size=16, **lif), bias=bias * rng.random(16)),
            sh.Population(name="out", neuron=sh.LIF(size=4, **lif)),
        ],
        projections,
        ["out"],
        sh.Semantics(1e-3),
    )


def figures(net, spikes, labels, batch=None, **options):
    """What NeuroBench finds."""
    data = TensorDataset(torch.as_tensor(spikes.transpose(1, 0, 2).astype(np.float32)), torch.as_tensor(labels))
    model = sh.NeuroBenchNetwork(net, **options)
    loader = DataLoader(data, batch_size=batch or len(labels))
    return Benchmark(model, loader, [], [], [STATIC, WORKLOAD]).run(quiet=True)


@pytest.mark.parametrize("kind", ["dense", "recurrent", "convolution", "asymmetric", "sparse"])
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("bias", [0.0, 0.02])
def test_figures_are_ours(kind, fixed, bias):
    rng = np.random.default_rng(3)
    spikes, labels = rng.random((12, 10, 16)) < 0.3, rng.integers(0, 4, 10)
    net = network(kind, 2, bias)
    chosen = sh.quantize(net, calibration=spikes) if fixed else net
    found = figures(chosen, spikes, labels)
    ours = measure_activity(chosen, spikes)
    ran = sh.run(chosen, spikes, steps=12 + chosen.latency, on_overflow="ignore")
    assert found["ClassificationAccuracy"] == pytest.approx(np.mean(ran.predict() == labels))
    assert found["SynapticOperations"]["Effective_ACs"] == pytest.approx(ours.effective_acs)
    assert found["SynapticOperations"]["Effective_MACs"] == 0
    assert found["ActivationSparsity"] == pytest.approx(ours.activation_sparsity)
    if kind not in ("sparse", "asymmetric"):  # NeuroBench has no layer of these: they are matrices with zeros
        assert found["SynapticOperations"]["Dense"] == pytest.approx(ours.dense_operations)
    if kind in ("dense", "recurrent", "sparse"):
        assert found["ConnectionSparsity"] == pytest.approx(ours.connection_sparsity, abs=5e-5)
    assert found["ParameterCount"] * 4 == found["Footprint"]


def test_batches_make_no_difference():
    rng = np.random.default_rng(4)
    spikes, labels = rng.random((12, 10, 16)) < 0.3, rng.integers(0, 4, 10)
    net = sh.quantize(network("dense", 5), calibration=spikes)
    whole, parts = figures(net, spikes, labels, target="spec"), figures(net, spikes, labels, batch=5)
    assert parts["SynapticOperations"] == pytest.approx(whole["SynapticOperations"])
    assert parts["ActivationSparsity"] == pytest.approx(whole["ActivationSparsity"])


def test_spikes_for_a_postprocessor():
    rng = np.random.default_rng(6)
    spikes = rng.random((12, 5, 4, 4)) < 0.3
    net = network("dense", 7)
    model = sh.NeuroBenchNetwork(net, decode=None)
    found = model(torch.as_tensor(spikes.transpose(1, 0, 2, 3).astype(np.float32)))
    expected = sh.run(net, spikes.reshape(12, 5, 16), steps=12 + net.latency).spikes["out"]
    assert np.array_equal(found.numpy(), expected.transpose(1, 0, 2))


def test_what_is_no_batch_is_refused():
    model = sh.NeuroBenchNetwork(network("dense", 8))
    with pytest.raises(ShapeError, match="expected"):
        model(torch.zeros(3, 16))
    with pytest.raises(ParameterError, match="encode them first"):
        model(torch.full((3, 4, 16), 0.5))
