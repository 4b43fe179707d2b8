import numpy as np
import pytest
import scipy.sparse as sp

from ssdp_hw import (
    LIF,
    CubaLIF,
    DirectInput,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Input,
    Network,
    Population,
    Projection,
    Semantics,
    encode,
    run,
)
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.running.drive import make_drive


def fixed(weight=None, **population):
    weight = np.array([[2, -4, 6], [8, 10, -12]]) if weight is None else weight
    p = FixedPopulation(**({"name": "p", "size": 2, "vth": 100} | population))
    return FixedNetwork([Input("in", 3)], [p], [FixedProjection(pre="in", post="p", weight=weight)], ["p"])


def two_inputs():
    projections = [
        Projection(pre="a", post="p", weight=np.ones((2, 3))),
        Projection(pre="b", post="p", weight=np.ones((2, 1))),
    ]
    population = Population(name="p", neuron=LIF(size=2, tau_mem=0.01), bias=[1.0, 2.0])
    return Network([Input("a", 3), Input("b", 1)], [population], projections, ["p"], Semantics(1e-3))


@pytest.mark.parametrize("dtype", [bool, np.uint8, int, np.float32, float])
def test_spikes_of_any_type(dtype):
    spikes = np.random.default_rng(0).integers(0, 2, (5, 4, 3))
    drive = make_drive(fixed(), spikes.astype(dtype))
    assert drive.spikes["in"].dtype == bool
    np.testing.assert_array_equal(drive.spikes["in"], spikes)
    assert (drive.steps, drive.batch) == (5, 4)


@pytest.mark.parametrize(
    "spikes",
    [
        np.full((2, 1, 3), 2),
        np.full((2, 1, 3), -1),
        np.full((2, 1, 3), 0.5),
        np.full((2, 1, 3), np.nan),
        np.full((2, 1, 3), "1"),
        np.full((2, 1, 3), 1j),
        np.full((2, 1, 3), None),
    ],
)
def test_what_is_no_spike(spikes):
    with pytest.raises(ParameterError, match="input 'in': spikes must be 0 or 1"):
        make_drive(fixed(), spikes)


@pytest.mark.parametrize(
    "spikes",
    [
        np.zeros((2, 3)),
        np.zeros((2, 1, 4)),
        np.zeros((1, 2, 1, 3)),
        0,
        None,
        "spikes",
        sp.csr_array((2, 3)),
        [[[0, 1, 0]], [[0, 1]]],
    ],
)
def test_other_shapes(spikes):
    with pytest.raises(ShapeError, match="input 'in'"):
        make_drive(fixed(), spikes)


@pytest.mark.parametrize("shape", [(0, 1, 3), (1, 0, 3)])
def test_nothing_to_do(shape):
    with pytest.raises(ParameterError, match="at least 1 of each"):
        make_drive(fixed(), np.zeros(shape))


def test_more_steps_are_silent_and_fewer_are_refused():
    spikes = np.ones((2, 1, 3))
    drive = make_drive(fixed(), spikes, 5)
    assert drive.steps == 5
    assert drive.spikes["in"].sum(axis=(1, 2)).tolist() == [3, 3, 0, 0, 0]
    for steps in (1, 0, -3):
        with pytest.raises(ParameterError, match=f"steps = {steps} is below the 2"):
            make_drive(fixed(), spikes, steps)


@pytest.mark.parametrize("steps", [2.5, "3", True, np.float64(4)])
def test_steps_are_whole(steps):
    for given in (np.ones((1, 1, 3)), DirectInput(np.ones((1, 3)), 1)):
        with pytest.raises(ParameterError, match="steps"):
            make_drive(fixed(), given, steps)


def test_several_inputs_by_name():
    drive = make_drive(two_inputs(), {"b": np.ones((2, 1, 1)), "a": np.zeros((2, 1, 3))})
    assert drive.spikes["b"].all()
    assert not drive.spikes["a"].any()
    for inputs in ({"a": np.zeros((2, 1, 3))}, {"a": 0, "b": 0, "c": 0}):
        with pytest.raises(ParameterError, match="the inputs are"):
            make_drive(two_inputs(), inputs)
    with pytest.raises(ParameterError, match="2 inputs; give a dict"):
        make_drive(two_inputs(), np.zeros((2, 1, 3)))
    with pytest.raises(ShapeError, match="differ in"):
        make_drive(two_inputs(), {"a": np.zeros((2, 1, 3)), "b": np.zeros((3, 1, 1))})


def test_select_is_a_part_of_the_batch():
    spikes = np.random.default_rng(0).random((4, 5, 3)) < 0.5
    part = make_drive(fixed(), spikes).select(3, 8)
    assert part.batch == 2
    np.testing.assert_array_equal(part.spikes["in"], spikes[:, 3:5])
    direct = make_drive(fixed(), DirectInput(np.arange(15.0).reshape(5, 3), 4))
    np.testing.assert_array_equal(direct.select(1, 3).bias["p"], direct.bias["p"][1:3])


