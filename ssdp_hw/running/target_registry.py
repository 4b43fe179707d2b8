"""The registry that finds targets by name: those of this package and of any other that is installed.

A target registers itself through the entry-point group ``ssdp_hw.targets``; the toolkit never imports a target by its
module.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from reprlib import repr as short

import numpy as np

import ssdp_hw
from ssdp_hw.display import shown
from ssdp_hw.errors import TargetUnavailableError, UnknownTargetError, UnsupportedError
from ssdp_hw.network.fixed_network import FixedNetwork, FixedPopulation, FixedProjection
from ssdp_hw.network.graph_parts import Input
from ssdp_hw.running.drive import AnyNetwork, Drive
from ssdp_hw.running.result import Record
from ssdp_hw.running.target import Target

GROUP = "ssdp_hw.targets"


# Beside the package in a checkout, which may be used without being installed.
_PROJECT = Path(ssdp_hw.__file__).parents[1] / "pyproject.toml"


@lru_cache(maxsize=1)
def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {**_of_checkout(), **{e.name: e for e in metadata.entry_points(group=GROUP)}}


def _of_checkout() -> dict[str, metadata.EntryPoint]:
    """The entry points that a checkout declares; none where the toolkit is installed as a distribution."""
    try:
        project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):
        return {}
    if project.get("name") != "ssdp-hw":
        return {}
    declared: dict[str, str] = project["entry-points"][GROUP]
    return {name: metadata.EntryPoint(name, place, GROUP) for name, place in declared.items()}


@cache
def _load(name: str) -> Target | str:
    """The target of that name, or a sentence on why it cannot be loaded; cached, so that a failing import runs once."""
    try:
        target = _entry_points()[name].load()
    except Exception as error:  # any exception: another package that fails to import must not hide the other targets
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return f"target '{name}' cannot be loaded ({reason}); reinstall its package"
    if not isinstance(target, Target):
        return f"target '{name}': its entry point is no ssdp_hw.running.target.Target"
    return target


def _loaded(name: str) -> Target:
    found = _load(name)
    if isinstance(found, str):
        raise TargetUnavailableError(found)
    return found


def target_names() -> list[str]:
    """Names of all registered targets, installed or not."""
    return sorted(_entry_points())


def targets_by_speed() -> list[Target]:
    """All registered targets that can be loaded, installed or not: by ``speed_rank``, then by name."""
    found = [t for t in map(_load, target_names()) if isinstance(t, Target)]
    return sorted(found, key=lambda t: (t.speed_rank is None, t.speed_rank or 0, t.name))


def fastest_target(
    network: AnyNetwork | None = None,
    *,
    learning: bool = False,
    in_pieces: bool = False,
    any_register_width: bool = False,
) -> Target:
    """The installed target of the best ``speed_rank`` that can do what is asked.

    Args:
        network: what it must be able to run; None for any network.
        learning: whether it must be able to learn.
        in_pieces: whether it must be able to run in pieces.
        any_register_width: whether it must run registers wider than any chip's.

    Raises:
        TargetUnavailableError: no target with these abilities is installed.
        UnsupportedError: those that are installed cannot run the network; every reason is listed.
    """
    refused = []
    for target in targets_by_speed():
        able = (target.learns or not learning) and (target.runs_in_pieces or not in_pieces)
        if not able or (any_register_width and not target.any_register_width) or not target.availability().installed:
            continue
        reasons = [] if network is None else unsupported(target, network, learning=learning)
        if not reasons:
            return target
        refused.append(f"target '{target.name}': {'; '.join(reasons)}")
    if refused:
        raise UnsupportedError(f"no installed target can run this network: {'; '.join(refused)}")
    raise TargetUnavailableError(
        f"none of the targets {', '.join(target_names())} is installed and able to do this; see ssdp_hw.list_targets()"
    )


def unsupported(target: Target, network: AnyNetwork, *, learning: bool) -> list[str]:
    """What in this network the target cannot express: declared neuron models, and what the target itself names."""
    kind, reasons = "fixed" if isinstance(network, FixedNetwork) else "float", []
    if kind not in target.declared_models:
        for p in network.populations:
            model = p.declared if isinstance(p, FixedPopulation) else getattr(p.neuron, "declared", None)
            if model is not None and not (isinstance(p, FixedPopulation) and p.is_cuba_lif):
                able = _names(lambda t: kind in t.declared_models)
                reasons.append(f"population '{p.name}': {model}, of which it knows no step; these targets do: {able}")
    if not target.several_inputs:
        reasons += [
            f"projection '{q.name}' feeds the synaptic input '{q.port}'; this target has one for each neuron; "
            f"these targets have all: {_names(lambda t: t.several_inputs)}"
            for q in network.projections
            if q.port
        ]
    where = "learning" if learning else "inference"
    if where not in target.graded_spikes:
        reasons += [
            f"population '{p.name}': its spikes carry '{p.payload}', which this target cannot send in {where}; these "
            f"targets can: {_names(lambda t: where in t.graded_spikes)}"
            for p in network.populations
            if p.payload
        ]
    return [*reasons, *target.unsupported(network, learning=learning)]


def _names(able: Callable[[Target], bool]) -> str:
    """Names of the registered targets that can do something."""
    return ", ".join(f"'{t.name}'" for t in targets_by_speed() if able(t))


def reference_target() -> Target:
    """The installed target whose results define what is right; if there is none, the fastest.

    Raises:
        TargetUnavailableError: no target is installed.
    """
    found = [t for t in targets_by_speed() if t.is_reference and t.availability().installed]
    return found[0] if found else fastest_target()


def choose_target(name: str | None, network: AnyNetwork, *, learning: bool = False, in_pieces: bool = False) -> Target:
    """The target of that name or, where none is named, the fastest, checked to be able to run the network.

    Raises:
        UnknownTargetError, TargetUnavailableError, UnsupportedError: see :func:`get_target` and :func:`fastest_target`.
    """
    if name is None:
        return fastest_target(network, learning=learning, in_pieces=in_pieces)
    found = get_target(name, network, learning=learning)
    if in_pieces and not found.runs_in_pieces:
        able = _names(lambda t: t.runs_in_pieces)
        raise UnsupportedError(
            f"target '{name}' cannot run in pieces; " + (f"the target {able} can" if able else "no target can")
        )
    return found


def get_target(name: str, network: AnyNetwork | None = None, *, learning: bool = False) -> Target:
    """The target of that name, checked to be installed and, given a network, able to run it.

    Raises:
        UnknownTargetError: no such target.
        TargetUnavailableError: what it needs is not installed; the message says how to install it.
        UnsupportedError: it cannot express the network; every reason is listed.
    """
    if not isinstance(name, str) or name not in _entry_points():
        raise UnknownTargetError(f"target {short(name)} is unknown; there are: {', '.join(target_names())}")
    target = _loaded(name)
    available = target.availability()
    if not available.installed:
        raise TargetUnavailableError(f"target '{name}' is not installed; install it with: {available.install}")
    if network is not None:
        reasons = unsupported(target, network, learning=learning)
        if reasons:
            raise UnsupportedError(f"target '{name}' cannot run this network: {'; '.join(reasons)}")
    return target


@shown
@dataclass(frozen=True)
class TargetInfo:
    """One registered target; see :func:`list_targets`.

    Attributes:
        name, title: what it is called, and one line about it.
        installed: whether what it needs is installed.
        version: versions of that.
        install: how to install what is missing.
        options: names of its options.
        failure: why it did not run although it is installed; empty if it did, or was not tried.
    """

    name: str
    title: str
    installed: bool
    version: str
    install: str
    options: Sequence[str]
    failure: str = ""


def list_targets(*, tried: bool = False) -> list[TargetInfo]:
    """Every registered target: whether it is installed and, if not, how to install it.

    Args:
        tried: whether to run a network of one neuron on each that is installed, since packages that are installed may
            not fit each other. That imports what it runs on and may take some seconds.
    """
    found = []
    for name in target_names():
        target = _load(name)
        if isinstance(target, str):
            found.append(TargetInfo(name, "", False, "", target, ()))
            continue
        a = target.availability()
        failure = why_not(target) if tried and a.installed else ""
        found.append(TargetInfo(name, target.title, a.installed, a.version, a.install, tuple(target.options), failure))
    return found


def why_not(target: Target) -> str:
    """Why an installed target does not run a network of one neuron; empty if it does."""
    network = FixedNetwork(
        [Input("in", 1)],
        [FixedPopulation(name="out", size=1, du=4095, dv=256, vth=10)],
        [FixedProjection(pre="in", post="out", weight=[[64]])],
        ["out"],
    )
    # The weight of 64 at exponent 0 exceeds the threshold, so that the spike of step 0 fires the neuron in step 1.
    drive = Drive({"in": np.array([[[True]], [[False]], [[False]]])}, 3, 1)
    try:
        found = target.run(network, drive, Record(("spikes",), ("out",)), target.resolve({}))
    except Exception as error:  # any exception: a target's own packages may fail in any way
        return " ".join(f"{type(error).__name__}: {error}".split())
    fired = found.spikes["out"][:, 0, 0].tolist()
    return "" if fired == [False, True, False] else f"it ran one neuron wrongly: spikes {fired}"
