"""``from_nir``: a NIR graph as a network whose every step is defined."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import nir
import numpy as np

from ssdp_hw.errors import ParameterError, SsdpHwError, UnsupportedError
from ssdp_hw.graph import Comparison, Input, Reset
from ssdp_hw.hdf5_guard import DEFAULT_MAX_BYTES
from ssdp_hw.network import Network, Population, Projection, Semantics
from ssdp_hw.neurons import Discretization, UpdateOrder
from ssdp_hw.nir_io.files import read_graph, refuse_unsupported
from ssdp_hw.nir_io.nodes import is_linear, is_neuron, kind_of, neuron_of, own_sizes
from ssdp_hw.nir_io.signals import Signal, Term, add_constants, signals_of
from ssdp_hw.nir_io.wiring import Wiring, wire


def from_nir(
    source: str | os.PathLike[str] | nir.NIRGraph,
    dt: float,
    *,
    reset: Reset | str = Reset.ZERO,
    threshold: Comparison | str = Comparison.ABOVE,
    discretization: Discretization | str = Discretization.EULER,
    update_order: UpdateOrder | str = UpdateOrder.CURRENT_FIRST,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Network:
    """Read a NIR file or graph as a network.

    Supported are Input, Output, Affine, Linear, LIF, CubaLIF, IF, LI, CubaLI and Flatten, with
    recurrent edges. Weights become projections, the biases of Affine the bias of the population
    behind it; chains of linear nodes are multiplied into one matrix. What had to be assumed is in
    ``notes`` of the network.

    Args:
        source: path of a file, or a graph.
        dt: length of a step in seconds, which NIR does not state.
        reset: what a spike does to the voltage: ``zero`` (to v_reset) or ``subtract``.
        threshold: spike condition, ``>`` (as NIR's equations say) or ``>=``.
        discretization: ``euler`` or ``exponential``.
        update_order: for current-based neurons, ``current_first`` or ``voltage_first``.
        max_bytes: limit of what the datasets of a file may occupy in memory together.

    Raises:
        FileFormatError: the file is missing, damaged, no NIR, or points outside itself.
        UnsupportedError: nodes (all are listed) or connections that cannot be expressed.
        ParameterError, ShapeError: a value or size in the graph, or an argument, that is not valid.
    """
    semantics = Semantics(dt, Discretization(discretization), UpdateOrder(update_order))
    after_spike, comparison = Reset(reset), Comparison(threshold)
    if isinstance(source, nir.NIRGraph):
        return _lower(source, semantics, after_spike, comparison)
    if not isinstance(source, str | os.PathLike):
        raise ParameterError(f"from_nir reads a path or a nir.NIRGraph, not {type(source).__name__}")
    graph = read_graph(source, max_bytes)
    try:
        return _lower(graph, semantics, after_spike, comparison)
    except SsdpHwError as error:
        raise type(error)(f"{os.fspath(source)}: {error}") from None


def _lower(graph: nir.NIRGraph, semantics: Semantics, reset: Reset, threshold: Comparison) -> Network:
    refuse_unsupported({name: kind_of(node) for name, node in graph.nodes.items()})
    wiring = wire(dict(graph.nodes), graph.edges)
    signals = signals_of(wiring)
    outputs = _outputs(wiring)
    populations, projections = [], []
    for name in wiring.neurons_from_inputs():
        arriving = [signals[k] for k in wiring.before[name]]
        populations.append(_population(wiring, name, arriving, reset, threshold))
        projections += [(name, origin, term) for signal in arriving for origin, term in signal.terms.items()]
    inputs = [Input(name, wiring.gives[name]) for name in wiring.named("Input")]
    read = list(dict.fromkeys(outputs.values()))
    network = Network(inputs, populations, list(_projections(wiring, projections)), read, semantics)
    notes = [
        "every projection takes one step, which NIR's edges do not: a spike sent in step t acts in step t + 1, "
        f"and one from an input needs {network.latency} steps to the outputs",
        f"NIR leaves open and the caller chose: dt = {semantics.dt:g} s, reset '{reset}', threshold '{threshold}', "
        f"discretization '{semantics.discretization}', update order '{semantics.update_order}'",
        *(f"output '{output}' is population '{population}'" for output, population in outputs.items()),
        *_remarks(wiring, projections),
    ]
    return replace(network, notes=notes)


def _population(
    wiring: Wiring, name: str, arriving: list[Signal], reset: Reset, threshold: Comparison
) -> Population:
    bias = None
    for signal in arriving:
        bias = add_constants(bias, signal.constant)
    neuron = neuron_of(name, wiring.nodes[name], wiring.gives[name])
    return Population(
        name=name, neuron=neuron, bias=0.0 if bias is None else bias, reset=reset, threshold=threshold,
    )


def _projections(wiring: Wiring, found: list[tuple[str, str, Term]]) -> Iterator[Projection]:
    """Projections named after their linear nodes, or after their ends where that is not unique."""
    short = ["->".join(term.via) or f"{origin}->{target}" for target, origin, term in found]
    count, used = Counter(short), set[str]()
    for base, (target, origin, term) in zip(short, found, strict=True):
        if kind_of(wiring.nodes[origin]) in ("LI", "CubaLI"):
            raise UnsupportedError(
                f"{wiring.title(origin)} is a readout without spikes and cannot drive {wiring.title(target)}"
            )
        name = base if count[base] == 1 else f"{origin}->{base}->{target}" if term.via else base
        while name in used:
            name += "'"
        used.add(name)
        yield Projection(source=origin, target=target, weight=term.matrix, name=name)


def _outputs(wiring: Wiring) -> dict[str, str]:
    """For each Output the population behind it."""
    for what in ("Input", "Output"):
        if not wiring.named(what):
            raise UnsupportedError(f"the graph has no {what} node; add one where the network begins or ends")
    return {output: _behind(wiring, output) for output in wiring.named("Output")}


def _behind(wiring: Wiring, output: str) -> str:
    name = output
    while not is_neuron(wiring.nodes[name]):
        if is_linear(wiring.nodes[name]) or kind_of(wiring.nodes[name]) == "Input":
            raise UnsupportedError(
                f"{wiring.title(name)} leads to output '{output}' without a neuron; put a neuron between them, "
                "for example nir.LI as a readout"
            )
        if len(wiring.before[name]) != 1:
            raise UnsupportedError(
                f"{wiring.title(output)}: exactly one population must feed it, found {wiring.before[name]}; use "
                "one Output for each population"
            )
        name = wiring.before[name][0]
    return name


def _remarks(wiring: Wiring, projections: list[tuple[str, str, Term]]) -> Iterator[str]:
    """What was repaired, merged or left out."""
    for name, node in wiring.nodes.items():
        size = wiring.gives[name]
        if size > 1 and is_neuron(node) and own_sizes(name, node)[0] is None:
            yield f"{wiring.title(name)}: its scalar parameters hold for all {size} neurons"
        if size > 1 and np.size(getattr(node, "bias", np.zeros(size))) == 1:
            yield f"{wiring.title(name)}: its scalar bias holds for all {size} values"
        if is_neuron(node) and any(np.any(getattr(node, p, 0)) for p in ("v_leak", "v_reset")):
            yield f"{wiring.title(name)}: the voltage starts at 0, not at v_leak or v_reset"
        if not wiring.before[name] and kind_of(node) != "Input":
            yield f"{wiring.title(name)} is fed by nothing"
        if not wiring.after[name] and (is_linear(node) or kind_of(node) == "Flatten"):
            yield f"{wiring.title(name)} leads nowhere and is left out"
    for target, origin, term in projections:
        if len(term.via) > 1:
            yield f"the linear nodes {', '.join(term.via)} from '{origin}' to '{target}' are one matrix"
