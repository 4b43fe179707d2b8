"""A share of what ``make fuzz`` does: damaged files of every format are read, or refused by this package's errors."""

import random
from collections import Counter

import pytest
from fuzzing import corpus, damage, reader

FILES = sorted(path.name for path in corpus.FOLDER.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_files_of_the_corpus_are_accepted(name):
    assert reader.outcome(name, str(corpus.FOLDER / name)) == "accepted"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("count", [5, pytest.param(160, marks=pytest.mark.slow)])
def test_damaged_files_are_accepted_or_refused(tmp_path, name, count):
    content = (corpus.FOLDER / name).read_bytes()
    path = tmp_path / f"damaged{(corpus.FOLDER / name).suffix}"
    ended = Counter()
    for number in range(count):
        draw = random.Random(f"{name} {number}")
        path.write_bytes(damage.damaged(content, name, draw, [content], tmp_path / "scratch.h5"))
        outcome = reader.outcome(name, str(path))
        assert outcome in ("accepted", "refused"), f"number {number}"
        ended[outcome] += 1
    assert ended["refused"]


def test_what_is_no_error_of_this_package_is_found(monkeypatch):
    monkeypatch.setitem(reader.READERS, ".toml", lambda path: 1 / 0)
    assert "ZeroDivisionError" in reader.outcome("chip.toml", "x")
