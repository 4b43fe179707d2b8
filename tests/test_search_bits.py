"""The search for the cheapest bits, and registers narrower than the chip's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.errors import LimitError, ParameterError
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.sweeping import compute
from ssdp_hw.sweeping.search import _search, loss_at
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


@pytest.mark.slow
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


@pytest.mark.slow_after(4)
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


# Lessons.

RULE = sh.SSDP(a_plus=3e-2, a_baseline=3e-3, sigma=30, silent_pairs="skip", rounding="carry", counter_bits=12)


@pytest.fixture(scope="module")
def lesson(task: Any) -> sh.Lesson:
    """Of these samples the readout learns."""
    _, inputs, labels = task
    return sh.Lesson(inputs[:, :60], labels[:60], RULE, teach="delta", presentation=sh.Presentation(epochs=2, seed=3))


@pytest.mark.slow
def test_with_a_lesson_no_bit_of_a_counter_can_be_taken_off_either(
    task: Any, lesson: sh.Lesson, tmp_path: Path
) -> None:
    net, inputs, labels = task
    asked, classes = inputs[:, 60:], labels[60:]
    options: dict[str, Any] = {"lesson": lesson, "target": "spec", "seed": 1}
    with ThreadPoolExecutor(1) as pool:
        found = sh.search_bits(net, asked, classes, 5.0, executor=pool, store=tmp_path, **options)
        again = sh.search_bits(net, asked, classes, 5.0, executor=pool, store=tmp_path, **options)
    assert again.to_dict() == found.to_dict()
    chosen = np.sort(np.random.default_rng(1).permutation(60)[:30])

    def right(weights: Any, decays: Any, counters: Any) -> int:
        """By the toolkit's own calls alone."""
        fixed = sh.quantize(
            net, calibration=asked[:, chosen], method="mse",
            overrides={name: {"weight_bits": bits} for name, bits in weights.items()},
        )  # fmt: skip
        rules = {name: replace(RULE, counter_bits=bits) for name, bits in counters.items()}
        learned = sh.learn(
            narrow_decays(fixed, decays), lesson.inputs, lesson.labels, rules, "spec", teach="delta",
            presentation=lesson.presentation, on_overflow="ignore",
        ).network  # fmt: skip
        steps = len(asked) + learned.latency
        ran = sh.run(learned, asked[:, chosen], "spec", steps=steps, on_overflow="ignore")
        return int(np.count_nonzero(ran.predict() == classes[chosen]))

    reference = sh.learn(
        net, lesson.inputs, lesson.labels, RULE, "spec", teach="delta", presentation=lesson.presentation
    ).network
    exact = np.count_nonzero(
        sh.run(reference, asked[:, chosen], "spec", steps=len(asked) + net.latency).predict() == classes[chosen]
    )
    widths = (found.weight_bits, found.decay_bits, found.counter_bits)
    assert found.validation_loss == pytest.approx(100 * (exact - right(*widths)) / 30)
    assert found.validation_loss <= 5.0
    [(name, bits)] = found.counter_bits.items()
    assert name == "in->out"
    assert 4 <= bits < 12
    if bits > 4 and not lesson.refusal(found.network, {name: bits - 1}):
        assert 100 * (exact - right(found.weight_bits, found.decay_bits, {name: bits - 1})) / 30 > 5.0
    assert found.full_memory_bits == 4 * 16 * (8 + 12) + 4 * (2 * 12 + 2 * 24)
    assert found.memory_bits == 4 * 16 * (found.weight_bits["in->out"] + bits) + 4 * 2 * (
        found.decay_bits["out"] + found.state_bits["out"]
    )
    assert f"counters   in->out  {bits}" in str(found)


def test_a_counter_that_holds_less_than_the_rule_adds_loses_everything(task: Any, lesson: sh.Lesson) -> None:
    net, inputs, labels = task
    options = {"chip": "loihi", "method": "mse", "target": "spec", "decode": "spike_count"}
    given: dict[str, Any] = {"inputs": inputs[:, 60:], "labels": labels[60:], "calibration": inputs, "options": options}
    large = sh.Lesson(lesson.inputs, lesson.labels, replace(RULE, a_plus=1.0), teach="delta")
    found = loss_at(
        net, **given, weight_bits={}, decay_bits={}, counter_bits={"in->out": 4}, lesson=large, float_right=50
    )
    assert found["loss"] == 100.0
    assert "counter" in str(found["refused"])
    with pytest.raises(ParameterError, match="counter"):
        sh.search_bits(net, inputs, labels, 1.0, lesson=replace(large, rule=replace(RULE, a_plus=1.0, counter_bits=4)))
    with pytest.raises(ParameterError, match="no float rule"):
        sh.search_bits(net, inputs, labels, 1.0, lesson=replace(lesson, rule="SSDP"))
    with pytest.raises(ParameterError, match="give a Lesson"):
        sh.search_bits(net, inputs, labels, 1.0, lesson=RULE)


@given(st.integers(1, 8), st.integers(1, 12), st.integers(4, 16), st.integers(4, 16))
def test_the_search_ends_at_the_narrowest_that_suffice(weight: int, decay: int, first: int, second: int) -> None:
    """Where each register needs so many bits whatever the others have, these are what is found, counters from 4 on."""
    needed = {("weight", "a"): weight, ("decay", "n"): decay, ("counter", "a"): first, ("counter", "b"): second}
    top = {("weight", "a"): 8, ("decay", "n"): 12, ("counter", "a"): 16, ("counter", "b"): 16}
    asked: list[Any] = []

    def losses(candidates: Any) -> list[float]:
        asked.extend(candidates)
        return [float(any(one[knob] < bits for knob, bits in needed.items())) for one in candidates]

    assert _search(top, dict.fromkeys(top, 1), 0.5, losses) == needed
    assert all(one["counter", name] >= 4 for one in asked for name in "ab")
