"""``search_bits``: the cheapest widths of weights, decays, states and counters by layer, under a bound on the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.statistics import Interval, wilson
from ssdp_hw.arrays import Numbers
from ssdp_hw.checks import class_labels, real_vector
from ssdp_hw.chips import load_chip
from ssdp_hw.display import Table, shown
from ssdp_hw.errors import LimitError, ParameterError, TargetRunError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.quantization import quantize
from ssdp_hw.running.many import run_many
from ssdp_hw.sweeping.executors import Place, opened
from ssdp_hw.sweeping.lesson import LEAST_COUNTER_BITS, Lesson
from ssdp_hw.sweeping.sweep import sweep
from ssdp_hw.sweeping.widths import decays_of, memory_bits, narrow_decays, state_bits

# A width that is searched: ("weight", projection), ("decay", population), or ("counter", plastic projection).
Knob: TypeAlias = tuple[str, str]
Widths: TypeAlias = dict[Knob, int]
KINDS = ("weight", "decay", "counter")


@shown
@dataclass(frozen=True)
class BitSearch:
    """Widths that a search found.

    Attributes:
        weight_bits: bits of a weight by projection.
        decay_bits: bits of a decay register by population.
        state_bits: bits by population of the narrowest register that holds u, v and all other states on the validation
            samples, so that it changes nothing there.
        test_state_bits: the same on the test samples.
        network: the network with these weights and decays, after its lesson if it had one; its states have the chip's
            width.
        bound: loss that was allowed, in points of accuracy.
        validation_loss, test_loss: points of accuracy against the float network. The widths were chosen on validation
            samples; the test samples played no role in it.
        test_float, test_fixed: accuracies on the test samples with 95 % intervals.
        memory_bits, full_memory_bits: what weights, decays, states and counters take now, and with the widest.
        evaluations: networks that were run.
        counter_bits, full_counter_bits: bits of a synapse's counter by plastic projection, as found and as the rule has
            them; empty without a lesson.
    """

    weight_bits: Mapping[str, int]
    decay_bits: Mapping[str, int]
    state_bits: Mapping[str, int]
    test_state_bits: Mapping[str, int]
    network: FixedNetwork
    bound: float
    validation_loss: float
    test_loss: float
    test_float: Interval
    test_fixed: Interval
    memory_bits: int
    full_memory_bits: int
    evaluations: int
    counter_bits: Mapping[str, int] = field(default_factory=dict)
    full_counter_bits: Mapping[str, int] = field(default_factory=dict)

    def _table(self) -> Table:
        chip = self.network.limits
        rows = [("weights", name, str(bits), str(chip.weight_bits)) for name, bits in self.weight_bits.items()]
        rows += [("decays", name, str(bits), str(chip.decay_bits)) for name, bits in self.decay_bits.items()]
        rows += [("states", name, str(bits), str(chip.state_bits)) for name, bits in self.state_bits.items()]
        rows += [
            ("counters", name, str(bits), str(self.full_counter_bits[name])) for name, bits in self.counter_bits.items()
        ]
        wider = [name for name, bits in self.test_state_bits.items() if bits > self.state_bits[name]]
        held = f"those of {', '.join(wider)} need more bits" if wider else "all states fit"
        share = self.memory_bits / self.full_memory_bits
        title = (
            f"{self.memory_bits:,} bits of memory, {share:.0%} of those at {chip.name}'s widths, cost "
            f"{self.test_loss:.2f} points on test samples"
        )
        notes = [
            f"Chosen on validation samples, which lose {self.validation_loss:.2f} of {self.bound:g} points allowed; "
            f"no bit of a {_listed(self.counter_bits)} can be taken off without exceeding that.",
            f"Test samples: float {self.test_float.percent()}, fixed {self.test_fixed.percent()}; {held}.",
        ]
        return Table(title, ("registers", "of", "bits", "rule or chip" if self.counter_bits else "chip"), rows, notes)

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON."""
        plain = {name: value for name, value in vars(self).items() if name != "network"}
        return {**plain, "test_float": vars(self.test_float), "test_fixed": vars(self.test_fixed)}


