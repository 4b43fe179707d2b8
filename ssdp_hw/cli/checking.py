"""``ssdp-hw check`` and ``verify``: what conversion assumed, and whether a network does what its source does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ssdp_hw.cli import files
from ssdp_hw.cli.nir_options import NirOptions, with_nir_options
from ssdp_hw.cli.options import AsJson, ChipName, Decode, LabelFile, MaxLoss, NetworkFile, SpikeFile, Steps, TargetName
from ssdp_hw.cli.output import print_json, print_line, print_table
from ssdp_hw.errors import FileFormatError, LimitError, UnsupportedError
from ssdp_hw.files.numpy_arrays import read_arrays
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import AnyNetwork


@with_nir_options
def check(
    *,
    network: NetworkFile,
    spikes: Annotated[
        Path | None, typer.Option("--spikes", help="samples, as for run; then the networks are run")
    ] = None,
    labels: LabelFile = None,
    nir: NirOptions,
    chip: ChipName = None,
    weight_bits: Annotated[int | None, typer.Option(help="width of the weights")] = None,
    method: Annotated[str | None, typer.Option(help="as for quantize [max_abs]")] = None,
    target: TargetName = None,
    prove: Annotated[bool, typer.Option(help="ask which registers can overflow")] = True,
    max_loss: MaxLoss = None,
    decode: Decode = None,
    steps: Steps = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a network converts to the chip, and what it loses.

    Every assumption is named, and what stays silent on samples.
    """
    from ssdp_hw.quantization import quantize

    given = {"chip": chip, "weight_bits": weight_bits, "method": method}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    source = files.read_network(network, **nir)
    samples = None if spikes is None else files.read_spikes(spikes)
    classes = files.labels_if_any(spikes, labels)
    fixed = source if isinstance(source, FixedNetwork) else quantize(source, **{"calibration": samples, **options})
    networks: dict[str, AnyNetwork] = {} if source is fixed else {"float": source}
    networks["fixed"] = fixed
    found: dict[str, Any] = {"convertible": True, **_at_rest(source, fixed, prove)}
    if samples is not None:
        found |= _run(networks, samples, classes, target=target, decode=decode, steps=steps)
    if as_json:
        print_json("check", found)
    else:
        _tell(found)
    check_loss(found.get("loss_points"), max_loss)


def check_loss(points: float | None, most: float | None) -> None:
    """Raise if a loss, in points of percent, is above the limit that the user set.

    Raises:
        LimitError: it is, or nothing is known of the loss.
    """
    if most is None:
        return
    if points is None:
        raise LimitError(
            f"--max-loss {most:g}: the loss is not known without a float network, samples, labels and outputs that fire"
        )
    if points > most:
        raise LimitError(f"fixed point costs {points:.2f} points, more than --max-loss {most:g}")


def _at_rest(source: AnyNetwork, fixed: FixedNetwork, prove: bool) -> dict[str, Any]:
    """Notes, warnings, resources and proofs."""
    from ssdp_hw.analysis.proof import prove as prove_registers
    from ssdp_hw.analysis.resources import resources

    report = fixed.report
    try:
        held: dict[str, Any] | None = resources(fixed).to_dict()
    except UnsupportedError:  # the chip's table states no cores
        held = None
    proof = prove_registers(fixed) if prove else None
    return {
        "kind": "fixed" if isinstance(source, FixedNetwork) else "float",
        "summary": source.summary(),
        "notes": list(source.notes),
        "quantization": [] if report is None else report.warnings,
        "fits": None if held is None else held["fits"],
        "cores": None if held is None else held["cores"],
        "proofs": None if proof is None else [str(register) for register in proof.registers],
        "never_overflows": None if proof is None else proof.holds,
    }


