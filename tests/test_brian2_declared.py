"""Declared neuron models on Brian2, against the specification."""

from __future__ import annotations

import numpy as np
import pytest
from brian2_helpers import (
    assert_close,
    assert_equal,
    assert_learned_close,
    assert_learned_equal,
    learn_plan,
    quick_builds,
    requires_brian2,
    requires_compiler,
    run_both,
)
from declared_models import declared_fixed_networks, declared_float_networks, lively_network
from example_counts import examples
from hypothesis import given, strategies as st
from plan_strategies import learning_runs
from strategies import drives_for, not_the_simplest

pytestmark = requires_brian2
BATCHING = st.sampled_from(("copies", "sequence"))


@examples(40, default=5)
@given(st.data(), BATCHING)
def test_fixed_networks_equal_the_specification(data, batching):
    network = data.draw(declared_fixed_networks())
    assert_equal(*run_both(network, data.draw(drives_for(network)), batching=batching, fast_paths=False))


@pytest.mark.slow
@examples(30, default=4)
@given(st.data(), BATCHING)
def test_float_networks_equal_the_specification_up_to_rounding(data, batching):
    network = data.draw(declared_float_networks())
    assert_close(*run_both(network, data.draw(drives_for(network)), batching=batching))


@pytest.mark.slow
@examples(12, default=1)
@given(not_the_simplest(learning_runs(fixed=True, networks=declared_fixed_networks())))
def test_fixed_learning_equals_the_specification(run):
    assert_learned_equal(*learn_plan(*run, fast_paths=False))


@pytest.mark.slow
@examples(12, default=1)
@given(not_the_simplest(learning_runs(fixed=False, networks=declared_float_networks())))
def test_float_learning_equals_the_specification_up_to_rounding(run):
    assert_learned_close(*learn_plan(*run))


def assert_lively(result):
    """Every population fires in some steps, in others not, and what can overflow does."""
    for name, raster in result.spikes.items():
        assert 0.02 < raster.mean() < 0.9, name
    if result.overflow is not None:
        assert result.overflow["every"].v_saturations > 0


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "float"])
@pytest.mark.parametrize(
    "options",
    [
        {"batching": "copies"},
        {"batching": "sequence"},
        pytest.param({"device": "cpp_standalone"}, marks=requires_compiler, id="standalone"),
        pytest.param({"codegen": "cython"}, marks=requires_compiler, id="cython"),
    ],
)
@quick_builds()
def test_every_operation_on_every_device(fixed, options):
    network = lively_network(fixed=fixed)
    spikes = np.random.default_rng(2).random((30, 3, 5)) < 0.4
    left, right = run_both(network, spikes, fast_paths=False, **options)
    (assert_equal if fixed else assert_close)(left, right)
    assert_lively(left)
