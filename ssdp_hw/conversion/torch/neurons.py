"""Neurons of snnTorch and Norse as populations whose forward Euler step is their own step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.torch.types import Module, Nested, Tensor
from ssdp_hw.conversion.weight_algebra import diagonal
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.neurons import IF, LI, LIF, CubaLI, CubaLIF, I, Neuron
from ssdp_hw.network.weight import DenseWeight, Weight

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Feedback:
    """A layer's feedback to its own input: ``weight @ spikes`` of ``delay`` steps before, plus ``bias``."""

    weight: Weight
    delay: int = 1
    via: tuple[str, ...] = ()
    bias: Real | None = None


@dataclass
class Neurons:
    """A module of neurons as a population of this toolkit.

    Attributes:
        neuron, reset: the model.
        shape: of one sample.
        feedback: from its spikes back to its input.
        decays: the factors by which its voltage and current decay in a step, to be compared with the outcome.
        tensors: the tensors of the module that were used.
        notes: what to know, one sentence each.
        input_weight: matrix (n, inputs) that the module applies to its input by itself, or None.
        equivalents: from the states that the module left and its spikes, each of shape (time, batch, n), the
            current that this toolkit's neuron would carry over (its decay applied) and its voltage.
        double: whether the module resets a voltage that stays above the threshold after its reset in another way.
        threshold: whether it fires at its threshold, or above it.
        relay: whether it is no layer of the module, but stands for a maximum of spikes.
        late_bias: shape (n,), the part of the bias that the module leaves out of its first step, or None.
    """

    neuron: Neuron
    reset: Reset
    shape: Shape
    feedback: list[Feedback] = field(default_factory=list)
    decays: dict[str, Real] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    input_weight: Tensor | None = None
    equivalents: Callable[[Mapping[str, Real], Real], tuple[Real, Real]] = field(default=lambda _, v: (v, v))
    double: bool = False
    threshold: Comparison = Comparison.ABOVE
    late_bias: Real | None = None
    relay: bool = False

    @property
    def bias(self) -> Real:
        """The constant part of what it gives back to itself."""
        return sum((f.bias for f in self.feedback if f.bias is not None), np.zeros(self.neuron.size))


def array(tensor: Tensor, owner: str) -> Real:
    """A tensor as float64.

    Raises:
        UnsupportedError: it is not real.
        ParameterError: it is not finite.
    """
    import torch

    values = torch.as_tensor(tensor).detach().cpu()
    if values.is_complex():
        raise UnsupportedError(f"{owner} is complex")
    found = np.array(values.double().numpy(), np.float64)
    if not np.all(np.isfinite(found)):
        raise ParameterError(f"{owner} is not finite")
    return found


def framework_of(module: Module) -> str:
    """The package that a module's class comes from."""
    return type(module).__module__.split(".")[0]


def full(values: Real, shape: Shape, owner: str) -> Real:
    """A parameter for every neuron: one for all, one a neuron, or one a channel as (C, 1, 1)."""
    try:
        return np.array(np.broadcast_to(values, shape), np.float64).reshape(-1)
    except ValueError:
        raise UnsupportedError(f"{owner} has shape {values.shape}, which does not fit neurons of {shape}") from None


