"""Brian2 where it compiles: C++ standalone and Cython, against the specification.

Few networks, each of which uses all that it can: a build takes from 10 to 30 seconds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from brian2_helpers import (
    assert_close,
    assert_equal,
    assert_learned_equal,
    learn_both,
    requires_brian2,
    requires_compiler,
    run_both,
    teaching_network,
)
from strategies import on_grid

import ssdp_hw as sh
from ssdp_hw.errors import TargetRunError

pytestmark = [requires_brian2, requires_compiler, pytest.mark.slow]

STANDALONE, CYTHON = {"device": "cpp_standalone"}, {"codegen": "cython"}
COMPILED = pytest.mark.parametrize("options", [STANDALONE, CYTHON], ids=["standalone", "cython"])


def fixed_network():
    """Recurrence, delays, both signs of the exponent, sparse and dense, a readout whose registers overflow."""
    rng = np.random.default_rng(1)

    def weights(post, pre):
        return 2 * rng.integers(-128, 128, (post, pre))

    return sh.FixedNetwork(
        [sh.Input("in", 5)],
        [
            sh.FixedPopulation(
                name="hidden layer",
                size=6,
                du=rng.integers(0, 4096, 6),
                dv=rng.integers(0, 4096, 6),
                vth=rng.integers(50, 400, 6),
                bias_mant=rng.integers(-200, 200, 6),
                bias_exp=3,
                v_init=rng.integers(-1000, 8000, 6),
                reset="subtract",
                threshold=">=",
            ),
            sh.FixedPopulation(name="out", size=3, du=0, dv=0, spiking=False),
        ],
        [
            sh.FixedProjection(pre="in", post="hidden layer", weight=weights(6, 5), weight_exp=1),
            sh.FixedProjection(
                pre="hidden layer",
                post="hidden layer",
                weight=on_grid(weights(6, 6), -3),
                weight_exp=-3,
                delay=rng.integers(0, 2, (6, 6)),
            ),
            sh.FixedProjection(pre="hidden layer", post="out", weight=sp.csr_array(np.full((3, 6), 254)), weight_exp=7),
        ],
        ["out"],
    )


@COMPILED
def test_a_fixed_network(options):
    spikes = np.random.default_rng(2).random((25, 3, 5)) < 0.4
    left, right = run_both(fixed_network(), spikes, **options)
    assert_equal(left, right)
    assert left.overflow["out"].u_wraps > 0
    assert left.overflow["out"].v_saturations > 0
    assert left.spike_rate("hidden layer") > 0.1


def assert_learns_the_same(network, inputs, plan, **options):
    left, right = learn_both(network, inputs, plan, **options)
    assert_learned_equal(left, right)
    for name in plan.rules:
        assert np.any(right.weights[name] != network.projection(name).mantissa), name


def test_fixed_learning_on_standalone():
    assert_learns_the_same(*teaching_network(), **STANDALONE)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the import
def test_fixed_learning_in_cython(monkeypatch):
    """A rule less, and not optimised: each of some forty blocks of code is compiled as a module of its own."""
    from brian2 import prefs

    monkeypatch.setitem(prefs, "codegen.cpp.extra_compile_args_gcc", ["-w", "-O0", "-std=c++11"])
    network, inputs, plan = teaching_network()
    plan = replace(plan, rules={name: plan.rules[name] for name in ("in->out", "out->out")}, gates={})
    assert_learns_the_same(network, inputs, plan, **CYTHON)


def test_a_float_network_on_standalone():
    rng = np.random.default_rng(3)
    network = sh.Network(
        [sh.Input("in", 4)],
        [
            sh.Population(
                name="out",
                bias=0.1,
                neuron=sh.CubaLIF(
                    size=3, tau_mem=1e-2, tau_syn=5e-3, v_leak=0.05, v_threshold=rng.uniform(0.1, 0.3, 3)
                ),
            )
        ],
        [sh.Projection(pre="in", post="out", weight=rng.normal(0.5, 1.0, (3, 4)), delay=1)],
        ["out"],
        sh.Semantics(1e-3, "exponential", "current_first"),
    )
    left, right = run_both(network, rng.random((40, 2, 4)) < 0.4, **STANDALONE)
    assert_close(left, right)
    assert left.spike_rate() > 0.05


def test_a_block_that_does_not_compile_is_named(monkeypatch):
    from ssdp_hw.targets.brian2 import fixed_neurons

    # Cython finds no abs() for an integer in a comparison; Brian2 swallows the error.
    monkeypatch.setattr(fixed_neurons, "STEP", fixed_neurons.STEP + "u += int(abs(u) > HALF)\n")
    with pytest.raises(TargetRunError, match="could not compile population_0_run_regularly"):
        run_both(fixed_network(), np.ones((2, 1, 5), bool), **CYTHON)
