"""Rules that move thresholds: every target to the bit, what moved against plain sums, and where it settles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import assume, event, given, strategies as st
from plan_strategies import WEIGHT_BITS, declared_counter_rules
from rule_examples import MovesDelays, MovesThresholds
from strategies import drives_for, fixed_networks
from test_engine_learning import GENERATED

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.learning.inputs import with_widest_weights
from ssdp_hw.rules.local import WeightRounding
from ssdp_hw.rules.model_checks import check_model

TABLE = (3, -2, 5, -60, 40, 7)


def network(vth=120, bias=0, **neurons):
    """Five sources of four neurons, two of which have a bias."""
    rng = np.random.default_rng(1)
    neurons = {"du": 2000, "dv": 300, "bias_mant": np.array([0, 0, bias, bias])} | neurons
    return sh.FixedNetwork(
        [sh.Input("in", 5)],
        [sh.FixedPopulation(name="out", size=4, vth=vth, **neurons)],
        [sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(20, 60, (4, 5)), scale=100.0)],
        ["out"],
    )


def samples(count, steps=20, rate=0.3, seed=2):
    return np.random.default_rng(seed).random((steps, count, 5)) < rate


def intrinsic(rise=3000, fall=400, least=1, shift=6, **values):
    """The rule in integers: a threshold goes up by ``rise / 2**shift`` at a spike."""
    numbers = {"rise": rise, "fall": fall, "least": least, "theta_shift": shift}
    return sh.FixedDeclaredRule(model="IntrinsicPlasticity", parameters=numbers, lsb_shift=8, **values)


def learn(net, spikes, rule, target="spec", **options):
    presentation = options.pop("presentation", sh.Presentation(shuffle=False))
    return sh.learn(
        net, spikes, None, rule, target, presentation=presentation, on_overflow="ignore", health=False, **options
    )


def assert_same(wanted, found, *, exact=True):
    """Everything that was learned, but for the neurons' states."""
    check = np.testing.assert_array_equal if exact else np.testing.assert_allclose
    for p in wanted.network.populations:
        other = found.network.population(p.name)
        if exact:
            check(other.vth, p.vth)
        else:
            check(other.neuron.parameter("v_threshold"), p.neuron.parameter("v_threshold"))
    for p in wanted.network.projections:
        check(found.network.projection(p.name).stored_weights, p.stored_weights)
        np.testing.assert_array_equal(found.network.projection(p.name).synapse_delays, p.synapse_delays)
    for name, counters in wanted.state.counters.items():
        check(found.state.counters[name], counters)
        for variable, values in wanted.state.lasting[name].items():
            check(found.state.lasting[name][variable], values, err_msg=variable)
    if exact:
        assert str(found.written) == str(wanted.written)


@st.composite
def lessons(draw, model):
    """A network with neurons that fire, spikes, and a rule that moves thresholds and weights of one projection."""
    net = draw(fixed_networks(weight_bits=WEIGHT_BITS))
    names = [
        p.name for p in net.projections if net.population(p.post).spiking and p.synapse_count and not p.is_convolution
    ]
    assume(names)
    plastic = draw(st.sampled_from(names))
    try:
        with_widest_weights(net, [plastic])
    except ParameterError:
        assume(False)
    spikes = draw(drives_for(net, max_steps=12, max_batch=6, analog=False))
    steps = len(next(iter(spikes.values())))
    windows = draw(st.sampled_from([n for n in (1, 2, 3) if steps % n == 0]))
    rule = draw(declared_counter_rules(windows * draw(st.integers(1, 2)), (model,)))
    rounding = draw(st.sampled_from(WeightRounding))
    event(f"rounding {rounding.value}")
    presentation = sh.Presentation(
        windows=windows, steps=steps, seed=draw(st.integers(0, 2**64 - 1)), epochs=draw(st.integers(1, 2))
    )
    return net, spikes, {plastic: replace(rule, rounding=rounding)}, presentation


