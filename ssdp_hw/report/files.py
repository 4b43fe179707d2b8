"""The files of a report."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssdp_hw.errors import UnsupportedError
from ssdp_hw.files.atomic import write_together

if TYPE_CHECKING:
    from ssdp_hw.demo import DemoResult


def render(template: str, **values: Any) -> str:
    """A template of this package, filled in.

    Raises:
        UnsupportedError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError:
        raise UnsupportedError(
            "reports need jinja2 and matplotlib, which are not installed: pip install 'ssdp-hw[report]'"
        ) from None
    source = (resources.files("ssdp_hw.report") / template).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is Markdown, not HTML
    )
    return environment.from_string(source).render(**values)


def write_demo_report(result: DemoResult, directory: str | Path) -> Path:
    """Write ``report.md``, its plots and ``results.json`` into a directory; the report's path.

    They are written all or, if anything fails, none: an older report is never mixed with a new one.

    Raises:
        UnsupportedError: matplotlib or jinja2 is not installed.
        FileFormatError: the directory cannot be written.
    """
    from ssdp_hw.report.plots import plot_accuracy, plot_ladder, plot_learning, plot_raster

    def write(folder: Path) -> None:
        text = render("demo.md.jinja", r=result, c=result.comparison)
        (folder / "report.md").write_text(text, encoding="utf-8")
        (folder / "results.json").write_text(json.dumps(result.to_dict(), indent=2) + "\n", encoding="utf-8")
        plot_accuracy(result, folder / "accuracy.png")
        plot_learning(result, folder / "learning.png")
        plot_raster(result, folder / "raster.png")
        plot_ladder(result.ladder, folder / "ladder.png")

    write_together(directory, write)
    return Path(directory) / "report.md"
