"""Float and fixed-point networks: populations joined by projections.

``float_network.py`` and ``fixed_network.py`` with ``fixed_parts.py`` are the two kinds, ``graph.py`` what they share.
``neurons.py`` has the float neurons, ``weight.py`` and ``convolution.py`` the weights, ``formats.py`` the integers that
a weight may take, ``design_rules.py`` the limits of a chip, ``network_file.py`` saving and loading.
"""

from ssdp_hw.deprecation import moved_names

__getattr__ = moved_names(
    __name__, ("Network", "Population", "Projection", "Semantics"), "ssdp_hw.network.float_network"
)
