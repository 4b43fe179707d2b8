"""The executable specification: traces computed by hand, the timing rule, and what follows from it."""

import numpy as np
import pytest
import scipy.sparse as sp
from example_counts import examples
from hypothesis import given, strategies as st
from strategies import drives_for, fixed_networks, float_networks

from ssdp_hw import (
    IF,
    LIF,
    CubaLIF,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Input,
    Network,
    Population,
    Projection,
    Semantics,
)
from ssdp_hw.errors import ParameterError, StateOverflowError
from ssdp_hw.running.run import OverflowWarning, run

ALL = ("spikes", "v", "u")
MODES = st.one_of(fixed_networks(), float_networks())


def fixed(projections, *populations, inputs=1):
    return FixedNetwork([Input("in", inputs)], populations, projections, [populations[-1].name])


def syn(pre="in", post="p", weight=((2,),), **more):
    return FixedProjection(pre=pre, post=post, weight=np.array(weight), **more)


def raster(steps, *when):
    spikes = np.zeros((steps, 1, 1), bool)
    spikes[list(when)] = True
    return spikes


def trace(net, spikes, variable="v", population="p"):
    return getattr(run(net, spikes, "spec", record=ALL), variable)[population][:, 0, 0].tolist()


# Traces by hand.


def test_fixed_current_and_voltage():
    """du = 2047 keeps half of u, dv = 1024 keeps three quarters of v; a weight of 2 brings 2 << 6 = 128."""
    net = fixed([syn()], FixedPopulation(name="p", size=1, du=2047, dv=1024, vth=131071))
    spikes = raster(6, 0, 2)
    assert trace(net, spikes, "u") == [0, 128, 64, 160, 80, 40]
    assert trace(net, spikes) == [0, 128, 160, 280, 290, 257]  # 0.75 of it, toward zero, plus u


def test_fixed_decay_is_toward_zero_on_both_sides():
    for sign in (1, -1):
        net = fixed([syn(weight=((2 * sign,),))], FixedPopulation(name="p", size=1, du=2047, dv=1024, vth=131071))
        assert trace(net, raster(9, 0), "u") == [0, *(sign * x for x in (128, 64, 32, 16, 8, 4, 2, 1))]


def test_fixed_spikes_and_resets():
    """v grows by 3 << 2 = 12 a step; the threshold is 1 << 6 = 64: exceeded at 72, reached never."""
    for reset, after in (("zero", 0), ("subtract", 72 - 64)):
        net = fixed([syn()], FixedPopulation(name="p", size=1, vth=1, bias_mant=3, bias_exp=2, reset=reset))
        assert trace(net, raster(7)) == [12, 24, 36, 48, 60, after, after + 12]
        assert trace(net, raster(7), "spikes") == [False] * 5 + [True, False]


@pytest.mark.parametrize(("threshold", "first"), [(">", 8), (">=", 7)])
def test_fixed_threshold_comparison(threshold, first):
    net = fixed([syn()], FixedPopulation(name="p", size=1, vth=1, bias_mant=8, threshold=threshold))
    assert trace(net, raster(10), "spikes").index(True) == first


@pytest.mark.parametrize(("exponent", "arrives"), [(0, -6 * 16), (2, -24 * 16), (-1, -3 * 16), (-4, -6), (-5, -3)])
def test_weight_exponent_shifts_each_weight_and_so_the_sum(exponent, arrives):
    q = syn(weight=((-10 * 16, 4 * 16),), weight_exp=exponent)
    net = fixed([q], FixedPopulation(name="p", size=1, vth=1000), inputs=2)
    assert trace(net, np.ones((2, 1, 2)), "u") == [0, arrives * 64]
    assert arrives == sum((w * 16 << max(exponent, 0)) >> max(-exponent, 0) for w in (-10, 4))


def test_sums_of_a_negative_exponent_are_those_of_their_parts():
    """No weight has bits below its shift, so it does not matter what is added before the shift."""
    together = [syn(weight=((4, 8),), weight_exp=-2)]
    by_delay = [syn(weight=((4, 8),), weight_exp=-2, delay=[[0, 1]])]
    apart = [syn(weight=((4, 0),), weight_exp=-2), syn(weight=((0, 8),), weight_exp=-2, name="other")]
    p = FixedPopulation(name="p", size=1, vth=1000)
    results = [trace(fixed(q, p, inputs=2), np.ones((3, 1, 2)), "u") for q in (together, by_delay, apart)]
    assert results == [[0, 192, 192], [0, 64, 192], [0, 192, 192]]


