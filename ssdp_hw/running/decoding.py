"""Decoding rules: each turns the spikes or voltages of an output population into one class for each sample.

The rules take recorded arrays; :meth:`ssdp_hw.running.result.RunResult.predict` looks them up in a result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Array
from ssdp_hw.deprecation import warn_renamed
from ssdp_hw.errors import ParameterError
from ssdp_hw.running.drive import AnyNetwork

# What spike_count and first_spike predict for a sample in which no output neuron fired.
UNDECIDED = -1


def spike_count(spikes: NDArray[np.bool_] | NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """The class whose neuron fired most often, shape (batch,); see :func:`decode`.

    Args:
        spikes: shape (time, batch, n): spikes as truth values, or how often each neuron fired in each part of a run.
    """
    counts = spikes.sum(axis=0, dtype=np.int64)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), UNDECIDED)


def first_spike(spikes: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The class whose neuron fired first, shape (batch,), from spikes of shape (time, batch, n); see :func:`decode`."""
    when = np.where(spikes.any(axis=0), spikes.argmax(axis=0), len(spikes))
    return np.where((when < len(spikes)).any(axis=1), when.argmin(axis=1), UNDECIDED)


def max_membrane(v: NDArray[np.generic]) -> NDArray[np.int64]:
    """The class whose neuron had the largest voltage in any step, shape (batch,); see :func:`decode`.

    Args:
        v: voltages after the reset, shape (time, batch, n).
    """
    return np.asarray(v.max(axis=0).argmax(axis=1), np.int64)


def mean_membrane(v: NDArray[np.generic]) -> NDArray[np.int64]:
    """The class whose neuron had the largest mean voltage, shape (batch,); ``v`` as for :func:`max_membrane`."""
    return np.asarray(v.sum(axis=0).argmax(axis=1), np.int64)


def last_membrane(v: NDArray[np.generic]) -> NDArray[np.int64]:
    """The class whose neuron had the largest voltage in the last step, shape (batch,); see :func:`max_membrane`."""
    return np.asarray(v[-1].argmax(axis=1), np.int64)


# For each rule the variable that it goes by, and the function.
_RULES: dict[str, tuple[str, Callable[[Any], NDArray[np.int64]]]] = {
    "spike_count": ("spikes", spike_count),
    "first_spike": ("spikes", first_spike),
    "max_membrane": ("v", max_membrane),
    "mean_membrane": ("v", mean_membrane),
    "last_membrane": ("v", last_membrane),
}
DECODERS = tuple(_RULES)


def required_record(rule: str) -> str:
    """The variable that a rule needs recorded: ``spikes`` or ``v``.

    Raises:
        ParameterError: there is no such rule.
    """
    if rule not in DECODERS:
        raise ParameterError(f"decode = '{rule}' is unknown; there are: {', '.join(DECODERS)}")
    return _RULES[rule][0]


def decoding_rule(rule: str | None, readout: bool, output: str) -> str:
    """The rule by which an output becomes a class: as given, else ``spike_count``, of a readout ``max_membrane``.

    Args:
        rule: one of ``DECODERS``, or None.
        readout: whether the output never fires.
        output: its name.

    Raises:
        ParameterError: there is no such rule, or it goes by the spikes of a readout.
    """
    if rule is None:
        return "max_membrane" if readout else "spike_count"
    if required_record(rule) == "spikes" and readout:
        raise ParameterError(
            f"decode = '{rule}' goes by spikes, and output '{output}' is a readout that never fires; "
            "decode = 'max_membrane', 'mean_membrane' or 'last_membrane' goes by its voltage"
        )
    return rule


def decoding_rules(rule: str | None, network: AnyNetwork) -> dict[str, str]:
    """The rule of each output of a network; see :func:`decoding_rule`."""
    return {name: decoding_rule(rule, not network.population(name).spiking, name) for name in network.outputs}


def decode(rule: str, trace: Array) -> NDArray[np.int64]:
    """One class for each sample, shape (batch,).

    Where several classes are tied, the lowest of them is taken. Where a rule goes by spikes and no neuron fired,
    the class is ``UNDECIDED`` (-1).

    Args:
        rule: one of ``DECODERS``.
        trace: what the output population did, shape (time, batch, n): the variable that :func:`required_record` names.

    Raises:
        ParameterError: there is no such rule.
    """
    required_record(rule)  # raises if there is no such rule
    return _RULES[rule][1](trace)


def __getattr__(name: str) -> Any:
    """Names of 0.1.0."""
    if name == "READOUTS":
        warn_renamed("READOUTS", "DECODERS")
        return DECODERS
    if name == "predict":
        warn_renamed("predict(result, rule)", "result.predict(rule)")
        return lambda result, rule, population=None: result.predict(rule, population)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
