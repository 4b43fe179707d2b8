"""What real NIR files of the last years hold: repaired with a note where the meaning is certain, else refused."""

import itertools

import h5py
import nir
import numpy as np
import pytest

from ssdp_hw.conversion.nir import from_nir
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError, UnsupportedError
from ssdp_hw.running.run import run


def node_if(*shape):
    return nir.IF(np.ones(shape), np.ones(shape))


def ends(inputs, outputs):
    return {"in": nir.Input({"input": np.array(inputs)}), "out": nir.Output({"output": np.array(outputs)})}


def graph(nodes, *paths):
    """A path of edges is written 'a>b>c'."""
    return nir.NIRGraph(nodes, [p for path in paths for p in itertools.pairwise(path.split(">"))], type_check=False)


def conv(c_out, c_in, *kernel, shape=None, **changes):
    rng = np.random.default_rng(0)
    values = dict(stride=1, padding=0, dilation=1, groups=1, bias=np.zeros(c_out)) | changes
    return nir.Conv2d(shape, rng.normal(size=(c_out, c_in, *kernel)), **values)


def refused(g, error, words, **arguments):
    with pytest.raises(error, match=words) as caught:
        from_nir(g, 1.0, **arguments)
    assert "\n" not in str(caught.value)


def test_older_file_with_batch_axes_and_without_input_shape(tmp_path):
    nodes = {
        "in": nir.Input({"input": np.array([1, 2, 6, 6])}),
        "c": conv(3, 2, 3, 3, shape=(6, 6)),
        "n": node_if(1, 3, 4, 4),
        "p": nir.SumPool2d(*(np.array([k, k]) for k in (2, 2, 0))),
        "c2": conv(2, 3, 2, 2, shape=(2, 2)),
        "n2": node_if(1, 2, 1, 1),
        "f": nir.Flatten({"input": np.zeros(4, int)}, 1, -1),
        "fc": nir.Linear(np.ones((5, 2))),
        "n3": node_if(1, 5),
        "out": nir.Output({"output": np.array([1, 5])}),
    }
    nir.write(tmp_path / "g.nir", graph(nodes, ">".join(nodes)))
    new = from_nir(tmp_path / "g.nir", 1.0)
    with h5py.File(tmp_path / "g.nir", "r+") as f:
        del f["node/nodes/c/input_shape"], f["node/nodes/c2/input_shape"], f["node/nodes/n/v_reset"]
    old = from_nir(tmp_path / "g.nir", 1.0)
    for p, q in zip(new.projections, old.projections, strict=True):
        np.testing.assert_array_equal((p.matrix - q.matrix) @ np.ones(p.shape[1]), 0)
    notes = "\n".join(old.notes)
    assert "node 'c' (Conv2d) states no input_shape; it is (6, 6)" in notes
    assert "node 'c2' (Conv2d) states no input_shape; it is (2, 2)" in notes
    assert "input_shape" not in "\n".join(new.notes)


def test_edges_to_a_graph_whose_nodes_were_renamed():
    nodes = ends([4], [3]) | {
        "fc": nir.Linear(np.ones((3, 4))),
        "sub.input": nir.Input({"input": np.array([3])}),
        "sub.n": node_if(3),
        "sub.rec": nir.Linear(np.eye(3)),
        "sub.output": nir.Output({"output": np.array([3])}),
        "last": node_if(3),
    }
    edges = ["in>fc>sub", "sub.input>sub.n>sub.output", "sub.n>sub.rec>sub.n", "sub>last>out"]
    net = from_nir(graph(nodes, *edges), 1.0)
    assert {(p.pre, p.post) for p in net.projections} == {("in", "sub.n"), ("sub.n", "sub.n"), ("sub.n", "last")}
    assert (net.input_names, net.outputs) == (("in",), ("last",))
    assert any("led to 'sub.input' and from 'sub.output'" in note for note in net.notes)
    del nodes["sub.output"]
    refused(graph(nodes, "in>fc>sub", "sub.input>sub.n>last>out"), ParameterError, "'fc' -> 'sub': .* no node 'sub'")


def test_nested_graphs_are_one_graph():
    """a > (b > (c, back to b)) is a > b > c > b, whatever shape the inner Input declares."""
    inner = graph(ends([9], [3]) | {"c": node_if(3)}, "in>c>out")
    outer = graph(
        ends([3], [3]) | {"b": node_if(3), "inner": inner, "w": nir.Linear(np.eye(3))}, "in>b>inner>w>b", "inner>out"
    )
    net = from_nir(graph(ends([3], [3]) | {"a": node_if(3), "s": outer}, "in>a>s>out"), 1.0)
    assert net.population_names == ("a", "s.b", "s.inner.c")
    assert {(p.pre, p.post) for p in net.projections} == {
        ("in", "a"),
        ("a", "s.b"),
        ("s.b", "s.inner.c"),
        ("s.inner.c", "s.b"),
    }
    assert net.outputs == ("s.inner.c",)
    assert any("'s.inner.in' (Port) declares the shape (9,)" in note for note in net.notes)


