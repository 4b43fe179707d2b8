"""A network as a model of NeuroBench, whose metrics then are those of the chip's integers (extra ``neurobench``).

NeuroBench (J. Yik et al., Nature Communications 16, 1545, 2025) counts with hooks on torch modules. The network runs on
a target of this toolkit; its spikes are then shown to a torch module that holds its weights, layer by layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ssdp_hw.display import Table, shown
from ssdp_hw.errors import MissingPackageError, ParameterError, ShapeError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.running.decoding import required_record
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.run import run

try:
    import torch
    from neurobench.models import NeuroBenchModel
    from torch import nn
except ImportError as error:
    raise MissingPackageError(f"NeuroBench cannot be imported ({error}): pip install 'ssdp-hw[neurobench]'") from None

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class _Population(nn.Module):  # type: ignore[misc]
    """What NeuroBench takes for an activation layer: it hands on the spikes of a population, which its hooks count."""

    def forward(self, spikes: Any) -> Any:
        return spikes


@shown
class NeuroBenchNetwork(NeuroBenchModel):  # type: ignore[misc]
    """A float or fixed network that NeuroBench's ``Benchmark`` runs.

    Its metrics are those of :func:`ssdp_hw.measure_activity`: ``SynapticOperations`` (``Effective_ACs``; ``Dense`` of
    dense and convolutional projections), ``ActivationSparsity`` without the helper populations that carry biases, and
    ``ConnectionSparsity`` of dense and sparse projections, which NeuroBench rounds to four places. NeuroBench's
    ``MembraneUpdates`` counts neurons of snnTorch whose potential changed, and is 0 here.

    Args:
        network: of one input and one output.
        target: where it runs, see :func:`ssdp_hw.run`.
        decode: rule by which outputs become a class, see :mod:`ssdp_hw.running.decoding`; None gives the output spikes,
            shape (batch, time, neurons), to a postprocessor.

    Raises:
        ParameterError: several inputs or outputs.
    """

    def __init__(self, network: AnyNetwork, target: str | None = None, decode: str | None = "spike_count") -> None:
        super().__init__()
        if len(network.inputs) != 1 or len(network.outputs) != 1:
            raise ParameterError(
                f"NeuroBench takes one input and one output; the network has {list(network.input_names)} and "
                f"{list(network.outputs)}"
            )
        self.network, self.target, self.decode = network, target, decode
        self.add_activation_module(_Population)
        self._layers = {p.name: _layer(p) for p in network.projections}
        counted = [name for name in network.population_names if name not in network.helpers]
        self._populations = {name: _Population() for name in counted}
        # Names of modules must not hold dots.
        named = {**{f"projection_{i}": m for i, m in enumerate(self._layers.values())},
                 **{f"population_{i}": m for i, m in enumerate(self._populations.values())}}  # fmt: skip
        self._net = nn.ModuleDict(named)

    def _table(self) -> Table:
        rows = [(name, str(self.network.size_of(name))) for name in self._populations]
        where, how = self.target or "the fastest target", self.decode or "spikes as they are"
        return Table(f"NeuroBench model on {where}: {self.network!r}, {how}", ("population", "neurons"), rows)

    def __net__(self) -> Any:
        """The torch module that NeuroBench's hooks are on."""
        return self._net

    def __call__(self, batch: Any) -> Any:
        """Run samples.

        Args:
            batch: spikes of 0 and 1, shape (batch, time, channels); further axes are flattened into channels.

        Returns:
            Classes, shape (batch,), or output spikes.

        Raises:
            ShapeError, ParameterError: samples that do not fit.
        """
        given = np.asarray(torch.as_tensor(batch).detach().cpu())
        if given.ndim < 3:
            raise ShapeError(f"NeuroBench's batch of shape {given.shape}; expected (batch, time, channels)")
        spikes = given.reshape(*given.shape[:2], -1).transpose(1, 0, 2)
        if not np.isin(spikes, (0, 1)).all():
            raise ParameterError("NeuroBench's batch holds other values than spikes of 0 and 1; encode them first")
        length = len(spikes) + self.network.latency
        record = tuple(dict.fromkeys(("spikes", required_record(self.decode or "spike_count"))))
        ran = run(self.network, spikes, self.target, record=record, steps=length, on_overflow="ignore")
        silence = np.zeros((self.network.latency, *spikes.shape[1:]), spikes.dtype)
        rasters = {self.network.input_names[0]: np.concatenate([spikes, silence]), **ran.spikes}
        with torch.no_grad():
            for projection in self.network.projections:
                self._layers[projection.name](_shaped(rasters[projection.pre], projection))
            for name, module in self._populations.items():
                module(torch.as_tensor(rasters[name].astype(np.float32)))
        output = self.network.outputs[0]
        if self.decode is None:
            return torch.as_tensor(ran.spikes[output].transpose(1, 0, 2).astype(np.float32))
        return torch.as_tensor(ran.predict(self.decode))


def _convolution(projection: BaseProjection) -> ConvWeight | None:
    """The weight where torch has a layer of that geometry."""
    weight: Any = projection.stored
    if not isinstance(weight, ConvWeight) or not 1 <= weight.kernel.ndim - 2 <= len(_CONVOLUTIONS):
        return None
    return weight if all(low == high for low, high in weight.padding) else None


def _layer(projection: BaseProjection) -> Any:
    """A torch layer that holds the weights of a projection."""
    weight = _convolution(projection)
    if weight is None:
        matrix = projection.matrix
        dense = np.asarray(matrix.toarray() if projection.is_sparse else matrix, np.float32)
        layer = nn.Linear(*reversed(dense.shape), bias=False)
        layer.weight.data = torch.as_tensor(dense)
        return layer
    kernel = np.asarray(weight.kernel, np.float32)
    conv = _CONVOLUTIONS[kernel.ndim - 3](
        weight.shape_in[0], kernel.shape[0], kernel.shape[2:], weight.stride, tuple(low for low, _ in weight.padding),
        weight.dilation, weight.groups, bias=False,
    )  # fmt: skip
    conv.weight.data = torch.as_tensor(kernel)
    return conv


def _shaped(raster: Any, projection: BaseProjection) -> Any:
    """Spikes of all steps and samples as a layer takes them."""
    weight = _convolution(projection)
    shape = (raster.shape[2],) if weight is None else weight.shape_in
    return torch.as_tensor(np.ascontiguousarray(raster).astype(np.float32).reshape(-1, *shape))
