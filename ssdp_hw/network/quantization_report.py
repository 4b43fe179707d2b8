"""What quantisation lost, value by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from ssdp_hw.display import Table, cut, shown, wrapped
from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.json_values import JSON


@shown
@dataclass(frozen=True)
class PopulationReport:
    """Rounding and range of one population.

    Attributes:
        name: the population.
        scale: units of the chip's voltage in one volt of the float network.
        threshold_error: worst relative error of ``v_threshold - v_reset``.
        tau_mem_error, tau_syn_error: worst relative error of ``1 - decay``, which for a time
            constant well above dt is that of the time constant.
        bias_error: worst error of the bias that keeps its steady state under the rounded leak, relative to the
            largest.
        lost_leaks: neurons whose leak rounded to none.
        v_peak, u_peak: largest |v| and |u| to be expected, as a share of the register.
        worst_case_u: largest |u| of the integers if every synapse were active in every step, as a
            share of the register; up to 1 it can never wrap.
        bound: where the peaks come from: ``calibration`` or ``closed form``.
        parameter_errors: of a declared neuron model, worst relative error of every parameter by its float name.
        step_bias: mean of what rounding inside a step adds to v, u's share included, in parts of the threshold, of a
            readout in volts: it pulls states toward zero. Measured on the calibration; 0 without one.
        step_bias_bound: what it can make of a voltage at most, in the same unit, where a leak forgets within
            :data:`~ssdp_hw.quantization.state_rounding.LONGEST` steps; else in so many steps.
        has_current: whether its neurons have a current u.
        has_threshold: whether its neurons have a threshold; a readout has none, and no error of it.
    """

    name: str
    scale: float
    threshold_error: float
    tau_mem_error: float
    tau_syn_error: float
    bias_error: float
    lost_leaks: int
    v_peak: float
    u_peak: float
    worst_case_u: float
    bound: str
    parameter_errors: Mapping[str, float] = field(default_factory=dict)
    step_bias: float = 0.0
    step_bias_bound: float = 0.0
    has_current: bool = True
    has_threshold: bool = True

    @property
    def threshold_said(self) -> str:
        """The error of its threshold in words."""
        return f"threshold error {self.threshold_error:.2%}" if self.has_threshold else "no threshold"

    @property
    def decays_said(self) -> str:
        """The errors of its decays in words."""
        if not self.has_current:
            return f"{self.tau_mem_error:.2%}"
        return f"{self.tau_mem_error:.2%} (v) {self.tau_syn_error:.2%} (u)"

    def peaks_said(self, between: str = " ") -> str:
        """Its largest states in words."""
        v = f"v {self.v_peak:.1%}"
        return f"{v}{between}u {self.u_peak:.1%}" if self.has_current else v


@shown
@dataclass(frozen=True)
class ProjectionReport:
    """Rounding of the weights of one projection.

    Attributes:
        name: the projection.
        weight_format: canonical name of the number format (of weights that are split, that of the finest part).
        method: how its exponent was chosen; see :class:`~ssdp_hw.quantization.Method`.
        weight_exp: its exponent.
        synapses: how many there are.
        clipped: weights outside the range, set to its end.
        zeroed: weights that were not zero and became zero.
        rms_error: root mean square error, relative to the root mean square weight.
        max_error_lsb: largest error in units of one weight LSB.
    """

    name: str
    weight_format: str
    method: str
    weight_exp: int
    synapses: int
    clipped: int
    zeroed: int
    rms_error: float
    max_error_lsb: float


@shown
@dataclass(frozen=True)
class QuantizationReport:
    """All that quantisation rounded, clipped or assumed."""

    chip: str
    populations: tuple[PopulationReport, ...]
    projections: tuple[ProjectionReport, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> QuantizationReport:
        """The report that :meth:`to_dict` described.

        Raises:
            FileFormatError: a field is missing, unknown or of the wrong type.
        """
        try:
            return cls(
                str(data["chip"]),
                tuple(_part(PopulationReport, d) for d in data["populations"]),
                tuple(_part(ProjectionReport, d) for d in data["projections"]),
                tuple(map(str, data["notes"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"quantisation report: {error!r}") from None

    @property
    def warnings(self) -> list[str]:
        """Losses that a user should look at, one sentence each."""
        found = []
        for q in self.projections:
            if q.clipped:
                found.append(f"projection '{q.name}': {q.clipped} of {q.synapses} weights clipped")
            if q.zeroed:
                found.append(f"projection '{q.name}': {q.zeroed} of {q.synapses} weights became zero")
        for p in self.populations:
            if p.lost_leaks:
                found.append(f"population '{p.name}': {p.lost_leaks} neurons lost their leak (dv rounds to 0)")
            if p.threshold_error > 0.05:
                found.append(f"population '{p.name}': a threshold is off by {p.threshold_error:.1%}")
            for name, error in p.parameter_errors.items():
                if error > 0.05 and name not in ("v_threshold", "tau_mem", "tau_syn"):
                    found.append(f"population '{p.name}': {name} is off by {error:.1%}")
            if max(p.tau_mem_error, p.tau_syn_error) > 0.05:
                worst = max(p.tau_mem_error, p.tau_syn_error)
                found.append(f"population '{p.name}': a decay is off by {worst:.1%}")
            if p.worst_case_u > 1:
                found.append(
                    f"population '{p.name}': u could wrap if all synapses were active at once "
                    f"({p.worst_case_u:.1f} times the register; expected peak {p.u_peak:.1%})"
                )
        return [*found, *self.notes]

    def lines(self) -> list[str]:
        """The whole report, for people; what does not fit in a line goes on in the next, indented."""
        out = [f"quantised to {self.chip}"]
        for p in self.populations:
            out += wrapped(
                f"  {p.name}: scale {p.scale:.6g}/V, {p.threshold_said}, decay errors {p.decays_said}, bias error "
                f"{p.bias_error:.2%}, peak {p.peaks_said()} of the register ({p.bound})"
                + _further_errors(p)
                + _step_rounding(p)
            )
        for q in self.projections:
            out += wrapped(
                f"  {q.name}: {q.weight_format} by {q.method}, weight_exp {q.weight_exp}, {q.synapses} weights, "
                f"{q.clipped} clipped, {q.zeroed} zeroed, rms error {q.rms_error:.2%}, largest {q.max_error_lsb:.2f} "
                "LSB"
            )
        return out + [line for w in self.warnings for line in wrapped(f"  note: {w}")]

    def __str__(self) -> str:
        """The first lines; :meth:`lines` has all."""
        return "\n".join(cut(self.lines(), "lines of report.lines()"))

    def _table(self) -> Table:
        rows = [
            (
                p.name,
                f"{p.threshold_said}, decay errors {p.decays_said}",
                f"{p.peaks_said(', ')} ({p.bound})",
            )
            for p in self.populations
        ]
        rows += [
            (
                q.name,
                f"{q.clipped} clipped, {q.zeroed} zeroed, rms {q.rms_error:.2%}, largest {q.max_error_lsb:.2f} LSB",
                f"{q.weight_format} by {q.method}, weight_exp {q.weight_exp}",
            )
            for q in self.projections
        ]
        return Table(
            f"quantised to {self.chip}", ("layer", "errors", "peak of the register, or format"), rows, self.warnings
        )


def _step_rounding(p: PopulationReport) -> str:
    """Bias and bound of rounding inside a step in words; nothing for models whose steps are not looked at."""
    if not p.step_bias_bound:
        return ""
    unit = " of the threshold" if p.has_threshold else " V"
    measured = f"{p.step_bias:+.2g}{unit} on average and " if p.bound == "calibration" else ""
    return f", rounding inside a step {measured}at most {p.step_bias_bound:.2g}{unit} together"


def _further_errors(p: PopulationReport) -> str:
    further = {n: e for n, e in p.parameter_errors.items() if n not in ("v_threshold", "tau_mem", "tau_syn")}
    return "".join(f", {name} error {error:.2%}" for name, error in further.items())


# For each annotation of a report's field the Python types that its JSON value may have.
_PLAIN: dict[object, tuple[type[Any], ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "Mapping[str, float]": (dict,),
    "bool": (bool,),
}


def _part(kind: type[Any], data: Mapping[str, Any]) -> Any:
    data = {f.name: {} for f in fields(kind) if f.type == "Mapping[str, float]"} | dict(data)
    names = {f.name: _PLAIN[f.type] for f in fields(kind)}
    later = {f.name for f in fields(kind) if f.default is not MISSING}  # which files of earlier versions have not
    if not set(names) - later <= set(data) <= set(names):
        raise ValueError(f"fields {sorted(set(data) ^ set(names))} do not belong to {kind.__name__}")
    for name, value in data.items():
        if isinstance(value, bool) is not (names[name] == (bool,)) or not isinstance(value, names[name]):
            raise ValueError(f"{kind.__name__}: {name} = {value!r} is of the wrong type")
    return kind(**data)
