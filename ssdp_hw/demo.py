"""The demo: a digit classifier in float and fixed on every target, and its learning on chip, on real data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.analysis.activity import Activity, measure_activity
from ssdp_hw.analysis.comparison import Comparison, compare
from ssdp_hw.analysis.ladder import LossLadder, loss_ladder
from ssdp_hw.analysis.resources import Resources, resources
from ssdp_hw.analysis.statistics import Interval, wilson
from ssdp_hw.conversion.nir import from_nir
from ssdp_hw.datasets import DIGITS_DT, DIGITS_MODEL, DIGITS_STEPS, Dataset, load_digits
from ssdp_hw.display import Axes, Drawn, draw
from ssdp_hw.errors import SsdpHwError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.learning.health import LearningHealth
from ssdp_hw.learning.learn import LearnResult, learn
from ssdp_hw.learning.presentation import Presentation
from ssdp_hw.learning.supervision import Teaching
from ssdp_hw.learning.teacher import Teacher
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.network.float_network import Network
from ssdp_hw.quantization import quantize
from ssdp_hw.rules import SSDP, SilentPairs, WeightRounding
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.encoding import encode
from ssdp_hw.running.run import run
from ssdp_hw.running.target_registry import get_target, reference_target, target_names, targets_by_speed, why_not

TEST_SEED, TRAIN_SEED, LEARN_SEED = 0, 1, 0
CALIBRATION_SAMPLES = 256
# A fifth of the 64 pixels.
DEAD_PIXELS = 13
DRIFT_SEEDS = (0, 1, 2)
EPOCHS = 10
# After so many samples the network is run again, to find which of the next samples it gets wrong.
REFRESH = 50
# A window changes a weight by less than a third of its LSB, which rounding to the nearest weight loses altogether.
RULE = SSDP(a_plus=1e-3, a_baseline=1e-4, sigma=30.0, silent_pairs=SilentPairs.SKIP)
TEACHER = Teacher(inhibit=False)
# Windows that every target learns for the comparison of weights and counters.
SAME_BITS_WINDOWS = 24

Say = Callable[[str], None]


@dataclass(frozen=True)
class LearnRow:
    """Learning after one drift by one rule.

    Attributes:
        drift_seed: which pixels died.
        rule: ``float`` or the rounding of the integer rule.
        projection: the one that learned.
        before, after: accuracy on the drifted test samples.
        rate_before, rate_after: spikes of an output neuron per step on them.
        windows: windows taught.
        changed: share of the readout's weights that moved.
        teacher_hits: as in :class:`~ssdp_hw.learning.learn.LearnResult`.
        health: what learning did to the synapses; None for the float rule.
    """

    drift_seed: int
    rule: str
    projection: str
    before: Interval
    after: Interval
    rate_before: float
    rate_after: float
    windows: int
    changed: float
    teacher_hits: float | None
    health: LearningHealth | None


@dataclass(frozen=True)
class SameBits:
    """Whether one target learned the same weights and counters as the first target."""

    target: str
    rounding: str
    windows: int
    weights_equal: bool
    counters_equal: bool
    seconds: float


@dataclass(frozen=True)
class DemoResult:
    """All that the demo found, and the networks and test samples that it was found on.

    ``to_dict`` holds the raw numbers.
    """

    float_network: Network
    fixed_network: FixedNetwork
    inputs: NDArray[np.bool_]
    labels: NDArray[np.int64]
    comparison: Comparison
    ladder: LossLadder
    clean: Interval
    resources: Resources
    activity: Activity
    learning: Sequence[LearnRow]
    same_bits: Sequence[SameBits]
    skipped: dict[str, str]
    settings: dict[str, JSON]

    def plot_learning(self, *, ax: Axes | None = None) -> Drawn:
        """Draw the accuracy before and after learning, by rule, one panel for each drift.

        Args:
            ax: matplotlib Axes to draw in; default a new figure.

        Returns:
            The Axes, from top to bottom.

        Raises:
            UnsupportedError: matplotlib is not installed.
        """
        return draw("drifts", self.learning, self.clean, ax=ax)

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON."""
        report = self.fixed_network.report
        plain: dict[str, JSON] = {
            "network": self.float_network.summary(),
            "quantization": None if report is None else report.to_dict(),
            "skipped": self.skipped,
            "settings": self.settings,
        }
        plain["learning"] = [asdict(row) for row in self.learning]
        plain["same_bits"] = [asdict(row) for row in self.same_bits]
        plain["clean"] = asdict(self.clean)
        plain["resources"], plain["activity"] = self.resources.to_dict(), self.activity.to_dict()
        return {**plain, "comparison": self.comparison.to_dict(), "ladder": self.ladder.to_dict()}


