import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import fixed_networks

from ssdp_hw import FixedNetwork, FixedPopulation, FixedProjection, Input, WeightFormat, arithmetic as op
from ssdp_hw.chips import chip_names, load_chip
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.fixed_network import design_rule_violations
from ssdp_hw.network.formats import SignMode

CHIP = load_chip("loihi")


def network(population=None, projection=None, size=2, inputs=3, **more):
    p = FixedPopulation(**({"name": "pop", "size": size, "vth": 10} | (population or {})))
    weight = np.full((size, inputs), 2)
    q = FixedProjection(**({"pre": "in", "post": "pop", "weight": weight, "name": "syn"} | (projection or {})))
    return FixedNetwork([Input("in", inputs)], [p], [q], ["pop"], **more)


# Design rules. Each limit itself is accepted; one beyond it raises and names its owner.

POPULATION_LIMITS = {
    "du": (0, 4095),
    "dv": (0, 4095),
    "vth": (0, 2**17 - 1),
    "bias_mant": (-4095, 4095),
    "bias_exp": (0, 7),
    "v_init": (-(2**23 - 1), 2**23 - 1),
}


@pytest.mark.parametrize(("name", "limits"), POPULATION_LIMITS.items())
def test_limits_of_a_population(name, limits):
    for value, beyond in zip(limits, (limits[0] - 1, limits[1] + 1), strict=True):
        assert design_rule_violations(network({name: value})) == []
        with pytest.raises(ParameterError, match=f"population 'pop': {name} = {beyond} is outside"):
            network({name: beyond})
        if name != "bias_exp":
            with pytest.raises(ParameterError, match=f"population 'pop': {name} = {beyond} is outside"):
                network({name: [value, beyond]})


@pytest.mark.parametrize(("name", "limits"), {"weight_exp": (-8, 7), "delay": (0, 63)}.items())
def test_limits_of_a_projection(name, limits):
    for value, beyond in zip(limits, (limits[0] - 1, limits[1] + 1), strict=True):
        weight = {"weight": np.zeros((2, 3), int)}  # representable at every exponent
        network(projection=weight | {name: value})
        with pytest.raises(ParameterError, match=f"projection 'syn': {name} = {beyond} is outside"):
            network(projection=weight | {name: beyond})


@pytest.mark.parametrize("exponent", [-2, -5, -8])
def test_weights_with_bits_that_the_chip_drops_are_refused_with_advice_that_works(exponent):
    weight = np.array([[2, -90, 254], [30, 0, -256]])
    with pytest.raises(ParameterError, match=f"at weight_exp {exponent} the chip drops what is below {2**-exponent}"):
        network(projection={"weight": weight, "weight_exp": exponent})
    rounded, _ = WeightFormat().at_exponent(exponent).nearest(weight)
    q = network(projection={"weight": rounded, "weight_exp": exponent}).projections[0]
    assert (q.format.step, q.format.lsb_shift) == (2**-exponent, -exponent)
    np.testing.assert_array_equal(q.with_mantissa(q.mantissa).weight, rounded)


def test_delay_of_one_synapse_beyond_the_limit():
    delay = np.zeros((2, 3), int)
    delay[1, 2] = 64
    with pytest.raises(ParameterError, match="projection 'syn': delay = 64 is outside"):
        network(projection={"delay": delay})


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (WeightFormat(9, scale_bits=9), "weight bits = 9 is outside"),
        (WeightFormat(8, "excitatory", 9), "scale of 9 bits"),
        (WeightFormat(4, scale_bits=4), "scale of 4 bits"),
    ],
)
def test_format_of_another_chip(form, words):
    with pytest.raises(ParameterError, match=f"projection 'syn': .*{words}"):
        network(projection={"format": form})


