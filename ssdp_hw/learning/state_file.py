"""A network and where its learning stopped, in one file.

It is a file of :mod:`ssdp_hw.network.network_file` whose header has ``learning``, too, and whose counters lie at
``counters/<index of the projection>``, variables that outlast a window at ``lasting/<index>.<name>``, and states of
neurons at ``neurons/<index of the population>.<name>``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.deprecation import with_new_names
from ssdp_hw.errors import FileFormatError, ParameterError
from ssdp_hw.files.hdf5_guard import DEFAULT_MAX_BYTES
from ssdp_hw.files.record import Record
from ssdp_hw.learning.state import LearningState
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.graph import NETWORK_FILE
from ssdp_hw.network.network_file import network_from, record_of
from ssdp_hw.network.off_grid import floor_to_grid


def save_learning(network: Network | FixedNetwork, state: LearningState, path: str | os.PathLike[str]) -> None:
    """Write a network and where its learning stopped to one file, complete or not at all.

    ``load`` reads the network alone from it.

    Raises:
        ParameterError: no network, no state, or counters of a projection that there is not.
        FileFormatError: see :func:`ssdp_hw.save`.
    """
    record = record_of(network)
    if not isinstance(state, LearningState):
        raise ParameterError(f"a learning state is needed, not {type(state).__name__}")
    record.values["learning"] = {
        name: getattr(state, name) for name in ("updates", "pending", "epochs", "presented", "steps")
    } | {"lsb_shifts": {str(network.layer(name)): shift for name, shift in state.lsb_shifts.items()}}
    record.arrays["counters"] = {str(network.layer(name)): np.asarray(c) for name, c in state.counters.items()}
    record.arrays["lasting"] = {
        f"{network.layer(name)}.{variable}": np.asarray(values)
        for name, found in state.lasting.items()
        for variable, values in found.items()
    }
    names = network.population_names
    record.arrays["neurons"] = {
        f"{names.index(population)}.{name}": np.asarray(values)
        for population, found in state.neurons.items()
        for name, values in found.items()
    }
    NETWORK_FILE.write(path, record)


def load_learning(
    path: str | os.PathLike[str], max_bytes: int = DEFAULT_MAX_BYTES, *, trusted: bool = False
) -> tuple[Network | FixedNetwork, LearningState]:
    """Read what :func:`save_learning` wrote, for :func:`ssdp_hw.learn` to go on from.

    Args:
        path, max_bytes, trusted: as for :func:`ssdp_hw.load`.

    Raises:
        FileFormatError: see :func:`ssdp_hw.load`; or the file holds a network alone.
    """
    return NETWORK_FILE.read(path, _network_and_state, max_bytes, trusted)


def _network_and_state(record: Record) -> tuple[Network | FixedNetwork, LearningState]:
    network = network_from(record)
    if "learning" not in record.values:
        raise FileFormatError(
            "holds a network without a learning state; to go on with a lesson, give the file that save_learning, a "
            "checkpoint or ssdp-hw learn --out wrote in the place of this one"
        )
    projections = [p.name for p in network.projections]
    counters = {
        _named(projections, index, "counters of a projection"): counter
        for index, counter in record.arrays.get("counters", {}).items()
    }
    lasting: dict[str, dict[str, Numbers]] = {}
    for key, values in record.arrays.get("lasting", {}).items():
        index, _, variable = key.partition(".")
        lasting.setdefault(_named(projections, index, "variables of a projection"), {})[variable] = values
    neurons: dict[str, dict[str, Numbers]] = {}
    for key, values in record.arrays.get("neurons", {}).items():
        index, _, variable = key.partition(".")
        neurons.setdefault(_named(network.population_names, index, "states of a population"), {})[variable] = values
    if isinstance(network, FixedNetwork):
        network = _cleared(network, record, counters)
    counts = with_new_names(LearningState, record.values["learning"])
    units = counts.pop("lsb_shifts", {})
    if not isinstance(units, dict):
        raise ParameterError(f"lsb_shifts of type {type(units).__name__}; expected a dict by projection")
    shifts = {_named(projections, index, "units of a projection"): shift for index, shift in units.items()}
    return network, LearningState(counters, lasting=lasting, neurons=neurons, lsb_shifts=shifts, **counts)


def _named(names: Sequence[str], index: str, what: str) -> str:
    if not index.isdecimal() or int(index) >= len(names):
        raise ParameterError(f"{what} {index[:40]!r} that there is not")
    return names[int(index)]


def _cleared(network: FixedNetwork, record: Record, counters: dict[str, Numbers]) -> FixedNetwork:
    """The network; counters of projections whose weights were rounded to another step are set to 0, with a note."""
    parts = zip(network.projections, record.parts("projections"), strict=True)
    coarser = [p.name for p, kept in parts if p.name in counters and floor_to_grid(kept) is not None]
    for name in coarser:
        counters[name] = np.zeros_like(counters[name])
    notes = [
        f"projection '{name}': its counters are cleared, since they counted parts of another step" for name in coarser
    ]
    return replace(network, notes=(*network.notes, *notes))
