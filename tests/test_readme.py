"""The code of README and guide runs, and prints what they say; what they link to is there."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from code_blocks import pages

import ssdp_hw as sh

ROOT = Path(__file__).parents[1]
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "guide.md"
PAGES = pages()


def blocks(page, language="python"):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_is_short_and_says_first_what_it_is():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150
    assert lines[2].startswith(
        "A maintained, pip-installable, bit-exact emulator of Loihi's neurons and learning for Python"
    )
    assert len(re.findall(r"!\[.*?\]\(", README.read_text(encoding="utf-8"))) == 1


def test_five_minutes_print_what_the_readme_says(tmp_path, monkeypatch, capsys):
    """A drift, a lesson, and a curve that rises."""
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    (code,), (printed,) = blocks(README), blocks(README, "text")
    names: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), names)
    assert capsys.readouterr().out == printed
    drifted, after = (
        sh.run(net, names["test"], steps=34).predict() for net in (names["fixed"], names["learned"].network)
    )
    right = [np.mean(predicted == names["data"].test_labels) for predicted in (drifted, after)]
    assert right[1] > right[0] + 0.1
    curve = names["epochs"]
    assert curve[-3:].mean() > curve[:3].mean() + 0.02
    assert isinstance(sh.load("learned.h5"), sh.FixedNetwork)
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_code_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert len(blocks(GUIDE)) == 3
    names: dict[str, object] = {}
    for block in blocks(GUIDE):
        exec(compile(block, str(GUIDE), "exec"), names)
    table = names["table"]
    assert table.fixed_runs_equal
    assert {row.target for row in table.rows} == {"spec", "engine", "lava", "brian2"}
    by_kind = {row.arithmetic: row for row in table.rows}
    text = GUIDE.read_text(encoding="utf-8")
    for kind, title in (("float", "| float, on each"), ("fixed", "| 8-bit fixed, on each")):
        line = next(line for line in text.splitlines() if line.startswith(title))
        assert by_kind[kind].accuracy.percent() in line
        assert f"{by_kind[kind].spike_rate:.4f}" in line
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    """Files that exist, and headings that are there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, target


def test_the_guide_names_every_command_of_make():
    commands = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[0].split()
    text = GUIDE.read_text(encoding="utf-8")
    assert [c for c in commands if f"`make {c}" not in text and c not in ("install",)] == []


def test_every_public_name_exists():
    for name in sh.__all__:
        assert getattr(sh, name) is not None
    assert set(sh.__all__) <= set(dir(sh))


def package_description():
    spec = importlib.util.spec_from_file_location("setup_script", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("address", [None, "https://example.org/us/ssdp-hw"])
def test_links_of_the_description_on_a_package_index_lead_somewhere(address):
    """There are no files beside it: links are absolute, to this version, or name the file."""
    readme, version = README.read_text(encoding="utf-8"), sh.__version__
    shown = package_description().description(readme, address, version)
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)\s]+)\)", shown)
    assert all(target.startswith("https://") for _, target in links)
    ours = [(picture, target.split("#")[0]) for picture, target in links if address and target.startswith(address)]
    for picture, target in ours:
        start = f"{address}/{'raw' if picture else 'blob'}/v{version}/"
        assert target.startswith(start)
        assert (ROOT / target.removeprefix(start)).exists()
    relative = [t for t in re.findall(r"\]\(([^)\s]+)\)", readme) if not t.startswith("https://")]
    assert len(ours) == (len(relative) if address else 0)
    assert address or all(f"(`{target}`)" in shown for target in relative if not target.endswith(".png"))


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, None),
        ({"SSDP_HW_ADDRESS": "https://a.b/c"}, "https://a.b/c"),
        ({"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "us/x"}, "https://github.com/us/x"),
    ],
)
def test_where_the_description_finds_the_address(monkeypatch, variables, wanted):
    for name in ("SSDP_HW_ADDRESS", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert package_description().address() == wanted
    assert package_description().version() == sh.__version__
