"""Networks in one HDF5 file: plain arrays and one JSON text, no code, the same bytes for the same network.

Attributes of the file: ``format`` and ``version``. The dataset ``header`` is JSON in UTF-8 with all that is
no array; arrays lie at ``populations/<index>/<field>`` and ``projections/<index>/<field>``. A sparse weight
is stored as ``data``, ``indices`` and ``indptr`` (compressed rows), a convolution as its ``kernel``, with
its geometry in the header. Nothing is compressed. A network that is
learning has its :class:`~ssdp_hw.LearningState` beside it: the header's ``learning``, and counters at
``counters/<index of the projection>``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import scipy.sparse as sp

from ssdp_hw.chips import Chip, chip_from_table, chip_names, chip_to_table, shipped_chip
from ssdp_hw.deprecation import with_new_names
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError, SsdpHwError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.files.hdf5_guard import DEFAULT_MAX_BYTES, first_line, open_checked
from ssdp_hw.learning.state import LearningState
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.formats import WeightFormat
from ssdp_hw.network.graph import BaseProjection, Input
from ssdp_hw.network.neurons import NEURON_MODELS, Neuron

FORMAT = "ssdp-hw network"
VERSION = 1

N = TypeVar("N", Network, FixedNetwork)
Header = dict[str, Any]
Arrays = dict[str, Any]

_FIXED_VECTORS = ("du", "dv", "vth", "bias_mant", "v_init")
_FIXED_VALUES = ("name", "size", "bias_exp", "reset", "threshold", "spiking", "scale")


def save(network: Network | FixedNetwork, path: str | os.PathLike[str]) -> None:
    """Write a network to one file, complete or not at all.

    Raises:
        ParameterError: no network.
        FileFormatError: the file cannot be written, or the chip breaks a rule of :mod:`ssdp_hw.chips.table`.
    """
    _write(path, *encode(network))


def save_learning(network: Network | FixedNetwork, state: LearningState, path: str | os.PathLike[str]) -> None:
    """Write a network and where its learning stopped to one file, complete or not at all.

    ``load`` reads the network alone from it.

    Raises:
        ParameterError: no network, no state, or counters of a projection that there is not.
        FileFormatError: see :func:`save`.
    """
    header, arrays = encode(network)
    if not isinstance(state, LearningState):
        raise ParameterError(f"a learning state is needed, not {type(state).__name__}")
    header["learning"] = {"updates": state.updates, "pending": state.pending, "epochs": state.epochs}
    arrays |= {f"counters/{network.layer(name)}": np.asarray(c) for name, c in state.counters.items()}
    _write(path, header, arrays)


def load_learning(
    path: str | os.PathLike[str], max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[Network | FixedNetwork, LearningState]:
    """Read what :func:`save_learning` wrote, for :func:`ssdp_hw.learn` to go on from.

    Raises:
        FileFormatError: see :func:`load`; or the file holds a network alone.
    """
    network, state = _read(path, max_bytes)
    if state is None:
        raise FileFormatError(f"{path}: holds a network without a learning state; write it with save_learning")
    return network, state


def _write(path: str | os.PathLike[str], header: Header, arrays: Arrays) -> None:
    text = json.dumps(header, sort_keys=True, separators=(",", ":"))

    def write(partial: Path) -> None:
        with h5py.File(partial, "w-") as file:
            file.attrs["format"] = FORMAT
            file.attrs["version"] = VERSION
            file.create_dataset("header", data=np.frombuffer(text.encode(), np.uint8), track_times=False)
            for name, array in arrays.items():
                file.create_dataset(name, data=array, track_times=False)

    write_atomically(path, write)


def is_saved_network(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that :func:`save` wrote it.

    Raises:
        FileFormatError: the file is missing, no HDF5, or damaged.
    """
    with open_checked(path) as file:
        return str(file.attrs.get("format", "")) == FORMAT


def load(path: str | os.PathLike[str], max_bytes: int = DEFAULT_MAX_BYTES) -> Network | FixedNetwork:
    """Read a network that :func:`save` wrote.

    Args:
        path: the file.
        max_bytes: limit of what its arrays may occupy in memory together.

    Raises:
        FileFormatError: the file is missing, damaged, of another kind or of a newer version.
    """
    return _read(path, max_bytes)[0]


def _read(path: str | os.PathLike[str], max_bytes: int) -> tuple[Network | FixedNetwork, LearningState | None]:
    with open_checked(path, max_bytes) as file:
        _check_version(file, path)
        try:
            header = json.loads(file["header"][()].tobytes())
            network = decode(header, file)
            return network, _learning_state(header, network, file) if "learning" in header else None
        except SsdpHwError as error:
            raise FileFormatError(f"{path}: {error}") from None
        except Exception as error:  # whatever a damaged file leads to
            raise FileFormatError(f"{path}: is damaged ({first_line(error)})") from None


