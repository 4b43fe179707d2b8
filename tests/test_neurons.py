"""Steps of the neuron models against the differential equations that they stand for.

The constant input S is a bias, so that the networks here need no spikes; the end of step k is the time
(k + 1) dt. Thresholds are out of reach where the voltage is compared.
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ssdp_hw import IF, LI, LIF, CubaLI, CubaLIF, Input, Network, Population, Semantics
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.neurons import NEURON_MODELS, Discretization
from ssdp_hw.running.run import run

TAU_MEM, TAU_SYN, R, W_IN, LEAK, S, V0 = 0.02, 0.008, 1.7, 0.6, -0.3, 1.1, 0.4
ONE = {"tau_mem": TAU_MEM, "r": R, "v_leak": LEAK, "v_init": V0}
TWO = ONE | {"tau_syn": TAU_SYN, "w_in": W_IN}
NEVER = {"v_threshold": 1e9}
PARAMETERS = {
    LI: ONE,
    LIF: ONE | NEVER,
    CubaLI: TWO,
    CubaLIF: TWO | NEVER,
    IF: {"r": R, "v_init": V0} | NEVER,
}


def simulate(model, dt, steps, **semantics):
    population = Population(name="p", neuron=model(size=1, **PARAMETERS[model]), bias=S)
    net = Network([Input("in", 1)], [population], [], ["p"], Semantics(dt, **semantics))
    result = run(net, np.zeros((steps, 1, 1)), "spec", record=("u", "v"))
    return result.u["p"][:, 0, 0], result.v["p"][:, 0, 0]


def exact(model, times):
    """u and v of the differential equations, integrated by SciPy."""

    def slope(_, state):
        u, v = state
        if model is IF:
            return [0, R * S]
        if model in (LI, LIF):
            return [0, (LEAK - v + R * S) / TAU_MEM]
        return [(-u + W_IN * S) / TAU_SYN, (LEAK - v + R * u) / TAU_MEM]

    solution = solve_ivp(slope, (0, times[-1]), [0, V0], "DOP853", times, rtol=1e-12, atol=1e-13)
    return solution.y


@pytest.mark.parametrize("model", [LI, LIF, IF])
@pytest.mark.parametrize("dt", [1e-3, 5e-3, 0.05])
def test_exponential_is_exact_for_any_dt(model, dt):
    times = dt * np.arange(1, 21)
    _, v = simulate(model, dt, 20, discretization="exponential")
    np.testing.assert_allclose(v, exact(model, times)[1], rtol=1e-9)


@pytest.mark.parametrize("model", [CubaLI, CubaLIF])
def test_exponential_current_is_exact(model):
    u, _ = simulate(model, 5e-3, 20, discretization="exponential")
    np.testing.assert_allclose(u, exact(model, 5e-3 * np.arange(1, 21))[0], rtol=1e-9)


@pytest.mark.parametrize("order", ["current_first", "voltage_first"])
@pytest.mark.parametrize(
    ("model", "method"),
    [
        (LI, "euler"),
        (LIF, "euler"),
        (CubaLI, "euler"),
        (CubaLIF, "euler"),
        (CubaLI, "exponential"),
        (CubaLIF, "exponential"),
    ],
)
def test_first_order_convergence(model, method, order):
    """Halving dt halves the error: forward Euler, and holding u during a step, are of first order."""
    errors = []
    for dt in (2e-4, 1e-4, 5e-5):
        steps = round(0.02 / dt)
        _, v = simulate(model, dt, steps, discretization=method, update_order=order)
        errors.append(abs(v[-1] - exact(model, [0.02])[1][0]))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, 1.0, atol=0.05)


@pytest.mark.parametrize("model", [CubaLI, CubaLIF])
def test_update_order_is_one_step_of_current(model):
    """With voltage first the voltage sees each current one step later."""
    dt, steps = 1e-3, 30
    u, v = simulate(model, dt, steps, update_order="voltage_first")
    w = V0
    for k in range(steps):
        seen = u[k - 1] if k else 0.0
        w = w + dt / TAU_MEM * (LEAK - w + R * seen)
        assert v[k] == pytest.approx(w, rel=1e-12)
    u, v = simulate(model, dt, 1)
    assert v[0] == pytest.approx(V0 + dt / TAU_MEM * (LEAK - V0 + R * u[0]))


def test_closed_form_of_a_leaky_integrator():
    _, v = simulate(LI, 1e-3, 50, discretization="exponential")
    end = LEAK + R * S
    np.testing.assert_allclose(v, end + (V0 - end) * np.exp(-1e-3 * np.arange(1, 51) / TAU_MEM), rtol=1e-12)


def test_integrate_and_fire_fires_at_a_constant_rate():
    """A step adds 1/8: 3 steps exceed 0.35, 4 (from 0) and 3 (from 0.1) exceed 0.45, 9 exceed 1."""
    neuron = IF(size=3, r=1.0, v_threshold=[0.35, 0.45, 1.0], v_reset=[0.0, 0.1, 0.0])
    net = Network([Input("in", 1)], [Population(name="p", neuron=neuron, bias=1.0)], [], ["p"], Semantics(0.125))
    spikes = run(net, np.zeros((24, 1, 1)), "spec").spikes["p"][:, 0]
    assert [np.flatnonzero(spikes[:, n]).tolist() for n in range(3)] == [
        list(range(2, 24, 3)),
        list(range(3, 24, 3)),
        [8, 17],
    ]


@pytest.mark.parametrize(("reset", "after"), [("zero", 0.25), ("subtract", 1.5 - (1.0 - 0.25))])
def test_reset(reset, after):
    neuron = LIF(size=1, tau_mem=1.0, v_leak=0, r=0.0, v_init=3.0, v_threshold=1.0, v_reset=0.25)
    net = Network([Input("in", 1)], [Population(name="p", neuron=neuron, reset=reset)], [], ["p"], Semantics(0.5))
    assert run(net, np.zeros((1, 1, 1)), "spec", record=("v",)).v["p"].item() == after


@pytest.mark.parametrize(("comparison", "fires"), [(">", False), (">=", True)])
def test_threshold_comparison(comparison, fires):
    population = Population(name="p", neuron=IF(size=1, v_threshold=1.0), bias=1.0, threshold=comparison)
    net = Network([Input("in", 1)], [population], [], ["p"], Semantics(1.0))
    assert run(net, np.zeros((1, 1, 1)), "spec").spikes["p"].item() is fires


# Checks.


@pytest.mark.parametrize("model", [LI, LIF, CubaLI, CubaLIF])
@pytest.mark.parametrize("value", [0, -1e-3, np.nan, np.inf, [0.1, 0.0]])
def test_time_constants_are_positive_and_finite(model, value):
    for name in model.positive:
        more = dict.fromkeys(model.positive, 0.1) | {name: value}
        with pytest.raises(ParameterError, match=f"{model.__name__}: {name}"):
            model(size=2, **more)


@pytest.mark.parametrize("model", [LIF, CubaLIF, IF])
def test_threshold_is_above_reset_in_every_neuron(model):
    more = dict.fromkeys(model.positive, 0.1)
    for threshold in (1.0, 0.5):
        with pytest.raises(ParameterError, match="v_threshold must be above v_reset"):
            model(size=2, v_threshold=[2.0, threshold], v_reset=1.0, **more)
    assert model(size=2, v_threshold=[2.0, 1.5], v_reset=1.0, **more).threshold_distance.tolist() == [1.0, 0.5]


@pytest.mark.parametrize("model", NEURON_MODELS.values())
@pytest.mark.parametrize("size", [0, -1, 2.0, True, None])
def test_sizes(model, size):
    with pytest.raises(ParameterError, match=r"size = .*(at least 1 is needed|is not a whole number)"):
        model(size=size, **dict.fromkeys(model.positive, 0.1))


def test_number_of_values():
    with pytest.raises(ShapeError, match="LIF: tau_mem has 3 values for 2 neurons"):
        LIF(size=2, tau_mem=[0.1, 0.2, 0.3])


@pytest.mark.parametrize("model", [LI, LIF, CubaLI, CubaLIF])
def test_dt_above_a_time_constant(model):
    for name in model.positive:
        neuron = model(size=2, **(dict.fromkeys(model.positive, 1.0) | {name: [1.0, 1e-3]}))
        with pytest.raises(ParameterError, match=rf"dt = 0\.002 s is larger than {name} = 0\.001 s"):
            neuron.coefficients(2e-3, Discretization.EULER)
        neuron.coefficients(2e-3, Discretization.EXPONENTIAL)
        at_limit = neuron.coefficients(1e-3, Discretization.EULER)
        decay = at_limit.decay_u if name == "tau_syn" else at_limit.decay_v
        assert decay[1] == 0


def test_parameters_cannot_be_changed():
    neuron = LIF(size=2, tau_mem=0.1)
    with pytest.raises(ValueError, match="read-only"):
        neuron.tau_mem[0] = 5


def test_what_a_model_lacks_is_zero():
    assert IF(size=2).parameter("v_leak").tolist() == [0, 0]
    assert not LI(size=1, tau_mem=1).spiking
    assert CubaLIF(size=1, tau_mem=1, tau_syn=1).has_current
    assert set(NEURON_MODELS) == {"LI", "LIF", "CubaLI", "CubaLIF", "I", "IF"}
