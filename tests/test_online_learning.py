"""Learning on-line: samples are pieces of one run, whose state goes on while weights move between them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from conv_strategies import fixed_conv_networks, float_conv_networks
from declared_models import declared_fixed_networks, declared_float_networks
from example_counts import examples
from hypothesis import given, strategies as st
from plan_strategies import going_on, learning_runs
from ssdp_hw.targets.engine import inference
from test_engine_learning import ENGINE, OPTIONS, SPEC, assert_bits_equal, assert_close, learn

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError


def network(fixed):
    """An input, a hidden layer with delays and loops, and a readout."""
    rng = np.random.default_rng(2)
    delay = rng.integers(0, 4, (6, 6))
    inputs, outputs = [sh.Input("in", 5)], ["out"]
    if fixed:
        populations = [
            sh.FixedPopulation(name="h", size=6, du=900, dv=250, vth=60, reset="subtract"),
            sh.FixedPopulation(name="out", size=3, du=1500, dv=100, vth=90),
        ]
        weights = [2 * rng.integers(-10, 40, shape) for shape in ((6, 5), (6, 6), (3, 6))]
        projections = [
            sh.FixedProjection(pre="in", post="h", weight=weights[0], weight_exp=-1),
            sh.FixedProjection(pre="h", post="h", weight=weights[1] - 40, delay=delay),
            sh.FixedProjection(pre="h", post="out", weight=weights[2], delay=2),
        ]
        return sh.FixedNetwork(inputs, populations, projections, outputs)
    populations = [
        sh.Population(name=name, neuron=sh.CubaLIF(size=n, tau_mem=9e-3, tau_syn=4e-3, v_threshold=0.1))
        for name, n in (("h", 6), ("out", 3))
    ]
    projections = [
        sh.Projection(pre="in", post="h", weight=rng.normal(0.3, 0.3, (6, 5))),
        sh.Projection(pre="h", post="h", weight=rng.normal(-0.1, 0.1, (6, 6)), delay=delay),
        sh.Projection(pre="h", post="out", weight=rng.normal(0.3, 0.3, (3, 6)), delay=2),
    ]
    return sh.Network(inputs, populations, projections, outputs, sh.Semantics(1e-3))


def rule(fixed, updates=1):
    """A rule with a variable that lasts."""
    if fixed:
        numbers = {"grow": 900, "decay_x": 200, "decay_y": 390, "decay_theta": 100, "first_theta": 20, "dw_shift": 16}
        return sh.FixedDeclaredRule(
            model="BCM", parameters=numbers, lsb_shift=4, counter_bits=24, windows_per_update=updates
        )
    return sh.rule("BCM", eta=0.05, tau_theta=30.0, windows_per_update=updates)


def pieces(count, steps=20, seed=3):
    return np.random.default_rng(seed).random((steps, count, 5)) < 0.25


def online(net, spikes, learned, target, state=None, *, health=True, **presentation):
    """A run on-line in which hidden layer and readout learn."""
    presented = sh.Presentation(shuffle=False, restart=False, **presentation)
    rules = {"in->h": learned, "h->out": learned}
    return sh.learn(net, spikes, None, rules, target, presentation=presented, state=state, health=health)


def assert_same_state(wanted, found, *, exact):
    check = np.testing.assert_array_equal if exact else np.testing.assert_allclose
    for what in ("lasting", "neurons"):
        left, right = getattr(wanted.state, what), getattr(found.state, what)
        assert left.keys() == right.keys()
        for owner, values in left.items():
            assert values.keys() == right[owner].keys()
            for name, array in values.items():
                check(right[owner][name], array, err_msg=f"{what} {owner} {name}")
    for p in wanted.network.projections:
        check(found.network.projection(p.name).stored_weights, p.stored_weights, err_msg=p.name)
    assert found.state.steps == wanted.state.steps


# Both arithmetics and both targets by default; every pair of them in the slow run.
EITHER = [
    pytest.param(True, "engine", id="fixed-engine"),
    pytest.param(False, "spec", id="float-spec"),
    pytest.param(True, "spec", id="fixed-spec", marks=pytest.mark.slow),
    pytest.param(False, "engine", id="float-engine", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("fixed", "target"), EITHER)
def test_one_run_equals_the_same_weight_updates_made_sample_by_sample(fixed, target, tmp_path):
    """With a file between any two samples, and on the other target in turn."""
    net, spikes = network(fixed), pieces(8)
    whole = online(net, spikes, rule(fixed, 2), target, windows=2)
    state, now = None, net
    for k in range(8):
        other = ("spec", "engine")[k % 2] if k > 2 else target
        part = online(now, spikes[:, k : k + 1], rule(fixed, 2), other, state, windows=2)
        sh.save_learning(part.network, part.state, tmp_path / "run.h5")
        now, state = sh.load_learning(tmp_path / "run.h5")
    assert whole.state.steps == 160
    assert_same_state(whole, part, exact=fixed)
    moved = [
        np.mean(whole.network.projection(n).stored_weights != net.projection(n).stored_weights) for n in whole.rules
    ]
    assert min(moved) > 0.2
    # Samples that start anew each time are another run.
    anew = sh.learn(
        net, spikes, None, whole.rules, target, presentation=sh.Presentation(shuffle=False, windows=2, steps=20)
    )
    assert any(
        np.any(anew.network.projection(n).stored_weights != whole.network.projection(n).stored_weights)
        for n in whole.rules
    )


@pytest.mark.slow
@pytest.mark.parametrize(("fixed", "target"), EITHER)
def test_neurons_fire_as_in_one_long_run_where_no_weight_moves(fixed, target):
    net, spikes = network(fixed), pieces(7)
    learned = online(net, spikes, rule(fixed, 100), target)
    long = spikes.transpose(1, 0, 2).reshape(-1, 1, 5)
    wanted = sh.run(net, long, "spec", record=("spikes", "v", "u"))
    for name in ("h", "out"):
        for state in ("v", "u"):
            last = getattr(wanted, state)[name][-1, 0]
            np.testing.assert_allclose(learned.state.neurons[name][state], last, rtol=0, atol=0 if fixed else 1e-12)
    counts = learned.synchrony["h->out"]
    fired = wanted.spikes["out"].reshape(7, 20, 3).any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(counts[:, 1], fired)
    assert fired.any()


@examples(100, default=4)
@given(learning_runs(fixed=True, declared=True), OPTIONS)
def test_any_plan_on_line_is_bit_equal(case, options):
    case = (*case[:2], replace(case[2], restart=False))
    wanted, found = learn(SPEC, *case), learn(ENGINE, *case, **options)
    assert_bits_equal(wanted, found)
    assert_neurons(wanted, found, np.testing.assert_array_equal)


@pytest.mark.slow
@examples(60, default=3)
@given(learning_runs(fixed=False, declared=True), OPTIONS)
def test_any_float_plan_on_line_is_equal_up_to_rounding(case, options):
    case = (*case[:2], replace(case[2], restart=False))
    wanted, found = learn(SPEC, *case), learn(ENGINE, *case, **options)
    assert_close(wanted, found)
    assert_neurons(wanted, found, lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9))


@examples(60, default=3)
@given(learning_runs(fixed=True, declared=True), st.data())
def test_any_plan_pauses_between_two_samples(case, data):
    """Two parts of the samples, the second from the state in which the first stopped, are one run."""
    net, drive, plan = case
    plan = replace(plan, restart=False)
    whole = learn(SPEC, net, drive, plan)
    cut = data.draw(st.integers(0, drive.batch))
    at, now, state = 0, net, plan
    for start, stop in ((0, cut), (cut, drive.batch)):
        if start == stop:
            continue
        windows = slice(start * plan.windows_per_sample, stop * plan.windows_per_sample)
        gates = {n: g[windows] for n, g in plan.gates.items()}
        factors = {n: {f: values[windows] for f, values in of_rule.items()} for n, of_rule in plan.factors.items()}
        part = learn(ENGINE, now, drive.select(start, stop), replace(state, gates=gates, factors=factors))
        now = now.with_mantissas(part.weights)
        done, rest = divmod(state.first_window + (stop - start) * plan.windows_per_sample, plan.windows_per_update)
        at += (stop - start) * drive.steps
        state = replace(
            state,
            counters=part.counters,
            lasting=part.lasting,
            neurons=part.neurons,
            first_step=at,
            first_update=state.first_update + done,
            first_window=rest,
        )
    for name in plan.rules:
        np.testing.assert_array_equal(part.weights[name], whole.weights[name])
        np.testing.assert_array_equal(part.counters[name], whole.counters[name])
    assert_neurons(whole, part, np.testing.assert_array_equal)


@examples(60, default=4)
@given(learning_runs(fixed=True, declared=True, max_plastic=4), st.integers(0, 3))
def test_what_memory_held_before_changes_nothing(case, seed):
    """The arrays of the loops have room for neurons that pad populations, and new memory holds anything."""
    net, drive, plan = case
    plan = replace(plan, restart=False)
    began = learn(SPEC, net, drive, plan)
    later, further = going_on(net, drive, plan, began)
    wanted, new = learn(SPEC, later, drive, further), inference.aligned

    def used(*arguments):
        array = new(*arguments)
        array[...] = np.random.default_rng(seed).integers(-(2**31), 2**31, array.shape)
        return array

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(inference, "aligned", used)
        assert_bits_equal(wanted, learn(ENGINE, later, drive, further, threads=1))


def equal(*, exact):
    """How states of neurons, and the input under way to each of their ports, are compared."""
    if exact:
        return partial(np.testing.assert_array_equal, strict=True)
    return partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9)


# For simulators: arithmetic, and the networks that are drawn; of the kind None any.
KINDS_OF_NETWORKS = [
    pytest.param(True, None, id="fixed"),
    pytest.param(False, None, id="float", marks=pytest.mark.slow),
    pytest.param(True, declared_fixed_networks(), id="fixed-declared models", marks=pytest.mark.slow),
    pytest.param(False, declared_float_networks(), id="float-declared models", marks=pytest.mark.slow),
    pytest.param(True, fixed_conv_networks(), id="fixed-convolutions", marks=pytest.mark.slow),
    pytest.param(False, float_conv_networks(), id="float-convolutions", marks=pytest.mark.slow),
]


def assert_neurons(wanted, found, check):
    """Compare the states of neurons and the input under way."""
    assert wanted.neurons.keys() == found.neurons.keys()
    assert wanted.neurons
    for name, states in wanted.neurons.items():
        assert states.keys() == found.neurons[name].keys()
        for state, values in states.items():
            check(found.neurons[name][state], values)


def test_a_target_that_starts_every_sample_anew_refuses_by_name(monkeypatch):
    monkeypatch.setattr(type(ENGINE), "learns_in_pieces", False)
    with pytest.raises(UnsupportedError, match="each sample starts from the initial state here"):
        online(network(True), pieces(2), rule(True), "engine")


def test_what_contradicts_one_run_is_refused():
    net, spikes = network(True), pieces(2)
    with pytest.raises(ParameterError, match="give shuffle=False"):
        sh.Presentation(restart=False)
    with pytest.raises(ParameterError, match="20 steps, a multiple of windows = 3"):
        online(net, spikes, rule(True), "spec", windows=3)
    with pytest.raises(ParameterError, match="give no steps"):
        online(net, spikes, rule(True), "spec", steps=30)
    with pytest.raises(ParameterError, match="give teach = 'all'"):
        sh.learn(
            net, spikes, [0, 1], rule(True), "spec",
            teach="errors", plastic="h->out", presentation=sh.Presentation(shuffle=False, restart=False),
        )  # fmt: skip
    state = online(net, spikes, rule(True), "spec").state
    short = {**state.neurons, "h": {**state.neurons["h"], "v": np.zeros(5, int)}}
    with pytest.raises(ShapeError, match=r"'v' of 'h' is int64 of shape \(5,\); expected int64 of shape \(6,\)"):
        online(net, spikes, rule(True), "spec", replace(state, neurons=short))
    with pytest.raises(ParameterError, match="the neurons of 'out' need u, v, arriving"):
        online(net, spikes, rule(True), "spec", replace(state, neurons={"h": state.neurons["h"]}))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ssdp_hw.learning.nothing_learned.NothingLearnedWarning")
def test_a_million_steps():
    """In pieces of 1,000 steps, made as they are needed, 40 at once: memory is that of these alone."""

    def run(pieces_at_once, calls):
        net, state = network(True), None
        for first in range(0, calls * pieces_at_once, pieces_at_once):
            drawn = [pieces(10, 1000, seed=k) for k in range(first // 10, (first + pieces_at_once) // 10)]
            part = online(net, np.concatenate(drawn, axis=1), rule(True), "engine", state, health=False)
            net, state = part.network, part.state
        return part

    assert_same_state(run(20, 4), run(40, 2), exact=True)
    whole = run(40, 25)
    assert whole.state.steps == 1_000_000
    assert whole.state.updates == 1000
    moved = [
        np.any(p.mantissa != q.mantissa)
        for p, q in zip(whole.network.projections, network(True).projections, strict=True)
    ]
    assert moved == [True, False, True]
