"""The engine against the specification: fixed networks bit by bit."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from example_counts import examples
from hypothesis import HealthCheck, event, given, settings, strategies as st
from ssdp_hw.targets.engine.run import available_threads
from strategies import drives_for, fixed_networks, float_networks

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.result import RECORDABLE, Record
from ssdp_hw.running.target_registry import get_target

SPEC, ENGINE = get_target("spec"), get_target("engine")
# Sums in another order: a few float64 roundings a step.
FLOAT_BOUND = 1e-12
THREADS = st.sampled_from((1, None, available_threads()))
GENERATED = settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])


def run(target, network, inputs, **options):
    record = Record(RECORDABLE, network.population_names)
    return target.run(network, make_drive(network, inputs), record, target.resolve(options))


def assert_equal(a, b):
    """Bit equality of all that was recorded, and of its types."""
    for variable in RECORDABLE:
        left, right = getattr(a, variable), getattr(b, variable)
        assert left.keys() == right.keys()
        for name, trace in left.items():
            np.testing.assert_array_equal(right[name], trace, err_msg=f"{variable} of {name}", strict=True)
    assert a.overflow == b.overflow


def assert_close(a, b):
    for name, spikes in a.spikes.items():
        np.testing.assert_array_equal(b.spikes[name], spikes, err_msg=f"spikes of {name}", strict=True)
    for variable in ("u", "v"):
        for name, trace in getattr(a, variable).items():
            bound = FLOAT_BOUND * np.abs(trace).max()
            np.testing.assert_allclose(getattr(b, variable)[name], trace, rtol=0, atol=bound, err_msg=name)


@examples(300, default=30, base=GENERATED)
@given(st.data(), THREADS)
def test_fixed_networks_are_bit_equal(data, threads):
    network = data.draw(fixed_networks())
    inputs = data.draw(drives_for(network, analog=True))
    wanted = run(SPEC, network, inputs)
    event(f"overflows: {any(c.total for c in wanted.overflow.values())}")
    assert_equal(wanted, run(ENGINE, network, inputs, threads=threads))


@examples(100, default=35, base=GENERATED)
@given(st.data())
def test_float_networks_are_equal_up_to_rounding(data):
    network = data.draw(float_networks())
    inputs = data.draw(drives_for(network, analog=True))
    assert_close(run(SPEC, network, inputs), run(ENGINE, network, inputs))


@examples(30, default=11, base=GENERATED)
@given(st.data())
def test_samples_do_not_depend_on_each_other_nor_on_threads(data):
    """Also floats are bit equal here: a sample is computed the same way whatever runs beside it."""
    network = data.draw(st.one_of(fixed_networks(), float_networks()))
    inputs = data.draw(drives_for(network, max_batch=5, analog=True))
    whole = run(ENGINE, network, inputs, threads=1)
    assert_equal(whole, run(ENGINE, network, inputs))
    batch = next(iter(inputs.values())).shape[1]
    for sample in range(batch):
        alone = run(ENGINE, network, {k: s[:, sample : sample + 1] for k, s in inputs.items()})
        for variable in RECORDABLE:
            for name, trace in getattr(alone, variable).items():
                np.testing.assert_array_equal(
                    getattr(whole, variable)[name][:, sample : sample + 1], trace, strict=True
                )


def test_direct_input_of_each_sample():
    rng = np.random.default_rng(0)
    network = sh.Network(
        [sh.Input("in", 5)],
        [sh.Population(name="p", neuron=sh.LIF(size=4, tau_mem=5e-3, v_threshold=0.3), bias=0.1)],
        [sh.Projection(pre="in", post="p", weight=rng.normal(0.3, 0.5, (4, 5)))],
        ["p"],
        sh.Semantics(1e-3),
    )
    direct = sh.DirectInput(rng.random((3, 5)), 20)
    wanted = run(SPEC, network, direct)
    assert wanted.spikes["p"].any()
    assert_close(wanted, run(ENGINE, network, direct))
    fixed = sh.quantize(network, calibration=direct)
    wanted = run(SPEC, fixed, direct)
    assert wanted.spikes["p"].any()
    assert_equal(wanted, run(ENGINE, fixed, direct))


def test_registers_at_their_ends():
    """Currents that wrap, leave 24 bits even so, and voltages that saturate, on both sides."""
    rng = np.random.default_rng(1)
    weight = 2 * np.array([[127] * 24, [-128] * 24, [100, -100] * 12])
    network = sh.FixedNetwork(
        [sh.Input("in", 24)],
        [sh.FixedPopulation(name="p", size=3, du=2000, dv=0, vth=131071, reset="subtract")],
        [sh.FixedProjection(pre="in", post="p", weight=weight, weight_exp=7)],
        ["p"],
    )
    spikes = rng.random((40, 4, 24)) < 0.6
    wanted = run(SPEC, network, spikes)
    count = wanted.overflow["p"]
    assert count.u_wraps > count.u_out_of_range > 0
    assert count.v_saturations > 0
    assert_equal(wanted, run(ENGINE, network, spikes))


def test_only_what_is_asked_for_is_recorded():
    network = sh.FixedNetwork(
        [sh.Input("in", 2)],
        [sh.FixedPopulation(name=n, size=k, vth=10) for n, k in (("a", 2), ("b", 3), ("c", 1))],
        [sh.FixedProjection(pre="in", post=n, weight=np.full((k, 2), 20)) for n, k in (("a", 2), ("b", 3))],
        ["b"],
    )
    drive = make_drive(network, np.ones((4, 2, 2)))
    found = ENGINE.run(network, drive, Record(("v", "spikes"), ("c", "b")), ENGINE.resolve({}))
    assert (found.v.keys(), found.spikes.keys(), found.u) == ({"b", "c"}, {"b", "c"}, {})
    assert [found.v[n].shape for n in "bc"] == [(4, 2, 3), (4, 2, 1)]
    assert found.spikes["b"][1:].all()


@pytest.mark.parametrize("threads", [0, -1, 10_000, "2", True, 1.0])
def test_thread_counts_that_cannot_be(threads):
    network = sh.FixedNetwork([sh.Input("in", 1)], [sh.FixedPopulation(name="p", size=1)], [], ["p"])
    with pytest.raises(ParameterError, match=r"engine: threads = .* is outside 1 \.\. "):
        run(ENGINE, network, np.ones((2, 1, 1)), threads=threads)


def test_the_number_of_threads_is_as_before_afterwards():
    before = numba.get_num_threads()
    network = sh.FixedNetwork([sh.Input("in", 1)], [sh.FixedPopulation(name="p", size=1)], [], ["p"])
    run(ENGINE, network, np.ones((2, 1, 1)), threads=1)
    assert numba.get_num_threads() == before
