"""Graphs of many small parts: what is computed of them grows with their size, not with its square."""

from __future__ import annotations

import sys
from pathlib import Path

import nir
import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, SsdpHwError

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from graphs import SHAPES, graph, neuron


def ring(count: int) -> sh.FixedNetwork:
    """A ring of populations, with shortcuts: two projections each."""
    names = [f"p{k}" for k in range(count)]
    populations = [sh.FixedPopulation(name=n, size=1, vth=9) for n in names]
    pairs = [(names[k], names[(k + step) % count]) for k in range(count) for step in (1, 7)]
    projections = [
        sh.FixedProjection(pre=a, post=b, weight=[[2]], name=f"{a}>{b}", delay=int(a[1:]) % 3) for a, b in pairs
    ]
    projections.append(sh.FixedProjection(pre="in", post="p0", weight=[[2]]))
    return sh.FixedNetwork([sh.Input("in", 1)], populations, projections, [names[-1]])


def relaxed(network: sh.FixedNetwork) -> int:
    """The latency by relaxing every projection until nothing changes (Bellman and Ford)."""
    distance = dict.fromkeys(network.input_names, 0)
    for _ in network.populations:
        for p in network.projections:
            if p.pre in distance:
                through = distance[p.pre] + 1 + p.max_delay
                distance[p.post] = min(distance.get(p.post, through), through)
    return max(distance.get(name, 0) for name in network.outputs)


def test_latency_is_the_shortest_way():
    for count in (8, 30, 61):
        assert ring(count).latency == relaxed(ring(count))
    lone = sh.FixedNetwork([sh.Input("in", 1)], [sh.FixedPopulation(name="p", size=1)], [], ["p"])
    assert lone.latency == 0


def test_incoming_and_outgoing_are_in_the_order_of_the_projections():
    network = ring(20)
    for name in (*network.input_names, *network.population_names):
        assert network.incoming(name) == [q for q in network.projections if q.post == name]
        assert network.outgoing(name) == [q for q in network.projections if q.pre == name]


def steps(do) -> int:
    """Instructions of this package's Python code that something runs."""
    found = 0

    def count(frame, event, argument):
        nonlocal found
        found += event == "opcode"
        return count

    def enter(frame, event, argument):
        if "ssdp_hw" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return count

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        do()
    finally:
        sys.settrace(before)
    return found


def reading(found: nir.NIRGraph, **options):
    """Read a graph."""
    return lambda: str(sh.from_nir(found, dt=1e-3, **options))


def describe(count: int):
    """Describe a ring."""
    network = ring(count)

    def do():
        _ = network.latency
        network.summary()
        str(network)
        str(sh.resources(network))
        with pytest.raises(ParameterError, match="is no population") as caught:
            network.population("nobody")
        assert len(str(caught.value)) < 1000

    return do


def store(count: int, folder):
    """Write and read a ring."""
    network = ring(count)

    def do():
        network.save(folder / "ring.h5")
        sh.load(folder / "ring.h5", trusted=True)

    return do


# 8 times the parts; sorting and the heap of the shortest ways add a logarithm. Instructions are counted, not time, so
# that the same code gives the same numbers.
FEW, MANY, LIMIT = 25, 200, 8.2


def assert_in_proportion(work):
    """Hold what makes the work of a size to the number of its parts."""
    few, many = (work(count) for count in (FEW, MANY))
    few()  # what is computed once in a process
    assert steps(many) < LIMIT * steps(few)


def test_describing_costs_in_proportion_to_the_size():
    assert_in_proportion(describe)


@pytest.mark.slow
def test_storing_costs_in_proportion_to_the_size(tmp_path):
    assert_in_proportion(lambda count: store(count, tmp_path))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("shape", SHAPES)
def test_reading_nir_costs_in_proportion_to_the_size(shape):
    assert_in_proportion(lambda count: reading(graph(shape, count)))


@pytest.mark.slow
@pytest.mark.parametrize("timing", ["same_step", "layer_steps"])
def test_aligning_costs_in_proportion_to_the_size(timing):
    assert_in_proportion(lambda count: reading(graph("chain with linear nodes", count), timing=timing))


@pytest.mark.parametrize("fault", ["nodes", "edge", "readouts"])
def test_refusing_costs_in_proportion_to_the_size_and_says_it_in_few_words(fault):
    def refusing(count):
        found = graph("star", count)
        if fault == "nodes":
            found.nodes |= {f"odd {k}": type(f"Odd{k % 90}", (), {})() for k in range(count)}
        elif fault == "edge":
            found.edges.append(("n0", "nobody"))
        else:  # neurons without spikes that drive others
            one = np.ones(1)
            found.nodes |= {f"n{k}": nir.LI(tau=one, r=one, v_leak=0 * one) for k in range(count)}

        def refuse():
            with pytest.raises(SsdpHwError) as caught:
                sh.from_nir(found, dt=1e-3)
            assert len(str(caught.value)) < 3000

        return refuse

    assert_in_proportion(refusing)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["outputs", "readouts", "inputs", "sources of a linear node", "shapes from behind"])
def test_many_ports_cost_in_proportion(kind):
    """Outputs of neurons, outputs that linear nodes lead to, inputs, neurons before a matrix, nodes of any shape."""

    def ports(count):
        one = np.ones(1)
        nodes: dict[str, nir.NIRNode] = {"in": nir.Input({"input": np.array([1])}), "n": neuron()}
        edges = [("in", "n")]
        if kind == "inputs":
            nodes |= {f"in{k}": nir.Input({"input": np.array([1])}) for k in range(count)}
            edges += [(f"in{k}", "n") for k in range(count)]
        elif kind == "sources of a linear node":
            nodes |= {f"m{k}": neuron() for k in range(count)} | {"w": nir.Linear(one[:, None]), "far": neuron()}
            edges += [pair for k in range(count) for pair in (("n", f"m{k}"), (f"m{k}", "w"))] + [("w", "far")]
        elif kind == "shapes from behind":
            nodes |= {f"t{k}": nir.Scale(np.array(1.0)) for k in range(count)}
            nodes |= {"far": neuron()}
            edges += [(f"t{k}", f"t{k + 1}") for k in range(count - 1)] + [(f"t{count - 1}", "far"), ("n", "far")]
        else:
            made = neuron if kind == "outputs" else lambda: nir.Linear(one[:, None])
            nodes |= {f"m{k}": made() for k in range(count)} | {
                f"o{k}": nir.Output({"output": np.array([1])}) for k in range(count)
            }
            edges += [pair for k in range(count) for pair in (("n", f"m{k}"), (f"m{k}", f"o{k}"))]
        nodes["out"] = nir.Output({"output": np.array([1])})
        return nir.NIRGraph(nodes, [*edges, ("n", "out")], type_check=False)

    assert_in_proportion(lambda count: reading(ports(count)))
