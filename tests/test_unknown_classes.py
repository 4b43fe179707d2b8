"""Subclasses of a user's own, which a target would run as their parents, are refused by name wherever they come in."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

import ssdp_hw as sh
from ssdp_hw.errors import MissingPackageError, ParameterError, SsdpHwError, UnsupportedError
from ssdp_hw.models.registry import neuron_model
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.network.neurons import NEURON_MODELS
from ssdp_hw.rules import CounterRule, Gate

SOURCE, PRE = sh.Input("in", 4), {"pre": "in", "post": "out", "name": "w"}
FLOAT = sh.Network(
    [SOURCE],
    [sh.Population(name="out", neuron=sh.LIF(size=4, tau_mem=1e-2))],
    [sh.Projection(**PRE, weight=np.ones((4, 4)))],
    ["out"],
    sh.Semantics(1e-3),
)
FIXED = sh.FixedNetwork(
    [SOURCE],
    [sh.FixedPopulation(name="out", size=4, vth=10)],
    [sh.FixedProjection(**PRE, weight=np.full((4, 4), 2))],
    ["out"],
)


def own(kind: type) -> type:
    """A subclass that a user might write: one more field."""
    return dataclass(frozen=True, eq=False, kw_only=True)(
        type("Own", (kind,), {"__annotations__": {"jump": int}, "jump": 3})
    )


def as_own(part: object) -> object:
    """The same part as an object of a subclass."""
    kind = own(type(part))
    values = {f.name: getattr(part, f.name) for f in fields(part) if f.init}
    return kind(**values)


CONV = sh.Projection(**PRE, weight=ConvWeight(np.ones((1, 1, 1)), (1, 4)))


@pytest.mark.parametrize("network", [FLOAT, FIXED], ids=["float", "fixed"])
@pytest.mark.parametrize("group", ["populations", "projections", "inputs"])
def test_parts_of_a_network(network, group):
    part = getattr(network, group)[0]
    with pytest.raises(UnsupportedError, match=f"'{part.name}' is of type Own, a subclass of {type(part).__name__}"):
        replace(network, **{group: [as_own(part)]})


@pytest.mark.parametrize("network", [FLOAT, FIXED], ids=["float", "fixed"])
def test_networks(network):
    with pytest.raises(UnsupportedError, match=f"the network is of type Own, a subclass of {type(network).__name__}"):
        as_own(network)


@pytest.mark.parametrize("model", NEURON_MODELS.values(), ids=NEURON_MODELS)
def test_neurons(model):
    more = {f.name: 1e-2 for f in fields(model) if f.name.startswith("tau")}
    neuron = model(size=4, **more)
    sh.Population(name="out", neuron=neuron)
    with pytest.raises(UnsupportedError, match=f"'out': its neuron is of type Own, a subclass of {model.__name__}"):
        sh.Population(name="out", neuron=as_own(neuron))


def test_neurons_of_declared_models():
    model = neuron_model("AdaptiveLIF")
    neuron = sh.neuron(model, 4, **{q.float_name: 1e-2 for q in model.parameters})
    sh.Population(name="out", neuron=neuron)
    with pytest.raises(UnsupportedError, match="'out': its neuron is of type Own, a subclass of ModelNeuron"):
        sh.Population(name="out", neuron=as_own(neuron))


def test_semantics_and_weights():
    with pytest.raises(UnsupportedError, match="semantics is of type Own"):
        replace(FLOAT, semantics=as_own(FLOAT.semantics))
    replace(FLOAT, projections=[CONV])
    with pytest.raises(UnsupportedError, match="'w': its weight is of type Own, a subclass of ConvWeight"):
        replace(FLOAT, projections=[replace(CONV, weight=as_own(CONV.weight))])


RULES = [
    sh.SSDP(),
    sh.STDP(),
    sh.SADP(),
    sh.FixedSSDP(a_plus=3, a_baseline=1, lut=(9,), lsb_shift=5),
    sh.FixedSTDP(a_plus=3, a_minus=1, decay_plus=9, decay_minus=9, lsb_shift=9),
    sh.FixedSADP(a_plus=3, a_minus=1, lsb_shift=12),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda r: type(r).__name__)
def test_rules(rule, tmp_path):
    """The specification runs what the class itself says; nobody else takes it for its parent, files included."""
    network = FIXED if isinstance(rule, CounterRule) else FLOAT
    spikes, mine = np.ones((6, 2, 4), bool), as_own(rule)
    sh.learn(network, spikes, None, mine, target="spec", plastic="w", on_overflow="ignore")
    for target in ("engine", "lava", "brian2"):
        with pytest.raises(UnsupportedError, match="Own"):
            sh.learn(network, spikes, None, mine, target=target, plastic="w")
    with pytest.raises(UnsupportedError, match="Own"):
        sh.write_nir(FIXED if network is FIXED else FLOAT, tmp_path / "n.nir", rule=mine)
    if network is FLOAT:
        quantised = replace(FIXED, projections=[replace(FIXED.projections[0], scale=[100.0] * 4)])
        with pytest.raises(UnsupportedError, match="Own"):
            sh.learn(quantised, spikes, None, mine, target="spec", plastic="w")
    if isinstance(rule, sh.SSDP):
        with pytest.raises(UnsupportedError, match="Own"):
            sh.compile_microcode(mine, window=31, scale=100)


def test_gates():
    with pytest.raises(UnsupportedError, match="SSDP: gate is of type Own, a subclass of Gate"):
        sh.SSDP(gate=as_own(Gate(k=0.1, mean=0.2, deviation=0.3)))
    with pytest.raises(UnsupportedError, match="gate is of type Own, a subclass of FixedGate"):
        replace(RULES[3], gate=as_own(sh.FixedGate(offset=1, slope=1, shift=0)))
    with pytest.raises(SsdpHwError, match="gate is of type int; expected Gate"):
        sh.SSDP(gate=3)


def test_chips_and_formats():
    with pytest.raises(UnsupportedError, match="chip 'loihi' is of type Own, a subclass of Chip"):
        replace(FIXED, chip=as_own(sh.load_chip("loihi")))
    with pytest.raises(UnsupportedError, match="'w': its format is of type Own, a subclass of WeightFormat"):
        replace(FIXED.projections[0], format=as_own(sh.WeightFormat()))
    with pytest.raises(ParameterError, match="'w': its format is of type int; expected WeightFormat"):
        replace(FIXED.projections[0], format=8)


BCM = {"grow": 900, "decay_x": 200, "decay_y": 390, "decay_theta": 100, "first_theta": 20, "dw_shift": 16}
DECLARED = [
    sh.rule("BCM", eta=0.05, tau_theta=30.0),
    sh.FixedDeclaredRule(model="BCM", parameters=BCM, lsb_shift=4, counter_bits=24),
]


@pytest.mark.parametrize("learned", DECLARED, ids=lambda r: type(r).__name__)
def test_declared_rules(learned, tmp_path):
    network = FIXED if isinstance(learned, CounterRule) else FLOAT
    for target in ("engine", "lava", "brian2"):
        with pytest.raises(UnsupportedError, match="Own"):
            sh.learn(network, np.ones((6, 2, 4), bool), None, as_own(learned), target=target, plastic="w")
    with pytest.raises(UnsupportedError, match="Own"):
        sh.write_nir(network, tmp_path / "n.nir", rule=as_own(learned))


# Public classes of which a subclass cannot run as its parent on some targets: what they say is computed in one place,
# before a target is asked, or they are made to be subclassed.
IN_ONE_PLACE = {
    "Checkpoint", "Evaluation", "LearningScale", "LearningState", "Presentation", "Teaching", "Teacher",  # by learn
    "DirectInput", "OnChipClassifier", "NeuroBenchNetwork",  # by make_drive, by the adapters themselves
    "NeuronModel", "RuleModel", "Target",  # what a user's subclass says is what all targets print
    "AliveBit", "RuleFactor", "RuleParameter", "RuleVariable", "StateRead", "WrittenVariable",  # parts of a declaration
    "BatchSSDP", "Lesson", "RandomSamples", "Range",  # by their own functions
}  # fmt: skip


def test_every_public_class_is_refused_or_acts_in_one_place():
    """A class that becomes public is one of those above or of those that the other tests of this file subclass."""
    public = (Path(sh.__file__).with_name("__init__.pyi")).read_text()
    found = set()
    for name in re.findall(r"\bas (\w+)", public):
        try:
            value = getattr(sh, name)
        except MissingPackageError:  # an adapter to a package that is not installed
            continue
        if isinstance(value, type) and not issubclass(value, Exception | Enum):
            found.add(name)
    parts = [FLOAT, FIXED, FLOAT.semantics, CONV.weight, sh.load_chip("loihi"), sh.WeightFormat(), *RULES, *DECLARED]
    for network in (FLOAT, FIXED):
        parts += [*network.inputs, *network.populations, *network.projections]
    held = {type(part).__name__ for part in parts} | set(NEURON_MODELS) | {"Gate", "FixedGate", "ModelNeuron"}
    assert found - held - IN_ONE_PLACE == set()
