"""Files that version 0.1.0 wrote load: terms that have another name today are found by the old one."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import ssdp_hw as sh
from ssdp_hw.deprecation import RENAMED, with_new_names
from ssdp_hw.files.record import Record
from ssdp_hw.network.formats import SignMode
from ssdp_hw.network.off_grid import floor_to_grid
from ssdp_hw.rules.local import FloatRule
from ssdp_hw.rules.values import rule_from_dict, rule_to_dict

DATA = Path(__file__).parent / "data"
RULES = {
    "ssdp->out": sh.SSDP(
        learning_window="exponential", windows_per_update=2, gate=sh.Gate(k=0.1, mean=0.2, deviation=0.3)
    ),
    "stdp->out": sh.STDP(windows_per_update=3),
    "sadp->out": sh.SADP(windows_per_update=4),
    "fixed_ssdp->out": sh.FixedSSDP(
        a_plus=3, a_baseline=1, lut=(255, 9), dw_shift=2, windows_per_update=5, lsb_shift=8
    ),
    "fixed_stdp->out": sh.FixedSTDP(
        a_plus=3,
        a_minus=4,
        decay_plus=5,
        decay_minus=6,
        lsb_shift=9,
        dw_shift=3,
        windows_per_update=6,
        trace_rounding="toward_zero",
    ),
    "fixed_sadp->out": sh.FixedSADP(a_plus=3, a_minus=4, lsb_shift=9, dw_shift=4, windows_per_update=7),
}


def test_rules_in_a_nir_file_of_version_0_1_0():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sh.rule_from_nir(DATA / "rules-0.1.0.nir") == RULES


def test_a_learning_state_of_version_0_1_0():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network, state = sh.load_learning(DATA / "learning-0.1.0.h5")
    assert (state.updates, state.pending, state.epochs) == (5, 1, 2)
    np.testing.assert_array_equal(state.counters["in->out"], np.arange(4))
    assert network.projection("in->out").weight.tolist() == [[2, -4], [6, 8]]


@pytest.mark.parametrize("rule", RULES.values())
def test_a_rule_by_its_old_names(rule):
    """Every old name is an argument, a field to read and a key of a description, and means what the new one does."""
    kind = type(rule)
    old_of = {new: old for old, new in RENAMED[kind.__name__].items() if old != "kernels"}
    for new, old in old_of.items():
        value = getattr(rule, new)
        with pytest.warns(DeprecationWarning, match=rf"{old}=.* is now {new}="):
            assert replace(rule, **{old: value}) == rule
        with pytest.warns(DeprecationWarning, match=rf"\.{old} is now .*\.{new}"):
            assert getattr(rule, old) == value
    described = {old_of.get(name, name): value for name, value in rule_to_dict(rule).items()}
    assert set(old_of.values()) <= set(described)
    assert rule_from_dict(described) == rule


def test_old_names_of_methods_and_enumerations():
    rule = sh.SSDP()
    with pytest.warns(DeprecationWarning, match="kernels is now"):
        np.testing.assert_array_equal(rule.kernels(np.arange(3)), rule.learning_windows(np.arange(3)))
    with pytest.warns(DeprecationWarning, match="update is now"):
        assert rule.update == rule.weight_change
    with pytest.warns(DeprecationWarning, match=r"rules\.Kernel is now ssdp_hw\.rules\.LearningWindow"):
        assert sh.rules.Kernel is sh.rules.LearningWindow
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = sh.rules.absent


def test_a_state_by_its_old_name():
    with pytest.warns(DeprecationWarning, match="commits"):
        assert sh.LearningState(commits=3).updates == 3
    assert with_new_names(sh.LearningState, {"commits": 1, "pending": 0}) == {"updates": 1, "pending": 0}


def test_a_rule_of_a_users_own_has_the_old_field():
    class Mine(FloatRule):
        observe = from_recorded = step = None

    with pytest.warns(DeprecationWarning, match="commit_windows"):
        assert Mine(windows_per_update=4).commit_windows == 4


# Weight exponents below 0: version 0.1.0 shifted sums, the chip shifts each weight.

ROUNDED = {"conv": 8, "sparse": 4, "inhibitory": 2}


def _as_written() -> dict[str, np.ndarray]:
    with h5py.File(DATA / "off-grid-0.1.0.h5") as file:
        names = [p["name"] for p in json.loads(file["header"][()].tobytes())["projections"]]
        kinds = ("kernel", "data", "weight", "weight")
        return {n: file[f"projections/{k}/{kind}"][()] for k, (n, kind) in enumerate(zip(names, kinds, strict=True))}


def _rounded(network: sh.FixedNetwork) -> None:
    for name, written in _as_written().items():
        q, step = network.projection(name), ROUNDED.get(name, 4)
        np.testing.assert_array_equal(q.stored_weights, written.reshape(-1) // step * step)
        assert q.format.step == step
        said = [note for note in network.notes if f"'{name}'" in note and "rounded down" in note]
        changed = np.count_nonzero(written % step)
        assert len(said) == (changed > 0) == (name in ROUNDED)
        assert not said or f"{changed} of {written.size} weights" in said[0]
        assert not said or f"floor(w / {step}) * {step}" in said[0]


def test_weights_that_a_negative_exponent_does_not_leave_whole_are_rounded_by_name():
    network = sh.load(DATA / "off-grid-0.1.0.h5")
    _rounded(network)
    assert network.notes[0] == "first"
    assert network.projection("inhibitory").format.sign_mode == "mixed"  # -255 becomes -256
    _rounded(sh.from_nir(DATA / "off-grid-0.1.0.nir"))


def test_what_was_rounded_is_written_and_read_without_a_further_note(tmp_path):
    network = sh.load(DATA / "off-grid-0.1.0.h5")
    sh.save(network, tmp_path / "n.h5")
    sh.write_nir(network, tmp_path / "n.nir")
    for again in (sh.load(tmp_path / "n.h5"), sh.from_nir(tmp_path / "n.nir")):
        assert again.notes == network.notes
        for p, q in zip(again.projections, network.projections, strict=True):
            np.testing.assert_array_equal(p.stored_weights, q.stored_weights)
            assert p.format == q.format


def test_counters_of_rounded_weights_are_cleared_by_name():
    """They counted parts of a step that the weights no longer have."""
    network, state = sh.load_learning(DATA / "off-grid-0.1.0.h5")
    assert not state.counters["sparse"].any()
    np.testing.assert_array_equal(state.counters["whole"], np.arange(64) + 5)
    assert [n for n in network.notes if "counters are cleared" in n] == [
        "projection 'sparse': its counters are cleared, since they counted parts of another step"
    ]


@settings(deadline=None)
@given(st.data(), st.integers(1, 8), st.sampled_from(SignMode), st.integers(-12, -1))
def test_any_weights_of_any_format_are_rounded_to_what_a_chip_adds(data, bits, signs, exponent):
    """Both emulators' ``floor(w * 2**exponent)``, as far as 8-bit weights reach."""
    own = sh.WeightFormat(bits, signs)
    mantissa = data.draw(st.lists(st.integers(own.mantissa_min, own.mantissa_max), min_size=1, max_size=9))
    weight = np.array(mantissa)[None] * own.step
    record = Record({"name": "w", "weight_exp": exponent, "format": own.to_dict()}, {"weight": weight})
    note = floor_to_grid(record)
    q = sh.FixedProjection(
        pre="a",
        post="b",
        weight=record.arrays["weight"],
        weight_exp=exponent,
        format=sh.WeightFormat(**record.values["format"]),
    )
    wanted = np.floor(weight * 2.0**exponent)
    reached = exponent >= -8  # beyond, -2**-exponent is no weight: the smallest is 0
    np.testing.assert_array_equal(q.weight * 2.0**exponent, wanted if reached else np.zeros_like(wanted))
    assert (note is None) == np.array_equal(q.weight, weight)
    assert reached or note is None or not wanted.any() or "were set to it" in note
