"""The engine against the specification on many generated cases, learning included: not one bit differs.

A case is a network, its input, and a plan. The network has neurons of CUBA LIF or of any declared model, graded
messages, convolutions, loops and delays. The plan has any mixture of plastic projections, each with a rule of its own,
written by hand or declared, and a gate of its own, from inside or outside; samples start anew or are pieces of one run.
The engine runs the network twice, learns twice from the same state, and then once more from where it stopped.

``make test-cases COUNT=5000`` runs so many; ``SSDP_HW_CASES`` sets the number elsewhere.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conv_strategies import fixed_conv_networks
from declared_models import FIXED_MODELS, GRADED_MODELS, declared_fixed_networks
from hypothesis import HealthCheck, given, settings, strategies as st
from plan_strategies import going_on, learning_runs
from test_neuron_models import assert_same, recorded

from ssdp_hw.network.weight import SparseWeight
from ssdp_hw.rules.arrivals import sees_arrivals
from ssdp_hw.rules.declared import FixedDeclaredRule
from ssdp_hw.running.target_registry import get_target

CASES = int(os.environ.get("SSDP_HW_CASES", "200"))
# So many cases have some of every kind.
ENOUGH = 1000
SPEC, ENGINE = get_target("spec"), get_target("engine")
KEPT = (
    "weights",
    "counters",
    "weight_saturations",
    "counter_saturations",
    "overflow",
    "observed",
    "lasting",
    "neurons",
)
MODELS = tuple({model.name: model for model in (*FIXED_MODELS, *GRADED_MODELS)}.values())
MIXED = {"fixed": True, "declared": True, "max_plastic": 4}
RUNS = st.one_of(
    learning_runs(**MIXED),
    learning_runs(networks=declared_fixed_networks(models=MODELS), **MIXED),
    learning_runs(max_steps=8, max_batch=4, networks=fixed_conv_networks(), **MIXED),
)


def same(a, b, where):
    """Whether two recordings, or what was learned, hold the same values."""
    if isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, where)
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for name in a:
            same(a[name], b[name], f"{where}/{name}")
    elif isinstance(a, tuple):
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}/{k}")
    else:
        assert a == b, where


def parts(network, plan):
    """What a case has, by name, for the count of what the cases cover."""
    payloads = network.payloads
    rules = plan.rules.values()
    weights = [network.projection(name).stored for name in plan.rules]
    return {
        "cases": True,
        "several plastic projections": len(plan.rules) > 1,
        "several kinds of rules": len({type(rule) for rule in rules}) > 1,
        "gates from outside": bool(plan.gates),
        "gates of a rule's own": any(rule.gate is not None for rule in rules),
        "gates of both kinds": bool(plan.gates) and any(rule.gate is not None for rule in rules),
        "declared rules": any(isinstance(rule, FixedDeclaredRule) for rule in rules),
        "declared beside hand-written rules": len({isinstance(rule, FixedDeclaredRule) for rule in rules}) > 1,
        "lasting variables": any(map(bool, plan.lasting.values())),
        "declared models": any(not p.is_cuba_lif for p in network.populations),
        "graded messages": any(payload > 1 for payload in payloads.values()),
        "plastic convolutions": any(weight.shared for weight in weights),
        "plastic sparse weights": any(isinstance(weight, SparseWeight) for weight in weights),
        "plastic loops": any(network.projection(name).pre == network.projection(name).post for name in plan.rules),
        "plastic delays": any(network.projection(name).max_delay for name in plan.rules),
        "spikes seen as they arrive": any(sees_arrivals(r, network.projection(n)) for n, r in plan.rules.items()),
        "pieces of one run": not plan.restart,
        "several windows a sample": plan.windows_per_sample > 1,
    }


SEEN: Counter[str] = Counter()


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(RUNS, st.booleans(), st.sampled_from((1, None)), st.sampled_from(("lazy", "dense")))
def compare(case, restart, threads, counters):
    network, drive, plan = case
    plan = replace(plan, restart=restart)
    SEEN.update(name for name, there in parts(network, plan).items() if there)
    wanted = recorded(SPEC, network, drive.arrays())
    for _ in range(2):
        assert_same(wanted, recorded(ENGINE, network, drive.arrays(), threads=threads))
    options = ENGINE.resolve({"threads": threads, "counters": counters})
    learned = SPEC.learn(network, drive, plan, SPEC.resolve({}))
    for call in ("first", "second"):
        again = ENGINE.learn(network, drive, plan, options)
        for part in KEPT:
            same(getattr(learned, part), getattr(again, part), f"{call} learn: {part}")
    later, further = going_on(network, drive, plan, learned)
    learned = SPEC.learn(later, drive, further, SPEC.resolve({}))
    again = ENGINE.learn(later, drive, further, options)
    for part in KEPT:
        same(getattr(learned, part), getattr(again, part), f"going on: {part}")


@pytest.mark.slow
def test_not_one_bit_differs():
    SEEN.clear()
    compare()
    print("\n" + "\n".join(f"{name}: {count:,}" for name, count in SEEN.items()))
    if CASES >= ENOUGH:
        assert SEEN.keys() == parts(*_any_case()).keys(), "the cases do not cover every kind"


def _any_case():
    found = []

    @settings(max_examples=1, database=None, suppress_health_check=list(HealthCheck))
    @given(learning_runs(fixed=True))
    def first(case):
        found.append((case[0], case[2]))

    first()
    return found[0]