@examples(100, default=3, base=GENERATED)
@given(st.sampled_from([MovesThresholds(), MovesDelays()]).flatmap(lessons))
def test_generated_lessons_are_equal_to_the_bit_on_the_engine(lesson):
    """Of rules that move thresholds, and of such that move delays, too."""
    net, spikes, rule, presentation = lesson
    wanted = learn(net, spikes, rule, presentation=presentation)
    assert_same(wanted, learn(net, spikes, rule, "engine", presentation=presentation))
    for health in next(iter(wanted.written.values())).values():
        event(f"{health.quantity}s move" if health.changed else f"no {health.quantity} moves")


def lively(target, rounding="carry"):
    """Two weight updates by a rule that writes weights and thresholds."""
    numbers = {"a": -300, "b": 900, "d": 900, "k": TABLE, "never": 2**20, "dw_shift": 9, "up": 60, "least": 20}
    rule = sh.FixedDeclaredRule(
        model=MovesThresholds(),
        parameters={**numbers, "theta_shift": 4},
        lsb_shift=12,
        counter_bits=29,
        windows_per_update=4,
        rounding=rounding,
    )
    presentation = sh.Presentation(windows=2, steps=20, seed=9)
    return learn(network(bias=90), samples(4), rule, target, presentation=presentation)


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["carry", "stochastic", "nearest"])
@pytest.mark.parametrize("target", ["engine", "brian2", "lava"])
def test_every_target_moves_the_same_thresholds(target, rounding):
    wanted = lively("spec", rounding)
    health = wanted.written["in->out"]["theta"]
    assert health.changed == 1
    assert health.updates == 2
    assert_same(wanted, lively(target, rounding))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["brian2", "lava"])
def test_brian2_and_lava_move_thresholds_as_well(target):
    """One lesson in the default tests."""
    rule = intrinsic(windows_per_update=2)
    assert_same(learn(network(), samples(4), rule), learn(network(), samples(4), rule, target))


def plain_thresholds(net, spikes, least, rise, fall, shift):
    """Thresholds and what is left of their changes, from runs without learning and sums of Python's integers."""
    vth, left = net.population("out").vth.copy(), np.zeros(4, int)
    for k in range(spikes.shape[1]):
        now = replace(net, populations=[replace(net.population("out"), vth=vth)])
        fired = sh.run(now, spikes[:, k : k + 1], "spec", on_overflow="ignore").spikes["out"].sum(axis=(0, 1))
        for i in range(4):
            total = int(left[i]) + int(fired[i]) * rise - len(spikes) * fall
            whole = abs(total) // 2**shift * (1 if total > 0 else -1)
            left[i] = total - whole * 2**shift
            vth[i] = min(max(int(vth[i]) + whole, least), 2**17 - 1)
    return vth, left


@pytest.mark.parametrize(("rise", "fall", "least"), [(3000, 400, 1), (200, 70, 100), (7, 1, 1)])
def test_thresholds_move_by_the_sum_of_their_changes(rise, fall, least):
    """Carry: 2**shift times the threshold, and the accumulator, are together what spikes and steps brought."""
    net, steps = network(bias=120), 24
    spikes = samples(6, steps)
    found = learn(
        net, spikes, intrinsic(rise, fall, least), "engine", presentation=sh.Presentation(shuffle=False, steps=steps)
    )
    vth, left = plain_thresholds(net, spikes, least, rise, fall, 6)
    assert len(set(vth.tolist())) > 1
    np.testing.assert_array_equal(found.network.population("out").vth, vth)
    np.testing.assert_array_equal(found.state.lasting["in->out"]["post_theta"], left)
    assert found.written["in->out"]["theta"].lost == 0 or vth.min() == least


