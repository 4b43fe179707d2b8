"""Corners of the way from float to integers that random networks seldom meet, each against its formula."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from test_quantization_bounds import CHIP, network

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.quantization.decays import closest_rate
from ssdp_hw.quantization.model_registers import register_codes
from ssdp_hw.quantization.normal_form import normal_form
from ssdp_hw.quantization.payloads import Carried, Payloads
from ssdp_hw.quantization.peaks import calibrated_peaks, closed_form_peaks
from ssdp_hw.quantization.state_rounding import LONGEST, step_bias_bound
from ssdp_hw.rules.batch_ssdp import BatchSSDP
from ssdp_hw.rules.derivation import fixed_rule
from ssdp_hw.rules.registry import KNOWN_RULES, rule_model, rule_names

LOIHI2 = sh.load_chip("loihi2")


@given(st.floats(1.001, 1.999))
def test_a_leak_between_one_unit_and_two_meets_the_nearer_time_constant(units):
    """The nearer by its factor: half way is the geometric mean, to which the mean of the logarithms belongs."""
    tau = -1 / np.log1p(-units / 4096)
    one, two = (abs(np.log(-1 / np.log1p(-k / 4096) / tau)) for k in (1, 2))
    if abs(one - two) > 1e-9:
        assert closest_rate(np.array([1 - units / 4096]), 12).tolist() == [1 if one < two else 2]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_constant_current_counts_on_its_own_side_alone(sign):
    """Of u: A+ and the current above, A- below, each for ever, so divided by the leak."""
    p = normal_form(network([[sign * 0.125, -sign * 1.0]], neuron=sh.CubaLI, tau_mem=4.0, tau_syn=2.0), "p")
    lasting = closed_form_peaks(p, CHIP).u  # 1 / (1 - d_u), with weights of at most 1
    driven = replace(p, constant_current=np.array([sign * 0.25 * abs(p.incoming[0].weight.signed_row_sums()[0][0])]))
    assert closed_form_peaks(driven, CHIP).u == pytest.approx(lasting)


@pytest.mark.parametrize("factor", [None, 4.0])
def test_a_silent_declared_neuron_may_reach_its_threshold(factor):
    """Without input no state moves, so that the threshold is the only voltage to be held."""
    neuron = sh.neuron("AdaptiveLIF", 2, tau_syn=5e-3, tau_mem=2e-2, tau_adapt=5e-2, jump=0.3, v_threshold=[0.5, 0.75])
    net = sh.Network(
        [sh.Input("in", 1)],
        [sh.Population(name="p", neuron=neuron)],
        [sh.Projection(pre="in", post="p", weight=np.ones((2, 1)))],
        ["p"],
        sh.Semantics(1e-3),
    )
    factors = None if factor is None else {"p": np.array([1.0, factor])}
    peaks = calibrated_peaks(net, np.zeros((5, 1, 1), bool), factors)["p"]
    assert (peaks.v, peaks.u, peaks.reached, peaks.payload) == (0.75 * (factor or 1.0), 0.0, 0.0, 0.0)


class Counter(NeuronModel):
    """It sends how often it was reached, or a voltage, by ``payload``."""

    name = "Counter"
    states = (State("v"), State("n", bits=6, unit=Unit.NUMBER))
    parameters = (Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),)
    payload = "n"

    def step(self, op, s, p, arriving):
        return {"v": s.v + arriving, "n": s.n}, op.fires(s.v, p.vth)


class Sender(Counter):
    name = "Sender"
    payload = "v"


@pytest.mark.parametrize(("peak", "headroom"), [(3.0, 2.0), (3.0, 0.5), (0.0, 2.0), (1e9, 2.0)])
def test_a_payload_in_volts_has_the_bits_of_its_peak_and_one_that_counts_those_of_its_state(peak, headroom):
    payloads = Payloads([], [], LOIHI2)
    sent = payloads.add(SimpleNamespace(name="a", payload="v", model=Sender()), peak, 100.0, headroom)
    largest = int(peak * max(headroom, 1.0) * sent.unit) + 1
    assert sent.bits == min(len(f"{largest:b}"), LOIHI2.payload_bits)
    counted = payloads.add(SimpleNamespace(name="b", payload="n", model=Counter()), peak, 100.0, headroom)
    assert counted == Carried(1.0, 5)
    assert (Carried().largest, Carried(1.0, 3).largest) == (1, 7)


def test_a_gain_beyond_its_register_is_refused_by_the_number_of_its_neuron():
    gain = Parameter("g", "coupling", Kind.GAIN, bits=12, places=6)
    assert register_codes(gain, np.array([0.5, 1.0, 2.0]), 1.0, LOIHI2, "p").tolist() == [32, 64, 128]
    with pytest.raises(ParameterError, match=r"coupling = 300 of neuron 1 is outside"):
        register_codes(gain, np.array([0.5, 300.0, 2.0]), 1.0, LOIHI2, "p")


@pytest.mark.parametrize(("offset", "du", "dv"), [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 2, 3), (1, 255, 5), (1, 0, 1)])
@pytest.mark.parametrize("scale", [None, 4.0])
def test_the_bound_of_rounding_is_the_sum_of_a_units_losses(offset, du, dv, scale):
    """u loses a unit in each of the steps that it lasts, v what u lost and a unit of its own, where they decay."""
    chip = replace(CHIP, name="coarse", decay_bits=8, current_decay_offset=offset)
    p = sh.FixedPopulation(name="p", size=1, du=du, dv=dv, spiking=False, scale=scale)
    projection = sh.FixedProjection(pre="in", post="p", weight=[[2]])
    net = sh.FixedNetwork([sh.Input("in", 1)], [p], [projection], ["p"], chip)
    rate = du + offset
    u = 256 / rate if 0 < rate < 256 else 0
    lasting = 256 / dv if dv else 256
    own = 1 if dv else 0
    unit = net.limits.state_max if scale is None else scale
    assert lasting < LONGEST
    assert step_bias_bound(net, net.population("p")) == pytest.approx((u + own) * lasting / unit)


@pytest.mark.parametrize("dt", [None, 2e-3])
def test_a_declared_model_without_dt_counts_its_time_constants_in_steps(dt):
    p = sh.FixedPopulation(name="p", size=2, model="AdaptiveLIF", parameters={"da": 1024, "jump": 5}, dv=512, vth=9)
    projection = sh.FixedProjection(pre="in", post="p", weight=[[2], [4]])
    back = sh.dequantize(sh.FixedNetwork([sh.Input("in", 1)], [p], [projection], ["p"], "loihi2", dt=dt))
    step = 1.0 if dt is None else dt
    assert back.semantics.dt == step
    acting = p.declared.parameters
    (decay,) = (q for q in acting if q.name == "da")
    found = back.population("p").neuron.parameter(decay.float_name)
    assert found == pytest.approx(step * 4096 / decay.acting(np.array([1024]), LOIHI2)[0])
    assert not any("without loss" in note for note in back.notes) or dt is None


def test_options_of_a_schedule_that_do_not_exclude_each_other():
    """Only what anneals sigma needs a smallest share and the Gaussian window."""
    assert BatchSSDP(schedule="cosine", epochs=5).factor(5) == 0
    assert BatchSSDP(schedule="cosine", epochs=5, learning_window="exponential", final=0.5).factor(5) == 0.5


def test_a_table_of_steps_takes_at_most_a_gibibyte():
    """One without a step is made of zeros, which take no memory before they are read."""
    rule = BatchSSDP(start_epoch=1)
    assert rule.table(11584).shape == (11585, 11585)
    with pytest.raises(ParameterError, match="windows of 11585 steps would take"):
        rule.table(11585)


def plain(scale):
    return sh.FixedProjection(pre="a", post="b", weight=np.zeros((2, 3), int), scale=scale)


def test_one_amplitude_is_enough_to_ask_for_the_scale_of_weights():
    """Without any a rule leaves weights alone, whatever their scale is."""
    nothing, one = (sh.rule("STDP", a_plus=a, a_minus=0.0) for a in (0.0, 0.01))
    fixed_rule(nothing, plain(None), CHIP)
    with pytest.raises(UnsupportedError, match="without a scale"):
        fixed_rule(one, plain(None), CHIP)
    assert fixed_rule(one, plain(2000.0), CHIP)[0].parameters["a_plus"] > 0


def test_a_weight_of_a_rule_is_in_weight_lsb():
    """Such as that below which a synapse starves."""
    rule = sh.rule("PruningSTDP", a_plus=0.01, a_minus=0.01, least=0.05)
    fixed, _ = fixed_rule(rule, plain(2000.0), CHIP)
    assert fixed.parameters["least"] == round(0.05 * 2000.0 / plain(None).format.step)


def test_where_the_amplitude_limits_the_counter_unit_is_as_fine_as_its_register_allows():
    fixed, _ = fixed_rule(sh.rule("STDP", a_plus=0.9, a_minus=0.5, counter_bits=32), plain(2000.0), CHIP)
    (bits,) = {q.bits for q in fixed.model.parameters if q.name == "a_plus"}
    assert fixed.parameters["dw_shift"] == 0
    assert 2 ** (bits - 1) <= fixed.parameters["a_plus"] < 2**bits


def test_rules_of_other_packages_are_asked_for_by_their_group(monkeypatch):
    asked = []
    monkeypatch.setattr(metadata, "entry_points", lambda **by: asked.append(by) or [])
    monkeypatch.delitem(KNOWN_RULES.__dict__, "entry_points", raising=False)
    assert "SSDP" in rule_names()
    assert asked == [{"group": "ssdp_hw.rules"}]
    with pytest.raises(ParameterError, match="learning rule 'Nothing' is unknown"):
        rule_model("Nothing")
    monkeypatch.delitem(KNOWN_RULES.__dict__, "entry_points", raising=False)
