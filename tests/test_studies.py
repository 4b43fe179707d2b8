"""The studies of learning on the chip: their parts, each study in a small setting, resuming, and the tables."""

import importlib
import json
import sys
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import ssdp_hw as sh

pytest.importorskip("sklearn", reason="scikit-learn is not installed; it comes with the extra ssdp-hw[demo]")
pytest.importorskip("matplotlib", reason="matplotlib is not installed; it comes with the extra ssdp-hw[report]")

FOLDER = Path(__file__).parent.parent / "examples" / "studies"
MODULES = [path.stem for path in FOLDER.glob("*.py") if path.stem != "regularise"]  # that one needs torch


class Studies:
    """The modules of the studies by name."""


@pytest.fixture(scope="module")
def studies():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        found = Studies()
        for name in MODULES:
            setattr(found, name, importlib.import_module(name))
        yield found
        for name in MODULES:
            del sys.modules[name]


def small(part, **more):
    hyperparameters = replace(part.hyperparameters, epochs=2, refresh=20, **more)
    changes = {"taught": 40, "asked": 60} if hasattr(part, "taught") else {}
    return replace(part, hyperparameters=hyperparameters, **changes)


# Drifts.


@pytest.fixture
def drift(studies):
    return studies.drifts.Drift(dead=0.25, dim=0.5, bright=2.0, jitter=2.0, deleted=0.2, added=0.05)


@pytest.fixture
def certain(studies):
    """A task whose every value of 1 fires in every step."""
    return studies.tasks.Task(None, None, "rate", 10)


def test_dead_pixels_are_those_of_the_world_whatever_the_noise(studies, drift, certain):
    values = np.ones((3, 40))
    first, second, other = (
        studies.drifts.drifted("dead pixels", drift, certain, values, world, noise).any(axis=(0, 1))
        for world, noise in ((1, 5), (1, 6), (2, 5))
    )
    assert np.count_nonzero(~first) == 10
    np.testing.assert_array_equal(first, second)
    assert np.any(first != other)


def test_events_are_deleted_and_added_at_the_stated_rates(studies, drift, certain):
    values = np.tile([0.0, 1.0], (200, 50))
    spikes = studies.drifts.drifted("events", drift, certain, values, 0, 0)
    assert spikes[:, :, 1::2].mean() == pytest.approx(0.8, abs=0.01)
    assert spikes[:, :, ::2].mean() == pytest.approx(0.05, abs=0.01)


def test_gain_and_none_are_those_of_the_encoder(studies, drift, certain):
    values = np.random.default_rng(0).random((4, 30))
    for kind, gain in (("dim", 0.5), ("bright", 2.0), ("none", 1.0)):
        expected = certain.encode(np.minimum(gain * values, 1.0), seed=3)
        np.testing.assert_array_equal(studies.drifts.drifted(kind, drift, certain, values, 0, 3), expected)


def test_jitter_moves_spikes_and_keeps_their_channels(studies):
    spikes = np.zeros((9, 100, 3), bool)
    spikes[4] = True
    moved = studies.drifts.jittered(spikes, 2.0, np.random.default_rng(0))
    np.testing.assert_array_equal(moved.sum(axis=0), spikes.sum(axis=0))
    assert 1.5 < moved.argmax(axis=0).std() < 2.5
    np.testing.assert_array_equal(studies.drifts.jittered(spikes, 0.0, np.random.default_rng(0)), spikes)


# Teaching the readout alone.


@pytest.mark.parametrize("row", ["SSDP float", "SSDP carry", "STDP carry", "SADP float"])
def test_a_readout_cut_off_learns_the_bits_of_the_whole_network(studies, row):
    task = studies.tasks.TASKS["digits"]
    data = task.load()
    network = task.networks(data)[studies.teaching.arithmetic(row)]
    spikes, labels = task.encode(data.train_values[:60], seed=1), data.train_labels[:60]
    spikes[:, :, ::3] = False
    hyperparameters = replace(studies.drift.SETTINGS.digits.hyperparameters, epochs=2, refresh=20)
    cut = studies.teaching.Cut.of(network)
    features = cut.features(spikes)
    learned = studies.teaching.teach(cut.readout, features, labels, hyperparameters, row, seed=3)
    whole = sh.learn(
        network,
        spikes,
        labels,
        hyperparameters.rule(row),
        teach=sh.Teaching("delta", teacher=sh.Teacher(inhibit=False), refresh=20),
        presentation=sh.Presentation(epochs=2, seed=3),
        on_overflow="ignore",
        health=False,
    ).network
    weights = whole.projections[-1].synapse_weights
    np.testing.assert_array_equal(learned.projections[0].synapse_weights, weights)
    assert np.any(weights != network.projections[-1].synapse_weights)
    correct = studies.teaching.ask(learned, features, labels).correct
    predicted = sh.run(whole, spikes, steps=len(features), on_overflow="ignore").predict()
    np.testing.assert_array_equal(correct, predicted == labels)


# Each study in a small setting.


