"""Pages of the documentation whose code runs here, block by block, as a reader would run it.

A Python block is executed, a shell block called line by line, a TOML or Python block that begins with the name of a
file becomes that file, and a text block is what the block before it prints.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from code_blocks import DOCS, Block, blocks_of
from command_calls import call

from ssdp_hw.running import target_registry

# Pages that need matplotlib or others beside the core; skipped where these are missing.
PAGES = {
    "step.md": (),
    "rule-path.md": (),
    "pipeline.md": ("matplotlib", "jinja2", "sklearn"),
    "troubleshooting.md": ("sklearn",),
    "howto/amplitudes.md": (),
    "howto/chip.md": ("sklearn",),
    "howto/neuron-model.md": (),
    "howto/rule.md": (),
    "howto/target.md": ("sklearn",),
    "howto/importer.md": (),
    "howto/pictures.md": ("matplotlib",),
}


def shell(block: Block) -> None:
    """Calls of `ssdp-hw`, `echo "exit code $?"`, and comments; output may go to a file."""
    code = 0
    for line in block.text.replace("\\\n", " ").splitlines():
        if line == 'echo "exit code $?"':
            print(f"exit code {code}")
            continue
        words = shlex.split(line, comments=True)
        if not words:
            continue
        file = words.pop() if ">" in words else None
        if file:
            words.remove(">")
        assert words[0] == "ssdp-hw", f"{block}: only ssdp-hw is called here"
        done = call(*words[1:])
        code = done.returncode
        if file:
            Path(file).write_text(done.stdout, encoding="utf-8")
        else:
            print(done.stdout, end="")
        print(done.stderr, end="")


# New rules and models are compiled, or all commands run, which tests of these run as well.
SLOW = {"rule-path.md", "pipeline.md", "troubleshooting.md", "howto/chip.md", "howto/neuron-model.md", "howto/rule.md"}


@pytest.mark.parametrize("page", [pytest.param(p, marks=[pytest.mark.slow] * (p in SLOW)) for p in sorted(PAGES)])
def test_a_page_goes_as_it_is_written(page, tmp_path, monkeypatch, capsys):
    for needed in PAGES[page]:
        pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    for block in blocks_of(DOCS / page):
        if block.language == "text":
            assert printed == block.text, block
            continue
        if block.language == "toml":
            if block.text.startswith("[project.entry-points"):
                register(block.text, names, monkeypatch)
            else:
                Path(block.text.split()[1]).write_text(block.text, encoding="utf-8")
            continue
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), names)
        else:
            shell(block)
        printed = capsys.readouterr().out


def register(text: str, names: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point of a target that the page has made, as an installed package would declare it."""
    name, _, place = text.splitlines()[1].partition(" = ")
    made = names[place.strip('"').partition(":")[2]]
    known = target_registry._entry_points()
    point = type("EntryPoint", (), {"load": staticmethod(lambda: made)})()
    monkeypatch.setattr(target_registry, "_entry_points", lambda: {**known, name: point})


@pytest.fixture(autouse=True)
def _forget_targets():
    yield
    target_registry._load.cache_clear()
