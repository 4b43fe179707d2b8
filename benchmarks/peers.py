"""Other simulators on the same network and spikes, in an interpreter of their own (``make bench-peers``).

``run.py`` starts this file with the peers' interpreter and talks to it line by line, so that they take turns with
everyone else. What they run comes in an .npz file: here a chain of dense layers.

Each torch-based peer gets its best form: all samples at once, ``torch.inference_mode``, one matmul a layer for all
steps, and the layer's neurons from step to step by the peer's own module.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import peers_emulators
import peers_learning
import torch

Run = Callable[[], Any]
Layer = Callable[[Any], Any]  # currents (time, batch, n) to spikes (time, batch, n)
LATENCY = 2  # steps by which ssdp-hw's output is later: one a projection


class Chain:
    """The network: ``v <- keep * v + input; a neuron fires and is reset to 0 if v > threshold``."""

    def __init__(self, path: str) -> None:
        with np.load(path) as file:
            self.weights = [torch.from_numpy(file[f"weight{k}"].astype(np.float32)) for k in range(2)]
            self.spikes = torch.from_numpy(file["spikes"].astype(np.float32))
            self.keep, self.threshold = float(file["keep"]), float(file["threshold"])

    @property
    def reached(self) -> float:
        """The threshold for a neuron that fires at v >= threshold."""
        return float(np.nextafter(np.float32(self.threshold), np.float32(np.inf)))

    def runner(self, layer: Callable[[int], Layer], gain: float = 1.0) -> Callable[[], Any]:
        """A run with the neurons of a peer, which take currents times ``gain``."""
        layers = [layer(len(weight)) for weight in self.weights]
        weights = [gain * weight.T.contiguous() for weight in self.weights]

        def run() -> Any:
            with torch.inference_mode():
                x = self.spikes
                for weight, neurons in zip(weights, layers, strict=True):
                    x = neurons(x @ weight)
                return x

        return run


def plain(chain: Chain, compiled: bool = False) -> Callable[[], Any]:
    """A loop over steps in torch itself."""

    def step(v: Any, current: Any) -> Any:
        v = v * chain.keep + current
        fired = v > chain.threshold
        return torch.where(fired, 0.0, v), fired.float()

    taken = torch.compile(step) if compiled else step

    def layer(_: int) -> Layer:
        def run(currents: Any) -> Any:
            v, out = torch.zeros_like(currents[0]), torch.empty_like(currents)
            for t, current in enumerate(currents):
                v, out[t] = taken(v, current)
            return out

        return run

    return chain.runner(layer)


def snntorch(chain: Chain) -> Callable[[], Any]:
    """Leaky with the reset in the step of the spike."""
    module = importlib.import_module("snntorch")

    def layer(_: int) -> Layer:
        leaky = module.Leaky(beta=chain.keep, threshold=chain.threshold, reset_mechanism="zero", reset_delay=False)

        def run(currents: Any) -> Any:
            mem, out = torch.zeros_like(currents[0]), torch.empty_like(currents)
            for t, current in enumerate(currents):
                out[t], mem = leaky(current, mem)
            return out

        return run

    return chain.runner(layer)


def norse(chain: Chain) -> Callable[[], Any]:
    """LIFBox, whose input is scaled by dt / tau."""
    module = importlib.import_module("norse.torch.functional.lif_box")
    dt, share = 1e-3, 1 - chain.keep
    parameters = module.LIFBoxParameters(tau_mem_inv=torch.tensor(share / dt), v_th=torch.tensor(chain.threshold))

    def layer(_: int) -> Layer:
        def run(currents: Any) -> Any:
            state, out = module.LIFBoxFeedForwardState(v=torch.zeros_like(currents[0])), torch.empty_like(currents)
            for t, current in enumerate(currents):
                out[t], state = module.lif_box_feed_forward_step(current, state, parameters, dt)
            return out

        return run

    return chain.runner(layer, 1 / share)


def sinabs(chain: Chain) -> Callable[[], Any]:
    """LIF with a single spike a step."""
    layers, activation = (importlib.import_module(f"sinabs.{name}") for name in ("layers", "activation"))

    def layer(_: int) -> Layer:
        lif = layers.LIF(
            tau_mem=-1 / np.log(chain.keep),
            spike_threshold=torch.tensor(chain.reached),
            norm_input=False,
            spike_fn=activation.SingleSpike,
            reset_fn=activation.MembraneReset(),
        )

        def run(currents: Any) -> Any:
            lif.reset_states()
            return lif(currents.transpose(0, 1)).transpose(0, 1)

        return run

    return chain.runner(layer)


def spikingjelly(chain: Chain) -> Callable[[], Any]:
    """LIFNode over all steps at once."""
    neuron = importlib.import_module("spikingjelly.activation_based.neuron")

    def layer(_: int) -> Layer:
        lif = neuron.LIFNode(
            tau=1 / (1 - chain.keep),
            decay_input=False,
            v_threshold=chain.reached,
            v_reset=0.0,
            step_mode="m",
        ).eval()

        def run(currents: Any) -> Any:
            lif.reset()
            return lif(currents)

        return run

    return chain.runner(layer)


PEERS: dict[str, tuple[str, Callable[[Chain], Callable[[], Any]]]] = {
    "torch, plain loop": ("torch", plain),
    "torch, compiled step": ("torch", lambda chain: plain(chain, compiled=True)),
    "snnTorch": ("snntorch", snntorch),
    "Norse": ("norse", norse),
    "Sinabs": ("sinabs", sinabs),
    "SpikingJelly": ("spikingjelly", spikingjelly),
}


def checked(make: Callable[[Chain], Callable[[], Any]]) -> Callable[[Chain], tuple[Run, Run]]:
    """What is timed, and what gives spikes as ssdp-hw has them, whose projections take a step each."""

    def both(chain: Chain) -> tuple[Run, Run]:
        run = make(chain)

        def check() -> Any:
            spikes = run()
            out = np.zeros(spikes.shape, bool)
            out[LATENCY:] = spikes.numpy()[:-LATENCY] > 0
            return out

        return run, check

    return both


# By kind: what reads the file, and by name the package and what makes of it a run and its check.
KINDS: dict[str, tuple[Any, dict[str, tuple[str, Callable[[Any], tuple[Run, Run]]]]]] = {
    "inference": (Chain, {name: (package, checked(make)) for name, (package, make) in PEERS.items()}),
    "learning": (peers_learning.LearningTask, peers_learning.PEERS),
    "emulators": (peers_emulators.Chip, peers_emulators.PEERS),
}


def versions(kind: str) -> dict[str, str]:
    """Of the peers of a kind that are installed."""
    found = {}
    for name, (package, _) in KINDS[kind][1].items():
        try:
            found[name] = f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Say who is here, then do as told: ``load KIND FILE``, ``check NAME FILE``, ``run NAME``."""
    torch.set_grad_enabled(False)
    answer = json.dumps({kind: versions(kind) for kind in KINDS})
    loaded, peers, runs = None, {}, {}
    while True:
        print(f"peers: {answer}", flush=True)
        command = sys.stdin.readline().rstrip("\n").split("\t")
        try:
            if command[0] == "load":
                read, peers = KINDS[command[1]]
                loaded, runs, answer = read(command[2]), {}, "{}"
            elif command[0] == "check":
                runs[command[1]], check = peers[command[1]][1](loaded)
                np.save(command[2], check())
                answer = "{}"
            elif command[0] == "run":
                runs[command[1]]()
                answer = "{}"
            else:
                return
        except Exception as error:  # whatever a peer raises belongs into the table
            answer = json.dumps({"error": " ".join(f"{type(error).__name__}: {error}".split())[:200]})


if __name__ == "__main__":
    main()
