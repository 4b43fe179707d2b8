"""The notebooks of the documentation: they are executed as they stand, and show what they showed.

What executes them is the extra ``ssdp-hw[notebooks]``, which ``make test-frameworks`` installs beside torch.
"""

from __future__ import annotations

import copy
import importlib.util
import re
from typing import Any

import pytest
from code_blocks import DOCS, ROOT

spec = importlib.util.spec_from_file_location("execute_notebooks", DOCS / "execute_notebooks.py")
notebooks: Any = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
spec.loader.exec_module(notebooks)  # type: ignore[union-attr]

PATHS = sorted(notebooks.FOLDER.glob("*.ipynb"))
NEEDED = {"snntorch": ("torch", "snntorch"), "sweeps": ("distributed",)}


def code(path):
    return [cell for cell in notebooks.read(path)["cells"] if cell["cell_type"] == "code"]


def test_there_are_four():
    assert {path.stem for path in PATHS} == {"snntorch", "rule", "pipeline", "sweeps"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_was_executed_from_first_to_last_and_failed_nowhere(path):
    cells = code(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(output["output_type"] != "error" for cell in cells for output in cell["outputs"])
    kinds = {kind for cell in cells for kind, _ in notebooks.shown(cell)}
    assert len(cells) > 5
    for cell in cells:
        draws = re.search(r"\.plot\w*\(|plt\.subplots", "".join(cell["source"])) is not None
        assert draws == ("image/png" in dict(notebooks.shown(cell)))
    assert "stderr" not in kinds
    assert "".join(cells[0]["source"]).count("import ssdp_hw as sh") == 1


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_nothing_in_it_is_of_one_computer_or_moment(path):
    for cell in code(path):
        for kind, text in notebooks.shown(cell):
            if kind != "image/png":
                assert not re.search(r"/(tmp|home|root|usr)/|compiled the|0x[0-9a-f]{6}", text), text


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_is_in_the_site_and_its_links_lead_somewhere(path):
    assert f"notebooks/{path.stem}.md" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    text = "\n".join("".join(c["source"]) for c in notebooks.read(path)["cells"] if c["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)#]+)", text)
    assert links
    for link in links:
        assert (path.parent / link).resolve().is_file(), link


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_fresh_run_shows_the_same(path):
    for package in ("nbclient", "ipykernel", "matplotlib", "sklearn", *NEEDED.get(path.stem, ())):
        pytest.importorskip(package)
    kept = notebooks.read(path)
    assert list(notebooks.differences(kept, notebooks.executed(kept))) == []


def test_what_differs_is_seen():
    kept = notebooks.read(notebooks.FOLDER / "rule.ipynb")
    assert list(notebooks.differences(kept, kept)) == []
    for kind, other in (("stdout", "otherwise"), ("image/png", None)):
        fresh = copy.deepcopy(kept)
        cell = next(c for c in fresh["cells"] if c["cell_type"] == "code" and kind in dict(notebooks.shown(c)))
        if kind == "stdout":
            cell["outputs"] = [{"output_type": "stream", "name": kind, "text": [other]}]
        else:
            pytest.importorskip("matplotlib")
            (output,) = [o for o in cell["outputs"] if "data" in o]
            pictures = notebooks.read(notebooks.FOLDER / "sweeps.ipynb")["cells"]
            output["data"]["image/png"] = next(
                dict(notebooks.shown(c))["image/png"]
                for c in pictures
                if c["cell_type"] == "code" and "image/png" in dict(notebooks.shown(c))
            )
        assert len(list(notebooks.differences(kept, fresh))) == 1, kind


def test_of_a_cell_whose_numbers_vary_words_are_compared_and_numbers_are_not():
    def cell(text):
        output = {"output_type": "stream", "name": "stdout", "text": [text]}
        return {"cells": [{"cell_type": "code", "metadata": {"tags": ["numbers-vary"]}, "outputs": [output]}]}

    assert list(notebooks.differences(cell("float 97.0 %"), cell("float  -8.5 %"))) == []
    assert len(list(notebooks.differences(cell("float 97.0 %"), cell("fixed 97.0 %")))) == 1
