"""Files: what is stored, how untrusted files are checked before they are opened, and atomic writes."""

from ssdp_hw.deprecation import moved_names

__getattr__ = moved_names(__name__, ("write_atomically", "write_together"), "ssdp_hw.files.atomic")
