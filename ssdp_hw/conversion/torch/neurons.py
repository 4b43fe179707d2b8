"""Neurons of snnTorch and Norse as NIR nodes whose forward Euler step is their own step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from ssdp_hw.conversion.torch.layers import array
from ssdp_hw.errors import ParameterError, UnsupportedError

Real = NDArray[np.float64]


@dataclass
class Neurons:
    """A neuron module in NIR's terms.

    Attributes:
        node: its node; reset and threshold stand in the metadata.
        feedback: chains of nodes from its spikes back to its input.
        decays: the factors by which its voltage and current decay in a step, to be compared with the outcome.
        tensors: the tensors of the module that were used.
        notes: what to know, one sentence each.
    """

    node: Any
    feedback: list[list[Any]] = field(default_factory=list)
    decays: dict[str, Real] = field(default_factory=dict)
    tensors: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def neurons_of(name: str, module: Any, dt: float) -> Neurons:
    """A neuron module of snnTorch or Norse.

    Raises:
        UnsupportedError: another type, or a setting that cannot be expressed, by its name.
        ParameterError: a parameter out of range.
    """
    kind, framework = type(module).__name__, type(module).__module__.split(".")[0]
    made = _MODELS.get((framework, kind))
    if made is None:
        known = ", ".join(f"{f}.{k}" for f, k in _MODELS)
        raise UnsupportedError(f"layer '{name}' is {framework}'s {kind}, which is not known; neurons: {known}")
    return made(name, module, dt)


def _snntorch(name: str, module: Any, dt: float) -> Neurons:
    kind = type(module).__name__
    owner = f"layer '{name}' ({kind})"
    for setting in ("inhibition", "state_quant"):
        if getattr(module, setting, False):
            raise UnsupportedError(f"{owner}: {setting} cannot be expressed")
    graded = array(module.graded_spikes_factor, owner)
    if np.any(graded != 1):
        raise UnsupportedError(f"{owner}: graded_spikes_factor = {graded}; spikes are 0 or 1: scale the next layer")
    beta, threshold = _decay(module.beta, f"{owner}: beta"), array(module.threshold, f"{owner}: threshold")
    used = [module.beta, module.threshold, module.graded_spikes_factor]
    found = Neurons(None, decays={"decay_v": beta}, tensors=used)
    reset = str(module._reset_mechanism)
    if reset not in ("zero", "subtract"):
        raise UnsupportedError(f"{owner}: reset_mechanism '{reset}'; only zero and subtract")
    alpha = None
    if kind in ("Synaptic", "RSynaptic"):
        alpha = _decay(module.alpha, f"{owner}: alpha")
        found.decays["decay_u"] = alpha
        found.tensors.append(module.alpha)
    if module.reset_delay and reset == "zero" and kind != "Leaky":
        raise UnsupportedError(
            f"{owner}: with reset_mechanism 'zero' and reset_delay=True it loses the input of the step after a spike, "
            "which cannot be expressed; train with reset_delay=False"
        )
    found.node = _leaky(beta, alpha, threshold, dt, {"reset": reset, "threshold": ">"})
    if module.reset_delay and reset == "subtract":
        found.feedback += _late_subtraction(beta, alpha, threshold, dt)
        found.notes.append(
            f"{owner} subtracts its threshold a step late, and after the leak: what is missing by then comes from a "
            "projection to itself"
        )
    elif reset == "subtract":
        found.notes.append(f"{owner}: agrees with snnTorch while no voltage reaches twice the threshold")
    if kind == "RSynaptic" and not module.reset_delay:
        found.notes.append(f"{owner}: snnTorch 1.0.0 ignores reset_delay=False there; here the reset is immediate")
    if kind.startswith("R"):
        found.feedback.append([_recurrent(owner, module, found)])
    return found


def _recurrent(owner: str, module: Any, found: Neurons) -> Any:
    inner = module.recurrent
    kind = type(inner).__name__
    if kind == "Linear":
        found.tensors += [inner.weight] + ([] if inner.bias is None else [inner.bias])
        weight = array(inner.weight, owner)
        return nir.Linear(weight) if inner.bias is None else nir.Affine(weight, array(inner.bias, owner))
    if kind == "RecurrentOneToOne":
        found.tensors += [inner.V, module.V]
        return nir.Scale(array(inner.V, owner))
    raise UnsupportedError(f"{owner}: recurrent weights of type {kind}; only all-to-all linear or one-to-one")


def _late_subtraction(beta: Real, alpha: Real | None, threshold: Real, dt: float) -> list[list[Any]]:
    """What turns a subtraction at once into one in the next step, after the leak: -(1 - beta) threshold on v then.

    Through a synaptic current it would go on acting, so a step later the rest is taken back.
    """
    if np.all(beta == 1):
        return []
    missing = -(1.0 - beta) * threshold
    chains = [[nir.Scale(np.asarray(missing))]]
    if alpha is not None and np.any(alpha):
        chains.append([nir.Delay(np.asarray(dt)), nir.Scale(np.asarray(-alpha * missing))])
    return chains


def _leaky(beta: Real, alpha: Real | None, threshold: Real, dt: float, metadata: dict[str, str]) -> Any:
    """The node of ``u <- alpha u + S``, ``v <- beta v + u``."""
    shape = np.broadcast_shapes(beta.shape, threshold.shape, () if alpha is None else alpha.shape)

    def full(value: Any) -> Real:
        return np.array(np.broadcast_to(value, shape), np.float64)

    rest = {"v_threshold": full(threshold), "v_reset": full(0.0), "metadata": metadata}
    if np.all(beta == 1) and alpha is None:
        return nir.IF(r=full(1.0 / dt), **rest)
    if np.any(beta == 1):
        raise UnsupportedError("a voltage that does not decay (beta = 1) is expressed for whole layers of Leaky only")
    rest["v_leak"] = full(0.0)
    if alpha is None:
        return nir.LIF(tau=full(dt / (1 - beta)), r=full(1 / (1 - beta)), **rest)
    if np.any(alpha == 1):
        raise UnsupportedError("a synaptic current that does not decay (alpha = 1) cannot be expressed")
    return nir.CubaLIF(
        tau_mem=full(dt / (1 - beta)),
        tau_syn=full(dt / (1 - alpha)),
        r=full(1 / (1 - beta)),
        w_in=full(1 / (1 - alpha)),
        **rest,
    )


def _norse(name: str, module: Any, dt: float) -> Neurons:
    kind, p = type(module).__name__, module.p
    owner = f"layer '{name}' ({kind})"
    if float(module.dt) != dt:
        raise ParameterError(f"{owner} was made for dt = {module.dt:g} s, not {dt:g} s: give that dt")

    def value(field_name: str) -> Real:
        return array(_as_tensor(getattr(p, field_name)), f"{owner}: {field_name}")

    metadata = {"reset": _norse_reset(owner, p), "threshold": ">"}
    spiking = kind != "LICell" and not kind.startswith("LIBox")
    parts = {"v_threshold": value("v_th"), "v_reset": value("v_reset")} if spiking else {}
    if kind == "IAFCell":
        return Neurons(nir.IF(**_full(r=np.asarray(1.0 / dt), **parts), metadata=metadata))
    tau = 1.0 / value("tau_mem_inv")
    parts |= {"v_leak": value("v_leak"), "r": np.asarray(1.0)}
    decays = {"decay_v": 1.0 - dt / tau}
    if kind in ("LIFBoxCell", "LIBoxCell"):
        made = nir.LIF if spiking else nir.LI
        return Neurons(made(**_full(tau=tau, **parts), metadata=metadata), decays=decays)
    # It adds the input to the current, lets it act, and then decays it.
    tau_syn = 1.0 / value("tau_syn_inv")
    made = nir.CubaLIF if spiking else nir.CubaLI
    decays["decay_u"] = 1.0 - dt / tau_syn
    parts |= {"tau_mem": tau, "tau_syn": tau_syn, "w_in": tau_syn / dt}
    return Neurons(made(**_full(**parts), metadata=metadata), decays=decays)


def _norse_reset(owner: str, p: Any) -> str:
    method = getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if method not in ("reset_value", "reset_subtract"):
        raise UnsupportedError(f"{owner}: reset_method {method}; only reset_value and reset_subtract")
    if method == "reset_subtract" and np.any(np.asarray(p.v_reset)):
        raise UnsupportedError(f"{owner}: reset_subtract subtracts v_th whatever v_reset is; set v_reset to 0")
    return "zero" if method == "reset_value" else "subtract"


def _full(**values: Real) -> dict[str, Real]:
    """Values of one common shape."""
    arrays = np.broadcast_arrays(*values.values())
    return {name: np.array(value, np.float64) for name, value in zip(values, arrays, strict=True)}


def _as_tensor(value: Any) -> Any:
    import torch

    return torch.as_tensor(value)


def _decay(tensor: Any, owner: str) -> Real:
    """A decay, clipped to 0 .. 1 as snnTorch does in each step."""
    values = array(tensor, owner)
    if not np.all(np.isfinite(values)):
        raise ParameterError(f"{owner} is not finite")
    return np.clip(values, 0.0, 1.0)


_MODELS: dict[tuple[str, str], Callable[[str, Any, float], Neurons]] = {
    **{("snntorch", kind): _snntorch for kind in ("Leaky", "RLeaky", "Synaptic", "RSynaptic")},
    **{("norse", kind): _norse for kind in ("LIFBoxCell", "LIFCell", "IAFCell", "LIBoxCell", "LICell")},
}
