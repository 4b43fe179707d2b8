"""Hypothesis strategies for networks, their input and learning rules.

Hypothesis draws the structure (sizes, signs, exponents, delays, comparisons, where an extreme
sits), so that failures shrink to small networks; the bulk of the numbers comes from a NumPy
generator with a drawn seed. Thresholds are placed near what the population receives, so that most
networks are neither silent nor saturated; registers at their extremes are drawn on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

import ssdp_hw.network.neurons as models
from ssdp_hw.arithmetic import shift
from ssdp_hw.chips import load_chip
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.formats import SignMode, WeightFormat
from ssdp_hw.network.graph import Comparison, Input, Reset
from ssdp_hw.rules import FixedSSDP, SilentPairs, SpikeTime, WeightRounding
from ssdp_hw.running.drive import make_drive

CHIP = load_chip("loihi")
MAX_SIZE = 8
# Share of a source's channels that fire in a step, where thresholds are placed by it.
TYPICAL_RATE = 0.3

# Purely inhibitory projections silence what they reach: kept rarer than the others.
SIGN_MODES = (SignMode.MIXED, SignMode.EXCITATORY, SignMode.MIXED, SignMode.EXCITATORY, SignMode.INHIBITORY)

Draw = st.DrawFn


def not_the_simplest(strategy: st.SearchStrategy) -> st.SearchStrategy:
    """The first example that Hypothesis tries is the simplest one throughout, and may be the only one: not here."""
    return st.booleans().filter(bool).flatmap(lambda _: strategy)


def on_grid(weight: Any, exponent: int, form: WeightFormat | None = None) -> Any:
    """Integer weights without the bits that a negative exponent drops."""
    return (form or WeightFormat()).at_exponent(exponent).floored(weight)


def _generator(draw: Draw) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def _wiring(draw: Draw, rng: np.random.Generator, spiking: list[bool], inputs: int) -> list[tuple[str, str]]:
    """(source, target) of every projection: each population is reached, then any further ones."""
    names = [f"p{k}" for k in range(len(spiking))]
    sources = [f"in{k}" for k in range(inputs)]
    pairs = []
    for k, name in enumerate(names):
        before = sources + [n for n, fires in zip(names[:k], spiking[:k], strict=True) if fires]
        pairs.append((before[int(rng.integers(len(before)))], name))
    senders = sources + [n for n, fires in zip(names, spiking, strict=True) if fires]
    # Recurrence, feedback and second projections between the same two are among the further ones.
    further = st.lists(st.tuples(st.sampled_from(senders), st.sampled_from(names)), max_size=3)
    return pairs + draw(further)


def _delay(draw: Draw, rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    kind = draw(st.sampled_from(("none", "none", "uniform", "synapse", "longest")))
    if kind == "none":
        return 0
    if kind == "longest":
        return CHIP.delay_max
    return draw(st.integers(1, 5)) if kind == "uniform" else rng.integers(0, 6, shape)


def _sparse(draw: Draw, rng: np.random.Generator, weight: np.ndarray) -> Any:
    """The weight as it is, or with about half of its synapses in CSR form (none at all included)."""
    if not draw(st.booleans()):
        return weight
    keep = rng.random(weight.shape) < draw(st.sampled_from((0.5, 0.9, 0.5, 0.9, 0.5, 0.0)))
    rows, cols = np.nonzero(keep)  # a stored zero stays a synapse
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=weight.shape[0]))])
    return sp.csr_array((weight[rows, cols], cols, indptr), shape=weight.shape)


def _outputs(draw: Draw, populations: int) -> list[str]:
    """The last population, in a third of the cases all of them."""
    return [f"p{k}" for k in range(0 if draw(st.integers(0, 2)) == 0 else populations - 1, populations)]


def _fixed_projection(
    draw: Draw,
    rng: np.random.Generator,
    name: str,
    source: str,
    target: str,
    shape: tuple[int, int],
    weight_bits: int = CHIP.weight_bits,
) -> FixedProjection:
    exponents = st.one_of(st.integers(-3, 3), st.sampled_from((CHIP.weight_exp_min, CHIP.weight_exp_max)))
    exponent = draw(exponents)
    bits, signs = draw(st.integers(2, weight_bits)), draw(st.sampled_from(SIGN_MODES))
    form = WeightFormat(bits, signs).at_exponent(exponent)
    mantissa = rng.integers(form.mantissa_min, form.mantissa_max + 1, shape)
    if draw(st.booleans()):  # values at the ends of the range
        ends = rng.choice([form.mantissa_min, form.mantissa_max], shape)
        mantissa = np.where(rng.random(shape) < 0.3, ends, mantissa)
    weight = _sparse(draw, rng, mantissa * form.step)
    count = weight.data.shape if sp.issparse(weight) else shape
    return FixedProjection(
        pre=source,
        post=target,
        name=name,
        weight=weight,
        format=form,
        delay=_delay(draw, rng, count),
        weight_exp=exponent,
    )


def _decays(draw: Draw, rng: np.random.Generator, size: int, plain: int) -> Any:
    """A decay register; the ``plain`` value is that of a neuron without a current (du) or without a leak (dv)."""
    kind = draw(st.sampled_from(("uniform", "neuron", "end", "plain", "plain")))
    if kind == "plain":
        return plain
    if kind == "neuron":
        return rng.integers(0, CHIP.decay_max + 1, size)
    return draw(st.integers(0, CHIP.decay_max) if kind == "uniform" else st.sampled_from((0, 1, CHIP.decay_max)))


def _fixed_population(
    draw: Draw, rng: np.random.Generator, name: str, size: int, spiking: bool, incoming: list[FixedProjection]
) -> FixedPopulation:
    power = np.zeros(size)
    for p in incoming:
        weight = p.weight.toarray() if p.is_sparse else p.weight
        power += np.square(weight.astype(float)).sum(axis=1) * 4.0**p.weight_exp
    typical = np.sqrt(TYPICAL_RATE * power)  # on the scale of vth
    bias_exp = draw(st.integers(0, CHIP.bias_exp_max))
    bias_mant: Any = 0
    if draw(st.booleans()):
        bias_mant = rng.integers(-CHIP.bias_mant_max, CHIP.bias_mant_max + 1, size) >> draw(st.integers(0, 12))
    typical = typical + np.maximum(shift(bias_mant, bias_exp), 0) / 2.0**CHIP.activation_shift
    factor = draw(st.sampled_from((0.2, 0.6, 1.5)))
    if draw(st.booleans()):
        vth: Any = np.clip(typical * factor * rng.uniform(0.5, 1.5, size), 0, CHIP.threshold_max).astype(int)
    else:
        vth = int(np.clip(typical.max() * factor, 0, CHIP.threshold_max))
    if draw(st.integers(0, 9)) == 0:
        vth = draw(st.sampled_from((0, CHIP.threshold_max)))
    v_init: Any = 0
    if draw(st.booleans()):
        v_init = rng.integers(-CHIP.state_max, CHIP.state_max + 1, size) >> draw(st.sampled_from((0, 8, 16)))
    return FixedPopulation(
        name=name,
        size=size,
        du=_decays(draw, rng, size, CHIP.decay_max),
        dv=_decays(draw, rng, size, 0),
        vth=vth,
        bias_mant=bias_mant,
        bias_exp=bias_exp,
        v_init=v_init,
        reset=draw(st.sampled_from(Reset)),
        threshold=draw(st.sampled_from(Comparison)),
        spiking=spiking,
    )


def _within_registers(
    inputs: list[Input], populations: list[FixedPopulation], projections: list[FixedProjection], outputs: list[str]
) -> FixedNetwork:
    """The network, with its exponents lowered as far as the simulators' 32-bit registers ask for."""
    for lower in range(CHIP.weight_exp_max - CHIP.weight_exp_min):
        lowered = []
        for p in projections:
            exponent = max(p.weight_exp - lower, CHIP.weight_exp_min)
            weight = p.stored.with_values(p.format.at_exponent(exponent).floored(p.stored_weights))
            lowered.append(replace(p, weight=weight, weight_exp=exponent))
        try:
            return FixedNetwork(inputs, populations, lowered, outputs)
        except ParameterError as error:
            if "register of the simulators" not in str(error):
                raise
    raise AssertionError("no exponent fits")


