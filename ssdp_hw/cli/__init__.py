"""The command line: thin over the API."""

from ssdp_hw.cli.main import main

__all__ = ["main"]
