"""The table of a chip's file, checked entry by entry, and back.

Every number has a value, a unit and a source. Nothing is guessed: an entry that is missing, unknown, of another
type or unit, or beyond what the simulators can hold is refused with its name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ssdp_hw.checks import check_name
from ssdp_hw.chips.chip import Chip, Figure
from ssdp_hw.errors import FileFormatError, ParameterError

# By entry: unit, smallest and largest value. The largest are those of 64-bit simulators, not of any chip.
LIMITS: dict[str, tuple[str, int, int]] = {
    "weight_bits": ("bit", 1, 16),
    "weight_scale_bits": ("bit", 1, 16),
    "weight_exp_min": ("power of two", -31, 0),
    "weight_exp_max": ("power of two", 0, 15),
    "decay_bits": ("bit", 1, 16),
    "current_decay_offset": ("decay LSB", 0, 1),
    "voltage_decay_offset": ("decay LSB", 0, 1),
    "state_bits": ("bit", 8, 46),
    "activation_shift": ("bit", 0, 15),
    "activation_bits": ("bit", 8, 64),
    "threshold_bits": ("bit", 1, 31),
    "bias_mant_bits": ("bit", 2, 32),
    "bias_exp_max": ("power of two", 0, 15),
    "delay_max": ("step", 0, 100_000),
    "window_ticks_max": ("tick", 1, 1 << 20),
    "channel_scales": ("flag", 0, 1),
    "programmable_neurons": ("flag", 0, 1),
    "payload_bits": ("bit", 0, 31),
    "single_sign_weights": ("flag", 0, 1),
}
# Entries that files written before them lack, with the value that these files meant.
OPTIONAL = {"programmable_neurons": 0, "payload_bits": 0, "single_sign_weights": 1}
# Names of neuron models, of a chip whose neurons are fixed; a file without it means the CUBA LIF.
MODELS = "neuron_models"
GROUPS: dict[str, dict[str, str]] = {
    "core": {
        "count": "core",
        "compartments": "compartment",
        "synaptic_memory": "byte",
        "input_axons": "axon",
        "output_axons": "axon",
    },
    "size": {
        "input_channels": "channel",
        "hidden_neurons": "neuron",
        "output_neurons": "neuron",
    },
    "energy": {
        "synaptic_operation": "pJ",
        "neuron_update_active": "pJ",
        "neuron_update_inactive": "pJ",
        "spike_in_tile": "pJ",
    },
}


def chip_from_table(table: Mapping[str, Any], origin: str) -> Chip:
    """The chip that a table describes; ``origin`` names it in errors.

    Raises:
        FileFormatError: an entry is missing, unknown, malformed, of another unit, or out of range, or two
            entries contradict each other.
    """
    texts = ("name", "title")
    _refuse_unknown(table, (*texts, *LIMITS, MODELS, *GROUPS), origin)
    values: dict[str, Any] = {}
    for name in texts:
        if name not in table:
            raise FileFormatError(f"{origin}: the entry '{name}' is missing from the chip")
        try:
            values[name] = check_name(table[name], f"{origin}: '{name}'")
        except ParameterError as error:
            raise FileFormatError(str(error)) from None
    entries: dict[str, Figure] = {}
    for name, (unit, low, high) in LIMITS.items():
        if name not in table and name in OPTIONAL:
            values[name] = OPTIONAL[name]
            continue
        if name not in table:
            raise FileFormatError(f"{origin}: the entry '{name}' ({unit}, {low} to {high}) is missing from the chip")
        entries[name] = figure = _figure(table[name], name, unit, origin)
        if not isinstance(figure.value, int) or not low <= figure.value <= high:
            raise FileFormatError(
                f"{origin}: '{name}' = {figure.value!r}; a whole number from {low} to {high} is needed"
            )
        values[name] = figure.value
    if MODELS in table:
        values |= _models(table[MODELS], origin)
    for group, units in GROUPS.items():
        found = table.get(group, {})
        if not isinstance(found, Mapping):
            raise FileFormatError(f"{origin}: '{group}' is no table of figures")
        _refuse_unknown(found, units, f"{origin}: '{group}'")
        for name, entry in found.items():
            full = f"{group}.{name}"
            entries[full] = _figure(entry, full, units[name], origin)
            if entries[full].value <= 0:
                raise FileFormatError(f"{origin}: '{full}' = {entries[full].value} must be above 0")
    chip = Chip(**values, entries=entries)
    for contradiction in contradictions(chip):
        raise FileFormatError(f"{origin}: {contradiction}")
    return chip


def chip_to_table(chip: Chip) -> dict[str, Any]:
    """The table of a chip: plain values, from which :func:`chip_from_table` makes an equal one."""
    table: dict[str, Any] = {"name": chip.name, "title": chip.title}
    for name, (unit, _, _) in LIMITS.items():
        known = chip.entries.get(name)
        source = known.source if known is not None and known.value == getattr(chip, name) else "set by hand"
        table[name] = {"value": getattr(chip, name), "unit": unit, "source": source}
    if chip.neuron_models_source:
        table[MODELS] = {"value": list(chip.neuron_models), "unit": "model", "source": chip.neuron_models_source}
    for group in GROUPS:
        figures = {name: vars(figure) for name, figure in chip.figures(group).items()}
        if figures:
            table[group] = figures
    return table


def contradictions(chip: Chip) -> list[str]:
    """What no arithmetic on 64 bits could hold, and registers that contradict each other, one sentence each."""
    rules = [
        (
            chip.weight_bits <= chip.weight_scale_bits,
            f"weight_bits = {chip.weight_bits} is more than weight_scale_bits = {chip.weight_scale_bits}",
        ),
        (
            chip.state_bits < chip.activation_bits,
            f"activation_bits = {chip.activation_bits} must exceed state_bits = {chip.state_bits}: the register "
            "holds the current before it wraps",
        ),
        (
            chip.threshold_bits + chip.activation_shift < chip.state_bits,
            f"thresholds of threshold_bits + activation_shift = {chip.threshold_bits + chip.activation_shift} bits can "
            f"never be reached by a voltage of state_bits = {chip.state_bits}, sign included",
        ),
        (
            chip.bias_mant_bits + chip.bias_exp_max < chip.activation_bits,
            f"a bias of bias_mant_bits + bias_exp_max = {chip.bias_mant_bits + chip.bias_exp_max} bits exceeds "
            f"activation_bits = {chip.activation_bits}",
        ),
    ]
    return [sentence for holds, sentence in rules if not holds]


def _models(entry: Any, origin: str) -> dict[str, Any]:
    """Names of the neuron models that a chip runs, and their source."""
    names = entry.get("value") if isinstance(entry, Mapping) else None
    if not isinstance(names, list) or not names:
        raise FileFormatError(f"{origin}: '{MODELS}' needs value, unit and source; its value is a list of names")
    _figure({**entry, "value": 0}, MODELS, "model", origin)
    try:
        models = tuple(check_name(name, f"{origin}: '{MODELS}'") for name in names)
    except ParameterError as error:
        raise FileFormatError(str(error)) from None
    return {MODELS: models, f"{MODELS}_source": entry["source"]}


def _figure(entry: Any, name: str, unit: str, origin: str) -> Figure:
    if not isinstance(entry, Mapping) or set(entry) != {"value", "unit", "source"}:
        raise FileFormatError(f"{origin}: '{name}' needs value, unit and source, and nothing else")
    value = entry["value"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FileFormatError(f"{origin}: '{name}' = {value!r} is not a number")
    if entry["unit"] != unit:
        raise FileFormatError(f"{origin}: '{name}' is in {entry['unit']!r}; expected '{unit}'")
    if not isinstance(entry["source"], str) or not entry["source"].strip():
        raise FileFormatError(f"{origin}: '{name}' has no source; say where the number comes from, or 'assumed'")
    return Figure(value, unit, entry["source"])


def _refuse_unknown(table: Mapping[str, Any], known: Any, origin: str) -> None:
    for name in table:
        if name not in known:
            close = get_close_matches(str(name), list(known), 1)
            hint = f"; did you mean '{close[0]}'?" if close else f"; known are: {', '.join(known)}"
            raise FileFormatError(f"{origin}: the entry '{name}' is unknown{hint}")