@st.composite
def fixed_networks(draw: Draw, max_populations: int = 3, weight_bits: int = CHIP.weight_bits) -> FixedNetwork:
    """Networks of one or two inputs and a few populations that use all a FixedNetwork can say."""
    rng = _generator(draw)
    inputs = [Input(f"in{k}", draw(st.integers(1, MAX_SIZE))) for k in range(draw(st.integers(1, 2)))]
    spiking = [draw(st.integers(0, 4)) > 0 for _ in range(draw(st.integers(1, max_populations)))]
    sizes = {i.name: i.size for i in inputs} | {f"p{k}": draw(st.integers(1, MAX_SIZE)) for k in range(len(spiking))}
    projections = [
        _fixed_projection(draw, rng, f"w{k}", source, target, (sizes[target], sizes[source]), weight_bits)
        for k, (source, target) in enumerate(_wiring(draw, rng, spiking, len(inputs)))
    ]
    populations = [
        _fixed_population(draw, rng, f"p{k}", sizes[f"p{k}"], fires, [p for p in projections if p.post == f"p{k}"])
        for k, fires in enumerate(spiking)
    ]
    return _within_registers(inputs, populations, projections, _outputs(draw, len(spiking)))


def _neuron(draw: Draw, rng: np.random.Generator, size: int, spiking: bool, typical: np.ndarray) -> models.Neuron:
    """A neuron of any model whose threshold lies near the voltage that typical input leads to."""
    kind = draw(
        st.sampled_from((models.LIF, models.CubaLIF, models.IF) if spiking else (models.LI, models.CubaLI, models.I))
    )

    def values(low: float, high: float) -> Any:
        return rng.uniform(low, high, size) if draw(st.booleans()) else float(rng.uniform(low, high))

    leaky = kind not in (models.I, models.IF)
    voltage = typical * (1.0 if leaky else 0.01)
    parameters: dict[str, Any] = {"size": size, "v_init": values(-0.1, 0.1) * voltage, "r": values(0.5, 2.0)}
    if leaky:
        parameters |= {"tau_mem": values(1e-3, 2e-2), "v_leak": values(-0.2, 0.2) * voltage}
    if kind in (models.CubaLI, models.CubaLIF):
        parameters |= {"tau_syn": values(1e-3, 1e-2), "w_in": values(0.5, 2.0)}
    if spiking:
        v_reset = values(-0.2, 0.2) * voltage
        parameters |= {"v_reset": v_reset, "v_threshold": v_reset + values(0.1, 0.6) * voltage}
    return kind(**parameters)


