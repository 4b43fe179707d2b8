"""``from_torch``: a module of torch layers and snnTorch or Norse neurons as a network, checked on the way."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import as_size
from ssdp_hw.conversion.alignment import Timing
from ssdp_hw.conversion.nir import from_nir
from ssdp_hw.conversion.torch.layers import IGNORED, LAYERS, NORMALISATIONS, WEIGHTED, kind_of_layer, node_of
from ssdp_hw.conversion.torch.neurons import Neurons, neurons_of
from ssdp_hw.conversion.torch.trace import chain_of, is_neuron
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.float_network import Network

# Largest difference, relative to the largest value, between torch's layers and what became of them.
TOLERANCE = 1e-9
_STATE = {"mem", "syn", "spk", "reset_mechanism_val", "num_batches_tracked"}


def from_torch(
    module: Any, sample: Any, dt: float = 1e-3, *, timing: Timing | str = Timing.SAME_STEP, **options: Any
) -> Network:
    """Import a torch module whose forward passes its input from layer to layer.

    Read are ``nn.Sequential`` and modules whose forward is a chain of their layers, one step or a loop over
    time: Linear, Conv1d, Conv2d, batch normalisation behind these (folded, as in evaluation), AvgPool2d,
    LPPool2d of norm 1 (a sum), Flatten, Dropout (left out); snnTorch's Leaky, Synaptic, RLeaky and RSynaptic;
    Norse's LIFBoxCell, LIFCell, IAFCell, LIBoxCell and LICell. Everything else is refused by name. What a
    neuron does with a spike (reset, its delay, comparison) is its own setting and needs no preset.

    Nothing is trusted on the way: every parameter of the module must have been used, the layers between two
    populations must give what the projections made of them give, and decays must be those of the module.

    Args:
        module: the module; it is left as it was.
        sample: an input with its batch (and, where the forward loops over it, time), or the shape of one
            sample of one step.
        dt: length of a step in seconds. snnTorch counts in steps, so it acts on nothing but reports.
        timing: as for :func:`ssdp_hw.from_nir`; the default is that of torch.
        options: further arguments of :func:`ssdp_hw.from_nir`, for example ``max_synapses``.

    Raises:
        UnsupportedError: torch is missing; a layer, a setting or a forward that cannot be expressed.
        ParameterError, ShapeError: a parameter or a sample that makes no sense.
    """
    try:
        import torch
    except ImportError:
        raise UnsupportedError("from_torch needs torch: pip install 'ssdp-hw[train]'") from None
    if not isinstance(module, torch.nn.Module):
        raise ParameterError(f"from_torch reads a torch.nn.Module, not {type(module).__name__}")
    given = sample if isinstance(sample, torch.Tensor) else torch.rand(1, *_sizes(sample))
    layers, shape = chain_of(module, given)
    stages = _stages(layers, dt)
    graph = _graph(stages, shape)
    network: Network = from_nir(graph, dt, timing=timing, **options)
    _check_tensors(module, stages)
    for index, stage in enumerate(stages):
        before = stages[index - 1].name if index else network.input_names[0]
        _check_stage(network, stage, before, shape)
        shape = stage.shape
    first = f"read from the torch module {type(module).__name__}; all its tensors were compared with this network"
    return replace(network, notes=[first, *network.notes, *(n for stage in stages for n in stage.notes)])


@dataclass
class _Stage:
    """Layers without memory, and the neurons behind them."""

    name: str
    layers: list[tuple[str, Any]] = field(default_factory=list)
    nodes: dict[str, Any] = field(default_factory=dict)
    neurons: Neurons = field(default_factory=lambda: Neurons(None))
    notes: list[str] = field(default_factory=list)
    shape: tuple[int, ...] = ()


def _sizes(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not shape:
        raise ParameterError(f"sample = {shape!r}: give a tensor, or the shape of one sample as a tuple")
    return tuple(as_size(k, "sample: shape") for k in shape)


def _stages(layers: list[tuple[str, Any]], dt: float) -> list[_Stage]:
    stages, current = [], _Stage("")
    for index, (name, module) in enumerate(layers):
        kind = kind_of_layer(module)
        if is_neuron(module):
            current.name, current.neurons = name, neurons_of(name, module, dt)
            current.notes += current.neurons.notes
            stages.append(current)
            current = _Stage("")
            continue
        if kind is None:
            raise UnsupportedError(f"layer '{name}' is {type(module).__name__}; layers: {', '.join(LAYERS)}")
        current.layers.append((name, module))
        if kind in NORMALISATIONS:
            if index == 0 or kind_of_layer(layers[index - 1][1]) not in WEIGHTED:
                raise UnsupportedError(f"layer '{name}' ({kind}) must come right behind one of {', '.join(WEIGHTED)}")
            current.notes.append(f"layer '{name}' ({kind}) is folded into '{layers[index - 1][0]}', as in evaluation")
        elif kind in IGNORED:
            current.notes.append(f"layer '{name}' ({kind}) is left out, as in evaluation")
        else:
            behind = layers[index + 1][1] if index + 1 < len(layers) else None
            norm = behind if kind in WEIGHTED and kind_of_layer(behind) in NORMALISATIONS else None
            current.nodes[name] = node_of(name, module, norm)
    if current.layers:
        raise UnsupportedError(
            f"the last layer '{current.layers[-1][0]}' has no neurons behind it; add some, for example Norse's "
            "LIBoxCell as a readout"
        )
    if not stages:
        raise UnsupportedError("the module has no neurons of snnTorch or Norse")
    return stages


def _graph(stages: list[_Stage], shape: tuple[int, ...]) -> Any:
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []

    def add(name: str, node: Any, before: str | None) -> str:
        while name in nodes:
            name += "'"
        nodes[name] = node
        if before is not None:
            edges.append((before, name))
        return name

    last = add("input", nir.Input({"input": np.array(shape)}), None)
    for stage in stages:
        for name, node in stage.nodes.items():
            last = add(name, node, last)
        stage.name = last = add(stage.name, stage.neurons.node, last)
        for chain in stage.neurons.feedback:
            end = last
            for node in chain:
                end = add(f"{last}.feedback", node, end)
            edges.append((end, last))
    add("output", nir.Output({"output": None}), last)
    return nir.NIRGraph(nodes, edges, type_check=False)


def _check_tensors(module: Any, stages: list[_Stage]) -> None:
    """Every parameter and buffer of the module is one that was used, or the state of a run."""
    used = {id(t) for stage in stages for t in stage.neurons.tensors}
    used |= {id(t) for stage in stages for _, layer in stage.layers for t in (*layer.parameters(), *layer.buffers())}
    missing = [
        name
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
        if id(tensor) not in used and name.rpartition(".")[2] not in _STATE
    ]
    if missing:
        raise UnsupportedError(
            f"the tensors {', '.join(missing[:8])} of {type(module).__name__} are used by no layer that was read"
        )


def _check_stage(network: Network, stage: _Stage, before: str, shape: tuple[int, ...]) -> None:
    """What the layers of a stage make of random values is what its projections and biases make of them."""
    import torch

    values = np.random.default_rng(0).uniform(-1.0, 1.0, (4, *shape))
    out = torch.tensor(values)
    with torch.no_grad():
        for _, layer in stage.layers:
            out = copy.deepcopy(layer).double().eval()(out)
    stage.shape = tuple(out.shape[1:])
    expected = out.numpy().reshape(4, -1)
    spikes = np.random.default_rng(1).random((4, expected.shape[1])) < 0.5
    for node in (chain[0] for chain in stage.neurons.feedback if len(chain) == 1):  # the others come later
        once = spikes * np.ravel(node.scale) if isinstance(node, nir.Scale) else spikes @ node.weight.T
        expected = expected + once + getattr(node, "bias", 0.0)
    found = np.zeros_like(expected) + network.population(stage.name).bias
    for p in network.incoming(stage.name):
        x = values.reshape(4, -1) if p.pre == before else spikes if p.pre == stage.name else np.ones((4, 1))
        if p.pre != stage.name or p.max_delay == 0:
            found = found + np.asarray(p.matrix @ x.T.astype(np.float64)).T
    _refuse_difference(stage, "what its layers give", expected, found, 1.0 + float(np.abs(expected).max()))
    coefficients = network.coefficients(stage.name)
    for name, decay in stage.neurons.decays.items():
        _refuse_difference(stage, name, np.ravel(decay), getattr(coefficients, name), 1.0)


def _refuse_difference(
    stage: _Stage, what: str, expected: NDArray[np.float64], found: NDArray[np.float64], scale: float
) -> None:
    worst = float(np.max(np.abs(expected - found))) if math.prod(np.shape(found)) else 0.0
    if not worst <= TOLERANCE * scale:
        raise UnsupportedError(
            f"layer '{stage.name}': {what} differs by up to {worst:.3g} between torch and the network that was made of "
            "it; this is a defect of the importer, please report the module"
        )
