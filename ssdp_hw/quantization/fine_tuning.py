"""Fine-tuning of a fixed network in torch: the forward pass is the chip's integers, the gradient goes straight through.

    fixed = sh.quantize(net, weight_bits=2, calibration=spikes)
    tuned = fine_tune(fixed, spikes, labels, start=net, epochs=10)

Every weight has a real master value beside its integer. The forward pass computes the fixed network, bit for
bit, in float64, in which all its integers are exact: rounded weights, floored sums, truncated decays, wrap,
saturation, threshold, reset. Backwards each rounding counts as the identity (the straight-through estimator;
Bengio, Leonard and Courville, arXiv 1308.3432) and the threshold as a fast sigmoid (Zenke and Ganguli,
Neural Computation 30, 2018). The integers of the result are those that the forward pass used last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import as_size, class_labels, positive_or_none
from ssdp_hw.errors import MissingPackageError, ParameterError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.quantization.bias_sources import bias_sources
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.progress import progress as show_progress
from ssdp_hw.running.time_limit import STOPS, check_time, with_result

try:
    import torch
except ImportError:
    raise MissingPackageError("fine-tuning needs torch, which is not installed: pip install 'ssdp-hw[train]'") from None

Tensor = Any  # torch is Any where it is not installed

# Steepness of the surrogate gradient, for voltages in units of the threshold.
_STEEPNESS = 5.0
# Two output neurons whose spike counts differ by this many have logits that differ by 1.
_SPIKES_A_LOGIT = 4.0
# float64 holds integers of this width exactly.
_EXACT_BITS = 53


class _Fire(torch.autograd.Function):  # type: ignore[misc]
    """The spike condition of the forward pass, with the slope of a fast sigmoid as its gradient."""

    @staticmethod
    def forward(ctx: Any, distance: Tensor, unit: Tensor, inclusive: bool) -> Tensor:
        """1 where ``distance > 0`` (if inclusive: ``distance >= 0``), else 0."""
        ctx.save_for_backward(distance / unit)
        ctx.unit = unit
        return (distance >= 0 if inclusive else distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient times the slope of the fast sigmoid ``x / (1 + k |x|)``."""
        (x,) = ctx.saved_tensors
        return gradient / (1.0 + _STEEPNESS * x.abs()).square() / ctx.unit, None, None


def _refuse_analog(names: Iterable[str]) -> None:
    """Raise for inputs that are no spikes.

    Raises:
        UnsupportedError: always.
    """
    raise UnsupportedError(
        f"fine-tuning is by spikes of 0 and 1; input {', '.join(map(repr, names))} has other values: encode them "
        "first (ssdp_hw.encode)"
    )


def _through(x: Tensor, exact: Callable[[Tensor], Tensor]) -> Tensor:
    """``exact(x)`` in the forward pass, with the gradient of x; the term that carries the gradient is exactly 0."""
    return exact(x.detach()) + (x - x.detach())


class _Synapses(torch.nn.Module):  # type: ignore[misc]
    """One projection: a real master value for each stored integer."""

    def __init__(self, projection: FixedProjection, start: NDArray[np.float64]) -> None:
        super().__init__()
        self.pre, self.post, number = projection.pre, projection.post, projection.format
        self.low, self.high, self.step = number.mantissa_min, number.mantissa_max, number.step
        self.exponent = projection.weight_exp
        self.master = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
        rows, cols = projection.synapse_indices
        self.register_buffer("where", torch.tensor(rows * projection.shape[1] + cols))
        self.shape = projection.shape
        delays = projection.synapse_delays
        self.delays = [int(d) for d in np.unique(delays)] or [0]
        for delay in self.delays:
            self.register_buffer(f"at_{delay}", torch.tensor(delays == delay, dtype=torch.float64))

    def mantissas(self) -> Tensor:
        """The integers that the chip stores."""
        return _through(self.master, lambda m: torch.clamp(torch.round(m), self.low, self.high))

    def matrices(self) -> dict[int, Tensor]:
        """For each delay the matrix of the weights that have it, shape (pre, post)."""
        weights = self.mantissas() * self.step
        found = {}
        for delay in self.delays:
            flat = torch.zeros(self.shape[0] * self.shape[1], dtype=torch.float64, device=weights.device)
            own = weights * getattr(self, f"at_{delay}")
            found[delay] = flat.index_put((self.where,), own).reshape(self.shape).T
        return found

    def activation(self, spikes: Tensor, matrix: Tensor) -> Tensor:
        """The activation that the spikes of one step cause: the sum of their weights, shifted by the exponent."""
        total = spikes @ matrix * 2.0**self.exponent
        return _through(total, torch.floor) if self.exponent < 0 else total


