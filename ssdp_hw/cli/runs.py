"""Commands that run a network on one target: inference and learning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ssdp_hw.cli import files
from ssdp_hw.cli.nir_options import NirOptions, with_nir_options
from ssdp_hw.cli.options import AsJson, Decode, LabelFile, NetworkFile, Options, SpikeFile, Steps, name_values, rule_of
from ssdp_hw.cli.output import console, print_json, print_table


@with_nir_options
def run(
    *,
    network: NetworkFile,
    spikes: SpikeFile,
    target: Annotated[str | None, typer.Option(help="where to run, see: ssdp-hw targets [the fastest]")] = None,
    nir: NirOptions,
    record: Annotated[list[str] | None, typer.Option(help="spikes, v, u; may be repeated")] = None,
    decode: Decode = "spike_count",
    steps: Steps = None,
    option: Options = None,
    out: Annotated[Path | None, typer.Option("--out", help=".npz file for the recordings")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a network on a target and read its output."""
    from ssdp_hw.running.decoding import required_record
    from ssdp_hw.running.drive import make_drive
    from ssdp_hw.running.run import run as simulate

    found = files.read_network(network, **nir)
    inputs = files.read_spikes(spikes)
    length = make_drive(found, inputs).steps + found.latency if steps is None else steps
    variables = tuple(dict.fromkeys(["spikes", *(record or []), required_record(decode)]))
    result = simulate(found, inputs, target, record=variables, steps=length, options=name_values(option))
    predictions = {name: result.predict(decode, name).tolist() for name in result.outputs}
    if out is not None:
        kept = {f"{kind}.{name}": array for kind in variables for name, array in getattr(result, kind).items()}
        files.write_arrays(out, kept)
    rates = {name: result.spike_rate(name) for name in result.spikes if name not in found.helpers}
    if as_json:
        overflow = None if result.overflow is None else {name: vars(o) for name, o in result.overflow.items()}
        print_json(
            {
                "target": result.target,
                "steps": result.steps,
                "batch": result.batch,
                "seconds": result.seconds,
                "readout": decode,
                "predictions": predictions,
                "spike_rate": rates,
                "overflow": overflow,
                "info": dict(result.info),
            }
        )
        return
    console.print(f"{result.target}: {result.batch} samples of {result.steps} steps in {result.seconds:.2f} s")
    print_table(("population", "spikes per neuron and step"), [(name, f"{rate:.4f}") for name, rate in rates.items()])
    for name, classes in predictions.items():
        console.print(f"{decode} of {name}: {' '.join(map(str, classes))}", markup=False)


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
    target: Annotated[str | None, typer.Option(help="where to learn [the fastest]")] = None,
    nir: NirOptions,
    rule: Annotated[str, typer.Option(help="ssdp, stdp or sadp")] = "ssdp",
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="parameter of the rule, as a_plus=1e-3; may be repeated")
    ] = None,
    plastic: Annotated[list[str] | None, typer.Option(help="projection that learns; may be repeated")] = None,
    teach: Annotated[str, typer.Option(help="all samples, only errors, or by the delta rule")] = "all",
    teacher_step: Annotated[int, typer.Option(help="step of the first teaching spike")] = 0,
    epochs: Annotated[int, typer.Option()] = 1,
    refresh: Annotated[
        int | None,
        typer.Option(help="errors and delta: samples between two predictions"),
    ] = None,
    windows: Annotated[int, typer.Option(help="windows that a sample is cut into")] = 1,
    seed: Annotated[int, typer.Option()] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="go on where learning the network stopped")] = False,
    decode: Decode = "spike_count",
    steps: Steps = None,
    option: Options = None,
    as_json: AsJson = False,
) -> None:
    """Let a network learn by a local rule, supervised by the labels, and save it with its counters."""
    from ssdp_hw.files.container import check_no_nir
    from ssdp_hw.learning.learn import learn as teach_network
    from ssdp_hw.learning.state_file import load_learning, save_learning
    from ssdp_hw.learning.teacher import Teacher

    check_no_nir(out)
    found = files.read_network(network, **nir)
    result = teach_network(
        found,
        files.read_spikes(spikes),
        files.read_labels(spikes, labels),
        rule_of(rule, parameter),
        target,
        plastic=plastic,
        teacher=Teacher(first_step=teacher_step, inhibit=teach != "delta"),
        teach=teach,  # type: ignore[arg-type]
        epochs=epochs,
        refresh=refresh,
        windows=windows,
        seed=seed,
        state=load_learning(network)[1] if resume else None,
        decode=decode,
        steps=steps,
        options=name_values(option),
    )
    save_learning(result.network, result.state, out)
    summary = {
        "target": result.target,
        "windows": result.windows,
        "commits": result.updates,
        "changed": dict(result.changed),
        "teacher_hits": result.teacher_hits,
        "weight_saturations": result.weight_saturations,
        "counter_saturations": result.counter_saturations,
        "spikes_before": _rate(result.before),
        "spikes_after": _rate(result.after),
        "seconds": result.seconds,
        "notes": list(result.notes),
    }
    if as_json:
        print_json({**summary, "info": dict(result.info)})
        return
    for name, value in summary.items():
        console.print(f"{name}: {value}", markup=False)
    console.print(f"written to {out}", markup=False)
