"""Learning rules, one file each, written in the operations of :mod:`ssdp_hw.operations`."""
