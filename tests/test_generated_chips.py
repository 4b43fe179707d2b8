"""Chips of any widths that the table accepts: the design rules keep every integer of the specification within 64 bits.

The reference here computes in Python's integers, which have no end, from the equations of
``ssdp_hw/models/cuba_lif.py``.
"""

from __future__ import annotations

import numpy as np
from attempts import attempt
from example_counts import examples
from hypothesis import assume, given, strategies as st

import ssdp_hw as sh
from ssdp_hw.chips import chip_from_table, chip_to_table, shipped_chip
from ssdp_hw.chips.table import LIMITS, contradictions

STEPS = 60
# Those that others depend on come first.
FIRST = ("activation_bits", "weight_scale_bits", "state_bits", "activation_shift", "bias_mant_bits")
WIDTHS = [*FIRST, *(n for n, (unit, _, _) in LIMITS.items() if unit in ("bit", "power of two", "decay LSB"))]
WIDTHS = list(dict.fromkeys(WIDTHS))


@st.composite
def chips(draw):
    """Chips at and near the ends of every width."""
    table = chip_to_table(shipped_chip("loihi"))
    table["name"] = "drawn"
    values: dict[str, int] = {}
    for name in WIDTHS:
        _, low, high = LIMITS[name]
        highest = {  # what contradicts another width is left out
            "state_bits": lambda: values["activation_bits"] - 1,
            "weight_bits": lambda: values["weight_scale_bits"],
            "activation_shift": lambda: values["state_bits"] - 2,
            "threshold_bits": lambda: values["state_bits"] - values["activation_shift"] - 1,
            "bias_mant_bits": lambda: values["activation_bits"] - 1,
            "bias_exp_max": lambda: values["activation_bits"] - values["bias_mant_bits"] - 1,
        }.get(name, lambda high=high: high)()
        high = max(low, min(high, highest))
        values[name] = draw(st.one_of(st.sampled_from((low, high)), st.integers(low, high)))
        table[name] = {**table[name], "value": values[name]}
    chip, error = attempt(lambda: chip_from_table(table, "drawn"))
    assert chip is not None or error.startswith("drawn: ")
    return chip


