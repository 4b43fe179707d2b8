"""SSDP on Lava against the specification: stored weights, counters and registers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strategies import drives_for, fixed_networks, fixed_rules, float_networks

import ssdp_hw as sh
from ssdp_hw.drive import make_drive
from ssdp_hw.ssdp import SilentPairs, SpikeTime
from ssdp_hw.target import LearningPlan, get_target

LAVA = get_target("lava")
if not LAVA.availability().installed:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from ssdp_hw.targets.lava.learning import LearningTask, learn_all  # noqa: E402

SPEC = get_target("spec")
STEPS, WINDOWS = 10, 7

# The first example that Hypothesis tries is the simplest one throughout: hence more than one.
GENERATED = settings(
    max_examples=4, deadline=None, phases=[Phase.generate], derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def learning_tasks(networks, rules) -> st.SearchStrategy:
    @st.composite
    def task(draw):
        network = draw(networks)
        drives = drives_for(network, max_steps=STEPS, max_batch=WINDOWS)
        drive = make_drive(network, draw(drives))
        names = [p.name for p in network.projections]
        commit_windows = draw(st.integers(1, 3))
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        plan_rules = {name: draw(rules(commit_windows)) for name in chosen}
        counters = {}
        if isinstance(network, sh.FixedNetwork) and draw(st.booleans()):
            size = network.projection(chosen[0]).synapse_weights.size
            counters = {chosen[0]: np.arange(size, dtype=np.int64) % 7 - 3}
        plan = LearningPlan(plan_rules, draw(st.integers(0, 2**40)), counters, draw(st.integers(0, 5)))
        return LearningTask(network, drive, plan)

    return st.lists(task(), min_size=10, max_size=10)


def test_generated_fixed_learning_is_bit_equal():
    @GENERATED
    @given(learning_tasks(fixed_networks(), lambda k: fixed_rules(STEPS, k)), st.sampled_from((128, 2)))
    def check(tasks, batch_size):
        found = learn_all(tasks, LAVA.resolve({"time_limit": 120.0, "batch_size": batch_size}))
        for task, learned in zip(tasks, found, strict=True):
            wanted = SPEC.learn(task.network, task.drive, task.plan, {})
            for name in task.plan.rules:
                np.testing.assert_array_equal(learned.weights[name], wanted.weights[name], strict=True)
                np.testing.assert_array_equal(learned.counters[name], wanted.counters[name], strict=True)
                for mine, theirs in zip(learned.spike_times[name], wanted.spike_times[name], strict=True):
                    np.testing.assert_array_equal(mine, theirs, strict=True)
            assert learned.weight_saturations == wanted.weight_saturations
            assert learned.counter_saturations == wanted.counter_saturations

    check()


@st.composite
def float_rules(draw, commit_windows: int) -> sh.SSDP:
    return sh.SSDP(
        a_plus=draw(st.floats(0, 0.5)), a_baseline=draw(st.floats(0, 0.5)), sigma=draw(st.floats(0.1, 5)),
        clip=draw(st.floats(0.05, 1)), commit_windows=commit_windows, spike_time=draw(st.sampled_from(SpikeTime)),
        silent_pairs=draw(st.sampled_from(SilentPairs)),
    )


def test_generated_float_learning_is_equal_up_to_rounding():
    """Lava's 1 - (1 - decay) differs from decay by 2**-53, and ``exp`` by an ULP: far below 1e-12."""

    @GENERATED
    @given(learning_tasks(float_networks(), float_rules), st.sampled_from((128, 2)))
    def check(tasks, batch_size):
        found = learn_all(tasks, LAVA.resolve({"time_limit": 120.0, "batch_size": batch_size}))
        for task, learned in zip(tasks, found, strict=True):
            wanted = SPEC.learn(task.network, task.drive, task.plan, {})
            for name in task.plan.rules:
                for mine, theirs in zip(learned.spike_times[name], wanted.spike_times[name], strict=True):
                    np.testing.assert_array_equal(mine, theirs, strict=True)
                np.testing.assert_allclose(learned.weights[name], wanted.weights[name], rtol=0, atol=1e-12)

    check()
