"""To run a module without a trace of it: mode, attributes and states are afterwards as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ssdp_hw.conversion.torch.types import Module, Nested


@contextmanager
def undisturbed(module: Module) -> Iterator[None]:
    """Within it the module is in evaluation mode and not compiled; afterwards everything of it is as before."""
    kept = [(m, dict(vars(m)), [(d, dict(d)) for d in _states_within(m)], m.training) for m in module.modules()]
    module.eval()
    for m in module.modules():
        if vars(m).get("_compiled_call_impl") is not None:  # module.compile(): its operations are those of its forward
            vars(m)["_compiled_call_impl"] = None
    try:
        yield
    finally:
        for m, attributes, states, training in kept:
            for added in set(vars(m)) - set(attributes):
                del vars(m)[added]
            vars(m).update(attributes)
            for held, before in states:
                held.clear()
                held.update(before)
            m.training = training


def _states_within(module: Module) -> list[dict[str, Nested]]:
    """The dicts in which a module keeps buffers, and SpikingJelly the states of its neurons."""
    return [module._buffers, *(d for d in (vars(module).get("_memories"),) if isinstance(d, dict))]
