"""Brian2: float networks as differential equations with units, fixed networks in integer state."""

from .target import TARGET

__all__ = ["TARGET"]
