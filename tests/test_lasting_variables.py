"""Variables of rules that outlast a window: they go on between runs, in files, and what they mean for BCM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plan_strategies import lively_runs
from rule_examples import EveryHomeLasts, EveryMoment
from scipy.sparse import csr_array

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.form import rule_digest
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.target_registry import get_target

TABLE = (3, -2, 5, -60, 40, 7)
FIXED = sh.FixedDeclaredRule(
    model=EveryHomeLasts(),
    parameters={"a": -300, "b": 900, "d": 900, "k": TABLE, "never": 2**20, "dw_shift": 9},
    lsb_shift=9,
    counter_bits=29,
    windows_per_update=4,
)
FLOAT = sh.rule(EveryHomeLasts(), clip=10.0, a=-0.004, b=0.002, tau=4.0, k=[0.1, -0.3, 0.2], windows_per_update=4)


def lesson(fixed, target, epochs=1, state=None, network=None, health=False):
    """Epochs over the same seven samples, which are no multiple of a weight update."""
    first = next(iter(lively_runs(fixed).values()))[0]
    spikes = np.random.default_rng(4).random((24, 7, 6)) < 0.3
    rules = dict.fromkeys([p.name for p in first.projections], FIXED if fixed else FLOAT)
    presentation = sh.Presentation(epochs=epochs, windows=2, steps=24)
    return sh.learn(
        first if network is None else network,
        spikes,
        None,
        rules,
        target,
        presentation=presentation,
        state=state,
        health=health,
    )


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("fixed", "target"),
    [
        (True, "engine"),
        (True, "spec"),
        (False, "spec"),
        (False, "engine"),
    ],
)
def test_two_runs_with_a_file_between_are_one_run(fixed, target, tmp_path):
    whole = lesson(fixed, target, epochs=2)
    half = lesson(fixed, target)
    sh.save_learning(half.network, half.state, tmp_path / "half.h5")
    network, state = sh.load_learning(tmp_path / "half.h5")
    second = lesson(fixed, target, state=state, network=network)
    check = np.testing.assert_array_equal if fixed else np.testing.assert_allclose
    for name, variables in whole.state.lasting.items():
        assert set(variables) == {"pre_i", "post_t", "synapse_x_", "group_v"}
        for variable, values in variables.items():
            check(second.state.lasting[name][variable], values, err_msg=variable)
        check(stored(second, name), stored(whole, name))
        check(second.state.counters[name], whole.state.counters[name])
    # Without the variables the second run is another one.
    reset = lesson(fixed, target, state=replace(state, lasting={}), network=network)
    assert any(np.any(stored(reset, name) != stored(whole, name)) for name in whole.state.lasting)


def stored(result, name):
    """The weights that a run learned."""
    return result.network.projection(name).stored_weights


@pytest.mark.slow
def test_health_follows_the_variables():
    """Nothing is lost by carry, so that what the health recomputes window by window is what moved the weights."""
    found = lesson(True, "engine", health=True)
    for health in found.health.values():
        assert health.counter_saturations == health.weight_saturations == 0
        assert health.lost_lsb == 0
        assert health.nonzero_changes > 0


@pytest.mark.parametrize(
    ("lasting", "error", "said"),
    [
        ({"in->out": {"post_y": np.zeros(4, int)}}, ParameterError, "its rule has none; it has: pre_i, post_t"),
        ({"in->out": {"post_t": np.zeros(5, int)}}, ShapeError, r"expected int64 of shape \(4,\)"),
        ({"in->out": {"post_t": np.zeros(4)}}, ShapeError, "expected int64"),
        ({"in->out": {"post_t": np.full(4, 2**14)}}, ParameterError, r"16384, outside 0 \.\. 16383 of its 14 bits"),
        ({"in->in": {}}, ParameterError, "'in->in', which does not learn"),
        ({"in->out": 3}, ParameterError, "a dict by projection of dicts by name"),
    ],
)
def test_variables_that_do_not_fit_are_refused_by_name(lasting, error, said):
    with pytest.raises(error, match=said):
        lesson(True, "spec", state=sh.LearningState(lasting=lasting))


def test_whether_a_variable_lasts_is_part_of_what_a_rule_computes():
    assert rule_digest(EveryMoment()) != rule_digest(EveryHomeLasts())
    same = type("Same", (EveryMoment,), {"group": tuple(replace(v, lasts=True) for v in EveryMoment.group)})()
    assert rule_digest(EveryMoment()) != rule_digest(same)


def bcm_windows(rate, *, fixed, windows, steps=50, tau=400.0):
    """Thresholds of 200 neurons after windows of random spikes, and the mean square of their traces without a rule."""
    rng = np.random.default_rng(7)
    spikes = rng.random((windows, steps, 200)) < rate
    rule = sh.rule("BCM", eta=0.01, tau_y=10.0, tau_theta=tau)
    numbers = {**rule.parameters}
    if fixed:
        numbers |= {"grow": 40, "decay_x": 200, "decay_y": 390, "decay_theta": 10, "first_theta": 63}
        numbers |= {"unit": 63, "top": 4095}
    lasting = rule.first_lasting({"pre": 1, "post": 200, "synapse": 200, "group": 1})
    if fixed:
        lasting = {"post_theta": np.full(200, 63)}
    rows, cols = np.arange(200), np.zeros(200, int)
    pre = np.zeros((steps, 1), bool)
    found, squares = [], []
    keep = np.exp(-1 / 10.0)
    for w, post in enumerate(spikes):
        window = Window(pre, post, rows, cols, None, RandomKey(), w, lasting)
        window_changes(rule.model, numbers, window, ideal=not fixed)
        found.append(lasting["post_theta"] / (63 if fixed else 1))
        y = np.zeros(200)
        for s in post:
            squares.append(y**2)
            y = keep * (y + s)
    return np.mean(found[2 * windows // 3 :]), np.mean(squares[2 * windows * steps // 3 :])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fixed", "bound", "rate"),
    [
        (False, 0.03, 0.02),
        (False, 0.03, 0.1),
        (True, 0.08, 0.02),
        (True, 0.08, 0.1),
    ],
)
def test_the_threshold_of_bcm_settles_at_the_mean_square_of_the_trace(rate, fixed, bound):
    """In integers the square of a trace is rounded down to 1/63, and a trace of 6 bits has noise of its own."""
    threshold, square = bcm_windows(rate, fixed=fixed, windows=120)
    assert threshold == pytest.approx(square, rel=bound, abs=0.02 * fixed)


@pytest.mark.parametrize(("theta", "sign"), [(0, 1), (4095, -1)])
def test_bcm_strengthens_above_its_threshold_and_weakens_below_it(theta, sign):
    rule = sh.FixedDeclaredRule(
        model="BCM",
        parameters={"grow": 40, "decay_x": 200, "decay_y": 200, "decay_theta": 4, "first_theta": theta % 1024},
        lsb_shift=8,
        counter_bits=32,
    )
    spikes = np.zeros((10, 1, 2), bool)
    spikes[4:8] = True
    spikes[:, :, 1] = False  # a silent source or target changes nothing
    observed = replace(rule.observe(spikes, spikes), lasting={"post_theta": np.full(2, theta)})
    rows, cols = np.indices((2, 2)).reshape(2, -1)
    assert np.sign(rule.step(observed, 0, rows, cols)).tolist() == [sign, 0, 0, 0]


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_a_projection_without_synapses_has_none_of_their_variables(target):
    """Its neurons' variables last all the same, where a target is given such a plan; ``learn`` refuses it."""
    network = sh.FixedNetwork(
        [sh.Input("in", 3)],
        [sh.FixedPopulation(name="out", size=2, vth=1)],
        [sh.FixedProjection(pre="in", post="out", weight=csr_array((2, 3), dtype=np.int64), name="w")],
        ["out"],
    )
    spikes = np.random.default_rng(0).random((12, 2, 3)) < 0.5
    chosen = get_target(target)
    plan = LearningPlan({"w": FIXED}, windows_per_sample=2)
    found = chosen.learn(network, make_drive(network, spikes), plan, chosen.resolve({}))
    sizes = {variable: len(values) for variable, values in found.lasting["w"].items()}
    assert sizes == {"pre_i": 3, "post_t": 2, "synapse_x_": 0, "group_v": 1}