# Direct input: the first weights act once, on the host, and their sum is a bias.


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_direct_input_of_a_float_network(form):
    weight = np.random.default_rng(0).normal(size=(2, 3))
    population = Population(name="p", neuron=LIF(size=2, tau_mem=0.01), bias=[1.0, -1.0])
    net = Network(
        [Input("in", 3)],
        [population],
        [Projection(pre="in", post="p", weight=form(weight))],
        ["p"],
        Semantics(1e-3),
    )
    values = np.random.default_rng(1).normal(size=(4, 3))
    drive = make_drive(net, encode(values, "direct", steps=7))
    assert (drive.steps, drive.batch) == (7, 4)
    assert not drive.spikes["in"].any()
    np.testing.assert_allclose(drive.float_bias(net, "p"), values @ weight.T + [1.0, -1.0])


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("weight_exp", [-2, 0, 3])
def test_direct_input_of_a_fixed_network(form, weight_exp):
    """bias_mant << bias_exp is (W x 2**weight_exp) << 6 plus the own bias, to half a unit of the exponent."""
    weight = np.array([[4, -8, 12], [16, 20, -24]])
    p = FixedPopulation(name="p", size=2, vth=100, bias_mant=[5, -7], bias_exp=3)
    q = FixedProjection(pre="in", post="p", weight=form(weight), weight_exp=weight_exp)
    net = FixedNetwork([Input("in", 3)], [p], [q], ["p"])
    values = np.random.default_rng(1).uniform(0, 3, (40, 3))
    drive = make_drive(net, DirectInput(values, 2))
    exact = values @ weight.T * 2.0**weight_exp * 64 + [40, -56]
    assert np.abs(drive.fixed_bias(net, "p") - exact).max() <= 2.0 ** drive.bias_exp["p"] / 2
    assert np.abs(drive.bias["p"]).max() <= 4095
    smaller = drive.bias_exp["p"] - 1
    assert smaller < 0 or np.abs(exact).max() > 4095 * 2**smaller  # the finest exponent that fits


def test_own_bias_without_direct_input():
    net = fixed(bias_mant=[3, 4], bias_exp=2)
    assert make_drive(net, np.zeros((1, 2, 3))).fixed_bias(net, "p").tolist() == [[12, 16]]
    float_net = two_inputs()
    drive = make_drive(float_net, {"a": np.zeros((1, 1, 3)), "b": np.zeros((1, 1, 1))})
    assert drive.float_bias(float_net, "p").tolist() == [[1, 2]]


def test_direct_input_that_a_network_cannot_take():
    values = np.ones((1, 3))
    with pytest.raises(UnsupportedError, match="exactly one input"):
        make_drive(two_inputs(), DirectInput(values, 2))
    with pytest.raises(UnsupportedError, match=r"population 'p'.*needs du = 4095"):
        make_drive(fixed(du=100), DirectInput(values, 2))
    with pytest.raises(ParameterError, match=r"population 'p'.*scale the input down"):
        make_drive(fixed(), DirectInput(values * 1e4, 2))


@pytest.mark.parametrize(
    ("values", "steps", "error", "words"),
    [
        (np.ones(3), 2, ShapeError, "direct input of shape"),
        (np.ones((2, 4)), 2, ShapeError, "direct input of shape"),
        (np.ones((0, 3)), 2, ShapeError, "direct input of shape"),
        ([[1, 2], [3]], 2, ParameterError, "direct input"),
        ([["a", "b", "c"]], 2, ParameterError, "direct input"),
        (np.full((1, 3), np.nan), 2, ParameterError, "NaN"),
        (np.ones((1, 3)), 0, ParameterError, "steps"),
        (np.ones((1, 3)), 1.5, ParameterError, "steps"),
    ],
)
def test_malformed_direct_input(values, steps, error, words):
    with pytest.raises(error, match=words):
        make_drive(fixed(), DirectInput(values, steps))


def test_direct_current_based_float_network_keeps_its_synapse():
    """In a float network the constant is part of S, before the synaptic current."""
    net = Network(
        [Input("in", 1)],
        [Population(name="p", neuron=CubaLIF(size=1, tau_mem=0.01, tau_syn=0.01))],
        [Projection(pre="in", post="p", weight=[[2.0]])],
        ["p"],
        Semantics(1e-3),
    )
    assert make_drive(net, DirectInput(np.array([[1.5]]), 1)).float_bias(net, "p").item() == 3.0


def test_input_beyond_the_memory_limit_is_refused_before_it_is_made():
    with pytest.raises(ParameterError, match=r"input of 1000000000000 steps would take .* GiB; the limit is 8 GiB"):
        run(fixed(), np.zeros((1, 1, 3), bool), "spec", steps=10**12)
    with pytest.raises(ParameterError, match="input of 100 steps would take"):
        make_drive(fixed(), np.zeros((1, 1, 3), bool), 100, max_bytes=299)
    with pytest.raises(ParameterError, match="recording spikes, v of 100 steps"):
        run(fixed(), np.zeros((100, 1, 3), bool), "spec", record=("spikes", "v"), max_bytes=399)


def test_sizes_may_be_numpy_integers():
    assert Input("in", np.int64(3)).size == 3
    with pytest.raises(ParameterError, match="size = 0"):
        Input("in", 0)
