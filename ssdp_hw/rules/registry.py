"""Declared learning rules by name: those of the toolkit and those that other packages register.

A package registers a rule as an entry point of the group ``ssdp_hw.rules``: a name, and the rule, an instance of a
subclass of :class:`~ssdp_hw.rules.model.RuleModel`. A script or a notebook calls :func:`register_rule` instead.
"""

from __future__ import annotations

from ssdp_hw.registry import Registry
from ssdp_hw.rules import models
from ssdp_hw.rules.model import RuleModel
from ssdp_hw.rules.model_checks import check_model

GROUP = "ssdp_hw.rules"
KNOWN_RULES: Registry[RuleModel] = Registry("learning rule", GROUP, models, "RULE", check_model)


def register_rule(model: RuleModel) -> RuleModel:
    """Make a rule known by its name in this process, so that files which name it can be read; returns it.

    Raises:
        ParameterError: no rule, or another rule has that name.
    """
    return KNOWN_RULES.register(model, "register_rule")


def rule_names() -> list[str]:
    """Names of all declared rules that are known, sorted."""
    return KNOWN_RULES.names()


def rule_model(model: str | RuleModel) -> RuleModel:
    """A declared rule itself, or that of the name.

    Raises:
        ParameterError: no such rule; or the package that registers it is broken.
    """
    return KNOWN_RULES.get(model) if isinstance(model, str) else check_model(model, "rule")
