"""Networks from where they were trained, other than through NIR."""

from ssdp_hw.importers.lava_dl import from_lava_dl

__all__ = ["from_lava_dl"]
