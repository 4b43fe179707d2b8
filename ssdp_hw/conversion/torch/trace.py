"""In which order a torch module calls its layers, and that nothing happens between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from ssdp_hw.errors import UnsupportedError


def chain_of(module: Any, sample: Any) -> tuple[list[tuple[str, Any]], tuple[int, ...]]:
    """The layers of a module that passes its input from one to the next: (name, module), in order.

    The second value is the shape of what the first layer gets for one sample.

    An ``nn.Sequential`` (Norse's SequentialState too) is a chain as it stands. Any other module is run on the
    sample, and its layers must hand on the very tensors that they were given: an operation between them,
    a branch, or a layer that is used twice within a step is refused. A forward that loops over time must
    repeat the same layers in each step. Its state is put back afterwards.

    Raises:
        UnsupportedError: the module is no chain, or cannot be run on the sample.
    """
    import torch

    if isinstance(module, torch.nn.Sequential):
        layers = [layer for name, child in module.named_children() for layer in _flat(name, child)]
        return layers, tuple(sample.shape[1:])
    leaves = dict(_leaves(module))
    if not any(True for _ in module.children()):
        raise UnsupportedError(f"{type(module).__name__} has no layers: give a module made of them")
    calls: list[tuple[str, Any, Any]] = []
    hooks = [
        leaf.register_forward_hook(
            lambda _, given, made, name=name: calls.append((name, given[0] if given else None, _first(made)))
        )
        for name, leaf in leaves.items()
    ]
    try:
        with undisturbed(module), torch.no_grad():
            returned = module(sample)
    except Exception as error:
        raise UnsupportedError(
            f"{type(module).__name__} cannot be run on a sample of shape {tuple(sample.shape)} "
            f"({type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}); give a sample"
        ) from None
    finally:
        for hook in hooks:
            hook.remove()
    if not calls:
        raise UnsupportedError(f"{type(module).__name__} used none of its layers")
    names = [name for name, *_ in calls]
    period = names[: names[1:].index(names[0]) + 1] if names[0] in names[1:] else names
    if names != period * (len(names) // len(period)) or len(set(period)) < len(period):
        raise UnsupportedError(f"the forward of {type(module).__name__} is no chain: it calls {_listed(names)}")
    for (before, _, made), (after, given, _) in pairwise(calls):
        if after != period[0] and given is not made:
            raise UnsupportedError(
                f"{type(module).__name__}: something happens between '{before}' and '{after}' that is no layer of "
                "its own; make it one (nn.Flatten, nn.AvgPool2d ...), or write the network as NIR"
            )
    if names == period and not any(item is calls[-1][2] for item in _items(returned)):
        raise UnsupportedError(
            f"{type(module).__name__} returns something else than what its last layer '{names[-1]}' gave"
        )
    unused = [name for name in leaves if name not in period and any(True for _ in leaves[name].parameters())]
    if unused:
        raise UnsupportedError(f"the forward of {type(module).__name__} does not use its layers {_listed(unused)}")
    return [(name, leaves[name]) for name in period], tuple(calls[0][1].shape[1:])


def is_neuron(module: Any) -> bool:
    """Whether a module is of a framework of neurons, and is not looked into."""
    return type(module).__module__.split(".")[0] in ("snntorch", "norse", "sinabs")


def _leaves(module: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, child in module.named_children():
        if is_neuron(child) or not any(True for _ in child.children()):
            yield prefix + name, child
        else:
            yield from _leaves(child, f"{prefix}{name}.")


def _flat(name: str, module: Any) -> Iterator[tuple[str, Any]]:
    import torch

    if isinstance(module, torch.nn.Sequential):
        for inner, child in module.named_children():
            yield from _flat(f"{name}.{inner}", child)
    elif not is_neuron(module) and any(True for _ in module.children()):
        raise UnsupportedError(f"layer '{name}' is {type(module).__name__}, a module of its own within a Sequential")
    else:
        yield name, module


@contextmanager
def undisturbed(module: Any) -> Iterator[None]:
    """Evaluation mode, and afterwards every attribute and buffer as it was."""
    kept = [(m, dict(vars(m)), dict(m._buffers), m.training) for m in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for m, attributes, buffers, training in kept:
            vars(m).update(attributes)
            m._buffers.clear()
            m._buffers.update(buffers)
            m.training = training


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) and value else value


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        for item in value:
            yield from _items(item)
    else:
        yield value


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:12])
    return shown if len(names) <= 12 else f"{shown} ..."
