"""What local learning rules share, and the rules that SSDP is compared with: pair STDP and SADP."""

from ssdp_hw.rules.counter import CounterRule
from ssdp_hw.rules.group_gate import FixedGate
from ssdp_hw.rules.local import FloatRule, LocalRule, WeightRounding
from ssdp_hw.rules.sadp import SADP, FixedSADP
from ssdp_hw.rules.stdp import STDP, FixedSTDP, Pairing

__all__ = [
    "SADP", "STDP", "CounterRule", "FixedGate", "FixedSADP", "FixedSTDP", "FloatRule", "LocalRule", "Pairing",
    "WeightRounding",
]
