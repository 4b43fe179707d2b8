"""The weight change of each synapse in a window, by rule, as Brian2 code: one function for each rule.

These are the fast paths of SSDP, STDP and SADP, written by hand; :mod:`.declared_rules` runs any rule.

In integers every variable is int64, ``//`` stands for a right shift and ``clip`` takes plain names; see
:mod:`.fixed_neurons`. Integer and float rules have the same shape, and here as far as possible the
same code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from brian2 import TimedArray, second

from ssdp_hw.arrays import Numbers
from ssdp_hw.operations.philox import neuron_layer
from ssdp_hw.rules import SADP, SSDP, STDP, FixedSADP, FixedSSDP, FixedSTDP, LocalRule, Pairing, SilentPairs
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.rules.spike_times import silent_time
from ssdp_hw.rules.stdp import DECAY_BITS, TraceRounding

from .group_variables import GroupVariables
from .memory import REAL, Memory, spike_count, time_register

# A table is a TimedArray whose steps are a second long: entry n is table(n*TICK).
TICK = 1 * second

# Rules that have a function here; any other runs by its declaration.
HAND_WRITTEN = (SSDP, FixedSSDP, STDP, FixedSTDP, SADP, FixedSADP)


@dataclass(frozen=True)
class WeightChange:
    """How synapses compute their weight change in a window.

    Attributes:
        pre, post: what the neurons of both ends remember; a rule without rasters observes the first of each.
        wanted: code for the end of a window that sets ``wanted`` and makes ready for the next.
        variables: integers of a synapse that start with these values, one for all or one for each.
        reals: float variables of a synapse that start with these values.
        each_step: code for every step, before that for spikes.
        on_pre, on_post: code for a spike of a presynaptic or a postsynaptic neuron.
        namespace: what all that code needs.
        group: variables of the projection, if there are any.
        weight_sums: variables of the postsynaptic neurons, to which each synapse adds this at the start of a window.
    """

    pre: Sequence[Memory]
    post: Sequence[Memory]
    wanted: str
    variables: Mapping[str, int | float | Numbers] = field(default_factory=dict)
    reals: Mapping[str, int | float | Numbers] = field(default_factory=dict)
    each_step: str = ""
    on_pre: str = ""
    on_post: str = ""
    namespace: Mapping[str, object] = field(default_factory=dict)
    group: GroupVariables | None = None
    weight_sums: Mapping[str, str] = field(default_factory=dict)


def weight_change_of(rule: LocalRule, steps: int, label: str, key: RandomKey) -> WeightChange:
    """The weight change by one of the rules ``HAND_WRITTEN``.

    Args:
        rule: the rule.
        steps: length of a window.
        label: suffix for names that no other projection may use.
        key: key of the random numbers.
    """
    if isinstance(rule, SSDP | FixedSSDP):
        return _ssdp(rule, steps, label)
    if isinstance(rule, STDP | FixedSTDP):
        return _stdp(rule, steps, label, key)
    assert isinstance(rule, SADP | FixedSADP)
    return _sadp(rule, steps)


def _ssdp(rule: SSDP | FixedSSDP, steps: int, label: str) -> WeightChange:
    """A table by distance in ticks (rows) and number of neurons that fired (0, 1, 2)."""
    fixed = isinstance(rule, FixedSSDP)
    shift = rule.time_shift if fixed else 0
    silent = silent_time(steps, shift)
    if isinstance(rule, FixedSSDP):
        plus, minus = (table[: silent + 1].astype(float) for table in rule.tables)  # a TimedArray is of floats
    else:
        kernels = rule.learning_windows(np.arange(silent + 1))
        plus, minus = rule.a_plus * kernels[0], rule.a_baseline * kernels[1]
    neither = np.zeros_like(minus) if rule.silent_pairs is SilentPairs.SKIP else -minus
    table = TimedArray(np.stack([neither, -minus, plus], axis=1), dt=TICK, name=f"evidence_{label}")
    register = time_register(rule.spike_time, shift, steps)
    found = f"{table.name}(distance*TICK, fired)"
    wanted = f"""
