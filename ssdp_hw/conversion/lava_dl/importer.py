"""``from_lava_dl``: a network that lava-dl's SLAYER exported, in chip integers and without lava-dl.

What the numbers mean (lava-dl 0.6.0, ``lava/lib/dl/netx/hdf5.py`` and ``slayer/block/base.py``):

* du = iDecay - 1, dv = vDecay, vth = vThMant; weights are on the chip's scale already.
* SLAYER fires at v >= threshold + 0.01 units of the integer voltage, so in integers at v > vth << 6.
* A bias is in units of weights, of which one is 64 on the scale of v: a mantissa with exponent 6.
* The ``delay`` of a layer is axonal: it belongs to the spikes that the layer sends on, not to those that
  it sends to itself.
* An input layer with neurons takes real values x as a current ``weight * x + bias``: analog input, a constant one
  as :class:`ssdp_hw.DirectInput`.
* SLAYER's first layer acts on the input of a step in that step, and its spikes come out a step later; here it acts a
  step later and its spikes come out at once. Biases begin with the input in both: ``v_init`` takes back what a bias
  adds in step 0.
* Resonating neurons have complex weights: two projections, of which the imaginary one feeds ``imag_input``.
  :mod:`.neurons` says what other neurons' numbers mean; a network with them is one of chip ``loihi2``.
* A file of sigma-delta neurons (SDNN) is a network of Delta, SigmaDelta and Sigma on chip ``loihi2``; its input takes
  whole numbers as graded spikes. A payload has as many bits as the file says, or fewer where all synapses of a neuron
  together could leave its register.
* A last layer without neurons only sums up what arrives: a readout that never leaks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ssdp_hw.arrays import Int
from ssdp_hw.checks import as_size
from ssdp_hw.chips import Chip, load_chip
from ssdp_hw.conversion.lava_dl.layer_values import axonal_delay, bias_of, matrix, one_per_neuron, rows_and_columns
from ssdp_hw.conversion.lava_dl.net_file import Layer, read_layers
from ssdp_hw.conversion.lava_dl.neurons import CHIP, NEURON_TYPES, SIGMA_DELTA, message_bits
from ssdp_hw.conversion.lava_dl.populations import check_complex, population
from ssdp_hw.conversion.weight_algebra import diagonal
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError, SsdpHwError, UnsupportedError
from ssdp_hw.files.hdf5_guard import DEFAULT_MAX_BYTES
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.weight import DenseWeight, Weight

INPUT = "input"
IMAGINARY = "imag_input"
RECURRENT = ("dense_rec", "recurrent")
# What SLAYER's Affine block writes for the threshold of neurons that must not fire.
NEVER = (1 << 18) - 1


def from_lava_dl(
    path: str | os.PathLike[str],
    *,
    input_shape: Sequence[int] | None = None,
    threshold: Mapping[str, int | None] | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    trusted: bool = False,
) -> FixedNetwork:
    """Read a lava-dl ``.net`` file (HDF5): input, dense, recurrent, conv, pool, flatten and average layers.

    Populations are named after their layers, ``layer0`` and so on; the channels of the input are in C
    order of its shape. A last ``average`` only means groups of output neurons, and is left out with a
    note. Weights are kept to the bit.

    SLAYER writes its Affine block as a dense layer with a threshold that no register holds: a readout without spikes.

    Args:
        path: the file.
        input_shape: shape of the input, channels first, for a file that begins with a convolution or a pooling.
        threshold: by population a threshold mantissa in place of the file's; None for a readout without spikes.
        max_bytes: limit of what its datasets may occupy in memory together.
        trusted: whether to read the file in this process, which a damaged file can crash, not in one of its own.

    Raises:
        FileFormatError: the file is missing, damaged or no such network; see
            :func:`ssdp_hw.files.hdf5_reading.read_values`.
        UnsupportedError: layers, neurons or fields of other kinds, named.
        ParameterError, ShapeError: a value that no register holds, or sizes that do not fit.
    """
    chain = _Chain(thresholds=dict(threshold or {}))
    if input_shape is not None:
        chain.begin(tuple(as_size(k, "input_shape") for k in input_shape))
    for index, layer in enumerate(read_layers(path, max_bytes, trusted)):
        try:
            chain.add(f"layer{index}", layer)
        except SsdpHwError as error:
            raise _placed(error, layer.title) from None
    try:
        return chain.network()
    except SsdpHwError as error:
        raise _placed(error, str(path)) from None


def _placed(error: SsdpHwError, where: str) -> SsdpHwError:
    """The error with the place in front of its message, unless the message begins with it."""
    return error if str(error).startswith(where) else type(error)(f"{where}: {error}")


@dataclass
class _Chain:
    """The layers read so far, and the shape, name and axonal delays of the last of them."""

    inputs: list[Input] = field(default_factory=list)
    populations: list[FixedPopulation] = field(default_factory=list)
    projections: list[FixedProjection] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    source: str = INPUT
    delay: int | Int = 0
    averaged: bool = False
    thresholds: dict[str, int | None] = field(default_factory=dict)

    def begin(self, shape: tuple[int, ...]) -> None:
        """Make the input, of a shape that the caller gave."""
        if not 1 <= len(shape) <= 3:
            raise ParameterError(f"input_shape = {shape}; expected one to three sizes, channels first")
        self._make_input(shape)

    def add(self, name: str, layer: Layer) -> None:
        if self.averaged:
            raise UnsupportedError(f"{layer.title} comes after an average, which only a last layer can be")
        if layer.kind == "input":
            self._input(name, layer)
        elif layer.kind == "flatten":
            self._begun(layer, None)
            self.shape = (math.prod(self.shape),)
        elif layer.kind == "average":
            self._average(layer)
        else:
            self._connect(name, layer)

    def network(self) -> FixedNetwork:
        if not self.populations:
            raise UnsupportedError("no layer has neurons")
        for name in self.thresholds:
            if name not in {p.name for p in self.populations}:
                known = ", ".join(p.name for p in self.populations)
                raise ParameterError(f"threshold: there is no population '{name}'; there are: {known}")
        chip = "loihi" if all(p.is_cuba_lif for p in self.populations) else CHIP
        self._fit_payloads(load_chip(chip))
        notes = list(dict.fromkeys(self.notes))
        return FixedNetwork(self.inputs, self.populations, self.projections, [self.source], chip=chip, notes=notes)

    def _fit_payloads(self, chip: Chip) -> None:
        """Payloads of the most bits with which no step brings more to a neuron than a chip's simulators hold."""
        largest = (1 << (chip.activation_bits - 1)) - 1
        most: dict[str, int] = {}
        for q in self.projections:
            at_once = max(int(q.stored.absolute_row_sums().max(initial=0)), 1)
            most[q.pre] = min(most.get(q.pre, chip.payload_bits), (largest // at_once + 1).bit_length() - 1)
        wanted = {i.name: i.payload_bits for i in self.inputs} | {p.name: p.payload_bits for p in self.populations}
        fitting = {name: min(bits, most.get(name, bits)) for name, bits in wanted.items()}
        self.inputs = [replace(i, payload_bits=fitting[i.name]) for i in self.inputs]
        self.populations = [replace(p, payload_bits=fitting[p.name]) for p in self.populations]
        self.notes += [
            f"'{name}': payloads have {fitting[name]} bits in place of {bits}, since all synapses of a neuron together "
            "could leave its register; larger ones saturate, and are counted"
            for name, bits in wanted.items()
            if fitting[name] < bits
        ]

    def _begun(self, layer: Layer, shape: tuple[int, ...] | None) -> None:
        """Make the input of a file that begins with another layer, if the caller or that layer says its shape."""
        if self.shape:
            return
        if shape is None:
            raise UnsupportedError(
                f"{layer.title} is the first layer, and nothing tells the shape of its input: give "
                "input_shape=(channels, rows, columns), on the command line --input-shape"
            )
        self._make_input(shape)

    def _make_input(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.inputs.append(Input(INPUT, math.prod(shape)))

    def _input(self, name: str, layer: Layer) -> None:
        if self.populations or (self.shape and self.shape != layer.shape()):
            raise UnsupportedError(f"{layer.title} is not the first layer, or has another shape than input_shape")
        self._begun(layer, layer.shape())
        if layer.neuron is None:
            return
        size = math.prod(self.shape)
        if layer.neuron.text("type") == SIGMA_DELTA:
            if "weight" in layer or "bias" in layer:
                raise UnsupportedError(
                    f"{layer.title}: a weight or bias of an input of sigma-delta neurons, whose samples are not whole "
                    "numbers; export the network without them (weight=None, bias=None) and scale the input"
                )
            self.inputs[0] = replace(self.inputs[0], payload_bits=message_bits(layer.neuron))
            self._append(name, layer, diagonal(np.full(size, 64)), 0)
            self.notes.append(f"'{INPUT}' takes whole numbers as graded spikes, 64 for what was 1.0 in training")
            return
        gain = np.full(size, layer.integer("weight", 64))
        self._append(name, layer, diagonal(gain), layer.integer("bias", 0))
        self.notes.append(
            f"'{name}' takes real values x as a current weight * x + bias: analog input, or DirectInput if constant"
        )

    def _average(self, layer: Layer) -> None:
        self._begun(layer, None)
        groups, size = math.prod(layer.shape()), math.prod(self.shape)
        if size % groups:
            raise ShapeError(f"{layer.title} makes {groups} groups of {size} neurons")
        self.averaged = True
        self.notes.append(
            f"the last layer, an average, is left out: class k is the mean of outputs {size // groups} k to "
            f"{size // groups} (k + 1) - 1"
        )

    def _connect(self, name: str, layer: Layer) -> None:
        check_complex(layer)
        weight, shape = self._weight(layer.part("real") if layer.is_complex else layer)
        imaginary = self._weight(layer.part("imag"))[0] if layer.is_complex else None
        if math.prod(layer.shape()) != math.prod(shape):
            raise ShapeError(f"{layer.title} states the shape {layer.shape()}, but its weights make {shape}")
        self.shape = shape
        self._append(name, layer, weight, bias_of(layer, shape), imaginary)
        if layer.kind in RECURRENT:
            size = math.prod(shape)
            feedback = matrix(layer, "weight_rec", size, size)
            self.projections.append(FixedProjection(pre=name, post=name, weight=feedback))
        self.delay = axonal_delay(layer, shape)

    def _weight(self, layer: Layer) -> tuple[Weight, tuple[int, ...]]:
        return self._sliding(layer) if layer.kind in ("conv", "pool") else self._dense(layer)

    def _dense(self, layer: Layer) -> tuple[Weight, tuple[int, ...]]:
        size = math.prod(layer.shape())
        stored = layer.integers("weight")
        if stored.size % size:
            raise ShapeError(f"{layer.title}: {stored.size} weights for {size} neurons")
        self._begun(layer, (stored.size // size,))
        return DenseWeight(matrix(layer, "weight", size, math.prod(self.shape))), (size,)

    def _sliding(self, layer: Layer) -> tuple[ConvWeight, tuple[int, ...]]:
        """The weight of a conv or pool layer: a cross-correlation, rows and columns as in its file."""
        self._begun(layer, None)
        shape = (*self.shape, 1, 1)[:3]
        stored = layer.integers("weight")
        if stored.ndim == 5 and stored.shape[4] == 1:  # the last axis of the file's kernel is time
            stored = stored[..., 0]
        if stored.ndim != 4 or 0 in stored.shape:
            raise ShapeError(
                f"{layer.title}: a weight of shape {stored.shape}; expected (outputs, inputs, rows, columns)"
            )
        stride, padding, dilation = (rows_and_columns(layer, key) for key in ("stride", "padding", "dilation"))
        if layer.kind == "conv":
            made = ConvWeight(stored, shape, stride, padding, dilation, layer.integer("groups", 1))
            return made, made.shape_out
        if stored.shape[:2] != (1, 1) or dilation != (1, 1):
            raise UnsupportedError(
                f"{layer.title}: a weight of shape {stored.shape}, dilation {dilation}; one window without dilation "
                "for all channels is read"
            )
        kernel = stored[None]  # channels are one more axis of a convolution of one channel
        # SLAYER adds zeros behind an axis that windows do not divide: as many as are left over.
        over = [size % window for size, window in zip(shape[1:], stored.shape[2:], strict=True)]
        for extra in (over, [0, 0]):
            sides = ((0, 0), *((p, p + k) for p, k in zip(padding, extra, strict=True)))
            made = ConvWeight(kernel, (1, *shape), (1, *stride), sides)
            if math.prod(made.shape_out) == math.prod(layer.shape()):
                break
        return made, made.shape_out[1:]

    def _append(
        self, name: str, layer: Layer, weight: Weight, bias: int | Int, imaginary: Weight | None = None
    ) -> None:
        """A population and the projections from what came before it."""
        self._populate(name, layer, bias)
        self._project(name, weight)
        if imaginary is not None:
            self._project(name, imaginary, name=f"{self.source}->{name} (imag)", port=IMAGINARY)
        self.source = name

    def _project(self, post: str, weight: Weight, **values: Any) -> None:
        """A projection from the last layer, with its axonal delays."""
        delay = self.delay
        if isinstance(delay, np.ndarray):  # one delay an axon: every synapse of that presynaptic neuron has it
            weight = weight.by_synapse()
            delay = delay[weight.synapse_indices()[1]]
        self.projections.append(FixedProjection(pre=self.source, post=post, weight=weight.given, delay=delay, **values))

    def _populate(self, name: str, layer: Layer, bias: int | Int) -> None:
        """The population of a layer, with the threshold of the file or of the caller."""
        vth: int | Int | None = None
        if layer.neuron is not None and layer.neuron.text("type") not in {SIGMA_DELTA, *NEURON_TYPES}:
            vth = one_per_neuron(layer.neuron, "vThMant", self.shape) if "vThMant" in layer.neuron else None
            if vth is not None and np.all(vth == NEVER):
                vth = None
                self.notes.append(
                    f"'{name}' has SLAYER's threshold of neurons that must not fire (its Affine block): it is a "
                    "readout without spikes, to be decoded by its voltage (max_membrane)"
                )
            elif vth is None and name not in self.thresholds:
                raise FileFormatError(f"{layer.title}: there is no vThMant: give threshold={{'{name}': ...}}")
            if name in self.thresholds:
                vth = self.thresholds[name]
                self.notes.append(f"the caller chose the threshold of '{name}': {vth}")
        self.populations.append(population(name, layer, self.shape, bias, vth))
