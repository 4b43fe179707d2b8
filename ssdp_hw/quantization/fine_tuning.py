"""Fine-tuning of a fixed network in torch: the forward pass is the chip's integers, the gradient goes straight through.

    fixed = sh.quantize(net, weight_bits=2, calibration=spikes)
    tuned = fine_tune(fixed, spikes, labels, start=net, epochs=10)

Every weight has a real master value beside its integer. The forward pass computes the fixed network, bit for bit:
rounded weights, floored sums, and each neuron model's own step on the integers of the chip. Backwards each rounding
counts as the identity and a spike as a fast sigmoid (:mod:`ssdp_hw.operations.straight_through`), so that any declared
model is tuned through which a gradient passes. The integers of the result are those that the forward pass used last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import as_size, class_labels, positive_or_none
from ssdp_hw.errors import MissingPackageError, ParameterError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Network
from ssdp_hw.operations.base import Values
from ssdp_hw.quantization.bias_sources import bias_sources
from ssdp_hw.running.drive import Drive, make_drive
from ssdp_hw.running.progress import progress as show_progress
from ssdp_hw.running.time_limit import STOPS, check_time, with_result

try:
    import torch
except ImportError:
    raise MissingPackageError("fine-tuning needs torch, which is not installed: pip install 'ssdp-hw[train]'") from None

from ssdp_hw.operations.straight_through import Counted, StraightThroughOperations, Tracked
from ssdp_hw.quantization.gradient_paths import SENT, SPIKES, with_gradient
from ssdp_hw.quantization.normal_form import scaled_rows
from ssdp_hw.quantization.trained_synapses import Synapses

Tensor = Any  # torch is Any where it is not installed

# Two output neurons whose spike counts differ by this many have logits that differ by 1.
_SPIKES_A_LOGIT = 4.0
# float64 adds integers up to this exactly.
_EXACT = 1 << 53


def _sent_by_inputs(network: FixedNetwork, drive: Drive) -> dict[str, NDArray[np.float64]]:
    """What the inputs send, by name: spikes as 0 and 1, or payloads, each of shape (time, batch, channels).

    Raises:
        UnsupportedError: analog values.
    """
    analog = [i.name for i in network.inputs if i.name in drive.values and not i.payload_bits]
    if analog:
        raise UnsupportedError(
            f"fine-tuning is by spikes; input {', '.join(map(repr, analog))} has values other than 0 and 1: encode "
            "them first (ssdp_hw.encode), or give the input the payload_bits of graded spikes if they are whole numbers"
        )
    return {name: np.asarray(values, np.float64) for name, values in drive.arrays().items()}


class _Neurons:
    """The neurons of one population: the step of their model on integers that carry gradients."""

    def __init__(self, network: FixedNetwork, p: FixedPopulation, drive: Drive) -> None:
        self.model, self.payload = p.declared, p.payload
        self.op = StraightThroughOperations(network.step_form(p.name).exact())
        shape = (drive.batch, p.size)
        self.states = {name: Tracked.of(np.zeros(shape, np.int64)) for name in p.state_names}
        if "v" in self.states:
            self.states["v"] = Tracked.of(np.tile(p.v_init, (drive.batch, 1)))
        acting = network.acting_parameters(p.name, drive.fixed_bias(network, p.name))
        self.parameters = {name: Tracked.of(value) for name, value in acting.items()}
        self.shape = shape

    def step(self, arriving: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Advance one step; returns the spikes, and what is sent with them: 1, or the payload.

        Args:
            arriving: activation by port, integers as float64; ``""`` is the first input.
        """
        inputs = {port: self._shifted(activation) for port, activation in arriving.items()}
        first = inputs.pop("")
        states, fired = self.model.advance(self.op, Values(self.states), Values(self.parameters | inputs), first)
        self.states = {name: Tracked.of(value) for name, value in states.items()}
        spikes = fired.tensor.expand(self.shape)
        if not self.payload:
            return spikes, spikes
        carried = self.states[self.payload]
        if isinstance(carried, Counted) and fired.spike is not None:
            return spikes, carried.tensor.expand(self.shape)  # 0 events are no spike
        return spikes, spikes * carried.real

    def recorded(self, name: str) -> Tensor:
        """A state, shape (batch, n)."""
        return self.states[name].tensor.expand(self.shape)

    def _shifted(self, activation: Tensor) -> Tracked:
        whole = activation.detach().numpy().astype(np.int64)
        return self.op.shift_left(Tracked(whole, activation), self.op.activation_shift)


