"""The fast engine: event-driven integer or float simulation in Numba, parallel over the batch."""

from .target import TARGET

__all__ = ["TARGET"]
