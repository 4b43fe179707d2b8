"""A torch module read by recording its own runs: one step that repeats, found alike in every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ssdp_hw.checks import as_size
from ssdp_hw.conversion.torch.affine import Affine
from ssdp_hw.conversion.torch.folding import FoldedPopulation, folded, same_step
from ssdp_hw.conversion.torch.given import check_module, sample_tensor
from ssdp_hw.conversion.torch.known_neurons import is_neuron
from ssdp_hw.conversion.torch.network import Layout
from ssdp_hw.conversion.torch.run import Run, Runner, returned_tensors, with_float64
from ssdp_hw.conversion.torch.stateful import merged, merged_length, merged_size, time_axis
from ssdp_hw.conversion.torch.types import Module, Nested, Tensor, Tensors
from ssdp_hw.conversion.torch.values import Opaque, Readout, Sequence as Steps, populations_of, summed, words
from ssdp_hw.errors import ParameterError, UnsupportedError

# Steps of a run by which a module is read where the caller gives the shape of one sample.
_STEPS = 8
# Largest relative rounding of a number in float32.
_FLOAT32 = 2.0**-22
# Buffers that hold the state of a run, or count batches of training.
_STATE = words("mem syn spk reset_mechanism_val num_batches_tracked v_mem i_syn")


@dataclass(frozen=True, eq=False)
class Reading:
    """What a module was found to be.

    Attributes:
        runner: how it is run.
        exact: the same in float64, or None.
        sample: inputs as the runner takes them.
        folded: its populations, and what drives them in every step.
        layout: inputs and outputs.
        notes: what to know, one sentence each.
    """

    runner: Runner
    exact: Runner | None
    sample: Tensors
    folded: dict[str, FoldedPopulation]
    layout: Layout
    notes: list[str]

    def run(self, inputs: Tensors, *, exact: bool = False) -> tuple[Run, str]:
        """A run on other inputs, and in what it does something else than was read; empty if in nothing.

        In float64 numbers that the forward writes, such as 0.1, are others than in float32, within its rounding.
        """
        runner = self.exact if exact else self.runner
        assert runner is not None
        run = runner.run(tuple(x.double() for x in inputs) if exact else inputs)
        found = folded(run.chains, exact=run.exact)
        return run, same_step(self.folded, found, _FLOAT32) if exact else same_step(self.folded, found)


def read_module(module: Module, sample: Nested, dt: float, max_synapses: int) -> Reading:
    """Read a module by recording its run on a sample, see :func:`ssdp_hw.from_torch`.

    Raises:
        UnsupportedError: it cannot be run, or does what cannot be expressed, with the source line.
        ParameterError: a sample or parameter that makes no sense.
    """
    check_module(module)
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    runner, taken = _runner(module, sample, dt, max_synapses, dtype)
    inputs = _in_time(runner, taken)
    run = runner.run(inputs)
    found = folded(run.chains, exact=run.exact)
    outputs, notes = _outputs(run, found)
    notes += run.tape.notes
    _check_all_used(module, run)
    sizes = {name: int(np.prod(_one(runner, x))) for name, x in zip(runner.names, inputs, strict=True)}
    _check_inputs_used(found, sizes)
    return Reading(runner, with_float64(runner, inputs), inputs, found, Layout(sizes, outputs, dt), notes)


def _one(runner: Runner, x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape[1:] if runner.style.kind == "static" else x.shape[2:])


def _sizes(shape: Nested) -> tuple[int, ...]:
    if isinstance(shape, dict):
        names = [str(key) if str(key).isidentifier() else f"x{k}" for k, key in enumerate(shape)]
        named = ", ".join(f"{key!r}: {name}" for key, name in zip(shape, names, strict=True))
        raise ParameterError(
            "sample: a dict; for a forward of several arguments give a tuple of samples. A forward that takes one dict "
            "is called from a module whose forward takes tensors: "
            f"def forward(self, {', '.join(names)}): return self.module({{{named}}})"
        )
    if isinstance(shape, list | tuple) and any(isinstance(k, list | tuple | float) for k in shape):
        raise ParameterError("sample: nested lists of numbers; give torch.tensor(sample)")
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not shape:
        raise ParameterError(
            f"sample = {str(shape)[:40]} ({type(shape).__name__}): give a tensor, or the shape of one sample as a "
            "tuple; for a forward of several arguments a tuple of these"
        )
    return tuple(as_size(k, "sample: shape") for k in shape)


def _runner(module: Module, sample: Nested, dt: float, max_synapses: int, dtype: Any) -> tuple[Runner, Tensors]:
    """How the module is run, and the sample that it takes."""
    several = isinstance(sample, tuple | list) and bool(sample) and not isinstance(sample[0], int | float | np.integer)
    given = tuple(sample) if several and not isinstance(sample, str) else (sample,)
    found = [sample_tensor(x, dtype) for x in given]
    tensors = tuple(x for x in found if x is not None)
    if len(tensors) == len(found):
        flat = next((x for x in tensors if x.ndim < 2), None)
        if flat is not None:
            raise ParameterError(
                "sample: a tensor has its batch first, or its steps and then its batch, and one of these has shape "
                f"{tuple(flat.shape)}; give what the forward takes as its input, without labels"
            )
        return _runner_on(module, tensors, dt, max_synapses), tensors
    shapes = [_sizes(x) for x in given]
    generator = torch.Generator().manual_seed(0)

    def random(*before: int) -> Tensors:
        return tuple((torch.rand(*before, *s, generator=generator) < 0.4).to(dtype) for s in shapes)

    axes = {time_axis(m) for m in module.modules() if is_neuron(m)} - {None}
    if axes:  # the module has neurons that take all steps in one call
        sample = random(2, _STEPS) if 1 in axes else random(_STEPS, 2)
        if any(merged(m) for m in module.modules()):
            length = merged_length(module, _STEPS)
            for sample in (random(*merged_size(module, length)), random(length)):
                runner = Runner(module, sample, dt, max_synapses)
                if not runner.style.merged:
                    break
            return runner, sample
        return Runner(module, sample, dt, max_synapses), sample
    try:
        runner = Runner(module, random(2), dt, max_synapses)
        if runner.style.kind != "loop":
            return runner, random(2)
    except UnsupportedError as error:
        first = error
        try:
            return Runner(module, random(_STEPS, 2), dt, max_synapses), random(_STEPS, 2)
        except UnsupportedError:
            raise first from None
    return Runner(module, random(_STEPS, 2), dt, max_synapses), random(_STEPS, 2)


def _runner_on(module: Module, sample: Tensors, dt: float, max_synapses: int) -> Runner:
    """A runner on the caller's sample; where that has steps and the module takes one a call, the refusal says so."""
    try:
        runner = Runner(module, sample, dt, max_synapses)
        may_be_time = runner.style.kind == "step" and all(x.ndim > 2 for x in sample)
        if may_be_time and any(map(is_neuron, module.modules())) and runner.leaves_apart(sample, 1):
            shape = ", ".join(str(tuple(x.shape)) for x in sample)
            one = ", ".join(str(tuple(x.shape[1:])) for x in sample)
            raise ParameterError(
                f"sample: {type(module).__name__} takes one step a call, and does the same to each of what lies along "
                f"the second axis of {shape}, as to samples of a batch. If the first axis is time, give the sample of "
                "one step, sample[0] (run and verify take all steps); if it is the batch, give the shape of one "
                f"sample, {one}"
            )
        return runner
    except UnsupportedError as error:
        one_step = tuple(x[0] for x in sample)
        if "cannot be run on a sample" not in str(error) or not _runs(module, one_step, dt, max_synapses):
            raise
        raise ParameterError(
            f"sample: {type(module).__name__} takes one step a call, (batch, *shape), and cannot be run on "
            f"{', '.join(str(tuple(x.shape)) for x in sample)}: give the sample of one step, sample[0]"
        ) from None


