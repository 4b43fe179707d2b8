"""ssdp-hw: trained spiking networks in a neuromorphic chip's integers, learning there with SSDP.

The pipeline::

    net = from_nir("model.nir", dt=1e-3)
    fixed = quantize(net, chip="loihi", calibration=spikes)
    result = run(fixed, spikes, target="engine")
    learned = learn(fixed, spikes, labels, rule=SSDP(), target="engine")
    table = compare(net, fixed, spikes, labels, targets=["spec", "engine"])

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssdp_hw.activity import measure_activity
    from ssdp_hw.chip_resources import resources
    from ssdp_hw.chips import load_chip
    from ssdp_hw.comparison import compare
    from ssdp_hw.conv_weight import ConvWeight
    from ssdp_hw.drive import DirectInput
    from ssdp_hw.encoding import encode
    from ssdp_hw.errors import SsdpHwError
    from ssdp_hw.fixed import FixedNetwork, FixedPopulation, FixedProjection
    from ssdp_hw.formats import WeightFormat
    from ssdp_hw.graph import Input
    from ssdp_hw.importers import from_lava_dl, from_torch
    from ssdp_hw.ladder import loss_ladder
    from ssdp_hw.learning import learn
    from ssdp_hw.learning_state import LearningState
    from ssdp_hw.microcode import compile_microcode
    from ssdp_hw.network import Network, Population, Projection, Semantics
    from ssdp_hw.neurons import IF, LI, LIF, CubaLI, CubaLIF, I
    from ssdp_hw.nir_io import from_nir, rule_from_nir, to_nir, write_nir
    from ssdp_hw.quantization import dequantize, quantize
    from ssdp_hw.rules import SADP, STDP, FixedGate, FixedSADP, FixedSTDP
    from ssdp_hw.simulation import run
    from ssdp_hw.ssdp import SSDP, BatchSSDP, FixedSSDP, Gate, batch_update
    from ssdp_hw.storage import load, load_learning, save, save_learning
    from ssdp_hw.streaming import stream
    from ssdp_hw.target import list_targets as targets
    from ssdp_hw.teacher import Teacher
    from ssdp_hw.verification import verify
    from ssdp_hw.warm_up import fit_gate

__version__ = "0.1.0"

_HOME = {
    "BatchSSDP": "ssdp", "ConvWeight": "conv_weight", "I": "neurons", "IF": "neurons", "LI": "neurons",
    "LIF": "neurons", "CubaLI": "neurons", "CubaLIF": "neurons", "DirectInput": "drive", "FixedNetwork": "fixed",
    "FixedPopulation": "fixed", "FixedProjection": "fixed", "FixedSSDP": "ssdp", "SADP": "rules", "STDP": "rules",
    "FixedGate": "rules", "FixedSADP": "rules", "FixedSTDP": "rules", "Gate": "ssdp", "LearningState": "learning_state",
    "Input": "graph", "Network": "network", "Population": "network", "Projection": "network",
    "SSDP": "ssdp", "Semantics": "network", "SsdpHwError": "errors", "Teacher": "teacher", "fit_gate": "warm_up",
    "load_learning": "storage", "save_learning": "storage", "WeightFormat": "formats", "batch_update": "ssdp",
    "compare": "comparison", "compile_microcode": "microcode", "encode": "encoding", "measure_activity": "activity",
    "resources": "chip_resources", "from_lava_dl": "importers", "from_nir": "nir_io", "from_torch": "importers",
    "dequantize": "quantization", "learn": "learning", "rule_from_nir": "nir_io",
    "load": "storage", "load_chip": "chips", "loss_ladder": "ladder", "quantize": "quantization", "run": "simulation",
    "save": "storage", "stream": "streaming", "to_nir": "nir_io", "verify": "verification", "write_nir": "nir_io",
}

__all__ = [
    "IF", "LI", "LIF", "SADP", "SSDP", "STDP", "BatchSSDP", "ConvWeight", "CubaLI", "CubaLIF", "DirectInput",
    "FixedGate", "FixedNetwork", "FixedPopulation", "FixedProjection", "FixedSADP", "FixedSSDP", "FixedSTDP",
    "Gate", "I", "Input", "LearningState", "Network", "Population", "Projection", "Semantics", "SsdpHwError",
    "Teacher", "WeightFormat", "batch_update", "compare", "compile_microcode", "dequantize", "encode", "fit_gate",
    "from_lava_dl", "from_nir", "from_torch", "learn", "load", "load_chip", "load_learning", "loss_ladder",
    "measure_activity", "quantize", "resources", "rule_from_nir", "run", "save", "save_learning", "stream", "targets",
    "to_nir", "verify", "write_nir",
]


def __getattr__(name: str) -> Any:
    if name == "targets":
        return import_module("ssdp_hw.target").list_targets
    if name not in _HOME:
        raise AttributeError(f"module 'ssdp_hw' has no attribute '{name}'")
    value = getattr(import_module(f"ssdp_hw.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
