"""Local learning rules in float and in integers: SSDP (arXiv 2505.14841), pair STDP, SADP, and any that is declared.

The step of SSDP is in ``ssdp.py`` (float) and ``fixed_ssdp.py`` (integers), and once more as a declaration in
``models/``, where a new rule is one more file. ``counter.py`` moves weights by synchrony counters, ``gate.py`` (float)
and ``fixed_gate.py`` (integers) are the third factor of DA-SSDP, ``derivation.py`` turns a float rule into integers.
"""

from ssdp_hw.deprecation import renamed_names
from ssdp_hw.rules.batch_ssdp import BatchSSDP, Schedule, batch_synchrony, batch_update
from ssdp_hw.rules.counter import CounterRule
from ssdp_hw.rules.csdp_layer import csdp
from ssdp_hw.rules.declared import FixedDeclaredRule, FloatDeclaredRule, rule
from ssdp_hw.rules.fixed_gate import FixedGate
from ssdp_hw.rules.fixed_ssdp import FixedSSDP
from ssdp_hw.rules.formula import Rule
from ssdp_hw.rules.gate import Gate, WarmUp
from ssdp_hw.rules.local import FloatRule, LocalRule, PreTrace, WeightRounding
from ssdp_hw.rules.model import (
    AliveBit,
    Quantity,
    RuleFactor,
    RuleKind,
    RuleModel,
    RuleParameter,
    RuleVariable,
    StateRead,
    WrittenVariable,
)
from ssdp_hw.rules.registry import register_rule, rule_model, rule_names
from ssdp_hw.rules.released import released_ssdp
from ssdp_hw.rules.sadp import SADP, FixedSADP
from ssdp_hw.rules.spike_times import SpikeTime
from ssdp_hw.rules.ssdp import SSDP, LearningWindow, SilentPairs
from ssdp_hw.rules.stdp import STDP, FixedSTDP, Pairing, TraceRounding
from ssdp_hw.rules.tess_layer import tess

__all__ = [
    "SADP",
    "SSDP",
    "STDP",
    "AliveBit",
    "BatchSSDP",
    "CounterRule",
    "FixedDeclaredRule",
    "FixedGate",
    "FixedSADP",
    "FixedSSDP",
    "FixedSTDP",
    "FloatDeclaredRule",
    "FloatRule",
    "Gate",
    "LearningWindow",
    "LocalRule",
    "Pairing",
    "PreTrace",
    "Quantity",
    "Rule",
    "RuleFactor",
    "RuleKind",
    "RuleModel",
    "RuleParameter",
    "RuleVariable",
    "Schedule",
    "SilentPairs",
    "SpikeTime",
    "StateRead",
    "TraceRounding",
    "WarmUp",
    "WeightRounding",
    "WrittenVariable",
    "batch_synchrony",
    "batch_update",
    "csdp",
    "register_rule",
    "released_ssdp",
    "rule",
    "rule_model",
    "rule_names",
    "tess",
]

__getattr__ = renamed_names(__name__, {"Kernel": "LearningWindow"})
