"""``compile_target``: small runs that make a target compile (and cache on disk) what it compiles on first use."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ssdp_hw.arrays import GivenWeight
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.learning.learn import learn
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.float_network import Network, Population, Projection, Semantics
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.network.neurons import LIF
from ssdp_hw.quantization import quantize
from ssdp_hw.rules import SSDP, STDP
from ssdp_hw.running.run import run
from ssdp_hw.running.target_registry import choose_target

_STEPS, _SAMPLES, _SIZE = 12, 16, 16


def compile_target(target: str | None = None) -> dict[str, Any]:
    """Run and teach small networks of every common kind on a target.

    Args:
        target: its name; default the fastest.

    Returns:
        Plain values: ``target``, ``seconds`` by what was run, and what it cannot run under ``skipped``.

    Raises:
        UnknownTargetError, TargetUnavailableError: see :func:`ssdp_hw.run`.
        TargetRunError: the target failed.
    """
    name = choose_target(target, _network("dense")).name
    rng = np.random.default_rng(0)
    spikes, labels = rng.random((_STEPS, _SAMPLES, _SIZE)) < 0.3, np.arange(_SAMPLES) % 4
    jobs: dict[str, Callable[[], object]] = {}
    for kind in ("dense", "recurrent", "convolution"):
        net = _network(kind)
        fixed = quantize(net)
        jobs[f"{kind}, float"] = partial(run, net, spikes, name, on_overflow="ignore")
        jobs[f"{kind}, fixed"] = partial(run, fixed, spikes, name, on_overflow="ignore")
    net = _network("dense")
    fixed = quantize(net, calibration=spikes)
    for rule in (SSDP(a_plus=0.05, a_baseline=0.01, sigma=5.0), STDP()):
        for which, network in (("float", net), ("fixed", fixed)):
            jobs[f"{type(rule).__name__}, {which}"] = partial(learn, network, spikes, labels, rule, name)
    seconds: dict[str, float] = {}
    skipped: dict[str, str] = {}
    for job, work in jobs.items():
        start = time.perf_counter()
        try:
            work()
        except UnsupportedError as error:
            skipped[job] = str(error)
        else:
            seconds[job] = time.perf_counter() - start
    return {"target": name, "seconds": seconds, "skipped": skipped}


def _network(kind: str) -> Network:
    """A network of one hidden layer, whose first weights are of that kind."""
    rng = np.random.default_rng(1)
    weight: GivenWeight = rng.normal(0.2, 0.4, (_SIZE, _SIZE))
    if kind == "convolution":
        weight = ConvWeight(rng.normal(0.2, 0.4, (1, 1, 3, 3)), (1, 4, 4), padding=1)
    projections = [
        Projection(pre="in", post="hidden", weight=weight),
        Projection(pre="hidden", post="out", weight=rng.normal(0.2, 0.4, (4, _SIZE))),
    ]
    if kind == "recurrent":
        projections.append(Projection(pre="hidden", post="hidden", weight=rng.normal(0.0, 0.2, (_SIZE, _SIZE))))
    populations = [
        Population(name="hidden", neuron=LIF(size=_SIZE, tau_mem=10e-3, v_threshold=0.3)),
        Population(name="out", neuron=LIF(size=4, tau_mem=10e-3, v_threshold=0.3)),
    ]
    return Network([Input("in", _SIZE)], populations, projections, ["out"], Semantics(1e-3))
