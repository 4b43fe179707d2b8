"""Weights of a fixed network, projection by projection: the stored integers beside the float weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.display import Axes, Drawn, count
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.float_network import Network, Projection
from ssdp_hw.pictures.style import CHANGED, FIXED, INK, legend, panels, picture, several, short, title
from ssdp_hw.quantization.split import parts_of

_PANELS, _BINS = 5, 64


@picture
def draw(
    fixed: FixedNetwork,
    source: Network | None = None,
    *,
    projections: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Drawn:
    """See :meth:`ssdp_hw.FixedNetwork.plot_weights`."""
    chosen, left = _chosen(fixed, source, projections)
    axes = panels(ax, [1.7] * len(chosen))
    errors: list[NDArray[np.float64]] = []
    for one, q in zip(axes, chosen, strict=True):
        wanted = None if source is None else in_lsb(source.projection(q.name), q)
        _histograms(one, q, wanted)
        if wanted is not None:
            errors.append(wanted - q.mantissa)
    axes[-1].set_xlabel("stored integer" + (f" ({count(left, 'smaller projection')} not drawn)" if left else ""))
    first = axes[0]
    title(first, _finding(chosen, errors))
    if source is not None:
        legend(first, 3)
    return several(axes)


def _chosen(
    fixed: FixedNetwork, source: Network | None, projections: Sequence[str] | None
) -> tuple[list[FixedProjection], int]:
    """The projections to draw, and how many others there are."""
    if projections is not None:
        names = list(projections)
    elif source is not None:
        names = [p.name for p in source.projections if parts_of(fixed, p.name) and p.synapse_count]
    else:
        names = [q.name for q in fixed.projections if q.synapse_count]
    found = [fixed.projection(name) for name in names]
    if not found:
        raise ParameterError("the network has no weights to draw")
    if projections is not None:
        return found, 0
    # Those with most weights are drawn, in the order of the network.
    largest = sorted(found, key=lambda q: -q.stored_weights.size)[:_PANELS]
    return [q for q in found if q in largest], len(found) - len(largest)


def in_lsb(p: Projection, q: FixedProjection) -> NDArray[np.float64]:
    """The float weights of a projection in LSBs of its fixed form, in the order of ``q.mantissa``.

    Raises:
        ParameterError: the scale is unknown, or the weights are stored in another form.
    """
    if q.scale is None:
        raise ParameterError(f"projection '{q.name}': its scale is unknown, so its float weights have no place here")
    scaled = p.stored.times_rows(np.broadcast_to(np.asarray(q.scale, np.float64), (q.shape[0],)))
    values = scaled.values if scaled.values.size == q.mantissa.size else scaled.by_synapse().values
    if values.size != q.mantissa.size:
        raise ParameterError(
            f"projection '{q.name}' stores {q.mantissa.size} weights, the float network {values.size}: give the "
            "network that was quantised"
        )
    return np.asarray(values / float(1 << q.format.lsb_shift), np.float64)


def _histograms(ax: Axes, q: FixedProjection, wanted: NDArray[np.float64] | None) -> None:
    low, high = q.format.mantissa_min, q.format.mantissa_max
    # Bins hold equally many integers, so that none looks fuller for its width.
    width = max(1, -(-(high - low + 1) // _BINS))
    edges = np.arange(low, high + width + 1, width) - 0.5
    ax.hist(q.mantissa, edges.tolist(), color=FIXED, alpha=0.75, label="integers")
    if wanted is not None:
        ax.hist(np.clip(wanted, edges[0], edges[-1]), edges.tolist(), histtype="step", color=INK, lw=1.2, label="float")
        outside = int(np.count_nonzero((wanted < low - 0.5) | (wanted > high + 0.5)))
        if outside:
            ax.text(
                0.99, 0.9, count(outside, "float weight") + " outside", transform=ax.transAxes, ha="right", va="top",
                color=CHANGED, fontsize=9,
            )  # fmt: skip
    ax.set_xlim(edges[0], edges[-1])
    ax.set_yscale("symlog", linthresh=1)
    ax.set_ylim(0, None)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set_ylabel(short(q.name, 16) + "\nweights", fontsize=9.5)


def _finding(chosen: list[FixedProjection], errors: list[NDArray[np.float64]]) -> str:
    stored = np.concatenate([q.mantissa.astype(np.int64) for q in chosen])
    bits = sorted({q.format.bits for q in chosen})
    head = f"{' to '.join(map(str, dict.fromkeys((bits[0], bits[-1]))))} bits"
    if not errors:
        ends = np.concatenate(
            [(q.mantissa <= q.format.mantissa_min) | (q.mantissa >= q.format.mantissa_max) for q in chosen]
        )
        return (
            f"{head}: {np.mean(stored == 0):.1%} of {count(stored.size, 'weight')} are 0, "
            f"{np.mean(ends):.1%} lie at an end of their range"
        )
    off = np.concatenate(errors)
    zeroed = int(np.count_nonzero((stored == 0) & (off != 0)))
    worst = float(np.max(np.abs(off), initial=0.0))
    return (
        f"{head} put a weight off by {np.sqrt(np.mean(off**2)):.2f} LSB (root mean square), at most {worst:.2f}; "
        f"{zeroed:,} of {stored.size:,} became 0"
    )
