"""By how many steps populations are later in a network, where every projection takes a step, than in the module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from ssdp_hw.conversion.torch.folding import FoldedPopulation
from ssdp_hw.errors import UnsupportedError

Folded = Mapping[str, FoldedPopulation]


@dataclass(eq=False)
class _Edge:
    """Spikes of ``source`` that drive ``target``, sent ``delay`` of the module's steps before.

    ``advised`` is by how many steps a network could have them.
    """

    source: str
    target: str
    delay: int
    advised: int


def lags_of(folded: Folded, inputs: Mapping[str, int]) -> dict[str, int]:
    """The number of steps by which each input and population of the network is later than in the module.

    Raises:
        UnsupportedError: a loop in which spikes come back in fewer steps than it has projections.
    """
    sources = {name: [k for k, _ in p.terms if k != name] for name, p in folded.items()}
    found = dict.fromkeys(inputs, 0)
    try:
        order = list(TopologicalSorter(sources).static_order())
    except CycleError:
        return _lags_of_loops(folded, inputs)
    for name in order:
        if name not in found:
            found[name] = 1 + max((found[source] for source in sources[name]), default=-1)
    return found


def _lags_of_loops(folded: Folded, inputs: Mapping[str, int]) -> dict[str, int]:
    """The least lags by which every spike has arrived when it acts."""
    edges = [_Edge(s, name, d, d) for name, p in folded.items() for s, d in p.terms if s != name]
    first = {**dict.fromkeys(inputs, 0), **{name: int(bool(p.terms)) for name, p in folded.items()}}
    lags, begun = _least_lags(edges, first)
    if not begun:
        return lags
    # One loop after the other gets the steps that it lacks, so that the advice is whole.
    loop = begun
    while loop:
        max(loop, key=lambda e: e.advised).advised += sum(1 - e.advised for e in loop)
        _, loop = _least_lags(edges, first)
    raise UnsupportedError(_refused(folded, begun, [e for e in edges if e.advised != e.delay]))


def _least_lags(edges: list[_Edge], first: Mapping[str, int]) -> tuple[dict[str, int], list[_Edge]]:
    """Least lags, or a loop that has none: its edges, in the order in which spikes pass them."""
    found, moved_by = dict(first), dict[str, _Edge]()
    for _ in range(len(found) + 1):
        moved = ""
        for e in edges:
            if found[e.source] + 1 - e.advised > found[e.target]:
                found[e.target], moved_by[e.target], moved = found[e.source] + 1 - e.advised, e, e.target
        if not moved:
            return found, []
    for _ in found:  # what still moves lies on such a loop or behind it: go back into it
        moved = moved_by[moved].source
    loop = [moved_by[moved]]
    while loop[-1].source != moved:
        loop.append(moved_by[loop[-1].source])
    return found, loop[::-1]


def _refused(folded: Folded, loop: list[_Edge], longer: list[_Edge]) -> str:
    """What a loop lacks, and the spikes of how many steps before would do."""
    maxima = ", ".join(f"'{e.target}'" for e in loop if folded[e.target].neurons.relay)
    also = f" (a maximum of spikes is a layer too: {maxima})" if maxima else ""
    taken = "; ".join(
        f"'{e.target}' takes those of '{e.source}' of {_before(e.delay)} ({folded[e.target].where})" for e in loop
    )
    advice = "; ".join(f"'{e.target}' take those of '{e.source}' of {_before(e.advised)}" for e in longer)
    return (
        f"spikes go round a loop of {len(loop)} layers{also} in {_steps(sum(e.delay for e in loop))}, and on a chip "
        f"they take a step from each layer to the next: {taken}. No network here does the same. Give the module longer "
        f"loops and train it so: let {advice} (keep the spikes of several steps: `earlier, last = last, "
        "spikes`). Spikes that a layer sends to itself take one step, and may stay"
    )


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _before(delay: int) -> str:
    return f"{_steps(delay)} before" if delay else "the same step"
