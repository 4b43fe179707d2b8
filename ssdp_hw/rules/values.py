"""Learning rules as plain values, for files: the name of the class and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from reprlib import repr as short
from typing import Any

from ssdp_hw.deprecation import with_new_names
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.rules import SADP, SSDP, STDP, CounterRule, FixedGate, FixedSADP, FixedSSDP, FixedSTDP, FloatRule, Gate
from ssdp_hw.rules.declared import FixedDeclaredRule, FloatDeclaredRule
from ssdp_hw.rules.form import rule_digest
from ssdp_hw.rules.model import RuleModel
from ssdp_hw.rules.model_checks import check_model
from ssdp_hw.rules.registry import rule_model
from ssdp_hw.rules.stdp import TraceRounding

Rule = CounterRule | FloatRule

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        SSDP,
        STDP,
        SADP,
        FixedSSDP,
        FixedSTDP,
        FixedSADP,
        FloatDeclaredRule,
        FixedDeclaredRule,
        Gate,
        FixedGate,
    )
}


def rule_to_dict(rule: Rule) -> dict[str, Any]:
    """A rule as plain values, ``kind`` among them.

    Raises:
        UnsupportedError: a rule of a user's own.
        ParameterError: no rule.
    """
    if not isinstance(rule, Rule):
        raise ParameterError(f"{short(rule)} is no learning rule; give an SSDP, STDP or SADP, or its integer form")
    return _values(rule)


def rule_from_dict(values: Any) -> Rule:
    """The rule that :func:`rule_to_dict` described.

    Raises:
        ParameterError: an unknown kind or parameter, or a value that the rule refuses.
    """
    rule = _object(values)
    if not isinstance(rule, Rule):
        raise ParameterError(f"{type(rule).__name__} is no learning rule")
    return rule


def _values(part: Any) -> dict[str, Any]:
    kind = type(part).__name__
    if isinstance(part, RuleModel):
        return _model_values(part)
    if _KINDS.get(kind) is not type(part):
        raise UnsupportedError(f"{kind} has no form in a file, which knows {', '.join(_KINDS)}")
    values = {f.name: getattr(part, f.name) for f in fields(part)}
    return {"kind": kind, **{n: _plain(v) for n, v in values.items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, Gate | FixedGate | RuleModel):
        return _values(value)
    if isinstance(value, Mapping):
        return {name: list(v) if isinstance(v, tuple) else v for name, v in value.items()}
    return value


def _model_values(model: RuleModel) -> dict[str, Any]:
    """A declared rule by its name, its choices, and a hash of what it computes."""
    choices = {name: getattr(model, name) for name in getattr(model, "__dataclass_fields__", {})}
    return {"name": model.name, "choices": choices, "digest": rule_digest(model)}


def _model(values: Any) -> RuleModel:
    """The declared rule that :func:`_model_values` described.

    Raises:
        ParameterError: it is unknown, or computes something else here.
    """
    if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
        raise ParameterError(f"a declared rule is described by its name, not by {str(values)[:40]!r}")
    known, choices = rule_model(values["name"]), values.get("choices", {})
    try:
        model = check_model(type(known)(**choices) if choices else known, values["name"])
    except TypeError as error:
        raise ParameterError(f"learning rule '{known.name}': {error}") from None
    if values.get("digest") != rule_digest(model):
        raise ParameterError(
            f"learning rule '{known.name}' computes something else here than where it was written; install the version "
            "of its package that wrote it"
        )
    return model


def _object(values: Any) -> Any:
    if not isinstance(values, Mapping):
        raise ParameterError(f"a learning rule is described by its parameters, not by {str(values)[:40]!r}")
    given = dict(values)
    name = given.pop("kind", None)
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ParameterError(f"learning rules of kind {str(name)[:40]!r} are unknown; there are: {', '.join(_KINDS)}")
    given = with_new_names(kind, given)
    if kind is FixedSTDP:  # as up to version 0.1.0, which knew no other
        given.setdefault("trace_rounding", TraceRounding.TOWARD_ZERO.value)
    unknown = set(given) - {f.name for f in fields(kind)}
    if unknown:
        raise ParameterError(f"{name} has no parameter {sorted(map(str, unknown))[0][:40]!r}")
    if "model" in given:
        given["model"] = _model(given["model"])
    if isinstance(given.get("gate"), Mapping):
        given["gate"] = _object(given["gate"])
    try:
        return kind(**given)
    except TypeError as error:  # a parameter that is missing or of a wrong type
        raise ParameterError(f"{name}: {error}") from None
