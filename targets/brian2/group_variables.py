"""Variables of a whole projection in Brian2: a neuron of their own has them, and tells them to the neurons that read
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from brian2 import BrianObject, Clock, NeuronGroup, Synapses

from . import memory
from .memory import Memory

# Order of code in the slot "end": the neurons' own step (0) reads the copies of before, then the projection's
# variables step and the copies are cleared, then they are told.
STEP, TELL = 1, 2
# Before the neurons' own step, sums read the variables of before.
ADD = -1

# Brian2's own code that makes synapses has variables "sources" and "targets".
PRE_COUNT, POST_COUNT = "n_source", "n_target"


@dataclass(frozen=True)
class GroupVariables:
    """The variables of a projection that learns by a declared rule.

    Attributes:
        variables: the variables, with their values at the start of a window.
        copies: by variable that of the neurons that read it, which has its value of before a step.
        to_pre, to_post: whether the neurons of these ends have copies.
        step: code of one step; it finds in ``n_source`` and ``n_target`` how many neurons of both ends fire.
        namespace: what that code needs.
        sums: sums over the postsynaptic neurons, which the step finds.
        add: code of a synapse from such a neuron that adds to them; ``add_namespace`` is what it needs.
    """

    variables: Sequence[Memory]
    copies: Mapping[str, Memory]
    to_pre: bool
    to_post: bool
    step: str
    namespace: Mapping[str, object]
    sums: Sequence[Memory] = ()
    add: str = ""
    add_namespace: Mapping[str, object] = field(default_factory=dict)


def group_neuron(
    group: GroupVariables,
    pre: NeuronGroup,
    post: NeuronGroup,
    clock: Clock,
    window_clock: Clock,
    restart: int,
    label: str,
) -> list[BrianObject]:
    """The neuron that has the variables, and the synapses by which it counts spikes and tells.

    Args:
        group: the variables.
        pre, post: groups that fire.
        clock, window_clock: their ticks are steps and windows.
        restart: order in the slot "start" at which a new window begins.
        label: suffix for names that no other projection may use.
    """
    counts = [Memory(name, 0) for name in (PRE_COUNT, POST_COUNT)]
    cleared = [*counts, *group.sums]
    clear = memory.start(cleared)
    neuron = NeuronGroup(
        1,
        memory.equations([*group.variables, *cleared]),
        dtype=memory.types([*group.variables, *cleared]),
        clock=clock,
        name=f"group_neuron_{label}",
        namespace=dict(group.namespace),
    )
    memory.begin(neuron, group.variables)
    neuron.run_regularly(group.step + clear, when="end", order=STEP)
    neuron.run_regularly(memory.start(group.variables), clock=window_clock, when="start", order=restart)
    objects: list[BrianObject] = [neuron]
    for count, end in zip(counts, (pre, post), strict=True):
        if end.events:  # without a threshold nothing fires
            on_pre, name = f"{count.name}_post += 1\n", f"group_{count.name}_{label}"
            counting = Synapses(end, neuron, on_pre=on_pre, clock=clock, name=name)
            counting.connect(i=np.arange(len(end)), j=np.zeros(len(end), int))
            objects.append(counting)
    if group.add:
        adding = Synapses(post, neuron, clock=clock, name=f"add_group_{label}", namespace=dict(group.add_namespace))
        adding.connect(i=np.arange(len(post)), j=np.zeros(len(post), int))
        adding.run_regularly(group.add, when="end", order=ADD)
        objects.append(adding)
    told = [*([pre] if group.to_pre else []), *([post] if group.to_post and not (group.to_pre and pre is post) else [])]
    for k, end in enumerate(told):
        end.run_regularly("".join(f"{m.name} = 0\n" for m in group.copies.values()), when="end", order=STEP)
        telling = Synapses(neuron, end, clock=clock, name=f"tell_group_{label}_{k}")
        telling.connect(i=np.zeros(len(end), int), j=np.arange(len(end)))
        # A sum, of one term, is what Brian2 knows to be independent of its order.
        tell = "".join(f"{m.name}_post += {name}_pre\n" for name, m in group.copies.items())
        telling.run_regularly(tell, when="end", order=TELL)
        objects.append(telling)
    return objects
