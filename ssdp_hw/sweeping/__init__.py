"""Studies over many parameters: a store that loses nothing, workers on one computer or many, tables and pictures."""

from ssdp_hw.sweeping.lesson import Lesson
from ssdp_hw.sweeping.points import RandomSamples, Range
from ssdp_hw.sweeping.result import SweepResult
from ssdp_hw.sweeping.search import BitSearch, search_bits
from ssdp_hw.sweeping.sweep import sweep

__all__ = ["BitSearch", "Lesson", "RandomSamples", "Range", "SweepResult", "search_bits", "sweep"]
