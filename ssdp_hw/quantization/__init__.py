"""From a float network to a chip's integers, with a report of what that loses."""

from ssdp_hw.network.quantization_report import PopulationReport, ProjectionReport, QuantizationReport
from ssdp_hw.quantization.options import Granularity, Method, ProjectionOptions
from ssdp_hw.quantization.to_fixed import quantize
from ssdp_hw.quantization.to_float import dequantize

__all__ = [
    "Granularity",
    "Method",
    "PopulationReport",
    "ProjectionOptions",
    "ProjectionReport",
    "QuantizationReport",
    "dequantize",
    "quantize",
]
