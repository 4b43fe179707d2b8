"""The neuron of SynSense's Xylo chips: a LIF that decays by bit shifts and may send several spikes in a step."""

from __future__ import annotations

from ssdp_hw.models.base import Kind, NeuronModel, Parameter, State, Unit
from ssdp_hw.operations.base import Operations, Value, Values

# Spikes of a hidden neuron in one step.
EVENTS_BITS = 5


class XyloLIF(NeuronModel):
    """``i <- saturate(d(i + arriving, syn))``, ``v <- saturate(d(v, mem) + i + bias)``, then spikes.

    ``d(x, r) = x - (x >> dash)`` with ``r = 2**(bits - dash)``, where a positive x that this leaves as it is loses 1:
    the registers of both decays are powers of two, dash is Xylo's. A neuron sends ``floor(v / vth)`` spikes at once,
    at most ``events`` (31 of a hidden neuron, 1 of an output), and each takes vth off v: its spikes carry their number
    as a payload, of ``payload_bits=5``.

    The second synaptic state, which some chips of the family have, is left out. Registers saturate at
    ``-(2**15 - 1)``, Xylo's at ``-2**15``.
    """

    name = "XyloLIF"
    states = (State("i"), State("v"), State("events", bits=EVENTS_BITS + 1, unit=Unit.NUMBER, signed=False))
    parameters = (
        Parameter("syn", "tau_syn", Kind.DECAY, powers_of_two=True),
        Parameter("mem", "tau_mem", Kind.DECAY, powers_of_two=True),
        Parameter("vth", "v_threshold", Kind.LEVEL, default=1.0),
        Parameter("most", "events", Kind.NUMBER, default=31, bits=EVENTS_BITS),
    )
    payload = "events"
    source = "github.com/synsense/rockpool, docs/devices/xylo-overview.ipynb; xylosim 0.1.3, XyloLayer (v2)"

    def step(self, op: Operations, s: Values, p: Values, arriving: Value) -> tuple[dict[str, Value], Value]:
        """Decay, add, then take vth off as often as it fits."""
        i = op.saturate(_shifted_decay(op, s.i + arriving, p.syn), "i")
        v = op.saturate(_shifted_decay(op, s.v, p.mem) + i + p.bias, "v")
        count, v = op.events(v, p.vth, p.most, EVENTS_BITS)
        events = op.saturate(count, "events")
        return {"i": i, "v": v, "events": events}, op.sends(events)


def _shifted_decay(op: Operations, x: Value, rate: Value) -> Value:
    """``x - (x >> dash)``, at least 1 less where x is positive."""
    lost = op.scale(x, rate, op.decay_bits, "floor")
    return x - op.select(x > 0, op.maximum(lost, op.lsb), lost)


MODEL = XyloLIF()
