"""``run``: one call for every network, float or fixed, on every target."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from ssdp_hw.checks import as_mapping, as_names, check_memory
from ssdp_hw.display import count
from ssdp_hw.errors import ParameterError, StateOverflowError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.models.base import Unit
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.fixed_parts import FixedPopulation
from ssdp_hw.running.drive import DEFAULT_MAX_BYTES, AnyNetwork, Drive, Inputs, check_network, make_drive
from ssdp_hw.running.levels import levels_of
from ssdp_hw.running.memory import memory_named
from ssdp_hw.running.progress import progress as show_progress
from ssdp_hw.running.result import RECORDABLE, OverflowCount, Record, Recording, RunResult
from ssdp_hw.running.silence import warn_if_silent
from ssdp_hw.running.target_registry import choose_target
from ssdp_hw.running.time_limit import check_time, limited_time

_LOG = logging.getLogger(__name__)

OnOverflow = Literal["error", "warn", "ignore"]


class OverflowWarning(UserWarning):
    """A chip register wrapped or saturated during a run."""


def run(
    network: AnyNetwork,
    inputs: Inputs,
    target: str | None = None,
    *,
    record: Sequence[str] = ("spikes",),
    populations: Sequence[str] | None = None,
    steps: int | None = None,
    on_overflow: OnOverflow = "warn",
    max_bytes: int = DEFAULT_MAX_BYTES,
    options: Mapping[str, object] | None = None,
    progress: bool | None = None,
    time_limit: float | None = None,
) -> RunResult:
    """Run a float or fixed network on a target.

    Args:
        network: :class:`~ssdp_hw.Network` or :class:`~ssdp_hw.FixedNetwork`.
        inputs: spikes of 0 and 1, shape (time, batch, channels), arrays or torch tensors; for several inputs a
            dict of such arrays by name. Other real values are analog input, which acts like as many spikes at once:
            currents that change in time, or a constant :class:`~ssdp_hw.running.drive.DirectInput`. In a fixed
            network their synaptic input is rounded to integers in every step, the same for every target;
            ``info["analog_input"]`` states the error. Samples are independent.
        target: name of the target, see :func:`ssdp_hw.list_targets`; default the fastest that is installed and
            can run the network.
        record: variables to keep: ``spikes``, ``v`` (after the reset), ``u``, and any other state of a neuron model.
        populations: populations to keep them of; default all.
        steps: length of the run; default that of the spikes. A spike needs ``network.latency``
            steps to the output, so ``len(spikes) + network.latency`` lets the last one arrive.
        on_overflow: what a register overflow does, where the target sees it: ``error`` raises,
            ``warn`` warns, ``ignore`` only counts.
        max_bytes: limit of what the input and the recordings may each occupy in memory.
        options: options of the target.
        progress: whether to show a line with the time so far, once the run has taken a second; default on a terminal
            and in a notebook.
        time_limit: seconds after which the target gives up; default none. ``with sh.limited_time(60):`` limits whatever
            runs within, all calls together.

    Raises:
        ParameterError, ShapeError: input or options that do not fit.
        TimeLimitError: the time is over.
        UnknownTargetError, TargetUnavailableError, UnsupportedError: the target cannot run this.
        TargetRunError: the target failed while it ran.
        StateOverflowError: a register overflowed and ``on_overflow`` is ``error``.
    """
    asked = checked_record(network, record, populations, on_overflow)
    kept, standing_for_v = with_voltages(network, asked)
    drive = make_drive(network, inputs, steps, max_bytes)
    chosen = choose_target(target, network)
    resolved = chosen.resolve(as_mapping(options, "options"))
    check_recorded_memory(network, kept, drive, max_bytes)
    what = f"target '{chosen.name}' with {drive.batch} samples"
    check_memory(drive.batch * chosen.bytes_per_sample(network), max_bytes, f"{what}: their state and counts")
    start = time.perf_counter()
    job = f"{chosen.name}: {count(drive.batch, 'sample')} of {count(drive.steps, 'step')}"
    shown = show_progress(job, shown=progress)
    with limited_time(time_limit), memory_named(what), shown:
        check_time()
        recording = shown_as_voltages(chosen.run(network, drive, kept, resolved), asked, standing_for_v)
    seconds = time.perf_counter() - start
    _LOG.info("%s in %.3f s", job, seconds)
    fixed = isinstance(network, FixedNetwork)
    result = RunResult(
        recording.spikes,
        recording.v,
        recording.u,
        tuple(network.outputs),
        chosen.name,
        "fixed" if fixed else "float",
        drive.steps,
        drive.batch,
        seconds,
        recording.overflow,
        {
            "options": resolved,
            **semantics_of(network),
            **analog_info(network, drive),
            "helpers": sorted(network.helpers),
            **recording.info,
        },
        recording.states,
        levels_of(network),
    )
    report_overflow(network, result.overflow, result.steps, result.batch, on_overflow)
    warn_if_silent(network, drive, recording, lambda some, kept: chosen.run(network, some, kept, resolved))
    return result


def checked_record(
    network: AnyNetwork, record: Sequence[str], populations: Sequence[str] | None, on_overflow: OnOverflow
) -> Record:
    """What a run keeps.

    Raises:
        ParameterError: an unknown variable, population or value of ``on_overflow``.
    """
    if on_overflow not in ("error", "warn", "ignore"):
        raise ParameterError(f"on_overflow = {on_overflow!r}; choose error, warn or ignore")
    check_network(network)
    record = as_names(record, "record")
    names = network.population_names if populations is None else as_names(populations, "populations")
    states = {name: network.population(name).state_names for name in names}
    known = dict.fromkeys((*RECORDABLE, *(state for own in states.values() for state in own)))
    for variable in record:
        if variable not in known:
            raise ParameterError(f"cannot record '{variable}'; there are: {', '.join(known)}")
    missing = {(v, name) for v in record if v != "spikes" for name, own in states.items() if v not in own}
    return Record(tuple(record), names, frozenset(missing))


def with_voltages(network: AnyNetwork, record: Record) -> tuple[Record, dict[str, str]]:
    """The record with the states that stand for v in models without one, and those names by population."""
    found = {}
    for name in record.populations if "v" in record.variables else ():
        p = network.population(name)
        if "v" not in p.state_names and p.voltage in p.state_names:
            found[name] = p.voltage
    more = [state for state in dict.fromkeys(found.values()) if state not in record.variables]
    missing = {(state, name) for state in more for name in record.populations if found.get(name) != state}
    return replace(record, variables=(*record.variables, *more), missing=record.missing | missing), found


def shown_as_voltages(recording: Recording, asked: Record, standing_for_v: Mapping[str, str]) -> Recording:
    """The recording with the states that stand for v moved into its v, and without states that nobody asked for."""
    if not standing_for_v:
        return recording
    v = {**recording.v, **{name: recording.states[state][name] for name, state in standing_for_v.items()}}
    states = {name: values for name, values in recording.states.items() if name in asked.variables}
    return replace(recording, v=v, states=states)


def check_recorded_memory(network: AnyNetwork, record: Record, drive: Drive, max_bytes: int) -> None:
    """Raise before a recording that exceeds ``max_bytes``: spikes take 1 byte a neuron and step, v and u 8.

    Raises:
        ParameterError: it does.
    """
    cells = sum(network.size_of(name) for name in record.populations) * drive.steps * drive.batch
    check_memory(
        cells * sum(1 if variable == "spikes" else 8 for variable in record.variables),
        max_bytes,
        f"recording {', '.join(record.variables)} of {drive.steps} steps and {drive.batch} samples",
    )


def semantics_of(network: AnyNetwork) -> dict[str, JSON]:
    """What a step means in this network, as plain values for reports."""
    common: dict[str, JSON] = {
        "timing": "a spike sent in step t acts in step t + 1 + delay",
        "reset": {p.name: p.reset.value for p in network.populations if p.spiking},
        "threshold": {p.name: p.threshold.value for p in network.populations if p.spiking},
    }
    if isinstance(network, FixedNetwork):
        return {
            "arithmetic": "fixed",
            "chip": network.limits.name,
            "dt": network.dt,
            "update_order": "current_first",
            "u_overflow": "wrap_once",
            "v_overflow": "saturate",
            "decay_rounding": "toward_zero",
            **common,
        }
    return {"arithmetic": "float64", **network.semantics.to_dict(), **common}


def _overflows(count: OverflowCount) -> str:
    """A count in words, of the states that overflowed."""
    verbs = {"wraps": "wrapped", "saturations": "saturated"}
    parts = [(*name.rpartition("_")[::2], number) for name, number in count.counts.items() if number]
    return " and ".join(f"{state} {verbs[what]} {number} times" for state, what, number in parts if what in verbs)


def _remedy(network: AnyNetwork, name: str, count: OverflowCount) -> str:
    """What to do about the overflows of a population: a scale changes voltages, and no numbers."""
    population = network.population(name)
    assert isinstance(population, FixedPopulation)
    over = {key.rpartition("_")[0] for key, number in count.counts.items() if number}
    states = [s for s in population.declared.states if s.name in over]
    numbers = [s.name for s in states if s.unit is Unit.NUMBER]
    advice = []
    if len(numbers) < len(states):
        advice.append("lower the population's scale (quantize with calibration or more headroom) or its weight_exp")
    if numbers:
        advice.append(
            f"{', '.join(numbers)} of {population.declared} is a number, which no scale changes: where it is not meant "
            "to, give this state more bits in the model, else on_overflow='ignore'"
        )
    return "; ".join(advice)


def analog_info(network: AnyNetwork, drive: Drive) -> dict[str, JSON]:
    """How far rounding changed the analog input, as plain values; empty without analog input."""
    if not drive.currents:
        return {}
    said: dict[str, JSON] = {"inputs": list(drive.values)}
    if isinstance(network, FixedNetwork):
        said["rounding"] = {
            name: {
                "largest_error": lost,
                "bound": 0.5,
                "unit": "synaptic input of a step, of which vth is the threshold",
                "smallest_vth": _smallest_threshold(network, name),
            }
            for name, lost in drive.currents.rounding.items()
        }
    return {"analog_input": said}


def _smallest_threshold(network: FixedNetwork, name: str) -> int | None:
    p = network.population(name)
    return int(p.vth.min()) if p.spiking and p.is_cuba_lif else None


def report_overflow(
    network: AnyNetwork, overflow: Mapping[str, OverflowCount] | None, steps: int, batch: int, on_overflow: OnOverflow
) -> None:
    """Raise or warn if a register of a network overflowed; ``overflow`` is None where the target cannot see it.

    Raises:
        StateOverflowError: it did, and ``on_overflow`` is ``error``.
    """
    if on_overflow == "ignore" or not overflow:
        return
    where = f"{count(steps, 'step')} of {count(batch, 'sample')}"
    for name, counted in overflow.items():
        if not counted.total:
            continue
        message = f"population '{name}': {_overflows(counted)} in {where}; {_remedy(network, name, counted)}"
        if on_overflow == "error":
            raise StateOverflowError(message)
        warnings.warn(message, OverflowWarning, stacklevel=3)
