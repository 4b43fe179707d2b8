"""How large the steps of a rule are in a network: in weight LSBs, in samples until a weight moves, in its counter."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.display import shown
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.learning.inputs import Rule, plastic_names, resolve_rules
from ssdp_hw.learning.learn import learn
from ssdp_hw.learning.nothing_learned import NothingLearnedWarning
from ssdp_hw.learning.presentation import Presentation
from ssdp_hw.learning.supervision import Teach
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.rules import CounterRule, WeightRounding
from ssdp_hw.rules.counter import accumulate, update_weights
from ssdp_hw.rules.local import WINDOWS_PER_UPDATE_MAX

# A weight that needs more samples than that to move learns slowly; a larger amplitude is advised to reach the latter.
_SLOW, _WANTED = 50, 10
_WIDEST = 32


@shown
@dataclass(frozen=True)
class LearningScale:
    """The steps of a rule on one projection, while the weights stay as they are.

    Attributes:
        samples: number of samples that were looked at.
        step_lsb: the largest change that a sample brought a stored weight, in LSB.
        typical_lsb: the median of all changes that are not 0; 0 if there are none.
        samples_to_move: after how many samples the first weight moves; None where none does. It is exact, since until
            then the network is the one that was looked at; with ``rounding="stochastic"`` it is that of the mean.
        update_lsb: the largest change that the samples between two weight updates bring, in LSB.
        counter_lsb: what the counter holds, in LSB.
        saturations: how often a counter would have been cut.
        advice: what to do, in a sentence.
    """

    samples: int
    step_lsb: float
    typical_lsb: float
    samples_to_move: int | None
    update_lsb: float
    counter_lsb: float
    saturations: int
    advice: str


def learning_scale(
    network: FixedNetwork,
    spikes: NDArray[np.bool_],
    labels: ArrayLike | None,
    rule: Rule | Mapping[str, Rule],
    target: str | None = None,
    *,
    plastic: str | Sequence[str] | None = None,
    teach: Teach = "all",
    presentation: Presentation | None = None,
    factors: Mapping[str, ArrayLike] | None = None,
) -> dict[str, LearningScale]:
    """How large the steps of a rule are before anything is learned, to choose amplitudes, windows and counters.

    The samples are presented one by one, as :func:`ssdp_hw.learn` presents them, but no weight moves.

    Args:
        network: a fixed network with one input.
        spikes: its input, shape (time, batch, channels); some dozens of samples do.
        labels, rule, target, plastic, teach, presentation, factors: as for :func:`ssdp_hw.learn`, factors by name.

    Returns:
        By plastic projection.

    Raises:
        UnsupportedError: a float network, which has no counters.
    """
    if not isinstance(network, FixedNetwork):
        raise UnsupportedError("learning_scale: a float network has no weight LSB and no counters; quantize it first")
    shown_as = Presentation() if presentation is None else presentation
    rules, _ = resolve_rules(network, rule, plastic_names(network, rule, plastic))
    most = WINDOWS_PER_UPDATE_MAX - WINDOWS_PER_UPDATE_MAX % shown_as.windows
    frozen = {n: replace(cast(CounterRule, r), windows_per_update=most, counter_bits=_WIDEST) for n, r in rules.items()}
    steps: dict[str, list[NDArray[np.int64]]] = {name: [] for name in rules}
    batch, state = spikes.shape[1], None
    length = shown_as.length(len(spikes) + (network.latency if shown_as.restart else 0))
    once = replace(shown_as, epochs=1, shuffle=False, steps=length)
    classes = None if labels is None else np.asarray(labels)
    for _, group in shown_as.groups((0, 0), batch, batch):
        for k in group:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NothingLearnedWarning)
                result = learn(
                    network,
                    spikes[:, k : k + 1],
                    None if classes is None else classes[k : k + 1],
                    frozen,
                    target,
                    teach=teach,
                    presentation=once,
                    factors=None if factors is None else {n: np.asarray(f)[:, k : k + 1] for n, f in factors.items()},
                    state=state,
                    on_overflow="ignore",
                    health=False,
                    progress=False,
                )
            for name, counters in result.state.counters.items():
                steps[name].append(np.asarray(counters, np.int64))
            state = replace(result.state, counters={}, epochs=0, presented=0)
    return {
        name: _scale(network, name, cast(CounterRule, r), np.array(steps[name]), shown_as.windows)
        for name, r in rules.items()
    }


def _scale(
    network: FixedNetwork, name: str, rule: CounterRule, steps: NDArray[np.int64], windows: int
) -> LearningScale:
    """The scale of one projection from what each sample brought its stored weights, shape (sample, weight)."""
    lsb = float(1 << rule.lsb_shift)
    p = network.projection(name)
    together = rule.windows_per_update // windows
    own = replace(rule, rounding=WeightRounding.CARRY) if rule.rounding is WeightRounding.STOCHASTIC else rule
    counter = np.zeros(steps.shape[1], np.int64)
    gathered, largest, cut = counter, 0, 0
    moves: int | None = None
    for k, step in enumerate(steps):
        counter, saturated = accumulate(own, counter, step)
        gathered, cut = gathered + step, cut + saturated
        largest = max(largest, int(np.abs(gathered).max(initial=0)))
        if (k + 1) % together == 0:
            limits: dict[str, Any] = {"seed": 0, "layer": 0, "index": 0}
            mantissa = p.mantissa.astype(np.int64)
            moved, counter, _ = update_weights(own, mantissa, counter, *_range(p), **limits)
            if moves is None and np.any(moved != mantissa):
                moves = k + 1
            gathered = np.zeros_like(gathered)
    sizes = np.abs(steps[steps != 0]) / lsb
    reached = float(np.abs(steps.sum(axis=0)).max(initial=0)) / lsb
    found = LearningScale(
        len(steps),
        float(sizes.max(initial=0.0)),
        float(np.median(sizes)) if sizes.size else 0.0,
        moves,
        largest / lsb,
        rule.counter_max / lsb,
        cut,
        "",
    )
    return replace(found, advice=_advice(found, rule, reached))


def _range(p: Any) -> tuple[int, int]:
    return p.format.mantissa_min, p.format.mantissa_max


def _advice(found: LearningScale, rule: CounterRule, reached: float) -> str:
    if not found.step_lsb:
        return "no sample asks for a change: give it spikes at both ends (a teacher, more input), or another rule"
    if found.saturations:
        needed = math.ceil(found.update_lsb) + 1
        bits = rule.lsb_shift + needed.bit_length() + 1
        wider = f"counter_bits={bits} of the integer rule, or " if bits <= _WIDEST else ""
        return (
            f"the counter holds {found.counter_lsb:.3g} LSB, and the samples of a weight update bring up to "
            f"{found.update_lsb:.3g}: take {wider}headroom={needed} of a float rule that is declared (sh.rule, sh.Rule)"
        )
    if found.samples_to_move is None or found.samples_to_move > _SLOW:
        if rule.rounding is WeightRounding.NEAREST and found.update_lsb < 0.5:
            return (
                f"an update gathers {found.update_lsb:.3g} LSB at most, and rounding='nearest' drops what is below "
                "half of one: take rounding='carry'"
            )
        times = math.ceil(found.samples / (_WANTED * reached)) if reached else None
        if times is None or times < 2:
            return "changes of different samples cancel each other: present more samples"
        return f"a weight moves slowly: amplitudes {times} times as large move one in about {_WANTED} samples"
    return "the steps fit the weights and the counter"
