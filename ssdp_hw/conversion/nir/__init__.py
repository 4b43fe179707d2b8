"""NIR files and graphs as networks, and networks as NIR files and graphs."""

from ssdp_hw.conversion.nir.reader import from_nir, rule_from_nir
from ssdp_hw.conversion.nir.writer import to_nir, write_nir

__all__ = ["from_nir", "rule_from_nir", "to_nir", "write_nir"]