def test_readout_of_a_fixed_network_never_fires_or_resets():
    net = fixed([syn()], FixedPopulation(name="p", size=1, vth=0, bias_mant=100, spiking=False))
    result = run(net, raster(5), "spec", record=ALL)
    assert result.v["p"][:, 0, 0].tolist() == [100, 200, 300, 400, 500]
    assert not result.spikes["p"].any()


def test_v_init_decays_from_the_first_step():
    net = fixed([syn()], FixedPopulation(name="p", size=1, vth=1000, v_init=1000, dv=2048))
    assert trace(net, raster(3)) == [500, 250, 125]


def test_float_trace():
    """tau = 4 dt: a quarter of the way to v_leak + r S in every step."""
    neuron = LIF(size=1, tau_mem=4.0, r=2.0, v_leak=1.0, v_threshold=100.0)
    net = Network(
        [Input("in", 1)],
        [Population(name="p", neuron=neuron, bias=0.5)],
        [Projection(pre="in", post="p", weight=[[8.0]])],
        ["p"],
        Semantics(1.0),
    )
    # goal 2 without a spike, 18 with one: v <- v + (goal - v) / 4
    assert trace(net, raster(4, 1)) == [0.5, 0.875, 0.875 + 17.125 / 4, 5.15625 - 3.15625 / 4]


def test_float_current_based_trace():
    neuron = CubaLIF(size=1, tau_mem=2.0, tau_syn=4.0, w_in=4.0, r=2.0, v_threshold=100.0)
    for order, v in (("current_first", [0, 3.0, 3.75, 3.5625]), ("voltage_first", [0, 0, 3.0, 3.75])):
        net = Network(
            [Input("in", 1)],
            [Population(name="p", neuron=neuron)],
            [Projection(pre="in", post="p", weight=[[3.0]])],
            ["p"],
            Semantics(1.0, update_order=order),
        )
        assert trace(net, raster(4, 0), "u") == [0, 3.0, 2.25, 1.6875]
        assert trace(net, raster(4, 0)) == v


# Timing.


def relay(kind, delay, delays=(0, 0)):
    """in -> a -> b; every spike of a source makes its target fire in the step in which it arrives."""
    if kind == "fixed":
        neurons = [FixedPopulation(name=n, size=1, vth=1, dv=4095) for n in "ab"]
        return FixedNetwork(
            [Input("in", 1)],
            neurons,
            [
                syn(post="a", delay=delays[0]),
                syn("a", "b", delay=delays[1]),
                syn("in", "b", ((0,),), delay=delay),
            ],
            ["b"],
        )
    neurons = [Population(name=n, neuron=LIF(size=1, tau_mem=1.0, v_threshold=0.5)) for n in "ab"]
    return Network(
        [Input("in", 1)],
        neurons,
        [
            Projection(pre=s, post=t, weight=[[w]], delay=d)
            for s, t, w, d in (("in", "a", 1.0, delays[0]), ("a", "b", 1.0, delays[1]), ("in", "b", 0.0, delay))
        ],
        ["b"],
        Semantics(1.0),
    )


@examples(100, default=30)
@given(
    st.sampled_from(["fixed", "float"]),
    st.sets(st.integers(0, 15), max_size=8),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 30),
)
def test_a_spike_sent_at_t_acts_at_t_plus_one_plus_delay(kind, when, first, second, unrelated):
    """Whatever longer delay exists elsewhere in the network (it lengthens the ring of input slots)."""
    net = relay(kind, unrelated, (first, second))
    result = run(net, raster(40, *when), "spec")
    a = {t + 1 + first for t in when}
    b = {t + 1 + second for t in a}
    assert set(np.flatnonzero(result.spikes["a"])) == a
    assert set(np.flatnonzero(result.spikes["b"])) == b


def test_delay_of_every_synapse_in_dense_and_sparse_form():
    weight, delay = np.array([[2, 4, 6], [8, 10, 12]]), np.array([[0, 3, 1], [2, 0, 5]])
    p = FixedPopulation(name="p", size=2, vth=1000)
    for form, d in ((np.asarray, delay), (sp.csr_array, delay), (sp.csr_array, delay.reshape(-1))):
        q = FixedProjection(pre="in", post="p", weight=form(weight), delay=d)
        spikes = np.zeros((8, 1, 3), bool)
        spikes[1] = True
        u = run(fixed([q], p, inputs=3), spikes, "spec", record=("u",)).u["p"][:, 0]
        expected = np.zeros((8, 2))
        for (j, i), late in np.ndenumerate(delay):
            expected[2 + late, j] += weight[j, i] * 64
        np.testing.assert_array_equal(u, expected)