@pytest.mark.parametrize(
    ("weight", "mode", "words"),
    [
        (256, "mixed", r"256 is outside -256 \.\. 254"),
        (3, "mixed", "3 is no multiple of the step 2"),
        (-1, "excitatory", r"-1 is outside 0 \.\. 255"),
        (1, "inhibitory", r"1 is outside -255 \.\. 0"),
        (2.0, "mixed", "float64, not integers"),
    ],
)
def test_weights_must_be_representable(weight, mode, words):
    with pytest.raises(ParameterError, match=f"projection 'syn': .*{words}.*nearest"):
        network(projection={"weight": np.full((2, 3), weight), "format": WeightFormat(8, SignMode(mode))})


def test_fan_in_that_leaves_the_simulators_registers():
    strong = {"weight": np.full((2, 3000), 254), "weight_exp": 7}
    with pytest.raises(ParameterError, match=r"population 'pop': neuron 0 can receive .* 32-bit register"):
        network(projection=strong, inputs=3000)
    network(projection=strong | {"weight_exp": 3}, inputs=3000)


@examples(100, default=30)
@given(st.integers(1, 4000), st.integers(0, 4095), st.integers(-8, 7), st.integers(0, 2**32 - 1))
def test_accepted_networks_never_leave_32_bits(fan_in, du, weight_exp, seed):
    """The strongest input of either sign, in the worst and in random orders, for a long time."""
    projection = {"weight": np.full((1, fan_in), 254), "weight_exp": weight_exp}
    try:
        net = network({"du": du}, projection, size=1, inputs=fan_in)
    except ParameterError:
        return
    largest = int(net.activation_bound("pop")[0])
    rng = np.random.default_rng(seed)
    orders = np.sign(rng.normal(size=(64, 300)))
    orders[0], orders[1], orders[2] = 1, -1, np.where(np.arange(300) % 2, 1, -1)
    u = np.zeros(64, np.int64)
    bias = CHIP.bias_mant_max << CHIP.bias_exp_max
    for signs in orders.T.astype(np.int64):
        raw = op.decay(u, du + CHIP.current_decay_offset) + (signs * largest << CHIP.activation_shift)
        u = op.wrap_once(raw, CHIP.state_bits)
        assert np.abs(raw).max() < 2**31
        assert np.abs(u).max() + CHIP.state_max + bias < 2**31


# Values.


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"size": 0}, "'pop': size = 0"),
        ({"size": True}, "size = True"),
        ({"name": ""}, "population: the name"),
        ({"du": 0.5}, "'pop': du is float64, not integers"),
        ({"vth": True}, "'pop': vth is bool"),
        ({"reset": "soft"}, "Reset 'soft' is unknown"),
        ({"threshold": "<"}, "Comparison '<' is unknown"),
        ({"spiking": "no"}, "'pop': spiking = 'no'"),
        ({"scale": 0}, "'pop': scale = 0 must be above 0"),
        ({"scale": np.nan}, "'pop': scale has a NaN"),
        ({"scale": "x"}, "'pop': scale is not numeric"),
    ],
)
def test_populations(more, words):
    with pytest.raises(ParameterError, match=words):
        FixedPopulation(**({"name": "pop", "size": 2} | more))


def test_number_of_values():
    with pytest.raises(ShapeError, match="'pop': du has 3 values for 2"):
        FixedPopulation(name="pop", size=2, du=[1, 2, 3])
    with pytest.raises(ShapeError, match="'syn': scale has 3 values for 2"):
        network(projection={"scale": [1.0, 2.0, 3.0]})
    one = network({"scale": 3}, {"scale": 2})
    assert (one.population("pop").scale.tolist(), one.projection("syn").scale.tolist()) == ([3, 3], [2, 2])
    none = network()
    assert none.population("pop").scale is none.projection("syn").scale is None


def test_bias_and_uniformity():
    p = FixedPopulation(name="p", size=3, bias_mant=[1, -1, 3], bias_exp=2)
    assert p.bias.tolist() == [4, -4, 12]
    assert p.uniform
    assert not FixedPopulation(name="p", size=2, vth=[1, 2]).uniform


