"""How objects show themselves: the pictures that their methods draw."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ssdp_hw.errors import MissingPackageError

# The extra that brings what pictures need.
INSTALL = "pip install 'ssdp-hw[report]'"


def draw(picture: str, *given: Any, **options: Any) -> Any:
    """Draw a picture of :mod:`ssdp_hw.pictures`, found by its name, and give back its axes.

    Pictures know the classes that they show, so that these find them by name and only when one is drawn: nothing
    imports matplotlib before.

    Args:
        picture: name of the module; its function ``draw`` is called.
        given, options: what is drawn, and how.

    Raises:
        MissingPackageError: matplotlib is not installed.
        SsdpHwError: whatever the picture raises.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingPackageError(f"pictures need matplotlib, which is not installed: {INSTALL}") from None
    return import_module(f"ssdp_hw.pictures.{picture}").draw(*given, **options)
