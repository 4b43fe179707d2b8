"""The warning about a network in which no neuron fires.

It names the first silent population, how far its voltage stays below the threshold, and likely causes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arithmetic import shift
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.batches import select_samples
from ssdp_hw.running.drive import AnyNetwork, Drive, Inputs, make_drive
from ssdp_hw.running.result import Record, Recording, RunResult

# Number of samples that are run again to record the voltages of a silent network.
_SAMPLES = 16


class SilentNetworkWarning(UserWarning):
    """Input arrived, and no neuron of the network fired."""


def warn_if_silent(
    network: AnyNetwork, drive: Drive, recording: Recording, run: Callable[[Drive, Record], Recording]
) -> None:
    """Warn if a network that got input did not fire at all.

    Args:
        network: float or fixed.
        drive: its input.
        recording: what the run recorded; if it left populations out, nothing is said.
        run: a function that runs a drive again and records what it is asked for.
    """
    names = [p.name for p in network.populations if p.spiking and p.name not in network.helpers]
    if not names or any(name not in recording.spikes or recording.spikes[name].any() for name in names):
        return
    if not drive.values and not any(spikes.any() for spikes in drive.spikes.values()):
        return
    ways = [p.delay for p in network.projections]
    if drive.steps <= 1 + min((int(np.min(d, initial=0)) for d in ways), default=0):
        return  # too short for any spike to arrive
    first = next((n for n in names if any(p.pre in network.input_names for p in network.incoming(n))), names[0])
    v = None
    if _thresholds(network, first) is not None:  # a model without that threshold may have no state v either
        v = run(drive.select(0, _SAMPLES), Record(("v",), (first,))).v.get(first)
    head = f"nothing fires: no neuron of any population did, though input arrived. Population '{first}' comes first"
    warnings.warn(_said(head, network, first, v), SilentNetworkWarning, stacklevel=3)


def silent_output(network: AnyNetwork, name: str, inputs: Inputs, run: Callable[..., RunResult]) -> str:
    """A sentence about an output that did not fire: how far its voltage stays below its threshold, and why.

    Args:
        network: float or fixed.
        name: of the output.
        inputs: as for :func:`ssdp_hw.run`.
        run: that function.
    """
    head = f"output '{name}' never fires, so that no sample gets a class"
    if _thresholds(network, name) is None:
        return _said(head, network, name, None)
    samples = slice(0, min(_SAMPLES, make_drive(network, inputs).batch))
    asked: dict[str, Any] = {"record": ("v",), "populations": [name], "on_overflow": "ignore"}
    return _said(head, network, name, run(network, select_samples(inputs, samples), **asked).v.get(name))


def _said(head: str, network: AnyNetwork, name: str, v: NDArray[np.float64] | NDArray[np.int64] | None) -> str:
    thresholds = _thresholds(network, name)
    if v is None or thresholds is None:
        return f"{head}; record its states to see how far it is from firing"
    reached = v.reshape(-1, v.shape[-1]).max(axis=0)
    share = np.where(thresholds > 0, reached / np.where(thresholds > 0, thresholds, 1), 0.0)
    neuron = int(np.argmax(share))
    text = f"{head}; its voltage reaches {max(float(share[neuron]), 0.0):.2%} of its threshold (neuron {neuron})"
    if isinstance(network, FixedNetwork):
        return f"{text}; run the float network that it was quantised from, which says more"
    c, dt = network.coefficients(name), network.semantics.dt
    gain = float(np.max(np.abs(c.gain_u * c.gain_v)))
    if 0 < gain < 1 <= share[neuron] / gain:
        return (
            f"{text}. A spike of weight 1 moves it by {gain:.3g}, since NIR's equations multiply input by dt over the "
            f"time constant (dt = {dt:g} s); added as it is, it would reach the threshold. Frameworks add it so: name "
            "the one that wrote the file (preset='snntorch', 'norse', 'sinabs', 'spyx', 'rockpool' or 'lava-dl'), or "
            "say what its time constants count (tau_unit='steps')"
        )
    if share[neuron] <= 0:
        return f"{text}: its input is not excitatory; neither dt nor a preset explains that"
    return (
        f"{text}; dt = {dt:g} s and the gain {gain:.3g} of its input do not explain it: look at weights and thresholds"
    )


def _thresholds(network: AnyNetwork, name: str) -> NDArray[np.float64] | None:
    """Thresholds in units of the recorded voltage; None for models whose threshold changes or has no fixed value."""
    p = network.population(name)
    if isinstance(network, FixedNetwork):
        fixed = network.population(name)
        return np.asarray(shift(fixed.vth, network.limits.activation_shift), np.float64) if fixed.is_cuba_lif else None
    neuron = network.population(name).neuron
    if tuple(p.state_names) != ("u", "v") or not hasattr(neuron, "v_threshold"):
        return None
    return np.asarray(neuron.parameter("v_threshold"), np.float64)
