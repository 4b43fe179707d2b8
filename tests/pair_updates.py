"""What SSDP does to every pair of neurons in a window."""

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.rules import SSDP
from ssdp_hw.rules.local import Observation
from ssdp_hw.rules.spike_times import Registers


def pair_update(rule: SSDP, pre: Registers, post: Registers, window: int) -> Real:
    """The step ``dw`` of every pair in one window without a gate, shape (post, pre); times in steps."""
    shape = post.time.shape[1], pre.time.shape[1]
    rows, cols = np.indices(shape).reshape(2, -1)
    return rule.gated(rule.step(Observation(pre, post), window, rows, cols), None).reshape(shape)
