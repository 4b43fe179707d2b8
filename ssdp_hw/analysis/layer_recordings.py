"""What ``verify`` compares a network with: the spikes and voltages of a source, layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.arrays import Bool, Real
from ssdp_hw.checks import as_array, as_size, real_array
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.running.drive import AnyNetwork, DirectInput
from ssdp_hw.running.run import run

if TYPE_CHECKING:
    from ssdp_hw.conversion.torch.recording import Recorded


# What a source recorded of a layer, shape (time, batch, n): its spikes, or a pair of spikes and voltages.
LayerRecording: TypeAlias = ArrayLike | tuple[ArrayLike, ArrayLike]


# A network, a recording by layer, a callable that takes samples and returns one, or a torch module (also callable).
Source: TypeAlias = (
    AnyNetwork | Mapping[str, LayerRecording] | Callable[[NDArray[np.generic]], Mapping[str, LayerRecording]]
)


Given = NDArray[np.generic] | dict[str, NDArray[np.generic]]


def shaped_samples(samples: ArrayLike | DirectInput) -> NDArray[np.generic]:
    """Samples as (time, batch, *shape); a constant input in every step."""
    if isinstance(samples, DirectInput):
        values = real_array(samples.values, "direct input")
        if values.ndim < 2:
            raise ShapeError(f"direct input of shape {values.shape}; expected (batch, *shape)")
        return np.broadcast_to(values, (as_size(samples.steps, "direct input: steps"), *values.shape))
    spikes = as_array(samples, "samples")
    if spikes.ndim < 3:
        raise ShapeError(f"samples of shape {spikes.shape}; expected (time, batch, *shape)")
    if not spikes.size:
        raise ParameterError(f"samples of shape {spikes.shape} are empty; at least 1 step and 1 sample are needed")
    return spikes if spikes.dtype == bool else real_array(spikes, "samples")


def lasting(given: Given, steps: int) -> Given:
    """Samples for as many steps as the module runs; of other lengths are those of a constant input alone."""

    def one(x: NDArray[np.generic]) -> NDArray[np.generic]:
        return x if len(x) == steps else np.broadcast_to(x[0], (steps, *x.shape[1:]))

    return {name: one(x) for name, x in given.items()} if isinstance(given, dict) else one(given)


def flat_samples(given: Given, samples: object) -> Any:
    """What the network takes: (time, batch, channels), or the constant input."""

    def one(x: NDArray[np.generic], original: object) -> Any:
        if isinstance(original, DirectInput):
            return DirectInput(np.asarray(x[0], np.float64).reshape(x.shape[1], -1), len(x))
        return x.reshape(*x.shape[:2], -1)

    if isinstance(given, dict) and isinstance(samples, Mapping):
        originals = {str(k): v for k, v in samples.items()}
        return {name: one(x, originals[name]) for name, x in given.items()}
    assert not isinstance(given, dict)
    return one(given, samples)


def module_recording(model: Source, samples: Given, network: AnyNetwork) -> Recorded | None:
    """The run of a torch module by its own forward; None if the source is none."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        return None
    from ssdp_hw.conversion.torch.recording import record

    if isinstance(samples, dict):
        if set(samples) != set(network.input_names):
            raise ParameterError(f"samples are given for {sorted(samples)}, but the inputs are {network.input_names}")
        samples = {name: samples[name] for name in network.input_names}  # in the order of the forward's arguments
    for source, x in zip(network.inputs, samples.values() if isinstance(samples, dict) else [samples], strict=False):
        if np.prod(x.shape[2:]) != source.size:
            raise ShapeError(
                f"input '{source.name}': samples of shape {x.shape}; expected (time, batch, *shape) with {source.size} "
                "values in the shape"
            )
    return record(model, samples, network.semantics.dt if isinstance(network, Network) else None)


Layers = dict[str, tuple[Bool, Real | None]]


def source_layers(
    model: Source,
    samples: Given,
    flat: Any,
    expected: tuple[int, int],
    target: str | None,
) -> tuple[str, Layers]:
    """The source's kind, and its recording by layer."""
    if isinstance(model, Network | FixedNetwork):
        result = run(model, flat, target, record=("spikes", "v"), on_overflow="ignore")
        comparable = isinstance(model, Network)
        found: Layers = {
            n: (s, np.asarray(result.v[n], np.float64) if comparable else None)
            for n, s in result.spikes.items()
            if n not in model.helpers  # what they bring shows in the layers that they drive
        }
        return type(model).__name__, found
    recorded = model(samples) if callable(model) else model  # type: ignore[arg-type]
    if not isinstance(recorded, Mapping) or not recorded:
        raise ParameterError("the source gives no recording: a dict with spikes, or (spikes, voltages), by layer")
    return "recording", {str(n): _layer(str(n), value, expected) for n, value in recorded.items()}


def _layer(name: str, value: LayerRecording, expected: tuple[int, ...]) -> tuple[Bool, Real | None]:
    spikes, voltages = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    fired = as_array(spikes, f"layer '{name}': spikes")
    if fired.ndim < 3 or fired.shape[:2] != tuple(expected):
        raise ShapeError(f"layer '{name}': spikes of shape {fired.shape}; expected (time, batch, n), {expected} first")
    if fired.dtype != bool and not np.all((fired == 0) | (fired == 1)):
        raise ParameterError(f"layer '{name}': spikes must be 0 or 1")
    fired = fired.reshape(*fired.shape[:2], -1) != 0
    if voltages is None:
        return fired, None
    v = as_array(voltages, f"layer '{name}': voltages").astype(np.float64)
    if v.size != fired.size:
        raise ShapeError(f"layer '{name}': voltages of shape {v.shape} beside spikes of shape {fired.shape}")
    return fired, v.reshape(fired.shape)


def population_by_layer(
    network: AnyNetwork, theirs: Layers, names: Mapping[str, str] | None, *, whole: bool = False
) -> dict[str, str]:
    """Population by layer; ``whole`` asks for one for every layer of the source, unless names are given."""
    sizes = {layer: spikes.shape[2] for layer, (spikes, _) in theirs.items()}
    if names is not None:
        for layer in names:
            if layer not in sizes:
                raise ParameterError(f"names: the source has no layer '{layer}'; there are: {', '.join(sizes)}")
        found = dict(names)
    else:
        common = [name for name in sizes if name in network.population_names]
        # A population that nothing feeds stands for no layer of the source: it is a neuron that brings a bias.
        fed = [n for n in network.population_names if any(p.post == n and p.pre != n for p in network.projections)]
        found = {name: name for name in common} or dict(zip(sizes, fed, strict=len(sizes) == len(fed)))
        if not common and len(sizes) != len(fed):
            raise ParameterError(f"the source has layers {list(sizes)}, the network {fed}: give names")
        if whole and len(found) < len(sizes):
            raise ParameterError(
                f"the network has no population for layers {sorted(set(sizes) - set(found))}: give names"
            )
    for layer, population in found.items():
        if network.population(population).size != sizes[layer]:
            raise ShapeError(
                f"layer '{layer}' has {sizes[layer]} neurons, population '{population}' has "
                f"{network.population(population).size}"
            )
    return found
