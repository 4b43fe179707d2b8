"""Neurons of Sinabs and SpikingJelly by ``from_torch``: layers that keep their states, one or all steps a call."""

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.running.run import run

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS, BATCH = 30, 3


def spikes(*shape, seed=1):
    return np.random.default_rng(seed).random((STEPS, BATCH, *shape)) < 0.4


def held(module, sample, shape, **options):
    """Converted, equal to the module by verify, and its free run in float64 equal too."""
    network = from_torch(module, sample, **options)
    found = verify(module, network, spikes(*shape))
    assert found.agrees, found.to_markdown()
    assert not any("float64" in note for note in network.notes), network.notes
    return network


def scaled(module, factor=3.0):
    """Larger weights, so that neurons fire."""
    for p in module.parameters():
        if p.ndim > 1:
            p.data *= factor
    return module


def sent_alike(module, network, shape, out):
    """The spikes of the module's own call, which ``out`` makes (time, batch, n), are those of the specification."""
    x = spikes(*shape, seed=3)
    lag = verify(module, network, x).layers[-1].lag
    expected = out(torch.tensor(x, dtype=torch.float32)).reshape(STEPS, BATCH, -1) != 0
    sent = run(network, x.reshape(STEPS, BATCH, -1), "spec", steps=STEPS + lag).spikes[network.outputs[0]][lag:]
    assert np.array_equal(sent, expected)
    assert expected.any()


# SpikingJelly.


@pytest.fixture(scope="module")
def jelly():
    pytest.importorskip("spikingjelly")
    from spikingjelly.activation_based import functional, layer, neuron

    neuron.layers, neuron.functional = layer, functional
    return neuron


@st.composite
def jelly_neurons(draw):
    """Class and settings of a layer of neurons."""
    kind = draw(st.sampled_from(["IFNode", "LIFNode", "ParametricLIFNode"]))
    reset = draw(st.sampled_from([None, 0.0]) | st.floats(-0.8, 0.4))
    settings = {"v_reset": reset, "v_threshold": draw(st.floats(0.5, 1.5))}
    if kind != "IFNode":
        settings["decay_input"] = draw(st.booleans())
        settings["tau" if kind == "LIFNode" else "init_tau"] = draw(st.floats(1.1, 20.0))
    return kind, settings


@examples(40, default=6)
@given(jelly_neurons(), jelly_neurons(), st.sampled_from("sm"), st.integers(0, 99))
def test_spikingjelly(first, second, mode, seed):
    jelly = pytest.importorskip("spikingjelly.activation_based.neuron")
    layers = pytest.importorskip("spikingjelly.activation_based.layer")
    torch.manual_seed(seed)
    one, two = (getattr(jelly, kind)(step_mode=mode, **settings) for kind, settings in (first, second))
    made = [layers.Linear(6, 8, step_mode=mode), one, layers.Linear(8, 4, step_mode=mode), two]
    network = held(scaled(nn.Sequential(*made)), (6,), (6,))
    assert {p.threshold for p in network.populations if p.name in ("1", "3")} == {">="}


def test_spikingjelly_convolutions_of_all_steps(jelly):
    layers, functional = jelly.layers, jelly.functional
    torch.manual_seed(2)
    module = nn.Sequential(
        layers.Conv2d(1, 4, 3, bias=False),
        layers.BatchNorm2d(4),
        jelly.LIFNode(),
        layers.AvgPool2d(2),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Linear(16, 5),
        jelly.IFNode(),
    )
    functional.set_step_mode(module, "m")
    network = held(scaled(module), torch.rand(9, 2, 1, 6, 6), (1, 6, 6))

    def out(x):
        functional.reset_net(module.eval())
        with torch.no_grad():
            return module(x).numpy()

    sent_alike(module, network, (1, 6, 6), out)


def test_spikingjelly_residual_and_rates(jelly):
    layers, functional = jelly.layers, jelly.functional

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.l1 = layers.Linear(6, 8, step_mode="m"), jelly.LIFNode(v_reset=None, step_mode="m")
            self.fc2, self.l2 = layers.Linear(8, 8, step_mode="m"), jelly.ParametricLIFNode(step_mode="m")

        def forward(self, x):
            functional.reset_net(self)
            h = self.l1(2 * self.fc1(x))
            return self.l2(self.fc2(h) + 0.5 * h).mean(0)

    network = held(scaled(Residual()), torch.rand(9, 2, 6), (6,))
    assert any("sum over steps" in note for note in network.notes)


def test_spikingjelly_current_based(jelly):
    module = nn.Sequential(nn.Linear(6, 8), jelly.CUBALIFNode(c_decay=0.4, v_decay=0.7, v_reset=None))
    held(scaled(module), (6,), (6,))


@pytest.mark.parametrize("v_reset", [0.0, None])
def test_spikingjelly_current_based_with_all_steps_in_a_call(jelly, v_reset):
    layers, functional = jelly.layers, jelly.functional
    module = nn.Sequential(layers.Linear(6, 8), jelly.CUBALIFNode(v_reset=v_reset), layers.Linear(8, 4), jelly.IFNode())
    functional.set_step_mode(module, "m")
    network = held(scaled(module), torch.rand(9, 2, 6), (6,))

    def out(x):
        functional.reset_net(module.eval())
        with torch.no_grad():
            return module(x).numpy()

    sent_alike(module, network, (6,), out)
    assert module[1].step_mode == "m"


