"""What a report measures itself: a float and a fixed network on the same samples, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.reporting.data import Facts
from ssdp_hw.running.batches import batch_size, batches, select_samples
from ssdp_hw.running.decoding import UNDECIDED, required_record
from ssdp_hw.running.drive import AnyNetwork, Inputs
from ssdp_hw.running.result import RunResult
from ssdp_hw.running.run import run

# Samples whose currents and voltages are looked at, and bins of a histogram.
RANGE_SAMPLES, BINS = 64, 32
# Neurons of a layer that a raster shows: more would lie closer than a line is wide.
RASTER_NEURONS = 128
# Steps that a raster shows.
RASTER_STEPS = 400


def agreement(
    networks: dict[str, AnyNetwork],
    inputs: Inputs,
    labels: NDArray[np.int64] | None,
    *,
    samples: int,
    steps: int,
    target: str | None,
    decode: str,
) -> Facts:
    """Run every network on all samples; accuracies where there are labels, and the spikes of every layer.

    Args:
        networks: ``float`` and ``fixed``, or one of them.
        inputs: as for :func:`ssdp_hw.run`.
        labels: shape (batch,), or None.
        samples, steps: their number, and the length of the run.
        target: where to run.
        decode: rule by which outputs become classes.

    Returns:
        Plain values: ``runs`` by network, ``layers``, ``same_predictions`` (None for one network), ``confusion``.
    """
    variable = required_record(decode)
    record = ("spikes",) if variable == "spikes" else ("spikes", variable)
    predictions: dict[str, list[NDArray[np.int64]]] = {kind: [] for kind in networks}
    seconds, overflow = dict.fromkeys(networks, 0.0), dict.fromkeys(networks, 0)
    ran = dict.fromkeys(networks, "")
    layers: dict[str, dict[str, Any]] = {}
    size = min(batch_size(network, steps, record) for network in networks.values())
    for part, chosen in batches(inputs, samples, size):
        results = {}
        for kind, network in networks.items():
            result = run(network, chosen, target, record=record, steps=steps, on_overflow="ignore")
            predictions[kind].append(result.predict(decode))
            seconds[kind] += result.seconds
            ran[kind] = result.target
            overflow[kind] += sum(count.total for count in (result.overflow or {}).values())
            results[kind] = result
        _count_layers(layers, networks, results, part.start)
    found = {kind: np.concatenate(parts) for kind, parts in predictions.items()}
    runs = {}
    for kind, classes in found.items():
        right = None if labels is None else int(np.count_nonzero(classes == labels))
        runs[kind] = {
            "target": ran[kind],
            "right": right,
            "accuracy": None if right is None else asdict(wilson(right, samples)),
            "undecided": int(np.count_nonzero(classes == UNDECIDED)),
            "overflows": overflow[kind] if kind == "fixed" else None,
            "seconds": seconds[kind],
        }
    both = len(found) == 2
    plain = [{"population": name, **layer} for name, layer in layers.items()]
    return {
        "decode": decode,
        "steps": steps,
        "samples": samples,
        "runs": runs,
        "same_predictions": int(np.count_nonzero(found["float"] == found["fixed"])) if both else None,
        "changed": None if labels is None or not both else _changed(found, labels),
        "layers": plain,
    }


def _changed(found: dict[str, NDArray[np.int64]], labels: NDArray[np.int64]) -> dict[str, int]:
    """Samples that are right in one network alone."""
    before, after = found["float"] == labels, found["fixed"] == labels
    return {"lost": int(np.count_nonzero(before & ~after)), "won": int(np.count_nonzero(after & ~before))}


def _count_layers(
    layers: dict[str, dict[str, Any]], networks: dict[str, AnyNetwork], results: dict[str, RunResult], start: int
) -> None:
    """Add the spikes of one batch, whose first sample is number ``start``, to those of every layer."""
    first = next(iter(networks.values()))
    helpers = set().union(*(network.helpers for network in networks.values()))
    for p in first.populations:
        if not p.spiking or p.name in helpers:
            continue
        layer = layers.setdefault(
            p.name,
            {"neurons": p.size, "cells": 0, "spikes": dict.fromkeys(results, 0), "different": None, "first": None},
        )
        rasters = {kind: result.spikes[p.name] for kind, result in results.items() if p.name in result.spikes}
        layer["cells"] += next(iter(rasters.values())).size
        for kind, raster in rasters.items():
            layer["spikes"][kind] += int(np.count_nonzero(raster))
        if len(rasters) == 2:
            different = rasters["float"] ^ rasters["fixed"]
            layer["different"] = (layer["different"] or 0) + int(np.count_nonzero(different))
            layer["first"] = _earlier(layer["first"], different, start)


def _earlier(known: dict[str, int] | None, different: NDArray[np.bool_], start: int) -> dict[str, int] | None:
    """The earliest difference: the one that is known, or the first of this batch."""
    if not different.any():
        return known
    step = int(np.argmax(different.any(axis=(1, 2))))
    if known is not None and known["step"] <= step:
        return known
    sample, neuron = (int(k) for k in np.argwhere(different[step])[0])
    return {"step": step, "sample": start + sample, "neuron": neuron}


def raster(
    networks: dict[str, AnyNetwork],
    inputs: Inputs,
    labels: NDArray[np.int64] | None,
    *,
    sample: int,
    steps: int,
    target: str | None,
    decode: str,
) -> Facts:
    """The spikes of one sample: of inputs, and of every spiking layer in each network, as pairs (step, neuron)."""
    variable = required_record(decode)
    record = ("spikes",) if variable == "spikes" else ("spikes", variable)
    chosen = select_samples(inputs, slice(sample, sample + 1))
    results = {
        kind: run(network, chosen, target, record=record, steps=steps, on_overflow="ignore")
        for kind, network in networks.items()
    }
    first = next(iter(networks.values()))
    layers: list[dict[str, Any]] = []
    for p in first.populations:
        if p.spiking and p.name not in first.helpers:
            shown = {kind: _pairs(r.spikes[p.name][:, 0]) for kind, r in results.items() if p.name in r.spikes}
            layers.append(
                {"population": p.name, "neurons": p.size, "shown": min(p.size, RASTER_NEURONS), "spikes": shown}
            )
    return {
        "sample": sample,
        "label": None if labels is None else int(labels[sample]),
        "predictions": {kind: int(result.predict(decode)[0]) for kind, result in results.items()},
        "steps": steps,
        "steps_shown": min(steps, RASTER_STEPS),
        "layers": layers,
    }


def _pairs(spikes: NDArray[np.bool_]) -> list[list[int]]:
    found: list[list[int]] = np.argwhere(spikes[:RASTER_STEPS, :RASTER_NEURONS]).tolist()
    return found


def ranges(fixed: FixedNetwork, inputs: Inputs, *, samples: int, steps: int, target: str | None) -> Facts:
    """What every state of every population reached on the first samples, beside its register and its threshold."""
    states = tuple(dict.fromkeys(state for p in fixed.populations for state in p.state_names))
    size = min(RANGE_SAMPLES, samples, batch_size(fixed, steps, states))
    result = run(
        fixed,
        select_samples(inputs, slice(0, size)),
        target,
        record=("spikes", *states),
        steps=steps,
        on_overflow="ignore",
    )
    rows = []
    for p in fixed.populations:
        if p.name in fixed.helpers:
            continue
        registers = fixed.step_form(p.name).registers
        for state in p.state_names:
            trace = result.recorded(state).get(p.name)
            if trace is None:
                continue
            half = 1 << (registers[state] - 1)
            rows.append(
                {
                    "population": p.name,
                    "state": state,
                    "low": int(trace.min()),
                    "high": int(trace.max()),
                    "register_low": 1 - half,
                    "register_high": half - 1,
                    "threshold": _threshold(fixed, p.name) if state == "v" else None,
                }
            )
    return {"samples": size, "steps": steps, "target": result.target, "states": rows}


def _threshold(fixed: FixedNetwork, name: str) -> int | None:
    """The largest threshold of a population on the scale of v; None where its model has none of that kind."""
    p = fixed.population(name)
    if not p.spiking or not p.is_cuba_lif:
        return None
    return int(np.max(p.vth)) << fixed.limits.activation_shift


def weights(fixed: FixedNetwork) -> Facts:
    """For every projection how many of its weight integers lie in each of equal ranges of the weight format."""
    rows = []
    for q in fixed.projections:
        codes = np.asarray(q.mantissa).reshape(-1)
        low, high = q.format.mantissa_min, q.format.mantissa_max
        width = -(-(high - low + 1) // BINS)  # whole integers, so that every bin holds as many codes
        counts, edges = np.histogram(codes, bins=np.arange(low, high + 1 + width, width))
        rows.append(
            {
                "projection": q.name,
                "format": q.format.name,
                "weight_exp": q.weight_exp,
                "stored": int(codes.size),
                "low": low,
                "high": high,
                "used_low": int(codes.min()) if codes.size else 0,
                "used_high": int(codes.max()) if codes.size else 0,
                "zero": int(np.count_nonzero(codes == 0)),
                "at_limit": int(np.count_nonzero((codes == low) | (codes == high))),
                "edges": [int(e) for e in edges],
                "counts": [int(c) for c in counts],
            }
        )
    return {"projections": rows}