@st.composite
def networks(draw):
    """One population at the ends of its registers, driven by every synapse in every step."""
    chip = draw(chips())
    assume(chip is not None)
    signs = draw(st.sampled_from(("mixed", "excitatory", "inhibitory")))
    exponent = draw(st.sampled_from((chip.weight_exp_min, 0, chip.weight_exp_max)))
    number = sh.WeightFormat(chip.weight_bits, signs, chip.weight_scale_bits).at_exponent(exponent)
    fan_in, size = draw(st.integers(1, 9)), 3
    weight = np.full((size, fan_in), draw(st.sampled_from((number.min, number.max))))
    flip = draw(st.booleans())
    if flip and fan_in > 1:
        weight[:, ::2] = number.max
    mantissa = draw(st.sampled_from((0, chip.bias_mant_max, -chip.bias_mant_max)))
    start = draw(st.sampled_from((0, chip.state_max, -chip.state_max)))
    decays = st.sampled_from((0, 1, chip.decay_max // 2, chip.decay_max))
    population = sh.FixedPopulation(
        name="p",
        size=size,
        du=[draw(decays) for _ in range(size)],
        dv=[draw(decays) for _ in range(size)],
        vth=draw(st.sampled_from((0, 1, chip.threshold_max))),
        bias_mant=mantissa,
        bias_exp=draw(st.sampled_from((0, chip.bias_exp_max))),
        v_init=start,
        reset=draw(st.sampled_from(("zero", "subtract"))),
    )
    projection = sh.FixedProjection(pre="in", post="p", weight=weight, format=number, weight_exp=exponent)
    made, error = attempt(lambda: sh.FixedNetwork([sh.Input("in", fan_in)], [population], [projection], ["p"], chip))
    assert made is not None or "design rule" in error
    return made


def exact(network: sh.FixedNetwork, spikes: np.ndarray) -> dict[str, list]:
    """Currents and voltages in integers without end."""
    chip, p, q = network.limits, network.populations[0], network.projections[0]
    half, turn, top = 2 ** (chip.state_bits - 1), 2**chip.state_bits, 2 ** (chip.state_bits - 1) - 1
    one = 2**chip.decay_bits

    def decay(x: int, rate: int) -> int:
        kept = abs(x) * (one - rate) // one
        return kept if x >= 0 else -kept

    out: dict[str, list] = {"u": [], "v": []}
    u, v = [0] * p.size, [int(x) for x in p.v_init]
    for t in range(STEPS):
        for j in range(p.size):
            total = sum(int(w) for w, s in zip(q.weight[j], spikes[t - 1, 0], strict=True) if s) if t else 0
            arrived = total * 2**q.weight_exp if q.weight_exp >= 0 else total // 2**-q.weight_exp
            raw = decay(u[j], int(p.du[j]) + chip.current_decay_offset) + arrived * 2**chip.activation_shift
            u[j] = raw - turn if raw > half else raw + turn if raw <= -half else raw
            bias = int(p.bias_mant[j]) * 2**p.bias_exp
            v[j] = max(-top, min(top, decay(v[j], int(p.dv[j]) + chip.voltage_decay_offset) + u[j] + bias))
            threshold = int(p.vth[j]) * 2**chip.activation_shift
            if v[j] > threshold:
                v[j] = 0 if p.reset == "zero" else v[j] - threshold
        out["u"].append(list(u))
        out["v"].append(list(v))
    return out


@examples(400, default=20)
@given(networks(), st.integers(0, 2**32 - 1), st.sampled_from((1.0, 0.5)))
def test_no_integer_of_an_accepted_network_leaves_64_bits(network, seed, rate):
    assume(network is not None)
    fan_in = network.inputs[0].size
    spikes = np.random.default_rng(seed).random((STEPS, 1, fan_in)) < rate
    wanted = exact(network, spikes)
    for target in ("spec", "engine"):
        found = sh.run(network, spikes, target, record=("u", "v"), on_overflow="ignore")
        assert found.u["p"][:, 0].tolist() == wanted["u"], target
        assert found.v["p"][:, 0].tolist() == wanted["v"], target


@examples(100, default=15)
@given(chips(), st.sampled_from((1, 20, 1000)))
def test_a_teacher_can_be_attached_on_chips_whose_weights_are_coarser_than_their_scale(chip, vth):
    """A teaching spike moves the voltage toward its own end, by no more than the strength or one weight step."""
    assume(chip is not None)
    assert contradictions(chip) == []
    number = sh.WeightFormat(chip.weight_bits, "mixed", chip.weight_scale_bits)
    network, error = attempt(
        lambda: sh.FixedNetwork(
            [sh.Input("in", 1)],
            [sh.FixedPopulation(name="out", size=2, du=chip.decay_max, vth=min(vth, chip.threshold_max))],
            [sh.FixedProjection(pre="in", post="out", weight=np.zeros((2, 1), int), format=number)],
            ["out"],
            chip,
        )
    )
    assert network is not None or "design rule" in error
    assume(network is not None)
    taught, error = attempt(lambda: sh.Teacher(strength=2.0).attach(network, "out"))
    if taught is None:  # the chip's smallest weight brings more than its current's register holds
        assert "design rule 'activation_register'" in error
        return
    for name, sign in (("teacher.on", 1), ("teacher.off", -1)):
        (q,) = [p for p in taught.projections if p.pre == name]
        kick = np.asarray(q.weight.sum(axis=1)).reshape(-1) * 2.0**q.weight_exp
        assert np.all(kick * sign > 0)
        smallest = q.format.step * 2.0**q.weight_exp
        assert np.all(np.abs(kick) <= max(2.0 * network.populations[0].vth[0], smallest))
