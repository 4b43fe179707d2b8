"""Pictures draw the numbers of what they show, in axes of their own or the caller's, and say what is found."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("matplotlib")
import matplotlib as mpl

mpl.use("Agg")

from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from matplotlib import pyplot as plt
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from strategies import fixed_networks

import ssdp_hw as sh
from ssdp_hw.analysis.statistics import wilson
from ssdp_hw.datasets import DIGITS_MODEL, load_digits
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.pictures import drifts, rule as rule_picture, style
from ssdp_hw.pictures.learned import averaged, pooled
from ssdp_hw.pictures.network import layout
from ssdp_hw.pictures.weights import in_lsb

GENERATED = settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    data = load_digits()
    net = sh.from_nir(DIGITS_MODEL, dt=1e-3)
    spikes = sh.encode(data.test_values[:24], "rate", steps=32, seed=0)
    return net, sh.quantize(net, calibration=spikes), spikes, data.test_labels[:24]


@pytest.fixture(scope="module")
def runs(digits):
    net, fixed, spikes, _ = digits
    return [sh.run(n, spikes, record=("spikes", "v", "u"), steps=34) for n in (net, fixed)]


@pytest.fixture(scope="module")
def learned(digits):
    _, fixed, spikes, labels = digits
    dead = spikes.copy()
    dead[:, :, ::3] = False
    rule = sh.SSDP(a_plus=4e-3, a_baseline=4e-4, sigma=30.0, silent_pairs="skip")
    return sh.learn(
        fixed,
        dead,
        labels,
        rule,
        teach=sh.Teaching("delta", refresh=5),
        presentation=sh.Presentation(epochs=2),
        on_overflow="ignore",
    )


def line(ax, label):
    found = [one for one in ax.lines if one.get_label() == label]
    assert len(found) == 1, [one.get_label() for one in ax.lines]
    return found[0]


def points(ax, label):
    """Points drawn as errorbars: their values, and the ends of their intervals."""
    (bar,) = (c for c in ax.containers if isinstance(c, ErrorbarContainer) and c.get_label() == label)
    values, _ = bar.lines[0].get_data()
    ends = np.array(bar.lines[2][0].get_segments())[:, :, 0]
    return values, ends


def test_the_raster_holds_every_spike(digits, runs):
    _, fixed = runs
    axes = fixed.plot(sample=3, label=int(digits[3][3]))
    for ax, (name, spikes) in zip(axes, fixed.spikes.items(), strict=False):
        step, neuron = np.nonzero(spikes[:, 3])
        assert np.array_equal(ax.lines[0].get_data(), (step, neuron)), name
    predicted = int(fixed.predict()[3])
    trace = next(one for one in axes[-1].lines if f"prediction, neuron {predicted}" in str(one.get_label()))
    vth = digits[1].population("readout").vth << 6
    assert np.allclose(trace.get_ydata(), fixed.v["readout"][:, 3, predicted] / vth[predicted])
    assert line(axes[-1], "threshold").get_ydata()[0] == 1.0
    assert "Sample 3" in axes[0].get_title(loc="left")


def test_float_over_fixed_marks_the_first_difference(runs):
    float_, fixed = runs
    differing = [
        k
        for k in range(fixed.batch)
        if any((fixed.spikes[n][:, k] != float_.spikes[n][:, k]).any() for n in fixed.spikes)
    ]
    sample = differing[0]
    axes = fixed.plot(sample=sample, against=float_)
    mine, theirs = ((r.spikes["hidden"][:, sample]) for r in (fixed, float_))
    for label, expected in (("in both", mine & theirs), ("fixed only", mine & ~theirs), ("float only", theirs & ~mine)):
        assert np.array_equal(line(axes[0], label).get_data(), np.nonzero(expected))
    first = min(int(np.argwhere(fixed.spikes[n][:, sample] != float_.spikes[n][:, sample])[0, 0])
                for n in fixed.spikes if (fixed.spikes[n][:, sample] != float_.spikes[n][:, sample]).any())  # fmt: skip
    assert line(axes[0], "first difference").get_xdata()[0] == first
    assert f"first at step {first}" in axes[0].get_title(loc="left").replace("\n", " ")
    equal = fixed.plot(sample=sample, against=fixed)
    assert "every spike as in fixed" in equal[0].get_title(loc="left").replace("\n", " ")


def test_levels_put_float_and_fixed_in_one_unit(digits, runs):
    """In thresholds the voltages of both runs agree until the first spike, within what rounding explains."""
    float_, fixed = runs
    a, b = ((r.v["hidden"] - r.levels["hidden"].rest) / r.levels["hidden"].threshold for r in runs)
    quiet = ~(float_.spikes["hidden"] | fixed.spikes["hidden"]).any(axis=2).cumsum(axis=0).astype(bool)
    assert np.abs(a)[quiet].max() > 0.5
    assert np.abs(a - b)[quiet].max() < 0.05
    for name in ("hidden", "readout"):
        scale = fixed.levels[name].scale
        assert np.allclose(float_.levels[name].threshold * scale, fixed.levels[name].threshold, rtol=0.02)


def test_weights_are_drawn_beside_the_floats(digits):
    net, fixed, *_ = digits
    axes = fixed.plot_weights(net)
    for ax, q in zip(axes, fixed.projections, strict=True):
        (bars,) = (c for c in ax.containers if isinstance(c, BarContainer))
        edges = np.array([p.get_x() for p in bars] + [bars[-1].get_x() + bars[-1].get_width()])
        assert [p.get_height() for p in bars] == np.histogram(q.mantissa, edges)[0].tolist()
        wanted = in_lsb(net.projection(q.name), q)
        inside = (wanted > q.format.mantissa_min) & (wanted < q.format.mantissa_max)
        assert np.abs(wanted - q.mantissa)[inside].max() <= 0.5 + 1e-9
    assert len(fixed.plot_weights()) == 2
    with pytest.raises(ParameterError, match="no projection"):
        fixed.plot_weights(projections=["nowhere"])


def test_ranges_hold_the_run_and_the_proof(digits, runs):
    _, fixed, *_ = digits
    proof = sh.prove(fixed)
    ax = fixed.plot_ranges(runs[1], proof=proof)
    places = {tuple(np.round(one.get_xdata(), 9)) for one in ax.lines}

    def bits(*values):
        x = np.array(values, float)
        return tuple(np.round(np.sign(x) * np.log2(1 + np.abs(x)), 9))

    for name in fixed.population_names:
        for state in ("u", "v"):
            trace = runs[1].recorded(state)[name]
            assert bits(trace.min(), trace.max()) in places
    for register in proof.registers:
        if register.verdict.value == "proved":
            assert bits(register.low, register.high) in places
    with pytest.raises(ParameterError, match="record="):
        fixed.plot_ranges(sh.run(fixed, digits[2]), proof=False)
    with pytest.raises(ParameterError, match="fixed network"):
        fixed.plot_ranges(runs[0], proof=False)


def test_the_ladder_draws_its_intervals(digits):
    net, fixed, spikes, labels = digits
    ladder = sh.loss_ladder(net, spikes, labels, fixed, target="spec")
    axes = ladder.plot()
    for label, rungs in (("all steps so far", ladder.cumulative), ("this step alone", ladder.alone)):
        values, ends = points(axes[0], label)
        assert np.allclose(values, [100 * r.accuracy.value for r in rungs])
        assert np.allclose(ends, [[100 * r.accuracy.low, 100 * r.accuracy.high] for r in rungs])
    shares = line(axes[1], "'hidden'").get_xdata()
    assert np.allclose(
        shares, [100 * a.agreement for r in ladder.cumulative for a in r.layers if a.population == "hidden"]
    )
    for label, which in (("this layer rounded alone", "only"), ("all layers but this", "others")):
        values, ends = points(axes[2], label)
        found = [getattr(layer, which) for layer in ladder.by_layer]
        assert np.allclose(values, [100 * i.value for i in found])
        assert np.allclose(ends, [[100 * i.low, 100 * i.high] for i in found])


def test_the_comparison_counts_every_sample_once(digits):
    net, fixed, spikes, labels = digits
    found = sh.compare(net, fixed, spikes, labels, ["spec", "engine"])
    predicted = sh.run(fixed, spikes, "spec", steps=34).predict()
    matrix = found.row("spec", "fixed").confusion_matrix()
    for label in range(10):
        for got in range(-1, 10):
            assert matrix[label, got] == np.count_nonzero((labels == label) & (predicted == got))
    axes = found.plot()
    assert np.allclose(
        points(axes[0], "fixed")[0], [100 * r.accuracy.value for r in found.rows if r.arithmetic == "fixed"]
    )
    numbers = {(round(t.get_position()[1]), round(t.get_position()[0])): int(t.get_text()) for t in axes[1].texts}
    assert numbers == {(i, j): int(n) for (i, j), n in np.ndenumerate(matrix[:, :-1]) if n}
    with pytest.raises(ParameterError, match="no row"):
        found.row("spec", "nothing")


def test_learning_draws_its_curve_weights_and_counters(digits, learned):
    axes = learned.plot()
    presented = [p.presented for p in learned.curve]
    assert presented == [5, 10, 15, 20, 24, 29, 34, 39, 44, 48]
    assert [p.epoch for p in learned.curve] == [0] * 5 + [1] * 5
    curve = line(axes[0], "right before they are taught")
    assert np.allclose(curve.get_ydata(), [100 * p.accuracy.value for p in learned.curve])
    (bars,) = (c for c in axes[1].containers if isinstance(c, BarContainer))
    name = next(iter(learned.rules))
    assert tuple(p.get_height() for p in bars) == learned.health[name].histogram_after
    (bars,) = (c for c in axes[2].containers if isinstance(c, BarContainer))
    assert sum(p.get_height() for p in bars) == learned.counters[name].size
    assert pooled(learned, range(5)) == pytest.approx(
        np.mean([learned.curve[k].accuracy.value * n / 24 for k, n in enumerate((5, 5, 5, 5, 4))]) * 5
    )


def test_the_curve_is_what_the_network_got_right(digits, learned):
    """The first point of the curve: the untaught network on the first five samples that were asked."""
    _, fixed, spikes, labels = digits
    order = np.random.default_rng((0, 0)).permutation(24)[:5]
    dead = spikes.copy()
    dead[:, :, ::3] = False
    right = sh.run(fixed, dead[:, order], steps=34).predict() == labels[order]
    assert learned.curve[0].accuracy == wilson(int(right.sum()), 5)


@pytest.mark.parametrize("teach", ["all", "delta"])
def test_a_lesson_draws_what_evaluate_measured(digits, teach):
    _, fixed, spikes, labels = digits
    asked = sh.Evaluation(spikes[:, 12:], labels[12:], every=4)
    rule = sh.SSDP(a_plus=4e-3, a_baseline=4e-4, sigma=30.0, silent_pairs="skip")
    taught = sh.Teaching(teach, refresh=4 if teach == "delta" else None)
    found = sh.learn(fixed, spikes[:, :8], labels[:8], rule, teach=taught, evaluate=asked, health=False)
    axes = found.plot()
    (bar,) = (c for c in axes[0].containers if c.get_label() == "samples of evaluate=")
    assert bar.lines[0].get_xdata().tolist() == [0, 4, 8]
    before, after = (
        np.mean(sh.run(n, spikes[:, 12:], steps=34).predict() == labels[12:]) for n in (fixed, found.network)
    )
    assert np.allclose(bar.lines[0].get_ydata()[[0, -1]], [100 * before, 100 * after])
    said = axes[0].get_title(loc="left").replace("\n", " ")
    assert f"evaluated: {before:.1%} before, {after:.1%} after" in said


def test_a_lesson_without_a_curve_is_drawn(digits):
    net, _, spikes, labels = digits
    found = sh.learn(net, spikes[:, :4], labels[:4], sh.SSDP(), "spec", health=False)
    assert found.curve == ()
    assert len(found.plot()) == 3
    with pytest.raises(ParameterError, match="did not learn"):
        found.plot(projection="nowhere")


@examples(60, default=6)
@given(
    st.sampled_from(("gaussian", "exponential")), st.floats(0.5, 12), st.floats(1e-5, 1), st.floats(1e-5, 1),
    st.sampled_from(("skip", "depress")),
)  # fmt: skip
def test_a_rule_is_drawn_as_its_formula_says(window, width, plus, baseline, silent):
    rule = sh.SSDP(
        a_plus=plus,
        a_baseline=baseline,
        sigma=width,
        tau_plus=width,
        tau_minus=width,
        learning_window=window,
        silent_pairs=silent,
    )
    x, found = rule_picture.pairs(rule)
    d = np.abs(x)
    g = np.exp(-(d**2) / (2 * width**2)) if window == "gaussian" else np.exp(-d / width)
    assert np.allclose(found, plus * g)
    lone = rule_picture.alone(rule)
    d = np.arange(1, len(lone) + 1)
    g = np.exp(-(d**2) / (2 * width**2)) if window == "gaussian" else np.exp(-d / width)
    assert np.allclose(lone, -baseline * g)


def test_stdp_and_sadp_are_drawn_as_their_formulas_say():
    x, found = rule_picture.pairs(sh.STDP(a_plus=0.02, a_minus=0.01, tau_plus=8, tau_minus=4))
    assert np.allclose(found[x > 0], 0.02 * np.exp(-x[x > 0] / 8))
    assert np.allclose(found[x < 0], -0.01 * np.exp(x[x < 0] / 4))
    assert np.all(found[x == 0] == 0)
    share, found = rule_picture.agreements(sh.SADP(a_plus=0.5, a_minus=0.25))
    kappa = (share - 0.25) / 0.75  # trains that fire in a quarter of the steps agree so much by chance
    assert np.allclose(found, np.where(kappa > 0, 0.5, 0.25) * kappa)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", [sh.SSDP, sh.STDP, sh.SADP])
def test_integer_rules_are_drawn_in_weight_lsb(digits, learned, kind):
    _, fixed, spikes, labels = digits
    rule = kind(a_plus=4e-3)
    found = next(
        iter(
            sh.learn(fixed, spikes[:, :2], labels[:2], rule, "spec", on_overflow="ignore", health=False).rules.values()
        )
    )
    ax = found.plot()
    drawn, exact = (line(ax, label).get_ydata() for label in ("both fire", "before rounding"))
    if kind is not sh.STDP:  # whose traces are rounded at random
        assert np.abs(np.asarray(drawn) - exact).max() <= 1.01 / (1 << found.lsb_shift)
    rule.plot()


@examples(40, default=3, base=GENERATED)
@given(fixed_networks())
def test_any_network_is_drawn(network):
    """Every population, input and projection is there, all but those that lead back lead down, and it can be saved."""
    ax = network.plot()
    texts = [t.get_text() for t in ax.texts]
    boxes = {*network.input_names, *network.population_names}
    assert sum(t.get_fontweight() == "bold" for t in ax.texts) == len(boxes)
    arrows = [p for p in ax.patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == len(network.projections)
    ranks, back = layout(network)
    assert set(ranks) == boxes
    assert sum(p.get_linestyle() == "--" for p in arrows) == len(back)
    for q in network.projections:
        if q.name not in back and q.pre not in network.helpers:
            assert ranks[q.pre] < ranks[q.post]
        if q.pre == q.post:
            assert q.name in back
    assert f"{sum(q.synapse_count for q in network.projections):,} synapse" in ax.get_title(loc="left").replace(
        "\n", " "
    )
    assert any("channel" in t for t in texts)
    ax.figure.savefig(io.BytesIO(), format="svg")
    plt.close("all")


@pytest.mark.slow
def test_names_with_signs_of_mathematics_are_drawn(tmp_path):
    population = sh.FixedPopulation(name="_x$^{", size=2, vth=10)
    projection = sh.FixedProjection(pre="$in", post="_x$^{", weight=[[2], [4]])
    network = sh.FixedNetwork([sh.Input("$in", 1)], [population], [projection], ["_x$^{"])
    result = sh.run(network, np.ones((5, 1, 1), bool), record=("spikes", "u", "v"), on_overflow="ignore")
    for axes in (
        network.plot(),
        network.plot_weights(),
        network.plot_ranges(result),
        result.plot(),
        sh.resources(network).plot(),
    ):
        np.atleast_1d(axes)[0].figure.savefig(tmp_path / "x.svg")


def test_resources_draw_every_share(digits):
    held = sh.resources(digits[1])
    ax = held.plot()
    for container, limit in zip(
        ax.containers, ("compartments", "synaptic_memory", "input_axons", "output_axons"), strict=True
    ):
        assert np.allclose([p.get_width() for p in container], [100 * p.used[limit] for p in held.populations])


@pytest.mark.slow
def test_microcode_draws_both_branches():
    code = sh.compile_microcode(sh.SSDP(a_plus=1e-3, a_baseline=1e-4, sigma=8.0), window=15, scale=100)
    axes = code.plot()
    for ax, branch in zip(axes, (code.both, code.one_silent), strict=True):
        assert np.array_equal(line(ax, "wanted").get_ydata(), branch.wanted)
        for kind, steps in branch.obtained.items():
            assert np.array_equal(line(ax, kind.value).get_ydata(), steps)


def test_a_picture_fills_the_axes_that_it_is_given(digits, runs, learned):
    _, fixed, *_ = digits
    figure = Figure(figsize=(10, 12))
    places = figure.subplots(2, 2).ravel()
    axes = runs[1].plot(ax=places[0])
    assert all(ax.figure is figure for ax in axes)
    assert places[0] not in figure.axes  # its place was taken by the panels
    assert fixed.plot(ax=places[1]) is places[1]
    learned.plot(ax=places[2])
    fixed.plot_ranges(runs[1], proof=False, ax=places[3])
    figure.savefig(io.BytesIO())
    assert plt.get_fignums() == []
    for wrong in (figure, "ax"):
        with pytest.raises(ParameterError, match="matplotlib Axes"):
            fixed.plot(ax=wrong)
    with pytest.raises(ParameterError, match="no place in a grid"):
        runs[1].plot(ax=figure.add_axes((0, 0, 1, 1)))


def test_settings_of_matplotlib_stay(digits):
    before = dict(mpl.rcParams)
    digits[1].plot()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("wrong", [{"sample": 24}, {"sample": -1}, {"populations": ["nobody"]}, {"decode": "guess"}])
def test_a_run_refuses_what_it_has_not(runs, wrong):
    with pytest.raises(ParameterError):
        runs[1].plot(**wrong)


def test_missing_matplotlib_is_named(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'ssdp-hw\[report\]'"):
        digits[1].plot()


@pytest.mark.slow
def test_nothing_heavy_is_imported_before_it_is_used():
    code = (
        "import sys, ssdp_hw as sh; net = sh.FixedNetwork; sh.run; sh.learn; sh.compare; "
        "print([m for m in ('matplotlib', 'rich', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_long_series_are_averaged():
    at, means = averaged(np.arange(1000.0)[:, None])
    assert len(at) == 120
    assert np.allclose(at, means[:, 0])
    assert averaged(np.arange(5.0)[:, None])[1][:, 0].tolist() == [0, 1, 2, 3, 4]


def test_drifts_are_drawn_with_their_intervals():
    class Row:
        def __init__(self, seed, rule, before, after):
            self.drift_seed, self.rule, self.before, self.after = seed, rule, wilson(before, 100), wilson(after, 100)

    rows = [Row(s, r, 50 + s, 90) for s in (0, 1) for r in ("float", "carry")]
    axes = drifts.draw(rows, wilson(100, 100))
    assert points(axes[1], "before")[0].tolist() == pytest.approx([51, 51])
    assert "80%" in axes[0].get_title(loc="left")


@examples(100, default=15)
@given(st.text(max_size=60), st.integers(5, 30))
def test_short_names_fit(name, letters):
    assert len(style.short(name, letters)) <= letters


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n == "RewardSTDP" else pytest.mark.slow) for n in sh.rule_names()]
)
def test_every_declared_rule_is_drawn_and_named(name):
    """Those that read the weight are drawn at a weight of 0."""
    one, given = None, {}
    while one is None:
        try:
            one = sh.rule(name, **given)
        except ParameterError as error:  # it names a parameter without a default
            given[re.fullmatch(r".*: (\w+) is missing", str(error))[1]] = 0.01
    ax = one.plot()
    assert ax.get_title("left").startswith(f"{name}: ")
    assert ("at weight 0" in ax.get_ylabel()) == one.reads_weight
    assert all(np.isfinite(line.get_ydata()).all() for line in ax.get_lines())


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("neurons", "steps"), [(1, 1), (1, 30), (5000, 3)])
def test_runs_of_odd_sizes_are_drawn(neurons, steps):
    """A single voltage is a point, which a line would not show."""
    net = sh.Network(
        [sh.Input("in", 2)],
        [sh.Population(name="out", neuron=sh.LIF(size=neurons, tau_mem=5e-3))],
        [sh.Projection(pre="in", post="out", weight=np.full((neurons, 2), 0.6))],
        ["out"],
        sh.Semantics(1e-3),
    )
    result = sh.run(net, np.ones((steps, 1, 2), bool), "spec", record=("spikes", "v"))
    axes = result.plot()
    for ax in axes:
        for line in ax.get_lines():
            assert len(line.get_xdata()) != 1 or line.get_marker() != "None"
    assert all(np.isfinite(line.get_ydata()).all() for ax in axes for line in ax.get_lines())
    for picture in (net, sh.resources(sh.quantize(net)), sh.quantize(net)):
        picture.plot()


@pytest.mark.parametrize("interactive", [False, True])
def test_what_a_notebooks_backend_sets_with_the_first_figure_stays(interactive):
    """Else a notebook shows the first picture alone."""
    import matplotlib as mpl

    from ssdp_hw.pictures.style import picture

    before = mpl.is_interactive(), mpl.rcParams["font.size"]
    try:
        picture(mpl.interactive)(interactive)
        assert mpl.is_interactive() == interactive
        assert mpl.rcParams["font.size"] == before[1]
    finally:
        mpl.interactive(before[0])


def test_a_layer_that_feeds_itself_twice_is_one_layer():
    """Two projections from a layer to itself, of which one is the delayed part of a reset, are not two layers."""
    loops = [sh.FixedProjection(name=name, pre="p", post="p", weight=[[2, 2], [2, 2]]) for name in ("w", "reset")]
    net = sh.FixedNetwork([sh.Input("in", 2)], [sh.FixedPopulation(name="p", size=2, vth=100)], loops, ["p"])
    said = net.plot().get_title(loc="left").replace("\n", " ")
    assert said.endswith("; 1 layer feeds itself"), said


def test_an_arrow_past_rows_between_crosses_no_box():
    """It looked like an arrow from, and to, the boxes behind which it went."""
    wired = [("in", "a"), ("bias", "a"), ("a", "b"), ("b", "c"), ("bias", "c"), ("in", "b"), ("a", "c")]
    net = sh.FixedNetwork(
        [sh.Input("in", 2), sh.Input("bias", 2)],
        [sh.FixedPopulation(name=name, size=2, vth=100) for name in "abc"],
        [sh.FixedProjection(pre=pre, post=post, weight=[[2, 2], [2, 2]]) for pre, post in wired],
        ["c"],
    )
    ax = net.plot()
    ax.figure.canvas.draw()
    ranks = layout(net)[0]
    drawn = [p.get_window_extent().shrunk(0.9, 0.9) for p in ax.patches if isinstance(p, FancyBboxPatch)]
    boxes = dict(zip(sorted(ranks, key=ranks.__getitem__), drawn, strict=True))  # row by row
    arrows = [p for p in ax.patches if isinstance(p, FancyArrowPatch)]
    for arrow, ends in zip(arrows, wired, strict=True):
        line = arrow.get_transform().transform_path(arrow.get_path()).to_polygons(closed_only=False)[0]
        points = np.concatenate([np.linspace(p, q, 20) for p, q in pairwise(line)])
        crossed = [n for n, box in boxes.items() if n not in ends and any(box.contains(*one) for one in points)]
        assert crossed == [], (ends, crossed)
