"""Many small arrays as a few large ones, with an index that tells how to take them apart again.

``values/<k>`` holds all arrays of one type, in C order and one after the other. ``index`` is JSON in UTF-8: ``paths``,
``kinds`` (the k of each) and ``shapes``, in the order in which they lie there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ssdp_hw.arrays import Array

# From this many arrays on they are packed.
MANY_ARRAYS = 1000


def packed(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of a file, by path, as those that are to be stored."""
    by_type: dict[str, list[Array]] = {}
    for array in map(np.asarray, arrays.values()):
        by_type.setdefault(array.dtype.str, []).append(array.reshape(-1))
    kinds = {name: k for k, name in enumerate(by_type)}
    index = {
        "paths": list(arrays),
        "kinds": [kinds[np.asarray(array).dtype.str] for array in arrays.values()],
        "shapes": [np.shape(array) for array in arrays.values()],
    }
    text = json.dumps(index, separators=(",", ":"))
    values = {f"values/{kinds[name]}": np.concatenate(parts) for name, parts in by_type.items()}
    return {"index": np.frombuffer(text.encode(), np.uint8), **values}


def unpacked(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays that :func:`packed` stored, in mappings by the parts of their paths.

    Raises:
        Exception: of any kind, where a file is damaged.
    """
    index = json.loads(stored["index"].tobytes())
    places = dict.fromkeys(stored["values"], 0)
    found: dict[str, Any] = {}
    for path, kind, shape in zip(index["paths"], index["kinds"], index["shapes"], strict=True):
        size, start = math.prod(shape), places[str(kind)]
        part = stored["values"][str(kind)][start : start + size]
        if size < 0 or len(part) != size:
            raise ValueError(f"there are no {size} values left for '{path}'")
        places[str(kind)] = start + size
        *groups, name = path.split("/")
        inside = found
        for group in groups:
            inside = inside.setdefault(group, {})
        inside[name] = part.reshape(shape)
    # A shape that is too small would let every later array begin at values of another.
    left = {kind: len(stored["values"][kind]) - end for kind, end in places.items()}
    if any(left.values()):
        raise ValueError(f"there are {max(left.values())} values that belong to no array")
    return found
