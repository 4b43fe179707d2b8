"""Checks of what a learning run is given, before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from reprlib import repr as short

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.arithmetic import shift_down
from ssdp_hw.arrays import Numbers
from ssdp_hw.checks import as_array, real_array
from ssdp_hw.errors import ParameterError, ShapeError, UnsupportedError
from ssdp_hw.learning.state import LearningState
from ssdp_hw.network.fixed_network import FixedNetwork, FixedProjection
from ssdp_hw.network.float_network import Network
from ssdp_hw.rules import CounterRule, FloatRule
from ssdp_hw.rules.arrivals import SENT, extent_of, why_no_arrivals
from ssdp_hw.rules.declared import FixedDeclaredRule
from ssdp_hw.rules.derivation import fixed_rule
from ssdp_hw.rules.gate import GATE_MAX
from ssdp_hw.rules.model_checks import check_registers
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.learning_plan import LearningPlan, arriving_name

Rule = CounterRule | FloatRule


def teachable_output(network: AnyNetwork) -> str:
    """The only output population, which a teacher can act on.

    Raises:
        UnsupportedError: there are several.
    """
    if len(network.outputs) != 1:
        raise UnsupportedError(f"a teacher needs one output population; the network has {list(network.outputs)}")
    return network.outputs[0]


def plastic_names(
    network: AnyNetwork,
    rule: Rule | Mapping[str, Rule],
    plastic: str | Sequence[str] | None,
    state: LearningState | None = None,
) -> list[str]:
    """Names of the projections that learn; see :func:`ssdp_hw.learn`.

    A projection without a synapse cannot learn, unless it is in the state of an earlier run: there its last one died.

    Raises:
        ParameterError: no projection, an unknown one, one without a rule, or several where ``plastic`` must choose.
    """
    if plastic is not None:
        names = [plastic] if isinstance(plastic, str) else list(plastic)
    elif isinstance(rule, Mapping):
        names = list(rule)
    else:
        into = [p.name for p in network.incoming(teachable_output(network)) if p.pre != p.post]
        if len(into) != 1:
            raise ParameterError(f"which projection learns? Name it in plastic; into the output lead: {into}")
        names = into
    if not names:
        raise ParameterError("no projection learns")
    for name in names:
        died = isinstance(state, LearningState) and name in state.counters
        if not network.projection(name).synapse_count and not died:
            raise ParameterError(f"projection '{name}' has no synapse that could learn")
    if isinstance(rule, Mapping):
        for name in set(names) ^ set(rule):
            what = "is plastic but has no rule" if name in names else "has a rule but is not plastic"
            raise ParameterError(f"projection '{name}' {what}")
    return names


def resolve_rules(
    network: AnyNetwork, rule: Rule | Mapping[str, Rule], names: Sequence[str]
) -> tuple[dict[str, Rule], list[str]]:
    """The rule of each plastic projection, in integers for a fixed network, and notes on what the integers lost.

    Raises:
        UnsupportedError, ParameterError: a rule that the network or projection cannot use.
    """
    rules: dict[str, Rule] = {}
    notes: list[str] = []
    for name in names:
        r = rule[name] if isinstance(rule, Mapping) else rule
        if not isinstance(r, CounterRule | FloatRule):
            raise ParameterError(
                f"projection '{name}': {short(r)} is no rule; give an SSDP, STDP or SADP, or its integer form"
            )
        if isinstance(network, Network):
            if isinstance(r, CounterRule):
                raise UnsupportedError(
                    f"projection '{name}': a float network learns by a float rule, not by {type(r).__name__}"
                )
        else:
            p = network.projection(name)
            if isinstance(r, FloatRule):
                r, found = fixed_rule(r, p, network.limits, network.population(p.post))
                notes += found
            r.largest_step_in(extent_of(r, p), f"projection '{name}'")
            if r.gate is not None:
                r.gate.check_sizes(network.size_of(p.pre), network.size_of(p.post))
        rules[name] = r
    return rules, notes


def with_widest_weights(network: AnyNetwork, names: Sequence[str]) -> FixedNetwork | None:
    """A fixed network whose plastic weights lie at the larger end of their range; None for a float network.

    Raises:
        ParameterError: such weights would break a limit of the chip.
    """
    if not isinstance(network, FixedNetwork):
        return None
    widest = {}
    for name in names:
        p = network.projection(name)
        limit = p.format.mantissa_min if -p.format.mantissa_min > p.format.mantissa_max else p.format.mantissa_max
        widest[name] = np.full(p.stored_weights.shape, limit)
    try:
        return network.with_mantissas(widest)
    except ParameterError as error:
        raise ParameterError(f"if its plastic weights grew to the end of their range: {error}") from None


def check_learns_from_spikes(network: AnyNetwork, analog: Collection[str], names: Sequence[str]) -> None:
    """Raise if a projection would learn from an input that sends values in place of spikes.

    Args:
        network: the network.
        analog: names of its inputs with values.
        names: projections that learn.

    Raises:
        UnsupportedError: one would.
    """
    for name in names:
        pre = network.projection(name).pre
        if pre in analog:
            raise UnsupportedError(
                f"projection '{name}' cannot learn: its input '{pre}' is analog, without spikes to learn from; encode "
                "the values by rate or latency (ssdp_hw.encode), or let a later projection learn (plastic=...)"
            )


def check_arrivals(network: AnyNetwork, rules: Mapping[str, Rule]) -> None:
    """Raise where a rule cannot see presynaptic spikes as they arrive, and is to.

    Args:
        network: the network that learns.
        rules: by projection.

    Raises:
        UnsupportedError: it cannot; the message says what would help.
    """
    for name, rule in rules.items():
        reason = why_no_arrivals(rule, network.projection(name))
        if reason is not None:
            raise UnsupportedError(f"projection '{name}': {reason}")


def padded(spikes: Numbers, steps: int) -> Numbers:
    """Spikes or values of shape (time, batch, channels), with silent steps added at the end up to ``steps``.

    Raises:
        ParameterError: ``steps`` is below the length of the spikes.
    """
    if steps < len(spikes):
        raise ParameterError(f"steps = {steps} is below the {len(spikes)} steps of the spikes")
    return np.concatenate([spikes, np.zeros((steps - len(spikes), *spikes.shape[1:]), spikes.dtype)])


def check_state(
    network: AnyNetwork,
    rules: Mapping[str, Rule],
    state: LearningState | None,
    windows: int,
    batch: int,
    *,
    restart: bool,
) -> LearningState:
    """The state to start from, with counters for every plastic projection, zeros by default.

    Args:
        network: the network that learns.
        rules: the rule of each plastic projection.
        state: that of an earlier run, or None.
        windows: windows of a sample.
        batch: number of samples.
        restart: whether each sample starts from the initial state, and spikes under way are of no account.

    Raises:
        ShapeError, ParameterError: it does not fit.
    """
    given = LearningState() if state is None else state
    if not isinstance(given, LearningState):
        raise ParameterError(f"state of type {type(given).__name__}; give the state of an earlier learning run")
    size = next(iter(rules.values())).windows_per_update
    if given.pending >= size or given.pending % windows:
        raise ParameterError(
            f"learning state: {given.pending} windows since the last weight update do not fit windows_per_update = "
            f"{size} and {windows} windows a sample"
        )
    if given.presented >= batch:
        raise ParameterError(
            f"learning state: {given.presented} samples of its epoch were presented, and only {batch} are given; go on "
            "with the samples of the run that it comes from"
        )
    for name in given.counters:
        if name not in rules:
            raise ParameterError(f"counters are given for '{name}', which does not learn")
    for name in given.lasting:
        if name not in rules:
            raise ParameterError(f"lasting variables are given for '{name}', which does not learn")
    checked = {name: _counters(network, name, rule, given) for name, rule in rules.items()}
    plan = LearningPlan(dict(rules), restart=restart)
    lasting = {name: _lasting(network, name, plan, given) for name in rules}
    return replace(
        given,
        counters=checked,
        lasting={name: found for name, found in lasting.items() if found},
        lsb_shifts={name: rule.lsb_shift for name, rule in rules.items() if isinstance(rule, CounterRule)},
    )


def with_checked_neurons(network: AnyNetwork, state: LearningState) -> LearningState:
    """A state whose neurons fit the network, for a run that goes on from them.

    Raises:
        ParameterError, ShapeError: they do not.
    """
    if not state.steps:
        return replace(state, neurons={})
    slots, kind = network.max_delay + 1, np.int64 if isinstance(network, FixedNetwork) else np.float64
    checked: dict[str, dict[str, Numbers]] = {}
    for p in network.populations:
        shapes = dict.fromkeys(p.state_names, (p.size,))
        arriving = {arriving_name(port): (slots, p.size) for port in network.synaptic_inputs(p.name)}
        given = state.neurons.get(p.name, {})
        if set(given) != {*shapes, *arriving}:
            wanted = ", ".join([*shapes, *arriving])
            raise ParameterError(f"learning state: the neurons of '{p.name}' need {wanted}; given: {', '.join(given)}")
        checked[p.name] = {}
        for name, shape in {**shapes, **arriving}.items():
            array = as_array(given[name], f"learning state: '{name}' of '{p.name}'")
            if array.shape != shape or not np.can_cast(array.dtype, kind, "same_kind"):
                raise ShapeError(
                    f"learning state: '{name}' of '{p.name}' is {array.dtype} of shape {array.shape}; expected "
                    f"{kind.__name__} of shape {shape}"
                )
            checked[p.name][name] = array.astype(kind)
    return replace(state, neurons=checked)


def _lasting(network: AnyNetwork, name: str, plan: LearningPlan, state: LearningState) -> dict[str, Numbers]:
    """The variables of a rule that outlast a window, from the state or as they start."""
    rule, given = plan.rules[name], state.lasting.get(name, {})
    first = plan.first_lasting(network, name)
    for variable in given:
        if variable not in first and not (plan.restart and variable == SENT):
            known = ", ".join(first) or "none"
            raise ParameterError(f"lasting variable '{variable}' of '{name}': its rule has none; it has: {known}")
    found = {}
    for variable, start in first.items():
        owner = f"lasting variable '{variable}' of '{name}'"
        array = as_array(given.get(variable, start), owner)
        if isinstance(rule, FloatRule):
            array = real_array(array, owner)
        if array.shape != start.shape or (isinstance(rule, CounterRule) and not np.issubdtype(array.dtype, np.integer)):
            raise ShapeError(
                f"{owner}: {array.dtype} of shape {array.shape}; expected {start.dtype} of shape {start.shape}"
            )
        found[variable] = array.astype(start.dtype)
    if SENT in found and not np.isin(found[SENT], (0, 1)).all():
        raise ParameterError(f"lasting variable '{SENT}' of '{name}' has other values than 0 and 1")
    if isinstance(rule, FixedDeclaredRule):
        check_registers(rule.model, found, f"lasting variables of '{name}'")
    return found


def _counters(network: AnyNetwork, name: str, rule: Rule, state: LearningState) -> Numbers:
    size = network.projection(name).stored_weights.size
    kind = np.int64 if isinstance(rule, CounterRule) else np.float64
    array = as_array(state.counters.get(name, np.zeros(size, kind)), f"counters of '{name}'")
    if isinstance(rule, FloatRule):
        array = real_array(array, f"counters of '{name}'")
    if array.shape != (size,) or (isinstance(rule, CounterRule) and not np.issubdtype(array.dtype, np.integer)):
        raise ShapeError(
            f"counters of '{name}': {array.dtype} of shape {array.shape}; expected {kind.__name__} of shape ({size},)"
        )
    if (
        isinstance(rule, CounterRule)
        and array.size
        and (array.min() < rule.counter_min or array.max() > rule.counter_max)
    ):
        raise ParameterError(
            f"counters of '{name}' reach from {array.min()} to {array.max()}, outside the {rule.counter_bits}-bit "
            f"range {rule.counter_min} .. {rule.counter_max}"
        )
    return array.astype(kind)


def in_units_of(rules: Mapping[str, Rule], state: LearningState | None) -> tuple[LearningState | None, list[str]]:
    """A learning state whose counters have the units of these rules, and notes on those that had others.

    Other amplitudes, or windows of another length, make another part of a weight LSB the unit of a rule's counters.
    Counters are rounded to the nearest, half a unit away from 0.
    """
    if not isinstance(state, LearningState):  # check_state says so
        return state, []
    counters, notes = dict(state.counters), []
    for name, rule in rules.items():
        known, found = state.lsb_shifts.get(name), counters.get(name)
        if found is None or known is None or isinstance(rule, FloatRule) or known == rule.lsb_shift:
            continue
        values = np.asarray(found).astype(np.int64)
        finer = rule.lsb_shift - known
        size = np.abs(values) << max(finer, 0)
        counters[name] = np.sign(values) * shift_down(size, max(-finer, 0), "nearest")
        notes.append(
            f"projection '{name}': the counters of the state, 2**{known} to a weight LSB, were converted to those of "
            f"this rule, 2**{rule.lsb_shift}"
        )
    return replace(state, counters=counters, lsb_shifts={}), notes


def check_gates(
    network: AnyNetwork, rules: Mapping[str, Rule], gates: ArrayLike | Mapping[str, ArrayLike] | None, batch: int
) -> dict[str, NDArray[np.float64]]:
    """Gates from outside by projection, shape (batch, post).

    Raises:
        ParameterError: a gate beyond its range or for no plastic projection, a rule that makes its own, or
            amplitudes that overflow the counter under such a gate.
        ShapeError: another shape.
    """
    if gates is None:
        return {}
    given = gates if isinstance(gates, Mapping) else dict.fromkeys(rules, gates)
    checked = {}
    for name, values in given.items():
        owner = f"gates of '{name}'"
        if name not in rules:
            raise ParameterError(f"{owner}: that projection does not learn; there are: {', '.join(rules)}")
        rule, post = rules[name], network.size_of(network.projection(name).post)
        if rule.gate is not None:
            raise ParameterError(f"{owner}: its rule makes its gate itself; give one or the other")
        array = real_array(values, owner)
        if array.shape not in ((batch,), (batch, post)):
            raise ShapeError(f"{owner} have shape {array.shape}; expected ({batch},) or ({batch}, {post})")
        largest = float(np.abs(array).max(initial=0.0))
        if largest > GATE_MAX:
            raise ParameterError(f"{owner} reach {largest:g} in size; the limit is {GATE_MAX:g}")
        p = network.projection(name)
        if isinstance(rule, CounterRule) and isinstance(p, FixedProjection):
            step = rule.largest_step_in(extent_of(rule, p), owner)
            if step * largest > rule.counter_max:
                raise ParameterError(
                    f"{owner}: one step of {step} counter units times {largest:g} exceeds the {rule.counter_max} of a "
                    f"counter of {rule.counter_bits} bits; use more counter_bits or smaller amplitudes"
                )
        checked[name] = np.ascontiguousarray(np.broadcast_to(array.reshape(batch, -1), (batch, post)))
    return checked


def plan_gates(
    rules: Mapping[str, Rule], gates: Mapping[str, NDArray[np.float64]], samples: NDArray[np.int64], windows: int
) -> dict[str, Numbers]:
    """Gates of these samples for a :class:`~ssdp_hw.running.learning_plan.LearningPlan`, one row a window."""
    found: dict[str, Numbers] = {}
    for name, values in gates.items():
        rule, chosen = rules[name], np.repeat(values[samples], windows, axis=0)
        if isinstance(rule, CounterRule):
            found[name] = np.rint(chosen * (1 << rule.gate_bits)).astype(np.int64)
        else:
            found[name] = chosen
    return found
