"""Matplotlib figures as SVG that stands in a page and takes the page's colours, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from markupsafe import Markup

from ssdp_hw.errors import MissingPackageError

# Stand-ins, which the page replaces: each is one colour of its style sheet, by the name of the variable there.
# They can be told apart without colour vision (Okabe and Ito, Color Universal Design, 2008).
TEXT, GRID, PAPER = "#010203", "#040506", "#fdfeff"
FLOAT, FIXED, BEFORE, AFTER, LIMIT = "#d55e01", "#0072b3", "#8a8a8b", "#009e74", "#cc79a8"
VARIABLES = {
    TEXT: "currentColor",
    GRID: "var(--line)",
    PAPER: "var(--paper)",
    FLOAT: "var(--float)",
    FIXED: "var(--fixed)",
    BEFORE: "var(--before)",
    AFTER: "var(--after)",
    LIMIT: "var(--limit)",
}
STYLE = {
    "svg.fonttype": "none",
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": GRID,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@contextmanager
def drawing(width: float, height: float, rows: int = 1, **options: Any) -> Iterator[tuple[Any, Any, list[Markup]]]:
    """A figure and its axes, one below the other; when the block ends its SVG is the only entry of the list.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingPackageError(
            "plots need matplotlib, which is not installed: pip install 'ssdp-hw[report]'"
        ) from None
    out: list[Markup] = []
    name = options.pop("name")
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 1, squeeze=False, **options)[:, 0]
        yield figure, axes, out
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    out.append(_inline(buffer.getvalue(), name))


def _inline(text: str, name: str) -> Markup:
    """The ``<svg>`` element alone, without what only a file needs, with ids of its own and colours of the page."""
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style type=\"text/css\">.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*</defs>\s*", "", svg)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'xlink:href="#', 'href="#', svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    for color, variable in VARIABLES.items():
        svg = re.sub(re.escape(color), variable, svg, flags=re.IGNORECASE)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    return Markup(svg.strip())  # noqa: S704 - matplotlib escapes the texts of a figure
