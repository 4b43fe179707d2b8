"""Neuron models of a float network: NIR's equations, and their update for one step of length dt.

S is the synaptic input: the weighted sum of the spikes that arrive in a step (1 for a spike), plus
the bias. It is held constant during the step. All parameters are per neuron, shape (n,).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, TypeVar

import numpy as np

from ssdp_hw.arrays import Given, Real
from ssdp_hw.checks import Choice, as_size, check_exact, real_vector
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError


class Discretization(Choice):
    """How the differential equations become a step of length dt."""

    EULER = "euler"  # forward Euler: a decay of 1 - dt/tau a step
    EXPONENTIAL = "exponential"  # exact for an input held during the step: a decay of exp(-dt/tau)


class UpdateOrder(Choice):
    """Which current the voltage of a current-based neuron sees in a step."""

    CURRENT_FIRST = "current_first"  # the current of this step (Lava, lava-dl, snnTorch)
    VOLTAGE_FIRST = "voltage_first"  # the current before this step (plain Euler on both equations)


def step_decay(tau: Real, dt: float, method: Discretization, owner: str, name: str) -> Real:
    """The factor that a step of dt seconds leaves of a state with that time constant, shape (n,).

    Raises:
        ParameterError: dt exceeds the time constant under forward Euler, where the factor would be negative.
    """
    if method is Discretization.EXPONENTIAL:
        with np.errstate(over="ignore"):  # a tau near 0 keeps nothing
            return np.asarray(np.exp(-dt / tau))
    if np.any(tau < dt):
        raise ParameterError(
            f"{owner}dt = {dt:g} s is larger than {name} = {float(tau.min()):g} s, and the Euler "
            "decay 1 - dt/tau would be negative; give the dt and the discretization of the network's source (from_nir: "
            "preset=...), or the unit of its time constants (tau_unit='steps', or 'seconds_times_dt' as Norse exports "
            "them)"
        )
    return np.asarray(1.0 - dt / tau)


@dataclass(frozen=True)
class StepCoefficients:
    """One step of any neuron model, every array of shape (n,).

    u <- decay_u * u + gain_u * S
    v <- decay_v * v + gain_v * u + drift
    """

    decay_u: Real
    gain_u: Real
    decay_v: Real
    gain_v: Real
    drift: Real


@dataclass(frozen=True, eq=False, kw_only=True)
class Neuron:
    """Base of the neuron models.

    Attributes:
        size: number of neurons n.
        v_init: voltage before the first step.
    """

    size: int
    v_init: Given = 0.0

    spiking: ClassVar[bool] = True
    has_current: ClassVar[bool] = False
    positive: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", as_size(self.size, f"{self.kind}: size"))
        for name in self.parameter_names():
            value = real_vector(getattr(self, name), self.size, f"{self.kind}: {name}")
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        for name in self.positive:
            if np.any(getattr(self, name) <= 0):
                worst = float(getattr(self, name).min())
                raise ParameterError(f"{self.kind}: {name} = {worst:g} s must be above 0")
        if self.spiking and np.any(self.threshold_distance <= 0):
            raise ParameterError(f"{self.kind}: v_threshold must be above v_reset in every neuron")

    @property
    def kind(self) -> str:
        """Name of the model, as in NIR."""
        return type(self).__name__

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Names of what the model has one value a neuron of."""
        return [f.name for f in fields(cls) if f.name != "size"]

    @property
    def threshold_distance(self) -> Real:
        """v_threshold - v_reset, shape (n,)."""
        return np.asarray(self.parameter("v_threshold") - self.parameter("v_reset"))

    def parameter(self, name: str) -> Real:
        """The parameter of that name, shape (n,); zeros where the model has none."""
        return np.asarray(getattr(self, name, np.zeros(self.size)), np.float64)

    def coefficients(self, dt: float, method: Discretization) -> StepCoefficients:
        """The step update for that dt (seconds) and method.

        Raises:
            ParameterError: dt exceeds a time constant under forward Euler (the decay would be
                negative).
        """
        raise NotImplementedError

    def check_step(self, dt: float, method: Discretization) -> None:
        """Raise where there is no step of that length.

        Raises:
            ParameterError: see :meth:`coefficients`.
        """
        self.coefficients(dt, method)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states."""
        return ("u", "v")

    def _decay(self, name: str, dt: float, method: Discretization) -> Real:
        return step_decay(self.parameter(name), dt, method, f"{self.kind}: ", name)

    def _voltage(self, decay_v: Real, decay_u: Real, gain_u: Real) -> StepCoefficients:
        open_gain = 1.0 - decay_v
        return StepCoefficients(
            decay_u=decay_u,
            gain_u=gain_u,
            decay_v=decay_v,
            gain_v=open_gain * self.parameter("r"),
            drift=open_gain * self.parameter("v_leak"),
        )


@shown
@dataclass(frozen=True, eq=False, kw_only=True)
class LI(Neuron):
    """Leaky integrator, a readout without spikes: ``tau dv/dt = (v_leak - v) + r S``."""

    tau_mem: Given
    r: Given = 1.0
    v_leak: Given = 0.0

    spiking: ClassVar[bool] = False
    positive: ClassVar[tuple[str, ...]] = ("tau_mem",)

    def coefficients(self, dt: float, method: Discretization) -> StepCoefficients:
        """``v <- d v + (1 - d)(v_leak + r S)``."""
        ones, zeros = np.ones(self.size), np.zeros(self.size)
        return self._voltage(self._decay("tau_mem", dt, method), zeros, ones)


@shown
@dataclass(frozen=True, eq=False, kw_only=True)
class LIF(LI):
    """Leaky integrate and fire: ``tau dv/dt = (v_leak - v) + r S``, a spike at v_threshold."""

    v_threshold: Given = 1.0
    v_reset: Given = 0.0

    spiking: ClassVar[bool] = True


@shown
@dataclass(frozen=True, eq=False, kw_only=True)
class CubaLI(Neuron):
    """Current-based leaky integrator, a readout without spikes.

    ``tau_syn du/dt = -u + w_in S`` and ``tau_mem dv/dt = (v_leak - v) + r u``.
    """

    tau_mem: Given
    tau_syn: Given
    r: Given = 1.0
    w_in: Given = 1.0
    v_leak: Given = 0.0

    spiking: ClassVar[bool] = False
    has_current: ClassVar[bool] = True
    positive: ClassVar[tuple[str, ...]] = ("tau_mem", "tau_syn")

    def coefficients(self, dt: float, method: Discretization) -> StepCoefficients:
        """``u <- e u + (1 - e) w_in S`` and ``v <- d v + (1 - d)(v_leak + r u)``."""
        decay_u = self._decay("tau_syn", dt, method)
        gain_u = (1.0 - decay_u) * self.parameter("w_in")
        return self._voltage(self._decay("tau_mem", dt, method), decay_u, gain_u)


@shown
@dataclass(frozen=True, eq=False, kw_only=True)
class CubaLIF(CubaLI):
    """Current-based leaky integrate and fire: CubaLI with a spike at v_threshold."""

    v_threshold: Given = 1.0
    v_reset: Given = 0.0

    spiking: ClassVar[bool] = True


@shown
@dataclass(frozen=True, eq=False, kw_only=True)
class I(Neuron):  # noqa: E742 - NIR's name
    """Integrator without leak, a readout without spikes: ``dv/dt = r S``."""

    r: Given = 1.0

    spiking: ClassVar[bool] = False

    def coefficients(self, dt: float, method: Discretization) -> StepCoefficients:
        """``v <- v + dt r S`` by either method."""
        ones, zeros = np.ones(self.size), np.zeros(self.size)
        return StepCoefficients(decay_u=zeros, gain_u=ones, decay_v=ones, gain_v=dt * self.parameter("r"), drift=zeros)


@shown
@dataclass(frozen=True, eq=False, kw_only=True)
class IF(I):
    """Integrate and fire without leak: I with a spike at v_threshold."""

    v_threshold: Given = 1.0
    v_reset: Given = 0.0

    spiking: ClassVar[bool] = True


def without_memory(threshold: Given, dt: float, method: Discretization) -> LIF:
    """A LIF whose voltage is its input of the same step, to the bit: ``v <- 0 v + (1 - 0) S``.

    Args:
        threshold: shape (n,); a neuron that fires is below it again.
        dt: length of a step in seconds.
        method: the discretization of the network.
    """
    # tau = dt keeps nothing under Euler; exp(-1000) is 0 in float64.
    tau = dt / 1000 if method is Discretization.EXPONENTIAL else dt
    reset = np.where(threshold > 0, 0.0, threshold - np.maximum(1.0, np.abs(threshold)))
    return LIF(size=len(threshold), tau_mem=tau, v_threshold=threshold, v_reset=reset)


NEURON_MODELS: dict[str, type[Neuron]] = {c.__name__: c for c in (LI, LIF, CubaLI, CubaLIF, I, IF)}

_KNOWN: set[type[Neuron]] = set(NEURON_MODELS.values())
K = TypeVar("K", bound=type[Neuron])


def known_neuron(kind: K) -> K:
    """Class decorator: targets run these neurons from what :class:`Neuron` says of every one of them."""
    _KNOWN.add(kind)
    return kind


def check_neuron(neuron: object, owner: str) -> None:
    """Raise unless every target runs these neurons or refuses them itself.

    Raises:
        UnsupportedError: a subclass of a user's own.
        ParameterError: no neuron.
    """
    check_exact(neuron, _KNOWN, f"{owner}: its neuron", "declare a neuron model of your own, see ssdp_hw.neuron")
