"""How long graphs of many small parts take to be read, described and refused: ``make bench-graphs``.

    python benchmarks/graphs.py --sizes 1000 10000 100000

Each graph has so many nodes, or so many edges where it has more of those: a chain of neurons, a chain in which a linear
node follows each neuron, one neuron that drives all others, all others that drive one, and neurons of which
each drives two at random. Times are those of the processor; a file is read in this process (``trusted``), since
another one's time would not be counted. The exponent is that of a power law from the smallest to the largest graph: 1
is proportional.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nir
import numpy as np

import ssdp_hw as sh
from ssdp_hw.errors import SsdpHwError

Edges = list[tuple[int, int]]


def neuron() -> nir.LIF:
    """A node of one neuron."""
    one = np.ones(1)
    return nir.LIF(tau=0.02 * one, r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)


def chain(count: int) -> Edges:
    """Each neuron drives the next."""
    return [(k, k + 1) for k in range(count - 1)]


def random(count: int) -> Edges:
    """Half as many neurons, each of which drives the next and another one."""
    neurons = count // 2
    others = np.random.default_rng(0).integers(0, neurons, neurons).tolist()
    return list(dict.fromkeys([*chain(neurons), *((k, other) for k, other in enumerate(others) if other != k)]))


SHAPES: dict[str, Callable[[int], Edges]] = {
    "chain": chain,
    "chain with linear nodes": lambda count: chain(count // 2),
    "star": lambda count: [(0, k) for k in range(1, count)],
    "funnel": lambda count: [(k, count - 1) for k in range(count - 1)],
    "random": random,
}


def graph(shape: str, count: int) -> nir.NIRGraph:
    """A graph of one of the shapes, of about so many nodes or edges."""
    edges = SHAPES[shape](count)
    size = 1 + max(max(edge) for edge in edges)
    nodes: dict[str, nir.NIRNode] = {"in": nir.Input({"input": np.array([1])})}
    nodes |= {f"n{k}": neuron() for k in range(size)}
    nodes["out"] = nir.Output({"output": np.array([1])})
    named = [(f"n{a}", f"n{b}") for a, b in edges]
    if shape == "chain with linear nodes":
        nodes |= {f"w{a}": nir.Linear(np.ones((1, 1))) for a, _ in edges}
        named = [pair for a, b in edges for pair in ((f"n{a}", f"w{a}"), (f"w{a}", f"n{b}"))]
    return nir.NIRGraph(nodes, [("in", "n0"), *named, (f"n{size - 1}", "out")], type_check=False)


def fixed(network: sh.Network) -> sh.FixedNetwork:
    """A network of the same graph in integers."""
    return sh.FixedNetwork(
        network.inputs,
        [sh.FixedPopulation(name=p.name, size=p.size, vth=9) for p in network.populations],
        [sh.FixedProjection(pre=q.pre, post=q.post, name=q.name, weight=[[2]]) for q in network.projections],
        network.outputs,
    )


def refused(read: Callable[[], Any]) -> None:
    """Read what is wrong.

    Raises:
        RuntimeError: it was accepted, or the message is longer than people read.
    """
    try:
        read()
    except SsdpHwError as error:
        said = str(error)
    else:
        raise RuntimeError("accepted")
    if len(said) > 4000:
        raise RuntimeError("a message of thousands of names")


def timed(shape: str, count: int, folder: Path) -> Iterator[tuple[str, float]]:
    """What is done with a graph, and its seconds."""
    good, unknown, lost = graph(shape, count), graph(shape, count), graph(shape, count)
    unknown.nodes |= {name: object() for name in unknown.nodes if name.startswith("n")}
    lost.edges[-1] = ("n0", "nobody")
    kept: dict[str, Any] = {}
    path = folder / "network.h5"

    def keep(name: str, made: Any) -> None:
        kept[name] = made

    work: dict[str, Callable[[], object]] = {
        "from_nir": lambda: keep("float", sh.from_nir(good, dt=1e-3)),
        "refuse nodes": lambda: refused(lambda: sh.from_nir(unknown, dt=1e-3)),
        "refuse an edge": lambda: refused(lambda: sh.from_nir(lost, dt=1e-3)),
        "str": lambda: str(kept["float"]),
        "summary": lambda: kept["float"].summary(),
        "latency": lambda: kept["float"].latency,
        "fixed": lambda: keep("fixed", fixed(kept["float"])),
        "resources": lambda: str(sh.resources(kept["fixed"])),
        "save": lambda: kept["fixed"].save(path),
        "load": lambda: sh.load(path, trusted=True),
    }
    for name, do in work.items():
        start = time.process_time()
        do()
        yield name, time.process_time() - start


def main() -> None:
    """Measure and print, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="nodes, or edges")
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=SHAPES, help="default: all")
    arguments = parser.parse_args()
    sizes = sorted(arguments.sizes)
    with tempfile.TemporaryDirectory() as name:
        list(timed("chain", 10, Path(name)))  # imports, and starts the process that reads files
        print("| graph | step | " + " | ".join(f"{n:,}" for n in sizes) + " | exponent |")
        print("| --- | --- |" + " ---: |" * (len(sizes) + 1), flush=True)
        for shape in arguments.shapes:
            columns = [dict(timed(shape, n, Path(name))) for n in sizes]
            for step, last in columns[-1].items():
                power = np.log(last / columns[0][step]) / np.log(sizes[-1] / sizes[0]) if len(sizes) > 1 else np.nan
                seconds = " | ".join(f"{column[step]:.2g} s" for column in columns)
                print(f"| {shape} | {step} | {seconds} | {power:.2f} |", flush=True)


if __name__ == "__main__":
    main()
