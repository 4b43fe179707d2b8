import numpy as np
import pytest

from ssdp_hw import LI, LIF, CubaLIF, Input, Network, Population, Projection, Semantics
from ssdp_hw.errors import ParameterError, ShapeError


def network(tau=0.01, semantics=None):
    populations = [
        Population(name="a", neuron=CubaLIF(size=3, tau_mem=0.02, tau_syn=tau)),
        Population(name="b", neuron=LI(size=2, tau_mem=0.02)),
    ]
    projections = [
        Projection(pre="x", post="a", weight=np.ones((3, 4))),
        Projection(pre="a", post="b", weight=np.ones((2, 3))),
    ]
    return Network([Input("x", 4)], populations, projections, ["b"], semantics or Semantics(1e-3), ["a note"])


@pytest.mark.parametrize("dt", [0, -1e-3, np.nan, np.inf, "fast", None])
def test_dt(dt):
    with pytest.raises(ParameterError, match="dt"):
        Semantics(dt)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"discretization": "rk4"}, "Discretization 'rk4' is unknown; there are: 'euler', 'exponential'"),
        ({"update_order": "random"}, "UpdateOrder 'random' is unknown"),
    ],
)
def test_semantics_by_name(more, words):
    with pytest.raises(ParameterError, match=words):
        Semantics(1e-3, **more)
    assert Semantics(1e-3, "exponential", "voltage_first").to_dict() == {
        "dt": 1e-3,
        "discretization": "exponential",
        "update_order": "voltage_first",
    }


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"name": ""}, ParameterError, "population: the name"),
        ({"bias": [1, 2, 3]}, ShapeError, "population 'p': bias has 3 values for 2 neurons"),
        ({"bias": np.nan}, ParameterError, "population 'p': bias has a NaN"),
        ({"reset": "soft"}, ParameterError, "Reset 'soft' is unknown"),
        ({"threshold": "<"}, ParameterError, "Comparison '<' is unknown"),
    ],
)
def test_populations(more, error, words):
    with pytest.raises(error, match=words):
        Population(**({"name": "p", "neuron": LIF(size=2, tau_mem=0.1)} | more))


def test_bias_is_one_a_neuron():
    assert Population(name="p", neuron=LIF(size=2, tau_mem=0.1), bias=3).bias.tolist() == [3, 3]


def test_dt_too_large_names_the_population():
    with pytest.raises(ParameterError, match=r"population 'a': CubaLIF: dt = 0\.001 s is larger than tau_syn"):
        network(tau=5e-4)
    network(tau=5e-4, semantics=Semantics(1e-3, "exponential"))


def test_only_a_current_based_neuron_can_see_an_old_current():
    net = network(semantics=Semantics(1e-3, update_order="voltage_first"))
    assert [net.uses_old_current(n) for n in "ab"] == [True, False]
    assert not network().uses_old_current("a")


def test_with_weights():
    net = network()
    other = net.with_weights({"x->a": np.full((3, 4), 7.0)})
    assert other.projection("x->a").weight[0, 0] == 7
    assert net.projection("x->a").weight[0, 0] == 1
    assert other.projection("a->b") is net.projection("a->b")
    assert other.notes == ("a note",)
    with pytest.raises(ParameterError, match="'nothing' is no projection"):
        net.with_weights({"nothing": 1})
    with pytest.raises(ShapeError, match="x->a"):
        net.with_weights({"x->a": np.ones((4, 3))})
