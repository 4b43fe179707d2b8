"""Chips as data: every number checked, and a user's chip as good as a shipped one."""

import copy
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw.chips import Chip, chip_from_table, chip_names, chip_to_table, load_chip
from ssdp_hw.chips.table import GROUPS, LIMITS
from ssdp_hw.errors import FileFormatError, ParameterError
from ssdp_hw.running.result import RECORDABLE

LOIHI = Path(str(resources.files("ssdp_hw.chips"))) / "loihi.toml"


@pytest.mark.parametrize("name", chip_names())
def test_every_number_of_a_shipped_chip_has_unit_and_source(name):
    chip = load_chip(name)
    assert chip.name == name
    assert set(LIMITS) <= set(chip.entries)
    assert all(figure.unit and len(figure.source) > 10 for figure in chip.entries.values())
    assert chip_from_table(chip_to_table(chip), "again") == chip
    assert chip_from_table(chip_to_table(chip), "again").entries == chip.entries


def test_the_fields_are_the_entries():
    fields = set(Chip.__dataclass_fields__) - {"name", "title", "entries", "neuron_models", "neuron_models_source"}
    assert fields == set(LIMITS)
    assert {"loihi", "loihi2", "generic16"} <= set(chip_names())


def changed(**changes):
    table = copy.deepcopy(chip_to_table(load_chip("loihi")))
    for name, change in changes.items():
        if change is None:
            del table[name]
        elif isinstance(change, dict) and isinstance(table.get(name), dict):
            table[name] |= change
        else:
            table[name] = change
    return table


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state_bits": None}, r"the entry 'state_bits' \(bit, 8 to 46\) is missing"),
        ({"name": None}, "the entry 'name' is missing"),
        ({"name": 3}, "'name': the name 3 is not"),
        ({"title": "a\nb"}, "'title'"),
        ({"state_bitz": 3}, "'state_bitz' is unknown; did you mean 'state_bits'"),
        ({"mitochondria": 3}, "'mitochondria' is unknown; known are: name, title"),
        ({"delay_max": 63}, "needs value, unit"),
        ({"delay_max": {"note": "x"}}, "needs value, unit and source, and nothing else"),
        ({"delay_max": {"value": "63"}}, "'delay_max' = '63' is not a number"),
        ({"delay_max": {"value": True}}, "is not a number"),
        ({"delay_max": {"value": float("nan")}}, "is not a number"),
        ({"delay_max": {"value": 6.5}}, "'delay_max' = 6.5; a whole number from 0 to 100000"),
        ({"state_bits": {"value": 64}}, "'state_bits' = 64; a whole number from 8 to 46"),
        ({"weight_bits": {"value": 0}}, "'weight_bits' = 0"),
        ({"delay_max": {"unit": "ms"}}, "is in 'ms'; expected 'step'"),
        ({"delay_max": {"source": " "}}, "'delay_max' has no source"),
        ({"delay_max": {"source": 7}}, "'delay_max' has no source"),
        ({"weight_scale_bits": {"value": 7}}, "weight_bits = 8 is more than weight_scale_bits = 7"),
        ({"activation_bits": {"value": 24}}, "must exceed state_bits = 24"),
        ({"activation_shift": {"value": 7}}, "can never be reached by a voltage"),
        ({"bias_mant_bits": {"value": 25}}, "a bias of"),
        ({"core": 3}, "'core' is no table"),
        ({"neuron_models": 3}, "its value is a list of names"),
        ({"neuron_models": {"value": []}}, "its value is a list of names"),
        ({"neuron_models": {"value": ["a\nb"]}}, "'neuron_models': the name"),
        ({"neuron_models": {"source": ""}}, "'neuron_models' has no source"),
        ({"neuron_models": {"unit": "bit"}}, "expected 'model'"),
        ({"core": {"cores": 3}}, "'core': the entry 'cores' is unknown"),
        (
            {"energy": {"spike_in_tile": {"value": -1, "unit": "pJ", "source": "x"}}},
            "'energy.spike_in_tile' = -1 must be",
        ),
    ],
)
def test_what_is_wrong_is_named(changes, words):
    with pytest.raises(FileFormatError, match=words):
        chip_from_table(changed(**changes), "mine.toml")


@examples(200, default=70)
@given(st.data())
def test_damaged_tables_are_refused_or_whole(data):
    """Only our own error comes out; what is accepted obeys every limit."""
    table = copy.deepcopy(chip_to_table(load_chip("loihi")))
    junk = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers()))
    name = data.draw(st.sampled_from([*table, *GROUPS]))
    where = data.draw(st.sampled_from(("entry", "value", "unit", "source")))
    if where == "entry" or not isinstance(table.get(name), dict):
        table[name] = data.draw(junk)
    else:
        table[name][where] = data.draw(junk)
    try:
        chip = chip_from_table(table, "mine.toml")
    except FileFormatError:
        return
    assert all(low <= getattr(chip, n) <= high for n, (_, low, high) in LIMITS.items())


def test_a_users_file(tmp_path):
    text = LOIHI.read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace('name = "loihi"', 'name = "mine"').replace("value = 17\n", "value = 16\n"))
    chip = load_chip(mine)
    assert (chip.name, chip.threshold_bits, chip.weight_bits) == ("mine", 16, 8)
    assert load_chip(str(mine)) == chip
    assert load_chip(chip) is chip
    for content, words in (
        (b"a = [", "is no TOML"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "is no TOML"),
        (b"a = " + b"1" * 5000, "is no TOML"),
        (b"#" * (1 << 21), "larger than"),
    ):
        mine.write_bytes(content)
        with pytest.raises(FileFormatError, match=words):
            load_chip(mine)
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_chip(tmp_path / "none.toml")
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_chip(tmp_path)
    with pytest.raises(ParameterError, match="neither a name, nor a path"):
        load_chip(8)
    for name in ("abacus", "../loihi", "/etc/passwd", ""):
        with pytest.raises(
            ParameterError, match="is unknown; known chips: generic16, loihi, loihi2, spinnaker2, xylo, or the path"
        ):
            load_chip(name)


