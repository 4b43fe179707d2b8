"""The graph of a network: inputs above, every population below those that feed it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from ssdp_hw.display import Axes, Drawn, count
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.pictures.style import AFTER, BEFORE, CHANGED, FIXED, INK, WIDTH, panels, picture, short, title
from ssdp_hw.running.drive import AnyNetwork

# Height of a box, where rows are one apart; room beside the boxes for arrows that lead back; inches of a row.
_HIGH, _MARGIN, _ROW = 0.66, 0.3, 0.95
# Letters that fit an inch of a box.
_LETTERS = 11.5


@picture
def draw(network: AnyNetwork, *, ax: Axes | None = None) -> Drawn:
    """See :meth:`ssdp_hw.network.graph.Graph.plot`."""
    ranks, back = layout(network)
    rows: dict[int, list[str]] = defaultdict(list)
    for name, rank in ranks.items():
        rows[rank].append(name)
    depth, widest = max(ranks.values()) + 1, max(map(len, rows.values()))
    (one,) = panels(ax, [max(1.6, min(_ROW, 14 / depth) * depth)])
    places = {
        name: ((k + 0.5) / len(names), -float(rank)) for rank, names in rows.items() for k, name in enumerate(names)
    }
    wide = 0.9 / max(widest, 1.5)
    for q in network.projections:
        _arrow(one, q, places, ranks, wide, leads_back=q.name in back)
    for name, place in places.items():
        _box(one, network, name, place, wide)
    around = {np.sign(places[q.pre][0] - places[q.post][0]) for q in network.projections
              if ranks[q.post] - ranks[q.pre] > 1}  # fmt: skip
    left, right = -1.0 in around, bool(back or around - {-1.0})
    one.set_xlim(-_MARGIN if left else -_MARGIN / 4, 1 + _MARGIN if right else 1 + _MARGIN / 4)
    one.set_ylim(-depth + 0.62, 0.38)
    one.set_axis_off()
    title(one, _finding(network))
    return one


def layout(network: AnyNetwork) -> tuple[dict[str, int], set[str]]:
    """The row of every input and population, and the projections that lead back, so that all others lead down.

    A row is the number of projections of the longest way from an input, leaving out those that close a circle.
    """
    order: list[str] = []
    back: set[str] = set()
    done: set[str] = set()
    names = (*network.input_names, *network.population_names)
    # What nothing feeds stands above; then what only circles lead to.
    for start in sorted(names, key=lambda name: bool(network.incoming(name))):
        open_ = {start: iter(network.outgoing(start))} if start not in done else {}
        done.add(start)
        while open_:  # depth first, without recursion: networks may be deep
            name = next(reversed(open_))
            for q in open_[name]:
                if q.post in open_:
                    back.add(q.name)
                elif q.post not in done:
                    done.add(q.post)
                    open_[q.post] = iter(network.outgoing(q.post))
                    break
            else:
                order.append(name)
                del open_[name]
    ranks: dict[str, int] = {}
    for name in reversed(order):
        ranks[name] = max((1 + ranks[q.pre] for q in network.incoming(name) if q.name not in back), default=0)
    # A neuron that only brings a bias stands right above what it drives.
    for name in network.helpers:
        ranks[name] = max(0, min(ranks[q.post] for q in network.outgoing(name)) - 1)
    return {name: ranks[name] for name in names}, back


def _box(ax: Axes, network: AnyNetwork, name: str, place: tuple[float, float], wide: float) -> None:
    x, y = place
    color = AFTER if name in network.outputs else FIXED
    if name in network.input_names:
        color, lines = BEFORE, [count(network.size_of(name), "channel")]
    else:
        incoming = network.incoming(name)
        lines = [f"{network.size_of(name):,} {_model(network, name)}"]
        if incoming:
            lines.append(f"{count(sum(q.synapse_count for q in incoming), 'synapse')} in")
        delay = max((q.max_delay for q in incoming), default=0)
        if delay:
            lines.append(f"delays to {delay}")
        if name in network.helpers:
            color = BEFORE
    ax.add_patch(
        FancyBboxPatch(
            (x - wide / 2, y - _HIGH / 2),
            wide,
            _HIGH,
            boxstyle="round,pad=0,rounding_size=0.02",
            mutation_aspect=4,
            fc="white",
            ec=color,
            lw=1.8,
            zorder=3,
        )
    )
    letters = max(5, int(wide * WIDTH * _LETTERS / (1 + _MARGIN)))
    texts = [short(name, letters - 2), *(short(text, letters) for text in lines)]
    for k, text in enumerate(texts):
        height = y + min(0.175, 0.6 / len(texts)) * ((len(texts) - 1) / 2 - k)
        weight = "normal" if k else "bold"
        ax.text(x, height, text, ha="center", va="center", fontsize=9, fontweight=weight, color=INK, zorder=4)


def _model(network: AnyNetwork, name: str) -> str:
    if isinstance(network, FixedNetwork):
        p = network.population(name)
        model = "CUBA LIF" if p.is_cuba_lif else p.declared.name
    else:
        model = network.population(name).neuron.kind
    return model if network.population(name).spiking else f"{model}, no spikes"


def _arrow(
    ax: Axes,
    q: BaseProjection,
    places: dict[str, tuple[float, float]],
    ranks: dict[str, int],
    wide: float,
    *,
    leads_back: bool,
) -> None:
    (x0, y0), (x1, y1) = places[q.pre], places[q.post]
    half, right = _HIGH / 2, wide / 2
    if q.pre == q.post:
        start, stop, bend = (x0 + right, y0 + 0.1), (x0 + right, y0 - 0.1), -1.6
    elif leads_back:
        start, stop, bend = (x0 + right, y0), (x1 + right, y1), 0.5
    else:
        start, stop, bend = (x0, y0 - half), (x1, y1 + half), 0.0
        if ranks[q.post] - ranks[q.pre] > 1:  # past rows between: around their boxes, from side to side
            side = 1.0 if x0 >= x1 else -1.0
            start, stop, bend = (x0 + side * right, y0), (x1 + side * right, y1), -0.3 * side
    ax.add_patch(
        FancyArrowPatch(
            start,
            stop,
            arrowstyle="-|>",
            mutation_scale=11,
            connectionstyle=f"arc3,rad={bend}",
            color=CHANGED if leads_back else INK,
            ls="--" if leads_back else "-",
            lw=1.2,
            shrinkA=0,
            shrinkB=0,
            zorder=2,
        )
    )


def _finding(network: AnyNetwork) -> str:
    synapses = sum(q.synapse_count for q in network.projections)
    neurons = sum(p.size for p in network.populations)
    said = f"{count(neurons, 'neuron')} and {count(synapses, 'synapse')}"
    said += f"; a spike reaches the output after {count(network.latency, 'step')}"
    own = len({q.post for q in network.projections if q.pre == q.post})  # a layer may do so by several projections
    return f"{said}; {count(own, 'layer feeds itself', 'layers feed themselves')}" if own else said
