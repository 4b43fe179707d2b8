"""The population of a layer of a ``.net`` file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ssdp_hw.arrays import Int
from ssdp_hw.chips import load_chip
from ssdp_hw.conversion.lava_dl.layer_values import one_per_neuron
from ssdp_hw.conversion.lava_dl.net_file import Layer
from ssdp_hw.conversion.lava_dl.neurons import NEURON_TYPES, SIGMA_DELTA, population_values, sigma_delta_values
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.fixed_network import FixedPopulation

# A bias is in units of weights, of which one is 64 on the scale of v.
BIAS_EXP = 6

# Fields of a neuron that must have these values if the file has them.
_ONLY = {"refDelay": 1, "gradedSpike": 0, "messageBits": 0, "wgtExp": 0, "weight_exp": 0}


def check_complex(layer: Layer) -> None:
    """Raise unless resonating neurons, and no others, have complex weights."""
    neuron = layer.neuron
    kind = "none" if neuron is None else neuron.text("type")
    wanted = kind in NEURON_TYPES and NEURON_TYPES[kind].complex
    if layer.is_complex != wanted:
        found, expected = ("complex", "real") if layer.is_complex else ("real", "complex")
        raise UnsupportedError(f"{layer.title}: 'weight' is {found}, but its neurons ({kind}) take {expected} weights")


def population(
    name: str, layer: Layer, shape: tuple[int, ...], bias: int | Int, vth: int | Int | None
) -> FixedPopulation:
    """The population of a layer.

    Args:
        name: of the population.
        layer: the layer with its neurons; one without neurons makes a readout that never leaks.
        shape: of the layer, channels first.
        bias: in units of weights.
        vth: mantissa of the threshold of CUBA LIF neurons; None for a readout. Other neurons have theirs in the file.

    Raises:
        UnsupportedError: neurons or values that cannot be expressed.
        FileFormatError, ParameterError, ShapeError: a field that is missing, or values of another number.
    """
    neuron, size = layer.neuron, math.prod(shape)
    if neuron is not None and neuron.text("type") == SIGMA_DELTA:
        threshold = one_per_neuron(neuron, "vThMant", shape)
        return FixedPopulation(name=name, size=size, **sigma_delta_values(layer, neuron, bias, threshold))
    if neuron is None:
        never_leaks = np.zeros(size, np.int64)
        registers = _bias_registers(bias, never_leaks, layer.title)
        return FixedPopulation(name=name, size=size, du=4095, dv=0, spiking=False, **registers)
    for unsupported, only in _ONLY.items():
        if neuron.integer(unsupported, only) != only:
            raise UnsupportedError(
                f"{neuron.title}: {unsupported} = {neuron.integer(unsupported)}; only {only} can be expressed"
            )
    if neuron.text("type") in NEURON_TYPES:
        if np.any(bias) or layer.kind == "input":
            what = "as the input layer" if layer.kind == "input" else "with a bias, which acts on their current there"
            raise UnsupportedError(f"{neuron.title} of type '{neuron.text('type')}' {what}: cannot be expressed")
        return FixedPopulation(name=name, size=size, **population_values(neuron, shape))
    chip = load_chip("loihi")
    decay_u, decay_v = (one_per_neuron(neuron, key, shape) for key in ("iDecay", "vDecay"))
    for key, decay, low in (("iDecay", decay_u, 1), ("vDecay", decay_v, 0)):
        outside = decay[(decay < low) | (decay > chip.decay_max + low)]
        if outside.size:
            raise UnsupportedError(
                f"{neuron.title}: {key} = {int(outside[0])}; expected {low} .. {chip.decay_max + low}"
            )
    return FixedPopulation(
        name=name,
        size=size,
        du=decay_u - 1,
        dv=decay_v,
        vth=0 if vth is None else vth,
        spiking=vth is not None,
        **_bias_registers(bias, decay_v, layer.title),
    )


def _bias_registers(bias: int | Int, dv: Int, title: str) -> dict[str, Any]:
    """The registers of a bias in units of weights, and the ``v_init`` that takes back what it adds in step 0.

    Args:
        bias: one for all neurons, or shape (n,).
        dv: decay of the voltage, shape (n,).
        title: of the layer, for errors.

    Raises:
        UnsupportedError: the state cannot hold that voltage.
    """
    v_init = _before_first_bias(np.broadcast_to(np.asarray(bias, np.int64) << BIAS_EXP, dv.shape), dv, title)
    return {"bias_mant": bias, "bias_exp": BIAS_EXP if np.any(bias) else 0, "v_init": v_init}


def _before_first_bias(bias: Int, dv: Int, title: str) -> Int:
    """The voltage, shape (n,), whose decayed value and the bias, on the scale of voltages, cancel in step 0."""
    chip = load_chip("loihi")
    kept = (1 << chip.decay_bits) - dv - chip.voltage_decay_offset
    # The smallest magnitude that decays, rounded toward zero, to the magnitude of the bias.
    magnitude = -((-np.abs(bias) << chip.decay_bits) // kept)
    if np.any(magnitude > chip.state_max):
        raise UnsupportedError(
            f"{title}: a bias of {int(np.abs(bias).max())} with vDecay = {int(dv.max())} would act a step before "
            "the input, and no initial voltage can take it back"
        )
    return np.asarray(-np.sign(bias) * magnitude, np.int64)
