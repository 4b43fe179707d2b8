"""The page of a report, made from its numbers alone."""

from __future__ import annotations

from ssdp_hw.reporting import sample_sections, sections
from ssdp_hw.reporting.data import ReportData
from ssdp_hw.reporting.finding import finding
from ssdp_hw.reporting.numbers import Numbers
from ssdp_hw.reporting.templates import read_template, render

# The parts of the page in their order; a part without numbers is None and left out.
PARTS = (
    sample_sections.agreement,
    sample_sections.ladder,
    sections.network,
    sections.quantization,
    sections.proof,
    sample_sections.raster,
    sample_sections.ranges,
    sample_sections.learning,
    sections.resources,
    sections.environment,
)


def render_page(data: ReportData, json_name: str = "") -> str:
    """The HTML text: the same for the same numbers.

    Args:
        data: the numbers.
        json_name: name of the file with them, to link to.

    Raises:
        MissingPackageError: jinja2 or matplotlib is not installed.
    """
    numbers = Numbers(data.to_dict())
    found = [part(data, numbers) for part in PARTS]
    return render(
        "page.html.jinja",
        title=data.title,
        finding=finding(data, numbers),
        sections=[section for section in found if section is not None],
        made=data.environment.get("made", ""),
        version=data.environment.get("ssdp-hw", ""),
        json_name=json_name,
        style=read_template("page.css"),
        script=read_template("page.js"),
    )
