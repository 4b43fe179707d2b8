"""The layers of a lava-dl ``.net`` file (HDF5) and their fields, each checked when it is asked for."""

from __future__ import annotations

import math
import os
from copy import copy
from typing import Any

import numpy as np

from ssdp_hw.arrays import Int, Numbers
from ssdp_hw.checks import check_name
from ssdp_hw.errors import FileFormatError, ParameterError, UnsupportedError
from ssdp_hw.files.hdf5_reading import read_values

MAX_LAYERS = 1000
# A shape of more values than this is damage, not a layer.
MAX_VALUES = 1 << 24

_ANY_NEURON = {"type", "vThMant", "gradedSpike", "messageBits", "wgtExp", "weight_exp", "scaleRho", "tauRho"}
_LIF = {"iDecay", "vDecay", "refDelay", *_ANY_NEURON}
_RESONATOR = {"sinDecay", "cosDecay", *_ANY_NEURON}
_ADAPTIVE = {"thDecay", "refDecay", "vThStep"}
NEURON_FIELDS = {
    "LOIHI": {*_LIF, "theta"},  # theta belongs to training
    "CUBA": {*_LIF, "theta"},
    "ALIF": {*_LIF, *_ADAPTIVE},
    "RF_PHASE": _RESONATOR,
    "RF_IZHIKEVICH": _RESONATOR,
    "ADRF_PHASE": {*_RESONATOR, *_ADAPTIVE},
    "ADRF_IZHIKEVICH": {*_RESONATOR, *_ADAPTIVE},
    "SDNN": {"type", "vThMant", "activation", "sigma_output", "messageBits"},
}
_KERNEL = {"kernelSize", "stride", "padding", "dilation"}
FIELDS = {
    "input": {"type", "shape", "neuron", "weight", "bias"},
    "flatten": {"type", "shape"},
    "average": {"type", "shape"},
    "dense": {"type", "shape", "neuron", "weight", "bias", "delay", "inFeatures", "outFeatures"},
    "dense_rec": {"type", "shape", "neuron", "weight", "weight_rec", "bias", "delay", "inFeatures", "outFeatures"},
    "recurrent": {"type", "shape", "neuron", "weight", "weight_rec", "bias", "delay", "inFeatures", "outFeatures"},
    "conv": {"type", "shape", "neuron", "weight", "bias", "delay", "inChannels", "outChannels", "groups", *_KERNEL},
    "pool": {"type", "shape", "neuron", "weight", "delay", *_KERNEL},
}


class Fields:
    """Named values of a layer or of its neurons; ``title`` names their owner in messages."""

    def __init__(self, values: dict[str, Any], title: str) -> None:
        self.values, self.title = values, title

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        """A text.

        Raises:
            FileFormatError: there is none.
        """
        value = self._array(name)
        if value.size != 1 or value.dtype.kind not in "SO":
            raise FileFormatError(f"{self.title}: '{name}' is no text")
        item = value.reshape(-1)[0]
        try:
            return check_name(item.decode() if isinstance(item, bytes) else item, f"{self.title}: {name}")
        except (UnicodeDecodeError, ParameterError):
            raise FileFormatError(f"{self.title}: '{name}' is no printable text") from None

    def integers(self, name: str) -> Int:
        """Whole numbers in any numeric type; lava-dl writes many of them as floats.

        Raises:
            FileFormatError: there are none.
            ParameterError: a value that is not whole, or beyond 32 bits.
        """
        value = self._array(name)
        if value.dtype.kind not in "biuf":
            raise FileFormatError(f"{self.title}: '{name}' has values of type {value.dtype}, not numbers")
        with np.errstate(invalid="ignore"):
            bad = ~(np.abs(value.astype(np.float64)) < 2.0**31)
        if not np.any(bad):
            bad = np.rint(value) != value if value.dtype.kind == "f" else np.zeros(value.shape, bool)
        if np.any(bad):
            raise ParameterError(
                f"{self.title}: '{name}' holds {value[bad].flat[0]}; expected whole numbers of the chip: export the "
                "network quantised, as lava-dl does"
            )
        return value.astype(np.int64)

    def integer(self, name: str, default: int | None = None) -> int:
        """One whole number.

        Raises:
            FileFormatError, ParameterError: see :meth:`integers`; or there are several.
        """
        if default is not None and name not in self:
            return default
        value = self.integers(name)
        if value.size != 1:
            raise FileFormatError(f"{self.title}: '{name}' has {value.size} values; expected one")
        return int(value.reshape(-1)[0])

    def shape(self) -> tuple[int, ...]:
        """The shape of the layer, channels first.

        Raises:
            FileFormatError, ParameterError: there is none, or it is none.
        """
        value = self.integers("shape")
        shape = tuple(int(k) for k in value.reshape(-1))
        if value.ndim > 1 or not 1 <= len(shape) <= 3 or min(shape) < 1 or math.prod(shape) > MAX_VALUES:
            raise ParameterError(f"{self.title}: {str(shape)[:60]} is no shape of a layer")
        return shape

    def _array(self, name: str) -> Numbers:
        if name not in self.values or isinstance(self.values[name], dict):
            raise FileFormatError(f"{self.title}: there is no dataset '{name}'")
        return np.asarray(self.values[name])