class _Neurons:
    """The step of one population, as in :mod:`ssdp_hw.arithmetic`, on float64 that hold integers."""

    def __init__(self, network: FixedNetwork, p: FixedPopulation, bias: Tensor, batch: int) -> None:
        if not p.is_cuba_lif:
            raise UnsupportedError(f"population '{p.name}': {p.declared} cannot be fine-tuned, the CUBA LIF alone can")
        chip, self.p, self.bias = network.limits, p, bias
        self.unity, self.unit = float(1 << chip.decay_bits), float(1 << chip.activation_shift)
        self.half = float(1 << (chip.state_bits - 1))
        self.kept_u = torch.tensor(self.unity - (p.du + chip.current_decay_offset), dtype=torch.float64)
        self.kept_v = torch.tensor(self.unity - (p.dv + chip.voltage_decay_offset), dtype=torch.float64)
        self.threshold = torch.tensor(p.vth << chip.activation_shift, dtype=torch.float64)
        self.size = torch.clamp(self.threshold, min=1.0)
        self.u = torch.zeros((batch, p.size), dtype=torch.float64)
        self.v = torch.tensor(np.tile(p.v_init, (batch, 1)), dtype=torch.float64)

    def step(self, activation: Tensor) -> Tensor:
        """Advance one step and return the spikes."""
        self.u = _through(self._decayed(self.u, self.kept_u) + activation * self.unit, self._wrapped)
        v = self._decayed(self.v, self.kept_v) + self.u + self.bias
        v = _through(v, lambda x: torch.clamp(x, 1 - self.half, self.half - 1))
        if not self.p.spiking:
            self.v = v
            return torch.zeros_like(v)
        spikes = _Fire.apply(v - self.threshold, self.size, self.p.threshold is Comparison.AT_LEAST)
        fired = spikes.detach()  # the reset sends no gradient
        self.v = v - self.threshold * fired if self.p.reset is Reset.SUBTRACT else v * (1.0 - fired)
        return spikes

    def _decayed(self, x: Tensor, kept: Tensor) -> Tensor:
        return _through(x * kept / self.unity, torch.trunc)

    def _wrapped(self, u: Tensor) -> Tensor:
        u = torch.where(u > self.half, u - 2 * self.half, u)
        return torch.where(u <= -self.half, u + 2 * self.half, u)


