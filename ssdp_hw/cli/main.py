"""The commands. Bad input ends with exit code 2 and one line that says what and why."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ssdp_hw.cli import files
from ssdp_hw.cli.nir_options import NirOptions, with_nir_options
from ssdp_hw.deprecation import with_new_names
from ssdp_hw.errors import ParameterError, SsdpHwError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Trained spiking networks in a neuromorphic chip's integers: run, quantise, learn, compare.",
)
# Into a file or a pipe tables need not fit a screen.
console, errors = Console(width=None if sys.stdout.isatty() else 140), Console(stderr=True)

NetworkFile = Annotated[Path, typer.Argument(help="a NIR file, or a network saved by ssdp-hw")]
SpikeFile = Annotated[Path, typer.Option("--spikes", help=".npy, or .npz with 'spikes' (time, batch, channels)")]
LabelFile = Annotated[Path | None, typer.Option("--labels", help="labels (batch,); default: in the spike file")]
Decode = Annotated[str, typer.Option(help="how outputs become a class: spike_count, first_spike or max_membrane")]
Steps = Annotated[int | None, typer.Option(help="length of the run; default: the spikes' and the way to the output")]
Options = Annotated[list[str] | None, typer.Option("--option", "-o", help="option of the target: name=value")]
Method = Annotated[str, typer.Option(help="max_abs, percentile, mse or threshold_balance")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for machines")]


def _options(pairs: list[str] | None) -> dict[str, Any]:
    """``name=value`` pairs; values are read as JSON where they are JSON, else as text."""
    found: dict[str, Any] = {}
    for pair in pairs or []:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise ParameterError(f"{pair}: expected name=value")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def _rule(name: str, parameters: list[str] | None) -> Any:
    """A float rule of that name with these ``name=value`` parameters."""
    from ssdp_hw.rules import SADP, SSDP, STDP

    kinds: dict[str, Any] = {"ssdp": SSDP, "stdp": STDP, "sadp": SADP}
    if name not in kinds:
        raise ParameterError(f"--rule {name}: choose {', '.join(kinds)}")
    known = {field.name for field in fields(kinds[name])} - {"gate"}
    given = with_new_names(kinds[name], _options(parameters))
    for parameter in given:
        if parameter not in known:
            raise ParameterError(f"--set {parameter}: {name} has {', '.join(sorted(known))}")
    return kinds[name](**given)


def _print_json(data: Any) -> None:
    sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")


def _rate(activity: Any) -> float | None:
    """Spikes per neuron and step."""
    return None if activity is None else 1.0 - activity.activation_sparsity


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    console.print(table)


@app.command()
@with_nir_options
def inspect(
    *,
    network: NetworkFile,
    nir: NirOptions,
    as_json: AsJson = False,
) -> None:
    """Say what a network consists of and what had to be assumed."""
    from ssdp_hw.analysis.resources import resources
    from ssdp_hw.network.fixed_network import FixedNetwork
    from ssdp_hw.running.run import semantics_of

    found = files.read_network(network, **nir)
    report = getattr(found, "report", None)
    held = resources(found) if isinstance(found, FixedNetwork) else None
    if as_json:
        _print_json(
            {
                "kind": type(found).__name__,
                "summary": found.summary(),
                "latency": found.latency,
                "semantics": semantics_of(found),
                "notes": list(found.notes),
                "quantization": report.to_dict() if report is not None else None,
                "resources": held.to_dict() if held is not None else None,
            }
        )
        return
    notes = [f"note: {note}" for note in found.notes]
    for line in [*found.summary(), *notes, *(held.lines() if held is not None else [])]:
        console.print(line, markup=False)
    if report is not None:
        console.print(str(report), markup=False)


@app.command()
@with_nir_options
def quantize(
    *,
    network: NetworkFile,
    out: Annotated[Path, typer.Option("--out", help="file for the fixed network")],
    nir: NirOptions,
    chip: Annotated[str, typer.Option(help="name of the chip, or path of its .toml file")] = "loihi",
    calibration: Annotated[Path | None, typer.Option(help="typical spikes, as for run --spikes")] = None,
    weight_bits: Annotated[int | None, typer.Option(help="width of the weights")] = None,
    method: Method = "max_abs",
    granularity: Annotated[str, typer.Option(help="projection or channel: what has a scale of its own")] = "projection",
    sign_mode: Annotated[str, typer.Option(help="mixed, excitatory, inhibitory or auto")] = "mixed",
    split: Annotated[int, typer.Option(help="synapses that each weight is split over")] = 1,
    headroom: Annotated[
        float, typer.Option(help="safety factor on calibrated peaks; below 1 v may saturate, for a finer scale")
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Round a float network to a chip's integers and say what that loses."""
    from ssdp_hw.files.storage import save
    from ssdp_hw.quantization import quantize as convert

    found = files.as_float(files.read_network(network, **nir), network)
    spikes = files.read_spikes(calibration) if calibration is not None else None
    fixed = convert(
        found,
        chip,
        spikes,
        weight_bits=weight_bits,
        sign_mode=sign_mode,
        method=method,
        granularity=granularity,
        split=split,
        headroom=headroom,
    )
    save(fixed, out)
    if as_json:
        _print_json(fixed.report.to_dict())
    else:
        console.print(str(fixed.report), markup=False)
        console.print(f"written to {out}", markup=False)


