"""The numbers of a report, collected: of the networks at rest, and of their runs on samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdp_hw.analysis.activity import Activity, measure_activity
from ssdp_hw.analysis.comparison import Comparison, compare
from ssdp_hw.analysis.ladder import LossLadder, loss_ladder
from ssdp_hw.analysis.proof import prove as prove_registers
from ssdp_hw.analysis.resources import resources
from ssdp_hw.checks import as_int, class_labels
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.learning.result import LearnResult
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation
from ssdp_hw.network.float_network import Network
from ssdp_hw.reporting import measure
from ssdp_hw.reporting.data import Facts, ReportData
from ssdp_hw.running.decoding import decoding_rules
from ssdp_hw.running.drive import AnyNetwork, Inputs, make_drive
from ssdp_hw.running.run import semantics_of
from ssdp_hw.running.target_registry import fastest_target


def describe(network: AnyNetwork) -> Facts:
    """What a network consists of, and what was assumed of it."""
    return {
        "kind": "fixed" if isinstance(network, FixedNetwork) else "float",
        "inputs": [asdict(i) for i in network.inputs],
        "populations": [
            {"name": p.name, "neurons": p.size, "model": _model(p), "spiking": p.spiking}
            for p in network.populations
            if p.name not in network.helpers
        ],
        "projections": [
            {
                "name": q.name,
                "pre": q.pre,
                "post": q.post,
                "kind": q.stored.kind,
                "synapses": q.synapse_count,
                "stored_weights": int(q.stored_weights.size),
                "max_delay": q.max_delay,
            }
            for q in network.projections
            if q.pre not in network.helpers
        ],
        "outputs": list(network.outputs),
        "latency": network.latency,
        "semantics": semantics_of(network),
        "notes": list(network.notes),
    }


def _model(population: Any) -> str:
    if isinstance(population, FixedPopulation):
        return population.declared.name
    return str(population.neuron.kind)


def at_rest(fixed: FixedNetwork, prove: bool = True) -> Facts:
    """What is known of a fixed network without input: rounding, proofs, weights and resources, by field of the data."""
    try:
        held = resources(fixed).to_dict()
    except UnsupportedError as error:  # nothing is known of this chip's cores
        held = {"unknown": str(error)}
    lost = fixed.report
    return {
        "quantization": None if lost is None else {**lost.to_dict(), "warnings": lost.warnings},
        "proof": _proof(fixed) if prove else None,
        "weights": measure.weights(fixed),
        "resources": held,
    }


def _proof(fixed: FixedNetwork) -> Facts:
    found = prove_registers(fixed)
    rows = []
    for r in found.registers:
        plain = {name: value for name, value in vars(r).items() if name != "inputs"}
        rows.append({**plain, "verdict": r.verdict.value})
    return {"holds": found.holds, "registers": rows}


class Samples:
    """The samples of a report, checked, and what is measured on them."""

    def __init__(
        self,
        source: Network | None,
        fixed: FixedNetwork,
        inputs: Inputs,
        labels: ArrayLike | None,
        targets: list[str],
        decode: str | None,
        steps: int | None = None,
        sample: int = 0,
    ) -> None:
        first: AnyNetwork = fixed if source is None else source
        drive = make_drive(first, inputs)
        self.source, self.fixed, self.inputs = source, fixed, inputs
        self.decode = next(iter(decoding_rules(decode, first).values()))
        self.networks: dict[str, AnyNetwork] = {"float": source} if source is not None else {}
        self.networks["fixed"] = fixed
        self.targets = targets or [fastest_target(fixed).name]
        self.count, self.given_steps = drive.batch, drive.steps
        self.steps = drive.steps + first.latency if steps is None else as_int(steps, "steps")
        if len(fixed.outputs) != 1:
            raise ParameterError(f"a report on samples needs one output; the network has {list(fixed.outputs)}")
        self.labels: NDArray[np.int64] | None = None
        if labels is not None:
            self.labels = class_labels(labels, drive.batch, fixed.size_of(fixed.outputs[0]), drive.steps)
        self.sample = as_int(sample, "sample")
        if not 0 <= self.sample < self.count:
            raise ParameterError(f"sample = {sample}; there are {self.count}, 0 .. {self.count - 1}")
        spikes = sum(int(np.count_nonzero(s)) for s in drive.spikes.values())
        cells = sum(s.size for name, s in drive.spikes.items() if name not in drive.values)
        self.values = list(drive.values)
        self.rate = spikes / cells if cells else None

    def measured(
        self,
        data: ReportData,
        *,
        ladder: bool | LossLadder = True,
        comparison: Comparison | None = None,
        counted: Activity | None = None,
    ) -> ReportData:
        """The data with all that the samples say.

        Args:
            data: what is known without them.
            ladder: whether to take the loss apart, or a ladder that was climbed before.
            comparison, counted: what was measured before on the same samples; None to measure it here.
        """
        common: dict[str, Any] = dict(steps=self.steps, target=self.targets[0])
        decoded = dict(common, decode=self.decode)
        found = measure.agreement(self.networks, self.inputs, self.labels, samples=self.count, **decoded)
        rest: dict[str, Any] = dict(decode=self.decode, steps=self.steps)
        climbed = ladder if isinstance(ladder, LossLadder) else None
        if self.source is not None and self.labels is not None:
            if len(self.targets) > 1 and comparison is None:
                comparison = compare(self.source, self.fixed, self.inputs, self.labels, self.targets, **rest)
            if ladder is True:
                climbed = loss_ladder(self.source, self.inputs, self.labels, self.fixed, **rest)
        counted = counted or measure_activity(self.fixed, self.inputs, self.targets[0], steps=self.steps)
        sources = {name: asdict(figure) for name, figure in self.fixed.limits.figures("energy").items()}
        return replace(
            data,
            samples=self.described(),
            agreement=found,
            comparison=None if comparison is None else comparison.to_dict(),
            ladder=None if climbed is None else climbed.to_dict(),
            raster=measure.raster(self.networks, self.inputs, self.labels, sample=self.sample, **decoded),
            ranges=measure.ranges(self.fixed, self.inputs, samples=self.count, **common),
            activity={**counted.to_dict(), "energy_sources": sources},
        )

    def described(self) -> Facts:
        """How many samples, steps and channels, and how often the input fires."""
        return {
            "samples": self.count,
            "values": self.values,
            "input_steps": self.given_steps,
            "steps": self.steps,
            "channels": {i.name: i.size for i in self.fixed.inputs},
            "labels": self.labels is not None,
            "input_rate": self.rate,
        }

    def learning(self, learned: LearnResult | Mapping[str, LearnResult]) -> Facts:
        """Every learning run: accuracies on the samples before and after, and the health of its synapses."""
        named = learned if isinstance(learned, Mapping) else {"learned": learned}
        return {"runs": [self._lesson(name, result) for name, result in named.items()]}

    def _lesson(self, name: str, result: LearnResult) -> Facts:
        start = self.fixed if isinstance(result.network, FixedNetwork) else self.source
        seen = {}
        if start is not None:
            for when, network in (("before", start), ("after", result.network)):
                run = measure.agreement(
                    {"run": network},
                    self.inputs,
                    self.labels,
                    samples=self.count,
                    steps=self.steps,
                    target=self.targets[0],
                    decode=self.decode,
                )
                seen[when] = run["runs"]["run"]["accuracy"]
        return lesson(name, result, **seen)


def lesson(name: str, result: LearnResult, **accuracies: Any) -> Facts:
    """One learning run as plain values; ``before`` and ``after`` are accuracies with their intervals, or None."""
    return {
        "name": name,
        "before": accuracies.get("before"),
        "after": accuracies.get("after"),
        "rules": {projection: str(rule) for projection, rule in result.rules.items()},
        "target": result.target,
        "windows": result.windows,
        "updates": result.updates,
        "changed": dict(result.changed),
        "teacher_hits": result.teacher_hits,
        "evaluations": [{"presented": p.presented, "accuracy": vars(p.accuracy)} for p in result.evaluations],
        "health": {projection: asdict(health) for projection, health in result.health.items()},
        "notes": list(result.notes),
    }
