"""Neuron models that only tests know, and random networks of declared models with their input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import reject, strategies as st
from strategies import fixed_networks, float_networks

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.models.form import ever_fires, without_effect
from ssdp_hw.models.registry import model_names, neuron_model
from ssdp_hw.network.fixed_parts import FIELDS
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.operations.base import Operations, Value, Values

TABLE = (5, -70_000, 3, 2**34, 0, 41, -1, 900)


class EveryOperation(NeuronModel):
    """Every operation and rounding once, and names of states that simulators or languages reserve.

    A neuron rests for some steps after a spike; ``t`` and ``x_`` keep older voltages, so that a step reads what it
    also writes; ``slow`` has a register and a decay of widths of its own.
    """

    name = "EveryOperation"
    states = (
        State("u"),
        State("cos"),
        State("i", bits=9, unit=Unit.NUMBER, signed=False),
        State("v"),
        State("t"),
        State("x_"),
        State("slow", bits=20),
    )
    parameters = (
        Parameter("du", "tau_syn", Kind.DECAY, offset="current"),
        Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"),
        Parameter("ds", "tau_slow", Kind.DECAY, default=100e-3, bits=16),
        Parameter("vth", "v_threshold", Kind.LEVEL),
        Parameter("gain", "gain", Kind.GAIN, default=-0.5),
        Parameter("N", "rest", Kind.NUMBER, default=3, bits=5),
    )

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """No neuron of nature."""
        u = op.wrap(op.decay(s.u, p.du, rounding="floor") + arriving, "u")
        turned = op.scale(s.cos, p.gain, 12, "nearest") + op.shift_right(u, 2, "zero") - op.shift_right(u, 3, "nearest")
        w = op.saturate(turned + op.shift_left(s.i, 3), "cos")
        steep = op.minimum(u, op.absolute(w)) + op.maximum(s.x_, op.clip(w, -900, p.vth))
        rounded = op.shift_right(self.looked_up(op, u) + steep + s.t, 2)
        slow = op.decay(s.slow, p.ds, bits=16, rounding="nearest") + op.scale(u, p.gain, 14, "floor")
        slow = op.saturate(slow, "slow")
        shifted = op.shift_right(u, p.N, "nearest") - op.shift_right(w, p.N)
        v = op.decay(s.v, p.dv) + rounded + shifted - op.shift_right(slow, 3, "zero") + p.bias
        v = op.saturate(v, "v")
        threshold = p.vth + op.shift_left(s.i, 1)
        resting = ((s.i > 0) & (s.i <= p.N)) | ~(w != u) | ((u == 0) & (v < 0))
        fired = op.fires(v, threshold) & ~resting
        i = op.select(fired, p.N, op.maximum(s.i - 1, 0))
        return {"u": u, "cos": w, "i": i, "v": op.reset(v, fired, threshold), "t": s.v, "x_": s.t, "slow": slow}, fired

    def looked_up(self, op: Operations, u: Value) -> Value:
        """A table, whose index may lie outside."""
        return op.lookup(TABLE, op.shift_right(u, 10) + 3)


class EveryRealOperation(EveryOperation):
    """The same without the table, which has no meaning in real numbers."""

    name = "EveryRealOperation"

    def looked_up(self, op: Operations, u: Value) -> Value:
        return 3 * u


class NoVoltage(NeuronModel):
    """A counter without u and v: after so many steps with input, bias included, it fires."""

    name = "NoVoltage"
    states = (State("count", bits=12, unit=Unit.NUMBER, signed=False),)
    parameters = (Parameter("limit", "limit", Kind.NUMBER, default=2.0, bits=3),)

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Count, and begin anew."""
        count = op.saturate(s.count + op.select(arriving + p.bias > 0, 1, 0), "count")
        fired = op.fires(count, p.limit)
        return {"count": op.select(fired, 0, count)}, fired


class Resonator(NeuronModel):
    """A damped rotation of two states, of which neither is called u or v; products need more than 32 bits."""

    name = "TestResonator"
    states = (State("re"), State("im"))
    parameters = (
        Parameter("cosine", "cosine", Kind.GAIN, default=0.9),
        Parameter("sine", "sine", Kind.GAIN, default=0.3),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
    )
    voltage = "im"
    source = "made up for tests"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        re = op.saturate(
            op.scale(s.re, p.cosine, op.decay_bits) - op.scale(s.im, p.sine, op.decay_bits) + arriving, "re"
        )
        im = op.saturate(op.scale(s.re, p.sine, op.decay_bits) + op.scale(s.im, p.cosine, op.decay_bits) + p.bias, "im")
        fired = op.fires(im, p.vth) & (s.im < p.vth)
        return {"re": re, "im": op.reset(im, fired, p.vth)}, fired