@pytest.mark.parametrize("dt", [0, -1, np.nan, "x"])
def test_dt(dt):
    with pytest.raises(ParameterError, match="dt"):
        network(dt=dt)


def test_chips():
    assert network().limits is CHIP
    assert "loihi" in chip_names()
    with pytest.raises(ParameterError, match=r"chip 'truenorth' is unknown; known chips: .*loihi"):
        network(chip="truenorth")
    narrow = dataclasses.replace(CHIP, threshold_bits=3)
    with pytest.raises(ParameterError, match=r"vth = 10 is outside 0 \.\. 7"):
        network(chip=narrow)


def test_loihi_in_numbers():
    """Widths that Lava's fixed-point models and Davies et al. 2018 state."""
    assert (CHIP.decay_max, CHIP.threshold_max, CHIP.state_max, CHIP.bias_mant_max) == (4095, 131071, 2**23 - 1, 4095)
    assert (CHIP.activation_shift, CHIP.current_decay_offset, CHIP.voltage_decay_offset) == (6, 1, 0)
    assert (CHIP.delay_max, CHIP.window_ticks_max) == (63, 63)


# Weights.


@examples(100, default=30)
@given(fixed_networks())
def test_mantissas_are_the_weights_in_lsb(net):
    same = net.with_mantissas({q.name: q.mantissa for q in net.projections})
    for q in net.projections:
        np.testing.assert_array_equal(q.mantissa.astype(int) * q.format.step, q.synapse_weights)
        r = same.projection(q.name)
        np.testing.assert_array_equal(r.synapse_weights, q.synapse_weights)
        np.testing.assert_array_equal(r.synapse_delays, q.synapse_delays)
        assert r.is_sparse == q.is_sparse
        full = q.with_mantissa(np.full(q.mantissa.size, q.format.mantissa_max))
        assert (full.synapse_weights == q.format.max).all()


def test_mantissa_out_of_range_is_refused():
    with pytest.raises(ParameterError, match=r"'syn'.*is outside"):
        network().with_mantissas({"syn": np.full(6, 128)})
    with pytest.raises(ParameterError, match="'none' is no projection"):
        network().with_mantissas({"none": 1})


def test_weights_are_kept_narrow_and_sparse():
    sparse = sp.csr_array(([0, 4], ([0, 1], [2, 0])), shape=(2, 3))
    q = network(projection={"weight": sparse}).projection("syn")
    assert q.is_sparse
    assert q.weight.dtype == np.int16
    assert q.synapse_weights.tolist() == [0, 4]


@examples(100, default=30)
@given(fixed_networks(max_populations=1), st.integers(0, 2**32 - 1))
def test_activation_bound_holds_for_any_spikes(net, seed):
    """No choice of spikes, one for each synapse and delay, brings more; without right shifts it is reached."""
    rng = np.random.default_rng(seed)
    (population,) = net.populations
    bound = net.activation_bound(population.name)
    best = np.zeros(population.size, np.int64)
    for sign in (1, -1, 0):
        total = np.zeros(population.size, np.int64)
        for q in net.incoming(population.name):
            rows = (
                np.repeat(np.arange(q.shape[0]), np.diff(q.weight.indptr))
                if q.is_sparse
                else np.repeat(np.arange(q.shape[0]), q.shape[1])
            )
            weights = q.synapse_weights.astype(np.int64)
            chosen = np.sign(weights) == sign if sign else rng.random(weights.size) < 0.5
            for d in np.unique(q.synapse_delays):
                part = np.bincount(rows, np.where(chosen & (q.synapse_delays == d), weights, 0), q.shape[0])
                total += op.shift(part.astype(np.int64), q.weight_exp)
        best = np.maximum(best, np.abs(total))
    assert (best <= bound).all()
    one_sign = all(q.format.sign_mode is not SignMode.MIXED for q in net.projections)
    modes = {q.format.sign_mode for q in net.projections}
    if one_sign and len(modes) == 1 and all(q.weight_exp >= 0 for q in net.projections):
        np.testing.assert_array_equal(best, bound)