def snntorch(name: str, module: Module, shape: Shape, dt: float) -> Neurons:
    """Leaky, RLeaky, Synaptic and RSynaptic of snnTorch."""
    kind = type(module).__name__
    owner = f"layer '{name}' ({kind})"
    _refuse_settings(owner, module)
    beta = full(_decay(module.beta, f"{owner}: beta"), shape, f"{owner}: beta")
    threshold = full(_threshold(module.threshold, f"{owner}: threshold"), shape, f"{owner}: threshold")
    used = [module.beta, module.threshold, module.graded_spikes_factor]
    mechanism = str(module._reset_mechanism)
    if mechanism not in ("zero", "subtract", "none"):
        raise UnsupportedError(f"{owner}: reset_mechanism '{mechanism}'; only zero, subtract and, of a readout, none")
    never = mechanism == "none" or bool(np.all(np.isinf(threshold)))
    reset = Reset.ZERO if never else Reset(mechanism)
    late, alpha = bool(module.reset_delay) and not never, None
    if never and kind.startswith("R"):
        raise UnsupportedError(
            f"{owner}: reset_mechanism '{mechanism}' and threshold {threshold.max():g} of a layer whose spikes come "
            "back to it: without a reset it cannot be expressed; only a last layer without recurrence is a readout"
        )
    decays = {"decay_v": beta}
    if kind in ("Synaptic", "RSynaptic"):
        alpha = full(_decay(module.alpha, f"{owner}: alpha"), shape, f"{owner}: alpha")
        decays["decay_u"] = alpha
        used.append(module.alpha)
    if late and reset is Reset.ZERO and kind != "Leaky":
        raise UnsupportedError(
            f"{owner}: with reset_mechanism 'zero' and reset_delay=True it loses the input of the step after a spike, "
            "which cannot be expressed; train with reset_delay=False"
        )
    # RSynaptic of snnTorch 1.0.0 ignores reset_delay=False.
    model = _integrating(beta, alpha, dt) if never else _leaky(beta, alpha, threshold, dt)
    found = Neurons(model, reset, shape, decays=decays, tensors=used)
    if never:
        why = "never resets" if mechanism == "none" else "has an infinite threshold"
        found.notes.append(
            f"{owner} {why}: it is a membrane readout without spikes ({model.kind}), to be decoded by its voltage "
            "(max_membrane)"
        )
    missing = np.zeros_like(beta)
    if late and reset is Reset.SUBTRACT:
        # The reset here subtracts before the leak, which takes a part of it; snnTorch subtracts after the leak.
        missing = (1.0 - beta) * threshold
        found.feedback += _subtracting(missing, alpha)
        found.notes.append(
            f"{owner} subtracts its threshold a step late, and after the leak: what is missing by then comes from a "
            "projection to itself"
        )
    found.double = not late and not never

    def equivalents(states: Mapping[str, Real], spikes: Real) -> tuple[Real, Real]:
        v = states["mem"]
        if late:
            v = v - threshold * spikes if reset is Reset.SUBTRACT else np.where(spikes != 0, 0.0, v)
        if alpha is None:
            return np.zeros_like(v), v
        before = np.concatenate([np.zeros_like(spikes[:1]), spikes[:-1]])
        return alpha * (states["syn"] - missing * before), v

    found.equivalents = equivalents
    if kind.startswith("R"):
        found.feedback.append(_recurrent(name, owner, module, shape, found))
    return found


def _refuse_settings(owner: str, module: Module) -> None:
    """Raise if a layer of snnTorch uses what no neuron here has."""
    for setting in ("inhibition", "state_quant"):
        if getattr(module, setting, False):
            raise UnsupportedError(f"{owner}: {setting} cannot be expressed")
    graded = array(module.graded_spikes_factor, owner)
    if np.any(graded != 1):
        raise UnsupportedError(f"{owner}: graded_spikes_factor = {graded}; spikes are 0 or 1: scale the next layer")


def _subtracting(amount: Real, alpha: Real | None) -> list[Feedback]:
    """Feedback by which a spike takes an amount off the voltage, a step later and in that step alone.

    Args:
        amount: one a neuron.
        alpha: decays of the currents through which the feedback passes; None where there are none.
    """
    if not amount.any():
        return []
    at_once = Feedback(diagonal(-amount), 1)
    if alpha is None or not alpha.any():
        return [at_once]
    # What passes through a current would act in later steps, too: there it is given back.
    return [at_once, Feedback(diagonal(alpha * amount), 2)]


def _recurrent(name: str, owner: str, module: Module, shape: Shape, found: Neurons) -> Feedback:
    inner = module.recurrent
    kind, via = type(inner).__name__, (f"{name}.recurrent",)
    if kind == "RecurrentOneToOne":
        found.tensors += [inner.V, module.V]
        return Feedback(diagonal(full(array(inner.V, owner), shape, f"{owner}: V")), 1, via)
    if kind not in ("Linear", "Conv2d"):
        raise UnsupportedError(f"{owner}: recurrent weights of type {kind}; only linear, convolution or one-to-one")
    found.tensors += [inner.weight] + ([] if inner.bias is None else [inner.bias])
    weight = array(inner.weight, owner)
    bias = None if inner.bias is None else array(inner.bias, owner)
    if kind == "Linear":
        return Feedback(DenseWeight(weight), 1, via, bias)
    made = ConvWeight(weight, shape, padding=inner.padding)
    return Feedback(made, 1, via, None if bias is None else np.repeat(bias, np.prod(shape[1:])))


def _threshold(tensor: Tensor, owner: str) -> Real:
    """A threshold; infinite ones, of neurons that cannot fire, hold for a whole layer.

    Raises:
        ParameterError: some are infinite and some not, or one is NaN.
    """
    values = np.asarray(tensor.detach().cpu().double().numpy() if hasattr(tensor, "detach") else tensor, np.float64)
    if values.size and np.all(values == np.inf):
        return values
    if np.any(values == np.inf):
        raise ParameterError(f"{owner} is infinite for some neurons and finite for others; make two layers of them")
    return array(tensor, owner)


def _integrating(beta: Real, alpha: Real | None, dt: float) -> Neuron:
    """The model of ``u <- alpha u + S``, ``v <- beta v + u`` without spikes."""
    n = len(beta)
    if np.all(beta == 1) and alpha is None:
        return I(size=n, r=1.0 / dt)
    if np.any(beta == 1):
        raise UnsupportedError("a voltage that does not decay (beta = 1) is expressed for whole layers of Leaky only")
    gain = 1 / (1 - beta)
    if alpha is None:
        return LI(size=n, tau_mem=dt * gain, r=gain)
    if np.any(alpha == 1):
        raise UnsupportedError("a synaptic current that does not decay (alpha = 1) cannot be expressed")
    w_in = 1 / (1 - alpha)
    return CubaLI(size=n, tau_mem=dt * gain, tau_syn=dt * w_in, r=gain, w_in=w_in)


