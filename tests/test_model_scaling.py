"""What a step makes of another unit of voltage, and the integers of graded neurons that follow from it."""

from __future__ import annotations

import numpy as np
import pytest
from odd_models import MODELS, Quadratic, Tabled

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.models.registry import model_names, neuron_model
from ssdp_hw.models.scaling import Scaling, other_width, scaling

RNG = np.random.default_rng(2)


@pytest.fixture(autouse=True)
def _numbers_do_not_depend_on_the_tests_before(monkeypatch):
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(2))


class Squared(Quadratic):
    """The square of a voltage as it is."""

    name = "Squared"

    def step(self, op, s, p, arriving):
        v = op.saturate(s.v + op.scale(s.v * s.v, p.curve, op.decay_bits) + arriving + p.bias, "v")
        fired = op.fires(v, p.vth)
        return {"v": op.select(fired, 0, v), "w": op.saturate(s.w, "w")}, fired


class AboveThousand(NeuronModel):
    """It fires above a number instead of a level."""

    name = "AboveThousand"
    states = (State("v"),)
    parameters = (Parameter("dv", "tau_mem", Kind.DECAY),)

    def step(self, op, s, p, arriving):
        v = op.saturate(op.decay(s.v, p.dv) + arriving, "v")
        return {"v": v}, v > 1


class CountsInVolts(Tabled):
    """The entry of a table, declared as a voltage."""

    name = "CountsInVolts"
    states = (State("v"), State("out", unit=Unit.VOLTAGE))


def coupled(places: int | None, written: int | None) -> NeuronModel:
    """A voltage that drives a state by a gain of so many binary places, which the step writes so."""

    class Coupled(NeuronModel):
        name = f"Coupled{places}By{written}"
        states = (State("v"), State("w"))
        parameters = (
            Parameter("dv", "tau_mem", Kind.DECAY),
            Parameter("c", "c", Kind.GAIN, bits=places, places=places),
        )
        source = "made up"

        def step(self, op, s, p, arriving):
            v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias, "v")
            more = op.scale(v, p.c, op.decay_bits if written is None else written)
            return {"v": v, "w": op.saturate(more, "w")}, v < 0

    return Coupled()


def coupled_network(model: NeuronModel) -> sh.Network:
    neuron = sh.ModelNeuron(model=model, size=3, parameters={"tau_mem": 5e-3, "c": [0.5, 0.25, -0.125]})
    weight = np.random.default_rng(0).normal(0, 0.3, (3, 5))
    return sh.Network(
        [sh.Input("in", 5)],
        [sh.Population(name="out", neuron=neuron)],
        [sh.Projection(pre="in", post="out", weight=weight)],
        ["out"],
        sh.Semantics(1e-3),
    )


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("places", "written"), [(None, 12), (None, 8), (9, None), (12, None)])
def test_a_step_that_writes_the_width_of_loihis_decays_is_refused_on_other_chips_alone(places, written):
    model = coupled(places, written)
    network = coupled_network(model)
    assert not other_width(model, 12)
    with pytest.raises(
        UnsupportedError, match=r"state 'w' .* 16 bits here and 12 .*op.scale\(x, gain, op.decay_bits\)"
    ):
        sh.quantize(network, chip="generic16")
    spikes = np.random.default_rng(1).random((30, 4, 5)) < 0.3
    fixed = sh.quantize(network, chip="loihi2", calibration=spikes)
    w = [sh.run(net, spikes, "spec", record=["w"]).states["w"]["out"] for net in (network, fixed)]
    np.testing.assert_allclose(w[1] / fixed.population("out").scale, w[0], atol=0.02 * np.abs(w[0]).max())
    # On the ladder, integer state alone would be a run with finer decays.
    alone = {rung.step.value for rung in sh.loss_ladder(network, spikes, np.zeros(4, int), fixed).alone}
    assert {"decays", "weights"} <= alone
    assert not {"state", "overflow"} & alone


@pytest.mark.slow
@pytest.mark.parametrize(("places", "written"), [(None, None), (9, 9), (12, 12)])
def test_a_step_that_writes_the_width_of_its_register_is_the_same_on_every_chip(places, written):
    model = coupled(places, written)
    assert not any(other_width(model, bits) for bits in (8, 16, 22))
    spikes = np.ones((3, 1, 5), bool)
    assert sh.quantize(coupled_network(model), chip="generic16", calibration=spikes).chip.decay_bits == 16


@pytest.mark.parametrize("name", [*model_names(), *(m.name for m in MODELS)])
def test_every_model_has_a_scale(name):
    model = next((m for m in MODELS if m.name == name), None) or neuron_model(name)
    shifted = name in ("Sigma", "SigmaDelta")
    wanted = Scaling(shifted, name in ("Delta", "SigmaDelta"), name in ("Tabled", "XyloLIF"))
    assert scaling(model) == wanted


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Squared(), r"state 'v' of neuron model Squared grows otherwise.*op.divide\(a \* b, p.vth\)"),
        (AboveThousand(), "other neurons of neuron model AboveThousand fire.*compare voltages with levels"),
        (CountsInVolts(), "state 'out' of neuron model CountsInVolts grows otherwise.*Unit.NUMBER"),
    ],
)
def test_a_step_that_no_scale_fits_is_refused(model, said):
    with pytest.raises(ParameterError, match=said):
        scaling(model)


def test_quantize_refuses_it_by_the_population():
    network = sh.Network(
        [sh.Input("in", 2)],
        [sh.Population(name="p", neuron=sh.neuron(Squared(), 3, tau_rec=1e-2))],
        [sh.Projection(pre="in", post="p", weight=np.full((3, 2), 0.3))],
        ["p"],
        sh.Semantics(1e-3),
    )
    with pytest.raises(UnsupportedError, match=r"population 'p': state 'v' of neuron model Squared.*FixedPopulation"):
        sh.quantize(network, chip="loihi2", calibration=np.ones((5, 1, 2), bool))