def test_drift_runs_every_rule_and_nearest_is_stuck(studies):
    settings = studies.drift.SETTINGS
    settings = replace(settings, digits=small(settings.digits))
    runs = studies.drift.run(settings, "digits, dead pixels", studies.drift.ROWS, 0)
    by_row = {run["row"]: run for run in runs}
    assert set(by_row) == set(studies.drift.ROWS)
    assert by_row["SSDP carry"]["before"] < by_row["SSDP carry"]["undrifted"]
    assert by_row["SSDP nearest"]["moved"] == 0
    assert by_row["SSDP nearest"]["after"] == by_row["SSDP nearest"]["before"]
    assert all(run["moved"] > 0 for row, run in by_row.items() if row != "SSDP nearest")
    again = studies.drift.run(settings, "digits, dead pixels", ["SSDP stochastic"], 0)
    assert again == [by_row["SSDP stochastic"]]


def test_a_new_class_is_learned_from_its_samples_and_as_many_of_each_old_one(studies):
    study = studies.new_class
    labels = study.TASK.load().train_labels
    for case, counts in (("5 with rehearsal", [5] * 10), ("25 alone", [0] * 9 + [25])):
        chosen = study.chosen(labels, case, 1)
        np.testing.assert_array_equal(np.bincount(labels[chosen], minlength=10), counts)
    (run,) = study.run(
        replace(study.SETTINGS, hyperparameters=replace(study.SETTINGS.hyperparameters, epochs=5)),
        "25 alone",
        ["SSDP carry"],
        0,
    )
    assert run["new_before"] == 0 < run["new"]
    assert run["old_before"] > 0.95


@pytest.fixture
def vowels(studies, monkeypatch):
    """Nine speakers whose coefficients differ in level; each speaks for as many frames as its number, and seven."""
    generator = np.random.default_rng(0)
    labels = np.tile(np.arange(9), 4)
    series = [generator.normal(k, 1.0, (7 + k, 12)) for k in labels]
    data = studies.japanese_vowels.Vowels(series, labels, series[:9], labels[:9])
    monkeypatch.setattr(studies.vowels, "load_japanese_vowels", lambda: data)
    return data


def test_vowels_are_learned_from_nothing(studies, vowels):
    study = studies.vowels
    settings = replace(
        study.SETTINGS,
        hidden=100,
        fan_in=0.3,
        copies=1,
        epochs_alone=10,
        hyperparameters=replace(study.SETTINGS.hyperparameters, a_plus=3e-3, epochs=10),
    )
    for case in study.CASES:
        runs = study.run(settings, case, ["SSDP float", "SSDP carry"], 0)
        assert all(run["before"] == 0 for run in runs)  # a silent readout decides for no speaker
        assert all(run["train"] > 0.3 for run in runs)


def test_levels_fire_once_a_coefficient_and_frame_and_changes_where_they_are(studies, vowels):
    coder = studies.japanese_vowels.LevelCoder.fit(vowels.train, 4)
    spikes = coder(vowels.train).reshape(29, 36, 12, 6)
    frames = np.array([len(s) for s in vowels.train])
    spoken = np.arange(29)[:, None] < frames
    np.testing.assert_array_equal(spikes[..., :4].sum(axis=3), np.repeat(spoken[:, :, None], 12, axis=2))
    shares = spikes[..., :4].sum(axis=(0, 1, 2)) / (12 * frames.sum())
    np.testing.assert_allclose(shares, 0.25, atol=0.01)
    level = np.where(spoken[:, :, None], spikes[..., :4].argmax(axis=3), 0)
    both = (spoken[1:] & spoken[:-1])[:, :, None]
    np.testing.assert_array_equal(spikes[1:, ..., 4], both & (np.diff(level, axis=0) > 0))
    np.testing.assert_array_equal(spikes[1:, ..., 5], both & (np.diff(level, axis=0) < 0))


def test_japanese_vowels_are_read_as_they_are(studies):
    if find_spec("aeon") is None:
        pytest.skip("aeon is not installed; `make studies` installs it")
    data = studies.japanese_vowels.load_japanese_vowels()
    assert [len(data.train), len(data.test)] == [270, 370]
    np.testing.assert_array_equal(np.bincount(data.train_labels), [30] * 9)


@pytest.mark.parametrize(
    "text", ["", "@data\n1,2:1\n", "@data\n" + "1,2:" * 12 + "10\n", "@data\n" + "1,x:" * 12 + "1\n"]
)
def test_other_series_are_refused(studies, tmp_path, text):
    path = tmp_path / "file.ts"
    path.write_text(text)
    with pytest.raises(sh.SsdpHwError, match="this is not JapaneseVowels"):
        studies.japanese_vowels.read_ts(path)


@pytest.mark.parametrize("case", ["2-bit weights, 16-bit counters", "8-bit weights, 4-bit counters"])
def test_few_bits_learn_or_stay(studies, case):
    study = studies.bits
    assert study.widths(case) == tuple(int(word[0:2].strip("-")) for word in case.split(", "))
    runs = study.run(small(study.SETTINGS), case, study.ROWS, 0)
    assert [run["row"] for run in runs] == list(study.ROWS)
    assert all(0 <= run[key] <= 1 for run in runs for key in ("before", "after", "rate_before", "rate_after"))


