"""The layers of neurons that are known, by framework and class."""

from __future__ import annotations

from collections.abc import Callable

from ssdp_hw.conversion.torch.neurons import Neurons, Shape, framework_of, norse, snntorch
from ssdp_hw.conversion.torch.stateful_neurons import sinabs, spikingjelly
from ssdp_hw.conversion.torch.types import Module
from ssdp_hw.errors import ParameterError, UnsupportedError

_NORSE = ("LIFBoxCell", "LIFCell", "LIFRecurrentCell", "IAFCell", "LIBoxCell", "LICell", "LILinearCell")
_SINABS = ("LIF", "IAF", "ExpLeak", "LIFRecurrent", "IAFRecurrent", "LIFSqueeze", "IAFSqueeze", "ExpLeakSqueeze")
_SPIKINGJELLY = ("IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode")
_MODELS: dict[tuple[str, str], Callable[[str, Module, Shape, float], Neurons]] = {
    **{("snntorch", kind): snntorch for kind in ("Leaky", "RLeaky", "Synaptic", "RSynaptic")},
    **{("norse", kind): norse for kind in _NORSE},
    **{("sinabs", kind): sinabs for kind in _SINABS},
    **{("spikingjelly", kind): spikingjelly for kind in _SPIKINGJELLY},
}


def is_neuron(module: Module) -> bool:
    """Whether a module is a layer of neurons of a framework, and is not looked into."""
    place, kind = type(module).__module__, type(module).__name__
    if (framework_of(module), kind) in _MODELS:
        return True
    if place.startswith("snntorch._neurons"):
        return not kind.startswith("Recurrent")
    if place.startswith("norse.torch.module"):
        return kind.endswith("Cell") or any(c.__name__ in ("SNN", "SNNRecurrent") for c in type(module).__mro__)
    if place.startswith("sinabs.layers"):
        return any(c.__name__ == "StatefulLayer" for c in type(module).__mro__)
    return place.startswith("spikingjelly.activation_based.neuron")


def known_or_refused(name: str, module: Module) -> None:
    """Nothing, if the neurons of a module are known.

    Raises:
        UnsupportedError: they are not, by their name.
    """
    kind, framework = type(module).__name__, framework_of(module)
    if (framework, kind) not in _MODELS:
        if (framework, f"{kind}Cell") in _MODELS:
            raise UnsupportedError(
                f"layer '{name}' is {framework}'s {kind}, which takes all steps in one call and is not read; "
                f"{kind}Cell is the same of one step: put it in its place, and call the module in a loop over time"
            )
        if (framework, kind) == ("snntorch", "Lapicque"):
            rate, gain = float(module.time_step / (module.R * module.C)), float(module.time_step / module.C)
            if module.reset_mechanism == "zero":
                raise UnsupportedError(
                    f"layer '{name}' is snntorch's Lapicque, which with reset_mechanism 'zero' loses the input of the "
                    "step after a spike; that cannot be expressed: train with snntorch.Leaky"
                )
            raise UnsupportedError(
                f"layer '{name}' is snntorch's Lapicque, which is not read. snntorch.Leaky(beta={1 - rate:.9g}), beta "
                "= 1 - time_step / (R * C), with the same threshold, called with time_step / C = "
                f"{gain:.9g} times the input, is the same: put it in its place"
            )
        known = ", ".join(f"{f}.{k}" for f, k in _MODELS)
        raise UnsupportedError(f"layer '{name}' is {framework}'s {kind}, which is not known; neurons: {known}")


def check_neurons(module: Module) -> None:
    """Nothing, if all neurons within a module are known.

    Raises:
        UnsupportedError: some are not, or are of a class that is derived from that of known ones.
    """
    for name, part in module.named_modules():
        if is_neuron(part):
            known_or_refused(name, part)
            continue
        for base in type(part).__mro__[1:]:
            framework = base.__module__.split(".")[0]
            if (framework, base.__name__) in _MODELS:
                raise UnsupportedError(
                    f"layer '{name}' is a {type(part).__name__}, a class that is derived from {framework}'s "
                    f"{base.__name__}, so that its step may be another one; put {framework}'s {base.__name__} itself "
                    "in its place, and write what else it does into forward"
                )


def neurons_of(name: str, module: Module, shape: Shape, dt: float) -> Neurons:
    """A module of neurons, given the shape of one sample of its input.

    Raises:
        UnsupportedError: another type, or a setting that cannot be expressed, by its name.
        ParameterError: a parameter out of range.
    """
    known_or_refused(name, module)
    made = _MODELS[framework_of(module), type(module).__name__]
    try:
        return made(name, module, shape, dt)
    except ParameterError as error:
        raise type(error)(str(error) if str(error).startswith("layer") else f"layer '{name}': {error}") from None