def _leaky(beta: Real, alpha: Real | None, threshold: Real, dt: float) -> Neuron:
    """The model of ``u <- alpha u + S``, ``v <- beta v + u``."""
    n = len(beta)
    if np.all(beta == 1) and alpha is None:
        return IF(size=n, r=1.0 / dt, v_threshold=threshold)
    if np.any(beta == 1):
        raise UnsupportedError("a voltage that does not decay (beta = 1) is expressed for whole layers of Leaky only")
    gain = 1 / (1 - beta)
    if alpha is None:
        return LIF(size=n, tau_mem=dt * gain, r=gain, v_threshold=threshold)
    if np.any(alpha == 1):
        raise UnsupportedError("a synaptic current that does not decay (alpha = 1) cannot be expressed")
    w_in = 1 / (1 - alpha)
    return CubaLIF(size=n, tau_mem=dt * gain, tau_syn=dt * w_in, r=gain, w_in=w_in, v_threshold=threshold)


def norse(name: str, module: Module, shape: Shape, dt: float) -> Neurons:
    """The cells of Norse."""
    kind, p = type(module).__name__, module.p
    owner = f"layer '{name}' ({kind})"
    if float(module.dt) != dt:
        raise ParameterError(f"{owner} was made for dt = {module.dt:g} s, not {dt:g} s: give that dt")
    weight, feedback, tensors = None, [], []
    if kind in ("LIFRecurrentCell", "LILinearCell"):
        weight = array(module.input_weights, owner)
        tensors.append(module.input_weights)
        shape = (len(weight),)
    if kind == "LIFRecurrentCell":
        feedback = [Feedback(DenseWeight(array(module.recurrent_weights, owner)), 1, (f"{name}.recurrent_weights",))]
        tensors.append(module.recurrent_weights)

    def value(field_name: str) -> Real:
        return full(array(getattr(p, field_name), f"{owner}: {field_name}"), shape, f"{owner}: {field_name}")

    def rate(field_name: str) -> Real:
        """The part that decays in a step, rounded as Norse rounds it."""
        return full(array(module.dt * getattr(p, field_name), owner), shape, f"{owner}: {field_name}")

    n = int(np.prod(shape))
    spiking = kind not in ("LICell", "LILinearCell", "LIBoxCell")
    limits: dict[str, ArrayLike] = {"v_threshold": value("v_th"), "v_reset": value("v_reset")} if spiking else {}
    decays: dict[str, Real] = {}
    if kind == "IAFCell":
        neuron: Neuron = IF(size=n, r=1.0 / dt, **limits)
    else:
        tau = dt / rate("tau_mem_inv")
        decays["decay_v"] = 1.0 - rate("tau_mem_inv")
        leak: dict[str, ArrayLike] = {"v_leak": value("v_leak"), "v_init": value("v_leak")}
        if kind in ("LIFBoxCell", "LIBoxCell"):
            neuron = (LIF if spiking else LI)(size=n, tau_mem=tau, **leak, **limits)
        else:
            # It adds the input to the current, lets it act, and then decays it.
            tau_syn = dt / rate("tau_syn_inv")
            decays["decay_u"] = 1.0 - rate("tau_syn_inv")
            made = CubaLIF if spiking else CubaLI
            neuron = made(size=n, tau_mem=tau, tau_syn=tau_syn, w_in=tau_syn / dt, **leak, **limits)

    def equivalents(states: Mapping[str, Real], _: Real) -> tuple[Real, Real]:
        return states.get("i", np.zeros_like(states["v"])), states["v"]

    return Neurons(
        neuron,
        _norse_reset(owner, p),
        shape,
        feedback,
        decays,
        tensors,
        input_weight=weight,
        equivalents=equivalents,
    )


def _norse_reset(owner: str, p: Nested) -> Reset:
    method = getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if method not in ("reset_value", "reset_subtract"):
        raise UnsupportedError(f"{owner}: reset_method {method}; only reset_value and reset_subtract")
    if method == "reset_subtract" and np.any(np.asarray(p.v_reset)):
        raise UnsupportedError(f"{owner}: reset_subtract subtracts v_th whatever v_reset is; set v_reset to 0")
    return Reset.ZERO if method == "reset_value" else Reset.SUBTRACT


def _decay(tensor: Tensor, owner: str) -> Real:
    """A decay, clipped to 0 .. 1 as snnTorch does in each step."""
    return np.clip(array(tensor, owner), 0.0, 1.0)
