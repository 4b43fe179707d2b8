"""pytest options by which :mod:`ssdp_hw.testing.suite` takes neuron models, learning rules and targets."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from ssdp_hw.testing.conformance import installed_targets

NETWORKS = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("ssdp-hw", "conformance of neuron models, learning rules and targets")
    group.addoption(
        "--neuron-model", action="append", default=[], metavar="NAME", help="a name, or module:attribute; repeatable"
    )
    group.addoption(
        "--learning-rule", action="append", default=[], metavar="NAME", help="a name, or module:attribute; repeatable"
    )
    group.addoption(
        "--target", action="append", default=[], metavar="NAME", help="default: every installed one; repeatable"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test of the suite a model or rule, a target and a seed."""
    options = {"model": "--neuron-model", "rule": "--learning-rule"}
    for name, option in options.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, metafunc.config.getoption(option))
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", metafunc.config.getoption("--target") or installed_targets())
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(NETWORKS))


def resolved(name: str) -> Any:
    """The object of ``module:attribute``; a name stays one.

    Raises:
        pytest.UsageError: there is no such module or attribute.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        return name
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(f"{name}: {error}") from error