def test_recurrent_spike_acts_one_step_later():
    """A neuron that excites itself fires for ever once it was hit."""
    p = FixedPopulation(name="p", size=1, vth=1, dv=4095)
    net = fixed([syn(), syn("p", "p", name="self")], p)
    assert trace(net, raster(6, 1), "spikes") == [False, False, True, True, True, True]
    later = fixed([syn(), syn("p", "p", delay=1, name="self")], p)
    assert trace(later, raster(7, 1), "spikes") == [False, False, True, False, True, False, True]


# Consequences.


@examples(100, default=15)
@given(st.data())
def test_samples_are_independent_and_their_order_has_no_meaning(data):
    net = data.draw(MODES)
    spikes = data.draw(drives_for(net, max_batch=4))
    batch = next(iter(spikes.values())).shape[1]
    order = data.draw(st.permutations(range(batch)))
    together = run(net, spikes, "spec", record=ALL, on_overflow="ignore")
    permuted = run(net, {k: s[:, order] for k, s in spikes.items()}, "spec", record=ALL, on_overflow="ignore")
    alone = [
        run(net, {k: s[:, [b]] for k, s in spikes.items()}, "spec", record=ALL, on_overflow="ignore")
        for b in range(batch)
    ]
    for variable in ALL:
        for name, whole in getattr(together, variable).items():
            np.testing.assert_array_equal(getattr(permuted, variable)[name], whole[:, order])
            singles = np.concatenate([getattr(r, variable)[name] for r in alone], axis=1)
            if isinstance(net, FixedNetwork) or variable == "spikes":
                np.testing.assert_array_equal(singles, whole)
            else:  # BLAS may add in another order for another batch size
                np.testing.assert_allclose(singles, whole, rtol=1e-9, atol=1e-12)


@examples(100, default=15)
@given(st.data())
def test_the_past_does_not_depend_on_the_future(data):
    net = data.draw(MODES)
    spikes = data.draw(drives_for(net))
    steps = len(next(iter(spikes.values())))
    cut = data.draw(st.integers(1, steps))
    whole = run(net, spikes, "spec", record=ALL, on_overflow="ignore")
    start = run(net, {k: s[:cut] for k, s in spikes.items()}, "spec", record=ALL, on_overflow="ignore")
    for variable in ALL:
        for name, values in getattr(start, variable).items():
            np.testing.assert_array_equal(values, getattr(whole, variable)[name][:cut])


@examples(100, default=15)
@given(st.data())
def test_the_order_of_populations_and_projections_has_no_meaning(data):
    net = data.draw(fixed_networks())
    spikes = data.draw(drives_for(net))
    shuffled = FixedNetwork(
        net.inputs[::-1],
        data.draw(st.permutations(net.populations)),
        data.draw(st.permutations(net.projections)),
        net.outputs,
    )
    a, b = (run(n, spikes, "spec", record=ALL, on_overflow="ignore") for n in (net, shuffled))
    for variable in ALL:
        for name, values in getattr(a, variable).items():
            np.testing.assert_array_equal(values, getattr(b, variable)[name])


@examples(100, default=15)
@given(st.data())
def test_a_sparse_weight_equals_its_dense_form(data):
    net = data.draw(fixed_networks())
    spikes = data.draw(drives_for(net))
    dense = []
    for q in net.projections:
        if not q.is_sparse:
            dense.append(q)
            continue
        rows = np.repeat(np.arange(q.shape[0]), np.diff(q.weight.indptr))
        delay = np.zeros(q.shape, int)
        delay[rows, q.weight.indices] = q.synapse_delays
        dense.append(
            FixedProjection(
                pre=q.pre,
                post=q.post,
                name=q.name,
                weight=q.weight.toarray(),
                delay=delay,
                weight_exp=q.weight_exp,
                format=q.format,
            )
        )
    other = FixedNetwork(net.inputs, net.populations, dense, net.outputs)
    a, b = (run(n, spikes, "spec", record=ALL, on_overflow="ignore") for n in (net, other))
    for name in a.u:
        np.testing.assert_array_equal(a.u[name], b.u[name])
        np.testing.assert_array_equal(a.v[name], b.v[name])


@examples(100, default=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["euler", "exponential"]))
def test_below_the_threshold_the_float_network_is_linear(seed, method):
    """The response to two sets of spikes together is the sum of the responses."""
    rng = np.random.default_rng(seed)
    neuron = CubaLIF(size=3, tau_mem=rng.uniform(2, 9, 3), tau_syn=rng.uniform(2, 9, 3), v_threshold=1e6)
    weight, delay = rng.normal(size=(3, 4)), rng.integers(0, 4, (3, 4))
    net = Network(
        [Input("in", 4)],
        [Population(name="p", neuron=neuron)],
        [Projection(pre="in", post="p", weight=weight, delay=delay)],
        ["p"],
        Semantics(1.0, method),
    )
    a = rng.random((20, 2, 4)) < 0.3
    b = (rng.random((20, 2, 4)) < 0.3) & ~a
    va, vb, both = (run(net, s, "spec", record=("v",)).v["p"] for s in (a, b, a | b))
    np.testing.assert_allclose(va + vb, both, rtol=1e-9, atol=1e-9)
    assert np.abs(both).max() > 0