@pytest.mark.parametrize("target", [pytest.param("spec", marks=pytest.mark.slow), "engine"])
def test_a_threshold_settles_where_its_neuron_fires_at_the_rate_of_the_rule(target):
    """An integrator with bias b that loses its threshold at a spike fires b / threshold times a step: b rise / fall."""
    bias, shift = 100 << 6, 10
    net = network(vth=2000, bias=100, bias_exp=6, du=4095, dv=0, reset="subtract")
    rule = intrinsic(rise=40 * 1024, fall=1024, shift=shift)  # a rate of 1 / 40
    presentation = sh.Presentation(shuffle=False, restart=False)
    silent = np.zeros((200, 60, 5), bool)
    found = learn(net, silent, rule, target, presentation=presentation)
    settled = found.network.population("out").vth[2:]
    assert settled == pytest.approx(bias / 64 * 40, rel=0.05)
    # The rate of the last pieces, from neurons that go on where learning stopped.
    more = learn(found.network, silent, rule, target, presentation=presentation, state=found.state)
    drift = 1024 * (more.network.population("out").vth - found.network.population("out").vth)[2:]
    drift = drift + (more.state.lasting["in->out"]["post_theta"] - found.state.lasting["in->out"]["post_theta"])[2:]
    fired = (drift + 1024 * 200 * 60) / (40 * 1024)
    assert fired / (200 * 60) == pytest.approx(1 / 40, rel=0.01)
    # Neurons without input fire no more, and their threshold comes down to the least one.
    np.testing.assert_array_equal(found.network.population("out").vth[:2], 1)


def float_network():
    weight = np.random.default_rng(3).uniform(0.1, 0.5, (4, 5))
    return sh.Network(
        [sh.Input("in", 5)],
        [sh.Population(name="out", neuron=sh.CubaLIF(size=4, tau_mem=8e-3, tau_syn=3e-3, v_threshold=0.3))],
        [sh.Projection(pre="in", post="out", weight=weight)],
        ["out"],
        sh.Semantics(1e-3),
    )


@pytest.mark.parametrize("target", ["engine", pytest.param("brian2", marks=pytest.mark.slow)])
def test_thresholds_move_in_real_numbers(target):
    rule = sh.rule("IntrinsicPlasticity", rise=0.05, fall=0.004, windows_per_update=2)
    wanted = learn(float_network(), samples(6), rule)
    assert wanted.written["in->out"]["theta"].changed == 1
    assert_same(wanted, learn(float_network(), samples(6), rule, target), exact=False)


def test_a_rule_that_leaves_weights_alone_needs_no_scale_of_them():
    net = sh.quantize(float_network())
    net = replace(net, projections=[replace(p, scale=None) for p in net.projections])
    rule = sh.rule("IntrinsicPlasticity", rise=0.05, fall=0.004)
    assert learn(net, samples(3), rule).written["in->out"]["theta"].changed > 0


def test_integers_follow_the_float_rule_and_go_back_as_float_thresholds():
    """Long lessons of a network and of its 8-bit integers end at the same thresholds, to a per cent."""
    net, spikes = float_network(), samples(60, steps=40)
    rule = sh.rule("IntrinsicPlasticity", rise=0.02, fall=0.002)
    fixed = sh.quantize(net)
    real = learn(net, spikes, rule, "engine").network.population("out").neuron.v_threshold
    learned = learn(fixed, spikes, rule, "engine")
    back = sh.dequantize(learned.network)
    assert np.all(np.abs(real / 0.3 - 1) > 0.05)
    assert back.population("out").neuron.parameter("v_threshold") == pytest.approx(real, rel=0.01)
    assert learned.written["in->out"]["theta"].lost == 0


