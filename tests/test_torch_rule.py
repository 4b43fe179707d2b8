"""SSDP in torch: it is the NumPy rule, and leaves the rest of a training loop alone."""

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed; it comes with the extra ssdp-hw[train]")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from ssdp_hw.errors import ParameterError, ShapeError  # noqa: E402
from ssdp_hw.rules.batch_ssdp import BatchSSDP, batch_synchrony, batch_update  # noqa: E402
from ssdp_hw.rules.gate import WarmUp  # noqa: E402
from ssdp_hw.rules.torch_ssdp import TorchSSDP  # noqa: E402

rules = st.builds(
    BatchSSDP,
    a_plus=st.floats(0, 2),
    a_baseline=st.floats(0, 2),
    learning_window=st.sampled_from(["gaussian", "exponential"]),
    sigma=st.floats(0.2, 5),
    tau_plus=st.floats(0.2, 30),
    tau_minus=st.floats(0.2, 30),
    clip=st.floats(0.05, 3),
    silent_pairs=st.sampled_from(["depress", "skip"]),
    spike_time=st.sampled_from(["first", "last"]),
)
# Type of the weight, and the rounding of the sum of up to 6 steps of up to 2 each.
dtypes = st.sampled_from([("float64", 1e-14), ("float32", 1e-5), ("float16", 1e-2), ("bfloat16", 1e-1)])


@st.composite
def batches(draw):
    """Spikes before and after, shape (time, batch, neuron)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape, rate = (draw(st.integers(1, 12)), draw(st.integers(2, 6))), draw(st.sampled_from((0.05, 0.2, 0.6)))
    return [rng.random((*shape, draw(st.integers(1, 5)))) < rate for _ in range(2)]


def tensors(*arrays):
    return [torch.tensor(np.asarray(array), dtype=torch.float32) for array in arrays]


def some_spikes(steps=6, batch=5, pre=4, post=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.random((steps, batch, n)) < 0.2 for n in (pre, post)]


@settings(max_examples=60)
@given(rules, batches(), dtypes)
def test_ssdp_equals_numpy(rule, rasters, dtype):
    name, rounding = dtype
    weight = torch.zeros(rasters[1].shape[2], rasters[0].shape[2], dtype=getattr(torch, name))
    TorchSSDP(rule).step(*tensors(*rasters), weight)
    np.testing.assert_allclose(weight.double().numpy(), batch_update(rule, *rasters), rtol=rounding, atol=rounding)


@settings(max_examples=40)
@given(rules, batches(), batches(), st.integers(0, 2**32 - 1))
def test_da_ssdp_warms_up_without_moving_then_equals_numpy(rule, rasters, first, seed):
    pre, post = rasters
    losses = np.random.default_rng(seed).normal(size=first[0].shape[1])
    ssdp, weight = TorchSSDP(rule, warmup_samples=2), torch.full((post.shape[2], pre.shape[2]), 0.25).double()
    unmoved = torch.full((first[1].shape[2], first[0].shape[2]), 0.5)
    ssdp.step(*tensors(*first), unmoved, torch.tensor(losses, requires_grad=True))
    assert (unmoved == 0.5).all()
    gate = WarmUp().with_batch(batch_synchrony(*first), losses).fit()
    assert ssdp.gate == gate
    ssdp.step(*tensors(pre, post), weight)
    np.testing.assert_allclose(weight.numpy(), 0.25 + batch_update(rule, pre, post, gate), rtol=1e-9, atol=1e-12)


def test_warm_up_lasts_for_the_samples_asked_for():
    ssdp, weight = TorchSSDP(BatchSSDP(a_plus=0.5), warmup_samples=11), torch.zeros(3, 4)
    spikes = tensors(*some_spikes())
    for seen in (5, 10, 15):
        assert ssdp.gate is None
        ssdp.step(*spikes, weight, torch.rand(5))
        assert ssdp.warm_up.samples == seen
        assert not weight.any()
    assert ssdp.gate is not None
    ssdp.step(*spikes, weight)
    assert ssdp.warm_up.samples == 15
    assert weight.any()


def test_schedule_follows_the_epochs():
    rule = BatchSSDP(a_plus=0.5, a_baseline=0.1, schedule="cosine", start_epoch=1, epochs=4)
    rasters, ssdp = some_spikes(), TorchSSDP(rule)
    for epoch in range(6):
        weight = torch.zeros(3, 4, dtype=torch.float64)
        ssdp.step(*tensors(*rasters), weight)
        np.testing.assert_allclose(weight.numpy(), batch_update(rule, *rasters, epoch=epoch), rtol=1e-12, atol=1e-16)
        ssdp.next_epoch()


# What a training loop sees of it.


def test_state_dict_round_trip_continues_alike():
    rule = BatchSSDP(a_plus=0.5, a_baseline=0.1, schedule="cosine", epochs=9)
    batches, losses = [tensors(*some_spikes(seed=k)) for k in range(6)], torch.rand(6, 5)

    def run(resume_after):
        ssdp, weight = TorchSSDP(rule, warmup_samples=12), torch.zeros(3, 4, dtype=torch.float64)
        for k, spikes in enumerate(batches):
            ssdp.step(*spikes, weight, losses[k])
            ssdp.next_epoch()
            if k == resume_after:
                file = io.BytesIO()
                torch.save(ssdp.state_dict(), file)
                file.seek(0)
                ssdp = TorchSSDP(rule, warmup_samples=12)
                ssdp.load_state_dict(torch.load(file, weights_only=True))
        return weight, ssdp

    expected, whole = run(resume_after=None)
    assert expected.any()
    for resume_after in range(5):  # in the warm-up, at its end, after it
        weight, ssdp = run(resume_after)
        assert torch.equal(weight, expected)
        assert ssdp.state_dict() == whole.state_dict()


def test_casting_the_module_leaves_its_statistics():
    ssdp = TorchSSDP(warmup_samples=2)
    ssdp.step(*tensors(*some_spikes()), torch.zeros(3, 4), torch.rand(5))
    before = ssdp.state_dict()
    assert ssdp.half().state_dict() == before


def test_gradient_graph_is_untouched():
    pre, post = tensors(*some_spikes())
    first, second = (torch.nn.Linear(4, 3, bias=False) for _ in range(2))
    second.load_state_dict(first.state_dict())
    hidden = pre @ first.weight.T
    (hidden - post).square().sum().backward()
    gradient = first.weight.grad.clone()
    parameter, before = first.weight, first.weight.detach().clone()
    TorchSSDP(BatchSSDP(a_plus=0.5)).step(pre, (hidden > 0).float(), first.weight)
    assert first.weight is parameter
    assert first.weight.is_leaf
    assert first.weight.requires_grad
    assert first.weight.grad_fn is None
    assert torch.equal(first.weight.grad, gradient)
    assert not torch.equal(first.weight, before)
    # The next backward pass sees a leaf with moved values, and nothing of how it moved.
    with torch.no_grad():
        second.weight.copy_(first.weight)
    gradients = [torch.autograd.grad((pre @ w.weight.T).square().sum(), w.weight)[0] for w in (first, second)]
    assert torch.equal(*gradients)
    assert not list(TorchSSDP().parameters())


def test_spikes_that_carry_gradients_may_be_given_as_they_are():
    pre, post = tensors(*some_spikes())
    weight = torch.zeros(3, 4)
    TorchSSDP(BatchSSDP(a_plus=0.5)).step(pre.requires_grad_(), post.requires_grad_() * 1.0, weight)
    assert weight.any()
    assert not weight.requires_grad


class LargestTensor(TorchDispatchMode):
    """Remembers the most elements that any operation under it returned."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(value, torch.Tensor):
                self.elements = max(self.elements, value.numel())
        return out


