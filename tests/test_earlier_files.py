"""Files that version 0.1.0 wrote load: terms that have another name today are found by the old one."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.deprecation import RENAMED, with_new_names
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
        a_plus=3, a_minus=4, decay_plus=5, decay_minus=6, lsb_shift=9, dw_shift=3, windows_per_update=6
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
