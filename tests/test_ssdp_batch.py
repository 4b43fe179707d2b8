"""The batch rule, against a triple loop over its equations and by its symmetries."""

import dataclasses
import itertools
import math
import tracemalloc

import numpy as np
import pytest
from example_counts import examples
from hypothesis import assume, given, strategies as st
from pair_updates import pair_update

from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.rules import SSDP
from ssdp_hw.rules.batch_ssdp import BatchSSDP, batch_synchrony, batch_update
from ssdp_hw.rules.gate import Gate
from ssdp_hw.rules.spike_times import spike_registers

constant_rules = st.builds(
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
gates = st.none() | st.builds(Gate, k=st.floats(-1, 1), mean=st.floats(0, 1), deviation=st.floats(0.01, 1))


@st.composite
def batches(draw, always=False):
    """Spikes before and after, shape (time, batch, neuron); ``always``: nobody is silent."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps, batch = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    rasters = []
    for _ in range(2):
        size = draw(st.integers(1, 5))
        raster = rng.random((steps, batch, size)) < draw(st.sampled_from((0.05, 0.2, 0.6)))
        if always:
            raster[rng.integers(steps, size=(batch, size)), np.arange(batch)[:, None], np.arange(size)] = True
        rasters.append(raster)
    return rasters


def naive_update(rule, pre, post, gate=None):
    """The equations, pair by pair and sample by sample, in plain Python."""
    steps, batch, n_pre = pre.shape
    n_post = post.shape[2]

    def time(raster, b, n):
        when = [t for t in range(steps) if raster[t, b, n]]
        return steps if not when else when[0] if rule.spike_time == "first" else when[-1]

    def learning_window(d, tau):
        return math.exp(-(d**2) / (2 * rule.sigma**2)) if rule.learning_window == "gaussian" else math.exp(-d / tau)

    g = [1.0] * batch
    if gate is not None:
        for b in range(batch):
            pairs = [time(pre, b, i) < steps and time(post, b, j) < steps for i in range(n_pre) for j in range(n_post)]
            g[b] = min(2.0, max(0.0, 1 + gate.k * (sum(pairs) / len(pairs) - gate.mean) / gate.deviation))
    dw = np.zeros((n_post, n_pre))
    for j in range(n_post):
        for i in range(n_pre):
            for b in range(batch):
                t_i, t_j = time(pre, b, i), time(post, b, j)
                d = abs(t_j - t_i)
                if t_i < steps and t_j < steps:
                    step = rule.a_plus * learning_window(d, rule.tau_plus)
                elif t_i == t_j == steps and rule.silent_pairs == "skip":
                    step = 0.0
                else:
                    step = -rule.a_baseline * learning_window(d, rule.tau_minus)
                dw[j, i] += g[b] * step / batch
            dw[j, i] = max(-rule.clip, min(rule.clip, dw[j, i]))
    return dw


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)


@examples(100, default=30)
@given(constant_rules, batches(), gates)
def test_equals_the_triple_loop(rule, rasters, gate):
    close(batch_update(rule, *rasters, gate), naive_update(rule, *rasters, gate))


@examples(100, default=30)
@given(constant_rules, batches(), st.integers(0, 4))
def test_one_sample_is_the_rule_for_one_window(rule, rasters, chosen):
    assume(chosen < rasters[0].shape[1])
    rule = dataclasses.replace(rule, learning_window="gaussian")
    single = SSDP(
        **{
            name: getattr(rule, name)
            for name in ("a_plus", "a_baseline", "sigma", "clip", "spike_time", "silent_pairs")
        }
    )
    alone = [raster[:, chosen : chosen + 1] for raster in rasters]
    registers = [spike_registers(raster, rule.spike_time) for raster in rasters]
    close(batch_update(rule, *alone), pair_update(single, *registers, chosen))


@given(constant_rules, batches(), gates)
def test_exchanging_pre_and_post_transposes(rule, rasters, gate):
    pre, post = rasters
    np.testing.assert_array_equal(batch_update(rule, pre, post, gate), batch_update(rule, post, pre, gate).T)


@examples(100, default=30)
@given(constant_rules, batches(always=True), st.integers(0, 5), st.integers(0, 5))
def test_shifting_all_spikes_changes_nothing_while_nobody_is_silent(rule, rasters, before, after):
    shifted = [np.pad(r, ((before, after), (0, 0), (0, 0))) for r in rasters]
    np.testing.assert_array_equal(batch_update(rule, *rasters), batch_update(rule, *shifted))


@examples(100, default=30)
@given(constant_rules, batches(), gates, st.integers(2, 6))
def test_a_batch_of_identical_samples_equals_one(rule, rasters, gate, copies):
    one = [raster[:, :1] for raster in rasters]
    close(batch_update(rule, *(r.repeat(copies, axis=1) for r in one), gate), batch_update(rule, *one, gate))


@given(constant_rules, batches(), gates)
def test_step_is_within_the_clip(rule, rasters, gate):
    step = batch_update(rule, *rasters, gate)
    assert np.all(np.abs(step) <= rule.clip)
    unclipped = batch_update(dataclasses.replace(rule, clip=100.0), *rasters, gate)
    np.testing.assert_array_equal(step, np.clip(unclipped, -rule.clip, rule.clip))


def test_the_mean_is_clipped_and_not_each_sample():
    spikes = np.zeros((3, 2, 1))
    spikes[0, 0] = 1  # synchronous in the first sample, silent in the second
    assert batch_update(BatchSSDP(a_plus=3, a_baseline=2, clip=1), spikes, spikes) == pytest.approx(0.5)


@given(batches())
def test_synchrony_is_the_share_of_synchronous_pairs(rasters):
    pre, post = (raster.any(axis=0) for raster in rasters)
    for b, synchrony in enumerate(batch_synchrony(*rasters)):
        assert synchrony == pytest.approx(np.outer(post[b], pre[b]).mean(), abs=1e-15)


def test_memory_does_not_grow_with_the_batch_times_the_synapses():
    rng = np.random.default_rng(0)
    pre, post = (rng.random((4, 64, n)) < 0.2 for n in (128, 256))
    tracemalloc.start()
    batch_update(BatchSSDP(), pre, post, Gate(k=0.5, mean=0.3, deviation=0.1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 128 * 256 * 8 / 8


def test_an_extremely_narrow_learning_window_is_the_indicator_of_equal_times():
    for rule in (BatchSSDP(sigma=1e-300), BatchSSDP(learning_window="exponential", tau_plus=1e-320, tau_minus=1e-320)):
        table = rule.table(3)
        assert np.array_equal(table != 0, np.eye(4, dtype=bool))


# The schedule.


def test_cosine_from_start_epoch_to_epochs():
    rule = BatchSSDP(schedule="cosine", start_epoch=10, epochs=30, final=0.1)
    factors = [rule.factor(epoch) for epoch in range(40)]
    assert factors[:10] == [0.0] * 10
    assert factors[10] == 1.0
    assert factors[20] == pytest.approx(0.55)
    assert factors[30:] == pytest.approx([0.1] * 10)
    assert all(a > b for a, b in itertools.pairwise(factors[10:31]))


@given(batches(), st.integers(0, 12))
def test_schedule_scales_the_step_and_sigma(rasters, epoch):
    rule = BatchSSDP(a_plus=0.3, a_baseline=0.2, schedule="cosine", start_epoch=2, epochs=8, final=0.2)
    plain = BatchSSDP(a_plus=0.3, a_baseline=0.2)
    factor = rule.factor(epoch)
    close(batch_update(rule, *rasters, epoch=epoch), factor * batch_update(plain, *rasters))
    narrowing = dataclasses.replace(rule, anneal_sigma=True)
    narrow = dataclasses.replace(plain, sigma=factor or 1.0)
    close(batch_update(narrowing, *rasters, epoch=epoch), factor * batch_update(narrow, *rasters))


def test_constant_schedule_waits_for_start_epoch():
    rule = BatchSSDP(start_epoch=3)
    assert [rule.factor(epoch) for epoch in (0, 2, 3, 1000)] == [0, 0, 1, 1]


# Parameters and input.


def test_defaults_of_the_authors_code():
    rule = BatchSSDP()
    assert (rule.a_plus, rule.a_baseline, rule.sigma, rule.clip) == (1.5e-4, 5e-5, 1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "bad"),
    {
        "a_plus": [-1, math.nan, math.inf, "1", None],
        "a_baseline": [-1],
        "sigma": [0, -1, math.nan],
        "tau_plus": [0, -2],
        "tau_minus": [0],
        "clip": [0, -1, math.inf],
        "final": [-0.1, 1.5],
        "start_epoch": [-1, 1.5, True],
        "learning_window": ["box"],
        "schedule": ["step"],
        "spike_time": ["middle"],
        "silent_pairs": ["keep"],
        "anneal_sigma": [1, None],
    }.items(),
)
def test_values_out_of_range(name, bad):
    for value in bad:
        with pytest.raises(ParameterError, match=f"BatchSSDP: {name}|is unknown"):
            BatchSSDP(**{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 5}, "need schedule = 'cosine'"),
        ({"final": 0.5}, "need schedule = 'cosine'"),
        ({"anneal_sigma": True}, "need schedule = 'cosine'"),
        ({"schedule": "cosine"}, "needs epochs"),
        ({"schedule": "cosine", "epochs": 5, "start_epoch": 5}, "must be above start_epoch = 5"),
        ({"schedule": "cosine", "epochs": 0}, "must be above start_epoch"),
        ({"schedule": "cosine", "epochs": 5, "anneal_sigma": True}, "final above 0"),
        (
            {"schedule": "cosine", "epochs": 5, "final": 0.1, "anneal_sigma": True, "learning_window": "exponential"},
            "Gaussian",
        ),
    ],
)
def test_options_that_exclude_each_other(options, message):
    with pytest.raises(ParameterError, match=message):
        BatchSSDP(**options)


def test_bad_input():
    ok = np.zeros((4, 2, 3))
    for shape in ((4, 2), (4, 3, 3), (5, 2, 3), (4, 2, 0)):
        with pytest.raises(ShapeError, match="must be \\(time, batch, neuron\\)"):
            batch_update(BatchSSDP(), ok, np.zeros(shape))
    with pytest.raises(ShapeError, match="at least one of each"):
        batch_update(BatchSSDP(), ok[:0], ok[:0])
    for bad in (np.full(ok.shape, 0.5), np.full(ok.shape, math.nan), np.full(ok.shape, -1), ok.astype(str)):
        with pytest.raises(ParameterError, match="spikes after the synapses must be 0 or 1"):
            batch_update(BatchSSDP(), ok, bad)
    with pytest.raises(ParameterError, match="epoch = -1 is outside"):
        batch_update(BatchSSDP(), ok, ok, epoch=-1)
    with pytest.raises(ParameterError, match="windows of 100000 steps would take"):
        BatchSSDP().table(100_000)
