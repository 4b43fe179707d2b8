"""The engine's generated code on disk: readable, checked before it runs, and not needed to be kept."""

from __future__ import annotations

import ast
import stat
from dataclasses import replace

import numpy as np
import pytest
from ssdp_hw.targets.engine import generated

import ssdp_hw as sh
from ssdp_hw.chips import load_chip
from ssdp_hw.models.form import StepForm

FORM = StepForm(sh.neuron_model("AdaptiveLIF"), load_chip("loihi2"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache folder, and nothing of it in memory."""
    monkeypatch.setenv(generated.CACHE_VARIABLE, str(tmp_path / "cache"))
    generated.cached_module.cache_clear()
    yield tmp_path / "cache"
    generated.cached_module.cache_clear()


def text_of(folder):
    (file,) = folder.glob("step_AdaptiveLIF_*.py")
    return file, file.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_folder_is_the_users_own_and_the_code_bears_the_models_names(folder):
    assert generated.step_address(FORM, np.int32)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    _, text = text_of(folder)
    for name in ("of_jump", "of_a", "of_arriving", "AdaptiveLIF"):
        assert name in text


@pytest.mark.slow
def test_a_changed_file_is_written_anew_before_it_runs(folder):
    generated.step_address(FORM, np.int32)
    file, text = text_of(folder)
    file.write_text("raise SystemExit('not ours')", encoding="utf-8")
    generated.cached_module.cache_clear()
    assert generated.step_address(FORM, np.int32)
    assert text_of(folder) == (file, text)


@pytest.mark.parametrize("kind", ["missing", "open to all"])
def test_where_the_folder_is_not_ours_a_temporary_one_is_taken(kind, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    if kind == "open to all":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        (tmp_path / "file").write_text("", encoding="utf-8")
        folder = tmp_path / "file" / "cache"
    monkeypatch.setenv(generated.CACHE_VARIABLE, str(folder))
    taken = generated.cache_folder()
    assert taken != folder
    assert taken.is_dir()


@pytest.mark.slow
def test_a_chips_name_is_text_and_no_code(folder):
    chip = replace(load_chip("loihi2"), name='"""\nraise SystemExit("injected")\n"""')
    assert generated.step_address(StepForm(FORM.model, chip), np.int32)
    assert not any(isinstance(node, ast.Raise) for node in ast.walk(ast.parse(text_of(folder)[1])))
