"""Declared neuron models from float to integers: registers by kind, reports, ladder, back again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.analysis.ladder import rungs
from ssdp_hw.analysis.ladder.step import PARAMETERS
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State
from ssdp_hw.network.quantization_report import QuantizationReport
from ssdp_hw.quantization.model_registers import register_codes, register_values

CHIP = sh.load_chip("loihi2")
# One stable choice of parameters for every model of the toolkit.
MODELS = {
    "AdaptiveLIF": {"tau_syn": 5e-3, "tau_mem": 20e-3, "tau_adapt": 50e-3, "jump": 0.3},
    # As published with a = 0.5, b = 1 and q = 1: both times 1 - exp(-1 ms / tau_adapt).
    "SEAdLIF": {"tau_mem": 15e-3, "tau_adapt": 100e-3, "coupling": 0.005, "jump": 0.01},
    "EFAdLIF": {"tau_mem": 15e-3, "tau_adapt": 100e-3, "coupling": 0.005, "jump": 0.01},
}
# The two AdLIFs differ in one term.
TWO = [pytest.param(m, marks=pytest.mark.slow if m == "EFAdLIF" else []) for m in MODELS]
INPUT = np.random.default_rng(0).random((100, 4, 20)) < 0.2


def network_of(model, size=30, **parameters):
    """Inputs to a population of a declared model to a LIF."""
    rng = np.random.default_rng(1)
    first = sh.Population(name="p", neuron=sh.neuron(model, size, **parameters))
    return sh.Network(
        [sh.Input("in", 20)],
        [first, sh.Population(name="o", neuron=sh.LIF(size=3, tau_mem=10e-3, r=10.0))],
        [
            sh.Projection(pre="in", post="p", weight=rng.normal(0.1, 0.4, (size, 20))),
            sh.Projection(pre="p", post="o", weight=rng.normal(size=(3, size))),
        ],
        ["o"],
        sh.Semantics(1e-3, "exponential"),
    )


def agreement(left, right):
    """Spikes in common by all spikes (Jaccard)."""
    return (left & right).sum() / (left | right).sum()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("model", TWO)
def test_the_fixed_network_fires_as_the_float_one(model):
    """Held to the float run. A threshold that moves with every spike makes small differences large."""
    least, least_fine = (0.8, 0.95) if model == "AdaptiveLIF" else (0.95, 0.995)
    network = network_of(model, **MODELS[model])
    fixed = sh.quantize(network, "loihi2", INPUT)
    wanted, found = (sh.run(n, INPUT).spikes["p"] for n in (network, fixed))
    assert 0.05 < wanted.mean() < 0.6
    assert agreement(wanted, found) > least
    wide = replace(CHIP, name="wide weights", weight_bits=16, weight_scale_bits=16, decay_bits=16)
    fine = sh.quantize(network, wide, INPUT)
    assert agreement(wanted, sh.run(fine, INPUT).spikes["p"]) > least_fine


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("model", MODELS)
def test_dequantised_registers_are_quantised_to_themselves(model):
    fixed = sh.quantize(network_of(model, **MODELS[model]), "loihi2", INPUT)
    back = sh.dequantize(fixed)
    neuron, q = back.population("p").neuron, fixed.population("p")
    values = neuron.step_values(1e-3, back.semantics.discretization)
    for parameter in q.declared.parameters:
        codes = register_codes(parameter, values[parameter.name], q.scale, CHIP, "p")
        np.testing.assert_array_equal(codes, q.registers[parameter.name], err_msg=parameter.name)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("model", TWO)
def test_the_ladder_rounds_what_the_chip_rounds(model):
    """The rung with all parameters rounded is the dequantised network, made another way; the last is the chip."""
    network = network_of(model, **MODELS[model])
    fixed = sh.quantize(network, "loihi2", INPUT)
    rung = rungs.rounded(rungs.in_chip_timing(network), fixed, *PARAMETERS)
    left, right = sh.run(rung, INPUT).spikes["p"], sh.run(sh.dequantize(fixed), INPUT).spikes["p"]
    assert agreement(left, right) > 0.998  # a voltage at its threshold may fall on either side
    none = rungs.rounded(rungs.in_chip_timing(network), fixed)
    assert agreement(sh.run(none, INPUT).spikes["p"], sh.run(network, INPUT).spikes["p"]) > 0.998
    ladder = sh.loss_ladder(network, INPUT, [0, 1, 2, 0], fixed)
    spikes = [sh.run(n, INPUT, steps=ladder.steps).spikes["p"] for n in (fixed, network)]
    assert ladder.cumulative[-1].layers[0].agreement == agreement(*spikes)
    alone = {r.step.value: r.layers[0].agreement for r in ladder.alone}
    assert min(alone["state"], alone["overflow"]) > 0.99


KINDS = st.sampled_from((Kind.DECAY, Kind.LEVEL, Kind.GAIN, Kind.NUMBER))


@examples(200, default=70)
@given(KINDS, st.integers(4, 20), st.sampled_from(("", "current", "voltage")), st.floats(1.0, 1e6), st.data())
def test_every_code_of_a_register_comes_back(kind, bits, offset, scale, data):
    parameter = Parameter("q", "q", kind, bits=bits, offset=offset if kind is Kind.DECAY else "", places=9)
    low, high = parameter.code_range(CHIP)
    codes = np.array(data.draw(st.lists(st.integers(low, high), min_size=1, max_size=20)))
    if kind is Kind.DECAY:  # a register that loses everything has the neighbours' values only up to one
        codes = np.minimum(codes, high - parameter.added(CHIP))
    values = register_values(parameter, codes, scale, CHIP)
    np.testing.assert_array_equal(register_codes(parameter, values, scale, CHIP, "p"), codes)


@pytest.mark.slow
def test_the_report_names_the_error_of_every_parameter():
    network = network_of("SEAdLIF", **{**MODELS["SEAdLIF"], "tau_adapt": 300e-3})
    report = sh.quantize(network, "loihi2", INPUT).report
    errors = report.populations[0].parameter_errors
    assert set(errors) == {"tau_mem", "tau_adapt", "v_threshold", "coupling", "jump"}
    exact = 4096 * (1 - np.exp(-1 / 300))
    assert errors["tau_adapt"] == pytest.approx(abs(round(exact) / exact - 1))
    assert "tau_adapt error 2.7" in "\n".join(report.lines())
    assert QuantizationReport.from_dict(report.to_dict()) == report


def test_a_gain_beyond_its_register_is_refused_by_name():
    network = network_of("SEAdLIF", **{**MODELS["SEAdLIF"], "coupling": 300.0})
    with pytest.raises(
        ParameterError, match=r"population 'p': coupling = 300 of neuron 0 is outside .* register 'coupling'"
    ):
        sh.quantize(network, "loihi2", INPUT)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("bits", "places", "gain"), [(4, 14, 0.001), (None, None, 2.0), (16, 20, -0.2)])
def test_the_bits_that_a_refused_gain_is_said_to_need_hold_it(bits, places, gain):
    """More bits than places is not what a small gain of many places needs."""

    def network(bits):
        own = {
            "name": "Gained",
            "states": (State("v"),),
            "parameters": (Parameter("g", "g", Kind.GAIN, bits=bits, places=places),),
            "step": lambda self, op, s, p, x: (
                {"v": op.saturate(op.scale(s.v, p.g, 12 if places is None else places) + x, "v")},
                s.v > 0,
            ),
        }
        return network_of(type("Gained", (NeuronModel,), own)(), size=3, g=gain)

    with pytest.raises(ParameterError, match=r"register 'g' holds.*; with bits=\d+ in its Parameter") as refused:
        sh.quantize(network(bits), "loihi2", INPUT[:5])
    enough = int(str(refused.value).split("bits=")[1].split()[0])
    sh.quantize(network(enough), "loihi2", INPUT[:5])
    with pytest.raises(ParameterError, match="register 'g' holds"):
        sh.quantize(network(enough - 1), "loihi2", INPUT[:5])


def test_a_model_is_quantised_by_calibration_and_on_chips_with_programs():
    network = network_of("SEAdLIF", **MODELS["SEAdLIF"])
    with pytest.raises(ParameterError, match=r"population 'p': .* give quantize a calibration input"):
        sh.quantize(network, "loihi2")
    with pytest.raises(ParameterError, match="Loihi 1 are the CUBA LIF alone"):
        sh.quantize(network, "loihi", INPUT)


def test_no_nir_reader_gets_another_neuron(tmp_path):
    network = network_of("SEAdLIF", **MODELS["SEAdLIF"])
    for written in (network, sh.quantize(network, "loihi2", INPUT)):
        with pytest.raises(UnsupportedError, match="population 'p': NIR has no node for the neuron model SEAdLIF"):
            sh.write_nir(written, tmp_path / "n.nir")
    assert not list(tmp_path.iterdir())


def test_a_network_with_a_declared_model_learns_the_same_on_spec_and_engine():
    """SSDP between the declared model and the LIF, and into the declared model, with a teacher at the output."""
    network = sh.quantize(network_of("SEAdLIF", size=8, **MODELS["SEAdLIF"]), "loihi2", INPUT)
    rules = dict.fromkeys(("in->p", "p->o"), sh.SSDP(a_plus=0.05, a_baseline=0.02, sigma=2.0))
    left, right = (sh.learn(network, INPUT[:50], [0, 1, 2, 0], rules, t) for t in ("spec", "engine"))
    for name in rules:
        before, after = (n.projection(name).stored_weights for n in (network, left.network))
        assert np.any(before != after)
        np.testing.assert_array_equal(right.network.projection(name).stored_weights, after)
        np.testing.assert_array_equal(right.state.counters[name], left.state.counters[name])


def test_a_declared_model_is_taught_in_float():
    network = network_of("SEAdLIF", **MODELS["SEAdLIF"])
    taught = sh.Teacher(strength=2.0).attach(network, "p")
    on = np.zeros((5, 1, 30))
    on[0, 0, 7] = 1
    inputs = {name: np.zeros((5, 1, taught.size_of(name))) for name in taught.input_names}
    inputs[taught.input_names[1]] = on
    assert np.argwhere(sh.run(taught, inputs).spikes["p"]).tolist() == [[1, 0, 7]]


def narrow(bits):
    """A leaky integrator whose voltage and trace of it have registers of their own widths."""

    class Narrow(NeuronModel):
        name = f"Narrow{bits[0]}And{bits[1]}"
        states = (State("v", bits=bits[0]), State("trace", bits=bits[1]))
        parameters = (
            Parameter("dv", "tau_mem", Kind.DECAY),
            Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        )

        def step(self, op, s, p, arriving):
            v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias, "v")
            trace = op.saturate(op.decay(s.trace, p.dv) + v, "trace")
            return {"v": v, "trace": trace}, op.fires(v, p.vth)

    return Narrow()


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("bits", [(20, None), (None, 20), (16, 22), (30, 28), (None, None)], ids=str)
@pytest.mark.parametrize("chip", ["loihi2", "generic16"])
def test_a_scale_fits_the_register_of_every_state(chip, bits):
    """Held to a float loop; by the chip's width alone, a state of 20 bits is saturated in most steps."""
    spikes = INPUT[:40, :2, :4]
    weight = np.random.default_rng(3).normal(0.3, 0.4, (5, 4))
    network = sh.Network(
        [sh.Input("in", 4)],
        [sh.Population(name="p", neuron=sh.neuron(narrow(bits), 5, tau_mem=10e-3))],
        [sh.Projection(pre="in", post="p", weight=weight)],
        ["p"],
        sh.Semantics(1e-3),
    )
    v, trace, wanted = np.zeros((2, 5)), np.zeros((2, 5)), []
    for t in range(len(spikes)):
        v = 0.9 * v + (spikes[t - 1] @ weight.T if t else 0.0)
        trace = 0.9 * trace + v
        wanted.append((v, trace))
    v, trace = (np.array(values) for values in zip(*wanted, strict=True))

    fixed = sh.quantize(network, chip, spikes)
    found = sh.run(fixed, spikes, "spec", record=("spikes", "v", "trace"))
    assert found.overflow["p"].total == 0
    for state, real in ((found.v, v), (found.states["trace"], trace)):
        assert state["p"] / fixed.population("p").scale == pytest.approx(real, abs=0.03 * np.abs(real).max())
    assert 0.25 < fixed.report.populations[0].v_peak < 1.0

    ladder = sh.loss_ladder(network, spikes, [0, 1], fixed)
    assert all(not rung.overflow for rung in (*ladder.cumulative, *ladder.alone))


