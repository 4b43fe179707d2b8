"""Rules by formula, and a declared class, against Lava's own LearningDense in floating point.

Lava's learning engine differs from a formula in one convention: in the step of a spike, its trace already contains that
spike. What Lava calls ``x1`` is ``x1 + x0`` here, ``y1`` is ``y1 + y0``, and so on. A weight that Lava moves in every
step moves here at the end of the window; no rule here reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lava_modules
import numpy as np
import pytest
from example_counts import share
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

import ssdp_hw as sh
from ssdp_hw.microcode import Arithmetic
from ssdp_hw.microcode.learning_engine import Product
from ssdp_hw.operations.base import Operations, Value
from ssdp_hw.rules.model import RuleKind, RuleModel, RuleParameter, RuleVariable, faded
from ssdp_hw.running.target_registry import get_target

if not get_target("lava").availability().installed:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from ssdp_hw.targets.lava.blueprint import Blueprint, Choice, LearningRule, Node, input_node
from ssdp_hw.targets.lava.inference import source_node
from ssdp_hw.targets.lava.session import Job, run_jobs

PRE, POST, STEPS, UNBOUNDED = 5, 4, 40, 1e9
TRACES = ("x1", "x2", "y1", "y2", "y3")
DENSE = "dense"


@dataclass(frozen=True, eq=False)
class EngineRun:
    """A rule as arguments of Lava's ``Loihi2FLearningRule``, and spikes of shapes (time, pre) and (time, post)."""

    dw: str
    impulses: Mapping[str, float]
    taus: Mapping[str, float]
    pre: np.ndarray
    post: np.ndarray

    def job(self) -> Job:
        """One step more than there are spikes, since a step records the weights with which it began."""
        arguments: dict[str, str | int | float] = {"dw": self.dw, "t_epoch": 1, "rng_seed": 1}
        for name in TRACES:
            arguments |= {f"{name}_impulse": self.impulses.get(name, 0), f"{name}_tau": self.taus.get(name, 1.0)}
        parameters: dict[str, Any] = {
            "weights": np.zeros((POST, PRE)),
            "learning_rule": LearningRule(arguments),
            "sign_mode": Choice("MIXED"),
        }
        nodes = [source_node("pre", self.pre[:, None]), source_node("post", self.post[:, None])]
        links = [(input_node("pre"), "s_out", DENSE, "s_in"), (input_node("post"), "s_out", DENSE, "s_in_bap")]
        return Job(
            Blueprint("floating_pt", [*nodes, Node(DENSE, "LearningDense", parameters)], links),
            STEPS + 1,
            {DENSE: ["weights"]},
        )


def lava_changes(runs: list[EngineRun]) -> list[np.ndarray]:
    """What Lava added to every weight, shape (post, pre)."""
    with run_jobs([run.job() for run in runs], python=None, time_limit=600.0) as results:
        return [results.arrays(number, DENSE)["weights"][-1] for number in range(len(runs))]


def own_changes(rule: sh.FloatDeclaredRule, pre: np.ndarray, post: np.ndarray) -> np.ndarray:
    rows, cols = (index.reshape(-1) for index in np.indices((POST, PRE)))
    change = rule.weight_change(rule.observe(pre[:, None], post[:, None]), 0, rows, cols, None)
    return change.reshape(POST, PRE)


def assert_same_changes(found: np.ndarray, wanted: np.ndarray) -> None:
    """Equal up to the rounding of sums of some 40 steps."""
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(wanted).max()))


def formula(products: list[Product], impulses: Mapping[str, float]) -> str:
    """The same sum of products as ``sh.Rule`` reads it: a spike adds 1 to a trace, and acts one step later."""
    terms = []
    for product in products:
        own = [f"{impulses[f]} * ({f} + {f[0]}0)" if f in TRACES else f for f in product.factors]
        terms.append(" * ".join([f"({product.coefficient})", *own]))
    return " + ".join(terms)