def _listed(counters: Mapping[str, int]) -> str:
    return "weight, decay or counter" if counters else "weight or decay"


def search_bits(
    network: Network,
    inputs: ArrayLike,
    labels: ArrayLike,
    loss: float = 0.5,
    *,
    lesson: Lesson | None = None,
    chip: str = "loihi",
    calibration: ArrayLike | None = None,
    method: str = "mse",
    target: str | None = None,
    decode: str | None = None,
    validation: float = 0.5,
    seed: int = 0,
    executor: Place = None,
    store: str | Path = "runs",
    progress: bool | None = None,
) -> BitSearch:
    """Find the cheapest bits of weights, decays and states by layer whose loss stays within a bound.

    With a lesson each network learns before it is asked, the float one in float, and the bits of the counters of its
    plastic projections are searched with the others. Counters too narrow for the rule lose everything.

    For each width alone the smallest that stays within the bound is found by bisection. From all of these together
    the width whose bit helps most is raised, until the bound holds; then bits are taken off again, dearest first, as
    long as it does. In the end no single bit of a weight, decay or counter can be taken off.

    Args:
        network: the float network, of one output.
        inputs: samples, shape (time, batch, channels).
        labels: their classes, shape (batch,).
        loss: points of accuracy that may be lost to the float network on the validation samples.
        lesson: what is taught first; its samples should not be among ``inputs``.
        chip: its widths are the widest.
        calibration, method: see :func:`ssdp_hw.quantize`; without calibration the validation samples serve.
        target, decode: see :func:`ssdp_hw.run`.
        validation: share of the samples on which widths are chosen; on the others the result is tested.
        seed: of the random choice of these samples.
        executor, store, progress: see :func:`ssdp_hw.sweep`; every network that is run is a cell of the store.

    Raises:
        ParameterError, ShapeError: samples, labels, a lesson or options that do not fit.
        LimitError: the widest registers lose more than that.
        SsdpHwError: as :func:`ssdp_hw.sweep`.
    """
    bound = float(real_vector(loss, 1, "search_bits: loss")[0])
    if bound < 0:
        raise ParameterError(f"search_bits: loss = {bound:g} points; it must be at least 0")
    if len(network.outputs) != 1:
        raise ParameterError(f"search_bits needs one output; the network has {list(network.outputs)}")
    samples = np.asarray(inputs)
    if samples.ndim != 3:
        raise ParameterError(f"search_bits: inputs of shape {samples.shape}; expected (time, batch, channels)")
    classes = class_labels(labels, samples.shape[1], network.size_of(network.outputs[0]), samples.shape[0])
    chosen, others = _parts(len(classes), validation, seed)
    data: dict[str, Any] = {
        "network": network,
        "inputs": samples[:, chosen],
        "labels": classes[chosen],
        "calibration": samples[:, chosen] if calibration is None else np.asarray(calibration),
        "options": {"chip": chip, "method": method, "target": target, "decode": decode},
    }
    limits = load_chip(chip)
    full = _fixed(network, data["calibration"], {}, {}, data["options"])
    _check_lesson(lesson, full)
    top: Widths = {("weight", p.name): limits.weight_bits for p in network.projections}
    top |= {
        ("decay", p.name): limits.decay_bits for p in full.populations if decays_of(p) and p.name not in full.helpers
    }
    if lesson is not None:
        top |= {("counter", name): rule.counter_bits for name, rule in lesson.rules(full, {}).items()}
        # The float network learns once, and not with each candidate.
        exact = lesson.taught(network, {}, target)
        data |= {"lesson": lesson, "float_right": _right(exact, data["inputs"], data["labels"], data["options"])}
    costs = {knob: _cost(knob, full) for knob in top}
    seen: dict[str, float] = {}
    with opened(executor) as place:

        def losses(candidates: Sequence[Widths]) -> list[float]:
            points = [_point(widths) for widths in candidates]
            new = [point for point in points if repr(point) not in seen]
            if new:
                found = sweep(loss_at, new, data=data, executor=place, store=store, progress=progress)
                if found.failed:
                    error: Any = found.failed[0].error
                    raise TargetRunError(
                        f"search_bits at {found.failed[0].parameters}: {error['type']}: {error['message']}"
                    )
                seen.update({repr(c.parameters): float(c.result["loss"]) for c in found.cells if c.result})  # type: ignore[arg-type]
            return [seen[repr(point)] for point in points]

        widths = _search(top, costs, bound, losses)
    reference = network if lesson is None else exact
    return _result(reference, full, widths, bound, seen, data, (samples[:, others], classes[others]))


