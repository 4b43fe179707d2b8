"""Synapses of a projection, plastic or not, for networks that run one sample after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from brian2 import Clock, NeuronGroup, Synapses

from ssdp_hw.arrays import Int, Numbers
from ssdp_hw.network.fixed_network import FixedProjection
from ssdp_hw.network.projection import BaseProjection
from ssdp_hw.running.learning_plan import LearningPlan

from .kernels import Kernel
from .neurons import inbox_of
from .payloads import carried_variable
from .wiring import by_delay, weight_exponent

# Order of code in the slot "synapses", in which Brian2 runs the code for presynaptic spikes as -1 and that for
# postsynaptic ones as 1.
EACH_STEP = -2


@dataclass(frozen=True)
class SynapseModel:
    """State of the synapses of a projection, and the code that changes it.

    Attributes:
        equations: equations of all variables but the weight ``w``.
        types: types of integer variables.
        initial: initial values of variables, one for each synapse in row-major order.
        each_step: code for every step, before that for spikes.
        on_pre, on_post: code for a spike of a presynaptic neuron, whatever its delay, or of a postsynaptic one.
        updates: (code, number of windows between two executions), in the order of execution at
            the end of a window.
        namespace: constants and functions of that code.
        kernel: the weights and counters of a convolution; they are not among the variables of its synapses.
    """

    equations: str = ""
    types: Mapping[str, type[np.int64]] = field(default_factory=dict)
    initial: Mapping[str, Numbers] = field(default_factory=dict)
    each_step: str = ""
    on_pre: str = ""
    on_post: str = ""
    updates: Sequence[tuple[str, int]] = ()
    namespace: Mapping[str, object] = field(default_factory=dict)
    kernel: Kernel | None = None


STATIC = SynapseModel()


def windows_ended(steps: int) -> str:
    """Code for the start of a window of that many steps: what of the run is over, and whether the weights are updated.

    At the start of the first window nothing has ended.
    """
    return f"""
