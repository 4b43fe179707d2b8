"""``compare``: the same samples in float and fixed on several targets, side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.statistics import Interval, wilson
from ssdp_hw.checks import class_labels
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import draw
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.running.decoding import UNDECIDED, required_record
from ssdp_hw.running.drive import AnyNetwork, DirectInput, make_drive
from ssdp_hw.running.result import RunResult, first_divergence
from ssdp_hw.running.run import run
from ssdp_hw.running.target import fastest_target, get_target, reference_target

Inputs = ArrayLike | Mapping[str, ArrayLike] | DirectInput


@dataclass(frozen=True)
class Row:
    """One network on one target.

    Attributes:
        target, arithmetic: where it ran, ``float`` or ``fixed``.
        accuracy: share of samples classified right, with its 95 % Wilson interval.
        samples, undecided: how many samples, and in how many no output neuron fired, so that no class was decoded.
        spike_rate: spikes per neuron and step over all spiking populations.
        same_as_reference: share of samples with the prediction of the reference: the first
            target's run in the same arithmetic.
        same_as_float: share with the prediction of the first target's float run.
        divergence: first place where a spike differs from the reference, or None.
        largest_v_difference: largest |v - v of the reference|, in units of the state.
        seconds: wall time of the run.
        confusion: how many samples of a label got a class: (label, class, samples) for each pair that occurs, with
            class -1 for samples without one. Those of a label and its own class are right.
        classes: how many classes the output has.
    """

    target: str
    arithmetic: str
    accuracy: Interval
    samples: int
    undecided: int
    spike_rate: float
    same_as_reference: float
    same_as_float: float
    divergence: str | None
    largest_v_difference: float
    seconds: float
    confusion: tuple[tuple[int, int, int], ...] = ()
    classes: int = 0

    def confusion_matrix(self) -> NDArray[np.int64]:
        """Samples by label (rows) and by class that they got (columns, the last for none): (classes, classes + 1)."""
        matrix = np.zeros((self.classes, self.classes + 1), np.int64)
        for label, predicted, samples in self.confusion:
            matrix[label, predicted] = samples  # UNDECIDED is -1, the last column
        return matrix

    def confusions(self) -> list[tuple[int, int, int]]:
        """The wrong entries of ``confusion``, the most frequent first."""
        wrong = [entry for entry in self.confusion if entry[0] != entry[1]]
        return sorted(wrong, key=lambda entry: -entry[2])


@renamed(readout="decode")
@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found.

    Attributes:
        rows: for each target the float network's run and the fixed network's.
        decode: rule by which outputs became classes; ``steps`` the length of the runs.
        reference: name of the target that the others are compared with.
        info: of the reference's run of the ``float`` and of the ``fixed`` network: semantics, versions and options.
    """

    rows: tuple[Row, ...]
    decode: str
    steps: int
    reference: str
    info: Mapping[str, Any]

    def row(self, target: str, arithmetic: str) -> Row:
        """The row of a target and an arithmetic.

        Raises:
            ParameterError: there is none.
        """
        for row in self.rows:
            if (row.target, row.arithmetic) == (target, arithmetic):
                return row
        found = ", ".join(f"{row.target} {row.arithmetic}" for row in self.rows)
        raise ParameterError(f"the comparison has no row '{target} {arithmetic}'; there are: {found}")

    def plot(self, *, ax: Any = None) -> Any:
        """Draw accuracy and agreement of every row, and which classes the fixed network takes for which.

        Args:
            ax: matplotlib Axes to draw in; default a new figure.

        Returns:
            The Axes, from top to bottom.

        Raises:
            UnsupportedError: matplotlib is not installed.
        """
        return draw("comparison", self, ax=ax)

    @property
    def loss(self) -> float:
        """Float accuracy minus fixed accuracy on the reference target, in points of percent."""
        by_kind = {row.arithmetic: row.accuracy.value for row in self.rows if row.target == self.reference}
        return 100 * (by_kind["float"] - by_kind["fixed"])

    @property
    def fixed_runs_equal(self) -> bool:
        """Whether all fixed runs agree in every spike and voltage."""
        return all(
            row.divergence is None and row.largest_v_difference == 0 for row in self.rows if row.arithmetic == "fixed"
        )

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON, whose key of the decoding rule is ``readout`` as in 0.1.0."""
        plain = asdict(self)
        return {**plain, "readout": plain.pop("decode"), "loss": self.loss, "fixed_runs_equal": self.fixed_runs_equal}

    def to_json(self) -> str:
        """The whole comparison as JSON."""
        return json.dumps(self.to_dict(), indent=2, default=str)

    @property
    def header(self) -> tuple[str, ...]:
        """Column titles of :meth:`cells`."""
        return (
            "target",
            "arithmetic",
            "accuracy (95 %)",
            "samples",
            "spike rate",
            "same as float",
            "against reference",
            "seconds",
        )

    def cells(self) -> list[tuple[str, ...]]:
        """One tuple of texts a row, for tables."""
        return [
            (
                row.target,
                row.arithmetic,
                row.accuracy.percent(),
                str(row.samples),
                f"{row.spike_rate:.4f}",
                f"{row.same_as_float:.1%}",
                _against(row, self.reference),
                f"{row.seconds:.2f}",
            )
            for row in self.rows
        ]

    def to_markdown(self) -> str:
        """A Markdown table."""
        lines = [" | ".join(self.header), " | ".join("---" for _ in self.header)]
        lines += [" | ".join(cells) for cells in self.cells()]
        return "\n".join(f"| {line} |" for line in lines)


def _against(row: Row, reference: str) -> str:
    if row.target == reference:
        return "(reference)"
    if row.divergence is not None:
        return f"first difference: {row.divergence}"
    exact = "all spikes and v equal"
    return exact if row.largest_v_difference == 0 else f"all spikes equal, v within {row.largest_v_difference:.1e}"


@renamed(readout="decode")
def compare(
    network: Network,
    fixed: FixedNetwork,
    inputs: Inputs,
    labels: ArrayLike,
    targets: str | Sequence[str] | None = None,
    *,
    decode: str = "spike_count",
    steps: int | None = None,
    options: Mapping[str, Mapping[str, object]] | None = None,
) -> Comparison:
    """Run a float network and its fixed form on several targets.

    Args:
        network, fixed: the two networks.
        inputs: as for :func:`ssdp_hw.run`.
        labels: class of every sample, shape (batch,).
        targets: where to run; the first is the reference. Default: the reference target and the fastest.
        decode: rule by which outputs become classes, see :func:`ssdp_hw.running.decoding.decode`.
        steps: length of the run; default that of the input plus ``network.latency``.
        options: options by target.

    Raises:
        ParameterError, ShapeError: labels, targets or inputs that do not fit.
        SsdpHwError: whatever a target raises.
    """
    if targets is None:
        targets = list(dict.fromkeys([reference_target().name, fastest_target().name]))
    names = [targets] if isinstance(targets, str) else list(targets)
    if not names or len(set(names)) < len(names):
        raise ParameterError(f"compare needs different targets, at least one; found {names}")
    for name in options or {}:
        if name not in names:
            raise ParameterError(f"options are given for target '{name}', which is not compared: {names}")
    if not isinstance(network, Network) or not isinstance(fixed, FixedNetwork):
        raise ParameterError(
            f"compare takes a float and a fixed network, not {type(network).__name__} and {type(fixed).__name__}"
        )
    if len(network.outputs) != 1 or tuple(network.outputs) != tuple(fixed.outputs):
        raise ParameterError(
            f"compare needs one output in common; the networks have {list(network.outputs)} and {list(fixed.outputs)}"
        )
    given = make_drive(network, inputs)
    classes = class_labels(labels, given.batch, network.size_of(network.outputs[0]), given.steps)
    length = given.steps + network.latency if steps is None else steps
    required_record(decode)
    for name in names:
        get_target(name)
    rows: list[Row] = []
    references: dict[str, RunResult] = {}
    predicted: dict[str, NDArray[np.int64]] = {}
    networks: tuple[tuple[str, AnyNetwork], ...] = (("float", network), ("fixed", fixed))
    for target in names:
        for kind, which in networks:
            chosen = (options or {}).get(target)
            result = run(which, inputs, target, record=("spikes", "v"), steps=length, options=chosen)
            prediction = result.predict(decode)
            reference = references.setdefault(kind, result)
            same = predicted.setdefault(kind, prediction)
            rows.append(_row(result, prediction, classes, reference, same, predicted["float"]))
    info = {kind: dict(result.info) for kind, result in references.items()}
    return Comparison(tuple(rows), decode, length, names[0], info)


def _row(
    result: RunResult,
    prediction: NDArray[np.int64],
    classes: NDArray[np.int64],
    reference: RunResult,
    same: NDArray[np.int64],
    float_prediction: NDArray[np.int64],
) -> Row:
    helpers = result.info.get("helpers", ())
    spiking = [name for name in result.spikes if name in result.info["threshold"] and name not in helpers]
    cells = sum(result.spikes[name].size for name in spiking)
    spikes = sum(int(np.count_nonzero(result.spikes[name])) for name in spiking)
    difference = max(float(np.max(np.abs(v - reference.v[name]))) for name, v in result.v.items())
    # Float voltages differ in their last bits between targets; what must agree are spikes.
    divergence = first_divergence(replace(result, u={}, v={}), replace(reference, u={}, v={}))
    return Row(
        result.target,
        result.arithmetic,
        wilson(int(np.count_nonzero(prediction == classes)), len(classes)),
        len(classes),
        int(np.count_nonzero(prediction == UNDECIDED)),
        spikes / cells if cells else 0.0,
        float(np.mean(prediction == same)),
        float(np.mean(prediction == float_prediction)),
        None if divergence is None else str(divergence),
        difference,
        result.seconds,
        _confusion(classes, prediction),
        result.spikes[result.output].shape[2],
    )


def _confusion(classes: NDArray[np.int64], prediction: NDArray[np.int64]) -> tuple[tuple[int, int, int], ...]:
    pairs, counts = np.unique(np.stack([classes, prediction]), axis=1, return_counts=True)
    return tuple((int(a), int(b), int(n)) for (a, b), n in zip(pairs.T, counts, strict=True))