def _silent(_: str) -> None:
    """Say nothing."""


def installed_targets(say: Say | None = None) -> tuple[list[str], dict[str, str]]:
    """Names of the targets that run here, the reference first; and of the others what they lack."""
    found, skipped = [], {}
    for name in target_names():
        try:
            target = get_target(name)
            why = why_not(target)
        except SsdpHwError as error:
            why = str(error)
        if why:
            skipped[name] = why
            (say or _silent)(f"skipped: {name}: {why}")
        else:
            found.append(target)
    by_speed = [t for t in targets_by_speed() if t in found]
    return [t.name for t in sorted(by_speed, key=lambda t: not t.is_reference)], skipped


def run_demo(say: Say | None = None) -> DemoResult:
    """Run the demo.

    Args:
        say: called with a line of text at each stage.

    Raises:
        SsdpHwError: an extra that the demo needs is missing, or a target failed.
    """
    say = say or _silent
    data = load_digits()
    network = from_nir(DIGITS_MODEL, dt=DIGITS_DT)
    targets, skipped = installed_targets(say)
    say(f"network: {', '.join(network.summary())}")
    train = encode(data.train_values, "rate", steps=DIGITS_STEPS, seed=TRAIN_SEED)
    test = encode(data.test_values, "rate", steps=DIGITS_STEPS, seed=TEST_SEED)
    fixed = quantize(network, chip="loihi", calibration=train[:, :CALIBRATION_SAMPLES])
    report = fixed.report
    assert report is not None  # as quantize always writes one
    for line in report.lines():
        say(line)
    say(f"running {test.shape[1]} test samples, float and fixed, on {', '.join(targets)}")
    comparison = compare(network, fixed, test, data.test_labels, targets)
    say("taking the loss apart, from float to the chip in single steps")
    # On the reference: for these few runs a target that compiles would compile wide integers of its own.
    ladder = loss_ladder(network, test, data.test_labels, fixed, target=reference_target().name)
    for cells in ladder.cells():
        say(f"  {cells[0]}: {cells[1]}, {cells[5]}")
    held, active = resources(fixed), measure_activity(fixed, test)
    for line in [*held.lines(), *active.lines()]:
        say(line)
    rows: list[LearnRow] = []
    for seed in DRIFT_SEEDS:
        rows += _drift(network, fixed, data, train, test, seed, say)
    same = [row for rounding in WeightRounding for row in _same_bits(fixed, train, data, targets, rounding, say)]
    reference = next(row for row in comparison.rows if row.arithmetic == "fixed")
    return DemoResult(
        network,
        fixed,
        test,
        data.test_labels,
        comparison,
        ladder,
        reference.accuracy,
        held,
        active,
        rows,
        same,
        skipped,
        _settings(test, data),
    )


