"""Variables of declared rules that outlast a window, as the rows of numbers of the compiled loops, and back.

The variables of neurons and of the projection lie in a row that each thread has for itself, since each thread follows
them by itself; those of all plastic projections one after the other. The variables of synapses lie in the projection's
own row, of which each thread has a part. Variables that do not last have a place, too, which nobody reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from ssdp_hw.arrays import Numbers
from ssdp_hw.rules import FloatRule
from ssdp_hw.rules.arrivals import seen_size
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.model import RuleModel
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.learning_plan import LearningPlan

from .plastic import Plastic
from .types import NumberArray

_HOMES = ("pre", "post", "group")  # in the order of their places


def lasting_model(plan: LearningPlan, name: str, steps: int) -> RuleModel | None:
    """The declared rule of a projection if variables of it outlast a window; else None."""
    declaration = plan.rules[name].declaration(steps)
    return declaration.model if declaration is not None and declaration.model.lasting else None


def lasting_row(network: AnyNetwork, plan: LearningPlan, steps: int) -> tuple[NumberArray, dict[str, int]]:
    """The row of a thread before the first window, and the place of each projection in it."""
    rows: list[Numbers] = [np.zeros(0)]
    places, end = {}, 0
    for name in plan.rules:
        places[name] = end
        model = lasting_model(plan, name, steps)
        if model is None:
            continue
        first, sizes = plan.first_lasting(network, name), _sizes(network, plan, name)
        for home in _HOMES:
            for v in getattr(model, home):
                rows.append(np.broadcast_to(first.get(leaf_name(home, v.name), 0), sizes[home]))
                end += sizes[home]
    number: DTypeLike = np.float64 if any(isinstance(r, FloatRule) for r in plan.rules.values()) else np.int64
    return np.concatenate(rows).astype(number), places


def lasting_variables(
    network: AnyNetwork, plan: LearningPlan, steps: int, row: NumberArray, plastics: Sequence[Plastic]
) -> Mapping[str, Mapping[str, Numbers]]:
    """The variables after the last window, as :class:`ssdp_hw.running.learning_plan.Learned` has them."""
    found: dict[str, dict[str, Numbers]] = {}
    for name, p in zip(plan.rules, plastics, strict=False):
        model, at = lasting_model(plan, name, steps), p.declared.at_lasting
        found[name] = {}
        if model is None:
            continue
        for home in _HOMES:
            for v in getattr(model, home):
                size = _sizes(network, plan, name)[home]
                if v.lasts:
                    found[name][leaf_name(home, v.name)] = row[at : at + size].copy()
                at += size
        if "synapse" not in model.lasting:
            continue
        synapses = p.declared.lasting.reshape(len(model.synapse), p.row_start[-1])
        found[name] |= {
            leaf_name("synapse", v.name): synapses[k].copy() for k, v in enumerate(model.synapse) if v.lasts
        }
    return found


def _sizes(network: AnyNetwork, plan: LearningPlan, name: str) -> dict[str, int]:
    p = network.projection(name)
    return {"pre": seen_size(plan.rules[name], p), "post": p.shape[0], "group": 1}