@pytest.mark.parametrize("kind", ["IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode"])
@pytest.mark.parametrize(("v_reset", "mode"), [(0.0, "s"), (0.3, "s"), (0.0, "m")])
def test_spikingjelly_nodes_of_infinite_thresholds_are_readouts(jelly, kind, v_reset, mode):
    layers, functional = jelly.layers, jelly.functional

    class Values(nn.Module):
        def __init__(self):
            super().__init__()
            self.readout = getattr(jelly, kind)(v_threshold=float("inf"), v_reset=v_reset)
            self.layers = nn.Sequential(layers.Linear(6, 8), jelly.LIFNode(), layers.Linear(8, 4), self.readout)
            functional.set_step_mode(self, mode)
            self.readout.store_v_seq = mode == "m"

        def forward(self, x):
            self.layers(x)
            return self.readout.v if mode == "s" else self.readout.v_seq

    module = scaled(Values())
    network = from_torch(module, torch.rand(3, 6) if mode == "s" else torch.rand(9, 2, 6))
    assert network.outputs == ("readout",)
    assert not network.population("readout").spiking
    x = (np.random.default_rng(0).random((12, 3, 6)) < 0.5).astype(np.float32)
    functional.reset_net(module)
    with torch.no_grad():
        steps = torch.tensor(x)
        expected = (module(steps) if mode == "m" else torch.stack([module(step) for step in steps])).numpy()
    found = run(network, x, "spec", record=("v",), steps=12 + network.latency).v["readout"][network.latency :]
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_module_of_spikingjelly_keeps_its_states(jelly):
    module = nn.Sequential(nn.Linear(6, 8), jelly.LIFNode(step_mode="m"), nn.Linear(8, 4), jelly.IFNode(step_mode="m"))
    module(torch.rand(5, 2, 6))
    before = [module[k].v.clone() for k in (1, 3)]
    from_torch(module, (6,))
    assert all(torch.equal(module[k].v, v) for k, v in zip((1, 3), before, strict=True))
    assert not module[1].store_v_seq


def test_other_neurons_of_spikingjelly_are_named(jelly):
    module = nn.Sequential(nn.Linear(6, 8), jelly.QIFNode())
    with pytest.raises(UnsupportedError, match="spikingjelly's QIFNode, which is not known"):
        from_torch(module, (6,))
    from spikingjelly.activation_based import surrogate

    # A function of its own: nodes made without one share theirs.
    soft = nn.Sequential(nn.Linear(6, 8), jelly.LIFNode(surrogate_function=surrogate.Sigmoid(spiking=False)))
    with pytest.raises(UnsupportedError, match="spiking=False"):
        from_torch(soft, (6,))


# Sinabs.


@pytest.fixture(scope="module")
def sinabs():
    return pytest.importorskip("sinabs.layers")


@st.composite
def sinabs_neurons(draw):
    """Class and settings of a layer of neurons."""
    kind = draw(st.sampled_from(["LIF", "IAF", "LIFRecurrent", "IAFRecurrent"]))
    settings = {"spike_threshold": torch.tensor(draw(st.floats(0.5, 1.5)))}
    if kind.startswith("LIF"):
        settings |= {"tau_mem": draw(st.floats(1.0, 20.0)), "norm_input": draw(st.booleans())}
        settings["train_alphas"] = draw(st.booleans())
        if draw(st.booleans()):
            settings["tau_syn"] = draw(st.floats(1.0, 9.0))
    return kind, settings, draw(st.sampled_from(["subtract", "part", "zero"])), draw(st.booleans())


@examples(40, default=6)
@given(sinabs_neurons(), st.floats(1.5, 9.0), st.integers(0, 99))
def test_sinabs(drawn, tau, seed):
    layers = pytest.importorskip("sinabs.layers")
    activation = pytest.importorskip("sinabs.activation")
    torch.manual_seed(seed)
    kind, settings, reset, bias = drawn
    resets = {
        "subtract": activation.MembraneSubtract(),
        "part": activation.MembraneSubtract(0.4),
        "zero": activation.MembraneReset(),
    }
    settings = settings | {"spike_fn": activation.SingleSpike, "reset_fn": resets[reset]}
    if "Recurrent" in kind:
        settings["rec_connect"] = nn.Linear(8, 8, bias=bias)
    neurons = getattr(layers, kind)(**settings)
    module = nn.Sequential(nn.Linear(6, 8), neurons, nn.Linear(8, 4), layers.ExpLeak(tau_mem=tau))
    network = held(scaled(module), (6,), (6,))
    assert network.outputs == ("3",)


