"""Learning rules as parameters of our PlasticConnection; see :mod:`.worker.weight_changes` for their names.

SSDP, STDP and SADP have code of their own in the worker. Their integer products and decays go as tables over every
value that can come, made by the toolkit's own arithmetic: the worker, which may lack the toolkit, only looks them up.
Every other rule goes as the printed functions of its declaration (:mod:`.rule_printer`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.operations import philox
from ssdp_hw.rules import (
    SADP,
    SSDP,
    STDP,
    CounterRule,
    FixedSADP,
    FixedSSDP,
    FixedSTDP,
    FloatRule,
    LocalRule,
    Pairing,
    SilentPairs,
    SpikeTime,
)
from ssdp_hw.rules.counter import rounded_product
from ssdp_hw.rules.declared import FixedDeclaredRule, FloatDeclaredRule
from ssdp_hw.rules.form import moments
from ssdp_hw.rules.spike_times import silent_time
from ssdp_hw.rules.stdp import DECAY_BITS

from .blueprint import PrintedFunction
from .rule_printer import rule_module

# What the worker's rule is made with.
Parameters: TypeAlias = dict[str, Any]


def rule_parameters(rule: CounterRule | FloatRule, steps: int, *, fast_paths: bool) -> Parameters:
    """What the worker needs to know of a rule that is listed in ``KNOWN``, for windows of that many steps.

    Without ``fast_paths`` every rule runs by its declaration.
    """
    parameters = KNOWN[type(rule)] if fast_paths else _declared
    return {**parameters(rule, steps), "own_gate": own_gate(rule)}


def observes_trains(rule: CounterRule | FloatRule, *, fast_paths: bool) -> bool:
    """Whether the worker observes all spikes of a window, instead of a register of each neuron."""
    return not fast_paths or KNOWN[type(rule)] is not _ssdp


def own_gate(rule: CounterRule | FloatRule) -> list[int] | list[float] | None:
    """The gate that the rule makes itself, as numbers."""
    if rule.gate is None:
        return None
    if isinstance(rule, CounterRule):
        assert rule.gate is not None
        return [rule.gate.offset, rule.gate.slope, rule.gate.shift]
    return [rule.gate.k, rule.gate.mean, rule.gate.deviation]


def _ssdp(rule: SSDP | FixedSSDP, steps: int) -> Parameters:
    shift = rule.time_shift if isinstance(rule, FixedSSDP) else 0
    silent = silent_time(steps, shift)
    plus: NDArray[np.int64] | NDArray[np.float64]
    minus: NDArray[np.int64] | NDArray[np.float64]
    if isinstance(rule, FixedSSDP):
        plus, minus = rule.tables
    else:
        learning_windows = rule.learning_windows(np.arange(silent + 1))
        plus, minus = rule.a_plus * learning_windows[0], rule.a_baseline * learning_windows[1]
    return {
        "rule": "SSDP",
        "plus": plus,
        "minus": minus,
        "last": rule.spike_time is SpikeTime.LAST,
        "skip_silent": rule.silent_pairs is SilentPairs.SKIP,
        "time_shift": shift,
        "silent": silent,
    }


def _stdp(rule: STDP | FixedSTDP, _steps: int) -> Parameters:
    common = {"rule": "STDP", "nearest": rule.pairing is Pairing.NEAREST}
    if isinstance(rule, STDP):
        return {
            **common,
            "plus": rule.a_plus,
            "minus": rule.a_minus,
            "impulse": 1.0,
            "trace_max": math.inf,
            "decay_factor_plus": math.exp(-1.0 / rule.tau_plus),
            "decay_factor_minus": math.exp(-1.0 / rule.tau_minus),
        }
    values = np.arange(rule.trace_max + 1)
    decayed = [values * ((1 << DECAY_BITS) - decay) for decay in (rule.decay_plus, rule.decay_minus)]
    return {
        **common,
        "plus": rounded_product(rule.a_plus, values, rule.dw_shift),
        "minus": rounded_product(rule.a_minus, values, rule.dw_shift),
        "impulse": rule.trace_impulse,
        "trace_max": rule.trace_max,
        "decay_factor_plus": decayed[0],
        "decay_factor_minus": decayed[1],
        "decay_bits": DECAY_BITS,
        "trace_rounding": rule.trace_rounding.value,
        "trace_layers": [philox.neuron_layer(0, side) for side in (0, 1)],
    }


def _sadp(rule: SADP | FixedSADP, _steps: int) -> Parameters:
    if isinstance(rule, SADP):
        return {"rule": "SADP", "plus": rule.a_plus, "minus": rule.a_minus}
    values = np.arange((1 << rule.kappa_bits) + 1)
    return {
        "rule": "SADP",
        "kappa_bits": rule.kappa_bits,
        "plus": rounded_product(rule.a_plus, values, rule.dw_shift),
        "minus": rounded_product(rule.a_minus, values, rule.dw_shift),
    }


def _declared(rule: CounterRule | FloatRule, steps: int) -> Parameters:
    declaration = rule.declaration(steps)
    assert declaration is not None
    text = rule_module(declaration, steps, ideal=isinstance(rule, FloatRule))
    return {
        "rule": "declared",
        **{name: PrintedFunction(text, name) for name in ("start", *moments(declaration.model))},
    }


# A rule of a class derived from these may step otherwise: it is not known.
KNOWN: Mapping[type[LocalRule], Callable[[Any, int], Parameters]] = {
    SSDP: _ssdp,
    FixedSSDP: _ssdp,
    STDP: _stdp,
    FixedSTDP: _stdp,
    SADP: _sadp,
    FixedSADP: _sadp,
    FloatDeclaredRule: _declared,
    FixedDeclaredRule: _declared,
}
