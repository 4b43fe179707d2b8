"""What a loss ladder found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ssdp_hw.analysis.ladder.step import Step
from ssdp_hw.analysis.statistics import Interval, lost_and_won, mcnemar
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import Drawable, Table, shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON


@shown
@dataclass(frozen=True)
class LayerAgreement:
    """One population in two runs of the same samples.

    Attributes:
        population: its name.
        spikes, reference_spikes: how many spikes it sent in this run and in the reference.
        different: spikes that only one of the two runs has.
        agreement: spikes that both runs have, as a share of those that either has; 1 if neither has any.
        first: step of the first difference, or None; ``sample`` and ``neuron`` say where.
        v_difference: for a readout without spikes the largest |v - v of the reference| in volts, else None.
    """

    population: str
    spikes: int
    reference_spikes: int
    different: int
    agreement: float
    first: int | None
    sample: int | None
    neuron: int | None
    v_difference: float | None

    def __str__(self) -> str:
        if self.v_difference is not None:
            return f"{self.population} v within {self.v_difference:.2g}"
        where = "" if self.first is None else f" from step {self.first}"
        return f"{self.population} {self.agreement:.1%}{where}"


@shown
@dataclass(frozen=True)
class Rung:
    """One network of the ladder.

    Attributes:
        step: what changed; ``alone`` says whether on top of all earlier steps, or of the chip's timing only.
        accuracy: share of samples classified right, with its 95 % Wilson interval.
        undecided: samples in which no output neuron fired, so that no class was decoded.
        lost, won: samples that were right on the rung before and are wrong now, and the reverse. Before
            the first rung nothing was right or wrong: 0; before a step alone comes the chip's timing.
        same_as_float: share of samples with the prediction of the float network.
        spike_rate: spikes per neuron and step over all populations of the float network that spike; None
            for the source framework, of which only predictions are known.
        layers: every population against the float network's, and ``layers_before`` against the rung before.
        overflow: wraps and saturations of all registers; None in float.
    """

    step: Step
    alone: bool
    accuracy: Interval
    undecided: int
    lost: int
    won: int
    same_as_float: float
    spike_rate: float | None
    layers: tuple[LayerAgreement, ...]
    layers_before: tuple[LayerAgreement, ...]
    overflow: int | None

    @property
    def p_value(self) -> float:
        """Of ``lost`` and ``won`` by McNemar's exact test: small where the step changed the accuracy itself."""
        return mcnemar(self.lost, self.won)


@shown
@dataclass(frozen=True)
class LayerLoss:
    """What rounding the parameters of one layer costs: its weights from all sources, decays, thresholds and biases.

    The state is exact in both runs: what its integers cost belongs to no single layer, see the ladder's other steps.

    Attributes:
        population: name of the layer.
        only: accuracy where this layer alone is rounded, with its 95 % Wilson interval.
        only_lost, only_won: samples right in the chip's timing without rounding and wrong with it, and the reverse.
        others: accuracy where every layer but this is rounded.
        others_lost, others_won: samples right there and wrong once this layer is rounded, too, and the reverse.
    """

    population: str
    only: Interval
    only_lost: int
    only_won: int
    others: Interval
    others_lost: int
    others_won: int

    @property
    def only_p_value(self) -> float:
        """Of ``only_lost`` and ``only_won`` by McNemar's exact test."""
        return mcnemar(self.only_lost, self.only_won)

    @property
    def others_p_value(self) -> float:
        """Of ``others_lost`` and ``others_won`` by McNemar's exact test."""
        return mcnemar(self.others_lost, self.others_won)


