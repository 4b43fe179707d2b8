"""Gates, several windows a sample, and going on after any window: against the specification's own parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from lesson_options import lesson

import ssdp_hw as sh
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError
from ssdp_hw.rules.gate import WarmUp

PLASTIC = "in->out"
STEPS, CLASSES, CHANNELS, BATCH = 10, 3, 6, 12

FIXED = [
    sh.FixedSSDP(a_plus=30, a_baseline=9, lut=(255, 155, 35, 3), lsb_shift=9),
    sh.FixedSTDP(a_plus=21, a_minus=17, decay_plus=800, decay_minus=300, lsb_shift=9, trace_rounding="nearest"),
    sh.FixedSADP(a_plus=12, a_minus=9, lsb_shift=9),
]
FLOAT = [sh.SSDP(a_plus=0.02, a_baseline=0.007, sigma=2.0), sh.STDP(a_plus=0.01, a_minus=0.02), sh.SADP(a_plus=0.02)]


def float_network():
    weight = np.random.default_rng(0).normal(0.3, 0.5, (CLASSES, CHANNELS))
    neuron = sh.LIF(size=CLASSES, tau_mem=5.0, v_threshold=[0.2, 0.25, 0.3])
    return sh.Network(
        [sh.Input("in", CHANNELS)],
        [sh.Population(name="out", neuron=neuron)],
        [sh.Projection(pre="in", post="out", weight=weight)],
        ["out"],
        sh.Semantics(1.0),
    )


NETWORKS = {"float": float_network(), "fixed": sh.quantize(float_network())}


def samples(batch=BATCH, rate=0.2):
    rng = np.random.default_rng(1)
    return rng.random((STEPS, batch, CHANNELS)) < rate, rng.integers(0, CLASSES, batch)


def learn(network, rule, spikes, labels=None, **more):
    more = {"shuffle": False, "health": False, "on_overflow": "ignore", **more}
    return sh.learn(network, spikes, labels, rule, "spec", **lesson(**more))


def weights(result):
    p = result.network.projection(PLASTIC)
    return p.mantissa if isinstance(result.network, sh.FixedNetwork) else p.synapse_weights


# Going on.


@examples(100, default=6)
@given(
    st.sampled_from(FIXED),
    st.sampled_from(list(sh.rules.WeightRounding)),
    st.sampled_from((1, 3, 5)),
    st.integers(1, BATCH - 1),
    st.booleans(),
)
def test_stopping_after_any_window_changes_no_bit(tmp_path_factory, rule, rounding, windows_per_update, stop, gated):
    """Also through a file, and in the middle of a group of windows."""
    spikes, labels = samples()
    rule = replace(rule, rounding=rounding, windows_per_update=windows_per_update)
    gates = np.linspace(-2, 2, BATCH) if gated else None
    whole = learn(NETWORKS["fixed"], rule, spikes, labels, gates=gates, seed=5)
    first = learn(
        NETWORKS["fixed"], rule, spikes[:, :stop], labels[:stop], gates=None if gates is None else gates[:stop], seed=5
    )
    assert (first.updates, first.state.pending) == divmod(stop, windows_per_update)
    path = tmp_path_factory.mktemp("state") / "half.h5"
    sh.save_learning(first.network, first.state, path)
    network, state = sh.load_learning(path)
    rest = learn(
        network,
        rule,
        spikes[:, stop:],
        labels[stop:],
        gates=None if gates is None else gates[stop:],
        seed=5,
        state=state,
    )
    np.testing.assert_array_equal(weights(rest), weights(whole))
    np.testing.assert_array_equal(rest.counters[PLASTIC], whole.counters[PLASTIC])
    assert rest.updates == whole.updates


@pytest.mark.parametrize("rule", FLOAT)
def test_float_rules_go_on_in_the_middle_of_a_group(rule):
    spikes, _ = samples()
    rule = replace(rule, windows_per_update=5)
    whole = learn(NETWORKS["float"], rule, spikes)
    first = learn(NETWORKS["float"], rule, spikes[:, :7])
    assert first.state.pending == 2
    assert first.counters[PLASTIC].any()
    rest = learn(first.network, rule, spikes[:, 7:], state=first.state)
    np.testing.assert_allclose(weights(rest), weights(whole), rtol=0, atol=1e-12)
    assert np.any(weights(whole) != NETWORKS["float"].projection(PLASTIC).synapse_weights)


def test_shuffled_epochs_go_on_in_the_order_of_a_longer_run():
    spikes, labels = samples()
    whole = learn(NETWORKS["fixed"], FIXED[0], spikes, labels, shuffle=True, epochs=3, seed=2)
    first = learn(NETWORKS["fixed"], FIXED[0], spikes, labels, shuffle=True, epochs=1, seed=2)
    rest = learn(first.network, FIXED[0], spikes, labels, shuffle=True, epochs=2, seed=2, state=first.state)
    np.testing.assert_array_equal(np.concatenate([first.order, rest.order]), whole.order)
    np.testing.assert_array_equal(weights(rest), weights(whole))


def test_the_rule_may_change_between_two_windows():
    """The counters stay: with amplitudes of 0 afterwards nothing gathers, and carry conserves."""
    spikes, _ = samples()
    first = learn(NETWORKS["fixed"], FIXED[0], spikes[:, :6])
    still = learn(first.network, replace(FIXED[0], a_plus=0, a_baseline=0), spikes[:, 6:], state=first.state)
    np.testing.assert_array_equal(weights(still), weights(first))
    np.testing.assert_array_equal(still.counters[PLASTIC], first.counters[PLASTIC])
    assert first.counters[PLASTIC].any()


@pytest.mark.parametrize("by", [-3, -1, 1, 2])
def test_counters_keep_their_part_of_a_weight_where_a_rule_has_another_unit(by, tmp_path):
    """Other amplitudes or windows make another part of an LSB the unit; a file keeps which one it was."""
    spikes, _ = samples()
    rule = replace(FIXED[0], rounding="carry", counter_bits=24)
    first = learn(NETWORKS["fixed"], rule, spikes[:, :6])
    sh.save_learning(first.network, first.state, tmp_path / "part.h5")
    network, state = sh.load_learning(tmp_path / "part.h5")
    other = replace(rule, a_plus=0, a_baseline=0, lsb_shift=rule.lsb_shift + by)
    still = learn(network, other, spikes[:, 6:], state=state)
    before, after = (
        x.network.projection(PLASTIC).mantissa.reshape(-1) + x.counters[PLASTIC] / 2.0**unit
        for x, unit in ((first, rule.lsb_shift), (still, other.lsb_shift))
    )
    assert np.abs(after - before).max() <= (2.0**-other.lsb_shift / 2 if by < 0 else 0)
    assert first.counters[PLASTIC].any()
    assert [note for note in still.notes if f"2**{rule.lsb_shift} to a weight LSB" in note]
    assert still.state.lsb_shifts == {PLASTIC: other.lsb_shift}
    assert not [note for note in learn(network, rule, spikes[:, 6:], state=state).notes if "weight LSB" in note]


def test_files_of_a_learning_state(tmp_path):
    network, path = NETWORKS["fixed"], tmp_path / "net.h5"
    state = sh.LearningState({PLASTIC: np.arange(18) - 9}, updates=3, pending=1, epochs=2)
    sh.save_learning(network, state, path)
    _, found = sh.load_learning(path)
    assert (found.updates, found.pending, found.epochs) == (3, 1, 2)
    np.testing.assert_array_equal(found.counters[PLASTIC], state.counters[PLASTIC])
    assert isinstance(sh.load(path), sh.FixedNetwork)
    sh.save(network, path)
    with pytest.raises(FileFormatError, match="without a learning state"):
        sh.load_learning(path)
    with pytest.raises(ParameterError, match="is no projection"):
        sh.save_learning(network, sh.LearningState({"in->nowhere": np.zeros(3, int)}), path)


# Gates from outside.


@pytest.mark.slow_after(2)
@pytest.mark.parametrize(("network", "rule"), [*(("fixed", r) for r in FIXED), *(("float", r) for r in FLOAT)])
def test_a_gate_of_one_is_none_and_a_gate_of_zero_is_no_learning(network, rule):
    spikes, labels = samples()
    plain = learn(NETWORKS[network], rule, spikes, labels)
    ones = learn(NETWORKS[network], rule, spikes, labels, gates=np.ones((BATCH, CLASSES)))
    zero = learn(NETWORKS[network], rule, spikes, labels, gates=np.zeros(BATCH))
    np.testing.assert_array_equal(weights(plain), weights(ones))
    np.testing.assert_array_equal(plain.counters[PLASTIC], ones.counters[PLASTIC])
    assert not zero.counters[PLASTIC].any()
    before = NETWORKS[network].projection(PLASTIC)
    np.testing.assert_array_equal(weights(zero), before.mantissa if network == "fixed" else before.synapse_weights)


@pytest.mark.parametrize("rule", FIXED)
def test_opposite_gates_cancel_in_the_counters(rule):
    """Between two weight updates, a window with gate 1 and the same window with gate -1 leave nothing."""
    spikes, _ = samples(3)
    twice = np.concatenate([spikes, spikes], axis=1)
    rule = replace(rule, windows_per_update=6, counter_bits=24)
    result = learn(NETWORKS["fixed"], rule, twice, gates=np.repeat([1.0, -1.0], 3))
    np.testing.assert_array_equal(weights(result), NETWORKS["fixed"].projection(PLASTIC).mantissa)
    assert not result.counters[PLASTIC].any()


@pytest.mark.parametrize("rule", FIXED)
def test_each_postsynaptic_neuron_has_its_own_gate(rule):
    spikes, _ = samples()
    gates = np.zeros((BATCH, CLASSES))
    gates[:, 1] = 1.0
    plain, one = (learn(NETWORKS["fixed"], rule, spikes, gates=g) for g in (None, gates))
    conserved = [(r.counters[PLASTIC] + (weights(r) << rule.lsb_shift)).reshape(CLASSES, -1) for r in (plain, one)]
    start = (NETWORKS["fixed"].projection(PLASTIC).mantissa << rule.lsb_shift).reshape(CLASSES, -1)
    np.testing.assert_array_equal(conserved[1][[0, 2]], start[[0, 2]])
    assert np.any(conserved[0][[0, 2]] != start[[0, 2]])


def test_delta_teaches_the_labelled_neuron_up_and_the_chosen_one_down():
    spikes, labels = samples(rate=0.4)
    rule = replace(FIXED[0], a_baseline=0, windows_per_update=BATCH, counter_bits=32)
    network = NETWORKS["fixed"]
    predicted = sh.run(network, spikes, "spec", steps=STEPS + 1).predict("spike_count")
    wrong = np.flatnonzero(predicted != labels)
    assert wrong.size > 2
    result = learn(network, rule, spikes, labels, teach="delta")
    np.testing.assert_array_equal(result.order, wrong)
    gates = np.zeros((wrong.size, CLASSES))
    gates[np.arange(wrong.size), labels[wrong]] = 1.0
    gates[np.arange(wrong.size), predicted[wrong]] = -1.0
    by_hand = learn(network, rule, spikes[:, wrong], labels[wrong], gates=gates, teacher=sh.Teacher(inhibit=False))
    np.testing.assert_array_equal(result.counters[PLASTIC], by_hand.counters[PLASTIC])
    assert result.counters[PLASTIC].any()


def test_delta_where_no_neuron_was_chosen_teaches_the_labelled_one_alone():
    silent = NETWORKS["fixed"].with_mantissas({PLASTIC: np.zeros((CLASSES, CHANNELS), int)})
    spikes, labels = np.ones((STEPS, CLASSES, CHANNELS), bool), np.arange(CLASSES)
    rule = replace(FIXED[0], a_baseline=0, lut=(255,) * STEPS, windows_per_update=CLASSES, counter_bits=24)
    counters = learn(silent, rule, spikes, labels, teach="delta").counters[PLASTIC]
    np.testing.assert_array_equal(counters, np.full(CLASSES * CHANNELS, 30 * 255) % (1 << rule.lsb_shift))


def test_delta_learns_what_can_be_learned():
    """Three classes, each with two channels of its own."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, CLASSES, 60)
    spikes = rng.random((STEPS, 60, CHANNELS)) < 0.05
    for k in range(2):
        spikes[:, np.arange(60), 2 * labels + k] |= rng.random((STEPS, 60)) < 0.5
    rule = sh.FixedSSDP(a_plus=255, a_baseline=0, lut=(255,) * 16, lsb_shift=14, counter_bits=24)
    network = NETWORKS["fixed"]

    def accuracy(net):
        return (sh.run(net, spikes, "spec", steps=STEPS + 1).predict("spike_count") == labels).mean()

    result = learn(network, rule, spikes, labels, teach="delta", epochs=8, refresh=10, shuffle=True)
    assert accuracy(result.network) > 0.9 > 0.6 > accuracy(network)


