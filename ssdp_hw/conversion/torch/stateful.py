"""Layers of neurons that keep their own states, one step or all steps a call: Sinabs and SpikingJelly."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ssdp_hw.conversion.torch.given import CannotRunError
from ssdp_hw.conversion.torch.neurons import framework_of
from ssdp_hw.conversion.torch.types import Function, Module, Nested, Tensor
from ssdp_hw.errors import UnsupportedError

# The attributes in which a layer keeps its states, by the names that they have here.
_STATES = {"sinabs": {"v": "v_mem", "i": "i_syn"}, "spikingjelly": {"v": "v", "i": "c"}}


def keeps_states(layer: Module) -> bool:
    """Whether a layer of neurons keeps its states between its calls."""
    return framework_of(layer) in _STATES


def time_axis(layer: Module) -> int | None:
    """The axis of time in what a layer takes; None if it takes one step a call."""
    if framework_of(layer) == "sinabs":
        return 1
    return 0 if framework_of(layer) == "spikingjelly" and layer.step_mode == "m" else None


def merged(layer: Module) -> bool:
    """Whether a layer takes batch and steps as one axis."""
    return framework_of(layer) == "sinabs" and type(layer).__name__.endswith("Squeeze")


def merged_size(module: Module, length: int) -> tuple[int, int]:
    """(batch, time) of an input of so many samples and steps in one axis, as the module's squeezed layers say."""
    layer = next(m for m in module.modules() if merged(m))
    if layer.batch_size > 0:
        return int(layer.batch_size), length // int(layer.batch_size)
    return length // int(layer.num_timesteps), int(layer.num_timesteps)


def merged_length(module: Module, steps: int) -> int:
    """Length of the one axis of an input of about so many steps, of as many samples as squeezed layers ask for."""
    layer = next(m for m in module.modules() if merged(m))
    return int(layer.batch_size) * steps if layer.batch_size > 0 else 2 * int(layer.num_timesteps)


def check_merged_size(module: Module, steps: int, batch: int) -> None:
    """Raise unless the squeezed layers of a module take so many steps and samples.

    Raises:
        CannotRunError: they would take some of one for the other.
    """
    for name, layer in module.named_modules():
        if merged(layer) and (layer.batch_size not in (-1, batch) or layer.num_timesteps not in (-1, steps)):
            raise CannotRunError(
                f"layer '{name}' ({type(layer).__name__}) was made for batch_size = {layer.batch_size} and "
                f"num_timesteps = {layer.num_timesteps} (-1: any), not for {batch} samples of {steps} steps: give it "
                "those"
            )


