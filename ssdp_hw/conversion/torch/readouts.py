"""What a module returns of its last linear layer: readout populations whose voltage is that layer's value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.torch.affine import Affine, LinearStep
from ssdp_hw.conversion.torch.chains import Call, Chain
from ssdp_hw.conversion.torch.neurons import Neurons, array
from ssdp_hw.conversion.torch.tape import Tape, tensors_in
from ssdp_hw.conversion.torch.types import Tensor
from ssdp_hw.conversion.torch.values import Readout, Sequence
from ssdp_hw.conversion.weight_algebra import diagonal, same_weight
from ssdp_hw.errors import UnsupportedError
from ssdp_hw.network.graph import Reset
from ssdp_hw.network.neurons import LI

# Relative to the sum of absolute values: by how much a sum over steps in float32 may differ from that of its steps.
_SUM = 1e-4


def add_readouts(tape: Tape, populations: dict[str, Chain], returned: list[Tensor], dt: float) -> dict[int, str]:
    """Add a population for every value that a module returns behind its last neurons, one value a step.

    Args:
        tape: the recording.
        populations: those of the run, which are added to.
        returned: what the module returned, call by call.
        dt: length of a step in seconds.

    Returns:
        The population by the ``id`` of the returned tensor.
    """
    found: dict[int, str] = {}
    if not populations:
        return found
    steps = max(len(chain.calls) for chain in populations.values())
    for tensors, values in _by_step(tape, populations, returned, steps):
        last = values[-1][0]
        if not any(source in populations for source, _ in last.terms):
            continue  # a constant: no layer of the module makes it of spikes
        if not any(path.via for path in last.terms.values()) and not _averaged(last):
            continue  # spikes as they are, joined or added up
        name, size = _name(last, populations), last.size
        neuron = LI(size=size, tau_mem=dt, r=1.0)  # with tau_mem = dt the voltage keeps nothing of the step before
        neurons = Neurons(neuron, Reset.ZERO, last.shape)
        neurons.equivalents = lambda states, _: (np.zeros_like(states["mem"]), states["mem"])
        calls = [Call(value, np.zeros(rows.shape), {"mem": rows}, value.where) for value, rows in values]
        populations[name] = Chain(name, name, neurons, np.zeros(size), calls)
        found |= dict.fromkeys(map(id, tensors), name)
    return found


def _by_step(
    tape: Tape, populations: dict[str, Chain], returned: list[Tensor], steps: int
) -> Iterator[tuple[list[Tensor], list[tuple[Affine, Real]]]]:
    """For each returned value of a linear layer its tensors, and for every step what it is and its rows."""
    if len(returned) == steps and steps > 1:
        for tensors in zip(*(tuple(tensors_in(one)) for one in returned), strict=True):
            made = [(v, _rows(t)) for t in tensors if isinstance(v := tape.value(t), Affine) and not v.spikes]
            if len(made) == steps:
                yield list(tensors), made
        return
    for tensor in (t for one in returned for t in tensors_in(one)):
        value = tape.value(tensor)
        parts: list[tuple[Sequence | Affine, Tensor]] = [(value, tensor)] if isinstance(value, Sequence) else []
        if isinstance(value, Readout):
            parts = list(value.of)
        for sequence, whole in parts:
            if isinstance(sequence, Affine):
                each = _steps_of_sum(tape, sequence, populations, steps)
                if each:
                    _check_sum(each, whole, sequence)
                    yield [tensor], each
            elif len(sequence.steps) == steps and all(isinstance(v, Affine) and not v.spikes for v in sequence.steps):
                rows = [_rows(whole.select(sequence.axis, k)) for k in range(steps)]
                yield [tensor], list(zip(sequence.steps, rows, strict=True))
        if isinstance(value, Affine) and not value.spikes:
            each = _steps_of_sum(tape, value, populations, steps)
            if each:
                _check_sum(each, tensor, value)
                yield [tensor], each


def _steps_of_sum(tape: Tape, value: Affine, populations: dict[str, Chain], steps: int) -> list[tuple[Affine, Real]]:
    """The steps of a sum over all of them in which each does the same to the spikes of its own step; else nothing.

    Where the sum was divided by their number, each step is what it would be without that: a number that changes with
    the length of a run belongs to no weight.
    """
    if value.summed_steps != steps:
        return []
    if value.divided == steps:
        times = LinearStep(diagonal(np.full(value.size, float(steps))))
        value = tape.algebra.through(times, replace(value, divided=1), value.shape, value.where)
    sources = {source for source, _ in value.terms}
    if not sources <= set(populations):
        return []
    if any(not same_weight(w.weight, value.terms[source, 0].weight) for (source, _), w in value.terms.items()):
        return []
    if all(value.terms[source, 0].weight is None for source in sources) and not value.constant.any():
        return []  # a sum of spikes as they are
    found = []
    for step in range(steps):
        one = replace(
            value,
            terms={(source, step): value.terms[source, 0] for source in sources},
            constant=value.constant / steps,
            gross_constant=value.gross_constant / steps,
        )
        rows = one.constant[None, :]
        for source in sources:
            spikes, weight = populations[source].calls[step].spikes, value.terms[source, 0].weight
            rows = rows + (spikes if weight is None else np.asarray(weight.by_synapse().given @ spikes.T).T)
        found.append((one, rows))
    return found


def _averaged(value: Affine) -> bool:
    """Whether a value that no weight of the module made is an average of several spikes, as a pooling makes it."""
    if value.constant.any():
        return False
    for path in value.terms.values():
        matrix = None if path.weight is None else path.weight.by_synapse()
        if matrix is None or matrix.shape[0] >= matrix.shape[1] or not 0 < np.max(matrix.values, initial=0.0) < 1:
            return False
    return True


def _check_sum(each: list[tuple[Affine, Real]], tensor: Tensor, value: Affine) -> None:
    rows, theirs = sum(rows for _, rows in each), _rows(tensor) * value.divided
    gross = sum(np.abs(rows) for _, rows in each)
    if np.any(np.abs(rows - theirs) > _SUM * (np.max(gross) + 1e-30)):
        raise UnsupportedError(f"{value.where}: what the module returns is not the sum of its steps")


def _rows(tensor: Tensor) -> Real:
    return array(tensor, "what the module returns").reshape(len(tensor), -1)


def _name(value: Affine, populations: dict[str, Chain]) -> str:
    """The name of the last weight on the way from the spikes to the value, or one made of that of the spikes."""
    of_spikes = next(source for source, _ in value.terms if source in populations)
    name = next((w.via for w in value.terms.values() if w.via), (f"{of_spikes}.readout",))[-1]
    while name in populations:
        name += ".readout"
    return name
