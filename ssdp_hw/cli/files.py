"""What the command line reads and writes: networks, spikes and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Array
from ssdp_hw.checks import class_labels
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.files.failure_keeper import kept_failure
from ssdp_hw.files.json_values import JSON
from ssdp_hw.files.numpy_arrays import read_arrays
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.running.drive import AnyNetwork


def read_network(path: Path, **semantics: Any) -> AnyNetwork:
    """A network from a NIR file, from lava-dl (``.net``) or from a file written by ``ssdp-hw``.

    Raises:
        ParameterError: no dt, neither given nor in the NIR file, or semantics given for a file that states its own.
        FileFormatError: see :func:`ssdp_hw.from_nir`, :func:`ssdp_hw.from_lava_dl` and :func:`ssdp_hw.load`.
    """
    from ssdp_hw.conversion import from_lava_dl
    from ssdp_hw.conversion.nir import from_nir
    from ssdp_hw.network.network_file import is_saved_network, load

    input_shape = semantics.pop("input_shape", None)
    if path.suffix == ".net":
        shape = None if input_shape is None else _sizes(input_shape)
        if not semantics:
            return from_lava_dl(path, input_shape=shape)
    elif input_shape is not None:
        raise ParameterError(f"{path}: --input-shape is for lava-dl's .net files, which may leave it open")
    if path.suffix == ".net" or is_saved_network(path):
        if semantics:
            raise ParameterError(f"{path}: a network of its kind states its own semantics; leave dt and the others out")
        return load(path)
    network: AnyNetwork = from_nir(path, **semantics)
    return network


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise ParameterError(f"--input-shape {text}: expected sizes as 2,34,34, channels first") from None


def as_float(network: AnyNetwork, path: Path) -> Network:
    """The network, which must be a float one.

    Raises:
        ParameterError: it is fixed.
    """
    if not isinstance(network, Network):
        raise ParameterError(f"{path}: holds a fixed network; a float network is needed")
    return network


def as_fixed(network: AnyNetwork, path: Path) -> FixedNetwork:
    """The network, which must be a fixed one.

    Raises:
        ParameterError: it is float.
    """
    if not isinstance(network, FixedNetwork):
        raise ParameterError(f"{path}: holds a float network; quantise it first: ssdp-hw quantize")
    return network


def read_spikes(path: Path) -> Array | dict[str, Array]:
    """The array ``spikes`` (time, batch, channels), or for several inputs the arrays ``spikes.NAME``.

    Raises:
        FileFormatError: neither is there.
        ShapeError: the file has labels as well, and not one a sample.
    """
    arrays = read_arrays(path)
    named = {name.removeprefix("spikes."): a for name, a in arrays.items() if name.startswith("spikes.")}
    for array in (arrays["spikes"],) if "spikes" in arrays else named.values():
        if "labels" in arrays and array.ndim == 3:
            _check_labels(path, array.shape, arrays["labels"].shape)
    if "spikes" in arrays:
        return arrays["spikes"]
    if not named:
        raise FileFormatError(f"{path}: holds {sorted(arrays)}; expected an array 'spikes' (time, batch, channels)")
    return named


def _check_labels(path: Path, spikes: tuple[int, ...], labels: tuple[int, ...]) -> None:
    """Raise unless a file has one label for each sample of its spikes; it is asked also where no label is used.

    Raises:
        ShapeError: they do not fit the axis of the samples.
    """
    steps, batch, _ = spikes
    if labels == (batch,):
        return
    advice = "; its samples seem to be the first axis: swap the first two, spikes.swapaxes(0, 1)"
    raise ShapeError(
        f"{path}: labels of shape {labels} beside spikes of shape {spikes}, which are read as (time, batch, channels), "
        f"{batch} samples of {steps} steps{advice if labels == (steps,) else '; one label a sample is expected'}"
    )


def read_labels(spikes: Path, labels: Path | None) -> Array:
    """The array ``labels`` of the file with the spikes, or of a file of its own.

    Raises:
        FileFormatError: it is not there.
    """
    source = labels or spikes
    arrays = read_arrays(source)
    if labels is not None and source.suffix == ".npy":
        return arrays["spikes"]
    if "labels" not in arrays:
        raise FileFormatError(f"{source}: holds {sorted(arrays)}; expected an array 'labels' (batch,); see --labels")
    return arrays["labels"]


def if_nir(path: Path, semantics: dict[str, Any]) -> dict[str, JSON]:
    """Options of a NIR file, none for a file that states its own semantics."""
    from ssdp_hw.network.network_file import is_saved_network

    return {} if path.suffix == ".net" or is_saved_network(path) else dict(semantics)


def checked_labels(labels: Array, network: AnyNetwork, samples: int, steps: int) -> NDArray[np.int64]:
    """Labels that are classes of the network's only output.

    Raises:
        ShapeError, ParameterError: they are not, or are not one a sample.
    """
    return class_labels(labels, samples, network.size_of(network.outputs[0]), steps)


def labels_if_any(spikes: Path | None, labels: Path | None) -> Array | None:
    """The labels of a file of their own or beside the spikes; None if there are none.

    Raises:
        ParameterError: labels without spikes.
        FileFormatError: the file of their own has none.
    """
    if spikes is None:
        if labels is not None:
            raise ParameterError(f"--labels {labels}: give the samples, too: --spikes")
        return None
    if labels is None and "labels" not in read_arrays(spikes):
        return None
    return read_labels(spikes, labels)


def read_predictions(path: Path) -> Array:
    """The array of a ``.npy`` file, or ``predictions`` of an ``.npz`` file.

    Raises:
        FileFormatError: it is not there.
    """
    arrays, name = read_arrays(path), "spikes" if path.suffix == ".npy" else "predictions"
    if name not in arrays:
        raise FileFormatError(f"{path}: holds {sorted(arrays)}; expected an array 'predictions' (batch,)")
    return arrays[name]


def write_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write a compressed ``.npz`` file, whole or not at all."""

    def write(partial: Path) -> None:
        with kept_failure(partial) as file:
            np.savez_compressed(file, **arrays)

    write_atomically(path, write)
