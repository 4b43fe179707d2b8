"""What a user may choose: methods, granularity, options of single projections; decays and their bias."""

import math
from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, settings, strategies as st
from strategies import drives_for, float_networks

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.formats import SignMode, WeightFormat
from ssdp_hw.quantization.channels import channel_factors, in_own_units
from ssdp_hw.quantization.decays import decay_registers, leak_ratio
from ssdp_hw.quantization.exponent import rounding_error, weight_exponent
from ssdp_hw.quantization.normal_form import normal_form
from ssdp_hw.quantization.options import Method, ProjectionOptions

LOIHI, GENERIC = load_chip("loihi"), load_chip("generic16")
METHODS = ("max_abs", "percentile", "mse")


@pytest.fixture(scope="module")
def case():
    """Two layers whose weights have a long tail, so that clipping pays, and an input."""
    rng = np.random.default_rng(0)
    net = sh.Network(
        [sh.Input("in", 40)],
        [
            sh.Population(name="a", neuron=sh.LIF(size=50, tau_mem=1e-2, v_threshold=0.3)),
            sh.Population(name="b", neuron=sh.LIF(size=10, tau_mem=1e-2, v_threshold=0.3)),
        ],
        [
            sh.Projection(pre="in", post="a", weight=rng.standard_t(3, (50, 40)) * 0.2 + 0.05),
            sh.Projection(pre="a", post="b", weight=rng.standard_t(3, (10, 50)) * 0.2 + 0.05),
        ],
        ["b"],
        sh.Semantics(1e-3),
    )
    return net, rng.random((40, 30, 40)) < 0.15


def weight_error(net, fixed):
    """Root mean square difference of all weights, in volts."""
    off = [
        (fixed.projection(p.name).weight / fixed.projection(p.name).scale[:, None] - p.weight).ravel()
        for p in net.projections
    ]
    return float(np.sqrt(np.mean(np.square(np.concatenate(off)))))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_mse_has_the_least_error_of_the_weights(case, bits):
    net, spikes = case
    errors = {m: weight_error(net, sh.quantize(net, calibration=spikes, weight_bits=bits, method=m)) for m in METHODS}
    assert errors["mse"] <= errors["max_abs"] * 1.01
    assert bits > 3 or errors["mse"] < 0.8 * errors["max_abs"]


def test_percentile_clips_that_share(case):
    net, spikes = case
    fixed = sh.quantize(net, calibration=spikes, overrides={"in->a": {"method": "percentile", "percentile": 90}})
    clipped, kept = fixed.report.projections
    assert 0 < clipped.clipped <= 0.1 * clipped.synapses
    assert (clipped.method, kept.method, kept.clipped) == ("percentile", "max_abs", 0)
    assert clipped.weight_exp < sh.quantize(net, calibration=spikes).projection("in->a").weight_exp


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.floats(-8, 12))
def test_mse_finds_the_best_exponent_of_all(seed, bits, size):
    values = np.random.default_rng(seed).standard_t(3, 200) * 2.0**size
    number, options = WeightFormat(bits), ProjectionOptions(method=Method.MSE)
    chosen = weight_exponent(values, options, number, LOIHI)
    fitting = weight_exponent(values, ProjectionOptions(), number, LOIHI)
    tried = [e for e in range(LOIHI.weight_exp_min, LOIHI.weight_exp_max + 1) if fitting - 4 <= e]
    best = min(rounding_error(values, e, number) for e in tried)
    assert rounding_error(values, chosen, number) == pytest.approx(best) or fitting == LOIHI.weight_exp_max


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(2, 8), st.floats(-8, 12), st.sampled_from(Method), st.sampled_from(SignMode)
)
def test_no_exponent_that_the_chip_allows_loses_less_at_the_same_range(seed, bits, size, method, signs):
    """What the chip drops of a weight is less than a unit, so weights held to a unit lose nothing by any shift."""
    values = np.abs(np.random.default_rng(seed).standard_t(3, 50)) * 2.0**size * (-1 if signs == "inhibitory" else 1)
    number = WeightFormat(bits, signs)
    exponent = weight_exponent(values, ProjectionOptions(method=method), number, LOIHI)
    assert number.at_exponent(exponent) == number
    weight = number.nearest(values / 2.0**exponent)[0]
    shifted = np.floor(weight * 2.0**exponent) if exponent < 0 else weight * 2.0**exponent
    np.testing.assert_array_equal(shifted, weight * 2.0**exponent)
    for lower in range(LOIHI.weight_exp_min, exponent):
        kept = number.at_exponent(lower)
        assert kept.step * 2.0**lower >= 1
        if not kept.nearest(values / 2.0**lower)[1]:  # then the step is the same, and so are the weights, but for ties
            assert rounding_error(values, lower, number) == pytest.approx(rounding_error(values, exponent, number))


