"""The table of :mod:`regularise`; apart from it, so that printing results needs no torch."""

from __future__ import annotations

from ssdp_hw.analysis.statistics import mean_interval

TEXT = (
    "SSDP on the input weights of a network with one hidden layer after each step of Adam, as in the paper "
    "(arXiv 2505.14841), smaller; `x10`: ten times the amplitudes of the authors' code. `jitter` and `events`: "
    "test spikes moved by one step, and 20 % of them deleted while 5 % of the silent steps are filled. "
    "`python examples/studies/regularise.py --dataset fashion-mnist` after `make train`."
)

RULES = ("none", "ssdp", "da-ssdp", "ssdp x10", "da-ssdp x10")

# Measured quantity, its heading, factor and digits of the table.
COLUMNS = (
    ("accuracy", "accuracy %", 100, 2),
    ("training_loss", "training loss", 1, 4),
    ("spike_rate", "spike rate", 1, 4),
    ("accuracy_jitter", "accuracy %, jitter", 100, 2),
    ("accuracy_events", "accuracy %, events", 100, 2),
)


def table(runs: list[dict[str, object]]) -> str:
    """Means with 95 % t-intervals, and the differences from `none`, paired by seed."""
    by_rule = {name: {r["seed"]: r for r in runs if r["rule"] == name} for name in RULES}
    seeds = sorted(set.intersection(*(set(found) for found in by_rule.values())))
    if len(seeds) < 2:
        return f"{len(seeds)} seeds are complete; intervals need two"
    lines = [
        f"{len(seeds)} seeds; mean ± half of the 95 % t-interval",
        "",
        "| | " + " | ".join(heading for _, heading, _, _ in COLUMNS) + " |",
        "| --- " * (len(COLUMNS) + 1) + "|",
    ]

    def row(title: str, values: dict[str, list[float]], sign: str) -> str:
        cells = []
        for key, _, factor, digits in COLUMNS:
            interval = mean_interval([factor * value for value in values[key]])
            cells.append(f"{interval.value:{sign}.{digits}f} ± {interval.high - interval.value:.{digits}f}")
        return f"| {title} | " + " | ".join(cells) + " |"

    for name, found in by_rule.items():
        lines.append(row(name, {key: [found[s][key] for s in seeds] for key, *_ in COLUMNS}, ""))
    for name in RULES[1:]:
        change = {key: [by_rule[name][s][key] - by_rule["none"][s][key] for s in seeds] for key, *_ in COLUMNS}
        lines.append(row(f"{name} minus none", change, "+"))
    return "\n".join(lines)


def setting(settings: dict[str, object]) -> str:
    """Size of the network and of the data, in words."""
    sizes = [
        f"{settings[key] or 'all'} {what}"
        for key, what in (("train_samples", "training samples"), ("test_samples", "test samples"))
    ]
    return f"{settings['hidden']} hidden neurons, {settings['epochs']} epochs, {', '.join(sizes)}"
