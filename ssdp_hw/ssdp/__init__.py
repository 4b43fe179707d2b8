"""Spike-synchrony-dependent plasticity (SSDP, arXiv 2505.14841) in float and in integers."""

from ssdp_hw.rules.gate import Gate, WarmUp
from ssdp_hw.rules.local import WeightRounding
from ssdp_hw.ssdp.batch import BatchSSDP, Schedule, batch_synchrony, batch_update
from ssdp_hw.ssdp.fixed_rule import FixedSSDP
from ssdp_hw.ssdp.registers import SpikeTime
from ssdp_hw.ssdp.rule import SSDP, Kernel, SilentPairs

__all__ = [
    "SSDP", "BatchSSDP", "FixedSSDP", "Gate", "Kernel", "Schedule", "SilentPairs", "SpikeTime", "WarmUp",
    "WeightRounding", "batch_synchrony", "batch_update",
]
