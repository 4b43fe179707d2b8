"""The studies of learning on the chip: their parts, each study in a small setting, resuming, and the tables."""

import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from study_modules import FOLDER

import ssdp_hw as sh
from ssdp_hw.rules.evaluation import Window, window_changes
from ssdp_hw.rules.local import RandomKey
from ssdp_hw.sweeping import compute

pytest.importorskip("sklearn", reason="scikit-learn is not installed; it comes with the extra ssdp-hw[demo]")
pytest.importorskip("matplotlib", reason="matplotlib is not installed; it comes with the extra ssdp-hw[report]")


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_drift_runs_every_rule_and_nearest_is_stuck(studies):
    settings = studies.drift.SETTINGS
    settings = replace(settings, digits=small(settings.digits))
    case = "digits, dead pixels"
    data = studies.drift.data(case)
    by_row = {row: studies.drift.run(case, row, 0, settings, data) for row in studies.drift.ROWS}
    assert by_row["SSDP carry"]["before"] < by_row["SSDP carry"]["undrifted"]
    assert by_row["SSDP nearest"]["moved"] == 0
    assert by_row["SSDP nearest"]["after"] == by_row["SSDP nearest"]["before"]
    assert all(run["moved"] > 0 for row, run in by_row.items() if row != "SSDP nearest")
    assert studies.drift.run(case, "SSDP stochastic", 0, settings, data) == by_row["SSDP stochastic"]


def test_a_new_class_is_learned_from_its_samples_and_as_many_of_each_old_one(studies):
    study = studies.new_class
    labels = study.TASK.load().train_labels
    for case, counts in (("5 with rehearsal", [5] * 10), ("25 alone", [0] * 9 + [25])):
        chosen = study.chosen(labels, case, 1)
        np.testing.assert_array_equal(np.bincount(labels[chosen], minlength=10), counts)
    settings = replace(study.SETTINGS, hyperparameters=replace(study.SETTINGS.hyperparameters, epochs=5))
    run = study.run("25 alone", "SSDP carry", 0, settings, study.TASK.load())
    assert run["new_before"] == 0 < run["new"]
    assert run["old_before"] > 0.95


@pytest.fixture
def vowels(studies):
    """Nine speakers whose coefficients differ in level; each speaks for as many frames as its number, and seven."""
    generator = np.random.default_rng(0)
    labels = np.tile(np.arange(9), 4)
    series = [generator.normal(k, 1.0, (7 + k, 12)) for k in labels]
    return studies.japanese_vowels.Vowels(series, labels, series[:9], labels[:9])


@pytest.mark.slow
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
        runs = [study.run(case, row, 0, settings, vowels) for row in ("SSDP float", "SSDP carry")]
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


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("case", ["2-bit weights, 16-bit counters", "8-bit weights, 4-bit counters"])
def test_few_bits_learn_or_stay(studies, case):
    study = studies.bits
    assert study.widths(case) == tuple(int(word[0:2].strip("-")) for word in case.split(", "))
    settings, data = small(study.SETTINGS), study.TASK.load()
    runs = [study.run(case, row, 0, settings, data) for row in study.ROWS]
    assert all(0 <= run[key] <= 1 for run in runs for key in ("before", "after", "rate_before", "rate_after"))


def test_every_released_form_may_change_a_pair_by_the_same_most(studies):
    """Over pairs that fire once each, at any two steps of a window, or not at all."""
    study, steps = studies.released, 12
    once = np.concatenate([np.eye(steps, dtype=bool), np.zeros((steps, 1), bool)], axis=1)
    rows, cols = (index.reshape(-1) for index in np.indices((steps + 1, steps + 1)))
    for form in study.FORMS:
        for width in study.SETTINGS.taus if form in study.EXPONENTIAL else study.SETTINGS.sigmas:
            declared = study.rule(form, steps, 0.003, width).declaration(steps)
            window = Window(once, once, rows, cols, None, RandomKey(), 0)
            found = window_changes(declared.model, declared.parameters, window, ideal=True)
            assert np.abs(found).max() == pytest.approx(0.003), form


@pytest.mark.slow
def test_the_single_layers_form_sees_the_studys_windows_and_depresses_alone(studies):
    study = studies.released
    part = small(study.SETTINGS.part)
    given = study.world(part, study.data(""), 0, "float", validation=False)
    assert given.taught[-1].any()
    rule = study.rule("single_layer", len(given.taught), 1e-3, 20.0)
    settings = replace(study.SETTINGS, part=part)
    learned = study.learned(given, "without a teacher", rule, settings, seed=0)
    change = learned.projections[0].synapse_weights - given.readout.projections[0].synapse_weights
    assert change.min() < 0 == change.max()