class TorchFixedNetwork(torch.nn.Module):  # type: ignore[misc]
    """A fixed network whose weights can be trained.

    Args:
        fixed: the network.
        start: the float network that it was quantised from, whose weights the master values begin with;
            without it they begin with the integers.

    Raises:
        ParameterError: ``start`` is not the float network of ``fixed``.
        UnsupportedError: convolutions, or registers that float64 does not hold exactly.
    """

    def __init__(self, fixed: FixedNetwork, start: Network | None = None) -> None:
        super().__init__()
        if not isinstance(fixed, FixedNetwork):
            raise ParameterError(f"fine-tuning takes a FixedNetwork, not a {type(fixed).__name__}")
        chip = fixed.limits
        if chip.state_bits + chip.decay_bits > _EXACT_BITS:
            raise UnsupportedError(
                f"chip '{chip.name}': state and decays of {chip.state_bits + chip.decay_bits} bits together; torch's "
                f"float64 computes exactly with {_EXACT_BITS}"
            )
        for p in fixed.projections:
            if p.is_convolution:
                raise UnsupportedError(f"projection '{p.name}' is a convolution, which fine-tuning does not take yet")
        self.fixed = fixed
        self.synapses = torch.nn.ModuleList(_Synapses(p, _master(p, start)) for p in fixed.projections)

    def forward(
        self, inputs: Mapping[str, Tensor] | ArrayLike, steps: int | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Spikes and voltages (after the reset) by population, shape (time, batch, n), as ``run`` gives them.

        Args:
            inputs: spikes as for :func:`ssdp_hw.run`.
            steps: length of the run, likewise.
        """
        drive = make_drive(self.fixed, inputs, steps)
        if drive.values:
            _refuse_analog(drive.values)
        raster = {name: torch.tensor(s, dtype=torch.float64) for name, s in drive.spikes.items()}
        neurons = {
            p.name: _Neurons(
                self.fixed, p, torch.tensor(drive.fixed_bias(self.fixed, p.name), dtype=torch.float64), drive.batch
            )
            for p in self.fixed.populations
        }
        matrices = [s.matrices() for s in self.synapses]
        sent: list[dict[str, Tensor]] = []
        volts: dict[str, list[Tensor]] = {name: [] for name in neurons}
        for t in range(drive.steps):
            arriving: dict[str, Tensor] = {name: torch.zeros_like(n.u) for name, n in neurons.items()}
            for synapses, by_delay in zip(self.synapses, matrices, strict=True):
                for delay, matrix in by_delay.items():
                    if t - 1 - delay >= 0:
                        spikes = sent[t - 1 - delay][synapses.pre]
                        arriving[synapses.post] = arriving[synapses.post] + synapses.activation(spikes, matrix)
            fired = {name: s[t] for name, s in raster.items()}
            for name, population in neurons.items():
                fired[name] = population.step(arriving[name])
                volts[name].append(population.v)
            sent.append(fired)
        spikes = {name: torch.stack([fired[name] for fired in sent]) for name in neurons}
        return spikes, {name: torch.stack(v) for name, v in volts.items()}

    def to_fixed(self) -> FixedNetwork:
        """The fixed network with the integers of the forward pass."""
        return self.fixed.with_mantissas(
            {
                p.name: s.mantissas().detach().numpy().astype(np.int64)
                for p, s in zip(self.fixed.projections, self.synapses, strict=True)
            }
        )

    def keep_in_range(self) -> None:
        """Clip master values to half a step beyond the integers' range, from where they can still come back."""
        with torch.no_grad():
            for s in self.synapses:
                s.master.clamp_(s.low - 0.5, s.high + 0.5)


def _master(q: FixedProjection, start: Network | None) -> NDArray[np.float64]:
    """Real stored weights: those of the float network, else the integers."""
    if start is None:
        return np.asarray(q.mantissa, np.float64)
    lowered, _ = bias_sources(start)
    p = lowered.projection(q.name)
    exact = p.synapse_weights.astype(np.float64)
    if p.shape != q.shape or exact.size != q.mantissa.size or q.scale is None:
        raise ParameterError(f"projection '{q.name}': the float network is not the one that was quantised")
    return np.asarray(exact * q.scale[q.synapse_indices[0]] / q.format.step)


def fine_tune(
    fixed: FixedNetwork,
    inputs: ArrayLike,
    labels: ArrayLike,
    *,
    start: Network | None = None,
    epochs: int = 10,
    batch: int = 64,
    rate: float = 0.01,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
    progress: bool | None = None,
) -> FixedNetwork:
    """Train the integers of a fixed network on labelled samples.

    The loss is the cross entropy of the output's spike counts (of a readout without spikes: of its mean
    voltage in volts), over runs of the inputs' length plus ``fixed.latency``. The optimiser is Adam.

    Args:
        fixed: the network to begin with.
        inputs: spikes, shape (time, batch, channels).
        labels: classes, shape (batch,).
        start: the float network that ``fixed`` was quantised from; see :class:`TorchFixedNetwork`.
        epochs, batch: passes over the samples, and samples a step of the optimiser.
        rate: learning rate, in stored weight integers.
        seed: of the order of the samples.
        say: called with a line of text after each epoch.
        progress: whether to show how many samples are done; default on a terminal and in a notebook.

    Raises:
        Interrupted, TimeLimitError: Ctrl-C, or over the limit of :func:`ssdp_hw.limited_time`, after at least one
            epoch: its ``result`` is the network after the last whole one.
        ParameterError, ShapeError: options, inputs or labels that do not fit.
        UnsupportedError: see :class:`TorchFixedNetwork`.
    """
    epochs, batch = as_size(epochs, "epochs"), as_size(batch, "batch")
    positive_or_none(rate, "rate")
    module = TorchFixedNetwork(fixed, start)
    if len(fixed.inputs) != 1 or len(fixed.outputs) != 1:
        raise UnsupportedError(
            f"fine-tuning needs one input and one output; the network has {fixed.input_names} and {fixed.outputs}"
        )
    drive = make_drive(fixed, inputs)
    if drive.values:
        _refuse_analog(drive.values)
    spikes, output = drive.spikes[fixed.input_names[0]], fixed.population(fixed.outputs[0])
    classes = torch.tensor(class_labels(labels, drive.batch, output.size, drive.steps))
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    order = np.random.default_rng(seed)
    tuned = None
    try:
        with show_progress("fine-tuning", epochs * drive.batch, progress) as advance:
            for epoch in range(epochs):
                total, right = 0.0, 0
                for chosen in np.array_split(order.permutation(drive.batch), -(-drive.batch // batch)):
                    check_time()
                    fired, volts = module(spikes[:, chosen], steps=drive.steps + fixed.latency)
                    logits = _logits(output, fired[output.name], volts[output.name])
                    loss = torch.nn.functional.cross_entropy(logits, classes[chosen])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    module.keep_in_range()
                    total += float(loss.detach()) * len(chosen)
                    right += int((logits.detach().argmax(dim=1) == classes[chosen]).sum())
                    advance(len(chosen))
                tuned = epoch + 1, module.to_fixed()
                if say is not None:
                    share = right / drive.batch
                    say(f"epoch {epoch + 1}: loss {total / drive.batch:.4f}, {share:.1%} of the training samples")
    except STOPS as stop:
        if tuned is None:
            raise
        done, kept = tuned
        after = f"after {done} of {epochs} epochs; the network after them is the exception's 'result'"
        raise with_result(stop, after, kept) from None
    return module.to_fixed()


def _logits(output: FixedPopulation, spikes: Tensor, volts: Tensor) -> Tensor:
    """The logits, shape (batch, n): scaled spike counts, or mean voltages of a population without spikes."""
    if output.spiking:
        return spikes.sum(dim=0) / _SPIKES_A_LOGIT
    return volts.mean(dim=0) / torch.tensor(1.0 if output.scale is None else output.scale, dtype=torch.float64)
