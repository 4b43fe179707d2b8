"""Graphs are built with NIR itself and read both directly and through a file."""

import dataclasses
import itertools
import re

import h5py
import nir
import numpy as np
import pytest
from example_counts import examples, share
from hypothesis import given, settings, strategies as st

from ssdp_hw import IF, LI, LIF, CubaLI, CubaLIF, I
from ssdp_hw.conversion.nir import from_nir
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError, SsdpHwError, UnsupportedError
from ssdp_hw.running.run import run

DT = 1e-3


def full(size, value):
    return np.full(size, value, float)


def lif(size=2, tau=0.02, r=1.5, leak=0.0, threshold=1.0, reset=0.0):
    return nir.LIF(
        tau=full(size, tau),
        r=full(size, r),
        v_leak=full(size, leak),
        v_threshold=full(size, threshold),
        v_reset=full(size, reset),
    )


def linear(post, pre, seed=0):
    return nir.Linear(weight=np.random.default_rng(seed).normal(size=(post, pre)))


def affine(post, pre, seed=0):
    rng = np.random.default_rng(seed)
    return nir.Affine(weight=rng.normal(size=(post, pre)), bias=rng.normal(size=post))


def ends(inputs=3, outputs=2):
    return {"in": nir.Input({"input": np.array([inputs])}), "out": nir.Output({"output": np.array([outputs])})}


def graph(nodes, *edges, **size):
    """A graph with nodes 'in' and 'out'; an edge is written 'a->b', a path 'a->b->c'."""
    pairs = [pair for path in edges for pair in itertools.pairwise(path.split("->"))]
    return nir.NIRGraph({**ends(**size), **nodes}, pairs, type_check=False)


def simple(node=None, weights=None):
    return graph({"fc": weights or linear(2, 3), "pop": node or lif()}, "in->fc->pop->out")


def refused(g, error, words):
    with pytest.raises(error, match=words) as caught:
        from_nir(g, DT)
    assert "\n" not in str(caught.value)


def same_network(a, b):
    assert a.summary() == b.summary()
    assert a.notes == b.notes
    for p, q in zip(a.populations, b.populations, strict=True):
        assert type(p.neuron) is type(q.neuron)
        np.testing.assert_array_equal(p.bias, q.bias)
        for field in dataclasses.fields(p.neuron):
            np.testing.assert_array_equal(getattr(p.neuron, field.name), getattr(q.neuron, field.name))
    for p, q in zip(a.projections, b.projections, strict=True):
        assert p.is_sparse == q.is_sparse
        np.testing.assert_array_equal(p.synapse_weights, q.synapse_weights)


NEURONS = {
    "LIF": (LIF, {"tau": "tau_mem", "r": "r", "v_leak": "v_leak", "v_threshold": "v_threshold", "v_reset": "v_reset"}),
    "IF": (IF, {"r": "r", "v_threshold": "v_threshold", "v_reset": "v_reset"}),
    "I": (I, {"r": "r"}),
    "LI": (LI, {"tau": "tau_mem", "r": "r", "v_leak": "v_leak"}),
    "CubaLI": (CubaLI, {k: k for k in ("tau_mem", "tau_syn", "r", "v_leak", "w_in")}),
    "CubaLIF": (CubaLIF, {k: k for k in ("tau_mem", "tau_syn", "r", "v_leak", "w_in", "v_threshold", "v_reset")}),
}


@pytest.mark.parametrize("kind", NEURONS)
def test_every_parameter_of_every_neuron_arrives(kind, tmp_path):
    model, names = NEURONS[kind]
    # Distinct values, thresholds above resets.
    values = {name: np.array([1.0, 2.0]) + 10 * k for k, name in enumerate(["v_reset", *names]) if name in names}
    values = {k: v + 1000 if k == "v_threshold" else v for k, v in values.items()}
    nir.write(tmp_path / "g.nir", simple(getattr(nir, kind)(**values)))
    neuron = from_nir(tmp_path / "g.nir", DT).population("pop").neuron
    assert type(neuron) is model
    for theirs, ours in names.items():
        np.testing.assert_array_equal(getattr(neuron, ours), values[theirs])


