"""What a target is asked to learn, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ssdp_hw.arrays import Numbers
from ssdp_hw.deprecation import renamed
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules import CounterRule, FloatRule
from ssdp_hw.rules.arrivals import SENT, nothing_sent, seen_size, sees_arrivals
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.running.drive import AnyNetwork
from ssdp_hw.running.result import OverflowCount


def arriving_name(port: str) -> str:
    """The name of the input under way to a synaptic input of a population; the first has no name of its own."""
    return f"arriving_{port}" if port else "arriving"


@renamed(first_commit="first_update", commit_windows="windows_per_update")
@dataclass(frozen=True, eq=False)
class LearningPlan:
    """One learning run: which projections learn by which rule, from which state.

    Attributes:
        rules: by projection; all integer rules in a fixed network, all float rules in a float
            network, and all with the same ``windows_per_update``.
        seed: seed of the random rounding.
        counters: by projection the counters before the first window, one for each stored weight; zeros where a
            projection is missing. In a fixed network they are synchrony counters, in a float network the sums of the
            weight changes since the last weight update. Synapses that share a weight have one counter, to which the
            weight changes of all of them are added.
        first_update: number of weight updates before this run, for the random rounding.
        first_window: windows gathered since the last weight update, fewer than ``windows_per_update``.
        windows_per_sample: number of windows of equal length that each sample of the drive is cut into. The neurons
            keep their state from one window to the next; weights are updated at the ends of samples.
        gates: gates from outside by projection, shape (window, post): integers of the rule's
            ``gate_bits`` in a fixed network, floats in a float network.
        lasting: by projection the variables of its rule that outlast a window, accumulators of thresholds and delays
            among them (:func:`ssdp_hw.learn` moves these after each weight update), as they are before the first window
            of this run, by names such as ``post_threshold``; start values where a projection is missing.
        restart: whether each sample starts from the initial state of the neurons; else samples are pieces of one run,
            each of which goes on from the one before, spikes under way included.
        first_step: without ``restart`` the number of steps before this run.
        neurons: without ``restart``, by population, its states, shape (n,), and by :func:`arriving_name` the input
            under way, shape (longest delay + 1, n), at the step in which it arrives modulo that length, a spike with
            the weight with which it was sent; empty before the first step.
        factors: third factors from outside by projection and by names such as ``post_reward``, shape (window, step, n),
            n being 1 for those of a whole projection: integers in a fixed network, floats in a float network.
    """

    rules: Mapping[str, CounterRule | FloatRule]
    seed: int = 0
    counters: Mapping[str, Numbers] = field(default_factory=dict)
    first_update: int = 0
    first_window: int = 0
    windows_per_sample: int = 1
    gates: Mapping[str, Numbers] = field(default_factory=dict)
    lasting: Mapping[str, Mapping[str, Numbers]] = field(default_factory=dict)
    restart: bool = True
    first_step: int = 0
    neurons: Mapping[str, Mapping[str, Numbers]] = field(default_factory=dict)
    factors: Mapping[str, Mapping[str, Numbers]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.gates:
            if name in self.rules and self.rules[name].gate is not None:
                raise ParameterError(
                    f"projection '{name}': its rule makes its own gate, so it takes none from outside (gates, or "
                    "teach = 'delta'); give a rule without a gate"
                )

    @property
    def windows_per_update(self) -> int:
        """Windows between two weight updates.

        Raises:
            ParameterError: no rule, or rules that differ in it.
        """
        found = {rule.windows_per_update for rule in self.rules.values()}
        if len(found) != 1:
            raise ParameterError(f"plastic projections need one windows_per_update in common, found {sorted(found)}")
        return found.pop()

    def first_lasting(self, network: AnyNetwork, name: str) -> dict[str, Numbers]:
        """The variables of a projection's rule that outlast a window, before the first window of this run."""
        p = network.projection(name)
        sizes = {
            "pre": seen_size(self.rules[name], p),
            "post": p.shape[0],
            "synapse": p.synapse_weights.size,
            "group": 1,
        }
        rule = self.rules[name]
        under_way = {} if self.restart or not sees_arrivals(rule, p) else {SENT: nothing_sent(p)}
        return {**rule.first_lasting(sizes), **under_way, **self.lasting.get(name, {})}

    def factors_of(self, name: str) -> Mapping[str, Numbers]:
        """The third factors of a projection.

        Raises:
            ParameterError: its rule needs one that is not given.
        """
        given = self.factors.get(name, {})
        for f in self.rules[name].factors:
            if leaf_name(f.home, f.name) not in given:
                raise ParameterError(
                    f"projection '{name}': its rule needs the factor '{f.name}', and the plan has none"
                )
        return given

    def random_key(self, network: AnyNetwork, name: str) -> RandomKey:
        """The key of the random numbers of a plastic projection from the first window of this run on."""
        first = self.first_update * self.windows_per_update + self.first_window
        return RandomKey(self.seed, network.layer(name), first)

    def check_windows(self, steps: int) -> None:
        """Raise if a rule cannot learn from the windows of samples of that many steps.

        Raises:
            ParameterError: it cannot, or the steps or ``windows_per_update`` are no multiple of ``windows_per_sample``.
        """
        if self.windows_per_update % self.windows_per_sample:
            raise ParameterError(
                f"windows_per_update = {self.windows_per_update} is no multiple of the {self.windows_per_sample} "
                "windows of a sample: weights move between samples only"
            )
        if steps % self.windows_per_sample:
            raise ParameterError(f"{steps} steps are no multiple of the {self.windows_per_sample} windows of a sample")
        for rule in self.rules.values():
            rule.check_window(steps // self.windows_per_sample)

    def groups(self, samples: int) -> list[tuple[int, int, bool]]:
        """Groups of samples between weight updates: (first sample, one past the last, whether an update follows)."""
        size = self.windows_per_update // self.windows_per_sample
        stop = size - self.first_window // self.windows_per_sample
        found, start = [], 0
        while start < samples:
            found.append((start, min(stop, samples), stop <= samples))
            start, stop = stop, stop + size
        return found


@renamed(seen="observed")
@dataclass(frozen=True, eq=False)
class Learned:
    """What a target hands back from learning.

    Attributes:
        weights: by plastic projection, one for each synapse in row-major order or for each value of a convolution's
            kernel: stored weight integers in a fixed network, float weights in a float network.
        counters: by plastic projection the counters after the last window, as in :class:`LearningPlan`.
        observed: by plastic projection what the rule observed of its source and of its target. A rule that sees spikes
            as they arrive observes arrival lines (:mod:`ssdp_hw.rules.arrivals`) as its source. A rule that
            keeps rasters: spikes of shape (time, window, n). All other rules: registers of shape (window, n),
            the tick (float network: step) of the representative spike, ``silent_time`` of
            :mod:`ssdp_hw.rules.spike_times` if there was none.
        weight_saturations, counter_saturations: by plastic projection; None where the target
            cannot count them.
        overflow: of the neurons' registers; None where the target cannot see it.
        info: versions and options of the target, for the report.
        lasting: by plastic projection the variables that outlast a window, as in the plan, after the last window;
            projections whose rules have no such variables are missing.
        neurons: states and input under way, as in the plan, after the last step; empty where samples start from the
            initial state.
        states: by plastic projection the states of neurons that its rule read, by names such as ``post_v``, shape
            (window, step, n); projections whose rules read none are missing.
    """

    weights: Mapping[str, Numbers]
    counters: Mapping[str, Numbers]
    observed: Mapping[str, tuple[Numbers, Numbers]]
    weight_saturations: Mapping[str, int] | None = None
    counter_saturations: Mapping[str, int] | None = None
    overflow: Mapping[str, OverflowCount] | None = None
    info: Mapping[str, object] = field(default_factory=dict)
    lasting: Mapping[str, Mapping[str, Numbers]] = field(default_factory=dict)
    neurons: Mapping[str, Mapping[str, Numbers]] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, Numbers]] = field(default_factory=dict)
