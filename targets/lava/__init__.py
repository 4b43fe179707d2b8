"""Lava (lava-nc 0.10.0): networks run in a worker subprocess, or exported as Lava processes."""

from .export import LavaNetwork, export, export_script
from .target import TARGET

__all__ = ["TARGET", "LavaNetwork", "export", "export_script"]
