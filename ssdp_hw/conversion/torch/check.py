"""Comparison of an imported network with its module, for each step by itself and over whole runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ssdp_hw.arrays import Bool, Real
from ssdp_hw.conversion.torch.chains import Chain
from ssdp_hw.conversion.torch.folding import FoldedPopulation
from ssdp_hw.conversion.weight_algebra import identity
from ssdp_hw.network.float_network import Network, Projection
from ssdp_hw.network.graph import Comparison, Reset

# Rounded operations within a neuron's own step, at most, in the frameworks.
_OWN_OPERATIONS = 24
# In float64 module and network add in different orders: a voltage whose relative distance from its threshold is below
# this may fire in one of them alone, which counts as a tie.
_FREE_ROUNDING = 1e-9


@dataclass(frozen=True)
class StepCheck:
    """Every step of a module computed by the network, from the state and spikes that the module had before it.

    Attributes:
        steps: (step, sample, neuron) compared.
        ties: those in which only one side fires and the voltage lies within rounding of the threshold.
        outside: steps left out, since a voltage stayed above its threshold after a reset.
        worst: largest difference of a voltage or current, divided by the bound of rounding; at most 1 if equal.
        wrong: what differs by more, in words; empty if nothing.
    """

    steps: int
    ties: int
    outside: int
    worst: float
    wrong: str

    @property
    def equal(self) -> bool:
        """Whether nothing differs by more than rounding."""
        return not self.wrong


class Stepper:
    """Advances populations of a network one by one, in steps that are counted as the module counts them.

    Args:
        network: a float network that stands for the module.
        lag: steps by which each input and population is behind the module.
    """

    def __init__(self, network: Network, lag: Mapping[str, int]) -> None:
        self.network = network
        self.lag = dict.fromkeys((*network.input_names, *network.population_names), 0) | dict(lag)
        self._parts = [(p, _by_delay(p)) for p in network.projections]

    def driven(self, name: str, step: int, sent: Mapping[str, Real]) -> Real:
        """The synaptic input of a population in one of its own steps, shape (batch, n).

        ``sent`` has for every source what it sent, shape (time, batch, n), from the network's step 0 on.
        """
        p = self.network.population(name)
        batch = next(iter(sent.values())).shape[1]
        total = np.tile(np.asarray(p.bias, np.float64), (batch, 1))
        for q, parts in self._parts:
            if q.post != name:
                continue
            for delay, matrix in parts:
                at = step - 1 - delay
                if 0 <= at < len(sent[q.pre]):
                    total += np.asarray(matrix @ sent[q.pre][at].T).T
        return total

    def advanced(self, name: str, s: Real, carried: Real, v: Real) -> tuple[Real, Real, Bool, Real]:
        """Current, voltage before and after the reset, and who fires, from one step's input and the state before.

        ``carried`` is the decayed current of the step before.
        """
        p, c = self.network.population(name), self.network.coefficients(name)
        u = carried + c.gain_u * s
        before = c.decay_v * v + c.gain_v * u + c.drift
        if not p.spiking:
            return u, before, np.zeros(before.shape, bool), before
        threshold, reset = p.neuron.parameter("v_threshold"), p.neuron.parameter("v_reset")
        fired = before >= threshold if p.threshold is Comparison.AT_LEAST else before > threshold
        down = before - (threshold - reset) if p.reset is Reset.SUBTRACT else np.broadcast_to(reset, before.shape)
        return u, before, fired, np.where(fired, down, before)

    def free_run(self, sent: Mapping[str, Real], steps: int) -> tuple[dict[str, Bool], dict[str, Real]]:
        """Spikes, and voltages before the reset, of a run of so many of the module's steps, in its time."""
        total = steps + max(self.lag.values())
        batch = next(iter(sent.values())).shape[1]
        all_sent = dict(sent)
        names = self.network.population_names
        state = {}
        for name in names:
            p = self.network.population(name)
            all_sent[name] = np.zeros((total, batch, p.size))
            state[name] = np.zeros((batch, p.size)), np.tile(p.neuron.v_init, (batch, 1))
        kept = {name: np.zeros((total, batch, self.network.population(name).size)) for name in names}
        for step in range(total):
            for name in names:
                u, before, fired, v = self.advanced(name, self.driven(name, step, all_sent), *state[name])
                state[name] = self.network.coefficients(name).decay_u * u, v
                kept[name][step], all_sent[name][step] = before, fired
        cut = {name: slice(self.lag[name], self.lag[name] + steps) for name in names}
        return {n: all_sent[n][cut[n]] != 0 for n in names}, {n: kept[n][cut[n]] for n in names}


