"""``learn``: what is presented, what moves, how a run goes on, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from lesson_options import lesson

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, ShapeError, UnknownTargetError, UnsupportedError
from ssdp_hw.rules import SSDP, FixedSSDP, SilentPairs, SpikeTime, WeightRounding
from ssdp_hw.running.target import Target
from ssdp_hw.running.target_registry import get_target

State = sh.LearningState
STEPS, CLASSES, CHANNELS = 12, 3, 8
PLASTIC = "in->out"
RULE = FixedSSDP(a_plus=30, a_baseline=9, lut=(255, 155, 35, 3), lsb_shift=10, silent_pairs="skip")


def float_network():
    """One layer of spiking neurons of different thresholds."""
    weight = np.random.default_rng(0).normal(0.3, 0.5, (CLASSES, CHANNELS))
    neuron = sh.LIF(size=CLASSES, tau_mem=5.0, v_threshold=[0.2, 0.25, 0.3])
    return sh.Network(
        [sh.Input("in", CHANNELS)],
        [sh.Population(name="out", neuron=neuron)],
        [sh.Projection(pre="in", post="out", weight=weight)],
        ["out"],
        sh.Semantics(1.0),
    )


def samples(batch=24, rate=0.2):
    rng = np.random.default_rng(1)
    return rng.random((STEPS, batch, CHANNELS)) < rate, rng.integers(0, CLASSES, batch)


@pytest.fixture
def fixed():
    return sh.quantize(float_network())


def weights(result_or_network, name=PLASTIC):
    network = getattr(result_or_network, "network", result_or_network)
    p = network.projection(name)
    return (p.mantissa if isinstance(network, sh.FixedNetwork) else p.synapse_weights).astype(float)


def assert_same(a, b):
    assert np.array_equal(weights(a), weights(b))
    assert a.counters.keys() == b.counters.keys()
    assert all(np.array_equal(c, b.counters[name]) for name, c in a.counters.items())


# Float and fixed.


@pytest.mark.slow
@pytest.mark.parametrize("spike_time", SpikeTime)
@pytest.mark.parametrize("silent_pairs", SilentPairs)
@pytest.mark.parametrize("windows_per_update", [1, 4])
def test_integer_weights_follow_the_float_weights(fixed, spike_time, silent_pairs, windows_per_update):
    """With a wide counter: weight and counter together to what the 8-bit kernel allows, the weight to an LSB.

    The teacher makes the output fire in the same steps in both.
    """
    rule = SSDP(
        a_plus=5e-3,
        a_baseline=1e-3,
        sigma=2.0,
        spike_time=spike_time,
        silent_pairs=silent_pairs,
        windows_per_update=windows_per_update,
        counter_bits=32,
    )
    spikes, labels = samples()
    options = lesson(teacher=sh.Teacher(strength=8.0), shuffle=False, epochs=2)
    a = sh.learn(float_network(), spikes, labels, rule, **options)
    b = sh.learn(fixed, spikes, labels, rule, **options)
    assert a.teacher_hits == b.teacher_hits == 1.0
    p = fixed.projection(PLASTIC)
    lsb = np.repeat(p.format.step / p.scale, CHANNELS)  # float weight of one LSB
    wanted = (weights(a) - weights(float_network())) / lsb
    moved = weights(b) - weights(fixed)
    scale = 2.0 ** b.rules[PLASTIC].lsb_shift
    tolerance = b.windows * (max(rule.a_plus, rule.a_baseline) / lsb.min() * 0.5 / 255 + 1 / scale)
    assert b.weight_saturations == b.counter_saturations == {PLASTIC: 0}
    np.testing.assert_allclose(moved + b.counters[PLASTIC] / scale, wanted, rtol=0, atol=tolerance)
    assert np.all(np.abs(moved - wanted) < 1 + tolerance)
    assert np.abs(wanted).max() > 2 > 10 * tolerance


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_all_targets_hand_back_the_same(fixed, target):
    spikes, labels = samples()
    rule = replace(RULE, rounding="stochastic")
    assert_same(sh.learn(fixed, spikes, labels, rule, target), sh.learn(fixed, spikes, labels, rule, "spec"))


def test_only_the_plastic_weights_change(fixed):
    spikes, labels = samples()
    learned = sh.learn(fixed, spikes, labels, RULE)
    assert learned.changed[PLASTIC] == np.mean(weights(learned) != weights(fixed)) > 0
    assert learned.network.input_names == fixed.input_names  # the teacher is gone
    assert [p.name for p in learned.network.projections] == [PLASTIC]
    assert learned.network.population("out") is fixed.population("out")
    assert np.array_equal(weights(fixed), weights(sh.quantize(float_network())))


# Going on.


@pytest.mark.parametrize("rounding", WeightRounding)
@pytest.mark.parametrize("windows_per_update", [1, 4])
def test_a_run_can_be_resumed(fixed, rounding, windows_per_update):
    """Learning 24 windows is learning 12, then 12 more from the counters and weight updates so far."""
    spikes, labels = samples()
    rule = replace(RULE, rounding=rounding, windows_per_update=windows_per_update, lsb_shift=8)
    options = lesson(rule=rule, shuffle=False, seed=5)
    whole = sh.learn(fixed, spikes, labels, **options)
    half = sh.learn(fixed, spikes[:, :12], labels[:12], **options)
    rest = sh.learn(half.network, spikes[:, 12:], labels[12:], **options, state=half.state)
    assert_same(whole, rest)
    assert half.updates == 12 // windows_per_update
    assert whole.updates == rest.updates == 24 // windows_per_update
    assert np.any(weights(whole) != weights(half))
    if rounding is WeightRounding.STOCHASTIC:  # whose random numbers are keyed by the weight update
        other = sh.learn(half.network, spikes[:, 12:], labels[12:], **options, state=replace(half.state, updates=0))
        assert np.any(weights(other) != weights(whole))


def test_two_epochs_are_two_runs(fixed):
    spikes, labels = samples()
    options = {"rule": RULE, "shuffle": False}
    both = sh.learn(fixed, spikes, labels, **lesson(epochs=2, **options))
    first = sh.learn(fixed, spikes, labels, **lesson(**options))
    second = sh.learn(first.network, spikes, labels, **lesson(state=first.state, **options))
    assert_same(both, second)
    assert both.order.tolist() == 2 * list(range(24))
    assert (both.windows, both.updates) == (48, 48)


def test_windows_after_the_last_full_group_stay_in_the_counters(fixed):
    spikes, labels = samples(7)
    rule = replace(RULE, windows_per_update=5)
    seven = sh.learn(fixed, spikes, labels, rule, presentation=sh.Presentation(shuffle=False))
    five = sh.learn(fixed, spikes[:, :5], labels[:5], rule, presentation=sh.Presentation(shuffle=False))
    assert seven.updates == five.updates == 1
    assert np.array_equal(weights(seven), weights(five))
    assert np.any(seven.counters[PLASTIC] != five.counters[PLASTIC])


# Order and seeds.


def test_the_seed_decides_order_and_rounding(fixed):
    spikes, labels = samples()
    rule = replace(RULE, rounding="stochastic", lsb_shift=12)
    a, b, c = (
        sh.learn(fixed, spikes, labels, rule, presentation=sh.Presentation(seed=seed, epochs=2)) for seed in (3, 3, 4)
    )
    assert_same(a, b)
    assert np.array_equal(a.order, b.order)
    assert not np.array_equal(a.order, c.order)
    for part in (a.order[:24], a.order[24:]):  # every sample once an epoch, in a new order
        assert sorted(part) == list(range(24))
    assert not np.array_equal(a.order[:24], a.order[24:])
    in_order = [
        sh.learn(fixed, spikes, labels, rule, presentation=sh.Presentation(seed=seed, shuffle=False)) for seed in (3, 4)
    ]
    assert np.array_equal(in_order[0].order, in_order[1].order)
    assert np.any(weights(in_order[0]) != weights(in_order[1]))


def test_a_shuffled_run_is_the_run_of_the_shuffled_samples(fixed):
    spikes, labels = samples()
    shuffled = sh.learn(fixed, spikes, labels, RULE, presentation=sh.Presentation(seed=9))
    again = sh.learn(
        fixed, spikes[:, shuffled.order], labels[shuffled.order], RULE, presentation=sh.Presentation(shuffle=False)
    )
    assert_same(shuffled, again)


# What is taught.


@pytest.mark.parametrize("arithmetic", ["float", "fixed"])
def test_errors_teaches_what_the_network_gets_wrong(fixed, arithmetic):
    network, rule = (fixed, RULE) if arithmetic == "fixed" else (float_network(), SSDP())
    spikes, labels = samples()
    predicted = sh.run(network, spikes, steps=STEPS + 1).predict("spike_count", "out")
    wrong = np.flatnonzero(predicted != labels)
    assert 0 < wrong.size < 24
    learned = sh.learn(network, spikes, labels, rule, teach="errors", presentation=sh.Presentation(shuffle=False))
    assert learned.order.tolist() == wrong.tolist()
    assert learned.windows == wrong.size
    assert_same(
        learned, sh.learn(network, spikes[:, wrong], labels[wrong], rule, presentation=sh.Presentation(shuffle=False))
    )


def test_where_nothing_is_wrong_nothing_is_taught(fixed):
    spikes, _ = samples()
    labels = sh.run(fixed, spikes, steps=STEPS + 1).predict()
    keep = labels >= 0
    counters = {PLASTIC: np.arange(CLASSES * CHANNELS) - 7}
    learned = sh.learn(
        fixed,
        spikes[:, keep],
        labels[keep],
        RULE,
        teach="errors",
        presentation=sh.Presentation(epochs=3),
        state=State(counters, updates=11),
    )
    assert np.array_equal(weights(learned), weights(fixed))
    assert (learned.windows, learned.updates, learned.order.size) == (0, 11, 0)
    assert np.array_equal(learned.counters[PLASTIC], counters[PLASTIC])
    assert learned.teacher_hits is None
    assert learned.changed == {PLASTIC: 0.0}
    assert learned.health == {}
    assert not sh.learn(fixed, spikes[:, keep], labels[keep], RULE, teach="errors").counters[PLASTIC].any()


def test_errors_are_judged_by_the_readout(fixed):
    spikes, labels = samples()
    for readout in ("first_spike", "max_membrane"):
        variable = "v" if readout == "max_membrane" else "spikes"
        wrong = sh.run(fixed, spikes, steps=STEPS + 1, record=(variable,)).predict(readout) != labels
        learned = sh.learn(
            fixed,
            spikes,
            labels,
            RULE,
            teach=sh.Teaching("errors", decode=readout),
            presentation=sh.Presentation(shuffle=False),
        )
        assert learned.order.tolist() == np.flatnonzero(wrong).tolist()


def test_teacher_hits_tell_whether_the_teacher_had_its_way(fixed):
    spikes, labels = samples()
    assert sh.learn(fixed, spikes, labels, RULE).teacher_hits == 1.0
    weak = sh.learn(fixed, 0 * spikes, labels, RULE, teach=sh.Teaching(teacher=sh.Teacher(strength=1e-3)))
    assert weak.teacher_hits == 0.0
    free = sh.Teacher(inhibit=False)  # then only the labelled neuron counts
    assert sh.learn(fixed, spikes, labels, RULE, teach=sh.Teaching(teacher=free)).teacher_hits == 1.0
    late = sh.Teacher(first_step=STEPS)  # its first spike would arrive after the window
    assert sh.learn(fixed, 0 * spikes, labels, RULE, teach=sh.Teaching(teacher=late)).teacher_hits == 0.0


def test_without_labels_the_network_learns_from_what_it_does_itself(fixed):
    spikes, _ = samples()
    learned = sh.learn(fixed, spikes, None, RULE, presentation=sh.Presentation(shuffle=False))
    assert learned.teacher_hits is None
    plan = sh.learn(fixed, spikes, None, {PLASTIC: RULE}, "spec", presentation=sh.Presentation(shuffle=False))
    assert_same(learned, plan)
    assert learned.changed[PLASTIC] > 0


def test_windows_are_long_enough_for_the_last_spike(fixed):
    spikes, labels = samples()
    assert sh.learn(fixed, spikes, labels, RULE).info["steps"] == STEPS + 1
    longer = sh.learn(fixed, spikes, labels, RULE, presentation=sh.Presentation(steps=30))
    assert longer.info["steps"] == 30
    padded = np.concatenate([spikes, np.zeros((18, *spikes.shape[1:]), bool)])
    assert_same(longer, sh.learn(fixed, padded, labels, RULE, presentation=sh.Presentation(steps=30)))


# Which projection learns.


def deep(**options):
    rng = np.random.default_rng(3)

    def some(post, pre):
        return 2 * rng.integers(-20, 60, (post, pre))

    return sh.FixedNetwork(
        [sh.Input("in", CHANNELS)],
        [sh.FixedPopulation(name=name, size=size, vth=60, dv=300) for name, size in (("hid", 5), ("out", 3))],
        [
            sh.FixedProjection(pre="in", post="hid", weight=some(5, CHANNELS)),
            sh.FixedProjection(pre="hid", post="out", weight=some(3, 5)),
            sh.FixedProjection(pre="out", post="out", weight=sp.csr_array(some(3, 3))),
        ],
        ["out"],
        **options,
    )


def test_by_default_the_projection_into_the_output_learns():
    spikes, labels = samples()
    learned = sh.learn(deep(), spikes, labels, RULE)
    assert list(learned.rules) == ["hid->out"]  # not the recurrent one


@pytest.mark.slow
def test_projections_by_name():
    spikes, labels = samples()
    net = deep()
    one = sh.learn(net, spikes, labels, RULE, plastic="in->hid")
    assert list(one.changed) == ["in->hid"]
    assert one.teacher_hits is None  # no plastic projection sees the output
    two = sh.learn(net, spikes, labels, RULE, plastic=["in->hid", "out->out"])
    assert two.rules == {"in->hid": RULE, "out->out": RULE}
    other = replace(RULE, a_plus=90, rounding="nearest")
    each = sh.learn(net, spikes, labels, {"hid->out": other, "in->hid": RULE})
    assert each.rules == {"hid->out": other, "in->hid": RULE}
    assert set(each.counters) == set(each.health) == {"hid->out", "in->hid"}
    assert all(np.any(weights(each, n) != weights(net, n)) for n in each.rules)


def test_float_rules_become_integers_by_the_scale_of_each_projection(fixed):
    spikes, labels = samples()
    learned = sh.learn(fixed, spikes, labels, SSDP(a_plus=0.01, counter_bits=8, a_baseline=1e-9))
    assert isinstance(learned.rules[PLASTIC], FixedSSDP)
    assert any("a_baseline is below half a unit" in note for note in learned.notes)
    assert learned.info["rules"][PLASTIC]["counter_bits"] == 8


# What is refused.


def refuse(error, message, network=None, **changes):
    spikes, labels = samples()
    arguments = {"inputs": spikes, "labels": labels, "rule": RULE, **changes}
    with pytest.raises(error, match=message):
        sh.learn(sh.quantize(float_network()) if network is None else network, **lesson(**arguments))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"labels": np.full(24, 3)}, ParameterError, r"labels from 3 to 3; the output has 3 neurons, 0 \.\. 2"),
        ({"labels": np.full(24, -1)}, ParameterError, "labels from -1"),
        ({"labels": np.zeros(23, int)}, ShapeError, r"labels of shape \(23,\)"),
        ({"labels": np.zeros((24, 3), int)}, ShapeError, r"labels of shape \(24, 3\)"),
        # 300 samples of 24 steps, the axes in the wrong order: no advice about windows of 300 steps.
        (
            {"inputs": np.zeros((300, 24, CHANNELS)), "labels": np.zeros(300, int)},
            ShapeError,
            r"labels of shape \(300,\); expected \(24,\)",
        ),
        ({"labels": np.zeros(24)}, ParameterError, "labels are float64"),
        ({"labels": [[1], [1, 2]]}, ShapeError, "labels is no array"),
        ({"labels": None, "teacher": sh.Teacher()}, ParameterError, "a teacher needs labels"),
        ({"labels": None, "teach": "errors"}, ParameterError, "needs labels"),
        ({"teach": "some"}, ParameterError, "choose all, errors, delta, softmax"),
        ({"teach": "errors", "decode": "loudest"}, ParameterError, "decode = 'loudest' is unknown"),
        ({"inputs": np.zeros((STEPS, 24, 3))}, ShapeError, "expected \\(time, batch, 8\\)"),
        ({"inputs": sh.DirectInput(np.zeros((24, CHANNELS)), STEPS)}, UnsupportedError, "without spikes to learn from"),
        ({"epochs": 0}, ParameterError, "epochs = 0"),
        ({"epochs": 1.5}, ParameterError, "epochs = 1.5"),
        ({"seed": -1}, ParameterError, "seed = -1"),
        ({"seed": 2**64}, ParameterError, "seed = "),
        ({"seed": "lucky"}, ParameterError, "seed"),
        ({"state": {}}, ParameterError, "state of type dict"),
        ({"state": State(pending=1)}, ParameterError, "1 windows since the last weight update"),
        ({"windows": 2}, ParameterError, "no multiple of the 2 windows"),
        ({"gates": np.zeros(23)}, ShapeError, r"expected \(24,\) or \(24, 3\)"),
        ({"gates": np.full(24, 2.5)}, ParameterError, "reach 2.5 in size; the limit is 2"),
        ({"gates": {"in->nowhere": np.zeros(24)}}, ParameterError, "that projection does not learn"),
        ({"teach": "delta", "gates": np.zeros(24)}, ParameterError, "makes the gates itself"),
        ({"teach": "delta", "teacher": sh.Teacher()}, ParameterError, "inhibit=False"),
        ({"teach": "delta", "labels": None}, ParameterError, "needs labels"),
        ({"refresh": 0}, ParameterError, "refresh = 0"),
        ({"on_overflow": "shrug"}, ParameterError, "choose error, warn or ignore"),
        ({"steps": STEPS - 1}, ParameterError, f"steps = {STEPS - 1} is below the {STEPS} steps"),
        ({"steps": 12.5}, ParameterError, "steps = 12.5"),
        ({"steps": 64}, ParameterError, "a window of 64 steps exceeds the 63"),
        ({"target": "abacus"}, UnknownTargetError, "abacus"),
        ({"options": {"speed": 9}}, ParameterError, "has no option 'speed'"),
        ({"rule": "SSDP"}, ParameterError, "'SSDP' is no rule"),
        ({"rule": None}, ParameterError, "None is no rule"),
        ({"rule": {}}, ParameterError, "no projection learns"),
        ({"plastic": []}, ParameterError, "no projection learns"),
        ({"plastic": "in->nowhere"}, ParameterError, "'in->nowhere' is no projection"),
        ({"plastic": PLASTIC, "rule": {"in->nowhere": RULE}}, ParameterError, "has a rule but is not|has no rule"),
        ({"plastic": [], "rule": {PLASTIC: RULE}}, ParameterError, "no projection learns"),
        ({"state": State({"in->nowhere": np.zeros(24, int)})}, ParameterError, "in->nowhere', which does not"),
        ({"state": State({PLASTIC: np.zeros(23, int)})}, ShapeError, r"shape \(23,\); expected int64"),
        ({"state": State({PLASTIC: np.zeros(24)})}, ShapeError, "float64"),
        ({"state": State({PLASTIC: np.full(24, 2**15)})}, ParameterError, r"16-bit range -32768 \.\. 32767"),
        ({"state": State({PLASTIC: np.full(24, -(2**15) - 1)})}, ParameterError, "reach from -32769"),
    ],
)
def test_refused(changes, error, message):
    refuse(error, message, **changes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"counters": np.zeros(24, int)}, "counters of type ndarray; expected a dict"),
        ({"updates": -1}, "updates = -1"),
        ({"pending": 0.5}, "pending = 0.5 is not a whole"),
        ({"epochs": 2**32}, "epochs = 4294967296"),
    ],
)
def test_states_that_cannot_be(values, message):
    with pytest.raises(ParameterError, match=message):
        State(**values)


def test_rules_that_do_not_fit_the_network(fixed):
    refuse(UnsupportedError, "a float network learns by a float rule, not by FixedSSDP", float_network())
    refuse(UnsupportedError, "without a scale", deep(), rule=SSDP())
    rules = {"in->hid": RULE, "hid->out": replace(RULE, windows_per_update=2)}
    refuse(ParameterError, r"one windows_per_update in common, found \[1, 2\]", deep(), rule=rules)
    refuse(ParameterError, "'hid->out' has a rule but is not plastic", deep(), rule=rules, plastic="in->hid")


def test_networks_that_cannot_be_taught(fixed):
    net = deep()
    two = replace(net, outputs=["hid", "out"])
    refuse(UnsupportedError, "one output population", two, plastic="in->hid")
    more = replace(
        net, projections=[*net.projections, sh.FixedProjection(pre="in", post="out", weight=np.full((3, 8), 2))]
    )
    refuse(ParameterError, r"which projection learns\? Name it in plastic", more)
    bare = replace(
        net,
        projections=[
            *net.projections[:1],
            sh.FixedProjection(pre="hid", post="out", weight=sp.csr_array((3, 5), dtype=np.int64)),
        ],
    )
    refuse(ParameterError, "'hid->out' has no synapse that could learn", bare)
    silent = replace(
        net,
        populations=[net.populations[0], replace(net.populations[1], spiking=False)],
        projections=net.projections[:2],
    )
    refuse(UnsupportedError, "a readout without spikes", silent)


def test_readouts_learn_without_a_teacher():
    """Where no neuron fires only the baseline acts."""
    net = deep()
    silent = replace(
        net,
        populations=[net.populations[0], replace(net.populations[1], spiking=False)],
        projections=net.projections[:2],
    )
    spikes, _ = samples()
    learned = sh.learn(silent, spikes, None, replace(RULE, lut=(255,) * 64))
    assert np.all(weights(learned, "hid->out") <= weights(silent, "hid->out"))
    assert np.any(weights(learned, "hid->out") != weights(silent, "hid->out"))


def test_a_target_that_cannot_learn(fixed, monkeypatch):
    monkeypatch.setattr(type(get_target("engine")), "learn", Target.learn)
    refuse(UnsupportedError, "target 'engine' cannot learn", fixed, target="engine")
    spikes, labels = samples()
    assert sh.learn(fixed, spikes, labels, RULE).target == "spec"  # the next by speed that can


def test_the_arguments_of_before_do_the_same():
    """Those that are fields of ``teach`` and ``presentation`` now."""
    fixed = sh.quantize(float_network())
    spikes, labels = samples()
    rule = replace(RULE, windows_per_update=2)
    new = sh.learn(
        fixed,
        spikes,
        labels,
        rule,
        teach=sh.Teaching("delta", sh.Teacher(1, inhibit=False), "first_spike", 5),
        presentation=sh.Presentation(2, seed=3, steps=16, windows=2),
    )
    with pytest.warns(DeprecationWarning, match="learn\\(.* is now (teach=Teaching|presentation=Presentation)") as said:
        old = sh.learn(
            fixed,
            spikes,
            labels,
            rule,
            teach="delta",
            teacher=sh.Teacher(1, inhibit=False),
            readout="first_spike",
            refresh=5,
            epochs=2,
            seed=3,
            steps=16,
            windows=2,
        )
    assert len(said) == 7
    assert_same(old, new)
    assert old.info == new.info
