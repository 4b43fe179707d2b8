"""Checks of what a learning run is given, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import as_array
from ssdp_hw.drive import AnyNetwork
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.fixed import FixedNetwork
from ssdp_hw.network import Network
from ssdp_hw.ssdp import SSDP, FixedSSDP
from ssdp_hw.ssdp.derive import fixed_rule

Rule = SSDP | FixedSSDP


def teachable_output(network: AnyNetwork) -> str:
    """The only output population, which a teacher can act on.

    Raises:
        UnsupportedError: there are several.
    """
    if len(network.outputs) != 1:
        raise UnsupportedError(f"a teacher needs one output population; the network has {list(network.outputs)}")
    return network.outputs[0]


def plastic_names(
    network: AnyNetwork, rule: Rule | Mapping[str, Rule], plastic: str | Sequence[str] | None
) -> list[str]:
    """Names of the projections that learn; see :func:`ssdp_hw.learn`.

    Raises:
        ParameterError: no projection, an unknown one, one without a rule, or a choice to make.
    """
    if plastic is not None:
        names = [plastic] if isinstance(plastic, str) else list(plastic)
    elif isinstance(rule, Mapping):
        names = list(rule)
    else:
        into = [p.name for p in network.incoming(teachable_output(network)) if p.source != p.target]
        if len(into) != 1:
            raise ParameterError(f"which projection learns? Name it in plastic; into the output lead: {into}")
        names = into
    if not names:
        raise ParameterError("no projection learns")
    for name in names:
        if not network.projection(name).synapse_weights.size:
            raise ParameterError(f"projection '{name}' has no synapse that could learn")
    if isinstance(rule, Mapping):
        for name in set(names) ^ set(rule):
            what = "is plastic but has no rule" if name in names else "has a rule but is not plastic"
            raise ParameterError(f"projection '{name}' {what}")
    return names


def resolve_rules(
    network: AnyNetwork, rule: Rule | Mapping[str, Rule], names: Sequence[str]
) -> tuple[dict[str, Rule], list[str]]:
    """The rule of each plastic projection in the arithmetic of the network, and what that lost.

    Raises:
        UnsupportedError, ParameterError: a rule that the network or projection cannot use.
    """
    rules: dict[str, Rule] = {}
    notes: list[str] = []
    for name in names:
        r = rule[name] if isinstance(rule, Mapping) else rule
        if not isinstance(r, SSDP | FixedSSDP):
            raise ParameterError(f"projection '{name}': {r!r} is no rule; give an SSDP or a FixedSSDP")
        if isinstance(network, Network):
            if isinstance(r, FixedSSDP):
                raise UnsupportedError(f"projection '{name}': a float network learns by SSDP, not by FixedSSDP")
        elif isinstance(r, SSDP):
            r, found = fixed_rule(r, network.projection(name), network.limits)
            notes += found
        rules[name] = r
    return rules, notes


def check_growth(network: AnyNetwork, names: Sequence[str]) -> None:
    """Raise before anything runs if weights that learn could come to break a limit of the chip."""
    if not isinstance(network, FixedNetwork):
        return
    widest = {}
    for name in names:
        p = network.projection(name)
        limit = p.format.mantissa_min if -p.format.mantissa_min > p.format.mantissa_max else p.format.mantissa_max
        widest[name] = np.full(p.synapse_weights.shape, limit)
    try:
        network.with_mantissas(widest)
    except ParameterError as error:
        raise ParameterError(f"if its plastic weights grew to the end of their range: {error}") from None


def padded(spikes: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Spikes of shape (time, batch, channels) with silent steps behind.

    Raises:
        ParameterError: ``steps`` is below the length of the spikes.
    """
    if steps < len(spikes):
        raise ParameterError(f"steps = {steps} is below the {len(spikes)} steps of the spikes")
    return np.concatenate([spikes, np.zeros((steps - len(spikes), *spikes.shape[1:]), bool)])


def check_counters(
    network: AnyNetwork, rules: Mapping[str, Rule], counters: Mapping[str, NDArray[np.int64]] | None
) -> dict[str, NDArray[np.int64]]:
    """Counters to start from by projection, one a synapse, zeros by default; {} in a float network.

    Raises:
        ShapeError, ParameterError: they do not fit.
    """
    given = {} if counters is None else counters
    if not isinstance(given, Mapping):
        raise ParameterError(f"counters of type {type(given).__name__}; expected a dict by projection")
    for name in given:
        if not isinstance(rules.get(name), FixedSSDP):
            raise ParameterError(f"counters are given for '{name}', which does not learn in integers")
    checked = {}
    for name, rule in rules.items():
        if not isinstance(rule, FixedSSDP):
            continue
        size = network.projection(name).synapse_weights.size
        array = as_array(given.get(name, np.zeros(size, np.int64)), f"counters of '{name}'")
        if array.shape != (size,) or not np.issubdtype(array.dtype, np.integer):
            raise ShapeError(
                f"counters of '{name}': {array.dtype} of shape {array.shape}; expected integers of shape ({size},)"
            )
        if array.min() < rule.counter_min or array.max() > rule.counter_max:
            raise ParameterError(
                f"counters of '{name}' reach from {array.min()} to {array.max()}, outside the {rule.counter_bits}-bit "
                f"range {rule.counter_min} .. {rule.counter_max}"
            )
        checked[name] = array.astype(np.int64)
    return checked
