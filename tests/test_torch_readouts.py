"""Readouts without spikes in torch modules, against the module's own voltages and values."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")

from hypothesis import given, settings, strategies as st  # noqa: E402
from torch import nn  # noqa: E402

import ssdp_hw as sh  # noqa: E402

STEPS, BATCH, CHANNELS, CLASSES = 12, 3, 6, 4
WAYS = ("stack", "stack along time second", "sum", "stack and sum", "mean", "a step a call")
LAYERS = ("linear", "none", "none, current-based", "high threshold", "two linear")


class Net(nn.Module):
    """A layer that fires, and something behind it that does not."""

    def __init__(self, layer, way, seed, bias):
        super().__init__()
        torch.manual_seed(seed)
        self.layer, self.way = layer, way
        self.fc1, self.l1 = nn.Linear(CHANNELS, 8, bias=bias), snn.Leaky(beta=0.8)
        self.fc2 = nn.Linear(8, CLASSES, bias=bias)
        self.fc3 = nn.Linear(CLASSES, CLASSES, bias=bias) if layer == "two linear" else None
        if layer == "none":
            self.l2 = snn.Leaky(beta=0.9, reset_mechanism="none")
        elif layer == "none, current-based":
            self.l2 = snn.Synaptic(alpha=0.6, beta=0.9, reset_mechanism="none")
        elif layer == "high threshold":
            self.l2 = snn.Leaky(beta=0.9, threshold=1e6)
        for p in self.parameters():
            if p.ndim > 1:
                p.data *= 2

    def step(self, x, state):
        spikes, state["l1"] = self.l1(self.fc1(x), state.get("l1", self.l1.init_leaky()))
        value = self.fc2(spikes)
        if self.fc3 is not None:
            value = self.fc3(value)
        if self.layer == "none, current-based":
            _, current, voltage = self.l2(value, *state.get("l2", self.l2.init_synaptic()))
            state["l2"] = current, voltage
            return voltage
        if hasattr(self, "l2"):
            _, state["l2"] = self.l2(value, state.get("l2", self.l2.init_leaky()))
            return state["l2"]
        return value

    def values(self, x):
        state = {}
        return [self.step(one, state) for one in x]

    def forward(self, x, state=None):
        if self.way == "a step a call":
            state = {} if state is None else state
            return self.step(x, state), state
        out = self.values(x)
        if self.way == "sum":
            return sum(out)
        whole = torch.stack(out, 1 if self.way == "stack along time second" else 0)
        if self.way == "stack and sum":
            return whole.sum(0)
        return whole.mean(0) if self.way == "mean" else whole


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(LAYERS), st.sampled_from(WAYS), st.integers(0, 2**16), st.booleans())
def test_a_readout_has_the_modules_values(layer, way, seed, bias):
    module = Net(layer, way, seed, bias)
    x = (np.random.default_rng(seed).random((STEPS, BATCH, CHANNELS)) < 0.4).astype(np.float32)
    if way == "a step a call":
        module.way = "stack"
    net = sh.from_torch(module, torch.tensor(x))
    with torch.no_grad():
        wanted = torch.stack(module.values(torch.tensor(x))).numpy()
    (output,) = net.outputs
    assert not net.population(output).spiking
    assert any("readout" in note for note in net.notes)
    result = sh.run(net, x, "spec", record=("v",), steps=STEPS + net.latency)
    np.testing.assert_allclose(result.v[output][net.latency :], wanted, atol=2e-5)
    assert sh.verify(module, net, x).equal


def test_a_readout_altered_by_one_weight_is_seen():
    module = Net("linear", "stack", 1, True)
    x = (np.random.default_rng(0).random((STEPS, BATCH, CHANNELS)) < 0.4).astype(np.float32)
    net = sh.from_torch(module, torch.tensor(x))
    weight = net.projection("fc2").weight.copy()
    weight[0, 0] += 0.01
    assert not sh.verify(module, net.with_weights({"fc2": weight}), x).equal


@pytest.mark.parametrize("threshold", [1e3, 1e5, 1e9])
def test_a_threshold_that_nothing_reaches_costs_no_bits(threshold):
    """The fixed voltages follow those of the module whatever the threshold is."""
    module = Net("high threshold", "stack", 2, True)
    module.l2.threshold.fill_(threshold)
    x = (np.random.default_rng(0).random((30, 20, CHANNELS)) < 0.4).astype(np.float32)
    net = sh.from_torch(module, torch.tensor(x))
    fixed = sh.quantize(net, calibration=x)
    result = sh.run(fixed, x, "spec", record=("v",), steps=30 + net.latency)
    with torch.no_grad():
        wanted = torch.stack(module.values(torch.tensor(x))).numpy()
    found = result.v["l2"][net.latency :] / fixed.population("l2").scale
    # Rounded weights cost single spikes of the first layer; without bits for the voltage all of them would be off.
    assert np.abs(found - wanted).mean() < 0.05 * np.abs(wanted).mean()
