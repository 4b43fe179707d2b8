"""SSDP as microcode of Loihi's learning engine: a sum of products of traces and spikes."""

from ssdp_hw.microcode.code import Branch, Microcode
from ssdp_hw.microcode.compiler import compile_microcode
from ssdp_hw.microcode.learning_engine import Arithmetic, Epoch, Product, Trace
from ssdp_hw.microcode.wanted import OneSilent

__all__ = ["Arithmetic", "Branch", "Epoch", "Microcode", "OneSilent", "Product", "Trace", "compile_microcode"]
