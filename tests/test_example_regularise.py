"""The study of SSDP beside backpropagation: its noise, its resuming, its table."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed; it comes with the extra ssdp-hw[demo]")
torch = pytest.importorskip("torch", reason="torch is not installed; it comes with the extra ssdp-hw[train]")
pytest.importorskip("snntorch", reason="snnTorch is not installed; it comes with the extra ssdp-hw[train]")

SCRIPT = Path(__file__).parent.parent / "examples" / "studies" / "regularise.py"


@pytest.fixture(scope="module")
def study():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        return importlib.import_module("regularise")


@pytest.fixture
def start(study, monkeypatch, tmp_path):
    """Start the script in a small setting with further arguments; the results file is the last one's."""
    small = replace(study.SETTINGS["digits"], hidden=16, epochs=3, start_epoch=1, batch=200, learning_rate=0.05)
    monkeypatch.setitem(study.SETTINGS, "digits", small)
    monkeypatch.setattr(study.torch, "use_deterministic_algorithms", lambda _: None)
    path = tmp_path / "results.json"

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["regularise.py", "--output", str(path), *arguments])
        study.main()
        return path

    return run


def test_jitter_moves_spikes_and_keeps_their_channels(study):
    settings = replace(study.SETTINGS["digits"], jitter=2.0)
    spikes = torch.zeros(9, 50, 3)
    spikes[4] = 1.0
    moved = study.jittered(spikes, settings, torch.Generator().manual_seed(0))
    assert torch.equal(moved.sum(0), spikes.sum(0))  # one spike a channel: none can meet another
    steps = moved.argmax(0).float()
    assert abs(float(steps.mean()) - 4) < 0.5
    assert 1.5 < float(steps.std()) < 2.5
    still = study.jittered(spikes, replace(settings, jitter=0.0), torch.Generator())
    assert torch.equal(still, spikes)


def test_events_are_deleted_and_added_at_the_stated_rates(study):
    settings = replace(study.SETTINGS["digits"], deleted=0.2, added=0.05)
    spikes = torch.zeros(10, 100, 100)
    spikes[:, ::2] = 1.0
    noisy = study.deleted_and_added(spikes, settings, torch.Generator().manual_seed(0))
    assert float(noisy[:, ::2].mean()) == pytest.approx(0.8, abs=0.01)
    assert float(noisy[:, 1::2].mean()) == pytest.approx(0.05, abs=0.01)


def test_resumed_runs_are_those_of_one_go(study, start, capsys):
    whole = json.loads(start("--seeds", "2").read_text())
    assert [(r["seed"], r["rule"]) for r in whole["runs"]] == [(s, rule) for s in (0, 1) for rule in study.RULES]
    table = capsys.readouterr().out.split("2 seeds;")[1]
    assert all(f"\n| {rule} |" in table for rule in study.RULES)

    path = start("--seeds", "2")
    assert json.loads(path.read_text()) == whole
    assert "seed 0" not in capsys.readouterr().out  # nothing was trained again
    path.write_text(json.dumps(whole | {"runs": whole["runs"][:6]}))
    again = json.loads(start("--seeds", "2").read_text())
    assert [r | {"seconds": 0} for r in again["runs"]] == [r | {"seconds": 0} for r in whole["runs"]]


def test_every_rule_but_none_changes_the_training(start):
    runs = json.loads(start("--seeds", "2").read_text())["runs"]
    for seed in (0, 1):
        assert len({r["training_loss"] for r in runs if r["seed"] == seed}) == 5
    assert all((r["gate"] is not None) == r["rule"].startswith("da") for r in runs)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "no results file"),
        ("{}", "no results file"),
        ('{"settings": {}, "runs": []}', "other settings"),
    ],
)
def test_a_foreign_results_file_is_left_alone(start, tmp_path, content, message):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(SystemExit, match=message):
        start()
    assert (tmp_path / "results.json").read_text() == content
