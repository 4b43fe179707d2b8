"""What a run returns, the same on every target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Array
from ssdp_hw.deprecation import renamed
from ssdp_hw.display import Axes, Drawn, Table, count, draw, shown, text
from ssdp_hw.errors import ParameterError
from ssdp_hw.running import frames
from ssdp_hw.running.decoding import decode as decoded, decoding_rule, required_record

# What every network can record; further states have the names that their neuron models give them.
RECORDABLE = ("spikes", "v", "u")


@dataclass(frozen=True)
class Record:
    """Which variables of which populations a run keeps.

    Attributes:
        variables: ``spikes`` and names of states.
        populations: names of populations.
        missing: pairs (variable, population) where the population's neurons have no such state.
    """

    variables: tuple[str, ...]
    populations: tuple[str, ...]
    missing: frozenset[tuple[str, str]] = frozenset()

    def wants(self, variable: str, population: str) -> bool:
        """Whether this variable of this population is kept."""
        named = variable in self.variables and population in self.populations
        return named and (variable, population) not in self.missing

    @property
    def state_names(self) -> tuple[str, ...]:
        """The variables that are states; v and u are always among them, so that a result has them all."""
        return tuple(dict.fromkeys(("v", "u", *(name for name in self.variables if name != "spikes"))))


# The overflow counts of the chip's own neuron, in their order.
CUBA_LIF_COUNTS = ("u_wraps", "u_out_of_range", "v_saturations")


@shown
@dataclass(frozen=True)
class OverflowCount:
    """How often registers of a population overflowed in a run, summed over steps and samples.

    Attributes:
        u_wraps: currents that wrapped around.
        u_out_of_range: currents outside their register even after the one turn that is applied.
        v_saturations: voltages that were clipped.
        further: overflows of other states by name, such as ``w_saturations``.
    """

    u_wraps: int = 0
    u_out_of_range: int = 0
    v_saturations: int = 0
    further: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> OverflowCount:
        """Make it from a mapping of counts by name."""
        u_wraps, u_out_of_range, v_saturations = (counts.get(name, 0) for name in CUBA_LIF_COUNTS)
        further = {name: count for name, count in counts.items() if name not in CUBA_LIF_COUNTS}
        return cls(u_wraps, u_out_of_range, v_saturations, further)

    @property
    def counts(self) -> dict[str, int]:
        """All counts by name."""
        own = {"u_wraps": self.u_wraps, "u_out_of_range": self.u_out_of_range, "v_saturations": self.v_saturations}
        return {**own, **self.further}

    @property
    def total(self) -> int:
        """Wraps and saturations together."""
        return sum(count for name, count in self.counts.items() if not name.endswith("_out_of_range"))

    def __add__(self, other: OverflowCount) -> OverflowCount:
        mine, others = self.counts, other.counts
        return OverflowCount.of({name: mine.get(name, 0) + others.get(name, 0) for name in {**mine, **others}})

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self.counts.items() if count) or "none"


@dataclass(frozen=True, eq=False)
class Recording:
    """What a target hands back: arrays of shape (time, batch, n) by population.

    Spikes are bool. The states of a step are those at its end, after the reset; int64 in a fixed
    network, float64 in a float network.

    Attributes:
        spikes, v, u: by population.
        overflow: by population; None if the target cannot see its registers overflow.
        info: versions and options of the target, for the report.
        states: states of other names, by name and population.
    """

    spikes: Mapping[str, NDArray[np.bool_]]
    v: Mapping[str, Array]
    u: Mapping[str, Array]
    overflow: Mapping[str, OverflowCount] | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        spikes: Mapping[str, NDArray[np.bool_]],
        states: Mapping[str, Mapping[str, Array]],
        overflow: Mapping[str, OverflowCount] | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> Recording:
        """Make a recording from the spikes and a mapping of all states by name, v and u among them."""
        further = {name: traces for name, traces in states.items() if name not in ("v", "u")}
        return cls(spikes, states.get("v", {}), states.get("u", {}), overflow, info or {}, further)

    def state(self, name: str) -> Mapping[str, Array]:
        """What was recorded of a state, by population."""
        known: dict[str, Mapping[str, Array]] = {"v": self.v, "u": self.u}
        return known[name] if name in known else self.states.get(name, {})


@shown
@dataclass(frozen=True, eq=False)
class Levels:
    """Voltages of a population that a picture or a reader needs beside a trace, in units of the state v.

    Attributes:
        threshold: the voltage above (or at) which a neuron fires, shape (n,); None for a readout, and for a declared
            model, whose threshold may move.
        rest: the voltage after a reset to zero spikes, shape (n,): NIR's ``v_reset``, in a fixed network 0.
        scale: units of v in one volt above ``rest``, shape (n,); None where it is not known.
    """

    threshold: NDArray[np.float64] | None
    rest: NDArray[np.float64]
    scale: NDArray[np.float64] | None


@shown
@dataclass(frozen=True, eq=False)
class RunResult:
    """A run: its recordings and how it was made.

    Attributes:
        spikes, v, u: by population, shape (time, batch, n); only what was recorded.
        outputs: names of the output populations.
        target: name of the target; ``arithmetic`` is ``float`` or ``fixed``.
        steps, batch: lengths of time and batch.
        seconds: wall time of the run, compilation and start of simulators included.
        overflow: register overflows by population, or None where the target cannot see them.
        info: semantics, versions and options.
        states: recorded states of other names than v and u, by name and population.
        levels: threshold, rest and scale of v, by population.
    """

    spikes: Mapping[str, NDArray[np.bool_]]
    v: Mapping[str, Array]
    u: Mapping[str, Array]
    outputs: Sequence[str]
    target: str
    arithmetic: str
    steps: int
    batch: int
    seconds: float
    overflow: Mapping[str, OverflowCount] | None
    info: Mapping[str, Any]
    states: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    levels: Mapping[str, Levels] = field(default_factory=dict)

    def _table(self) -> Table:
        names = dict.fromkeys((*self.spikes, *self.v, *self.u))
        rows = []
        for name in names:
            if name in self.info.get("helpers", ()) and not (self.overflow or {}).get(name, OverflowCount()).total:
                continue  # what it brings shows in the populations that it drives
            trace = next(r[name] for r in (self.spikes, self.v, self.u) if name in r)
            rate = f"{self.spike_rate(name):.4f}" if name in self.spikes else "-"
            v = f"{text(self.v[name].min())} .. {text(self.v[name].max())}" if name in self.v and trace.size else "-"
            over = "not seen" if self.overflow is None else str(self.overflow.get(name, OverflowCount()))
            rows.append((name + (" (output)" if name in self.outputs else ""), str(trace.shape[2]), rate, v, over))
        size = f"{count(self.steps, 'step')}, {count(self.batch, 'sample')}"
        title = f"{self.arithmetic} run on {self.target}: {size}, {self.seconds:.2f} s"
        return Table(title, ("population", "neurons", "spikes per neuron and step", "v", "overflows"), rows)

    def recorded(self, variable: str) -> Mapping[str, Array]:
        """What was recorded of ``spikes`` or of a state, by population; empty if nothing was."""
        own: dict[str, Mapping[str, Array]] = {"spikes": self.spikes, "v": self.v, "u": self.u}
        return own[variable] if variable in own else self.states.get(variable, {})

    @property
    def output(self) -> str:
        """The only output population.

        Raises:
            ParameterError: there are several; name one.
        """
        if len(self.outputs) != 1:
            raise ParameterError(f"the network has several outputs, {list(self.outputs)}: name one")
        return self.outputs[0]

    @renamed(readout="decode")
    def predict(self, decode: str | None = None, population: str | None = None) -> NDArray[np.int64]:
        """One class for each sample, shape (batch,); see :func:`ssdp_hw.running.decoding.decode`.

        Args:
            decode: rule by which the class is taken: ``spike_count``, ``first_spike``, ``max_membrane``,
                ``mean_membrane`` or ``last_membrane``; default ``spike_count``, of a readout ``max_membrane``.
            population: the population whose spikes or voltages decide; default the only output.

        Returns:
            Classes; -1, undecided, where a rule goes by spikes and no neuron fired. (``sum(0).argmax(-1)`` of a
            framework gives class 0 there.)

        Raises:
            ParameterError: no such rule or population, the spikes of a readout, or the variable that the rule needs was
                not recorded.
        """
        name = self.output if population is None else population
        decode = decoding_rule(decode, name not in tuple(self.info.get("threshold", (name,))), name)
        variable = required_record(decode)
        traces: Mapping[str, Array | NDArray[np.bool_]] = self.v if variable == "v" else self.spikes
        if name not in tuple(traces):
            raise ParameterError(
                f"decode = '{decode}' needs '{variable}' of population '{name}' recorded: run it with record = "
                f"('spikes', 'v') and '{name}' among its populations"
            )
        return decoded(decode, traces[name])

    def to_xarray(self, population: str | None = None) -> Any:
        """All that was recorded of a population, as an ``xarray.Dataset`` over (time, sample, neuron).

        Time counts steps from 0. Spikes are bool; states are integers of the chip in a fixed network.

        Args:
            population: its name; default the only output.

        Raises:
            ParameterError: nothing was recorded of it.
            MissingPackageError: xarray is not installed (extra ``frames``).
        """
        return frames.to_xarray(*self._framed(population))

    def to_pandas(self, population: str | None = None) -> Any:
        """All that was recorded of a population, as a ``pandas.DataFrame`` indexed by time, sample and neuron.

        Args:
            population: its name; default the only output.

        Raises:
            ParameterError: nothing was recorded of it.
            MissingPackageError: pandas is not installed (extra ``frames``).
        """
        return frames.to_pandas(*self._framed(population))

    def _framed(self, population: str | None) -> tuple[dict[str, Array], dict[str, str]]:
        """Arrays of a population by variable, and what they are of."""
        name = self.output if population is None else population
        traces = {variable: self.recorded(variable) for variable in ("spikes", "v", "u", *self.states)}
        arrays = {variable: found[name] for variable, found in traces.items() if name in found}
        return arrays, {"population": name, "target": self.target, "arithmetic": self.arithmetic}

    def spike_rate(self, population: str | None = None) -> float:
        """Spikes per neuron and step, of one population or of all recorded ones together.

        Neurons that only bring biases (``info["helpers"]``) do not count among these.

        Raises:
            ParameterError: the spikes of that population were not recorded.
        """
        if population is not None and population not in tuple(self.spikes):
            raise ParameterError(f"the spikes of population '{population}' were not recorded")
        own = [raster for name, raster in self.spikes.items() if name not in self.info.get("helpers", ())]
        chosen = own if population is None else [self.spikes[population]]
        cells = sum(a.size for a in chosen)
        return sum(int(np.count_nonzero(a)) for a in chosen) / cells if cells else 0.0

    def plot(
        self,
        *,
        sample: int = 0,
        label: int | None = None,
        against: RunResult | None = None,
        decode: str | None = None,
        populations: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> Drawn:
        """Draw one sample: rasters and, where the output's v was recorded, its voltages with their threshold.

        Args:
            sample: which one.
            label: its class, if known.
            against: another run of the same samples, such as that of the float network: spikes of one run alone are
                marked, the first of them by a line, and its voltages are drawn over these.
            decode: rule by which the class is taken; default ``spike_count``, of a readout ``max_membrane``.
            populations: whose spikes are drawn; default the first three layers and the outputs.
            ax: matplotlib Axes to draw in; default a new figure.

        Returns:
            The Axes, from top to bottom.

        Raises:
            ParameterError: no such sample or population, nothing was recorded, or a run of other samples.
            UnsupportedError: matplotlib is not installed.
        """
        return draw(
            "run", self, sample=sample, label=label, against=against, decode=decode, populations=populations, ax=ax
        )


@shown
@dataclass(frozen=True)
class Divergence:
    """The first place where two runs differ."""

    variable: str
    population: str
    step: int
    sample: int
    neuron: int
    left: float | bool
    right: float | bool

    def __str__(self) -> str:
        return (
            f"{self.variable} of '{self.population}' at step {self.step}, sample {self.sample}, "
            f"neuron {self.neuron}: {self.left} against {self.right}"
        )


def first_divergence(left: RunResult, right: RunResult, tolerance: float = 0.0) -> Divergence | None:
    """The earliest step at which what both runs recorded differs by more than ``tolerance``.

    Within a step spikes are looked at last, since a voltage that differs is their cause. Returns
    None if all that both recorded agrees.

    Raises:
        ParameterError: the runs have nothing in common, or differ in steps, batch or neurons.
    """
    if (left.steps, left.batch) != (right.steps, right.batch):
        raise ParameterError(
            f"runs of (steps, batch) {(left.steps, left.batch)} and {(right.steps, right.batch)} cannot be compared"
        )
    best: Divergence | None = None
    common = 0
    for variable in (*left.states, "u", "v", "spikes"):
        a, b = left.recorded(variable), right.recorded(variable)
        for name in a.keys() & b.keys():
            common += 1
            x, y = a[name], b[name]
            if x.shape != y.shape:
                raise ParameterError(
                    f"population '{name}' has {x.shape[2]} neurons in one run and {y.shape[2]} in the other"
                )
            different = x != y
            if variable != "spikes":
                with np.errstate(invalid="ignore"):  # a NaN is within no tolerance
                    different &= ~(np.abs(x - y) <= tolerance)
            if not different.any():
                continue
            step, sample, neuron = (int(k) for k in np.argwhere(different)[0])
            if best is None or step < best.step:
                values = x[step, sample, neuron].item(), y[step, sample, neuron].item()
                best = Divergence(variable, name, step, sample, neuron, *values)
    if not common:
        raise ParameterError("the two runs recorded nothing in common")
    return best
