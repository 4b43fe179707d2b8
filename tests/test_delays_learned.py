"""Rules that move delays: the engine to the bit, planted delays, and what moved against plain sums."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from rule_examples import MovesDelays
from scipy.sparse import csr_array
from test_thresholds_learned import TABLE, assert_same, network, samples

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.rules.model import RuleVariable
from ssdp_hw.rules.models.delay_stdp import DelaySTDP
from ssdp_hw.rules.models.intrinsic_plasticity import IntrinsicPlasticity

# When eight sources fire, and when their target is made to: a spike of step t arrives in step t + 1 + delay.
TIMES, CLOCK, STEPS = np.array([3, 9, 12, 20, 25, 28, 1, 30]), 31, 40
PLANTED = CLOCK + 1 - TIMES - 1
WINDOW = np.exp(-np.arange(64) / 20)


def planted(fixed=True, sparse=False):
    """Eight weak synapses with delays of anywhere, and a strong one that makes their target fire."""
    delay = np.random.default_rng(1).integers(0, 30, (1, 8))
    inputs = [sh.Input("in", 8), sh.Input("clock", 1)]
    if fixed:
        weight = np.full((1, 8), 2)
        ends = [
            sh.FixedProjection(
                pre="in", post="out", weight=csr_array(weight) if sparse else weight, delay=delay, scale=100.0
            ),
            sh.FixedProjection(pre="clock", post="out", weight=np.full((1, 1), 254), weight_exp=4),
        ]
        return sh.FixedNetwork(
            inputs, [sh.FixedPopulation(name="out", size=1, du=4095, dv=4095, vth=1000)], ends, ["out"]
        )
    neuron = sh.CubaLIF(size=1, tau_mem=1e-3, tau_syn=1e-3, v_threshold=1.0)
    ends = [
        sh.Projection(pre="in", post="out", weight=np.full((1, 8), 1e-3), delay=delay),
        sh.Projection(pre="clock", post="out", weight=np.full((1, 1), 100.0)),
    ]
    return sh.Network(inputs, [sh.Population(name="out", neuron=neuron)], ends, ["out"], sh.Semantics(1e-3))


def spikes(count):
    pre, clock = np.zeros((STEPS, count, 8), bool), np.zeros((STEPS, count, 1), bool)
    pre[TIMES, :, np.arange(8)] = True
    clock[CLOCK] = True
    return {"in": pre, "clock": clock}


def fixed_rule(sign="align", **values):
    table = np.rint(255 * WINDOW).astype(int)
    numbers = {"move": 257, "window": table, "delay_shift": 16, "a_plus": 0, "a_minus": 0}
    return sh.FixedDeclaredRule(model=DelaySTDP(sign), parameters=numbers, lsb_shift=8, **values)


def learn(net, given, rule, target="spec", **options):
    presentation = options.pop("presentation", sh.Presentation(shuffle=False, steps=STEPS))
    return sh.learn(
        net,
        given,
        None,
        rule,
        target,
        plastic="in->out",
        presentation=presentation,
        on_overflow="ignore",
        health=False,
        **options,
    )


def delays(result):
    return result.network.projection("in->out").synapse_delays


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "sparse"),
    [
        ("engine", False),
        ("engine", True),
        ("spec", False),
        ("spec", True),
    ],
)
def test_planted_delays_are_found(target, sparse):
    found = learn(planted(sparse=sparse), spikes(120), fixed_rule(), target)
    np.testing.assert_array_equal(delays(found), PLANTED)
    health = found.written["in->out"]["gathered"]
    assert health.changed == 1
    assert health.lost == 0
    assert (health.smallest, health.largest) == (PLANTED.min(), PLANTED.max())


@pytest.mark.slow
def test_the_published_sign_drives_delays_to_the_ends_of_their_range():
    found = delays(learn(planted(), spikes(120), fixed_rule("hebbian"), "engine"))
    first = planted().projection("in->out").synapse_delays
    late = first > PLANTED  # arrives after its target has fired
    assert 0 < late.sum() < 8
    np.testing.assert_array_equal(found[~late], 0)
    assert np.all(found[late] > first[late])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["spec", "engine"])
def test_float_networks_find_them_within_a_step_and_their_integers_as_well(target):
    rule = sh.rule(DelaySTDP(), move=0.4, window=WINDOW)
    found = learn(planted(fixed=False), spikes(200), rule, target)
    assert np.abs(delays(found) - PLANTED).max() <= 1
    integers = learn(planted(), spikes(200), rule, target)
    assert np.abs(delays(integers) - PLANTED).max() <= 1


def test_delays_move_by_the_sum_of_their_changes():
    """2**shift times the delay, and the accumulator, are together what the formula brings, window by window."""
    count = 7
    found = learn(planted(), spikes(count), fixed_rule(), "engine")
    table = np.rint(255 * WINDOW).astype(int).tolist()
    for k, first in enumerate(planted().projection("in->out").synapse_delays.tolist()):
        delay, left = first, 0
        for _ in range(count):
            distance = CLOCK + 1 - int(TIMES[k]) - 1 - delay
            left += 257 * table[abs(distance)] * (distance > 0) - 257 * table[abs(distance)] * (distance < 0)
            whole = abs(left) // 2**16 * (1 if left > 0 else -1)
            delay, left = delay + whole, left - whole * 2**16
        assert delays(found)[k] == delay
        assert found.state.lasting["in->out"]["synapse_gathered"][k] == left


def test_later_target_spikes_and_longer_delays_change_nothing_else():
    """All spikes of the target k steps later and all delays k longer: the same weight changes, T being the same."""
    numbers = {"a_plus": 300, "a_minus": 200, "dw_shift": 4, "move": 0}
    rule = fixed_rule(counter_bits=24)
    rule = replace(rule, parameters={**rule.parameters, **numbers})
    net, given = planted(), spikes(5)
    shifted = {**given, "clock": np.roll(given["clock"], 4, axis=0)}
    p = net.projection("in->out")
    longer = replace(net, projections=[replace(p, delay=p.synapse_delays.reshape(1, 8) + 4), net.projections[1]])
    with pytest.warns(UserWarning, match="no delay of 'in->out' moved"):
        one, other = learn(net, given, rule), learn(longer, shifted, rule)
    assert np.any(one.network.projection("in->out").weight != p.weight)
    np.testing.assert_array_equal(one.network.projection("in->out").weight, other.network.projection("in->out").weight)


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_two_lessons_with_a_file_between_are_one(target, tmp_path):
    rule, given = fixed_rule(windows_per_update=2, rounding="stochastic"), spikes(9)
    whole = learn(planted(), given, rule, target)
    half = learn(planted(), {name: x[:, :3] for name, x in given.items()}, rule, target)
    sh.save_learning(half.network, half.state, tmp_path / "half.h5")
    net, state = sh.load_learning(tmp_path / "half.h5")
    rest = learn(net, {name: x[:, 3:] for name, x in given.items()}, rule, target, state=state)
    assert_same(replace(whole, written={}), replace(rest, written={}))
    assert np.any(delays(half) != delays(whole))


def lively(target, rounding="carry"):
    """Two weight updates by a rule that writes weights, thresholds and delays, which it reads."""
    numbers = {"a": -300, "b": 900, "d": 900, "k": TABLE, "never": 2**20, "dw_shift": 9, "up": 60, "least": 20}
    rule = sh.FixedDeclaredRule(
        model=MovesDelays(),
        parameters={**numbers, "theta_shift": 4, "further": 6, "delay_shift": 6},
        lsb_shift=12,
        counter_bits=29,
        windows_per_update=4,
        rounding=rounding,
    )
    presentation = sh.Presentation(windows=2, steps=20, seed=9)
    return sh.learn(network(bias=90), samples(6), None, rule, target, presentation=presentation, on_overflow="ignore")


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["stochastic", "carry", "nearest"])
@pytest.mark.parametrize("target", ["engine", "lava", "brian2"])
def test_every_target_moves_the_same_delays(target, rounding):
    wanted = lively("spec", rounding)
    assert all(health.changed > 0.5 for health in wanted.written["in->out"].values())
    assert_same(wanted, lively(target, rounding))


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("target", ["brian2", "lava"])
def test_brian2_and_lava_move_the_delays_of_many_updates(target, sparse):
    """In integers to the bit, in float networks up to rounding."""
    rule = fixed_rule(windows_per_update=20)
    wanted, found = (learn(planted(sparse=sparse), spikes(120), rule, t) for t in ("spec", target))
    first = planted().projection("in->out").synapse_delays
    assert np.mean(delays(wanted) != first) >= 0.75
    assert_same(wanted, found)
    rule = sh.rule(DelaySTDP(), move=0.4, window=WINDOW, windows_per_update=20)
    wanted, found = (learn(planted(fixed=False), spikes(100), rule, t) for t in ("spec", target))
    assert np.any(delays(wanted) != first)
    assert_same(wanted, found, exact=False)


@pytest.mark.slow
def test_the_health_of_weights_follows_the_delays():
    """By carry nothing is lost, so that weight changes recomputed with the delays of each window are what moved."""
    found = lively("engine")
    health = found.health["in->out"]
    assert health.counter_saturations == health.weight_saturations == 0
    assert health.lost_lsb == 0


def test_what_has_no_delays_of_its_own_is_refused_by_name():
    online = sh.Presentation(shuffle=False, restart=False, steps=STEPS)
    with pytest.raises(UnsupportedError, match="its rule moves delays, and samples are pieces of one run"):
        learn(planted(), spikes(2), fixed_rule(), presentation=online)
    kernel = sh.ConvWeight(np.full((1, 1, 2), 2), (1, 9))
    net = sh.FixedNetwork(
        [sh.Input("in", 9)],
        [sh.FixedPopulation(name="out", size=8, vth=10)],
        [sh.FixedProjection(pre="in", post="out", weight=kernel)],
        ["out"],
    )
    with pytest.raises(UnsupportedError, match="the synapses of a convolution have one delay in common"):
        sh.learn(net, np.ones((10, 1, 9), bool), None, fixed_rule(), "spec")


@pytest.mark.parametrize(("bits", "longest", "said"), [(5, 63, "may be 63: give it bits=6"), (5, 31, ""), (6, 63, "")])
def test_a_register_too_narrow_for_the_delays_it_shows_is_refused(bits, longest, said):
    """Else what functions make of it is proved for shorter delays, and a later call finds it outside its register."""
    synapse = (replace(DelaySTDP.synapse[0], bits=bits), DelaySTDP.synapse[1])
    model = type("Narrow", (DelaySTDP,), {"name": "Narrow", "synapse": synapse})()
    rule = fixed_rule()
    rule = replace(rule, model=model, parameters={**rule.parameters, "longest": longest})
    with pytest.raises(ParameterError, match=said) if said else nullcontext():
        learn(planted(), spikes(2), rule)


def test_a_register_too_narrow_for_the_thresholds_it_shows_is_refused():
    post = (RuleVariable("seen", 10, lasts=True), replace(IntrinsicPlasticity.post[0], shows="seen"))

    def post_step(self, op, n, p):
        return {**IntrinsicPlasticity.post_step(self, op, n, p), "seen": n.seen}

    model = type("Narrow", (IntrinsicPlasticity,), {"name": "Narrow", "post": post, "post_step": post_step})()
    rule = sh.FixedDeclaredRule(
        model=model, parameters={"rise": 9, "fall": 1, "least": 1, "theta_shift": 0}, lsb_shift=3
    )
    with pytest.raises(ParameterError, match="finds the threshold in 'seen' of post, whose 10 bits hold 1023"):
        learn(planted(), spikes(2), rule)
