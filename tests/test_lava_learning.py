"""Learning on Lava against the specification: stored weights, counters and what the rules saw."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from conv_strategies import fixed_conv_networks, float_conv_networks
from declared_models import declared_fixed_networks, declared_float_networks
from example_counts import share
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from plan_strategies import learning_runs, lively_runs
from rule_examples import EveryHomeLasts, EveryMoment
from strategies import not_the_simplest
from test_engine_learning import assert_lasting

import ssdp_hw as sh
from ssdp_hw.rules import FixedSSDP
from ssdp_hw.rules.form import NEURON_MOMENTS, moments
from ssdp_hw.rules.model import RuleModel
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.target_registry import get_target

LAVA = get_target("lava")
if not LAVA.availability().installed:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from ssdp_hw.targets.lava.learning import LearningTask, learn_all  # noqa: E402

SPEC = get_target("spec")
STEPS, WINDOWS = 10, 7

GENERATED = settings(
    max_examples=share(6, default=1),
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def learning_tasks(fixed: bool, networks: st.SearchStrategy | None = None, count: int = 10) -> st.SearchStrategy:
    runs = learning_runs(fixed, max_steps=STEPS, max_batch=WINDOWS, networks=networks, declared=True)
    count = share(count, default=count // 2)
    tasks = st.lists(runs.map(lambda run: LearningTask(*run)), min_size=count, max_size=count)
    return not_the_simplest(tasks)


def assert_equal(task: LearningTask, found: Learned) -> None:
    """Bit equality of all that was learned."""
    wanted = SPEC.learn(task.network, task.drive, task.plan, {})
    for name in task.plan.rules:
        np.testing.assert_array_equal(found.weights[name], wanted.weights[name], strict=True)
        np.testing.assert_array_equal(found.counters[name], wanted.counters[name], strict=True)
        for mine, theirs in zip(found.observed[name], wanted.observed[name], strict=True):
            np.testing.assert_array_equal(mine, theirs, strict=True)
    assert_lasting(wanted, found, np.testing.assert_array_equal, strict=True)
    assert found.weight_saturations == wanted.weight_saturations
    assert found.counter_saturations == wanted.counter_saturations


def assert_close(task: LearningTask, found: Learned) -> None:
    """Equal spikes, and weights and gathered steps up to rounding.

    Lava's 1 - (1 - decay) differs from the decay by 2**-53, and sums of products are taken in another
    order: over the few windows here far below 1e-12.
    """
    wanted = SPEC.learn(task.network, task.drive, task.plan, {})
    for name in task.plan.rules:
        for mine, theirs in zip(found.observed[name], wanted.observed[name], strict=True):
            np.testing.assert_array_equal(mine, theirs, strict=True)
        np.testing.assert_allclose(found.weights[name], wanted.weights[name], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.counters[name], wanted.counters[name], rtol=0, atol=1e-12)
    assert_lasting(wanted, found, np.testing.assert_allclose, rtol=1e-12, atol=1e-12)


@pytest.mark.more_examples
def test_generated_fixed_learning_is_bit_equal():
    @GENERATED
    @given(learning_tasks(fixed=True), st.sampled_from((128, 2)), st.booleans())
    def check(tasks, batch_size, fast_paths):
        found = learn_all(tasks, LAVA.resolve({"batch_size": batch_size, "fast_paths": fast_paths}))
        for task, learned in zip(tasks, found, strict=True):
            assert_equal(task, learned)

    check()


@pytest.mark.slow
@pytest.mark.more_examples
def test_generated_float_learning_is_equal_up_to_rounding():
    @GENERATED
    @given(learning_tasks(fixed=False), st.sampled_from((128, 2)), st.booleans())
    def check(tasks, batch_size, fast_paths):
        found = learn_all(tasks, LAVA.resolve({"batch_size": batch_size, "fast_paths": fast_paths}))
        for task, learned in zip(tasks, found, strict=True):
            assert_close(task, learned)

    check()


@pytest.mark.slow
@pytest.mark.more_examples
@pytest.mark.parametrize(
    ("fixed", "networks"),
    [
        pytest.param(True, declared_fixed_networks(graded=False), id="fixed-declared models"),
        pytest.param(False, declared_float_networks(graded=False), id="float-declared models"),
        pytest.param(True, fixed_conv_networks(), id="fixed-convolutions"),
        pytest.param(False, float_conv_networks(), id="float-convolutions"),
    ],
)
def test_generated_learning_in_other_networks(fixed, networks):
    @GENERATED
    @given(learning_tasks(fixed, networks, count=6), st.sampled_from((128, 2)))
    def check(tasks, batch_size):
        found = learn_all(tasks, LAVA.resolve({"batch_size": batch_size, "fast_paths": False}))
        for task, learned in zip(tasks, found, strict=True):
            (assert_equal if fixed else assert_close)(task, learned)

    check()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fixed", "fast_paths"),
    [
        pytest.param(True, True, id="fixed-own code"),
        pytest.param(True, False, id="fixed-declarations"),
        pytest.param(False, True, id="float-own code"),
        pytest.param(False, False, id="float-declarations"),
    ],
)
def test_every_rule_with_and_without_gates(fixed, fast_paths):
    runs = lively_runs(fixed)
    tasks = [LearningTask(*run) for run in runs.values()]
    found = learn_all(tasks, LAVA.resolve({"batch_size": 3, "fast_paths": fast_paths}))
    for kind, task, learned in zip(runs, tasks, found, strict=True):
        (assert_equal if fixed else assert_close)(task, learned)
        for p in task.network.projections:
            before = p.mantissa if fixed else p.synapse_weights
            assert np.any(learned.weights[p.name] != before), (kind, p.name)


def every_moment(fixed: bool, model: RuleModel) -> LearningTask:
    """A run in which both projections learn by a variant of EveryMoment."""
    network, drive, plan = next(iter(lively_runs(fixed).values()))
    if fixed:
        numbers = {"a": -5, "b": 3, "d": 700, "one": 40, "k": (3, -60, 40, 9), "dw_shift": 6}
        rule = sh.FixedDeclaredRule(
            model=model, parameters=numbers, lsb_shift=5, counter_bits=30, windows_per_update=4, rounding="stochastic"
        )
    else:
        rule = sh.rule(model, a=-0.05, b=0.03, tau=5.0, k=[0.3, -0.2, 0.1], clip=1e4, windows_per_update=4)
    return LearningTask(network, drive.select(0, 3), LearningPlan(dict.fromkeys(plan.rules, rule), 5, {}, 3, 2, 2))


def without(moment: str) -> RuleModel:
    """EveryMoment, in which nothing happens at one moment."""
    home = NEURON_MOMENTS.get(moment)
    stays = getattr(RuleModel, moment)
    if home:
        stays = lambda self, op, n, p: {v.name: getattr(n, v.name) for v in getattr(self, home)}  # noqa: E731
    return type("EveryMomentButOne", (EveryMoment,), {moment: stays})()


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "float"])
def test_every_moment_of_a_declared_rule_moves_weights(fixed):
    task = every_moment(fixed, EveryMoment())
    (found,) = learn_all([task], LAVA.resolve({"batch_size": 3}))
    (assert_equal if fixed else assert_close)(task, found)
    for moment in moments(EveryMoment()):
        other = every_moment(fixed, without(moment))
        weights = SPEC.learn(other.network, other.drive, other.plan, {}).weights
        for name in weights:
            assert np.any(np.abs(weights[name] - found.weights[name]) > 1e-6), (moment, name)


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "float"])
def test_variables_that_outlast_a_window(fixed):
    task = every_moment(fixed, EveryHomeLasts())
    (found,) = learn_all([task], LAVA.resolve({"batch_size": 3}))
    (assert_equal if fixed else assert_close)(task, found)
    first = {name: task.plan.first_lasting(task.network, name) for name in task.plan.rules}
    for name, variables in first.items():
        assert set(found.lasting[name]) == set(variables) == {"pre_i", "post_t", "synapse_x_", "group_v"}
        assert all(np.any(found.lasting[name][key] != values) for key, values in variables.items())


def test_a_rule_of_another_class_is_refused_by_name():
    class Mine(FixedSSDP):
        pass

    plan = LearningPlan({"in->out": Mine(a_plus=1, a_baseline=1, lut=(1,), lsb_shift=1)})
    network = next(iter(lively_runs(fixed=True).values()))[0]
    (reason,) = LAVA.unsupported_plan(network, plan)
    assert "in->out" in reason
    assert "Mine" in reason


RULE = FixedSSDP(
    a_plus=2000,
    a_baseline=900,
    lut=(255, 200, 120, 50, 10),
    lsb_shift=14,
    dw_shift=5,
    counter_bits=20,
    time_bits=4,
    windows_per_update=3,
    rounding="stochastic",
)


@pytest.mark.slow
def test_readout_taught_by_a_second_input():
    """One teacher spike makes the labelled neuron fire; the plastic weights move apart."""
    rng = np.random.default_rng(3)
    network = sh.FixedNetwork(
        [sh.Input("image", 20), sh.Input("teacher", 4)],
        [sh.FixedPopulation(name="out", size=4, vth=250)],
        [
            sh.FixedProjection(pre="image", post="out", weight=2 * rng.integers(0, 20, (4, 20))),
            sh.FixedProjection(pre="teacher", post="out", weight=sp.csr_array(254 * np.eye(4, dtype=int))),
        ],
        ["out"],
    )
    labels = rng.integers(0, 4, 20)
    teacher = np.zeros((10, 20, 4), bool)
    teacher[3, np.arange(20), labels] = True
    drive = make_drive(network, {"image": rng.random((10, 20, 20)) < 0.1, "teacher": teacher})
    task = LearningTask(network, drive, LearningPlan({"image->out": RULE}, seed=np.int64(9)))
    learned = learn_all([task], LAVA.resolve({}))[0]
    assert np.any(learned.weights["image->out"] > network.projection("image->out").mantissa)
    assert np.any(learned.weights["image->out"] < network.projection("image->out").mantissa)
    assert_equal(task, learned)


@pytest.mark.slow
def test_windows_with_a_bias_of_their_own():
    """Direct input, in rounds of two windows of which the last is not full."""
    rng = np.random.default_rng(4)
    fixed = sh.FixedNetwork(
        [sh.Input("in", 5)],
        [sh.FixedPopulation(name="hid", size=6, dv=400, vth=200), sh.FixedPopulation(name="out", size=3, vth=90)],
        [
            sh.FixedProjection(pre="in", post="hid", weight=2 * rng.integers(-20, 60, (6, 5))),
            sh.FixedProjection(pre="hid", post="out", weight=2 * rng.integers(-20, 60, (3, 6))),
        ],
        ["out"],
    )
    floating = sh.Network(
        [sh.Input("in", 5)],
        [
            sh.Population(name="hid", neuron=sh.LIF(size=6, tau_mem=5e-3, v_threshold=0.2)),
            sh.Population(name="out", neuron=sh.LIF(size=3, tau_mem=5e-3, v_threshold=0.2)),
        ],
        [
            sh.Projection(pre="in", post="hid", weight=rng.normal(0.3, 0.4, (6, 5))),
            sh.Projection(pre="hid", post="out", weight=rng.normal(0.8, 0.4, (3, 6))),
        ],
        ["out"],
        sh.Semantics(1e-3),
    )
    values = sh.DirectInput(rng.random((7, 5)), 10)
    tasks = [
        LearningTask(network, make_drive(network, values), LearningPlan({"hid->out": rule}))
        for network, rule in ((fixed, RULE), (floating, sh.SSDP(a_plus=0.1, a_baseline=0.05, windows_per_update=3)))
    ]
    found = learn_all(tasks, LAVA.resolve({"batch_size": 2}))
    assert np.any(found[0].weights["hid->out"] != fixed.projection("hid->out").mantissa)
    assert_equal(tasks[0], found[0])
    assert np.any(found[1].weights["hid->out"] != floating.projection("hid->out").synapse_weights)
    assert_close(tasks[1], found[1])