@pytest.mark.slow
def test_released_forms_take_the_step_that_was_best_on_what_is_neither_taught_nor_asked(studies):
    study = studies.released
    settings = replace(
        study.SETTINGS, part=small(study.SETTINGS.part), steps=(1e-3, 1.0), sigmas=(30.0,), validation=(7,)
    )
    data = study.data("")
    run = study.run("delta rule", "transformer carry", 0, settings, data)
    right = {}
    given = study.world(settings.part, data, 7, "float", validation=True)
    for step in settings.steps:
        readout = study.learned(given, "delta rule", study.rule("transformer", 33, step, 30.0), settings, 7)
        right[step] = studies.teaching.ask(readout, given.asked, given.asked_labels).accuracy
    assert run["step"] == max(right, key=right.get)
    assert right[1e-3] != right[1.0]
    order = np.random.default_rng((7, 2)).permutation(len(data.train_labels))
    np.testing.assert_array_equal(given.asked_labels, data.train_labels[order[40:100]])
    np.testing.assert_array_equal(given.labels, data.train_labels[order[:40]])


def test_the_usual_widths_are_those_of_study_1(studies):
    settings = studies.drift.SETTINGS
    settings = replace(settings, digits=small(settings.digits))
    data = studies.drift.data("digits")
    for row in ("SSDP carry", "SSDP stochastic"):
        in_drift = studies.drift.run("digits, dead pixels", row, 2, settings, data)
        in_bits = studies.bits.run("8-bit weights, 16-bit counters", row, 2, settings.digits, data)
        assert {key: in_drift[key] for key in in_bits} == in_bits


def test_every_step_is_below_half_a_weight_lsb(studies, vowels):
    """What the page says of `nearest`; the widths of study 5 aside."""
    drift, new_class = studies.drift, studies.new_class
    random = studies.vowels.random_network(studies.vowels.SETTINGS, 120, 0)
    for hyperparameters, network in (
        (drift.SETTINGS.digits.hyperparameters, studies.tasks.networks("digits", drift.data("digits"))["fixed"]),
        (new_class.SETTINGS.hyperparameters, new_class.networks(new_class.TASK.load())["fixed"]),
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


@pytest.fixture
def asked(tmp_path):
    """What a watched study was asked for until now; it is no part of the study, whose cells would change with it."""
    return lambda: (tmp_path / "asked").read_text().splitlines() if (tmp_path / "asked").exists() else []


@pytest.fixture(autouse=True)
def _compiled_as_needed(monkeypatch):
    """A worker of a sweep compiles all before its first cell; here each cell compiles what it needs."""
    monkeypatch.setattr(compute, "compile_once", lambda: None)


@pytest.fixture
def watched(studies, tiny, tmp_path):
    log = str(tmp_path / "asked")

    def run(case, row, seed, settings, data):
        with open(log, "a") as file:
            file.write(f"{seed} {row}\n")
        return studies.drift.run(case, row, seed, settings, data)

    return replace(tiny, run=run)


def test_a_study_is_a_sweep_whose_cells_are_kept(studies, watched, asked, tmp_path):
    first = studies.results.measure(watched, 2, 1, tmp_path / "cells")
    every = [(seed, row) for seed in (0, 1) for row in ("SSDP carry", "SSDP float")]
    assert [(r["seed"], r["row"]) for r in first.runs] == every
    data = studies.drift.data("digits")
    for run, (seed, row) in zip(first.runs, every, strict=True):
        assert run == {"case": "digits, dim", "seed": seed, "row": row} | studies.drift.run(
            "digits, dim", row, seed, watched.settings, data
        )
    assert len(asked()) == 4
    assert studies.results.measure(watched, 2, 1, tmp_path / "cells") == first
    assert len(asked()) == 4
    assert len(studies.results.measure(watched, 3, 1, tmp_path / "cells").runs) == 6
    assert asked()[4:] == ["2 SSDP float", "2 SSDP carry"]


def test_other_settings_or_data_are_other_cells(studies, watched, asked, tmp_path):
    study = replace(watched, rows=lambda _: ("SSDP carry",))
    settings, data = study.settings, studies.drift.data("digits")
    dimmer = replace(settings.digits, drift=replace(settings.digits.drift, dim=0.3))
    relabelled = replace(data, test_labels=data.test_labels[::-1].copy())
    others = (replace(study, settings=replace(settings, digits=dimmer)), replace(study, data=lambda _: relabelled))
    for run, number in ((study, 1), (others[0], 2), (others[1], 3), (study, 3)):
        studies.results.measure(run, 1, 1, tmp_path / "cells")
        assert len(asked()) == number


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {folder!r})
import drift, results
from ssdp_hw.sweeping import compute
compute.compile_once = lambda: None

