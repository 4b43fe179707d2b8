"""Synapses that die: they leave the network, stay dead, and everything else is as if their weight were 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2_helpers import requires_brian2
from example_counts import examples
from hypothesis import assume, event, given, strategies as st
from plan_strategies import WEIGHT_BITS, declared_counter_rules
from rule_examples import LetsDie, MovesDelays
from scipy.sparse import csr_array
from strategies import drives_for, fixed_networks
from test_engine_learning import GENERATED
from test_thresholds_learned import assert_same

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.learning.inputs import with_widest_weights
from ssdp_hw.rules.model import AliveBit, RuleVariable
from ssdp_hw.rules.model_checks import check_model
from ssdp_hw.rules.models.pruning_stdp import PruningSTDP
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.target_registry import get_target

TARGETS = ("spec", "engine")
PRE, POST, STEPS = 12, 8, 20


def network(seed=1, **changes):
    """Weak and strong synapses, all of which transmit."""
    weight = 2 * np.random.default_rng(seed).integers(1, 40, (POST, PRE))
    p = sh.FixedProjection(**{"pre": "in", "post": "out", "weight": weight, "scale": 100.0, **changes})
    out = sh.FixedPopulation(name="out", size=POST, du=2000, dv=300, vth=120)
    return sh.FixedNetwork([sh.Input("in", PRE)], [out], [p], ["out"])


def float_network(seed=1):
    weight = np.random.default_rng(seed).uniform(0.01, 0.4, (POST, PRE))
    neuron = sh.CubaLIF(size=POST, tau_mem=5e-3, tau_syn=3e-3, v_threshold=0.3)
    p = sh.Projection(pre="in", post="out", weight=weight)
    return sh.Network(
        [sh.Input("in", PRE)], [sh.Population(name="out", neuron=neuron)], [p], ["out"], sh.Semantics(1e-3)
    )


def spikes(count, seed=2):
    return np.random.default_rng(seed).random((STEPS, count, PRE)) < 0.2


def pruning(grow=0, shrink=0, least=10, patience=3, **values):
    numbers = {"grow": grow, "shrink": shrink, "least": least, "patience": patience}
    numbers |= {"decay_x": 300, "decay_y": 400, "dw_shift": 2}
    return sh.FixedDeclaredRule(model=PruningSTDP(), parameters=numbers, lsb_shift=10, counter_bits=24, **values)


MOVING = pruning(grow=100, shrink=200, least=12, patience=2)


def learn(net, given, rule, target="spec", **options):
    options = {"presentation": sh.Presentation(shuffle=False, steps=STEPS), "health": False} | options
    return sh.learn(net, given, None, rule, target, on_overflow="ignore", **options)


def synapses(net):
    """The (post, pre) of every synapse."""
    return set(zip(*(index.tolist() for index in net.projections[0].synapse_indices), strict=True))


def dense(net):
    """Weights as a matrix, 0 where there is no synapse."""
    p = net.projections[0]
    found = np.zeros(p.shape, p.stored_weights.dtype)
    found[p.synapse_indices] = p.stored_weights
    return found


@pytest.mark.slow_after(1)
@pytest.mark.filterwarnings("ignore::ssdp_hw.learning.nothing_learned.NothingLearnedWarning")
@pytest.mark.parametrize("target", TARGETS)
def test_a_weak_synapse_dies_after_as_many_windows_as_it_is_given(target):
    net, patience = network(), 3
    weak = np.abs(net.projections[0].mantissa) < 10
    assert 0 < weak.sum() < weak.size
    before = learn(net, spikes(patience - 1), pruning(patience=patience), target)
    assert before.alive["in->out"].after == weak.size
    after = learn(net, spikes(patience + 2), pruning(patience=patience), target)
    rows, cols = net.projections[0].synapse_indices
    assert synapses(after.network) == set(zip(rows[~weak].tolist(), cols[~weak].tolist(), strict=True))
    assert (after.alive["in->out"].before, after.alive["in->out"].after) == (weak.size, weak.size - weak.sum())
    np.testing.assert_array_equal(after.network.projections[0].mantissa, net.projections[0].mantissa[~weak])
    assert f"{weak.sum()} of {weak.size} synapses of 'in->out' died" in str(after)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("rounding", ["carry", "nearest"])
@pytest.mark.parametrize("target", TARGETS)
def test_the_others_learn_as_if_dead_weights_were_0(target, rounding):
    """An independent lesson: after each weight update dead synapses get the weight 0 and an empty counter."""
    rule = replace(MOVING, rounding=rounding, windows_per_update=2)
    net, given = network(), spikes(20)
    found = learn(net, given, rule, target)
    assert 0 < found.alive["in->out"].after < found.alive["in->out"].before
    runner, state, dead = get_target("spec"), {"counters": {}, "lasting": {}}, np.zeros(POST * PRE, bool)
    for first in range(0, 20, 2):
        plan = LearningPlan({"in->out": rule}, 0, first_update=first // 2, **state)
        learned = runner.learn(net, make_drive(net, given[:, first : first + 2]), plan, {})
        dead |= learned.lasting["in->out"]["synapse_alive"] == 0
        weights, counters = (part["in->out"].copy() for part in (learned.weights, learned.counters))
        weights[dead] = counters[dead] = 0
        net = net.with_mantissas({"in->out": weights})
        state = {"counters": {"in->out": counters}, "lasting": learned.lasting}
    np.testing.assert_array_equal(dense(found.network), dense(net))
    np.testing.assert_array_equal(found.state.counters["in->out"], counters[~dead])
    for name, values in learned.lasting["in->out"].items():
        left = values[~dead] if name.startswith("synapse") else values
        np.testing.assert_array_equal(found.state.lasting["in->out"][name], left)
    after = sh.run(found.network, spikes(9, seed=8), target).spikes["out"]
    np.testing.assert_array_equal(after, sh.run(net, spikes(9, seed=8), "spec").spikes["out"])


@st.composite
def lessons(draw):
    """A network with neurons that fire, spikes, and a rule by which synapses of one projection die."""
    net = draw(fixed_networks(weight_bits=WEIGHT_BITS))
    names = [
        p.name for p in net.projections if net.population(p.post).spiking and p.synapse_count and not p.is_convolution
    ]
    assume(names)
    name = draw(st.sampled_from(names))
    try:
        with_widest_weights(net, [name])
    except ParameterError:
        assume(False)
    windows, samples = draw(st.sampled_from((1, 2))), draw(st.integers(1, 2))
    rule = draw(declared_counter_rules(windows * samples, (LetsDie(), PruningSTDP())))
    below = draw(st.integers(1, 1 + int(np.abs(net.projection(name).mantissa).max())))  # some weights, or all
    deadly = (
        {"low": below} if isinstance(rule.model, LetsDie) else {"least": below, "patience": draw(st.integers(1, 4))}
    )
    rule = replace(rule, parameters={**rule.parameters, **deadly})
    given = draw(drives_for(net, max_steps=6, max_batch=5, analog=False))
    steps = next(iter(given.values())).shape[0]
    shown = sh.Presentation(shuffle=draw(st.booleans()), seed=draw(st.integers(0, 9)), windows=windows, epochs=2)
    length = -(-(steps + net.latency) // windows) * windows
    return net, given, {name: rule}, replace(shown, steps=length)


@examples(40, default=2, base=GENERATED)
@given(lessons())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_any_lesson_is_bit_equal_and_dead_synapses_stay_dead(case):
    net, given, rules, shown = case
    (name,) = rules
    for _ in range(2):
        results = [sh.learn(net, given, None, rules, t, presentation=shown, on_overflow="ignore") for t in TARGETS]
        assert_same(*results)
        assert results[0].health == results[1].health
        assert results[0].alive == results[1].alive
        alive, p, q = results[0].alive[name], net.projection(name), results[0].network.projection(name)
        event(f"some died: {alive.after < alive.before}, all: {alive.after == 0}")
        had, have = (set(zip(*(i.tolist() for i in end.synapse_indices), strict=True)) for end in (p, q))
        assert have <= had
        assert (len(had), len(have)) == (alive.before, alive.after)
        if not have:
            return
        net = results[0].network


@pytest.mark.slow
def test_dead_synapses_stay_dead_through_files_and_later_lessons(tmp_path):
    rule, given = replace(MOVING, windows_per_update=2), spikes(24)
    whole = learn(network(), given, rule)
    half = learn(network(), given[:, :5], rule)  # in the middle of a weight update
    assert half.state.pending == 1
    sh.save_learning(half.network, half.state, tmp_path / "half.h5")
    net, state = sh.load_learning(tmp_path / "half.h5")
    assert synapses(net) == synapses(half.network)
    rest = learn(net, given[:, 5:], rule, state=state)
    assert_same(replace(whole, written={}), replace(rest, written={}))
    assert synapses(whole.network) < synapses(half.network) < synapses(network())
    sh.save(rest.network, tmp_path / "network.h5")
    assert synapses(sh.load(tmp_path / "network.h5")) == synapses(rest.network)


@pytest.mark.slow
def test_a_taught_lesson_in_two_parts_is_one():
    """The teacher is as strong for the synapses that are left, whether they are known from the beginning or not."""
    net = replace(network(), outputs=["out"])
    labels, given = np.arange(16) % POST, spikes(16)
    shown = sh.Presentation(shuffle=False, steps=STEPS)
    options = {"presentation": shown, "on_overflow": "ignore", "health": False}
    whole = sh.learn(net, given, labels, MOVING, **options)
    half = sh.learn(net, given[:, :7], labels[:7], MOVING, **options)
    rest = sh.learn(half.network, given[:, 7:], labels[7:], MOVING, state=half.state, **options)
    assert_same(replace(whole, written={}), replace(rest, written={}))
    assert whole.alive["in->out"].after < half.alive["in->out"].after < POST * PRE


@pytest.mark.slow
def test_nothing_is_lost_but_what_dies():
    """By carry, weight and counter of every synapse that lives are the sum of all changes."""
    rule = pruning(grow=40, shrink=60, least=12, patience=2)
    result = learn(network(), spikes(16), rule, health=True)
    health, alive = result.health["in->out"], result.alive["in->out"]
    assert 0 < alive.after < alive.before == health.synapses
    assert (health.lost_lsb, health.weight_saturations) == (0, 0)
    assert 0 < result.changed["in->out"] <= 1
    assert health.changed == result.changed["in->out"]
    assert sum(health.histogram_after) == alive.after


def test_resources_shrink_with_every_synapse_that_dies():
    net, sizes, state = network(), [], None
    for seed in range(6):
        used = sh.resources(net).populations[0]
        sizes.append((used.synapses, used.synaptic_bytes))
        result = learn(net, spikes(3, seed), MOVING, state=state)
        net, state = result.network, result.state
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1][0] < sizes[0][0] / 2
    assert sizes[-1][1] < sizes[0][1]
    assert net.projections[0].stored_weights.size == len(synapses(net)) < POST * PRE


@pytest.mark.slow_after(1)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "target",
    [
        *TARGETS,
        pytest.param("brian2", marks=requires_brian2),
        "lava",
    ],
)
def test_a_projection_may_lose_all_synapses(target):
    if not get_target(target).availability().installed:
        pytest.skip(f"{target} is not installed")
    result = learn(network(), spikes(3), pruning(least=300, patience=2), target, health=True)
    alive = result.alive["in->out"]
    assert (alive.before, alive.after, alive.silent) == (POST * PRE, 0, POST)
    assert result.health["in->out"].lost_lsb == 0
    assert not sh.run(result.network, spikes(2)).spikes["out"].any()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "target",
    [
        *TARGETS,
        pytest.param("brian2", marks=requires_brian2),
        "lava",
    ],
)
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "float"])
def test_a_lesson_goes_on_where_no_synapse_is_left(fixed, target, tmp_path):
    """Two calls are one, also where the second finds nothing alive."""
    if not get_target(target).availability().installed:
        pytest.skip(f"{target} is not installed")
    dying = sh.rule("PruningSTDP", a_plus=0, a_minus=0, least=9.0, patience=2)
    net, rule = (network(), pruning(least=300, patience=2)) if fixed else (float_network(), dying)
    whole = learn(net, spikes(5), rule, target)
    half = learn(net, spikes(5)[:, :3], rule, target)
    assert half.network.projection("in->out").synapse_count == 0
    sh.save_learning(half.network, half.state, tmp_path / "half.h5")
    left, state = sh.load_learning(tmp_path / "half.h5")
    rest = learn(left, spikes(5)[:, 3:], rule, target, state=state, health=True)
    assert rest.state.updates == whole.state.updates == 5
    assert rest.state.counters["in->out"].shape == whole.state.counters["in->out"].shape == (0,)
    assert rest.changed["in->out"] == 0
    assert "0 synapses of 'in->out'" in str(rest)
    rest.plot()


@pytest.mark.slow
@pytest.mark.parametrize("target", [pytest.param("brian2", marks=requires_brian2), "lava"])
def test_simulators_learn_the_same(target):
    if not get_target(target).availability().installed:
        pytest.skip(f"{target} is not installed")
    rule = replace(MOVING, windows_per_update=4, rounding="stochastic")
    wanted = learn(network(), spikes(8), rule)
    found = learn(network(), spikes(8), rule, target)
    assert_same(wanted, found)
    assert synapses(wanted.network) == synapses(found.network)
    assert found.alive == wanted.alive
    assert 0 < found.alive["in->out"].after < POST * PRE


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_float_networks_prune_and_their_integers_as_well(target):
    rule = sh.rule("PruningSTDP", a_plus=0.004, a_minus=0.006, least=0.1, patience=3)
    found = learn(float_network(), spikes(20), rule, target)
    alive = found.alive["in->out"]
    assert 0 < alive.after < alive.before
    first = float_network().projections[0].stored_weights
    assert np.all(first[~np.isin(np.arange(first.size), [r * PRE + c for r, c in synapses(found.network)])] < 0.5)
    integers = learn(network(), spikes(20), rule, target)
    assert integers.rules["in->out"].parameters["least"] == round(0.1 * 100 / 2)  # a weight LSB is 2 of the scale
    assert 0 < integers.alive["in->out"].after < integers.alive["in->out"].before


class Revives(PruningSTDP):
    """A synapse dies in the first window, and is said to live in all later ones."""

    name = "Revives"
    post = (*PruningSTDP.post, RuleVariable("windows", 9, lasts=True))

    def post_step(self, op, n, p):
        return {**super().post_step(op, n, p), "windows": op.minimum(n.windows + 1, 500)}

    def window_end(self, op, at, p):
        return {"alive": op.select(at.post.windows > STEPS, 1, 0)}


@pytest.mark.slow_after(1)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("target", TARGETS)
def test_a_rule_cannot_revive_a_synapse_before_it_leaves(target):
    rule = replace(pruning(windows_per_update=3), model=Revives())
    early = learn(network(), spikes(2), rule, target).alive["in->out"]
    assert (early.after, early.dying) == (POST * PRE, POST * PRE)
    assert learn(network(), spikes(3), rule, target).alive["in->out"].after == 0


def test_delays_of_those_that_live_are_kept():
    delay = np.random.default_rng(3).integers(0, 6, (POST, PRE))
    found = learn(network(delay=delay), spikes(20), MOVING, "engine")
    p = found.network.projections[0]
    np.testing.assert_array_equal(p.synapse_delays, delay[p.synapse_indices])
    assert 0 < p.synapse_count < POST * PRE
    assert_same(learn(network(delay=delay), spikes(20), MOVING), found)


REFUSED = {
    "convolution": (lambda: convolution(), {}, "share their weights"),
    "pieces of one run": (
        lambda: network(delay=2),
        {"presentation": sh.Presentation(restart=False, shuffle=False)},
        "restart=False",
    ),
    "arrivals": (lambda: network(delay=2), {"pre_trace": "arrives"}, "lets synapses die"),
}


def convolution():
    kernel = sh.ConvWeight(2 * np.ones((1, 1, 2, 2), int), (1, 3, 4))
    out = sh.FixedPopulation(name="out", size=kernel.shape[0], vth=120)
    p = sh.FixedProjection(pre="in", post="out", weight=kernel)
    return sh.FixedNetwork([sh.Input("in", PRE)], [out], [p], ["out"])


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_die_one_by_one_is_refused(name):
    made, options, said = REFUSED[name]
    rule = replace(MOVING, pre_trace=options.pop("pre_trace", "fires"))
    with pytest.raises(UnsupportedError, match=f"projection 'in->out'.*{said}"):
        learn(made(), spikes(2), rule, **options)


def test_a_projection_without_delays_prunes_on_line():
    shown = sh.Presentation(shuffle=False, restart=False, steps=STEPS)
    one = learn(network(), spikes(12), MOVING, "engine", presentation=shown)
    assert_same(learn(network(), spikes(12), MOVING, presentation=shown), one)
    assert 0 < one.alive["in->out"].after < POST * PRE


WRONG = {
    "two": {"synapse": (AliveBit("a"), AliveBit("b"))},
    "of a neuron": {"post": (*PruningSTDP.post, AliveBit("a"))},
    "wide": {"synapse": (RuleVariable("weak", 10, lasts=True), AliveBit("alive", bits=2))},
    "delays": {"synapse": (*MovesDelays.synapse, RuleVariable("weak", 10, lasts=True), AliveBit("alive"))},
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_declarations_are_named(name):
    base = MovesDelays if name == "delays" else PruningSTDP
    model = type("Wrong", (base,), {"name": "Wrong", **WRONG[name]})
    with pytest.raises(ParameterError, match=r"alive bit|lets synapses die"):
        check_model(model(), "rule")


def test_sparse_and_dense_storage_are_both_counted():
    """A core may store a matrix with or without the indices of its synapses: the smaller counts."""
    few, many = np.zeros((POST, PRE), int), np.full((POST, PRE), 4)
    few[:, 0] = 4
    sizes = [sh.resources(network(weight=csr_array(weight))).populations[0].synaptic_bytes for weight in (few, many)]
    assert sizes == [POST * (8 + 10) // 8, POST * PRE]
