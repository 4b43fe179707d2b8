"""Spike-synchrony-dependent plasticity (SSDP, arXiv 2505.14841) in float and in integers."""

from ssdp_hw.ssdp.fixed_rule import FixedSSDP
from ssdp_hw.ssdp.registers import SpikeTime
from ssdp_hw.ssdp.rule import SSDP, SilentPairs, WeightRounding

__all__ = ["SSDP", "FixedSSDP", "SilentPairs", "SpikeTime", "WeightRounding"]