# Several windows a sample.


@pytest.mark.parametrize("spike_time", ["first", "last"])
def test_windows_of_a_sample_have_registers_of_their_own(spike_time):
    spikes, _ = samples(4)
    rule = replace(FIXED[0], windows_per_update=8, spike_time=spike_time, counter_bits=24, lsb_shift=12)
    result = learn(NETWORKS["fixed"], rule, spikes, windows=2, steps=STEPS + 2)
    run = sh.run(NETWORKS["fixed"], spikes, "spec", steps=STEPS + 2)
    padded = np.concatenate([spikes, np.zeros((2, 4, CHANNELS), bool)])
    total = np.zeros(CLASSES * CHANNELS, np.int64)
    rows, cols = np.indices((CLASSES, CHANNELS)).reshape(2, -1)
    half = (STEPS + 2) // 2
    for sample in range(4):
        for window in range(2):
            part = slice(window * half, (window + 1) * half)
            observed = rule.observe(padded[part, sample : sample + 1], run.spikes["out"][part, sample : sample + 1])
            np.testing.assert_array_equal(result.synchrony[PLASTIC][2 * sample + window], observed.counts(0))
            total += rule.weight_change(observed, 0, rows, cols, None)
    conserved = result.counters[PLASTIC] + ((weights(result) - NETWORKS["fixed"].projection(PLASTIC).mantissa) << 12)
    free = np.abs(weights(result)) < 127  # the others were clipped
    np.testing.assert_array_equal(conserved[free], total[free])
    assert free.sum() > 12
    assert result.windows == 8


