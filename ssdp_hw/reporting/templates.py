"""The templates of this package, which a page is made of."""

from __future__ import annotations

from importlib import resources
from typing import Any

from ssdp_hw.errors import MissingPackageError


def read_template(name: str) -> str:
    """The text of a file of this package."""
    return (resources.files("ssdp_hw.reporting") / name).read_text(encoding="utf-8")


def render(template: str, **values: Any) -> str:
    """A template of this package, filled in; texts among the values are escaped.

    Raises:
        MissingPackageError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError:
        raise MissingPackageError(
            "reports need jinja2 and matplotlib, which are not installed: pip install 'ssdp-hw[report]'"
        ) from None
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
    )
    return environment.from_string(read_template(template)).render(**values)
