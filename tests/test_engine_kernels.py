"""The engine's kernels at the sizes where they change their ways: blocks, chunks, types, threads."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest
import scipy.sparse as sp
from example_counts import examples
from hypothesis import given, strategies as st
from ssdp_hw.targets.engine.program import compiled_program
from ssdp_hw.targets.engine.run import available_threads, share, thread_count
from ssdp_hw.targets.engine.thread_group_loops import next_sample
from test_engine import ENGINE, SPEC, assert_equal, run

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.rules import FixedSSDP
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.target_registry import get_target

WIDE_CHIP = replace(load_chip("loihi"), name="wide", weight_bits=16, weight_scale_bits=16)


def learn(target, network, inputs, plan, **options):
    return target.learn(network, make_drive(network, inputs), plan, target.resolve(options))


def network(pre, post, sign, exponent, bits, rng, *, sparse=False, delays=0):
    """A projection whose presynaptic neurons may all fire at once, and one back to itself."""
    chip = WIDE_CHIP if bits > 8 else load_chip("loihi")
    form = WeightFormat(bits, sign, chip.weight_scale_bits).at_exponent(exponent)
    ends = rng.choice([form.mantissa_min, form.mantissa_max], (post, pre))
    mantissa = np.where(rng.random((post, pre)) < 0.5, ends, rng.integers(form.mantissa_min, form.mantissa_max + 1))
    weight = mantissa * form.step
    back = rng.integers(-20, 20, (post, post)) * 2
    return sh.FixedNetwork(
        [sh.Input("in", pre)],
        [
            sh.FixedPopulation(
                name="p", size=post, du=rng.integers(400, 4096, post), dv=300, vth=rng.integers(0, 9000, post)
            )
        ],
        [
            sh.FixedProjection(
                pre="in",
                post="p",
                weight=sp.csr_array(weight) if sparse else weight,
                weight_exp=exponent,
                format=form,
                delay=delays,
            ),
            sh.FixedProjection(
                pre="p",
                post="p",
                weight=back << (chip.weight_scale_bits - 8),
                format=WeightFormat(8, "mixed", chip.weight_scale_bits),
            ),
        ],
        ["p"],
        chip=chip,
    )


@examples(60, default=21)
@given(
    pre=st.sampled_from((1, 7, 8, 9, 127, 129, 256, 257, 700)),
    post=st.sampled_from((1, 15, 16, 17, 33, 70)),
    sign=st.sampled_from(("mixed", "excitatory", "inhibitory")),
    exponent=st.sampled_from((-8, -3, -1, 0, 2)),
    rate=st.sampled_from((0.02, 0.5, 1.0)),
    sparse=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_number_of_rows_and_columns(pre, post, sign, exponent, rate, sparse, seed):
    """Rows beyond what 16 bits hold are added in chunks; a right shift still rounds the whole sum."""
    rng = np.random.default_rng(seed)
    exponent = min(exponent, 0) if pre > 200 else exponent  # to keep within the chip's registers
    net = network(pre, post, sign, exponent, 8, rng, sparse=sparse)
    spikes = rng.random((8, 2, pre)) < rate
    assert_equal(run(SPEC, net, spikes), run(ENGINE, net, spikes))


@examples(60, default=21)
@given(
    sizes=st.lists(st.sampled_from((1, 15, 16, 17, 40)), min_size=2, max_size=3),
    vth=st.sampled_from((0, 1, 900)),
    dv=st.sampled_from((0, 1, 300, 4095, 4096)),
    bias=st.integers(-200, 200),
    threshold=st.sampled_from((">", ">=")),
    reset=st.sampled_from(("zero", "subtract")),
    spiking=st.booleans(),
    largest=st.sampled_from((4, 250)),
    seed=st.integers(0, 2**32 - 1),
)
def test_populations_of_equal_neurons_without_memory_of_current(
    sizes, vth, dv, bias, threshold, reset, spiking, largest, seed
):
    """They take a step of their own, whether weights can overflow their current or not."""
    rng = np.random.default_rng(seed)
    dv = min(dv, load_chip("loihi").decay_max)
    net = sh.FixedNetwork(
        [sh.Input("in", 30)],
        [
            sh.FixedPopulation(
                name=f"p{k}",
                size=n,
                dv=dv,
                vth=vth,
                bias_mant=bias,
                threshold=threshold,
                reset=reset,
                spiking=spiking,
                v_init=rng.integers(-9000, 9000, n),
            )
            for k, n in enumerate(sizes)
        ],
        [
            sh.FixedProjection(
                pre="in",
                post=f"p{k}",
                weight=2 * rng.integers(-largest // 2, largest // 2, (n, 30)),
                weight_exp=6 if largest > 4 else -1,
            )
            for k, n in enumerate(sizes)
        ],
        ["p0"],
    )
    spikes = rng.random((30, 2, 30)) < 0.3
    assert_equal(run(SPEC, net, spikes), run(ENGINE, net, spikes))
    assert compiled_program(net).neurons.simple.all() == (not spiking or vth > 0)


@pytest.mark.parametrize("sign", ["mixed", "excitatory", "inhibitory"])
@pytest.mark.parametrize("bits", [9, 11, 12, 13, 16])
def test_wide_weights(sign, bits):
    """8, 16 and 32 bits a weight."""
    rng = np.random.default_rng(bits)
    net = network(40, 20, sign, -8, bits, rng, delays=rng.integers(0, 3, (20, 40)))
    spikes = rng.random((10, 3, 40)) < 0.5
    wanted = run(SPEC, net, spikes)
    assert wanted.u["p"].any()
    assert_equal(wanted, run(ENGINE, net, spikes))


@pytest.mark.slow
def test_float32_is_close():
    rng = np.random.default_rng(3)
    net = sh.Network(
        [sh.Input("in", 90)],
        [sh.Population(name="p", neuron=sh.LI(size=20, tau_mem=5e-3))],
        [sh.Projection(pre="in", post="p", weight=rng.normal(size=(20, 90)))],
        ["p"],
        sh.Semantics(1e-3),
    )
    spikes = rng.random((50, 3, 90)) < 0.3
    wanted, found = run(SPEC, net, spikes), run(ENGINE, net, spikes, precision="float32")
    assert found.v["p"].dtype == np.float64
    error = np.abs(found.v["p"] - wanted.v["p"]).max() / np.abs(wanted.v["p"]).max()
    assert 0 < error < 1e-6
    with pytest.raises(ParameterError, match="precision = 'half' is unknown; there are: float64, float32"):
        run(ENGINE, net, spikes, precision="half")


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("windows", [1, 16, 40])
@pytest.mark.parametrize("rounding", ["carry", "stochastic", "nearest"])
def test_large_groups_of_windows_on_any_number_of_threads(windows, rounding):
    """The windows of a weight update are simulated in parallel if asked for."""
    rng = np.random.default_rng(windows)
    net = network(30, 20, "mixed", 0, 8, rng)
    rule = FixedSSDP(
        a_plus=30, a_baseline=20, lut=(255, 200, 90, 20, 2), lsb_shift=13, windows_per_update=windows, rounding=rounding
    )
    plan = LearningPlan({p.name: rule for p in net.projections}, seed=5)
    spikes = rng.random((12, 90, 30)) < 0.1
    wanted = learn(SPEC, net, spikes, plan)
    for options in ({"threads": available_threads()}, {"threads": 1}, {}):
        found = learn(ENGINE, net, spikes, plan, **options)
        for name in plan.rules:
            np.testing.assert_array_equal(found.weights[name], wanted.weights[name])
            np.testing.assert_array_equal(found.counters[name], wanted.counters[name])
        assert found.weight_saturations == wanted.weight_saturations
        assert found.counter_saturations == wanted.counter_saturations


def test_a_network_cannot_change_behind_the_engine():
    """Its program is made once, so what it was made from is read-only, in float and in fixed networks."""
    rng = np.random.default_rng(0)
    net = network(5, 3, "mixed", 0, 8, rng, sparse=True)
    for array in (net.projections[0].weight.data, net.projections[1].weight, net.populations[0].vth):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
    real = sh.Network(
        [sh.Input("in", 2)],
        [sh.Population(name="p", neuron=sh.LI(size=2, tau_mem=5e-3))],
        [sh.Projection(pre="in", post="p", weight=np.eye(2))],
        ["p"],
        sh.Semantics(1e-3),
    )
    for array in (real.projections[0].weight, real.populations[0].bias, real.populations[0].neuron.tau_mem):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
    spikes = np.ones((4, 1, 2))
    first = run(ENGINE, real, spikes)
    changed = real.with_weights({"in->p": 2 * np.eye(2)})
    assert np.array_equal(run(ENGINE, changed, spikes).v["p"], 2 * first.v["p"])
    assert_equal(first, run(ENGINE, real, spikes))


def test_threads_are_taken_where_they_pay():
    assert thread_count(None, 10**9) == available_threads()
    assert thread_count(None, 1000) == 1
    assert thread_count(available_threads(), 1000) == available_threads()


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_every_sample_is_taken_once(threads, count):
    seen, taken = np.zeros((threads, count), int), np.zeros(1, np.int64)
    places = iter(range(threads))

    @numba.njit(nogil=True)
    def take(taken, seen):
        sample = next_sample(taken)
        while sample < len(seen):
            seen[sample] += 1
            sample = next_sample(taken)

    share(lambda: take(taken, seen[next(places)]), threads)
    assert (seen.sum(axis=0) == 1).all()


def test_float32_does_not_learn():
    net = network(5, 3, "mixed", 0, 8, np.random.default_rng(0))
    plan = LearningPlan({"in->p": FixedSSDP(a_plus=1, a_baseline=1, lut=(255,), lsb_shift=8)})
    with pytest.raises(ParameterError, match="learn with precision = 'float64' only"):
        ENGINE.learn(net, make_drive(net, np.ones((2, 1, 5))), plan, ENGINE.resolve({"precision": "float32"}))


def test_sums_that_could_leave_32_bits_are_refused():
    pre = 2**16
    net = sh.FixedNetwork(
        [sh.Input("in", pre)],
        [sh.FixedPopulation(name="p", size=1)],
        [
            sh.FixedProjection(
                pre="in",
                post="p",
                weight=np.zeros((1, pre), int),
                format=WeightFormat(16, "excitatory", 16),
            )
        ],
        ["p"],
        chip=WIDE_CHIP,
    )
    with pytest.raises(UnsupportedError, match="65536 presynaptic neurons"):
        get_target("engine", net)
