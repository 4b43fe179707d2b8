"""Everything that takes a network, tried on each neuron model that comes with the toolkit, on random parameters."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.models.registry import model_names, neuron_model
from ssdp_hw.testing import generation

LABELS = np.array([0, 1, 2, 0])


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


@pytest.mark.slow
@pytest.mark.parametrize("name", model_names())
def test_a_model_goes_through_everything(name, tmp_path):
    """From float to integers and back, by every analysis, through files, into a report and pictures."""
    model = neuron_model(name)
    network = generation.float_network(model, 1)
    spikes = generation.spikes(1, steps=30, batch=len(LABELS))
    fixed = sh.quantize(network, chip="loihi2", calibration=spikes)

    ladder = sh.loss_ladder(network, spikes, LABELS, fixed)
    runs = [sh.run(one, spikes, steps=ladder.steps, on_overflow="ignore").spikes["first"] for one in (network, fixed)]
    common, either = ((runs[0] & runs[1]).sum(), (runs[0] | runs[1]).sum())
    assert ladder.cumulative[0].accuracy.value == np.mean(
        sh.run(network, spikes, record=("spikes", "v"), steps=ladder.steps).predict() == LABELS
    )
    assert ladder.cumulative[-1].layers[0].agreement == pytest.approx(common / either if either else 1.0)

    back = sh.dequantize(fixed).population("first").neuron
    for q in model.parameters:
        assert np.shape(back.parameter(q.float_name)) == (back.size,)

    states = ("spikes", *fixed.population("first").state_names)
    for one, file in ((network, "float.h5"), (fixed, "fixed.h5")):
        sh.save(one, tmp_path / file)
        before, after = (sh.run(n, spikes, "spec", record=states) for n in (one, sh.load(tmp_path / file)))
        for state in states:
            assert np.array_equal(before.recorded(state)["first"], after.recorded(state)["first"]), state

    found = sh.verify(network, fixed, spikes)
    assert "first" in str(found)
    proof = sh.prove(fixed)
    assert all(r.neurons <= r.size for r in proof.registers)
    (cost,) = sh.step_costs(fixed)
    assert cost.model == name
    assert cost.states.keys() == {s.name for s in model.states}

    sh.report(tmp_path / "report.html", network, spikes, LABELS, fixed)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{name}</td>" in page  # the table of populations
    ladder.plot()
    fixed.plot()
    result = sh.run(fixed, spikes, record=("spikes", "v"))
    result.plot()

    with pytest.raises(UnsupportedError, match=r"'first'"):
        sh.write_nir(network, tmp_path / "refused.nir")
