"""Currents and voltages at the very ends of their registers, one unit before and one beyond, on every path.

The engine has three kinds of step: a general one, one for neurons that are alike and keep no current, and a quick one
where neither u nor v is recorded; networks with and without loops walk them in different orders. All must do at
+-2**23 what the formulas of the chip say.
"""

from __future__ import annotations

import numpy as np
import pytest

import ssdp_hw as sh

HALF = 2**23  # of the 24-bit registers
LSB = 64  # what one unit of the activation adds to u
# Currents before the wrap that weights can bring about in one step: at an end, one unit inside, one outside.
RAW = [s * x for x in (HALF - LSB, HALF, HALF + LSB, 3 * HALF, 3 * HALF + LSB, 2 * HALF, 0) for s in (1, -1)]
TARGETS = ["spec", "engine"]
PATHS = ["simple", "general", "loop"]


def wrapped(raw):
    """One turn around the register: the range is -2**23 + 1 .. 2**23."""
    return [x - 2 * HALF if x > HALF else x + 2 * HALF if x <= -HALF else x for x in raw]


def clipped(raw):
    """The range of the voltage is symmetric: +-(2**23 - 1)."""
    return [max(1 - HALF, min(HALF - 1, x)) for x in raw]


def different(a, b):
    return sum(x != y for x, y in zip(a, b, strict=True))


def network(size, path, projections=(), **neurons):
    """One population on a path of the engine: neurons that are alike, that are not, or in a loop."""
    values = {"du": 4095, "vth": 131071, **neurons}
    if path == "general":  # the last neuron, which nothing reaches, has another threshold
        values["vth"] = [int(values["vth"])] * size + [1000]
        values = {n: [*v, 0] if isinstance(v, list) and len(v) == size else v for n, v in values.items()}
        size += 1
    inputs = [sh.Input("one", 1), sh.Input("many", 24)]
    made = []
    for source, weight, exponent in projections:
        weight = np.vstack([weight, np.zeros((size - len(weight), weight.shape[1]), int)])
        made.append(sh.FixedProjection(pre=source, post="p", weight=weight, weight_exp=exponent))
    if path == "loop":
        spiking = sh.FixedPopulation(name="other", size=1, vth=1000)
        back = np.zeros((size, 1), int)
        made += [
            sh.FixedProjection(pre="other", post="p", weight=back),
            sh.FixedProjection(pre="other", post="other", weight=[[0]]),
        ]
        return sh.FixedNetwork(inputs, [spiking, sh.FixedPopulation(name="p", size=size, **values)], made, ["p"])
    return sh.FixedNetwork(inputs, [sh.FixedPopulation(name="p", size=size, **values)], made, ["p"])


def run(net, target, at=(), steps=2, record=("spikes", "u", "v")):
    spikes = {"one": np.zeros((steps, 1, 1), bool), "many": np.zeros((steps, 1, 24), bool)}
    for name, step in at:
        spikes[name][step] = True
    return sh.run(net, spikes, target, record=record, on_overflow="ignore")


