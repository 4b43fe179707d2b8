"""Random networks, registers and spikes for conformance tests, each from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Bool, Numbers
from ssdp_hw.chips import Chip, load_chip
from ssdp_hw.models.base import Kind, NeuronModel
from ssdp_hw.models.form import ever_fires, reads_bias, used_inputs, without_effect
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.fixed_parts import FIELDS, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.model_neuron import neuron
from ssdp_hw.rules.declared import FixedDeclaredRule, FloatDeclaredRule, float_name
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.intervals import Extent, largest_change
from ssdp_hw.rules.local import WeightRounding
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter

INPUTS, STEPS, BATCH = 7, 40, 2
# A threshold beyond what a few synapses bring would keep every neuron silent.
_LEVEL_MAX = 3000
# Of the neurons that learn; below it lie voltages after a reset, and the levels with which a rule compares them.
_LEARNING_THRESHOLD = 2000
_VOLTAGE_MAX = _LEARNING_THRESHOLD << 6
_LEARNING_SIZE = 5
# What the plastic projections of the learning network, with their 8-bit weights, bound at most.
_EXTENT = Extent(INPUTS, _LEARNING_SIZE, (-128, 127))


def spikes(seed: int, steps: int = STEPS, batch: int = BATCH) -> Bool:
    """Spikes of the input of the networks below, shape (steps, batch, channels)."""
    rng = np.random.default_rng(seed)
    rate = float(rng.choice([0.1, 0.3, 0.6]))
    return np.asarray(rng.random((steps, batch, INPUTS)) < rate)


def registers(rng: np.random.Generator, model: NeuronModel, size: int, chip: Chip) -> dict[str, NDArray[np.int64]]:
    """Random registers: of all sizes, and some at the ends of their range."""
    values = {}
    for q in model.parameters:
        low, high = q.code_range(chip)
        top = min(high, _LEVEL_MAX) if q.kind is Kind.LEVEL else high
        small = rng.integers(max(low, -top), top + 1, size) >> rng.integers(0, q.width(chip), size)
        drawn = np.where(rng.random(size) < 0.1, rng.choice([low, high], size), small)
        values[q.name] = 1 << rng.integers(0, q.width(chip), size) if q.powers_of_two else drawn
    return values


def fixed_network(model: NeuronModel, seed: int, chip: str = "loihi2") -> FixedNetwork:
    """Two populations of the model and one CUBA LIF behind them; for an even seed the first has a loop with a delay.

    Behind a model that never fires there is nothing, and nothing ends at an input that it does not use. Reset and
    comparison are drawn where the model leaves them to the population.
    """
    rng = np.random.default_rng(seed)
    found = load_chip(chip)
    sizes = {"in": INPUTS, "first": int(rng.integers(3, 20)), "second": int(rng.integers(3, 12)), "cuba": 4}
    drawn = {
        "reset": (Reset.ZERO, rng.choice(list(Reset))),
        "threshold": (Comparison.ABOVE, rng.choice(list(Comparison))),
    }
    decided = without_effect(model)
    options: dict[str, Any] = {n: default if n in decided else choice for n, (default, choice) in drawn.items()}
    populations = []
    for name in ("first", "second"):
        values = registers(rng, model, sizes[name], found)
        own: dict[str, Any] = {field: values.pop(field) for field in FIELDS if field in values}
        bias = rng.integers(-2000, 2000, sizes[name]) * rng.integers(0, 2) * reads_bias(model)
        if model.payload:
            options["payload_bits"] = 6
        made = FixedPopulation(
            name=name, size=sizes[name], model=model, parameters=values, bias_mant=bias, bias_exp=3, **own, **options
        )
        populations.append(made)
    populations.append(FixedPopulation(name="cuba", size=4, du=1000, dv=300, vth=200))
    if ever_fires(model):
        loop = [("first", "first")] if seed % 2 == 0 else []
        pairs = [("in", "first"), *loop, ("first", "second"), ("second", "cuba")]
    else:
        pairs = [("in", "first"), ("in", "second"), ("in", "cuba")]
    projections = [
        FixedProjection(
            pre=pre,
            post=post,
            weight=2 * rng.integers(-60, 128, (sizes[post], sizes[pre])),
            weight_exp=int(rng.integers(0, 4)),
            delay=2 * (pre == post),
            scale=100.0,
        )
        for pre, post in pairs
    ]
    for port in model.ports:
        for pre in ("in", "first") if ever_fires(model) else ("in",):
            weight, exp = 2 * rng.integers(-100, 100, (sizes["first"], sizes[pre])), int(rng.integers(-2, 3))
            weight = weight >> max(-exp, 0) << max(-exp, 0)
            delay = int(rng.integers(0, 3))
            projections.append(
                FixedProjection(
                    pre=pre, post="first", weight=weight, weight_exp=exp, delay=delay, name=f"{pre} {port}", port=port
                )
            )
    used = [q for q in projections if q.post == "cuba" or q.port in used_inputs(model)]
    return FixedNetwork([Input("in", INPUTS)], populations, used, ["cuba"], chip=chip)


def float_network(model: NeuronModel, seed: int) -> Network:
    """One population of the model in real numbers, with a loop."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 12))
    ranges = {Kind.DECAY: (2e-3, 3e-2), Kind.LEVEL: (0.2, 2.0), Kind.GAIN: (-0.9, 0.9)}
    values: dict[str, Any] = {
        q.float_name: rng.integers(0, 4, size).astype(float)
        if q.kind is Kind.NUMBER
        else rng.uniform(*ranges[q.kind], size)
        for q in model.parameters
    }
    population = Population(name="first", neuron=neuron(model, size, **values), bias=0.05 * reads_bias(model))
    projections = [
        Projection(pre="in", post="first", weight=rng.normal(0.3, 0.5, (size, INPUTS))),
    ]
    if ever_fires(model):
        loop = rng.normal(0, 0.3, (size, size))
        projections.append(Projection(pre="first", post="first", weight=loop, delay=1))
    for port in model.ports:
        weight = rng.normal(0, 0.3, (size, INPUTS))
        projections.append(Projection(pre="in", post="first", weight=weight, name=port, port=port, delay=1))
    used = [q for q in projections if q.port in used_inputs(model)]
    return Network([Input("in", INPUTS)], [population], used, ["first"], Semantics(1e-3))


