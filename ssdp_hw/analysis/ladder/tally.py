"""A rung of the ladder, added up batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.analysis.ladder.result import LayerAgreement, Rung
from ssdp_hw.analysis.ladder.step import Step
from ssdp_hw.analysis.statistics import Interval, wilson
from ssdp_hw.arrays import Bool
from ssdp_hw.running.decoding import UNDECIDED


@dataclass(frozen=True, eq=False)
class Seen:
    """One rung's run: predictions (batch,) and, by population, spikes (of readouts: volts) (time, batch, n)."""

    predictions: NDArray[np.int64]
    spikes: dict[str, Bool]
    volts: dict[str, NDArray[np.float64]]
    overflow: int | None = None


@dataclass
class Tally:
    """The counts of one rung."""

    step: Step
    alone: bool
    samples: int = 0
    right: int = 0
    undecided: int = 0
    lost: int = 0
    won: int = 0
    as_float: int = 0
    spikes: int = 0
    cells: int = 0
    overflow: int | None = None
    layers: dict[str, LayerAgreement] = field(default_factory=dict)
    layers_before: dict[str, LayerAgreement] = field(default_factory=dict)

    def add(
        self, seen: Seen, float_run: Seen, before: Seen | None, classes: NDArray[np.int64], first_sample: int
    ) -> None:
        """Add a batch.

        Args:
            seen: its run on this rung.
            float_run, before: that of the float network, and on the rung before, if there is one.
            classes: its labels.
            first_sample: number of its first sample among all.
        """
        right = seen.predictions == classes
        right_before = right if before is None else before.predictions == classes
        self.samples += len(classes)
        self.right += int(np.count_nonzero(right))
        self.undecided += int(np.count_nonzero(seen.predictions == UNDECIDED))
        self.lost += int(np.count_nonzero(right_before & ~right))
        self.won += int(np.count_nonzero(right & ~right_before))
        self.as_float += int(np.count_nonzero(seen.predictions == float_run.predictions))
        self.spikes += sum(int(np.count_nonzero(s)) for s in seen.spikes.values())
        self.cells += sum(s.size for s in seen.spikes.values())
        if seen.overflow is not None:
            self.overflow = (self.overflow or 0) + seen.overflow
        _add_layers(self.layers, seen, float_run, first_sample)
        if before is not None:
            _add_layers(self.layers_before, seen, before, first_sample)

    def rung(self) -> Rung:
        """The rung of all batches."""
        return Rung(
            self.step,
            self.alone,
            wilson(self.right, self.samples),
            self.undecided,
            self.lost,
            self.won,
            self.as_float / self.samples,
            self.spikes / self.cells if self.cells else None,
            tuple(self.layers.values()),
            tuple(self.layers_before.values()),
            self.overflow,
        )


@dataclass
class LayerTally:
    """How often a network with some layers rounded is right, and what rounding one more layer changes."""

    samples: int = 0
    right: int = 0
    lost: int = 0
    won: int = 0

    def add(self, right: Bool, before: Bool, after: Bool) -> None:
        """Add a batch: which samples are right, and which before and after the layer in question is rounded."""
        self.samples += right.size
        self.right += int(np.count_nonzero(right))
        self.lost += int(np.count_nonzero(before & ~after))
        self.won += int(np.count_nonzero(after & ~before))

    def result(self) -> tuple[Interval, int, int]:
        """Accuracy, samples lost, samples won."""
        return wilson(self.right, self.samples), self.lost, self.won


def _add_layers(known: dict[str, LayerAgreement], left: Seen, right: Seen, first_sample: int) -> None:
    """Add the agreement of every population that both runs recorded."""
    for name in (*left.spikes, *left.volts):
        if name in right.spikes or name in right.volts:
            found = _agreement(name, left, right, first_sample)
            known[name] = _together(known[name], found) if name in known else found


def _together(one: LayerAgreement, other: LayerAgreement) -> LayerAgreement:
    """Two batches of one layer."""
    spikes, reference = one.spikes + other.spikes, one.reference_spikes + other.reference_spikes
    different = one.different + other.different
    where = one if other.first is None or (one.first is not None and one.first <= other.first) else other
    return replace(
        where,
        spikes=spikes,
        reference_spikes=reference,
        different=different,
        agreement=_share(spikes, reference, different),
        v_difference=None if one.v_difference is None else max(one.v_difference, other.v_difference or 0.0),
    )


def _share(spikes: int, reference: int, different: int) -> float:
    """Spikes that both have among those that either has; 1 if there are none."""
    either = (spikes + reference + different) // 2
    return 1.0 - different / either if either else 1.0


def _agreement(name: str, left: Seen, right: Seen, first_sample: int) -> LayerAgreement:
    if name in left.volts:
        a, b = left.volts[name], right.volts[name]
        difference = float(np.max(np.abs(a - b), initial=0.0))
        return LayerAgreement(name, 0, 0, 0, 1.0, *_first(a != b, first_sample), difference)
    x, y = left.spikes[name], right.spikes[name]
    counts = int(np.count_nonzero(x)), int(np.count_nonzero(y)), int(np.count_nonzero(x ^ y))
    return LayerAgreement(name, *counts, _share(*counts), *_first(x ^ y, first_sample), None)


def _first(different: Bool, first_sample: int) -> tuple[int | None, int | None, int | None]:
    """Step, sample and neuron of the first entry, in order of steps."""
    if not different.any():
        return None, None, None
    step = int(np.argmax(different.any(axis=(1, 2))))
    sample, neuron = np.unravel_index(int(np.argmax(different[step])), different.shape[1:])
    return step, first_sample + int(sample), int(neuron)
