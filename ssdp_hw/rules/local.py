"""A local learning rule: what it observes of a window, and the step that each synapse takes from it.

A window is the steps of one sample, or a part of them. A rule sees nothing but the spikes of the two
neurons of a synapse in this window, and a gate: a third factor that the whole projection, or each
postsynaptic neuron, has in common. Weights move at weight updates only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Bool, Int, Numbers
from ssdp_hw.checks import Choice, as_int, check_exact, real_vector
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import Drawable
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.gate import Gate
from ssdp_hw.rules.model import Declaration, RuleFactor, StateRead, WrittenVariable

Float = NDArray[np.float64]

# Weight changes or gates, in the integers of a fixed network or in float.
Values = Int | Float
# One gate for all synapses, or one for each.
Gates = Values | int | float
# Spike-time registers or spikes, as a target records them.
Recorded = Int | Bool

WINDOWS_PER_UPDATE_MAX = 2**20


class WeightRounding(Choice):
    """How the synchrony counter moves the integer weight at a weight update."""

    CARRY = "carry"  # toward zero; the remainder stays in the counter, so that nothing is lost
    STOCHASTIC = "stochastic"  # up or down at random, by one number for each synapse: unbiased; counter cleared
    NEAREST = "nearest"  # to the nearest LSB; the counter is cleared, so that small weight changes are lost


class PreTrace(Choice):
    """In which step a rule sees a presynaptic spike; they differ where the synapse has a delay d (in steps)."""

    FIRES = "fires"  # in that in which the neuron fires, t: its trace starts there, whatever the delay
    ARRIVES = "arrives"  # d steps later, t + d: in the step in which a spike sent without a delay acts alike


class Group(Protocol):
    """What a rule observes of the neurons of one population."""

    @property
    def fired(self) -> Bool:
        """Whether a neuron fired in a window, shape (window, n)."""
        ...


@dataclass(frozen=True, eq=False)
class Train:
    """All spikes of a population, shape (time, window, n), for rules that need more than a register."""

    spikes: Bool

    @property
    def fired(self) -> Bool:
        """Whether a neuron fired in a window, shape (window, n)."""
        return np.asarray(self.spikes.any(axis=0))


G = TypeVar("G", bound=Group)


@dataclass(frozen=True)
class RandomKey:
    """What the random numbers of a projection are keyed by, so that every target draws the same ones.

    Attributes:
        seed: the seed of the learning run, 0 to 2**64 - 1.
        layer: position of the projection in the network.
        first_window: number of windows before the first observed one.
    """

    seed: int = 0
    layer: int = 0
    first_window: int = 0


@dataclass(frozen=True, eq=False)
class Observation(Generic[G]):
    """What a rule observes of both ends of a projection.

    Attributes:
        pre, post: what it observes of source and target.
        key: key of the random numbers of rules whose steps need some.
        weight: stored weight of every synapse in LSB, or float weight, for rules that read it; else None.
        lasting: variables of the rule that outlast a window, as they are before the next one: a step replaces them by
            those after its window. None where every window has their start values.
        factors: third factors of the rule, and states that it reads, by names such as ``post_reward`` and ``post_v``,
            shape (window, time, n).
    """

    pre: G
    post: G
    key: RandomKey = RandomKey()
    weight: Numbers | None = None
    lasting: dict[str, Numbers] | None = None
    factors: Mapping[str, Numbers] = field(default_factory=dict)

    def counts(self, window: int) -> tuple[int, int]:
        """Group synchrony counters: how many neurons of source and target fired in the window.

        Their product is the number of synchronous pairs of a dense projection.
        """
        return int(self.pre.fired[window].sum()), int(self.post.fired[window].sum())

    @property
    def sizes(self) -> tuple[int, int]:
        """Neurons of source and target."""
        return self.pre.fired.shape[1], self.post.fired.shape[1]


# Registers or rasters, whichever the rule asks for.
Observed: TypeAlias = Observation[Any]


@renamed(update="weight_change", recall="from_recorded")
class LocalRule(Drawable, ABC):
    """A rule in float or in integers.

    ``plot`` draws the weight change of a pair by the distance of its spikes (of SADP: by the share that agrees).

    Attributes:
        windows_per_update: windows whose steps are gathered before the weight moves.
        pre_trace: in which step it sees a presynaptic spike; see :class:`PreTrace`.
        keeps_raster: whether the rule needs all spikes of a window; otherwise one spike-time
            register for each neuron is enough.
    """

    _picture = "rule"

    keeps_raster: ClassVar[bool] = False
    windows_per_update: int
    pre_trace: PreTrace = PreTrace.FIRES

    @property
    def reads_weight(self) -> bool:
        """Whether a step depends on the weight of its synapse."""
        return False

    @property
    def writes(self) -> tuple[WrittenVariable, ...]:
        """The accumulators of what it moves beside weights."""
        return ()

    @property
    def prunes(self) -> bool:
        """Whether synapses may die by it."""
        return False

    @property
    def leaves_weights(self) -> bool:
        """Whether it never moves a weight."""
        return False

    def first_lasting(self, sizes: Mapping[str, int]) -> dict[str, Numbers]:
        """The variables that outlast a window before the first one, by names such as ``post_threshold``.

        Args:
            sizes: number of neurons of ``pre`` and ``post``, of ``synapse``, and 1 for ``group``.
        """
        return {}

    @property
    def factors(self) -> tuple[RuleFactor, ...]:
        """The third factors that a run has to give in every step."""
        return ()

    @property
    def reads(self) -> tuple[StateRead, ...]:
        """The states of the neurons that it reads."""
        return ()

    @abstractmethod
    def observe(self, pre: Bool, post: Bool) -> Observed:
        """What the rule observes of these spikes, both of shape (time, window, n)."""

    @abstractmethod
    def from_recorded(self, pre: Recorded, post: Recorded, steps: int) -> Observed:
        """The observation of windows whose registers or spikes a target has recorded.

        Args:
            pre, post: registers of shape (window, n), or spikes of shape (time, window, n) if ``keeps_raster``.
            steps: number of steps of a window.
        """

    @abstractmethod
    def step(self, observed: Observed, window: int, rows: Int, cols: Int) -> Values:
        """The step of the synapses (rows[s], cols[s]) before gate and clip, shape (synapses,)."""

    @abstractmethod
    def gate_of(self, observed: Observed, window: int) -> int | float | None:
        """The gate that the rule computes from the window's synchrony; None for a rule without a gate."""

    @abstractmethod
    def gated(self, step: Values, gate: Gates | None) -> Values:
        """The step under a gate (a scalar, or one value a synapse), clipped."""

    def weight_change(self, observed: Observed, window: int, rows: Int, cols: Int, gates: Values | None) -> Values:
        """The weight change of a window for the synapses (rows[s], cols[s]), shape (synapses,).

        Args:
            observed: see :meth:`observe`.
            window: index of the window.
            rows, cols: post- and presynaptic neuron of each synapse.
            gates: gates from outside, shape (window, post), or None.
        """
        return self.gated(self.step(observed, window, rows, cols), self.gate_at(observed, window, rows, gates))

    def gate_at(self, observed: Observed, window: int, rows: Int, gates: Values | None) -> Gates | None:
        """The gate of some synapses, the rule's own or that from outside; arguments as for ``weight_change``."""
        own = self.gate_of(observed, window)
        if own is not None:
            return own
        return None if gates is None else np.asarray(gates[window][rows])

    def declaration(self, steps: int) -> Declaration | None:
        """The rule written in the operations that every target knows, for windows of that many steps; None without."""
        return None

    def check_window(self, steps: int) -> None:
        """Raise if the rule cannot learn from a window of that many steps.

        Raises:
            ParameterError: it cannot.
        """
        if steps < 1:
            raise ParameterError(f"a window of {steps} steps; at least 1 is needed")


