"""What the step of a model makes of another unit of voltage, which decides how its integers are chosen.

In real numbers a step must mean the same in volts and in millivolts: where all that counts volts grows by one factor,
voltages after the step grow by it, and spikes and numbers stay. On a chip there are two such scales, that of voltages
and that of synaptic input before its shift; which of them a model's input and its payload are on is found by trial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.arrays import Real
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import BIAS, Kind, NeuronModel, Unit
from ssdp_hw.models.form import StepForm
from ssdp_hw.operations.base import Values
from ssdp_hw.operations.ideal import IdealOperations
from ssdp_hw.operations.philox import NOISE_KEY_BITS

# Steps and neurons of a trial, the factor on voltages, and the shift between the two scales.
_TRIALS, _NEURONS, _FACTOR, _SHIFT = 4, 64, 1024.0, 6


@dataclass(frozen=True)
class Scaling:
    """On which scale of a chip a model has what arrives and what it sends.

    Attributes:
        input_shifted: whether its step shifts synaptic input back to the scale of weights (``op.unshifted``).
        payload_shifted: whether the payload of its spikes is on the scale of weights.
        payload_counts: whether the payload is a number that no scale changes.
    """

    input_shifted: bool = False
    payload_shifted: bool = False
    payload_counts: bool = False


class _ShiftingOperations(IdealOperations):
    """Real numbers on a chip's two scales."""

    activation_shift = _SHIFT

    def unshifted(self, x: ArrayLike) -> Real:
        return np.asarray(np.multiply(x, 2.0**-_SHIFT))


@lru_cache(maxsize=256)
def scaling(model: NeuronModel) -> Scaling:
    """The scales of a model.

    Raises:
        ParameterError: no scale means the same: a state is on none, or a spike depends on the unit of voltages.
    """
    payload = next((s for s in model.states if s.name == model.payload), None)
    counts = payload is not None and payload.unit is Unit.NUMBER
    payloads = (False,) if payload is None or counts else (False, True)
    problem = ""
    for input_shifted in (False, True):
        for payload_shifted in payloads:
            found = Scaling(input_shifted, payload_shifted, counts)
            reason = next(_differences(model, found), "")
            if not reason:
                return found
            problem = problem or reason
    raise ParameterError(
        f"{problem} where all voltages are {_FACTOR:g} times as large, so that integers of no scale mean the same. In "
        "a step, divide a product of two voltages by a level (op.divide(a * b, p.vth)), compare voltages with levels "
        "and not with numbers, and declare a state that counts no volts as Unit.NUMBER"
    )


@lru_cache(maxsize=256)
def other_width(model: NeuronModel, decay_bits: int) -> str:
    """What becomes of a step that writes Loihi's 12 places as a number, where decays have another number of bits.

    Returns:
        Empty where the step means the same; else what it makes otherwise, and what to write.
    """
    plain = StepForm(model, load_chip("loihi2"), ports=model.ports)
    if decay_bits == plain.chip.decay_bits:
        return ""
    chip = replace(plain.chip, decay_bits=decay_bits)
    other = StepForm(model, chip, ports=model.ports)
    for seed in range(_TRIALS):
        s, p, x = _values(model, plain, np.random.default_rng(seed))
        scaled = p | {q.name: p[q.name] * (q.unity(chip) / q.unity(plain.chip)) for q in model.parameters}
        wanted, fired = model.advance(plain.ideal(), Values(s), Values(p), x)
        found, fires = model.advance(other.ideal(), Values(s), Values(scaled), x)
        changed = [f"state '{n}' of {model}" for n in wanted if not np.allclose(found[n], wanted[n], 1e-9, 1e-9)]
        if changed or np.any(np.broadcast_to(fired, _NEURONS) != np.broadcast_to(fires, _NEURONS)):
            what = changed[0] if changed else f"firing of {model}"
            return (
                f"{what} depends on the width of the chip's decays, which has {decay_bits} bits here and "
                f"{plain.chip.decay_bits} in the float network: a decay or a gain has as many binary places. Write "
                "op.scale(x, gain, op.decay_bits) in the step, or declare bits= (of a decay) or places= (of a gain), "
                "and write that number"
            )
    return ""


def _differences(model: NeuronModel, chosen: Scaling) -> Iterator[str]:
    """What a step in large units makes otherwise than one in small ones."""
    plain = StepForm(model, load_chip("loihi2"), ports=model.ports)
    shifting = _ShiftingOperations(plain.chip.decay_bits, plain.registers, spiking=True, at_least=False, subtract=False)
    factors = {s.name: _FACTOR if s.unit is Unit.VOLTAGE else 1.0 for s in model.states}
    if chosen.payload_shifted:
        factors[model.payload] *= 2.0**-_SHIFT
    arriving = _FACTOR * (2.0**_SHIFT if chosen.input_shifted else 1.0)
    for seed in range(_TRIALS):
        s, p, x = _values(model, plain, np.random.default_rng(seed))
        small, fired = model.advance(plain.ideal(), Values(s), Values(p), x)
        scaled = {q.name: p[q.name] * (_FACTOR if q.kind is Kind.LEVEL else 1.0) for q in model.parameters}
        scaled |= {port: p[port] * arriving for port in model.ports}
        scaled |= {key: p[key] for key in model.noise_keys} | {BIAS: p[BIAS] * _FACTOR}
        large, fired_too = model.advance(
            shifting, Values({n: v * factors[n] for n, v in s.items()}), Values(scaled), x * arriving
        )
        for name, factor in factors.items():
            wanted = np.multiply(small[name], factor)
            if not np.allclose(large[name], wanted, rtol=1e-9, atol=1e-9 * factor):
                unit = "grows otherwise" if factor != 1.0 else "changes"
                yield f"state '{name}' of {model} {unit}"
        if np.any(np.broadcast_to(fired, _NEURONS) != np.broadcast_to(fired_too, _NEURONS)):
            yield f"other neurons of {model} fire"


def _values(
    model: NeuronModel, form: StepForm, rng: np.random.Generator
) -> tuple[dict[str, Real], dict[str, Real], Real]:
    """Random states, parameters as they act, and synaptic input, in volts."""

    def real(low: float, high: float) -> Real:
        return np.asarray(rng.uniform(low, high, _NEURONS))

    def count() -> Real:
        return rng.integers(0, 5, _NEURONS).astype(np.float64)

    s = {}
    for state in model.states:
        value = count() if state.unit is Unit.NUMBER else real(-2.0, 2.0)
        s[state.name] = value if state.signed else np.abs(value)
    p = {}
    for q in model.parameters:
        unity = q.unity(form.chip)
        ranges = {Kind.DECAY: (0.01, 0.6), Kind.GAIN: (-0.9, 0.9), Kind.LEVEL: (0.2, 1.5)}
        p[q.name] = count() if q.kind is Kind.NUMBER else real(*ranges[q.kind]) * unity
    p |= {port: real(-1.0, 1.0) for port in model.ports}
    p |= {key: rng.integers(0, 1 << NOISE_KEY_BITS, _NEURONS).astype(np.float64) for key in model.noise_keys}
    p[BIAS] = real(-0.2, 0.4)
    return s, p, real(-1.0, 2.0)
