"""On-chip learning: samples presented to a network whose weights follow a rule."""

from ssdp_hw.deprecation import moved_names

__getattr__ = moved_names(__name__, ("LearnResult", "Teach", "learn"), "ssdp_hw.learning.learn")
