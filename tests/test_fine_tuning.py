"""Fine-tuning: the forward pass is the integer engine, bit for bit, and training moves the integers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from strategies import drives_for, fixed_networks

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.convolution import ConvWeight

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # small tensors

from ssdp_hw.quantization.fine_tuning import TorchFixedNetwork, fine_tune  # noqa: E402


@settings(deadline=None, max_examples=50)
@given(st.data(), fixed_networks())
def test_the_forward_pass_is_the_fixed_network(data, network):
    """Every reset, comparison, delay, exponent, wrap and saturation of the generated networks."""
    inputs = data.draw(drives_for(network))
    wanted = sh.run(network, inputs, "spec", record=("spikes", "v"), on_overflow="ignore")
    module = TorchFixedNetwork(network)
    spikes, volts = module(inputs)
    for name in network.population_names:
        np.testing.assert_array_equal(spikes[name].detach().numpy() != 0, wanted.spikes[name])
        np.testing.assert_array_equal(volts[name].detach().numpy(), wanted.v[name])
    for p, q in zip(network.projections, module.to_fixed().projections, strict=True):
        np.testing.assert_array_equal(p.synapse_weights, q.synapse_weights)


@pytest.fixture(scope="module")
def task():
    """Four patterns to tell apart, and a float network that does so by construction."""
    rng = np.random.default_rng(0)
    patterns, labels = rng.random((4, 24)) < 0.4, rng.integers(0, 4, 200)
    spikes = (rng.random((25, 200, 24)) < 0.5) & patterns[labels]
    weight = np.where(patterns, 1.0, -1.0) * rng.uniform(0.5, 1.5, (4, 24))
    net = sh.Network(
        [sh.Input("in", 24)],
        [sh.Population(name="out", neuron=sh.LIF(size=4, tau_mem=5e-3, v_threshold=0.6))],
        [sh.Projection(pre="in", post="out", weight=weight + rng.normal(0, 1.2, weight.shape))],
        ["out"],
        sh.Semantics(1e-3),
    )
    return net, spikes, labels


def accuracy(network, spikes, labels):
    return float(np.mean(sh.run(network, spikes, steps=len(spikes) + 1, on_overflow="ignore").predict() == labels))


def test_two_bits_come_back(task):
    net, spikes, labels = task
    fixed = sh.quantize(net, calibration=spikes, weight_bits=2)
    said = []
    tuned = fine_tune(fixed, spikes[:, :150], labels[:150], start=net, epochs=8, rate=0.05, say=said.append)
    before, after = (accuracy(n, spikes[:, 150:], labels[150:]) for n in (fixed, tuned))
    assert after > before + 0.1
    assert after > 0.9
    assert len(said) == 8
    assert tuned.projections[0].format == fixed.projections[0].format
    again = fine_tune(fixed, spikes[:, :150], labels[:150], start=net, epochs=8, rate=0.05)
    np.testing.assert_array_equal(again.projections[0].weight, tuned.projections[0].weight)


def test_master_values_begin_with_the_float_weights(task):
    net, spikes, _ = task
    fixed = sh.quantize(net, calibration=spikes, weight_bits=4)
    (synapses,) = TorchFixedNetwork(fixed, net).synapses
    master = synapses.master.detach().numpy()
    wanted = net.projections[0].weight * fixed.projections[0].scale[:, None] / fixed.projections[0].format.step
    np.testing.assert_allclose(master, wanted.reshape(-1))
    np.testing.assert_array_equal(synapses.mantissas().detach().numpy(), fixed.projections[0].mantissa)


def test_gradients_point_downhill(task):
    """A small step against the gradient of a readout's mean voltage lowers it."""
    net, spikes, _ = task
    readout = replace(net, populations=[sh.Population(name="out", neuron=sh.LI(size=4, tau_mem=5e-3))])
    fixed = sh.quantize(readout, calibration=spikes)
    module = TorchFixedNetwork(fixed, readout)
    values = []
    for _ in range(2):
        volts = module(spikes[:, :20])[1]["out"].mean()
        values.append(volts.item())
        volts.backward()
        with torch.no_grad():
            module.synapses[0].master -= 3 * module.synapses[0].master.grad.sign()
    assert values[1] < values[0]


def test_what_is_refused(task):
    net, spikes, labels = task
    fixed = sh.quantize(net, calibration=spikes)
    other = net.with_weights({"in->out": net.projections[0].weight})
    with pytest.raises(ParameterError, match="takes a FixedNetwork"):
        TorchFixedNetwork(net)
    with pytest.raises(ParameterError, match="not the one that was quantised"):
        TorchFixedNetwork(replace(fixed, projections=[replace(fixed.projections[0], scale=None)]), other)
    with pytest.raises(ParameterError, match="epochs = 0"):
        fine_tune(fixed, spikes, labels, epochs=0)
    with pytest.raises(ParameterError, match="labels"):
        fine_tune(fixed, spikes, labels + 1)
    with pytest.raises(UnsupportedError, match="input 'in' has values other than 0 and 1"):
        fine_tune(fixed, spikes * 0.5, labels)
    conv = ConvWeight(np.ones((1, 1, 3, 3)), (1, 5, 5))
    image = sh.Network(
        [sh.Input("in", 25)],
        [sh.Population(name="p", neuron=sh.IF(size=9))],
        [sh.Projection(pre="in", post="p", weight=conv)],
        ["p"],
        sh.Semantics(1e-3),
    )
    with pytest.raises(UnsupportedError, match="is a convolution"):
        TorchFixedNetwork(sh.quantize(image))
