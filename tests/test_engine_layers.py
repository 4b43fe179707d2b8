"""Networks without loops in the engine: layer after layer, step after step and on several threads the same bits."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from compiled_calls import from_python
from example_counts import examples
from hypothesis import given, strategies as st
from ssdp_hw.targets.engine.inference import run_program
from ssdp_hw.targets.engine.program import compile_program
from ssdp_hw.targets.engine.run import available_threads, together
from ssdp_hw.targets.engine.segments import BITS
from ssdp_hw.targets.engine.word_loops import append_bits, append_word, list_words, read_words
from strategies import on_grid
from test_engine import ENGINE, SPEC, assert_close, assert_equal, run

import ssdp_hw as sh
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.result import RECORDABLE, Record

MANY = available_threads()


@st.composite
def chains(draw, *, real=False):
    """Dense layers, the last reached by the input too, with delays, of neurons that are alike or not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.sampled_from((1, 10, 63, 64, 65, 130)), min_size=2, max_size=4))
    delays = [draw(st.integers(0, 3)) for _ in sizes]
    alike = draw(st.booleans())
    names = [f"n{k}" for k in range(len(sizes))]
    pairs = [*itertools.pairwise(names), *([(names[0], names[-1])] if len(sizes) > 2 else [])]
    size = dict(zip(names, sizes, strict=True))
    weight = {pair: 2 * rng.integers(-100, 128, (size[pair[1]], size[pair[0]])) for pair in pairs}
    steps, batch = draw(st.sampled_from((1, 63, 70, 150))), draw(st.integers(1, 3))
    spikes = rng.random((steps, batch, sizes[0])) < draw(st.sampled_from((0.0, 0.1, 0.6)))
    delay = {pair: delays[names.index(pair[0])] for pair in pairs}
    if real:
        neuron = {"tau_mem": 5e-3, "r": 1.0, "v_threshold": 60.0}
        return sh.Network(
            [sh.Input(names[0], sizes[0])],
            [sh.Population(name=n, neuron=sh.LIF(size=size[n], **neuron)) for n in names[1:]],
            [
                sh.Projection(pre=a, post=b, name=f"{a}{b}", weight=rng.normal(1, 9, w.shape), delay=delay[a, b])
                for (a, b), w in weight.items()
            ],
            [names[-1]],
            sh.Semantics(1e-3),
        ), spikes
    return sh.FixedNetwork(
        [sh.Input(names[0], sizes[0])],
        [
            sh.FixedPopulation(
                name=n,
                size=size[n],
                du=4095 if alike else rng.integers(300, 4096, size[n]),
                dv=200,
                vth=300,
                bias_mant=int(rng.integers(-50, 50)),
            )
            for n in names[1:]
        ],
        [
            sh.FixedProjection(
                pre=a, post=b, name=f"{a}{b}", weight=on_grid(w, exponent), weight_exp=exponent, delay=delay[a, b]
            )
            for (a, b), w in weight.items()
            for exponent in [int(rng.integers(-3, 1))]
        ],
        [names[-1]],
    ), spikes


def recorded(program, network, spikes, variables, threads):
    record = Record(variables, network.population_names)
    return run_program(program, network, make_drive(network, spikes), record, threads, {})


def stepwise(network):
    """The program of a network as if it had loops."""
    program = compile_program(network)
    program.__dict__["layered"] = False
    return program


@examples(60, default=12)
@given(chains(), st.sampled_from((1, MANY)), st.sampled_from((("spikes",), tuple(RECORDABLE))))
def test_layer_after_layer_equals_step_after_step(case, threads, variables):
    network, spikes = case
    program = compile_program(network)
    assert program.layered
    found = recorded(program, network, spikes, variables, threads)
    for other in (recorded(stepwise(network), network, spikes, variables, MANY), run(SPEC, network, spikes)):
        for variable in variables:
            for name, trace in getattr(found, variable).items():
                np.testing.assert_array_equal(trace, getattr(other, variable)[name], err_msg=name)
        assert found.overflow == other.overflow


@examples(20, default=7)
@given(chains(), st.integers(0, 2**32 - 1), st.sampled_from((("spikes",), tuple(RECORDABLE))))
def test_a_few_sparse_synapses_with_wider_weights_are_dense_parts(case, seed, variables):
    network, spikes = case
    rng = np.random.default_rng(seed)
    size, (steps, batch, _) = network.populations[-1].size, spikes.shape
    weight = sp.random_array((size, 10), density=0.2, rng=rng, format="csr")
    weight.data = rng.integers(1, 256, weight.nnz)
    sign = int(rng.choice([-1, 1]))
    teacher = sh.FixedProjection(
        pre="teacher",
        post=network.population_names[-1],
        weight=sign * weight.astype(np.int64),
        weight_exp=int(rng.integers(0, 4)),
        format=sh.WeightFormat(8, "excitatory" if sign > 0 else "inhibitory"),
        delay=rng.integers(0, 3, weight.nnz) if rng.random() < 0.5 else 1,
    )
    network = replace(
        network,
        inputs=[*network.inputs, sh.Input("teacher", 10)],
        projections=[*network.projections, teacher],
    )
    given_spikes = {network.inputs[0].name: spikes, "teacher": rng.random((steps, batch, 10)) < 0.2}
    program = compile_program(network)
    assert program.layered
    assert program.wiring.weights.dtype == np.int8
    found = recorded(program, network, given_spikes, variables, 1)
    other = run(SPEC, network, given_spikes)
    for variable in variables:
        for name, trace in getattr(found, variable).items():
            np.testing.assert_array_equal(trace, getattr(other, variable)[name], err_msg=name)
    assert found.overflow == other.overflow


