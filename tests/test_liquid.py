"""The study of a liquid with an astrocyte: its estimate of the branching factor, and that every row of it runs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp


@pytest.fixture(scope="module")
def study(studies):
    return studies.liquid


def ring(study, share):
    """A liquid in which a spike makes the next neuron fire, of so large a share of the neurons."""
    given = study.liquid(0, study.drawn()[0])
    size = study.LIQUID
    live = np.arange(round(share * size))
    lines = np.arange(study.INPUTS)
    weights = {
        "in->liquid": sp.csr_array((np.full(lines.size, 2.0), (3 * lines, lines)), shape=(size, lines.size)),
        "excitatory": sp.csr_array((np.full(live.size, 2.0), ((live + 1) % size, live)), shape=(size, size)),
        "inhibitory": sp.csr_array((size, size)),
    }
    return given.with_weights(weights)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("share", [1.0, 0.0])
def test_the_branching_factor_of_a_ring_is_that_of_its_synapses(study, share):
    spikes = np.random.default_rng(1).random((study.STEPS, 1000, study.INPUTS)) < 0.0005
    assert abs(study.branching(ring(study, share), spikes, 0) - share) < 0.02


@pytest.mark.slow
def test_every_row_is_measured(study):
    """With one setting all rows are near each other, in real numbers and in integers."""
    quiet = {"drive": 0.5, "recurrence": 0.05, "inhibition": 1.0, "amplitude": 1e-5, "depression": 1.0}
    setting = quiet | {"coupling": 0.02, "tau": 20.0}
    found = study.measured(0, dict.fromkeys(study.ROWS, setting))
    assert {row.rpartition(",")[0] for row in found} == set(study.ROWS)
    for accuracy, rate, factor in found.values():
        assert accuracy > 0.9
        assert 0.01 < rate < 0.2
        assert abs(factor) < 0.3
