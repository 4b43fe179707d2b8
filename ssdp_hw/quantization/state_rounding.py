"""The bias of rounding inside a step: decays round toward zero, so a state loses up to one unit in each step."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.running.drive import Inputs, make_drive
from ssdp_hw.running.run import run
from ssdp_hw.running.silence import SilentNetworkWarning

# The bound adds up the losses of at most this many steps, for states without leak or with a slow one.
LONGEST = 1024
# Number of calibration samples on which the bias is measured.
_SAMPLES = 16


def step_bias_bound(network: FixedNetwork, p: FixedPopulation) -> float:
    """What rounding inside steps can take from a voltage at most, in parts of the threshold; see :func:`_unit`.

    A decay ``trunc(x (2**b - r) / 2**b)`` is less than one unit from the exact value, so that the errors of u add up to
    less than ``2**b / r_u``, and those of v to less than ``(2**b / r_u + 1) 2**b / r_v``. Subtracting the threshold is
    exact, and a reset to 0 only forgets.
    """
    chip = network.limits
    if not p.is_cuba_lif:
        return 0.0
    unity = float(1 << chip.decay_bits)
    rate_u, rate_v = p.du + chip.current_decay_offset, p.dv + chip.voltage_decay_offset
    # A decay rate of 0 keeps the state and one of 2**b sets it to 0; neither of them rounds.
    u = np.where((rate_u == 0) | (rate_u == unity), 0.0, _lasting(unity, rate_u))
    own = np.where((rate_v == 0) | (rate_v == unity), 0.0, 1.0)
    return float(np.max((u + own) * _lasting(unity, rate_v) / _unit(network, p)))


def measured_step_bias(network: FixedNetwork, inputs: Inputs) -> dict[str, float]:
    """The mean of what rounding adds to the voltage in a step, by population, in parts of the threshold.

    Each step of a run is compared with its own decay in exact numbers, from the integer states before it.
    """
    drive = make_drive(network, inputs)
    some = {name: values[:, :_SAMPLES] for name, values in drive.arrays().items()}
    names = [p.name for p in network.populations if p.is_cuba_lif]
    with warnings.catch_warnings():
        # The run of the user's own input warns if nothing fires.
        warnings.simplefilter("ignore", SilentNetworkWarning)
        result = run(network, some, record=("v", "u"), populations=names, on_overflow="ignore")
    found = {}
    for p in network.populations:
        if p.is_cuba_lif:
            chip = network.limits
            lost_u = _lost(result.u[p.name], p.du + chip.current_decay_offset, chip.decay_bits)
            lost_v = _lost(result.v[p.name], p.dv + chip.voltage_decay_offset, chip.decay_bits)
            found[p.name] = float(np.mean((lost_u + lost_v) / _unit(network, p)))
    return found


def _lost(states: NDArray[np.generic], rate: NDArray[np.int64], bits: int) -> NDArray[np.float64]:
    """The decayed states minus their exact values: shape (time, batch, n)."""
    x = np.asarray(states, np.int64)
    product = np.abs(x) * ((1 << bits) - rate)
    return np.asarray(-np.sign(x) * (product & ((1 << bits) - 1)) / float(1 << bits), np.float64)


def _lasting(unity: float, rate: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.minimum(unity / np.maximum(rate, 1), LONGEST), np.float64)


def _unit(network: FixedNetwork, p: FixedPopulation) -> NDArray[np.float64]:
    """The unit of the bias on the scale of v: the threshold; of a readout a float volt, without a scale the register"""
    if p.spiking:
        return np.asarray(np.maximum(p.vth * float(1 << network.limits.activation_shift), 1.0), np.float64)
    scale: float | NDArray[np.float64] = network.limits.state_max if p.scale is None else p.scale
    return np.broadcast_to(np.asarray(scale, np.float64), (p.size,))


def step_biases(network: FixedNetwork, calibration: Inputs | None) -> Mapping[str, float]:
    """The measured bias by population; empty without a calibration input."""
    return {} if calibration is None else measured_step_bias(network, calibration)
