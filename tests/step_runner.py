"""Runs the step of a declared model alone, on arrays, without a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssdp_hw.chips import load_chip
from ssdp_hw.models.base import BIAS, Kind
from ssdp_hw.models.form import StepForm
from ssdp_hw.models.registry import neuron_model
from ssdp_hw.operations.base import Values

CHIP = load_chip("loihi2")


def chip_of(decay_bits):
    """Loihi 2 with decays of another width."""
    return replace(CHIP, decay_bits=decay_bits)


def stepped(name, parameters, arriving, *, chip=CHIP, ideal=False, **options):
    """Spikes and states, each (time, ...), where the parameters act as they are given and ``arriving`` comes in.

    Returns:
        Spikes, states by name, and the overflow counts (None of ideal arithmetic).
    """
    form = StepForm(neuron_model(name), chip, **options)
    op = form.ideal() if ideal else form.exact()
    dtype = np.float64 if ideal else np.int64
    states = {s.name: np.zeros(arriving.shape[1:], dtype) for s in form.model.states}
    p = Values({**dict.fromkeys(form.model.ports, 0), BIAS: 0, **parameters})
    spikes, traces = [], {n: [] for n in states}
    for x in arriving:
        states, fired = form.model.advance(op, Values(states), p, x)
        spikes.append(np.broadcast_to(fired, x.shape))
        for n, value in states.items():
            traces[n].append(np.broadcast_to(value, x.shape))
    counts = None if ideal else op.counts
    return np.array(spikes), {n: np.array(x) for n, x in traces.items()}, counts


def registers(name, values, scale, chip=CHIP):
    """Acting integers from step coefficients: lost parts of decays, gains, levels in volts times the scale."""
    model, made = neuron_model(name), {}
    for q in model.parameters:
        value = np.asarray(values[q.name], np.float64)
        unit = {Kind.LEVEL: scale, Kind.NUMBER: 1}.get(q.kind, q.unity(chip))
        made[q.name] = np.rint(value * unit).astype(np.int64)
    return made


def acting(name, values, chip=CHIP):
    """The same in real numbers, volts for levels."""
    model = neuron_model(name)
    return {q.name: np.asarray(values[q.name], np.float64) * q.unity(chip) for q in model.parameters}
