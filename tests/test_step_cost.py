"""Operations and registers of a step, against counts by hand."""

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State


def cost(model, **values):
    p = sh.FixedPopulation(name="p", size=2, model=model, **values)
    weight = sh.FixedProjection(pre="in", post="p", weight=np.zeros((2, 1), int))
    return sh.step_costs(sh.FixedNetwork([sh.Input("in", 1)], [p], [weight], ["p"], chip="loihi2"))[0]


class Counter(NeuronModel):
    """Adds its input up, and reads the sum twice."""

    name = "Counter"
    states = (State("v", bits=12),)
    parameters = (Parameter("vth", "v_threshold", Kind.LEVEL, bits=9),)

    def step(self, op, s, p, arriving):
        v = op.saturate(s.v + arriving, "v")
        return {"v": op.select(v > p.vth, 0, v)}, v > p.vth


def test_a_step_that_is_counted_at_a_glance():
    """A value that is written twice is two; the comparison of the saturation's count is none."""
    found = cost(Counter(), vth=3)
    assert found.operations == {"add": 1, "maximum": 1, "minimum": 1, "less": 2, "select": 1}
    assert (found.states, found.parameters) == ({"v": 12}, {"vth": 9, "bias": 13})
    assert "6 operations a step" in str(found)


def test_the_cuba_lif():
    """Two decays, each 4096 - rate, a product and its rounding toward zero (compare, choose, add, shift); input; a wrap
    (2 compare, 2 choose, add, subtract); current and bias; the limits; a comparison; the reset."""
    found = cost("CubaLIF", vth=3)
    assert found.operations == {
        "subtract": 2 + 1,
        "multiply": 2,
        "less": 2 + 1 + 1,
        "less_equal": 1,
        "select": 2 + 2 + 1,
        "add": 2 + 1 + 1 + 2,
        "shift_right": 2,
        "maximum": 1,
        "minimum": 1,
    }
    assert sum(found.operations.values()) == 25
    assert found.states == {"u": 24, "v": 24}


def test_readouts_and_what_is_no_fixed_network():
    assert sum(cost("CubaLIF", spiking=False).operations.values()) < 25
    with pytest.raises(ParameterError, match="takes a FixedNetwork"):
        sh.step_costs(3)
