"""The description that a package index shows: README.md with links that lead somewhere from there.

Everything else of the package is in pyproject.toml. The address of the repository is known where it is released from:
``SSDP_HW_ADDRESS``, or the variables of a workflow on GitHub. Without one, links name the file that they lead to.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).parent


def address() -> str | None:
    """The repository's address in a browser, or None."""
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return os.environ.get("SSDP_HW_ADDRESS") or (f"{server}/{repository}" if server and repository else None)


def description(readme: str, where: str | None, version: str) -> str:
    """The README whose links are absolute, to the release of that version at that address."""

    def linked(match: re.Match[str]) -> str:
        picture, text, target = match.groups()
        if target.startswith(("https://", "http://")):
            return match[0]
        if where is None:
            return "" if picture else f"{text} (`{target}`)"
        return f"{picture}[{text}]({where}/{'raw' if picture else 'blob'}/v{version}/{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", linked, readme)


def version() -> str:
    """The version, which ``ssdp_hw/__init__.py`` has."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / "ssdp_hw/__init__.py").read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


if __name__ == "__main__":
    from setuptools import setup

    setup(
        long_description=description((ROOT / "README.md").read_text("utf-8"), address(), version()),
        long_description_content_type="text/markdown",
    )
