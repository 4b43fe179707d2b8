"""``compare``: the same samples in float and fixed on several targets, side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.statistics import Interval, lost_and_won, mcnemar, wilson
from ssdp_hw.checks import as_int, as_mapping, as_names, class_labels
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import Drawable, Table, shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.running.batches import BATCH_BYTES, batch_size, batches, stopped
from ssdp_hw.running.decoding import UNDECIDED, decoding_rules
from ssdp_hw.running.drive import AnyNetwork, DirectInput, make_drive
from ssdp_hw.running.progress import progress as show_progress
from ssdp_hw.running.result import Divergence, RunResult, first_divergence
from ssdp_hw.running.run import run
from ssdp_hw.running.target_registry import fastest_target, get_target, reference_target
from ssdp_hw.running.time_limit import STOPS, limited_time, with_result

Inputs = ArrayLike | Mapping[str, ArrayLike] | DirectInput


@shown
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
        lost, won: samples that the first target's float run has right and this run wrong, and the reverse.
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
    lost: int = 0
    won: int = 0

    @property
    def p_value(self) -> float:
        """Of ``lost`` and ``won`` by McNemar's exact test: small where the run is more or less accurate than float."""
        return mcnemar(self.lost, self.won)

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


@shown
@renamed(readout="decode")
@dataclass(frozen=True)
class Comparison(Drawable):
    """What :func:`compare` found.

    ``plot`` draws accuracy and agreement of every row, and which classes the fixed network takes for which.

    Attributes:
        rows: for each target the float network's run and the fixed network's.
        decode: rule by which outputs became classes; ``steps`` the length of the runs.
        reference: name of the target that the others are compared with.
        info: of the reference's run of the ``float`` and of the ``fixed`` network: semantics, versions and options.
    """

    _picture = "comparison"

    rows: tuple[Row, ...]
    decode: str
    steps: int
    reference: str
    info: Mapping[str, Any]

    def _table(self) -> Table:
        title = f"fixed point costs {self.loss:.2f} points of accuracy (classes by {self.decode}, {self.steps} steps)"
        return Table(title, self.header, self.cells())

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
        plain["rows"] = [{**asdict(row), "p_value": row.p_value} for row in self.rows]
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
            "lost, won (McNemar)",
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
                lost_and_won(row.lost, row.won),
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
    decode: str | None = None,
    steps: int | None = None,
    options: Mapping[str, Mapping[str, object]] | None = None,
    max_batch_bytes: int = BATCH_BYTES,
    progress: bool | None = None,
    time_limit: float | None = None,
) -> Comparison:
    """Run a float network and its fixed form on several targets.

    Args:
        network, fixed: the two networks.
        inputs: as for :func:`ssdp_hw.run`.
        labels: class of every sample, shape (batch,).
        targets: where to run; the first is the reference. Default: the reference target and the fastest.
        decode: rule by which outputs become classes, see :func:`ssdp_hw.running.decoding.decode`; default
            ``spike_count``, of a readout ``max_membrane``.
        steps: length of the run; default that of the input plus ``network.latency``.
        options: options by target.
        max_batch_bytes: samples run in batches whose recordings each stay within so much memory; the numbers are the
            same.
        progress: whether to show how many samples are done; default on a terminal and in a notebook.
        time_limit: seconds after which it ends; default none.

    Raises:
        ParameterError, ShapeError: labels, targets or inputs that do not fit.
        Interrupted, TimeLimitError: Ctrl-C, or over the time limit, after at least one batch of samples: its ``result``
            is the comparison of those.
        SsdpHwError: whatever a target raises.
    """
    names = _names_of(targets)
    for name in as_mapping(options, "options"):
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
    length = given.steps + network.latency if steps is None else as_int(steps, "steps")
    [decode] = decoding_rules(decode, network).values()
    for name in names:
        get_target(name)
    networks: dict[str, AnyNetwork] = {"float": network, "fixed": fixed}
    tallies = {(target, kind): _Tally(target, kind) for target in names for kind in networks}
    infos: dict[str, dict[str, object]] = {}
    size = min(batch_size(which, length, ("spikes", "v"), max_batch_bytes) for which in networks.values())

    def made(of: dict[tuple[str, str], _Tally]) -> Comparison:
        return Comparison(tuple(tally.row() for tally in of.values()), decode, length, names[0], infos)

    def run_batch(samples: Inputs, labels: NDArray[np.int64], start: int, advance: Callable[[int], None]) -> None:
        references: dict[str, RunResult] = {}
        predicted: dict[str, NDArray[np.int64]] = {}
        for (target, kind), tally in tallies.items():
            chosen = (options or {}).get(target)
            result = run(networks[kind], samples, target, record=("spikes", "v"), steps=length, options=chosen)
            prediction = result.predict(decode)
            reference = references.setdefault(kind, result)
            infos.setdefault(kind, dict(result.info))
            predicted.setdefault(kind, prediction)
            tally.add(result, reference, prediction, labels, (predicted[kind], predicted["float"]), start)
            advance(result.batch)

    done, whole = 0, tallies
    try:
        told = show_progress(f"comparing on {', '.join(names)}", len(tallies) * given.batch, progress)
        with limited_time(time_limit), told as advance:
            for part, samples in batches(inputs, given.batch, size):
                whole, done = deepcopy(tallies), part.start
                run_batch(samples, classes[part], part.start, advance)
    except STOPS as stop:
        if not done:
            raise
        raise with_result(stop, stopped(done, given.batch, "the comparison"), made(whole)) from None
    return made(tallies)


