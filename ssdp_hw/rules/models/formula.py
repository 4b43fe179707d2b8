"""A rule that is a sum of products in the names of Loihi's learning engine; :mod:`ssdp_hw.rules.formula` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ssdp_hw.operations.base import Operations, Rounding, Value, Values
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable, faded

# Traces of either end, and the factors that say at which moment a product acts.
PRE_TRACES, POST_TRACES = ("x1", "x2"), ("y1", "y2", "y3")
SPIKES = {"x0": "pre_spike", "y0": "post_spike", "u0": "window_end"}
WEIGHT_FACTOR = "w"

Product = tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Formula(RuleModel):
    """``dw`` is the sum of products, each an amplitude times factors: spikes ``x0`` and ``y0``, the end of a window
    ``u0``, traces ``x1 x2 y1 y2 y3``, the weight ``w``.

    A product with ``x0`` acts at presynaptic spikes, one with ``y0`` at postsynaptic ones, one with both where they
    coincide, one with ``u0`` at the end of a window. A spike adds ``impulse_...`` to a trace of its neuron, up to
    ``trace_max``, and a trace acts from the next step on. Every product is rounded to the nearest counter unit.

    Attributes:
        products: the factors of every product, sorted, one entry for each power.
        trace_bits: width of the traces.
        rounding: how decayed traces are rounded.
    """

    products: tuple[Product, ...] = (("x1", "y0"), ("x0", "y1"))
    trace_bits: int = 7
    rounding: Rounding = Rounding.STOCHASTIC

    name = "Formula"
    source = "Davies et al., IEEE Micro 2018: sums of products of spikes, traces and weights"

    def __post_init__(self) -> None:
        object.__setattr__(self, "products", tuple(tuple(factors) for factors in self.products))
        object.__setattr__(self, "rounding", Rounding(self.rounding))

    def __repr__(self) -> str:
        return f"learning rule {self.name} of {' + '.join('*'.join(product) for product in self.products)}"

    @cached_property
    def traces(self) -> tuple[str, ...]:
        """The traces that some product reads."""
        read = {factor for product in self.products for factor in product}
        return tuple(name for name in (*PRE_TRACES, *POST_TRACES) if name in read)

    @cached_property
    def pre(self) -> tuple[RuleVariable, ...]:  # type: ignore[override]
        """The presynaptic traces."""
        return tuple(RuleVariable(name, self.trace_bits) for name in self.traces if name in PRE_TRACES)

    @cached_property
    def post(self) -> tuple[RuleVariable, ...]:  # type: ignore[override]
        """The postsynaptic traces."""
        return tuple(RuleVariable(name, self.trace_bits) for name in self.traces if name in POST_TRACES)

    @cached_property
    def parameters(self) -> tuple[RuleParameter, ...]:  # type: ignore[override]
        """An amplitude for each product; time constant and impulse of each trace."""
        top = (1 << self.trace_bits) - 1
        amplitudes = [
            RuleParameter(
                f"c{k}",
                RuleKind.AMPLITUDE,
                signed=True,
                units=tuple(f"impulse_{factor}" for factor in product if factor in (*PRE_TRACES, *POST_TRACES)),
                weights=product.count(WEIGHT_FACTOR),
            )
            for k, product in enumerate(self.products)
        ]
        of_traces = [
            parameter
            for name in self.traces
            for parameter in (
                RuleParameter(f"decay_{name}", RuleKind.DECAY, float_name=f"tau_{name}", default=20.0),
                # A quarter of the range, so that four spikes in quick succession do not saturate a trace.
                RuleParameter(f"impulse_{name}", RuleKind.UNIT, bits=self.trace_bits, default=max(1, top // 4)),
            )
        ]
        limit = RuleParameter("trace_max", RuleKind.LIMIT, bits=self.trace_bits, default=top)
        return (*amplitudes, *of_traces, *([limit] if of_traces else []), RuleParameter("dw_shift", RuleKind.SHIFT))

    @cached_property
    def reads_weight(self) -> bool:  # type: ignore[override]
        """Whether a product has the factor ``w``."""
        return any(WEIGHT_FACTOR in product for product in self.products)

    def has(self, moment: str) -> bool:
        """Whether a product acts at that moment."""
        if moment in SPIKES.values():
            return any(moment_of(product) == moment for product in self.products)
        return super().has(moment) and moment != "each_step"

    def pre_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Raise and decay the traces of a presynaptic neuron."""
        return {v.name: self._followed(op, v.name, n, p) for v in self.pre}

    def post_step(self, op: Operations, n: Values, p: Values) -> Mapping[str, Value]:
        """Raise and decay the traces of a postsynaptic neuron."""
        return {v.name: self._followed(op, v.name, n, p) for v in self.post}

    def _followed(self, op: Operations, name: str, n: Values, p: Values) -> Value:
        trace = getattr(n, name)
        raised = op.minimum(trace + getattr(p, f"impulse_{name}"), p.trace_max)
        return faded(op, op.select(n.spike, raised, trace), getattr(p, f"decay_{name}"), self.rounding)

    def pre_spike(self, op: Operations, at: Values, p: Values) -> Value:
        """The products with ``x0`` and without ``y0``."""
        return self._sum(op, at, p, "pre_spike")

    def post_spike(self, op: Operations, at: Values, p: Values) -> Value:
        """The products with ``y0``; those with ``x0`` too where both neurons fire."""
        return self._sum(op, at, p, "post_spike")

    def window_end(self, op: Operations, at: Values, p: Values) -> Value:
        """The products with ``u0``."""
        return self._sum(op, at, p, "window_end")

    def _sum(self, op: Operations, at: Values, p: Values, moment: str) -> Value:
        total: Value = 0
        for k, product in enumerate(self.products):
            if moment_of(product) != moment:
                continue
            amplitude = getattr(p, f"c{k}")
            size = op.absolute(amplitude)
            for factor in product:
                if factor == WEIGHT_FACTOR:
                    size = size * at.synapse.weight
                elif factor in PRE_TRACES:
                    size = size * getattr(at.pre, factor)
                elif factor in POST_TRACES:
                    size = size * getattr(at.post, factor)
            rounded = op.shift_right(size, p.dw_shift, "nearest")
            change = op.select(amplitude < 0, 0 - rounded, rounded)
            both = {"x0", "y0"} <= set(product)
            total = total + (op.select(at.pre.spike, change, 0) if both else change)
        return total


def moment_of(product: Product) -> str:
    """The moment at which a product acts: with both spikes at the postsynaptic one."""
    return next(SPIKES[factor] for factor in ("y0", "x0", "u0") if factor in product)


RULE = Formula()