def _check_lesson(lesson: Lesson | None, full: FixedNetwork) -> None:
    """Raise unless the lesson, if there is one, can be learned by the network of the widest registers."""
    if lesson is None:
        return
    if not isinstance(lesson, Lesson):
        raise ParameterError(f"search_bits: lesson is a {type(lesson).__name__}; give a Lesson(inputs, labels, rule)")
    refused = lesson.refusal(full, {})
    if refused:
        raise ParameterError(refused)


def _parts(count: int, validation: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the validation samples, and of the others."""
    share = float(real_vector(validation, 1, "search_bits: validation")[0])
    size = round(share * count)
    if not 0 < share < 1 or not 0 < size < count:
        raise ParameterError(
            f"search_bits: validation = {share:g} of {count} samples leaves a part without any; give a share between 0 "
            "and 1, or more samples"
        )
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[:size]), np.sort(order[size:])


def _point(widths: Widths) -> dict[str, JSON]:
    """Widths as the parameters of a cell."""
    kinds = KINDS if any(kind == "counter" for kind, _ in widths) else KINDS[:2]
    return {f"{kind}_bits": {name: bits for (own, name), bits in widths.items() if own == kind} for kind in kinds}


def _least(knob: Knob) -> int:
    """The narrowest that a width can be."""
    return LEAST_COUNTER_BITS if knob[0] == "counter" else 1


def _fixed(
    network: Network,
    calibration: Any,
    weight_bits: Mapping[str, int],
    decay_bits: Mapping[str, int],
    options: Mapping[str, Any],
) -> FixedNetwork:
    overrides = {name: {"weight_bits": bits} for name, bits in weight_bits.items()}
    fixed = quantize(network, options["chip"], calibration, method=options["method"], overrides=overrides)
    return narrow_decays(fixed, decay_bits)


def loss_at(
    network: Network,
    inputs: ArrayLike,
    labels: ArrayLike,
    calibration: ArrayLike,
    options: Mapping[str, Any],
    weight_bits: Mapping[str, int],
    decay_bits: Mapping[str, int],
    counter_bits: Mapping[str, int] | None = None,
    lesson: Lesson | None = None,
    float_right: int | None = None,
) -> dict[str, JSON]:
    """The study of the search: points of accuracy that widths cost on samples, after a lesson if there is one."""
    exact = _right(network, inputs, labels, options) if float_right is None else float_right
    fixed: FixedNetwork | None = _fixed(network, calibration, weight_bits, decay_bits, options)
    refused = None
    if lesson is not None and fixed is not None:
        refused = lesson.refusal(fixed, counter_bits or {})
        fixed = None if refused else lesson.taught(fixed, counter_bits or {}, options["target"])
    found = 0 if fixed is None else _right(fixed, inputs, labels, options)
    lost = 100.0 * (exact - found) / len(np.asarray(labels))
    return {"loss": 100.0 if refused else lost, "right": found, "float_right": exact, "refused": refused}


def _right(which: Any, inputs: ArrayLike, labels: Any, options: Mapping[str, Any]) -> int:
    ran = run_many(which, inputs, options["target"], decode=options["decode"], on_overflow="ignore")
    return int(np.count_nonzero(ran.predictions[which.outputs[0]] == labels))


def _cost(knob: Knob, network: FixedNetwork) -> int:
    """Bits of memory that one bit of a width takes."""
    kind, name = knob
    if kind in ("weight", "counter"):
        return network.projection(name).stored_weights.size
    population = network.population(name)
    return population.size * len(decays_of(population))


def _search(
    top: Widths, costs: Mapping[Knob, int], bound: float, losses: Callable[[Sequence[Widths]], list[float]]
) -> Widths:
    """Widths within the bound, of which none can be lowered by a bit.

    Raises:
        LimitError: the widest exceed it.
    """
    [widest] = losses([top])
    if widest > bound:
        raise LimitError(
            f"search_bits: the chip's own widths lose {widest:.2f} points, more than loss = {bound:g}; allow more, or "
            "quantise otherwise (calibration=, method=), or learn otherwise (counter_bits= and amplitudes of the rule)"
        )
    widths = _alone(top, bound, losses)
    while losses([widths])[0] > bound:
        raised = [{**widths, knob: bits + 1} for knob, bits in widths.items() if bits < top[knob]]
        grown = [next(k for k in widths if one[k] != widths[k]) for one in raised]
        found = losses(raised)
        widths = raised[min(range(len(raised)), key=lambda i: (found[i], costs[grown[i]]))]
    while True:
        lowered = sorted((k for k, bits in widths.items() if bits > _least(k)), key=lambda k: -costs[k])
        candidates = [{**widths, knob: widths[knob] - 1} for knob in lowered]
        within = [one for one, lost in zip(candidates, losses(candidates), strict=True) if lost <= bound]
        if not within:
            return widths
        widths = within[0]


def _alone(top: Widths, bound: float, losses: Callable[[Sequence[Widths]], list[float]]) -> Widths:
    """For each width the smallest that alone stays within the bound, by bisection, all widths at the same time."""
    low, high = {knob: _least(knob) - 1 for knob in top}, dict(top)  # low is too small; high is within the bound
    while open_ := [knob for knob in top if high[knob] - low[knob] > 1]:
        middle = {knob: (low[knob] + high[knob]) // 2 for knob in open_}
        for knob, lost in zip(open_, losses([{**top, knob: bits} for knob, bits in middle.items()]), strict=True):
            (high if lost <= bound else low)[knob] = middle[knob]
    return high


def _result(
    reference: Network,
    full: FixedNetwork,
    widths: Widths,
    bound: float,
    seen: Mapping[str, float],
    data: Mapping[str, Any],
    test: tuple[Numbers, NDArray[np.int64]],
) -> BitSearch:
    point: Any = _point(widths)
    options, (inputs, labels) = data["options"], test
    fixed = _fixed(data["network"], data["calibration"], point["weight_bits"], point["decay_bits"], options)
    counters, lesson = point.get("counter_bits", {}), data.get("lesson")
    if lesson is not None:
        fixed = lesson.taught(fixed, counters, options["target"])
    widest = {} if lesson is None else {name: rule.counter_bits for name, rule in lesson.rules(full, {}).items()}
    states = state_bits(fixed, data["inputs"], options["target"])
    tested = state_bits(fixed, inputs, options["target"])
    exact, found = (_right(which, inputs, labels, options) for which in (reference, fixed))
    return BitSearch(
        weight_bits=point["weight_bits"],
        decay_bits=point["decay_bits"],
        state_bits={name: bits for name, bits in states.items() if name not in fixed.helpers},
        test_state_bits={name: bits for name, bits in tested.items() if name not in fixed.helpers},
        network=fixed,
        bound=bound,
        validation_loss=seen[repr(point)],
        test_loss=100.0 * (exact - found) / len(labels),
        test_float=wilson(exact, len(labels)),
        test_fixed=wilson(found, len(labels)),
        memory_bits=memory_bits(fixed, point["weight_bits"], point["decay_bits"], states, counters),
        full_memory_bits=memory_bits(full, {}, {}, {}, widest),
        evaluations=len(seen),
        counter_bits=counters,
        full_counter_bits=widest,
    )