class Relay(NeuronModel):
    """Sends half of its voltage while that is far enough from 0; the payload is its state u."""

    name = "Relay"
    states = (State("v"), State("u"))
    parameters = (Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"), Parameter("vth", "v_threshold", Kind.LEVEL))
    payload = "u"
    source = "made up for tests"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias, "v")
        u = op.saturate(op.shift_right(op.unshifted(v), 1, "zero"), "u")
        return {"v": v, "u": u}, op.sends(u) & op.fires(op.absolute(v), p.vth)


CHIP = load_chip("loihi2")
SHIPPED = [neuron_model(name) for name in model_names()]
MODELS = (EveryOperation(), NoVoltage(), Resonator(), neuron_model("AdaptiveLIF"))
FIXED_MODELS = (EveryOperation(), NoVoltage(), Resonator(), *SHIPPED)
REAL_MODELS = (EveryRealOperation(), NoVoltage(), *SHIPPED)
GRADED_MODELS = (Relay(), *(neuron_model(name) for name in ("Delta", "SigmaDelta", "Sigma")), EveryOperation())


def register_values(rng: np.random.Generator, model: NeuronModel, size: int) -> dict[str, Any]:
    """Random registers: decays of all sizes, thresholds that are met now and then, extremes at times."""
    values = {}
    for q in model.parameters:
        low, high = q.code_range(CHIP)
        top = {Kind.LEVEL: 3000, Kind.DECAY: high, Kind.GAIN: 4095, Kind.NUMBER: high}[q.kind]
        drawn = rng.integers(max(low, -top), min(high, top) + 1, size)
        drawn = np.where(rng.random(size) < 0.1, rng.choice([low, high], size), drawn)
        values[q.name] = 1 << rng.integers(0, q.width(CHIP), size) if q.powers_of_two else drawn
    return values


def _default_options(model: NeuronModel) -> dict[str, Any]:
    """The defaults of the options of a population that the model's step decides itself."""
    defaults = {"reset": Reset.ZERO, "threshold": Comparison.ABOVE}
    return {name: defaults[name] for name in without_effect(model)}


@st.composite
def declared_fixed_networks(
    draw: st.DrawFn, max_populations: int = 3, *, models: tuple[NeuronModel, ...] = FIXED_MODELS, graded: bool = True
) -> sh.FixedNetwork:
    """What :func:`strategies.fixed_networks` draws, with one of these models in each population.

    ``graded`` lets neurons of models with a payload send it, and inputs bring one.
    """
    network = draw(fixed_networks(max_populations))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    populations = []
    for p in network.populations:
        model = draw(st.sampled_from(_fitting(models, network, p.name, graded)))
        own = {q.name for q in model.parameters}
        unused = {name: neutral for name, neutral in FIELDS.items() if name not in own}
        if "v" not in {s.name for s in model.states}:
            unused["v_init"] = 0
        parameters = {q: v for q, v in register_values(rng, model, p.size).items() if q not in FIELDS}
        unused |= _default_options(model)
        if model.payload:
            unused["payload_bits"] = draw(st.integers(1, 8))
        populations.append(replace(p, model=model, parameters=parameters, **unused))
    inputs = network.inputs
    if graded and draw(st.integers(0, 3)) == 0:
        inputs = [replace(i, payload_bits=draw(st.integers(1, 6))) for i in inputs]
    try:
        return replace(network, inputs=inputs, populations=populations, chip="loihi2")
    except ParameterError as error:  # a neuron that may leave the registers of the simulators
        if "activation_register" not in str(error):
            raise
        reject()


def input_of(network: sh.FixedNetwork, seed: int, steps: int = 40, batch: int = 2) -> dict[str, np.ndarray]:
    """Random spikes by input, with payloads where it is graded, each of shape (steps, batch, channels)."""
    rng, found = np.random.default_rng(seed), {}
    for source in network.inputs:
        spikes = rng.random((steps, batch, source.size)) < rng.choice([0.05, 0.3, 0.7])
        top = source.largest_payload if source.payload_bits else 0
        found[source.name] = spikes * rng.integers(-top, top + 1, spikes.shape) if top else spikes
    return found


