"""A Sequential whose own forward hands no states on: its layers are called in order, with their states."""

from __future__ import annotations

import torch

from ssdp_hw.conversion.torch.known_neurons import is_neuron
from ssdp_hw.conversion.torch.neurons import framework_of
from ssdp_hw.conversion.torch.stateful import keeps_states
from ssdp_hw.conversion.torch.types import Module, Nested, Tensor
from ssdp_hw.errors import UnsupportedError


def check_states(module: Module, prefix: str, seen: dict[int, str]) -> None:
    """Raise if a layer of neurons with one state stands twice in a Sequential.

    Raises:
        UnsupportedError: it does.
    """
    if type(module).forward is not torch.nn.Sequential.forward:
        return
    for name, child in module._modules.items():
        key = prefix + name
        check_states(child, f"{key}.", seen)
        if is_neuron(child) and (keeps_states(child) or getattr(child, "init_hidden", False)):
            if id(child) in seen:
                raise UnsupportedError(
                    f"layer '{key}' is layer '{seen[id(child)]}' once more, so that both have one state; put a layer "
                    "of its own in each place"
                )
            seen[id(child)] = key


def check_hooks(module: Module, said: str) -> None:
    """Raise if a Sequential has hooks, which act where it is called itself, not where its layers are called in order.

    Raises:
        UnsupportedError: it does.
    """
    if type(module).forward is not torch.nn.Sequential.forward:
        return
    if module._forward_pre_hooks or module._forward_hooks:
        raise UnsupportedError(
            f"{said} has hooks, but its forward hands no states on, so its layers are called in order, without it; "
            "remove the hooks, make its neurons with init_hidden=True, or write a forward that hands the states on"
        )
    for name, child in module._modules.items():
        check_hooks(child, f"layer '{name}'")


def in_order(module: Module, x: Tensor, states: dict[str, Nested], prefix: str) -> Nested:
    """A Sequential whose neurons return their state, which goes to their next step."""
    for name, child in module._modules.items():  # named_children() leaves out what comes a second time
        key = prefix + name
        if is_neuron(child):
            x, states[key] = _one_step(child, x, states.get(key))
        elif type(child).forward is torch.nn.Sequential.forward:
            x = in_order(child, x, states, f"{key}.")
        else:
            x = child(x)
    return x


def _one_step(layer: Module, x: Tensor, state: Nested) -> tuple[Nested, Nested]:
    if keeps_states(layer):
        return layer(x), None
    if framework_of(layer) != "snntorch":
        sent, state = layer(x, state)
        return sent, state
    if state is None and not layer.init_hidden:
        layer.reset_mem()  # where a layer stands twice, its second use begins at rest, too
    made = layer(x) if layer.init_hidden or state is None else layer(x, *state)
    if not isinstance(made, tuple):
        return made, None
    return made[0], None if layer.init_hidden else made if type(layer).__name__.startswith("R") else made[1:]
