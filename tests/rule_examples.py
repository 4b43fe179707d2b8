"""Learning rules that only tests know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssdp_hw.operations.base import Operations, Value
from ssdp_hw.rules.model import (
    AliveBit,
    Quantity,
    RuleFactor,
    RuleKind,
    RuleModel,
    RuleParameter,
    RuleVariable,
    StateRead,
    WrittenVariable,
    faded,
)


class EveryMoment(RuleModel):
    """Every moment, home and kind of parameter once, with names of variables that simulators or languages reserve."""

    name = "EveryMoment"
    pre = (RuleVariable("cos", 12), RuleVariable("i", 9, signed=True))
    post = (RuleVariable("t", 14), RuleVariable("last", 21, start="never"))
    synapse = (RuleVariable("x_", 10, signed=True, start=3), RuleVariable("old", 10, signed=True, start="one"))
    group = (RuleVariable("v", 18, signed=True),)
    parameters = (
        RuleParameter("a", RuleKind.AMPLITUDE, bits=10, signed=True, default=0.01, units=("one", "one")),
        RuleParameter("b", RuleKind.AMPLITUDE, bits=10, default=0.02, units=("one",), weights=1),
        RuleParameter("d", RuleKind.DECAY, float_name="tau", default=4.0),
        RuleParameter("one", RuleKind.UNIT, bits=8, default=60),
        RuleParameter("top", RuleKind.LIMIT, bits=12, default=2000),
        RuleParameter("never", bits=21, default=2**20),
        RuleParameter("k", RuleKind.TABLE, bits=6, signed=True),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )
    reads_weight = True

    def pre_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """A trace, rounded at random, and a sign that a spike turns."""
        raised = op.minimum(n.cos + op.select(n.spike, p.one, 0), op.minimum(p.top, 4000))
        turned = op.select(n.spike & (n.group.v > 2), 0 - n.i - 1, op.clip(n.i + 1, -200, 200))
        return {"cos": faded(op, raised, p.d, "stochastic"), "i": op.clip(turned, -200, 200)}

    def post_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """A trace with two random numbers a step, and the step of the last spike."""
        raised = op.minimum(n.t + op.select(n.spike, p.one, 0), op.minimum(p.top, 4000))
        half = faded(op, raised, p.d, "stochastic")
        return {
            "t": op.minimum(op.scale(half, 3, 2, "stochastic") + op.random(2), 16_000),
            "last": op.select(n.spike, n.step, n.last),
        }

    def group_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """More where more neurons of the source fire than of the target."""
        return {"v": op.clip(n.v + 3 * n.pre_count - 2 * n.post_count, -1000, 1000)}

    def each_step(self, op: Operations, at: Any, p: Any) -> Mapping[str, Value]:
        """A variable of the synapse follows the sign of its source, another keeps what it was."""
        return {
            "x_": op.clip(at.synapse.x_ + op.select(at.pre.i < 0, -1, 1), -100, 100),
            "old": at.synapse.x_,
        }

    def pre_spike(self, op: Operations, at: Any, p: Any) -> Mapping[str, Value]:
        """Depress by the trace, the synapse's variable and the weight."""
        size = op.absolute(at.synapse.weight) * op.minimum(at.post.t, 1000)
        both = op.select(at.post.spike, at.synapse.old, 0)
        return {"weight": both - op.shift_right(p.b * size, p.dw_shift, "nearest"), "x_": 0 - at.synapse.x_}

    def post_spike(self, op: Operations, at: Any, p: Any) -> Value:
        """Potentiate by two traces, by the projection's variable, and by the synapse's after a presynaptic spike."""
        product = p.a * at.pre.cos * op.maximum(at.post.t, 1)
        others = op.shift_right(at.group.v, 2) + op.shift_right(at.synapse.x_, 3)
        return op.shift_right(product, p.dw_shift, "nearest") + others

    def window_end(self, op: Operations, at: Any, p: Any) -> Value:
        """An entry of the table by the target's last spike and a trace (in float between two), and a quotient."""
        age = op.select(at.post.last == p.never, 0, p.steps - at.post.last) + op.shift_right(at.pre.cos, 4)
        return op.lookup(p.k, age) + op.divide(op.absolute(at.synapse.x_), 1 + at.pre.cos)


