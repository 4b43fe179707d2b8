"""What an astrocyte does for a liquid that learns by STDP: digits, 200 spiking neurons, real numbers and integers.

    python examples/studies/liquid.py [--seeds 10]

LSM is a liquid state machine with frozen random weights. In LSM + STDP all synapses of the liquid, those from the input
included, learn by pair STDP, without labels. In NALSM one astrocyte scales their depression: it follows the number of
liquid neurons that fire in each step, less that of input neurons. After that the weights stay, and a ridge regression
on the spike counts of the liquid is fitted to the training samples; its penalty has the least error of those left out.

Each seed has weights and spike trains of its own. Every row tries the same number of random settings, equal in what the
rows have in common, and takes the one that is best in real numbers in the mean of three more seeds, asked about
training samples that were neither learned nor fitted; test samples decide nothing. The mean over all settings, with
half of its 95 % t-interval over settings, says what a row is worth without such a choice.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifierCV
from study import mean, table
from teaching import AnyNetwork
from untrained import VALIDATION_SEEDS, Samples, quantized, samples

import ssdp_hw as sh
from ssdp_hw.rules.models.astrocyte import AstrocyteSTDP

Real = NDArray[np.float64]

INPUTS, EXCITATORY, INHIBITORY, STEPS = 64, 160, 40, 40
LIQUID = EXCITATORY + INHIBITORY
# Synapses that a liquid neuron has from the input, from excitatory and from inhibitory neurons.
FROM_INPUT, FROM_EXCITATORY, FROM_INHIBITORY = 16, 16, 4
# Probability of an input spike in a step where a pixel is white.
RATE = 0.5
# A neuron keeps this part of its voltage in a step.
KEPT = 0.8
# Weights of the chip have room for this many times the largest initial one.
ROOM = 3.0
WINDOWS_PER_UPDATE = 32
SETTINGS = 40
# Settings are chosen in real numbers; how all of them do in integers is asked of one seed.
SEEDS_TRIED = {"float": VALIDATION_SEEDS, "8-bit": VALIDATION_SEEDS[:1]}
# Samples by whose peaks the chip's scale is chosen.
CALIBRATION = 100
# What a spike adds to a trace of 7 bits: at a spike in every step, which adds up to 10.5 of them, it does not saturate.
IMPULSE = 12
ROWS = ("LSM", "LSM + STDP", "NALSM")
SIGN_MODES = {"in->liquid": "mixed", "excitatory": "excitatory", "inhibitory": "inhibitory"}
# What a row reads of a setting.
READ = {
    "LSM": ("drive", "recurrence", "inhibition"),
    "LSM + STDP": ("drive", "recurrence", "inhibition", "amplitude", "depression"),
    "NALSM": ("drive", "recurrence", "inhibition", "amplitude", "depression", "coupling", "tau"),
}
# Steps in which a spike acts on the voltages of its targets: 0.8**10 is 0.1.
LAGS = 10
Setting = Mapping[str, float]


def drawn() -> list[Setting]:
    """Settings at random; a row reads those of its own, so that what rows have in common is the same in all."""
    rng = np.random.default_rng(0)

    def between(low: float, high: float) -> Real:
        return np.exp(rng.uniform(np.log(low), np.log(high), SETTINGS))

    columns = {
        "drive": between(0.2, 1.2),
        "recurrence": between(0.03, 0.3),
        "inhibition": between(0.25, 1.5),
        "amplitude": between(1e-5, 1e-3),
        "depression": between(0.5, 2.0),
        "coupling": between(0.003, 0.1),
        "tau": between(3.0, 100.0),
    }
    return [dict(zip(columns, map(float, values), strict=True)) for values in zip(*columns.values(), strict=True)]


def sparse(rng: np.random.Generator, sources: range, size: int, low: float, high: float) -> sp.csr_array:
    """Weights of every liquid neuron from so many of the sources, even between two ends."""
    columns = np.concatenate([rng.choice(sources, size, replace=False) for _ in range(LIQUID)])
    rows, pre = np.repeat(np.arange(LIQUID), size), INPUTS if len(sources) == INPUTS else LIQUID
    return sp.csr_array((rng.uniform(low, high, columns.size), (rows, columns)), shape=(LIQUID, pre))


def liquid(seed: int, setting: Setting) -> sh.Network:
    """A liquid with random weights; an inhibition of 1 is as strong as the excitation, where all fire alike."""
    rng = np.random.default_rng(seed)
    drive, recurrence = setting["drive"], setting["recurrence"]
    inhibition = setting["inhibition"] * recurrence * FROM_EXCITATORY / FROM_INHIBITORY
    weights = (
        sparse(rng, range(INPUTS), FROM_INPUT, -drive, drive),
        sparse(rng, range(EXCITATORY), FROM_EXCITATORY, 0.0, recurrence),
        sparse(rng, range(EXCITATORY, LIQUID), FROM_INHIBITORY, -inhibition, 0.0),
    )
    neuron = sh.LIF(size=LIQUID, tau_mem=1e-3 / (1 - KEPT), r=1 / (1 - KEPT), v_threshold=1.0)
    return sh.Network(
        [sh.Input("in", INPUTS)],
        [sh.Population(name="liquid", neuron=neuron)],
        [
            sh.Projection(pre="in" if name == "in->liquid" else "liquid", post="liquid", weight=weight, name=name)
            for name, weight in zip(SIGN_MODES, weights, strict=True)
        ],
        ["liquid"],
        sh.Semantics(1e-3),
    )


def in_integers(given: sh.Network, spikes: Any) -> sh.FixedNetwork:
    """The network in integers of 8 bits, with room for weights ``ROOM`` times as large; signs stay."""
    return quantized(given, spikes[:, :CALIBRATION], ROOM, sign_mode=SIGN_MODES)


def rules(row: str, setting: Setting) -> Mapping[str, sh.FloatDeclaredRule]:
    """The rule of each projection; without coupling it is pair STDP."""
    return {
        name: sh.rule(
            AstrocyteSTDP(outside=True, inhibitory=name == "inhibitory"),
            a_plus=setting["amplitude"],
            a_minus=setting["depression"] * setting["amplitude"],
            coupling=setting["coupling"] if row == "NALSM" else 0.0,
            tau_astrocyte=setting["tau"],
            windows_per_update=WINDOWS_PER_UPDATE,
            counter_bits=24,
            registers={"impulse": IMPULSE},
        )
        for name in SIGN_MODES
    }


def limits(fixed: sh.FixedNetwork) -> dict[str, tuple[Real, Real]]:
    """The ends of the range of each projection's weights on the chip, in real numbers, one a synapse."""
    formats = {p.name: p.format for p in fixed.projections}
    ends = []
    for end in ("mantissa_min", "mantissa_max"):
        at_end = {p.name: np.full(p.mantissa.size, getattr(formats[p.name], end)) for p in fixed.projections}
        ends.append({p.name: p.stored.values for p in sh.dequantize(fixed.with_mantissas(at_end)).projections})
    return {name: (ends[0][name], ends[1][name]) for name in SIGN_MODES}


