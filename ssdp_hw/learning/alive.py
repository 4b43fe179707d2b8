"""Synapses that die: at a weight update they leave the network, their counters and the variables of their rule.

Targets carry alive bits as variables that outlast a window. They are asked to learn up to each weight update, and then
run a network of fewer synapses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ssdp_hw.arrays import Bool, Numbers
from ssdp_hw.display import shown
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.learning.inputs import Rule
from ssdp_hw.network.pruning import with_synapses, without_own_synapses
from ssdp_hw.rules.declared import DeclaredRule
from ssdp_hw.rules.form import leaf_name
from ssdp_hw.running.drive import AnyNetwork

# By projection and name of the variable.
Lasting = Mapping[str, Mapping[str, Numbers]]


@shown
@dataclass(frozen=True)
class AliveHealth:
    """The synapses of a projection whose rule lets some die.

    Attributes:
        projection: its name.
        before, after: number of synapses before and after learning.
        dying: number of those left whose alive bit is 0: they leave at the next weight update.
        silent: number of postsynaptic neurons that had synapses here and have none left.
    """

    projection: str
    before: int
    after: int
    dying: int
    silent: int

    def said(self) -> str:
        """One sentence."""
        return (
            f"{self.before - self.after} of {self.before} synapses of '{self.projection}' died and left the network, "
            f"{self.dying} leave it at the next weight update; {self.silent} neurons have none left"
        )


def prune_any(rules: Mapping[str, Rule]) -> bool:
    """Whether synapses may die by one of the rules."""
    return any(rule.prunes for rule in rules.values())


def check_alive(network: AnyNetwork, rules: Mapping[str, Rule], *, restart: bool) -> None:
    """Raise where synapses of a projection cannot die one by one.

    Args:
        network: the network that learns.
        rules: by projection.
        restart: whether each sample starts from the initial state.

    Raises:
        UnsupportedError: they cannot.
    """
    for name, rule in rules.items():
        if not rule.prunes:
            continue
        p = network.projection(name)
        reason = without_own_synapses(p)
        if p.max_delay and not restart:
            reason = (
                "samples are pieces of one run (restart=False), in which delayed spikes are under way while synapses "
                "leave; give each sample a start of its own, or the projection no delay"
            )
        if reason is not None:
            raise UnsupportedError(f"projection '{name}': its rule lets synapses die, and {reason}")


def alive_bits(rule: Rule, lasting: Mapping[str, Numbers]) -> Bool:
    """Of every synapse whether it lives, from the variables that outlast a window."""
    assert isinstance(rule, DeclaredRule)
    assert rule.model.alive is not None
    return np.asarray(lasting[leaf_name("synapse", rule.model.alive.name)] >= 1)


def of_living(lasting: Mapping[str, Numbers], kept: Bool) -> dict[str, Numbers]:
    """The variables of the synapses that live, and all of neurons and the projection."""
    return {name: values[kept] if name.startswith("synapse_") else values for name, values in lasting.items()}


def bury_dead(
    network: AnyNetwork, counters: Mapping[str, Numbers], lasting: Lasting, rules: Mapping[str, Rule]
) -> tuple[AnyNetwork, dict[str, Numbers], dict[str, Mapping[str, Numbers]]]:
    """The network, the counters and the variables that outlast a window, without the synapses that are dead."""
    left, variables = dict(counters), dict(lasting)
    for name, rule in rules.items():
        if rule.prunes and not (kept := alive_bits(rule, variables[name])).all():
            network = with_synapses(network, name, kept)
            left[name], variables[name] = left[name][kept], of_living(variables[name], kept)
    return network, left, variables


def alive_health(
    before: AnyNetwork, after: AnyNetwork, rules: Mapping[str, Rule], lasting: Lasting
) -> dict[str, AliveHealth]:
    """Health of every projection whose synapses may die."""
    found = {}
    for name, rule in rules.items():
        if rule.prunes:
            p, q = before.projection(name), after.projection(name)
            dying = int(np.count_nonzero(~alive_bits(rule, lasting[name]))) if name in lasting else 0
            had, have = (np.unique(end.synapse_indices[0]).size for end in (p, q))
            found[name] = AliveHealth(name, p.synapse_count, q.synapse_count, dying, had - have)
    return found
