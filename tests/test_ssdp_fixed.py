"""The integer rule, against its equations in Python integers synapse by synapse, and by what it conserves."""

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import fixed_networks, fixed_rules

from ssdp_hw import FixedNetwork, FixedPopulation, FixedProjection, Input
from ssdp_hw.errors import ParameterError
from ssdp_hw.operations.philox import synapse_random
from ssdp_hw.rules import SSDP, FixedSSDP, WeightRounding, counter as counter_module
from ssdp_hw.rules.counter import accumulate, update_weights
from ssdp_hw.rules.local import Observation
from ssdp_hw.rules.spike_times import spike_registers
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.run import run
from ssdp_hw.running.target_registry import get_target

STEPS = 24


def rule(**more):
    return FixedSSDP(**({"a_plus": 3, "a_baseline": 1, "lut": (255, 155, 35, 3), "lsb_shift": 6} | more))


@st.composite
def weight_change_cases(draw, always=False):
    """A rule, registers of both sides for three windows, and every pair as rows and columns."""
    chosen = draw(fixed_rules(steps=STEPS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sides = []
    for _ in range(2):
        raster = rng.random((STEPS, 3, draw(st.integers(1, 4)))) < draw(st.sampled_from((0.02, 0.1, 0.5)))
        if always:
            raster[rng.integers(STEPS, size=raster.shape[1:]), np.arange(3)[:, None], np.arange(raster.shape[2])] = True
        sides.append(raster)
    return chosen, *sides


def registers(chosen, *rasters):
    return [spike_registers(r, chosen.spike_time, chosen.time_shift) for r in rasters]


def weight_change(chosen, pre, post, window, rows, cols):
    return chosen.weight_change(Observation(pre, post), window, rows, cols, None)


def pairs(pre, post):
    rows, cols = np.indices((post.fired.shape[1], pre.fired.shape[1])).reshape(2, -1)
    return rows, cols


def py_weight_change(chosen, fired_i, t_i, fired_j, t_j):
    """e of one synapse, by the formula of the module."""
    if chosen.silent_pairs == "skip" and not fired_i and not fired_j:
        return 0
    d = abs(int(t_j) - int(t_i))
    g = chosen.lut[d] if d < len(chosen.lut) else 0
    half = 2**chosen.dw_shift // 2
    if fired_i and fired_j:
        return (chosen.a_plus * g + half) // 2**chosen.dw_shift
    return -((chosen.a_baseline * g + half) // 2**chosen.dw_shift)


def py_update_weights(chosen, w, c, low, high, r):
    """Weight and counter of one synapse after a weight update, and whether the weight was clipped."""
    lsb = 2**chosen.lsb_shift
    if chosen.rounding == "carry":
        q = abs(c) // lsb * (1 if c >= 0 else -1)
        c -= q * lsb
    elif chosen.rounding == "stochastic":
        q, c = (c + r) // lsb, 0
    else:
        q, c = (abs(c) + lsb // 2) // lsb * (1 if c >= 0 else -1), 0
    return max(low, min(high, w + q)), c, not low <= w + q <= high


# Weight changes.


@examples(100, default=30)
@given(weight_change_cases())
def test_evidence_of_every_pair(case):
    chosen, *rasters = case
    pre, post = registers(chosen, *rasters)
    rows, cols = pairs(pre, post)
    for k in range(3):
        e = weight_change(chosen, pre, post, k, rows, cols)
        assert e.tolist() == [
            py_weight_change(chosen, pre.fired[k, i], pre.time[k, i], post.fired[k, j], post.time[k, j])
            for j, i in zip(rows.tolist(), cols.tolist(), strict=True)
        ]


@examples(100, default=30)
@given(weight_change_cases())
def test_exchanging_pre_and_post_transposes(case):
    chosen, *rasters = case
    pre, post = registers(chosen, *rasters)
    rows, cols = pairs(pre, post)
    np.testing.assert_array_equal(
        weight_change(chosen, pre, post, 0, rows, cols), weight_change(chosen, post, pre, 0, cols, rows)
    )


@examples(100, default=30)
@given(weight_change_cases(always=True), st.integers(0, 3))
def test_shifting_all_spikes_by_whole_ticks_changes_nothing_while_nobody_is_silent(case, ticks):
    chosen, *rasters = case
    later = ticks << chosen.time_shift
    shifted = [np.concatenate([np.zeros((later, *r.shape[1:]), bool), r]) for r in rasters]
    plain, moved = registers(chosen, *rasters), registers(chosen, *shifted)
    rows, cols = pairs(*plain)
    np.testing.assert_array_equal(
        weight_change(chosen, *plain, 0, rows, cols), weight_change(chosen, *moved, 0, rows, cols)
    )


def test_table_is_the_weight_change_of_each_distance_and_zero_beyond_the_learning_window():
    assert rule(time_bits=3).tables[0].tolist() == [765, 465, 105, 9, 0, 0, 0, 0]
    assert rule(time_bits=2, dw_shift=4).tables[0].tolist() == [48, 29, 7, 1]  # rounded half up
    assert rule(time_bits=2, lut_baseline=(9, 8)).tables[1].tolist() == [9, 8, 0, 0]


@pytest.mark.parametrize("sigma", [0.7, 1.0, 3.0])
def test_evidence_converges_to_the_float_rule(sigma):
    """In weight LSBs, with an amplitude of A LSBs and k bits below the LSB, the error is at most
    A / 510 (the learning window's eight bits) + 2**-(k+1) (the rounded product) + 255 / 2**(k+s+1) (the amplitude)."""
    distance = np.arange(32)
    amplitude = 0.037
    learning_window = SSDP(sigma=sigma).learning_windows(distance)[0]
    lut = tuple(np.rint(255 * learning_window).astype(int))
    worst = []
    for k in range(6, 24, 3):
        s = 0  # the finest amplitude that 16 bits hold
        while round(amplitude * 2 ** (k + s + 1) / 255) < 2**16 and s < 24:
            s += 1
        a = round(amplitude * 2 ** (k + s) / 255)
        chosen = FixedSSDP(a_plus=a, a_baseline=0, lut=lut, lsb_shift=k, dw_shift=s, counter_bits=32)
        error = np.abs(chosen.tables[0][:32] / 2**k - amplitude * learning_window)
        assert error.max() <= amplitude / 510 + 2.0 ** -(k + 1) + 255 / 2.0 ** (k + s + 1)
        worst.append(error.max())
    assert worst[-1] <= amplitude / 510 * 1.05 < worst[0] / 20  # what is left is the learning window's table


# Counters and weight updates.


@examples(100, default=30)
@given(fixed_rules(steps=STEPS), st.integers(0, 2**32 - 1))
def test_counter_saturates_and_counts_it(chosen, seed):
    rng = np.random.default_rng(seed)
    e = rng.integers(-chosen.counter_max - 1, chosen.counter_max + 2, 40)
    counter = rng.integers(chosen.counter_min, chosen.counter_max + 1, 40)
    kept, saturated = accumulate(chosen, counter, e)
    exact = [int(a) + int(b) for a, b in zip(counter, e, strict=True)]
    assert kept.tolist() == [max(chosen.counter_min, min(chosen.counter_max, x)) for x in exact]
    assert saturated == sum(not chosen.counter_min <= x <= chosen.counter_max for x in exact)


@examples(100, default=30)
@given(fixed_rules(steps=STEPS), st.integers(0, 2**32 - 1), st.integers(0, 2**40))
def test_commit_of_every_synapse(chosen, seed, key):
    rng = np.random.default_rng(seed)
    counter = rng.integers(chosen.counter_min, chosen.counter_max + 1, 30) >> rng.integers(0, chosen.counter_bits)
    weight = rng.integers(-128, 128, 30)
    r = synapse_random(key, 2, np.arange(30), 5, chosen.lsb_shift)
    got_w, got_c, clipped = update_weights(chosen, weight, counter, -128, 127, seed=key, layer=2, index=5)
    expected = [
        py_update_weights(chosen, *map(int, x), -128, 127, int(q)) for *x, q in zip(weight, counter, r, strict=True)
    ]
    assert list(zip(got_w.tolist(), got_c.tolist(), strict=True)) == [(w, c) for w, c, _ in expected]
    assert clipped == sum(cut for _, _, cut in expected)
    assert got_w.min() >= -128
    assert got_w.max() <= 127


@examples(100, default=30)
@given(fixed_rules(steps=STEPS), st.integers(0, 2**32 - 1))
def test_carry_conserves_at_every_step(chosen, seed):
    """w * 2**k + c is its start plus the sum of all weight changes, as long as nothing saturates."""
    rng = np.random.default_rng(seed)
    k = chosen.lsb_shift
    carry = FixedSSDP(a_plus=0, a_baseline=0, lut=(1,), lsb_shift=k, counter_bits=32, rounding="carry")
    weight, counter = rng.integers(-100, 100, 20), rng.integers(-(1 << k), 1 << k, 20)
    total = (weight << k) + counter
    for index in range(30):
        e = rng.integers(-(2**20), 2**20, 20)
        counter, saturated = accumulate(carry, counter, e)
        total = total + e
        np.testing.assert_array_equal((weight << k) + counter, total)
        if index % 3 == 2:
            weight, counter, clipped = update_weights(
                carry, weight, counter, -(2**40), 2**40, seed=0, layer=0, index=index
            )
            np.testing.assert_array_equal((weight << k) + counter, total)
            assert np.abs(counter).max() < 1 << k  # whole LSBs have left
            assert clipped == 0
        assert saturated == 0


@pytest.mark.parametrize("k", [0, 1, 3, 5])
def test_stochastic_is_unbiased_over_all_its_random_numbers(k, monkeypatch):
    chosen = rule(lsb_shift=k, rounding="stochastic")
    counter = np.arange(-70, 71)
    moves = np.zeros_like(counter)
    for r in range(1 << k):
        monkeypatch.setattr(counter_module, "synapse_random", lambda *args, r=r: np.full(counter.size, r))
        weight, rest, _ = update_weights(chosen, np.zeros_like(counter), counter, -1000, 1000, seed=0, layer=0, index=0)
        moves += weight
        assert (np.abs(weight * 2**k - counter) < 2**k).all()
        assert not rest.any()
    np.testing.assert_array_equal(moves, counter)  # the mean move is c / 2**k exactly


def test_stochastic_draws_differ_between_synapses_commits_layers_and_seeds():
    chosen = rule(lsb_shift=8, rounding="stochastic")
    weight, counter = np.zeros(400, np.int64), np.full(400, 128)
    seen = {
        tuple(update_weights(chosen, weight, counter, -9, 9, seed=s, layer=layer, index=i)[0].tolist())
        for s in (0, 1)
        for layer in (0, 1)
        for i in (0, 1)
    }
    assert len(seen) == 8
    for moved in seen:
        assert abs(sum(moved) - 200) < 5 * np.sqrt(400 * 0.25)


@pytest.mark.parametrize("k", [1, 4, 7])
def test_nearest_has_a_dead_zone_of_half_an_lsb(k):
    chosen = rule(lsb_shift=k, rounding="nearest")
    edge = 2 ** (k - 1)
    counter = np.array([0, edge - 1, 1 - edge, edge, -edge, 2**k, -(2**k)])
    weight, rest, _ = update_weights(chosen, np.zeros(7, np.int64), counter, -9, 9, seed=0, layer=0, index=0)
    assert weight.tolist() == [0, 0, 0, 1, -1, 1, -1]
    assert not rest.any()


def test_small_steps_are_lost_by_nearest_and_kept_by_carry():
    weights = {}
    for rounding in WeightRounding:
        chosen = rule(lsb_shift=6, rounding=rounding)
        weight, counter = np.zeros(2000, np.int64), np.zeros(2000, np.int64)
        for index in range(64):
            counter, _ = accumulate(chosen, counter, np.full(2000, 5))
            weight, counter, _ = update_weights(chosen, weight, counter, -99, 99, seed=1, layer=0, index=index)
        weights[rounding] = weight
    assert not weights["nearest"].any()
    assert (weights["carry"] == 5).all()
    assert abs(weights["stochastic"].mean() - 5) < 5 * np.sqrt(64 * 5 / 64 * 59 / 64 / 2000)


# Learning as a whole, on the specification.


def learn_by_hand(net, name, chosen, spikes, seed):
    """Weights and counters after learning, window by window and synapse by synapse."""
    q = net.projection(name)
    w, c = q.mantissa.astype(int).tolist(), [0] * q.mantissa.size
    dense = np.ones(q.shape, bool)
    if q.is_sparse:
        dense = np.zeros(q.shape, bool)
        dense[np.repeat(np.arange(q.shape[0]), np.diff(q.weight.indptr)), q.weight.indices] = True
    synapses = np.argwhere(dense).tolist()
    layer = [p.name for p in net.projections].index(name)
    batch = next(iter(spikes.values())).shape[1]
    steps = len(next(iter(spikes.values())))
    for window in range(batch):
        now = net.with_mantissas({name: np.array(w)})
        one = {k: s[:, window : window + 1] for k, s in spikes.items()}
        rasters = {k: s[:, 0] for k, s in one.items()}
        result = run(now, one, "spec", on_overflow="ignore")
        rasters |= {k: s[:, 0] for k, s in result.spikes.items()}
        pick = min if chosen.spike_time == "first" else max

        def time_of(raster, n, pick=pick):
            when = np.flatnonzero(raster[:, n]).tolist()
            last = (steps - 1) >> chosen.time_shift
            return bool(when), pick(when) >> chosen.time_shift if when else last + 1

        for s, (j, i) in enumerate(synapses):
            e = py_weight_change(chosen, *time_of(rasters[q.pre], i), *time_of(rasters[q.post], j))
            c[s] = max(chosen.counter_min, min(chosen.counter_max, c[s] + e))
        if (window + 1) % chosen.windows_per_update == 0:
            index = window // chosen.windows_per_update
            for s in range(len(synapses)):
                r = int(synapse_random(seed, layer, s, index, chosen.lsb_shift))
                w[s], c[s], _ = py_update_weights(chosen, w[s], c[s], q.format.mantissa_min, q.format.mantissa_max, r)
    return w, c


@examples(100, default=6)
@given(st.data(), st.integers(1, 3), st.integers(0, 2**64 - 1))
def test_learning_is_the_rule_window_by_window(data, windows_per_update, seed):
    net = data.draw(fixed_networks(max_populations=2))
    chosen = data.draw(fixed_rules(steps=STEPS, windows_per_update=windows_per_update))
    candidates = [q for q in net.projections if net.population(q.post).spiking and q.weight_exp <= 0]
    if not candidates:
        return
    q = data.draw(st.sampled_from(candidates))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    spikes = {i.name: rng.random((STEPS, 5, i.size)) < 0.2 for i in net.inputs}
    plan = LearningPlan({q.name: chosen}, seed)
    learned = get_target("spec").learn(net, make_drive(net, spikes), plan, {})
    w, c = learn_by_hand(net, q.name, chosen, spikes, seed)
    assert learned.weights[q.name].tolist() == w
    assert learned.counters[q.name].tolist() == c


def plastic_network():
    populations = [FixedPopulation(name="out", size=3, vth=4, du=4095, dv=512)]
    weight = np.arange(12).reshape(3, 4) * 20 - 120
    return FixedNetwork(
        [Input("in", 4)],
        populations,
        [FixedProjection(pre="in", post="out", weight=weight, name="w")],
        ["out"],
    )


@pytest.mark.parametrize("rounding", WeightRounding)
def test_learning_in_two_parts_is_learning_at_once(rounding):
    """Weights, counters and the number of weight updates are the whole state between runs."""
    chosen = rule(rounding=rounding, windows_per_update=2, lsb_shift=8)
    net, spec = plastic_network(), get_target("spec")
    spikes = np.random.default_rng(0).random((20, 12, 4)) < 0.1
    whole = spec.learn(net, make_drive(net, spikes), LearningPlan({"w": chosen}, 7), {})
    first = spec.learn(net, make_drive(net, spikes[:, :8]), LearningPlan({"w": chosen}, 7), {})
    later = net.with_mantissas(first.weights)
    second = spec.learn(
        later, make_drive(later, spikes[:, 8:]), LearningPlan({"w": chosen}, 7, first.counters, first_update=4), {}
    )
    np.testing.assert_array_equal(second.weights["w"], whole.weights["w"])
    np.testing.assert_array_equal(second.counters["w"], whole.counters["w"])
    assert (whole.weights["w"] != net.projection("w").mantissa).any()


def test_windows_after_the_last_full_group_stay_in_the_counters():
    net = plastic_network()
    spikes = np.random.default_rng(0).random((20, 3, 4)) < 0.1
    plan = LearningPlan({"w": rule(windows_per_update=4, counter_bits=24)})
    learned = get_target("spec").learn(net, make_drive(net, spikes), plan, {})
    np.testing.assert_array_equal(learned.weights["w"], net.projection("w").mantissa)
    assert learned.counters["w"].any()
    pre, post = learned.observed["w"]
    assert (pre.shape, post.shape) == ((3, 4), (3, 3))
    np.testing.assert_array_equal(pre, spike_registers(spikes).time)


def test_saturations_are_counted():
    net = plastic_network()
    spikes = np.zeros((5, 6, 4), bool)
    full = rule(a_baseline=100, a_plus=0, counter_bits=16, lsb_shift=0, windows_per_update=6)
    learned = get_target("spec").learn(net, make_drive(net, spikes), LearningPlan({"w": full}), {})
    assert learned.counter_saturations["w"] == 12 * 5  # 25,500 a window against 32,768
    assert learned.weight_saturations["w"] == 12
    assert (learned.weights["w"] == -128).all()


# Parameters.


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"a_plus": -1}, "a_plus = -1"),
        ({"a_plus": 1.0}, "a_plus = 1.0 is not"),
        ({"a_baseline": 2**16}, "a_baseline = 65536"),
        ({"dw_shift": 25}, "dw_shift = 25"),
        ({"time_bits": 0}, "time_bits = 0"),
        ({"time_shift": True}, "time_shift = True"),
        ({"windows_per_update": 0}, "windows_per_update = 0"),
        ({"lsb_shift": 31}, "lsb_shift = 31"),
        ({"counter_bits": 3}, "counter_bits = 3"),
        ({"rounding": "up"}, "unknown"),
        ({"lsb_shift": 15}, "one weight LSB is 32768"),
        ({"counter_bits": 10}, "one weight change is 765"),
        ({"lut": ()}, "found 0"),
        ({"lut": (1,) * 65}, "found 65"),
        ({"lut": (256,)}, "within 0 .. 255"),
        ({"lut": (-1,)}, "within 0 .. 255"),
        ({"lut": (1.7,)}, "whole number"),
        ({"lut": "ab"}, "whole number"),
        ({"lut": [[1]]}, "whole number"),
    ],
)
def test_values_out_of_range(more, words):
    with pytest.raises(ParameterError, match=words):
        rule(**more)


@given(fixed_rules(steps=STEPS))
def test_window_that_fits_the_time_register(chosen):
    """The longest window is the one whose silent neuron's tick is the register's largest value."""
    longest = chosen.max_window
    chosen.check_window(longest)
    largest = spike_registers(np.zeros((longest, 1, 1), bool), "first", chosen.time_shift).silent_time
    assert largest == 2**chosen.time_bits - 1
    with pytest.raises(ParameterError, match=f"a window of {longest + 1} steps exceeds the {longest}"):
        chosen.check_window(longest + 1)
