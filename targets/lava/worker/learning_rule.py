"""Lava's object for a learning rule, and a patch by which its float model accepts spikes as factors."""

from __future__ import annotations

from typing import Any

from lava.magma.core.learning.learning_rule import Loihi2FLearningRule
from lava.magma.core.learning.learning_rule_applier import LearningRuleApplierFloat
from lava.magma.core.learning.string_symbols import SPIKE_DEPENDENCIES


def learning_rule(**arguments: str | int | float) -> Loihi2FLearningRule:
    """Make the rule; its products may have spikes as factors in ``floating_pt`` too."""
    allow_spike_factors()
    return Loihi2FLearningRule(**arguments)


def allow_spike_factors() -> None:
    """Let ``floating_pt`` take x0 and y0 as factors, as in ``x0*y0``.

    Lava's grammar and its ``fixed_pt`` model accept them. Its float model translates the rule to a Python expression
    in which x0 and y0 are variables too, but raises "Unknown Factor" where they are not the dependency of a product.
    """
    original = LearningRuleApplierFloat._extract_factor_str
    if getattr(original, "allows_spike_factors", False):
        return

    def extract(factor: Any, dep: str) -> str:
        return str(factor.state_var if factor.state_var in SPIKE_DEPENDENCIES else original(factor, dep))

    extract.allows_spike_factors = True  # type: ignore[attr-defined]
    LearningRuleApplierFloat._extract_factor_str = staticmethod(extract)
