"""Learning in the engine against the specification: integers bit by bit, floats to rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from example_counts import examples
from hypothesis import HealthCheck, event, given, settings, strategies as st
from plan_strategies import learning_runs, lively_runs
from ssdp_hw.targets.engine.run import available_threads
from test_engine_kernels import network as any_network

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.rules import FixedSADP, FixedSSDP, FixedSTDP
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.target_registry import get_target

SPEC, ENGINE = get_target("spec"), get_target("engine")
# Sums in another order: a few float64 roundings a window.
FLOAT_BOUND = 1e-12
GENERATED = settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
OPTIONS = st.fixed_dictionaries(
    {
        "threads": st.sampled_from((1, available_threads(), None)),
        "counters": st.sampled_from(("lazy", "dense")),
    }
)


def learn(target, network, drive, plan, **options):
    return target.learn(network, drive, plan, target.resolve(options))


def assert_observed_equal(wanted, found):
    for name, ends in wanted.observed.items():
        for mine, theirs in zip(found.observed[name], ends, strict=True):
            np.testing.assert_array_equal(mine, theirs, strict=True)


def assert_lasting(wanted, found, check, **options):
    """Compare the variables that outlast a window."""
    for name, variables in wanted.lasting.items():
        assert found.lasting[name].keys() == variables.keys()
        for variable, values in variables.items():
            check(found.lasting[name][variable], values, err_msg=variable, **options)


def assert_bits_equal(wanted, found):
    for name in wanted.weights:
        np.testing.assert_array_equal(found.weights[name], wanted.weights[name], strict=True)
        np.testing.assert_array_equal(found.counters[name], wanted.counters[name], strict=True)
    assert_observed_equal(wanted, found)
    assert_lasting(wanted, found, np.testing.assert_array_equal, strict=True)
    assert found.weight_saturations == wanted.weight_saturations
    assert found.counter_saturations == wanted.counter_saturations
    assert found.overflow == wanted.overflow


def assert_close(wanted, found):
    for name, weights in wanted.weights.items():
        bound = FLOAT_BOUND * max(1.0, np.abs(weights).max(initial=0.0))
        np.testing.assert_allclose(found.weights[name], weights, rtol=0, atol=bound)
        np.testing.assert_allclose(found.counters[name], wanted.counters[name], rtol=0, atol=bound)
    assert_observed_equal(wanted, found)
    assert_lasting(wanted, found, np.testing.assert_allclose, rtol=FLOAT_BOUND, atol=FLOAT_BOUND)


@examples(200, default=12, base=GENERATED)
@given(learning_runs(fixed=True), OPTIONS)
def test_any_plan_is_bit_equal(case, options):
    wanted = learn(SPEC, *case)
    event(f"counters cut: {any(wanted.counter_saturations.values())}")
    event(f"weights cut: {any(wanted.weight_saturations.values())}")
    assert_bits_equal(wanted, learn(ENGINE, *case, **options))


@pytest.mark.slow
@examples(60, default=6, base=GENERATED)
@given(learning_runs(fixed=False), OPTIONS)
def test_any_float_plan_is_equal_up_to_rounding(case, options):
    assert_close(learn(SPEC, *case), learn(ENGINE, *case, **options))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "float"])
def test_every_rule_with_every_gate(fixed):
    for case in lively_runs(fixed).values():
        wanted, found = learn(SPEC, *case), learn(ENGINE, *case)
        for name, p in ((p.name, p) for p in case[0].projections):
            before = p.mantissa if fixed else p.synapse_weights
            assert np.any(wanted.weights[name] != before)
        (assert_bits_equal if fixed else assert_close)(wanted, found)


@pytest.mark.parametrize("convolution", [False, True], ids=["dense", "convolution"])
@pytest.mark.parametrize(
    "rule",
    [
        FixedSSDP(a_plus=7, a_baseline=7, lut=(1,), dw_shift=0, counter_bits=4, lsb_shift=2),
        FixedSTDP(a_plus=7, a_minus=7, decay_plus=300, decay_minus=300, dw_shift=7, counter_bits=4, lsb_shift=2),
        FixedSADP(a_plus=7, a_minus=7, dw_shift=8, counter_bits=4, lsb_shift=2),
    ],
    ids=["SSDP", "STDP", "SADP"],
)
def test_a_change_larger_than_the_range_of_its_counter_saturates_it(rule, convolution):
    """From either end of the counter to the other, and beyond it."""
    rng = np.random.default_rng(2)
    weight = (
        ConvWeight(rng.integers(0, 40, (2, 1, 3)) * 2, (1, 12)) if convolution else rng.integers(0, 40, (20, 12)) * 2
    )
    projection = sh.FixedProjection(pre="in", post="p", weight=weight, name="w")
    network = sh.FixedNetwork([sh.Input("in", 12)], [sh.FixedPopulation(name="p", size=20, vth=9)], [projection], ["p"])
    drive = make_drive(network, rng.random((15, 6, 12)) < 0.3)
    ends = rng.choice([rule.counter_min, rule.counter_max], projection.stored_weights.size)
    saturated = 0
    for counters in (ends, np.full_like(ends, rule.counter_min), np.full_like(ends, rule.counter_max)):
        plan = LearningPlan({"w": rule}, 5, {"w": counters})
        wanted = learn(SPEC, network, drive, plan)
        saturated += wanted.counter_saturations["w"]
        assert_bits_equal(wanted, learn(ENGINE, network, drive, plan))
    assert saturated > 0


def silent_case(rounding, counter_bits, *, rate, windows_per_update, sparse, gates, seed):
    """Rows of 150 synapses of which few are touched, as both silent ends and both active ends occur."""
    rng = np.random.default_rng(seed)
    network = any_network(150, 20, "mixed", 0, 8, rng, sparse=sparse)
    top = (1 << (counter_bits - 1)) - 1
    rule = FixedSSDP(
        a_plus=min(top // 3, 2**16 - 1),
        a_baseline=min(max(top // 9, 1), 2**16 - 1),
        lut=(255, 100, 3),
        dw_shift=8 if counter_bits < 17 else 0,
        counter_bits=counter_bits,
        lsb_shift=counter_bits - 2,
        windows_per_update=windows_per_update,
        rounding=rounding,
    )
    samples = 25
    plan = LearningPlan(
        {"in->p": rule},
        seed,
        {"in->p": rng.integers(rule.counter_min, rule.counter_max + 1, network.projection("in->p").synapse_count)},
        gates={"in->p": rng.choice([0, 256, -256, 100, 400], (samples, 20))} if gates else {},
    )
    active = rng.random((samples, 150)) < rate  # few neurons fire at all
    return network, make_drive(network, (rng.random((12, samples, 150)) < 0.2) & active), plan


@pytest.mark.slow
@examples(60, default=10, base=GENERATED)
@given(
    rounding=st.sampled_from(("carry", "stochastic", "nearest")),
    counter_bits=st.sampled_from((4, 6, 9, 16, 29, 30, 32)),
    rate=st.sampled_from((0.0, 0.05, 0.2, 1.0)),
    windows_per_update=st.sampled_from((1, 2, 9, 40)),
    sparse=st.booleans(),
    gates=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_lazy_form_is_the_dense_form(**what):
    """Saturation included: counters begin anywhere in their range and silent pairs take them down to its end."""
    case = silent_case(**what)
    wanted = learn(SPEC, *case)
    event(f"counters cut: {wanted.counter_saturations['in->p'] > 0}")
    for counters in ("lazy", "dense"):
        assert_bits_equal(wanted, learn(ENGINE, *case, counters=counters))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("bits", [2, 5, 8, 9, 12, 16])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_weights_of_any_width(bits, sparse):
    """Feedforward and recurrent projections at once, weights at the ends of their range among them."""
    rng = np.random.default_rng(bits)
    network = any_network(40, 20, "mixed", -8 if bits > 8 else 0, bits, rng, sparse=sparse)
    rule = FixedSSDP(a_plus=90, a_baseline=60, lut=(255, 200, 90, 20, 2), dw_shift=1, lsb_shift=11)
    plan = LearningPlan({"in->p": rule, "p->p": replace(rule, rounding="stochastic")})
    drive = make_drive(network, rng.random((12, 30, 40)) < 0.1)
    wanted = learn(SPEC, network, drive, plan)
    assert all(np.any(wanted.weights[p.name] != p.mantissa) for p in network.projections)
    assert wanted.weight_saturations["in->p"] > 0
    assert_bits_equal(wanted, learn(ENGINE, network, drive, plan))


@pytest.mark.parametrize("threads", [1, None])
def test_stopping_and_going_on_changes_no_bit(threads):
    network, drive, plan = lively_runs(True).popitem()[1]
    whole = learn(ENGINE, network, drive, plan, threads=threads)
    middle, half = 3, {}
    for name, gates in plan.gates.items():
        half[name] = gates[: middle * plan.windows_per_sample]
    first = learn(ENGINE, network, drive.select(0, middle), replace(plan, gates=half), threads=threads)
    updates, pending = divmod(plan.first_window + middle * plan.windows_per_sample, plan.windows_per_update)
    rest = replace(
        plan,
        counters=first.counters,
        first_update=plan.first_update + updates,
        first_window=pending,
        gates={name: gates[middle * plan.windows_per_sample :] for name, gates in plan.gates.items()},
    )
    changed = network.with_mantissas(first.weights)
    last = learn(ENGINE, changed, drive.select(middle, drive.batch), rest, threads=threads)
    for name in plan.rules:
        np.testing.assert_array_equal(last.weights[name], whole.weights[name])
        np.testing.assert_array_equal(last.counters[name], whole.counters[name])


def test_a_gate_of_zero_leaves_its_row_alone():
    """Even where a weight would be drawn at random, and whatever the spikes."""
    network, drive, plan = silent_case(
        "stochastic", 16, rate=1.0, windows_per_update=1, sparse=False, gates=False, seed=1
    )
    gates = np.full((drive.batch, 20), 256)
    gates[:, 5:] = 0
    plan = replace(plan, counters={}, gates={"in->p": gates})
    learned = learn(ENGINE, network, drive, plan).weights["in->p"].reshape(20, 150)
    before = network.projection("in->p").mantissa.reshape(20, 150)
    np.testing.assert_array_equal(learned[5:], before[5:])
    assert np.all(np.any(learned[:5] != before[:5], axis=1))


def test_neither_the_network_nor_the_counters_of_the_caller_are_changed():
    network = sh.FixedNetwork(
        [sh.Input("in", 3)],
        [sh.FixedPopulation(name="p", size=2, vth=1)],
        [sh.FixedProjection(pre="in", post="p", weight=sp.csr_array(np.full((2, 3), 20)))],
        ["p"],
    )
    counters = np.full(6, 5)
    rule = FixedSSDP(a_plus=20, a_baseline=10, lut=(255, 100), lsb_shift=4)
    plan = LearningPlan({"in->p": rule}, counters={"in->p": counters})
    learned = learn(ENGINE, network, make_drive(network, np.ones((5, 3, 3))), plan)
    assert np.any(learned.weights["in->p"] != network.projections[0].mantissa)
    assert np.all(counters == 5)
    assert np.all(network.projections[0].weight.data == 20)


def test_rules_without_a_kernel_are_refused_by_name():
    class Mine(FixedSSDP):
        """Somebody's own rule."""

    network, drive, plan = lively_runs(True).popitem()[1]
    mine = Mine(a_plus=1, a_baseline=1, lut=(255,), lsb_shift=8)
    assert ENGINE.unsupported_plan(network, plan) == []
    with pytest.raises(UnsupportedError, match=r"'in->out': its rule Mine is none of SSDP, .* 'spec' runs any"):
        sh.learn(network, drive.spikes["in"], None, mine, plastic="in->out")


def test_counters_of_an_unknown_form():
    network, drive, plan = lively_runs(True).popitem()[1]
    with pytest.raises(ParameterError, match="counters = 'some' is unknown; choose lazy or dense"):
        learn(ENGINE, network, drive, plan, counters="some")
