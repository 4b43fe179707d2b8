"""A run, one sample of it: rasters, voltages with their threshold, the label and the prediction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ssdp_hw.checks import as_int
from ssdp_hw.display import Axes, Drawn, count
from ssdp_hw.errors import ParameterError
from ssdp_hw.pictures.style import (
    AFTER,
    BEFORE,
    CHANGED,
    FAINT,
    FIXED,
    INK,
    legend,
    panels,
    picture,
    several,
    short,
    title,
)
from ssdp_hw.running.decoding import UNDECIDED, decode as decoded, decoding_rule, required_record
from ssdp_hw.running.result import RunResult

# Rasters, and voltages of neurons that are neither the label's nor the predicted one, that are drawn at most.
_RASTERS, _TRACES = 4, 24


@picture
def draw(
    result: RunResult,
    *,
    sample: int = 0,
    label: int | None = None,
    against: RunResult | None = None,
    decode: str | None = None,
    populations: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Drawn:
    """See :meth:`ssdp_hw.running.result.RunResult.plot`."""
    sample = as_int(sample, "sample")
    if not 0 <= sample < result.batch:
        raise ParameterError(f"sample = {sample}; the run has samples 0 .. {result.batch - 1}")
    if against is not None and (against.steps, against.batch) != (result.steps, result.batch):
        raise ParameterError(
            f"runs of (steps, batch) {(result.steps, result.batch)} and {(against.steps, against.batch)} cannot be "
            "drawn over each other"
        )
    names = _rasters(result, populations)
    output = result.outputs[0] if len(result.outputs) == 1 else None
    traced = output if output is not None and output in result.v else None
    if not names and traced is None:
        raise ParameterError("the run recorded neither spikes nor the output's v: record=('spikes', 'v') draws both")
    axes = panels(ax, [1.3] * len(names) + [2.0] * (traced is not None), sharex=True)
    first = _first_difference(result, against, sample)
    for one, name in zip(axes, names, strict=False):
        _raster(one, name, result, against, sample)
        if first is not None:
            one.axvline(first[1], color=INK, lw=1, ls=":", label="first difference")
    predicted = _prediction(result, output, sample, decode)
    if traced is not None:
        _traces(axes[-1], result, against, traced, sample, label, predicted)
    axes[-1].set_xlabel("step")
    axes[-1].set_xlim(-0.5, result.steps - 0.5)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    title(axes[0], _finding(result, against, sample, label, predicted, output, first, decode))
    if names and against is not None:
        legend(axes[0], 2)
    return several(axes)


def _rasters(result: RunResult, populations: Sequence[str] | None) -> list[str]:
    spiking = set(result.info.get("threshold", result.spikes))
    if populations is None:
        names = [n for n in result.spikes if n in spiking and n not in result.info.get("helpers", ())]
        last = [n for n in names if n in result.outputs]
        return [n for n in names if n not in last][: max(0, _RASTERS - len(last))] + last
    for name in populations:
        if name not in result.spikes:
            raise ParameterError(
                f"the spikes of population '{name}' were not recorded; there are: {list(result.spikes)}"
            )
    return list(populations)


def _raster(ax: Axes, name: str, result: RunResult, against: RunResult | None, sample: int) -> None:
    here = result.spikes[name][:, sample]
    there = None if against is None else against.spikes.get(name)
    groups: list[tuple[NDArray[np.bool_], str, str, str]]
    if there is None or against is None:
        groups = [(here, "|", FIXED, "spike")]
    else:
        other = there[:, sample]
        groups = [
            (here & other, "|", FIXED, "in both"),
            (here & ~other, "x", CHANGED, f"{result.arithmetic} only"),
            (other & ~here, "o", BEFORE, f"{against.arithmetic} only"),
        ]
    size = float(np.clip(70 / max(here.shape[1], 1), 2.5, 7))
    for fired, marker, color, label in groups:
        step, neuron = np.nonzero(fired)
        fill = "none" if marker == "o" else color
        ms = size if marker == "|" else max(size, 4.5)
        ax.plot(step, neuron, marker, color=color, ms=ms, mew=1, mfc=fill, label=label)
    ax.set_ylim(-1, here.shape[1])
    ax.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    ax.set_ylabel(short(name, 12))


def _in_thresholds(result: RunResult, name: str, sample: int) -> tuple[NDArray[np.float64], str]:
    """Voltages (time, n) in a unit that float and fixed share where one is known, and its name."""
    v = result.v[name][:, sample].astype(np.float64)
    levels = result.levels.get(name)
    if levels is None:
        return v, "v"
    if levels.threshold is not None and np.all(levels.threshold > levels.rest):
        return (v - levels.rest) / (levels.threshold - levels.rest), "v in thresholds"
    if levels.scale is not None:
        return v / levels.scale, "v in volts"
    return v, "v"


def _traces(
    ax: Axes,
    result: RunResult,
    against: RunResult | None,
    name: str,
    sample: int,
    label: int | None,
    predicted: int | None,
) -> None:
    v, unit = _in_thresholds(result, name, sample)
    steps, point = np.arange(len(v)), "." if len(v) == 1 else None  # a line through one point is not seen
    marked = {label: (AFTER, f"label, neuron {label}")} if label is not None else {}
    if predicted is not None and predicted != UNDECIDED:
        same = predicted == label
        marked[predicted] = (
            FIXED,
            f"label and prediction, neuron {predicted}" if same else f"prediction, neuron {predicted}",
        )
    rest = [n for n in range(v.shape[1]) if n not in marked][:_TRACES]
    for k, n in enumerate(rest):
        ax.plot(steps, v[:, n], color=FAINT, lw=0.8, marker=point, label=None if k else "other neurons")
    other = None
    if against is not None and name in against.v:
        other, other_unit = _in_thresholds(against, name, sample)
        other = other if other_unit == unit else None
    for n, (color, said) in marked.items():
        ax.plot(steps, v[:, n], color=color, lw=1.6, marker=point, label=said)
        if other is not None and against is not None:
            ax.plot(steps, other[:, n], color=INK, lw=1, ls="--", label=f"{against.arithmetic}, neuron {n}")
    if unit == "v in thresholds":
        ax.axhline(1.0, color=BEFORE, lw=1, ls=":", label="threshold")
    ax.set_ylabel(f"{short(name, 12)}: {unit}" if len(name) < 4 else unit)
    legend(ax, 2)


def _first_difference(result: RunResult, against: RunResult | None, sample: int) -> tuple[str, int, int] | None:
    """Population, step and neuron of the earliest spike of the sample that one run alone has."""
    found = []
    for name in result.spikes.keys() & (against.spikes.keys() if against is not None else ()):
        assert against is not None
        if result.spikes[name].shape != against.spikes[name].shape:
            raise ParameterError(f"population '{name}' has another number of neurons in the other run")
        different = np.argwhere(result.spikes[name][:, sample] != against.spikes[name][:, sample])
        if len(different):
            found.append((int(different[0][0]), list(result.spikes).index(name), name, int(different[0][1])))
    return None if not found else (min(found)[2], min(found)[0], min(found)[3])


def _prediction(result: RunResult, output: str | None, sample: int, decode: str | None) -> int | None:
    """The class of the sample; None where no rule can be taken."""
    if output is None:
        return None
    spikes = output in result.info.get("threshold", {output: ""}) and output in result.spikes
    rule = decode or decoding_rule(None, not spikes, output)
    trace = result.v.get(output) if required_record(rule) == "v" else result.spikes.get(output)
    return None if trace is None else int(decoded(rule, trace[:, sample : sample + 1])[0])


def _finding(
    result: RunResult,
    against: RunResult | None,
    sample: int,
    label: int | None,
    predicted: int | None,
    output: str | None,
    first: tuple[str, int, int] | None,
    decode: str | None,
) -> str:
    said = f"Sample {sample}"
    if predicted is None:
        total = sum(int(np.count_nonzero(s[:, sample])) for s in result.spikes.values())
        said += f": {count(total, 'spike')} in {result.steps} steps"
    elif predicted == UNDECIDED:
        said += f": no neuron of '{output}' fires, so it gets no class"
    elif label is None:
        said += f" is given class {predicted}"
    else:
        said += f" of class {label}: {'recognised' if label == predicted else f'taken for class {predicted}'}"
    if against is None:
        return said
    if first is None:
        return f"{said}; every spike as in {against.arithmetic}"
    name, step, neuron = first
    other = _prediction(against, output, sample, decode)
    same = "" if other is None or predicted is None else f", {'the same' if other == predicted else 'another'} class"
    return f"{said}; differs from {against.arithmetic} first at step {step} in '{short(name)}', neuron {neuron}{same}"