def test_file_and_graph_give_the_same_network(tmp_path):
    g = graph(
        {"fc1": affine(4, 3), "a": lif(4), "rec": affine(4, 4, 1), "fc2": linear(2, 4), "b": lif(2)},
        "in->fc1->a->fc2->b->out",
        "a->rec->a",
    )
    nir.write(tmp_path / "g.nir", g)
    same_network(from_nir(tmp_path / "g.nir", DT), from_nir(graph(g.nodes, *(f"{a}->{b}" for a, b in g.edges)), DT))
    assert from_nir(str(tmp_path / "g.nir"), DT).outputs == ("b",)


def test_recurrence_bias_and_order():
    fc, rec, out = affine(4, 3), affine(4, 4, 1), affine(2, 4, 2)
    net = from_nir(
        graph({"z": lif(4), "a": lif(2), "fc": fc, "rec": rec, "last": out}, "in->fc->z->last->a->out", "z->rec->z"), DT
    )
    assert [p.name for p in net.populations] == ["z", "a"]  # as spikes reach them
    assert {p.name: (p.pre, p.post) for p in net.projections} == {
        "fc": ("in", "z"),
        "rec": ("z", "z"),
        "last": ("z", "a"),
    }
    np.testing.assert_array_equal(net.population("z").bias, fc.bias + rec.bias)
    np.testing.assert_array_equal(net.population("a").bias, out.bias)
    np.testing.assert_array_equal(net.projection("rec").weight, rec.weight)
    assert net.latency == 2
    assert "needs 2 steps" in net.notes[0]


def test_options_arrive_and_are_noted():
    net = from_nir(
        simple(), 2e-3, reset="subtract", threshold=">=", discretization="exponential", update_order="voltage_first"
    )
    assert net.semantics.to_dict() == {"dt": 2e-3, "discretization": "exponential", "update_order": "voltage_first"}
    assert (net.population("pop").reset, net.population("pop").threshold) == ("subtract", ">=")
    for word in ("0.002 s", "'subtract'", "'>='", "'exponential'", "'voltage_first'"):
        assert word in net.notes[1]


@pytest.mark.parametrize(
    "argument",
    [
        {"dt": 0},
        {"dt": -1},
        {"dt": np.nan},
        {"dt": "fast"},
        {"dt": None},
        {"reset": "soft"},
        {"threshold": "<"},
        {"discretization": "rk4"},
        {"update_order": 1},
        {"source": 3},
        {"source": None},
        {"max_synapses": 1.5},
    ],
)
def test_bad_arguments(argument):
    with pytest.raises(ParameterError):
        from_nir(**({"source": simple(), "dt": DT} | argument))


def test_direct_edges_are_sparse_identities():
    net = from_nir(graph({"a": lif(3), "b": lif(3)}, "in->a->b->out", "b->b", outputs=3), DT)
    for name in ("in->a", "a->b", "b->b"):
        p = net.projection(name)
        assert p.is_sparse
        np.testing.assert_array_equal(p.weight.toarray(), np.eye(3))


def test_several_weights_into_one_population_stay_apart():
    a, b = affine(2, 3, 1), affine(2, 3, 2)
    net = from_nir(graph({"a": a, "b": b, "pop": lif()}, "in->a->pop->out", "in->b->pop"), DT)
    np.testing.assert_array_equal(net.projection("a").weight, a.weight)
    np.testing.assert_array_equal(net.projection("b").weight, b.weight)
    np.testing.assert_allclose(net.population("pop").bias, a.bias + b.bias, rtol=0, atol=1e-15)


