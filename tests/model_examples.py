"""Neuron models that only tests use, and random networks of declared models."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import reject, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.models.form import without_effect
from ssdp_hw.operations.base import Operations, Value


class EveryOperation(NeuronModel):
    """A neuron that makes no sense but uses every operation, with states of other names than u and v too."""

    name = "EveryOperation"
    states = (
        State("u"),
        State("v"),
        State("slow", bits=20),
        State("count", bits=6, unit=Unit.NUMBER, signed=False),
    )
    parameters = (
        Parameter("du", "tau_syn", Kind.DECAY, default=5e-3, offset="current"),
        Parameter("dv", "tau_mem", Kind.DECAY, default=20e-3, offset="voltage"),
        Parameter("ds", "tau_slow", Kind.DECAY, default=100e-3, bits=16),
        Parameter("gain", "gain", Kind.GAIN, default=0.5),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("rest", "rest", Kind.NUMBER, default=2, bits=3),
    )
    source = "made up for tests"

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        u = op.wrap(op.decay(s.u, p.du) + arriving, "u")
        slow = op.saturate(
            op.decay(s.slow, p.ds, bits=16, rounding="nearest") + op.scale(u, p.gain, 14, "floor"), "slow"
        )
        pull = op.shift_right(op.absolute(slow), 3, "zero") - op.shift_right(slow, 2, "nearest")
        table = op.lookup((0, 100, -4000, 64_000), op.shift_right(s.count, 1))
        v = op.saturate(op.decay(s.v, p.dv) + u + p.bias - pull + table + op.shift_left(s.count, 4), "v")
        awake = (s.count <= 0) | (s.count > 40) & ~(u < -100_000)
        fired = op.fires(v, op.maximum(p.vth, op.minimum(slow, 5000))) & awake
        count = op.select(fired, p.rest, op.clip(s.count - 1, 0, 7))
        return {"u": u, "v": op.reset(v, fired, 0), "slow": slow, "count": count}, fired


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

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        re = op.saturate(op.scale(s.re, p.cosine, 12) - op.scale(s.im, p.sine, 12) + arriving, "re")
        im = op.saturate(op.scale(s.re, p.sine, 12) + op.scale(s.im, p.cosine, 12) + p.bias, "im")
        fired = op.fires(im, p.vth) & (s.im < p.vth)
        return {"re": re, "im": op.reset(im, fired, p.vth)}, fired


class Relay(NeuronModel):
    """Sends half of its voltage while that is far enough from 0; the payload is its state u."""

    name = "Relay"
    states = (State("v"), State("u"))
    parameters = (Parameter("dv", "tau_mem", Kind.DECAY, offset="voltage"), Parameter("vth", "v_threshold", Kind.LEVEL))
    payload = "u"
    source = "made up for tests"

    def step(self, op: Operations, s: Any, p: Any, arriving: Value) -> tuple[dict[str, Value], Value]:
        v = op.saturate(op.decay(s.v, p.dv) + arriving + p.bias, "v")
        u = op.saturate(op.shift_right(op.unshifted(v), 1, "zero"), "u")
        return {"v": v, "u": u}, op.sends(u) & op.fires(op.absolute(v), p.vth)


MODELS = (EveryOperation(), Resonator(), sh.neuron_model("AdaptiveLIF"))
GRADED_MODELS = (Relay(), *(sh.neuron_model(name) for name in ("Delta", "SigmaDelta", "Sigma")), EveryOperation())
CHIP = sh.load_chip("loihi2")


def register_values(rng: np.random.Generator, model: NeuronModel, size: int) -> dict[str, Any]:
    """Random registers: decays of all sizes, thresholds that are met now and then, extremes at times."""
    values = {}
    for q in model.parameters:
        low, high = q.code_range(CHIP)
        top = {Kind.LEVEL: 3000, Kind.DECAY: high, Kind.GAIN: 4095, Kind.NUMBER: high}[q.kind]
        drawn = rng.integers(max(low, -top), min(high, top) + 1, size)
        values[q.name] = np.where(rng.random(size) < 0.1, rng.choice([low, high], size), drawn)
    return values


@st.composite
def model_networks(draw: st.DrawFn, models: tuple[NeuronModel, ...] = MODELS) -> sh.FixedNetwork:
    """A fixed network of two or three populations of declared models and the CUBA LIF, with loops at times."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cuba = sh.neuron_model("CubaLIF")
    sizes = [3, *(int(rng.integers(1, 40)) for _ in range(draw(st.integers(2, 3))))]
    chosen = [draw(st.sampled_from((*models, cuba))) for _ in sizes[1:]]
    chosen[0] = draw(st.sampled_from(models))
    populations = []
    for k, model in enumerate(chosen):
        last = k == len(chosen) - 1
        registers = register_values(rng, model, sizes[k + 1])
        own = {name: registers.pop(name) for name in ("du", "dv", "vth") if name in registers}
        populations.append(
            sh.FixedPopulation(
                name=f"p{k}",
                size=sizes[k + 1],
                model=model,
                parameters=registers,
                **own,
                bias_mant=rng.integers(-4000, 4000, sizes[k + 1]) * int(draw(st.booleans())),
                bias_exp=int(rng.integers(0, 8)),
                v_init=rng.integers(-5000, 5000, sizes[k + 1]) * ("v" in [s.name for s in model.states]),
                reset="zero" if k or "reset" in without_effect(model) else draw(st.sampled_from(("zero", "subtract"))),
                threshold=">" if k or "threshold" in without_effect(model) else draw(st.sampled_from((">", ">="))),
                spiking=not (last and draw(st.booleans())),
                payload_bits=draw(st.integers(1, 8)) if model.payload else 0,
            )
        )
    graded_input = draw(st.integers(1, 6)) if any(model.payload for model in models) else 0
    pairs = [("in", "p0"), *((f"p{k}", f"p{k + 1}") for k in range(len(populations) - 1))]
    if draw(st.booleans()):
        pairs.append(("p0", "p0"))
    size = {"in": sizes[0], **{p.name: p.size for p in populations}}
    projections = [
        sh.FixedProjection(
            pre=pre,
            post=post,
            name=f"w{k}",
            weight=rng.integers(-127, 128, (size[post], size[pre])) * 2,
            weight_exp=int(rng.integers(0, 6)),
            delay=draw(st.sampled_from((0, 0, 3))),
        )
        for k, (pre, post) in enumerate(pairs)
    ]
    source = sh.Input("in", sizes[0], payload_bits=graded_input)
    try:
        return sh.FixedNetwork([source], populations, projections, [populations[-1].name], chip=CHIP)
    except ParameterError as error:  # more than a register holds, where payloads are large
        if "activation_register" not in str(error):
            raise
        reject()


def input_of(network: sh.FixedNetwork, seed: int, steps: int = 40, batch: int = 2) -> np.ndarray:
    """Random spikes, with payloads where the input is graded, shape (steps, batch, channels)."""
    rng, source = np.random.default_rng(seed), network.inputs[0]
    spikes = rng.random((steps, batch, source.size)) < rng.choice([0.05, 0.3, 0.7])
    if not source.payload_bits:
        return spikes
    return spikes * rng.integers(-source.largest_payload, source.largest_payload + 1, spikes.shape)
