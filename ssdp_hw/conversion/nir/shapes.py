"""The input and output shape of every node, found by a walk from the inputs through the graph.

A node whose parameters are scalars, a pooling, and a convolution without ``input_shape`` (older files)
take the shape that arrives. Where nothing arrives yet, as in loops, a node's own shape starts the walk;
a node that fits any shape and that nothing feeds takes that of the node behind it.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Sequence

from ssdp_hw.conversion.nir.convolution import convolution, pooling
from ssdp_hw.conversion.nir.nodes import (
    CONVOLUTIONS,
    MATRICES,
    POOLINGS,
    Port,
    declared_shape,
    flattened,
    kind_of,
    own_shape,
    spatial_axes,
)
from ssdp_hw.conversion.nir.wiring import Wiring
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.convolution import Shape

# Limit of the values of all nodes together. A graph with more has a wrong shape somewhere.
MAX_VALUES = 1 << 24


def find_shapes(wiring: Wiring) -> None:
    """Fill in ``shape_in``, ``shape_out`` and ``convolutions``, and note what had to be inferred.

    Raises:
        ParameterError: too many values.
        ShapeError: a shape or a convolution that makes no sense or that nothing tells, or an edge whose
            ends differ.
    """
    own = {name: own_shape(name, node) for name, node in wiring.nodes.items()}
    for name in wiring.named("Input"):
        own[name] = _without_time(wiring, name, own[name], [own[k] for k in wiring.after[name]])
    _walk(wiring, own, [n for n in wiring.named("Input") if own[n] is not None])
    _walk(wiring, own, [n for n, shape in own.items() if shape is not None])
    _walk_back(wiring, own)
    for name, node in wiring.nodes.items():
        if name not in wiring.shape_in:
            declared = declared_shape(name, node) if isinstance(node, Port) else None
            own[name] = declared or (None if spatial_axes(node) else (1,))
            _walk(wiring, own, [name])
    for name in wiring.named("Output"):
        given = [wiring.shape_out[k] for k in wiring.before[name]]
        shape = _without_time(wiring, name, wiring.shape_in[name], given)
        wiring.shape_in[name] = wiring.shape_out[name] = shape or (1,)
    total = sum(wiring.gives(name) for name in wiring.nodes)
    if total > MAX_VALUES:
        largest = max(wiring.nodes, key=wiring.gives)
        raise ParameterError(
            f"the nodes have {total} values together, above the limit of {MAX_VALUES}; the largest is "
            f"{wiring.title(largest)} with {wiring.gives(largest)}"
        )
    for pre, post in sorted((pre, post) for pre, behind in wiring.after.items() for post in behind):
        _check_sizes(wiring, pre, post)


def _walk_back(wiring: Wiring, own: dict[str, Shape | None]) -> None:
    """Set the shapes of nodes that fit any shape by those of the nodes behind them, the first of the graph first."""
    names = list(wiring.nodes)
    position = {name: k for k, name in enumerate(names)}
    waiting = [position[n] for n in names if n not in wiring.shape_in and _behind(wiring, n) is not None]
    while waiting:  # a heap
        name = names[heapq.heappop(waiting)]
        if name in wiring.shape_in:
            continue
        own[name] = _behind(wiring, name)
        for settled in _walk(wiring, own, [name]):
            for before in wiring.before[settled]:
                if before not in wiring.shape_in and _behind(wiring, before) is not None:
                    heapq.heappush(waiting, position[before])


def _walk(wiring: Wiring, own: dict[str, Shape | None], start: list[str]) -> list[str]:
    """Set the shapes of these nodes by their own parameters, then of every node behind them that they determine.

    Returns:
        The nodes whose shapes were set.
    """
    found = []
    for first in start:
        queue: deque[tuple[str, Shape | None]] = deque([(first, None)])
        while queue:
            name, arriving = queue.popleft()
            if name in wiring.shape_in:
                continue
            _settle(wiring, name, own[name], arriving)
            found.append(name)
            queue += [(k, wiring.shape_out[name]) for k in wiring.after[name]]
    return found


def _settle(wiring: Wiring, name: str, own: Shape | None, arriving: Shape | None) -> None:
    node, kind, owner = wiring.nodes[name], kind_of(wiring.nodes[name]), wiring.title(name)
    taken = own or arriving
    if taken is None:
        raise ShapeError(f"{owner}: nothing tells the shape of its input; give the Input before it a shape")
    if own and arriving and len(own) == 1 and math.prod(arriving) == own[0] and kind not in MATRICES:
        taken = arriving  # a single axis of as many values takes the axes of the node
    axes = spatial_axes(node)
    if axes:
        if own is None:
            taken = _spatial(taken, 1 + axes)
        if own is None and kind in CONVOLUTIONS:
            wiring.repairs.append(f"{owner} states no input_shape; it is {taken[1:]}, as what arrives there")
        made = (
            pooling(owner, node, taken, average=kind == "AvgPool2d")
            if kind in POOLINGS
            else convolution(owner, node, taken, axes)
        )
        wiring.convolutions[name] = made
        given = made.shape_out
    elif kind in MATRICES:
        given = (int(node.weight.shape[0]),)
    elif kind == "Flatten":
        given = flattened(owner, node, taken)
    else:
        given = taken
    if isinstance(node, Port):
        declared = declared_shape(name, node)
        if declared and math.prod(declared) != math.prod(taken):
            wiring.repairs.append(f"{owner} declares the shape {declared}, but what passes through it has {taken}")
    wiring.shape_in[name], wiring.shape_out[name] = taken, given


def _spatial(shape: Shape, length: int) -> Shape:
    """A shape without the leading axes of 1 (a batch of 1) that are too many."""
    while len(shape) > length and shape[0] == 1:
        shape = shape[1:]
    return shape


def _behind(wiring: Wiring, name: str) -> Shape | None:
    """The shape that a node which fits any shape needs for the node behind it."""
    if spatial_axes(wiring.nodes[name]):
        return None
    return next((wiring.shape_in[k] for k in wiring.after[name] if k in wiring.shape_in), None)


def _without_time(wiring: Wiring, name: str, shape: Shape | None, neighbours: Sequence[Shape | None]) -> Shape | None:
    """The shape of an Input or Output without a leading axis of time, which some writers include."""
    known = {math.prod(k) for k in neighbours if k is not None}
    if shape is None or len(shape) < 2 or shape[0] == 1 or known != {math.prod(shape[1:])}:
        return shape
    wiring.repairs.append(
        f"{wiring.title(name)} declares the shape {shape}; its first axis is taken for time, since its neighbours "
        f"have {math.prod(shape[1:])} values"
    )
    return shape[1:]


def _check_sizes(wiring: Wiring, pre: str, post: str) -> None:
    if wiring.gives(pre) != wiring.takes(post):
        raise ShapeError(
            f"edge '{pre}' -> '{post}': {wiring.title(pre)} gives {wiring.gives(pre)} values, but "
            f"{wiring.title(post)} takes {wiring.takes(post)}{_transposed(wiring, pre, post)}"
        )
    given, taken = wiring.shape_out[pre], wiring.shape_in[post]
    if post in wiring.convolutions and len(given) > 1 and _spatial(given, len(taken)) != taken:
        raise ShapeError(
            f"edge '{pre}' -> '{post}': {wiring.title(pre)} gives the shape {given}, but {wiring.title(post)} takes "
            f"{taken}"
        )


def _transposed(wiring: Wiring, pre: str, post: str) -> str:
    node = wiring.nodes[post]
    if kind_of(node) not in MATRICES or node.weight.shape[0] != wiring.gives(pre):
        return ""
    return (
        f"; its weight of shape {node.weight.shape} looks transposed, since NIR's is (outputs, inputs): transpose the "
        "weights of the graph (square ones too, which fit both ways) and read it again"
    )
