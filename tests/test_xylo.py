"""Xylo's neuron against recordings of the vendor's simulator, and Xylo and SpiNNaker2 as chips that run or refuse."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.formats import WeightFormat

RECORDED = np.load(Path(__file__).parent / "data" / "xylo.npz")
COUNT = 1 + max(int(name.split()[0]) for name in RECORDED)
BITS = load_chip("xylo").decay_bits


def recording(number):
    start = f"{number} "
    return {name.removeprefix(start): RECORDED[name] for name in RECORDED if name.startswith(start)}


def network(r):
    """The recorded network in the toolkit's terms: a decay of ``dash`` is the register ``2**(15 - dash)``."""

    def population(name, suffix, most):
        registers = {
            "syn": 1 << (BITS - r[f"dash_syn{suffix}"]),
            "mem": 1 << (BITS - r[f"dash_mem{suffix}"]),
            "most": most,
        }
        threshold, bias = r[f"threshold{suffix}"], r[f"bias{suffix}"]
        return sh.FixedPopulation(
            name=name,
            size=len(threshold),
            model="XyloLIF",
            vth=threshold,
            bias_mant=bias,
            payload_bits=5,
            parameters=registers,
        )

    def projection(pre, post, weights, shift):
        # Weights with a sign have steps of 2 on the toolkit's scale.
        return sh.FixedProjection(pre=pre, post=post, weight=2 * weights.T, weight_exp=int(shift) - 1)

    into, within, out = r["shifts"]
    return sh.FixedNetwork(
        [sh.Input("in", r["w_in"].shape[0], payload_bits=4)],
        [population("hidden", "", 31), population("out", "_out", 1)],
        [
            projection("in", "hidden", r["w_in"], into),
            projection("hidden", "hidden", r["w_rec"], within),
            projection("hidden", "out", r["w_out"], out),
        ],
        ["out"],
        chip="xylo",
    )


@pytest.mark.slow
@pytest.mark.parametrize("target", ["spec", "engine"])
def test_every_state_and_spike_is_that_of_the_vendors_simulator(target):
    """Our input acts a step after it was sent, the simulator's in the same step; its first step has none."""
    seen = 0
    for number in range(COUNT):
        r = recording(number)
        steps = len(r["events"])
        result = sh.run(network(r), r["events"][1:, None, :], target, steps=steps, record=("events", "i", "v"))
        for name in ("hidden", "out"):
            for state in ("i", "v", "events"):
                ours = (result.v if state == "v" else result.states[state])[name][:, 0]
                assert np.array_equal(ours, r[f"{name}_{state}"]), (number, name, state)
            seen += int(r[f"{name}_events"].sum())
    assert seen > 1_000


def float_network(model, inputs=8, hidden=20, outputs=4):
    """A feed-forward network of a model, with the same random weights for every model."""
    rng = np.random.default_rng(1)
    taus = {"tau_syn": 4e-3, "tau_mem": 16e-3, "v_threshold": 1.0}

    def population(name, size, **more):
        return sh.Population(name=name, neuron=sh.neuron(model, size, **taus, **more))

    last = {"events": 1} if model == "XyloLIF" else {}
    return sh.Network(
        [sh.Input("in", inputs)],
        [population("hidden", hidden), population("out", outputs, **last)],
        [
            sh.Projection(pre="in", post="hidden", weight=rng.normal(0.15, 0.3, (hidden, inputs))),
            sh.Projection(pre="hidden", post="out", weight=rng.normal(0.02, 0.2, (outputs, hidden))),
        ],
        ["out"],
        sh.Semantics(dt=1e-3),
    )


SPIKES = np.random.default_rng(2).random((200, 8, 8)) < 0.1


def agreement(network, fixed):
    """Correlation of the spike counts of all neurons, and the number of spikes in float."""
    counts = []
    for one in (network, fixed):
        result = sh.run(one, SPIKES, "spec", record=("spikes", "events"))
        counts.append(np.concatenate([result.states["events"][n].sum(axis=0).reshape(-1) for n in ("hidden", "out")]))
    return np.corrcoef(*counts)[0, 1], counts[0].sum()