def test_a_fixed_integrator_counts_exactly():
    """dv = 0 and du = 4095: v is 64 times the sum of all weights that arrived."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-128, 128, (5, 30)) * 2
    net = fixed([syn(weight=weight)], FixedPopulation(name="p", size=5, vth=131071), inputs=30)
    spikes = rng.random((50, 3, 30)) < 0.2
    v = run(net, spikes, "spec", record=("v",)).v["p"]
    np.testing.assert_array_equal(v[1:], 64 * np.cumsum(spikes[:-1].astype(int) @ weight.T, axis=0))


# Overflow.


def overflowing(**population):
    return fixed([syn(weight=((254,),), weight_exp=7)], FixedPopulation(name="p", size=1, vth=131071, **population))


def test_current_wraps_and_is_counted():
    net = overflowing(du=0)  # 254 << 13 = 2,080,768 a step, so the fifth exceeds 2**23
    u, result = [], run(net, np.ones((9, 1, 1)), "spec", record=("u",), on_overflow="ignore")
    for k in range(9):
        last = u[-1] if u else 0
        now = abs(last) * 4095 // 4096 * (1 if last >= 0 else -1) + (254 << 13 if k else 0)
        u.append(now - 2**24 if now > 2**23 else now)
    assert result.u["p"][:, 0, 0].tolist() == u
    assert min(u) < 0
    assert result.overflow["p"].u_wraps == 1
    assert result.overflow["p"].u_out_of_range == 0


def test_voltage_saturates_and_is_counted():
    net = overflowing(spiking=False)
    result = run(net, np.ones((9, 1, 1)), "spec", record=("v",), on_overflow="ignore")
    assert result.v["p"][:, 0, 0].tolist() == [min(k * (254 << 13), 2**23 - 1) for k in range(9)]
    assert result.overflow["p"].v_saturations == 4
    assert result.overflow["p"].u_wraps == 0


def test_what_an_overflow_does():
    net, spikes = overflowing(du=0), np.ones((9, 2, 1))
    with pytest.raises(StateOverflowError, match="population 'p': u wrapped 2 times"):
        run(net, spikes, "spec", on_overflow="error")
    with pytest.warns(OverflowWarning, match="population 'p': u wrapped 2 times"):
        run(net, spikes, "spec")
    run(net, spikes, "spec", on_overflow="ignore")
    with pytest.raises(ParameterError, match="on_overflow"):
        run(net, spikes, "spec", on_overflow="panic")


# What a run returns.


def test_only_what_was_asked_for_is_recorded():
    net = relay("fixed", 0)
    result = run(net, raster(3, 0), "spec", record=("v",), populations=("b",))
    assert (dict(result.spikes), list(result.v), dict(result.u)) == ({}, ["b"], {})
    assert result.v["b"].dtype == np.int64
    for more in ({"record": ("w",)}, {"populations": ("none",)}, {"populations": ("in",)}, {"record": "spikes"}):
        with pytest.raises(ParameterError):
            run(net, raster(3), "spec", **more)


@pytest.mark.parametrize("kind", ["fixed", "float"])
def test_a_run_states_how_it_was_made(kind):
    result = run(relay(kind, 0), raster(3, 0), "spec", steps=5)
    assert (result.target, result.arithmetic, result.steps, result.batch) == ("spec", kind, 5, 1)
    assert result.info["timing"] == "a spike sent in step t acts in step t + 1 + delay"
    assert result.info["reset"] == {"a": "zero", "b": "zero"}
    assert (result.overflow is None) == (kind == "float")
    assert result.predict("first_spike").tolist() == [0]


def test_integrate_and_fire_relays_its_input_rate():
    """r = 1/dt and weight 0.25: every fourth input spike, plus one to exceed, makes a spike (subtractive reset)."""
    neuron = IF(size=1, r=1000.0, v_threshold=1.0)
    net = Network(
        [Input("in", 1)],
        [Population(name="p", neuron=neuron, reset="subtract", threshold=">=")],
        [Projection(pre="in", post="p", weight=[[0.25]])],
        ["p"],
        Semantics(1e-3),
    )
    spikes = run(net, np.ones((41, 1, 1)), "spec").spikes["p"]
    assert np.flatnonzero(spikes).tolist() == list(range(4, 41, 4))
