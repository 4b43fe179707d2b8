"""What a network's output is asked by where nobody said so: spikes, or, of a readout that never fires, its voltage."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command_calls import call

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.running.many import run_many
from ssdp_hw.sweeping.quantised import quantised

READOUTS = {
    "LI": lambda: sh.LI(size=4, tau_mem=5.0),
    "CubaLI": lambda: sh.CubaLI(size=4, tau_mem=5.0, tau_syn=3.0),
    "I": lambda: sh.I(size=4),
    "a model that never fires": lambda: sh.neuron("Sigma", 4),
}


def network(*neurons):
    """A hidden layer, and these as outputs."""
    rng = np.random.default_rng(1)
    hidden = sh.Population(name="hidden", neuron=sh.LIF(size=8, tau_mem=5.0, v_threshold=0.3))
    outputs = [sh.Population(name=f"out{k}", neuron=neuron) for k, neuron in enumerate(neurons)]
    projections = [sh.Projection(pre="in", post="hidden", weight=rng.normal(0.4, 0.6, (8, 10)))]
    projections += [sh.Projection(pre="hidden", post=p.name, weight=rng.normal(0, 0.5, (4, 8))) for p in outputs]
    return sh.Network(
        [sh.Input("in", 10)], [hidden, *outputs], projections, [p.name for p in outputs], sh.Semantics(1.0)
    )


SPIKES = np.random.default_rng(2).random((20, 30, 10)) < 0.3


# Two kinds of state by default.
@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", READOUTS)
def test_a_readout_is_asked_by_its_voltage(name, tmp_path):
    net = network(READOUTS[name]())
    fixed = sh.quantize(net, "loihi2", calibration=SPIKES)
    length = len(SPIKES) + net.latency
    run = sh.run(net, SPIKES, record=("v",), steps=length)
    classes = run.v["out0"].max(axis=0).argmax(axis=1)
    assert len(set(classes)) > 1  # else a wrong rule could not be told
    np.testing.assert_array_equal(run.predict(), classes)
    np.testing.assert_array_equal(run_many(net, SPIKES).predictions["out0"], classes)
    compared = sh.compare(net, fixed, SPIKES, classes)
    assert compared.decode == "max_membrane"
    assert {row.accuracy.value for row in compared.rows if row.arithmetic == "float"} == {1.0}
    ladder = sh.loss_ladder(net, SPIKES, classes, fixed=fixed, alone=False, by_layer=False)
    assert (ladder.decode, ladder.cumulative[0].accuracy.value) == ("max_membrane", 1.0)
    assert quantised(net, SPIKES, classes, chip="loihi2", calibration=SPIKES)["float_accuracy"] == 1.0
    page = sh.report(tmp_path / "page.html", net, SPIKES, classes, fixed=fixed, ladder=False, prove=False)
    assert page.agreement["decode"] == "max_membrane"
    assert page.agreement["runs"]["float"]["right"] == len(classes)


@pytest.mark.parametrize("rule", ["spike_count", "first_spike"])
def test_spikes_of_a_readout_are_not_counted(rule):
    net = network(sh.LI(size=4, tau_mem=5.0))
    fixed, labels = sh.quantize(net, calibration=SPIKES), np.zeros(30, np.int64)
    said = f"decode = '{rule}' goes by spikes, and output 'out0' is a readout that never fires; decode = 'max_membrane'"
    for asked in (
        lambda: sh.run(net, SPIKES, record=("spikes", "v")).predict(rule),
        lambda: run_many(net, SPIKES, decode=rule),
        lambda: sh.compare(net, fixed, SPIKES, labels, decode=rule),
        lambda: sh.loss_ladder(net, SPIKES, labels, fixed=fixed, decode=rule),
    ):
        with pytest.raises(ParameterError, match=said):
            asked()
    with pytest.raises(ParameterError, match=r"needs 'v' of population 'out0' recorded: run it with record"):
        sh.run(net, SPIKES).predict()


def test_each_of_several_outputs_has_its_rule(tmp_path):
    net = network(sh.LIF(size=4, tau_mem=5.0, v_threshold=0.2), sh.LI(size=4, tau_mem=5.0))
    run = sh.run(net, SPIKES, record=("spikes", "v"), steps=len(SPIKES) + net.latency)
    found = run_many(net, SPIKES).predictions
    np.testing.assert_array_equal(found["out0"], run.predict("spike_count", "out0"))
    np.testing.assert_array_equal(found["out1"], run.predict("max_membrane", "out1"))
    net.save(tmp_path / "net.h5")
    np.savez(tmp_path / "spikes.npz", spikes=SPIKES)
    words = ["run", tmp_path / "net.h5", "--spikes", tmp_path / "spikes.npz"]
    told = json.loads(call(*words, "--json").stdout)
    assert told["predictions"] == {name: classes.tolist() for name, classes in found.items()}
    assert "spike_count of out0" in call(*words).stdout
    assert "max_membrane of out1" in call(*words).stdout
    assert "--decode" not in call(*words, "--decode", "max_membrane").stderr
    refused = call(*words, "--decode", "spike_count")
    assert (refused.returncode, "output 'out1' is a readout" in refused.stderr) == (2, True)


def test_a_stream_counts_no_spikes_of_a_readout():
    net = network(sh.LI(size=4, tau_mem=5.0))
    streamed = sh.stream(net, [SPIKES[:9], SPIKES[9:]], target="engine")
    assert streamed.predict("hidden").shape == (30,)
    with pytest.raises(ParameterError, match="'out0' is a readout that never fires, and a stream counts spikes"):
        streamed.predict()
