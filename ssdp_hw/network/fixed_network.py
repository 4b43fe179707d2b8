"""The fixed-point network: integers of a chip and nothing else.

It can be written by hand in the chip's own numbers or come from :func:`ssdp_hw.quantize`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ssdp_hw.arrays import Int, Numbers
from ssdp_hw.checks import as_mapping, positive_or_none
from ssdp_hw.chips import Chip, chip_from_table, chip_names, chip_to_table, load_chip, shipped_chip
from ssdp_hw.display import Axes, Drawn, draw, shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.files.record import Record
from ssdp_hw.models.base import BIAS, NOISE_KEYS
from ssdp_hw.models.form import StepForm
from ssdp_hw.network.design_rules import Violation, violations
from ssdp_hw.network.fixed_parts import FixedPopulation, FixedProjection, activation_bound, step_form
from ssdp_hw.network.graph import NETWORK_FILE, Graph, check_kind
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.off_grid import floor_to_grid
from ssdp_hw.network.quantization_report import QuantizationReport
from ssdp_hw.operations.philox import noise_keys

if TYPE_CHECKING:
    from ssdp_hw.network.float_network import Network

__all__ = ["FixedNetwork", "FixedPopulation", "FixedProjection", "design_rule_violations"]


@shown
@dataclass(frozen=True, eq=False)
class FixedNetwork(Graph[FixedPopulation, FixedProjection]):
    """Chip-integer populations joined by projections.

    Attributes:
        inputs, populations, projections, outputs: the graph; outputs are population names.
        chip: the chip whose widths the integers obey: its name, the path of its file, or the Chip.
        dt: length of a step in seconds, where known; it does not act on the integers.
        report: what quantisation lost, where the network came from :func:`ssdp_hw.quantize`.
        notes: what was assumed on the way, one sentence each.

    Raises:
        ParameterError: an integer exceeds its register on the chip.
    """

    inputs: Sequence[Input]
    populations: Sequence[FixedPopulation]
    projections: Sequence[FixedProjection]
    outputs: Sequence[str]
    chip: Chip | str = "loihi"
    dt: float | None = None
    report: QuantizationReport | None = None
    notes: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "chip", load_chip(self.chip))
        object.__setattr__(self, "dt", positive_or_none(self.dt, "dt"))
        self._check_classes(FixedNetwork, FixedPopulation, FixedProjection)
        self._index()
        for violation in design_rule_violations(self):
            raise ParameterError(str(violation))

    @property
    def limits(self) -> Chip:
        """The chip, resolved."""
        assert isinstance(self.chip, Chip)
        return self.chip

    def activation_bound(self, name: str) -> Int:
        """Largest |synaptic input| that any one step can bring to a population, shape (n,)."""
        return activation_bound(self.size_of(name), self.incoming(name), self.payloads)

    @cached_property
    def payloads(self) -> dict[str, int]:
        """Of each input and population by how much a spike may multiply a weight; 1 where spikes carry nothing."""
        return {sender.name: sender.largest_payload for sender in self.senders}

    @property
    def senders(self) -> list[Input | FixedPopulation]:
        """All that sends spikes."""
        return [*self.inputs, *self.populations]

    @cached_property
    def _forms(self) -> dict[str, StepForm]:
        return {}

    def step_form(self, name: str) -> StepForm:
        """The model of a population in the form of this network: its chip, its reset, its comparison."""
        if name not in self._forms:
            self._forms[name] = self._step_form(name)
        return self._forms[name]

    def _step_form(self, name: str) -> StepForm:
        largest = int(np.max(self.activation_bound(name), initial=0)) << self.limits.activation_shift
        return step_form(self.limits, self.population(name), largest, self.ports(name))

    def acting_parameters(self, name: str, bias: Int | None = None) -> dict[str, Int]:
        """What acts in every step of a population: its registers with the chip's offsets and shifts, and the bias.

        Args:
            name: the population.
            bias: its constant input, of any shape that ends with (n,); default that of the population.
        """
        p = self.population(name)
        acting = {q.name: q.acting(p.registers[q.name], self.limits) for q in p.declared.parameters}
        if p.declared.stochastic:
            acting |= zip(NOISE_KEYS, noise_keys(acting["seed"], self.population_names.index(name)), strict=True)
        ports = {port: np.zeros(p.size, np.int64) for port in p.declared.ports}
        return {**acting, **ports, BIAS: p.bias if bias is None else bias}

    def _model_of(self, population: FixedPopulation) -> str:
        model = "CUBA LIF" if population.is_cuba_lif else population.declared.name
        return model if population.spiking else f"{model} without spikes"

    def _kind_said(self) -> str:
        return f", integers of {self.limits.name}"

    def plot_weights(
        self, source: Network | None = None, *, projections: Sequence[str] | None = None, ax: Axes | None = None
    ) -> Drawn:
        """Draw histograms of the stored integers, beside those of the float weights in the same unit.

        Args:
            source: the float network that was quantised.
            projections: names of those that are drawn; default the largest five, of split ones the first part.
            ax: matplotlib Axes to draw in; default a new figure.

        Returns:
            The Axes, from top to bottom.

        Raises:
            ParameterError: an unknown projection, or a source that this network was not quantised from.
            UnsupportedError: matplotlib is not installed.
        """
        return draw("weights", self, source, projections=projections, ax=ax)

    def plot_ranges(self, result: object, *, proof: object = True, ax: Axes | None = None) -> Drawn:
        """Draw what a run put into each register against what the register holds, on a scale of bits.

        Args:
            result: a :class:`~ssdp_hw.running.result.RunResult` of this network that recorded u and v.
            proof: what :func:`ssdp_hw.prove` found, whose bounds are drawn; True to prove it here, False for none.
            ax: matplotlib Axes to draw in; default a new figure.

        Returns:
            The Axes.

        Raises:
            ParameterError: the run recorded no states, or is none of this network.
            UnsupportedError: matplotlib is not installed.
        """
        return draw("ranges", self, result, proof=proof, ax=ax)

    def with_mantissas(self, mantissas: Mapping[str, Numbers]) -> FixedNetwork:
        """A copy with other stored weight integers for the named projections."""
        mantissas = as_mapping(mantissas, "mantissas")
        for name in mantissas:
            self.projection(name)
        changed = [p.with_mantissa(mantissas[p.name]) if p.name in mantissas else p for p in self.projections]
        return replace(self, projections=changed)

    def to_record(self) -> Record:
        """What a file keeps of the network.

        Raises:
            ParameterError: the report is none of quantisation.
            FileFormatError: the chip breaks a rule of :mod:`ssdp_hw.chips.table`.
        """
        if not isinstance(self.report, QuantizationReport | None):
            raise ParameterError(f"the network's report is a {type(self.report).__name__}, not a QuantizationReport")
        record = super().to_record()
        report = None if self.report is None else self.report.to_dict()
        record.values |= {"kind": "fixed", "chip": _chip_to_json(self.limits), "dt": self.dt, "report": report}
        return record

    @classmethod
    def from_record(cls, record: Record) -> FixedNetwork:
        """The network that :meth:`to_record` described.

        Raises:
            SsdpHwError: a value that the network refuses, or it is a float one.
            Exception: of any other kind, where a file is damaged.
        """
        check_kind(record, "fixed")
        values, projections = record.values, record.parts("projections")
        rounded = [note for q in projections if (note := floor_to_grid(q)) is not None]
        return cls(
            inputs=[Input(**i) for i in values["inputs"]],
            populations=[FixedPopulation.from_record(p) for p in record.parts("populations")],
            projections=[FixedProjection.from_record(q) for q in projections],
            outputs=record.texts("outputs"),
            chip=_chip_from_json(values["chip"]),
            dt=values["dt"],
            report=None if values["report"] is None else QuantizationReport.from_dict(values["report"]),
            notes=[*record.texts("notes"), *rounded],
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FixedNetwork:
        """Read a fixed network from a file; see :func:`ssdp_hw.load`.

        Raises:
            FileFormatError: see there; or the file holds a float network.
        """
        return NETWORK_FILE.read(path, cls.from_record)


def design_rule_violations(network: FixedNetwork) -> list[Violation]:
    """Every rule of its chip that a network breaks; empty when it fits, as every network that could be made does."""
    return list(violations(network.limits, network.populations, network.projections, network.inputs, network.outputs))


def _chip_to_json(chip: Chip) -> JSON:
    """The name of a chip that ships with the toolkit, or the whole table of another."""
    own = chip_to_table(chip)
    if chip.name in chip_names() and chip_to_table(shipped_chip(chip.name)) == own:
        return chip.name
    chip_from_table(own, f"chip '{chip.name}'")  # what could not be read again is not written
    return own


def _chip_from_json(data: JSON) -> Chip:
    """A chip from a file: never from a path that the file names."""
    return chip_from_table(data, "its chip") if isinstance(data, Mapping) else shipped_chip(str(data))
