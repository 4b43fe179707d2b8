"""Rules as microcode of Loihi's learning engine, a sum of products of traces and spikes: SSDP, and formulas."""

from ssdp_hw.microcode.code import Branch, Microcode, SSDPMicrocode
from ssdp_hw.microcode.compiler import compile_microcode
from ssdp_hw.microcode.formula_code import FormulaMicrocode, FormulaTerm
from ssdp_hw.microcode.learning_engine import Arithmetic, Epoch, Product, Trace
from ssdp_hw.microcode.wanted import OneSilent

__all__ = [
    "Arithmetic",
    "Branch",
    "Epoch",
    "FormulaMicrocode",
    "FormulaTerm",
    "Microcode",
    "OneSilent",
    "Product",
    "SSDPMicrocode",
    "Trace",
    "compile_microcode",
]
