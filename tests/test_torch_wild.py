"""Forwards as people write them, and modules and samples of every kind: converted rightly, or refused by name."""

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import ParameterError, SsdpHwError, UnsupportedError
from ssdp_hw.running.drive import DirectInput
from ssdp_hw.running.run import run

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn, functional = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS = 12
# How a forward makes all steps of x, shape (batch, n): (time, batch, n).
TIME = {
    "repeat": lambda x: x.unsqueeze(0).repeat(STEPS, 1, 1),
    "repeat at once": lambda x: x.repeat(STEPS, 1, 1),
    "expand": lambda x: x.expand(STEPS, *x.shape),
    "None": lambda x: x[None].expand(STEPS, -1, -1),
    "tile": lambda x: torch.tile(x[None], (STEPS, 1, 1)),
    "stack": lambda x: torch.stack([x] * STEPS),
    "ones": lambda x: torch.ones(STEPS, 1, 1) * x,
    "batch first": lambda x: x.unsqueeze(1).repeat(1, STEPS, 1).permute(1, 0, 2),
    "batch first, its size named": lambda x: x[:, None].expand(len(x), STEPS, x.shape[1]).transpose(0, 1),
}
# What lies before the first layer: w is a parameter, m a mask, both (n, n).
BETWEEN = {
    "nothing": lambda x, w, m: x,
    "a matrix": lambda x, w, m: torch.matmul(x, w),
    "a masked matrix": lambda x, w, m: x @ (w * m),
    "a constant matrix": lambda x, w, m: torch.mm(x, torch.eye(x.shape[1]).flip(0).to(x)),
    "einsum": lambda x, w, m: torch.einsum("bi,oi->bo", x, w),
    "a transposed convolution": lambda x, w, m: functional.conv_transpose1d(x[:, None], w[None, :1, :3], padding=1)[
        :, 0
    ],
    "where": lambda x, w, m: torch.where(m[0] > 0, x, torch.zeros_like(x)),
    "masked_fill": lambda x, w, m: x.masked_fill(m[0] == 0, 0.25),
}


class Between(nn.Module):
    """(n) -> n -> n, the same input in every step."""

    def __init__(self, size, time, between, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.time, self.between = TIME[time], BETWEEN[between]
        self.w = nn.Parameter(torch.randn(size, size))
        self.register_buffer("m", (torch.rand(size, size) < 0.6).float())
        self.fc1, self.l1 = nn.Linear(size, size), snn.Leaky(beta=0.8)
        self.fc2, self.l2 = nn.Linear(size, size), snn.Leaky(beta=0.9)
        self.fc1.weight.data *= 2
        self.fc2.weight.data *= 3

    def forward(self, x):
        unused = 0.0 * (self.w.sum() + self.m.sum())  # every parameter has to be used, whichever the operation takes
        m1, m2, sent = self.l1.init_leaky(), self.l2.init_leaky(), []
        for xt in self.time(x):
            a, m1 = self.l1(self.fc1(self.between(xt, self.w, self.m)) + unused, m1)
            b, m2 = self.l2(self.fc2(functional.relu(a).to(x)), m2)
            sent.append(b)
        return torch.stack(sent)


@examples(60, default=12)
@given(
    size=st.integers(3, 6),
    batch=st.integers(2, 6),
    time=st.sampled_from(sorted(TIME)),
    between=st.sampled_from(sorted(BETWEEN)),
    seed=st.integers(0, 99),
)
def test_one_input_made_to_all_steps(size, batch, time, between, seed):
    module = Between(size, time, between, seed).eval()
    x = torch.rand(batch, size)
    network = from_torch(module, x)
    given = DirectInput(x.double().numpy(), STEPS)
    assert verify(module, network, given).agrees
    with torch.no_grad():
        expected = module.double()(x.double()).numpy() != 0
    sent = run(network, given, "engine", steps=STEPS + network.latency).spikes["l2"]
    assert np.array_equal(sent[network.latency :][:STEPS], expected)


@pytest.mark.parametrize(
    "size",
    [2, 3],  # the batch has 2 samples: as many as the first axis of the kernel, or not
)
def test_a_kernel_is_not_taken_for_the_samples_of_a_batch(size):
    torch.manual_seed(0)
    grows = nn.ConvTranspose2d(size, 3, 3, padding=1)
    module = nn.Sequential(grows, snn.Leaky(beta=0.8, init_hidden=True))
    grows.weight.data *= 3
    network = from_torch(module, torch.rand(2, size, 4, 4))
    dense = next(p for p in network.projections if p.pre == "input").weight
    x = torch.rand(size, 4, 4).double()
    expected = functional.conv_transpose2d(x[None], grows.weight.double(), padding=1)[0].detach().numpy().ravel()
    assert np.allclose(dense @ x.numpy().ravel(), expected)


class Outside(Between):
    """An operation that no network can do, on what the first layer is driven by."""

    def __init__(self, does):
        super().__init__(4, "stack", "nothing", 0)
        self.fc1.register_forward_hook(lambda module, given, made: does(made))


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (functional.gelu, "'gelu' cannot.*put neurons in its place"),
        (functional.leaky_relu, "'leaky_relu' cannot.*put neurons in its place"),
        (torch.sigmoid, "'sigmoid' cannot.*put neurons in its place"),
        (lambda h: torch.where(h > 0, h, h * 0), "'gt' cannot.*only neurons compare"),
        (lambda h: functional.layer_norm(h, (4,)), "'layer_norm' cannot.*batch normalisation"),
        (lambda h: h * h.flip(1), "'mul' multiplies two values that both depend on the input"),
    ],
)
def test_what_is_refused_says_why(does, said):
    with pytest.raises(UnsupportedError, match=said):
        from_torch(Outside(does), torch.rand(3, 4))