def learning_network(seed: int, *, fixed: bool) -> FixedNetwork | Network:
    """CUBA LIF neurons behind an input, with a loop, each of which fires in some of the steps: fixed or float."""
    rng, n = np.random.default_rng(seed), _LEARNING_SIZE
    weight, loop = 2 * rng.integers(10, 60, (n, INPUTS)), 2 * rng.integers(-20, 30, (n, n))
    inputs, outputs = [Input("in", INPUTS)], ["out"]
    if fixed:
        populations = [FixedPopulation(name="out", size=n, du=1500, dv=400, vth=_LEARNING_THRESHOLD)]
        ends = [
            FixedProjection(pre="in", post="out", weight=weight, scale=100.0),
            FixedProjection(pre="out", post="out", weight=loop, delay=1, scale=100.0),
        ]
        return FixedNetwork(inputs, populations, ends, outputs)
    model = neuron("CubaLIF", n, tau_syn=3e-3, tau_mem=1e-2, v_threshold=1.0)
    real = [
        Projection(pre="in", post="out", weight=weight / _LEARNING_THRESHOLD),
        Projection(pre="out", post="out", weight=loop / _LEARNING_THRESHOLD, delay=1),
    ]
    return Network(inputs, [Population(name="out", neuron=model)], real, outputs, Semantics(1e-3))