def test_the_usual_widths_are_those_of_study_1(studies):
    settings = studies.drift.SETTINGS
    settings = replace(settings, digits=small(settings.digits))
    rows = ["SSDP carry", "SSDP stochastic"]
    in_drift = studies.drift.run(settings, "digits, dead pixels", rows, 2)
    in_bits = studies.bits.run(settings.digits, "8-bit weights, 16-bit counters", rows, 2)
    for a, b in zip(in_drift, in_bits, strict=True):
        assert {key: a[key] for key in b if key != "case"} == {key: b[key] for key in b if key != "case"}


def test_every_step_is_below_half_a_weight_lsb(studies, vowels):
    """What the page says of `nearest`; the widths of study 5 aside."""
    drift, new_class = studies.drift, studies.new_class
    random = studies.vowels.random_network(studies.vowels.SETTINGS, 120, 0)
    for hyperparameters, network in (
        (drift.SETTINGS.digits.hyperparameters, drift.networks("digits")["fixed"]),
        (new_class.SETTINGS.hyperparameters, new_class.networks()["fixed"]),
        (studies.vowels.SETTINGS.hyperparameters, sh.quantize(random)),
    ):
        p = network.projections[-1]
        assert hyperparameters.a_plus * float(np.max(p.scale)) < 0.5 * p.format.step


# Stopping and going on.


@pytest.fixture
def tiny(studies):
    settings = studies.drift.SETTINGS
    return replace(
        studies.drift.STUDY,
        settings=replace(settings, digits=small(settings.digits)),
        cases=("digits, dim",),
        rows=lambda _: ("SSDP float", "SSDP carry"),
    )


def start(studies, study, path, seeds=2):
    store = studies.store.Store(path, asdict(study.settings))
    studies.run.run(study, store, seeds, 1)
    return path.read_text()


def test_a_study_that_was_stopped_goes_on(studies, tiny, tmp_path):
    path = tmp_path / "study.json"
    whole = start(studies, tiny, path)
    found = json.loads(whole)
    assert [(r["seed"], r["row"]) for r in found["runs"]] == [
        (s, row) for s in (0, 1) for row in ("SSDP carry", "SSDP float")
    ]
    asked = []

    def watched(settings, case, rows, seed):
        asked.append((case, rows, seed))
        return studies.drift.run(settings, case, rows, seed)

    assert start(studies, replace(tiny, run=watched), path) == whole
    assert asked == []
    path.write_text(json.dumps(found | {"runs": found["runs"][:-2] + found["runs"][-1:]}))
    assert start(studies, replace(tiny, run=watched), path) == whole
    assert asked == [("digits, dim", ["SSDP carry"], 1)]


def test_a_case_without_its_data_is_skipped_with_a_message(studies, tiny, tmp_path, capsys):
    def check(case):
        raise sh.SsdpHwError("the data are not here")

    store = studies.store.Store(tmp_path / "study.json", {})
    studies.run.run(replace(tiny, check=check), store, 2, 1)
    assert "skipped: digits, dim: the data are not here" in capsys.readouterr().err
    assert store.runs == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "no results file"),
        ("{}", "no results file"),
        ('{"settings": {"a": 1}, "runs": []}', "other settings"),
    ],
)
def test_a_foreign_results_file_is_left_alone(studies, tmp_path, content, message):
    path = tmp_path / "study.json"
    path.write_text(content)
    with pytest.raises(SystemExit, match=message):
        studies.store.Store(path, {})
    assert path.read_text() == content


# Tables.


def test_won_back_is_the_share_of_the_mean_loss(studies):
    clean, before = np.array([0.9, 0.9]), np.array([0.7, 0.8])
    assert studies.drift.won_back(clean, before, np.array([0.8, 0.9])) == "**67%**"
    assert studies.drift.won_back(clean, before, np.array([0.7, 0.86])) == "20%, less than half"
    assert studies.drift.won_back(clean, before, before - 0.03) == "-20%, worse"
    assert studies.drift.won_back(clean, clean - 0.004, clean) == "loss of 0.4 points only"


def test_the_float_rule_is_compared_seed_by_seed(studies):
    values = {"SSDP float": (0.80, 0.90, 0.5), "SSDP carry": (0.81, 0.91, 0.7)}
    runs = [
        {"case": case, "row": row, "seed": seed, "after": value}
        for case in ("a", "b")
        for row, found in values.items()
        for seed, value in enumerate(found)
    ]
    short = [run for run in runs if not (run["row"] == "SSDP float" and run["seed"] == 2)]  # not finished
    line = studies.study.against_float(short, ["after"], ["a", "b"], ["SSDP carry"]).splitlines()[-1]
    assert line == "| SSDP carry | +1.00 ± 0.00 | no | 0 of 2 | +1.00 |"


def test_the_page_is_made_from_the_results_that_are_here(studies):
    stores = {
        name: studies.store.Store(studies.store.RESULTS / f"study-{name}.json", asdict(study.settings))
        for name, study in studies.run.STUDIES.items()
    }
    assert studies.run.page(stores) == (studies.run.DOCS / "studies.md").read_text(encoding="utf-8")
