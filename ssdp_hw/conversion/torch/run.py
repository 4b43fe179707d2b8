"""A torch module step by step, every layer of neurons recorded."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.conversion.torch.layers import array
from ssdp_hw.conversion.torch.trace import chain_of, is_neuron, undisturbed
from ssdp_hw.errors import UnsupportedError

Recorded = dict[str, tuple[NDArray[np.bool_], NDArray[np.float64]]]


def run_torch(module: Any, samples: NDArray[Any], *, exact: bool = False) -> Recorded:
    """Run the layers of a module (see :func:`ssdp_hw.conversion.from_torch`) on samples, each from rest.

    Args:
        module: the module; it is left as it was.
        samples: input of shape (time, batch, *shape).
        exact: compute in float64, on a copy, whatever type the module has.

    Returns:
        For every layer of neurons its spikes and voltages, shape (time, batch, n). Those of snnTorch with a late
        reset are the voltages before it. A readout has no spikes.

    Raises:
        UnsupportedError: the module is no chain, or cannot be copied.
    """
    import torch

    if exact:
        try:
            module = copy.deepcopy(module).double()
        except RuntimeError as error:
            raise UnsupportedError(f"the module cannot be copied to float64: {str(error).splitlines()[0]}") from None
    kinds = [p.dtype for p in module.parameters() if p.is_floating_point()]
    values = torch.as_tensor(np.asarray(samples)).to(torch.float64 if exact else (kinds or [torch.float32])[0])
    layers, _ = chain_of(module, values if _loops(module, values) else values[0])
    recorded: dict[str, tuple[list[Any], list[Any]]] = {name: ([], []) for name, layer in layers if is_neuron(layer)}
    states: dict[str, Any] = {}
    with undisturbed(module), torch.no_grad():
        for _, layer in layers:
            if hasattr(layer, "reset_mem"):
                layer.reset_mem()
        for x in values:
            for name, layer in layers:
                if name not in recorded:
                    x = layer(x)
                    continue
                x, v, states[name] = _step(layer, x, states.get(name))
                recorded[name][0].append(array(x, name).reshape(len(x), -1) != 0)
                recorded[name][1].append(array(v, name).reshape(len(x), -1))
    return {
        name: (np.stack(s) if _fires(dict(layers)[name]) else np.zeros_like(s, bool), np.stack(v))
        for name, (s, v) in recorded.items()
    }


def _loops(module: Any, values: Any) -> bool:
    """Whether the forward takes all steps at once: it then calls a layer several times."""
    calls: list[int] = []
    leaves = [m for m in module.modules() if is_neuron(m)]
    if not leaves or type(module).forward is _sequential():
        return False
    hook = leaves[0].register_forward_hook(lambda *_: calls.append(1))
    try:
        import torch

        with undisturbed(module), torch.no_grad():
            module(values[:2])
    except Exception:  # whatever a forward for single steps says to two of them
        return False
    finally:
        hook.remove()
    return len(calls) > 1


def _sequential() -> Any:
    import torch

    return torch.nn.Sequential.forward


def _fires(layer: Any) -> bool:
    return not type(layer).__name__.startswith(("LIBox", "LICell"))


def _step(layer: Any, x: Any, state: Any) -> tuple[Any, Any, Any]:
    """What a layer sends on, its voltage, and its state for the next step."""
    if type(layer).__module__.startswith("norse"):
        sent, state = layer(x, state)
        return sent, state.v, state
    kept = () if layer.init_hidden or state is None else state
    made = layer(x, *kept)
    spikes = made[0] if isinstance(made, tuple) else made
    spikes = spikes.to(x.dtype)  # snnTorch's are float32 whatever the voltage is
    if layer.init_hidden and hasattr(layer, "spk"):
        layer.spk = spikes
    if layer.init_hidden or not isinstance(made, tuple):
        return spikes, layer.mem, None
    recurrent = type(layer).__name__.startswith("R")
    return spikes, made[-1], (spikes, *made[1:]) if recurrent else made[1:]
