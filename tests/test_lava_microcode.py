"""Compiled rules on Lava's LearningDense, against an independent statement of Lava's update."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, ShapeError, StateOverflowError
from ssdp_hw.microcode import Arithmetic, Microcode, Product, Trace
from ssdp_hw.running.target_registry import get_target

LAVA = get_target("lava")
if not LAVA.availability().installed:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from ssdp_hw.targets.lava.microcode import MicrocodeRun, learning_rule, run_microcode  # noqa: E402

WINDOW = 31
DELTAS = range(-12, 13)
BITS = {"x0": 1, "y0": 1, "w": 9}  # all others: 7


# An independent statement of Lava's fixed_pt update


class Side:
    """Traces of one neuron, in the integers of one epoch after the other."""

    def __init__(self, traces: dict[str, Trace], seed: int) -> None:
        self.traces, self.values = traces, dict.fromkeys(traces, 0)
        self.random = np.random.default_rng(seed)
        self.random.random()  # drawn and never used

    def epoch(self, spikes: np.ndarray) -> tuple[int | None, dict[str, list[int]]]:
        """Step of the last spike, counted from 1, and every trace at the steps 0 .. t_epoch."""
        number = self.random.random(2 * len(spikes))[-1]  # two a step, the last one counts
        steps = (np.flatnonzero(spikes) + 1).tolist()
        histories = {}
        for name, trace in self.traces.items():
            value = self.values[name]
            for _ in steps[:-1]:
                value = min(127, value + trace.impulse)
            history = [value]
            for step in range(1, len(spikes) + 1):
                exact = float(np.exp(np.array([-1 / trace.tau]))[0]) * value
                value = int(exact) + int(number < exact % 1)
                if steps and step == steps[-1]:
                    value = min(127, value + trace.impulse)
                history.append(value)
            self.values[name], histories[name] = value, history
        return (steps[-1] if steps else None), histories


def restated(code: Microcode, pre: np.ndarray, post: np.ndarray, first: np.ndarray, seed: int) -> np.ndarray:
    """Weights after every epoch, read off the rule's text, synapse by synapse."""
    products = []
    for text in code.dw().replace("- ", "+ -").split(" + "):
        mantissa, power, *factors = text.split("*")
        products.append((int(mantissa), int(power.removeprefix("2^")), factors))
    traces = {side: {n: t for n, t in code.traces.items() if n[0] == side} for side in "xy"}
    xs = [Side(traces["x"], seed) for _ in range(pre.shape[1])]
    ys = [Side(traces["y"], seed + 2) for _ in range(post.shape[1])]
    rounding = np.random.default_rng(2)
    rounding.random()
    weights = [first.astype(int)]
    for start in range(0, len(pre), code.t_epoch):
        now = slice(start, start + code.t_epoch)
        x = [side.epoch(pre[now, i]) for i, side in enumerate(xs)]
        y = [side.epoch(post[now, j]) for j, side in enumerate(ys)]
        number = rounding.random()
        moved = weights[-1].copy()
        for j, i in np.ndindex(moved.shape):
            total = 128 * int(moved[j, i])
            for mantissa, exponent, factors in products:
                spike = {"x0": x[i][0], "y0": y[j][0], "u0": code.t_epoch}
                read = spike[factors[0]]
                value, bits = int(read is not None) * mantissa, 4
                for factor in factors[1:]:
                    bits += BITS.get(factor, 7)
                    if factor in ("x0", "y0"):
                        value *= int(spike[factor] is not None)
                    elif factor == "w":
                        value *= int(weights[-1][j, i])
                    else:
                        value *= (x[i] if factor[0] == "x" else y[j])[1][factor][read or 0]
                value = (value >> max(0, bits - 15)) << (exponent + 7)
                total = min(max(total + min(max(value, -32769), 32767), -32769), 32767)
            whole, rest = divmod(total, 128)
            moved[j, i] = min(max(whole + int(number < rest / 128), -256), 255)
        weights.append(moved)
    return np.array(weights, np.float64)


def code_of(**changes) -> Microcode:
    rule = {"a_plus": 0.04, "a_baseline": 0.015, "sigma": 2.0}
    form = {"window": 7, "scale": 100.0}
    for key, value in changes.items():
        (rule if key in sh.SSDP.__dataclass_fields__ else form)[key] = value
    return sh.compile_microcode(sh.SSDP(**rule), **form)