distance = abs({register.name}_post - {register.name}_pre)
fired = int({register.name}_post < SILENT) + int({register.name}_pre < SILENT)
wanted = {f"int({found})" if fixed else found}
"""
    return WeightChange([register], [register], wanted, namespace={table.name: table, "TICK": TICK, "SILENT": silent})


def _stdp(rule: STDP | FixedSTDP, steps: int, label: str, key: RandomKey) -> WeightChange:
    """A spike reads the trace of the other neuron first, and then raises the trace of its own neuron."""
    fixed = isinstance(rule, FixedSTDP)
    names = f"source_trace_{label}", f"target_trace_{label}"
    if isinstance(rule, FixedSTDP):
        nearest = rule.pairing is Pairing.NEAREST
        decays = (rule.decay_plus, rule.decay_minus)
        traces = [
            _fixed_trace(name, rule, nearest, decay, _addend(rule, side, steps, key))
            for side, (name, decay) in enumerate(zip(names, decays, strict=True))
        ]
    else:
        raised = "= 1" if rule.pairing is Pairing.NEAREST else "+= 1"
        traces = [
            Memory(name, 0, f"{name} {raised}\n", f"{name} *= {math.exp(-1.0 / tau)!r}\n", kind=REAL)
            for name, tau in zip(names, (rule.tau_plus, rule.tau_minus), strict=True)
        ]
    product = "(({amplitude}*{trace} + HALF_UNIT)//UNIT)" if fixed else "{amplitude}*{trace}"
    minus = product.format(amplitude="A_MINUS", trace=f"{names[1]}_post")
    plus = product.format(amplitude="A_PLUS", trace=f"{names[0]}_pre")
    return WeightChange(
        traces[:1],
        traces[1:],
        "\nwanted = brought\nbrought = 0\n",
        variables={"brought": 0} if fixed else {},
        reals={} if fixed else {"brought": 0.0},
        on_pre=f"brought -= {minus}\n",
        on_post=f"brought += {plus}\n",
        namespace=_amplitudes(rule),
    )


def _addend(rule: FixedSTDP, side: int, steps: int, key: RandomKey) -> str:
    """Code for what is added to a decayed trace before its fraction is dropped."""
    if rule.trace_rounding is TraceRounding.TOWARD_ZERO:
        return "0"
    if rule.trace_rounding is TraceRounding.NEAREST:
        return str((1 << DECAY_BITS) >> 1)
    step = f"(t_in_timesteps + {key.first_window * steps}) % {1 << 32}"
    layer, low, high = neuron_layer(key.layer, side), key.seed & 0xFFFFFFFF, key.seed >> 32
    return f"synapse_bits(i, {step}, {layer}, {low}, {high}, {DECAY_BITS})"


def _fixed_trace(name: str, rule: FixedSTDP, nearest: bool, decay: int, addend: str) -> Memory:
    if nearest:
        keep = f"{name} = {rule.trace_impulse}\n"
    else:
        keep = f"raised_{name} = {name} + {rule.trace_impulse}\n{name} = clip(raised_{name}, 0, {rule.trace_max})\n"
    code = f"{name} = ({name}*{(1 << DECAY_BITS) - decay} + {addend})//{1 << DECAY_BITS}\n"
    return Memory(name, 0, keep, code)


# Spikes of both neurons in one step: that of the presynaptic one is delivered first.
_KAPPA = """
spikes_together = spike_count_pre*spike_count_post
excess = 2*(STEPS*together - spikes_together)
most = STEPS*(spike_count_pre + spike_count_post) - 2*spikes_together
above = int(excess > 0)
divisor = most + int(most == 0)
together = 0
"""
_FIXED_KAPPA = """
kappa = (abs(excess)*KAPPA_ONE)//divisor
wanted = above*((A_PLUS*kappa + HALF_UNIT)//UNIT) - (1 - above)*((A_MINUS*kappa + HALF_UNIT)//UNIT)
"""
_FLOAT_KAPPA = """
wanted = (A_PLUS*above + A_MINUS*(1 - above))*(1.0*excess)/divisor
"""


def _sadp(rule: SADP | FixedSADP, steps: int) -> WeightChange:
    """Spike counts of the neurons, and the steps in which both fired."""
    count = spike_count()
    return WeightChange(
        [count],
        [count],
        _KAPPA + (_FIXED_KAPPA if isinstance(rule, FixedSADP) else _FLOAT_KAPPA),
        variables={"together": 0, "source_fired": -1},
        on_pre="source_fired = t_in_timesteps\n",
        on_post="together += int(source_fired == t_in_timesteps)\n",
        namespace={**_amplitudes(rule), "STEPS": steps, "KAPPA_ONE": 1 << rule.kappa_bits},
    )


def _amplitudes(rule: STDP | SADP | FixedSTDP | FixedSADP) -> dict[str, int | float]:
    found: dict[str, int | float] = {"A_PLUS": rule.a_plus, "A_MINUS": rule.a_minus}
    if isinstance(rule, FixedSTDP | FixedSADP):
        found |= {"UNIT": 1 << rule.dw_shift, "HALF_UNIT": (1 << rule.dw_shift) >> 1}
    return found
