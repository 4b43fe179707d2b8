"""SSDP in torch: one layer of LIF neurons, and a step of its weights after each batch of windows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Step = Callable[[Any, Any, Any], None]  # spikes before and after the synapses, weight that is moved


class LearningTask:
    """A layer, its windows, and a rule.

    Neurons: ``v <- keep * v + input``, fire and are reset to 0 if v > threshold; input takes a step.
    """

    def __init__(self, path: str) -> None:
        with np.load(path) as file:
            self.weight, self.spikes = torch.from_numpy(file["weight"]), torch.from_numpy(file["spikes"])
            self.keep, self.threshold, self.batch = float(file["keep"]), float(file["threshold"]), int(file["batch"])
            self.a_plus, self.a_baseline, self.sigma = (float(file[k]) for k in ("a_plus", "a_baseline", "sigma"))

    def learn(self, step: Step, dtype: Any) -> Any:
        """The weight after all windows, shape (post, pre)."""
        weight = self.weight.to(dtype, copy=True)
        with torch.no_grad():
            for start in range(0, self.spikes.shape[1], self.batch):
                pre = self.spikes[:, start : start + self.batch]
                step(pre, self._fire(pre, weight), weight)
        return weight

    def _fire(self, pre: Any, weight: Any) -> Any:
        currents = pre.to(weight.dtype) @ weight.T
        out, v = torch.zeros_like(currents, dtype=torch.bool), torch.zeros_like(currents[0])
        for t in range(1, len(currents)):
            v = self.keep * v + currents[t - 1]
            out[t] = v > self.threshold
            v = torch.where(out[t], 0.0, v)
        return out


def dense(task: LearningTask) -> Step:
    """The equation of arXiv 2505.14841 for every sample and pair of neurons at once, as its authors compute it."""

    def times(spikes: Any) -> tuple[Any, Any]:
        fired = spikes.any(dim=0)
        return fired, torch.where(fired, spikes.to(torch.uint8).argmax(dim=0), len(spikes))

    def step(pre: Any, post: Any, weight: Any) -> None:
        (fired_pre, t_pre), (fired_post, t_post) = times(pre), times(post)
        both = fired_post[:, :, None] & fired_pre[:, None, :]
        distance = (t_post[:, :, None] - t_pre[:, None, :]).to(weight.dtype)
        near = torch.exp(-distance.square() / (2 * task.sigma**2))
        moved = torch.where(both, task.a_plus * near, -task.a_baseline * near).mean(dim=0)
        weight += moved.clamp(-1, 1)

    return step


def ours(task: LearningTask) -> Step:
    """``ssdp_hw.rules.torch_ssdp``, which sorts pairs by their spike times."""
    root = str(Path(__file__).parent.parent)
    if root not in sys.path:
        sys.path.append(root)
    from ssdp_hw.rules.batch_ssdp import BatchSSDP
    from ssdp_hw.rules.torch_ssdp import TorchSSDP

    rule = TorchSSDP(BatchSSDP(a_plus=task.a_plus, a_baseline=task.a_baseline, sigma=task.sigma))
    return rule.step


def _peer(
    make: Callable[[LearningTask], Step],
) -> Callable[[LearningTask], tuple[Callable[[], Any], Callable[[], Any]]]:
    """Timed in float32, checked in float64, whose rounding cannot hide a mistake."""

    def both(task: LearningTask) -> tuple[Callable[[], Any], Callable[[], Any]]:
        step = make(task)
        return lambda: task.learn(step, torch.float32), lambda: task.learn(step, torch.float64).numpy()

    return both


PEERS = {
    "torch float32, every pair of every sample (the authors' form)": ("torch", _peer(dense)),
    "torch float32, ssdp_hw.rules.torch_ssdp": ("torch", _peer(ours)),
}