@cache
def codes() -> dict[str, Microcode]:
    """Compiled when a test needs them, since fits take a second."""
    return {
        "two exponentials": code_of(),
        "small amplitudes": code_of(a_plus=0.0008, a_baseline=0.0002, exponentials=1, sigma=1.0),
        "long traces": code_of(sigma=5.0, exponentials=1, silent_pairs="skip"),
        "no learning window": code_of(exponentials=0),
        "exponential learning window": code_of(learning_window="exponential", tau_plus=1.5, tau_minus=3.0),
        "every step": code_of(epoch="step"),
        "wide products": replace(
            code_of(exponentials=1),
            products=(
                Product(3, -7, ("u0", "x1", "y1")),
                Product(-5, -4, ("x0", "y1", "w")),
                Product(7, -3, ("x0", "y0", "w")),
                Product(-2, -7, ("y0", "x1", "x1", "y3")),
            ),
        ),
        "full range": code_of(a_plus=0.6, a_baseline=0.4),
        "formula": sh.compile_microcode(
            sh.Rule("a*x1*y0 - b*x0*y1*y2 + c*x0*y0", a=0.04, b=0.03, c=-0.01, tau_x1=3, tau_y2=9), scale=100.0
        ),
    }


def random_run(code: Microcode, seed: int) -> MicrocodeRun:
    generator = np.random.default_rng(seed)
    steps = 84
    pre, post = (generator.random((steps, n)) < p for n, p in ((6, 0.2), (5, 0.1)))
    weights = 2 * generator.integers(-128, 128, (5, 6))
    return MicrocodeRun(code, Arithmetic.FIXED, pre, post, weights, rng_seed=seed)


@pytest.mark.slow
def test_fixed_pt_equals_the_independent_statement_bit_for_bit():
    runs = [random_run(code, 10 + k) for k, code in enumerate(codes().values())]
    for name, run, found in zip(codes(), runs, run_microcode(runs), strict=True):
        wanted = restated(run.code, run.pre, run.post, run.weights, run.rng_seed)
        np.testing.assert_array_equal(found, wanted, err_msg=name)
        assert np.any(found[0] != found[-1]), name


# Pair curves


