"""Generated graphs of all node types: our float run against an evaluator of NIR's own equations."""

from collections import Counter

import nir
import nir_evaluator
import numpy as np
import pytest
from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from nir_evaluator import Evaluator

from ssdp_hw.conversion.nir import from_nir
from ssdp_hw.running.run import run

STEPS = 8
SPATIAL = ("conv", "sum_pool", "avg_pool", "flatten")
ELEMENTWISE = ("scale", "delay")


class Builder:
    """A graph that grows layer by layer; structure is drawn, numbers come from a seed."""

    def __init__(self, draw):
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.dt = draw(st.sampled_from((1e-3, 0.5)))
        self.nodes, self.edges, self.shapes, self.kinds = {}, [], {}, Counter()

    def one_of(self, *values):
        return self.draw(st.sampled_from(values))

    def add(self, kind, node, *before, shape):
        self.kinds[kind] += 1
        name = f"{kind}{self.kinds[kind]}"
        self.nodes[name], self.shapes[name] = node, shape
        self.edges += [(b, name) for b in before]
        return name

    def input(self, shape):
        return self.add("in", nir.Input({"input": np.array(shape)}), shape=shape)

    def values(self, shape, low, high):
        """One a value, or a scalar for all; the values sometimes flat or with an axis of 1 before."""
        form = self.one_of("full", "scalar", "flat", "batch", "one")
        if form in ("scalar", "one"):
            return np.array(self.rng.uniform(low, high, () if form == "scalar" else 1))
        array = self.rng.uniform(low, high, shape)
        return array.reshape(-1) if form == "flat" else array[None] if form == "batch" else array

    def conv(self, shape):
        n = len(shape) - 1
        groups = self.one_of(1, 1, *([shape[0]] if shape[0] > 1 else []))
        kernel = [self.draw(st.integers(1, min(3, k))) for k in shape[1:]]
        padding = self.one_of("same", "valid", 0, 1, *([(1, 0)] if n == 2 else []))
        stride = 1 if padding == "same" else self.one_of(1, 2, *([(2, 1)] if n == 2 else []))
        fits = all((k - 1) * 2 < s for k, s in zip(kernel, shape[1:], strict=True))
        dilation = self.one_of(1, 2) if fits else 1
        out = groups * self.draw(st.integers(1, 2))
        weight = self.rng.normal(size=(out, shape[0] // groups, *kernel))
        stated = self.one_of(True, False)
        arguments = (weight, stride, padding, dilation, groups, self.rng.normal(size=out))
        if n == 1:
            return nir.Conv1d(shape[1] if stated else None, *arguments)
        node = nir.Conv2d(None, *arguments)
        # NIR's constructor cannot compute the shape of all of these, so it is set afterwards.
        node.input_shape = shape[1:] if stated else None
        return node

    def pool(self, shape, kind):
        kernel = np.array([self.draw(st.integers(1, min(2, k))) for k in shape[1:]])
        stride = np.array([self.one_of(1, 2) for _ in shape[1:]])
        return kind(kernel, stride, np.array([self.one_of(0, k // 2) for k in kernel]))

    def linear(self, before, shape, kind):
        """A node behind one or several of this shape; its name and shape."""
        if kind == "conv":
            node = self.conv(shape)
        elif kind in ("sum_pool", "avg_pool"):
            node = self.pool(shape, nir.SumPool2d if kind == "sum_pool" else nir.AvgPool2d)
        elif kind == "flatten":
            node = nir.Flatten({"input": None}, 0, -1)
        elif kind == "scale":
            node = nir.Scale(self.values(shape, -2, 2))
        elif kind == "delay":
            node = nir.Delay(self.rng.integers(0, 4, self.one_of(shape, ())) * self.dt)
        else:
            weight = self.rng.normal(size=(self.draw(st.integers(1, 4)), int(np.prod(shape))))
            node = nir.Linear(weight) if kind == "linear" else nir.Affine(weight, self.rng.normal(size=len(weight)))
        shape = nir_evaluator.apply(node, np.zeros(shape)).shape
        return self.add(kind, node, *before, shape=shape), shape

    def stage(self, before, shape):
        kinds = ["linear", "affine", *ELEMENTWISE]
        if len(shape) > 1:  # convolutions first and often: they have most to get wrong
            kinds = ["conv", "conv", "conv", *(SPATIAL if len(shape) == 3 else ("flatten",)), *kinds]
        return self.linear(before, shape, self.one_of(*kinds))

    def neuron(self, shape, kind):
        tau = lambda: self.values(shape, 2 * self.dt, 9 * self.dt)  # noqa: E731
        spike = {"v_threshold": self.values(shape, 0.2, 0.6), "v_reset": self.values(shape, -0.4, 0.1)}
        rest = {"r": self.values(shape, 0.5, 2), "v_leak": self.values(shape, -0.2, 0.3)}
        cuba = {"tau_mem": tau(), "tau_syn": tau(), "w_in": self.values(shape, 0.5, 2)}
        fields = {
            "LIF": {"tau": tau(), **rest, **spike},
            "LI": {"tau": tau(), **rest},
            "I": {"r": self.values(shape, 0.3 / self.dt, 1 / self.dt)},
            "IF": {"r": self.values(shape, 0.3 / self.dt, 1 / self.dt), **spike},
            "CubaLIF": {**cuba, **rest, **spike},
            "CubaLI": {**cuba, **rest},
            "Threshold": {"threshold": self.values(shape, -0.3, 0.8)},
        }[kind]
        cls = getattr(nir, kind)
        node = cls.__new__(cls)  # NIR's constructor refuses parameters of different shapes
        for name, value in fields.items():
            setattr(node, name, value)
        node.input_type, node.output_type, node.metadata = {}, {}, {"shape": shape}
        return node

    def recurrence(self, name, shape):
        """A way from a neuron back to itself; what can be nested is, sometimes."""
        kind = self.one_of("none", "none", "scale", "matrix", "delayed", "nested")
        if kind == "none":
            return
        size = int(np.prod(shape))
        matrix = nir.Affine(self.rng.normal(size=(size, size)), self.rng.normal(size=size))
        if kind == "nested":
            ends = {"a": nir.Input({"input": np.array(shape)}), "b": nir.Output({"output": np.array([size])})}
            node = nir.NIRGraph({**ends, "w": matrix}, [("a", "w"), ("w", "b")], type_check=False)
        else:
            node = nir.Scale(self.values(shape, -1, 1)) if kind == "scale" else matrix
        back = self.add("back", node, name, shape=shape)
        if kind == "delayed":
            back = self.add("delay", nir.Delay(self.rng.integers(0, 4, size) * self.dt), back, shape=shape)
        self.edges.append((back, name))

    def layer(self, before, shape, kinds):
        for _ in range(self.draw(st.integers(0, 3))):
            name, shape = self.stage(before, shape)
            before = [name]
        if self.draw(st.booleans()):  # a branch that joins again
            branch, _ = self.linear(before, shape, self.one_of(*ELEMENTWISE))
            before = [*before, branch]
        kind = self.one_of(*kinds)
        name = self.add("n", self.neuron(shape, kind), *before, shape=shape)
        if kind not in ("LI", "CubaLI", "I"):
            self.recurrence(name, shape)
        return name, shape

    def output(self, name):
        self.add("out", nir.Output({"output": np.array([int(np.prod(self.shapes[name]))])}), name, shape=None)


@st.composite
def graphs(draw):
    b = Builder(draw)
    shape = draw(st.sampled_from(((2, 4, 5), (2, 5), (1, 4, 3), (3,))))
    before = [b.input(shape)]
    spiking = ("LIF", "IF", "CubaLIF", "Threshold")
    for _ in range(draw(st.integers(0, 2))):
        name, shape = b.layer(before, shape, spiking)
        before = [name]
    if draw(st.booleans()):
        before.append(b.input(shape))
    if len(before[0]) and before[0].startswith("n") and draw(st.booleans()):
        b.output(before[0])
    name, _ = b.layer(before, shape, (*spiking, "LI", "CubaLI", "I"))
    b.output(name)
    return nir.NIRGraph(b.nodes, b.edges, type_check=False), b.dt, {n: s for n, s in b.shapes.items() if n[:2] == "in"}


OPTIONS = st.fixed_dictionaries(
    {
        "reset": st.sampled_from(("zero", "subtract")),
        "threshold": st.sampled_from((">", ">=")),
        "discretization": st.sampled_from(("euler", "exponential")),
        "update_order": st.sampled_from(("current_first", "voltage_first")),
    }
)


@examples(400, default=30, base=settings(suppress_health_check=list(HealthCheck)))
@given(graphs(), OPTIONS, st.integers(0, 2**32 - 1))
def test_float_run_equals_nirs_equations(generated, options, seed):
    graph, dt, inputs = generated
    rng = np.random.default_rng(seed)
    spikes = {name: rng.random((STEPS, 2, *shape)) < 0.5 for name, shape in inputs.items()}
    network = from_nir(graph, dt, **options)
    ours = run(network, {n: s.reshape(STEPS, 2, -1) for n, s in spikes.items()}, "spec", record=("spikes", "v"))
    for sample in range(2):
        expected = Evaluator(graph, dt, {n: s[:, sample] for n, s in spikes.items()}, **options)
        sent, v = expected.run(STEPS)
        assert {".".join(path) for path in sent} == set(network.population_names)
        for path in sent:
            name = ".".join(path)
            flat = lambda values: np.reshape(values, (STEPS, -1))  # noqa: E731
            np.testing.assert_array_equal(ours.spikes[name][:, sample], flat(sent[path]) > 0)
            if not isinstance(expected.node(path), nir.Threshold):
                np.testing.assert_allclose(ours.v[name][:, sample], flat(v[path]), rtol=1e-9, atol=1e-9)


def test_generated_graphs_are_not_all_silent():
    """The comparison above would hold for networks that never fire."""
    rates = []

    @settings(max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(graphs())
    def collect(generated):
        graph, dt, inputs = generated
        spikes = {n: np.ones((STEPS, 1, int(np.prod(s)))) for n, s in inputs.items()}
        result = run(from_nir(graph, dt), spikes, "spec")
        rates.append(np.mean([s.mean() for s in result.spikes.values()]))

    collect()
    assert sum(0 < rate < 1 for rate in rates) > len(rates) / 2


def test_convolution_against_direct_sums():
    """y[o, i, j] = b[o] + sum of w[o, c, k, l] x[g + c, 2 i - 1 + 2 k, j - 2 + l], written out."""
    rng = np.random.default_rng(0)
    w, bias = rng.normal(size=(4, 2, 2, 3)), rng.normal(size=4)
    node = nir.Conv2d(None, w, (2, 1), (1, 2), (2, 1), 2, bias)
    x = rng.random((4, 6, 5)) < 0.5
    y = np.zeros((4, 3, 7))
    for o, i, j in np.ndindex(y.shape):
        y[o, i, j] = bias[o]
        for c, k, m in np.ndindex(2, 2, 3):
            row, col = 2 * i - 1 + 2 * k, j - 2 + m
            if 0 <= row < 6 and 0 <= col < 5:
                y[o, i, j] += w[o, c, k, m] * x[2 * (o // 2) + c, row, col]
    np.testing.assert_allclose(nir_evaluator.apply(node, x.astype(float)), y, atol=1e-12)
    nodes = {
        "in": nir.Input({"input": np.array(x.shape)}),
        "c": node,
        "pop": nir.IF(np.ones(y.shape), np.ones(y.shape)),
        "out": nir.Output({"output": np.array(y.shape)}),
    }
    graph = nir.NIRGraph(nodes, [("in", "c"), ("c", "pop"), ("pop", "out")], type_check=False)
    network = from_nir(graph, 1.0)
    p = network.projection("c")
    assert p.is_convolution
    got = p.matrix @ x.reshape(-1) + network.population("pop").bias
    np.testing.assert_allclose(got, y.reshape(-1), atol=1e-12)


@pytest.mark.parametrize("average", [False, True])
def test_pooling_by_hand(average):
    kind = nir.AvgPool2d if average else nir.SumPool2d
    nodes = {
        "in": nir.Input({"input": np.array([1, 3, 3])}),
        "p": kind(np.array([2, 2]), np.array([2, 2]), np.array([1, 1])),
        "n": nir.IF(np.ones(4), np.ones(4)),
        "out": nir.Output({"output": np.array([4])}),
    }
    network = from_nir(nir.NIRGraph(nodes, [("in", "p"), ("p", "n"), ("n", "out")], type_check=False), 1.0)
    expected = np.zeros((4, 9))
    for k, pixels in enumerate(((0,), (1, 2), (3, 6), (4, 5, 7, 8))):
        expected[k, pixels] = 0.25 if average else 1.0
    np.testing.assert_array_equal(network.projection("p").matrix.toarray(), expected)
    assert any("zeros of its padding" in note for note in network.notes) == average