class EveryHomeLasts(EveryMoment):
    """The same, with a variable of every home that outlasts a window, beside some that do not."""

    name = "EveryHomeLasts"
    pre = (RuleVariable("cos", 12), RuleVariable("i", 9, signed=True, lasts=True))
    post = (RuleVariable("t", 14, lasts=True), RuleVariable("last", 21, start="never"))
    synapse = (
        RuleVariable("x_", 10, signed=True, start=3, lasts=True),
        RuleVariable("old", 10, signed=True, start="one"),
    )
    group = (RuleVariable("v", 18, signed=True, start="one", lasts=True),)

    def window_end(self, op: Operations, at: Any, p: Any) -> Mapping[str, Value]:
        """What the other rule does, and a step of the synapse's variable toward 0."""
        return {"weight": super().window_end(op, at, p), "x_": op.shift_right(at.synapse.x_, 1)}


class EveryFactor(EveryMoment):
    """The same, with third factors of neurons and of the projection that every function reads."""

    name = "EveryFactor"
    factors = (
        RuleFactor("e", "post", 6),
        RuleFactor("r", "group", 7, unit="one"),
        RuleFactor("g", bits=3, signed=False),
    )

    def pre_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """Spikes turn the sign where the projection's factor is positive, too."""
        found = super().pre_step(op, n, p)
        return {**found, "i": op.select(n.group.r > 0, 0 - found["i"], found["i"])}

    def post_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """The trace is lowered by the neuron's factor, and set by the projection's."""
        found = super().post_step(op, n, p)
        return {**found, "t": op.clip(found["t"] - n.e - n.group.g, 0, 16_000)}

    def group_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """It follows one factor, and not where another is 0."""
        moved = op.clip(super().group_step(op, n, p)["v"] + n.r, -1000, 1000)
        return {"v": op.select(n.g == 0, n.v, moved)}

    def each_step(self, op: Operations, at: Any, p: Any) -> Mapping[str, Value]:
        """Both factors of the step act at once."""
        return {**super().each_step(op, at, p), "weight": at.post.e * at.group.g + at.group.r}

    def window_end(self, op: Operations, at: Any, p: Any) -> Value:
        """The factors of the last step."""
        return super().window_end(op, at, p) + at.post.e - at.group.r


class MovesThresholds(EveryMoment):
    """The same, and the threshold of the target moves with its spikes, a trace and at random."""

    name = "MovesThresholds"
    post = (*EveryMoment.post, WrittenVariable("theta", bits=14, shift="theta_shift", least="least"))
    parameters = (
        *EveryMoment.parameters,
        RuleParameter("up", RuleKind.THRESHOLD_CHANGE, bits=10, signed=True, default=0.02),
        RuleParameter("least", RuleKind.THRESHOLD, bits=10, default=0.02),
        RuleParameter("theta_shift", RuleKind.SHIFT),
    )

    def post_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """Up with a spike, down with the trace."""
        found = super().post_step(op, n, p)
        return {**found, "theta": op.select(n.spike, p.up, 0) - op.shift_right(n.t, 10) * p.up}


class MovesDelays(MovesThresholds):
    """The same, and a spike of either end moves the delay of the synapse, which the rule reads."""

    name = "MovesDelays"
    synapse = (
        *EveryMoment.synapse,
        RuleVariable("delay", 17, lasts=True),
        WrittenVariable(
            "moved",
            bits=12,
            quantity=Quantity.DELAY,
            shift="delay_shift",
            least="shortest",
            most="longest",
            shows="delay",
        ),
    )
    parameters = (
        *MovesThresholds.parameters,
        RuleParameter("further", RuleKind.DELAY_CHANGE, bits=9, signed=True, default=0.3, units=("one",)),
        RuleParameter("shortest", bits=2, default=1),
        RuleParameter("longest", bits=5, default=9),
        RuleParameter("delay_shift", RuleKind.SHIFT),
    )

    def pre_spike(self, op: Operations, at: Any, p: Any) -> Mapping[str, Value]:
        """Longer, the more so where the trace of the target is large."""
        size = op.shift_right(at.post.t, 8) + op.select(at.synapse.delay > 3, 1, 2)
        return {**super().pre_spike(op, at, p), "moved": p.further * size}

    def post_spike(self, op: Operations, at: Any, p: Any) -> Mapping[str, Value]:
        """Shorter."""
        return {"weight": super().post_spike(op, at, p), "moved": 0 - p.further * at.synapse.delay}