def test_one_weight_between_several_populations():
    shared = affine(2, 2)
    nodes = {"w": shared, "a": lif(), "b": lif(), "c": lif(), "d": lif()}
    net = from_nir(graph(nodes, "in->a->w->c->out", "in->b->w->d", inputs=2), DT)
    names = {p.name: (p.pre, p.post) for p in net.projections if p.post in "cd"}
    assert names == {f"{s}->w->{t}": (s, t) for s in "ab" for t in "cd"}
    for target in "cd":  # W (a + b) + bias: the bias acts once
        np.testing.assert_array_equal(net.population(target).bias, shared.bias)
        for p in net.incoming(target):
            np.testing.assert_array_equal(p.weight, shared.weight)


def test_several_inputs_and_outputs():
    nodes = {
        "in2": nir.Input({"input": np.array([4])}),
        "out2": nir.Output({"output": np.array([5])}),
        "w": linear(2, 3),
        "w2": linear(5, 4),
        "a": lif(),
        "b": lif(5),
    }
    net = from_nir(graph(nodes, "in->w->a->out", "in2->w2->b->out2"), DT)
    assert {i.name: i.size for i in net.inputs} == {"in": 3, "in2": 4}
    assert sorted(net.outputs) == ["a", "b"]
    assert "output 'out2' is population 'b'" in net.notes


def test_two_outputs_of_one_population_are_one():
    net = from_nir(
        graph({"o2": nir.Output({"output": np.array([3])}), "a": lif(3)}, "in->a->out", "a->o2", outputs=3), DT
    )
    assert net.outputs == ("a",)


def test_flatten_keeps_c_order():
    nodes = {
        "in": nir.Input({"input": np.array([2, 3, 4])}),
        "flat": nir.Flatten({"input": np.array([2, 3, 4])}, 0, -1),
        "grid": nir.IF(r=np.arange(24.0).reshape(2, 3, 4), v_threshold=np.ones((2, 3, 4))),
        "fc": linear(2, 24),
        "pop": lif(),
    }
    net = from_nir(graph(nodes, "in->grid->flat->fc->pop->out"), DT)
    assert net.input_names == ("in",)
    assert net.size_of("in") == 24
    assert net.population("grid").neuron.r.tolist() == list(range(24))
    np.testing.assert_array_equal(net.projection("fc").weight, nodes["fc"].weight)
    assert [p.name for p in net.projections] == ["in->grid", "fc"]


def test_flatten_before_the_output():
    nodes = {"flat": nir.Flatten({"input": None}, 0), "a": lif(3)}
    assert from_nir(graph(nodes, "in->a->flat->out", outputs=3), DT).outputs == ("a",)


@examples(100, default=30)
@given(st.integers(0, 2**32 - 1))
def test_chains_of_linear_nodes_multiply(seed):
    """in -> A -> (B, C) -> D -> pop: the population receives D (B + C)(A x) and the biases through them."""
    rng = np.random.default_rng(seed)
    a, b, c, d = (
        nir.Affine(weight=rng.integers(-4, 5, shape).astype(float), bias=rng.integers(-4, 5, shape[0]).astype(float))
        for shape in ((4, 3), (5, 4), (5, 4), (2, 5))
    )
    net = from_nir(graph({"A": a, "B": b, "C": c, "D": d, "pop": lif()}, "in->A->B->D->pop->out", "A->C->D"), DT)
    (p,) = net.projections
    assert (p.pre, p.post) == ("in", "pop")
    both = b.weight + c.weight
    np.testing.assert_array_equal(p.weight, d.weight @ both @ a.weight)
    np.testing.assert_array_equal(net.population("pop").bias, d.weight @ (both @ a.bias + b.bias + c.bias) + d.bias)
    assert sum("are one matrix" in note for note in net.notes) == 1


