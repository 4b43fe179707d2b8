"""The files of a report: the page and its numbers."""

from __future__ import annotations

from pathlib import Path

from ssdp_hw.errors import MissingPackageError
from ssdp_hw.files.atomic import write_together
from ssdp_hw.reporting.data import ReportData


def write_report(data: ReportData, path: str | Path) -> Path:
    """Write the page and, beside it with the suffix ``.json``, its numbers; the page's path.

    Both are written or, if anything fails, none: an older page is never left beside newer numbers.

    Raises:
        MissingPackageError: matplotlib or jinja2 is not installed.
        FileFormatError: a file cannot be written.
    """
    page = Path(path)
    numbers = page.with_suffix(".json")
    try:
        from ssdp_hw.reporting.page import render_page
    except ImportError as error:
        raise MissingPackageError(
            f"reports need jinja2 and matplotlib, which are not installed ({error}): pip install 'ssdp-hw[report]'"
        ) from None
    text = render_page(data, numbers.name)

    def write(folder: Path) -> None:
        (folder / page.name).write_text(text, encoding="utf-8")
        (folder / numbers.name).write_text(data.to_json(), encoding="utf-8")

    write_together(page.parent, write)
    return page