@pytest.mark.slow
def test_a_threshold_above_all_voltages_fits_the_register_that_is_compared_with_it():
    """Its own register would hold a larger one, which no voltage of 16 bits reaches."""
    spikes = INPUT[:40, :2, :4]
    network = sh.Network(
        [sh.Input("in", 4)],
        [sh.Population(name="p", neuron=sh.neuron(narrow((16, 30)), 1, tau_mem=10e-3, v_threshold=8.0))],
        [sh.Projection(pre="in", post="p", weight=np.full((1, 4), 0.2))],
        ["p"],
        sh.Semantics(1e-3),
    )
    peak = max(float(v.max()) for v in sh.run(network, spikes, "spec", record=("v",)).v.values())
    assert 8.0 / 16 < peak < 8.0
    fixed = sh.quantize(network, "loihi2", spikes)
    level = float(8.0 * fixed.population("p").scale[0])
    assert 2**13 < level < 2**15


def test_a_voltage_begins_inside_the_register_of_its_state():
    def network(v_init, **state):
        own = {
            "name": "Begins",
            "states": (State("v", **state),),
            "step": lambda self, op, s, p, x: ({"v": op.maximum(op.saturate(x, "v"), 0)}, op.never()),
        }
        population = sh.FixedPopulation(
            name="p", size=1, model=type("Begins", (NeuronModel,), {**own, "parameters": ()})(), v_init=v_init
        )
        projection = sh.FixedProjection(pre="in", post="p", weight=[[2]])
        return sh.FixedNetwork([sh.Input("in", 1)], [population], [projection], ["p"], chip="loihi2")

    assert network(2047, bits=12).population("p").v_init == 2047
    assert network(1 << 26, bits=30).population("p").v_init == 1 << 26
    for v_init, state in ((2048, {"bits": 12}), (-1, {"signed": False}), (1 << 23, {})):
        with pytest.raises(ParameterError, match=rf"v_init = {v_init} is outside .*initial_voltage"):
            network(v_init, **state)