def test_diamonds_of_linear_nodes_do_not_multiply_paths():
    nodes, edges, last = {"pop": lif(1)}, [], "in"
    for k in range(60):  # 2**60 paths
        for side in "lr":
            nodes[f"{side}{k}"] = nir.Linear(weight=np.array([[0.5]]))
        nodes[f"f{k}"] = nir.Flatten({"input": np.array([1])}, 0)
        edges += [f"{last}->l{k}->f{k}", f"{last}->r{k}->f{k}"]
        last = f"f{k}"
    (p,) = from_nir(graph(nodes, *edges, f"{last}->pop->out", inputs=1, outputs=1), DT).projections
    assert p.weight.tolist() == [[1.0]]


def test_chain_that_becomes_too_large():
    nodes = {"down": linear(1, 200), "up": linear(200, 1), "pop": lif(200)}
    g = graph(nodes, "in->down->up->pop->out", inputs=200, outputs=200)
    assert from_nir(g, DT, max_synapses=40_000).projection("down->up").shape == (200, 200)
    with pytest.raises(UnsupportedError, match=r"'up' \(Linear\).*needs 40000 synapses.*raise max_synapses"):
        from_nir(g, DT, max_synapses=39_999)


def test_loop_without_a_neuron():
    nodes = {"a": linear(2, 2), "b": linear(2, 2), "f": nir.Flatten({"input": np.array([2])}, 0), "pop": lif()}
    refused(graph(nodes, "in->a->b->f->a", "b->pop->out", inputs=2), UnsupportedError, "loop without a neuron")


def test_unsupported_nodes_are_all_listed(tmp_path):
    def network(strange):
        inner = nir.NIRGraph({**ends(3, 3), "i": strange()}, [("in", "i"), ("i", "out")], type_check=False)
        return graph({"i": strange(), "sub": inner, "pop": lif(3)}, "in->i->sub->pop->out", outputs=3)

    class Izhikevich(nir.I):
        """A node type that NIR does not have."""

    nir.write(tmp_path / "g.nir", network(lambda: nir.I(r=np.ones(3))))
    with h5py.File(tmp_path / "g.nir", "r+") as f:
        for node in ("i", "sub/nodes/i"):
            del f[f"node/nodes/{node}/type"]
            f[f"node/nodes/{node}/type"] = "Izhikevich"
    words = ["'i' (Izhikevich)", "'sub.i' (Izhikevich)", "supported are Input"]
    for source, more in ((network(lambda: Izhikevich(r=np.ones(3))), []), (tmp_path / "g.nir", [str(tmp_path)])):
        with pytest.raises(UnsupportedError) as caught:
            from_nir(source, DT)
        for word in words + more:
            assert word in str(caught.value)
        assert "(LIF)" not in str(caught.value)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        (["in->out"], "'in' \\(Input\\) leads to output 'out' without a neuron"),
        (["in->fc->pop"], "'out' \\(Output\\): exactly one population must feed it, found \\[\\]"),
        (["in->fc->pop->out", "pop2->out"], "exactly one population must feed it"),
    ],
)
def test_outputs_that_are_no_population(edges, words):
    size = 3 if "in->out" in edges else 2
    refused(graph({"fc": linear(2, 3), "pop": lif(), "pop2": lif()}, *edges, outputs=size), UnsupportedError, words)


def test_no_input_or_no_output():
    for name in ("Input", "Output"):
        nodes = {k: n for k, n in simple().nodes.items() if type(n).__name__ != name}
        edges = [e for e in simple().edges if set(e) <= set(nodes)]
        refused(nir.NIRGraph(nodes, edges, type_check=False), UnsupportedError, f"the graph has no {name} node")


def test_readout_that_drives_others():
    nodes = {"li": nir.LI(tau=full(3, 0.1), r=full(3, 1), v_leak=full(3, 0)), "fc": linear(2, 3), "pop": lif()}
    refused(graph(nodes, "in->li->fc->pop->out"), UnsupportedError, "'li' \\(LI\\) is a readout without spikes")