def weights_for(raw):
    """Weights of the inputs ``many`` (128 * 2**7 units a synapse) and ``one`` (half of 2) whose sum is the current."""
    large, small = np.zeros((len(raw), 24), int), np.zeros((len(raw), 1), int)
    for j, x in enumerate(raw):
        whole = int(np.sign(x)) * (abs(x) // HALF)
        if abs(x) % HALF == HALF - LSB:
            whole += int(np.sign(x))
        large[j, : 8 * abs(whole)] = 128 * np.sign(whole)
        small[j] = 2 * ((x - whole * HALF) // LSB)
    return [("many", large, 7), ("one", small, -1)]


ALL_AT_ONCE = [("many", 0), ("one", 0)]  # arrives in step 1


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", PATHS)
def test_the_current_wraps_beyond_its_ends_and_not_before(target, path):
    net = network(len(RAW), path, weights_for(RAW), spiking=False)
    result = run(net, target, ALL_AT_ONCE)
    u = wrapped(RAW)
    assert result.u["p"][1, 0, : len(RAW)].tolist() == u
    assert result.v["p"][1, 0, : len(RAW)].tolist() == clipped(u)
    counts = result.overflow["p"]
    assert counts.u_wraps == different(u, RAW) == 9
    assert counts.u_out_of_range == sum(abs(x) > HALF for x in u) == 2
    assert counts.v_saturations == different(clipped(u), u)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("raw", RAW)
def test_where_nobody_looks_each_current_is_counted_alike(target, raw):
    """Nothing but spikes recorded: the engine's quick step, which has to find out that it must not be quick."""
    net = network(1, "simple", weights_for([raw]), spiking=False)
    counts = run(net, target, ALL_AT_ONCE, record=("spikes",)).overflow["p"]
    (u,) = wrapped([raw])
    assert counts.u_wraps == (u != raw)
    assert counts.u_out_of_range == (abs(u) > HALF)
    assert counts.v_saturations == (clipped([u]) != [u])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("side", [1, -1])
def test_a_wrapped_current_fires_or_not_by_its_new_sign(target, side):
    """-2**23 becomes +2**23 and fires; 2**23 + 64 becomes negative and does not."""
    raw = [side * HALF, side * (HALF + LSB), side * (HALF - LSB)]
    for values in ([x] for x in raw):
        net = network(1, "simple", weights_for(values), vth=131071)
        result = run(net, target, ALL_AT_ONCE, record=("spikes",))
        assert result.spikes["p"][1, 0, 0] == (wrapped(values)[0] > 131071 * LSB)
        assert not result.spikes["p"][0].any()


@pytest.mark.parametrize("target", TARGETS)
def test_a_current_that_decays_meets_the_ends_by_one_unit(target):
    """du = 4094 keeps 1 of 4096: what was +-4096 is +-1 in the next step, beside +-2**23."""
    ones, sides = [1, 0, -1, 1, 0, -1], [1, 1, 1, -1, -1, -1]
    small = 64 * np.array(ones)[:, None]
    large = np.zeros((6, 24), int)
    large[:, :8] = 128 * np.array(sides)[:, None]
    net = network(6, "simple", [("one", small, 0), ("many", large, 7)], du=4094, spiking=False)
    result = run(net, target, [("one", 0), ("many", 1)], steps=3)
    raw = [s * HALF + k for s, k in zip(sides, ones, strict=True)]
    assert result.u["p"][1, 0].tolist() == [4096 * k for k in ones]
    assert result.u["p"][2, 0].tolist() == wrapped(raw)
    assert result.overflow["p"].u_wraps == 3  # 2**23 + 1, -2**23 and -2**23 - 1
    quick = run(net, target, [("one", 0), ("many", 1)], steps=3, record=("spikes",))
    assert quick.overflow == result.overflow


STARTS = [s * (HALF - 1) for s in (1, -1) for _ in range(3)]
BIASES = [-1, 0, 1] * 2


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", PATHS)
def test_the_voltage_saturates_beyond_its_ends_and_not_before(target, path):
    net = network(6, path, v_init=STARTS, bias_mant=BIASES, spiking=False)
    raw = [v + b for v, b in zip(STARTS, BIASES, strict=True)]
    result = run(net, target, steps=1)
    assert result.v["p"][0, 0, :6].tolist() == clipped(raw)
    assert result.overflow["p"].v_saturations == 2
    assert result.overflow["p"].u_wraps == 0


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", range(6))
def test_where_nobody_looks_each_voltage_is_counted_alike(target, case):
    net = network(1, "simple", v_init=STARTS[case], bias_mant=BIASES[case], spiking=False)
    counts = run(net, target, steps=1, record=("spikes",)).overflow["p"]
    assert counts.v_saturations == (abs(STARTS[case] + BIASES[case]) >= HALF)
    assert counts.u_wraps == counts.u_out_of_range == 0


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("record", [("spikes",), ("spikes", "v")])
@pytest.mark.parametrize("above", [0, 1])
def test_a_saturated_voltage_goes_on_from_the_end_of_its_range(target, record, above):
    """From -(2**23 - 1) a bias of -1 leads nowhere; 2**23 + 64 + 1 - 2 upward and v is exactly at the threshold."""
    large, small = np.zeros((1, 24), int), np.full((1, 1), 2)
    large[0, :8] = 128  # 2**23 in all
    # Step 0: -2**23, clipped to -2**23 + 1. Step 1: + 2**23 (all that u can hold) - 1 = 0. Step 2: + 64 - 1 = 63.
    net = network(
        1,
        "simple",
        [("many", large, 7), ("one", small, -1)],
        v_init=1 - HALF,
        bias_mant=-1 + above,
        vth=1,
        threshold=">=",
    )
    result = run(net, target, [("many", 0), ("one", 1)], steps=3, record=record)
    v = [1 - HALF, 1 - HALF + HALF - 1 + above, 64 - 1 + above + above]
    assert result.spikes["p"][:, 0, 0].tolist() == [False, False, v[2] >= 64]
    assert result.overflow["p"].v_saturations == 1 - above
    if "v" in record:
        assert result.v["p"][:, 0, 0].tolist() == [v[0], v[1], v[2] if v[2] < 64 else 0]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("record", [("spikes",), ("spikes", "u", "v")])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("threshold", [">", ">="])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("vth", [1, 1000, 131071])
def test_neurons_fire_at_or_above_their_threshold_to_the_unit(target, record, path, threshold, reset, vth):
    level = vth * LSB
    starts = [level - 1, level, level + 1]
    net = network(3, path, vth=vth, v_init=starts, threshold=threshold, reset=reset)
    result = run(net, target, steps=1, record=record)
    fired = [v > level or (v == level and threshold == ">=") for v in starts]
    assert result.spikes["p"][0, 0, :3].tolist() == fired
    if "v" in record:
        after = [(v - level if reset == "subtract" else 0) if f else v for v, f in zip(starts, fired, strict=True)]
        assert result.v["p"][0, 0, :3].tolist() == after


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("record", [("spikes",), ("spikes", "u", "v")])
@pytest.mark.parametrize("dv", [0, 1, 2048, 4095])
def test_decay_rounds_toward_zero_on_both_sides(target, path, record, dv):
    """|v| * (4096 - dv) / 4096 cut to an integer, with the sign of v; what is one less does not fire."""
    starts = [s * v for v in (1, 4095, 4096, 4097, HALF - 1) for s in (1, -1)]
    net = network(len(starts), path, dv=dv, v_init=starts, spiking=False)
    result = run(net, target, steps=1, record=record)
    if "v" in record:
        expected = [(abs(v) * (4096 - dv) // 4096) * (1 if v > 0 else -1) for v in starts]
        assert result.v["p"][0, 0, : len(starts)].tolist() == expected
    assert result.overflow["p"].v_saturations == 0


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", ["simple", "loop"])
@pytest.mark.parametrize("delay", [0, 1, 2, 5, 62, 63, "each"])
def test_a_spike_acts_one_step_and_its_delay_later(target, path, delay):
    steps = 68
    each = np.array([[0], [1], [7], [63]]) if delay == "each" else np.full((4, 1), delay)
    projection = sh.FixedProjection(
        pre="in", post="p", weight=np.full((4, 1), 2), delay=each if delay == "each" else delay
    )
    projections = [projection]
    if path == "loop":
        projections.append(sh.FixedProjection(pre="p", post="p", weight=np.zeros((4, 4), int), delay=3))
    net = sh.FixedNetwork([sh.Input("in", 1)], [sh.FixedPopulation(name="p", size=4, vth=1000)], projections, ["p"])
    spikes = np.zeros((steps, 1, 1), bool)
    spikes[[0, 3]] = True
    u = sh.run(net, spikes, target, record=("u",)).u["p"][:, 0]
    expected = np.zeros((steps, 4), int)
    for t in (0, 3):
        for j in range(4):
            if t + 1 + each[j, 0] < steps:
                expected[t + 1 + each[j, 0], j] = 2 * LSB
    assert np.array_equal(u, expected)
