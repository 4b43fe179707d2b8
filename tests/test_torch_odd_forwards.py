"""Forwards beyond linear layers: linear operations of every kind, layers that stand twice, how a module is compiled.

The reference is the module's own forward in float64.
"""

import numpy as np
import pytest

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import ParameterError, ShapeError, SsdpHwError, UnsupportedError
from ssdp_hw.running.run import run

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn, functional = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS, BATCH, N = 20, 3, 8
# What lies between two layers of 8 neurons: spikes (batch, 8), a matrix (8, 8) and offsets (8), values (batch, 8).
LINEAR = {
    "mv": lambda a, w, b: torch.stack([torch.mv(a, row) for row in w], 1) + b,
    "inner": lambda a, w, b: torch.inner(a, w) + b,
    "lerp": lambda a, w, b: torch.lerp(a @ w, a.flip(1) @ w, 0.3) + b,
    "addcmul": lambda a, w, b: torch.addcmul(a @ w, a, b, value=0.5),
    "baddbmm": lambda a, w, b: torch.baddbmm(b[None, None], a[:, None], w.expand(len(a), N, N)).squeeze(1),
    "addmv": lambda a, w, b: torch.stack([torch.addmv(b[:1], a, row) for row in w], 1),
    "gather": lambda a, w, b: a.gather(1, torch.arange(N - 1, -1, -1).expand(len(a), N)) @ w + b,
    "take_along_dim": lambda a, w, b: torch.take_along_dim(a, torch.arange(N - 1, -1, -1)[None], 1) @ w,
    "index_add": lambda a, w, b: torch.zeros_like(a).index_add(1, torch.arange(N) // 2, a) @ w + b,
    "scatter_add": lambda a, w, b: torch.zeros_like(a).scatter_add(1, (torch.arange(N) // 2).expand(len(a), N), a) @ w,
    "unfold": lambda a, w, b: functional.unfold(a.view(-1, 1, 2, 4), (1, 3)).flatten(1)[:, :N] @ w + b,
    "fold": lambda a, w, b: functional.fold(a.view(-1, 4, 2), (2, 3), 2).flatten(1) @ w[:6] + b,
    "channel_shuffle": lambda a, w, b: functional.channel_shuffle(a.view(-1, 4, 2), 2).flatten(1) @ w + b,
    "fliplr": lambda a, w, b: torch.fliplr(a) @ w + b,
    "prelu of spikes": lambda a, w, b: functional.prelu(a, b[:1]) @ w,
    "half spikes": lambda a, w, b: a.half().to(w.dtype) @ w + b,
    "integer spikes": lambda a, w, b: a.long().to(w.dtype) @ w + b,
    "instance norm that keeps its numbers": lambda a, w, b: functional.instance_norm(
        (a @ w)[:, None], b[:1].detach(), b[:1].detach() ** 2 + 0.5, use_input_stats=False
    ).flatten(1),
}


class Between(nn.Module):
    """8 -> 8 -> 8 over time; ``how`` makes what drives the second layer of the spikes of ``delay`` steps before."""

    def __init__(self, how, delay=0):
        super().__init__()
        torch.manual_seed(4)
        self.how, self.delay = how, delay
        self.fc, self.l1, self.l2 = nn.Linear(N, N), snn.Leaky(beta=0.8), snn.Leaky(beta=0.9)
        self.fc.weight.data *= 3
        self.w, self.b = nn.Parameter(torch.randn(N, N)), nn.Parameter(torch.rand(N) * 0.3)

    def forward(self, x):
        unused = 0.0 * (self.w.sum() + self.b.sum())
        m1, m2, sent = self.l1.init_leaky(), self.l2.init_leaky(), []
        spikes = [torch.zeros_like(x[0])] * self.delay
        for xt in x:
            a, m1 = self.l1(self.fc(xt), m1)
            spikes.append(a.to(xt))
            b, m2 = self.l2(self.how(spikes[-1 - self.delay], self.w, self.b) + unused, m2)
            sent.append(b.to(xt))
        return torch.stack(sent)


def held(module, sample, calls=None):
    """The network, whose spikes are those of the module, which ``calls`` runs on (time, batch, 8)."""
    network = from_torch(module, sample)
    x = np.random.default_rng(3).random((STEPS, BATCH, N)) < 0.4
    found = verify(module, network, x)
    assert found.agrees, found.to_markdown()
    lag = found.layers[-1].lag
    with torch.no_grad():
        expected = (calls or module).double()(torch.tensor(x).double()).numpy() != 0
    sent = run(network, x, "engine", steps=STEPS + lag).spikes[network.outputs[0]]
    assert np.array_equal(sent[lag:], expected)
    assert 10 < expected.sum() < expected.size
    return network


@pytest.mark.parametrize("how", LINEAR)
def test_linear_operations(how):
    held(Between(LINEAR[how]), torch.rand(8, 2, N))


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_constants_beside_spikes_of_steps_before(delay):
    """Before the first of them torch adds up the constants in float32."""
    held(Between(lambda a, w, b: (a @ w + b) * 0.7 + 0.1, delay), torch.rand(8, 2, N))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda a, w, b: torch.addcmul(b, a @ w, a), "not linear.*multiply by constants only"),
        (lambda a, w, b: torch.lerp(a, a @ w, a), "not linear.*multiply by constants only"),
        (lambda a, w, b: (a @ w).half().to(a), "'half' rounds values to torch.float16"),
        (lambda a, w, b: (a @ w).long().to(a), "'long' rounds values to torch.int64"),
        (
            lambda a, w, b: (a.bool() | a.flip(1).bool()).to(a) @ w,
            r"'bool'.*torch.maximum\(a, b\) of spikes is their OR",
        ),
        (lambda a, w, b: (a @ w) * torch.zeros_like(a).scatter(1, (a @ w).topk(2, 1).indices, 1.0), "'topk' cannot"),
        (lambda a, w, b: functional.instance_norm((a @ w)[:, None]).flatten(1), "'instance_norm' cannot"),
        (lambda a, w, b: functional.batch_norm(a @ w, None, None, training=True), "track_running_stats=True"),
        (lambda a, w, b: torch.vmap(lambda row: w @ row)(a), r"\(<lambda>\): .*cannot be recorded.*without torch.vmap"),
    ],
)
def test_what_is_not_linear_is_refused(how, said):
    with pytest.raises(UnsupportedError, match=said):
        from_torch(Between(how), torch.rand(8, 2, N))


