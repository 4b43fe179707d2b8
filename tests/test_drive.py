import numpy as np
import pytest
import scipy.sparse as sp
from example_counts import examples
from hypothesis import given, strategies as st

from ssdp_hw import (
    LIF,
    DirectInput,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Input,
    Network,
    Population,
    Projection,
    Semantics,
    run,
    stream,
)
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.running.analog import Analog
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
        np.full((2, 1, 3), np.nan),
        np.full((2, 1, 3), np.inf),
        np.full((2, 1, 3), "1"),
        np.full((2, 1, 3), 1j),
        np.full((2, 1, 3), None),
    ],
)
def test_what_is_no_spike(spikes):
    with pytest.raises(ParameterError, match="input 'in'"):
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
    for inputs in (np.ones((1, 1, 3)), DirectInput(np.ones((1, 3)), 1)):
        with pytest.raises(ParameterError, match="steps"):
            make_drive(fixed(), inputs, steps)


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
    for step in range(4):
        part, whole = direct.select(1, 3).currents.at(step, "p"), direct.currents.at(step, "p")
        np.testing.assert_array_equal(part, whole[1:3])


# Analog input: what the weights make of it, on the host.


@st.composite
def analog_inputs(draw):
    """A weight (post, pre) with a delay a synapse, and values (time, batch, pre) or (batch, pre)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    post, pre, batch, steps = (draw(st.integers(1, 4)) for _ in range(4))
    shape = (batch, pre) if draw(st.booleans()) else (steps, batch, pre)
    delay = rng.integers(0, 4, (post, pre)) if draw(st.booleans()) else draw(st.integers(0, 3))
    return rng.integers(-20, 21, (post, pre)) * 8, delay, rng.normal(0, 2, shape) + 0.01, draw(st.integers(1, 9))


def by_definition(weight, delay, values, steps):
    """The synaptic input of every step, synapse by synapse: what is sent in step t acts in t + 1 + delay."""
    delays = np.broadcast_to(delay, weight.shape)
    batch = values.shape[-2]
    found = np.zeros((steps, batch, len(weight)))
    for step, sample, i, j in np.ndindex(steps, batch, *weight.shape):
        sent = step - 1 - delays[i, j]
        if values.ndim == 2 and sent >= 0:
            found[step, sample, i] += weight[i, j] * values[sample, j]
        elif values.ndim == 3 and 0 <= sent < len(values):
            found[step, sample, i] += weight[i, j] * values[sent, sample, j]
    return found


@given(analog_inputs(), st.sampled_from((np.asarray, sp.csr_array)))
def test_currents_of_a_float_network(case, form):
    weight, delay, values, more = case
    population = Population(name="p", neuron=LIF(size=len(weight), tau_mem=0.01), bias=1.0)
    projection = Projection(pre="in", post="p", weight=form(weight * 0.1), delay=np.broadcast_to(delay, weight.shape))
    net = Network([Input("in", weight.shape[1])], [population], [projection], ["p"], Semantics(1e-3))
    direct = values.ndim == 2
    steps = more if direct else len(values) + more
    drive = make_drive(net, DirectInput(values, 1) if direct else values, steps)
    assert not drive.spikes["in"].any()
    found = np.stack([drive.currents.at(step, "p") for step in range(steps)])
    np.testing.assert_allclose(found, by_definition(weight * 0.1, delay, values, steps), atol=1e-12)


@examples(100, default=30)
@given(analog_inputs(), st.sampled_from((-2, 0, 3)))
def test_currents_of_a_fixed_network_are_the_nearest_integers(case, weight_exp):
    weight, delay, values, more = case
    p = FixedPopulation(name="p", size=len(weight), du=100, vth=100)
    delays = np.broadcast_to(delay, weight.shape)
    q = FixedProjection(pre="in", post="p", weight=weight, weight_exp=weight_exp, delay=delays)
    net = FixedNetwork([Input("in", weight.shape[1])], [p], [q], ["p"])
    direct = values.ndim == 2
    steps = more if direct else len(values) + more
    drive = make_drive(net, DirectInput(values, 1) if direct else values, steps)
    found = np.stack([drive.currents.at(step, "p") for step in range(steps)])
    exact = by_definition(weight * 2.0**weight_exp, delay, values, steps)
    assert found.dtype == np.int64
    assert np.abs(found - exact).max() <= 0.5 + 1e-9
    assert drive.currents.rounding["p"] == pytest.approx(np.abs(found - exact).max(), abs=1e-9)


@examples(100, default=30)
@given(analog_inputs(), st.integers(1, 3))
def test_analog_input_in_pieces_is_the_whole(case, first):
    weight, delay, values, steps = case
    p = FixedPopulation(name="p", size=len(weight), dv=10, vth=20)
    q = FixedProjection(pre="in", post="p", weight=weight, delay=np.broadcast_to(delay, weight.shape))
    net = FixedNetwork([Input("in", weight.shape[1])], [p], [q], ["p"])
    whole = np.tile(values, (steps + 1, 1, 1)) if values.ndim == 2 else np.tile(values, (3, 1, 1))
    pieces = [whole[:first], whole[first : first + 1], whole[first + 1 :]]
    pieces = [piece for piece in pieces if len(piece)]
    expected = run(net, whole, "spec").spikes["p"].sum(axis=0)
    np.testing.assert_array_equal(stream(net, pieces).spike_counts["p"], expected)


@examples(100, default=30)
@given(st.integers(0, 2**32 - 1))
def test_zeros_and_ones_do_the_same_as_spikes_and_as_values(seed):
    rng = np.random.default_rng(seed)
    spikes, net = rng.integers(0, 2, (6, 2, 3)), fixed()
    as_spikes, as_values = run(net, spikes, "spec", record=("v",)), run(net, Analog(spikes), "spec", record=("v",))
    np.testing.assert_array_equal(as_spikes.v["p"], as_values.v["p"])


def test_own_bias_without_direct_input():
    net = fixed(bias_mant=[3, 4], bias_exp=2)
    assert make_drive(net, np.zeros((1, 2, 3))).fixed_bias(net, "p").tolist() == [[12, 16]]
    float_net = two_inputs()
    drive = make_drive(float_net, {"a": np.zeros((1, 1, 3)), "b": np.zeros((1, 1, 1))})
    assert drive.float_bias(float_net, "p").tolist() == [[1, 2]]


def test_analog_input_that_a_network_cannot_take():
    values = np.ones((1, 3))
    with pytest.raises(ParameterError, match="2 inputs; give a dict"):
        make_drive(two_inputs(), DirectInput(values, 2))
    with pytest.raises(ParameterError, match=r"population 'p'.*scale the input down"):
        make_drive(fixed(), DirectInput(values * 1e7, 2))
    with pytest.raises(ShapeError, match="number of samples"):
        make_drive(two_inputs(), {"a": DirectInput(values, 2), "b": np.ones((2, 2, 1))})


def test_a_constant_beside_spikes():
    net = two_inputs()
    drive = make_drive(net, {"a": DirectInput(np.full((1, 3), 0.5), 2), "b": np.ones((4, 1, 1))})
    assert drive.steps == 4
    assert drive.spikes["b"].all()
    assert list(drive.values) == ["a"]


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


def test_values_of_a_run_that_is_longer_than_its_input():
    """Nothing arrives in the further steps, of payloads neither."""
    p = FixedPopulation(name="p", size=1, vth=100)
    weight = FixedProjection(pre="in", post="p", weight=[[2]])
    network = FixedNetwork([Input("in", 1, payload_bits=4)], [p], [weight], ["p"], chip="loihi2")
    drive = make_drive(network, np.array([3, 5]).reshape(2, 1, 1), 4)
    assert drive.arrays()["in"].reshape(-1).tolist() == [3, 5, 0, 0]