def test_a_comparison_of_all_steps_is_not_sent_into_the_loop():
    class Binary(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.l1 = nn.Linear(4, 4), snn.Leaky(beta=0.8)

        def forward(self, x):
            mem, sent = self.l1.init_leaky(), []
            for xt in (x > 0.5).float():
                spikes, mem = self.l1(self.fc(xt), mem)
                sent.append(spikes)
            return torch.stack(sent)

    with pytest.raises(UnsupportedError, match=r"'gt' acts on all steps at once.*prepare the input outside the module"):
        from_torch(Binary(), torch.rand(6, 3, 4))


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), snn.Leaky(beta=0.8, init_hidden=True))


def with_nan():
    module = plain()
    module[0].weight.data[1, 2] = float("nan")
    return module


def scripted():
    module = plain()
    module[0] = torch.jit.script(module[0])
    return module


X = torch.rand(5, 4)
SAMPLES = {
    "float": X,
    "array": X.numpy(),
    "array of float64": X.double().numpy(),
    "bfloat16": X.bfloat16(),
    "half": X.half(),
    "sparse": X.to_sparse(),
    "with a gradient": X.clone().requires_grad_(),
    "a Parameter": nn.Parameter(X.clone()),
    "truth values": X > 0.5,
    "integers": (X > 0.5).long(),
    "turned": X.t().contiguous().t(),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_sample_of_any_type_gives_the_same_network(kind):
    expected, found = from_torch(plain(), (4,)), from_torch(plain(), SAMPLES[kind])
    spikes = np.random.default_rng(0).random((20, 3, 4)) < 0.5
    assert [p.name for p in expected.projections] == [p.name for p in found.projections]
    a, b = (run(network, spikes, "spec", record=("spikes", "v")) for network in (expected, found))
    assert np.array_equal(a.v["1"], b.v["1"])


@pytest.mark.parametrize(
    ("module", "sample", "kind", "said"),
    [
        (plain, X.to(torch.complex64), ParameterError, "sample: a tensor of torch.complex64"),
        (plain, X.numpy().astype(complex), ParameterError, "sample: an array of complex128"),
        (plain, np.array([["a"]]), ParameterError, "sample: an array of <U1"),
        (plain, torch.full((2, 4), float("nan")), ParameterError, "sample: it has a NaN"),
        (plain, torch.rand(0, 4), ParameterError, r"shape \(0, 4\) is empty"),
        (plain, torch.empty(2, 4, device="meta"), ParameterError, "sample: .*holds no numbers"),
        (with_nan, X, ParameterError, "parameter '0.weight' has a value that is not finite"),
        (lambda: plain().bfloat16(), X, UnsupportedError, r"'0.weight' is torch.bfloat16.*module.float\(\)"),
        (lambda: plain().half(), X, UnsupportedError, r"'0.weight' is torch.float16.*module.float\(\)"),
        (scripted, X, UnsupportedError, "layer '0' is compiled by torch.jit"),
        (lambda: torch.compile(plain(), backend="eager"), X, UnsupportedError, "compiled by torch.compile.*_orig_mod"),
    ],
)
def test_what_is_given_wrongly_is_refused_by_its_name(module, sample, kind, said):
    with pytest.raises(kind, match=said) as caught:
        from_torch(module(), sample)
    assert isinstance(caught.value, SsdpHwError)


def test_the_advice_for_few_bits_leads_to_a_network():
    assert from_torch(plain().bfloat16().float(), X).population_names


@pytest.mark.parametrize(
    "given",
    [
        torch.empty(6, 2, 4, device="meta"),
        torch.nested.nested_tensor([torch.rand(2, 4), torch.rand(1, 4)], layout=torch.jagged),
        torch.rand(6, 2, 4).to(torch.complex64),
        None,
    ],
)
def test_spikes_that_are_no_array_of_numbers(given):
    network = from_torch(plain(), (4,))
    with pytest.raises(ParameterError):
        run(network, given)
    with pytest.raises(ParameterError, match=r"complex|meta|nested|None"):
        run(network, DirectInput(given, 4))