def test_bits_that_a_scale_leaves_unused_are_said():
    """A threshold of 5,000 times what a spike adds takes the register, and leaves weights few units."""
    net = sh.Network(
        [sh.Input("in", 2)],
        [sh.Population(name="p", neuron=sh.LIF(size=1, tau_mem=1e-2, v_threshold=100.0))],
        [sh.Projection(pre="in", post="p", weight=[[0.2, -0.1]])],
        ["p"],
        sh.Semantics(1e-3),
    )
    fixed = sh.quantize(net, calibration=np.zeros((2, 1, 2), bool))
    q, scale = fixed.projections[0], float(fixed.population("p").scale[0])
    units = 0.2 * 0.1 * scale / 64  # the largest weight
    unused = 8 - 1 - math.ceil(math.log2(units))
    assert unused > 0
    assert np.max(q.weight) * 2.0**q.weight_exp == pytest.approx(units, abs=0.5)
    (said,) = [note for note in fixed.notes if "bits are unused" in note]
    assert f"'in->p': {unused} of its 8 bits" in said


def test_threshold_balance_restores_the_spike_rates(case):
    net, spikes = case
    wanted = sh.run(net, spikes)
    off = {}
    for method in ("mse", "threshold_balance"):
        fixed = sh.quantize(net, calibration=spikes, weight_bits=2, method=method)
        found = sh.run(fixed, spikes, on_overflow="ignore")
        off[method] = [abs(found.spike_rate(n) / wanted.spike_rate(n) - 1) for n in ("a", "b")]
    assert max(off["threshold_balance"]) < 0.05
    assert off["threshold_balance"][0] < off["mse"][0]
    assert any("for the float spike rate" in note for note in fixed.report.notes)
    assert set(fixed.notes) >= set(fixed.report.notes)


def test_options_of_single_projections(case):
    net, spikes = case
    fixed = sh.quantize(net, calibration=spikes, weight_bits=6, overrides={"a->b": {"weight_bits": 3, "method": "mse"}})
    assert [q.format.bits for q in fixed.projections] == [6, 3]
    assert [q.method for q in fixed.report.projections] == ["max_abs", "mse"]
    same = sh.quantize(net, calibration=spikes, weight_bits={"in->a": 6, "a->b": 3}, method={"a->b": "mse"})
    for q in fixed.projections:
        np.testing.assert_array_equal(q.weight, same.projection(q.name).weight)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "Method 'magic' is unknown"),
        ({"granularity": "synapse"}, "Granularity 'synapse' is unknown"),
        ({"granularity": "channel"}, "chip 'loihi' has no threshold a neuron"),
        ({"method": "threshold_balance"}, "needs a calibration input"),
        ({"method": {"in->a": "threshold_balance"}}, "choose it for every projection"),
        ({"overrides": {"in->c": {}}}, "'in->c' is no projection"),
        ({"overrides": {"in->a": 4}}, "no dict of options"),
        ({"overrides": {"in->a": {"bits": 4}}}, "option 'bits' is unknown; there are: weight_bits"),
        ({"overrides": {"in->a": {"weight_bits": 9}}}, r"'in->a': weight_bits = 9 is outside 1 \.\. 8"),
        ({"overrides": {"in->a": {"percentile": 0}}}, "percentile = 0 is outside"),
        ({"overrides": 3}, "is no dict"),
        ({"overrides": {"in->a": {"percentile": "x"}}}, "percentile is not numeric"),
    ],
)
def test_bad_options_are_named(case, options, words):
    with pytest.raises(ParameterError, match=words):
        sh.quantize(case[0], **options)


# One scale a neuron.


@pytest.mark.slow
@examples(40, default=4)
@given(st.data(), float_networks())
def test_own_units_change_no_spike(data, network):
    """On a chip with fine registers the integers of both granularities do the same."""
    for name in network.population_names:
        p = normal_form(network, name)
        factors = channel_factors(p)
        own = in_own_units(p, factors)
        assert np.all(factors >= 1)
        for q, scaled in zip(p.incoming, own.incoming, strict=True):
            dense = [w.toarray() if hasattr(w, "toarray") else w for w in (q.weight.given, scaled.weight.given)]
            np.testing.assert_allclose(dense[1], dense[0] * factors[:, None], rtol=1e-12)
    inputs = data.draw(drives_for(network, max_steps=5))
    try:
        fixed = [sh.quantize(network, "generic16", inputs, granularity=g) for g in ("projection", "channel")]
    except ParameterError:
        return
    v = [sh.run(f, inputs, record=("v", "spikes"), on_overflow="ignore") for f in fixed]
    for p in network.populations:
        if all(np.array_equal(v[0].spikes[n], v[1].spikes[n]) for n in network.population_names):
            a, b = (r.v[p.name] / f.population(p.name).scale for r, f in zip(v, fixed, strict=True))
            size = max(np.abs(a).max(), 1 / np.min(fixed[0].population(p.name).scale))
            np.testing.assert_allclose(a, b, atol=2e-2 * size)