def test_a_loop_that_gives_sinabs_one_step_a_call(sinabs):
    from sinabs.activation import SingleSpike

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.l1 = nn.Linear(6, 8), sinabs.LIF(tau_mem=3.0, tau_syn=2.0, spike_fn=SingleSpike)
            self.fc2, self.l2 = nn.Linear(8, 4), sinabs.IAF(spike_fn=SingleSpike)

        def forward(self, x):
            sent = []
            for step in x:
                h = self.l1(self.fc1(step).unsqueeze(1))[:, 0]
                sent.append(self.l2(self.fc2(h)[:, None]).squeeze(1))
            return torch.stack(sent)

    held(scaled(Loop(), 8.0), torch.rand(9, 2, 6), (6,))


def test_sinabs_made_of_an_ann(sinabs):
    """Squeezed layers, which take batch and steps as one axis."""
    from sinabs.activation import SingleSpike
    from sinabs.from_torch import from_model

    torch.manual_seed(1)
    ann = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 5), nn.ReLU())
    made = from_model(ann, (1, 6, 6), batch_size=BATCH, spike_fn=SingleSpike, min_v_mem=None).spiking_model
    network = held(scaled(made), torch.rand(8 * BATCH, 1, 6, 6), (1, 6, 6))

    def out(x):
        for layer in made.modules():
            if hasattr(layer, "reset_states"):
                layer.reset_states()
        with torch.no_grad():
            return made(x.transpose(0, 1).flatten(0, 1)).reshape(BATCH, STEPS, -1).transpose(0, 1).numpy()

    sent_alike(made, network, (1, 6, 6), out)
    with pytest.raises(UnsupportedError, match=r"made for batch_size = 3 .* not for 1 samples"):
        verify(made, network, spikes(1, 6, 6)[:, :1])


@pytest.mark.parametrize("returned", ["steps", "rates"])
@pytest.mark.parametrize("size", ["batch_size", "num_timesteps"])
def test_squeezed_layers_behind_a_forward_that_squeezes(sinabs, returned, size):
    """The forward takes (batch, time, *shape), and makes one axis of the first two itself."""
    from sinabs.activation import SingleSpike

    given = {size: BATCH if size == "batch_size" else STEPS}

    class Squeezes(nn.Module):
        def __init__(self):
            super().__init__()
            first, last = (sinabs.IAFSqueeze(spike_fn=SingleSpike, **given) for _ in range(2))
            self.layers = nn.Sequential(nn.Conv2d(1, 2, 3), first, nn.Flatten(), nn.Linear(32, 4), last)

        def forward(self, x):
            sent = self.layers(x.flatten(0, 1)).reshape(*x.shape[:2], -1)
            return sent if returned == "steps" else sent.mean(1)

    module = scaled(Squeezes())
    network = held(module, torch.rand(BATCH, STEPS, 1, 6, 6), (1, 6, 6))
    assert network.inputs[0].size == 36
    assert from_torch(module, (1, 6, 6)).inputs[0].size == 36
    if returned == "steps":

        def out(x):
            for layer in module.layers:
                if hasattr(layer, "reset_states"):
                    layer.reset_states()
            with torch.no_grad():
                return module(x.transpose(0, 1)).transpose(0, 1).numpy()

        sent_alike(module, network, (1, 6, 6), out)
    if size == "batch_size":
        with pytest.raises(UnsupportedError, match=f"was made for batch_size = {BATCH}"):
            verify(module, network, np.zeros((STEPS, BATCH + 1, 1, 6, 6)))


def test_several_spikes_in_a_step_are_counted(sinabs):
    module = nn.Sequential(nn.Linear(6, 8), sinabs.IAF())
    module[0].weight.data.fill_(0.4)
    module[0].bias.data.zero_()
    with pytest.raises(UnsupportedError, match=r"layer '1': \d+\.\d+% of its neurons' steps have several spikes"):
        from_torch(module, torch.ones(2, 9, 6))
    quiet = torch.zeros(2, 9, 6)
    quiet[:, :, 0] = 1
    network = from_torch(module, quiet)
    assert any("on ones the network differs from the module" in note for note in network.notes)
    assert any("MultiSpike" in note for note in network.notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"min_v_mem": -1.0}, "min_v_mem = -1; no network here"),
        ({"reset_fn": "MembraneReset"}, "adds reset_value = 0.5"),
    ],
)
def test_settings_of_sinabs_that_are_refused(sinabs, settings, said):
    from sinabs.activation import MembraneReset, SingleSpike

    if "reset_fn" in settings:
        settings = {"reset_fn": MembraneReset(0.5)}
    module = nn.Sequential(nn.Linear(6, 8), sinabs.LIF(tau_mem=5.0, spike_fn=SingleSpike, **settings))
    with pytest.raises(UnsupportedError, match=said):
        from_torch(module, (6,))


def test_another_order_of_axes_is_said(sinabs, jelly):
    module = nn.Sequential(jelly.IFNode(step_mode="m"), nn.Linear(6, 8), sinabs.ExpLeak(tau_mem=5.0))
    with pytest.raises(UnsupportedError, match=r"layer '\d' takes all steps at once as \((batch, time|time, batch), "):
        from_torch(module, torch.rand(9, 2, 6))
