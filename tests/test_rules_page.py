"""The code of docs/rules.md runs, and its own rule works as another package's."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from installed_package import installed_package

import ssdp_hw as sh
from ssdp_hw.rules import registry
from ssdp_hw.rules.values import rule_from_dict, rule_to_dict
from ssdp_hw.running.target_registry import list_targets

PAGE = (Path(__file__).parents[1] / "docs" / "rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(
    FIRST,
    COMPILED,
    OWN,
    ARRIVING,
    LASTING,
    FACTOR,
    REWARDED,
    READS,
    ACCUMULATOR,
    THRESHOLDS,
    ALIVE,
    PRUNED,
    ONLINE,
    HIDDEN,
    CONTRASTIVE,
) = BLOCKS
(ENTRY_POINT,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def first_run():
    """What the page's first code names, and what it prints; the blocks after it go on from there."""
    names = {}
    with redirect_stdout(StringIO()) as printed:
        exec(compile(FIRST, "docs/rules.md", "exec"), names)
    return names, printed.getvalue()


@pytest.fixture
def first(first_run):
    """The names alone, for one test to add to and to draw random numbers from."""
    names, _ = first_run
    return {**names, "rng": deepcopy(names["rng"])}


def test_the_table_lists_every_rule():
    section = PAGE[PAGE.index("## A class") : PAGE.index("A rule of your own")]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == sorted(registry.KNOWN_RULES.shipped)


def test_the_first_code_learns(first_run):
    _, printed = first_run
    assert float(re.search(r"'in->out': ([\d.]+)", printed).group(1)) > 0.2
    assert "'impulse_x1': 31" in printed


def test_the_formula_compiles_to_what_the_page_shows(first, capsys):
    exec(compile(COMPILED, "docs/rules.md", "exec"), first)
    printed = capsys.readouterr().out
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert printed.startswith(shown)
    assert len(printed) > len(shown)


@pytest.mark.slow
def test_its_rules_see_spikes_as_they_arrive(first):
    exec(compile(ARRIVING, "docs/rules.md", "exec"), first)
    assert first["rule"].pre_trace == first["late"].rules["in->out"].pre_trace == "arrives"


def test_its_lasting_variables_are_those_of_bcm():
    names = {"RuleVariable": sh.RuleVariable}
    exec(compile(LASTING, "docs/rules.md", "exec"), names)
    assert names["post"] == registry.rule_model("BCM").post


@pytest.mark.slow
def test_its_reward_moves_weights(first):
    names = {"RuleFactor": sh.RuleFactor}
    exec(compile(FACTOR, "docs/rules.md", "exec"), names)
    assert names["factors"] == registry.rule_model("RewardSTDP").factors
    exec(compile(REWARDED, "docs/rules.md", "exec"), first)
    assert first["rewarded"].changed["in->out"] > 0.2


def test_its_rule_reads_states_of_both_ends():
    names = {"StateRead": sh.StateRead}
    exec(compile(READS, "docs/rules.md", "exec"), names)
    reads = type("Reads", (type(registry.rule_model("IntrinsicPlasticity")),), {"reads": names["reads"]})()
    assert [(r.home, r.name) for r in sh.rule(reads).reads] == [("post", "v"), ("pre", "source_v")]


@pytest.mark.slow
def test_its_synapses_die(first, capsys):
    names = {"RuleVariable": sh.RuleVariable, "AliveBit": sh.AliveBit}
    exec(compile(ALIVE, "docs/rules.md", "exec"), names)
    assert names["synapse"] == registry.rule_model("PruningSTDP").synapse
    exec(compile(PRUNED, "docs/rules.md", "exec"), first)
    alive = first["pruned"].alive["in->out"]
    assert 0 < alive.after < alive.before
    assert first["pruned"].health["in->out"].lost_lsb == 0
    assert capsys.readouterr().out.strip().endswith(f" {alive.after}")


@pytest.mark.slow
def test_its_hidden_layer_learns():
    rng = np.random.default_rng(1)
    weights = {"hidden": rng.uniform(-0.3, 0.3, (24, 64)), "out": rng.uniform(-0.4, 0.4, (10, 24))}
    neurons = {n: sh.LIF(size=len(w), tau_mem=2e-3, r=2.0) for n, w in weights.items()}
    network = sh.Network(
        [sh.Input("in", 64)],
        [sh.Population(name=n, neuron=neuron, reset="subtract") for n, neuron in neurons.items()],
        [sh.Projection(pre=i, post=o, weight=weights[o]) for i, o in (("in", "hidden"), ("hidden", "out"))],
        ["out"],
        sh.Semantics(1e-3),
    )
    names = {"sh": sh, "np": np, "network": network}
    names |= {"spikes": rng.random((16, 32, 64)) < 0.3, "labels": rng.integers(0, 10, 32)}
    exec(compile(HIDDEN, "docs/rules.md", "exec"), names)
    assert min(names["learned"].changed.values()) > 0.5