@pytest.mark.parametrize(
    ("edges", "error", "words"),
    [
        ([("in", "fc"), ("fc", "nobody")], ParameterError, "no node 'nobody'"),
        ([("in", "fc"), ("in", "fc")], ParameterError, "'in' -> 'fc' occurs twice"),
        ([("fc", "in")], ParameterError, "nothing follows an Output or comes before an Input"),
        ([("out", "pop")], ParameterError, "nothing follows an Output"),
        ([("in", "fc", "pop")], ParameterError, "no edge"),
        ([("in", 3)], ParameterError, "no edge"),
        ([("in", "pop")], ShapeError, "'in' -> 'pop'.*gives 3 values.*takes 2"),
        ([("in", "tr")], ShapeError, "gives 3 values.*takes 2; its weight of shape \\(3, 2\\) looks transposed"),
    ],
)
def test_malformed_edges(edges, error, words):
    nodes = {"fc": linear(2, 3), "tr": linear(3, 2), "pop": lif()}
    refused(nir.NIRGraph({**ends(), **nodes}, edges, type_check=False), error, words)


def replaced(node, **values):
    for name, value in values.items():
        setattr(node, name, value)
    return node


@pytest.mark.parametrize(
    ("g", "error", "words"),
    [
        (simple(lif(tau=0)), ParameterError, "'pop': LIF: tau_mem = 0 s must be above 0"),
        (simple(lif(tau=-1)), ParameterError, "'pop': LIF: tau_mem = -1 s must be above 0"),
        (simple(lif(tau=np.nan)), ParameterError, "'pop' \\(LIF\\): tau has a NaN"),
        (simple(lif(tau=1e-4)), ParameterError, "'pop': LIF: dt = 0.001 s is larger than tau_mem = 0.0001 s"),
        (simple(lif(threshold=1, reset=1)), ParameterError, "'pop'.*v_threshold must be above v_reset"),
        (simple(replaced(lif(), r=np.ones(3))), ShapeError, "'pop' \\(LIF\\): its parameters differ in size"),
        (simple(replaced(lif(), r=np.ones(2) * 1j)), ParameterError, "'pop' \\(LIF\\): r has complex numbers"),
        (simple(replaced(lif(), r=None)), ParameterError, "'pop' \\(LIF\\): r is not numeric"),
        (simple(weights=nir.Linear(np.full((2, 3), np.nan))), ParameterError, "'fc' \\(Linear\\): a weight is NaN"),
        (simple(weights=nir.Linear(np.ones((2, 3)) * 1j)), ParameterError, "'fc' \\(Linear\\): weights are complex"),
        (simple(weights=nir.Linear(np.ones((4, 2, 3)))), UnsupportedError, "'fc' \\(Linear\\): a weight of shape"),
        (simple(weights=nir.Linear(np.ones((0, 3)))), ShapeError, "'fc' \\(Linear\\) has no values"),
        (simple(weights=nir.Affine(np.ones((2, 3)), np.ones(4))), ShapeError, "'fc' \\(Affine\\): bias has 4 values"),
        (simple(weights=nir.Affine(np.ones((2, 3)), full(2, np.inf))), ParameterError, "'fc' \\(Affine\\): bias has"),
        (graph({"pop": lif()}, "pop->out", inputs=-3), ShapeError, "'in' \\(Input\\).*is no shape"),
        (graph({"pop": lif()}, "pop->out", inputs=1.5), ShapeError, "'in' \\(Input\\).*is no shape"),
        (graph({"pop": lif(())}, "in->pop->out", inputs=2**40, outputs=2**40), ParameterError, "above the limit"),
    ],
)
def test_bad_values_name_their_node(g, error, words, tmp_path):
    refused(g, error, words)


def test_errors_of_a_file_name_the_file(tmp_path):
    nir.write(tmp_path / "g.nir", simple(lif(tau=-1)))
    with pytest.raises(ParameterError, match=re.escape(f"{tmp_path}/g.nir: node 'pop'")):
        from_nir(tmp_path / "g.nir", DT)


