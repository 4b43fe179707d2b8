"""``evaluate=`` and ``checkpoint=`` of ``learn``: against runs in pieces, each run and asked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st
from lesson_options import lesson

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.errors import FileFormatError, ParameterError, ShapeError

STEPS, BATCH, CHANNELS, CLASSES = 14, 9, 6, 3
NAME = "in->out"
RULE = sh.FixedSSDP(a_plus=3, a_baseline=1, lut=(200, 120, 60, 20), lsb_shift=6, counter_bits=20, rounding="stochastic")


def network(seed=0):
    weight = 2 * np.random.default_rng(seed).integers(-20, 40, (CLASSES, CHANNELS))
    return sh.FixedNetwork(
        [sh.Input("in", CHANNELS)],
        [sh.FixedPopulation(name="out", size=CLASSES, du=1200, dv=400, vth=60)],
        [sh.FixedProjection(pre="in", post="out", weight=weight)],
        ["out"],
    )


def samples(seed=1, batch=BATCH):
    rng = np.random.default_rng(seed)
    return rng.random((STEPS, batch, CHANNELS)) < 0.3, rng.integers(0, CLASSES, batch)


def learn(net, spikes, labels, rule=RULE, **options):
    options = {"on_overflow": "ignore", "health": False, "seed": 4, **options}
    return sh.learn(net, spikes, labels, rule, "spec", **lesson(**options))


def accuracy(net, spikes, labels, decode="spike_count"):
    found = sh.run(net, spikes, "spec", record=("spikes", "v"), steps=STEPS + net.latency, on_overflow="ignore")
    return wilson(int(np.sum(found.predict(decode) == labels)), len(labels))


def same(one, other):
    assert np.array_equal(one.network.projection(NAME).mantissa, other.network.projection(NAME).mantissa)
    assert np.array_equal(one.counters[NAME], other.counters[NAME])
    fields = ("updates", "pending", "epochs", "presented")
    assert [getattr(one.state, f) for f in fields] == [getattr(other.state, f) for f in fields]


@pytest.mark.parametrize("decode", ["spike_count", "first_spike"])
def test_evaluations_are_those_of_runs_in_pieces(decode):
    spikes, labels = samples()
    asked, wanted = samples(7, 20)
    evaluate = sh.Evaluation(asked, wanted, every=4)
    whole = learn(network(), spikes, labels, epochs=2, decode=decode, evaluate=evaluate)
    same(whole, learn(network(), spikes, labels, epochs=2))  # to ask changes nothing
    assert [p.presented for p in whole.evaluations] == [0, 4, 8, 12, 16, 18]
    assert [p.epoch for p in whole.evaluations] == [0, 0, 0, 1, 1, 2]
    net, state, at = network(), None, 0
    for point in whole.evaluations:
        if point.presented > at:
            order = whole.order[at : point.presented]
            part = learn(net, spikes[:, order], labels[order], shuffle=False, state=state)
            net, state, at = part.network, replace(part.state, epochs=0), point.presented
        assert point.accuracy == accuracy(net, asked, wanted, decode)
    assert len({p.accuracy.value for p in whole.evaluations}) > 1


@given(
    st.integers(1, 2 * BATCH + 2),
    st.sampled_from(("all", "errors", "delta")),
    st.sampled_from((None, 2, 4)),
    st.sampled_from((1, 2, 5)),
    st.integers(0, 2),
)
@examples(60, default=3)
def test_a_run_goes_on_from_any_checkpoint_to_the_same_bits(
    tmp_path_factory, every, teach, refresh, windows_per_update, epochs
):
    """The run stops after some epochs; what goes on from its last checkpoint is the run that never stopped."""
    spikes, labels = samples()
    rule = replace(RULE, windows_per_update=windows_per_update)
    options = {"teach": teach, "refresh": refresh, "rule": rule}
    path = tmp_path_factory.mktemp("lesson") / "checkpoint.h5"
    whole = learn(network(), spikes, labels, epochs=3, **options)
    groups = BATCH if teach == "all" else -(-BATCH // (refresh or BATCH))  # of an epoch; each ends with an evaluation
    stopped = Interrupted(path, every, after=epochs * groups + groups // 2)
    with pytest.raises(KeyboardInterrupt):
        learn(network(), spikes, labels, epochs=3, checkpoint=stopped.checkpoint, evaluate=stopped, **options)
    net, state = sh.load_learning(path)
    rest = learn(net, spikes, labels, epochs=3 - state.epochs, state=state, **options)
    same(whole, rest)
    if teach == "all" and every < BATCH and BATCH % every and epochs:
        assert state.presented > 0
    done = sh.Checkpoint(path, every)
    learn(network(), spikes, labels, epochs=3, checkpoint=done, **options)
    net, state = sh.load_learning(path)
    assert (state.epochs, state.presented) == (3, 0)
    assert np.array_equal(net.projection(NAME).mantissa, whole.network.projection(NAME).mantissa)


class Interrupted(sh.Evaluation):
    """Someone presses Ctrl-C after so many evaluations."""

    def __init__(self, path, every, after):
        super().__init__(*samples(), every=1)
        object.__setattr__(self, "checkpoint", sh.Checkpoint(path, every))
        object.__setattr__(self, "left", after)

    def accuracy(self, *args):
        if self.left <= 0:
            raise KeyboardInterrupt
        object.__setattr__(self, "left", self.left - 1)
        return super().accuracy(*args)


def test_what_does_not_fit_is_refused_before_anything_is_learned(tmp_path):
    spikes, labels = samples()
    for every in (0, -1, 2**40, 1.5):
        with pytest.raises(ParameterError, match="every"):
            sh.Evaluation(spikes, labels, every)
        with pytest.raises(ParameterError, match="every"):
            sh.Checkpoint("x.h5", every)
    with pytest.raises(ShapeError, match="labels"):
        learn(network(), spikes, labels, evaluate=sh.Evaluation(spikes, labels[1:]))
    with pytest.raises(ShapeError):
        learn(network(), spikes, labels, evaluate=sh.Evaluation(spikes[:, :, 1:], labels))
    with pytest.raises(FileFormatError, match="nowhere"):
        learn(network(), spikes, labels, checkpoint=sh.Checkpoint(tmp_path / "nowhere" / "x.h5"))
    with pytest.raises(ParameterError, match="9 samples of its epoch were presented, and only 9"):
        learn(network(), spikes, labels, state=sh.LearningState(presented=BATCH))


def test_without_labels():
    spikes, _ = samples()
    found = learn(network(), spikes, None, evaluate=sh.Evaluation(*samples(3)))
    assert [p.presented for p in found.evaluations] == [0, BATCH]
    assert "evaluated" in str(found)
