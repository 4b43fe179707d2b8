"""A chip's design rules: named functions, each of which finds what a network breaks.

Every rule compares integers of the network with limits of its chip's file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ssdp_hw.network.fixed_network import FixedNetwork


@dataclass(frozen=True)
class Violation:
    """One broken rule.

    Attributes:
        rule: name of the rule.
        message: owner, value and limit.
    """

    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} (design rule '{self.rule}')"


def decay_registers(network: FixedNetwork) -> Iterator[str]:
    """The decays du and dv fit their registers."""
    for p in network.populations:
        yield from _outside(f"population '{p.name}': du", p.du, 0, network.limits.decay_max)
        yield from _outside(f"population '{p.name}': dv", p.dv, 0, network.limits.decay_max)


def threshold_register(network: FixedNetwork) -> Iterator[str]:
    """The threshold mantissa fits its register."""
    for p in network.populations:
        yield from _outside(f"population '{p.name}': vth", p.vth, 0, network.limits.threshold_max)


def bias_registers(network: FixedNetwork) -> Iterator[str]:
    """Mantissa and exponent of the bias fit their registers."""
    chip = network.limits
    for p in network.populations:
        owner = f"population '{p.name}'"
        yield from _outside(f"{owner}: bias_mant", p.bias_mant, -chip.bias_mant_max, chip.bias_mant_max)
        yield from _outside(f"{owner}: bias_exp", p.bias_exp, 0, chip.bias_exp_max)


def initial_voltage(network: FixedNetwork) -> Iterator[str]:
    """The voltage before the first step fits the state."""
    largest = network.limits.state_max
    for p in network.populations:
        yield from _outside(f"population '{p.name}': v_init", p.v_init, -largest, largest)


def activation_register(network: FixedNetwork) -> Iterator[str]:
    """The current before its wrap cannot leave the register in which simulators hold it.

    While one step brings at most ``2**state_bits``, one turn of the wrap always leads back into the
    register. Beyond that the current can grow to the geometric sum of its inputs, and u + v + bias
    must still fit, or it would turn around silently.
    """
    chip = network.limits
    half, bias_max = 1 << (chip.state_bits - 1), chip.bias_mant_max << chip.bias_exp_max
    for p in network.populations:
        largest = network.activation_bound(p.name).astype(np.float64) * 2.0**chip.activation_shift
        growth = largest * 2.0**chip.decay_bits / np.maximum(p.du + chip.current_decay_offset, 1)
        top = 2.0 ** (chip.activation_bits - 1) - 1
        unsafe = (largest > 2 * half) & (np.floor(growth) + 2 * half + bias_max > top)
        if unsafe.any():
            yield (
                f"population '{p.name}': neuron {int(np.argmax(unsafe))} can receive {int(largest.max())} in one step "
                f"(all its synapses at once, shifted by {chip.activation_shift}), which can leave the "
                f"{chip.activation_bits}-bit register of the simulators; lower weight_exp or the fan-in"
            )


def weight_exponent(network: FixedNetwork) -> Iterator[str]:
    """The exponent of a projection fits its register."""
    chip = network.limits
    for q in network.projections:
        yield from _outside(
            f"projection '{q.name}': weight_exp", q.weight_exp, chip.weight_exp_min, chip.weight_exp_max
        )


def synaptic_delay(network: FixedNetwork) -> Iterator[str]:
    """No delay is longer than the chip's longest."""
    for q in network.projections:
        yield from _outside(f"projection '{q.name}': delay", q.delay, 0, network.limits.delay_max)


def weight_format(network: FixedNetwork) -> Iterator[str]:
    """Weights have no more bits than the chip's, on the chip's scale."""
    chip = network.limits
    for q in network.projections:
        yield from _outside(f"projection '{q.name}': weight bits", q.format.bits, 1, chip.weight_bits)
        if q.format.scale_bits != chip.weight_scale_bits:
            yield (
                f"projection '{q.name}': weights on a scale of {q.format.scale_bits} bits; "
                f"{chip.title} has {chip.weight_scale_bits}"
            )


Rule = Callable[["FixedNetwork"], Iterator[str]]

RULES: tuple[Rule, ...] = (
    decay_registers,
    threshold_register,
    bias_registers,
    initial_voltage,
    activation_register,
    weight_exponent,
    synaptic_delay,
    weight_format,
)


def design_rule_violations(network: FixedNetwork) -> list[Violation]:
    """Every rule that a network breaks, with its name; empty when the network fits its chip."""
    return [Violation(rule.__name__, message) for rule in RULES for message in rule(network)]


def _outside(what: str, value: Any, low: int, high: int) -> Iterator[str]:
    value = np.asarray(value)
    bad = value[(value < low) | (value > high)]
    if bad.size:
        yield f"{what} = {int(bad.flat[0])} is outside {low} .. {high} of the chip"