def test_a_sample_too_long_for_the_register_is_several_windows():
    spikes = np.random.default_rng(0).random((120, 3, CHANNELS)) < 0.1
    with pytest.raises(ParameterError, match=r"exceeds the 63 .*several windows a sample"):
        learn(NETWORKS["fixed"], FIXED[0], spikes)
    result = learn(NETWORKS["fixed"], replace(FIXED[0], windows_per_update=2), spikes, windows=2)
    assert (result.windows, result.updates, result.info["steps"]) == (6, 3, 122)


# The gate of DA-SSDP.


def test_fit_gate_is_the_gate_of_synchrony_and_loss():
    spikes, labels = samples(40)
    network = NETWORKS["float"]
    out = sh.run(network, spikes, "spec", steps=STEPS + 1).spikes["out"]
    synchrony = spikes.any(axis=0).mean(axis=1) * out.any(axis=0).mean(axis=1)
    counts = out.sum(axis=0)
    share = np.exp(counts) / np.exp(counts).sum(axis=1, keepdims=True)
    losses = -np.log(share[np.arange(40), labels])
    wanted = WarmUp().with_batch(synchrony, losses).fit()
    for found in (
        sh.fit_gate(network, spikes, PLASTIC, labels=labels),
        sh.fit_gate(network, spikes, PLASTIC, losses=losses),
    ):
        assert (found.k, found.mean, found.deviation) == pytest.approx((wanted.k, wanted.mean, wanted.deviation))
    with pytest.raises(ParameterError, match="either labels or losses"):
        sh.fit_gate(network, spikes, PLASTIC)
    with pytest.raises(ShapeError, match=r"losses of shape \(3,\)"):
        sh.fit_gate(network, spikes, PLASTIC, losses=np.zeros(3))


