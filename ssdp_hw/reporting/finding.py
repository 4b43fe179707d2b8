"""The finding of a report: a few sentences with numbers, which stand first."""

from __future__ import annotations

from markupsafe import Markup

from ssdp_hw.reporting.data import ReportData
from ssdp_hw.reporting.figures import label
from ssdp_hw.reporting.numbers import Numbers


def finding(data: ReportData, n: Numbers) -> list[Markup]:
    """One sentence each on silence, accuracy, loss, registers, chip and learning, where they were measured."""
    said = [_silence(data), _accuracy(data, n), _loss(data, n), _registers(data, n), _chip(data, n), _learning(data, n)]
    return [sentence for sentence in said if sentence]


def finding_text(data: ReportData) -> list[str]:
    """The same sentences as plain text."""
    return [sentence.striptags() for sentence in finding(data, Numbers(data.to_dict()))]


def _silence(data: ReportData) -> Markup:
    """Where no neuron fired, every other number says little: that comes first."""
    layers = [] if data.agreement is None else data.agreement["layers"]
    fired = {kind: any(layer["spikes"][kind] for layer in layers) for kind in (layers[0]["spikes"] if layers else ())}
    if not layers or fired["fixed"]:
        return Markup()
    float_too = ", nor did any in float" if "float" in fired and not fired["float"] else ""
    return Markup("No neuron fired on the chip{}: nothing below says how well the network works.").format(float_too)


def _accuracy(data: ReportData, n: Numbers) -> Markup:
    seen = data.agreement
    if seen is None:
        return Markup("No samples were given, so that nothing was run: this page says what is known without them.")
    runs = seen["runs"]
    if runs["fixed"]["right"] is not None:
        text = Markup("On the chip’s integers the network classifies {} of {} samples right, {}").format(
            n("/agreement/runs/fixed/right"),
            n("/agreement/samples"),
            n("/agreement/runs/fixed/accuracy", "interval"),
        )
        if "float" not in runs:
            return text + "."
        more, less = "/agreement/runs/float/accuracy/value", "/agreement/runs/fixed/accuracy/value"
        wins = runs["fixed"]["right"] > runs["float"]["right"]
        if wins:
            more, less = less, more
        points = n.difference(more, less, 100)
        return text + Markup(
            "; in float {}. Rounding {} {} points: {} lost and {} won; {} of {} samples are given the same class by "
            "both."
        ).format(
            n("/agreement/runs/float/accuracy", "interval"),
            "wins" if wins else "costs",
            points,
            n.of("/agreement/changed/lost", "sample is", "samples are"),
            n("/agreement/changed/won"),
            n("/agreement/same_predictions"),
            n("/agreement/samples"),
        )
    if "float" in runs:
        return Markup(
            "On the chip’s integers {} of {} samples are given the class that the float network gives them ({}). "
            "No labels were given, so that nothing is said of accuracy."
        ).format(
            n("/agreement/same_predictions"),
            n("/agreement/samples"),
            n.share("/agreement/same_predictions", "/agreement/samples"),
        )
    return Markup("{} samples were run on the chip’s integers; without labels nothing is said of accuracy.").format(
        n("/agreement/samples")
    )


def _loss(data: ReportData, n: Numbers) -> Markup:
    """The step of the ladder that loses the most samples on top of those before."""
    if data.ladder is None:
        return Markup()
    rungs = data.ladder["cumulative"]
    worst = max(range(1, len(rungs)), key=lambda k: rungs[k]["lost"] - rungs[k]["won"])
    if rungs[worst]["lost"] <= rungs[worst]["won"]:
        return Markup("No single step from float to the chip loses more samples than it wins.")
    return Markup("The step that costs most is “{}”: {} lost, {} won.").format(
        label(rungs[worst]["step"]),
        n.of(f"/ladder/cumulative/{worst}/lost", "sample", "samples"),
        n(f"/ladder/cumulative/{worst}/won"),
    )


def _registers(data: ReportData, n: Numbers) -> Markup:
    if data.proof is None:
        return Markup()
    values = (data.samples or {}).get("values")
    beyond = " Of real values as input, which these samples have, nothing is proved." if values else ""
    if data.proof["holds"]:
        none = Markup("None of its {} registers can overflow, whatever spikes come in (proved).")
        return none.format(n.length("/proof/registers")) + beyond
    counts = {verdict: n.matching("/proof/registers", "verdict", verdict) for verdict in ("proved", "reached", "open")}
    text = Markup(
        "Of its {} registers, {} never overflow, whatever spikes come in (proved); for {} an input is known that lets "
        "them overflow; {} are open."
    ).format(n.length("/proof/registers"), counts["proved"], counts["reached"], counts["open"])
    text += beyond
    if data.agreement is None or data.agreement["runs"]["fixed"]["overflows"] is None:
        return text
    if not data.agreement["runs"]["fixed"]["overflows"]:
        return text + " On these samples none overflowed."
    return text + Markup(" On these samples they overflowed {}.").format(
        n.of("/agreement/runs/fixed/overflows", "time", "times")
    )


def _chip(data: ReportData, n: Numbers) -> Markup:
    held = data.resources
    if held is None or "cores" not in held:
        return Markup()
    verdict = "it fits" if held["fits"] else "it does not fit"
    return Markup("It needs {} of {} cores of {}: {}.").format(
        n("/resources/cores"), n("/resources/cores_available"), held["chip"], verdict
    )


def _learning(data: ReportData, n: Numbers) -> Markup:
    runs = [] if data.learning is None else data.learning["runs"]
    measured = [k for k, run in enumerate(runs) if run["before"] and run["after"] and run["health"]]
    if not measured:
        return Markup()
    best = max(measured, key=lambda k: runs[k]["after"]["value"] - runs[k]["before"]["value"])
    text = Markup("Learning on the chip ({}) takes accuracy from {} to {}").format(
        runs[best]["name"],
        n(f"/learning/runs/{best}/before", "interval"),
        n(f"/learning/runs/{best}/after", "interval"),
    )
    return text + (", the largest gain of several lessons." if len(measured) > 1 else ".")
