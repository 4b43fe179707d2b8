"""Networks from where they were trained, other than through NIR."""

from ssdp_hw.importers.lava_dl import from_lava_dl
from ssdp_hw.importers.torch_network import from_torch

__all__ = ["from_lava_dl", "from_torch"]