@st.composite
def engine_runs(draw: st.DrawFn) -> tuple[EngineRun, str]:
    """Sums of products of spikes and up to two traces, with spikes often enough to coincide."""
    spikes = st.sampled_from((("x0",), ("y0",), ("x0", "y0")))
    traces = st.lists(st.sampled_from(TRACES), min_size=1, max_size=2).map(sorted).map(tuple)
    factors = draw(st.lists(st.tuples(spikes, traces), min_size=1, max_size=4, unique=True))  # so that none cancel
    mantissas, exponents = st.integers(-8, 7).filter(bool), st.integers(-7, -3)
    products = [Product(draw(mantissas), draw(exponents), (*fired, *read)) for fired, read in factors]
    read = {f for product in products for f in product.factors if f in TRACES}
    impulses = {name: draw(st.integers(1, 100)) for name in sorted(read)}
    taus = {name: draw(st.floats(1.0, 30.0)) for name in sorted(read)}
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pre, post = rng.random((STEPS, PRE)) < 0.3, rng.random((STEPS, POST)) < 0.3
    dw = " + ".join(product.text(Arithmetic.FLOATING) for product in products).replace("+ -", "- ")
    return EngineRun(dw, impulses, taus, pre, post), formula(products, impulses)


@pytest.mark.slow
@pytest.mark.more_examples
def test_generated_formulas_equal_lavas_learning_engine():
    @settings(
        max_examples=share(2, default=1),
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(engine_runs(), min_size=6, max_size=6), st.booleans().filter(bool))  # else the simplest one
    def check(runs, _):
        for (run, text), wanted in zip(runs, lava_changes([run for run, _ in runs]), strict=True):
            rule = sh.Rule(text, clip=UNBOUNDED, **{f"tau_{name}": tau for name, tau in run.taus.items()})
            assert np.any(wanted)
            assert_same_changes(own_changes(rule, run.pre, run.post), wanted)

    check()


@pytest.mark.slow
def test_lavas_own_stdp_rule_and_a_class_that_acts_in_every_step():
    lava_modules.importable()
    from lava.proc.learning_rules.stdp_learning_rule import STDPLoihi

    rng = np.random.default_rng(5)
    pre, post = rng.random((STEPS, PRE)) < 0.25, rng.random((STEPS, POST)) < 0.25
    theirs = STDPLoihi(learning_rate=0.25, A_plus=3, A_minus=-2, tau_plus=9.0, tau_minus=14.0)
    impulses, taus = {"x1": theirs.x1_impulse, "y1": theirs.y1_impulse}, {"x1": 9.0, "y1": 14.0}
    stdp = EngineRun(theirs.dw_str, impulses, taus, pre, post)
    hebb = EngineRun("2^-3*u0*x1*y1", {"x1": 3, "y1": 5}, taus, pre, post)
    wanted = lava_changes([stdp, hebb])
    a, b = 0.25 * 3 * theirs.x1_impulse, 0.25 * 2 * theirs.y1_impulse
    of_stdp = sh.Rule("a*x1*y0 - b*x0*y1 + (a - b)*x0*y0", a=a, b=b, tau_x1=9.0, tau_y1=14.0, clip=UNBOUNDED)
    assert_same_changes(own_changes(of_stdp, pre, post), wanted[0])
    every = sh.rule(EveryStepHebb(), a=3 * 5 / 8, tau_x=9.0, tau_y=14.0, clip=UNBOUNDED)
    assert_same_changes(own_changes(every, pre, post), wanted[1])
    assert np.all(wanted[0] != 0)
    assert np.all(wanted[1] != 0)


class EveryStepHebb(RuleModel):
    """Lava's ``u0*x1*y1`` with epochs of one step."""

    name = "EveryStepHebb"
    pre = (RuleVariable("x", 7),)
    post = (RuleVariable("y", 7),)
    parameters = (
        RuleParameter("a", RuleKind.AMPLITUDE, units=("one", "one")),
        RuleParameter("dx", RuleKind.DECAY, float_name="tau_x"),
        RuleParameter("dy", RuleKind.DECAY, float_name="tau_y"),
        RuleParameter("one", RuleKind.UNIT, bits=6, default=30),
        RuleParameter("dw_shift", RuleKind.SHIFT),
    )

    def pre_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        return {"x": faded(op, op.minimum(self.counted(op, n.x, n.spike, p), 127), p.dx, "zero")}

    def post_step(self, op: Operations, n: Any, p: Any) -> Mapping[str, Value]:
        return {"y": faded(op, op.minimum(self.counted(op, n.y, n.spike, p), 127), p.dy, "zero")}

    def counted(self, op: Operations, trace: Value, spike: Value, p: Any) -> Value:
        """A trace with the spike of this step."""
        return trace + op.select(spike, p.one, 0)

    def each_step(self, op: Operations, at: Any, p: Any) -> Value:
        x, y = (self.counted(op, trace, end.spike, p) for trace, end in ((at.pre.x, at.pre), (at.post.y, at.post)))
        return op.shift_right(p.a * x * y, p.dw_shift, "nearest")
