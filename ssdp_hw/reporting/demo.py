"""The report of the demo."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ssdp_hw.reporting.collect import Samples, at_rest, describe
from ssdp_hw.reporting.data import Facts, ReportData
from ssdp_hw.reporting.environment import environment, network_hash, samples_hash
from ssdp_hw.reporting.files import write_report

if TYPE_CHECKING:
    from ssdp_hw.demo import DemoResult, LearnRow

TEXT = (
    "A fifth of the input pixels die. The readout’s synapses learn by SSDP: in each epoch the network is run on the "
    "training samples, in groups, and those that it gets wrong are presented. A teacher makes the labelled output "
    "neuron fire. A gate multiplies the weight changes of each output neuron: 1 for the labelled neuron, -1 for the "
    "neuron that was chosen wrongly, 0 for all others. This is supervised learning; the test samples are never taught.",
    "A single step of this rule is below half of one weight LSB: “nearest” rounds it away, “carry” and “stochastic” do "
    "not. “float” is the same rule on the float network.",
)


def demo_data(result: DemoResult) -> ReportData:
    """The numbers of the demo."""
    targets = list(dict.fromkeys(row.target for row in result.comparison.rows))
    samples = Samples(
        result.float_network, result.fixed_network, result.inputs, result.labels, targets[:1], result.comparison.decode
    )
    data = ReportData(
        "A trained network on Loihi’s integers, learning there",
        describe(result.float_network),
        **at_rest(result.fixed_network),
    )
    data = samples.measured(data, ladder=result.ladder, comparison=result.comparison, counted=result.activity)
    hashes = {
        "float network": network_hash(result.float_network),
        "fixed network": network_hash(result.fixed_network),
        "inputs": samples_hash(result.inputs),
        "labels": samples_hash(result.labels),
    }
    return replace(
        data,
        learning={"text": TEXT, "undrifted": asdict(result.clean), "runs": [_lesson(row) for row in result.learning]},
        same_bits={"rows": [asdict(row) for row in result.same_bits]},
        skipped=result.skipped,
        environment=environment(hashes, result.settings),
    )


def _lesson(row: LearnRow) -> Facts:
    return {
        "name": f"drift {row.drift_seed}, {row.rule}",
        "before": asdict(row.before),
        "after": asdict(row.after),
        "rate_before": row.rate_before,
        "rate_after": row.rate_after,
        "windows": row.windows,
        "changed": {row.projection: row.changed},
        "teacher_hits": row.teacher_hits,
        "health": {} if row.health is None else {row.projection: asdict(row.health)},
        "notes": [],
    }


def write_demo_report(result: DemoResult, directory: str | Path) -> Path:
    """Write ``report.html`` and ``report.json`` into a directory; the page's path.

    Either both are written or, if anything fails, neither: an older report is never mixed with a new one.

    Raises:
        MissingPackageError: matplotlib or jinja2 is not installed.
        FileFormatError: the directory cannot be written.
    """
    return write_report(demo_data(result), Path(directory) / "report.html")
