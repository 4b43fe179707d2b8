"""The sections of a page on the network at rest: what it is, what was rounded, what is proved, what it needs."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from ssdp_hw.reporting import figures
from ssdp_hw.reporting.blocks import Block, Figure, Items, Paragraph, Section, Table
from ssdp_hw.reporting.data import Facts, ReportData
from ssdp_hw.reporting.numbers import Numbers, key

VERDICTS = {"proved": "never, for any input", "reached": "an input does it", "open": "not known"}


def network(data: ReportData, n: Numbers) -> Section:
    """What was converted, and what was assumed."""
    found = data.network
    blocks: list[Block] = [
        Table(
            "Populations",
            ("name", "neurons", "model", "sends spikes"),
            [
                (
                    p["name"],
                    n(f"/network/populations/{k}/neurons"),
                    p["model"],
                    "yes" if p["spiking"] else "no: readout",
                )
                for k, p in enumerate(found["populations"])
            ],
        ),
        Table(
            "Projections",
            ("name", "from", "to", "kind", "synapses", "stored weights", "longest delay"),
            [
                (
                    q["name"],
                    q["pre"],
                    q["post"],
                    q["kind"],
                    n(f"/network/projections/{k}/synapses"),
                    n(f"/network/projections/{k}/stored_weights"),
                    n(f"/network/projections/{k}/max_delay"),
                )
                for k, q in enumerate(found["projections"])
            ],
        ),
        Table("What a step means", ("what", "value"), _flat(n, "/network/semantics")),
    ]
    if found["notes"]:
        blocks = [Paragraph(Markup("Assumed, repaired or left out on the way:")), Items(found["notes"]), *blocks]
    else:
        blocks = [Paragraph(Markup("Nothing had to be assumed on the way.")), *blocks]
    return Section("network", "What was converted", blocks)


def _flat(n: Numbers, pointer: str, above: str = "") -> list[tuple[str, Markup | str]]:
    """Settings one a row; a text that all populations share in one row."""
    rows: list[tuple[str, Markup | str]] = []
    for name, value in n.at(pointer).items():
        at = f"{pointer}/{key(name)}"
        if isinstance(value, Mapping):
            shared = set(map(str, value.values()))
            if len(shared) == 1 and all(isinstance(v, str) for v in value.values()):
                rows.append((f"{above}{name}", shared.pop()))
            else:
                rows += _flat(n, at, f"{above}{name}: ")
        elif isinstance(value, list):
            parts = [_setting(n, f"{at}/{k}") for k in range(len(value))]
            rows.append((f"{above}{name}", Markup(", ").join(parts)))
        else:
            rows.append((f"{above}{name}", _setting(n, at)))
    return rows


def _setting(n: Numbers, pointer: str) -> Markup | str:
    value = n.at(pointer)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return n(pointer, "exact")
    return "not stated" if value is None else str(value)


def quantization(data: ReportData, n: Numbers) -> Section | None:
    """What was rounded, clipped and zeroed."""
    lost = data.quantization
    weights = data.weights
    blocks: list[Block] = []
    if lost is not None:
        blocks = [
            Paragraph(Markup("Rounded to the integers of {}. To look at:").format(lost["chip"]))
            if lost["warnings"]
            else Paragraph(Markup("Rounded to the integers of {}; nothing stands out.").format(lost["chip"])),
            Items(lost["warnings"]),
            Table(
                "Weights",
                (
                    "projection",
                    "format",
                    "method",
                    "exponent",
                    "weights",
                    "clipped",
                    "zeroed",
                    "rms error",
                    "largest, LSB",
                ),
                [_weights_row(n, k, q) for k, q in enumerate(lost["projections"])],
            ),
            Table(
                "Neurons, worst relative errors",
                (
                    "population",
                    "threshold",
                    "decay of v",
                    "decay of u",
                    "bias",
                    "lost leaks",
                    "peak v",
                    "peak u",
                    "peaks by",
                ),
                [_neurons_row(n, k, p) for k, p in enumerate(lost["populations"])],
            ),
        ]
    if weights is not None and weights["projections"]:
        shown = min(len(weights["projections"]), figures.MOST_PANELS)
        caption = "How often each range of stored integers occurs, projection by projection"
        if shown < len(weights["projections"]):
            caption += "; the first ones of several"
        blocks.append(Figure("weights", figures.weights(weights), caption))
    return Section("quantization", "What rounding lost", blocks) if blocks else None


def _weights_row(n: Numbers, k: int, q: Facts) -> tuple[Markup | str, ...]:
    at = f"/quantization/projections/{k}"
    counts = [n(f"{at}/{name}") for name in ("synapses", "clipped", "zeroed")]
    return (
        q["name"],
        q["weight_format"],
        q["method"],
        n(f"{at}/weight_exp", "integer"),
        *counts,
        n(f"{at}/rms_error", "error"),
        n(f"{at}/max_error_lsb", "points"),
    )


def _neurons_row(n: Numbers, k: int, p: Facts) -> tuple[Markup | str, ...]:
    at = f"/quantization/populations/{k}"
    without = set() if p["has_current"] else {"tau_syn_error", "u_peak"}  # of neurons that have no current
    without |= set() if p["has_threshold"] else {"threshold_error"}

    def cell(name: str, style: str) -> Markup | str:
        return "-" if name in without else n(f"{at}/{name}", style)

    errors = [cell(e, "error") for e in ("threshold_error", "tau_mem_error", "tau_syn_error", "bias_error")]
    peaks = [cell(peak, "percent") for peak in ("v_peak", "u_peak")]
    return (p["name"], *errors, n(f"{at}/lost_leaks"), *peaks, p["bound"])


def proof(data: ReportData, n: Numbers) -> Section | None:
    """For every register whether any input can make it overflow."""
    if data.proof is None:
        return None
    rows = []
    for k, r in enumerate(data.proof["registers"]):
        at = f"/proof/registers/{k}"
        ends = [n(f"{at}/{end}") for end in ("low", "high", "register_low", "register_high")]
        rows.append((r["population"], r["count"], VERDICTS[r["verdict"]], *ends, n(f"{at}/neurons")))
    return Section(
        "proof",
        "What is proved of the registers",
        [
            Paragraph(
                Markup(
                    "Bounds hold for every input of spikes, of any length (intervals that no further step widens). "
                    "“An input does it” means that one was found and run. Analog input is not considered."
                )
            ),
            Table(
                "Overflow of registers",
                (
                    "population",
                    "overflow",
                    "can it happen",
                    "least",
                    "largest",
                    "register from",
                    "to",
                    "neurons not ruled out",
                ),
                rows,
            ),
        ],
    )


def resources(data: ReportData, n: Numbers) -> Section | None:
    """Cores, memory and axons; operations and energy, with the sources of every figure."""
    blocks: list[Block] = []
    held = data.resources
    if held is not None and "cores" not in held:
        blocks.append(Paragraph(Markup("{}.").format(held["unknown"])))
    elif held is not None:
        shares = (
            list(held["limits"].keys() - {"count"}) if not held["populations"] else list(held["populations"][0]["used"])
        )
        blocks.append(
            Table(
                "Cores of the chip, and the fullest core’s share of each limit",
                (
                    "population",
                    "cores",
                    "neurons",
                    "synapses",
                    "bytes at least",
                    *(s.replace("_", " ") for s in shares),
                ),
                [
                    (
                        p["name"],
                        *(
                            n(f"/resources/populations/{k}/{f}")
                            for f in ("cores", "neurons", "synapses", "synaptic_bytes")
                        ),
                        *(n(f"/resources/populations/{k}/used/{key(s)}", "percent") for s in shares),
                    )
                    for k, p in enumerate(held["populations"])
                ],
            )
        )
    if data.activity is not None:
        blocks += _activity(data.activity, n)
    sources: list[tuple[Markup | str, ...]] = []
    for at, figures_of in (
        ("/resources/limits", (held or {}).get("limits", {})),
        ("/activity/energy_sources", (data.activity or {}).get("energy_sources", {})),
    ):
        for name, figure in figures_of.items():
            where = f"{at}/{key(name)}/value"
            sources.append((name.replace("_", " "), n(where, "number"), figure["unit"], figure["source"]))
    if sources:
        blocks.append(Table("Where these figures come from", ("figure", "value", "unit", "source"), sources))
    return Section("resources", "What it needs on the chip", blocks) if blocks else None


def _activity(active: Facts, n: Numbers) -> list[Block]:
    names = ("effective_acs", "dense_operations", "analog_products", "membrane_updates", "spikes", "input_spikes")
    products = "products of analog input, off the chip"
    titles = ("synaptic operations", "dense would be", products, "membrane updates", "spikes", "input spikes")
    rows: list[tuple[Markup | str, ...]] = [
        (title, n(f"/activity/{name}"))
        for name, title in zip(names, titles, strict=True)
        if title != products or active["analog_products"]
    ]
    rows += [
        (f"{name.replace('_', ' ')}", n(f"/activity/{name}", "rate"))
        for name in ("activation_sparsity", "connection_sparsity")
    ]
    blocks: list[Block] = [Table("Per sample, on average", ("what", "value"), rows)]
    if active["energy_nj"]:
        terms = [
            (name.replace("_", " "), n(f"/activity/energy_nj/{key(name)}", "points")) for name in active["energy_nj"]
        ]
        blocks += [
            Table("Energy per sample, a lower bound in nJ", ("term", "nJ"), terms),
            Paragraph(Markup("Not priced: {}.").format(", ".join(active["unpriced"]))),
        ]
    return blocks


def environment(data: ReportData, n: Numbers) -> Section:
    """Versions, seeds and hashes."""
    made = data.environment
    rows = [(name, str(made[name])) for name in ("made", "ssdp-hw", "python", "system") if name in made]
    rows += list(made.get("packages", {}).items())
    blocks: list[Block] = [Table("Versions", ("what", "version"), rows)]
    if made.get("seeds"):
        blocks.append(Table("Seeds and settings", ("what", "value"), _flat(n, "/environment/seeds")))
    if made.get("sha256"):
        blocks.append(Table("SHA-256", ("of", "hash"), list(made["sha256"].items())))
    if data.skipped:
        blocks.append(Table("Targets that did not run", ("target", "why"), list(data.skipped.items())))
    return Section("environment", "With what it was made", blocks)
