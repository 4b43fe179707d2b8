"""The executable specification: slow, plain, and the definition that every other target must reproduce."""

from .target import TARGET

__all__ = ["TARGET"]