def trained(rng, dt=1e-3):
    """A recurrent network of current-based neurons, and an input."""
    hidden = sh.CubaLIF(size=30, tau_mem=2e-2, tau_syn=5e-3, v_threshold=rng.uniform(0.1, 0.2, 30))
    net = sh.Network(
        [sh.Input("in", 20)],
        [sh.Population(name="hidden", neuron=hidden), sh.Population(name="out", neuron=sh.LI(size=5, tau_mem=1e-2))],
        [
            sh.Projection(pre="in", post="hidden", weight=rng.normal(0.05, 0.3, (30, 20))),
            sh.Projection(pre="hidden", post="hidden", weight=rng.normal(0, 0.1, (30, 30)), delay=3),
            sh.Projection(pre="hidden", post="out", weight=rng.normal(0, 0.3, (5, 30))),
        ],
        ["out"],
        sh.Semantics(dt),
    )
    return net, rng.random((60, 4, 20)) < 0.2


# Xylo, whose neurons are no CUBA LIF, and SpiNNaker2, which has no delays, are in tests/test_xylo.py.
@pytest.mark.parametrize(
    "chip",
    [
        pytest.param(c, marks=[] if c == "loihi" else pytest.mark.slow)
        for c in chip_names()
        if c not in ("xylo", "spinnaker2")
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_shipped_chip_is_the_same_on_spec_and_engine(chip, seed, tmp_path):
    net, spikes = trained(np.random.default_rng(seed))
    fixed = sh.quantize(net, chip, spikes)
    sh.save(fixed, tmp_path / "net.h5")
    spec, engine, loaded = (
        sh.run(n, spikes, target, record=RECORDABLE)
        for n, target in ((fixed, "spec"), (fixed, "engine"), (sh.load(tmp_path / "net.h5"), "engine"))
    )
    for name in fixed.population_names:
        for variable in RECORDABLE:
            np.testing.assert_array_equal(getattr(spec, variable)[name], getattr(engine, variable)[name])
            np.testing.assert_array_equal(getattr(spec, variable)[name], getattr(loaded, variable)[name])
    assert spec.spikes["hidden"].any()


def test_sixteen_bits_come_closer_to_the_float_network():
    net, spikes = trained(np.random.default_rng(3))
    wanted = sh.run(net, spikes[:8], record=("v",)).v["out"]
    errors = []
    for chip in ("loihi", "generic16"):
        fixed = sh.quantize(net, chip, spikes)
        v = sh.run(fixed, spikes[:8], record=("v",)).v["out"] / fixed.population("out").scale
        errors.append(np.abs(v - wanted).max())
    assert errors[1] < errors[0] / 20


def test_every_broken_rule_is_named():
    net, spikes = trained(np.random.default_rng(0))
    fixed = sh.quantize(net, "generic16", spikes)
    with pytest.raises(ParameterError, match=r"outside .* of the chip \(design rule '\w+'\)"):
        sh.FixedNetwork(fixed.inputs, fixed.populations, fixed.projections, fixed.outputs, "loihi")


@pytest.mark.parametrize("target", ["lava", "brian2"])
def test_targets_run_a_wide_chip_or_name_why_not(target):
    pytest.importorskip({"lava": "lava", "brian2": "brian2"}[target])
    net, spikes = trained(np.random.default_rng(1))
    fixed = sh.quantize(net, "generic16", spikes)
    if target == "lava":
        with pytest.raises(sh.SsdpHwError, match="'generic16' needs registers of 48 bits; Lava's are int32"):
            sh.run(fixed, spikes, target)
        return
    spec, other = (sh.run(fixed, spikes[:20], t, record=RECORDABLE) for t in ("spec", target))
    for name in fixed.population_names:
        for variable in RECORDABLE:
            np.testing.assert_array_equal(getattr(spec, variable)[name], getattr(other, variable)[name])


@pytest.mark.slow
def test_learning_on_a_wide_chip_is_the_same_on_spec_and_engine():
    rng = np.random.default_rng(2)
    net = sh.Network(
        [sh.Input("in", 20)],
        [sh.Population(name="out", neuron=sh.LIF(size=5, tau_mem=1e-2, v_threshold=0.2))],
        [sh.Projection(pre="in", post="out", weight=rng.normal(0.1, 0.3, (5, 20)))],
        ["out"],
        sh.Semantics(1e-3),
    )
    spikes, labels = rng.random((40, 12, 20)) < 0.2, rng.integers(0, 5, 12)
    fixed = sh.quantize(net, "generic16", spikes, weight_bits=12)
    rule = sh.SSDP(a_plus=2e-2, a_baseline=1e-2, sigma=5)
    a, b = (sh.learn(fixed, spikes, labels, rule, target) for target in ("spec", "engine"))
    np.testing.assert_array_equal(
        a.network.projection("in->out").synapse_weights, b.network.projection("in->out").synapse_weights
    )
    np.testing.assert_array_equal(a.counters["in->out"], b.counters["in->out"])
    assert a.changed["in->out"] > 0
