"""Float and fixed-point networks: populations joined by projections."""

from ssdp_hw.deprecation import moved_names

__getattr__ = moved_names(
    __name__, ("Network", "Population", "Projection", "Semantics"), "ssdp_hw.network.float_network"
)
