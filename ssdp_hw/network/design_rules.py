"""A chip's design rules: named functions, each of which finds what a population or projection breaks.

Every rule compares integers with limits of the chip's file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.chips import Chip
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_parts import FixedPopulation, FixedProjection, activation_bound, step_form
from ssdp_hw.network.formats import SignMode
from ssdp_hw.network.graph_parts import Input


@shown
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


def neuron_model(chip: Chip, p: FixedPopulation) -> Iterator[str]:
    """The chip runs the neuron's model: its own, or any where its neurons are programs."""
    if p.declared.name not in chip.neuron_models and not chip.programmable_neurons:
        own = " and ".join(
            "the CUBA LIF" if name == "CubaLIF" else f"neuron model {name}" for name in chip.neuron_models
        )
        yield (
            f"population '{p.name}': {p.declared}; the neurons of {chip.title} are {own} alone (its file "
            "says programmable_neurons = 0): choose a chip whose neurons are programs, such as 'loihi2'"
        )


def parameter_registers(chip: Chip, p: FixedPopulation) -> Iterator[str]:
    """The parameters of a declared neuron model fit their registers."""
    for q in () if p.is_cuba_lif else p.declared.parameters:
        owner, codes = f"population '{p.name}': {q.name}", p.registers[q.name]
        outside = list(_outside(owner, codes, *q.code_range(chip)))
        yield from outside
        odd = codes[codes & (codes - 1) != 0] if q.powers_of_two else codes[:0]
        if odd.size and not outside:
            yield f"{owner} = {int(odd[0])} is no power of two, which alone this decay can be: it is a shift"


def decay_registers(chip: Chip, p: FixedPopulation) -> Iterator[str]:
    """The decays du and dv fit their registers."""
    if not p.is_cuba_lif:  # see parameter_registers
        return
    yield from _outside(f"population '{p.name}': du", p.du, 0, chip.decay_max)
    yield from _outside(f"population '{p.name}': dv", p.dv, 0, chip.decay_max)


def threshold_register(chip: Chip, p: FixedPopulation) -> Iterator[str]:
    """The threshold mantissa fits its register."""
    if p.is_cuba_lif:  # see parameter_registers
        yield from _outside(f"population '{p.name}': vth", p.vth, 0, chip.threshold_max)


def bias_registers(chip: Chip, p: FixedPopulation) -> Iterator[str]:
    """Mantissa and exponent of the bias fit their registers."""
    owner = f"population '{p.name}'"
    yield from _outside(f"{owner}: bias_mant", p.bias_mant, -chip.bias_mant_max, chip.bias_mant_max)
    yield from _outside(f"{owner}: bias_exp", p.bias_exp, 0, chip.bias_exp_max)


def initial_voltage(chip: Chip, p: FixedPopulation) -> Iterator[str]:
    """The voltage before the first step fits the register of the state, whose width and sign its model may say."""
    low, high = p.declared.initial_limits(chip)
    yield from _outside(f"population '{p.name}': v_init", p.v_init, low, high)


def graded_spikes(chip: Chip, sender: FixedPopulation | Input) -> Iterator[str]:
    """The payload of graded spikes fits the chip's spikes, where it has any."""
    if not sender.payload_bits:
        return
    owner = f"{'input' if isinstance(sender, Input) else 'population'} '{sender.name}'"
    if not chip.payload_bits:
        yield (
            f"{owner}: its spikes carry a payload; those of {chip.title} carry none (its file says payload_bits = 0): "
            "choose a chip with graded spikes, such as 'loihi2'"
        )
    else:
        yield from _outside(f"{owner}: payload_bits", sender.payload_bits, 0, chip.payload_bits)


def activation_register(
    chip: Chip, p: FixedPopulation, incoming: Sequence[FixedProjection], payloads: Mapping[str, int]
) -> Iterator[str]:
    """The current before its wrap cannot leave the register in which simulators hold it.

    While one step brings at most ``2**state_bits``, one turn of the wrap always leads back into the
    register. Beyond that the current can grow to the geometric sum of its inputs (without a leak without end), and
    u + v + bias must still fit, or it would turn around silently; and so must u times its decay factor the 64 bits of
    the specification. ``incoming`` are all projections that end at the population, ``payloads`` the largest payload of
    each sender. What the states of a declared model grow to is not known in closed form: the intervals of its step
    must show that they fit.
    """
    half, bias_max = 1 << (chip.state_bits - 1), chip.bias_mant_max << chip.bias_exp_max
    largest = activation_bound(p.size, incoming, payloads).astype(np.float64) * 2.0**chip.activation_shift
    rate = p.du + chip.current_decay_offset
    growth = np.where(rate > 0, largest * 2.0**chip.decay_bits / np.maximum(rate, 1), np.inf)
    top = 2.0 ** (chip.activation_bits - 1) - 1
    too_large = (np.floor(growth) + 2 * half + bias_max > top) | (growth > chip.current_max)
    if not p.is_cuba_lif:  # the sum of a step is held before its shift; what its step makes of it is looked at below
        too_large = largest > top * 2.0**chip.activation_shift
    unsafe = (largest > 2 * half) & too_large
    if unsafe.any():
        yield (
            f"population '{p.name}': neuron {int(np.argmax(unsafe))} can receive {int(largest.max())} in one step "
            f"(all its synapses at once, shifted by {chip.activation_shift}), which can leave the "
            f"{chip.activation_bits}-bit register of the simulators; lower weight_exp, payload_bits or the fan-in"
        )
    elif not p.is_cuba_lif and np.any(largest > 2 * half):
        try:
            step_form(chip, p, int(largest.max()), p.declared.ports).graph()
        except ParameterError as error:
            yield (
                f"population '{p.name}': neuron {int(np.argmax(largest))} can receive {int(largest.max())} in one step "
                f"(all its synapses at once), for which its registers are too narrow: {error}; or lower weight_exp, "
                "payload_bits or the fan-in"
            )


