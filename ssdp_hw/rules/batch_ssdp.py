"""The float rule over batches, as the papers use it beside backpropagation.

Sources: arXiv 2505.14841 (SSDP) and arXiv 2512.07194 (DA-SSDP). For a synapse from i to j

    S_b    = 1 if both neurons fired in the window of sample b, else 0
    d_b    = |t_j - t_i|, where a silent neuron has the time T, one past the last step
    dw_ji  = clip( mean over b of  g_b * (a_plus * S_b * G(d_b) - a_baseline * (1 - S_b) * G(d_b)),  -clip, clip )

with g_b = 1 in SSDP and the gate of :mod:`ssdp_hw.rules.gate` in DA-SSDP. Here the mean over the
batch is clipped; :mod:`ssdp_hw.rules.ssdp`, the form for one sample at a time, clips the step of each window.

A pair's step depends on nothing but its two times, 0 to T, and the gate. So one table of (T+1)**2
entries holds every step, and no array of shape (batch, post, pre) is ever needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import Choice, as_array, as_int, check_memory, real_vector
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.rules.gate import Gate
from ssdp_hw.rules.spike_times import SpikeTime, spike_registers
from ssdp_hw.rules.ssdp import LearningWindow, SilentPairs

Float = NDArray[np.float64]
_EPOCH_MAX = 2**31
_TABLE_MAX_BYTES = 1 << 30


class Schedule(Choice):
    """How the amplitudes change over the epochs of a training."""

    CONSTANT = "constant"
    COSINE = "cosine"  # half a period of a cosine from start_epoch to epochs


@shown
@renamed(kernel="learning_window")
@dataclass(frozen=True, kw_only=True)
class BatchSSDP:
    """Parameters of SSDP over batches.

    The authors' second variant reads ``A_plus e^(-d/tau_plus) - A_minus e^(-d/tau_minus)`` and does
    not say which pairs each term is for. Here, as in the Gaussian variant, a synchronous pair gets
    the first term alone and every other pair the second alone, with ``a_baseline`` as A_minus. (In one
    of the authors' scripts both terms act on synchronous pairs, with the same d = 1 for all of them.)

    Attributes:
        a_plus: potentiation of a synchronous pair with d = 0, in units of the weight.
        a_baseline: depression of a pair with d = 0 of which at most one neuron fired, same unit.
        learning_window: ``gaussian`` or ``exponential``.
        sigma: width of the Gaussian in steps.
        tau_plus, tau_minus: decay of the exponentials in steps.
        spike_time: which spike of a window counts.
        silent_pairs: the weight change of a pair in which neither neuron fired.
        clip: largest step of a batch, in units of the weight.
        schedule: ``constant`` or ``cosine``.
        start_epoch: the first epoch, counted from 0, in which weights move.
        epochs: ``cosine`` only: the epoch in which the amplitudes reach their smallest value and stay there.
        final: ``cosine`` only: that smallest value as a share of the full amplitudes, 0 to 1.
        anneal_sigma: ``cosine`` only: sigma shrinks with the amplitudes; needs ``final`` above 0.

    The defaults of the amplitudes and of sigma are those of the authors' code (which takes ten times
    these amplitudes for DA-SSDP), as are those of the taus.

    Raises:
        ParameterError: a value out of range, or options that exclude each other.
    """

    a_plus: float = 1.5e-4
    a_baseline: float = 5e-5
    learning_window: LearningWindow = LearningWindow.GAUSSIAN
    sigma: float = 1.0
    tau_plus: float = 20.0
    tau_minus: float = 20.0
    spike_time: SpikeTime = SpikeTime.FIRST
    silent_pairs: SilentPairs = SilentPairs.DEPRESS
    clip: float = 1.0
    schedule: Schedule = Schedule.CONSTANT
    start_epoch: int = 0
    epochs: int | None = None
    final: float = 0.0
    anneal_sigma: bool = False

    def __post_init__(self) -> None:
        for name in ("a_plus", "a_baseline", "sigma", "tau_plus", "tau_minus", "clip", "final"):
            value = float(real_vector(getattr(self, name), 1, f"BatchSSDP: {name}")[0])
            if value < 0 or (value == 0 and name in ("sigma", "tau_plus", "tau_minus", "clip")):
                raise ParameterError(f"BatchSSDP: {name} = {value:g} must be positive")
            object.__setattr__(self, name, value)
        for name, choice in (
            ("learning_window", LearningWindow),
            ("spike_time", SpikeTime),
            ("silent_pairs", SilentPairs),
            ("schedule", Schedule),
        ):
            object.__setattr__(self, name, choice(getattr(self, name)))
        object.__setattr__(self, "start_epoch", _epoch(self.start_epoch, "start_epoch"))
        if self.final > 1:
            raise ParameterError(f"BatchSSDP: final = {self.final:g} is a share of the amplitudes, 0 to 1")
        if not isinstance(self.anneal_sigma, bool):
            raise ParameterError(f"BatchSSDP: anneal_sigma = {self.anneal_sigma!r} is neither True nor False")
        self._check_schedule()

    def _check_schedule(self) -> None:
        if self.schedule is Schedule.CONSTANT:
            if self.epochs is not None or self.final or self.anneal_sigma:
                raise ParameterError("BatchSSDP: epochs, final and anneal_sigma need schedule = 'cosine'")
            return
        if self.epochs is None:
            raise ParameterError("BatchSSDP: schedule = 'cosine' needs epochs, the length of the training")
        object.__setattr__(self, "epochs", _epoch(self.epochs, "epochs"))
        if self.epochs <= self.start_epoch:
            raise ParameterError(f"BatchSSDP: epochs = {self.epochs} must be above start_epoch = {self.start_epoch}")
        if self.anneal_sigma and (self.learning_window is not LearningWindow.GAUSSIAN or self.final == 0):
            raise ParameterError(
                "BatchSSDP: anneal_sigma needs the Gaussian learning window, and final above 0, since sigma must stay "
                "positive"
            )

    def factor(self, epoch: int) -> float:
        """Share of the amplitudes in an epoch; 0 before ``start_epoch``."""
        epoch = _epoch(epoch, "epoch")
        if epoch < self.start_epoch:
            return 0.0
        if self.epochs is None:
            return 1.0
        done = min(1.0, (epoch - self.start_epoch) / (self.epochs - self.start_epoch))
        return self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * done))

    def table(self, steps: int, epoch: int = 0) -> Float:
        """A pair's step, before gate and mean, by its two spike times.

        Returns:
            Symmetric, shape (steps + 1, steps + 1): entry [t_j, t_i], where ``steps`` is the time of
            a silent neuron.

        Raises:
            ParameterError: a window of more steps than such a table can hold.
        """
        check_memory(8 * (steps + 1) ** 2, _TABLE_MAX_BYTES, f"the table of steps for windows of {steps} steps")
        factor = self.factor(epoch)
        if factor == 0.0:
            return np.zeros((steps + 1, steps + 1))
        times = np.arange(steps + 1, dtype=np.float64)
        distance = np.abs(times[:, None] - times[None, :])
        # In a narrow learning window the exponent overflows to -inf, and exp(-inf) = 0 is right.
        with np.errstate(over="ignore"):
            if self.learning_window is LearningWindow.GAUSSIAN:
                sigma = self.sigma * factor if self.anneal_sigma else self.sigma
                plus = minus = np.exp(-0.5 * (distance / sigma) ** 2)
            else:
                plus, minus = np.exp(-distance / self.tau_plus), np.exp(-distance / self.tau_minus)
        step: Float = factor * self.a_plus * plus
        step[-1, :] = step[:, -1] = -factor * self.a_baseline * minus[-1]
        if self.silent_pairs is SilentPairs.SKIP:
            step[-1, -1] = 0.0
        return step


def batch_synchrony(pre: ArrayLike, post: ArrayLike) -> Float:
    """Sbar of each sample: the share of the pairs of which both neurons fired, shape (batch,).

    Args:
        pre, post: spikes, 0 or 1, shape (time, batch, neuron).

    Raises:
        ParameterError, ShapeError: no spikes, or shapes that do not fit.
    """
    before, after = _rasters(pre, post)
    pairs = before.any(axis=0).sum(axis=1) * after.any(axis=0).sum(axis=1)
    return np.asarray(pairs / (before.shape[2] * after.shape[2]))


def batch_update(rule: BatchSSDP, pre: ArrayLike, post: ArrayLike, gate: Gate | None = None, epoch: int = 0) -> Float:
    """The step ``dw`` of one batch.

    It does one addition for each sample and synapse, and needs arrays of shape (post, pre) and (batch, neurons).

    Args:
        rule: its parameters.
        pre, post: spikes, 0 or 1, shape (time, batch, neuron).
        gate: the fitted gate of DA-SSDP; None is SSDP.
        epoch: for the schedule, counted from 0.

    Returns:
        Shape (post, pre); add it to the weight.

    Raises:
        ParameterError, ShapeError: no spikes, or shapes that do not fit.
    """
    before, after = _rasters(pre, post)
    steps, batch = before.shape[:2]
    table = rule.table(steps, epoch)
    share: Float = np.full(batch, 1.0 / batch)
    if gate is not None:
        share = share * gate(batch_synchrony(before, after))
    pre_time, post_time = (spike_registers(raster, rule.spike_time).time for raster in (before, after))
    total = np.zeros((after.shape[2], before.shape[2]))
    for b in range(batch):
        # Columns are taken by presynaptic times, then whole rows by postsynaptic times.
        total += (share[b] * table[:, pre_time[b]])[post_time[b]]
    return np.clip(total, -rule.clip, rule.clip)


def check_shapes(pre: tuple[int, ...], post: tuple[int, ...]) -> None:
    """Raise unless both are (time, batch, neuron) with the same time and batch, none of them 0.

    Raises:
        ShapeError: they are not.
    """
    if len(pre) != 3 or len(post) != 3 or pre[:2] != post[:2] or 0 in pre + post:
        raise ShapeError(
            f"spikes of shape {pre} before and {post} after the synapses; both must be (time, batch, neuron) with "
            "the same time and batch, and at least one of each"
        )


def _rasters(pre: ArrayLike, post: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    arrays = as_array(pre, "spikes before"), as_array(post, "spikes after")
    check_shapes(arrays[0].shape, arrays[1].shape)
    for array, side in zip(arrays, ("before", "after"), strict=True):
        if array.dtype.kind not in "fiub" or not np.all((array == 0) | (array == 1)):
            raise ParameterError(f"spikes {side} the synapses must be 0 or 1")
    return arrays[0] != 0, arrays[1] != 0


def _epoch(value: object, name: str) -> int:
    epoch = as_int(value, f"BatchSSDP: {name}")
    if not 0 <= epoch <= _EPOCH_MAX:
        raise ParameterError(f"BatchSSDP: {name} = {epoch} is outside 0 .. {_EPOCH_MAX}")
    return epoch