def test_few_bits_within_a_forward():
    def cast(a, w, b):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return functional.linear(a, w, b).float()

    with pytest.raises(UnsupportedError, match=r"'linear' computes in torch.bfloat16.*leave out torch.autocast"):
        from_torch(Between(cast), torch.rand(8, 2, N))


class InTurn(nn.Module):
    """The layers of a Sequential in their order, each use of a layer of neurons with a state of its own."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        states, sent = {}, []
        for h in x:
            for k in range(len(self.layers)):
                layer = self.layers[k]
                if isinstance(layer, snn.Leaky):
                    h, states[k] = layer(h, states.get(k, torch.zeros_like(h)))
                    h = h.to(x)
                else:
                    h = layer(h)
            sent.append(h)
        return torch.stack(sent)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("twice", ["linear", "neurons", "both"])
def test_what_stands_twice_in_a_sequential_is_run_twice(twice, nested):
    torch.manual_seed(1)
    fc, other, l1, l2 = nn.Linear(N, N), nn.Linear(N, N), snn.Leaky(beta=0.8), snn.Leaky(beta=0.6)
    for layer in (fc, other):
        layer.weight.data *= 4
    last = other if twice == "neurons" else fc, l2 if twice == "linear" else l1
    module = nn.Sequential(fc, l1, *([nn.Sequential(*last)] if nested else last), nn.Dropout()).eval()
    network = held(module, (N,), InTurn([fc, l1, *last]))
    assert len([p for p in network.projections if p.pre in ("input", "1") and p.pre != p.post]) == 2


def test_neurons_with_one_state_in_two_places_are_refused():
    neurons = snn.Leaky(beta=0.8, init_hidden=True)
    with pytest.raises(UnsupportedError, match=r"layer '2.1' is layer '1' once more.*a layer of its own"):
        from_torch(nn.Sequential(nn.Linear(N, N), neurons, nn.Sequential(nn.Linear(N, N), neurons)), (N,))


def test_containers_that_loop_over_time_in_a_sequential():
    jelly = pytest.importorskip("spikingjelly.activation_based.neuron")
    from spikingjelly.activation_based import functional as jelly_functional, layer

    torch.manual_seed(2)
    made = [nn.Linear(N, N), nn.Linear(N, N)]
    for linear in made:
        linear.weight.data *= 4
    module = nn.Sequential(
        layer.MultiStepContainer(made[0], jelly.IFNode()),
        layer.SeqToANNContainer(made[1]),
        layer.ElementWiseRecurrentContainer(jelly.IFNode(v_reset=None), lambda x, y: y - 0.5 * x, step_mode="m"),
    )

    class Rested(nn.Module):
        def forward(self, x):
            jelly_functional.reset_net(module)
            return module.double()(x)

    held(module, torch.rand(8, 2, N), Rested())


def plain():
    torch.manual_seed(0)
    return Between(LINEAR["inner"])


def test_a_module_that_compiles_itself():
    module = plain()
    module.compile(backend="eager")
    network = from_torch(module, torch.rand(8, 2, N))
    assert module._compiled_call_impl is not None
    x = np.random.default_rng(0).random((STEPS, BATCH, N)) < 0.4
    assert verify(plain(), network, x).equal


@pytest.mark.parametrize("within", [True, False])
def test_inference_mode(within):
    module = plain()
    if within:
        module.forward = torch.inference_mode()(module.forward)
        network = from_torch(module, torch.rand(8, 2, N))
    else:
        with torch.inference_mode():
            network = from_torch(module, torch.rand(8, 2, N))
    x = np.random.default_rng(0).random((STEPS, BATCH, N)) < 0.4
    assert verify(plain(), network, x).equal


class Derived(snn.Leaky):
    def forward(self, x, mem=None):
        return super().forward(0.5 * x, mem)


class Unregistered(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(N, N), snn.Leaky(beta=0.8, init_hidden=True)]

    def forward(self, x):
        return self.layers[1](self.layers[0](x))


class Embedded(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.neurons = nn.Embedding(5, N), snn.Leaky(beta=0.8, init_hidden=True)

    def forward(self, x):
        return self.neurons(self.embedding(x))


class Filtered(nn.Module):
    """A current that decays, written into forward."""

    def __init__(self, bias):
        super().__init__()
        self.fc, self.neurons = nn.Linear(N, N, bias=bias), snn.Leaky(beta=0.8)

    def forward(self, x):
        mem, current, sent = self.neurons.init_leaky(), 0, []
        for xt in x:
            current = 0.5 * current + self.fc(xt)
            spikes, mem = self.neurons(current, mem)
            sent.append(spikes)
        return torch.stack(sent)


def doubled(x):
    return torch.jit.script(twice)(x)


def twice(x):
    return 2.0 * x


@pytest.mark.parametrize(
    ("made", "sample", "said"),
    [
        (
            lambda: nn.Sequential(nn.Linear(N, N), Derived(beta=0.8, init_hidden=True)),
            (N,),
            "'1' is a Derived, .*Leaky",
        ),
        (Unregistered, (N,), "torch.nn.ModuleList"),
        (Embedded, torch.randint(0, 5, (3, 1)), r"\(forward\): .*one-hot.*embedding.weight.t\(\)"),
        (lambda: nn.Sequential(nn.LazyLinear(N), snn.Leaky(beta=0.8, init_hidden=True)), (N,), "lazy layer never ran"),
        (lambda: nn.Sequential(snn.LeakyParallel(N, N, beta=0.6)), (N,), "LeakyParallel, which is not known"),
        (lambda: Filtered(True), torch.rand(8, 2, N), "Synaptic"),
        (lambda: Filtered(False), torch.rand(8, 2, N), "Synaptic"),
        (lambda: Between(lambda a, w, b: doubled(a @ w)), torch.rand(8, 2, N), "no operation that could be recorded"),
    ],
)
def test_refusals_that_say_what_to_write(made, sample, said):
    with pytest.raises(SsdpHwError, match=said) as caught:
        from_torch(made(), sample)
    assert isinstance(caught.value, UnsupportedError | ParameterError)


def test_the_advice_for_an_embedding_is_the_embedding():
    torch.manual_seed(0)
    module = Embedded()
    module.embedding.weight.data *= 2
    linear = nn.Linear(5, N, bias=False)
    linear.weight.data = module.embedding.weight.data.t().clone()
    network = from_torch(nn.Sequential(linear, snn.Leaky(beta=0.8, init_hidden=True)), (5,))
    words = torch.randint(0, 5, (STEPS, BATCH))
    module.neurons.reset_mem()
    with torch.no_grad():
        expected = torch.stack([module(step) for step in words]).numpy() != 0
    sent = run(network, functional.one_hot(words, 5), "spec", steps=STEPS + 1).spikes[network.outputs[0]][1:]
    assert np.array_equal(sent, expected)
    assert expected.any()


def test_the_advice_for_a_filter_is_the_filter():
    torch.manual_seed(0)
    module = Filtered(True)
    module.fc.weight.data *= 2
    advised = nn.Sequential(module.fc, snn.Synaptic(alpha=0.5, beta=0.8))
    network = from_torch(advised, (N,))
    x = np.random.default_rng(0).random((STEPS, BATCH, N)) < 0.4
    with torch.no_grad():
        expected = module(torch.tensor(x).float()).numpy() != 0
    assert np.array_equal(run(network, x, "spec", steps=STEPS + 1).spikes[network.outputs[0]][1:], expected)
    assert expected.any()


X = np.random.default_rng(5).random((STEPS, BATCH, N)) < 0.4
KINDS = {
    "big endian": X.astype(">f8"),
    "long double": X.astype(np.longdouble),
    "uint64": X.astype(np.uint64),
    "a list": X.tolist(),
    "tensors": [torch.tensor(step) for step in X],
    "a masked array that masks nothing": np.ma.array(X, mask=False),
}
NO_KINDS = {
    "objects": X.astype(object),
    "texts": X.astype(str),
    "times": X.astype("m8[s]"),
    "complex": X.astype(complex),
    "NaN": np.where(X, np.nan, 0),
    "no steps": X[:0],
    "no samples": X[:, :0],
    "a masked array": np.ma.array(X.astype(float), mask=~X),
}


@pytest.mark.parametrize("kind", KINDS)
def test_verify_takes_the_samples_that_run_takes(kind):
    network = from_torch(plain(), torch.rand(8, 2, N))
    assert np.array_equal(run(network, KINDS[kind]).spikes["l2"], run(network, X).spikes["l2"])
    found = verify(plain(), network, KINDS[kind])
    assert found.equal
    assert found.layers[0].source_spikes > 20


@pytest.mark.parametrize("kind", NO_KINDS)
def test_verify_refuses_the_samples_that_run_refuses(kind):
    network = from_torch(plain(), torch.rand(8, 2, N))
    for refusing in (lambda: run(network, NO_KINDS[kind]), lambda: verify(plain(), network, NO_KINDS[kind])):
        with pytest.raises(ParameterError):
            refusing()


class Batches(Between):
    """Something done across the samples of a batch, or to what comes later."""

    def __init__(self, does):
        super().__init__(LINEAR["inner"])
        self.fc.register_forward_pre_hook(lambda module, given: does(given[0]))


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (lambda x: x + 0.5 * x.roll(1, 0), "'roll'|mixes the samples of a batch"),
        (lambda x: x + x[:1], "'__getitem__' mixes the samples of a batch, or picks some of them"),
        (lambda x: x + torch.arange(len(x))[:, None], "differs between the samples of a batch"),
    ],
)
def test_what_mixes_samples_says_so(does, said):
    with pytest.raises(UnsupportedError, match=said):
        from_torch(Batches(does), torch.rand(8, 2, N))


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("kind", ["register_forward_pre_hook", "register_forward_hook"])
def test_hooks_of_a_sequential_that_is_not_called_are_refused(where, kind):
    inner = nn.Sequential(nn.Linear(N, N), snn.Leaky(beta=0.8))
    module = nn.Sequential(nn.Linear(N, N), snn.Leaky(beta=0.8), inner)
    getattr((module, inner)[where], kind)(lambda module, given, *made: None)
    with pytest.raises(UnsupportedError, match=r"has hooks.*init_hidden=True"):
        from_torch(module, (N,))


def test_layers_run_backwards_in_time_are_refused():
    class Backwards(Between):
        def forward(self, x):
            m1, m2, first, sent = self.l1.init_leaky(), self.l2.init_leaky(), [], []
            for xt in x:
                a, m1 = self.l1(self.fc(xt), m1)
                first.append(a)
            for a in reversed(first):
                b, m2 = self.l2(self.how(a, self.w, self.b), m2)
                sent.append(b)
            return torch.stack(sent)

    with pytest.raises(UnsupportedError, match="a network does the same in every step") as caught:
        from_torch(Backwards(LINEAR["inner"]), torch.rand(8, 2, N))
    assert "Synaptic" not in str(caught.value)


class OneStep(Between):
    """A step a call, whose states come and go as ``taken`` says."""

    def __init__(self, taken):
        super().__init__(LINEAR["inner"])
        self.taken = taken
        if taken == "several":
            self.forward = self.several
        if taken == "required":
            self.forward = self.required
        if taken == "none":
            self.forward = lambda x: self.forward_of(x, None)[0]

    def forward_of(self, x, state):
        m1, m2 = (self.l1.init_leaky(), self.l2.init_leaky()) if state is None else state
        a, m1 = self.l1(self.fc(x), m1)
        b, m2 = self.l2(self.how(a.to(x), self.w, self.b), m2)
        return b, (m1, m2)

    def forward(self, x, state=None):
        return self.forward_of(x, state)

    def several(self, x, mem1=None, mem2=None):
        spikes, state = self.forward_of(x, None if mem1 is None else (mem1, mem2))
        return spikes, *state

    def required(self, x, state):
        return self.forward_of(x, state)


@pytest.mark.parametrize("taken", ["several", "none"])
def test_states_that_are_not_handed_on(taken):
    with pytest.raises(UnsupportedError, match=r"'l1' begins anew in every call of OneStep.*state=None"):
        from_torch(OneStep(taken), (N,))


def test_a_state_that_is_required():
    with pytest.raises(UnsupportedError, match=r"missing 1 required positional argument: 'state'.*state=None"):
        from_torch(OneStep("required"), (N,))


def test_the_advice_for_states():
    network = from_torch(OneStep("one"), (N,))
    assert verify(plain(), network, X).equal


class TwoInputs(Between):
    def __init__(self):
        super().__init__(LINEAR["inner"])

    def forward(self, left, right):
        return super().forward(left - 0.5 * right)


def test_several_samples_go_by_their_names():
    module = TwoInputs()
    network = from_torch(module, (torch.rand(8, 2, N), torch.rand(8, 2, N)))
    left, right = X, X[::-1].copy()
    for given in ({"left": left, "right": right}, {"right": right, "left": left}):
        found = verify(module, network, given)
        assert found.equal, found.to_markdown()
        assert found.layers[0].source_spikes > 20
    assert not np.array_equal(
        *(run(network, {"left": a, "right": b}).spikes["l1"] for a, b in [(left, right), (right, left)])
    )
    with pytest.raises(ParameterError, match=r"given for \['left', 'other'\], but the inputs are"):
        verify(module, network, {"left": left, "other": right})
    with pytest.raises(ShapeError, match=r"input 'right': samples of shape .*with 8 values"):
        verify(module, network, {"left": left, "right": right[..., :5]})
    with pytest.raises(ParameterError, match="a dict; for a forward of several arguments give a tuple"):
        from_torch(module, {"left": torch.rand(8, 2, N), "right": torch.rand(8, 2, N)})
