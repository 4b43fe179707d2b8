"""Random networks that the emulators of Loihi express, and what they do on them.

A network is drawn from its number alone: one to three populations in a chain with recurrence and projections that skip
or go back, weights of every sign mode, weight exponents -4 to 4, delays, for nengo-loihi with biases. In every third
the weights are not the drawn ones but those that learning has made of them, in steps of learning's own LSB.

Left out is what an emulator does not express: wrapped currents and saturated voltages, the weight -256, which
nengo-loihi clips to -254, and inputs of one step beyond 21 bits, which nengo-loihi wraps and Lava does not.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import ssdp_hw as sh

EMULATORS = ("nengo-loihi", "brian2-loihi")
STEPS = 40
RECORDED = Path(__file__).parent / "data" / "emulators.npz"


def random_network(number: int) -> tuple[sh.FixedNetwork, np.ndarray]:
    """A network and spikes for its input, shape (time, 1, channels)."""
    network, spikes, _ = with_origin(number)
    return network, spikes


def learns(number: int) -> bool:
    """Whether a network's weights are those that learning made."""
    return number % 3 == 2


def with_origin(number: int) -> tuple[sh.FixedNetwork, np.ndarray, sh.FixedNetwork]:
    """A network, spikes for its input, and the network before it learned."""
    for attempt in range(100):
        rng = np.random.default_rng([number, attempt])
        drawn, spikes = _draw(rng, with_bias=emulator_of(number) == "nengo-loihi")
        network = _learned(rng, drawn, spikes) if learns(number) else drawn
        found = sh.run(network, spikes, "spec", on_overflow="ignore")
        lively = all(found.spikes[n].any() and not found.spikes[n].all() for n in network.population_names)
        within = all(np.all(network.activation_bound(n) << 6 < 1 << 21) for n in network.population_names)
        if within and lively and not any(o.u_wraps or o.v_saturations for o in found.overflow.values()):
            return network, spikes, drawn
    raise AssertionError(f"network {number}: none of 100 draws is lively")


def emulator_of(number: int) -> str:
    """The emulator that runs a network."""
    return EMULATORS[number % 2]


def _draw(rng: np.random.Generator, with_bias: bool) -> tuple[sh.FixedNetwork, np.ndarray]:
    inputs, count = int(rng.integers(2, 12)), int(rng.integers(1, 4))
    names = [f"p{k}" for k in range(count)]
    sizes = {"in": inputs} | {n: int(rng.integers(1, 10)) for n in names}
    pairs = list(zip(["in", *names], names, strict=False))
    further = int(rng.integers(0, 4))  # loops, feedback, second projections
    pairs += [(str(rng.choice(["in", *names])), str(rng.choice(names))) for _ in range(further)]
    projections = [_projection(rng, f"w{k}", a, b, (sizes[b], sizes[a])) for k, (a, b) in enumerate(pairs)]
    populations = [
        sh.FixedPopulation(
            name=n,
            size=sizes[n],
            du=int(rng.choice([4095, rng.integers(300, 4095)])),
            dv=int(rng.choice([0, rng.integers(1, 4095)])),
            vth=_threshold(rng, [q for q in projections if q.post == n]),
            bias_mant=rng.integers(-40, 80, sizes[n]) if with_bias and rng.random() < 0.5 else 0,
            bias_exp=int(rng.integers(0, 4)),
        )
        for n in names
    ]
    network = sh.FixedNetwork([sh.Input("in", inputs)], populations, projections, names)
    return network, rng.random((STEPS, 1, inputs)) < rng.choice([0.1, 0.3, 0.6])