def pieces_of(inputs: dict[str, np.ndarray], *ends: int) -> list[dict[str, np.ndarray]]:
    """The input cut before these steps."""
    starts = (0, *ends)
    return [{name: a[i:j] for name, a in inputs.items()} for i, j in zip(starts, (*ends, None), strict=True)]


@st.composite
def declared_float_networks(draw: st.DrawFn, max_populations: int = 3, *, graded: bool = True) -> sh.Network:
    """What :func:`strategies.float_networks` draws, with drawn models in most populations, graded ones at will."""
    network = draw(float_networks(max_populations))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    populations = []
    for p in network.populations:
        model = draw(st.sampled_from([*_fitting(REAL_MODELS, network, p.name, graded), None]))
        if model is not None:
            neuron = sh.neuron(model, p.size, fires=p.spiking, **_real_parameters(rng, model, p.size))
            options = {"reset": p.reset, "threshold": p.threshold, **_default_options(model)}
            p = sh.Population(name=p.name, neuron=neuron, bias=p.bias, **options)
        populations.append(p)
    return replace(network, populations=populations)


def _fitting(
    models: Sequence[NeuronModel], network: sh.FixedNetwork | sh.Network, population: str, graded: bool
) -> list[NeuronModel]:
    """The models that a population can have: where it projects those that fire, and graded ones at will."""
    projects = population in {q.pre for q in network.projections}
    return [model for model in models if (graded or not model.payload) and (ever_fires(model) or not projects)]


def _real_parameters(rng: np.random.Generator, model: NeuronModel, size: int) -> dict[str, np.ndarray]:
    kinds = {
        Kind.DECAY: lambda: rng.uniform(2e-3, 2e-2, size),
        Kind.LEVEL: lambda: rng.uniform(0.2, 2.0, size),
        Kind.GAIN: lambda: rng.uniform(-1.0, 1.0, size),
        Kind.NUMBER: lambda: rng.integers(0, 4, size).astype(float),
    }
    return {q.float_name: kinds[q.kind]() for q in model.parameters}


def lively_network(*, fixed: bool) -> sh.FixedNetwork | sh.Network:
    """Three models in a chain, the middle one with recurrence, of which each fires and is silent."""
    rng = np.random.default_rng(1)
    inputs, names, sizes = [sh.Input("in", 5)], ("adaptive", "every", "counter"), (6, 6, 4)
    pairs = [("in", "adaptive"), ("adaptive", "every"), ("every", "every"), ("every", "counter")]
    size = dict(zip(("in", *names), (5, *sizes), strict=True))
    if fixed:
        models: tuple[NeuronModel, ...] = (neuron_model("AdaptiveLIF"), EveryOperation(), NoVoltage())
        own: list[dict[str, Any]] = [
            {"dv": 300, "vth": rng.integers(50, 300, 6), "parameters": {"da": 200, "jump": rng.integers(0, 90, 6)}},
            {
                "du": 900,
                "dv": 300,
                "vth": 40,
                "parameters": {"gain": rng.integers(-5000, 5000, 6), "N": [0, 1, 0, 2, 1, 0], "ds": 500},
            },
            {"parameters": {"limit": rng.integers(0, 3, 4)}},
        ]
        return sh.FixedNetwork(
            inputs,
            [
                sh.FixedPopulation(name=n, size=k, model=m, **o)
                for n, k, m, o in zip(names, sizes, models, own, strict=True)
            ],
            [
                sh.FixedProjection(
                    pre=a, post=b, weight=2 * rng.integers(-40, 120, (size[b], size[a])), delay=int(a == b)
                )
                for a, b in pairs
            ],
            ["counter"],
            chip="loihi2",
        )
    models = (neuron_model("AdaptiveLIF"), EveryRealOperation(), NoVoltage())
    return sh.Network(
        inputs,
        [
            sh.Population(name=n, neuron=sh.neuron(m, k, **_real_parameters(rng, m, k)))
            for n, k, m in zip(names, sizes, models, strict=True)
        ],
        [
            sh.Projection(pre=a, post=b, weight=rng.normal(0.5, 1.0, (size[b], size[a])), delay=int(a == b))
            for a, b in pairs
        ],
        ["counter"],
        sh.Semantics(1e-3),
    )
