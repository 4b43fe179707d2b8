"""Checks that raise where a target computes other numbers than the reference target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ssdp_hw.arrays import Array
from ssdp_hw.display import text
from ssdp_hw.learning.learn import LearnResult
from ssdp_hw.models.base import NeuronModel
from ssdp_hw.models.form import ever_fires
from ssdp_hw.models.registry import model_names, neuron_model
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.rules.arrivals import why_no_arrivals
from ssdp_hw.rules.derivation import fixed_rule
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.local import PreTrace
from ssdp_hw.rules.model import RuleModel
from ssdp_hw.rules.registry import rule_model
from ssdp_hw.rules.spike_times import SpikeTime
from ssdp_hw.rules.ssdp import SSDP
from ssdp_hw.running.drive import AnyNetwork, make_drive
from ssdp_hw.running.learning_plan import Learned, LearningPlan
from ssdp_hw.running.result import Record, Recording
from ssdp_hw.running.target import Target
from ssdp_hw.running.target_registry import choose_target, reference_target, targets_by_speed, unsupported
from ssdp_hw.testing import generation
from ssdp_hw.testing.repeated import compared, repeated

# Sums of real numbers in another order.
FLOAT_BOUND = 1e-9
# Samples of a lesson, and windows of each.
BATCH, WINDOWS = 4, 2


def installed_targets() -> list[str]:
    """Names of the installed targets but the reference."""
    reference = reference_target().name
    return [t.name for t in targets_by_speed() if t.availability().installed and t.name != reference]


def check_neuron_model(
    model: str | NeuronModel, targets: Sequence[str] | None = None, *, networks: int = 5, seed: int = 0
) -> None:
    """Run random networks of a model in integers and in real numbers, and compare with the reference.

    In integers spikes, every state and every overflow count must be equal, with fast paths and without, and what SSDP
    learns at the neurons' synapses on targets that learn in such networks; in real numbers spikes are equal and states
    equal up to the order of sums.

    Args:
        model: the model, or its name.
        targets: names; default all that are installed.
        networks: number of networks of each kind.
        seed: of the first one.

    Raises:
        AssertionError: a target differs; or nothing happens: no neuron of the model ever fires, or all states of a
            readout stay 0; the message has the seed.
        UnsupportedError: a target cannot run the model.
    """
    found = neuron_model(model)
    reads = not ever_fires(found)
    acted = 0
    for number in range(seed, seed + networks):
        for network in (generation.fixed_network(found, number), generation.float_network(found, number)):
            wanted = recorded(reference_target(), network, number)
            traces = [wanted.states, {"v": wanted.v, "u": wanted.u}] if reads else [{"spikes": wanted.spikes}]
            acted += sum(np.count_nonzero(t["first"]) for some in traces for t in some.values() if "first" in t)
            for name in installed_targets() if targets is None else targets:
                target = choose_target(name, network)
                for options in _ways(target):
                    _compare_runs(f"{found}, seed {number}, target '{name}'", wanted, target, network, number, options)
                if isinstance(network, FixedNetwork) and _learns(target, network):
                    _compare_synapses(f"{found}, seed {number}, target '{name}'", target, network, number)
    if not acted:
        what = "no state moved" if reads else "no neuron fired"
        raise AssertionError(f"{found}: {what} in {2 * networks} networks, so that little was compared")


def _learns(target: Target, network: FixedNetwork) -> bool:
    """Whether a target learns in such a network at all; some send graded spikes in inference alone."""
    return target.learns and not unsupported(target, network, learning=True)


def _compare_synapses(owner: str, target: Target, network: FixedNetwork, seed: int) -> None:
    """Let synapses from the input to the first population learn by SSDP, by its first and by its last spikes."""
    name = next((q.name for q in network.projections if (q.pre, q.post) == ("in", "first")), None)
    if name is None:  # the model uses no synaptic input
        return
    for when in SpikeTime:
        real = SSDP(a_plus=0.3, a_baseline=0.1, sigma=3.0, spike_time=when)
        rule, _ = fixed_rule(real, network.projection(name), network.limits)
        plan = LearningPlan({name: rule}, seed=seed)
        wanted, found = (learned(one, network, plan, seed) for one in (reference_target(), target))
        _compare_lessons(f"{owner}, SSDP by the {when.value} spike", wanted, found, exact=True)


def check_target(target: str, *, networks: int = 2, seed: int = 0) -> None:
    """Run random networks of every neuron model that is known on a target; see :func:`check_neuron_model`."""
    for name in model_names():
        check_neuron_model(name, [target], networks=networks, seed=seed)


def check_rule(
    model: str | RuleModel, targets: Sequence[str] | None = None, *, lessons: int = 5, seed: int = 0
) -> None:
    """Let random lessons be learned by a rule in integers and in real numbers, and compare with the reference.

    In integers weights, counters and saturations must be equal; in real numbers up to the order of sums. Two
    projections learn, a feedforward one and a recurrent one with a delay, in two windows a sample; with an odd seed the
    rule sees spikes as they arrive through that delay (``pre_trace="arrives"``), where it and the target can. Each
    lesson is learned by the target alone, and then by two calls of :func:`ssdp_hw.learn` with three weight updates, the
    second of which goes on from the first: there thresholds, delays, the synapses that live, and all that lasts are
    equal too.

    Args:
        model: the rule, or its name.
        targets: names; default all installed ones that learn.
        lessons: number of lessons of each kind.
        seed: of the first one.

    Raises:
        AssertionError: a target differs, or no lesson changes a counter or an accumulator; the message has the seed.
            Or several lessons move none of what the rule writes beside weights.
        UnsupportedError: a target cannot learn by the rule.
    """
    found = rule_model(model)
    moved = 0.0
    unmoved = {text(v.quantity) for written in found.writes.values() for v in written}
    for number in range(seed, seed + lessons):
        for fixed in (True, False):
            network, _ = lesson(found, number, fixed=fixed)
            chosen = {
                name: choose_target(name, network, learning=True)
                for name in (_learning_targets() if targets is None else targets)
            }
            for late in sorted({one.sees_arrivals for one in chosen.values()} or {True}):
                network, plan = lesson(found, number, fixed=fixed, arrivals=late)
                taking = {name: target for name, target in chosen.items() if target.sees_arrivals is late}
                change, quantities = _check_lesson(found, network, plan, taking, number, exact=fixed)
                moved += change
                unmoved -= quantities
    if not moved:
        raise AssertionError(f"{found}: no weight change in {2 * lessons} lessons, so that little was compared")
    if unmoved and lessons > 1:
        what = " and no ".join(sorted(unmoved))
        raise AssertionError(f"{found}: no {what} moved in {2 * lessons} lessons, so that little was compared")


def _check_lesson(
    model: RuleModel, network: AnyNetwork, plan: LearningPlan, targets: Mapping[str, Target], seed: int, *, exact: bool
) -> tuple[float, set[str]]:
    """Compare a lesson of targets with the reference, where they learn it by themselves and in calls that go on.

    Returns:
        By how much the lesson moves counters, weights and accumulators in all, and what else that the rule writes it
        moves.

    Raises:
        AssertionError: a target differs.
    """
    calls = repeated(network, plan, seed, reference_target().name)
    quantities = {h.quantity for one in calls for hs in one.written.values() for h in hs.values() if h.changed}
    wanted = learned(reference_target(), network, plan, seed)
    changes = [
        *wanted.counters.values(),
        *(w - _stored(network, name) for name, w in wanted.weights.items()),
        *_accumulators(model, wanted),
    ]
    for name, target in targets.items():
        owner = f"{model}, seed {seed}, target '{name}'"
        _compare_lessons(owner, wanted, learned(target, network, plan, seed), exact=exact)
        for call, (right, one) in enumerate(zip(calls, repeated(network, plan, seed, name), strict=True)):
            _compare_calls(f"{owner}, call {call + 1} of learn", right, one, exact=exact)
    return sum(float(np.abs(change).sum()) for change in changes), quantities


def lesson(model: RuleModel, seed: int, *, fixed: bool, arrivals: bool = True) -> tuple[AnyNetwork, LearningPlan]:
    """A network and what learns in it; ``arrivals``: for a target that knows ``pre_trace="arrives"``."""
    network = generation.learning_network(seed, fixed=fixed)
    rule = generation.fixed_rule(model, seed) if fixed else generation.float_rule(model, seed)
    # Inputs have no states that a rule could read.
    learning = [q for q in network.projections if not (model.reads_of("pre") and q.pre in network.input_names)]
    rules = {q.name: rule for q in learning}
    if arrivals and seed % 2:
        late = replace(rule, pre_trace=PreTrace.ARRIVES)
        rules = {q.name: rule if why_no_arrivals(late, q) else late for q in learning}
    steps, windows = generation.STEPS // WINDOWS, WINDOWS * BATCH
    factors = {q.name: generation.factors(model, seed, (windows, steps, q.shape[0]), fixed=fixed) for q in learning}
    return network, LearningPlan(rules, seed=seed, windows_per_sample=WINDOWS, factors=factors)


def learned(target: Target, network: AnyNetwork, plan: LearningPlan, seed: int) -> Learned:
    """What a target hands back from a lesson."""
    drive = make_drive(network, generation.spikes(seed, batch=BATCH))
    return target.learn(network, drive, plan, target.resolve({}))


def recorded(target: Target, network: AnyNetwork, seed: int, options: Mapping[str, object] | None = None) -> Recording:
    """Everything that a target can record of a run."""
    names = network.population_names
    states = {s for name in names for s in network.population(name).state_names}
    missing = {(s, name) for s in states for name in names if s not in network.population(name).state_names}
    record = Record(("spikes", *sorted(states)), names, frozenset(missing))
    return target.run(network, make_drive(network, generation.spikes(seed)), record, target.resolve(options or {}))


def _accumulators(model: RuleModel, learned: Learned) -> Iterator[Array]:
    """What gathered for the quantities that a rule writes beside weights."""
    for home, written in model.writes.items():
        for v in written:
            yield from (np.asarray(variables[leaf_name(home, v.name)]) for variables in learned.lasting.values())


def _ways(target: Target) -> Iterator[dict[str, object]]:
    yield {}
    if "fast_paths" in target.options:
        yield {"fast_paths": False}


def _learning_targets() -> list[str]:
    names = set(installed_targets())
    return [t.name for t in targets_by_speed() if t.name in names and t.learns]


def _stored(network: AnyNetwork, name: str) -> Array:
    p = network.projection(name)
    return p.mantissa if isinstance(network, FixedNetwork) else p.stored_weights  # type: ignore[union-attr]


def _compare_runs(
    owner: str,
    wanted: Recording,
    target: Target,
    network: AnyNetwork,
    seed: int,
    options: Mapping[str, object],
) -> None:
    found = recorded(target, network, seed, options)
    exact = isinstance(network, FixedNetwork)
    traces = {"spikes": (wanted.spikes, found.spikes), "u": (wanted.u, found.u), "v": (wanted.v, found.v)}
    traces |= {name: (values, found.states[name]) for name, values in wanted.states.items()}
    for what, (right, values) in traces.items():
        for population, expected in right.items():
            _equal(f"{owner}, {what} of '{population}'", expected, values[population], exact or what == "spikes")
    if exact and found.overflow is not None and found.overflow != wanted.overflow:
        raise AssertionError(f"{owner}: overflow counts {found.overflow}, not {wanted.overflow}")


def _compare_lessons(owner: str, wanted: Learned, found: Learned, *, exact: bool) -> None:
    for name in wanted.weights:
        _equal(f"{owner}, weights of '{name}'", wanted.weights[name], found.weights[name], exact)
        _equal(f"{owner}, counters of '{name}'", wanted.counters[name], found.counters[name], exact)
        for variable, values in wanted.lasting.get(name, {}).items():
            if variable not in found.lasting.get(name, {}):
                raise AssertionError(f"{owner}: '{variable}' of '{name}' outlasts a window, and was not handed back")
            _equal(f"{owner}, '{variable}' of '{name}'", values, found.lasting[name][variable], exact)
    for name, states in wanted.states.items():
        for state, values in states.items():
            if state not in found.states.get(name, {}):
                raise AssertionError(f"{owner}: '{state}' of '{name}' was read, and was not handed back")
            _equal(f"{owner}, '{state}' of '{name}'", values, found.states[name][state], exact)
    if not exact:
        return
    for what in ("weight_saturations", "counter_saturations"):
        counted = getattr(found, what)
        if counted is not None and dict(counted) != dict(getattr(wanted, what)):
            raise AssertionError(f"{owner}: {what} {counted}, not {getattr(wanted, what)}")


def _compare_calls(owner: str, wanted: LearnResult, found: LearnResult, *, exact: bool) -> None:
    values = dict(compared(found))
    for what, right in compared(wanted):
        if what not in values:
            if "saturations of" in what:  # which a target need not count
                continue
            raise AssertionError(f"{owner}: {what} are missing")
        _equal(f"{owner}, {what}", np.asarray(right), np.asarray(values[what]), exact)


def _equal(owner: str, wanted: Array, found: Array, exact: bool) -> None:
    if wanted.shape != found.shape:
        raise AssertionError(f"{owner}: shape {found.shape}, not {wanted.shape}")
    if exact:
        differs = wanted != found
    else:
        scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
        differs = np.abs(np.asarray(wanted, np.float64) - found) > FLOAT_BOUND * scale
    if differs.any():
        first = tuple(int(k) for k in np.argwhere(differs)[0])
        raise AssertionError(
            f"{owner}: {int(differs.sum())} of {differs.size} values differ, first at {first}: {found[first]}, "
            f"not {wanted[first]}"
        )
