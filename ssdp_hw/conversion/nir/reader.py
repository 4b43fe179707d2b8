"""``from_nir``: a NIR graph as a network whose every step is defined."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar, overload

import nir

from ssdp_hw.checks import as_int
from ssdp_hw.conversion.alignment import Timing, aligned
from ssdp_hw.conversion.nir.choices import Choices
from ssdp_hw.conversion.nir.files import read_graph, refuse_unsupported
from ssdp_hw.conversion.nir.integers import check_nodes, fixed_from_metadata, rule_from_metadata
from ssdp_hw.conversion.nir.metadata import GraphHeader, metadata_of, text_of
from ssdp_hw.conversion.nir.nodes import (
    NEURONS,
    is_linear,
    is_neuron,
    kind_of,
    neuron_of,
)
from ssdp_hw.conversion.nir.presets import TauUnit, as_framework, find_preset, in_seconds, multiplied_by_dt
from ssdp_hw.conversion.nir.readouts import with_readouts
from ssdp_hw.conversion.nir.remarks import about_nodes, about_readouts, about_scalars, assumed, overridden
from ssdp_hw.conversion.nir.shapes import find_shapes
from ssdp_hw.conversion.nir.signals import Delay, Signal, Signals, Term, add_constants, joined, signals_of
from ssdp_hw.conversion.nir.subgraphs import FlatGraph, flat_graph
from ssdp_hw.conversion.nir.wiring import Wiring, wire
from ssdp_hw.conversion.silent_readouts import with_silent_readouts
from ssdp_hw.errors import ParameterError, SsdpHwError, UnsupportedError
from ssdp_hw.files.hdf5_guard import DEFAULT_MAX_BYTES
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.neurons import Discretization, UpdateOrder
from ssdp_hw.network.weight import Weight
from ssdp_hw.rules.values import Rule
from ssdp_hw.running.drive import AnyNetwork

# Limit of the synapses that unrolling convolutions and multiplying linear nodes may create, of 12 bytes each.
DEFAULT_MAX_SYNAPSES = 1 << 26


_C = TypeVar("_C")
_Source: TypeAlias = str | os.PathLike[str] | nir.NIRGraph


@overload
def from_nir(
    source: _Source,
    dt: float,
    *,
    preset: str | None = ...,
    reset: Reset | str | None = ...,
    threshold: Comparison | str | None = ...,
    discretization: Discretization | str | None = ...,
    update_order: UpdateOrder | str | None = ...,
    tau_unit: TauUnit | str | None = ...,
    timing: Timing | str | None = ...,
    max_synapses: int = ...,
    max_bytes: int = ...,
    trusted: bool = ...,
) -> Network: ...
@overload
def from_nir(
    source: _Source,
    dt: float | None = None,
    *,
    preset: str | None = ...,
    reset: Reset | str | None = ...,
    threshold: Comparison | str | None = ...,
    discretization: Discretization | str | None = ...,
    update_order: UpdateOrder | str | None = ...,
    tau_unit: TauUnit | str | None = ...,
    timing: Timing | str | None = ...,
    max_synapses: int = ...,
    max_bytes: int = ...,
    trusted: bool = ...,
) -> AnyNetwork: ...
def from_nir(
    source: _Source,
    dt: float | None = None,
    *,
    preset: str | None = None,
    reset: Reset | str | None = None,
    threshold: Comparison | str | None = None,
    discretization: Discretization | str | None = None,
    update_order: UpdateOrder | str | None = None,
    tau_unit: TauUnit | str | None = None,
    timing: Timing | str | None = None,
    max_synapses: int = DEFAULT_MAX_SYNAPSES,
    max_bytes: int = DEFAULT_MAX_BYTES,
    trusted: bool = False,
) -> AnyNetwork:
    """Read a NIR file or graph as a network.

    All node types of NIR are supported, with nested graphs, several inputs and outputs, and
    recurrent edges. Neuron and Threshold nodes become populations. All between them is linear and
    becomes projections and biases: convolutions and poolings keep their kernels where they can, chains
    of linear nodes are multiplied into one matrix, Delay nodes become delays rounded to steps. What
    had to be assumed or repaired is in ``notes`` of the network, one sentence each.

    The arguments from ``dt`` to ``timing`` say what NIR leaves open. Where one is None, the preset
    holds, else the metadata that :func:`ssdp_hw.to_nir` writes, else the default.

    A graph that :func:`ssdp_hw.to_nir` made of a fixed network is read as that fixed network, which says itself
    what a step is: it takes none of these arguments.

    Args:
        source: path of a file, or a graph.
        dt: length of a step in seconds.
        preset: framework that is to be reproduced, its gains and parameters included: one of
            :data:`ssdp_hw.conversion.nir.presets.PRESETS`. For graphs that this toolkit did not write.
        reset: what a spike does to the voltage: ``zero`` (to v_reset, the default) or ``subtract``.
        threshold: spike condition, ``>`` (as NIR's equations say, the default) or ``>=``.
        discretization: ``euler`` (the default) or ``exponential``.
        update_order: for current-based neurons, ``current_first`` (the default) or ``voltage_first``.
        tau_unit: what the graph's time constants count: ``seconds`` (as NIR says, the default), ``steps``, or
            ``seconds_times_dt`` (as Norse's own export writes them, which the preset ``norse`` recognises).
        timing: ``projections`` (every projection takes a step, the default), or that of a framework:
            ``same_step`` or ``layer_steps``; see :mod:`ssdp_hw.conversion.alignment`.
        max_synapses: limit of what unrolling and multiplying makes of the graph.
        max_bytes: limit of what the datasets of a file may occupy in memory together.
        trusted: whether to read the file in this process, which a damaged file can crash, not in one of its own.

    Raises:
        FileFormatError: the file is missing, damaged, no NIR, or points outside itself.
        UnsupportedError: nodes (the first fifty are listed) or connections that cannot be expressed, or more
            than ``max_synapses``.
        ParameterError, ShapeError: a value or size in the graph, or an argument, that is not valid; nodes that
            contradict the integers of a fixed network.
    """
    chosen = None if preset is None else find_preset(preset)

    stated = {
        "dt": dt,
        "reset": reset,
        "threshold": threshold,
        "discretization": discretization,
        "update_order": update_order,
        "tau_unit": tau_unit,
    }

    def choice(kind: Callable[[Any], _C], given: Any, name: str) -> _C | None:
        value = getattr(chosen, name, None) if given is None else given
        return None if value is None else kind(value)

    choices = Choices(
        chosen,
        dt if dt is not None or chosen is None else chosen.dt,
        choice(Reset, reset, "reset"),
        choice(Comparison, threshold, "threshold"),
        choice(Discretization, discretization, "discretization"),
        choice(UpdateOrder, update_order, "update_order"),
        None if tau_unit is None else TauUnit(tau_unit),
        choice(Timing, timing, "timing") or Timing.PROJECTIONS,
        as_int(max_synapses, "max_synapses"),
        frozenset(name for name, value in stated.items() if value is not None),
    )
    return _read(source, max_bytes, trusted, lambda graph: _lower(graph, choices))


def rule_from_nir(
    source: _Source, *, max_bytes: int = DEFAULT_MAX_BYTES, trusted: bool = False
) -> Rule | dict[str, Rule] | None:
    """The learning rule, or rules by projection, that :func:`ssdp_hw.to_nir` was given; None if it was given none.

    Args:
        source, max_bytes, trusted: as for :func:`from_nir`.

    Raises:
        FileFormatError, UnsupportedError: see :func:`from_nir`.
        ParameterError: a rule that is damaged or out of range.
    """
    return _read(source, max_bytes, trusted, lambda graph: rule_from_metadata(graph.metadata))


def _read(source: _Source, max_bytes: int, trusted: bool, use: Callable[[nir.NIRGraph], _C]) -> _C:
    """Apply ``use`` to a graph or to the graph of a file; errors about a file begin with its path."""
    if isinstance(source, nir.NIRGraph):
        return use(source)
    if not isinstance(source, str | os.PathLike):
        raise ParameterError(f"a path or a nir.NIRGraph is needed, not {type(source).__name__}")
    graph = read_graph(source, max_bytes, trusted)
    try:
        return use(graph)
    except SsdpHwError as error:
        raise type(error)(f"{os.fspath(source)}: {error}") from None


def _lower(graph: nir.NIRGraph, choices: Choices) -> AnyNetwork:
    fixed = fixed_from_metadata(graph.metadata)
    if fixed is None:
        return _network(graph, choices)
    for name in ("preset", "dt", "reset", "threshold", "discretization", "update_order"):
        if getattr(choices, name) is not None:
            raise ParameterError(
                f"the graph holds a fixed network, whose integers say what a step is: leave {name} out; "
                "ssdp_hw.dequantize gives the float network that they mean"
            )
    check_nodes(_network(graph, choices), fixed)
    return fixed


def _network(graph: nir.NIRGraph, choices: Choices) -> Network:
    header = GraphHeader.from_metadata(graph.metadata)
    if header is not None and (choices.preset is not None or choices.timing is not Timing.PROJECTIONS):
        raise ParameterError(
            "this toolkit wrote the graph, whose delays are in its own timing: preset and timing are for graphs of "
            "other tools"
        )
    semantics = _semantics(choices, header)
    flat = flat_graph(graph)
    unit = _tau_unit(flat, choices, semantics)
    if unit is not TauUnit.SECONDS:
        flat = in_seconds(flat, semantics.dt, unit)
    if choices.preset is not None:
        exported = choices.preset.export_times_dt and unit is TauUnit.SECONDS_TIMES_DT
        flat = as_framework(flat, choices.preset, semantics, choices.reset or Reset.ZERO, exported=exported)
    refuse_unsupported({name: kind_of(node) for name, node in flat.nodes.items()})
    flat, readouts = with_readouts(flat, semantics)
    wiring = wire(flat)
    find_shapes(wiring)
    signals = signals_of(wiring, semantics.dt, choices.max_synapses)
    outputs = _outputs(wiring)
    populations = [_population(wiring, name, signals, choices, semantics) for name in wiring.neurons_from_inputs()]
    projections, merged = _projections(wiring, signals)
    inputs = [Input(_own_name(wiring, name), wiring.gives(name)) for name in wiring.named("Input")]
    read = list(dict.fromkeys(outputs.values()))
    if header is not None:
        inputs = _sorted(header, "inputs", inputs)
        populations = _sorted(header, "populations", populations)
        projections = _sorted(header, "projections", projections)
        read = header.sorted("outputs", read)
    network = Network(inputs, populations, projections, read, semantics)
    found = [*wiring.repairs, *signals.notes, *merged, *about_scalars(wiring, readouts), *about_readouts(readouts)]
    if header is None:
        notes = [
            *assumed(network, choices, unit),
            *(f"output '{o}' is population '{p}'" for o, p in outputs.items()),
            *about_nodes(wiring),
            *found,
        ]
    else:
        notes = [*header.notes, *overridden(choices, header), *found]
    network = replace(network, notes=list(dict.fromkeys(notes)))
    return aligned(network if header is not None else with_silent_readouts(network), choices.timing)


def _tau_unit(flat: FlatGraph, choices: Choices, semantics: Semantics) -> TauUnit:
    """The unit of the time constants: the caller's choice, else that of the preset's framework."""
    if choices.tau_unit is not None:
        return choices.tau_unit
    preset = choices.preset
    if preset is None:
        return TauUnit.SECONDS
    if preset.export_times_dt and multiplied_by_dt(flat, semantics.dt):
        return TauUnit.SECONDS_TIMES_DT
    return preset.tau_unit


def _semantics(choices: Choices, header: GraphHeader | None) -> Semantics:
    stated = None if header is None else header.semantics
    if stated is None and choices.dt is None:
        raise ParameterError("NIR does not state the length of a step: give dt, in seconds (--dt)")
    stated = stated or Semantics(1.0)
    return Semantics(
        stated.dt if choices.dt is None else choices.dt,
        choices.discretization or stated.discretization,
        choices.update_order or stated.update_order,
    )


def _population(wiring: Wiring, name: str, signals: Signals, choices: Choices, semantics: Semantics) -> Population:
    bias = None
    for before in wiring.before[name]:
        bias = add_constants(bias, signals.of[before].constant)
    node, size = wiring.nodes[name], wiring.gives(name)
    neuron = neuron_of(name, node, size, semantics)
    if "v_init" in metadata_of(node):
        neuron = replace(neuron, v_init=metadata_of(node)["v_init"])
    return Population(
        name=_own_name(wiring, name),
        neuron=neuron,
        bias=0.0 if bias is None else bias,
        reset=choices.reset or Reset(text_of(node, "reset") or Reset.ZERO),
        threshold=choices.threshold or Comparison(text_of(node, "threshold") or Comparison.ABOVE),
    )


def _own_name(wiring: Wiring, name: str) -> str:
    """The name of a population or projection: from the metadata of its node, else the node's own name."""
    return text_of(wiring.nodes[name], "name") or name


def _sorted(header: GraphHeader, what: str, parts: list) -> list:  # type: ignore[type-arg]
    by_name = {part.name: part for part in parts}
    return [by_name[name] for name in header.sorted(what, list(by_name))]


def _projections(wiring: Wiring, signals: Signals) -> tuple[list[Projection], list[str]]:
    """Projections named after their linear nodes, or after their ends where that is not unique; and notes."""
    found, notes = [], []
    for target in wiring.neurons_from_inputs():
        for before in wiring.before[target]:
            found += [(target, *part) for part in _parts(wiring, target, signals.of[before])]
    short = ["->".join(_own_name(wiring, n) for n in via) or f"{origin}->{target}" for target, origin, *_, via in found]
    count, used = Counter(short), set[str]()
    projections = []
    for base, (target, origin, weight, delay, via) in zip(short, found, strict=True):
        if kind_of(wiring.nodes[origin]) in NEURONS and not NEURONS[kind_of(wiring.nodes[origin])][0].spiking:
            raise UnsupportedError(
                f"{wiring.title(origin)} is a readout without spikes and cannot drive {wiring.title(target)}"
            )
        if len(via) > 1:
            what = "convolution" if weight.shared else "matrix"
            notes.append(f"the linear nodes {', '.join(via)} from '{origin}' to '{target}' are one {what}")
        if not weight.shared:
            notes += [
                f"{wiring.title(n)}: unrolled, without shared weights, since other linear nodes come before, behind or "
                f"beside it without a neuron between: {weight.synapses} synapses"
                for n in via
                if n in wiring.convolutions
            ]
        name = base if count[base] == 1 else f"{origin}->{base}->{target}" if via else base
        while name in used:
            name += "'"
        used.add(name)
        source, end = _own_name(wiring, origin), _own_name(wiring, target)
        projections.append(Projection(pre=source, post=end, weight=weight.given, delay=delay, name=name))
    return projections, notes


def _parts(wiring: Wiring, target: str, signal: Signal) -> Iterator[tuple[str, Weight, Delay, tuple[str, ...]]]:
    """The projections that a signal becomes: (presynaptic node, weight, delay, linear nodes on the way)."""
    by_origin: dict[str, dict[int, Term]] = {}
    for (origin, delay), term in signal.terms.items():
        by_origin.setdefault(origin, {})[delay] = term
    for origin, terms in by_origin.items():
        for part in joined(terms, wiring.takes(target)):
            yield origin, *part


def _outputs(wiring: Wiring) -> dict[str, str]:
    """For each Output node the name of the population that feeds it."""
    for what in ("Input", "Output"):
        if not wiring.named(what):
            raise UnsupportedError(f"the graph has no {what} node; add one where the network begins or ends")
    return {output: _own_name(wiring, _behind(wiring, output)) for output in wiring.named("Output")}


def _behind(wiring: Wiring, output: str) -> str:
    name = output
    while not is_neuron(wiring.nodes[name]):
        if is_linear(wiring.nodes[name]) or kind_of(wiring.nodes[name]) in ("Input", "Delay"):
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
