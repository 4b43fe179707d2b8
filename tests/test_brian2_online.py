"""Learning on-line on Brian2 against the specification: samples that are pieces of one run, and runs that go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2_helpers import (
    assert_learned_close,
    assert_learned_equal,
    learn_plan,
    quick_builds,
    requires_brian2,
    requires_compiler,
)
from example_counts import share
from hypothesis import given, settings, strategies as st
from plan_strategies import going_on, learning_runs
from test_engine_learning import GENERATED
from test_online_learning import (
    KINDS_OF_NETWORKS,
    assert_neurons,
    assert_same_state,
    equal,
    network,
    online,
    pieces,
    rule,
)

import ssdp_hw as sh
from ssdp_hw.running.learning_plan import arriving_name

pytestmark = requires_brian2


def goes_on(run, *, fixed, **options):
    """Learn from a run in pieces, and then once more from where the specification left it."""
    net, drive, plan = run
    plan = replace(plan, restart=False)
    for _ in range(2):
        wanted, found = learn_plan(net, drive, plan, **options)
        (assert_learned_equal if fixed else assert_learned_close)(wanted, found)
        assert_neurons(wanted, found, equal(exact=fixed))
        net, plan = going_on(net, drive, plan, wanted)


@pytest.mark.more_examples
@pytest.mark.parametrize(("fixed", "networks"), KINDS_OF_NETWORKS)
def test_generated_runs_in_pieces_go_on(fixed, networks):
    runs = learning_runs(fixed, networks=networks, declared=True)

    @settings(GENERATED, max_examples=share(10, default=3))
    @given(runs, st.booleans())
    def check(run, fast_paths):
        goes_on(run, fixed=fixed, fast_paths=fast_paths)

    check()


@requires_compiler
@pytest.mark.slow
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "float"])
@quick_builds()
def test_generated_runs_in_pieces_go_on_in_a_compiled_program(fixed):
    @settings(GENERATED, max_examples=2)
    @given(learning_runs(fixed, declared=True))
    def check(run):
        goes_on(run, fixed=fixed, device="cpp_standalone")

    check()


@pytest.mark.slow
@pytest.mark.parametrize("pre_trace", ["fires", "arrives"])
@pytest.mark.parametrize("steps", [2, 20])
@pytest.mark.parametrize("fixed", [False, True], ids=["float", "fixed"])
def test_spikes_act_with_the_weight_with_which_they_were_sent(fixed, steps, pre_trace):
    """Weights move under spikes that are under way, over the border of two calls too, for up to two samples."""
    net, spikes, learned = network(fixed), pieces(80 // steps, steps), replace(rule(fixed), pre_trace=pre_trace)
    middle = spikes.shape[1] // 2
    whole = online(net, spikes, learned, "spec")
    half = online(net, spikes[:, :middle], learned, "brian2")
    assert any(np.any(states[arriving_name("")]) for states in half.state.neurons.values())
    rest = online(half.network, spikes[:, middle:], learned, "brian2", half.state)
    assert_same_state(whole, rest, exact=fixed)
    moved = whole.network.projection("h->out").stored_weights != net.projection("h->out").stored_weights
    assert np.mean(moved) > 0.2


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("steps", "delay"), [(2, 0), (2, 5), (3, 2), (4, 3)])
def test_a_voltage_is_the_sum_of_the_weights_with_which_spikes_were_sent(steps, delay):
    """A neuron that keeps all it gets, behind a synapse that each spike strengthens at the end of its sample."""
    count = 12
    spikes = np.random.default_rng(1).random(count * steps) < 0.5
    net = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="out", size=1, du=4095, dv=0, vth=2**17 - 1)],
        [sh.FixedProjection(pre="in", post="out", weight=[[20]], delay=delay, scale=10.0)],
        ["out"],
    )

    def learned(target, samples):
        given = spikes[: samples * steps].reshape(samples, steps, 1).transpose(1, 0, 2)
        shown = sh.Presentation(shuffle=False, restart=False)
        return sh.learn(net, given, None, sh.Rule("a*x0", a=0.4), target, presentation=shown, health=False)

    of_sample = [20, *(int(learned("spec", k).network.projection("in->out").weight[0, 0]) for k in range(1, count))]
    assert len(set(of_sample)) > count // 2
    arrived = [t for t in np.flatnonzero(spikes) if t + 1 + delay < spikes.size]
    wanted = 64 * sum(of_sample[t // steps] for t in arrived)
    assert learned("brian2", count).state.neurons["out"]["v"].tolist() == [wanted]