def fixed_rule(model: RuleModel, seed: int) -> FixedDeclaredRule:
    """The rule in integers with random registers; one weight change is below half of the range of a 32-bit counter."""
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {}
    room = {v.shift: v.bits - 2 for written in model.writes.values() for v in written}
    for q in model.parameters:
        low, high = q.limits
        if q.kind is RuleKind.TABLE:
            values[q.name] = tuple(int(x) for x in rng.integers(max(low, -50), min(high, 200) + 1, 16))
        elif q.kind is RuleKind.SHIFT:
            # One unit of an accumulator has to fit its register.
            values[q.name] = min(int(rng.integers(0, 8)), room.get(q.name, 24))
        elif q.kind is RuleKind.LEVEL:
            values[q.name] = int(rng.integers(0, min(high, _VOLTAGE_MAX) + 1))
        else:
            small = int(rng.integers(max(low, -200), min(high, 4000) + 1)) >> int(rng.integers(0, 6))
            values[q.name] = small if q.kind is not RuleKind.NUMBER or q.default is None else _count(q, seed)
    shifts = [q.name for q in model.parameters if q.kind is RuleKind.SHIFT and q.name not in room]
    while shifts and largest_change(model, values, _EXTENT) >= 1 << 29 and min(values[s] for s in shifts) < 24:
        values.update({s: min(24, values[s] + 4) for s in shifts})
    rounding = list(WeightRounding)[int(rng.integers(len(WeightRounding)))]
    return FixedDeclaredRule(
        model=model,
        parameters=values,
        lsb_shift=int(rng.integers(2, 10)),
        counter_bits=32,
        rounding=rounding,
        windows_per_update=2,
    )


def _count(q: RuleParameter, seed: int) -> int:
    """A count that has a default: that, and for an odd seed one from 1 to it.

    A patience of many windows or a long delay is so reached within a lesson.
    """
    assert q.default is not None
    default = int(q.default)
    return int(np.random.default_rng((seed, default)).integers(1, default + 1)) if seed % 2 and default > 0 else default


def factors(model: RuleModel, seed: int, shape: tuple[int, int, int], *, fixed: bool) -> dict[str, Numbers]:
    """Random third factors of a rule, 0 in some steps; ``shape`` is (windows, steps, postsynaptic neurons)."""
    rng = np.random.default_rng(seed)
    found: dict[str, Numbers] = {}
    for f in model.factors:
        size = (*shape[:2], shape[2] if f.home == "post" else 1)
        low, high = f.limits
        values = rng.integers(low, high, size, endpoint=True) >> rng.integers(0, f.bits, size)
        values = np.where(rng.random(size) < 0.3, 0, values)
        found[leaf_name(f.home, f.name)] = values if fixed else values / high
    return found


def float_rule(model: RuleModel, seed: int) -> FloatDeclaredRule:
    """The rule in real numbers with random parameters."""
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {}
    for q in model.parameters:
        if q.kind is RuleKind.AMPLITUDE:
            values[float_name(q)] = float(rng.uniform(0, 0.02))
        elif q.kind in (RuleKind.WEIGHT, RuleKind.LEVEL):  # of the size of the network's weights and voltages
            values[float_name(q)] = float(rng.uniform(0, 1.0))
        elif q.kind in (RuleKind.THRESHOLD, RuleKind.THRESHOLD_CHANGE):
            values[float_name(q)] = float(rng.uniform(0, 0.1))
        elif q.kind is RuleKind.DELAY_CHANGE:
            values[float_name(q)] = float(rng.uniform(0, 2))
        elif q.kind is RuleKind.DECAY:
            values[float_name(q)] = float(rng.uniform(2, 30))
        elif q.kind is RuleKind.TABLE:
            values[float_name(q)] = rng.uniform(0, 0.02, 16).tolist()
        elif q.kind is RuleKind.NUMBER:
            values[float_name(q)] = float(rng.integers(0, 16) if q.default is None else _count(q, seed))
    return FloatDeclaredRule(model=model, values=values, windows_per_update=2)