def _projection(rng: np.random.Generator, name: str, pre: str, post: str, shape: tuple[int, int]) -> sh.FixedProjection:
    exponent = int(rng.integers(-4, 5))
    number = sh.WeightFormat(8, str(rng.choice(["mixed", "mixed", "excitatory", "inhibitory"]))).at_exponent(exponent)
    low = max(number.mantissa_min, -(254 // number.step))
    weight = rng.integers(low, number.mantissa_max + 1, shape) * number.step
    delay = int(rng.choice([0, rng.integers(1, 6)]))
    return sh.FixedProjection(
        pre=pre, post=post, name=name, weight=weight, format=number, weight_exp=exponent, delay=delay
    )


def _threshold(rng: np.random.Generator, incoming: list[sh.FixedProjection]) -> int:
    power = sum(np.square(q.weight.astype(float)).sum(axis=1).mean() * 4.0**q.weight_exp for q in incoming)
    return int(min(max(1.0, np.sqrt(0.3 * power) * rng.choice([0.3, 1.0, 2.0])), 2**17 - 1))


def _learned(rng: np.random.Generator, network: sh.FixedNetwork, spikes: np.ndarray) -> sh.FixedNetwork:
    """The network after all its projections have learned, by steps of the LSB that their exponents leave."""
    rule = sh.FixedSSDP(a_plus=40, a_baseline=25, lut=(255, 155, 35, 3), lsb_shift=9, rounding="stochastic")
    inputs = np.repeat(spikes, 6, axis=1) & (rng.random((STEPS, 6, spikes.shape[2])) < 0.8)
    names = [q.name for q in network.projections]
    learned = sh.learn(network, inputs, None, rule, target="spec", plastic=names, on_overflow="ignore").network
    kept = {q.name: np.maximum(q.mantissa, -(254 // q.format.step)) for q in learned.projections}
    return learned.with_mantissas(kept)


def described(number: int) -> dict[str, Any]:
    """A network in plain values, for the emulators' own interpreter."""
    network, spikes = random_network(number)
    return {
        "emulator": emulator_of(number),
        "inputs": network.inputs[0].size,
        "populations": [
            {"name": p.name, "du": int(p.du[0]), "dv": int(p.dv[0]), "vth": int(p.vth[0]), "bias": p.bias.tolist()}
            for p in network.populations
        ],
        "projections": [
            {
                "pre": q.pre,
                "post": q.post,
                "weight": q.weight.tolist(),
                "weight_exp": q.weight_exp,
                "delay": int(q.delay),
                "sign_mode": q.format.sign_mode.value,
            }
            for q in network.projections
        ],
        "spikes": spikes[:, 0].astype(int).tolist(),
    }


def run_emulators(numbers: list[int], python: str) -> dict[str, np.ndarray]:
    """What the emulators do on these networks: ``<number>/<population>/spikes``, packed, and ``/v``."""
    with tempfile.TemporaryDirectory() as folder:
        networks, traces = Path(folder, "networks.json"), Path(folder, "traces.npz")
        networks.write_text(json.dumps([described(n) for n in numbers]))
        worker = Path(__file__).with_name("loihi_emulators.py")
        subprocess.run([python, str(worker), str(networks), str(traces)], check=True, cwd=folder)
        with np.load(traces) as found:
            return {f"{numbers[int(k.split('/')[0])]}/{k.split('/', 1)[1]}": found[k] for k in found.files}


def differences(number: int, emulated: dict[str, np.ndarray], target: str) -> list[str]:
    """What differs between an emulator and a target on a network, in words."""
    network, spikes = random_network(number)
    found = sh.run(network, spikes, target, record=("spikes", "v"))
    out = []
    for name in network.population_names:
        raster, v = found.spikes[name][:, 0], found.v[name][:, 0]
        theirs = np.unpackbits(emulated[f"{number}/{name}/spikes"], count=raster.size).reshape(raster.shape)
        for what, ours, other in (("spikes", raster, theirs), ("v", v, emulated[f"{number}/{name}/v"])):
            steps = np.flatnonzero((ours != other).any(axis=1))
            if steps.size:
                out.append(f"network {number}, {emulator_of(number)}: {what} of '{name}' from step {steps[0]}")
    return out


def main(python: str, count: str = "24", path: str = str(RECORDED)) -> None:
    """Record networks 0 .. count - 1."""
    np.savez_compressed(path, **run_emulators(list(range(int(count))), python))


if __name__ == "__main__":
    import sys

    main(*sys.argv[1:])
