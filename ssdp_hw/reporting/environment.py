"""With what a report was made: versions, the machine, and hashes of networks and samples."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np

import ssdp_hw
from ssdp_hw.files.json_values import JSON
from ssdp_hw.network.network_file import record_of
from ssdp_hw.reporting.data import Facts
from ssdp_hw.running.drive import AnyNetwork, DirectInput, Inputs
from ssdp_hw.running.target_registry import list_targets

PACKAGES = ("numpy", "scipy", "numba", "nir", "h5py", "torch", "snntorch", "norse", "sinabs")


def environment(hashed: Mapping[str, str], seeds: Mapping[str, JSON]) -> dict[str, JSON]:
    """Versions, machine, time, and the hashes and seeds given."""
    return {
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "ssdp-hw": ssdp_hw.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {
            **{name: version for name in PACKAGES if (version := _version(name)) is not None},
            **{f"target {t.name}": t.version for t in list_targets() if t.version},
        },
        "seeds": dict(seeds),
        "sha256": dict(hashed),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def network_hash(network: AnyNetwork) -> str:
    """SHA-256 of all that a file keeps of a network: its values as JSON, then its arrays by name."""
    record = record_of(network)
    text = json.dumps(record.values, sort_keys=True, separators=(",", ":"))
    return _digest([("values", np.frombuffer(text.encode(), np.uint8)), *_arrays(record.arrays)])


def samples_hash(inputs: Inputs | Any) -> str:
    """SHA-256 of samples or labels: name, type, shape and bytes of every array."""
    given = dict(inputs) if isinstance(inputs, Mapping) else {"": inputs}
    return _digest((name, value.values if isinstance(value, DirectInput) else value) for name, value in given.items())


def _arrays(arrays: Facts, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in sorted(arrays.items()):
        if isinstance(value, Mapping):
            yield from _arrays(value, f"{above}{name}/")
        else:
            yield f"{above}{name}", value


def _digest(arrays: Any) -> str:
    found = hashlib.sha256()
    for name, value in arrays:
        array = np.asarray(value)
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()