def test_nested_graphs_of_several_ends_are_named_by_edges():
    sub = graph(
        {
            "x": nir.Input({"input": np.array([2])}),
            "y": nir.Input({"input": np.array([2])}),
            "n": node_if(2),
            "out": nir.Output({"output": np.array([2])}),
        },
        "x>n>out",
        "y>n",
    )
    two = {"in": nir.Input({"input": np.array([2])}), "in2": nir.Input({"input": np.array([2])})}
    nodes = ends([2], [2]) | two | {"s": sub}
    net = from_nir(graph(nodes, "in>s.x", "in2>s.y", "s>out"), 1.0)
    assert {p.pre for p in net.incoming("s.n")} == {"in", "in2"}
    refused(graph(nodes, "in>s>out"), UnsupportedError, "'s' has 2 nodes of type Input, .*name the one")


def test_nesting_without_end_and_names_that_meet():
    loop = graph(ends([1], [1]) | {"n": node_if(1)}, "in>n>out")
    loop.nodes["again"] = loop
    refused(loop, UnsupportedError, "contains itself")
    sub = graph(ends([1], [1]) | {"n": node_if(1)}, "in>n>out")
    both = graph(ends([1], [1]) | {"s": sub, "s.n": node_if(1)}, "in>s>out")
    refused(both, ParameterError, "two nodes are named 's.n'")


def test_axis_of_time_of_an_input_and_output():
    inner = {"w": nir.Linear(np.ones((2, 3))), "n": node_if(2)}
    net = from_nir(graph(ends([256, 3], [256, 2]) | inner, "in>w>n>out"), 1.0)
    assert net.size_of("in") == 3
    assert sum("is taken for time" in note for note in net.notes) == 2
    refused(graph(ends([256, 4], [2]) | inner, "in>w>n>out"), ShapeError, "gives 1024 values")


def test_delays_are_rounded_to_steps_with_a_note():
    nodes = ends([3], [2]) | {
        "d": nir.Delay(np.array([0.0, 0.0024, 0.004])),
        "w": nir.Linear(np.arange(6.0).reshape(2, 3)),
        "n": node_if(2),
    }
    net = from_nir(graph(nodes, "in>d>w>n>out"), 1e-3)
    (p,) = net.projections
    assert not p.is_sparse
    assert p.synapse_delays.reshape(2, 3).tolist() == [[0, 2, 4]] * 2
    assert p.weight.tolist() == nodes["w"].weight.tolist()
    assert "node 'd' (Delay): delays are rounded to steps of 0.001 s, by up to 0.0004 s" in net.notes
    nodes["d"] = nir.Delay(np.array(0.003))
    net = from_nir(graph(nodes, "in>d>w>n>out"), 1e-3)
    assert net.projections[0].delay == 3
    assert "node 'd' (Delay): its scalar parameters hold for all 3 values" in net.notes
    assert not any("rounded" in note for note in net.notes)


@pytest.mark.parametrize(
    ("delay", "words"),
    [
        (-1.0, "'d' \\(Delay\\): delay = -1 s is outside"),
        (1e9, "= 1e\\+09 s is outside 0 .. 100000 s"),
        (np.nan, "'d' \\(Delay\\): delay has a NaN"),
        (np.ones(5), "gives 5 values.*takes 3"),
    ],
)
def test_delays_that_make_no_sense(delay, words):
    nodes = ends([3], [3]) | {"d": nir.Delay(np.array(delay)), "n": node_if(3)}
    refused(graph(nodes, "in>d>n>out"), ParameterError, words)


def test_delay_behind_the_last_neuron():
    nodes = ends([3], [3]) | {"d": nir.Delay(np.ones(3)), "n": node_if(3)}
    refused(graph(nodes, "in>n>d>out"), UnsupportedError, "'d' \\(Delay\\) leads to output 'out' without a neuron")


@pytest.mark.parametrize("discretization", ["euler", "exponential"])
def test_threshold_fires_on_the_input_of_one_step_alone(discretization):
    threshold = nir.Threshold(np.array([0.6, 0.6, -1.0]))
    nodes = ends([3], [3]) | {"w": nir.Linear(np.diag([0.5, 1.0, 1e-300])), "t": threshold}
    net = from_nir(graph(nodes, "in>w>t>out"), 0.3, discretization=discretization)
    spikes = np.ones((4, 1, 3))
    spikes[2] = 0
    result = run(net, spikes, "spec").spikes["t"][:, 0]
    assert result.tolist() == [[False, False, True], [False, True, True], [False, True, True], [False, False, True]]
    assert any("'t' (Threshold) is a population of neurons without memory" in note for note in net.notes)


