"""The example that trains adaptive neurons: it rebuilds what torch trained, and the page has its stored figures."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def example():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        patch.setattr(importlib.import_module("adaptive_vowels"), "EPOCHS", 2)
        yield importlib.import_module("adaptive_vowels")


@pytest.mark.parametrize("kind", ["LIF", "SEAdLIF"])
def test_the_toolkits_network_fires_as_torchs(example, kind):
    """Random samples, two epochs of training."""
    rng = np.random.default_rng(0)
    spikes, labels = rng.random((12, 60, 120)) < 0.25, rng.integers(0, 9, 60)
    net = example.train(kind, example.drawn_settings()[0], 0, spikes, labels)
    row = example.measured(net, spikes, spikes, labels)
    assert row["differing"] == 0
    assert 0.01 < row["float_rate"] < 0.9


def test_the_page_says_what_fine_tuning_stored(example):
    """The means of accuracies and of differences, by the script's own table."""
    tuning = importlib.import_module("fine_tune_vowels")
    stored = json.loads(tuning.OUT.read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for bits in tuning.BITS:
        names = [f"{bits} bits, {n}" for n in ("max_abs", tuning.METHOD, f"tuned, rate {stored['rate']:g}")]
        cells = [[100 * r[name]["accuracy"] for r in stored["runs"]] for name in names]
        means = [example.mean_interval(cell) for cell in cells]
        texts = [f"{m.value:.1f} % ({m.low:.1f} to {m.high:.1f})" for m in means]
        gain = example.paired_interval(cells[1], cells[2])
        texts.append(f"{gain.value:.1f} points ({gain.low:.1f} to {gain.high:.1f})")
        assert f"| {bits} bits | {' | '.join(texts)} |" in page


def test_both_kinds_try_the_same_settings(example):
    assert example.drawn_settings() == example.drawn_settings()
    stored = json.loads(example.OUT.read_text(encoding="utf-8"))
    tried = [[row["settings"] for row in stored["tuning"][kind]] for kind in example.KINDS]
    assert tried[0] == tried[1]
    assert [len(stored["runs"][kind]) for kind in example.KINDS] == [10, 10]


def test_the_page_says_what_was_stored(example):
    stored = json.loads(example.OUT.read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for kind, name in (("LIF", "LIF"), ("SEAdLIF", "SE-adLIF")):
        runs = stored["runs"][kind]
        cells = [example.mean_interval([100 * r[which] for r in runs]) for which in ("float", "fixed")]
        rate = example.mean_interval([r["fixed_rate"] for r in runs])
        texts = [f"{c.value:.1f} % ({c.low:.1f} to {c.high:.1f})" for c in cells]
        texts.append(f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})")
        assert f"| {name} | {' | '.join(texts)} |" in page
