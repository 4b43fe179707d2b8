"""lava-dl's adaptive resonate-and-fire neurons: a raised threshold and a refractory response after a spike."""

from __future__ import annotations

from ssdp_hw.models.alif import ADAPTATION, ADAPTATION_PARAMETERS, decayed, raised
from ssdp_hw.models.base import NeuronModel
from ssdp_hw.models.resonate_and_fire import RESONATOR, RESONATOR_PARAMETERS, crosses, rotated
from ssdp_hw.operations.base import Operations, Value, Values


class ADRF(NeuronModel):
    """Resonate and fire by the phase, with the adaptation and the refractory response of lava-dl's ALIF.

    The rotation and spike condition of ``RF``, with ``vth + a + r`` in the place of vth; a and r as in ``ALIF``.
    """

    name = "ADRF"
    states = (*RESONATOR, *ADAPTATION)
    parameters = (*RESONATOR_PARAMETERS, *ADAPTATION_PARAMETERS)
    voltage = "real"
    ports = ("imag_input",)
    source = "lava-dl 0.6.0, slayer/neuron/adrf.py and slayer/neuron/dynamics/adaptive_phase_th.py"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Turn, fire at phase 0 above the raised threshold, raise it further after a spike."""
        real, imag = rotated(op, s, p, arriving)
        a, r = decayed(op, s, p)
        fired = op.fires(real, p.vth + a + r) & crosses(s, imag)
        return {"real": real, "imag": imag, **raised(op, a, r, p, fired)}, fired


class ADRFIzhikevich(NeuronModel):
    """Resonate and fire by the imaginary part, with the adaptation and refractory response of lava-dl's ALIF.

    A spike where imag reaches ``vth + a + r``; unlike in ``RF_IZ`` it leaves real and imag as they are.
    """

    name = "ADRF_IZ"
    states = ADRF.states
    parameters = ADRF.parameters
    voltage = "imag"
    ports = ("imag_input",)
    source = "lava-dl 0.6.0, slayer/neuron/adrf_iz.py and slayer/neuron/dynamics/adaptive_resonator.py"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Turn, compare the imaginary part with the raised threshold, raise it further after a spike."""
        real, imag = rotated(op, s, p, arriving)
        a, r = decayed(op, s, p)
        fired = op.fires(imag, p.vth + a + r)
        return {"real": real, "imag": imag, **raised(op, a, r, p, fired)}, fired


MODELS = (ADRF(), ADRFIzhikevich())
