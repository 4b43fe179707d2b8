"""The steps from a source model to a chip, in their order."""

from __future__ import annotations

from ssdp_hw.checks import Choice


class Step(Choice):
    """What changes from one rung of the ladder to the next."""

    SOURCE = "source"
    FLOAT = "float"
    TIMING = "timing"
    WEIGHTS = "weights"
    DECAYS = "decays"
    THRESHOLDS = "thresholds"
    STATE = "state"
    OVERFLOW = "overflow"

    @property
    def label(self) -> str:
        """For people."""
        return _LABELS[self]


_LABELS = {
    Step.SOURCE: "source framework",
    Step.FLOAT: "our float",
    Step.TIMING: "chip timing",
    Step.WEIGHTS: "weights rounded",
    Step.DECAYS: "decays rounded",
    Step.THRESHOLDS: "threshold and bias rounded",
    Step.STATE: "integer state",
    Step.OVERFLOW: "wrap and saturation",
}

# Steps that round parameters of a float network.
PARAMETERS = (Step.WEIGHTS, Step.DECAYS, Step.THRESHOLDS)
# Steps that can be taken alone, from the float network in the chip's timing.
ALONE = (*PARAMETERS, Step.STATE, Step.OVERFLOW)
