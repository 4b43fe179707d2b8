"""Notes of ``from_nir``: what it assumed, and what of the graph means something else here than in NIR."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.nir.choices import Choices
from ssdp_hw.conversion.nir.files import SCALARS
from ssdp_hw.conversion.nir.metadata import GraphHeader, metadata_of
from ssdp_hw.conversion.nir.nodes import (
    is_linear,
    is_neuron,
    is_passing,
    kind_of,
    own_shape,
    single_parameters,
)
from ssdp_hw.conversion.nir.presets import Preset, TauUnit
from ssdp_hw.conversion.nir.wiring import Wiring
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.graph import Comparison, Reset

# If no time constant of a graph is below this many seconds, a note asks whether the file counts steps instead.
_ODD_TAU = 1.0


def assumed(network: Network, choices: Choices, unit: TauUnit) -> Iterator[str]:
    """Notes on what NIR does not define and the arguments or defaults of from_nir decided."""
    s = network.semantics
    yield (
        "every projection takes one step, which NIR's edges do not: a spike sent in step t acts in step t + 1, "
        f"and one from an input needs {network.latency} steps to the outputs"
    )
    values = {
        "dt": f"dt = {s.dt:g} s",
        "reset": f"reset '{choices.reset or Reset.ZERO}'",
        "threshold": f"threshold '{choices.threshold or Comparison.ABOVE}'",
        "discretization": f"discretization '{s.discretization}'",
        "update_order": f"update order '{s.update_order}'",
        "tau_unit": f"time constants in {unit}",
    }
    preset = choices.preset
    chosen = ", ".join(text for name, text in values.items() if name in choices.given)
    others = ", ".join(text for name, text in values.items() if name not in choices.given)
    by = "the default is" if preset is None else f"the preset for {preset.framework} has"
    parts = [f"the caller chose {chosen}" if chosen else "", f"{by} {others}" if others else ""]
    yield f"NIR leaves open what a step is: {'; '.join(filter(None, parts))}"
    if preset is not None:
        how = "held to the framework itself" if preset.evidence == "run" else "read from its source, not run"
        yield f"what the caller left open is as in {preset.framework} ({how})"
        yield from preset.remarks
        if preset.export_times_dt:
            yield from _multiplied(network, preset, unit, choices)
    elif unit is TauUnit.SECONDS:
        yield from _in_odd_units(network)


def _multiplied(network: Network, preset: Preset, unit: TauUnit, choices: Choices) -> Iterator[str]:
    """A note where the framework's own export multiplied time constants by dt, or may have done so."""
    dt = network.semantics.dt
    if unit is TauUnit.SECONDS_TIMES_DT:
        yield (
            f"the time constants are those of {preset.framework}'s own export, which multiplies them by dt: they were "
            f"divided by dt = {dt:g} s, and the input of CubaLIF is added to its current as it is, as in the LIFCell "
            "that the export writes so"
        )
    elif choices.tau_unit is None and (taus := _taus(network)) and max(float(t.max()) for t in taus) < preset.dt:
        yield (
            f"all time constants are shorter than {preset.framework}'s dt = {preset.dt:g} s: if its own export wrote "
            "the graph, they were multiplied by dt; then leave dt out"
        )


def _taus(network: Network) -> list[Real]:
    return [
        p.neuron.parameter(tau) for p in network.populations for tau in ("tau_mem", "tau_syn") if hasattr(p.neuron, tau)
    ]


def _in_odd_units(network: Network) -> Iterator[str]:
    """A note if all time constants are so long that the file probably counts steps, not seconds."""
    taus = _taus(network)
    if taus and min(float(t.min()) for t in taus) >= _ODD_TAU:
        yield (
            f"all time constants are {_ODD_TAU:g} s and longer, which neurons rarely have: if the file counts steps, "
            "give tau_unit='steps'"
        )


def overridden(choices: Choices, header: GraphHeader) -> Iterator[str]:
    """Notes on arguments of from_nir that differ from what the metadata of the graph state."""
    for name, stated in header.semantics.to_dict().items():
        chosen = getattr(choices, name)
        if chosen is not None and chosen != stated:
            yield f"{name} is {chosen}, as the caller chose; the graph states {stated}"
    for name in ("reset", "threshold"):
        if getattr(choices, name) is not None:
            yield f"{name} is '{getattr(choices, name)}' in every population, as the caller chose"


def about_readouts(readouts: Mapping[str, list[str]]) -> Iterator[str]:
    """Notes on outputs without a neuron, by the population that reads them, with the linear nodes before each."""
    for name, linear in readouts.items():
        yield (
            f"{' and '.join(repr(node) for node in linear)} lead to an output without a neuron: population '{name}' is "
            "a membrane readout without spikes, whose voltage is their value in every step (decode by max_membrane)"
        )


def about_scalars(wiring: Wiring, readouts: Collection[str]) -> Iterator[str]:
    """Notes on nodes with a scalar parameter, which was taken for all their neurons or values."""
    for name, node in wiring.nodes.items():
        size, kind = wiring.gives(name), kind_of(node)
        if name in readouts:
            continue
        if size > 1 and is_neuron(node) and own_shape(name, node) is not None:
            alone = [*metadata_of(node).get(SCALARS, ()), *single_parameters(node)]
            if alone:
                what = f"{', '.join(dict.fromkeys(map(str, alone)))} has one value, which holds"
                yield f"{wiring.title(name)}: {what} for all {size} neurons"
        if size > 1 and (is_neuron(node) or kind in ("Scale", "Delay")) and own_shape(name, node) is None:
            what = "neurons" if is_neuron(node) else "values"
            yield f"{wiring.title(name)}: its scalar parameters hold for all {size} {what}"
        if size > 1 and hasattr(node, "bias") and name not in wiring.convolutions and np.size(node.bias) == 1:
            yield f"{wiring.title(name)}: its scalar bias holds for all {size} values"


def about_nodes(wiring: Wiring) -> Iterator[str]:
    """Notes on nodes that are left out, and on values that mean something else here than in NIR."""
    for name, node in wiring.nodes.items():
        if is_neuron(node) and any(np.any(getattr(node, p, 0)) for p in ("v_leak", "v_reset")):
            yield f"{wiring.title(name)}: the voltage starts at 0, not at v_leak or v_reset"
        if kind_of(node) == "Threshold":
            yield f"{wiring.title(name)} is a population of neurons without memory, which takes a step as any other"
        if kind_of(node) == "AvgPool2d" and any(map(any, wiring.convolutions[name].weight.padding)):
            yield f"{wiring.title(name)}: the zeros of its padding count in the average, as PyTorch's default is"
        if not wiring.before[name] and kind_of(node) != "Input":
            yield f"{wiring.title(name)} is fed by nothing"
        if not wiring.after[name] and (is_linear(node) or is_passing(node)):
            yield f"{wiring.title(name)} leads nowhere and is left out"
