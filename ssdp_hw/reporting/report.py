"""``report``: one HTML page about a network on a chip's integers, and the same numbers as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from ssdp_hw.checks import as_path
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.learning.result import LearnResult
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.quantization import quantize
from ssdp_hw.reporting.collect import Samples, at_rest, describe
from ssdp_hw.reporting.data import ReportData
from ssdp_hw.reporting.environment import environment, network_hash, samples_hash
from ssdp_hw.reporting.files import write_report
from ssdp_hw.running.drive import AnyNetwork, Inputs


def report(
    path: str | os.PathLike[str],
    network: AnyNetwork,
    inputs: Inputs | None = None,
    labels: ArrayLike | None = None,
    fixed: FixedNetwork | None = None,
    *,
    learned: LearnResult | Mapping[str, LearnResult] | None = None,
    targets: str | Sequence[str] | None = None,
    ladder: bool = True,
    prove: bool = True,
    sample: int = 0,
    decode: str | None = None,
    steps: int | None = None,
    title: str = "",
    seeds: Mapping[str, JSON] | None = None,
    **quantization: Any,
) -> ReportData:
    """Write one self-contained HTML page about a network on a chip, and its numbers as JSON beside it.

    The page needs no network and no further file. It says first, in a sentence with numbers, what was found; then what
    was converted, assumed and clipped, what is proved of the registers, float against fixed, the loss step by step,
    spikes, ranges, learning, resources and energy, and with what it was made. What cannot be measured without inputs
    or labels is left out.

    Args:
        path: the ``.html`` file; the JSON has the same name with ``.json``.
        network: a float network, or a fixed one alone.
        inputs: samples, as for :func:`ssdp_hw.run`.
        labels: class of every sample, shape (batch,).
        fixed: the fixed form of a float network; default ``quantize(network, **quantization)``, calibrated on the
            first samples unless ``calibration`` is given.
        learned: what :func:`ssdp_hw.learn` gave, or several by name; with labels their accuracy on the samples is
            measured, before and after.
        targets: where to compare float and fixed; the first is where the rest of the report is measured. Default: the
            fastest target alone.
        ladder: whether to take the loss apart (needs a float network, labels and one output).
        prove: whether to ask for every register if any spike input can make it overflow.
        sample: the one whose spikes are drawn.
        decode: rule by which outputs become classes, see :func:`ssdp_hw.running.decoding.decode`; default
            ``spike_count``, of a readout ``max_membrane``.
        steps: length of the runs; default that of the input plus the network's latency.
        title: of the page; default: that of the chip.
        seeds: seeds of the encoder and others, to be recorded.
        quantization: options of :func:`ssdp_hw.quantize`, ``chip`` among them.

    Returns:
        The numbers that were written.

    Raises:
        ParameterError, ShapeError: networks, samples, labels or options that do not fit.
        MissingPackageError: matplotlib or jinja2 is not installed.
        FileFormatError: the files cannot be written.
    """
    out = as_path(path, "report: path")
    if out.suffix.lower() not in (".html", ".htm"):
        raise ParameterError(f"{path}: a report is a page, whose name ends with .html")
    source, chip_form = _networks(network, fixed, inputs, quantization)
    data = ReportData(
        title or f"A spiking network on {chip_form.limits.title}", describe(network), **at_rest(chip_form, prove)
    )
    hashes = {"fixed network": network_hash(chip_form)}
    if source is not None:
        hashes = {"float network": network_hash(source), **hashes}
    if inputs is None:
        if labels is not None or targets is not None:
            raise ParameterError("labels and targets are of samples: give inputs too")
    else:
        names = [targets] if isinstance(targets, str) else list(targets or [])
        samples = Samples(source, chip_form, inputs, labels, names, decode, steps, sample)
        data = samples.measured(data, ladder=ladder)
        hashes["inputs"] = samples_hash(inputs)
        if samples.labels is not None:
            hashes["labels"] = samples_hash(samples.labels)
        if learned is not None:
            data = replace(data, learning=samples.learning(learned))
    data = replace(data, environment=environment(hashes, seeds or {}))
    write_report(data, out)
    return data


def _networks(
    network: AnyNetwork, fixed: FixedNetwork | None, inputs: Inputs | None, quantization: dict[str, Any]
) -> tuple[Network | None, FixedNetwork]:
    """The float network, if there is one, and the fixed one."""
    if isinstance(network, FixedNetwork):
        if fixed is not None or quantization:
            raise ParameterError(
                "the network is a fixed one already: leave fixed and the options of quantize out"
                + (f" ({', '.join(quantization)})" if quantization else "")
            )
        return None, network
    if not isinstance(network, Network):
        raise ParameterError(f"report takes a Network or a FixedNetwork, not {type(network).__name__}")
    if fixed is None:
        return network, quantize(network, **({"calibration": inputs} | quantization))
    if quantization:
        raise ParameterError(f"a fixed network and options of quantize ({', '.join(quantization)}): give one of both")
    if not isinstance(fixed, FixedNetwork):
        raise ParameterError(f"the fixed network is a {type(fixed).__name__}")
    return network, fixed
