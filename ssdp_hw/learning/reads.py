"""Checks that neurons have the states that rules read."""

from __future__ import annotations

from collections.abc import Mapping

from ssdp_hw.errors import UnsupportedError
from ssdp_hw.learning.inputs import Rule
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.rules.model import StateRead
from ssdp_hw.running.drive import AnyNetwork


def check_reads(network: AnyNetwork, rules: Mapping[str, Rule]) -> None:
    """Raise unless the neurons at both ends of each plastic projection have the states that its rule reads.

    Raises:
        UnsupportedError: an input, a neuron without such a state, or one whose register is wider than the rule's.
    """
    for name, rule in rules.items():
        p = network.projection(name)
        for read in rule.reads:
            end = p.pre if read.home == "pre" else p.post
            said = f"projection '{name}': its rule reads the state '{read.state}' of '{end}', "
            if end in network.input_names:
                raise UnsupportedError(f"{said}an input, which has no states; let a rule read states of populations")
            known = network.population(end).state_names
            if read.state not in known:
                raise UnsupportedError(
                    f"{said}whose neurons have {', '.join(known)}; take a rule that reads one of these"
                )
            if isinstance(network, FixedNetwork):
                _check_width(network, end, read, said)


def _check_width(network: FixedNetwork, end: str, read: StateRead, said: str) -> None:
    states = {s.name: s for s in network.population(end).declared.states}
    state = states[read.state]
    width = state.width(network.limits)
    if width > read.bits or state.signed > read.signed:
        kinds = ["signed" if signed else "unsigned" for signed in (state.signed, read.signed)]
        bits, signed = max(width, read.bits), state.signed or read.signed
        raise UnsupportedError(
            f"{said}a {kinds[0]} register of {width} bits, into a {kinds[1]} one of {read.bits} bits; declare "
            f"StateRead('{read.state}', '{read.home}', bits={bits}, signed={signed})"
        )