@st.composite
def float_networks(draw: Draw, max_populations: int = 3) -> Network:
    """Float networks of every neuron model, discretisation and update order."""
    rng = _generator(draw)
    inputs = [Input(f"in{k}", draw(st.integers(1, MAX_SIZE))) for k in range(draw(st.integers(1, 2)))]
    spiking = [draw(st.integers(0, 4)) > 0 for _ in range(draw(st.integers(1, max_populations)))]
    sizes = {i.name: i.size for i in inputs} | {f"p{k}": draw(st.integers(1, MAX_SIZE)) for k in range(len(spiking))}
    projections = []
    for k, (source, target) in enumerate(_wiring(draw, rng, spiking, len(inputs))):
        shape = (sizes[target], sizes[source])
        weight = _sparse(draw, rng, rng.normal(draw(st.sampled_from((0.0, 0.5))), 1.0, shape))
        count = weight.data.shape if sp.issparse(weight) else shape
        projections.append(
            Projection(pre=source, post=target, name=f"w{k}", weight=weight, delay=_delay(draw, rng, count))
        )
    populations = []
    for k, fires in enumerate(spiking):
        name, size = f"p{k}", sizes[f"p{k}"]
        power = sum(np.square(p.weight).sum(axis=1) for p in projections if p.post == name)
        bias = rng.normal(0.0, 0.3, size) if draw(st.booleans()) else 0.0
        typical = np.sqrt(TYPICAL_RATE * np.asarray(power)) + np.maximum(bias, 0.0) + 0.1
        populations.append(
            Population(
                name=name,
                neuron=_neuron(draw, rng, size, fires, typical),
                bias=bias,
                reset=draw(st.sampled_from(Reset)),
                threshold=draw(st.sampled_from(Comparison)),
            )
        )
    semantics = Semantics(1e-3, draw(st.sampled_from(models.Discretization)), draw(st.sampled_from(models.UpdateOrder)))
    return Network(inputs, populations, projections, _outputs(draw, len(spiking)), semantics)