class Layer(Fields):
    """One layer; ``kind`` is its type in the file."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        super().__init__(values, where)
        self.kind = self.text("type")
        self.title = f"{where} ({self.kind})"
        if self.kind not in FIELDS:
            raise UnsupportedError(f"{where} is of type '{self.kind}'; read are {', '.join(FIELDS)}")
        _refuse_unknown(self, FIELDS[self.kind])
        if isinstance(values.get("bias"), dict):
            raise UnsupportedError(f"{self.title}: 'bias' is complex; only real biases are read")

    @property
    def is_complex(self) -> bool:
        """Whether its weights have a real and an imaginary part."""
        return isinstance(self.values.get("weight"), dict)

    def part(self, name: str) -> Layer:
        """The layer with the ``real`` or the ``imag`` part of its weights alone."""
        made = copy(self)
        made.values = {**self.values, "weight": self.values["weight"].get(name)}
        if made.values["weight"] is None:
            raise FileFormatError(f"{self.title}: there is no dataset 'weight/{name}'")
        return made

    @property
    def neuron(self) -> Fields | None:
        """The fields of its neurons; None if it has none.

        Raises:
            FileFormatError: it is no group.
            UnsupportedError: fields of another kind of neuron.
        """
        if "neuron" not in self:
            return None
        values = self.values["neuron"]
        if not isinstance(values, dict):
            raise FileFormatError(f"{self.title}: 'neuron' is no group")
        found = Fields(values, f"{self.title}: neuron")
        kind = found.text("type")
        if kind not in NEURON_FIELDS:
            raise UnsupportedError(f"{self.title} has neurons of type '{kind}'; read are {', '.join(NEURON_FIELDS)}")
        _refuse_unknown(found, NEURON_FIELDS[kind])
        return found


def read_layers(path: str | os.PathLike[str], max_bytes: int, trusted: bool = False) -> list[Layer]:
    """The layers of a file, in order.

    Raises:
        FileFormatError: no readable ``.net`` file; see :func:`ssdp_hw.files.hdf5_reading.read_values`.
        UnsupportedError: a layer of another type, or fields that this does not know.
    """
    content = read_values(path, max_bytes, trusted).tree
    layers = content.get("layer")
    if not isinstance(layers, dict):
        raise FileFormatError(f"{path}: is HDF5 but no lava-dl network: it has no group 'layer'")
    if not 0 < len(layers) <= MAX_LAYERS:
        raise FileFormatError(f"{path}: its layers are no group of 1 to {MAX_LAYERS}")
    missing = [index for index in range(len(layers)) if not isinstance(layers.get(str(index)), dict)]
    if missing:
        raise FileFormatError(f"{path}: is HDF5 but no lava-dl network: it has no group 'layer/{missing[0]}'")
    return [Layer(layers[str(index)], f"{path}: layer {index}") for index in range(len(layers))]


def _refuse_unknown(fields: Fields, known: set[str]) -> None:
    unknown = sorted(set(fields.values) - known)
    if unknown:
        raise UnsupportedError(f"{fields.title}: the fields {', '.join(map(repr, unknown))} are not known here")
