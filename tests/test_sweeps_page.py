"""The page of sweeps: its code runs and prints what it says, its study file is read."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "sweeps.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
def test_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("distributed")
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("python"):
        capsys.readouterr()
        exec(compile(block, str(PAGE), "exec"), names)
    assert capsys.readouterr().out == blocks("text")[0]
    assert len(names["found"].cells) == 27
    found = names["bits"]
    assert found.test_loss == pytest.approx(100 * (found.test_float.value - found.test_fixed.value))