def steps_in(layer: Module, given: Nested) -> int:
    """How many steps a call takes."""
    axis = time_axis(layer)
    if axis is None:
        return 1
    if not merged(layer):
        return int(given.shape[axis])
    return int(layer.num_timesteps if layer.num_timesteps > 0 else len(given) // layer.batch_size)


def states_of(layer: Module) -> dict[str, Nested]:
    """The states that a layer keeps, by name; None for a state that its next call initialises."""
    found = {}
    for name, attribute in _STATES[framework_of(layer)].items():
        if attribute in (layer._buffers if framework_of(layer) == "sinabs" else layer._memories):
            kept = getattr(layer, attribute)
            found[name] = kept if isinstance(kept, torch.Tensor) and kept.numel() else None
    return found


def put_to_rest(layer: Module) -> None:
    """Clear the states of a layer, so that its next call begins from its initial state."""
    if framework_of(layer) == "spikingjelly":
        layer.reset()
        return
    for name in layer._buffers:
        layer._buffers[name] = torch.zeros(0)


def copied(module: Module) -> Nested:
    """A deep copy of a module, also of one whose last call left states with gradients.

    Sinabs' own way of copying fails for its recurrent layers.
    """
    memo: dict[int, Nested] = {}
    for part in module.modules():
        for kept in (*vars(part).values(), *part._buffers.values(), *vars(part).get("_memories", {}).values()):
            if isinstance(kept, torch.Tensor) and kept.grad_fn is not None:
                memo[id(kept)] = kept.detach().clone()
    own = [m for m in module.modules() if framework_of(m) == "sinabs"]
    for layer in own:
        memo[id(layer)] = object.__new__(type(layer))
    for layer in own:
        memo[id(layer)].__dict__.update(copy.deepcopy(vars(layer), memo))
    return copy.deepcopy(module, memo)


def in_steps(layer: Module, tensor: Tensor) -> list[Tensor]:
    """What a layer takes or returns, step by step, each of shape (batch, *shape)."""
    if merged(layer):
        steps = steps_in(layer, tensor)
        tensor = tensor.reshape(-1, steps, *tensor.shape[1:])
    return list(tensor.unbind(time_axis(layer)))


def run_all_steps(layer: Module, forward: Function, given: Nested) -> tuple[Nested, list[dict[str, Nested]]]:
    """What a call of all steps returns, and the states that it leaves in each of them."""
    if framework_of(layer) == "spikingjelly":
        return _run_spikingjelly(layer, forward, given)
    if not layer.spike_fn:
        out = forward(given).to(given.dtype)
        return out, [{"v": v} for v in in_steps(layer, out)]  # a readout has no spikes: it returns its voltage
    with _watched_reset(layer) as left:
        out = forward(given).to(given.dtype)
    return out, left


def _run_spikingjelly(layer: Module, forward: Function, given: Nested) -> tuple[Nested, list[dict[str, Nested]]]:
    if "c" in layer._memories:
        return _run_current_based(layer, forward, given)
    kept = layer.store_v_seq
    if not kept:
        layer.store_v_seq = True
    try:
        out = forward(given)
        voltages = layer.v_seq
    finally:
        if not kept:  # setting it, even to what it is, forgets the voltages
            layer.store_v_seq = False
    return out, [{"v": v} for v in voltages]


def _run_current_based(layer: Module, forward: Function, given: Nested) -> tuple[Nested, list[dict[str, Nested]]]:
    """The same for a layer that keeps a current besides, of which SpikingJelly stores the voltages alone."""
    sent, left = [], []
    layer.step_mode = "s"
    try:
        for x in given:
            sent.append(forward(x))
            left.append({"v": layer.v, "i": layer.c})
    finally:
        layer.step_mode = "m"
    if layer.store_v_seq:
        layer.v_seq = torch.stack([states["v"] for states in left])
    return torch.stack(sent), left


@contextmanager
def _watched_reset(layer: Module) -> Iterator[list[dict[str, Nested]]]:
    """The states after every reset of a layer of Sinabs, which records those of some kinds of layers wrongly.

    Its spikes, float32 whatever the voltage is, get the type of the voltage.
    """
    left: list[dict[str, Nested]] = []
    reset_fn, spike_fn = layer.reset_fn, layer.spike_fn

    class Typed:
        required_states = spike_fn.required_states

        @staticmethod
        def apply(voltage: Tensor, *rest: Nested) -> Nested:
            return spike_fn.apply(voltage, *rest).to(voltage.dtype)

    def watched(spikes: Tensor, states: Nested, threshold: Tensor) -> Nested:
        made = reset_fn(spikes, states, threshold)
        found = {"v": made["v_mem"].clone()}
        if layer.alpha_syn_calculated is not None:
            found["i"] = made["i_syn"].clone()
        left.append(found)
        return made

    if spike_fn.required_states != ["v_mem"]:
        raise UnsupportedError(
            f"a spike_fn of Sinabs that takes {', '.join(spike_fn.required_states)}; use SingleSpike"
        )
    layer.reset_fn, layer.spike_fn = watched, Typed
    try:
        yield left
    finally:
        layer.reset_fn, layer.spike_fn = reset_fn, spike_fn
