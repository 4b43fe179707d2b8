"""Third factors that the caller gives: checked, converted to registers and cut into the windows of a learning run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.checks import real_array
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.learning.inputs import Rule
from ssdp_hw.rules import CounterRule
from ssdp_hw.rules.declared import FixedDeclaredRule
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.model import RuleFactor
from ssdp_hw.running.drive import AnyNetwork

Given = Mapping[str, ArrayLike] | Mapping[str, Mapping[str, ArrayLike]]
# By projection and by names such as ``post_reward``, shape (steps of a sample, batch, n).
Checked = dict[str, dict[str, Numbers]]


def check_factors(
    network: AnyNetwork,
    rules: Mapping[str, Rule],
    given: Given | None,
    lengths: tuple[int, int, int],
    batch: int,
) -> tuple[Checked, list[str]]:
    """The third factors of every plastic projection in every step, and notes on what their registers lost.

    Args:
        network: the network that learns.
        rules: the rule of each plastic projection.
        given: as :func:`ssdp_hw.learn` takes them.
        lengths: of the input and of a sample in steps, and the windows of a sample.
        batch: number of samples.

    Raises:
        ParameterError: one is missing, unknown, or does not fit its register.
        ShapeError: another shape.
    """
    by_projection = _by_projection(rules, {} if given is None else given)
    checked: Checked = {}
    notes: list[str] = []
    for name, rule in rules.items():
        values = by_projection.get(name, {})
        known = {f.name: f for f in rule.factors}
        for wrong in sorted(set(values) - set(known)):
            raise ParameterError(
                f"factors of '{name}': its rule has no factor '{wrong}'; it has: {', '.join(known) or 'none'}"
            )
        for missing in [n for n in known if n not in values]:
            raise ParameterError(
                f"projection '{name}': its rule needs the third factor '{missing}'; give "
                f"factors={{'{missing}': array}}, shape (steps or windows of a sample, batch"
                f"{', neurons' if known[missing].home == 'post' else ''})"
            )
        post = network.size_of(network.projection(name).post)
        found: dict[str, Numbers] = {}
        for own, f in known.items():
            owner = f"factor '{own}' of '{name}'"
            real = _in_steps(real_array(values[own], owner), f, lengths, (batch, post), owner)
            fixed = isinstance(rule, CounterRule)
            found[leaf_name(f.home, own)] = _registers(real, f, rule, owner, notes) if fixed else real
        if found:
            checked[name] = found
    return checked, notes


def _by_projection(rules: Mapping[str, Rule], given: Any) -> Mapping[str, Mapping[str, ArrayLike]]:
    if not isinstance(given, Mapping):
        raise ParameterError(f"factors of type {type(given).__name__}; give a dict by name, or by projection and name")
    if any(isinstance(values, Mapping) for values in given.values()):
        for name, values in given.items():
            if name not in rules or not isinstance(values, Mapping):
                raise ParameterError(
                    f"factors of '{name}': by projection they need dicts by name, for {', '.join(rules)}"
                )
        return given
    known = {f.name for rule in rules.values() for f in rule.factors}
    for wrong in sorted(map(str, set(given) - known)):
        raise ParameterError(f"no rule has a factor '{wrong}'; there are: {', '.join(sorted(known)) or 'none'}")
    return {name: {f.name: given[f.name] for f in rule.factors if f.name in given} for name, rule in rules.items()}


def _in_steps(
    array: NDArray[np.float64], f: RuleFactor, lengths: tuple[int, int, int], sizes: tuple[int, int], owner: str
) -> NDArray[np.float64]:
    """The factor in every step of a sample, shape (steps, batch, n); 0 in silent steps that were added at the end."""
    given, steps, windows = lengths
    batch, post = sizes
    shape = (batch,) if f.home == "group" else (batch, post)
    if array.ndim != 1 + len(shape) or array.shape[1:] != shape or len(array) not in (given, steps, windows):
        first = " or ".join(str(n) for n in sorted({given, steps, windows}))
        raise ShapeError(
            f"{owner} has shape {array.shape}; expected {('first axis', *shape)}, the first axis being steps or "
            f"windows of a sample, {first}"
        )
    array = array.reshape(len(array), batch, -1)
    if len(array) not in (given, steps):
        return np.repeat(array, steps // windows, axis=0)
    return np.concatenate([array, np.zeros((steps - len(array), *array.shape[1:]))])


def _registers(
    array: NDArray[np.float64], f: RuleFactor, rule: Rule, owner: str, notes: list[str]
) -> NDArray[np.int64]:
    """The integers of a factor."""
    unit = rule.parameters[f.unit] if isinstance(rule, FixedDeclaredRule) and f.unit else 1
    assert isinstance(unit, int)
    rounded = np.rint(array * unit)
    lost = float(np.abs(rounded - array * unit).max(initial=0.0))
    if lost and not f.unit:
        raise ParameterError(f"{owner} has the value {array[rounded != array].flat[0]:g}, and is of whole numbers")
    if lost:
        notes.append(f"{owner} is rounded to multiples of 1/{unit}, by up to {lost / unit:.3g}")
    low, high = f.limits
    if array.size and not low <= rounded.min() <= rounded.max() <= high:
        raise ParameterError(
            f"{owner} reaches {array.min():g} .. {array.max():g}; its register of {f.bits} bits holds "
            f"{low / unit:g} .. {high / unit:g}"
            + (f"; make '{f.unit}' (now {unit}) smaller, or the factor" if f.unit else "")
        )
    return np.asarray(rounded, np.int64)


def plan_factors(factors: Checked, samples: NDArray[np.int64], windows: int) -> Checked:
    """Factors of these samples for a :class:`~ssdp_hw.running.learning_plan.LearningPlan`, shape (window, step, n)."""
    return {
        name: {key: in_windows(values[:, samples], windows) for key, values in found.items()}
        for name, found in factors.items()
    }


def in_windows(values: Numbers, windows: int) -> Numbers:
    """Values of shape (steps, sample, n) as (window, step of the window, n), each sample cut into ``windows``."""
    steps, samples, n = values.shape
    cut = values.reshape(windows, steps // windows, samples, n).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(cut.reshape(samples * windows, steps // windows, n))
