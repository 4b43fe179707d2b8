"""NIR files and graphs as networks."""

from ssdp_hw.nir_io.reader import from_nir

__all__ = ["from_nir"]