@pytest.mark.parametrize(
    ("node", "error", "words"),
    [
        (conv(2, 3, 2, 2), ShapeError, "takes 3 channels"),
        (conv(2, 2, 9, 1), ShapeError, "smaller than a kernel"),
        (conv(2, 2, 2, 2, shape=(7, 7)), ShapeError, "gives 72 values.*takes 98"),
        (conv(2, 2, 2, 2, shape=(4, 9)), ShapeError, "gives the shape \\(2, 6, 6\\).*takes \\(2, 4, 9\\)"),
        (conv(2, 2, 2, 2, stride=0), ParameterError, "stride = '\\(0, 0\\)'"),
        (conv(2, 2, 2, 2, stride=(1, 2, 3)), ParameterError, "stride = "),
        (conv(2, 2, 2, 2, padding=-1), ParameterError, "padding = "),
        (conv(2, 2, 2, 2, stride=2, padding="same"), UnsupportedError, "'same' with stride"),
        (conv(2, 2, 2, 2, dilation=0), ParameterError, "dilation"),
        (conv(3, 1, 2, 2, groups=2), ShapeError, "in 2 groups"),
        (conv(2, 2, 2, 2, bias=np.ones(3)), ShapeError, "bias has 3 values"),
        (conv(2, 2, 2, 2, bias=np.full(2, np.inf)), ParameterError, "bias has a NaN or infinite"),
        (conv(2, 2, 2, 2, padding=1 << 30), ParameterError, "too large; check the padding"),
        (nir.SumPool2d(np.array([1 << 20, 1 << 20]), np.array([1, 1]), np.array([0, 0])), ParameterError, "too large"),
        (nir.SumPool2d(np.array([2.5, 2]), np.array([1, 1]), np.array([0, 0])), ParameterError, "kernel_size"),
        (nir.AvgPool2d(np.array([9, 9]), np.array([1, 1]), np.array([0, 0])), ShapeError, "smaller than a kernel"),
    ],
)
def test_convolutions_that_make_no_sense_name_their_node(node, error, words):
    nodes = ends([2, 6, 6], [1]) | {"x": node, "n": nir.LIF(*(np.array(1.0),) * 3, np.array(2.0))}
    refused(graph(nodes, "in>x>n>out"), error, f"'x'.*{words}")


def test_convolution_of_an_unknown_shape():
    nodes = ends([2, 6, 6], [1]) | {"x": conv(2, 2, 2, 2), "n": nir.LIF(*(np.array(1.0),) * 3, np.array(2.0))}
    refused(graph(nodes, "x>n>out"), ShapeError, "'x' \\(Conv2d\\): nothing tells the shape of its input")


def test_budget_of_unrolled_synapses():
    nodes = ends([2, 6, 6], [3]) | {"x": conv(2, 2, 2, 2), "fc": nir.Linear(np.ones((3, 50))), "n": node_if(3)}
    g = graph(nodes, "in>x>fc>n>out")
    assert from_nir(g, 1.0, max_synapses=400 + 216).projection("x->fc").shape == (3, 72)
    words = "'fc' \\(Linear\\): unrolled it needs 400 synapses.*raise max_synapses"
    refused(g, UnsupportedError, words, max_synapses=399)
    kept = from_nir(
        graph(nodes | {"n": node_if(2, 5, 5), "out": nir.Output({"output": np.array([50])})}, "in>x>n>out"),
        1.0,
        max_synapses=0,
    )
    assert kept.projection("x").is_convolution


def test_transposed_weights_are_not_guessed():
    """Square weights of the same writer fit both ways, so nothing is certain."""
    nodes = ends([4], [2]) | {
        "w": nir.Linear(np.ones((4, 3))),
        "a": node_if(3),
        "w2": nir.Linear(np.ones((3, 3))),
        "b": node_if(3),
        "w3": nir.Linear(np.ones((3, 2))),
        "c": node_if(2),
    }
    refused(graph(nodes, "in>w>a>w2>b>w3>c>out"), ShapeError, "looks transposed.*square ones too")


def test_file_of_one_node(tmp_path):
    nir.write(tmp_path / "one.nir", node_if(3))
    with pytest.raises(FileFormatError, match=r"one\.nir: is HDF5 but no NIR graph"):
        from_nir(tmp_path / "one.nir", 1.0)