def weight_exponent(chip: Chip, q: FixedProjection) -> Iterator[str]:
    """The exponent of a projection fits its register."""
    yield from _outside(f"projection '{q.name}': weight_exp", q.weight_exp, chip.weight_exp_min, chip.weight_exp_max)


def synaptic_delay(chip: Chip, q: FixedProjection) -> Iterator[str]:
    """No delay is longer than the chip's longest."""
    yield from _outside(f"projection '{q.name}': delay", q.delay, 0, chip.delay_max)


def weight_format(chip: Chip, q: FixedProjection) -> Iterator[str]:
    """Weights have no more bits than the chip's, on the chip's scale."""
    yield from _outside(f"projection '{q.name}': weight bits", q.format.bits, 1, chip.weight_bits)
    if q.format.scale_bits != chip.weight_scale_bits:
        yield (
            f"projection '{q.name}': weights on a scale of {q.format.scale_bits} bits; "
            f"{chip.title} has {chip.weight_scale_bits}"
        )
    if q.format.sign_mode is not SignMode.MIXED and not chip.single_sign_weights:
        yield (
            f"projection '{q.name}': {q.format.sign_mode.value} weights; on {chip.title} every weight has a sign "
            f"(its file says single_sign_weights = 0): use sign mode '{SignMode.MIXED.value}'"
        )


POPULATION_RULES: tuple[Callable[[Chip, FixedPopulation], Iterator[str]], ...] = (
    neuron_model,
    parameter_registers,
    decay_registers,
    threshold_register,
    bias_registers,
    initial_voltage,
)
PROJECTION_RULES: tuple[Callable[[Chip, FixedProjection], Iterator[str]], ...] = (
    weight_exponent,
    synaptic_delay,
    weight_format,
)


def chip_size(
    chip: Chip, populations: Sequence[FixedPopulation], inputs: Sequence[Input], outputs: Sequence[str]
) -> Iterator[str]:
    """A chip whose whole size is published has room for all channels and neurons."""
    held = {
        "input_channels": sum(i.size for i in inputs),
        "hidden_neurons": sum(p.size for p in populations if p.name not in outputs),
        "output_neurons": sum(p.size for p in populations if p.name in outputs),
    }
    for name, limit in chip.figures("size").items():
        if held[name] > limit.value:
            yield f"the network has {held[name]} {name.replace('_', ' ')}; {chip.title} has {limit.value}"


def violations(
    chip: Chip,
    populations: Sequence[FixedPopulation],
    projections: Sequence[FixedProjection],
    inputs: Sequence[Input] = (),
    outputs: Sequence[str] = (),
) -> Iterator[Violation]:
    """Every rule that the parts of a network break, with its name; nothing when they fit the chip."""
    yield from (Violation(chip_size.__name__, message) for message in chip_size(chip, populations, inputs, outputs))
    senders: list[Input | FixedPopulation] = [*inputs, *populations]
    for sender in senders:
        yield from (Violation(graded_spikes.__name__, message) for message in graded_spikes(chip, sender))
    payloads = {sender.name: sender.largest_payload for sender in senders}
    for population_rule in POPULATION_RULES:
        for p in populations:
            yield from (Violation(population_rule.__name__, message) for message in population_rule(chip, p))
    incoming: dict[str, list[FixedProjection]] = {}
    for q in projections:
        incoming.setdefault(q.post, []).append(q)
    for p in populations:
        own = incoming.get(p.name, [])
        yield from (Violation(activation_register.__name__, m) for m in activation_register(chip, p, own, payloads))
    for projection_rule in PROJECTION_RULES:
        for q in projections:
            yield from (Violation(projection_rule.__name__, message) for message in projection_rule(chip, q))


def _outside(what: str, value: ArrayLike, low: int, high: int) -> Iterator[str]:
    array = np.asarray(value)
    bad = array[(array < low) | (array > high)]
    if bad.size:
        yield f"{what} = {int(bad.flat[0])} is outside {low} .. {high} of the chip"
