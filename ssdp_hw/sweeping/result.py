"""What a sweep found: a cell for each point, as a table, a data frame, a file, and pictures."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ssdp_hw.analysis.statistics import Interval, mean_interval
from ssdp_hw.display import Axes, Drawn, Table, draw, shown
from ssdp_hw.errors import MissingPackageError, ParameterError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.files.json_values import JSON
from ssdp_hw.sweeping.cell_store import Cell
from ssdp_hw.sweeping.executors import INSTALL


@shown
@dataclass(frozen=True)
class SweepResult:
    """The finished cells of a sweep, in the order of its points.

    Attributes:
        study: name of the study.
        cells: one for each point.
        computed: how many of them were run now; the others were in the store.
        store: the folder.
    """

    study: str
    cells: tuple[Cell, ...]
    computed: int
    store: str

    @property
    def failed(self) -> tuple[Cell, ...]:
        """The cells whose study raised."""
        return tuple(cell for cell in self.cells if cell.error is not None)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.parameters))

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what the study returned."""
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.result or ()))

    @property
    def varied(self) -> tuple[str, ...]:
        """The parameters that have more than one value."""
        return tuple(p for p in self.parameters if len({repr(c.parameters.get(p)) for c in self.cells}) > 1)

    def rows(self) -> list[dict[str, JSON]]:
        """A row for each cell: its parameters, what the study returned, and ``error``; no times.

        A result that has a parameter's name is called ``result.NAME``.
        """
        rows = []
        for cell in self.cells:
            row: dict[str, JSON] = {name: cell.parameters.get(name) for name in self.parameters}
            for name in self.measures:
                row[self._column(name)] = None if cell.result is None else cell.result.get(name)
            row["error"] = None if cell.error is None else f"{cell.error['type']}: {cell.error['message']}"
            rows.append(row)
        return rows

    def _column(self, measure: str) -> str:
        return f"result.{measure}" if measure in (*self.parameters, "error") else measure

    def column(self, name: str) -> list[JSON]:
        """One column of :meth:`rows`, or ``seconds``: how long each cell took on the computer that ran it.

        Raises:
            ParameterError: there is none of that name.
        """
        known = (*self.parameters, *map(self._column, self.measures), "error")
        if name == "seconds" and name not in known:
            return [cell.seconds for cell in self.cells]
        if name not in known:
            raise ParameterError(f"the sweep has no column '{name}'; there are: {', '.join(known)}")
        return [row[name] for row in self.rows()]

    def summary(self, measure: str, over: str = "seed") -> list[tuple[dict[str, JSON], Interval | float]]:
        """Means over one parameter, such as the seed.

        Args:
            measure: a number that the study returned.
            over: the parameter.

        Returns:
            For each combination of the other parameters, in order: these, and the mean with Student's t interval; the
            number itself where there is one alone. Failed cells are left out.

        Raises:
            ParameterError: no such column, or values that are no numbers.
        """
        self.column(over)
        groups: dict[str, tuple[dict[str, JSON], list[float]]] = {}
        for cell, value in zip(self.cells, self.column(measure), strict=True):
            if cell.error is not None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ParameterError(f"'{measure}' = {value!r} at {cell.parameters}; a mean needs numbers")
            rest = {name: own for name, own in cell.parameters.items() if name != over}
            groups.setdefault(repr(rest), (rest, []))[1].append(float(value))
        return [(rest, mean_interval(values) if len(values) > 1 else values[0]) for rest, values in groups.values()]

    def _table(self) -> Table:
        rows = self.rows()
        header = tuple(rows[0]) if self.failed else tuple(name for name in rows[0] if name != "error")
        kept = len(self.cells) - self.computed
        title = f"{self.study}: {len(self.cells)} cells, {kept} of them from the store, {len(self.failed)} failed"
        notes = [f"failed at {cell.parameters}: {cell.error['type']}: {cell.error['message']}" for cell in self.failed
                 if cell.error is not None]  # fmt: skip
        return Table(title, header, [[_text(row[name]) for name in header] for row in rows], notes)

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON."""
        return {
            "study": self.study,
            "store": self.store,
            "computed": self.computed,
            "failed": len(self.failed),
            "rows": self.rows(),
        }

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` of :meth:`rows`.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        return _imported("pandas").DataFrame(self.rows())

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`rows` as a Parquet file.

        A column has one type there, so one that holds several kinds of values, or dicts, becomes JSON text.

        Raises:
            MissingPackageError: pandas or pyarrow is not installed.
            FileFormatError: it cannot be written.
        """
        frame = self.to_pandas()
        _imported("pyarrow")
        for name in frame.columns:
            kinds = {type(value) for value in self.column(name) if value is not None}
            if len(kinds - {int}) > 1 or (len(kinds) > 1 and kinds != {int, float}) or dict in kinds or list in kinds:
                frame[name] = [None if v is None else json.dumps(v) for v in self.column(name)]
        write_atomically(Path(path), lambda partial: frame.to_parquet(partial, engine="pyarrow", index=False))

    def plot(self, measure: str, x: str, y: str, *, ax: Axes | None = None) -> Drawn:
        """Draw a heat map of a measure over two parameters, a mean where several cells share a place.

        Args:
            measure: a number that the study returned.
            x, y: the parameters.
            ax: matplotlib Axes to draw in; default a new figure.

        Returns:
            The Axes.

        Raises:
            ParameterError: no such column, or nothing to draw.
            UnsupportedError: matplotlib is not installed.
        """
        return draw("sweep", self, measure, x, y, ax=ax)

    def plot_pareto(self, cost: str, measure: str = "accuracy", *, ax: Axes | None = None) -> Drawn:
        """Draw all cells by cost and measure, and join those to which no other is better in both.

        Args:
            cost: a column of which less is better, such as bits or energy; or ``seconds``, see :meth:`column`.
            measure: a number of which more is better.
            ax: matplotlib Axes to draw in; default a new figure.

        Returns:
            The Axes.

        Raises:
            ParameterError: no such column, or nothing to draw.
            UnsupportedError: matplotlib is not installed.
        """
        return draw("pareto", self, cost, measure, ax=ax)

    def pareto(self, cost: str, measure: str = "accuracy") -> tuple[Cell, ...]:
        """The cells to which no other is at least as good in both and better in one, by rising cost.

        Raises:
            ParameterError: no such column.
        """
        costs, values = self.column(cost), self.column(measure)
        known = [
            (c, m, cell)
            for c, m, cell in zip(costs, values, self.cells, strict=True)
            if isinstance(c, int | float) and isinstance(m, int | float)
        ]
        front: list[tuple[float, float, Cell]] = []
        for c, m, cell in sorted(known, key=lambda item: (item[0], -item[1])):
            if not front or m > front[-1][1] or (c, m) == front[-1][:2]:
                front.append((c, m, cell))
        return tuple(cell for _, _, cell in front)


def _text(value: JSON) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _imported(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:  # it is not installed, or not for this NumPy
        raise MissingPackageError(f"this needs {package}, which cannot be imported ({error}): {INSTALL}") from None
