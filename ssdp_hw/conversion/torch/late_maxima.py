"""Maxima whose spikes act in a later step alone, so that the module does not compute the last of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.torch.chains import Call, Chain
from ssdp_hw.conversion.torch.folding import ALWAYS
from ssdp_hw.conversion.weight_algebra import identity


def complete_maxima(populations: Mapping[str, Chain], inputs: Mapping[str, Real]) -> None:
    """Give maxima whose spikes act in a later step alone the last steps, which the module does not compute.

    Args:
        populations: those of a run, in which these maxima lack calls.
        inputs: what every input sends, shape (time, batch, n).
    """
    steps = max((len(chain.calls) for chain in populations.values()), default=0)
    for step in range(1, steps):
        for chain in populations.values():
            if chain.neurons.relay and len(chain.calls) == step:
                made = _step_after(chain.calls[-1], populations, inputs)
                chain.calls += [made] if made else []


def _step_after(call: Call, populations: Mapping[str, Chain], inputs: Mapping[str, Real]) -> Call | None:
    """The call of a maximum a step later than another one; None if what it is taken of is not known there."""
    count = call.current
    terms = {(source, sent if sent == ALWAYS else sent + 1): path for (source, sent), path in count.terms.items()}
    numbers = np.zeros(call.spikes.shape)
    for (source, sent), path in terms.items():
        rows = inputs[source] if source in inputs else [one.spikes for one in populations[source].calls]
        if sent >= len(rows):
            return None
        numbers += np.asarray(identity(path.weight, count.size).by_synapse().given @ rows[sent].T).T
    fired = (numbers > 0).astype(np.float64)
    return Call(replace(count, terms=terms), fired, {"v": np.zeros(fired.shape)}, call.where)
