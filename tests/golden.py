"""Recorded spikes, states, weights and counters: what a change of structure must not alter.

``python tests/golden.py`` prints what differs from ``tests/data/golden.json``; ``python tests/golden.py --record``
writes that file anew, which is right only after a change of meaning that the changelog names. Only the public
interface is used, so that a recording outlives every move of code.
"""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from lesson_options import lesson

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_MODEL, load_digits

RECORDING = Path(__file__).parent / "data" / "golden.json"
STATES = ("spikes", "v", "u")
SEEDS = range(6)
SLOW_TARGETS = ("lava", "brian2")


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 over the shapes and values of integer arrays, whatever integer type holds them."""
    found = hashlib.sha256()
    for array in arrays:
        whole = np.ascontiguousarray(array).astype(np.int64)
        found.update(repr(whole.shape).encode() + whole.tobytes())
    return found.hexdigest()[:20]


def random_network(seed: int) -> tuple[sh.FixedNetwork, np.ndarray]:
    """A recurrent network with dense and sparse weights, delays and exponents of both signs, and its input."""
    rng = np.random.default_rng((b"golden"[0], seed))
    sizes = rng.integers(3, 9, 4)
    inputs, a, b, out = (int(n) for n in sizes)

    def population(name: str, size: int, spiking: bool = True) -> sh.FixedPopulation:
        return sh.FixedPopulation(
            name=name,
            size=size,
            du=rng.integers(0, 4096, size),
            dv=rng.integers(0, 4096, size),
            vth=rng.integers(20, 900, size),
            bias_mant=rng.integers(-100, 300, size),
            bias_exp=2,
            reset=("zero", "subtract")[seed % 2],
            threshold=(">", ">=")[seed // 2 % 2],
            spiking=spiking,
        )

    def projection(source: str, target: str, post: int, pre: int) -> sh.FixedProjection:
        weight = 2 * rng.integers(-90, 128, (post, pre))
        delay = rng.integers(0, 4, (post, pre)) if rng.random() < 0.5 else int(rng.integers(0, 3))
        if rng.random() < 0.4:
            weight, delay = sp.csr_array(np.where(rng.random((post, pre)) < 0.5, weight, 0)), int(rng.integers(0, 3))
        exponent = int(rng.integers(-2, 5))
        if exponent == -2:  # the chip drops the bits below 4
            weight = weight - weight % 4 if isinstance(weight, np.ndarray) else 4 * (weight / 4).floor().astype(int)
        return sh.FixedProjection(pre=source, post=target, weight=weight, weight_exp=exponent, delay=delay)

    network = sh.FixedNetwork(
        [sh.Input("in", inputs)],
        [population("a", a), population("b", b), population("out", out, seed % 3 != 2)],
        [
            projection("in", "a", a, inputs),
            projection("a", "b", b, a),
            projection("b", "a", a, b),
            projection("b", "out", out, b),
            projection("in", "out", out, inputs),
        ],
        ["out"],
    )
    return network, rng.random((30, 3, inputs)) < 0.35


def trained_network(steps: int = 16) -> tuple[sh.Network, sh.FixedNetwork, np.ndarray, np.ndarray]:
    """The digits network in float and fixed form, 40 test samples and their labels."""
    data = load_digits()
    spikes = sh.encode(data.test_values[:40], "rate", steps=steps, seed=3)
    net = sh.from_nir(DIGITS_MODEL, dt=1e-3)
    spikes[..., np.random.default_rng(6).permutation(64)[:24]] = 0  # dead pixels: there is something to learn
    calibration = sh.encode(data.train_values[:100], "rate", steps=steps, seed=4)
    return net, sh.quantize(net, chip="loihi", calibration=calibration), spikes, data.test_labels[:40]


def run_digest(network: sh.FixedNetwork, spikes: np.ndarray, target: str) -> dict[str, object]:
    """Every recorded variable of every population, and the overflow counts where the target sees them."""
    result = sh.run(network, spikes, target=target, record=STATES, on_overflow="ignore", steps=len(spikes) + 2)
    return {
        variable: digest(*(getattr(result, variable)[name] for name in network.population_names)) for variable in STATES
    } | {"spike_count": int(sum(s.sum() for s in result.spikes.values()))}


def learn_digest(
    network: sh.FixedNetwork, spikes: np.ndarray, labels: np.ndarray, rule: object, target: str, **options: object
) -> dict[str, object]:
    """Weights, counters and synchrony after learning, and the share of the weights that moved."""
    learned = sh.learn(
        network,
        spikes,
        labels,
        rule,
        target=target,
        on_overflow="ignore",
        **lesson(seed=5, **options),
    )
    names = sorted(learned.counters)
    return {
        "weights": digest(*(learned.network.projection(n).stored_weights for n in names)),
        "counters": digest(*(learned.counters[n] for n in names)),
        "synchrony": digest(*(learned.synchrony[n] for n in sorted(learned.synchrony))),
        "moved": {n: round(share, 6) for n, share in learned.changed.items()},
    }


RULES: dict[str, Callable[[str], object]] = {
    "ssdp": lambda rounding: sh.SSDP(a_plus=2e-2, a_baseline=4e-3, sigma=5, silent_pairs="skip", rounding=rounding),
    "ssdp-depress": lambda rounding: sh.SSDP(a_plus=3e-2, a_baseline=1e-3, sigma=3, rounding=rounding),
    "stdp": lambda rounding: sh.STDP(
        a_plus=1e-3, a_minus=5e-4, tau_plus=4, tau_minus=7, rounding=rounding, trace_rounding="toward_zero"
    ),
    "sadp": lambda rounding: sh.SADP(rounding=rounding),
}


def cases() -> Iterator[tuple[str, Callable[[], dict[str, object]]]]:
    """Name of every case, and what computes it."""
    for seed in SEEDS:
        network, spikes = random_network(seed)
        for target in ("spec", "engine", *(SLOW_TARGETS if seed < 2 else ())):
            yield f"run/{seed}/{target}", lambda n=network, s=spikes, t=target: run_digest(n, s, t)
    net, fixed, spikes, labels = trained_network()
    yield (
        "quantize/digits",
        lambda: (
            {p.name: digest(p.stored_weights, np.asarray(p.weight_exp)) for p in fixed.projections}
            | {p.name: digest(p.du, p.dv, p.vth, p.bias_mant) for p in fixed.populations}
        ),
    )
    yield "float/digits", lambda: {name: digest(s) for name, s in sh.run(net, spikes, target="spec").spikes.items()}
    for target in ("spec", "engine", *SLOW_TARGETS):
        yield f"run/digits/{target}", lambda t=target: run_digest(fixed, spikes[:, :12], t)
    for rule, make in RULES.items():
        for rounding in ("carry", "stochastic", "nearest"):
            for target in ("spec", "engine"):
                yield (
                    f"learn/{rule}/{rounding}/{target}",
                    lambda m=make, r=rounding, t=target: learn_digest(
                        fixed, spikes, labels, m(r), t, teach=("all", "delta")[r == "carry"], refresh=10
                    ),
                )
        for target in SLOW_TARGETS:
            yield (
                f"learn/{rule}/stochastic/{target}",
                lambda m=make, t=target: learn_digest(
                    fixed, spikes[:, :10], labels[:10], m("stochastic"), t, health=False
                ),
            )


def compute(
    names: tuple[str, ...] = (), leave_out: Callable[[str], bool] | None = None
) -> dict[str, dict[str, object]]:
    """What is computed now, of the cases whose name contains one of ``names`` (default: all), but those left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: json.loads(json.dumps(make()))
            for name, make in cases()
            if not (leave_out and leave_out(name)) and (not names or any(part in name for part in names))
        }


def main() -> int:
    """Record, or print what differs."""
    found = compute()
    if "--record" in sys.argv:
        RECORDING.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    recorded = json.loads(RECORDING.read_text())
    wrong = [name for name in sorted({*recorded, *found}) if recorded.get(name) != found.get(name)]
    print(*(f"{name}: {recorded.get(name)} -> {found.get(name)}" for name in wrong), sep="\n")
    print(f"{len(found)} cases, {len(wrong)} differ")
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
