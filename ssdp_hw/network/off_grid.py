"""Weights of files from versions that let the sum of a negative weight exponent be shifted, instead of each weight.

Up to version 0.1.0 a projection with ``weight_exp = -k`` could hold weights that are no multiples of ``2**k``. A chip
shifts each weight, and so drops the bits below.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssdp_hw.files.record import Record
from ssdp_hw.network.formats import SignMode, WeightFormat

# The array of a projection's record that holds its weights: dense, sparse, of a convolution.
_WEIGHTS = ("weight", "data", "kernel")


def floor_to_grid(record: Record) -> str | None:
    """Bring the weights of a fixed projection's record to the grid of its exponent: ``floor(w / 2**k) * 2**k``.

    Inhibitory weights below the smallest on the grid get mixed signs. Weights that are wrong in another way stay as
    they are, for the projection to refuse.

    Returns:
        What was changed, in a sentence, or None.

    Raises:
        SsdpHwError: a format that there is not.
        Exception: of any other kind, where a file is damaged.
    """
    exponent, own = record.values["weight_exp"], WeightFormat(**record.values["format"])
    name = next(n for n in _WEIGHTS if n in record.arrays)
    values, number = record.arrays[name], own.at_exponent(exponent)
    if not number.right_shift or not values.size or own.violation(values) is not None:
        return None
    floored = number.floored(values)
    changed = int(np.count_nonzero(floored != values))
    if not changed:
        return None
    if floored.min() < number.min:
        own = replace(own, sign_mode=SignMode.MIXED)
        number = own.at_exponent(exponent)
    kept = np.maximum(floored, number.min)
    record.arrays[name] = kept
    record.values["format"] = own.to_dict()
    note = (
        f"projection '{record.values['name']}': {changed} of {values.size} weights were no multiples of {number.step}, "
        f"the step at weight_exp {exponent}; they were rounded down to floor(w / {number.step}) * {number.step}, which "
        "is what a chip adds"
    )
    clipped = int(np.count_nonzero(kept != floored))
    if clipped:
        note += f"; {clipped} of them came below {number.min}, the smallest weight, and were set to it"
    return note