def pair_drive(windows: int, rest: int) -> tuple[np.ndarray, np.ndarray]:
    """One post-synaptic spike a window and a pre-synaptic one at every delta; then silent windows."""
    period = (1 + rest) * WINDOW
    pre, post = np.zeros((windows * period, len(DELTAS)), bool), np.zeros((windows * period, 1), bool)
    for start in range(0, windows * period, period):
        post[start + WINDOW // 2] = True
        for synapse, delta in enumerate(DELTAS):
            pre[start + WINDOW // 2 - delta, synapse] = True
    return pre, post


def last_drive(windows: int, rest: int) -> tuple[np.ndarray, np.ndarray]:
    """A pre-synaptic spike at every distance from the end of the window; nothing post-synaptic."""
    period = (1 + rest) * WINDOW
    pre = np.zeros((windows * period, WINDOW), bool)
    for start in range(0, windows * period, period):
        pre[start + WINDOW - np.arange(1, WINDOW + 1), np.arange(WINDOW)] = True
    return pre, np.zeros((windows * period, 1), bool)


@pytest.fixture(scope="module")
def curves():
    """(code, drive, arithmetic) -> steps of active windows, (windows, synapses)."""
    rule = sh.SSDP(a_plus=0.04, a_baseline=0.016, sigma=2.0, silent_pairs="skip")
    codes = {n: sh.compile_microcode(rule, window=WINDOW, scale=100.0, exponentials=n) for n in (1, 2)}
    windows, rest = 60, 2
    keys, runs = [], []
    for n, code in codes.items():
        for name, drive in (("both", pair_drive), ("one_silent", last_drive)):
            for kind, count in ((Arithmetic.FIXED, windows), (Arithmetic.FLOATING, 1)):
                pre, post = drive(count, rest)
                start = np.full((1, pre.shape[1]), 254 if name == "one_silent" else -200)
                keys.append((n, name, kind))
                runs.append(MicrocodeRun(code, kind, pre, post, start))
    found = run_microcode(runs)
    return codes, {key: np.diff(w[:, 0], axis=0)[:: 1 + rest] for key, w in zip(keys, found, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("exponentials", [1, 2])
@pytest.mark.parametrize("branch", ["both", "one_silent"])
def test_pair_curves_stay_within_the_stated_error(curves, exponentials, branch):
    codes, steps = curves
    stated = getattr(codes[exponentials], branch)
    index = np.abs(np.array(DELTAS)) if branch == "both" else np.arange(WINDOW)
    floating = steps[exponentials, branch, Arithmetic.FLOATING][0]
    np.testing.assert_allclose(floating, stated.obtained[Arithmetic.FLOATING][index], atol=1e-9)
    assert np.max(np.abs(floating - stated.wanted[index])) <= stated.largest_error(Arithmetic.FLOATING) + 1e-9
    fixed = steps[exponentials, branch, Arithmetic.FIXED]
    # The mean of n windows strays by their standard deviation over the root of n; 4 of those, and
    # what two silent windows leave of a trace.
    left = codes[exponentials].carry_over * 4.0
    allowed = 4 * np.maximum(fixed.std(axis=0), 0.2) / np.sqrt(len(fixed)) + left
    assert np.all(np.abs(fixed.mean(axis=0) - stated.obtained[Arithmetic.FIXED][index]) <= allowed)
    assert np.all(np.abs(fixed.mean(axis=0) - stated.wanted[index]) <= stated.largest_error() + allowed)


@pytest.mark.slow
def test_floating_pt_and_fixed_pt_agree_where_lava_would_differ_by_8_and_32():
    """Products of two traces, and of trace and weight; without the exponent's help: 8 and 32 times."""
    code = code_of(exponentials=1, window=5)
    wide = (Product(4, -7, ("u0", "x1", "y1")), Product(4, -6, ("x0", "y1", "w")))
    pre = post = np.ones((5, 1), bool)
    traces = {"x1": Trace(30, 0.01), "y1": Trace(40, 0.01)}
    ones = [replace(code, products=(product,), traces=traces) for product in wide]
    runs = [MicrocodeRun(one, kind, pre, post, np.full((1, 1), 64)) for one in ones for kind in Arithmetic]
    moved = [found[-1, 0, 0] - 64 for found in run_microcode(runs)]
    for product, fixed, floating in zip(wide, moved[::2], moved[1::2], strict=True):
        exact = product.coefficient * {"x1": 30 * 40, "y1": 40 * 64}[product.factors[1]]
        assert floating == pytest.approx(exact)
        assert abs(fixed - exact) <= 1


@pytest.mark.slow
def test_one_random_number_for_the_whole_matrix():
    """Why the errors are correlated: synapses that should move alike do, and so does their rounding."""
    code = code_of(a_plus=0.0044, a_baseline=0.0, window=4, exponentials=1)
    pre = post = np.tile(np.array([True, False, False, False])[:, None], (60, 8))
    (found,) = run_microcode([MicrocodeRun(code, Arithmetic.FIXED, pre, post, np.zeros((8, 8)))])
    steps = np.diff(found, axis=0)
    assert {0.0, 1.0} == set(np.unique(steps))
    np.testing.assert_array_equal(steps, np.broadcast_to(steps[:, :1, :1], steps.shape))


# The object for the user's own script, and refusals


@pytest.mark.parametrize("arithmetic", list(Arithmetic))
def test_lava_reads_the_rule_as_it_was_meant(arithmetic):
    for code in codes().values():
        rule = learning_rule(code, arithmetic, rng_seed=5)
        assert type(rule).__name__ == "Loihi2FLearningRule"
        assert (rule.t_epoch, rule.rng_seed) == (code.t_epoch, 5)
        for name, trace in code.traces.items():
            assert (getattr(rule, f"{name}_impulse"), getattr(rule, f"{name}_tau")) == (trace.impulse, trace.tau)
        for theirs, ours in zip(rule.dw.products, code.products, strict=True):
            extra = ours.shift if arithmetic is Arithmetic.FIXED else 0
            assert theirs.s_mantissa * 2.0 ** (theirs.s_exp - 7) == ours.coefficient * 2.0**extra
            factors = [theirs.dependency.replace("u", "u0"), *(f.state_var for f in theirs.factors)]
            assert factors == list(ours.factors)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"weights": np.ones((1, 2))}, ParameterError, "even"),
        ({"weights": np.full((1, 2), 256)}, ParameterError, "outside -256 .. 255"),
        ({"weights": np.zeros((2, 2))}, ShapeError, r"\(post, pre\) = \(1, 2\)"),
        ({"weights": np.full((1, 2), np.nan)}, ParameterError, "NaN"),
        ({"pre": np.zeros((8, 2), bool)}, ShapeError, "whole number of epochs of 7"),
        ({"pre": np.zeros((8, 2), bool), "post": np.zeros((8, 1), bool)}, ShapeError, "whole number of epochs of 7"),
        ({"pre": np.zeros((7, 2))}, ShapeError, "float64"),
        ({"pre": np.zeros(7, bool)}, ShapeError, "give bool of shape"),
        ({"arithmetic": "fixed"}, ParameterError, "'fixed' is unknown"),
        ({"rng_seed": -1}, ParameterError, "rng_seed = -1"),
    ],
)
def test_runs_that_lava_would_bend_are_refused(changes, error, message):
    good = {
        "code": codes()["no learning window"],
        "arithmetic": "fixed_pt",
        "pre": np.zeros((7, 2), bool),
        "post": np.zeros((7, 1), bool),
        "weights": np.zeros((1, 2)),
    }
    with pytest.raises(error, match=message):
        MicrocodeRun(**{**good, **changes})


@pytest.mark.slow
def test_floating_weights_that_leave_the_range_are_no_result():
    code = code_of(a_plus=1.0, a_baseline=0.1, exponentials=0)
    pre = post = np.ones((28, 1), bool)
    with pytest.raises(StateOverflowError, match="does not saturate"):
        run_microcode([MicrocodeRun(code, Arithmetic.FLOATING, pre, post, np.zeros((1, 1)))])


def test_nothing_to_run():
    assert run_microcode([]) == []
