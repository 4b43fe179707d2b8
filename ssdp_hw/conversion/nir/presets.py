"""Presets: how each training framework fills in what NIR leaves open, for ``from_nir(..., preset="snntorch")``.

A preset has the values of from_nir's own parameters, and says how the framework's importer departs
from NIR's equations: gains that it leaves out, parameters that it ignores. Those marked as run are
held to the framework itself by tests/test_frameworks.py.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

import nir
import numpy as np
from numpy.typing import NDArray

from ssdp_hw.checks import Choice
from ssdp_hw.conversion.alignment import Timing
from ssdp_hw.conversion.nir.nodes import kind_of
from ssdp_hw.conversion.nir.subgraphs import FlatGraph
from ssdp_hw.errors import ParameterError
from ssdp_hw.network.float_network import Semantics
from ssdp_hw.network.graph import Comparison, Reset
from ssdp_hw.network.neurons import Discretization, UpdateOrder


class TauUnit(Choice):
    """What the time constants of a graph count."""

    SECONDS = "seconds"  # as NIR says
    STEPS = "steps"
    SECONDS_TIMES_DT = "seconds_times_dt"  # as Norse's own export writes them


# Time constants by NIR type; and for each gain the time constant that NIR's equation divides it by.
_TAUS = {"LI": ("tau",), "LIF": ("tau",), "CubaLI": ("tau_mem", "tau_syn"), "CubaLIF": ("tau_mem", "tau_syn")}
_GAINS = {
    "LI": {"r": "tau"},
    "LIF": {"r": "tau"},
    "CubaLI": {"r": "tau_mem", "w_in": "tau_syn"},
    "CubaLIF": {"r": "tau_mem", "w_in": "tau_syn"},
}


@dataclass(frozen=True)
class Preset:
    """One framework.

    Attributes:
        framework: its name and release.
        evidence: ``run``: the framework itself was run beside this toolkit; ``source``: read from its source.
        dt: its step in seconds; where it counts in steps, one that was chosen here.
        reset, threshold, discretization, update_order, tau_unit, timing: as in from_nir.
        whole_input: node types to whose state the framework adds the input without the factors r, w_in and dt/tau.
        decayed_current: whether, in these nodes, an input decays already in the step in which it joins the current.
        ignored: by node type, parameters that the framework ignores, with the values that it uses instead.
        export_times_dt: whether its own export multiplies time constants by dt, and writes as CubaLIF a neuron
            that adds its input to the current as it is.
        late_subtraction: node types whose threshold is subtracted in the step after the spike, after the leak.
        remarks: one sentence about each behaviour of the framework that is not reproduced.
    """

    framework: str
    evidence: str
    dt: float
    reset: Reset
    threshold: Comparison = Comparison.ABOVE
    discretization: Discretization = Discretization.EULER
    update_order: UpdateOrder = UpdateOrder.CURRENT_FIRST
    tau_unit: TauUnit = TauUnit.SECONDS
    timing: Timing = Timing.SAME_STEP
    whole_input: tuple[str, ...] = ()
    decayed_current: bool = False
    ignored: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    export_times_dt: bool = False
    late_subtraction: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


_NO_RESET_VALUE = {kind: {"v_reset": 0.0} for kind in ("LIF", "CubaLIF", "IF")}

PRESETS: dict[str, Preset] = {
    "snntorch": Preset(
        "snnTorch 1.0.0",
        "run",
        1e-4,
        Reset.ZERO,
        whole_input=("IF",),
        ignored=_NO_RESET_VALUE,
        remarks=(
            "snnTorch's own import takes IF as a neuron that leaks (beta 0.9); here it does not leak",
            "snnTorch's RSynaptic resets a step late, whatever the file says; here the reset is immediate, as in its "
            "Leaky, RLeaky and Synaptic",
        ),
    ),
    "norse": Preset(
        "Norse 1.1.0",
        "run",
        1e-3,
        Reset.ZERO,
        whole_input=("IF",),
        ignored={**_NO_RESET_VALUE, "LIF": {"v_reset": 0.0, "r": 1.0}},
        export_times_dt=True,
        remarks=("Norse adds the v_leak of CubaLIF to the synaptic current too; here it acts on the voltage alone",),
    ),
    "sinabs": Preset(
        "Sinabs 3.1.3",
        "run",
        1e-3,
        Reset.SUBTRACT,
        Comparison.AT_LEAST,
        Discretization.EXPONENTIAL,
        tau_unit=TauUnit.STEPS,
        whole_input=("LI", "LIF", "CubaLIF", "IF"),
        decayed_current=True,
        ignored=_NO_RESET_VALUE,
        remarks=(
            "Sinabs lets a neuron fire several times in a step (MultiSpike); here it fires once, so the two agree "
            "while no voltage reaches twice the threshold",
            "Sinabs holds the voltage of IF above -v_threshold; here it has no lower bound",
        ),
    ),
    "spikingjelly": Preset(
        "SpikingJelly 2.0.0",
        "run",
        1e-4,
        Reset.ZERO,
        Comparison.AT_LEAST,
        remarks=(
            "SpikingJelly imports LIF with r = 1 or tau / dt, v_leak = v_reset and IF with r = 1 / dt alone; here any "
            "values are read by NIR's equations, of which its own are cases",
            "SpikingJelly's voltages begin at v_reset; here they begin at 0, which is the same where v_reset is 0",
        ),
    ),
    "spyx": Preset(
        "Spyx 1.0.0",
        "run",
        1e-3,
        Reset.SUBTRACT,
        tau_unit=TauUnit.STEPS,
        timing=Timing.LAYER_STEPS,
        whole_input=("LIF", "CubaLIF", "IF"),
        ignored=_NO_RESET_VALUE,
        late_subtraction=("LIF",),
    ),
    "rockpool": Preset(
        "Rockpool 3.1.0",
        "run",
        1e-3,
        Reset.SUBTRACT,
        Comparison.AT_LEAST,
        Discretization.EXPONENTIAL,
        whole_input=("LIF", "CubaLIF"),
        decayed_current=True,
        ignored=_NO_RESET_VALUE,
        remarks=(
            "Rockpool lets a neuron fire several times in a step; here it fires once, so the two agree while no "
            "voltage reaches twice the threshold",
            "Rockpool's own import takes v_leak for a bias of the voltage, and drops the bias of recurrent weights",
        ),
    ),
    "lava-dl": Preset(
        "lava-dl 0.6.0 (SLAYER's CUBA neuron)",
        "run",
        1e-3,
        Reset.ZERO,
        timing=Timing.LAYER_STEPS,
        whole_input=("LIF", "CubaLIF"),
        ignored=_NO_RESET_VALUE,
        remarks=(
            "SLAYER rounds current and voltage to 1/4096 in every step, and here they are float: voltages agree within "
            "that rounding, and spikes but for ties; the .net file that it exports is read exactly",
        ),
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ParameterError: there is none.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise ParameterError(f"preset {name!r} is unknown; there are: {', '.join(PRESETS)}")
    return PRESETS[name]


def multiplied_by_dt(flat: FlatGraph, dt: float) -> bool:
    """Whether the time constants of a graph from Norse must have been multiplied by dt, as its export does.

    Norse takes Euler steps, so none of its time constants is shorter than a step; multiplied by dt, all that are below
    1 s become shorter than a step.

    Raises:
        ParameterError: some are shorter than a step and some are not.
    """
    taus = [_numbers(node, tau) for node in flat.nodes.values() for tau in _TAUS.get(kind_of(node), ())]
    short = [bool(np.any(tau < dt)) for tau in taus]
    if any(short) and not all(np.all(tau < dt) for tau in taus):
        raise ParameterError(
            f"some time constants are shorter than dt = {dt:g} s, which Norse has not, and some are longer: say what "
            "they are with tau_unit='seconds', or 'seconds_times_dt' as Norse's own export multiplies them"
        )
    return any(short)


def in_seconds(flat: FlatGraph, dt: float, unit: TauUnit) -> FlatGraph:
    """The graph with its time constants, and with ``steps`` the gain r of I and IF, converted to seconds."""
    nodes = {name: _in_seconds(node, dt, unit) for name, node in flat.nodes.items()}
    return FlatGraph(nodes, flat.edges, flat.repairs)


def _in_seconds(node: nir.NIRNode, dt: float, unit: TauUnit) -> nir.NIRNode:
    kind, factor = kind_of(node), dt if unit is TauUnit.STEPS else 1.0 / dt
    if kind in ("I", "IF"):
        return _changed(node, r=_numbers(node, "r") / dt) if unit is TauUnit.STEPS else node
    return _changed(node, **{tau: _numbers(node, tau) * factor for tau in _TAUS.get(kind, ())})


def as_framework(
    flat: FlatGraph, preset: Preset, semantics: Semantics, reset: Reset, *, exported: bool = False
) -> FlatGraph:
    """The graph whose NIR equations are what the framework computes; time constants in seconds.

    Args:
        flat: the graph, left as it is.
        preset: the framework.
        exported: whether its own export wrote the graph, where that differs from what its import reads.
        semantics, reset: as the caller or the preset chose them.

    Raises:
        ParameterError: parameters that are no numbers.
    """
    nodes, edges = dict(flat.nodes), list(flat.edges)
    for name, node in flat.nodes.items():
        kind = kind_of(node)
        changed = _changed(
            node,
            **{
                p: np.full(np.shape(getattr(node, p)), value)
                for p, value in preset.ignored.get(kind, {}).items()
                if np.any(getattr(node, p, value) != value)
            },
        )
        if kind in preset.whole_input:
            changed = _with_whole_input(changed, preset, semantics)
        elif exported and kind == "CubaLIF":
            with np.errstate(all="ignore"):
                changed = _changed(changed, w_in=_numbers(changed, "tau_syn") / semantics.dt)
        nodes[name] = changed
        if kind in preset.late_subtraction and reset is Reset.SUBTRACT:
            late = _free(f"{name}.late_reset", nodes)
            with np.errstate(all="ignore"):
                nodes[late] = nir.Scale(-_numbers(changed, "v_threshold") / _numbers(changed, "r"))
            edges += [(name, late), (late, name)]
    return FlatGraph(nodes, edges, flat.repairs)


def _with_whole_input(node: nir.NIRNode, preset: Preset, semantics: Semantics) -> nir.NIRNode:
    """The node with gains that cancel those of NIR's equations."""
    kind, dt = kind_of(node), semantics.dt
    if kind == "IF":
        return _changed(node, r=np.full(np.shape(node.r), 1.0 / dt))
    gains = {}
    with np.errstate(all="ignore"):  # invalid time constants are refused later, by the neurons themselves
        for gain, tau in _GAINS[kind].items():
            ratio = dt / _numbers(node, tau)
            decay = np.exp(-ratio) if semantics.discretization is Discretization.EXPONENTIAL else 1.0 - ratio
            gains[gain] = (decay if preset.decayed_current and gain == "w_in" else 1.0) / (1.0 - decay)
    return _changed(node, **gains)


def _numbers(node: nir.NIRNode, name: str) -> NDArray[np.float64]:
    value = np.asarray(getattr(node, name))
    if value.dtype.kind not in "fiu":
        raise ParameterError(f"a node of type {kind_of(node)}: {name} has values of type {value.dtype}, not numbers")
    numbers: NDArray[np.float64] = value.astype(np.float64)
    return numbers


def _changed(node: nir.NIRNode, **values: NDArray[np.float64]) -> nir.NIRNode:
    """A copy of a node with other values, made without NIR's own checks, which refuse scalars in some places."""
    if not values:
        return node
    found = copy.copy(node)
    for name, value in values.items():
        setattr(found, name, value)
    return found


def _free(name: str, nodes: Mapping[str, nir.NIRNode]) -> str:
    while name in nodes:
        name += "'"
    return name
