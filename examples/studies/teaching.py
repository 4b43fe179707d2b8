"""A readout that is taught on the chip, by each rule in float and in integers.

All studies teach the readout alone. The layers before it do not change, so they run once, and their
spikes are the input of a network that is the readout only: the same bits as in the whole network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ssdp_hw as sh
from ssdp_hw.rules import FloatRule

AnyNetwork = sh.Network | sh.FixedNetwork
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

# How each row of a table learns: rule, arithmetic, and rounding where it is integers.
SSDP_ROWS = ("SSDP float", "SSDP carry", "SSDP stochastic", "SSDP nearest")
BASELINE_ROWS = ("STDP float", "STDP carry", "SADP float", "SADP carry")


@dataclass(frozen=True)
class Hyperparameters:
    """The hyperparameters by which a readout is taught.

    Every rule is used as the eligibility of the delta rule (``teach="delta"``): the synapses of the
    labelled neuron follow it, those of a neuron that was chosen wrongly its negative.

    Attributes:
        a_plus, a_baseline, sigma: of SSDP; ``silent_pairs`` is ``skip``.
        stdp, sadp: amplitudes of the potentiation of the two baselines, which do not depress.
        stdp_tau: time constant of STDP in steps.
        counter_bits: of the integer rules.
        epochs, refresh, windows: see :func:`ssdp_hw.learn`.
        first_step: the teacher's first.
    """

    a_plus: float
    sigma: float
    epochs: int
    a_baseline: float = 0.0
    stdp: float = 0.0
    stdp_tau: float = 10.0
    sadp: float = 0.0
    counter_bits: int = 16
    refresh: int = 25
    windows: int = 1
    first_step: int = 0

    def rule(self, row: str) -> FloatRule:
        """The rule of a row of the table."""
        name, form = row.split()
        common: dict[str, Any] = {
            "counter_bits": self.counter_bits,
            "windows_per_update": self.windows,
            "rounding": "carry" if form == "float" else form,
        }
        if name == "SSDP":
            return sh.SSDP(
                a_plus=self.a_plus, a_baseline=self.a_baseline, sigma=self.sigma, silent_pairs="skip", **common
            )
        if name == "STDP":
            return sh.STDP(a_plus=self.stdp, a_minus=0.0, tau_plus=self.stdp_tau, **common)
        return sh.SADP(a_plus=self.sadp, a_minus=0.0, **common)


def arithmetic(row: str) -> str:
    """``float`` or ``fixed``: the network that learns in this row."""
    return "float" if row.endswith("float") else "fixed"


@dataclass(frozen=True, eq=False)
class Cut:
    """A network cut before its readout.

    Attributes:
        front: all but the readout, which is the last population.
        readout: the readout alone; its input is the spikes of the layer before.
    """

    front: AnyNetwork
    readout: AnyNetwork

    @classmethod
    def of(cls, network: AnyNetwork) -> Cut:
        """Cut a feed-forward network of which one projection leads to the only output."""
        (into,) = (p for p in network.projections if p.post == network.outputs[0])
        others = [p for p in network.populations if p.name != into.post]
        front = replace(
            network,
            populations=others,
            projections=[p for p in network.projections if p is not into],
            outputs=[into.pre],
        )
        source = sh.Input(into.pre, network.size_of(into.pre))
        readout = replace(network, inputs=[source], populations=[network.population(into.post)], projections=[into])
        return cls(front, readout)

    def features(self, spikes: Bool) -> Bool:
        """Spikes of the layer before the readout, until the last one has reached the output."""
        latency = self.front.latency + self.readout.latency
        result = sh.run(self.front, spikes, steps=len(spikes) + latency, on_overflow="ignore")
        return result.spikes[self.front.outputs[0]]


@dataclass(frozen=True)
class Answers:
    """What a readout answered.

    Attributes:
        correct: whether each sample was right.
        rate: spikes of an output neuron per step.
    """

    correct: Bool
    rate: float

    @property
    def accuracy(self) -> float:
        """Share of the samples that were right."""
        return float(self.correct.mean())


def ask(readout: AnyNetwork, features: Bool, labels: Int) -> Answers:
    """Let the readout answer."""
    result = sh.run(readout, features, on_overflow="ignore")
    return Answers(result.predict() == labels, result.spike_rate())


def teach(
    readout: AnyNetwork, features: Bool, labels: Int, hyperparameters: Hyperparameters, row: str, seed: int
) -> AnyNetwork:
    """The readout after it was taught by the rule of ``row``."""
    return sh.learn(
        readout,
        features,
        labels,
        hyperparameters.rule(row),
        presentation=sh.Presentation(
            steps=len(features), windows=hyperparameters.windows, epochs=hyperparameters.epochs, seed=seed
        ),
        teach=sh.Teaching(
            "delta",
            teacher=sh.Teacher(first_step=hyperparameters.first_step, inhibit=False),
            refresh=hyperparameters.refresh,
        ),
        on_overflow="ignore",
        health=False,
    ).network
