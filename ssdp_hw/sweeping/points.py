"""What a sweep goes over: full grids, random samples, and lists of points.

A point is the parameters of one run of a study, by name. Parameters are plain values: numbers, texts, booleans, None,
and lists of those, since a point is written to a file and its key is made of it.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ssdp_hw.checks import as_int, real_vector
from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.files.json_values import JSON

# The most points of a sweep: of more not even the list would be handled in a reasonable time.
MOST_POINTS = 1_000_000

Point: TypeAlias = dict[str, JSON]


@shown
@dataclass(frozen=True)
class Range:
    """Numbers between two ends, for :class:`RandomSamples`.

    Attributes:
        low, high: the ends; of integers both are drawn too.
        scale: ``linear``, or ``log``: the logarithm is uniform.
        integer: whether whole numbers are drawn.
    """

    low: float
    high: float
    scale: str = "linear"
    integer: bool = False

    def __post_init__(self) -> None:
        low, high = (float(real_vector(x, 1, f"Range: {n}")[0]) for n, x in (("low", self.low), ("high", self.high)))
        if not low < high:
            raise ParameterError(f"Range: low = {low:g} is not below high = {high:g}")
        if self.scale not in ("linear", "log"):
            raise ParameterError(f"Range: scale = {self.scale!r}; choose linear or log")
        if self.scale == "log" and low <= 0:
            raise ParameterError(f"Range: low = {low:g}; a logarithmic range begins above 0")
        if self.integer and not (low.is_integer() and high.is_integer()):
            raise ParameterError(f"Range: ends {low:g} and {high:g} of whole numbers are no whole numbers")

    def draw(self, generator: np.random.Generator, count: int) -> list[JSON]:
        """So many numbers, each independent of the others."""
        low, high = (self.low, self.high) if not self.integer else (self.low - 0.5, self.high + 0.5)
        if self.scale == "log":
            # The lower end of whole numbers from 1 on is 0.5, so the logarithm is always defined.
            values = np.exp(generator.uniform(math.log(low), math.log(high), count))
        else:
            values = generator.uniform(low, high, count)
        if self.integer:
            return [int(v) for v in np.clip(np.rint(values), self.low, self.high)]
        return [float(v) for v in np.clip(values, self.low, self.high)]


@shown
@dataclass(frozen=True)
class RandomSamples:
    """Points whose parameters are drawn independently.

    A parameter's values depend on the seed and its own name alone, and those of the first points not on ``count``:
    more points, or one more parameter, leave what was drawn before as it was.

    Attributes:
        values: by parameter, a :class:`Range`, or a list of values of which each is as likely.
        count: number of points.
        seed: of the random numbers.
    """

    values: Mapping[str, Range | Sequence[JSON]]
    count: int
    seed: int = 0

    def points(self) -> list[Point]:
        """All points.

        Raises:
            ParameterError: no or too many points, or a parameter without values.
        """
        count = as_int(self.count, "RandomSamples: count")
        if not 1 <= count <= MOST_POINTS:
            raise ParameterError(f"RandomSamples: count = {count} is outside 1 .. {MOST_POINTS}")
        seed = as_int(self.seed, "RandomSamples: seed")
        if seed < 0:
            raise ParameterError(f"RandomSamples: seed = {seed}; it must be at least 0")
        columns: dict[str, Sequence[JSON]] = {}
        for name, values in _named_values(self.values, "RandomSamples").items():
            generator = np.random.default_rng((seed, zlib.crc32(name.encode())))
            if isinstance(values, Range):
                columns[name] = values.draw(generator, count)
            else:
                columns[name] = [values[int(x * len(values))] for x in generator.random(count)]
        return [{name: column[i] for name, column in columns.items()} for i in range(count)]


Grid: TypeAlias = Mapping[str, Sequence[JSON]] | RandomSamples | Sequence["Grid | Point"]


def points_of(grid: Grid) -> list[Point]:
    """The points of a grid, each once, in the order of the grid: the last parameter varies fastest.

    Args:
        grid: values by parameter, of which every combination is a point; random samples; or a list of such grids
            and of single points (where every value is plain).

    Raises:
        ParameterError: no or too many points, or a value that is not plain.
    """
    found: dict[str, Point] = {}
    for point in _expanded(grid):
        if not point:
            raise ParameterError("the grid names no parameter; give at least one, as {'seed': range(10)}")
        plain = {name: plain_value(value, f"parameter '{name}'") for name, value in point.items()}
        found.setdefault(repr(sorted(plain.items())), plain)
        if len(found) > MOST_POINTS:
            raise ParameterError(f"the grid has more than {MOST_POINTS} points; sweep it in parts")
    if not found:
        raise ParameterError("the grid has no points; give at least one value for each parameter")
    return list(found.values())


def _expanded(grid: object) -> Iterable[Mapping[str, object]]:
    if isinstance(grid, RandomSamples):
        return grid.points()
    if isinstance(grid, Mapping):
        values = _named_values(grid, "grid")
        ranges = [name for name, own in values.items() if isinstance(own, Range)]
        if ranges:
            raise ParameterError(f"grid: '{ranges[0]}' is a Range; draw from it by RandomSamples({{...}}, count)")
        lists = {name: own for name, own in values.items() if isinstance(own, list)}
        size = math.prod(map(len, lists.values()))
        if size > MOST_POINTS:
            raise ParameterError(f"the grid has {size} points, more than {MOST_POINTS}; sweep it in parts")
        return (dict(zip(lists, chosen, strict=True)) for chosen in itertools.product(*lists.values()))
    if isinstance(grid, Sequence) and not isinstance(grid, str | bytes):
        return itertools.chain.from_iterable([part] if _is_point(part) else _expanded(part) for part in grid)
    raise ParameterError(
        f"grid = {type(grid).__name__}; give a dict of lists of values by parameter, RandomSamples, or a list of these"
    )


def _is_point(part: object) -> bool:
    """Whether it holds a single value by parameter."""
    single = (bool, int, float, str, Mapping, np.generic, type(None))
    return isinstance(part, Mapping) and all(isinstance(value, single) for value in part.values())


def _named_values(given: Mapping[str, object], owner: str) -> dict[str, Range | list[Any]]:
    """Values by parameter, with what has a length as a list."""
    if not isinstance(given, Mapping):
        raise ParameterError(f"{owner}: {type(given).__name__} is no dict of values by parameter")
    found: dict[str, Range | list[Any]] = {}
    for name, values in given.items():
        if not isinstance(name, str) or not name:
            raise ParameterError(f"{owner}: {name!r} is no name of a parameter")
        if isinstance(values, Range):
            found[name] = values
            continue
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise ParameterError(
                f"{owner}: '{name}' = {values!r} is no list of values; write [{values!r}] for a single one"
            )
        listed = list(itertools.islice(values, MOST_POINTS + 1))
        if not listed:
            raise ParameterError(f"{owner}: '{name}' has no values")
        found[name] = listed
    return found


def plain_value(value: object, what: str) -> JSON:
    """A value as JSON holds it, NumPy's scalars as Python's.

    Raises:
        ParameterError: JSON has no form for it.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise ParameterError(f"{what} = {value}; only finite numbers have a form in a file")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain_value(v, f"{what}['{k}']") for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain_value(v, f"{what}[{i}]") for i, v in enumerate(value)]
    raise ParameterError(
        f"{what} is a {type(value).__name__}; numbers, texts, booleans and lists of them have a form in a file: "
        "pass arrays and networks as data=, and other objects by a name that the study looks up"
    )
