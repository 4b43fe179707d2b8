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
    from ssdp_hw.analysis.activity import measure_activity
    from ssdp_hw.analysis.comparison import compare
    from ssdp_hw.analysis.ladder import loss_ladder
    from ssdp_hw.analysis.resources import resources
    from ssdp_hw.analysis.verification import verify
    from ssdp_hw.chips import load_chip
    from ssdp_hw.conversion import from_lava_dl, from_torch
    from ssdp_hw.conversion.nir import from_nir, rule_from_nir, to_nir, write_nir
    from ssdp_hw.errors import SsdpHwError
    from ssdp_hw.files.storage import load, load_learning, save, save_learning
    from ssdp_hw.learning.learn import learn
    from ssdp_hw.learning.state import LearningState
    from ssdp_hw.learning.teacher import Teacher
    from ssdp_hw.learning.warm_up import fit_gate
    from ssdp_hw.microcode import compile_microcode
    from ssdp_hw.network.convolution import ConvWeight
    from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
    from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
    from ssdp_hw.network.formats import WeightFormat
    from ssdp_hw.network.graph import Input
    from ssdp_hw.network.neurons import IF, LI, LIF, CubaLI, CubaLIF, I
    from ssdp_hw.quantization import dequantize, quantize
    from ssdp_hw.rules import (
        SADP,
        SSDP,
        STDP,
        BatchSSDP,
        FixedGate,
        FixedSADP,
        FixedSSDP,
        FixedSTDP,
        Gate,
        batch_update,
    )
    from ssdp_hw.running.drive import DirectInput
    from ssdp_hw.running.encoding import encode
    from ssdp_hw.running.run import run
    from ssdp_hw.running.stream import stream
    from ssdp_hw.running.target import list_targets as targets

__version__ = "0.1.0"

_HOME = {
    "BatchSSDP": "rules",
    "ConvWeight": "network.convolution",
    "I": "network.neurons",
    "IF": "network.neurons",
    "LI": "network.neurons",
    "LIF": "network.neurons",
    "CubaLI": "network.neurons",
    "CubaLIF": "network.neurons",
    "DirectInput": "running.drive",
    "FixedNetwork": "network.fixed_network",
    "FixedPopulation": "network.fixed_network",
    "FixedProjection": "network.fixed_network",
    "FixedSSDP": "rules",
    "SADP": "rules",
    "STDP": "rules",
    "FixedGate": "rules",
    "FixedSADP": "rules",
    "FixedSTDP": "rules",
    "Gate": "rules",
    "LearningState": "learning.state",
    "Input": "network.graph",
    "Network": "network.float_network",
    "Population": "network.float_network",
    "Projection": "network.float_network",
    "SSDP": "rules",
    "Semantics": "network.float_network",
    "SsdpHwError": "errors",
    "Teacher": "learning.teacher",
    "fit_gate": "learning.warm_up",
    "load_learning": "files.storage",
    "save_learning": "files.storage",
    "WeightFormat": "network.formats",
    "batch_update": "rules",
    "compare": "analysis.comparison",
    "compile_microcode": "microcode",
    "encode": "running.encoding",
    "measure_activity": "analysis.activity",
    "resources": "analysis.resources",
    "from_lava_dl": "conversion",
    "from_nir": "conversion.nir",
    "from_torch": "conversion",
    "dequantize": "quantization",
    "learn": "learning.learn",
    "rule_from_nir": "conversion.nir",
    "load": "files.storage",
    "load_chip": "chips",
    "loss_ladder": "analysis.ladder",
    "quantize": "quantization",
    "run": "running.run",
    "save": "files.storage",
    "stream": "running.stream",
    "to_nir": "conversion.nir",
    "verify": "analysis.verification",
    "write_nir": "conversion.nir",
}

__all__ = [
    "IF",
    "LI",
    "LIF",
    "SADP",
    "SSDP",
    "STDP",
    "BatchSSDP",
    "ConvWeight",
    "CubaLI",
    "CubaLIF",
    "DirectInput",
    "FixedGate",
    "FixedNetwork",
    "FixedPopulation",
    "FixedProjection",
    "FixedSADP",
    "FixedSSDP",
    "FixedSTDP",
    "Gate",
    "I",
    "Input",
    "LearningState",
    "Network",
    "Population",
    "Projection",
    "Semantics",
    "SsdpHwError",
    "Teacher",
    "WeightFormat",
    "batch_update",
    "compare",
    "compile_microcode",
    "dequantize",
    "encode",
    "fit_gate",
    "from_lava_dl",
    "from_nir",
    "from_torch",
    "learn",
    "load",
    "load_chip",
    "load_learning",
    "loss_ladder",
    "measure_activity",
    "quantize",
    "resources",
    "rule_from_nir",
    "run",
    "save",
    "save_learning",
    "stream",
    "targets",
    "to_nir",
    "verify",
    "write_nir",
]


def __getattr__(name: str) -> Any:
    if name == "targets":
        return import_module("ssdp_hw.running.target").list_targets
    if name not in _HOME:
        raise AttributeError(f"module 'ssdp_hw' has no attribute '{name}'")
    value = getattr(import_module(f"ssdp_hw.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