@pytest.mark.slow
def test_channel_scales_help_unequal_neurons(tmp_path):
    rng = np.random.default_rng(0)
    size = np.geomspace(0.1, 1, 30)[:, None]
    net = sh.Network(
        [sh.Input("in", 40)],
        [sh.Population(name="p", neuron=sh.LIF(size=30, tau_mem=1e-2, v_threshold=size[:, 0]))],
        [sh.Projection(pre="in", post="p", weight=rng.normal(0.2, 1, (30, 40)) * size)],
        ["p"],
        sh.Semantics(1e-3),
    )
    spikes = rng.random((60, 10, 40)) < 0.2
    wanted = sh.run(net, spikes).spikes["p"]
    different, labels = [], rng.integers(0, 30, 10)
    for granularity in ("projection", "channel"):
        fixed = sh.quantize(net, "loihi2", spikes, weight_bits=4, granularity=granularity)
        different.append(np.count_nonzero(sh.run(fixed, spikes).spikes["p"] != wanted))
    assert different[1] < 0.7 * different[0]
    assert fixed.population("p").scale.shape == (30,)
    sh.save(fixed, tmp_path / "net.h5")
    np.testing.assert_array_equal(sh.load(tmp_path / "net.h5").population("p").scale, fixed.population("p").scale)
    ladder = sh.loss_ladder(net, spikes, labels, fixed)
    assert ladder.rung("overflow").layers[0].different > 0
    assert ladder.rung("timing").layers[0].different == 0


def test_channels_of_a_convolution_stay_one():
    rng = np.random.default_rng(1)
    conv = ConvWeight(rng.normal(size=(3, 2, 3, 3)) * np.array([1, 0.2, 0.5])[:, None, None, None], (2, 6, 6))
    size = conv.shape[0]
    net = sh.Network(
        [sh.Input("in", conv.shape[1])],
        [sh.Population(name="p", neuron=sh.LIF(size=size, tau_mem=5e-3))],
        [sh.Projection(pre="in", post="p", weight=conv)],
        ["p"],
        sh.Semantics(1e-3),
    )
    p = normal_form(net, "p")
    factors = channel_factors(p).reshape(3, -1)
    assert np.all(factors == factors[:, :1])
    assert len(np.unique(factors)) == 3
    assert isinstance(conv.times_rows(factors.reshape(-1)), ConvWeight)
    unequal = np.linspace(1, 2, size)
    np.testing.assert_allclose(
        conv.times_rows(unequal).given.toarray(), conv.unrolled().toarray() * unequal[:, None], rtol=1e-12
    )
    assert sh.quantize(net, "loihi2", granularity="channel").projections[0].is_convolution


@pytest.mark.parametrize("scale", [0.0, -1.0, [1.0, 0.0], [1.0, np.nan]])
def test_scales_are_above_zero(scale):
    with pytest.raises(ParameterError, match="scale"):
        sh.FixedPopulation(name="p", size=2, scale=scale)


# Decays and the bias that goes with them.


@examples(100, default=35)
@given(st.lists(st.floats(1.0, 1e5), min_size=1, max_size=20), st.sampled_from((LOIHI, GENERIC)))
def test_time_constants_are_off_by_the_smallest_factor(taus, chip):
    """No other register has a time constant that is closer by its ratio."""
    net = sh.Network(
        [sh.Input("in", 1)],
        [sh.Population(name="p", neuron=sh.LIF(size=len(taus), tau_mem=taus))],
        [sh.Projection(pre="in", post="p", weight=np.ones((len(taus), 1)))],
        ["p"],
        sh.Semantics(1.0, discretization="exponential"),
    )
    p = normal_form(net, "p")
    _, dv = decay_registers(p, chip)
    unity = 1 << chip.decay_bits
    for tau, register in zip(taus, dv, strict=True):
        if unity * -np.expm1(-1 / tau) < 1:  # below one unit: none or one
            assert register in (0, 1)
            continue

        def off(k, tau=tau):
            return abs(np.log(-1 / np.log1p(-k / unity) / tau))

        assert all(off(register) <= off(k) + 1e-12 for k in (register - 1, register + 1) if 0 < k < unity)


def test_the_bias_keeps_its_steady_state():
    """tau of 1.5 units: the leak is a third too large, and so is the bias."""
    tau = (1 << LOIHI.decay_bits) / 1.5
    neuron = sh.LIF(size=1, tau_mem=tau, v_leak=0.8, v_threshold=1.0)
    net = sh.Network(
        [sh.Input("in", 1)],
        [sh.Population(name="p", neuron=neuron)],
        [sh.Projection(pre="in", post="p", weight=np.ones((1, 1)))],
        ["p"],
        sh.Semantics(1.0),
    )
    p = normal_form(net, "p")
    _, dv = decay_registers(p, LOIHI)
    assert leak_ratio(p, dv, LOIHI) == pytest.approx(dv / 1.5)
    fixed = sh.quantize(net)
    q = fixed.population("p")
    steady = q.bias / (q.dv / (1 << LOIHI.decay_bits)) / q.scale
    assert steady == pytest.approx(0.8, rel=0.02)
    silent = replace(net, populations=[replace(net.populations[0], neuron=sh.IF(size=1))])
    assert leak_ratio(normal_form(silent, "p"), np.zeros(1, int), LOIHI) == 1
