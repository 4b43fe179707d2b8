"""Neurons of Sinabs and SpikingJelly, whose layers keep their states, as populations of this toolkit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.torch.neurons import Feedback, Neurons, Shape, array, full
from ssdp_hw.conversion.torch.types import Function, Module, Nested
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.neurons import IF, LI, LIF, CubaLI, CubaLIF, I, Neuron


def sinabs(name: str, module: Module, shape: Shape, dt: float) -> Neurons:
    """LIF, IAF and ExpLeak of Sinabs, their recurrent and their squeezed kinds.

    Their step (sinabs/layers/functional/lif.py): ``i <- alpha_syn (i + S)``, ``v <- alpha_mem v + i``, or
    ``v <- alpha_mem v + (1 - alpha_mem) i`` with norm_input.
    """
    owner = f"layer '{name}' ({type(module).__name__})"
    if module.min_v_mem is not None:
        raise UnsupportedError(
            f"{owner}: min_v_mem = {array(module.min_v_mem, owner).min():g}; no network here holds a voltage above a "
            "lower bound: make the layer with min_v_mem=None (of from_model, too) and train with it"
        )
    beta = full(array(module.alpha_mem_calculated, owner), shape, f"{owner}: tau_mem")
    alpha = module.alpha_syn_calculated
    limits: dict[str, ArrayLike] = {}
    reset, notes = Reset.SUBTRACT, []
    if module.spike_fn:
        threshold = full(array(module.spike_threshold, f"{owner}: spike_threshold"), shape, f"{owner}: spike_threshold")
        reset, v_reset = _sinabs_reset(owner, module.reset_fn, threshold)
        limits = {"v_threshold": threshold, "v_reset": v_reset}
        if _several(module.spike_fn):
            notes.append(f"{owner} may fire several times in a step (MultiSpike); a neuron of the network fires once")
    decays = {"decay_v": beta}
    if alpha is not None:
        decays["decay_u"] = full(array(alpha, owner), shape, f"{owner}: tau_syn")
    neuron = _sinabs_neuron(owner, beta, decays.get("decay_u"), bool(module.norm_input), limits, dt)
    found = Neurons(neuron, reset, shape, decays=decays, notes=notes, threshold=Comparison.AT_LEAST)
    if alpha is not None:

        def equivalents(states: Mapping[str, Real], _: Real) -> tuple[Real, Real]:
            return decays["decay_u"] * states["i"], states["v"]

        found.equivalents = equivalents
    else:
        found.equivalents = _voltage_alone
    if hasattr(module, "rec_connect"):
        found.feedback.append(_sinabs_feedback(name, owner, module, shape))
        found.late_bias = found.bias
    return found


def _voltage_alone(states: Mapping[str, Real], _: Real) -> tuple[Real, Real]:
    return np.zeros_like(states["v"]), states["v"]


def _several(spike_fn: Function) -> bool:
    most = getattr(spike_fn, "max_num_spikes_per_bin", None)
    return getattr(spike_fn, "__name__", "MaxSpike") != "SingleSpike" and most != 1


def _sinabs_reset(owner: str, reset_fn: Nested, threshold: Real) -> tuple[Reset, Real]:
    """What a spike does to the voltage, and v_reset."""
    kind = type(reset_fn).__name__
    if kind == "MembraneSubtract":
        taken = threshold if reset_fn.subtract_value is None else np.full_like(threshold, reset_fn.subtract_value)
        return Reset.SUBTRACT, threshold - taken
    if kind != "MembraneReset":
        raise UnsupportedError(f"{owner}: reset_fn {kind}; only MembraneSubtract and MembraneReset")
    if reset_fn.reset_value:
        raise UnsupportedError(
            f"{owner}: Sinabs adds reset_value = {reset_fn.reset_value:g} of MembraneReset to the voltage in every "
            "step, spike or not; set it to 0"
        )
    return Reset.ZERO, np.zeros_like(threshold)


def _sinabs_neuron(
    owner: str, beta: Real, alpha: Real | None, normed: bool, limits: dict[str, ArrayLike], dt: float
) -> Neuron:
    n = len(beta)
    if np.all(beta == 1) and alpha is None and not normed:
        return IF(size=n, r=1.0 / dt, **limits) if limits else I(size=n, r=1.0 / dt)
    if np.any(beta == 1):
        raise UnsupportedError(
            f"{owner}: a voltage that does not decay is expressed for whole layers without tau_syn only"
        )
    gain = np.ones(n) if normed else 1.0 / (1.0 - beta)
    if alpha is None:
        return (LIF if limits else LI)(size=n, tau_mem=dt / (1.0 - beta), r=gain, **limits)
    if not limits:
        raise UnsupportedError(f"{owner}: tau_syn in a layer without spike_fn; use ExpLeak as a readout")
    if np.any(alpha == 1):
        raise UnsupportedError(f"{owner}: a synaptic current that does not decay cannot be expressed")
    return CubaLIF(
        size=n,
        tau_mem=dt / (1.0 - beta),
        tau_syn=dt / (1.0 - alpha),
        r=gain,
        w_in=alpha / (1.0 - alpha),  # an input decays already in the step in which it joins the current
        **limits,
    )


def _sinabs_feedback(name: str, owner: str, module: Module, shape: Shape) -> Feedback:
    """What ``rec_connect`` makes of the spikes of the step before, read as the forward of a module is."""
    import torch

    from ssdp_hw.conversion.torch.affine import Affine
    from ssdp_hw.conversion.torch.operations import interpret
    from ssdp_hw.conversion.torch.tape import Tape
    from ssdp_hw.conversion.weight_algebra import Budget, identity

    tape = Tape(module, Budget(1 << 26), interpret)
    kind = next((p.dtype for p in module.rec_connect.parameters()), torch.float32)
    x = torch.zeros(2, *shape, dtype=kind)
    tape.note(x, Affine.source("spikes", 0, shape, spikes=True))
    with torch.no_grad(), tape:
        made = module.rec_connect(x)
    value = tape.value(made)
    if not isinstance(value, Affine) or set(value.terms) != {("spikes", 0)} or value.size != int(np.prod(shape)):
        raise UnsupportedError(f"{owner}: rec_connect does something else to its spikes than linear layers do")
    path = value.terms["spikes", 0]
    bias = value.constant if np.any(value.constant) else None
    return Feedback(identity(path.weight, value.size), 1, path.via or (f"{name}.rec_connect",), bias)


def spikingjelly(name: str, module: Module, shape: Shape, dt: float) -> Neurons:
    """IFNode, LIFNode, ParametricLIFNode and CUBALIFNode of SpikingJelly.

    Their step (spikingjelly/activation_based/functional/neuron.py): ``v <- v + S`` for IF,
    ``v <- v + (S - (v - v_reset)) / tau`` with decay_input, ``v <- v - (v - v_reset) / tau + S`` without it, where
    1 / tau is sigmoid(w) for ParametricLIF, and v_reset = 0 where it is None; CUBALIF: ``c <- c_decay c + S``,
    ``v <- v_decay v + c``.
    """
    kind = type(module).__name__
    owner = f"layer '{name}' ({kind})"
    if not getattr(module.surrogate_function, "spiking", True):
        raise UnsupportedError(f"{owner}: surrogate_function with spiking=False sends no spikes; set spiking=True")
    n = int(np.prod(shape))
    soft = module.v_reset is None
    v_reset = 0.0 if soft else float(module.v_reset)
    never = float(module.v_threshold) == np.inf
    limits: dict[str, ArrayLike] = {} if never else {"v_threshold": float(module.v_threshold), "v_reset": v_reset}
    reset = Reset.SUBTRACT if soft and not never else Reset.ZERO
    decays: dict[str, Real] = {}
    neuron: Neuron
    if kind == "IFNode":
        neuron = (I if never else IF)(size=n, r=1.0 / dt, v_init=v_reset, **limits)
    elif kind == "CUBALIFNode":
        kept_u, kept_v = float(module.c_decay), float(module.v_decay)
        if not (kept_u < 1 and kept_v < 1):
            raise UnsupportedError(f"{owner}: c_decay = {kept_u:g}, v_decay = {kept_v:g}; only values below 1")
        decays = {"decay_u": np.full(n, kept_u), "decay_v": np.full(n, kept_v)}
        tau_mem, tau_syn = dt / (1.0 - kept_v), dt / (1.0 - kept_u)
        made = CubaLI if never else CubaLIF
        neuron = made(
            size=n, tau_mem=tau_mem, tau_syn=tau_syn, r=tau_mem / dt, w_in=tau_syn / dt, v_init=v_reset, **limits
        )
    else:
        rate = 1.0 / float(module.tau) if kind == "LIFNode" else float(array(module.w.sigmoid(), owner))
        decays = {"decay_v": np.full(n, 1.0 - rate)}
        gain = 1.0 if module.decay_input else 1.0 / rate
        neuron = (LI if never else LIF)(size=n, tau_mem=dt / rate, r=gain, v_leak=v_reset, v_init=v_reset, **limits)

    found = Neurons(neuron, reset, shape, decays=decays, threshold=Comparison.AT_LEAST)
    if never:
        found.notes.append(
            f"{owner} has an infinite threshold: it is a membrane readout without spikes ({neuron.kind}), to be "
            "decoded by its voltage (max_membrane)"
        )
    if kind == "CUBALIFNode":

        def equivalents(states: Mapping[str, Real], _: Real) -> tuple[Real, Real]:
            return decays["decay_u"] * states["i"], states["v"]

        found.equivalents = equivalents
    else:
        found.equivalents = _voltage_alone
    return found
