"""Targets that ship with the toolkit; each registers itself as an entry point of the group ``ssdp_hw.targets``."""