@examples(30, default=11)
@given(chains(real=True), st.sampled_from((1, MANY)))
def test_float_layers_give_the_same_bits_too(case, threads):
    network, spikes = case
    program = compile_program(network)
    found = recorded(program, network, spikes, RECORDABLE, threads)
    stepped = recorded(stepwise(network), network, spikes, RECORDABLE, 1)
    if program.layered:
        assert_equal(found, stepped)
    else:  # only what comes by several ways may be added up in another order
        assert len(set(program.wiring.post.tolist())) < len(network.projections)
    assert_close(run(SPEC, network, spikes), found)


@pytest.mark.parametrize("batch", [1, 3])
def test_overflows_are_counted_where_nobody_looks_at_the_state(batch):
    """Steps that are tried without a look at overflows are taken back."""
    rng = np.random.default_rng(batch)
    sizes = {"in": 30, "a": 100, "b": 20}
    network = sh.FixedNetwork(
        [sh.Input("in", 30)],
        [sh.FixedPopulation(name=n, size=sizes[n], dv=5, vth=120_000, reset="subtract") for n in "ab"],
        [
            sh.FixedProjection(
                pre=a, post=b, weight=2 * rng.integers(-60, 127, (sizes[b], sizes[a])), weight_exp=exponent
            )
            for a, b, exponent in (("in", "a", 7), ("a", "b", 4))
        ],
        ["b"],
    )
    spikes = rng.random((130, batch, 30)) < 0.4
    spikes[:70] &= rng.random((70, 1, 1)) < 0.1  # some blocks of steps have none
    found = recorded(compile_program(network), network, spikes, ("spikes",), 1)
    wanted = run(SPEC, network, spikes)
    assert any(count.u_wraps for count in wanted.overflow.values())
    assert any(count.v_saturations for count in wanted.overflow.values())
    assert found.overflow == wanted.overflow
    for name, trace in wanted.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], trace)


@pytest.mark.parametrize("seed", range(6))
def test_threads_share_the_neurons_of_one_sample_of_a_network_with_loops(seed):
    rng = np.random.default_rng(seed)
    size, sparse = 300, seed % 2
    back = 4 * rng.integers(-30, 30, (size, size)) * (rng.random((size, size)) < (0.1 if sparse else 1.0))
    network = sh.FixedNetwork(
        [sh.Input("in", 70)],
        [sh.FixedPopulation(name="p", size=size, du=1000, dv=300, vth=500)],
        [
            sh.FixedProjection(pre="in", post="p", weight=2 * rng.integers(-60, 80, (size, 70))),
            sh.FixedProjection(
                pre="p",
                post="p",
                weight_exp=-2,
                delay=seed % 3,
                weight=sh_sparse(back) if sparse else back,
            ),
        ],
        ["p"],
    )
    spikes = rng.random((40, 1, 70)) < 0.2
    wanted = run(SPEC, network, spikes)
    assert wanted.spikes["p"].any()
    assert_equal(wanted, run(ENGINE, network, spikes, threads=MANY))


def sh_sparse(matrix):
    import scipy.sparse as sp

    return sp.csr_array(matrix)


@pytest.mark.skipif(MANY < 2, reason="one processor")
def test_a_member_that_fails_keeps_nobody_waiting():
    """Its error reaches the caller, and the next team works."""
    program = compile_program(chain_of_one())

    def fails(thread_group):
        if thread_group.member == 1:
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        together(fails, 2, program.layout)
    seen = []
    together(lambda thread_group: seen.append((thread_group.member, thread_group.members)), 2, program.layout)
    assert sorted(seen) == [(0, 2), (1, 2)]


@pytest.mark.skipif(MANY < 2, reason="one processor")
def test_a_second_team_works_alone():
    """Two teams that each have some of the threads would wait for each other for ever."""
    program, inner = compile_program(chain_of_one()), []
    started, done = threading.Barrier(2, timeout=60), []

    def outer(thread_group):
        started.wait()
        if thread_group.member == 0:
            together(lambda other: inner.append(other.members), 2, program.layout)
        done.append(thread_group.member)

    together(outer, 2, program.layout)
    assert inner == [1]
    assert sorted(done) == [0, 1]


def chain_of_one():
    return sh.FixedNetwork(
        [sh.Input("in", 3)],
        [sh.FixedPopulation(name="p", size=2)],
        [sh.FixedProjection(pre="in", post="p", weight=np.zeros((2, 3), int))],
        ["p"],
    )


@examples(100, default=30)
@given(st.integers(0, 2**64 - 1), st.integers(0, 1000))
def test_the_bits_of_a_word_are_listed_in_order_on_any_processor(word, base):
    wanted = [base + k for k in range(64) if word >> k & 1]
    for listing in (append_bits, append_word):
        active = np.full(200, -1, np.int32)
        assert from_python(listing)(active, 3, np.uint64(word), np.int32(base)) == 3 + len(wanted)
        assert active[3 : 3 + len(wanted)].tolist() == wanted


@examples(100, default=30)
@given(st.integers(1, 200), st.integers(0, 70), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_flags_become_words_and_words_a_list(size, first, rate, seed):
    """Without a look at what lies behind the last flag, and whatever byte stands for a spike."""
    rng = np.random.default_rng(seed)
    flags = np.where(rng.random(first + size) < rate, rng.integers(1, 256, first + size), 0).astype(np.uint8)
    words, active = np.full((2, 6), 2**64 - 1, np.uint64), np.zeros(size + BITS, np.int32)
    from_python(read_words)(words, 1, 2, flags, first, size)
    count = from_python(list_words)(words, 1, 2, size, active, 0)
    assert active[:count].tolist() == np.flatnonzero(flags[first:]).tolist()
    assert (words[0] == 2**64 - 1).all()
