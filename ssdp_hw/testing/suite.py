"""The conformance suite, for ``pytest -p ssdp_hw.testing.plugin --pyargs ssdp_hw.testing.suite``."""

from __future__ import annotations

from ssdp_hw.testing.conformance import check_neuron_model, check_rule
from ssdp_hw.testing.plugin import resolved


def test_neuron_model(model: str, target: str, seed: int) -> None:
    """A neuron model on a target equals the reference."""
    check_neuron_model(resolved(model), [target], networks=1, seed=seed)


def test_learning_rule(rule: str, target: str, seed: int) -> None:
    """A lesson by a rule on a target equals the reference."""
    check_rule(resolved(rule), [target], lessons=1, seed=seed)
