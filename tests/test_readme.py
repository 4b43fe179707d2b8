"""The README's code runs, and its numbers are those that the demo prints."""

import re
from pathlib import Path

import ssdp_hw as sh

README = Path(__file__).parents[1] / "README.md"


def test_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    table = names["table"]
    assert isinstance(sh.load("learned.h5"), sh.FixedNetwork)
    assert table.fixed_runs_equal
    assert {row.target for row in table.rows} == {"spec", "engine", "lava", "brian2"}
    by_kind = {row.arithmetic: row for row in table.rows}
    text = README.read_text(encoding="utf-8")
    for kind, title in (("float", "| float, on each"), ("fixed", "| 8-bit fixed, on each")):
        line = next(line for line in text.splitlines() if line.startswith(title))
        assert by_kind[kind].accuracy.percent() in line
        assert f"{by_kind[kind].spike_rate:.4f}" in line
    assert capsys.readouterr().out


def test_every_public_name_exists():
    for name in sh.__all__:
        assert getattr(sh, name) is not None
    assert set(sh.__all__) <= set(dir(sh))
