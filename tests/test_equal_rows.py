"""Rows of a declared rule whose neurons agree: the engine finds them, computes one of a kind, and no bit shows it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from compiled_calls import from_python
from hypothesis import given, settings, strategies as st
from rule_examples import Hebb
from scipy.sparse import csr_array
from ssdp_hw.targets.engine.equal_rows import make_equal_rows, order_rows
from ssdp_hw.targets.engine.plastic import EQUAL_AT_END, EQUAL_THROUGHOUT
from ssdp_hw.targets.engine.run import available_threads

import ssdp_hw as sh


class Rule(NamedTuple):
    """What of a declared rule counts here."""

    post: int
    post_factors: int
    post_reads: int
    equal_rows: int


class Ends(NamedTuple):
    """The number of rows."""

    post_size: int


class Plastic(NamedTuple):
    """A projection of these."""

    declared: Rule
    ends: Ends


@given(st.data())
@settings(max_examples=60)
def test_equal_rows_follow_each_other_and_no_others(data):
    """The kinds of rows are those that numpy finds among the columns of values and spikes."""
    size, length = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 4))
    numbers = data.draw(st.tuples(*[st.integers(0, 2)] * 3))
    when = data.draw(st.sampled_from([EQUAL_AT_END, EQUAL_THROUGHOUT]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    largest = data.draw(st.sampled_from([0, 1, 3]))
    table = rng.integers(-largest, largest + 1, (sum(numbers), length + 1, size)) * data.draw(
        st.sampled_from([1, 2**40])
    )
    spikes = (rng.random((length, size)) < data.draw(st.sampled_from([0.0, 0.1, 0.6]))).astype(np.uint8)
    begin = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(begin, size))
    if when == EQUAL_AT_END:
        values = [table[:, -1], spikes.any(0, keepdims=True)]
    else:
        values = [table.reshape(-1, size), spikes]
    _, kinds = np.unique(np.concatenate(values)[:, begin:end], axis=1, return_inverse=True)
    kinds = kinds.reshape(-1)
    equal = make_equal_rows(size)
    plastic = Plastic(Rule(*numbers, when), Ends(size))
    counted = spikes.any(0).astype(np.uint8) if when == EQUAL_AT_END else spikes.reshape(-1)
    from_python(order_rows)(plastic, counted, table.reshape(-1), length, begin, end, equal)
    order = equal.order[begin:end]
    assert sorted(order) == list(range(begin, end))
    of_place = kinds[order - begin]
    changes = np.flatnonzero(np.diff(of_place, prepend=-1))
    assert len(changes) == len(set(kinds)), "rows of a kind follow each other"
    np.testing.assert_array_equal(np.flatnonzero(equal.is_first[order]), changes)


class ByPlace(Hebb):
    """Rows of neurons that fire alike differ by the numbers of their neurons."""

    name = "ByPlace"

    def post_spike(self, op, at, p):
        """More for neurons of higher number."""
        return super().post_spike(op, at, p) + op.minimum(at.post.index, 60)


class ByWeight(Hebb):
    """Rows of neurons that fire alike differ by their weights."""

    name = "ByWeight"
    reads_weight = True

    def pre_spike(self, op, at, p):
        """Larger weights shrink more."""
        return 0 - at.synapse.weight


SSDP = {"a_plus": 0.3, "a_baseline": 0.1, "sigma": 2.0}
RULES = {
    "SSDP": sh.SSDP(**SSDP),
    "silent pairs skipped": sh.SSDP(**SSDP, silent_pairs="skip"),
    "its own gate": sh.SSDP(**SSDP, gate=sh.Gate(k=0.7, mean=0.2, deviation=0.1)),
    "its own gate, sparse": sh.SSDP(**SSDP, gate=sh.Gate(k=0.7, mean=0.2, deviation=0.1)),
    "gates": sh.SSDP(**SSDP),
    "STDP": sh.STDP(a_plus=0.3, a_minus=0.2),
    "SADP": sh.SADP(a_plus=0.3, a_minus=0.2),
    "by place": sh.rule(ByPlace(), a=0.2),
    "by weight": sh.rule(ByWeight(), a=0.2),
}


def dense(weight):
    """An array of all weights."""
    return weight.toarray() if hasattr(weight, "toarray") else weight


@pytest.mark.parametrize("name", list(RULES))
def test_weights_and_counters_are_those_of_every_row_by_itself(name):
    """Forty neurons of which four at a time have the same weights, so that they fire alike; some are silent."""
    rng = np.random.default_rng(len(name))
    weight = np.repeat(rng.integers(-2, 4, (10, 12)) * 0.25, 4, axis=0)
    weight[8:16] = rng.integers(-3, 0, (8, 12)) * 0.25
    rows = rng.permutation(40)
    net = sh.Network(
        [sh.Input("in", 12)],
        [sh.Population(name="out", neuron=sh.LIF(size=40, tau_mem=5e-3, v_threshold=1.0))],
        [sh.Projection(pre="in", post="out", weight=csr_array(weight[rows]) if "sparse" in name else weight[rows])],
        ["out"],
        sh.Semantics(1e-3),
    )
    fixed = sh.quantize(net)
    spikes = rng.random((12, 7, 12)) < 0.3
    gates = rng.random((7, 40)) if name == "gates" else None

    def learned(target, **options):
        shown = sh.Presentation(epochs=2)
        made = sh.learn(fixed, spikes, None, RULES[name], target, presentation=shown, gates=gates, options=options)
        return dense(made.network.projections[0].weight), made.state.counters

    weights, counters = learned("spec")
    assert sum(np.count_nonzero(c) for c in counters.values()) > 20
    for threads in {1, min(2, available_threads())}:
        found, left = learned("engine", fast_paths=False, threads=threads)
        assert np.array_equal(found, weights)
        assert left.keys() == counters.keys()
        assert all(np.array_equal(left[key], counters[key]) for key in counters)
