"""SSDP and DA-SSDP for anybody's torch training loop, used after ``optimizer.step()``.

    ssdp = TorchSSDP(BatchSSDP(a_plus=1e-3, a_baseline=1e-4))
    for epoch in range(epochs):
        for inputs, labels in loader:
            hidden, output = net(inputs)                  # spikes (time, batch, neuron)
            losses = cross_entropy(output.sum(0), labels, reduction="none")
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            ssdp.step(inputs, hidden, net.fc1.weight, losses)
        ssdp.next_epoch()

The rule is that of :mod:`ssdp_hw.rules.batch_ssdp`, to float rounding.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ssdp_hw.checks import as_int
from ssdp_hw.errors import MissingPackageError, ParameterError, ShapeError
from ssdp_hw.rules.batch_ssdp import BatchSSDP, check_shapes
from ssdp_hw.rules.gate import GATE_MAX, Gate, WarmUp
from ssdp_hw.rules.spike_times import SpikeTime

try:
    import torch
except ImportError:
    raise MissingPackageError(
        "SSDP in torch needs torch, which is not installed: pip install 'ssdp-hw[train]'"
    ) from None


class TorchSSDP(torch.nn.Module):  # type: ignore[misc]  # torch is Any where it is not installed
    """SSDP of one weight matrix; a layer with a gate needs a module of its own.

    The module has no parameters and no forward pass. Its ``state_dict`` holds the epoch, the moments
    of the warm-up samples and the gate, as plain numbers: moving or casting the module leaves them.

    Attributes:
        rule: its parameters.
        warmup_samples: 0 is SSDP. Above 0 it is DA-SSDP: no weight moves until at least that many samples
            have been presented, in whole batches; then the gate is fitted, once.
        epoch: epochs ended so far, for the schedule.
        warm_up: moments of the warm-up samples.
        gate: the fitted gate; None before, and in SSDP.

    Raises:
        ParameterError: ``warmup_samples`` is neither 0 nor at least 2.
    """

    def __init__(self, rule: BatchSSDP | None = None, warmup_samples: int = 0) -> None:
        super().__init__()
        self.rule = BatchSSDP() if rule is None else rule
        self.warmup_samples = as_int(warmup_samples, "TorchSSDP: warmup_samples")
        if self.warmup_samples < 0 or self.warmup_samples == 1:
            raise ParameterError(
                f"TorchSSDP: warmup_samples = {self.warmup_samples}; give 0 for SSDP, or at least 2 for DA-SSDP"
            )
        self.epoch = 0
        self.warm_up = WarmUp()
        self.gate: Gate | None = None

    def step(
        self,
        pre_spikes: torch.Tensor,
        post_spikes: torch.Tensor,
        weight: torch.Tensor,
        losses: torch.Tensor | None = None,
    ) -> None:
        """Move ``weight`` in place by the step of one batch, outside the gradient graph.

        Work is one matrix product (post, batch) x (batch, pre) for each distinct spike time after the synapses;
        memory is (batch, neurons) and one matrix like the weight. Weights narrower than float32 get a
        step that was summed in float32 and then rounded to them.

        Args:
            pre_spikes, post_spikes: 0 or 1, shape (time, batch, neuron), any type.
            weight: shape (post, pre), any floating type, on the device of the spikes; a 1x1
                convolution's is passed as ``weight[:, :, 0, 0]``.
            losses: the loss of each sample, shape (batch,); needed during the warm-up alone.

        Raises:
            ParameterError: spikes other than 0 and 1, no losses during the warm-up, losses that are
                not finite, or a weight that is not floating.
            ShapeError: shapes that do not fit.
        """
        with torch.no_grad():
            self._check(pre_spikes, post_spikes, weight)
            pre, post = pre_spikes != 0, post_spikes != 0
            if self.warmup_samples and self.gate is None:
                self._warm(pre, post, losses)
            elif self.rule.factor(self.epoch):
                weight += self._update(pre, post, weight.dtype)

    def next_epoch(self) -> None:
        """One epoch has ended."""
        self.epoch += 1

    def _warm(self, pre: torch.Tensor, post: torch.Tensor, losses: torch.Tensor | None) -> None:
        if losses is None:
            raise ParameterError(
                f"TorchSSDP: DA-SSDP fits its gate to the losses of the first {self.warmup_samples} samples; "
                "pass losses, one a sample"
            )
        pairs = pre.shape[2] * post.shape[2]
        synchrony = [count / pairs for count in _synchronous_pairs(pre, post).tolist()]
        self.warm_up = self.warm_up.with_batch(synchrony, losses.detach().tolist())
        if self.warm_up.samples >= self.warmup_samples:
            self.gate = self.warm_up.fit()

    def _update(self, pre: torch.Tensor, post: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        steps, batch = pre.shape[:2]
        summed = torch.promote_types(dtype, torch.float32)
        table = torch.tensor(self.rule.table(steps, self.epoch), dtype=summed, device=pre.device)
        total = torch.zeros((post.shape[2], pre.shape[2]), dtype=summed, device=pre.device)
        share = torch.full((batch,), 1.0 / batch, dtype=summed, device=pre.device)
        if self.gate is not None:
            synchrony = _synchronous_pairs(pre, post).to(summed) / total.numel()
            excess = (synchrony - self.gate.mean) / self.gate.deviation
            share *= (1.0 + self.gate.k * excess).clamp(0.0, GATE_MAX)
        pre_time, post_time = self._times(pre), self._times(post)
        for time in torch.unique(post_time).tolist():
            fired_then = (post_time == time).to(summed)
            total.addmm_(fired_then.T, share[:, None] * table[time][pre_time])
        return total.clamp_(-self.rule.clip, self.rule.clip).to(dtype)

    def _times(self, spikes: torch.Tensor) -> torch.Tensor:
        """Step of the spike that counts, and the number of steps where there is none; (batch, neuron)."""
        steps = len(spikes)
        step = torch.arange(steps, device=spikes.device)[:, None, None]
        if self.rule.spike_time is SpikeTime.FIRST:
            return torch.where(spikes, step, steps).amin(dim=0)
        last = torch.where(spikes, step, -1).amax(dim=0)
        return torch.where(last < 0, steps, last)

    @staticmethod
    def _check(pre: torch.Tensor, post: torch.Tensor, weight: torch.Tensor) -> None:
        check_shapes(tuple(pre.shape), tuple(post.shape))
        expected = (post.shape[2], pre.shape[2])
        if tuple(weight.shape) != expected:
            raise ShapeError(
                f"the weight has shape {tuple(weight.shape)}, but the spikes ask for (post, pre) = {expected}"
            )
        if not weight.is_floating_point():
            raise ParameterError(f"the weight is {weight.dtype}; SSDP in torch moves floating weights")
        if not pre.device == post.device == weight.device:
            raise ParameterError(
                f"spikes on {pre.device} and {post.device} and a weight on {weight.device}; bring them to one device"
            )
        for spikes, side in ((pre, "before"), (post, "after")):
            if not bool(((spikes == 0) | (spikes == 1)).all()):
                raise ParameterError(f"spikes {side} the synapses must be 0 or 1; for scaled ones pass (spikes > 0)")

    def get_extra_state(self) -> dict[str, Any]:
        """What ``state_dict`` holds."""
        return {
            "epoch": self.epoch,
            "warm_up": asdict(self.warm_up),
            "gate": None if self.gate is None else asdict(self.gate),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """What ``load_state_dict`` brings back.

        Raises:
            ParameterError: a value out of range.
        """
        epoch, warm_up = as_int(state["epoch"], "TorchSSDP: epoch"), WarmUp(**state["warm_up"])
        gate = None if state["gate"] is None else Gate(**state["gate"])
        self.epoch, self.warm_up, self.gate = epoch, warm_up, gate

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"{self.rule}, warmup_samples={self.warmup_samples}, epoch={self.epoch}"


def _synchronous_pairs(pre: torch.Tensor, post: torch.Tensor) -> torch.Tensor:
    """How many pairs of each sample had both neurons fire, integers of shape (batch,)."""
    return pre.any(dim=0).sum(dim=1) * post.any(dim=0).sum(dim=1)
