"""Record runs of the vendor's simulator of Xylo for tests/test_xylo.py.

    python -m venv v && v/bin/pip install xylosim==0.1.3 numpy && v/bin/python tests/record_xylo.py

xylosim's layer keeps no reference to the synapses that it is given, and reads them while it runs.
"""

from pathlib import Path

import numpy as np
from xylosim.v2 import XyloLayer, XyloSynapse

OUT = Path(__file__).parent / "data" / "xylo.npz"
NETWORKS, STEPS = 40, 60


def drawn(rng):
    """A random network: some fire often and several times a step, some hardly."""
    channels, hidden, outputs = (int(n) for n in (rng.integers(1, 17), rng.integers(2, 12), rng.integers(1, 9)))
    events = rng.integers(0, 16, (STEPS, channels)) * (rng.random((STEPS, channels)) < rng.choice([0.03, 0.2]))
    events[0] = 0  # so that the toolkit's input, which acts a step after it was sent, can bring the rest
    strong, shifts = rng.choice([10, 40, 127]), rng.integers(0, 3, 3)

    def weights(*shape):
        return rng.integers(-strong, strong + 1, shape) * (rng.random(shape) < 0.6)

    def dash(n):
        return rng.integers(1, 6, n)

    return {
        "w_in": weights(channels, hidden),
        "w_rec": weights(hidden, hidden) * rng.choice([0, 1]),
        "w_out": weights(hidden, outputs),
        "shifts": shifts,
        "dash_mem": dash(hidden),
        "dash_syn": dash(hidden),
        "dash_mem_out": dash(outputs),
        "dash_syn_out": dash(outputs),
        "threshold": rng.integers(20, 2000, hidden),
        "threshold_out": rng.integers(20, 2000, outputs),
        "bias": rng.integers(-30, 31, hidden) * rng.choice([0, 1]),
        "bias_out": rng.integers(-30, 31, outputs) * rng.choice([0, 1]),
        "events": events,
    }


def synapses(matrix):
    """The synapses of every source, as xylosim takes them."""
    return [[XyloSynapse(int(post), 0, int(row[post])) for post in np.flatnonzero(row)] for row in matrix]


def simulated(n):
    """What the simulator records of a network."""
    kept = [synapses(n[w]) for w in ("w_in", "w_rec", "w_out")]
    lists = {name: n[name].tolist() for name in n}
    layer = XyloLayer(
        synapses_in=kept[0],
        synapses_rec=kept[1],
        synapses_out=kept[2],
        aliases=[[] for _ in n["threshold"]],
        threshold=lists["threshold"],
        threshold_out=lists["threshold_out"],
        has_bias=True,
        bias=lists["bias"],
        bias_out=lists["bias_out"],
        weight_shift_inp=lists["shifts"][0],
        weight_shift_rec=lists["shifts"][1],
        weight_shift_out=lists["shifts"][2],
        dash_mem=lists["dash_mem"],
        dash_mem_out=lists["dash_mem_out"],
        dash_syns=[[d, d] for d in lists["dash_syn"]],
        dash_syns_out=[[d] for d in lists["dash_syn_out"]],
        name="recorded",
    )
    out = np.array(layer.evolve(lists["events"]))
    return {
        "hidden_events": np.array(layer.rec_recurrent_spikes),
        "hidden_i": np.array(layer.rec_i_syn).T,
        "hidden_v": np.array(layer.rec_v_mem).T,
        "out_events": out,
        "out_i": np.array(layer.rec_i_syn_out).T,
        "out_v": np.array(layer.rec_v_mem_out).T,
    }


def main():
    """Record all, those alone that saturate nowhere, where the simulator's registers have one value more."""
    rng, stored, count = np.random.default_rng(0), {}, 0
    while count < NETWORKS:
        network = drawn(rng)
        found = simulated(network)
        if max(np.abs(found[name]).max() for name in ("hidden_i", "hidden_v", "out_i", "out_v")) < 30_000:
            values = {**network, **found}
            stored |= {f"{count} {name}": np.asarray(value, np.int32) for name, value in values.items()}
            count += 1
    np.savez_compressed(OUT, **stored)
    print(f"{count} networks; {sum(int(v.sum()) for n, v in stored.items() if n.endswith('_events'))} spikes")


if __name__ == "__main__":
    main()