def run(case, row, seed, settings, data):
    log = Path({log!r})
    log.open("a").write(f"{{seed}} {{row}}\\n")
    if len(log.read_text().splitlines()) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return {{"after": seed}}

study = replace(drift.STUDY, run=run, cases=("digits, dim",), rows=lambda _: ("SSDP float", "SSDP carry"))
if __name__ == "__main__":
    print(len(results.measure(study, 2, 1, Path({store!r})).runs))
"""


@pytest.mark.slow
def test_a_killed_study_goes_on_and_runs_nothing_twice(tmp_path):
    log, script = tmp_path / "log", tmp_path / "killed.py"
    values = {"folder": str(FOLDER), "log": str(log), "store": str(tmp_path / "store")}
    script.write_text(KILLED.format(**values).replace("\\\\n", "\\n"), encoding="utf-8")
    killed, whole = (subprocess.run([sys.executable, script], capture_output=True, text=True) for _ in range(2))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert whole.stdout == "4\n", whole.stderr
    # The third cell was begun when the process died, and so is run again; the two before it are not.
    begun = ["0 SSDP float", "0 SSDP carry", "1 SSDP float"]
    assert log.read_text().splitlines() == [*begun, "1 SSDP float", "1 SSDP carry"]


def test_a_case_without_its_data_is_skipped_and_keeps_its_results(studies, tiny, tmp_path, capsys):
    def data(case):
        raise sh.SsdpHwError("the data are not here")

    path = tmp_path / "results.json"
    first = studies.results.write(tiny, studies.results.measure(tiny, 2, 1, tmp_path / "cells"), path)
    nothing = studies.results.measure(replace(tiny, data=data), 2, 1, tmp_path / "cells")
    assert "skipped: digits, dim: the data are not here" in capsys.readouterr().err
    assert nothing.runs == []
    assert studies.results.write(tiny, nothing, path) == first == studies.results.read(tiny, path)


def test_a_cell_that_fails_is_named_and_left_out(studies, tiny, tmp_path, capsys):
    def run(case, row, seed, settings, data):
        if seed:
            raise ValueError("no such seed")
        return {"after": 1.0}

    found = studies.results.measure(replace(tiny, run=run), 2, 1, tmp_path)
    assert [run["seed"] for run in found.runs] == [0, 0]
    assert capsys.readouterr().err.count("ValueError: no such seed") == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "no results file"),
        ("{}", "no results file"),
        ('{"settings": {"a": 1}, "toolkit": {}, "runs": []}', "other settings"),
    ],
)
def test_a_foreign_results_file_is_left_alone(studies, tiny, tmp_path, content, message):
    path = tmp_path / "study.json"
    path.write_text(content)
    with pytest.raises(SystemExit, match=message):
        studies.results.read(tiny, path)
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


@pytest.mark.slow
def test_the_page_is_made_from_the_results_that_are_here(studies):
    found = {name: studies.results.read(s, studies.run.results_path(s)) for name, s in studies.run.STUDIES.items()}
    assert studies.run.page(found) == (studies.run.DOCS / "studies.md").read_text(encoding="utf-8")
    for name, study in studies.run.STUDIES.items():
        seeds = {run["seed"] for run in found[name].runs}
        assert len(found[name].runs) == len(seeds) * sum(len(study.rows(case)) for case in study.cases)


def test_the_page_says_which_version_measured_what(studies):
    study, (first, *others) = studies.drift.STUDY, studies.drift.CASES
    found = studies.results.Results([], {first: "1", **dict.fromkeys(others, "2")})
    expected = f"Measured by ssdp-hw 1: {first}. Measured by ssdp-hw 2: {'; '.join(others)}."
    assert studies.run.measured_by(study, found) == expected
    assert studies.run.measured_by(study, studies.results.Results([], {first: "1"})) == "Measured by ssdp-hw 1."
    assert studies.run.measured_by(study, studies.results.Results([], {})) == ""
