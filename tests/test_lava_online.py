"""Learning on-line on Lava against the specification: samples that are pieces of one run, and runs that go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_counts import share
from hypothesis import given, settings, strategies as st
from plan_strategies import going_on
from test_lava_learning import (
    GENERATED,
    LAVA,
    SPEC,
    LearningTask,
    assert_close,
    assert_equal,
    learn_all,
    learning_tasks,
)
from test_online_learning import KINDS_OF_NETWORKS, assert_neurons, equal, network, online, pieces, rule

import ssdp_hw as sh
from ssdp_hw.running.learning_plan import arriving_name


def pieces_of_one_run(task: LearningTask) -> LearningTask:
    return LearningTask(task.network, task.drive, replace(task.plan, restart=False))


@pytest.mark.slow
@pytest.mark.more_examples
@pytest.mark.parametrize(("fixed", "networks"), KINDS_OF_NETWORKS)
def test_generated_runs_in_pieces_go_on(fixed, networks):
    """Each is learned from, and then once more from where the specification left it."""

    @settings(GENERATED, max_examples=share(3, default=1))
    @given(learning_tasks(fixed, networks, count=6), st.booleans())
    def check(tasks, fast_paths):
        options = LAVA.resolve({"fast_paths": fast_paths})
        now = [pieces_of_one_run(task) for task in tasks]
        for _ in range(2):
            further = []
            for task, found in zip(now, learn_all(now, options), strict=True):
                (assert_equal if fixed else assert_close)(task, found)
                wanted = SPEC.learn(task.network, task.drive, task.plan, {})
                assert_neurons(wanted, found, equal(exact=fixed))
                net, plan = going_on(task.network, task.drive, task.plan, wanted)
                further.append(LearningTask(net, task.drive, plan))
            now = further

    check()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ssdp_hw.learning.nothing_learned.NothingLearnedWarning")
@pytest.mark.parametrize("fixed", [True, False])
def test_a_run_with_a_file_between_its_pieces_equals_the_whole_run(fixed, tmp_path):
    net, spikes = network(fixed), pieces(6)
    whole = online(net, spikes, rule(fixed, 2), "spec", windows=2)
    half = online(net, spikes[:, :2], rule(fixed, 2), "lava", windows=2)
    sh.save_learning(half.network, half.state, tmp_path / "run.h5")
    between, state = sh.load_learning(tmp_path / "run.h5")
    rest = online(between, spikes[:, 2:], rule(fixed, 2), "lava", state, windows=2)
    for p in whole.network.projections:
        found = rest.network.projection(p.name).stored_weights
        np.testing.assert_allclose(found, p.stored_weights, rtol=0, atol=0 if fixed else 1e-12)
    assert_neurons(whole.state, rest.state, equal(exact=fixed))
    assert any(np.any(states[arriving_name("")]) for states in half.state.neurons.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ssdp_hw.learning.nothing_learned.NothingLearnedWarning")
def test_input_that_is_longer_under_way_than_a_run_lasts():
    """A piece of two steps, while a spike is under way for four."""
    net = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="out", size=1, du=4095, dv=4095, vth=100)],
        [sh.FixedProjection(pre="in", post="out", weight=np.full((1, 1), 20), delay=4)],
        ["out"],
    )
    spikes = np.array([1, 0, 0, 0, 0, 0], bool).reshape(3, 2, 1).transpose(1, 0, 2)
    learned = sh.FixedDeclaredRule(
        model="BCM",
        parameters={"grow": 1, "decay_x": 9, "decay_y": 9, "decay_theta": 9, "first_theta": 20, "dw_shift": 4},
        lsb_shift=4,
        counter_bits=24,
    )
    runs = {}
    for target in ("spec", "lava"):
        now, state = net, None
        found = []
        for k in range(3):
            part = sh.learn(
                now, spikes[:, k : k + 1], None, learned, target, state=state, health=False,
                presentation=sh.Presentation(shuffle=False, restart=False),
            )  # fmt: skip
            now, state = part.network, part.state
            found.append(state.neurons["out"])
        runs[target] = found
    for one, other in zip(runs["spec"], runs["lava"], strict=True):
        for name, values in one.items():
            np.testing.assert_array_equal(other[name], values, err_msg=name)
    assert np.any(runs["lava"][1]["arriving"])
    assert not np.any(runs["lava"][2]["arriving"])
