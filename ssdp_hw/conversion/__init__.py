"""Networks from where they were trained, other than through NIR."""

from ssdp_hw.conversion.lava_dl.importer import from_lava_dl
from ssdp_hw.conversion.torch.importer import from_torch

__all__ = ["from_lava_dl", "from_torch"]