windows = t_in_timesteps//{steps}
ended = int(windows > 0)
updating = ended*int((FIRST_WINDOW + windows) % WINDOWS_PER_UPDATE == 0)
"""


def update_period(plan: LearningPlan) -> int:
    """Windows between two times at which the weights may be updated, counted from the start of the run."""
    return math.gcd(plan.windows_per_update, plan.first_window)


@dataclass(frozen=True, eq=False)
class Bundle:
    """Synapses of a projection that are summed together.

    Attributes:
        projection: the projection.
        inbox: variable of the postsynaptic neurons to which the synapses add.
        exponent: power of two, at most 0, that scales the sum in the inbox.
        positions: positions of its synapses in the row-major order of the projection.
        delays: the delay of each of these, of the way from the neuron that sends a spike to the synapse.
        relayed: whether the presynaptic neurons of the synapses here fire that much later than those that sent, so that
            nothing is left to wait for; see :mod:`.arrivals`.
        carried: variable of the presynaptic neurons by which weights are multiplied; empty where spikes carry nothing.
    """

    projection: BaseProjection
    inbox: str
    exponent: int
    positions: Int
    delays: Int
    relayed: bool = False
    carried: str = ""


def bundles(
    projections: Sequence[BaseProjection], payloads: Mapping[str, str], relayed: Mapping[str, Int]
) -> list[Bundle]:
    """The bundles of all projections into one population.

    A negative weight exponent shifts the sum of one projection, step of sending and delay, and
    rounds down, so each such sum has an inbox of its own. All others share one. ``payloads`` are the states that spikes
    of populations carry; those of each delay are read from a variable of their own. ``relayed`` has, by projection, the
    delay of each synapse whose presynaptic neurons are relays.
    """
    found: list[Bundle] = []
    for projection in projections:
        exponent, payload = min(weight_exponent(projection), 0), payloads.get(projection.pre, "")
        delays = relayed.get(projection.name, projection.synapse_delays)
        parts = by_delay(delays) if exponent or payload else {0: np.arange(delays.size)}
        for delay, positions in parts.items():
            shared = inbox_of(projection.port)
            inbox = f"{shared}_{len(found)}" if exponent else shared
            if positions.size:
                carried = carried_variable(payload, delay) if payload else ""
                is_relayed = projection.name in relayed
                found.append(Bundle(projection, inbox, exponent, positions, delays[positions], is_relayed, carried))
    return found


def past_weights(delays: Int, steps: int) -> list[str]:
    """Variables that keep the weights of the last samples, the latest first.

    As many as a spike may need between the step in which it is sent and the one in which it acts, with the longest
    delay of the synapses, where samples of so many steps are pieces of one run.
    """
    return [f"w_{k}" for k in range(1, -(-(int(delays.max(initial=0)) + 1) // steps) + 1)]


def connect(
    bundle: Bundle,
    pre: NeuronGroup,
    post: NeuronGroup,
    model: SynapseModel,
    clock: Clock,
    steps: int,
    name: str,
    past: Sequence[str] | None = None,
) -> Synapses:
    """Brian2 synapses between two groups.

    A spike of step t acts in step t + 1 + delay: it is added to the inbox ``delay`` steps later in
    the slot ``synapses``, after the neurons of that step. A spike that would arrive in the next
    sample is dropped: in the first ``delay`` of a sample's ``steps`` nothing is added, since no spike can arrive.
    Where samples are pieces of one run it arrives, with the weight with which it was sent: ``past`` are the variables
    that keep the weights of the last samples, none if the weights do not move, and None where each sample starts anew.
    Spikes that a relay passes on, and that were sent before the first step, are among the input under way that the
    neurons begin with: they do not act once more. The rule's own code for a presynaptic spike has no delay.
    """
    p, positions = bundle.projection, bundle.positions
    late = bundle.delays
    kind: type[np.int64] | type[np.float64]
    if isinstance(p, FixedProjection):
        unit, kind, values = "integer", np.int64, p.synapse_weights >> p.format.lsb_shift
        factor = f"{p.format.step << max(p.weight_exp, 0)}*"
    else:
        unit, kind, values = "amp", np.float64, p.synapse_weights
        factor = ""
    weights, sent = ("w", *(past or ())), "w"
    if past and late.any():
        sent = "(" + " + ".join(f"{w}*int(samples_ago == {k})" for k, w in enumerate(weights)) + ")"
    deliver = f"{bundle.inbox}_post += {factor}{sent}"
    if bundle.carried:
        deliver += f"*{bundle.carried}_pre"
    if late.any() and (past is None or bundle.relayed):
        deliver += f"*int(t_in_timesteps{f' % {steps}' if past is None else ''} >= late)"
    if sent != "w":
        deliver = f"samples_ago = t_in_timesteps//{steps} - (t_in_timesteps - late)//{steps}\n{deliver}"
    group = Synapses(
        pre,
        post,
        "".join(f"{w} : {unit}\n" for w in weights)
        + model.equations
        + ("late : integer (constant)\n" if late.any() else ""),
        on_pre={"deliver": deliver, **({"learn": model.on_pre} if model.on_pre else {})},
        on_post=model.on_post if model.on_post and post.events else None,
        dtype={"late": np.int64, **dict.fromkeys(weights, kind), **model.types},
        clock=clock,
        name=name,
        namespace=dict(model.namespace),
    )
    if model.each_step:
        group.run_regularly(model.each_step, when="synapses", order=EACH_STEP)
    rows, cols = p.synapse_indices
    group.connect(i=cols[positions], j=rows[positions])
    for variable in weights:
        setattr(group, f"{variable}_", values[positions])
    if late.any():
        group.late = late
        if not bundle.relayed:
            group.deliver.delay = late * clock.dt
    for variable, before in model.initial.items():
        setattr(group, f"{variable}_", before[positions])
    return group
