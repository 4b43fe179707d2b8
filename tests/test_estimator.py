"""The scikit-learn estimator: its conventions, and that what it learns is what ``learn`` learns on the chip."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.datasets import load_iris, make_blobs
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError


@pytest.mark.slow
@parametrize_with_checks([sh.OnChipClassifier()])
def test_scikit_learns_own_checks(estimator, check):
    """None is expected to fail."""
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def small(**options):
    return sh.OnChipClassifier(**{"hidden": 60, "epochs": 6, "steps": 24, **options})


def test_it_classifies_within_a_pipeline(iris):
    scores = cross_val_score(make_pipeline(StandardScaler(), sh.OnChipClassifier()), *iris, cv=3)
    assert scores.mean() > 0.85


@pytest.mark.slow
def test_what_is_learned_is_what_learn_learns(iris):
    """The same random network, taught by the public functions."""
    values, labels = (x[::5] for x in iris)
    found = small(random_state=3).fit(values, labels)
    fixed = found.network_
    readout = fixed.projections[1]
    start = fixed.with_mantissas({readout.name: np.zeros(readout.shape, np.int64)})
    scaled = (values - values.min(0)) / (values.max(0) - values.min(0))
    given = sh.DirectInput(np.concatenate([scaled, np.ones((30, 1))], axis=1), 24)
    steps = 24 + fixed.latency
    counts = sh.run(start, given, "spec", steps=steps, on_overflow="ignore").spikes["hidden"].sum(axis=0, dtype=float)
    rule = sh.Rule(
        "a*x1*u0", a=1 / np.mean((counts**2).sum(axis=1)), tau_x1=1e3, trace_bits=12, trace_rounding="nearest",
        counter_bits=24, clip=0.2,
    )  # fmt: skip
    learned = sh.learn(
        start, given, labels, {readout.name: rule}, "spec", teach=sh.Teaching("softmax", temperature=2.0, refresh=20),
        presentation=sh.Presentation(epochs=6, seed=3), on_overflow="ignore", health=False,
    )  # fmt: skip
    assert np.array_equal(learned.network.projection(readout.name).weight, fixed.projection(readout.name).weight)
    assert np.any(fixed.projection(readout.name).weight)
    ran = sh.run(fixed, given, "spec", steps=steps, on_overflow="ignore").spikes["readout"].sum(axis=0)
    assert np.array_equal(found.predict(values), np.argmax(ran, axis=1))
    softmax = np.exp(ran / 2.0) / np.exp(ran / 2.0).sum(axis=1, keepdims=True)
    assert np.allclose(found.predict_proba(values), softmax)


def test_partial_fit_goes_on_where_it_stopped():
    values, labels = make_blobs(60, centers=3, n_features=4, random_state=1)
    names = np.array(["left", "middle", "right"])[labels]
    whole = small().partial_fit(values, names, ["right", "left", "middle"])
    halves = small().partial_fit(values[:30], names[:30], classes=["left", "middle", "right"])
    before = halves.network_.projections[1].weight.copy()
    halves.partial_fit(values[30:], names[30:])
    assert list(whole.classes_) == list(halves.classes_) == ["left", "middle", "right"]
    assert halves.windows_ == whole.windows_ == 60
    assert np.any(halves.network_.projections[1].weight != before)
    assert halves._state.epochs == 2
    assert halves.score(values, names) > 0.8
    with pytest.raises(ValueError, match="none of the classes"):
        halves.partial_fit(values, np.array(["elsewhere", *names[1:]]))
    with pytest.raises(ValueError, match="at the first call"):
        small().partial_fit(values, names)
    with pytest.raises(ValueError, match="not those of the first call"):
        halves.partial_fit(values, names, classes=["left", "right"])


def test_a_trained_network_learns_from_the_weights_it_has():
    """Features stay as they are, and the classes are the outputs."""
    rng = np.random.default_rng(0)
    net = sh.Network(
        [sh.Input("in", 4)],
        [
            sh.Population(name="hidden", neuron=sh.LIF(size=40, tau_mem=8.0, r=8.0)),
            sh.Population(name="out", neuron=sh.LIF(size=3, tau_mem=16.0, r=16.0)),
        ],
        [
            sh.Projection(pre="in", post="hidden", weight=rng.normal(0.0, 0.4, (40, 4))),
            sh.Projection(pre="hidden", post="out", weight=rng.uniform(-0.3, 0.3, (3, 40))),
        ],
        ["out"],
        sh.Semantics(dt=1.0),
    )
    values, labels = rng.random((90, 4)), rng.integers(0, 3, 90)
    values[np.arange(90), labels] += 1.0
    found = sh.OnChipClassifier(net, epochs=1, learning_rate=1e-6)
    found.fit(values, labels)
    quantised = sh.quantize(net, calibration=sh.DirectInput(values, 32))
    assert np.array_equal(found.network_.projection("hidden->out").weight, quantised.projection("hidden->out").weight)
    untaught = found.score(values, labels)
    assert found.set_params(epochs=8, learning_rate=1.0).fit(values, labels).score(values, labels) > untaught + 0.1
    with pytest.raises(ParameterError, match=r"inputs of \[4\]"):
        found.fit(values[:, :3], labels)
    with pytest.raises(ParameterError, match="outputs"):
        found.fit(values, labels % 2)
    with pytest.raises(ParameterError, match="give a float"):
        sh.OnChipClassifier(quantised).fit(values, labels)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("encoder", ["rate", "direct"])
def test_every_encoder(iris, encoder):
    assert small(encoder=encoder).fit(*iris).score(*iris) > 0.8


def test_one_spike_a_feature_is_too_few_for_a_random_network(iris):
    with pytest.raises(ParameterError, match="choose direct or rate"):
        small(encoder="latency").fit(*iris)


def test_one_class_is_refused(iris):
    with pytest.raises(ValueError, match="one class"):
        small().fit(iris[0], np.zeros(150))


def test_it_is_pickled_with_all_it_learned(iris):
    found = small(epochs=1).fit(*iris)
    copy = pickle.loads(pickle.dumps(found))
    assert np.array_equal(copy.predict_proba(iris[0]), found.predict_proba(iris[0]))
    for one in (copy, found):
        one.partial_fit(*iris)
    assert np.array_equal(copy.network_.projections[1].weight, found.network_.projections[1].weight)


@pytest.mark.slow
def test_the_toolkit_works_without_scikit_learn():
    code = """
import sys
sys.modules["sklearn"] = None
from ssdp_hw import *
import ssdp_hw
try:
    ssdp_hw.OnChipClassifier
except ssdp_hw.SsdpHwError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'ssdp-hw[sklearn]'" in done.stdout
