"""Rules that see presynaptic spikes as they arrive: the same rule without delays, given spikes that come later."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
from brian2_helpers import assert_learned_close, assert_learned_equal, requires_brian2
from example_counts import examples, share
from hypothesis import given, strategies as st
from rule_examples import EveryHomeLasts
from scipy.sparse import csr_array
from test_engine_learning import assert_lasting
from test_lava_dl import NEURON, write

import ssdp_hw as sh
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.rules import PreTrace, RuleKind, RuleModel, RuleParameter, RuleVariable
from ssdp_hw.rules.arrivals import arrival_lines
from ssdp_hw.rules.values import rule_from_dict, rule_to_dict
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.target_registry import get_target

STEPS, SAMPLES, PRE, POST = 24, 6, 5, 4
COUNTERS = {"lsb_shift": 9, "counter_bits": 20, "windows_per_update": 2}
EVERY = {"a": 90, "b": 3, "d": 900, "k": [5, -9, 3, 20], "dw_shift": 7}
FIXED = {
    "SSDP": sh.FixedSSDP(a_plus=9, a_baseline=3, lut=(255, 155, 35, 3), **COUNTERS),
    "last SSDP": sh.FixedSSDP(a_plus=9, a_baseline=3, lut=(255, 90), spike_time="last", **COUNTERS),
    "STDP": sh.FixedSTDP(a_plus=3, a_minus=2, decay_plus=500, decay_minus=900, trace_impulse=60, **COUNTERS),
    "SADP": sh.FixedSADP(a_plus=400, a_minus=600, kappa_bits=7, dw_shift=4, **COUNTERS),
    "lasting": sh.FixedDeclaredRule(
        model=EveryHomeLasts(), parameters=EVERY, **{**COUNTERS, "counter_bits": 29, "lsb_shift": 14}
    ),
}
FLOAT = {
    "SSDP": sh.SSDP(a_plus=0.05, a_baseline=0.02, sigma=3.0, windows_per_update=2),
    "STDP": sh.STDP(a_plus=0.02, a_minus=0.03, tau_plus=4.0, tau_minus=7.0, windows_per_update=2),
    "SADP": sh.SADP(a_plus=0.1, a_minus=0.2, windows_per_update=2),
    "formula": sh.Rule("0.01*x1*y0 - 0.008*x0*y1 + 0.001*x1*y1*u0", windows_per_update=2),
}


def spikes(seed=0):
    return np.random.default_rng(seed).random((STEPS, SAMPLES, PRE)) < 0.2


def network(weight, delay, fixed=True):
    """Inputs that drive neurons, of which some fire."""
    if fixed:
        out = sh.FixedPopulation(name="out", size=POST, dv=900, vth=90)
        ends = [sh.FixedProjection(pre="in", post="out", weight=weight, delay=delay)]
        return sh.FixedNetwork([sh.Input("in", weight.shape[1])], [out], ends, ["out"])
    neuron = sh.CubaLIF(size=POST, tau_mem=5e-3, tau_syn=3e-3, v_threshold=0.15)
    ends = [sh.Projection(pre="in", post="out", weight=weight, delay=delay)]
    out = sh.Population(name="out", neuron=neuron)
    return sh.Network([sh.Input("in", weight.shape[1])], [out], ends, ["out"], sh.Semantics(1e-3))


def weights(fixed, seed=1):
    rng = np.random.default_rng(seed)
    return 2 * rng.integers(5, 60, (POST, PRE)) if fixed else rng.uniform(0.2, 0.9, (POST, PRE))


def later(given, delays):
    """Channel k of every sample comes ``delays[k]`` steps later, cut at its end; written with plain loops."""
    moved = np.zeros((*given.shape[:2], len(delays)), bool)
    for t, sample, k in zip(*np.nonzero(given), strict=True):
        if t + delays[k] < len(given):
            moved[t + delays[k], sample, k] = True
    return moved


def learned(net, given, rule, target, windows=2):
    plan = LearningPlan({"in->out": rule}, 7, windows_per_sample=windows)
    found = get_target(target, net, learning=True)
    return found.learn(net, make_drive(net, given), plan, found.resolve({}))


def assert_same(wanted, found, *, exact=True):
    """What moved, bit for bit (or, in Lava's floats, up to rounding)."""
    check = np.testing.assert_array_equal if exact else np.testing.assert_allclose
    options = {} if exact else {"rtol": 0, "atol": 1e-12}
    check(found.weights["in->out"], wanted.weights["in->out"], **options)
    check(found.counters["in->out"], wanted.counters["in->out"], **options)
    assert_lasting(wanted, found, check, **options)


def cases(delay, fixed):
    """The projection with delays, and one without whose channels are the lines, with their neurons and delays."""
    weight = weights(fixed)
    each = np.broadcast_to(delay, weight.shape)
    if all(len(set(column.tolist())) == 1 for column in each.T):
        return network(weight, delay, fixed), network(weight, 0, fixed), np.arange(PRE), each[0]
    lines = sorted({(k, int(each[post, k])) for post in range(POST) for k in range(PRE)})
    rows, cols = np.indices(weight.shape).reshape(2, -1)
    at = np.array([lines.index((k, int(each[row, k]))) for row, k in zip(rows, cols, strict=True)])
    starts = np.arange(POST + 1) * PRE
    spread = csr_array((weight.reshape(-1), at, starts), shape=(POST, len(lines)))
    neurons, delays = np.array(lines).T
    return network(weight, delay, fixed), network(spread, 0, fixed), neurons, delays


DELAYS = {
    "one for all": 3,
    "one for each neuron, as in .net files": np.tile([0, 2, 5, 1, 30], (POST, 1)),
    "one for each synapse": np.random.default_rng(3).integers(0, 6, (POST, PRE)),
}


# By default each rule with one kind of delays on the specification and with another on the engine.
LATER = [
    pytest.param(
        fixed,
        rule,
        kind,
        target,
        id=f"{fixed}-{rule}-{kind}-{target}",
        marks=[] if (number + place) % len(DELAYS) == first else pytest.mark.slow,
    )
    for number, (fixed, rule) in enumerate([(True, n) for n in FIXED] + [(False, n) for n in FLOAT])
    for place, kind in enumerate(DELAYS)
    for first, target in enumerate(("spec", "engine"))
]


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(("fixed", "rule", "kind", "target"), LATER)
def test_a_delay_is_as_if_spikes_came_later(fixed, rule, kind, target):
    delayed, plain, neurons, delays = cases(DELAYS[kind], fixed)
    rule, given = (FIXED if fixed else FLOAT)[rule], spikes()
    wanted = learned(plain, later(given[:, :, neurons], delays), rule, target)
    found = learned(delayed, given, replace(rule, pre_trace="arrives"), target)
    assert_same(wanted, found, exact=target == "spec" or fixed)
    np.testing.assert_array_equal(found.observed["in->out"][0], wanted.observed["in->out"][0])
    as_sent = learned(delayed, given, rule, target)
    assert np.any(as_sent.weights["in->out"] != found.weights["in->out"])


@examples(100, default=2)
@given(st.data())
def test_any_delays_in_windows_of_any_length(data):
    delay = np.array(data.draw(st.lists(st.integers(0, 30), min_size=POST * PRE, max_size=POST * PRE)))
    rule = FIXED[data.draw(st.sampled_from(sorted(FIXED)))]
    windows = data.draw(st.sampled_from((1, 2)))
    delayed, plain, neurons, delays = cases(delay.reshape(POST, PRE), True)
    given = spikes(data.draw(st.integers(0, 99)))
    wanted = learned(plain, later(given[:, :, neurons], delays), rule, "spec", windows)
    for target in ("spec", "engine"):
        assert_same(wanted, learned(delayed, given, replace(rule, pre_trace="arrives"), target, windows))


def recurrent(delay, fixed=True):
    """Neurons that excite each other through delays."""
    p = network(weights(fixed), 0, fixed)
    loop = -weights(fixed)[:, :POST] if fixed else weights(fixed)[:, :POST] / 4
    kind = sh.FixedProjection if fixed else sh.Projection
    ends = [*p.projections, kind(pre="out", post="out", weight=loop, delay=delay)]
    return replace(p, projections=ends)


LOOPS = {"one for all": 3, "one for each synapse": np.random.default_rng(4).integers(1, 6, (POST, POST))}


@pytest.mark.slow
@requires_brian2
@pytest.mark.more_examples
@pytest.mark.parametrize(
    ("fixed", "kind"),
    [
        (True, "one for each synapse"),
        (True, "one for all"),
        (False, "one for each synapse"),
        (False, "one for all"),
    ],
)
def test_brian2_learns_the_same(fixed, kind):
    """From an input and from a population, of which each line has a relay."""
    rules = list((FIXED if fixed else FLOAT).values())
    count = share(len(rules), default=(len(rules) + 1) // 2)  # each from either, or from both
    input_delay = DELAYS["one for each synapse"]
    net = recurrent(LOOPS[kind], fixed)
    net = replace(net, projections=[replace(net.projections[0], delay=input_delay), net.projections[1]])
    target = get_target("brian2", net, learning=True)
    for first, second in list(zip(rules, rules[::-1], strict=True))[:count]:
        chosen = {"in->out": first, "out->out": second}
        plan = LearningPlan({n: replace(r, pre_trace="arrives") for n, r in chosen.items()}, 5, windows_per_sample=2)
        drive = make_drive(net, spikes()[:, :4])
        assert target.unsupported_plan(net, plan) == []
        wanted = get_target("spec").learn(net, drive, plan, {})
        found = target.learn(net, drive, plan, target.resolve({}))
        (assert_learned_equal if fixed else assert_learned_close)(wanted, found)
        assert wanted.observed["out->out"][1].any()


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [pytest.param(True, id="fixed"), pytest.param(False, id="float")])
def test_lava_learns_the_same(fixed):
    lava = get_target("lava")
    if not lava.availability().installed:
        pytest.skip("lava-nc is not installed")
    from ssdp_hw.targets.lava.learning import LearningTask, learn_all

    of_lines = sh.FixedGate(offset=90, slope=900, shift=4) if fixed else sh.Gate(k=0.8, mean=0.4, deviation=0.3)
    given = (FIXED if fixed else FLOAT).values()
    rules = [replace(r, pre_trace="arrives", gate=gate) for r in given for gate in (None, of_lines)]
    net = cases(DELAYS["one for each synapse"], fixed)[0]
    drive = make_drive(net, spikes()[:, :4])
    plans = [LearningPlan({"in->out": rule}, 7, windows_per_sample=2) for rule in rules]
    found = learn_all([LearningTask(net, drive, plan) for plan in plans], lava.resolve({}))
    for plan, one in zip(plans, found, strict=True):
        assert_same(get_target("spec").learn(net, drive, plan, {}), one, exact=fixed)


def test_brian2_refuses_what_its_relays_cannot_tell_in_time():
    net = recurrent(np.random.default_rng(4).integers(0, 3, (POST, POST)))
    rule = replace(FIXED["STDP"], pre_trace="arrives")
    shown = sh.Presentation(windows=2)
    with pytest.raises(UnsupportedError, match="'spec', 'engine' or 'lava', or give all of these synapses delays of"):
        sh.learn(net, spikes(), None, rule, "brian2", plastic="out->out", presentation=shown)
    own = net.projection("out->out")
    alone = replace(own, weight=csr_array(np.where(np.arange(POST) > 0, own.weight, 0)), delay=2)
    net = replace(net, projections=[alone if p.name == own.name else p for p in net.projections])
    with pytest.raises(UnsupportedError, match=r"some neurons of population 'out' have no synapse .* or 'lava'$"):
        sh.learn(net, spikes(), None, rule, "brian2", plastic="out->out", presentation=shown)


def test_a_lesson_says_it_and_its_health_follows_it(tmp_path):
    """Nothing is lost by carry; the rule's table says when a spike is seen, and files keep it."""
    net = cases(DELAYS["one for each synapse"], True)[0]
    rule = replace(FIXED["STDP"], pre_trace="arrives")
    result = sh.learn(net, spikes(), None, rule, presentation=sh.Presentation(windows=2))
    assert result.health["in->out"].at_limit < 0.5
    assert result.health["in->out"].lost_lsb == 0
    assert abs(result.health["in->out"].rounding_bias_lsb) < 1
    assert "arrives" in repr(rule)
    assert result.info["rules"]["in->out"]["pre_trace"] == "arrives"
    assert rule_from_dict(rule_to_dict(rule)) == rule


def test_without_a_word_spikes_are_seen_as_they_are_sent():
    known = [rule for name, rule in FIXED.items() if name != "lasting"]  # a rule that tests alone know is in no file
    for rule in (*known, *FLOAT.values()):
        assert rule.pre_trace is PreTrace.FIRES
        assert "fires" in str(rule)
        kept = rule_to_dict(rule)
        del kept["pre_trace"]  # as in files of earlier versions
        assert rule_from_dict(kept).pre_trace is PreTrace.FIRES
    for make in (sh.Rule, sh.rule):
        assert inspect.signature(make).parameters["pre_trace"].default == "fires"


@pytest.mark.slow
@pytest.mark.parametrize("rule", [sh.STDP(pre_trace="arrives"), sh.Rule("0.1*x1*y0", pre_trace="arrives")])
def test_integers_of_a_float_rule_see_what_it_sees(rule):
    net = cases(3, True)[0]
    net = replace(net, projections=[replace(net.projections[0], scale=100.0)])
    result = sh.learn(net, spikes(), None, rule, health=False)
    assert result.rules["in->out"].pre_trace is PreTrace.ARRIVES


class MeanRate(RuleModel):
    """Presynaptic neurons have a mean rate, which outlasts windows; numbers of neurons act where ``numbered``."""

    name = "MeanRate"
    pre = (RuleVariable("rate", 12, lasts=True),)
    parameters = (RuleParameter("dw_shift", RuleKind.SHIFT),)

    def pre_step(self, op, n, p):
        return {"rate": op.select(n.spike, op.minimum(n.rate + 90, 4000), op.maximum(n.rate - 7, 0))}

    def post_spike(self, op, at, p):
        return op.shift_right(at.pre.rate, p.dw_shift, "nearest")


class Numbered(MeanRate):
    name = "Numbered"

    def post_spike(self, op, at, p):
        return op.minimum(at.pre.index, 9)


def declared(model, **parameters):
    return sh.FixedDeclaredRule(model=model, parameters=parameters, **COUNTERS)


def test_a_lesson_goes_on_with_variables_of_its_lines(tmp_path):
    net = cases(DELAYS["one for each synapse"], True)[0]
    rule = replace(declared(MeanRate(), dw_shift=3), pre_trace="arrives")
    shown = sh.Presentation(shuffle=False, windows=2, steps=STEPS)
    whole = sh.learn(net, spikes(), None, rule, presentation=shown, health=False)
    half = sh.learn(net, spikes()[:, :4], None, rule, presentation=shown, health=False)
    sh.save_learning(half.network, half.state, tmp_path / "half.h5")
    net, state = sh.load_learning(tmp_path / "half.h5")
    rest = sh.learn(net, spikes()[:, 4:], None, rule, presentation=shown, state=state, health=False)
    np.testing.assert_array_equal(rest.network.projections[0].weight, whole.network.projections[0].weight)
    rates = whole.state.lasting["in->out"]["pre_rate"]
    np.testing.assert_array_equal(rest.state.lasting["in->out"]["pre_rate"], rates)
    assert rates.shape == arrival_lines(net.projections[0]).neurons.shape
    assert rates.size > PRE


MOVES = {"move": 9, "window": [9], "a_plus": 0, "a_minus": 0}
ASTROCYTE = {"a_plus": 9, "a_minus": 9, "decay_x": 9, "decay_y": 9, "rate": 9, "coupling": 9}
REFUSED = {
    "moves delays": (declared("DelaySTDP", **MOVES), True, "moves delays"),
    "own gate": (replace(FIXED["STDP"], gate=sh.FixedGate(offset=1, slope=1, shift=1)), True, "makes a gate"),
    "counts": (declared("AstrocyteSTDP", **ASTROCYTE), True, "counts presynaptic neurons"),
    "numbers": (declared(Numbered()), True, "reads the numbers of presynaptic neurons"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_seen_as_it_arrives_is_refused_by_name(name):
    rule, restart, said = REFUSED[name]
    net = cases(DELAYS["one for each synapse"], True)[0]
    shown = sh.Presentation(windows=2, shuffle=False, restart=restart)
    with pytest.raises(UnsupportedError, match=f"projection 'in->out'.*{said}.*pre_trace = 'fires'"):
        sh.learn(net, spikes(), None, replace(rule, pre_trace="arrives"), presentation=shown, health=False)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ["own gate", "counts", "numbers"])
def test_lines_that_are_neurons_are_counted_as_neurons(name):
    """Where every neuron has one delay, as in .net files: what was refused above is the rule without a delay."""
    rule = REFUSED[name][0]
    delayed, plain, neurons, delays = cases(DELAYS["one for each neuron, as in .net files"], True)
    wanted = learned(plain, later(spikes()[:, :, neurons], delays), rule, "spec")
    for target in ("spec", "engine"):
        assert_same(wanted, learned(delayed, spikes(), replace(rule, pre_trace="arrives"), target))


@pytest.mark.slow_after(4)
@pytest.mark.parametrize("pieces", [2, 10])
@pytest.mark.parametrize("rule", ["STDP", "mean rate", "formula"])
@pytest.mark.parametrize(
    "target", ["spec", "engine", pytest.param("brian2", marks=[requires_brian2, pytest.mark.slow])]
)
def test_spikes_arrive_in_later_pieces_of_one_run(target, rule, pieces, tmp_path):
    """Delays longer than a piece, in calls with files between: the plain network, given a run of later spikes."""
    fixed, steps = rule != "formula", 6
    delayed, plain, neurons, delays = cases(DELAYS["one for each synapse"] * 3, fixed)
    assert delays.max() > 2 * steps
    rules = {"mean rate": declared(MeanRate(), dw_shift=3), "formula": FLOAT["formula"], "STDP": FIXED["STDP"]}
    # Weights move at the end alone, since a spike under way acts with the weight with which it was sent.
    rule = replace(rules[rule], windows_per_update=10)
    long = np.random.default_rng(8).random((steps * 10, 1, PRE)) < 0.3
    shown = sh.Presentation(shuffle=False, restart=False)

    def cut(given):
        return given.reshape(10, steps, -1).transpose(1, 0, 2)

    def learn(net, given, rule, target, state=None):
        return sh.learn(net, given, None, rule, target, presentation=shown, state=state, health=False)

    wanted = learn(plain, cut(later(long[:, :, neurons], delays)), rule, "spec")
    net, state, given = delayed, None, cut(long)
    for first in range(0, 10, pieces):
        part = given[:, first : first + pieces]
        result = learn(net, part, replace(rule, pre_trace="arrives"), target, state)
        sh.save_learning(result.network, result.state, tmp_path / "run.h5")
        net, state = sh.load_learning(tmp_path / "run.h5")
    check = np.testing.assert_array_equal if fixed else np.testing.assert_allclose
    check(net.projections[0].stored_weights, wanted.network.projections[0].stored_weights)
    check(state.counters["in->out"], wanted.state.counters["in->out"], **({} if fixed else {"atol": 1e-12}))
    assert np.any(net.projections[0].stored_weights != delayed.projections[0].stored_weights)


def test_microcode_is_refused():
    with pytest.raises(UnsupportedError, match="pre_trace = 'fires'"):
        sh.compile_microcode(sh.SSDP(sigma=3, a_plus=0.1, pre_trace="arrives"), window=32, scale=100)


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_axonal_delays_of_a_net_file(tmp_path, target):
    """Spikes of a hidden layer that the file delays are those of a layer without delays, some steps later."""
    axonal = np.array([0.0, 2, 5, 1, 4])
    layers = [
        {"type": [b"input"], "shape": [PRE, 1, 1], "neuron": NEURON | {"iDecay": 4096}, "weight": [100.0]},
        {"type": [b"dense"], "shape": [PRE, 1, 1], "neuron": NEURON, "weight": 100 * np.eye(PRE), "delay": axonal},
        {"type": [b"dense"], "shape": [POST, 1, 1], "neuron": NEURON, "weight": weights(True).astype(float)},
    ]
    for layer in layers[1:]:
        post, pre = layer["weight"].shape
        layer |= {"inFeatures": pre, "outFeatures": post}
    net = sh.from_lava_dl(write(tmp_path / "axonal.net", layers))
    last = net.projections[-1]
    np.testing.assert_array_equal(np.unique(last.synapse_delays), np.unique(axonal))
    given = make_drive(net, spikes())
    rule = replace(FIXED["STDP"], pre_trace="arrives")
    runner = get_target(target)
    found = runner.learn(net, given, LearningPlan({last.name: rule}, 7), runner.resolve({}))
    hidden = sh.run(net, spikes(), "spec", record=("spikes",)).spikes[last.pre]
    assert hidden.any()
    plain = network(weights(True), 0)
    plain = replace(
        plain,
        populations=[replace(net.population(last.post), name="out")],
        projections=[replace(last, pre="in", post="out", delay=0, name="in->out")],
    )
    wanted = learned(plain, later(hidden, axonal.astype(int)), FIXED["STDP"], "spec", windows=1)
    np.testing.assert_array_equal(found.weights[last.name], wanted.weights["in->out"])
    as_sent = runner.learn(net, given, LearningPlan({last.name: FIXED["STDP"]}, 7), runner.resolve({}))
    assert np.any(as_sent.weights[last.name] != found.weights[last.name])


def test_as_many_lines_as_neurons_need_not_be_one_line_a_neuron():
    """Of three neurons one has no synapse and one has two delays: three lines, which are not the neurons."""
    from ssdp_hw.targets.brian2 import arrivals

    rng = np.random.default_rng(7)
    weight = csr_array(([100, 100, 100], ([0, 0, 1], [0, 1, 1])), shape=(2, 3))
    net = sh.FixedNetwork(
        [sh.Input("in", 4)],
        [sh.FixedPopulation(name=name, size=size, dv=200, vth=90) for name, size in (("a", 3), ("b", 2))],
        [
            sh.FixedProjection(pre="in", post="a", weight=2 * rng.integers(10, 60, (3, 4))),
            sh.FixedProjection(pre="a", post="b", weight=weight, delay=[1, 1, 4], name="plastic"),
        ],
        ["b"],
    )
    rule = replace(FIXED["STDP"], pre_trace="arrives", windows_per_update=1)
    plan, spec = LearningPlan({"plastic": rule}), get_target("spec")
    drive = make_drive(net, rng.random((20, 6, 4)) < 0.4)
    made = arrivals.with_relays(net, drive, plan)
    one, other = spec.learn(net, drive, plan, {}), spec.learn(made.network, made.drive, made.plan, {})
    assert np.any(one.counters["plastic"])
    np.testing.assert_array_equal(one.counters["plastic"], other.counters["plastic"])
    np.testing.assert_array_equal(one.weights["plastic"], other.weights["plastic"])