def test_the_gate_of_the_rule_is_a_gate_from_outside_by_synchrony():
    spikes, labels = samples()
    gate = sh.fit_gate(NETWORKS["fixed"], spikes, PLASTIC, labels=labels)
    assert abs(gate.k) > 0.05
    rule = replace(FIXED[0], gate=sh.rules.fixed_gate.fixed_gate(gate, CHANNELS, CLASSES), windows_per_update=BATCH)
    own = learn(NETWORKS["fixed"], rule, spikes)
    values = [rule.gate(int(a), int(b)) for a, b in own.synchrony[PLASTIC]]
    assert len(set(values)) > 2
    outside = learn(NETWORKS["fixed"], replace(rule, gate=None), spikes, gates=np.array(values) / 256)
    np.testing.assert_array_equal(own.counters[PLASTIC], outside.counters[PLASTIC])


def test_a_float_rule_with_a_gate_becomes_an_integer_rule_with_a_gate():
    spikes, labels = samples(rate=0.4)
    gate = sh.fit_gate(NETWORKS["float"], spikes, PLASTIC, labels=labels)
    rule = replace(FLOAT[0], gate=gate, counter_bits=32)
    fixed = learn(NETWORKS["fixed"], rule, spikes, labels)
    wanted = learn(NETWORKS["float"], rule, spikes, labels)
    p = NETWORKS["fixed"].projection(PLASTIC)
    lsb = np.repeat(p.format.step / p.scale, CHANNELS)
    moved = (weights(fixed) - p.mantissa + fixed.counters[PLASTIC] / 2.0 ** fixed.rules[PLASTIC].lsb_shift) * lsb
    float_moved = weights(wanted) - NETWORKS["float"].projection(PLASTIC).synapse_weights
    free = np.abs(weights(fixed)) < 127  # the others were clipped
    assert free.sum() > 12
    assert np.abs(moved - float_moved)[free].max() < 0.01 * np.abs(float_moved).max()


# What a run reports.


def test_a_run_reports_what_it_did():
    spikes, labels = samples()
    result = learn(NETWORKS["fixed"], FIXED[0], spikes, labels, health=True)
    assert result.synchrony[PLASTIC].shape == (BATCH, 2)
    assert result.health[PLASTIC].windows == BATCH
    assert result.before.samples == result.after.samples == BATCH
    assert result.before.effective_acs > 0
    assert result.overflow["out"].v_saturations >= 0
    assert result.info["rules"][PLASTIC]["rule"] == "FixedSSDP"
    rate = sh.run(result.network, spikes, "spec", steps=STEPS + 1).spikes["out"].mean()
    assert result.after.activation_sparsity == pytest.approx(1 - rate)


def test_amplitudes_that_a_gate_makes_too_large():
    spikes, _ = samples()
    rule = sh.FixedSSDP(a_plus=1, a_baseline=0, lut=(255,), lsb_shift=6, counter_bits=9)
    with pytest.raises(ParameterError, match="255 counter units times 2 exceeds the 255"):
        learn(NETWORKS["fixed"], rule, spikes, gates=np.full(BATCH, 2.0))
