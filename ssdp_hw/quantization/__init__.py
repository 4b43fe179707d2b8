"""From a float network to a chip's integers, with a report of what that loses."""

from ssdp_hw.quantization.report import PopulationReport, ProjectionReport, QuantizationReport
from ssdp_hw.quantization.to_fixed import quantize

__all__ = ["PopulationReport", "ProjectionReport", "QuantizationReport", "quantize"]
