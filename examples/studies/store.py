"""Results of a study on disk: every finished run is kept, and a study that was stopped goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssdp_hw.files.atomic import write_atomically

RESULTS = Path(__file__).parent.parent / "results"

# One finished run: its case, row of the table and seed, and what was measured.
Run = dict[str, Any]


# Settings that files written earlier hold by another name.
RENAMED = {"lesson": "hyperparameters"}


def _with_new_names(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {RENAMED.get(name, name): _with_new_names(value) for name, value in values.items()}


class Store:
    """The runs of one study in a JSON file.

    Attributes:
        path: the file.
        settings: what all runs in it share, as plain values.
        runs: the finished ones.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Read the runs of an earlier start with the same settings; anything else ends the script."""
        self.path = path
        self.settings: dict[str, Any] = json.loads(json.dumps(settings))
        self.runs: list[Run] = []
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            same, self.runs = _with_new_names(found["settings"]) == self.settings, found["runs"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            sys.exit(f"{path}: this is no results file of a study ({error}); move it away")
        if not same:
            sys.exit(f"{path}: holds runs with other settings; move it away to run the study anew")

    def missing(self, case: str, seed: int, rows: Sequence[str]) -> list[str]:
        """Rows of this case and seed that have not been run."""
        done = {run["row"] for run in self.runs if run["case"] == case and run["seed"] == seed}
        return [row for row in rows if row not in done]

    def add(self, runs: Sequence[Run]) -> None:
        """Keep these runs; the file's order does not depend on that in which they finished."""
        self.runs = sorted([*self.runs, *runs], key=lambda run: (run["case"], run["seed"], run["row"]))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join("  " + json.dumps(run) for run in self.runs)
        text = f'{{\n "settings": {json.dumps(self.settings)},\n "runs": [\n{lines}\n ]\n}}\n'
        write_atomically(self.path, lambda partial: partial.write_text(text, encoding="utf-8"))
