"""What the Brian2 tests share."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import reject
from test_engine_learning import assert_lasting

import ssdp_hw as sh
from ssdp_hw.rules import FixedSADP, FixedSSDP, FixedSTDP
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.result import first_divergence
from ssdp_hw.running.target_registry import get_target

requires_brian2 = pytest.mark.skipif(find_spec("brian2") is None, reason="brian2 is not installed")
requires_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is found")

# Float runs differ in the order of sums and in how a step is written: a few units in the last
# place a step, which decay with the state. The bound leaves room for long runs and is far below
# anything that a different equation, order or method would give.
TOLERANCE = 1e-9


@contextmanager
def quick_builds() -> Iterator[None]:
    """Also a decorator: Brian2 calls the C++ compiler without optimisation, which else is most of a build's time.

    For what is printed into Brian2's languages; ``test_brian2_compiled.py`` runs what users get, optimised code.
    """
    with warnings.catch_warnings():  # its own, at its import
        warnings.simplefilter("ignore", DeprecationWarning)
        from brian2 import prefs

    name = "codegen.cpp.extra_compile_args_gcc"
    before = prefs[name]
    prefs[name] = ["-w", "-O0", "-g0", "-std=c++11"]
    try:
        yield
    finally:
        prefs[name] = before


def run_both(network, inputs, **options):
    """The same run on the specification and on Brian2."""
    everything = {"record": ("spikes", *state_names(network)), "on_overflow": "ignore"}
    left = sh.run(network, inputs, "spec", **everything)
    return left, sh.run(network, inputs, "brian2", options=options, **everything)


def state_names(network):
    """Names of all states of a network's populations."""
    return tuple(dict.fromkeys(name for p in network.populations for name in p.state_names))


def states_of(result):
    """Every recorded state of every population, by (state, population)."""
    recorded = {"u": result.u, "v": result.v, **result.states}
    return {(state, name): trace for state, traces in recorded.items() for name, trace in traces.items()}


def assert_equal(left, right):
    """Bit equality of spikes, states and of what overflowed."""
    assert states_of(left).keys() == states_of(right).keys()
    assert first_divergence(left, right) is None, str(first_divergence(left, right))
    assert left.overflow == right.overflow
    assert all(trace.dtype == np.int64 for trace in states_of(right).values())


def assert_close(left, right):
    """The same spikes; states within TOLERANCE of their largest value."""
    for name in left.spikes:
        np.testing.assert_array_equal(left.spikes[name], right.spikes[name])
    found = states_of(right)
    assert states_of(left).keys() == found.keys()
    for key, a in states_of(left).items():
        bound = TOLERANCE * np.abs(a).max(initial=1e-300)
        np.testing.assert_allclose(found[key], a, rtol=0, atol=bound, err_msg=" of ".join(key))


def learn_both(network, inputs, plan, **options):
    """The same learning on the specification and on Brian2."""
    return learn_plan(network, make_drive(network, inputs), plan, **options)


def learn_plan(network, drive, plan, **options):
    """The same, from a drive."""
    target = get_target("brian2", network, learning=True)
    if target.unsupported_plan(network, plan):  # `learn` refuses it; of generated plans there are others
        reject()
    return get_target("spec").learn(network, drive, plan, {}), target.learn(
        network, drive, plan, target.resolve(options)
    )


def learn_on_brian2(network, inputs, plan, **options):
    """Learning on Brian2 with some options."""
    target = get_target("brian2", network, learning=True)
    return target.learn(network, make_drive(network, inputs), plan, target.resolve(options))


def assert_learned_equal(left, right):
    """Bit equality of weights, counters, what was observed, and of what saturated."""
    for a, b in ((left.weights, right.weights), (left.counters, right.counters)):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name, strict=True)
    assert_lasting(left, right, np.testing.assert_array_equal, strict=True)
    assert_observed_equal(left, right)
    assert left.weight_saturations == right.weight_saturations
    assert left.counter_saturations == right.counter_saturations
    assert left.overflow == right.overflow


def assert_learned_close(left, right):
    """Bit equality of what was observed; weights and gathered steps within TOLERANCE."""
    assert_observed_equal(left, right)
    for a, b in ((left.weights, right.weights), (left.counters, right.counters)):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_allclose(b[name], a[name], rtol=0, atol=TOLERANCE, err_msg=name)
    assert_lasting(left, right, np.testing.assert_allclose, rtol=TOLERANCE, atol=TOLERANCE)


def assert_observed_equal(left, right):
    """Bit equality of registers and rasters."""
    assert left.observed.keys() == right.observed.keys()
    for name, pair in left.observed.items():
        for a, b in zip(pair, right.observed[name], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name, strict=True)


def teaching_network(in_rounding="stochastic", teacher_rounding="carry", out_rounding="nearest"):
    """Inputs, a teacher and a readout, all of whose projections are plastic: dense, sparse, with delays.

    SSDP under a gate of its own, STDP under one from outside, and SADP; three windows a sample, two
    samples a weight update, begun between two weight updates.
    """
    rng = np.random.default_rng(5)
    recurrent = sp.csr_array(2 * rng.integers(-20, 20, (3, 3)))
    network = sh.FixedNetwork(
        [sh.Input("in", 6), sh.Input("teacher", 3)],
        [sh.FixedPopulation(name="out", size=3, dv=400, vth=240, reset="subtract", threshold=">=")],
        [
            sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(-30, 60, (3, 6)), weight_exp=-1),
            sh.FixedProjection(pre="teacher", post="out", weight=sp.csr_array(200 * np.eye(3, dtype=int))),
            sh.FixedProjection(pre="out", post="out", weight=recurrent, delay=np.array([[0, 3, 1]] * 3)),
        ],
        ["out"],
    )
    inputs = {"in": rng.random((15, 5, 6)) < 0.15, "teacher": np.zeros((15, 5, 3), bool)}
    inputs["teacher"][::3, np.arange(5), np.arange(5) % 3] = True
    common = {"windows_per_update": 6, "lsb_shift": 5, "counter_bits": 12}
    rules = {
        "in->out": FixedSSDP(
            a_plus=3,
            a_baseline=1,
            lut=(255, 155, 35, 3),
            lut_baseline=(90, 40),
            time_bits=4,
            time_shift=1,
            spike_time="last",
            silent_pairs="skip",
            rounding=in_rounding,
            gate=sh.FixedGate(offset=-50, slope=250, shift=3),
            **common,
        ),
        "teacher->out": FixedSTDP(
            a_plus=3,
            a_minus=4,
            decay_plus=700,
            decay_minus=300,
            trace_impulse=90,
            dw_shift=2,
            rounding=teacher_rounding,
            **common,
        ),
        "out->out": FixedSADP(a_plus=40, a_minus=60, dw_shift=5, rounding=out_rounding, **common),
    }
    gates = {"teacher->out": rng.integers(-512, 513, (15, 3))}
    return network, inputs, LearningPlan(rules, 2**63 + 12345, {}, 7, 3, 3, gates)
