"""What can go wrong between a network's training and its use: drifts of values and of spikes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tasks import Task

Bool = NDArray[np.bool_]
Generator = np.random.Generator

KINDS = ("dead pixels", "dim", "bright", "jitter", "events")


@dataclass(frozen=True)
class Drift:
    """Strength of each kind of drift.

    Attributes:
        dead: share of the channels that fall silent.
        dim, bright: what all values are multiplied by, below and above 1; a value ends at 1.
        jitter: standard deviation in steps by which each spike moves, at most to an end of the window.
        deleted: share of the spikes that are lost.
        added: chance that a silent step of a channel gets a spike.
    """

    dead: float
    dim: float
    bright: float
    jitter: float
    deleted: float
    added: float

    def describe(self, kind: str) -> str:
        """In words, for a table."""
        return {
            "dead pixels": f"{self.dead:.0%} of the pixels dead",
            "dim": f"brightness times {self.dim:g}",
            "bright": f"brightness times {self.bright:g}",
            "jitter": f"spikes jittered by {self.jitter:g} steps",
            "events": f"{self.deleted:.0%} of the spikes deleted, {self.added:.1%} of the silent steps filled",
        }[kind]


def drifted(kind: str, drift: Drift, task: Task, values: NDArray[np.float64], world: int, noise: int) -> Bool:
    """Spikes of values under one kind of drift.

    Args:
        kind: one of ``KINDS``, or ``none``.
        drift: how strong it is.
        task: encodes the values.
        values: shape (batch, channels).
        world: seed of what is the same for all samples, as which pixels are dead.
        noise: seed of what is drawn for each sample.
    """
    generator = np.random.default_rng((noise, 1))
    gain = {"dim": drift.dim, "bright": drift.bright}.get(kind, 1.0)
    spikes = task.encode(np.minimum(gain * values, 1.0), seed=noise)
    if kind == "dead pixels":
        channels = spikes.shape[2]
        dead = np.random.default_rng((world, 0)).permutation(channels)[: round(drift.dead * channels)]
        spikes = spikes.copy()
        spikes[:, :, dead] = False
    elif kind == "jitter":
        spikes = jittered(spikes, drift.jitter, generator)
    elif kind == "events":
        draw = generator.random(spikes.shape, dtype=np.float32)
        spikes = np.where(spikes, draw >= drift.deleted, draw < drift.added)
    return spikes


def jittered(spikes: Bool, deviation: float, generator: Generator) -> Bool:
    """Each spike moved by a rounded normal number of steps; those that meet become one."""
    when, sample, channel = np.nonzero(spikes)
    move = np.rint(generator.normal(0.0, deviation, when.size)).astype(np.int64)
    moved = np.zeros_like(spikes)
    moved[np.clip(when + move, 0, len(spikes) - 1), sample, channel] = True
    return moved
