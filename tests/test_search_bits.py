"""The search for the cheapest bits, and registers narrower than the chip's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import LimitError, ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.sweeping import compute
from ssdp_hw.sweeping.search import loss_at
from ssdp_hw.sweeping.widths import narrow_decays, state_bits


@pytest.fixture(autouse=True)
def _nothing_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search runs where the tests do."""
    monkeypatch.setattr(compute, "compile_once", lambda: None)


@pytest.fixture(scope="module")
def task() -> tuple[sh.Network, Any, Any]:
    """A network and samples that it gets right: each output listens to a group of inputs, with weights of all sizes."""
    rng = np.random.default_rng(5)
    classes, channels = 4, 16
    weight = rng.normal(0, 0.05, (classes, channels)) + np.kron(np.eye(classes), np.full(4, 0.3))
    net = sh.Network(
        [sh.Input("in", channels)],
        [sh.Population(name="out", neuron=sh.LIF(size=classes, tau_mem=1e-2, v_threshold=0.1))],
        [sh.Projection(pre="in", post="out", weight=weight)],
        ["out"],
        sh.Semantics(1e-3),
    )
    labels = rng.integers(0, classes, 120)
    rates = np.where(np.arange(channels)[None, :] // 4 == labels[:, None], 0.3, 0.12)
    return net, rng.random((25, 120, channels)) < rates, labels


@pytest.mark.parametrize("bound", [0.0, 2.0, 10.0])
def test_no_bit_can_be_taken_off(task: Any, bound: float, tmp_path: Path) -> None:
    net, inputs, labels = task
    with ThreadPoolExecutor(1) as pool:
        found = sh.search_bits(net, inputs, labels, bound, executor=pool, store=tmp_path, seed=1)
    chosen = np.random.default_rng(1).permutation(120)[:60]
    chosen.sort()
    shared = {
        "inputs": inputs[:, chosen], "labels": labels[chosen], "calibration": inputs[:, chosen],
        "options": {"chip": "loihi", "method": "mse", "target": "spec", "decode": "spike_count"},
    }  # fmt: skip
    bits = {"weight_bits": dict(found.weight_bits), "decay_bits": dict(found.decay_bits)}
    at = loss_at(net, **shared, **bits)
    assert at["loss"] == found.validation_loss <= bound
    assert at["float_right"] > 45  # of 60: the task can be learned from
    for kind, own in bits.items():
        for name, width in own.items():
            if width > 1:
                fewer = {**bits, kind: {**own, name: width - 1}}
                assert loss_at(net, **shared, **fewer)["loss"] > bound
    assert found.memory_bits < found.full_memory_bits
    expected = 4 * 16 * found.weight_bits["in->out"] + 4 * (2 * found.decay_bits["out"] + 2 * found.state_bits["out"])
    assert found.memory_bits == expected
    assert found.full_memory_bits == 4 * 16 * 8 + 4 * (2 * 12 + 2 * 24)


def test_what_cannot_be_searched_is_refused(task: Any, tmp_path: Path) -> None:
    net, inputs, labels = task
    with ThreadPoolExecutor(1) as pool:
        for loss, validation, error in (
            (-1.0, 0.5, ParameterError),
            (1.0, 0.0, ParameterError),
            (1.0, 1.0, ParameterError),
        ):
            with pytest.raises(error):
                sh.search_bits(net, inputs, labels, loss, validation=validation, executor=pool, store=tmp_path)
        # Samples of no class, labelled by what the float network makes of them: the chip makes something else of some.
        noise = np.random.default_rng(3).random((25, 400, 16)) < 0.2
        classes = sh.run(net, noise, steps=25 + net.latency).predict()
        decided = classes >= 0
        with pytest.raises(LimitError, match="own widths"):
            sh.search_bits(
                net, noise[:, decided], classes[decided], 0.0, executor=pool, store=tmp_path, method="max_abs"
            )


def test_states_are_held_by_the_bits_found_and_not_by_one_less(task: Any) -> None:
    net, inputs, _ = task
    fixed = sh.quantize(net, calibration=inputs)
    [(name, bits)] = state_bits(fixed, inputs, "spec").items()
    assert state_bits(fixed, inputs, "spec", max_batch_bytes=20_000) == {name: bits}
    ran = sh.run(fixed, inputs, "spec", record=("u", "v"), steps=len(inputs) + fixed.latency)
    values = np.concatenate([ran.u[name].ravel(), ran.v[name].ravel()])
    assert np.all((values >= -(1 << (bits - 1))) & (values < 1 << (bits - 1)))
    assert not np.all((values >= -(1 << (bits - 2))) & (values < 1 << (bits - 2)))


@pytest.mark.parametrize("bits", range(1, 13))
def test_narrow_decays_are_the_nearest_multiples(task: Any, bits: int) -> None:
    fixed: FixedNetwork = sh.quantize(task[0], calibration=task[1])
    codes = np.arange(4096).reshape(-1, 4)[:: max(1, 2 ** (bits - 6))]
    for four in codes[:64]:
        given = with_decays(fixed, four)
        dv = narrow_decays(given, {"out": bits}).population("out").dv
        unit = 1 << (12 - bits)
        for before, after in zip(four, dv, strict=True):
            if before in (0, 4095):
                assert after == before
            else:
                assert after % unit == 0
                assert abs(after - before) <= unit / 2 or after == 4096 - unit


def with_decays(fixed: FixedNetwork, dv: Any) -> FixedNetwork:
    """The network with other voltage decays."""
    [population] = fixed.populations
    return replace(fixed, populations=[replace(population, dv=dv)])
