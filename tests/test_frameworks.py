"""Presets against the frameworks themselves, and the frameworks against what was recorded of them.

``make test-frameworks`` installs some of them; elsewhere each is skipped where it is missing.
"""

import frameworks
import numpy as np
import pytest
from test_presets import CASES, TOLERANCE, bits

# Frameworks and the libraries below them warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", CASES)
def test_framework(name):
    case = CASES[name]
    pytest.importorskip(frameworks.MODULES[case.preset].split(".")[0], exc_type=ImportError)
    if case.preset == "lava-dl":
        pytest.importorskip("torch")
        pytest.importorskip("lava.lib")
    theirs = frameworks.run(case)
    spikes, voltage = frameworks.disagreement(case, frameworks.ours(case, case.graph), theirs)
    assert spikes == 0
    assert voltage < TOLERANCE.get(case.preset, 5e-6)
    with np.load(frameworks.RECORDED) as recorded:
        for neuron, (fired, v) in theirs.items():
            assert np.array_equal(bits(recorded[f"{name}/{neuron}/spikes"], fired.shape), fired)
            assert np.allclose(recorded[f"{name}/{neuron}/v"], v, atol=1e-6)
