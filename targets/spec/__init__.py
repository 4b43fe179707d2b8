"""The executable specification: slow, plain, and the definition that every engine is held to."""

from .target import TARGET

__all__ = ["TARGET"]
