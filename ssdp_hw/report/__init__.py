"""One report of a run: Markdown, plots, and the raw numbers as JSON beside it."""

from ssdp_hw.report.files import write_demo_report

__all__ = ["write_demo_report"]
