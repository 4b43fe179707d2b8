"""The sections of a page on samples: float against fixed, the loss step by step, spikes, ranges and learning."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ssdp_hw.reporting import figures
from ssdp_hw.reporting.blocks import Block, Figure, Paragraph, Section, Table
from ssdp_hw.reporting.data import Facts, ReportData
from ssdp_hw.reporting.numbers import NOTHING, Numbers, key

Row = tuple[Markup | str, ...]


def agreement(data: ReportData, n: Numbers) -> Section | None:
    """Float against fixed: accuracies, and the spikes of every layer."""
    seen = data.agreement
    if seen is None:
        return None
    blocks: list[Block] = []
    rows = _accuracies(data)
    if rows:
        blocks.append(
            Figure(
                "accuracy",
                figures.accuracy([(title, kind, interval) for title, kind, interval in rows]),
                "Accuracy with its interval (Wilson): circles are float, squares the chip’s integers",
            )
        )
    blocks.append(_comparison(data, n) if data.comparison is not None else _runs(seen, n))
    both = len(seen["runs"]) == 2
    header = ("layer", "neurons", *(f"spikes, {kind}" for kind in seen["runs"]), *(f"rate, {k}" for k in seen["runs"]))
    blocks.append(
        Table(
            "Spikes of every layer, all samples together; rates per neuron and step",
            (*header, "in only one of the two", "first difference") if both else header,
            [_layer(n, k, layer, seen["runs"], both) for k, layer in enumerate(seen["layers"])],
        )
    )
    return Section("agreement", "Float against the chip’s integers" if both else "On the samples", blocks)


def _accuracies(data: ReportData) -> list[tuple[str, str, Facts]]:
    if data.comparison is not None:
        return [(f"{r['target']}, {r['arithmetic']}", r["arithmetic"], r["accuracy"]) for r in data.comparison["rows"]]
    assert data.agreement is not None
    return [(kind, kind, run["accuracy"]) for kind, run in data.agreement["runs"].items() if run["accuracy"]]


def _runs(seen: Facts, n: Numbers) -> Table:
    rows = []
    for kind, run in seen["runs"].items():
        at = f"/agreement/runs/{kind}"
        numbers = [n(f"{at}/{name}") for name in ("undecided", "overflows")]
        rows.append((kind, run["target"], n(f"{at}/accuracy", "interval"), *numbers, n(f"{at}/seconds", "seconds")))
    header = ("arithmetic", "target", "accuracy (95 %)", "undecided", "overflows", "seconds")
    return Table("The runs", header, rows)


def _comparison(data: ReportData, n: Numbers) -> Table:
    assert data.comparison is not None
    rows = []
    for k, row in enumerate(data.comparison["rows"]):
        at = f"/comparison/rows/{k}"
        against: Markup | str = "(reference)"
        if row["target"] != data.comparison["reference"]:
            exact = row["largest_v_difference"] == 0
            against = (
                "all spikes and v equal"
                if exact
                else Markup("all spikes equal, v within {}").format(n(f"{at}/largest_v_difference", "number"))
            )
            against = against if row["divergence"] is None else f"first difference: {row['divergence']}"
        rows.append(
            (
                row["target"],
                row["arithmetic"],
                n(f"{at}/accuracy", "interval"),
                n(f"{at}/undecided"),
                n(f"{at}/spike_rate", "rate"),
                n(f"{at}/same_as_float", "percent"),
                *(n(f"{at}/lost"), n(f"{at}/won"), n(f"{at}/p_value", "p")),
                against,
                n(f"{at}/seconds", "seconds"),
            )
        )
    header = ("target", "arithmetic", "accuracy (95 %)", "undecided", "spike rate", "same class as float")
    changed = ("lost against float", "won", "p")
    return Table("The runs on every target", (*header, *changed, "against the reference", "seconds"), rows)


def _layer(n: Numbers, k: int, layer: Facts, runs: Sequence[str], both: bool) -> Row:
    at = f"/agreement/layers/{k}"
    spikes = [n(f"{at}/spikes/{kind}") for kind in runs]
    rates = [n.share(f"{at}/spikes/{kind}", f"{at}/cells", "rate") for kind in runs]
    row: Row = (layer["population"], n(f"{at}/neurons"), *spikes, *rates)
    if not both:
        return row
    first: Markup | str = "none"
    if layer["first"] is not None:
        first = Markup("step {}, sample {}, neuron {}").format(
            *(n(f"{at}/first/{name}") for name in ("step", "sample", "neuron"))
        )
    return (*row, n(f"{at}/different"), first)


def ladder(data: ReportData, n: Numbers) -> Section | None:
    """The loss, step by step and layer by layer."""
    if data.ladder is None:
        return None
    blocks: list[Block] = [
        Paragraph(
            Markup(
                "From the float network to the chip in single steps, each on top of all before it; then each step "
                "alone, from the float network in the chip’s timing. Lost are samples that were right on the rung "
                "before and are wrong now, won the reverse; p is that of McNemar’s exact test, small where the step "
                "changed the accuracy itself."
            )
        ),
        Figure("ladder", figures.ladder(data.ladder), "Accuracy after every step from float to the chip"),
        _rungs(data, n, "cumulative", "Each step on top of all before"),
    ]
    if data.ladder["alone"]:
        blocks.append(_rungs(data, n, "alone", "Each step alone"))
    if data.ladder.get("by_layer"):
        blocks += _layer_losses(data, n)
    if any(a["v_difference"] is None for r in data.ladder["cumulative"] for a in r["layers"]):
        caption = "Spikes that a layer has in common with float, as a share of those that either has"
        blocks.append(Figure("layers", figures.agreement_by_layer(data.ladder), caption))
    blocks.append(_layers(data, n))
    return Section("ladder", "Where the loss comes from", blocks)


def _rungs(data: ReportData, n: Numbers, which: str, caption: str) -> Table:
    assert data.ladder is not None
    rows = []
    for k, rung in enumerate(data.ladder[which]):
        at = f"/ladder/{which}/{k}"
        counts = [n(f"{at}/lost"), n(f"{at}/won"), n(f"{at}/p_value", "p")]
        counts += [n(f"{at}/undecided"), n(f"{at}/overflow")]
        shares = (n(f"{at}/same_as_float", "percent"), n(f"{at}/spike_rate", "rate"))
        rows.append((figures.label(rung["step"]), n(f"{at}/accuracy", "interval"), *counts, *shares))
    counted = ("lost", "won", "p", "undecided", "overflows")
    header = ("step", "accuracy (95 %)", *counted, "same class as float", "spike rate")
    return Table(caption, header, rows)


def _layer_losses(data: ReportData, n: Numbers) -> list[Block]:
    """What the rounding of each layer costs."""
    assert data.ladder is not None
    rows = []
    for k, layer in enumerate(data.ladder["by_layer"]):
        at = f"/ladder/by_layer/{k}"
        cells: list[Markup] = []
        for which in ("only", "others"):
            counts = (n(f"{at}/{which}_{name}") for name in ("lost", "won"))
            cells += [n(f"{at}/{which}", "interval"), *counts, n(f"{at}/{which}_p_value", "p")]
        rows.append((layer["population"], *cells))
    text = Markup(
        "Layer by layer: first its weights, decays, thresholds and biases alone are rounded, in the float network with "
        "the chip’s timing. Then all other layers are rounded, and “lost” and “won” count the samples that rounding "
        "this layer as well changes. The state stays exact in both."
    )
    header = (
        "layer",
        "accuracy (95 %), alone",
        "lost",
        "won",
        "p",
        "accuracy (95 %), all others",
        "lost by this",
        "won by this",
        "p of this",
    )
    caption = "Accuracy where one layer alone is rounded, and where all others are"
    figure = Figure("layer-losses", figures.layer_losses(data.ladder), caption)
    return [Paragraph(text), figure, Table("What rounding each layer costs", header, rows)]


def _layers(data: ReportData, n: Numbers) -> Table:
    """Every layer on every cumulative rung against float."""
    assert data.ladder is not None
    rows = []
    for k, rung in enumerate(data.ladder["cumulative"]):
        for j, layer in enumerate(rung["layers"]):
            at = f"/ladder/cumulative/{k}/layers/{j}"
            readout = layer["v_difference"] is not None
            rows.append(
                (
                    figures.label(rung["step"]),
                    layer["population"],
                    NOTHING if readout else n(f"{at}/spikes"),
                    NOTHING if readout else n(f"{at}/different"),
                    NOTHING if readout else n(f"{at}/agreement", "percent"),
                    n(f"{at}/first"),
                    n(f"{at}/v_difference", "number"),
                )
            )
    header = ("step", "layer", "spikes", "in only one of the two", "spikes as in float", "from step", "v within, volts")
    return Table("Every layer against float, after every step", header, rows)


def raster(data: ReportData, n: Numbers) -> Section | None:
    """The spikes of one sample."""
    shown = data.raster
    if shown is None or not shown["layers"]:
        return None
    text = Markup("Sample {}").format(n("/raster/sample"))
    if shown["label"] is not None:
        text += Markup(", of class {}").format(n("/raster/label"))
    text += Markup(": {}.").format(
        Markup(", ").join(
            Markup("{} says {}").format(kind, n(f"/raster/predictions/{kind}") if value >= 0 else "no class")
            for kind, value in shown["predictions"].items()
        )
    )
    cut = [k for k, layer in enumerate(shown["layers"]) if layer["shown"] < layer["neurons"]]
    for k in cut:
        text += Markup(" Of {} the first {} of {} neurons are shown.").format(
            shown["layers"][k]["population"], n(f"/raster/layers/{k}/shown"), n(f"/raster/layers/{k}/neurons")
        )
    if shown["steps_shown"] < shown["steps"]:
        text += Markup(" The first {} of {} steps are shown.").format(n("/raster/steps_shown"), n("/raster/steps"))
    counts = Table(
        "Spikes that are drawn",
        ("layer", *(f"spikes, {kind}" for kind in shown["predictions"])),
        [
            (
                layer["population"],
                *(n.length(f"/raster/layers/{k}/spikes/{key(kind)}") for kind in layer["spikes"]),
            )
            for k, layer in enumerate(shown["layers"])
        ],
    )
    caption = "Spikes by step, one line a neuron" + (
        "; thick where only one of float and chip has the spike" if len(shown["predictions"]) == 2 else ""
    )
    return Section(
        "raster",
        "The spikes of one sample",
        [Paragraph(text), Figure("raster", figures.raster(shown), caption), counts],
    )


def ranges(data: ReportData, n: Numbers) -> Section | None:
    """How much of every register is used."""
    if data.ranges is None or not data.ranges["states"]:
        return None
    rows = []
    for k, row in enumerate(data.ranges["states"]):
        at = f"/ranges/states/{k}"
        ends = [n(f"{at}/{name}") for name in ("low", "high", "threshold", "register_low", "register_high")]
        rows.append((row["population"], row["state"], *ends))
    registers = [] if data.proof is None else data.proof["registers"]
    return Section(
        "ranges",
        "Ranges of currents and voltages",
        [
            Paragraph(Markup("What the states reached on {} samples.").format(n("/ranges/samples"))),
            Figure(
                "ranges",
                figures.ranges(data.ranges, registers),
                "How many bits of each register the samples use, and how many any input could",
            ),
            Table(
                "States, in units of the chip",
                ("population", "state", "least", "largest", "threshold", "register from", "to"),
                rows,
            ),
        ],
    )


def learning(data: ReportData, n: Numbers) -> Section | None:
    """What learning gave, and what it did to the synapses."""
    if data.learning is None:
        return None
    runs = data.learning["runs"]
    blocks: list[Block] = [Paragraph(Markup("{}").format(text)) for text in data.learning.get("text", [])]
    if any(r["before"] and r["after"] for r in runs):
        caption = "Accuracy before (circles) and after learning (squares)"
        blocks.append(Figure("learning", figures.learning(data.learning), caption))
    rows: list[Row] = []
    rated = any("rate_before" in run for run in runs)
    for k, run in enumerate(runs):
        at = f"/learning/runs/{k}"
        changed = run["changed"]
        moved = Markup(", ").join(n(f"{at}/changed/{key(name)}", "percent") for name in changed) if changed else NOTHING
        ends = [n(f"{at}/{when}", "interval") for when in ("before", "after")]
        rates = [n(f"{at}/rate_{when}", "rate") for when in ("before", "after")] if rated else []
        rows.append((run["name"], *ends, *rates, n(f"{at}/windows"), moved, n(f"{at}/teacher_hits", "percent")))
    rates_told = ("output rate before", "after") if rated else ()
    header = ("lesson", "before", "after", *rates_told, "windows", "weights moved", "teacher obeyed")
    blocks.append(Table("The lessons", header, rows))
    asked: list[Row] = [
        (run["name"], n(f"{at}/presented"), n(f"{at}/accuracy", "interval"))
        for k, run in enumerate(runs)
        for j in range(len(run.get("evaluations", ())))
        for at in (f"/learning/runs/{k}/evaluations/{j}",)
    ]
    if asked:
        blocks.append(
            Table("Accuracy on the samples of evaluate=, meanwhile", ("lesson", "samples presented", "accuracy"), asked)
        )
    health = [_health(n, k, name, run) for k, run in enumerate(runs) for name in run["health"]]
    if health:
        titles = ("lesson", "projection", "weights moved", "dead", "at limit", "effective bits", "synchrony")
        more = ("weight changes", "lost, LSB", "rounding bias, LSB", "weights cut", "counters full")
        blocks.append(Table("Health of the synapses that learned in integers", (*titles, *more), health))
    notes = [note for run in runs for note in run["notes"]]
    blocks += [Paragraph(Markup("{}").format(note)) for note in dict.fromkeys(notes)]
    if data.same_bits is not None:
        blocks.append(_same_bits(data, n))
    return Section("learning", "Learning on the chip", blocks)


def _health(n: Numbers, k: int, name: str, run: Facts) -> Row:
    at = f"/learning/runs/{k}/health/{key(name)}"
    return (
        run["name"],
        name,
        *(n(f"{at}/{field}", "percent") for field in ("changed", "dead", "at_limit")),
        n(f"{at}/effective_bits", "points"),
        n(f"{at}/synchrony", "rate"),
        n(f"{at}/nonzero_changes"),
        n(f"{at}/lost_lsb", "rate"),
        n(f"{at}/rounding_bias_lsb", "signed"),
        n(f"{at}/weight_saturations"),
        n(f"{at}/counter_saturations"),
    )


def _same_bits(data: ReportData, n: Numbers) -> Table:
    assert data.same_bits is not None
    return Table(
        "Weights and counters that every target learned, against the first",
        ("target", "rounding", "windows", "weights equal", "counters equal", "seconds"),
        [
            (
                row["target"],
                row["rounding"],
                n(f"/same_bits/rows/{k}/windows"),
                "yes" if row["weights_equal"] else "NO",
                "yes" if row["counters_equal"] else "NO",
                n(f"/same_bits/rows/{k}/seconds", "seconds"),
            )
            for k, row in enumerate(data.same_bits["rows"])
        ],
    )