@pytest.mark.parametrize("warmup_samples", [0, 2])
def test_no_tensor_has_a_batch_of_synapses(warmup_samples):
    steps, batch, n_pre, n_post = 5, 32, 60, 50
    spikes = tensors(*some_spikes(steps, batch, n_pre, n_post))
    ssdp, weight = TorchSSDP(warmup_samples=warmup_samples), torch.zeros(n_post, n_pre)
    with LargestTensor() as largest:
        ssdp.step(*spikes, weight, torch.rand(batch))
        ssdp.step(*spikes, weight)
    assert weight.any()
    assert largest.elements <= max(steps * batch * n_pre, n_post * n_pre)


def test_float16_weights_and_boolean_spikes():
    pre, post = (torch.tensor(raster) for raster in some_spikes())
    weight = torch.zeros(3, 4, dtype=torch.float16)
    TorchSSDP(BatchSSDP(a_plus=0.5)).step(pre, post, weight)
    assert weight.dtype is torch.float16
    assert weight.any()


# Bad input.


def test_bad_input_moves_nothing():
    pre, post = tensors(*some_spikes())
    weight = torch.zeros(3, 4)
    cases = [
        (ShapeError, "both must be", (pre[:-1], post, weight)),
        (ShapeError, "the weight has shape \\(4, 3\\)", (pre, post, weight.T)),
        (ShapeError, "the weight has shape", (pre, post, torch.zeros(3, 4, 1, 1))),
        (ParameterError, "moves floating weights", (pre, post, weight.long())),
        (ParameterError, "spikes before the synapses must be 0 or 1", (pre * 2, post, weight)),
        (ParameterError, "spikes after the synapses must be 0 or 1", (pre, post * math.nan, weight)),
        (ParameterError, "bring them to one device", (pre, post.to("meta"), weight)),
    ]
    for error, message, arguments in cases:
        with pytest.raises(error, match=message):
            TorchSSDP(BatchSSDP(a_plus=0.5)).step(*arguments)
    assert not weight.any()


def test_bad_warm_up():
    pre, post = tensors(*some_spikes())
    for samples in (-1, 1, 2.5, True):
        with pytest.raises(ParameterError, match="warmup_samples"):
            TorchSSDP(warmup_samples=samples)
    ssdp = TorchSSDP(warmup_samples=4)
    with pytest.raises(ParameterError, match="pass losses, one a sample"):
        ssdp.step(pre, post, torch.zeros(3, 4))
    with pytest.raises(ShapeError, match="reduction='none'"):
        ssdp.step(pre, post, torch.zeros(3, 4), torch.tensor(0.5))
    with pytest.raises(ParameterError, match="losses has a NaN"):
        ssdp.step(pre, post, torch.zeros(3, 4), torch.full((5,), math.nan))
    assert ssdp.warm_up.samples == 0