def _by_delay(p: Projection) -> list[tuple[int, Any]]:
    matrix = p.matrix
    if np.ndim(p.delay) == 0:
        return [(int(p.delay), matrix)]
    rows, cols = p.synapse_indices
    found = []
    for delay in np.unique(p.delay).tolist():
        part = np.asarray(p.delay) == delay
        found.append((delay, sp.csr_array((p.synapse_weights[part], (rows[part], cols[part])), shape=p.shape)))
    return found


def check_steps(
    stepper: Stepper,
    folded: Mapping[str, FoldedPopulation],
    chains: Mapping[str, Chain],
    inputs: Mapping[str, Real],
    *,
    exact: bool,
    names: Mapping[str, str] | None = None,
) -> StepCheck:
    """Every step of a recorded run against that of the network.

    Args:
        stepper: the network.
        folded: the module's populations, whose weights bound the rounding.
        chains: the recorded run.
        inputs: what the inputs sent, shape (time, batch, n).
        exact: whether the run was in float64.
        names: population of the network by the module's; default: the same.
    """
    names = {n: n for n in chains} if names is None else names
    spikes = {n: np.stack([call.spikes for call in chain.calls]) for n, chain in chains.items()}
    steps, batch = next(iter(spikes.values())).shape[:2]
    silent = _helpers_of(stepper, set(names.values()), steps, batch)
    sent = {**silent, **{k: np.asarray(x, np.float64) for k, x in inputs.items()}}
    for name, theirs in spikes.items():
        before = np.zeros((stepper.lag[names[name]], *theirs.shape[1:]))
        sent[names[name]] = np.concatenate([before, theirs])
    unit = 2.0**-52 if exact else 2.0**-23
    compared = ties = outside = 0
    worst, wrong = 0.0, ""
    far: Real
    for name, chain in chains.items():
        own, model = names[name], folded[name]
        states = {k: np.stack([call.states[k] for call in chain.calls]) for k in chain.calls[0].states}
        carried, v = chain.neurons.equivalents(states, spikes[name])
        u_before, v_before = _at_rest(stepper, own, sent, batch)
        c = stepper.network.coefficients(own)
        p = stepper.network.population(own)
        if stepper.lag[own]:  # the pulse that sets an initial voltage also leaves a current for one step
            carried = carried.copy()
            carried[0] += c.decay_u * c.decay_v * (chain.v_init - p.neuron.parameter("v_leak")) / c.gain_v
        threshold = p.neuron.parameter("v_threshold")
        size = np.abs(threshold) + np.abs(p.neuron.parameter("v_reset")) + np.abs(p.neuron.parameter("v_leak"))
        n = chain.neurons.neuron.size
        matrices = {key: identity(path.gross, n).by_synapse().given for key, path in model.terms.items()}
        # Decays and gains come from time constants, so their last bits differ; a small leak enlarges the difference.
        own_rounding = 2.0**-50 * (1.0 + _inverse(1.0 - c.decay_v) + _inverse(1.0 - c.decay_u))
        roundings = (model.roundings + _OWN_OPERATIONS) * unit + own_rounding
        for t in range(steps):
            s = stepper.driven(own, t + stepper.lag[own], sent)
            u, before, fired, after = stepper.advanced(own, s, u_before, v_before)
            gross = _gross(model, matrices, t, inputs, spikes)
            bound_u = roundings * (np.abs(u_before) + np.abs(c.gain_u) * gross) + 1e-30
            bound = roundings * (2 * np.abs(v_before) + size + np.abs(c.drift)) + np.abs(c.gain_v) * bound_u
            there = spikes[name][t] != 0
            skip = (v_before > threshold) & chain.neurons.double & p.spiking
            tie = (there != fired) & (np.abs(before - threshold) <= bound) & ~skip
            differs = (there != fired) & ~tie & ~skip
            far = np.where(tie | differs | skip, 0.0, np.abs(after - v[t]) / bound).astype(np.float64)
            far = np.maximum(far, np.where(skip, 0.0, np.abs(c.decay_u * u - carried[t]) / bound_u))
            compared += fired.size
            ties += int(tie.sum())
            outside += int(skip.sum())
            worst = max(worst, float(far.max(initial=0.0)))
            bad = differs | (far > 1)
            if bad.any() and not wrong:
                sample, neuron = (int(k) for k in np.argwhere(bad)[0])
                wrong = (
                    f"layer '{name}', step {t}, sample {sample}, neuron {neuron}: from the state and spikes before it, "
                    f"the network's voltage is {before[sample, neuron]:.9g} before and {after[sample, neuron]:.9g} "
                    f"after the reset, the module's {v[t, sample, neuron]:.9g}, where rounding explains "
                    f"{bound[sample, neuron]:.2g}"
                )
            u_before, v_before = carried[t], v[t]
    return StepCheck(compared, ties, outside, worst, wrong)


