"""The specification and the engine against emulators of Loihi that others wrote, spike by spike and volt by volt.

What nengo-loihi 1.1.0 and brian2-loihi 0.5.2 did on the first networks is recorded in ``data/emulators.npz``
(``python tests/emulator_networks.py <interpreter>`` records it). ``make test-emulators`` runs them themselves.
"""

import os

import numpy as np
import pytest
from emulator_networks import RECORDED, differences, learns, random_network, run_emulators, with_origin

import ssdp_hw as sh

PYTHON = os.environ.get("SSDP_HW_EMULATORS")
COUNT = int(os.environ.get("SSDP_HW_EMULATED_NETWORKS", "400"))

with np.load(RECORDED) as file:
    RECORDING = {name: file[name] for name in file.files}
NUMBERS = sorted({int(name.split("/")[0]) for name in RECORDING})


# By default every second.
@pytest.mark.slow_after(3)
@pytest.mark.parametrize("number", NUMBERS)
def test_recorded_networks(number):
    assert differences(number, RECORDING, "spec") == []
    assert differences(number, RECORDING, "engine") == []


@pytest.mark.slow
def test_the_recording_holds_every_exponent_delays_loops_and_learned_weights():
    networks = [random_network(number)[0] for number in NUMBERS]
    projections = [q for n in networks for q in n.projections]
    assert {q.weight_exp for q in projections} == set(range(-4, 5))
    assert any(np.any(q.delay) for q in projections)
    assert any(q.pre == q.post for q in projections)
    assert any(np.any(p.bias) for n in networks for p in n.populations)
    assert {q.format.sign_mode for q in projections} == {"mixed", "excitatory", "inhibitory"}


@pytest.mark.slow
def test_the_weights_that_learned_moved_at_exponents_of_every_sign():
    moved = set()
    for network, _, drawn in map(with_origin, filter(learns, NUMBERS)):
        pairs = zip(network.projections, drawn.projections, strict=True)
        moved |= {int(np.sign(q.weight_exp)) for q, before in pairs if np.mean(q.weight != before.weight) > 0.1}
    assert moved == {-1, 0, 1}


def test_a_weight_with_bits_below_the_shift_would_differ():
    """The grid is what makes both meanings one: Lava's shift of a sum and the chip's of each weight."""
    weight = np.array([[6, 6]])
    assert (weight.sum() >> 3, (weight >> 3).sum()) == (1, 0)
    grid = sh.WeightFormat().at_exponent(-3).floored(weight)
    assert grid.sum() >> 3 == (grid >> 3).sum()


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="SSDP_HW_EMULATORS names an interpreter that has the emulators")
def test_networks_on_the_emulators_themselves():
    emulated = run_emulators(list(range(COUNT)), PYTHON)
    found = [d for number in range(COUNT) for d in differences(number, emulated, "engine")]
    assert found == []
