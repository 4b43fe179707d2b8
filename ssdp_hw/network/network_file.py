"""Networks in files: the format of :mod:`ssdp_hw.files.container`, which says where values and arrays lie.

The header has the network's ``kind`` (``float`` or ``fixed``), its ``inputs``, ``outputs`` and ``notes``, and one entry
each of its ``populations`` and ``projections``. A sparse weight is stored as ``data``, ``indices`` and ``indptr``
(compressed rows), a convolution as its ``kernel``, with its geometry in the header. A network that is learning has its
:class:`~ssdp_hw.LearningState` beside it: :mod:`ssdp_hw.learning.state_file`.
"""

from __future__ import annotations

import os

from ssdp_hw.errors import ParameterError
from ssdp_hw.files.hdf5_guard import DEFAULT_MAX_BYTES
from ssdp_hw.files.record import Record
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.graph import NETWORK_FILE


def save(network: Network | FixedNetwork, path: str | os.PathLike[str]) -> None:
    """Write a network to one file, complete or not at all.

    Raises:
        ParameterError: no network.
        FileFormatError: the file cannot be written, or the chip breaks a rule of :mod:`ssdp_hw.chips.table`.
    """
    NETWORK_FILE.write(path, record_of(network))


def load(
    path: str | os.PathLike[str], max_bytes: int = DEFAULT_MAX_BYTES, *, trusted: bool = False
) -> Network | FixedNetwork:
    """Read a network that :func:`save` wrote.

    Args:
        path: the file.
        max_bytes: limit of what its arrays may occupy in memory together.
        trusted: whether to read the file in this process, which a damaged file can crash, not in one of its own.

    Raises:
        FileFormatError: the file is missing, damaged, of another kind or of a newer version.
    """
    return NETWORK_FILE.read(path, network_from, max_bytes, trusted)


def is_saved_network(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that :func:`save` wrote it.

    Raises:
        FileFormatError: the file is missing, no HDF5, or damaged.
    """
    return NETWORK_FILE.wrote(path)


def record_of(network: Network | FixedNetwork) -> Record:
    """What a file keeps of a network.

    Raises:
        ParameterError: no network.
        FileFormatError: its chip breaks a rule of :mod:`ssdp_hw.chips.table`.
    """
    if not isinstance(network, Network | FixedNetwork):
        raise ParameterError(f"only networks can be saved, not {type(network).__name__}")
    return network.to_record()


def network_from(record: Record) -> Network | FixedNetwork:
    """The network that :func:`record_of` described.

    Raises:
        SsdpHwError: a value that the network refuses.
        Exception: of any other kind, where a file is damaged.
    """
    return FixedNetwork.from_record(record) if record.values["kind"] == "fixed" else Network.from_record(record)
