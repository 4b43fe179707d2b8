"""One report of a network on a chip: a page, and the raw numbers as JSON beside it."""

from ssdp_hw.reporting.data import ReportData
from ssdp_hw.reporting.demo import write_demo_report

__all__ = ["ReportData", "write_demo_report"]
