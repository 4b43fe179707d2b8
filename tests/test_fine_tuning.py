"""Fine-tuning: the forward pass is the integer engine, bit for bit, and training moves the integers."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from conv_strategies import convolutions, fixed_conv_networks
from example_counts import examples
from hypothesis import given, settings, strategies as st
from strategies import drives_for, fixed_networks

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.convolution import ConvWeight

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # small tensors

from ssdp_hw.operations.straight_through import STEEPNESS  # noqa: E402
from ssdp_hw.quantization.fine_tuning import TorchFixedNetwork, fine_tune  # noqa: E402


def assert_forward_is_the_fixed_network(network, inputs):
    """Spikes, voltages, and the integers that go in and come out again."""
    wanted = sh.run(network, inputs, "spec", record=("spikes", "v"), on_overflow="ignore")
    module = TorchFixedNetwork(network)
    spikes, volts = module(inputs)
    for name in network.population_names:
        np.testing.assert_array_equal(spikes[name].detach().numpy() != 0, wanted.spikes[name])
        np.testing.assert_array_equal(volts[name].detach().numpy(), wanted.v[name])
    for p, q in zip(network.projections, module.to_fixed().projections, strict=True):
        np.testing.assert_array_equal(p.stored_weights, q.stored_weights, strict=True)


@settings(deadline=None, max_examples=50)
@given(st.data(), fixed_networks())
def test_the_forward_pass_is_the_fixed_network(data, network):
    """Every reset, comparison, delay, exponent, wrap and saturation of the generated networks."""
    assert_forward_is_the_fixed_network(network, data.draw(drives_for(network)))


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
    wide = sh.FixedNetwork(
        [sh.Input("in", 1 << 14)],
        [sh.FixedPopulation(name="p", size=1 << 14)],
        [sh.FixedProjection(pre="in", post="p", weight=scipy.sparse.csr_array((1 << 14, 1 << 14), dtype=int))],
        ["p"],
    )
    with pytest.raises(UnsupportedError, match=r"projection 'in->p': .* a matrix of shape \(16384, 16384\)"):
        TorchFixedNetwork(wide)


@examples(100, default=15)
@given(st.data(), fixed_conv_networks())
def test_the_forward_pass_of_convolutions_is_the_fixed_network(data, network):
    """Convolutions and poolings of one to four axes, strides, groups, dilations, paddings, exponents and delays."""
    assert_forward_is_the_fixed_network(network, data.draw(drives_for(network)))


@examples(100, default=15)
@given(convolutions(), st.integers(0, 2**32 - 1))
def test_a_kernel_has_the_gradient_of_the_matrix_that_it_is(weight, seed):
    """A neuron without a threshold or leak holds the sum of its input: its gradient is the number of spikes per tap."""
    rng = np.random.default_rng(seed)
    weight = weight.with_values(2 * rng.integers(-9, 10, weight.kernel.size))
    post, pre = weight.shape
    network = sh.FixedNetwork(
        [sh.Input("in", pre)],
        [sh.FixedPopulation(name="out", size=post, spiking=False)],
        [sh.FixedProjection(pre="in", post="out", weight=weight)],
        ["out"],
    )
    module, spikes = TorchFixedNetwork(network), rng.random((4, 3, pre)) < 0.5
    cotangent = rng.normal(size=(3, post))
    (module(spikes, 6)[1]["out"][-1] * torch.tensor(cotangent)).sum().backward()
    by_synapse = (cotangent.T @ spikes.sum(axis=0)) * network.projections[0].format.step * 2.0**6
    wanted = np.zeros(weight.kernel.size)
    rows, cols = weight.synapse_indices()
    np.add.at(wanted, weight.stored_index(), by_synapse[rows, cols])
    np.testing.assert_allclose(module.synapses[0].master.grad.numpy(), wanted, rtol=1e-9, atol=1e-9)


def test_spiking_convolutions_have_the_gradient_of_a_plain_torch_module():
    """Two convolutions between leaky neurons, against the same in torch's floats with torch's own convolutions."""
    rng = np.random.default_rng(2)
    first = ConvWeight(2 * rng.integers(-20, 60, (3, 2, 3, 3)), (2, 5, 5), padding=1, stride=2)
    second = ConvWeight(2 * rng.integers(-30, 60, (2, 3, 2, 2)), first.shape_out)
    leak, level = 400, 4000
    network = sh.FixedNetwork(
        [sh.Input("in", 50)],
        [
            sh.FixedPopulation(name="a", size=first.shape[0], dv=leak, vth=level),
            sh.FixedPopulation(name="b", size=second.shape[0], dv=leak, vth=level),
        ],
        [
            sh.FixedProjection(pre="in", post="a", weight=first, weight_exp=3),
            sh.FixedProjection(pre="a", post="b", weight=second, weight_exp=3),
        ],
        ["b"],
    )
    spikes = rng.random((30, 4, 50)) < 0.3
    module, steps = TorchFixedNetwork(network), 32
    found = module(spikes, steps)[0]
    cotangent = torch.tensor(rng.normal(size=found["b"].shape))
    (found["b"] * cotangent).sum().backward()

    kernels = [torch.tensor(w.kernel.astype(np.float64), requires_grad=True) for w in (first, second)]
    states = [torch.zeros(4, w.shape[0], dtype=torch.float64) for w in (first, second)]
    sent = [torch.zeros(4, n, dtype=torch.float64) for n in (50, first.shape[0])]
    theirs = []
    for t in range(steps):
        fired = []
        for k, (weight, kernel) in enumerate(zip((first, second), kernels, strict=True)):
            image = sent[k].reshape(4, *weight.shape_in)
            caused = torch.nn.functional.conv2d(image, kernel, stride=weight.stride, padding=weight.padding[0][0])
            v = (1 - leak / 4096) * states[k] + caused.reshape(4, -1) * 2.0**3 / level
            distance = v - 1.0
            smooth = distance / (1 + STEEPNESS * distance.abs())  # the antiderivative of the surrogate's slope
            fired.append((distance > 0).double().detach() + smooth - smooth.detach())
            states[k] = v * (distance <= 0)
        sent = [torch.tensor(spikes[t] if t < len(spikes) else 0 * spikes[0], dtype=torch.float64), fired[0]]
        theirs.append(fired[1])
    theirs = torch.stack(theirs)
    assert 0.02 < theirs.mean() < 0.5
    np.testing.assert_array_equal(found["b"].detach().numpy() > 0.5, theirs.detach().numpy() > 0.5)
    (theirs * cotangent).sum().backward()
    for synapses, kernel in zip(module.synapses, kernels, strict=True):
        wanted = kernel.grad.numpy().reshape(-1) * 2
        np.testing.assert_allclose(synapses.master.grad.numpy(), wanted, rtol=1e-2, atol=5e-3 * np.abs(wanted).max())


def test_a_convolution_of_two_bits_comes_back():
    """Bars of four directions, and a kernel of random floats that two bits spoil."""
    rng = np.random.default_rng(0)
    bars = np.array([np.eye(6), np.eye(6)[::-1], np.tile([1, 0], (6, 3)), np.tile([[1], [0]], (3, 6))]).reshape(4, 36)
    labels = rng.integers(0, 4, 160)
    spikes = rng.random((20, 160, 36)) < np.where(bars[labels], 0.6, 0.1)
    conv = ConvWeight(rng.normal(0.1, 0.5, (4, 1, 3, 3)), (1, 6, 6))
    net = sh.Network(
        [sh.Input("in", 36)],
        [
            sh.Population(name="hidden", neuron=sh.LIF(size=conv.shape[0], tau_mem=5e-3, v_threshold=0.3)),
            sh.Population(name="out", neuron=sh.LIF(size=4, tau_mem=5e-3, v_threshold=0.3)),
        ],
        [
            sh.Projection(pre="in", post="hidden", weight=conv),
            sh.Projection(pre="hidden", post="out", weight=rng.normal(0, 0.5, (4, conv.shape[0]))),
        ],
        ["out"],
        sh.Semantics(1e-3),
    )
    fixed = sh.quantize(net, calibration=spikes, weight_bits=2)
    start = TorchFixedNetwork(fixed, net).synapses[0]
    np.testing.assert_array_equal(start.mantissas().detach().numpy(), fixed.projections[0].mantissa)
    tuned = fine_tune(fixed, spikes[:, :120], labels[:120], start=net, epochs=8, batch=40, rate=0.1, progress=False)
    before, after = (accuracy(n, spikes[:, 120:], labels[120:]) for n in (fixed, tuned))
    assert after > before + 0.2
    assert after > 0.9
    assert isinstance(tuned.projections[0].weight, ConvWeight)


@pytest.mark.parametrize("apart", [False, True], ids=["one gain a channel", "one a neuron"])
def test_training_starts_from_the_kernel_in_the_chips_unit(apart):
    """The gain r is folded into the weights: one of a channel scales its kernel, others within a channel unroll it."""
    rng = np.random.default_rng(3)
    conv = ConvWeight(rng.normal(0, 0.5, (2, 1, 2, 2)), (1, 3, 3))
    gain = rng.uniform(0.5, 2.0, 8) if apart else np.repeat([0.7, 1.9], 4)
    net = sh.Network(
        [sh.Input("in", 9)],
        [sh.Population(name="p", neuron=sh.LIF(size=8, tau_mem=5e-3, r=gain))],
        [sh.Projection(pre="in", post="p", weight=conv)],
        ["p"],
        sh.Semantics(1e-3),
    )
    fixed = sh.quantize(net)
    master = TorchFixedNetwork(fixed, net).synapses[0].master.detach().numpy()
    q = fixed.projections[0]
    assert len(np.unique(q.scale)) > 1
    assert isinstance(q.stored, ConvWeight) != apart
    np.testing.assert_array_equal(np.clip(np.rint(master), q.format.mantissa_min, q.format.mantissa_max), q.mantissa)
