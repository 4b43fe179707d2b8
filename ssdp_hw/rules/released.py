"""SSDP as its authors released it: five forms, by name.

The paper's equation is :class:`ssdp_hw.SSDP`. The released code (NeuroSyd/SSDP, last changed in April 2025, and
NeuroSyd/DA-SSDP, December 2025, read in 2026) computes other rules in places:

``transformer``
    Both neurons fired: ``a_plus G(d)``, else ``-a_baseline G(d)``, with ``G = exp(-d**2 / (2 sigma**2))``. The time of
    a neuron is its **last** spike (``cumsum(0).argmax(0)``; the comments say first); a silent neuron has the end of
    the window. The classifier of SSD-ViT; a_plus 1e-4, a_baseline 5e-5 there.
``attention``
    The same, but a silent neuron has the time **0**, since the line that sets it is missing in DA-SSDP's attention
    update; a_plus 1.5e-3, a_baseline 5e-4 in the code (1e-4 in the paper's text).
``spoken_digits``
    The same with true **first** spikes: the code for Spiking Heidelberg Digits.
``single_layer``
    Behind the paper's Fashion-MNIST figure (89.37 %). Spikes of the **last step** of the window alone, d = 1 for every
    pair, ``a_plus (exp(-1/20) - exp(-1/400))`` for a pair that is active there, nothing for others: about -0.046
    a_plus, so that the rule **depresses synchronous pairs** and does nothing else; a_plus 0.02 in the beginning.
``difference``
    The exponential window of the same files, which also stands in a comment of SSD-ViT's, with the distance d of both
    times: ``a_plus (exp(-d/tau_plus) - exp(-d/(tau_plus tau_minus)))`` for pairs of which both fired, nothing for
    others. It **depresses** every such pair that is apart, the more the farther, since the code divides the second
    distance by both time constants.

What these forms lack of the released training: amplitudes that are annealed over epochs, and a mean over a batch, which
:class:`ssdp_hw.BatchSSDP` has.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from ssdp_hw.checks import as_int
from ssdp_hw.errors import ParameterError
from ssdp_hw.rules.declared import FloatDeclaredRule, rule
from ssdp_hw.rules.model import STEPS_MAX
from ssdp_hw.rules.models.released_ssdp import ReleasedSSDP

Form = Literal["transformer", "attention", "spoken_digits", "single_layer", "difference"]

# Amplitudes in the released code.
_AMPLITUDES = {
    "transformer": (1e-4, 5e-5),
    "attention": (1.5e-3, 5e-4),
    "spoken_digits": (1.5e-4, 5e-5),
    "single_layer": (0.02, 0.0),
    "difference": (0.02, 0.0),
}


def released_ssdp(
    form: Form,
    steps: int,
    *,
    a_plus: float | None = None,
    a_baseline: float | None = None,
    sigma: float = 1.0,
    tau_plus: float = 20.0,
    tau_minus: float = 20.0,
    **options: Any,
) -> FloatDeclaredRule:
    """A form of SSDP as its authors released it; see the module's text for the forms.

    Args:
        form: ``transformer``, ``attention``, ``spoken_digits``, ``single_layer`` or ``difference``.
        steps: length of a window, for the tables by distance.
        a_plus, a_baseline: amplitudes in units of the float weight; default those of the released code.
        sigma: width of the Gaussian in steps.
        tau_plus, tau_minus: time constants of the exponential forms in steps; the second term has
            ``tau_plus * tau_minus``, as in the released code, which divides by both.
        options: ``clip``, ``windows_per_update``, ``counter_bits``, ``rounding``, ``pre_trace``: see
            :class:`ssdp_hw.rules.FloatRule`.

    Raises:
        ParameterError: an unknown form, or a value out of range.
    """
    if form not in get_args(Form):
        raise ParameterError(f"released_ssdp: form = {form!r} is unknown; choose {', '.join(get_args(Form))}")
    length = as_int(steps, "released_ssdp: steps")
    if not 1 <= length <= STEPS_MAX:
        raise ParameterError(f"released_ssdp: steps = {length} is outside 1 .. {STEPS_MAX}")
    for name, value in (("sigma", sigma), ("tau_plus", tau_plus), ("tau_minus", tau_minus)):
        if not (np.isfinite(value) and value > 0):
            raise ParameterError(f"released_ssdp: {name} = {value} must be above 0")
    distance = np.arange(length + 1.0)
    if form in ("single_layer", "difference"):
        plus = np.exp(-distance / tau_plus) - np.exp(-distance / (tau_plus * tau_minus))
        baseline = np.zeros(1)
    else:
        plus = baseline = np.exp(-np.square(distance) / (2.0 * sigma**2))
    model = ReleasedSSDP(
        last=form != "spoken_digits", silent_at_start=form == "attention", final_step=form == "single_layer"
    )
    default_plus, default_baseline = _AMPLITUDES[form]
    return rule(
        model,
        a_plus=default_plus if a_plus is None else a_plus,
        a_baseline=default_baseline if a_baseline is None else a_baseline,
        plus=tuple(plus.tolist()),
        baseline=tuple(baseline.tolist()),
        **options,
    )