def test_scalar_parameters_take_the_size_of_their_neighbours():
    nodes = {
        "a": lif(()),
        "b": lif(1),
        "fc": nir.Affine(np.ones((5, 3)), np.array(2.0)),
        "c": lif(()),
        "d": lif(()),
    }
    net = from_nir(graph(nodes, "in->a->b->fc->c->d->out", outputs=5), DT)
    assert [(p.name, p.size) for p in net.populations] == [("a", 3), ("b", 3), ("c", 5), ("d", 5)]
    assert net.population("c").bias.tolist() == [2] * 5
    notes = "\n".join(net.notes)
    for name in "abcd":
        assert f"'{name}' (LIF): its scalar parameters hold for all" in notes
    assert "'fc' (Affine): its scalar bias holds for all 5" in notes


def test_what_is_left_out_or_assumed_is_noted():
    nodes = {"fc": linear(2, 3), "pop": lif(leak=0.1), "dead": linear(4, 2), "alone": affine(2, 3)}
    net = from_nir(graph(nodes, "in->fc->pop->out", "pop->dead", "alone->pop"), DT)
    notes = "\n".join(net.notes)
    assert "'dead' (Linear) leads nowhere" in notes
    assert "'alone' (Affine) is fed by nothing" in notes
    assert "'pop' (LIF): the voltage starts at 0" in notes
    np.testing.assert_array_equal(net.population("pop").bias, nodes["alone"].bias)
    assert [p.name for p in net.projections] == ["fc"]


def test_neuron_equation_and_timing_against_nir_by_hand():
    """tau dv/dt = (v_leak - v) + r (W x + b), forward Euler, the input of step t acting in t + 1."""
    fc = affine(2, 3, 5)
    net = from_nir(simple(lif(tau=0.004, r=2.0, leak=0.1, threshold=0.9), fc), DT)
    spikes = np.random.default_rng(1).random((30, 4, 3)) < 0.5
    result = run(net, spikes, "spec", record=("v", "spikes"))
    v = np.zeros((4, 2))
    for step in range(30):
        arriving = spikes[step - 1] @ fc.weight.T if step else np.zeros((4, 2))
        v = v + DT / 0.004 * (0.1 - v + 2.0 * (arriving + fc.bias))
        fired = v > 0.9
        v[fired] = 0.0
        np.testing.assert_array_equal(result.spikes["pop"][step], fired)
        np.testing.assert_allclose(result.v["pop"][step], v, atol=1e-12)


# Files.


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.nir", tmp_path):
        with pytest.raises(FileFormatError, match=re.escape(str(path))):
            from_nir(path, DT)


def break_file(tmp_path, change):
    path = tmp_path / "g.nir"
    nir.write(path, simple())
    with h5py.File(path, "r+") as f:
        change(f)
    return path


def _without(name):
    return lambda f: f.__delitem__(name)


def _instead(name, value):
    def change(f):
        del f[name]
        f[name] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _without("node"),
        _without("node/nodes"),
        _without("node/edges"),
        _without("node/type"),
        _without("node/nodes/pop/tau"),
        _without("node/nodes/pop/type"),
        _without("node/nodes/in/shape"),
        _without("node/nodes/fc/weight"),
        _instead("node", 3),
        _instead("node/nodes", 3),
        _instead("node/edges", 3),
        _instead("node/edges", [b"in", b"fc"]),
        _instead("node/type", "Nothing"),
        _instead("node/type", 4),
        _instead("node/type", "Input"),
        _instead("node/nodes/pop/tau", np.ones(3)),
        _instead("node/nodes/pop/tau", "x"),
        _instead("node/nodes/fc/weight", 3.0),
        _instead("node/nodes/pop", 1),
        _instead("node/nodes/pop/type", "a\nb"),
        lambda f: f["node"].create_dataset("type_check", data=True),
        lambda f: f["node/nodes/pop"].create_dataset("surprise", data=1),
        lambda f: f["node/nodes/pop"].create_group("r2"),
    ],
)
def test_broken_files_give_one_line_that_names_the_file(change, tmp_path):
    path = break_file(tmp_path, change)
    with pytest.raises(FileFormatError, match=re.escape(str(path))) as caught:
        from_nir(path, DT)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_links_out_of_the_file_and_size_are_refused(tmp_path):
    path = break_file(tmp_path, lambda f: f["node/nodes/fc"].__setitem__("bias", h5py.ExternalLink("x.h5", "/w")))
    with pytest.raises(FileFormatError, match="soft or external link"):
        from_nir(path, DT)
    nir.write(path, simple())
    with pytest.raises(FileFormatError, match="more than 100 bytes"):
        from_nir(path, DT, max_bytes=100)