@shown
@renamed(readout="decode")
@dataclass(frozen=True)
class LossLadder(Drawable):
    """The rungs from the source model to the chip, and each step alone.

    ``plot`` draws the accuracy of every rung, together and alone, and the spikes that each layer has as in float.

    Attributes:
        cumulative: from the first rung to the chip; the last is the fixed network itself.
        alone: the steps one by one, each from the float network in the chip's timing.
        by_layer: what the rounding of each layer costs, in the order of the network; empty where it was not measured.
        decode: rule by which outputs became classes.
        steps, samples, target, chip: how it was measured.
        quantization: the report of the fixed network, as plain values; None where it has none.
    """

    _picture = "ladder"

    cumulative: tuple[Rung, ...]
    alone: tuple[Rung, ...]
    decode: str
    steps: int
    samples: int
    target: str
    chip: str
    quantization: Mapping[str, JSON] | None = None
    by_layer: tuple[LayerLoss, ...] = ()

    @property
    def rows(self) -> tuple[Rung, ...]:
        """All rungs, the cumulative ones first."""
        return self.cumulative + self.alone

    def rung(self, step: Step | str, *, alone: bool = False) -> Rung:
        """The rung of that step.

        Raises:
            ParameterError: there is none.
        """
        found = [r for r in (self.alone if alone else self.cumulative) if r.step == Step(step)]
        if not found:
            raise ParameterError(f"the ladder has no rung '{step}'{' alone' if alone else ''}")
        return found[0]

    @property
    def loss(self) -> float:
        """Accuracy of the float network minus that of the chip, in points of percent."""
        return 100 * (self.rung(Step.FLOAT).accuracy.value - self.rung(Step.OVERFLOW).accuracy.value)

    def _table(self) -> Table:
        alone = [(f"{cells[0]}, alone", *cells[1:]) for cells in self.cells(alone=True)]
        title = f"{self.chip} costs {self.loss:.2f} points of accuracy ({self.samples} samples on {self.target})"
        layers = [
            (f"'{cells[0]}' rounded, alone", *cells[1:3], *[""] * (len(self.header) - 3))
            for cells in self.layer_cells()
        ]
        return Table(title, self.header, [*self.cells(), *alone, *layers])

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON, whose key of the decoding rule is ``readout`` as in 0.1.0."""
        plain = asdict(self)
        for name in ("cumulative", "alone"):
            plain[name] = [{**asdict(r), "p_value": r.p_value} for r in getattr(self, name)]
        plain["by_layer"] = [
            {**asdict(x), "only_p_value": x.only_p_value, "others_p_value": x.others_p_value} for x in self.by_layer
        ]
        return {**plain, "readout": plain.pop("decode"), "loss": self.loss}

    def to_json(self) -> str:
        """The whole ladder as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    @property
    def header(self) -> tuple[str, ...]:
        """Column titles of :meth:`cells`."""
        return (
            "step",
            "accuracy (95 %)",
            "lost, won (McNemar)",
            "same as float",
            "spike rate",
            "spikes as in float",
            "overflows",
        )

    def cells(self, *, alone: bool = False) -> list[tuple[str, ...]]:
        """One tuple of texts a cumulative rung (or a step alone), for tables."""
        return [
            (
                r.step.label,
                r.accuracy.percent(),
                lost_and_won(r.lost, r.won),
                f"{r.same_as_float:.1%}",
                "-" if r.spike_rate is None else f"{r.spike_rate:.4f}",
                "; ".join(map(str, r.layers)) or "-",
                "-" if r.overflow is None else str(r.overflow),
            )
            for r in (self.alone if alone else self.cumulative)
        ]

    @property
    def layer_header(self) -> tuple[str, ...]:
        """Column titles of :meth:`layer_cells`."""
        return (
            "layer",
            "rounded alone (95 %)",
            "lost, won (McNemar)",
            "all others rounded (95 %)",
            "lost, won by this one",
        )

    def layer_cells(self) -> list[tuple[str, ...]]:
        """One tuple of texts a layer, for tables."""
        return [
            (
                layer.population,
                layer.only.percent(),
                lost_and_won(layer.only_lost, layer.only_won),
                layer.others.percent(),
                lost_and_won(layer.others_lost, layer.others_won),
            )
            for layer in self.by_layer
        ]

    def to_markdown(self) -> str:
        """One Markdown table of the cumulative rungs, one of the steps alone, and one of the layers."""
        tables = [_markdown(self.header, self.cells())]
        if self.alone:
            tables.append(_markdown((f"{self.header[0]} alone", *self.header[1:]), self.cells(alone=True)))
        if self.by_layer:
            tables.append(_markdown(self.layer_header, self.layer_cells()))
        return "\n\n".join(tables)


def _markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [" | ".join(header), " | ".join("---" for _ in header), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)
