"""Neurons of ``.net`` files that are no CUBA LIF: their model, its registers and its comparison.

lava-dl's netx reads RF_PHASE and RF_IZHIKEVICH, takes the ADRF types for these and drops their adaptation, and has no
process for ALIF. What the numbers mean is in ``device_params`` of ``slayer/neuron/*.py`` (lava-dl 0.6.0):
decays and the resonator's sine and cosine are in 1/4096, thresholds in units of weights, of which one is 64 on the
scale of the states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdp_hw.arrays import Int
from ssdp_hw.conversion.lava_dl.layer_values import one_per_neuron
from ssdp_hw.conversion.lava_dl.net_file import Fields, Layer
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.models.registry import neuron_model
from ssdp_hw.network.fixed_parts import FIELDS
from ssdp_hw.network.graph import Comparison


@dataclass(frozen=True)
class NeuronType:
    """How a type of neurons in a file is a model here.

    Attributes:
        model: name of the model.
        registers: the field of the file for each register of the model.
        complex: whether it has real and imaginary input.
    """

    model: str
    registers: dict[str, str]
    complex: bool = True


_RESONATOR = {"cos": "cosDecay", "sin": "sinDecay", "vth": "vThMant"}
_ADAPTATION = {"dr": "refDecay", "da": "thDecay", "jump": "vThStep"}
NEURON_TYPES = {
    "ALIF": NeuronType("ALIF", {"du": "iDecay", "dv": "vDecay", "vth": "vThMant", **_ADAPTATION}, complex=False),
    "RF_PHASE": NeuronType("RF", _RESONATOR),
    "RF_IZHIKEVICH": NeuronType("RF_IZ", _RESONATOR),
    "ADRF_PHASE": NeuronType("ADRF", {**_RESONATOR, **_ADAPTATION}),
    "ADRF_IZHIKEVICH": NeuronType("ADRF_IZ", {**_RESONATOR, **_ADAPTATION}),
}
# Sigma-delta neurons, whose model is that of their layer.
SIGMA_DELTA = "SDNN"
# Bits of the messages of a sigma-delta network whose file says none: netx's default.
MESSAGE_BITS = 16
# The chip that runs them.
CHIP = "loihi2"


def sigma_delta_values(layer: Layer, neuron: Fields, bias: int | Int, vth: Int) -> dict[str, Any]:
    """Arguments of a population of sigma-delta neurons beside its name and size.

    The first layer encodes its input (Delta), the last one may add up (Sigma), those between do both.
    lava-nc's threshold and bias are shifted left by ``spike_exp + state_exp``, 12 in all; the chip shifts the register
    of the threshold by 6.

    Args:
        layer: the layer.
        neuron: the fields of its neurons.
        bias: in units of weights.
        vth: ``vThMant``, a value a neuron.

    Raises:
        UnsupportedError: another activation than relu, or a bias of neurons that have none.
    """
    activation = neuron.text("activation") if "activation" in neuron else "relu"
    if activation != "relu":
        raise UnsupportedError(f"{neuron.title}: activation = {activation!r}; only 'relu' can be expressed")
    adds_up = "sigma_output" in neuron and bool(neuron.integer("sigma_output"))
    model = "Delta" if layer.kind == "input" else "Sigma" if adds_up else "SigmaDelta"
    if model != "SigmaDelta" and np.any(bias):
        raise UnsupportedError(f"{layer.title}: a bias of neurons that only {'add up' if adds_up else 'encode'}")
    if model == "Sigma":
        return {"model": model, "spiking": False}
    values: dict[str, Any] = {"bias_mant": np.asarray(bias) << 5, "bias_exp": 7} if np.any(bias) else {}
    return {**values, "model": model, "vth": vth << 6, "payload_bits": message_bits(neuron)}


def message_bits(neuron: Fields) -> int:
    """Bits of the messages of sigma-delta neurons, without their sign."""
    return neuron.integer("messageBits", MESSAGE_BITS)


def population_values(neuron: Fields, shape: tuple[int, ...]) -> dict[str, Any]:
    """Arguments of a population of such neurons beside its name and size.

    Args:
        neuron: the fields of the neurons.
        shape: of their layer, channels first.

    Raises:
        UnsupportedError: a decay of the current of 0, which no register says.
        FileFormatError, ParameterError, ShapeError: a field that is missing, or values of another number.
    """
    kind = NEURON_TYPES[neuron.text("type")]
    registers = {register: one_per_neuron(neuron, field, shape) for register, field in kind.registers.items()}
    if "du" in registers:  # the chip adds 1
        registers["du"] = registers["du"] - 1
        if registers["du"].min() < 0:
            raise UnsupportedError(f"{neuron.title}: iDecay = 0, a current that never decays, cannot be expressed")
    model = neuron_model(kind.model)
    values: dict[str, Any] = {name: registers.pop(name) for name in FIELDS if name in registers}
    return {**values, "model": model, "parameters": registers, "threshold": Comparison.AT_LEAST}
