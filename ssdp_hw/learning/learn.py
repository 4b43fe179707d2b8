"""``learn``: a local rule on a float or fixed network, sample by sample, on any target that can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.arrays import Numbers
from ssdp_hw.checks import as_mapping, as_names
from ssdp_hw.deprecation import grouped
from ssdp_hw.errors import ParameterError
from ssdp_hw.learning.alive import check_alive
from ssdp_hw.learning.checkpoint import Checkpoint
from ssdp_hw.learning.evaluation import Evaluation
from ssdp_hw.learning.factors import check_factors
from ssdp_hw.learning.inputs import (
    Rule,
    check_arrivals,
    check_gates,
    check_learns_from_spikes,
    check_state,
    in_units_of,
    padded,
    plastic_names,
    resolve_rules,
    with_checked_neurons,
    with_widest_weights,
)
from ssdp_hw.learning.interludes import Interludes
from ssdp_hw.learning.learner import Execution, Learner, Plasticity, Samples
from ssdp_hw.learning.presentation import Presentation
from ssdp_hw.learning.reads import check_reads
from ssdp_hw.learning.result import LearnResult
from ssdp_hw.learning.state import LearningState
from ssdp_hw.learning.supervision import Teach, Teaching
from ssdp_hw.learning.written import check_writes, with_shown
from ssdp_hw.running.drive import AnyNetwork, DirectInput, Drive, Inputs, check_network, make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.run import OnOverflow
from ssdp_hw.running.target_registry import fastest_target
from ssdp_hw.running.time_limit import limited_time

__all__ = ["LearnResult", "Teach", "learn"]


_OF_TEACHING = {"teacher": "teacher", "decode": "decode", "readout": "decode"} | {
    name: name for name in ("refresh", "temperature")
}
_OF_PRESENTATION = {name: name for name in ("epochs", "shuffle", "seed", "steps", "windows")}


@grouped(teach=(Teaching, _OF_TEACHING), presentation=(Presentation, _OF_PRESENTATION))
def learn(
    network: AnyNetwork,
    inputs: Inputs,
    labels: ArrayLike | None,
    rule: Rule | Mapping[str, Rule],
    target: str | None = None,
    *,
    plastic: str | Sequence[str] | None = None,
    teach: Teach | Teaching = "all",
    presentation: Presentation | None = None,
    gates: ArrayLike | Mapping[str, ArrayLike] | None = None,
    factors: Mapping[str, ArrayLike] | Mapping[str, Mapping[str, ArrayLike]] | None = None,
    evaluate: Evaluation | None = None,
    checkpoint: Checkpoint | None = None,
    state: LearningState | None = None,
    on_overflow: OnOverflow = "warn",
    health: bool = True,
    options: Mapping[str, object] | None = None,
    progress: bool | None = None,
    time_limit: float | None = None,
) -> LearnResult:
    """Present samples one after the other and let the synapses learn.

    Every sample is one window, or several, and starts from the initial state (unless ``presentation`` says that the
    samples are pieces of one run). With labels the learning
    is supervised: a :class:`~ssdp_hw.Teacher` makes the labelled output neuron fire.

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
        teach: which samples are taught, and by what: a :class:`~ssdp_hw.Teaching`, or its first field alone: ``all``,
            ``errors``, ``delta`` or ``softmax``.
        presentation: epochs, order and seed, length and windows of the samples; default one epoch in random order.
        gates: third factor from outside for each sample, shape (batch,) or (batch, post), or a dict of
            such arrays by projection: every step of the rule is multiplied by it; -2 to 2.
        factors: third factors that a rule declares, such as ``reward``, by name, or by projection and name: one number
            for a projection, shape (steps, batch), or for each of its target's neurons, shape (steps, batch, post).
            Steps are those of the input or of a sample; as many entries as a sample has windows last a window each.
        evaluate: samples on which the accuracy is measured while the network learns, on the same target.
        checkpoint: where the run saves itself. Evaluations and checkpoints come ``every`` so many samples; where
            ``teach`` runs samples before it teaches them, when such a group of ``refresh`` samples is taught.
        state: state of an earlier run to go on from, with the network that it returned. The rule may
            be another one: that is how its parameters change between windows.
        on_overflow: see :func:`ssdp_hw.run`; that a teacher drives the voltage of a taught neuron to the end
            of its range is counted, but no reason to warn.
        health: whether to report the learning health, and the activity before and after.
        options: options of the target.
        progress: whether to show how many samples are done, once it has taken a second; default on a terminal and in a
            notebook. Where it is shown, or time limited, samples go to the target in pieces of about a second, to the
            same bits.
        time_limit: seconds after which the lesson ends; default none. The activity before and after takes its time.

    Raises:
        ParameterError, ShapeError: labels, gates, windows, counters or samples of an evaluation that do not fit.
        FileFormatError: a checkpoint cannot be written.
        UnsupportedError: the network, rule or target cannot learn this way.
        UnknownTargetError, TargetUnavailableError, TargetRunError: as in :func:`ssdp_hw.run`.
        StateOverflowError: a register overflowed and ``on_overflow`` is ``error``.
        Interrupted, TimeLimitError: Ctrl-C, or over the time limit, after at least one piece of the samples: its
            ``result`` is what was learned until then; its network and state go on from there. A checkpoint is saved.
    """
    check_network(network)
    teaching = teach if isinstance(teach, Teaching) else Teaching(teach)
    presentation = Presentation() if presentation is None else presentation
    if not isinstance(presentation, Presentation):
        raise ParameterError(f"learn: presentation is a {type(presentation).__name__}; give a Presentation(epochs=...)")
    if plastic is not None and not isinstance(plastic, str):
        plastic = as_names(plastic, "plastic")
    windows = presentation.windows
    if not presentation.restart and teaching.teach != "all":
        raise ParameterError(
            f"teach = '{teaching.teach}' runs each sample once before it is taught, from the initial state: without "
            "restart give teach = 'all'"
        )
    if target is None:
        target = fastest_target(network, learning=True).name
    execution = Execution(target, dict(as_mapping(options, "options")), on_overflow)
    given, spikes = _given(network, inputs, presentation)
    names = plastic_names(network, rule, plastic, state)
    check_learns_from_spikes(network, given.values, names)
    rules, notes = resolve_rules(network, rule, names)
    state, converted = in_units_of(rules, state)
    notes += converted
    check_reads(network, rules)
    check_writes(network, rules, restart=presentation.restart)
    check_arrivals(network, rules)
    check_alive(network, rules, restart=presentation.restart)
    # Labels first: spikes whose axes are in another order would look like windows that are too long.
    supervision = teaching.supervise(network, labels, given, names, gated=gates is not None)
    LearningPlan(rules, windows_per_sample=windows).check_windows(len(next(iter(spikes.values()))))
    outside = check_gates(network, rules, gates, given.batch)
    lengths = given.steps, len(next(iter(spikes.values()))), windows
    factored, lost = check_factors(network, rules, factors, lengths, given.batch)
    notes += lost
    if teaching.teach in ("delta", "softmax") and labels is not None:
        LearningPlan(rules, gates=dict.fromkeys(names, np.zeros(0)))  # raises if a rule has a gate of its own
    widest = with_widest_weights(network, names)
    if supervision is not None:
        taught = supervision.attach(network, widest)
        with_widest_weights(taught, names)
        notes += taught.notes[len(network.notes) :]
    samples = Samples(spikes, frozenset(given.values))
    plasticity = Plasticity(rules, outside, factored, widest, notes)
    interludes = Interludes(evaluate, checkpoint, samples.batch, teaching.decode, target, execution.options)
    learner = Learner(network, samples, plasticity, supervision, teaching, presentation, execution, interludes)
    first = check_state(network, rules, state, windows, samples.batch, restart=presentation.restart)
    first = replace(first, lasting=with_shown(network, rules, first.lasting))
    begun = first if presentation.restart else with_checked_neurons(network, first)
    with limited_time(time_limit):
        return learner.learn(begun, health=health, progress=progress)


def _given(network: AnyNetwork, inputs: Inputs, presentation: Presentation) -> tuple[Drive, dict[str, Numbers]]:
    """The checked input, and the spikes or values of each input, padded with silent steps to the length of a sample.

    Raises:
        ParameterError, ShapeError: inputs that do not fit the network or are longer than a sample.
    """
    given = make_drive(network, inputs)
    length = presentation.length(given.steps + (network.latency if presentation.restart else 0))
    if isinstance(inputs, DirectInput):  # a constant input lasts until the end of the sample
        given = make_drive(network, inputs, length)
    return given, {name: padded(s, length) for name, s in given.arrays().items()}
