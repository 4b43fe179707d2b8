"""The loss between a source model and a chip, taken apart step by step."""

from ssdp_hw.analysis.ladder.climb import loss_ladder
from ssdp_hw.analysis.ladder.result import LayerAgreement, LayerLoss, LossLadder, Rung
from ssdp_hw.analysis.ladder.step import Step

__all__ = ["LayerAgreement", "LayerLoss", "LossLadder", "Rung", "Step", "loss_ladder"]