def _runs(module: Module, sample: Tensors, dt: float, max_synapses: int) -> bool:
    try:
        return all(x.ndim > 1 for x in sample) and Runner(module, sample, dt, max_synapses).style.kind == "step"
    except UnsupportedError:
        return False


def _in_time(runner: Runner, sample: Tensors) -> Tensors:
    """The sample as (time, batch, *shape); for a module of one step, that sample and random spikes behind it."""
    if runner.style.kind == "static":
        return sample
    if runner.style.kind == "loop":
        if not runner.style.merged and any(x.ndim < 3 for x in sample):
            raise ParameterError("sample: a module that loops over time takes (time, batch, *shape)")
        lead = merged_size(runner.module, len(sample[0])) if runner.style.merged else (0, 0)
        return tuple(runner.style.in_time(x, lead) for x in sample)
    generator = torch.Generator().manual_seed(1)
    rest = [(torch.rand(_STEPS - 1, *x.shape, generator=generator) < 0.4).to(x.dtype) for x in sample]
    return tuple(torch.cat([x[None], more]) for x, more in zip(sample, rest, strict=True))


def _outputs(run: Run, found: dict[str, FoldedPopulation]) -> tuple[tuple[str, ...], list[str]]:
    """Populations that the module returns, without those that only drive others; and notes."""
    returned: dict[str, None] = {}
    notes: dict[str, None] = {}
    for tensor in returned_tensors(run):
        value = run.tape.value(tensor)
        if value is None:
            continue
        if id(tensor) in run.readouts:
            name = run.readouts[id(tensor)]
            returned[name] = None
            notes[_about_readout(name, value)] = None
            continue
        names = populations_of(value)
        if isinstance(value, Readout) and any(isinstance(part, Affine) for part, _ in value.of):
            names = None  # of a sum over some of the steps
        if names is None and isinstance(value, Affine):
            names = summed(value)
        joined = None if names is not None else _joined(value, found)
        if joined is not None:
            names, known = joined, ", ".join(f"'{n}'" for n in joined)
            said = f"the module joins, picks or adds up what {known} send before it returns them"
            notes[f"{said}; the network gives what they send, population by population"] = None
        elif names is None:
            where = getattr(value, "where", "")
            if isinstance(value, Opaque) and value.of_readout:
                raise UnsupportedError(
                    f"{where}: the module returns what it computes of a sum, mean or maximum over steps: {value.what}; "
                    "call the last linear layer in every step of the loop and add up what it gives (its bias counts in "
                    "every step), or return the spikes and compute the rest outside the module"
                )
            what = f"{value.what} ({value.advice})" if isinstance(value, Opaque) else "it computes something of them"
            raise UnsupportedError(
                f"{where}: the module returns something else than spikes and voltages of its neurons: {what}; return "
                "those, or put neurons behind the last layer, for example Norse's LIBoxCell as a readout"
            )
        returned |= dict.fromkeys(n for n in names if n in found)
        if joined is None and (isinstance(value, Readout) or (isinstance(value, Affine) and not value.spikes)):
            known = ", ".join(f"'{n}'" for n in names)
            said = f"the module returns a sum over steps or the like of {known}; the network gives what they send"
            notes[f"{said}, all neurons in the order of the layer"] = None
    if not returned:
        raise UnsupportedError(
            "the module returns no spikes or voltages of its neurons; return their tensors, alone or in tuples, lists, "
            "dicts or dataclasses"
        )
    drives = {source for name, p in found.items() for source, _ in p.terms if source != name}
    outputs = tuple(n for n in returned if n not in drives) or tuple(returned)
    return outputs, list(notes)