def load_as(kind: type[N], path: str | os.PathLike[str]) -> N:
    """Read a network of one kind, :class:`Network` or :class:`FixedNetwork`.

    Raises:
        FileFormatError: see :func:`load`; or the file holds the other kind.
    """
    network = load(path)
    if not isinstance(network, kind):
        raise FileFormatError(f"{path}: holds a {type(network).__name__}, not a {kind.__name__}")
    return network


def _check_version(file: Any, path: str | os.PathLike[str]) -> None:
    try:
        found, version = file.attrs.get("format"), file.attrs.get("version")
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: is damaged ({first_line(error)})") from None
    if not isinstance(found, str) or found != FORMAT:
        raise FileFormatError(f"{path}: is HDF5, but not a network saved by ssdp-hw")
    if not isinstance(version, int | np.integer) or not 1 <= version <= VERSION:
        raise FileFormatError(
            f"{path}: has version {version!r} of the format; this ssdp-hw reads up to {VERSION}: upgrade it"
        )


# Encoding.


def encode(network: Network | FixedNetwork) -> tuple[Header, Arrays]:
    """Plain values for JSON, and arrays by their path.

    Raises:
        ParameterError: no network.
        FileFormatError: the chip breaks a rule of :mod:`ssdp_hw.chips.table`.
    """
    if not isinstance(network, Network | FixedNetwork):
        raise ParameterError(f"only networks can be saved, not {type(network).__name__}")
    header: Header = {
        "inputs": [asdict(i) for i in network.inputs],
        "outputs": list(network.outputs),
        "notes": [str(n) for n in network.notes],
    }
    if isinstance(network, FixedNetwork):
        header |= {"kind": "fixed", "chip": _chip(network), "dt": network.dt, "report": _report(network.report)}
        parts = {
            "populations": [_encode_fixed_population(p) for p in network.populations],
            "projections": [_encode_fixed_projection(q) for q in network.projections],
        }
    else:
        header |= {"kind": "float", "semantics": network.semantics.to_dict()}
        parts = {
            "populations": [_encode_population(p) for p in network.populations],
            "projections": [_encode_projection(q) for q in network.projections],
        }
    arrays: Arrays = {}
    for group, encoded in parts.items():
        header[group] = [values for values, _ in encoded]
        for index, (_, own) in enumerate(encoded):
            arrays |= {f"{group}/{index}/{name}": np.ascontiguousarray(a) for name, a in own.items()}
    return header, arrays


def _chip(network: FixedNetwork) -> Any:
    """The name of a chip that ships with the toolkit, or the whole table of another."""
    chip = network.limits
    own = chip_to_table(chip)
    if chip.name in chip_names() and chip_to_table(shipped_chip(chip.name)) == own:
        return chip.name
    chip_from_table(own, f"chip '{chip.name}'")  # what could not be read again is not written
    return own


def _load_chip(data: Any) -> Chip:
    """A chip from the header: never from a path that a file names."""
    return chip_from_table(data, "its chip") if isinstance(data, dict) else shipped_chip(str(data))


def _report(report: Any) -> Any:
    if report is not None and not hasattr(report, "to_dict"):
        raise ParameterError(f"the network's report is a {type(report).__name__}, not a QuantizationReport")
    return None if report is None else report.to_dict()


def _encode_fixed_population(p: FixedPopulation) -> tuple[Header, Arrays]:
    values = {n: getattr(p, n) for n in _FIXED_VALUES}
    if isinstance(p.scale, np.ndarray):
        values["scale"] = p.scale.tolist()
    return values, {n: getattr(p, n) for n in _FIXED_VECTORS}


def _encode_population(p: Population) -> tuple[Header, Arrays]:
    values = {"name": p.name, "model": p.neuron.kind, "size": p.size, "reset": p.reset, "threshold": p.threshold}
    return values, {"bias": p.bias, **{n: getattr(p.neuron, n) for n in _parameters(type(p.neuron))}}


def _parameters(model: type[Neuron]) -> list[str]:
    return [f.name for f in fields(model) if f.name != "size"]


def _encode_projection(q: BaseProjection) -> tuple[Header, Arrays]:
    values: Header = {"name": q.name, "source": q.pre, "target": q.post}
    arrays: Arrays = {"delay": np.asarray(q.delay, np.int64)}
    if isinstance(q.weight, ConvWeight):
        values["convolution"] = q.weight.geometry()
        arrays["kernel"] = q.weight.kernel
    elif q.is_sparse:
        values["shape"] = list(q.shape)
        w = q.weight
        arrays |= {"data": w.data, "indices": w.indices.astype(np.int64), "indptr": w.indptr.astype(np.int64)}
    else:
        arrays["weight"] = q.weight
    return values, arrays


