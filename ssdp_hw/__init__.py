"""ssdp-hw: trained spiking networks in a neuromorphic chip's integers, learning there with SSDP."""
from ssdp_hw.drive import DirectInput
from ssdp_hw.encoding import encode
from ssdp_hw.fixed import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.formats import WeightFormat
from ssdp_hw.graph import Input
from ssdp_hw.network import Network, Population, Projection, Semantics
from ssdp_hw.neurons import IF, LI, LIF, CubaLI, CubaLIF
from ssdp_hw.nir_io import from_nir
from ssdp_hw.quantization import quantize
from ssdp_hw.simulation import run
from ssdp_hw.ssdp import SSDP, FixedSSDP
from ssdp_hw.storage import load, save
from ssdp_hw.target import list_targets as targets

__all__ = [
    "IF", "LI", "LIF", "SSDP", "CubaLI", "CubaLIF", "DirectInput", "FixedNetwork", "FixedPopulation",
    "FixedProjection", "FixedSSDP", "Input", "Network", "Population", "Projection", "Semantics",
    "WeightFormat", "encode", "from_nir", "load", "quantize", "run", "save", "targets",
]
