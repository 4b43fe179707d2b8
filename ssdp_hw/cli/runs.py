"""Commands that run a network on one target: inference and learning."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.cli import files
from ssdp_hw.cli.interruption import raise_if_stopped, whole_or_part
from ssdp_hw.cli.nir_options import NirOptions, with_nir_options
from ssdp_hw.cli.options import (
    AsJson,
    Decode,
    LabelFile,
    NetworkFile,
    Options,
    SpikeFile,
    Steps,
    TargetName,
    name_values,
    rule_of,
)
from ssdp_hw.cli.output import first_of, print_json, print_line, print_table
from ssdp_hw.errors import ParameterError
from ssdp_hw.running.decoding import decoding_rules, required_record
from ssdp_hw.running.drive import AnyNetwork, make_drive
from ssdp_hw.running.many import ManyResult, run_many
from ssdp_hw.running.run import run as simulate
from ssdp_hw.running.silence import silent_output


@with_nir_options
def run(
    *,
    network: NetworkFile,
    spikes: SpikeFile,
    labels: LabelFile = None,
    target: TargetName = None,
    nir: NirOptions,
    record: Annotated[
        list[str] | None, typer.Option(help="with --out: v, u and other states beside the spikes; may be repeated")
    ] = None,
    decode: Decode = None,
    steps: Steps = None,
    option: Options = None,
    out: Annotated[Path | None, typer.Option("--out", help=".npz file for the recordings")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a network on a target and read its output.

    With labels it says how often that is right.
    """
    found = files.read_network(network, **nir)
    inputs = files.read_spikes(spikes)
    if record and out is None:
        raise ParameterError("--record is for recordings that are written: give --out")
    options = name_values(option)
    rules = decoding_rules(decode, found)
    stop = None
    if out is None:
        result, stop = whole_or_part(run_many, found, inputs, target, decode=decode, steps=steps, options=options)
    else:
        result = _recorded(found, inputs, target, decode, steps, options, record or [], out)
    classes = files.labels_if_any(spikes, labels)
    right = None
    if classes is not None and len(found.outputs) == 1:
        wanted = files.checked_labels(classes, found, make_drive(found, inputs).batch, result.steps)
        right = int(np.count_nonzero(result.predictions[found.outputs[0]] == wanted[: result.batch]))
    accuracy = None if right is None else wilson(right, result.batch)
    predictions = {name: classes.tolist() for name, classes in result.predictions.items()}
    rates = {name: result.spike_rate(name) for name in result.spike_counts if name not in found.helpers}
    if as_json:
        overflow = None if result.overflow is None else {name: vars(o) for name, o in result.overflow.items()}
        print_json(
            "run",
            {
                "target": result.target,
                "steps": result.steps,
                "batch": result.batch,
                "seconds": result.seconds,
                "readout": ", ".join(dict.fromkeys(rules.values())),
                "accuracy": None if accuracy is None else vars(accuracy),
                "predictions": predictions,
                "spike_rate": rates,
                "overflow": overflow,
                "info": dict(result.info),
            },
        )
        raise_if_stopped(stop, "what is printed is of these")
        return
    print_line(f"{result.target}: {result.batch} samples of {result.steps} steps in {result.seconds:.2f} s")
    print_table(("population", "spikes per neuron and step"), [(name, f"{rate:.4f}") for name, rate in rates.items()])
    if accuracy is not None:
        print_line(f"accuracy: {accuracy.percent()}, {right} of {result.batch}")
    for name, values in predictions.items():
        print_line(f"{rules[name]} of {name}: {first_of(values)}")
        if required_record(rules[name]) == "spikes" and result.spike_counts.get(name) == 0:
            print_line(f"warning: {silent_output(found, name, inputs, simulate)}")
    raise_if_stopped(stop, "what is printed is of these")


def _recorded(
    network: AnyNetwork,
    inputs: Any,
    target: str | None,
    decode: str | None,
    steps: int | None,
    options: dict[str, Any],
    record: list[str],
    out: Path,
) -> ManyResult:
    """Run all samples at once and write what was recorded to a file."""
    length = make_drive(network, inputs).steps + network.latency if steps is None else steps
    needed = [required_record(rule) for rule in decoding_rules(decode, network).values()]
    variables = tuple(dict.fromkeys(["spikes", *record, *needed]))
    result = simulate(network, inputs, target, record=variables, steps=length, options=options)
    files.write_arrays(out, {f"{v}.{name}": array for v in variables for name, array in result.recorded(v).items()})
    return ManyResult(
        {name: result.predict(decode, name) for name in result.outputs},
        {name: int(np.count_nonzero(raster)) for name, raster in result.spikes.items()},
        {name: raster.size for name, raster in result.spikes.items()},
        result.target,
        result.steps,
        result.batch,
        result.seconds,
        result.overflow,
        result.info,
    )


def _rate(activity: Any) -> float | None:
    """Spikes per neuron and step."""
    return None if activity is None else 1.0 - activity.activation_sparsity


