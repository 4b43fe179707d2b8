"""docs/first-hour.md, run as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

PAGE = Path(__file__).parent.parent / "docs" / "first-hour.md"


def test_the_first_hour_goes_as_it_is_written(capsys):
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)
    assert names["check"].agrees
    torch_right = np.mean(names["source"].numpy() == names["wanted"])
    fixed_right = np.mean(names["result"].predict("spike_count") == names["wanted"])
    assert torch_right > 0.8  # it learned something, so that the comparison says something
    assert fixed_right > torch_right - 0.1
    assert {"spec", "engine"} <= set(names["runs"])
    assert "equal in every voltage" in capsys.readouterr().out
