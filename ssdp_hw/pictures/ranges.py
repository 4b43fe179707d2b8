"""Currents and voltages of each layer against their registers, and what is proved of them for any input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.proof import Proof, RegisterProof, Verdict, prove
from ssdp_hw.display import Axes, Drawn
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.pictures.style import BEFORE, BOUND, CHANGED, FIXED, INK, legend, panels, picture, several, short, title
from ssdp_hw.running.result import RunResult

# Registers drawn at most: those that come nearest to their end.
_ROWS = 16
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, eq=False)
class _Row:
    """One register: what a run put into it, and what is proved of it."""

    name: str
    state: str
    values: NDArray[np.int64]
    proof: RegisterProof | None
    bits: int

    @property
    def end(self) -> int:
        """Largest size that the register holds."""
        return 1 << (self.bits - 1)

    @property
    def used(self) -> float:
        """Largest size in the run as a share of the register."""
        return float(np.max(np.abs(self.values), initial=0)) / self.end


@picture
def draw(fixed: FixedNetwork, result: RunResult, *, proof: Proof | bool = True, ax: Axes | None = None) -> Drawn:
    """See :meth:`ssdp_hw.FixedNetwork.plot_ranges`."""
    rows = _rows(fixed, result, prove(fixed) if proof is True else proof or None)
    (one,) = panels(ax, [1.0 + 0.42 * len(rows)])
    at = np.arange(len(rows))[::-1]
    for y, row in zip(at, rows, strict=True):
        _draw_row(one, float(y), row)
    bits = max(row.bits for row in rows)
    one.set_yticks(at, [f"{short(row.name, 14)}  {row.state}" for row in rows])
    one.set_ylim(-0.7, len(rows) - 0.3)
    marks = [b for b in (8, 16, 24, 32, 40) if b < bits] + [bits - 1]
    ticks = sorted({0, *(-b for b in marks), *marks})
    ticks = [t for t in ticks if abs(t) == bits - 1 or bits - 1 - abs(t) > 3]
    one.set_xticks(
        ticks, ["0" if t == 0 else f"{'−' if t < 0 else ''}2{str(abs(t)).translate(_RAISED)}" for t in ticks]
    )
    one.set_xlim(-bits - 0.6, bits + 0.6)
    one.set_xlabel("value of the register")
    title(one, _finding(rows))
    legend(one, 2)
    return several([one])


def _rows(fixed: FixedNetwork, result: RunResult, proof: Proof | None) -> list[_Row]:
    proofs = {(r.population, r.count.rpartition("_")[0]): r for r in (proof.registers if proof is not None else ())}
    found = []
    for name in fixed.population_names:
        if name in fixed.helpers:
            continue
        registers = fixed.step_form(name).registers
        for state in fixed.population(name).state_names:
            values = result.recorded(state).get(name)
            if values is None or state not in registers:
                continue
            if not np.issubdtype(values.dtype, np.integer) or values.shape[2] != fixed.size_of(name):
                raise ParameterError(f"population '{name}': the run's {state} are not those of this fixed network")
            found.append(_Row(name, state, values, proofs.get((name, state)), registers[state]))
    if not found:
        raise ParameterError("the run recorded no states: record=('u', 'v') keeps currents and voltages")
    kept = sorted(found, key=lambda row: -row.used)[:_ROWS]
    return [row for row in found if row in kept]


def _place(value: ArrayLike) -> NDArray[np.float64]:
    """Where a value stands: its bits, with its sign."""
    values = np.asarray(value, np.float64)
    return np.asarray(np.sign(values) * np.log2(1 + np.abs(values)))


def _draw_row(ax: Axes, y: float, row: _Row) -> None:
    first = not ax.lines
    low, high = int(row.values.min(initial=0)), int(row.values.max(initial=0))
    inner = np.percentile(row.values, (1, 99)) if row.values.size else np.zeros(2)
    end = _place(row.end)
    ax.plot([-end, -end], [y - 0.36, y + 0.36], color=INK, lw=1.6, label="end of the register" if first else None)
    ax.plot([end, end], [y - 0.36, y + 0.36], color=INK, lw=1.6)
    if row.proof is not None:
        bounds = _place(np.array([row.proof.low, row.proof.high]))
        open_ = row.proof.verdict is not Verdict.PROVED
        color = CHANGED if open_ else BOUND
        said = "not ruled out for any input" if open_ else "proved for any input"
        known = {line.get_label() for line in ax.lines}
        ax.plot(np.clip(bounds, -end - 0.7, end + 0.7), [y, y], "-|" if not open_ else "--|", color=color, lw=1.4, ms=9,
                mew=1.6, label=None if said in known else said)  # fmt: skip
    ax.plot(_place(np.array([low, high])), [y, y], color=FIXED, lw=3, solid_capstyle="butt",
            label="in this run" if first else None)  # fmt: skip
    ax.plot(_place(inner), [y, y], color=FIXED, lw=8, solid_capstyle="butt",
            label="98 % of the values" if first else None)  # fmt: skip
    if first:
        ax.axvline(0, color=BEFORE, lw=0.6, zorder=0)


def _finding(rows: list[_Row]) -> str:
    fullest = max(rows, key=lambda row: row.used)
    said = f"this run fills at most {fullest.used:.1%} of a register ({fullest.state} of '{short(fullest.name)}')"
    proofs = [row.proof for row in rows if row.proof is not None]
    if not proofs:
        return said[0].upper() + said[1:]
    reached = [p for p in proofs if p.verdict is Verdict.REACHED]
    left = [p for p in proofs if p.verdict is Verdict.OPEN]
    if not reached and not left:
        return f"No register can overflow, for any input; {said}"
    worst = (reached or left)[0]
    register = f"{worst.count.rpartition('_')[0]} of '{short(worst.population)}'"
    head = f"Some input overflows {register}" if reached else f"It is open whether {register} can overflow"
    return f"{head}; {said}"
