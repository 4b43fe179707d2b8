"""What is said where nothing happens: silent networks, lessons without a change, and neurons that only bring biases."""

import warnings

import nir
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import ssdp_hw as sh
from ssdp_hw.learning.nothing_learned import NothingLearnedWarning
from ssdp_hw.running.silence import SilentNetworkWarning

CHANNELS = 6


def graph(neuron, scale=1.0):
    rng = np.random.default_rng(0)
    return nir.NIRGraph.from_list(nir.Linear(np.abs(rng.normal(scale, 0.2, (4, CHANNELS)))), neuron)


def full(value):
    return np.full(4, float(value))


def said(network, spikes, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = sh.run(network, spikes, "spec", **options)
    return result, [str(w.message) for w in caught if w.category is SilentNetworkWarning]


SPIKES = np.random.default_rng(1).random((20, 3, CHANNELS)) < 0.5


@settings(max_examples=30)
@given(st.floats(1e-3, 2.0), st.floats(2e-3, 0.1))
def test_a_silent_network_is_named_with_its_share_of_the_threshold(weight, tau):
    """The share is that of the voltages that the run has, by its own recording."""
    net = sh.from_nir(graph(nir.LIF(full(tau), full(1), full(0), full(1.0), full(0)), weight), 1e-3)
    result, messages = said(net, SPIKES, record=("spikes", "v"))
    (name,) = net.population_names
    if result.spikes[name].any():
        assert not messages
        return
    (message,) = messages
    assert f"Population '{name}' comes first" in message
    assert f"{result.v[name].max():.2%} of its threshold" in message


def test_the_advice_makes_it_fire():
    """As exported by a framework that adds its input whole, read without naming it."""
    file = graph(nir.IF(full(1), full(1), full(0)))
    _, (message,) = said(sh.from_nir(file, 1e-3), SPIKES)
    assert "preset='snntorch'" in message
    result, messages = said(sh.from_nir(file, preset="sinabs"), SPIKES)
    assert not messages
    assert any(s.any() for s in result.spikes.values())


def test_what_dt_does_not_explain_is_not_laid_on_it():
    net = sh.from_nir(graph(nir.IF(full(1000), full(1e6), full(0))), 1e-3)
    assert "do not explain it" in said(net, SPIKES)[1][0]
    inhibited = sh.from_nir(graph(nir.IF(full(1000), full(1), full(0))), 1e-3)
    inhibited = inhibited.with_weights({p.name: -p.weight for p in inhibited.projections})
    assert "not excitatory" in said(inhibited, SPIKES)[1][0]


def test_no_word_where_silence_is_no_wonder():
    net = sh.from_nir(graph(nir.IF(full(1), full(1), full(0))), 1e-3)
    assert not said(net, np.zeros((20, 3, CHANNELS)))[1]
    assert not said(net, SPIKES[:1])[1]


def test_a_fixed_network_that_is_silent():
    net = sh.FixedNetwork(
        [sh.Input("in", 2)],
        [sh.FixedPopulation(name="p", size=2, dv=100, vth=10**5)],
        [sh.FixedProjection(pre="in", post="p", weight=np.full((2, 2), 8))],
        ["p"],
    )
    assert "Population 'p' comes first" in said(net, np.ones((5, 1, 2)))[1][0]


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_a_silent_neuron_model_without_a_voltage_named_v_is_named(target):
    """RF has the states real and imag; nothing else is looked at."""
    model = sh.neuron_model("RF")
    parameters = {q.name: 4 for q in model.parameters if q.name not in ("du", "dv", "vth")}
    population = sh.FixedPopulation(name="rings", size=4, model=model, vth=100_000, parameters=parameters)
    projection = sh.FixedProjection(pre="in", post="rings", weight=np.full((4, CHANNELS), 2))
    network = sh.FixedNetwork([sh.Input("in", CHANNELS)], [population], [projection], ["rings"], chip="loihi2")
    with pytest.warns(SilentNetworkWarning, match="Population 'rings' comes first; record its states"):
        sh.run(network, np.ones((5, 2, CHANNELS)), target)


def biased():
    """A network whose bias comes from a neuron of its own, which fires in every step."""
    rng = np.random.default_rng(0)
    populations = [
        sh.Population(name="hid", neuron=sh.CubaLIF(size=8, tau_mem=5e-3, tau_syn=3e-3, v_threshold=0.5), bias=0.1),
        sh.Population(name="out", neuron=sh.LIF(size=2, tau_mem=5e-3, v_threshold=0.2)),
    ]
    projections = [
        sh.Projection(pre="in", post="hid", weight=rng.normal(0.3, 0.4, (8, CHANNELS)), name="w"),
        sh.Projection(pre="hid", post="out", weight=rng.normal(0.5, 0.4, (2, 8)), name="o"),
    ]
    return sh.Network([sh.Input("in", CHANNELS)], populations, projections, ["out"], sh.Semantics(1e-3))


def test_rates_count_neurons_that_compute():
    net = biased()
    fixed = sh.quantize(net, calibration=SPIKES)
    helper = next(iter(fixed.helpers))
    assert helper not in net.population_names
    result = sh.run(fixed, SPIKES, "spec")
    assert result.spikes[helper].mean() == 1
    own = np.concatenate([result.spikes[n].reshape(-1) for n in net.population_names])
    assert result.spike_rate() == pytest.approx(own.mean())
    assert result.spike_rate(helper) == 1.0
    table = sh.compare(net, fixed, SPIKES, [0, 1, 0], targets=["spec"], steps=20)
    assert table.rows[1].spike_rate == pytest.approx(own.mean())
    ladder = sh.loss_ladder(fixed=fixed, network=net, inputs=SPIKES, labels=[0, 1, 0])
    assert helper not in ladder.to_markdown()
    assert helper not in {p.name for p in fixed.report.populations}
    activity = sh.measure_activity(fixed, SPIKES, steps=20)
    assert 1 - activity.activation_sparsity == pytest.approx(own.mean())


def lesson(rounding, a_plus, spikes=SPIKES, **options):
    fixed = sh.quantize(biased(), calibration=SPIKES)
    rule = sh.SSDP(a_plus=a_plus, a_baseline=a_plus / 10, sigma=30, rounding=rounding, silent_pairs="skip")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        learned = sh.learn(fixed, spikes, None, rule, "spec", plastic="o", **options)
    return learned, [str(w.message) for w in caught if w.category is NothingLearnedWarning]


@pytest.mark.parametrize("rounding", ["nearest", "carry"])
def test_a_lesson_that_moves_nothing_says_how_far_a_step_is_from_one_lsb(rounding):
    learned, (message,) = lesson(rounding, 1e-4)
    assert learned.changed["o"] == 0
    step = float(message.split("the largest step of a window is ")[1].split()[0])
    # The step is in proportion to the amplitude, so the advice can be followed to the end.
    more, silent = lesson(rounding, 1e-4 * 1.2 / step)
    assert more.changed["o"] > 0
    assert not silent
    assert ("rounding='carry'" in message) == (rounding == "nearest")


def test_a_lesson_without_spikes_says_so():
    _, (message,) = lesson("carry", 1e-2, np.zeros_like(SPIKES))
    assert "no neuron of one of its ends fired" in message
