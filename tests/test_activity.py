import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import drives_for, fixed_networks

import ssdp_hw as sh
from ssdp_hw.running.drive import make_drive


@examples(100, default=15)
@given(st.data())
def test_operations_are_those_of_a_count_synapse_by_synapse(data):
    network = data.draw(fixed_networks())
    spikes = data.draw(drives_for(network))
    drive = make_drive(network, spikes)
    found = sh.measure_activity(network, spikes, "spec", steps=drive.steps)
    run = sh.run(network, spikes, "spec", on_overflow="ignore")
    rasters = {**drive.spikes, **run.spikes}
    operations = 0
    for p in network.projections:
        post, pre = p.synapse_indices
        for j, i, w in zip(post, pre, p.synapse_weights, strict=True):
            assert 0 <= j < p.shape[0]
            if w != 0:
                operations += int(rasters[p.pre][:, :, i].sum())
    assert found.effective_acs == pytest.approx(operations / drive.batch)
    assert found.effective_acs <= found.dense_operations
    neurons = sum(p.size for p in network.populations)
    assert found.membrane_updates == neurons * drive.steps
    assert 0 <= found.activation_sparsity <= 1
    assert found.energy_nj["synaptic_operation"] == pytest.approx(23.6e-3 * found.effective_acs)


def test_a_float_network_has_no_energy():
    network = sh.Network(
        [sh.Input("in", 2)],
        [sh.Population(name="p", neuron=sh.LIF(size=2, tau_mem=0.01))],
        [sh.Projection(pre="in", post="p", weight=np.eye(2))],
        ["p"],
        sh.Semantics(1e-3),
    )
    found = sh.measure_activity(network, np.ones((4, 3, 2), bool), "spec")
    assert found.energy_nj == {}
    assert found.connection_sparsity == 0.5
    assert found.input_spikes == 8
    assert found.steps == 5
    assert len(found.lines()) == 2


def test_products_of_analog_input_are_counted_by_themselves():
    """Ones in every step act as spikes in every step do; the chip gets their sums, and its synapses do nothing."""
    rng = np.random.default_rng(0)
    weight = 2 * rng.integers(-20, 60, (5, 4)) * (rng.random((5, 4)) < 0.7)
    network = sh.FixedNetwork(
        [sh.Input("in", 4)],
        [sh.FixedPopulation(name=name, size=5, du=4095, dv=100, vth=60) for name in ("a", "b")],
        [
            sh.FixedProjection(pre="in", post="a", weight=weight, scale=64.0),
            sh.FixedProjection(pre="a", post="b", weight=2 * rng.integers(1, 60, (5, 5)), scale=64.0),
        ],
        ["b"],
    )
    spikes = sh.measure_activity(network, np.ones((9, 3, 4), bool), "spec", steps=9)
    values = np.ones((3, 4))
    values[0] = 0  # a value of 0 multiplies nothing
    analog = sh.measure_activity(network, sh.DirectInput(values, 9), "spec", steps=9)
    inputs = np.count_nonzero(weight) * 9
    assert spikes.analog_products == 0
    assert analog.analog_products == pytest.approx(2 / 3 * inputs)
    assert analog.dense_operations == spikes.dense_operations - weight.size * 9
    run = sh.run(network, sh.DirectInput(values, 9), "spec", steps=9)
    assert analog.effective_acs == pytest.approx(run.spikes["a"].sum() / 3 * 5)
    assert "the products of analog input with weights" in analog.unpriced
    assert "products of analog input off the chip" in analog.lines()[0]
