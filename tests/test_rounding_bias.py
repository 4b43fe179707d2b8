"""The sign and size of what each rounding adds to learning, from weight changes that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from lesson_options import lesson

import ssdp_hw as sh

PLASTIC, STEPS, CHANNELS = "pre->out", 6, 40


def learned(rule, windows, side, target="spec", **options):
    """Every pair fires together (side 1), or the target alone (side -1), in each of so many windows."""
    net = sh.FixedNetwork(
        [sh.Input("pre", CHANNELS), sh.Input("force", 2)],
        [sh.FixedPopulation(name="out", size=2, vth=100)],
        [
            sh.FixedProjection(pre="pre", post="out", weight=np.zeros((2, CHANNELS), int)),
            sh.FixedProjection(pre="force", post="out", weight=200 * np.eye(2, dtype=int)),
        ],
        ["out"],
    )
    pre, force = np.zeros((STEPS, windows, CHANNELS), bool), np.zeros((STEPS, windows, 2), bool)
    pre[3], force[2] = side > 0, True  # distance 0
    options = {"plastic": PLASTIC, "steps": STEPS, "shuffle": False, **options}
    return sh.learn(net, {"pre": pre, "force": force}, None, rule, target, **lesson(**options))


def rule(amplitude, lsb_shift, **more):
    """The step is ``amplitude * 255 >> dw_shift`` units, of the same size on both sides."""
    return sh.FixedSSDP(
        a_plus=amplitude, a_baseline=amplitude, lut=(255,) * 8, lsb_shift=lsb_shift, counter_bits=24, **more
    )


def moved(result):
    return result.network.projection(PLASTIC).mantissa.astype(float)


@pytest.mark.parametrize("target", ["spec", "engine"])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("lsb_shift", "lsb"), [(9, 0), (8, 1), (6, 4)])
def test_nearest_loses_small_steps_and_enlarges_large_ones(target, side, lsb_shift, lsb):
    """255 of 512 units is no LSB, of 256 it is one, of 64 it is four: the rest, with its sign, is the bias."""
    result = learned(rule(1, lsb_shift, rounding="nearest"), 3, side, target)
    health = result.health[PLASTIC]
    assert moved(result).tolist() == [side * 3 * lsb] * (2 * CHANNELS)
    assert health.rounding_bias_lsb == pytest.approx(side * 3 * (lsb - 255 / 2**lsb_shift), rel=1e-12)
    assert health.lost_lsb == pytest.approx(3 * abs(lsb - 255 / 2**lsb_shift), rel=1e-12)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("rounding", ["carry", "nearest", "stochastic"])
def test_half_a_unit_rounds_away_from_zero_on_both_sides(side, rounding):
    """255 shifted right by one is 127.5, rounded to 128 units: half a unit of 2**-7 LSB too much a window."""
    result = learned(rule(1, 7, dw_shift=1, rounding=rounding), 4, side)
    health = result.health[PLASTIC]
    assert moved(result).tolist() == [side * 4] * (2 * CHANNELS)  # 128 units are one LSB: nothing to be rounded
    assert health.rounding_bias_lsb == pytest.approx(side * 4 * 0.5 / 128, rel=1e-12)
    assert health.lost_lsb == 0


@pytest.mark.parametrize("side", [1, -1])
def test_carry_loses_nothing(side):
    result = learned(rule(1, 9), 3, side)
    health = result.health[PLASTIC]
    assert health.rounding_bias_lsb == health.lost_lsb == 0
    assert moved(result).tolist() == [side] * (2 * CHANNELS)  # 765 of 512
    assert result.counters[PLASTIC].tolist() == [side * 253] * (2 * CHANNELS)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_bias_of_random_rounding_is_what_it_moved_beyond_the_weight_change(side, seed):
    """5 * 255 units of 1024 are 1.245 LSBs: some weights move by one, some by two, none by another number."""
    result = learned(rule(5, 10, rounding="stochastic"), 1, side, seed=seed)
    health, w = result.health[PLASTIC], moved(result)
    assert set(side * w) == {1.0, 2.0}
    assert health.rounding_bias_lsb == pytest.approx(np.mean(w) - side * 1275 / 1024, rel=1e-9)
    assert abs(health.rounding_bias_lsb) < 4 * np.sqrt(0.245 * 0.755 / w.size)
    assert health.lost_lsb == pytest.approx(np.mean(np.abs(w - side * 1275 / 1024)), rel=1e-9)


@pytest.mark.parametrize("gate", [-1.5, 1.5])
@pytest.mark.parametrize("side", [1, -1])
def test_gates_turn_the_bias_with_the_step(side, gate):
    """255 * 1.5 = 382.5, rounded to 383 of 512 units, whose nearest LSB is 1."""
    result = learned(rule(1, 9, rounding="nearest"), 1, side, gates=[gate])
    sign = side * np.sign(gate)
    assert moved(result).tolist() == [sign] * (2 * CHANNELS)
    assert result.health[PLASTIC].rounding_bias_lsb == pytest.approx(sign * (1 - 382.5 / 512), rel=1e-12)
    assert result.health[PLASTIC].lost_lsb == pytest.approx(1 - 383 / 512, rel=1e-12)


@pytest.mark.parametrize(("side", "end"), [(1, 127), (-1, -128)])
def test_a_weight_at_its_end_leaves_the_rest_behind(side, end):
    """4 * 255 LSBs do not fit 8 bits: the bias is what the range took, on the side of zero."""
    result = learned(rule(1, 0, rounding="carry"), 4, side)
    health = result.health[PLASTIC]
    assert moved(result).tolist() == [end] * (2 * CHANNELS)
    assert health.rounding_bias_lsb == end - side * 1020
    assert health.at_limit == 1.0
    assert health.weight_saturations == 4 * 2 * CHANNELS


# Seeds: each epoch, projection and synapse has its own random numbers, and they do not start again.


def random_samples():
    rng = np.random.default_rng(3)
    return rng.random((STEPS, 9, CHANNELS)) < 0.2, rng.random((STEPS, 9, 2)) < 0.3


def learn_samples(net, state=None, **options):
    pre, force = random_samples()
    return sh.learn(
        net,
        {"pre": pre, "force": force},
        None,
        rule(3, 10, rounding="stochastic"),
        "spec",
        plastic=PLASTIC,
        health=False,
        state=state,
        **lesson(steps=STEPS, **options),
    )


@pytest.fixture
def net():
    return learned(rule(0, 9), 1, 1, health=False).network


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_resumed_run_of_several_epochs_is_the_uninterrupted_one(net, first):
    whole = learn_samples(net, epochs=4, seed=8)
    begun = learn_samples(net, epochs=first, seed=8)
    rest = learn_samples(begun.network, begun.state, epochs=4 - first, seed=8)
    assert np.concatenate([begun.order, rest.order]).tolist() == whole.order.tolist()
    assert np.array_equal(moved(rest), moved(whole))
    assert rest.state.epochs == whole.state.epochs == 4
    assert np.array_equal(rest.counters[PLASTIC], whole.counters[PLASTIC])


def test_epochs_and_seeds_have_orders_of_their_own(net):
    runs = [learn_samples(net, epochs=4, seed=seed) for seed in (8, 9, 2**63)]
    orders = [tuple(order) for result in runs for order in result.order.reshape(4, 9)]
    assert all(sorted(order) == list(range(9)) for order in orders)
    assert len(set(orders)) == 12
    assert len({moved(result).tobytes() for result in runs}) == 3
    again = learn_samples(net, epochs=4, seed=8)
    assert again.order.tolist() == runs[0].order.tolist()
    assert np.array_equal(moved(again), moved(runs[0]))


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_synapses_updates_and_projections_draw_random_numbers_of_their_own(target):
    """All have the same weight change, half an LSB an update: what each draws shows in its weight."""
    plastic = ("a->out", "b->out")
    net = sh.FixedNetwork(
        [sh.Input("a", CHANNELS), sh.Input("b", CHANNELS), sh.Input("force", 2)],
        [sh.FixedPopulation(name="out", size=2, vth=100)],
        [
            *(sh.FixedProjection(pre=n, post="out", weight=np.zeros((2, CHANNELS), int)) for n in "ab"),
            sh.FixedProjection(pre="force", post="out", weight=200 * np.eye(2, dtype=int)),
        ],
        ["out"],
    )
    spikes = np.zeros((STEPS, 1, CHANNELS), bool)
    spikes[3] = True
    inputs = {"a": spikes, "b": spikes, "force": np.roll(spikes, -1, axis=0)[:, :, :2]}
    half = sh.FixedSSDP(a_plus=1, a_baseline=1, lut=(128,), lsb_shift=8, counter_bits=24, rounding="stochastic")

    def draws(state=None, seed=0):
        result = sh.learn(
            net,
            inputs,
            None,
            half,
            target,
            plastic=plastic,
            presentation=sh.Presentation(steps=STEPS, seed=seed),
            health=False,
            state=state,
        )
        return [tuple(result.network.projection(n).mantissa.reshape(-1).tolist()) for n in plastic], result.state

    first, state = draws()
    second, _ = draws(state)
    other, _ = draws(seed=1)
    found = [*first, *second, *other]
    assert len(set(found)) == 6
    assert all(set(d) == {0, 1} for d in found)
    assert all(0.2 < np.mean(d) < 0.8 and d[:CHANNELS] != d[CHANNELS:] for d in found)
    assert draws()[0] == first