class LetsDie(MovesThresholds):
    """The same, and synapses die at spikes and at the end of windows; those that may live say so later."""

    name = "LetsDie"
    synapse = (*EveryMoment.synapse, AliveBit("lives"), RuleVariable("weak", 4, lasts=True))
    parameters = (*MovesThresholds.parameters, RuleParameter("low", RuleKind.WEIGHT, bits=17, default=0.05))

    def pre_spike(self, op: Operations, at: Any, p: Any) -> Mapping[str, Value]:
        """A synapse that has been weak for long dies where both fire, and says that it lives where one does."""
        doomed = at.post.spike & (at.synapse.weak > 3)
        return {**super().pre_spike(op, at, p), "lives": op.select(doomed, 0, 1)}

    def window_end(self, op: Operations, at: Any, p: Any) -> Mapping[str, Value]:
        """Small weights are counted, and an entry of a table kills."""
        small = op.absolute(at.synapse.weight) < p.low
        weak = op.select(small, op.minimum(at.synapse.weak + 2, 15), op.maximum(at.synapse.weak - 1, 0))
        gone = small & (at.synapse.x_ > 4)
        return {"weight": super().window_end(op, at, p), "weak": weak, "lives": op.select(gone, 0, at.synapse.lives)}


class EverySum(EveryFactor):
    """The same, with sums over the postsynaptic neurons and the numbers of neurons."""

    name = "EverySum"

    def post_sum(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """A goodness; a projection of the spikes by a table; what factor and projection bring; a constant."""
        sign = op.lookup(p.k, n.index)
        square = op.shift_right(n.t * n.t, 8)
        return {"t": square, "i": op.select(n.spike, sign, 0), "mixed": n.e + n.group.v - n.index, "one": 1}

    def group_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """It follows all sums."""
        followed = n.sums.t + 3 * n.sums.i - n.sums.mixed + n.sums.one
        return {"v": op.clip(super().group_step(op, n, p)["v"] + op.shift_right(followed, 2), -1000, 1000)}

    def window_end(self, op: Operations, at: Any, p: Any) -> Value:
        """The distance of both neurons counts, too."""
        apart = op.minimum(at.post.index, 1000) - 2 * op.minimum(at.pre.index, 1000)
        return super().window_end(op, at, p) + apart


class Hebb(RuleModel):
    """The shortest rule: a spike of the target adds the trace of the source."""

    name = "Hebb"
    pre = (RuleVariable("x", 8),)
    parameters = (
        RuleParameter("a", RuleKind.AMPLITUDE, units=("one",)),
        RuleParameter("one", RuleKind.UNIT, bits=8, default=40),
        RuleParameter("d", RuleKind.DECAY, float_name="tau", default=5.0),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )

    def pre_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """The trace of the source."""
        return {"x": faded(op, op.minimum(n.x + op.select(n.spike, p.one, 0), 255), p.d, "zero")}

    def post_spike(self, op: Operations, at: Any, p: Any) -> Value:
        """A step by the trace."""
        return op.shift_right(p.a * at.pre.x, p.dw_shift, "nearest")


HEBB = Hebb()


class EveryRead(EveryFactor):
    """The same, with states of the neurons at both ends, which every function reads."""

    name = "EveryRead"
    reads = (StateRead("v"), StateRead("u", name="current"), StateRead("v", "pre"))

    def pre_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """Spikes turn the sign where the neuron's voltage is positive, too."""
        found = super().pre_step(op, n, p)
        return {**found, "i": op.select(n.v > 0, 0 - found["i"], found["i"])}

    def post_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """The trace is raised where voltage and current are positive."""
        found = super().post_step(op, n, p)
        both = op.select((n.v > 0) & (n.current > 0), 5, 0)
        return {**found, "t": op.minimum(found["t"] + both, 16_000)}

    def post_sum(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """The voltages of the population."""
        return {"v": op.shift_right(n.v, 4)}

    def group_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        """It follows the voltages."""
        return {"v": op.clip(super().group_step(op, n, p)["v"] + n.sums.v, -1000, 1000)}

    def each_step(self, op: Operations, at: Any, p: Any) -> Mapping[str, Value]:
        """The voltage of the target acts where that of the source is positive."""
        found = super().each_step(op, at, p)
        return {**found, "weight": found["weight"] + op.select(at.pre.v > 0, op.shift_right(at.post.v, 8), 0)}

    def window_end(self, op: Operations, at: Any, p: Any) -> Value:
        """The states of the last step."""
        last = op.shift_right(at.post.v, 7) - op.shift_right(at.pre.v, 8) + op.shift_right(at.post.current, 8)
        return super().window_end(op, at, p) + last