@with_nir_options
def learn(
    *,
    network: NetworkFile,
    spikes: SpikeFile,
    out: Annotated[Path, typer.Option("--out", help="file for the network with its learned weights")],
    labels: LabelFile = None,
    target: TargetName = None,
    nir: NirOptions,
    rule: Annotated[
        str,
        typer.Option(
            help="ssdp, stdp, sadp, a declared rule's name, a formula as 'a*x1*y0 - b*x0*y1', or file.py:RULE"
        ),
    ] = "ssdp",
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="parameter of the rule, as a_plus=1e-3; may be repeated")
    ] = None,
    plastic: Annotated[list[str] | None, typer.Option(help="projection that learns; may be repeated")] = None,
    teach: Annotated[str, typer.Option(help="all samples, only errors, by delta, or by softmax")] = "all",
    teacher_step: Annotated[int, typer.Option(help="step of the first teaching spike")] = 0,
    epochs: Annotated[
        int, typer.Option(help="how often every sample is presented from here on; --resume ends the one begun first")
    ] = 1,
    refresh: Annotated[
        int | None,
        typer.Option(help="errors and delta: samples between two predictions"),
    ] = None,
    windows: Annotated[int, typer.Option(help="windows that a sample is cut into")] = 1,
    seed: Annotated[int, typer.Option()] = 0,
    evaluate: Annotated[
        Path | None, typer.Option(help=".npz of spikes and labels whose accuracy is measured while it learns")
    ] = None,
    evaluate_every: Annotated[int | None, typer.Option(help="samples between two evaluations [an epoch]")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="file that it saves itself to while it learns: the network for --resume")
    ] = None,
    checkpoint_every: Annotated[int | None, typer.Option(help="samples between two checkpoints [an epoch]")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="go on where the lesson stopped that wrote the network (--out, --checkpoint)"),
    ] = False,
    decode: Decode = None,
    steps: Steps = None,
    option: Options = None,
    as_json: AsJson = False,
) -> None:
    """Let a network learn from labels by a local rule, and save it.

    Its counters are saved, too, so that --resume goes on from there.
    """
    from ssdp_hw.files.container import check_no_nir
    from ssdp_hw.learning.checkpoint import Checkpoint
    from ssdp_hw.learning.evaluation import Evaluation
    from ssdp_hw.learning.learn import learn as teach_network
    from ssdp_hw.learning.presentation import Presentation
    from ssdp_hw.learning.state_file import load_learning, save_learning
    from ssdp_hw.learning.supervision import Teaching
    from ssdp_hw.learning.teacher import Teacher

    check_no_nir(out)
    if checkpoint is not None:
        check_no_nir(checkpoint)
    for option_name, every, given in (
        ("evaluate", evaluate_every, evaluate),
        ("checkpoint", checkpoint_every, checkpoint),
    ):
        if every is not None and given is None:
            raise ParameterError(f"--{option_name}-every says how often: give --{option_name}, too")
    found = files.read_network(network, **nir)
    teacher = None if teach == "softmax" else Teacher(first_step=teacher_step, inhibit=teach != "delta")
    asked = None
    if evaluate is not None:
        asked = Evaluation(files.read_spikes(evaluate), files.read_labels(evaluate, None), evaluate_every)
    begun = load_learning(network)[1] if resume else None
    result, stop = whole_or_part(
        teach_network,
        found,
        files.read_spikes(spikes),
        files.read_labels(spikes, labels),
        rule_of(rule, parameter),
        target,
        plastic=plastic,
        teach=Teaching(teach, teacher, decode, refresh),  # type: ignore[arg-type]
        presentation=Presentation(epochs, seed=seed, steps=steps, windows=windows),
        evaluate=asked,
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, checkpoint_every),
        state=begun,
        options=name_values(option),
    )
    save_learning(result.network, result.state, out)
    left = epochs - result.state.epochs + (0 if begun is None else begun.epochs)
    stopped = (
        f"{out} has what was learned until then; ssdp-hw learn {out} --resume --epochs {left}, the other options as "
        "before, goes on from there"
    )
    summary = {
        "target": result.target,
        "windows": result.windows,
        "commits": result.updates,
        "changed": dict(result.changed),
        "teacher_hits": result.teacher_hits,
        "evaluations": [{"presented": p.presented, "accuracy": vars(p.accuracy)} for p in result.evaluations],
        "weight_saturations": result.weight_saturations,
        "counter_saturations": result.counter_saturations,
        "spikes_before": _rate(result.before),
        "spikes_after": _rate(result.after),
        "seconds": result.seconds,
        "notes": list(result.notes),
        # The figures of the Python object, by the same names.
        "health": {name: asdict(health) for name, health in result.health.items()},
        "written": {name: {k: asdict(one) for k, one in found.items()} for name, found in result.written.items()},
        "alive": {name: asdict(health) for name, health in result.alive.items()},
    }
    if as_json:
        print_json("learn", {**summary, "info": dict(result.info)})
        raise_if_stopped(stop, stopped)
        return
    for line in str(result).splitlines():
        print_line(line)
    for point in result.evaluations:
        print_line(f"accuracy after {point.presented} samples: {point.accuracy.percent()}")
    print_line(f"written to {out}")
    raise_if_stopped(stop, stopped)
