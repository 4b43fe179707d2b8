"""Import and export: NIR files, torch modules and lava-dl's files as networks, and networks as NIR files."""

from ssdp_hw.conversion.lava_dl.importer import from_lava_dl
from ssdp_hw.conversion.torch.importer import from_torch

__all__ = ["from_lava_dl", "from_torch"]
