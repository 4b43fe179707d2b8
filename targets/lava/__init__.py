"""Lava (lava-nc 0.10.0), run in a worker subprocess."""

from .target import TARGET

__all__ = ["TARGET"]