class RasterRule(LocalRule):
    """A rule that needs all spikes of a window."""

    keeps_raster = True

    def observe(self, pre: Bool, post: Bool) -> Observation[Train]:
        return Observation(Train(pre), Train(post))

    def from_recorded(self, pre: Recorded, post: Recorded, steps: int) -> Observation[Train]:
        return self.observe(np.asarray(pre, np.bool_), np.asarray(post, np.bool_))


@renamed(commit_windows="windows_per_update")
@dataclass(frozen=True, kw_only=True)
class FloatRule(LocalRule):
    """The parameters that all float rules have, and those of the counters of the integer rule derived from them.

    Attributes:
        clip: largest step of one window, in units of the float weight.
        windows_per_update: windows whose steps are gathered before the weight moves.
        gate: third factor, computed by the rule from the synchrony of the window (DA-SSDP), as
            :func:`ssdp_hw.fit_gate` fits it.
        rounding: integer form only: how the counter moves the weight.
        counter_bits: integer form only: width of the signed synchrony counter.
        pre_trace: in which step it sees a presynaptic spike, ``fires`` or ``arrives``; see :class:`PreTrace`.
    """

    clip: float = 1.0
    windows_per_update: int = 1
    gate: Gate | None = None
    rounding: WeightRounding = WeightRounding.CARRY
    counter_bits: int = 16
    pre_trace: PreTrace = PreTrace.FIRES

    def gate_of(self, observed: Observed, window: int) -> float | None:
        if self.gate is None:
            return None
        counts, sizes = observed.counts(window), observed.sizes
        return float(self.gate(counts[0] * counts[1] / (sizes[0] * sizes[1])))

    def gated(self, step: Values, gate: Gates | None) -> Float:
        return np.clip(step if gate is None else step * gate, -self.clip, self.clip)

    def check_common(self) -> None:
        """Check what every float rule has.

        Raises:
            ParameterError: a value out of range.
        """
        self.check_numbers(("clip",), ())
        object.__setattr__(self, "rounding", WeightRounding(self.rounding))
        object.__setattr__(self, "pre_trace", PreTrace(self.pre_trace))
        check_integers(self, (("windows_per_update", 1, WINDOWS_PER_UPDATE_MAX), ("counter_bits", 4, 32)))
        if self.gate is not None:
            owner = f"{type(self).__name__}: gate"
            check_exact(self.gate, (Gate,), owner, "give a Gate itself, or gates from outside")

    def check_numbers(self, positive: tuple[str, ...], not_negative: tuple[str, ...]) -> None:
        """Make floats of these attributes.

        Raises:
            ParameterError: one is no finite number of the right sign.
        """
        kind = type(self).__name__
        for name in (*positive, *not_negative):
            value = float(real_vector(getattr(self, name), 1, f"{kind}: {name}")[0])
            if value < 0 or (value == 0 and name in positive):
                raise ParameterError(f"{kind}: {name} = {value:g} must be positive")
            object.__setattr__(self, name, value)


def check_integers(rule: Any, limits: tuple[tuple[str, int, int], ...]) -> None:
    """Make integers of these attributes of a rule, each within (name, least, largest).

    Raises:
        ParameterError: one is not.
    """
    kind = type(rule).__name__
    for name, low, high in limits:
        value = as_int(getattr(rule, name), f"{kind}: {name}")
        if not low <= value <= high:
            raise ParameterError(f"{kind}: {name} = {value} is outside {low} .. {high}")
        object.__setattr__(rule, name, value)
