"""Events as a list of steps and neurons are told how to become spikes, by code that does so."""

from __future__ import annotations

import re

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import ShapeError


def test_a_list_of_events_is_told_how_it_becomes_spikes():
    network = sh.FixedNetwork(
        [sh.Input("in", 5)],
        [sh.FixedPopulation(name="p", size=1, vth=1)],
        [sh.FixedProjection(pre="in", post="p", weight=[[2, 2, 2, 2, 2]])],
        ["p"],
    )
    events = np.array([[0, 3], [2, 1], [2, 4], [7, 0]])
    with pytest.raises(ShapeError, match=r"of shape \(4, 2\).*list of \(step, neuron\)") as refused:
        sh.run(network, events)
    code = re.search(r"make spikes: (x = .*), (x\[.*)$", str(refused.value))
    assert code is not None
    place = {"numpy": np, "steps": 8, "events": events}
    for line in code.groups():
        exec(line, place)  # the advice of the message, which has to work
    assert np.argwhere(place["x"][:, 0]).tolist() == events.tolist()
    assert sh.run(network, place["x"], steps=9).spikes["p"][:, 0, 0].nonzero()[0].tolist() == [1, 3, 8]