def _about_readout(name: str, value: Nested) -> str:
    made = "its last linear layer" if not name.endswith(".readout") else "averages of spikes as"
    said = (
        f"the module returns {made} '{name}' without neurons: it is a membrane readout, whose voltage "
        "is that value in every step"
    )
    if isinstance(value, Readout) or (isinstance(value, Affine) and len({step for _, step in value.terms}) > 1):
        said += "; the module adds or joins them over the steps"
    return said


def _joined(value: Nested, found: Mapping[str, FoldedPopulation]) -> tuple[str, ...] | None:
    """Sources of values that are spikes joined, picked or added up, such as ``torch.cat`` makes of them."""
    steps = value.steps if isinstance(value, Steps) else (value,)
    names: dict[str, None] = {}
    for step in steps:
        if not isinstance(step, Affine) or step.constant.any():
            return None
        for (source, _), path in step.terms.items():
            factors = np.ones(1) if path.weight is None else np.unique(path.weight.by_synapse().values)
            if path.via or not np.isin(factors, (0, 1)).all():
                return None
            if factors.any():
                names[source] = None
    return tuple(names) if names and set(names) <= set(found) else None


def _check_all_used(module: Module, run: Run) -> None:
    """Every parameter and buffer of the module is one that an operation or a layer of neurons took."""
    losses = {name for name, part in module.named_modules() if isinstance(part, torch.nn.modules.loss._Loss)}
    missing = [
        name
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
        if id(tensor) not in run.tape.used
        and name.rpartition(".")[2] not in _STATE
        and name.rpartition(".")[0] not in losses
    ]
    if missing:
        raise UnsupportedError(
            f"the forward of {type(module).__name__} does not use {', '.join(missing[:8])}, or puts another in its "
            "place; leave out what is unused, and set parameters outside forward"
        )


def _check_inputs_used(found: dict[str, FoldedPopulation], sizes: dict[str, int]) -> None:
    sources = {source for p in found.values() for source, _ in p.terms}
    unused = [name for name in sizes if name not in sources]
    if unused:
        raise UnsupportedError(f"the module does not use its input {', '.join(unused)}")
