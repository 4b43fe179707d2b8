"""Entry of the worker: ``python -m worker PARENT_PID FOLDER``.

FOLDER holds ``jobs.json`` (a list of jobs, see :mod:`.build`) and one ``<k>.npz`` of arrays a job.
Each job runs in a Lava runtime of its own, one after the other; recorded populations write their
files there. ``versions.json`` and ``seconds.json`` are written at the end; ``error.txt`` if anything fails.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from .compat import enable
from .lifetime import end_worker_if_a_child_is_killed, end_worker_on_failure, follow, report


def run_job(folder: Path, number: int, job: dict[str, Any]) -> float:
    """Build the processes of one job, run all steps, and stop the runtime; the seconds of the steps alone."""
    import numpy as np
    from lava.magma.core.run_conditions import RunSteps

    from .build import build
    from .recording import RecordingConfig

    with np.load(folder / f"{number}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    record = {
        name: {"record": {**wanted, "steps": job["steps"], "file": str(folder / wanted["file"])}}
        for name, wanted in job["record"].items()
    }
    processes = build(job["nodes"], job["links"], arrays, record)
    first = next(iter(processes.values()))
    # The runtime keeps all processes within a step of one another: two messages a channel suffice.
    first.create_runtime(RecordingConfig(select_tag=job["tag"]), compile_config={"pypy_channel_size": 2})
    start = time.perf_counter()
    first.run(RunSteps(num_steps=job["steps"]))
    seconds = time.perf_counter() - start
    first.stop()
    return seconds


def main(parent: int, folder: Path) -> None:
    """Run every job; end this process at once if one fails."""
    follow(parent)
    error_file = folder / "error.txt"
    try:
        enable()
        from importlib import metadata

        end_worker_on_failure(error_file)
        end_worker_if_a_child_is_killed(error_file)
        jobs = json.loads((folder / "jobs.json").read_text(encoding="utf-8"))
        seconds = [run_job(folder, number, job) for number, job in enumerate(jobs)]
        versions = {
            "python": sys.version.split()[0],
            "lava": metadata.version("lava-nc"),
            "numpy": metadata.version("numpy"),
        }
        for name, value in (("versions", versions), ("seconds", seconds)):
            (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    except BaseException:
        report(error_file)
        # Not sys.exit: at a normal exit Python would wait for Lava's processes, which never end.
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