@pytest.mark.more_examples
def test_every_cut_or_flipped_file_is_read_or_refused(tmp_path):
    path = tmp_path / "g.nir"
    nir.write(path, simple())
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    for k in range(share(150, default=25)):
        damaged = bytearray(content)
        if k % 3 == 0:
            del damaged[rng.integers(len(damaged)) :]
        else:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            from_nir(path, DT)
            outcomes.add("read")
        except SsdpHwError as error:
            outcomes.add("refused" if str(path) in str(error) else f"without the file's name: {error}")
    assert outcomes == {"read", "refused"}


@settings(max_examples=20)
@given(
    st.integers(0, 2**16),
    st.sampled_from(("Linear", "Affine", "two in a row")),
    st.sampled_from(("euler", "exponential")),
)
def test_a_last_linear_node_is_a_membrane_readout(seed, kind, discretization):
    """Its voltage is the product of its weight and the spikes of the step before."""
    rng = np.random.default_rng(seed)
    weight, more, bias = rng.normal(size=(3, 4)), rng.normal(size=(2, 3)), rng.normal(size=3)
    nodes = {"fc": nir.Linear(rng.normal(size=(4, 2)) * 5), "pop": lif(4)}
    nodes["last"] = nir.Affine(weight, bias) if kind == "Affine" else nir.Linear(weight)
    way, size = "in->fc->pop->last->out", 3
    if kind == "two in a row":
        nodes["more"], way, size = nir.Linear(more), "in->fc->pop->last->more->out", 2
    net = from_nir(graph(nodes, way, inputs=2, outputs=size), DT, discretization=discretization)
    assert net.outputs == ("out.readout",)
    assert not net.population("out.readout").spiking
    assert any("membrane readout" in note for note in net.notes)
    spikes = rng.random((20, 3, 2)) < 0.5
    result = run(net, spikes, "spec", record=("spikes", "v"))
    sent = np.concatenate([np.zeros((1, 3, 4)), result.spikes["pop"][:-1]])
    wanted = sent @ weight.T + (bias if kind == "Affine" else 0)
    np.testing.assert_allclose(
        result.v["out.readout"], wanted @ more.T if kind == "two in a row" else wanted, atol=1e-9
    )


@pytest.mark.parametrize("name", ["r", "v_leak", "v_threshold"])
def test_a_scalar_beside_arrays_is_spread_by_name(tmp_path, name):
    """NIR's own reader refuses it; older files have it."""
    path = tmp_path / "scalar.nir"
    nir.write(path, simple())
    node = next(n for n, found in simple().nodes.items() if type(found).__name__ == "LIF")
    whole = from_nir(path, DT)
    with h5py.File(path, "r+") as f:
        value = f[f"node/nodes/{node}/{name}"][0]
        del f[f"node/nodes/{node}/{name}"]
        f[f"node/nodes/{node}/{name}"] = value
    net = from_nir(path, DT)
    np.testing.assert_array_equal(
        net.populations[0].neuron.parameter(name), whole.populations[0].neuron.parameter(name)
    )
    assert any(f"{name} has one value" in note for note in net.notes)