class TorchFixedNetwork(torch.nn.Module):  # type: ignore[misc]
    """A fixed network whose weights can be trained.

    Args:
        fixed: the network.
        start: the float network that it was quantised from, whose weights the master values begin with;
            without it they begin with the integers.

    Raises:
        ParameterError: ``start`` is not the float network of ``fixed``.
        UnsupportedError: sums that float64 does not hold exactly, neurons through which no gradient passes, or a
            projection whose matrix is too large.
    """

    def __init__(self, fixed: FixedNetwork, start: Network | None = None) -> None:
        super().__init__()
        if not isinstance(fixed, FixedNetwork):
            raise ParameterError(f"fine-tuning takes a FixedNetwork, not a {type(fixed).__name__}")
        _check_sums(fixed)
        _check_gradients(fixed)
        self.fixed = fixed
        self.synapses = torch.nn.ModuleList(Synapses(p, _master(p, start)) for p in fixed.projections)

    def forward(
        self, inputs: Mapping[str, Tensor] | ArrayLike, steps: int | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Spikes and voltages (after the reset) by population, shape (time, batch, n), as ``run`` gives them.

        Args:
            inputs: spikes as for :func:`ssdp_hw.run`.
            steps: length of the run, likewise.
        """
        spikes, states = self.traced(inputs, steps)
        voltages = {p.name: "v" if "v" in p.state_names else p.voltage for p in self.fixed.populations}
        return spikes, {name: states[state][name] for name, state in voltages.items() if state}

    def traced(
        self, inputs: Mapping[str, Tensor] | ArrayLike, steps: int | None = None
    ) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
        """As :meth:`forward`, with every state by its name and population in the place of the voltages."""
        fixed = self.fixed
        drive = make_drive(fixed, inputs, steps)
        given = {name: torch.from_numpy(values) for name, values in _sent_by_inputs(fixed, drive).items()}
        neurons = {p.name: _Neurons(fixed, p, drive) for p in fixed.populations}
        ports = [(p.name, port) for p in fixed.populations for port in fixed.synaptic_inputs(p.name)]
        projections = [(s, s.activations()) for s in self.synapses]
        sent: list[dict[str, Tensor]] = []
        spikes: dict[str, list[Tensor]] = {name: [] for name in neurons}
        states: dict[tuple[str, str], list[Tensor]] = {
            (state, p.name): [] for p in fixed.populations for state in p.state_names
        }
        for t in range(drive.steps):
            arriving = {key: torch.zeros(neurons[key[0]].shape, dtype=torch.float64) for key in ports}
            for synapses, by_delay in projections:
                for delay, activation in by_delay.items():
                    if t - 1 - delay >= 0:
                        caused = activation(sent[t - 1 - delay][synapses.pre])
                        arriving[synapses.reached] = arriving[synapses.reached] + caused
            sends = {name: values[t] for name, values in given.items()}
            for name, population in neurons.items():
                mine = {port: value for (post, port), value in arriving.items() if post == name}
                fired, sends[name] = population.step(mine)
                spikes[name].append(fired)
            for (state, name), values in states.items():
                values.append(neurons[name].recorded(state))
            sent.append(sends)
        found: dict[str, dict[str, Tensor]] = {state: {} for state, _ in states}
        for (state, name), values in states.items():
            found[state][name] = torch.stack(values)
        return {name: torch.stack(fired) for name, fired in spikes.items()}, found

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


def _check_sums(fixed: FixedNetwork) -> None:
    """Raise where weights and payloads add up beyond what float64 holds exactly.

    Raises:
        UnsupportedError: they may.
    """
    for p in fixed.projections:
        largest = int(np.max(p.stored.absolute_row_sums(), initial=0)) * fixed.payloads.get(p.pre, 1)
        if largest >= _EXACT:
            raise UnsupportedError(
                f"projection '{p.name}': weights times payloads add up to {largest:.3g}, and torch's float64 adds "
                f"exactly up to {_EXACT:.3g}; give '{p.pre}' fewer payload_bits"
            )


def _check_gradients(fixed: FixedNetwork) -> None:
    """Raise where no gradient passes from what a population sends, or from an output, to its synaptic input.

    Raises:
        UnsupportedError: none does.
    """
    for p in fixed.populations:
        wanted = {SENT} if any(q.pre == p.name for q in fixed.projections) else set()
        if p.name in fixed.outputs:
            wanted.add(SPIKES if p.spiking else "v" if "v" in p.state_names else p.voltage)
        for missing in sorted(wanted - with_gradient(fixed, p.name)):
            what = missing if missing in (SPIKES, SENT) else f"its state '{missing}'"
            raise UnsupportedError(
                f"population '{p.name}': {p.declared} cannot be fine-tuned, because no gradient passes from {what} to "
                "its input: that of spikes passes where its step compares by op.fires, that of payloads and states "
                "where it computes them from the input without a comparison"
            )


def _master(q: FixedProjection, start: Network | None) -> NDArray[np.float64]:
    """Real stored weights: those of the float network, else the integers."""
    if start is None:
        return np.asarray(q.mantissa, np.float64)
    lowered, _ = bias_sources(start)
    p = lowered.projection(q.name)
    scaled = scaled_rows(p, q.scale).values if p.shape == q.shape and q.scale is not None else np.empty(0)
    if scaled.size != q.mantissa.size:
        raise ParameterError(f"projection '{q.name}': the float network is not the one that was quantised")
    return np.asarray(scaled / q.format.step, np.float64)


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
        inputs: spikes, or whole numbers of an input of graded spikes, shape (time, batch, channels).
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
    sent, output = _sent_by_inputs(fixed, drive)[fixed.input_names[0]], fixed.population(fixed.outputs[0])
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
                    fired, volts = module(sent[:, chosen], steps=drive.steps + fixed.latency)
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
