"""The files of a report."""

from __future__ import annotations

import json
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssdp_hw.errors import FileFormatError, UnsupportedError
from ssdp_hw.files import write_atomically, write_text

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
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is Markdown, not HTML
    )
    return environment.from_string(source).render(**values)


def write_demo_report(result: DemoResult, directory: str | Path) -> Path:
    """Write ``report.md``, its plots and ``results.json`` into a directory; the report's path.

    Raises:
        UnsupportedError: matplotlib or jinja2 is not installed.
        FileFormatError: the directory cannot be written.
    """
    from ssdp_hw.report.plots import plot_accuracy, plot_learning, plot_raster

    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileFormatError(f"{folder}: cannot be made ({error.strerror or error})") from None
    for name, plot in (("accuracy", plot_accuracy), ("learning", plot_learning), ("raster", plot_raster)):
        write_atomically(folder / f"{name}.png", partial(plot, result))
    write_text(folder / "results.json", json.dumps(result.to_dict(), indent=2, default=str) + "\n")
    write_text(folder / "report.md", render("demo.md.jinja", r=result, c=result.comparison))
    return folder / "report.md"