@pytest.mark.slow
def test_a_network_of_xylos_neurons_is_quantised_for_xylo():
    """Time constants of 4 and 16 steps are shifts of 2 and 4, exactly; weights and thresholds are rounded."""
    network = float_network("XyloLIF")
    fixed = sh.quantize(network, chip="xylo", calibration=SPIKES)
    for p in fixed.populations:
        assert set(p.registers["syn"]) == {1 << (BITS - 2)}
        assert set(p.registers["mem"]) == {1 << (BITS - 4)}
    found, spikes = agreement(network, fixed)
    assert spikes > 500
    assert found > 0.99
    again = sh.dequantize(fixed).population("hidden").neuron
    np.testing.assert_allclose(again.parameters["tau_syn"], 4e-3)
    np.testing.assert_allclose(again.parameters["tau_mem"], 16e-3)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: float_network("CubaLIF"), "the neurons of SynSense Xylo Audio 2 are neuron model XyloLIF alone"),
        (lambda: float_network("XyloLIF", inputs=17), "17 input channels; SynSense Xylo Audio 2 has 16"),
        (lambda: float_network("XyloLIF", hidden=1001), "1001 hidden neurons; SynSense Xylo Audio 2 has 1000"),
        (lambda: float_network("XyloLIF", outputs=9), "9 output neurons; SynSense Xylo Audio 2 has 8"),
    ],
)
def test_xylo_refuses_what_it_cannot_hold(make, words):
    network = make()
    spikes = np.zeros((5, 1, network.inputs[0].size), bool)
    with pytest.raises(ParameterError, match=words):
        sh.quantize(network, chip="xylo", calibration=spikes)


def test_a_decay_that_is_no_shift_is_refused():
    p = sh.FixedPopulation(
        name="p", size=1, model="XyloLIF", vth=9, payload_bits=5, parameters={"syn": 3, "mem": 4, "most": 1}
    )
    with pytest.raises(ParameterError, match="syn = 3 is no power of two"):
        sh.FixedNetwork([sh.Input("in", 1)], [p], [], ["p"], chip="xylo")


def test_weights_of_one_sign_have_no_bit_more_where_all_have_a_sign():
    weight = np.full((2, 3), 255)
    population = sh.FixedPopulation(name="p", size=2, vth=9)
    q = sh.FixedProjection(pre="in", post="p", weight=weight, format=WeightFormat(8, "excitatory"))
    sh.FixedNetwork([sh.Input("in", 3)], [population], [q], ["p"], chip="loihi")
    with pytest.raises(ParameterError, match="every weight has a sign"):
        sh.FixedNetwork([sh.Input("in", 3)], [population], [q], ["p"], chip="spinnaker2")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["SEAdLIF", "CubaLIF", "XyloLIF"])
def test_spinnaker2_runs_any_model_without_delays(model):
    network = float_network(model) if model != "SEAdLIF" else with_adaptation()
    fixed = sh.quantize(network, chip="spinnaker2", calibration=SPIKES)
    assert {q.format.sign_mode.value for q in fixed.projections} == {"mixed"}
    runs = ((network, "spec"), (fixed, "spec"), (fixed, "engine"))
    results = [sh.run(one, SPIKES, target, populations=["hidden"]).spikes["hidden"] for one, target in runs]
    assert np.array_equal(results[1], results.pop())
    assert results[0].sum() > 200
    assert np.corrcoef(*[r.sum(axis=0).reshape(-1) for r in results])[0, 1] > 0.99
    late = replace(network, projections=[replace(q, delay=1) for q in network.projections])
    with pytest.raises(ParameterError, match=r"delay = 1 is outside 0 \.\. 0"):
        sh.quantize(late, chip="spinnaker2", calibration=SPIKES)


def with_adaptation():
    """The same network with SE-adLIF in the place of the LIF."""
    network = float_network("CubaLIF")

    def adapting(p):
        values = {"tau_mem": 16e-3, "tau_adapt": 40e-3, "coupling": 0.1, "jump": 0.2}
        return replace(p, neuron=sh.neuron("SEAdLIF", p.size, **values))

    return replace(network, populations=[adapting(p) for p in network.populations])


@pytest.mark.slow
def test_learning_with_a_teacher_fits_a_chip_whose_weights_all_have_signs():
    rng = np.random.default_rng(3)
    rate = rng.integers(0, 3, 30)
    samples = np.stack([rng.random((12, 6)) < np.repeat(np.eye(3)[k], 2) * 0.5 + 0.05 for k in rate], axis=1)
    network = sh.FixedNetwork(
        [sh.Input("in", 6)],
        [sh.FixedPopulation(name="out", size=3, vth=400, du=65000, dv=6000)],
        [sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(0, 40, (3, 6)), scale=np.full(3, 80.0))],
        ["out"],
        chip="spinnaker2",
    )
    learned = sh.learn(network, samples, rate, sh.SSDP(a_plus=1e-2, a_baseline=1e-3, sigma=30))
    assert any(
        np.any(a.weight != b.weight) for a, b in zip(network.projections, learned.network.projections, strict=True)
    )