def _run(networks: dict[str, AnyNetwork], samples: Any, labels: Any, **options: Any) -> dict[str, Any]:
    """Run the networks on samples: silent populations, accuracies, and the loss if both accuracies are known."""
    from ssdp_hw.analysis.statistics import wilson
    from ssdp_hw.running.many import run_many
    from ssdp_hw.running.run import run
    from ssdp_hw.running.silence import silent_output

    nothing = dict.fromkeys(("samples", "accuracy", "overflows", "loss_points"))
    found: dict[str, Any] = {**nothing, "silent": {}, "silent_outputs": []}
    right: dict[str, int] = {}
    for kind, network in networks.items():
        result = run_many(network, samples, on_overflow="ignore", **options)
        own = [p.name for p in network.populations if p.spiking and p.name not in network.helpers]
        found["silent"][kind] = silent = [name for name in own if not result.spike_counts[name]]
        found["silent_outputs"] += [
            f"{kind}: {silent_output(network, name, samples, run)}" for name in network.outputs if name in silent
        ]
        found["samples"] = result.batch
        if kind == "fixed" and result.overflow is not None:
            found["overflows"] = sum(count.total for count in result.overflow.values())
        if labels is not None and len(network.outputs) == 1:
            classes = files.checked_labels(labels, network, result.batch, result.steps)
            right[kind] = int(np.count_nonzero(result.predictions[network.outputs[0]] == classes))
    if right:
        count = found["samples"]
        found["accuracy"] = {kind: vars(wilson(number, count)) for kind, number in right.items()}
        if len(right) == 2 and not found["silent_outputs"]:  # else no accuracy says anything
            found["loss_points"] = 100 * (right["float"] - right["fixed"]) / count
    return found


def _tell(found: dict[str, Any]) -> None:
    print_line("the network converts")
    for line in found["summary"]:
        print_line(f"  {line}")
    for note in found["notes"]:
        print_line(f"note: {note}")
    for warning in found["quantization"]:
        print_line(f"rounding: {warning}")
    if found["fits"] is not None:
        print_line(f"chip: {found['cores']} cores, {'fits' if found['fits'] else 'DOES NOT FIT'}")
    for proof in found["proofs"] or []:
        print_line(f"overflow: {proof}")
    for kind, names in found.get("silent", {}).items():
        print_line(f"silent in {kind}: {', '.join(names) if names else 'no population'}")
    for sentence in found.get("silent_outputs", ()):
        print_line(f"warning: {sentence}")
    for kind, share in (found.get("accuracy") or {}).items():
        ends = f"{100 * share['low']:.1f} to {100 * share['high']:.1f}"
        print_line(f"accuracy in {kind}: {100 * share['value']:.1f} % ({ends}), {found['samples']} samples")
    if found.get("overflows") is not None:
        print_line(f"registers overflowed {found['overflows']} times on the samples")
    if found.get("loss_points") is not None:
        print_line(f"fixed point costs {found['loss_points']:.2f} points")


@with_nir_options
def verify(
    *,
    source: Annotated[Path, typer.Argument(help="a network, or a recording (.npz) as run --out writes it")],
    network: NetworkFile,
    spikes: SpikeFile,
    nir: NirOptions,
    target: TargetName = None,
    as_json: AsJson = False,
) -> None:
    """Hold a network to its source, layer by layer, spike by spike.

    The source is a network or a recording.
    """
    from ssdp_hw.analysis.verification import verify as compare_layers

    # Of the network and its source, options of NIR files apply to whichever is a NIR file.
    theirs: Any = (
        _recording(source) if source.suffix == ".npz" else files.read_network(source, **files.if_nir(source, nir))
    )
    ours = files.read_network(network, **files.if_nir(network, nir))
    timing = nir.get("timing") if source.suffix == ".npz" else None
    found = compare_layers(theirs, ours, files.read_spikes(spikes), timing=timing, target=target)
    if as_json:
        print_json("verify", found.to_dict())
    else:
        table = [line.strip("| ").split(" | ") for line in found.to_markdown().splitlines() if line.startswith("|")]
        print_table(table[0], table[2:])
        print_line(
            "every spike is the same" if found.equal else "within float rounding" if found.agrees else "DIFFERENT"
        )
    if not found.agrees:
        raise LimitError("the network differs from its source by more than float rounding explains")


def _recording(path: Path) -> dict[str, Any]:
    """Spikes of every layer, with its voltages where they were recorded: arrays ``spikes.NAME`` and ``v.NAME``.

    Raises:
        FileFormatError: there are no spikes in the file.
    """
    arrays = read_arrays(path)
    spikes = {name.removeprefix("spikes."): a for name, a in arrays.items() if name.startswith("spikes.")}
    if not spikes:
        raise FileFormatError(f"{path}: is no recording: it has no array 'spikes.LAYER', as ssdp-hw run --out writes")
    return {name: (a, arrays[f"v.{name}"]) if f"v.{name}" in arrays else a for name, a in spikes.items()}