@app.command()
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
    result = simulate(found, inputs, target, record=variables, steps=length, options=_options(option))
    predictions = {name: result.predict(decode, name).tolist() for name in result.outputs}
    if out is not None:
        kept = {f"{kind}.{name}": array for kind in variables for name, array in getattr(result, kind).items()}
        files.write_arrays(out, kept)
    rates = {name: result.spike_rate(name) for name in result.spikes}
    if as_json:
        overflow = None if result.overflow is None else {name: vars(o) for name, o in result.overflow.items()}
        _print_json(
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
    _table(("population", "spikes per neuron and step"), [(name, f"{rate:.4f}") for name, rate in rates.items()])
    for name, classes in predictions.items():
        console.print(f"{decode} of {name}: {' '.join(map(str, classes))}", markup=False)


@app.command()
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
    refresh: Annotated[int | None, typer.Option(help="samples after which errors and delta ask anew")] = None,
    windows: Annotated[int, typer.Option(help="windows that a sample is cut into")] = 1,
    seed: Annotated[int, typer.Option()] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="go on where learning the network stopped")] = False,
    decode: Decode = "spike_count",
    steps: Steps = None,
    option: Options = None,
    as_json: AsJson = False,
) -> None:
    """Let a network learn by a local rule, supervised by the labels, and save it with its counters."""
    from ssdp_hw.files.storage import load_learning, save_learning
    from ssdp_hw.learning.learn import learn as teach_network
    from ssdp_hw.learning.teacher import Teacher

    found = files.read_network(network, **nir)
    result = teach_network(
        found,
        files.read_spikes(spikes),
        files.read_labels(spikes, labels),
        _rule(rule, parameter),
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
        options=_options(option),
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
        _print_json({**summary, "info": dict(result.info)})
        return
    for name, value in summary.items():
        console.print(f"{name}: {value}", markup=False)
    console.print(f"written to {out}", markup=False)


@app.command()
@with_nir_options
def compare(
    *,
    network: Annotated[Path, typer.Argument(help="the float network: NIR or saved")],
    fixed: Annotated[Path, typer.Argument(help="the fixed network: ssdp-hw quantize wrote it")],
    spikes: SpikeFile,
    labels: LabelFile = None,
    nir: NirOptions,
    target: Annotated[
        list[str] | None,
        typer.Option(help="may be repeated; the first is the reference [the specification and the fastest]"),
    ] = None,
    decode: Decode = "spike_count",
    steps: Steps = None,
    as_json: AsJson = False,
) -> None:
    """Run float and fixed on several targets and set the results side by side."""
    from ssdp_hw.analysis.comparison import compare as run_both

    found = files.as_float(files.read_network(network, **nir), network)
    other = files.as_fixed(files.read_network(fixed), fixed)
    table = run_both(
        found,
        other,
        files.read_spikes(spikes),
        files.read_labels(spikes, labels),
        target,
        decode=decode,
        steps=steps,
    )
    if as_json:
        _print_json(table.to_dict())
        return
    _table(table.header, table.cells())
    console.print(f"fixed point costs {table.loss:.2f} points on {table.reference}")


@app.command()
@with_nir_options
def ladder(
    *,
    network: Annotated[Path, typer.Argument(help="the float network: NIR or saved")],
    spikes: SpikeFile,
    labels: LabelFile = None,
    fixed: Annotated[Path | None, typer.Option(help="the fixed network; default: quantise here")] = None,
    source: Annotated[Path | None, typer.Option(help=".npy of the source framework's predictions (batch,)")] = None,
    nir: NirOptions,
    chip: Annotated[str | None, typer.Option(help="name of the chip, or path of its .toml file [loihi]")] = None,
    calibration: Annotated[Path | None, typer.Option(help="typical spikes, as for --spikes")] = None,
    weight_bits: Annotated[int | None, typer.Option(help="width of the weights")] = None,
    method: Annotated[str | None, typer.Option(help="as for quantize [max_abs]")] = None,
    target: Annotated[str | None, typer.Option(help="one that runs registers of any width [the fastest]")] = None,
    alone: Annotated[bool, typer.Option(help="take each step alone, too")] = True,
    decode: Decode = "spike_count",
    steps: Steps = None,
    plot: Annotated[Path | None, typer.Option(help="file for a plot (.png, .svg, .pdf)")] = None,
    as_json: AsJson = False,
) -> None:
    """Take the loss from float to the chip apart, step by step."""
    from ssdp_hw.analysis.ladder import loss_ladder

    found = files.as_float(files.read_network(network, **nir), network)
    given = {"chip": chip, "weight_bits": weight_bits, "method": method}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if calibration is not None:
        options["calibration"] = files.read_spikes(calibration)
    result = loss_ladder(
        found,
        files.read_spikes(spikes),
        files.read_labels(spikes, labels),
        None if fixed is None else files.as_fixed(files.read_network(fixed), fixed),
        source=None if source is None else files.read_predictions(source),
        target=target,
        alone=alone,
        decode=decode,
        steps=steps,
        **options,
    )
    if plot is not None:
        from ssdp_hw.files.atomic import write_atomically
        from ssdp_hw.report.plots import plot_ladder

        write_atomically(plot, lambda path: plot_ladder(result, path))
    if as_json:
        _print_json(result.to_dict())
        return
    _table(result.header, result.cells())
    if result.alone:
        _table(("step alone", *result.header[1:]), result.cells(alone=True))
    console.print(f"fixed point costs {result.loss:.2f} points")


@app.command()
def microcode(
    window: Annotated[int, typer.Option(help="steps of a window")],
    scale: Annotated[float, typer.Option(help="weight LSBs of a float weight of 1")],
    rule: Annotated[str, typer.Option(help="ssdp; no other has a form here")] = "ssdp",
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="parameter of the rule, as a_plus=1e-3; may be repeated")
    ] = None,
    exponentials: Annotated[int, typer.Option(help="traces a side for the learning window, 0 to 2")] = 2,
    epoch: Annotated[str, typer.Option(help="update at the end of a window, or in every step")] = "window",
    one_silent: Annotated[str | None, typer.Option(help="timed, flat or skip")] = None,
    plot: Annotated[Path | None, typer.Option(help="file for a plot (.png, .svg, .pdf)")] = None,
    as_json: AsJson = False,
) -> None:
    """Compile SSDP to a sum of products for Loihi's learning engine; say what had to be replaced."""
    from ssdp_hw.microcode import compile_microcode

    code = compile_microcode(
        _rule(rule, parameter),
        window=window,
        scale=scale,
        exponentials=exponentials,
        epoch=epoch,
        one_silent=one_silent,
    )
    if plot is not None:
        from ssdp_hw.files.atomic import write_atomically
        from ssdp_hw.report.plots import plot_microcode

        write_atomically(plot, lambda path: plot_microcode(code, path))
    if as_json:
        _print_json(code.to_dict())
    else:
        console.print(str(code), markup=False, soft_wrap=True)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="directory for the report")] = Path("demo-report"),
    as_json: AsJson = False,
) -> None:
    """Run the main job on real data, end to end, and write a report."""
    from ssdp_hw.demo import run_demo
    from ssdp_hw.report import write_demo_report

    result = run_demo(None if as_json else lambda text: console.print(text, markup=False))
    path = write_demo_report(result, out)
    if as_json:
        _print_json(result.to_dict())
        return
    _table(result.comparison.header, result.comparison.cells())
    _table(
        ("drift", "rule", "before", "after", "windows", "weights moved"),
        [
            (str(r.drift_seed), r.rule, r.before.percent(), r.after.percent(), str(r.windows), f"{r.changed:.1%}")
            for r in result.learning
        ],
    )
    console.print(f"report: {path}", markup=False)


@app.command()
def targets(as_json: AsJson = False) -> None:
    """List the targets, and how to install those that are missing."""
    from ssdp_hw.running.target import list_targets

    found = list_targets()
    if as_json:
        _print_json([vars(t) for t in found])
        return
    _table(
        ("target", "what", "state", "options"),
        [(t.name, t.title, t.version if t.installed else f"missing: {t.install}", ", ".join(t.options)) for t in found],
    )


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    errors.print(f"warning: {message}", markup=False, soft_wrap=True)


def main() -> None:
    """Entry point: our own errors become exit code 2 and one line."""
    warnings.showwarning = _show_warning
    warnings.filterwarnings("default", message="--", category=DeprecationWarning)  # old names of options
    try:
        app()
    except SsdpHwError as error:
        errors.print(f"error: {' '.join(str(error).split())}", markup=False, soft_wrap=True)
        sys.exit(2)
