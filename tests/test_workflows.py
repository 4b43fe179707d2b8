"""GitHub's workflows, its issue forms and the citation, each held to its published schema; what they run exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from check_jsonschema.cli import main as check_jsonschema
from click.testing import CliRunner
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
SCHEMAS = {
    ".github/workflows/*.yml": "github-workflows",
    ".github/ISSUE_TEMPLATE/*.yml": "github-issue-forms",
    "CITATION.cff": "citation-file-format",
}
FILES = [(file.relative_to(ROOT).as_posix(), kind) for glob, kind in SCHEMAS.items() for file in ROOT.glob(glob)]


def check(file: Path, schema: str) -> tuple[int, str]:
    """Exit code and output of check-jsonschema."""
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", f"vendor.{schema}", str(file)])
    return done.exit_code, done.output


@pytest.mark.parametrize(("file", "schema"), FILES)
def test_a_file_follows_its_schema(file, schema):
    code, said = check(ROOT / file, schema)
    assert code == 0, said


def test_each_kind_of_file_is_there():
    assert {kind for _, kind in FILES} == set(SCHEMAS.values())


@pytest.mark.parametrize(("right", "wrong"), [("runs-on:", "run-on:"), ("- uses:", "- use:"), ("jobs:", "job:")])
def test_a_misspelt_workflow_does_not(tmp_path, right, wrong):
    text = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    (tmp_path / "tests.yml").write_text(text.replace(right, wrong, 1))
    assert check(tmp_path / "tests.yml", "github-workflows")[0] == 1


def steps() -> list[tuple[str, dict, dict]]:
    """Every step of every job: its file, the job and the step."""
    return [
        (file, job, step)
        for file, kind in FILES
        if kind == "github-workflows"
        for job in YAML(typ="safe").load((ROOT / file).read_text(encoding="utf-8"))["jobs"].values()
        for step in job["steps"]
    ]


def test_steps_run_commands_of_make_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = [step["run"] for _, _, step in steps() if "run" in step]
    made = [word for run in commands for word in run.split()[1:] if run.startswith("make ") and "=" not in word]
    assert made
    assert set(made) <= targets


def test_steps_read_what_their_job_has():
    """What actionlint would find here: a matrix that lacks a name, a Python that is not supported."""
    for file, job, _ in steps():
        matrix = job.get("strategy", {}).get("matrix", {})
        for name in re.findall(r"\$\{\{\s*matrix\.(\w+)\s*\}\}", (ROOT / file).read_text(encoding="utf-8")):
            if "${{ matrix." in str(job["steps"]):
                assert name in matrix
    classifiers = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (tested,) = {tuple(job["strategy"]["matrix"]["python"]) for _, job, _ in steps() if "strategy" in job}
    assert list(tested) == classifiers