def _inverse(values: Real) -> Real:
    """One over each value, 0 where it is 0."""
    return np.where(values > 0, 1.0 / np.maximum(values, 1e-300), 0.0)


def _gross(
    model: FoldedPopulation,
    matrices: Mapping[tuple[str, int], Any],
    t: int,
    inputs: Mapping[str, Real],
    spikes: Mapping[str, Real],
) -> Real:
    """The sum of the absolute values of all that is added up to the input of a step."""
    total: Any = model.gross_constant[None, :]
    for (source, delay), matrix in matrices.items():
        if t - delay < 0:
            continue
        x = np.abs(inputs[source][t - delay] if source in inputs else spikes[source][t - delay])
        total = total + np.asarray(matrix @ x.T).T
    return np.asarray(total, np.float64)


def _helpers_of(stepper: Stepper, known: set[str], steps: int, batch: int) -> dict[str, Real]:
    """The spikes of populations that stand for no layer of the module and that nothing drives."""
    total = steps + max(stepper.lag.values())
    found = {}
    for name in stepper.network.population_names:
        if name in known:
            continue
        p = stepper.network.population(name)
        state: tuple[Real, Real] = np.zeros((batch, p.size)), np.tile(p.neuron.v_init, (batch, 1))
        found[name] = np.zeros((total, batch, p.size))
        for step in range(total):
            s = np.tile(np.asarray(p.bias, np.float64), (batch, 1))
            u, _, fired, v = stepper.advanced(name, s, *state)
            state, found[name][step] = (stepper.network.coefficients(name).decay_u * u, v), fired
    return found


def _at_rest(stepper: Stepper, name: str, sent: Mapping[str, Real], batch: int) -> tuple[Real, Real]:
    """Current and voltage of a population before the module's first step."""
    p = stepper.network.population(name)
    carried, v = np.zeros((batch, p.size)), np.tile(p.neuron.v_init, (batch, 1))
    for step in range(stepper.lag[name]):
        u, _, _, v = stepper.advanced(name, stepper.driven(name, step, sent), carried, v)
        carried = stepper.network.coefficients(name).decay_u * u
    return carried, v


def check_free_run(stepper: Stepper, chains: Mapping[str, Chain], inputs: Mapping[str, Real]) -> tuple[int, str]:
    """A run of the network against that of the module in float64.

    Returns:
        How many samples begin to differ in a tie, and what else differs, in words.
    """
    spikes = {n: np.stack([call.spikes for call in chain.calls]) != 0 for n, chain in chains.items()}
    steps, batch = next(iter(spikes.values())).shape[:2]
    fired, voltages = stepper.free_run(inputs, steps)
    ties = 0
    open_samples = np.ones(batch, bool)
    for t in range(steps):
        for name, theirs in spikes.items():  # in the order in which they act within a step
            threshold = stepper.network.population(name).neuron.parameter("v_threshold")
            differs = (theirs[t] != fired[name][t]) & open_samples[:, None]
            if not differs.any():
                continue
            far = np.abs(voltages[name][t] - threshold) > _FREE_ROUNDING * (1.0 + np.abs(threshold))
            if np.any(differs & far):
                sample, neuron = (int(k) for k in np.argwhere(differs & far)[0])
                if not chains[name].neurons.double or _stayed_below(chains[name], t, sample, neuron):
                    return ties, (
                        f"layer '{name}', step {t}, sample {sample}, neuron {neuron}: only the "
                        f"{'module' if theirs[t, sample, neuron] else 'network'} fires in a run in float64"
                    )
            ties += int(differs.any(axis=1).sum())
            open_samples &= ~differs.any(axis=1)
    return ties, ""


def _stayed_below(chain: Chain, t: int, sample: int, neuron: int) -> bool:
    """Whether no voltage was above its threshold after a reset up to this step."""
    threshold = chain.neurons.neuron.parameter("v_threshold")[neuron]
    return all(call.states["mem"][sample, neuron] <= threshold for call in chain.calls[:t])
