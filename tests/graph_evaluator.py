"""The graph of a step on arrays: each primitive by NumPy's int64, and each value held to the interval of its node."""

from __future__ import annotations

import numpy as np

from ssdp_hw.operations.node import PRIMITIVES, Node, in_order
from ssdp_hw.operations.philox import neuron_random

PRIMITIVE = {
    "add": np.add,
    "divide": np.floor_divide,
    "shift_left_by": np.left_shift,
    "shift_right_by": np.right_shift,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "select": np.where,
    "less": np.less,
    "less_equal": np.less_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
}
WITH_DETAIL = {
    "shift_left": lambda x, bits: np.left_shift(x, bits),
    "shift_right": lambda x, bits: np.right_shift(x, bits),
    "lookup": lambda index, table: np.asarray(table, np.int64)[index],
    "random": lambda step, low, high, detail: neuron_random(step, low, high, *detail),
}
# An exact graph has no quotient.
assert {*PRIMITIVE, *WITH_DETAIL, "leaf", "constant", "entry", "quotient"} == set(PRIMITIVES)


def evaluate(results: list[Node], leaves: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The values of these nodes where the leaves have these values; every value must lie in its node's interval."""
    values: dict[int, np.ndarray] = {}
    for node in in_order(results):
        arguments = [values[id(a)] for a in node.arguments]
        if node.operation == "leaf":
            value = np.asarray(leaves[node.detail], np.int64)
        elif node.operation == "constant":
            value = np.int64(node.detail)
        elif node.operation == "entry":
            value = np.asarray(leaves[node.detail], np.int64)[arguments[0]]
        elif node.operation in WITH_DETAIL:
            value = WITH_DETAIL[node.operation](*arguments, node.detail)
        else:
            value = PRIMITIVE[node.operation](*arguments)
        low, high = np.min(value), np.max(value)
        assert node.low <= low, f"{node.operation} {node.detail}: {low} is below {node.low}"
        assert high <= node.high, f"{node.operation} {node.detail}: {high} is above {node.high}"
        values[id(node)] = value
    return [values[id(node)] for node in results]
