"""Digits for networks that begin with random weights: what they are taught and asked, and their integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import ssdp_hw as sh
from ssdp_hw.datasets import load_digits

# Seeds by which a study chooses, and the number of training samples that are asked there and not taught.
VALIDATION_SEEDS, HELD_OUT = (100, 101, 102), 300
Encode = Callable[[Any, int], Any]  # of values and a seed


@dataclass(frozen=True, eq=False)
class Samples:
    """What a network is taught and asked.

    Attributes:
        lesson, labels: spikes (time, sample, pixel) that are taught, and their classes.
        question, answers: those that are asked.
    """

    lesson: Any
    labels: Any
    question: Any
    answers: Any


def samples(seed: int, encode: Encode, *, validation: bool = False) -> Samples:
    """The training part is taught and the test part asked; in a validation ``HELD_OUT`` of the training part are asked
    instead, and not taught.
    """
    data = load_digits()
    taught, asked = (data.train_values, data.train_labels), (data.test_values, data.test_labels)
    if validation:
        order = np.random.default_rng(seed).permutation(len(data.train_labels))
        taught, asked = ((data.train_values[k], data.train_labels[k]) for k in (order[HELD_OUT:], order[:HELD_OUT]))
    return Samples(encode(taught[0], 2 * seed), taught[1], encode(asked[0], 2 * seed + 1), asked[1])


def quantized(given: sh.Network, spikes: Any, room: float, **options: Any) -> sh.FixedNetwork:
    """The network in integers of 8 bits that have room for weights ``room`` times as large.

    Args:
        given: the network.
        spikes: those by which the scale is chosen.
        room: how many times.
        options: of :func:`ssdp_hw.quantize`.
    """
    stored = {p.name: p.stored for p in given.projections}
    larger = given.with_weights({name: w.with_values(room * w.values) for name, w in stored.items()})
    wide = sh.quantize(larger, "loihi2", spikes, **options)
    return wide.with_mantissas({p.name: np.rint(p.mantissa / room).astype(int) for p in wide.projections})