@pytest.mark.parametrize("target", ["spec", "engine"])
@pytest.mark.parametrize("restart", [True, False])
def test_two_lessons_with_a_file_between_are_one(target, restart, tmp_path):
    net, spikes, rule = network(), samples(8), intrinsic(shift=7, windows_per_update=2, rounding="stochastic")
    presentation = sh.Presentation(shuffle=False, restart=restart, steps=20)
    whole = learn(net, spikes, rule, target, presentation=presentation)
    half = learn(net, spikes[:, :3], rule, target, presentation=presentation)  # in the middle of a weight update
    sh.save_learning(half.network, half.state, tmp_path / "half.h5")
    later, state = sh.load_learning(tmp_path / "half.h5")
    rest = learn(later, spikes[:, 3:], rule, target, presentation=presentation, state=state)
    assert len({tuple(r.network.population("out").vth) for r in (whole, half)}) == 2
    assert_same(replace(whole, written={}), replace(rest, written={}))


def test_a_teacher_acts_by_the_thresholds_of_the_moment():
    """However samples are cut into pieces, and whether or not a run stops in between."""
    net, spikes, labels, rule = network(), samples(6), np.arange(6) % 4, intrinsic()
    lesson = {"teach": sh.Teaching(teacher=sh.Teacher()), "presentation": sh.Presentation(shuffle=False)}
    lesson |= {"on_overflow": "ignore", "health": False}
    whole = sh.learn(net, spikes, labels, rule, "spec", **lesson)
    half = sh.learn(net, spikes[:, :2], labels[:2], rule, "spec", **lesson)
    state = replace(half.state, epochs=0)
    rest = sh.learn(half.network, spikes[:, 2:], labels[2:], rule, "spec", state=state, **lesson)
    assert_same(replace(whole, written={}), replace(rest, written={}))
    assert whole.network.input_names == net.input_names


def test_what_saturates_is_counted():
    high = learn(
        network(vth=2**17 - 5, bias=4000, bias_exp=7, dv=0), samples(3), intrinsic(rise=60000, fall=0, shift=0)
    )
    health = high.written["in->out"]["theta"]
    assert high.network.population("out").vth.max() == 2**17 - 1
    assert health.saturations > 0
    assert health.lost > 0
    assert health.at_limit > 0
    assert "moves and 0 accumulators saturated" in str(high)
    long = samples(1, steps=600, rate=0.9)  # more spikes than the 24 bits of the accumulator take
    full = learn(network(vth=1), long, intrinsic(rise=65535, fall=0, shift=20))
    assert full.written["in->out"]["theta"].accumulator_saturations > 0


def test_a_lesson_that_moves_no_threshold_says_why():
    rule = intrinsic(rise=1, fall=0, shift=20)
    with pytest.warns(UserWarning, match=r"no threshold of 'out' moved in 3 windows .* accumulators hold .* of a unit"):
        sh.learn(network(), samples(3), None, rule, "spec", on_overflow="ignore")


def test_neurons_without_a_threshold_are_refused_by_name():
    net = network()
    readout = replace(net, populations=[replace(net.population("out"), spiking=False, vth=0)])
    with pytest.raises(UnsupportedError, match="its rule moves thresholds, and population 'out' is a readout"):
        learn(readout, samples(2), {"in->out": intrinsic()})
    rule = sh.rule("IntrinsicPlasticity")
    with pytest.raises(UnsupportedError, match=r"without a scale.*give the rule in its integer"):
        learn(net, samples(2), rule)


@pytest.mark.parametrize(
    ("home", "change", "said"),
    [
        ("pre", {}, "is a variable of pre; it has to be one of post"),
        ("post", {"shift": "up"}, "needs a parameter of the kind 'shift'; 'up' is none"),
        ("post", {"least": ""}, "needs a parameter of the kind 'threshold'; '' is none"),
        ("post", {"lasts": False}, "has to be signed and to outlast windows"),
        ("post", {"name": "cos"}, "shares its name with another variable"),
    ],
)
def test_accumulators_that_cannot_be_are_refused(home, change, said):
    written = replace(MovesThresholds.post[-1], **change)
    homes = {"post": MovesThresholds.post[:-1], home: (*getattr(MovesThresholds, home)[:2], written)}
    model = type("Wrong", (MovesThresholds,), homes)()
    with pytest.raises(ParameterError, match=said):
        check_model(model, "rule")