def graded_network(loop=False, encoder="Delta"):
    """Input with payloads, an encoder, two hidden populations with a delay (and a loop), a readout that adds up."""
    rng = np.random.default_rng(2)
    kinds = {"enc": (encoder, 6), "h": ("SigmaDelta", 20), "g": ("SigmaDelta", 10)}
    populations = [
        sh.Population(name=n, neuron=sh.neuron(kind, size, v_threshold=0.02), bias=0.1 * (n == "h"))
        for n, (kind, size) in kinds.items()
    ]
    populations.append(sh.Population(name="out", neuron=sh.neuron("Sigma", 3, fires=False)))
    projections = [
        sh.Projection(pre="in", post="enc", weight=np.eye(6) / 16),
        sh.Projection(pre="enc", post="h", weight=rng.normal(0, 0.5, (20, 6))),
        sh.Projection(pre="h", post="g", weight=rng.normal(0, 0.4, (10, 20)), delay=1),
        sh.Projection(pre="g", post="out", weight=rng.normal(0, 0.5, (3, 10))),
    ]
    if loop:
        projections.append(sh.Projection(pre="g", post="h", weight=rng.normal(0, 0.03, (20, 10))))
    return sh.Network([sh.Input("in", 6, payload_bits=5)], populations, projections, ["out"], sh.Semantics(1e-3))


def graded_values(batch=4):
    return np.cumsum(RNG.integers(-2, 3, (60, batch, 6)), axis=0).clip(-31, 31)


@pytest.mark.slow
@pytest.mark.parametrize("loop", [False, True])
def test_graded_neurons_in_integers(loop):
    """Sigmas within the rounding of weights, which 4 bits leave 10 times as far as 8; nothing saturates."""
    network, values = graded_network(loop), graded_values()
    wanted = sh.run(network, values, "spec", record=("sigma",)).states["sigma"]
    errors = {}
    for bits in (4, 8):
        fixed = sh.quantize(network, chip="loihi2", calibration=values, weight_bits=bits)
        found = sh.run(fixed, values, "spec", record=("sigma",), on_overflow="error").states["sigma"]
        errors[bits] = max(
            np.abs(found[n] / fixed.population(n).scale - wanted[n]).max() / np.abs(wanted[n]).max() for n in wanted
        )
    assert errors[8] < 0.03
    assert errors[4] > 4 * errors[8]


@pytest.mark.slow
def test_what_comes_with_it(tmp_path):
    """Files, dequantisation, the report's words, the ladder and verify."""
    network, values = graded_network(), graded_values()
    fixed = sh.quantize(network, chip="loihi2", calibration=values)
    sh.save(fixed, tmp_path / "a.h5")
    assert [p.payload_bits for p in sh.load(tmp_path / "a.h5").populations] == [
        p.payload_bits for p in fixed.populations
    ]
    again = sh.dequantize(fixed)
    for ours, theirs in zip(again.projections, network.projections, strict=True):
        assert np.abs(ours.weight - theirs.weight).max() <= np.abs(theirs.weight).max() / 100
    whole = sh.run(fixed, values, "spec", record=("sigma",)).states["sigma"]["h"] / fixed.population("h").scale
    real = sh.run(again, values, "spec", record=("sigma",)).states["sigma"]["h"]
    assert np.abs(whole - real).max() < 1e-3  # payloads of 1 / 25,000 that are rounded down
    assert " u " not in str(fixed.report)
    ladder = sh.loss_ladder(network, values, [0, 1, 2, 0], fixed=fixed, decode="max_membrane")
    assert [r.step.value for r in ladder.alone] == ["weights", "decays", "thresholds"]
    assert ladder.rung("timing").same_as_float == 1.0
    found = sh.verify(network, fixed, values)
    assert {c.layer: c.voltage < 0.03 for c in found.layers} == dict.fromkeys(("enc", "h", "g", "out"), True)
    assert found.layers[0].different == 0


def test_a_chip_without_graded_spikes():
    with pytest.raises(UnsupportedError, match=r"population 'enc': spikes of .* carry 'message'.*loihi2"):
        sh.quantize(graded_network(), chip="loihi", calibration=graded_values())


@pytest.mark.slow
def test_payloads_that_count():
    """A table's entries are themselves on any chip."""
    network = sh.Network(
        [sh.Input("in", 8)],
        [
            sh.Population(name="p", neuron=sh.neuron(Tabled(), 12, tau_mem=1e-2)),
            sh.Population(
                name="out", neuron=sh.neuron("NonResettingLIF", 3, tau_syn=1e-3, tau_mem=2e-2, v_threshold=0.4)
            ),
        ],
        [
            sh.Projection(pre="in", post="p", weight=RNG.normal(0.2, 0.3, (12, 8))),
            sh.Projection(pre="p", post="out", weight=RNG.normal(0.02, 0.03, (3, 12))),
        ],
        ["out"],
        sh.Semantics(1e-3),
    )
    spikes = RNG.random((80, 2, 8)) < 0.3
    fixed = sh.quantize(network, chip="loihi2", calibration=spikes)
    found = sh.run(fixed, spikes, "spec", record=("spikes", "out"))
    peak = sh.run(network, spikes, "spec", record=("out",)).states["out"]["p"].max()
    assert fixed.population("p").payload_bits == int(2 * peak + 1).bit_length()  # a headroom of 2
    assert found.states["out"]["p"].max() > 4
    wanted = network.projection("p->out").weight
    assert np.abs(sh.dequantize(fixed).projection("p->out").weight - wanted).max() <= np.abs(wanted).max() / 100