def learned(given: AnyNetwork, spikes: Any, row: str, setting: Setting, seed: int, ends: Any) -> AnyNetwork:
    """The network after one epoch of full updates.

    Weights in real numbers are clipped after every update to the chip's range, in which integers stay by themselves.
    """
    if row == "LSM":
        return given
    batch = spikes.shape[1] // WINDOWS_PER_UPDATE * WINDOWS_PER_UPDATE
    order, state = np.random.default_rng((seed, 1)).permutation(spikes.shape[1])[:batch], None
    for part in np.split(order, 1 if isinstance(given, sh.FixedNetwork) else batch // WINDOWS_PER_UPDATE):
        found = sh.learn(
            given,
            spikes[:, part],
            None,
            rules(row, setting),
            factors={"input_count": spikes[:, part].sum(axis=2)},
            presentation=sh.Presentation(shuffle=False, steps=STEPS, seed=seed),
            state=state,
            on_overflow="ignore",
            health=False,
        )
        given, state = found.network, found.state
        if isinstance(given, sh.Network):
            stored = {p.name: p.stored for p in given.projections}
            given = given.with_weights({n: w.with_values(np.clip(w.values, *ends[n])).given for n, w in stored.items()})
    return given


def fired(given: AnyNetwork, spikes: Any) -> Any:
    """Spikes of the liquid, shape (time, sample, neuron)."""
    return np.asarray(sh.run(given, spikes, steps=STEPS, on_overflow="ignore").spikes["liquid"])


def fitted(counts: Real, labels: Any) -> RidgeClassifierCV:
    """The readout; its penalty has the least squared error of samples left out one by one."""
    return RidgeClassifierCV(alphas=np.logspace(0, 4, 9)).fit(counts, labels)


def accuracy(given: AnyNetwork, shown: Samples) -> tuple[float, float]:
    """The share of samples that a readout on the liquid gets right, and the liquid's spikes a neuron and step."""
    known, unknown = fired(given, shown.lesson), fired(given, shown.question)
    readout = fitted(known.sum(axis=0), shown.labels)
    return float(readout.score(unknown.sum(axis=0), shown.answers)), float(unknown.mean())


def branching(given: AnyNetwork, spikes: Any, seed: int) -> float:
    """How many spikes of the liquid a spike of it causes in the mean.

    Each sample runs twice, the second time with one more spike of a neuron that was silent in that step, sent
    through copies of the liquid's own synapses. How many more spikes R(k) follow it k steps later is what it
    causes itself, F(k), and what these cause: R(k) = F(k) + sum over j < k of F(j) R(k - j). The branching
    factor is the sum of F over ``LAGS`` steps, within which voltages forget a spike.
    """
    rng = np.random.default_rng((seed, 2))
    before = fired(given, spikes)
    batch = before.shape[1]
    steps = rng.integers(STEPS // 3, STEPS - LAGS, batch)
    # Neurons are drawn as often as they fire, by the spikes of another sample in the same step.
    others = before[steps, np.roll(np.arange(batch), 1)]
    ranks = np.where(others & ~before[steps, np.arange(batch)], rng.random(others.shape), 0.0)
    neurons, kept = ranks.argmax(axis=1), np.flatnonzero(ranks.max(axis=1) > 0)
    if not kept.size:
        return 0.0
    extra = np.zeros(before.shape, bool)
    extra[steps[kept], kept, neurons[kept]] = True
    twins = [replace(p, pre="extra", name=f"extra {p.name}") for p in given.projections if p.pre == "liquid"]
    probed = replace(given, inputs=[*given.inputs, sh.Input("extra", LIQUID)], projections=[*given.projections, *twins])
    after = fired(probed, {"in": spikes, "extra": extra})
    more = after.sum(axis=2) - before.sum(axis=2)
    caused = np.zeros(LAGS + 1)
    response = np.array([more[steps[kept] + k, kept].mean() for k in range(LAGS + 1)])
    for k in range(1, LAGS + 1):
        caused[k] = response[k] - caused[1:k] @ response[k - 1 : 0 : -1]
    return float(caused.sum())


def encoded(values: Any, seed: int) -> Any:
    """Spikes by rate."""
    return sh.encode(RATE * values, "rate", steps=STEPS, seed=seed)


def tried(row: str, form: str) -> Real:
    """The accuracy of each setting and validation seed, on samples neither learned nor fitted."""
    found = np.zeros((SETTINGS, len(SEEDS_TRIED[form])))
    for k, seed in enumerate(SEEDS_TRIED[form]):
        shown = samples(seed, encoded, validation=True)
        for i, setting in enumerate(drawn()):
            real = liquid(seed, setting)
            fixed = in_integers(real, shown.lesson)
            given = real if form == "float" else fixed
            found[i, k] = accuracy(learned(given, shown.lesson, row, setting, seed, limits(fixed)), shown)[0]
    return found


def measured(seed: int, choices: Mapping[str, Setting]) -> dict[str, tuple[float, float, float]]:
    """Accuracy, spike rate and branching factor of each row for a seed."""
    shown, found = samples(seed, encoded), {}
    for row, setting in choices.items():
        real = liquid(seed, setting)
        fixed = in_integers(real, shown.lesson)
        forms: dict[str, AnyNetwork] = {"float": real, "8-bit": fixed}
        for form, given in forms.items():
            after = learned(given, shown.lesson, row, setting, seed, limits(fixed))
            found[f"{row}, {form}"] = (*accuracy(after, shown), branching(after, shown.lesson, seed))
    return found


def without_liquid(seed: int) -> float:
    """The accuracy of a readout on the spike counts of the input itself."""
    shown = samples(seed, encoded)
    return float(fitted(shown.lesson.sum(axis=0), shown.labels).score(shown.question.sum(axis=0), shown.answers))


def main() -> None:
    """Print the table, the settings, and the differences by seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    attempts = {(row, form): tried(row, form).mean(axis=1) for form in SEEDS_TRIED for row in ROWS}
    choices = {row: drawn()[int(attempts[row, "float"].argmax())] for row in ROWS}
    runs = [measured(seed, choices) for seed in range(given.seeds)]
    found = {row: np.array([run[row] for run in runs]).T for row in runs[0]}
    rows = [
        [row, mean(right), f"{100 * right.min():.1f}", mean(rate, 1, 3), mean(factor, 1, 2)]
        for row, (right, rate, factor) in found.items()
    ]
    print(table(["liquid", "accuracy %", "least", "spikes a neuron and step", "branching factor"], rows))
    alone = np.array([without_liquid(seed) for seed in range(given.seeds)])
    print(f"a readout on the spike counts of the input, without a liquid: {mean(alone)} %")
    for row, setting in choices.items():
        print(f"{row}: " + ", ".join(f"{name} {setting[name]:.2g}" for name in READ[row]))
    for one, other in itertools.combinations(reversed(ROWS), 2):
        for form in ("float", "8-bit"):
            difference = found[f"{one}, {form}"][0] - found[f"{other}, {form}"][0]
            print(f"{one} minus {other}, {form}: {mean(difference, sign='+')} points, paired by seed")
    lines = [
        [f"{row}, {form}", mean(right), f"{100 * right.min():.1f}", f"{100 * right.max():.1f}"]
        for (row, form), right in attempts.items()
    ]
    print(table([f"all {SETTINGS} settings", "accuracy on validation samples %", "least", "most"], lines))
    for form in SEEDS_TRIED:
        difference = attempts["NALSM", form] - attempts["LSM + STDP", form]
        print(f"NALSM minus LSM + STDP, {form}: {mean(difference, sign='+')} points, paired by setting")


if __name__ == "__main__":
    main()