@st.composite
def drives_for(
    draw: Draw, network: Network | FixedNetwork, max_steps: int = 24, max_batch: int = 3, analog: bool = False
) -> dict[str, np.ndarray]:
    """Spikes for every input, bool of shape (time, batch, channels); with ``analog`` for some of them other values."""
    rng = _generator(draw)
    steps = draw(st.one_of(st.integers(min(10, max_steps), max_steps), st.integers(1, max_steps)))
    batch = draw(st.integers(1, max_batch))
    spikes = {
        i.name: rng.random((steps, batch, i.size)) < draw(st.sampled_from((0.3, 0.6, 0.1, 1.0))) for i in network.inputs
    }
    chosen = [i for i in network.inputs if analog and draw(st.sampled_from((False, False, True)))]
    values = {i.name: rng.normal(0.3, 0.7, (steps, batch, i.size)) for i in chosen}
    try:
        make_drive(network, {**spikes, **values})
    except ParameterError:  # more than the registers of this network have room for
        return spikes
    return {**spikes, **values}


@st.composite
def fixed_rules(
    draw: Draw,
    steps: int = 24,
    windows_per_update: int = 1,
    counter_bits: Sequence[int] = (4, 8, 12, 16, 24, 30, 32),
) -> FixedSSDP:
    """Integer SSDP rules whose time register holds windows of that many steps."""
    time_shift = draw(st.integers(0, 2))
    fits = (((steps - 1) >> time_shift) + 1).bit_length()  # ticks 0 .. that of a silent neuron
    time_bits = draw(st.integers(max(fits, 1), 8)) if ((1 << fits) - 1) << time_shift >= steps else fits + 1
    lut = tuple(draw(st.lists(st.integers(0, 255), min_size=1, max_size=min(2**time_bits, 12))))
    counter_bits = draw(st.sampled_from(counter_bits))
    top = (1 << (counter_bits - 1)) - 1
    dw_shift = draw(st.integers(0, 8))
    # The largest single weight change must fit the counter; most amplitudes are near that limit.
    largest = min(2**16 - 1, max(((top - 1) << dw_shift) // max(*lut, 1), 0))
    amplitudes = st.one_of(st.sampled_from((largest, largest // 4, largest // 32)), st.integers(0, largest))
    return FixedSSDP(
        a_plus=draw(amplitudes),
        a_baseline=draw(amplitudes),
        lut=lut,
        dw_shift=dw_shift,
        lsb_shift=draw(st.integers(0, min(counter_bits - 2, 12))),
        counter_bits=counter_bits,
        time_bits=time_bits,
        time_shift=time_shift,
        windows_per_update=windows_per_update,
        rounding=draw(st.sampled_from(WeightRounding)),
        spike_time=draw(st.sampled_from(SpikeTime)),
        silent_pairs=draw(st.sampled_from(SilentPairs)),
    )