def _names_of(targets: str | Sequence[str] | None) -> list[str]:
    """Names of the targets to compare; by default the reference target and the fastest."""
    if targets is None:
        return list(dict.fromkeys([reference_target().name, fastest_target().name]))
    names = [targets] if isinstance(targets, str) else list(as_names(targets, "targets"))
    if not names or len(set(names)) < len(names):
        raise ParameterError(f"compare needs different targets, at least one; found {names}")
    return names


@dataclass
class _Tally:
    """What one network did on one target, added up batch by batch."""

    target: str
    arithmetic: str
    samples: int = 0
    right: int = 0
    undecided: int = 0
    spikes: int = 0
    cells: int = 0
    as_reference: int = 0
    as_float: int = 0
    divergence: Divergence | None = None
    confusion: Counter[tuple[int, int]] = field(default_factory=Counter)
    classes: int = 0
    lost: int = 0
    won: int = 0
    v_difference: float = 0.0
    seconds: float = 0.0

    def add(
        self,
        result: RunResult,
        reference: RunResult,
        prediction: NDArray[np.int64],
        labels: NDArray[np.int64],
        first: tuple[NDArray[np.int64], NDArray[np.int64]],
        start: int,
    ) -> None:
        """Add a batch, whose first sample is number ``start``; ``first``: predictions of reference and float run."""
        helpers = result.info.get("helpers", ())
        spiking = [name for name in result.spikes if name in result.info["threshold"] and name not in helpers]
        self.samples += len(labels)
        self.right += int(np.count_nonzero(prediction == labels))
        self.confusion.update(zip(labels.tolist(), prediction.tolist(), strict=True))
        self.classes = result.spikes[result.output].shape[2]
        self.undecided += int(np.count_nonzero(prediction == UNDECIDED))
        self.cells += sum(result.spikes[name].size for name in spiking)
        self.spikes += sum(int(np.count_nonzero(result.spikes[name])) for name in spiking)
        self.as_reference += int(np.count_nonzero(prediction == first[0]))
        self.as_float += int(np.count_nonzero(prediction == first[1]))
        right, right_in_float = prediction == labels, first[1] == labels
        self.lost += int(np.count_nonzero(right_in_float & ~right))
        self.won += int(np.count_nonzero(right & ~right_in_float))
        difference = max(float(np.max(np.abs(v - reference.v[name]))) for name, v in result.v.items())
        self.v_difference = max(self.v_difference, difference)
        # Float voltages differ in their last bits between targets; what must agree are spikes.
        found = first_divergence(replace(result, u={}, v={}), replace(reference, u={}, v={}))
        if found is not None and (self.divergence is None or found.step < self.divergence.step):
            self.divergence = replace(found, sample=found.sample + start)
        self.seconds += result.seconds

    def row(self) -> Row:
        """The shares of all samples."""
        return Row(
            self.target,
            self.arithmetic,
            wilson(self.right, self.samples),
            self.samples,
            self.undecided,
            self.spikes / self.cells if self.cells else 0.0,
            self.as_reference / self.samples,
            self.as_float / self.samples,
            None if self.divergence is None else str(self.divergence),
            self.v_difference,
            self.seconds,
            tuple((label, given, count) for (label, given), count in sorted(self.confusion.items())),
            self.classes,
            self.lost,
            self.won,
        )
