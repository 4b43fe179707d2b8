"""Fitting the gate of DA-SSDP: warm-up samples during which no weight moves.

Source: arXiv 2512.07194; see :mod:`ssdp_hw.rules.gate` for the equations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.checks import as_int, class_labels, real_array
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.learning.inputs import check_learns_from_spikes
from ssdp_hw.rules.gate import Gate, WarmUp
from ssdp_hw.running.drive import AnyNetwork, make_drive
from ssdp_hw.running.run import run


def fit_gate(
    network: AnyNetwork,
    inputs: ArrayLike | Mapping[str, ArrayLike],
    projection: str,
    *,
    labels: ArrayLike | None = None,
    losses: ArrayLike | None = None,
    target: str | None = None,
    steps: int | None = None,
) -> Gate:
    """Fit the gate of one projection on warm-up samples.

    The synchrony of a sample is the share of pairs of source and target neurons that both fired. The
    loss is given, or the cross-entropy of the softmax of the output's spike counts.

    Args:
        network: float or fixed; it runs as it is, without a teacher.
        inputs: spikes (time, batch, channels), or a dict of them by input.
        projection: whose gate it is to be; as the ``gate`` of an :class:`~ssdp_hw.SSDP` it becomes integers
            in a fixed network.
        labels: class of every sample, for the cross-entropy.
        losses: loss of every sample, in place of labels.
        target: where to run; default as for :func:`ssdp_hw.run`.
        steps: length of a run; default ``len(inputs) + network.latency``.

    Raises:
        ParameterError, ShapeError: fewer than two samples, or not exactly one of labels and losses.
    """
    if (labels is None) == (losses is None):
        raise ParameterError("fit_gate needs either labels or losses")
    p = network.projection(projection)
    drive = make_drive(network, inputs)
    check_learns_from_spikes(network, drive.values, [projection])
    length = drive.steps + network.latency if steps is None else as_int(steps, "steps")
    spiking = tuple(q.name for q in network.populations if q.spiking)
    result = run(network, inputs, target, populations=spiking, steps=length, on_overflow="ignore")
    rasters = {**drive.spikes, **result.spikes}
    shares = [rasters[end].any(axis=0).mean(axis=1) for end in (p.pre, p.post)]
    if losses is None:
        classes = class_labels(labels, drive.batch, network.size_of(result.output), drive.steps)
        found = _cross_entropy(result.spikes[result.output], classes)
    else:
        found = real_array(losses, "losses")
        if found.shape != (drive.batch,):
            raise ShapeError(f"losses of shape {found.shape}; expected ({drive.batch},), one a sample")
    return WarmUp().with_batch(shares[0] * shares[1], found).fit()


def _cross_entropy(spikes: NDArray[np.bool_], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = spikes.sum(axis=0).astype(np.float64)
    largest = counts.max(axis=1)
    total = np.log(np.exp(counts - largest[:, None]).sum(axis=1)) + largest
    return np.asarray(total - counts[np.arange(classes.size), classes])
