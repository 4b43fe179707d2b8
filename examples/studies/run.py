"""Run the studies of learning on the chip, print their tables and write them to docs/studies.md.

    make studies

or ``python examples/studies/run.py [STUDY ...] [--seeds 10] [--jobs 2]``. A case, row and seed is a cell of
:func:`ssdp_hw.sweep` and is kept in a store, by default ``runs/studies``: whatever is stopped or killed, the same
command goes on from there, as long as neither study, data nor toolkit have changed. From the cells the tables
``examples/results/study-STUDY.json`` are written; ``--tables`` writes the page from these without running anything.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import bits
import bounds
import drift
import new_class
import regularise_table
import released
import remedies
import vowels
from results import RESULTS, Results, measure, read, write
from study import Study

from ssdp_hw.files.atomic import write_atomically

STUDIES = {
    study.name: study
    for study in (drift.STUDY, new_class.STUDY, vowels.STUDY, bits.STUDY, released.STUDY, bounds.STUDY, remedies.STUDY)
}
DOCS = Path(__file__).parent.parent.parent / "docs"
STORE = Path(__file__).parent.parent.parent / "runs" / "studies"

INTRODUCTION = """# What learning on the chip gives

Written by `make studies`, which prints the same. Means over seeds with half of their 95 % t-intervals.

In each of the first four studies only the readout learns, by the delta rule (`teach="delta"`): a teacher makes the
labelled neuron fire in the samples that the network gets wrong, and the rule is what each synapse remembers of
such a window, added for the labelled neuron and taken off for the one that was wrongly chosen. `float` is
the float rule on the float network; the others are integers on the 8-bit network with 16-bit counters,
by the rounding that they are named after. A step is below half a weight LSB, so `nearest` never moves a
weight. STDP and SADP take the place of SSDP with the same hyperparameters; they potentiate only.

Amplitudes, widths of learning windows, epochs and strengths of drifts of these four were chosen by hand on one more
seed, with samples of the training parts that were not taught; the test parts played no role in it. Less care went into
the baselines: their amplitudes are the best of two to five, or near them. Later studies say how they chose. Digits and
Fashion-MNIST have one trained network each, and what varies with the seed is which samples are taught, their order and
spikes, and what drifts; the random network of the temporal task is another one for each seed. Settings and raw numbers:
`examples/results/study-*.json`. Each cell of the tables is one of a [sweep](sweeps.md) over cases, rules and seeds.
The text above the tables says which version of the toolkit measured them. Of what versions 0.1.0 and 0.2.0 both ran,
float, SSDP and SADP gave the same numbers; `STDP carry` did not, since 0.2.0 rounds its integer traces by random
numbers."""


def results_path(study: Study) -> Path:
    """Where a study's results are kept with the sources."""
    return RESULTS / f"study-{study.name}.json"


def measured_by(study: Study, found: Results) -> str:
    """Which version measured what."""
    cases: dict[str, list[str]] = {}
    for case in study.cases:
        if case in found.toolkit:
            cases.setdefault(found.toolkit[case], []).append(case)
    if len(cases) < 2:
        return "".join(f"Measured by ssdp-hw {version}." for version in cases)
    return " ".join(f"Measured by ssdp-hw {version}: {'; '.join(own)}." for version, own in cases.items())


def page(found: dict[str, Results]) -> str:
    """All tables in Markdown."""
    parts = [INTRODUCTION]
    for name, study in STUDIES.items():
        runs = found[name].runs
        report = study.report(study.settings, runs) or "No results yet."
        figure = f"\n\n![{study.title}](studies-{name}.png)" if study.plot(runs) else ""
        text = f"{study.text} {measured_by(study, found[name])}".rstrip()
        parts.append(f"## {study.title}\n\n{text}\n\n{report}{figure}")
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
    parser.add_argument("--scheduler", help="address of a dask scheduler, tcp://host:port, in place of --jobs")
    parser.add_argument(
        "--store", type=Path, default=STORE, help="folder of the finished cells (default: runs/studies)"
    )
    parser.add_argument("--tables", action="store_true", help="run nothing: the page from examples/results")
    arguments = parser.parse_args()
    if set(arguments.studies) - set(STUDIES) or arguments.seeds < 2 or arguments.jobs < 1:
        sys.exit(f"studies: {', '.join(STUDIES)}; at least 2 seeds and 1 job")
    if not arguments.tables:
        for name in arguments.studies or STUDIES:
            study = STUDIES[name]
            read(study, results_path(study))  # ends here if it has other settings
            found = measure(study, arguments.seeds, arguments.scheduler or arguments.jobs, arguments.store)
            write(study, found, results_path(study))
    results = {name: read(study, results_path(study)) for name, study in STUDIES.items()}
    text = page(results)
    print(text)
    write_atomically(DOCS / "studies.md", lambda partial: partial.write_text(text, encoding="utf-8"))
    for name, study in STUDIES.items():
        figure = study.plot(results[name].runs)
        if figure is not None:
            write_atomically(DOCS / f"studies-{name}.png", lambda partial, f=figure: f.savefig(partial, dpi=120))


if __name__ == "__main__":
    main()