def _encode_fixed_projection(q: FixedProjection) -> tuple[Header, Arrays]:
    values, arrays = _encode_projection(q)
    values |= {"weight_exp": q.weight_exp, "format": asdict(q.format)}
    return values, arrays if q.scale is None else {**arrays, "scale": q.scale}


# Decoding. What is wrong in a value is found by the classes themselves.


def decode(header: Header, arrays: Any) -> Network | FixedNetwork:
    """The network of :func:`encode`; the arrays lie in groups (HDF5's, or nested dicts) as their paths say.

    Raises:
        SsdpHwError: a value that the network refuses.
        Exception: any other, where the values are damaged.
    """
    inputs = [Input(**i) for i in header["inputs"]]
    outputs, notes = _texts(header["outputs"]), _texts(header["notes"])
    populations = list(_parts(header, arrays, "populations"))
    projections = list(_parts(header, arrays, "projections"))
    if header["kind"] == "fixed":
        return FixedNetwork(
            inputs,
            [_fixed_population(*p) for p in populations],
            [_fixed_projection(*q) for q in projections],
            outputs,
            _load_chip(header["chip"]),
            header["dt"],
            _decode_report(header["report"]),
            notes,
        )
    if header["kind"] != "float":
        raise ParameterError(f"networks of kind {header['kind']!r} are unknown")
    return Network(
        inputs,
        [_population(*p) for p in populations],
        [_projection(*q) for q in projections],
        outputs,
        Semantics(**header["semantics"]),
        notes,
    )


def _learning_state(header: Header, network: Network | FixedNetwork, file: Any) -> LearningState:
    counters = {}
    for index, dataset in file.get("counters", {}).items():
        if not str(index).isdecimal() or int(index) >= len(network.projections):
            raise ParameterError(f"counters of a projection {index!r} that there is not")
        counters[network.projections[int(index)].name] = dataset[()]
    return LearningState(counters, **with_new_names(LearningState, header["learning"]))


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise ParameterError("the header has something else where a list of texts should be")
    return values


def _parts(header: Header, arrays: Any, group: str) -> Iterable[tuple[Header, Arrays]]:
    for index, values in enumerate(header[group]):
        yield values, {name: dataset[()] for name, dataset in arrays[group][str(index)].items()}


def _vectors(values: Header, arrays: Arrays, names: Iterable[str]) -> Arrays:
    """The arrays of these names, each with one value a neuron: nothing is broadcast to a size that only claims."""
    for name in names:
        if arrays[name].shape != (values["size"],):
            raise ShapeError(
                f"population '{values['name']}': {name} of shape {arrays[name].shape} for {values['size']} neurons"
            )
    return {name: arrays[name] for name in names}


def _fixed_population(values: Header, arrays: Arrays) -> FixedPopulation:
    return FixedPopulation(**values, **_vectors(values, arrays, _FIXED_VECTORS))


def _population(values: Header, arrays: Arrays) -> Population:
    if values["model"] not in NEURON_MODELS:
        raise ParameterError(f"population '{values['name']}': neurons of model {values['model']!r} are unknown")
    model = NEURON_MODELS[values["model"]]
    neuron = model(size=values["size"], **_vectors(values, arrays, _parameters(model)))
    return Population(
        name=values["name"],
        neuron=neuron,
        bias=_vectors(values, arrays, ["bias"])["bias"],
        reset=values["reset"],
        threshold=values["threshold"],
    )


def _weight(values: Header, arrays: Arrays) -> Any:
    """The weight of a projection; what the header says of it is taken out of ``values``."""
    shape, geometry = values.pop("shape", None), values.pop("convolution", None)
    if geometry is not None:
        return ConvWeight(arrays["kernel"], **geometry)
    if shape is None:
        return arrays["weight"]
    return sp.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=tuple(shape))


def _projection(values: Header, arrays: Arrays) -> Projection:
    weight = _weight(values, arrays)
    return Projection(
        pre=values.pop("source"), post=values.pop("target"), **values, weight=weight, delay=arrays["delay"]
    )


def _fixed_projection(values: Header, arrays: Arrays) -> FixedProjection:
    weight, number = _weight(values, arrays), WeightFormat(**values.pop("format"))
    return FixedProjection(
        pre=values.pop("source"),
        post=values.pop("target"),
        **values,
        weight=weight,
        delay=arrays["delay"],
        format=number,
        scale=arrays.get("scale"),
    )


def _decode_report(data: Mapping[str, Any] | None) -> Any:
    if data is None:
        return None
    # Not at the top: quantisation brings the whole toolkit along.
    from ssdp_hw.quantization.report import QuantizationReport

    return QuantizationReport.from_dict(data)
