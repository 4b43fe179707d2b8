"""What a network learns before a search asks it, with counters of any width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import ArrayLike

from ssdp_hw.display import shown
from ssdp_hw.errors import ParameterError
from ssdp_hw.learning.inputs import plastic_names, resolve_rules
from ssdp_hw.learning.learn import learn
from ssdp_hw.learning.presentation import Presentation
from ssdp_hw.learning.supervision import Teach, Teaching
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.rules import FloatRule
from ssdp_hw.running.drive import AnyNetwork

# The narrowest counter that a rule may have.
LEAST_COUNTER_BITS = 4


@shown
@dataclass(frozen=True, eq=False)
class Lesson:
    """A lesson for :func:`ssdp_hw.search_bits`: the arguments of :func:`ssdp_hw.learn`.

    Attributes:
        inputs: samples that are taught, shape (time, batch, channels).
        labels: their classes, shape (batch,); None to learn without a teacher.
        rule: a float rule, one for all plastic projections or one by projection; its ``counter_bits`` are the widest.
        teach, presentation, plastic: see :func:`ssdp_hw.learn`.
    """

    inputs: ArrayLike
    labels: ArrayLike | None
    rule: FloatRule | Mapping[str, FloatRule]
    teach: Teach | Teaching = "all"
    presentation: Presentation | None = None
    plastic: str | Sequence[str] | None = None

    def rules(self, network: AnyNetwork, counter_bits: Mapping[str, int]) -> dict[str, FloatRule]:
        """The rule of each plastic projection, with counters of these widths where they are named.

        Raises:
            ParameterError: projections, rules or widths that do not fit.
        """
        found: dict[str, FloatRule] = {}
        for name in plastic_names(network, self.rule, self.plastic):
            rule = self.rule[name] if isinstance(self.rule, Mapping) else self.rule
            if not isinstance(rule, FloatRule):
                raise ParameterError(
                    f"Lesson: projection '{name}': {rule!r} is no float rule; give one as sh.SSDP(...)"
                )
            found[name] = replace(rule, counter_bits=counter_bits.get(name, rule.counter_bits))
        return found

    def refusal(self, network: FixedNetwork, counter_bits: Mapping[str, int]) -> str | None:
        """Why counters of these widths cannot hold what the rule adds to them, or None."""
        rules = self.rules(network, counter_bits)
        try:
            resolve_rules(network, rules, list(rules))
        except ParameterError as error:
            return str(error)
        return None

    def taught(self, network: AnyNetwork, counter_bits: Mapping[str, int], target: str | None) -> Any:
        """The network after the lesson."""
        return learn(
            network,
            self.inputs,
            self.labels,
            self.rules(network, counter_bits),
            target,
            teach=self.teach,
            presentation=self.presentation,
            on_overflow="ignore",
            health=False,
        ).network
