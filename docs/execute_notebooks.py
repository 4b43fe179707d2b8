"""Execute the notebooks of the documentation and keep what they show, or say where that differs from what is kept.

    make notebooks

or ``python docs/execute_notebooks.py [NAME ...] [--check]``, with the extra ``ssdp-hw[notebooks]`` and what the
notebooks import. A cell with the tag ``numbers-vary`` trains, shows what training gave, or says how long something
took: its numbers depend on the processor, so that they are kept and not compared.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "notebooks"
TIMEOUT = 600  # seconds that a cell may take
# Part of all points of a picture that may differ by more than a tenth: fonts are drawn a little otherwise elsewhere.
PICTURE_TOLERANCE = 0.02
NUMBERS = re.compile(r"[-+−]?\d[\d.,]*(?:e[-+]?\d+)?")

Notebook = dict[str, Any]


def read(path: Path) -> Notebook:
    """The notebook of a file."""
    found: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return found


def write(notebook: Notebook, path: Path) -> None:
    """Keep a notebook, in a form that changes where its content does."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def executed(notebook: Notebook) -> Notebook:
    """The notebook with what its cells show when they run in a new kernel and an empty folder."""
    import nbformat
    from nbclient import NotebookClient

    fresh = nbformat.reads(json.dumps(notebook), as_version=4)  # type: ignore[no-untyped-call]
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    os.environ["SSDP_HW_PROGRESS"] = (
        "0"  # how long something takes, and whether it is compiled, is no part of a notebook
    )
    with tempfile.TemporaryDirectory(prefix="ssdp-hw-notebook-") as folder:
        NotebookClient(
            fresh, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": folder}}
        ).execute()
    found: Notebook = json.loads(nbformat.writes(fresh))  # type: ignore[no-untyped-call]
    for cell in found["cells"]:
        cell["metadata"].pop("execution", None)
        for output in cell.get("outputs", ()):
            output.pop("metadata", None)
            if output["output_type"] in ("display_data", "execute_result"):
                output["metadata"] = {}
    return {**found, "metadata": notebook["metadata"]}


def shown(cell: dict[str, Any]) -> list[tuple[str, str]]:
    """Kind and content of all that a cell shows."""
    found: list[tuple[str, str]] = []
    for output in cell["outputs"]:
        kinds = {output["name"]: output["text"]} if output["output_type"] == "stream" else output.get("data", {})
        for kind, content in sorted(kinds.items()):
            text = "".join(content)
            if found and found[-1][0] == kind in ("stdout", "stderr"):  # where the kernel divides a text is by chance
                text = found.pop()[1] + text
            found.append((kind, text))
    return found


def differences(kept: Notebook, fresh: Notebook) -> Iterator[str]:
    """What a fresh run shows otherwise than what is kept."""
    for number, (old, new) in enumerate(zip(kept["cells"], fresh["cells"], strict=True), 1):
        if old["cell_type"] != "code":
            continue
        varies = "numbers-vary" in old["metadata"].get("tags", ())
        before, after = shown(old), shown(new)
        if [kind for kind, _ in before] != [kind for kind, _ in after]:
            yield f"cell {number}: showed {[k for k, _ in before]}, shows {[k for k, _ in after]}"
            continue
        for (kind, first), (_, second) in zip(before, after, strict=True):
            if kind == "image/png":
                if not varies and not same_picture(first, second):
                    yield f"cell {number}: its picture differs"
            elif varies:
                if NUMBERS.sub("#", first).split() != NUMBERS.sub("#", second).split():
                    yield f"cell {number}: {kind} differs in more than numbers"
            elif first != second:
                yield f"cell {number}: {kind} was {first[:500]!r}, is {second[:500]!r}"


def same_picture(first: str, second: str) -> bool:
    """Whether two pictures, PNG in base 64, are the same but for a few points."""
    import numpy as np
    from matplotlib.image import imread

    one, two = (imread(io.BytesIO(base64.b64decode(text))) for text in (first, second))
    return one.shape == two.shape and float(np.mean(np.abs(one - two).max(axis=2) > 0.1)) <= PICTURE_TOLERANCE


def main() -> None:
    """Execute, and keep or compare."""
    parser = argparse.ArgumentParser(description="Execute the notebooks of the documentation.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of docs/notebooks, without .ipynb (default: all)")
    parser.add_argument("--check", action="store_true", help="keep nothing, and fail where what they show differs")
    arguments = parser.parse_args()
    paths = [FOLDER / f"{name}.ipynb" for name in arguments.names] or sorted(FOLDER.glob("*.ipynb"))
    failed = False
    for path in paths:
        kept = read(path)
        fresh = executed(kept)
        found = list(differences(kept, fresh)) if arguments.check else []
        print(f"{path.name}:", "; ".join(found) if found else "the same" if arguments.check else "executed", flush=True)
        failed |= bool(found)
        if not arguments.check:
            write(fresh, path)
    sys.exit(failed)


if __name__ == "__main__":
    main()
