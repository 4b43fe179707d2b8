"""``learn``: a local rule on a float or fixed network, sample by sample, on any target that can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.deprecation import renamed
from ssdp_hw.learning.inputs import (
    Rule,
    check_gates,
    check_learns_from_spikes,
    check_state,
    padded,
    plastic_names,
    resolve_rules,
    with_widest_weights,
)
from ssdp_hw.learning.learner import Execution, Learner, Plasticity, Samples
from ssdp_hw.learning.presentation import Presentation
from ssdp_hw.learning.result import LearnResult
from ssdp_hw.learning.state import LearningState
from ssdp_hw.learning.supervision import Teach, Teaching
from ssdp_hw.learning.teacher import Teacher
from ssdp_hw.running.drive import AnyNetwork, DirectInput, Drive, Inputs, make_drive
from ssdp_hw.running.run import OnOverflow
from ssdp_hw.running.target import LearningPlan, fastest_target

__all__ = ["LearnResult", "Teach", "learn"]


@renamed(readout="decode")
def learn(
    network: AnyNetwork,
    inputs: Inputs,
    labels: ArrayLike | None,
    rule: Rule | Mapping[str, Rule],
    target: str | None = None,
    *,
    plastic: str | Sequence[str] | None = None,
    teacher: Teacher | None = None,
    teach: Teach = "all",
    temperature: float = 2.0,
    gates: ArrayLike | Mapping[str, ArrayLike] | None = None,
    decode: str = "spike_count",
    epochs: int = 1,
    refresh: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    steps: int | None = None,
    windows: int = 1,
    state: LearningState | None = None,
    on_overflow: OnOverflow = "warn",
    health: bool = True,
    options: Mapping[str, object] | None = None,
) -> LearnResult:
    """Present samples one after the other and let the synapses learn.

    Every sample is one window, or several, and starts from the initial state. With labels the learning
    is supervised: a :class:`~ssdp_hw.learning.teacher.Teacher` makes the labelled output neuron fire.

    A rule with ``windows_per_update`` above 1 moves the weights after full groups of windows only. The weight
    changes of the windows after the last full group stay in the counters, from which a later run goes on
    by ``state``.

    Args:
        network: a float network learns in float, a fixed network in integers.
        inputs: spikes or analog values as for :func:`ssdp_hw.run`; a projection from an analog input cannot learn.
        labels: class of every sample, shape (batch,); None to learn without a teacher.
        rule: one for all plastic projections, or one by projection: :class:`~ssdp_hw.SSDP`,
            :class:`~ssdp_hw.STDP` or :class:`~ssdp_hw.SADP` (for a fixed network turned into integers
            through each projection's scale), or their integer forms.
        target: where to learn; default the fastest installed target that can learn with this network.
        plastic: names of the projections that learn; default those of ``rule`` if it is by
            projection, else the only projection into the output from a spiking source.
        teacher: default ``Teacher()`` if there are labels, for ``delta`` one that does not inhibit.
        teach: ``all`` presents every sample. ``errors`` first runs the samples without a teacher and
            teaches only those that ``decode`` gets wrong. ``delta`` does so too, with a gate for each
            output neuron: 1 for the labelled, -1 for the wrongly chosen, 0 for the others.
            ``softmax`` has no teacher: every sample is run once to count the spikes of the output, and the label
            minus the softmax of these counts is the gate of each output neuron while the sample is presented again;
            a rule that only the source moves, such as ``sh.Rule("a*x1*u0", ...)``, then is the delta rule.
        temperature: for ``softmax``: by so many spikes a count has to be lower for a probability e times lower.
        gates: third factor from outside for each sample, shape (batch,) or (batch, post), or a dict of
            such arrays by projection: every step of the rule is multiplied by it; -2 to 2.
        decode: rule by which the class of a sample is predicted, see :mod:`ssdp_hw.running.decoding`; for
            ``errors`` and ``delta`` only.
        epochs, shuffle, seed: how often and in which order samples come; the seed also keys the
            random rounding.
        refresh: for ``errors`` and ``delta``: number of samples after which the network, with the weights
            learned until then, predicts the classes of the next samples; default once an epoch.
        steps: length of a sample; default ``len(inputs) + network.latency``, so that the last
            spike reaches the output, and no less than a multiple of ``windows``.
        windows: equal windows that each sample is cut into.
        state: state of an earlier run to go on from, with the network that it returned. The rule may
            be another one: that is how its parameters change between windows.
        on_overflow: see :func:`ssdp_hw.run`; that a teacher drives the voltage of a taught neuron to the end
            of its range is counted, but no reason to warn.
        health: whether to report the learning health, and the activity before and after.
        options: options of the target.

    Raises:
        ParameterError, ShapeError: labels, gates, windows or counters that do not fit.
        UnsupportedError: the network, rule or target cannot learn this way.
        UnknownTargetError, TargetUnavailableError, TargetRunError: as in :func:`ssdp_hw.run`.
        StateOverflowError: a register overflowed and ``on_overflow`` is ``error``.
    """
    teaching = Teaching(teacher, teach, decode, refresh, temperature)
    presentation = Presentation(epochs, shuffle, seed, steps, windows)
    if target is None:
        target = fastest_target(network, learning=True).name
    execution = Execution(target, dict(options or {}), on_overflow)
    given, spikes = _given(network, inputs, presentation)
    names = plastic_names(network, rule, plastic)
    check_learns_from_spikes(network, given.values, names)
    rules, notes = resolve_rules(network, rule, names)
    LearningPlan(rules, windows_per_sample=windows).check_windows(len(next(iter(spikes.values()))))
    supervision = teaching.supervise(network, labels, given, names, gated=gates is not None)
    outside = check_gates(network, rules, gates, given.batch)
    if teach in ("delta", "softmax") and labels is not None:
        LearningPlan(rules, gates=dict.fromkeys(names, np.zeros(0)))  # raises where a rule makes its own
    widest = with_widest_weights(network, names)
    if supervision is not None:
        taught = supervision.attach(network, widest)
        with_widest_weights(taught, names)
        notes += taught.notes[len(network.notes) :]
    samples = Samples(spikes, frozenset(given.values))
    plasticity = Plasticity(rules, outside, widest, notes)
    learner = Learner(network, samples, plasticity, supervision, teaching, presentation, execution)
    return learner.learn(check_state(network, rules, state, windows), health=health)


def _given(network: AnyNetwork, inputs: Inputs, presentation: Presentation) -> tuple[Drive, dict[str, NDArray[Any]]]:
    """The checked input, and by input its spikes or values up to the length of a sample: silent where it ends.

    Raises:
        ParameterError, ShapeError: inputs that do not fit the network or are longer than a sample.
    """
    given = make_drive(network, inputs)
    length = presentation.length(given.steps + network.latency)
    if isinstance(inputs, DirectInput):  # goes on to the end of the sample
        given = make_drive(network, inputs, length)
    return given, {name: padded(s, length) for name, s in given.arrays().items()}
