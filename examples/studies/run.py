"""Run the studies of learning on the chip, print their tables and write them to docs/studies.md.

    make studies

or ``python examples/studies/run.py [STUDY ...] [--seeds 10] [--jobs 2]``. Each finished case, row and
seed is added to ``examples/results/study-STUDY.json``; a study that was stopped goes on from there, and
one that is complete only prints its tables. To run one anew, move its file away.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import bits
import drift
import new_class
import regularise_table
import vowels
from store import RESULTS, Run, Store
from study import Study

from ssdp_hw.errors import SsdpHwError
from ssdp_hw.files.atomic import write_atomically

STUDIES = {study.name: study for study in (drift.STUDY, new_class.STUDY, vowels.STUDY, bits.STUDY)}
DOCS = Path(__file__).parent.parent.parent / "docs"

INTRODUCTION = """# What learning on the chip gives

Written by `make studies`, which prints the same. Means over seeds with half of their 95 % t-intervals.

In each study only the readout learns, by the delta rule (`teach="delta"`): a teacher makes the labelled
neuron fire in the samples that the network gets wrong, and the rule is what each synapse remembers of
such a window, added for the labelled neuron and taken off for the one that was wrongly chosen. `float` is
the float rule on the float network; the others are integers on the 8-bit network with 16-bit counters,
by the rounding that they are named after. A step is below half a weight LSB, so `nearest` never moves a
weight. STDP and SADP take the place of SSDP with the same hyperparameters; they potentiate only.

Amplitudes, widths of learning windows, epochs and strengths of drifts were chosen by hand on one more seed, with
samples of the training parts that were not taught; the test parts played no role in it. Less care went into
the baselines: their amplitudes are the best of two to five, or near them. Digits and Fashion-MNIST have one
trained network each, and what varies with the seed is which samples are taught, their order and spikes, and
what drifts; the random network of the temporal task is another one for each seed. Settings and raw numbers:
`examples/results/study-*.json`."""

Job = tuple[str, list[str], int]


def available(study: Study) -> list[str]:
    """The cases that can run here; of the others it says what they lack."""
    found = []
    for case in study.cases:
        try:
            study.check(case)
            found.append(case)
        except SsdpHwError as error:
            print(f"{study.name}: skipped: {case}: {error}", file=sys.stderr)
    return found


def finished(study: Study, jobs: list[Job], processes: int) -> Iterator[list[Run]]:
    """The runs of each job as it ends."""
    if processes == 1:
        for job in jobs:
            yield study.run(study.settings, *job)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        futures = [pool.submit(_work, study.name, study.settings, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _work(name: str, settings: Any, job: Job) -> list[Run]:
    return STUDIES[name].run(settings, *job)


def run(study: Study, store: Store, seeds: int, processes: int) -> None:
    """Run what is missing."""
    jobs = [
        (case, missing, seed)
        for seed in range(seeds)
        for case in available(study)
        if (missing := store.missing(case, seed, study.rows(case)))
    ]
    for number, runs in enumerate(finished(study, jobs, processes), 1):
        store.add(runs)
        print(f"{study.name}: {runs[0]['case']}, seed {runs[0]['seed']} ({number} of {len(jobs)})", file=sys.stderr)


def page(stores: dict[str, Store]) -> str:
    """All tables in Markdown."""
    parts = [INTRODUCTION]
    for name, study in STUDIES.items():
        report = study.report(study.settings, stores[name].runs) or "No results yet."
        figure = f"\n\n![{study.title}](studies-{name}.png)" if study.plot(stores[name].runs) else ""
        parts.append(f"## {study.title}\n\n{study.text}\n\n{report}{figure}")
    parts.append(f"## Beside backpropagation\n\n{regularise_table.TEXT}")
    for title, name in (("Digits", "digits"), ("Fashion-MNIST", "fashion-mnist")):
        path = RESULTS / f"regularise-{name}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            parts.append(
                f"**{title}:** {regularise_table.setting(found['settings'])}; {regularise_table.table(found['runs'])}"
            )
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description="Run the studies of learning on the chip.")
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(STUDIES)} (default: all)")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to SEEDS - 1 (default: 10)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a CPU)")
    arguments = parser.parse_args()
    if set(arguments.studies) - set(STUDIES) or arguments.seeds < 2 or arguments.jobs < 1:
        sys.exit(f"studies: {', '.join(STUDIES)}; at least 2 seeds and 1 job")
    stores = {name: Store(RESULTS / f"study-{name}.json", asdict(study.settings)) for name, study in STUDIES.items()}
    for name in arguments.studies or STUDIES:
        run(STUDIES[name], stores[name], arguments.seeds, arguments.jobs)
    text = page(stores)
    print(text)
    write_atomically(DOCS / "studies.md", lambda partial: partial.write_text(text, encoding="utf-8"))
    for name, study in STUDIES.items():
        figure = study.plot(stores[name].runs)
        if figure is not None:
            write_atomically(DOCS / f"studies-{name}.png", lambda partial, f=figure: f.savefig(partial, dpi=120))


if __name__ == "__main__":
    main()