@pytest.mark.slow
def test_its_layers_learn_what_is_true():
    """After the lesson layers fire more for true samples, against the others, than before."""
    rng = np.random.default_rng(1)
    sizes = {"in": 64, "label": 10, "first": 200, "second": 100}
    ends = [("in", "first"), ("label", "first"), ("first", "second"), ("label", "second")]
    neurons = {n: sh.LIF(size=sizes[n], tau_mem=4e-3, r=4.0) for n in ("first", "second")}
    network = sh.Network(
        [sh.Input(n, sizes[n]) for n in ("in", "label")],
        [sh.Population(name=n, neuron=neuron, reset="subtract") for n, neuron in neurons.items()],
        [sh.Projection(pre=i, post=o, weight=rng.uniform(-0.2, 0.2, (sizes[o], sizes[i]))) for i, o in ends],
        [*neurons],
        sh.Semantics(1e-3),
    )
    true = np.tile([1, 0], 40)
    spikes = {n: rng.random((16, 80, sizes[n])) < 0.3 for n in ("in", "label")}
    names = {"sh": sh, "network": network, "spikes": spikes, "true": true}
    exec(compile(CONTRASTIVE, "docs/rules.md", "exec"), names)
    before, after = (sum(x.sum() for x in fired(n, spikes, true)) for n in (network, names["learned"].network))
    assert after > before


def fired(network, spikes, true):
    """The spikes of each layer in each true sample, less those in the one after it."""
    for layer in sh.run(network, spikes).spikes.values():
        counts = layer.sum(axis=(0, 2)).astype(int)
        yield counts[true == 1] - counts[true == 0]


def test_its_thresholds_move(first, capsys):
    names = {"WrittenVariable": sh.WrittenVariable}
    exec(compile(ACCUMULATOR, "docs/rules.md", "exec"), names)
    assert names["post"] == registry.rule_model("IntrinsicPlasticity").post
    exec(compile(THRESHOLDS, "docs/rules.md", "exec"), first)
    assert np.all(first["learned"].network.population("out").vth != 120)
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("WrittenHealth", "threshold", "updates"))


@pytest.mark.slow
def test_its_recording_learns_as_one_run(first):
    network, rule = first["network"], first["rule"]
    spikes = np.random.default_rng(2).random((40, 9, 12)) < 0.2
    online = {"sh": sh, "network": network, "rule": rule, "recording": [spikes[:, :4], spikes[:, 4:5], spikes[:, 5:]]}
    exec(compile(ONLINE, "docs/rules.md", "exec"), online)
    whole = sh.learn(network, spikes, None, rule, presentation=sh.Presentation(shuffle=False, restart=False))
    (found,), (expected,) = (net.projections for net in (online["network"], whole.network))
    assert np.array_equal(found.weight, expected.weight)
    assert np.any(found.weight != network.projections[0].weight)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The page's rule as another package on the path."""
    with installed_package(tmp_path, monkeypatch, registry.KNOWN_RULES, "my_rules", OWN, ENTRY_POINT):
        yield "Coincidence"


def by_hand(pre, post, gain, loss, reach):
    """The page's sentence in plain Python: the float weight change of one window, shape (post, pre)."""
    total = np.zeros((post.shape[1], pre.shape[1]))
    for t, j in zip(*np.nonzero(post), strict=True):
        for i in range(pre.shape[1]):
            earlier = np.flatnonzero(pre[:t, i])
            total[j, i] += gain if earlier.size and t - 1 - earlier[-1] < reach else -loss
    return total


def network(rng):
    weight = 2 * rng.integers(20, 60, (4, 12))
    return sh.FixedNetwork(
        [sh.Input("in", 12)],
        [sh.FixedPopulation(name="out", size=4, du=2000, dv=300, vth=120)],
        [sh.FixedProjection(pre="in", post="out", weight=weight, scale=100.0)],
        ["out"],
    )


@pytest.mark.slow
def test_a_rule_of_another_package(installed):
    """By its name: in real numbers by its sentence, in integers on every installed target, and back from a file."""
    rng = np.random.default_rng(3)
    spikes = rng.random((30, 6, 12)) < 0.15
    rule = sh.rule(installed, a_plus=0.02, a_minus=0.004)
    again = rule_from_dict(rule_to_dict(rule))
    fixed = network(rng)
    shown = sh.run(fixed, spikes, "spec", steps=30).spikes["out"]
    rows, cols = fixed.projections[0].synapse_indices
    observed = rule.observe(spikes, shown)
    for sample in range(6):
        found = again.step(observed, sample, rows, cols).reshape(4, 12)
        np.testing.assert_allclose(found, by_hand(spikes[:, sample], shown[:, sample], 0.02, 0.004, 5), atol=1e-12)
    results = {}
    for target in list_targets():
        if target.installed:
            results[target.name] = sh.learn(
                fixed, spikes, None, rule, target.name, presentation=sh.Presentation(seed=5)
            )
    assert {"spec", "engine"} <= set(results)
    wanted = results["spec"]
    assert wanted.changed["in->out"] > 0.1
    for learned in results.values():
        np.testing.assert_array_equal(learned.network.projections[0].weight, wanted.network.projections[0].weight)
        np.testing.assert_array_equal(learned.state.counters["in->out"], wanted.state.counters["in->out"])