def _settings(test: NDArray[np.bool_], data: Dataset) -> dict[str, JSON]:
    return {
        "data": data.name,
        "encoder": "rate",
        "encoder_seed_test": TEST_SEED,
        "encoder_seed_train": TRAIN_SEED,
        "steps": len(test),
        "calibration_samples": CALIBRATION_SAMPLES,
        "dead_pixels": DEAD_PIXELS,
        "drift_seeds": list(DRIFT_SEEDS),
        "learn_seed": LEARN_SEED,
        "epochs": EPOCHS,
        "teach": "delta",
        "refresh": REFRESH,
        "rule": asdict(RULE),
        "teacher": asdict(TEACHER),
    }


def _drifted(spikes: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """The same spikes with ``DEAD_PIXELS`` input channels silent."""
    dead = np.random.default_rng(seed).permutation(spikes.shape[2])[:DEAD_PIXELS]
    out = spikes.copy()
    out[:, :, dead] = False
    return out


def _accuracy(network: AnyNetwork, spikes: NDArray[np.bool_], labels: NDArray[np.int64]) -> tuple[Interval, float]:
    result = run(network, spikes, steps=len(spikes) + network.latency, on_overflow="ignore")
    correct = int(np.count_nonzero(result.predict() == labels))
    return wilson(correct, len(labels)), result.spike_rate(network.outputs[0])


def _drift(
    network: Network,
    fixed: FixedNetwork,
    data: Dataset,
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    seed: int,
    say: Say,
) -> list[LearnRow]:
    say(f"{DEAD_PIXELS} of {test.shape[2]} pixels die (seed {seed}); the readout learns again")
    taught, asked = _drifted(train, seed), _drifted(test, seed)
    rows = []
    jobs: list[tuple[str, AnyNetwork, SSDP]] = [("float", network, RULE)]
    jobs += [(rounding.value, fixed, replace(RULE, rounding=rounding)) for rounding in WeightRounding]
    for name, start, rule in jobs:
        before, rate_before = _accuracy(start, asked, data.test_labels)
        learned = learn(
            start,
            taught,
            data.train_labels,
            rule,
            teach=Teaching("delta", TEACHER, refresh=REFRESH),
            presentation=Presentation(epochs=EPOCHS, seed=LEARN_SEED),
        )
        after, rate_after = _accuracy(learned.network, asked, data.test_labels)
        say(f"  {name}: {before.percent()} before, {after.percent()} after {learned.windows} windows")
        rows.append(
            LearnRow(
                seed,
                name,
                next(iter(learned.changed)),
                before,
                after,
                rate_before,
                rate_after,
                learned.windows,
                next(iter(learned.changed.values())),
                learned.teacher_hits,
                next(iter(learned.health.values()), None),
            )
        )
    return rows


def _same_bits(
    fixed: FixedNetwork,
    train: NDArray[np.bool_],
    data: Dataset,
    targets: Sequence[str],
    rounding: WeightRounding,
    say: Say,
) -> list[SameBits]:
    """Let every target learn the same windows and compare weights and counters with the first."""
    # Larger steps than the demo's, so that also `nearest` moves weights in a few windows.
    rule = replace(RULE, a_plus=8e-3, a_baseline=2e-3, rounding=rounding)
    reference: LearnResult | None = None
    rows = []
    for target in targets:
        result = learn(
            fixed,
            train[:, :SAME_BITS_WINDOWS],
            data.train_labels[:SAME_BITS_WINDOWS],
            rule,
            target,
            teach=Teaching(teacher=TEACHER),
            presentation=Presentation(seed=LEARN_SEED),
        )
        reference = reference or result
        name = next(iter(result.rules))
        same_weights = np.array_equal(
            result.network.projection(name).synapse_weights, reference.network.projection(name).synapse_weights
        )
        same_counters = np.array_equal(result.counters[name], reference.counters[name])
        rows.append(SameBits(target, rounding.value, result.windows, same_weights, same_counters, result.seconds))
    equal = all(row.weights_equal and row.counters_equal for row in rows)
    say(f"learning by {rounding.value} on {', '.join(targets)}: {'the same bits' if equal else 'DIFFERENT BITS'}")
    return rows
