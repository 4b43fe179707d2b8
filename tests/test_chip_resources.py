from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import fixed_networks

import ssdp_hw as sh
from ssdp_hw.chips import load_chip


def dense(pre, post, **projection):
    weight = np.full((post, pre), 2)
    population = sh.FixedPopulation(name="p", size=post, vth=1)
    return sh.FixedNetwork(
        [sh.Input("in", pre)],
        [population],
        [sh.FixedProjection(pre="in", post="p", weight=weight, **projection)],
        ["p"],
    )


def test_figures_carry_unit_and_source():
    for group in ("core", "energy"):
        figures = load_chip("loihi").figures(group)
        assert figures
        assert all(f.unit and f.source and f.value > 0 for f in figures.values())
    assert load_chip("loihi").figures("moon") == {}


def test_compartments_bind():
    (p,) = sh.resources(dense(1, 2049)).populations
    assert (p.cores, p.bound_by) == (3, "compartments")
    assert p.used["compartments"] == 683 / 1024


def test_synaptic_memory_binds():
    # A row of 4,000 8-bit weights is 4,000 bytes: 32 of them fit into 131,072 bytes, 33 do not.
    (one,) = sh.resources(dense(4000, 32)).populations
    (two,) = sh.resources(dense(4000, 33)).populations
    assert (one.cores, one.synaptic_bytes) == (1, 128_000)
    assert two.cores == 2
    assert two.used["synaptic_memory"] == 17 * 4000 / 131_072


def test_delays_take_bits():
    delays = np.zeros((4, 8), int)
    delays[0, 0] = 5
    (plain,), (delayed,) = (sh.resources(dense(8, 4, delay=d)).populations for d in (0, delays))
    assert delayed.synaptic_bytes == plain.synaptic_bytes * 14 / 8


def test_too_many_input_axons_never_fit():
    found = sh.resources(dense(4097, 4))
    assert not found.fits
    assert found.populations[0].used["input_axons"] == 4097 / 4096
    assert "DOES NOT FIT" in found.lines()[0]


def test_output_axons_count_every_core_that_is_reached():
    # 1,000 neurons reach 5 cores of the second population: 5,000 axons, more than one core has.
    populations = [sh.FixedPopulation(name="a", size=1000, vth=1), sh.FixedPopulation(name="b", size=5000, vth=1)]
    diagonal = sp.csr_array(np.eye(5000, 1000, dtype=int) * 2)
    network = sh.FixedNetwork(
        [sh.Input("in", 1)],
        populations,
        [
            sh.FixedProjection(pre="in", post="a", weight=np.full((1000, 1), 2)),
            sh.FixedProjection(pre="a", post="b", weight=diagonal),
        ],
        ["b"],
    )
    a, b = sh.resources(network).populations
    assert b.cores == 5
    assert a.cores == 2
    assert a.used["output_axons"] == 500 * 5 / 4096


@examples(100, default=30)
@given(st.data())
def test_every_network_is_accounted_for(data):
    network = data.draw(fixed_networks())
    found = sh.resources(network)
    assert found.cores == sum(p.cores for p in found.populations)
    assert sum(p.synapses for p in found.populations) == sum(p.synapse_weights.size for p in network.projections)
    bits = sum(p.synapse_weights.size * p.format.bits for p in network.projections)
    assert sum(p.synaptic_bytes for p in found.populations) >= bits / 8
    assert found.fits


def test_a_chip_without_figures_is_refused():
    with pytest.raises(sh.SsdpHwError, match="'loihi2': its file has no figures for cores"):
        sh.resources(replace(dense(2, 2), chip="loihi2"))
