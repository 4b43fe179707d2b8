"""A chip's register widths and limits as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ssdp_hw.display import shown


@shown
@dataclass(frozen=True)
class Figure:
    """A number with its unit and where it comes from."""

    value: float
    unit: str
    source: str


@shown
@dataclass(frozen=True)
class Chip:
    """Register widths of a chip, in bits unless said.

    ``weight_scale_bits`` is the width of the scale on which weights are written: a weight of fewer
    bits keeps that scale and loses low bits. ``current_decay_offset`` and
    ``voltage_decay_offset`` are added to ``du`` and ``dv`` before they act. Synaptic input and
    threshold are shifted left by ``activation_shift`` to reach the scale of u and v.
    ``activation_bits`` is the register that holds u before it wraps. ``channel_scales`` is 1 where every
    neuron may have a threshold of its own, so that each can have a scale of its own, and 0 elsewhere.
    ``programmable_neurons`` is 1 where neurons are programs, so that any neuron model runs, and 0 elsewhere, where
    those of ``neuron_models`` run alone; ``neuron_models_source`` says where these are known from.
    ``payload_bits`` is the width, without its sign, of the integer that a spike may carry; 0 where it carries none.

    ``single_sign_weights`` is 1 where weights of one sign alone have a bit more for their size, as on Loihi, and 0
    where every weight has a sign.

    ``entries`` are all numbers of the chip's file with unit and source, by their dotted name; those of
    ``core``, ``size`` and ``energy`` are no widths and stand nowhere else.
    """

    name: str
    title: str
    weight_bits: int
    weight_scale_bits: int
    weight_exp_min: int
    weight_exp_max: int
    decay_bits: int
    current_decay_offset: int
    voltage_decay_offset: int
    state_bits: int
    activation_shift: int
    activation_bits: int
    threshold_bits: int
    bias_mant_bits: int
    bias_exp_max: int
    delay_max: int
    window_ticks_max: int
    channel_scales: int = 0
    programmable_neurons: int = 0
    payload_bits: int = 0
    single_sign_weights: int = 1
    neuron_models: tuple[str, ...] = ("CubaLIF",)
    neuron_models_source: str = ""
    entries: Mapping[str, Figure] = field(default_factory=dict, repr=False, compare=False)

    @property
    def decay_max(self) -> int:
        """Largest value of the decay registers du and dv."""
        return (1 << self.decay_bits) - 1

    @property
    def threshold_max(self) -> int:
        """Largest threshold mantissa ``vth``."""
        return (1 << self.threshold_bits) - 1

    @property
    def current_max(self) -> int:
        """Largest current before its wrap that the simulators hold, and the specification's 64 bits times its decay.

        Of 2**60, voltage, current and bias together are still within 64 bits.
        """
        return (1 << min(self.activation_bits - 1, 63 - self.decay_bits, 60)) - 1

    @property
    def state_max(self) -> int:
        """Largest voltage: v saturates at plus and minus this."""
        return (1 << (self.state_bits - 1)) - 1

    @property
    def bias_mant_max(self) -> int:
        """Largest bias mantissa; the smallest is its negative (the register's -2**n is left out)."""
        return (1 << (self.bias_mant_bits - 1)) - 1

    def figures(self, group: str) -> dict[str, Figure]:
        """Figures that are no register widths: ``core`` or ``size`` (limits), ``energy``; empty where none is known."""
        start = f"{group}."
        return {name.removeprefix(start): f for name, f in self.entries.items() if name.startswith(start)}
