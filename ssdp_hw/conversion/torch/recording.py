"""A run of a torch module on given spikes, as ``verify`` compares it with a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ssdp_hw.conversion.nir.reader import DEFAULT_MAX_SYNAPSES
from ssdp_hw.conversion.torch.check import StepCheck, Stepper, check_steps
from ssdp_hw.conversion.torch.folding import FoldedPopulation, folded
from ssdp_hw.conversion.torch.known_neurons import is_neuron
from ssdp_hw.conversion.torch.lags import lags_of
from ssdp_hw.conversion.torch.neurons import framework_of
from ssdp_hw.conversion.torch.run import Run, Runner, with_float64
from ssdp_hw.conversion.torch.stateful import merged
from ssdp_hw.conversion.torch.types import Module, Tensor, Tensors
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.float_network import Network

Layers = dict[str, tuple[NDArray[np.bool_], NDArray[np.float64] | None]]


@dataclass(frozen=True, eq=False)
class Recorded:
    """A run of a module, its layers of neurons by name.

    Attributes:
        runner: how the module is run.
        run: the run.
        folded: what every step of it does.
        taken: the tensors that it took.
        inputs: the same in every step, shape (time, batch, *shape).
        lags: steps that each input and population of the network of :func:`ssdp_hw.from_torch` is behind.
    """

    runner: Runner
    run: Run
    folded: dict[str, FoldedPopulation]
    taken: Tensors
    inputs: Tensors
    lags: dict[str, int]

    @property
    def steps(self) -> int:
        """How many steps the module ran."""
        return len(next(iter(self.run.chains.values())).calls)

    def layers(self) -> Layers:
        """Spikes and voltages after the reset of each layer, shape (time, batch, n); a readout has no spikes."""
        return _layers(self.run)

    def exact_layers(self) -> Layers:
        """The same of a run in float64; empty if the module cannot be run so."""
        exact = with_float64(self.runner, self.taken)
        return {} if exact is None else _layers(exact.run(tuple(x.double() for x in self.taken)))

    def check(self, network: Network, lag: Mapping[str, int], names: Mapping[str, str]) -> StepCheck:
        """Every step of the run against that of a float network."""
        sent = {
            own: x.double().numpy().reshape(*x.shape[:2], -1)[: self.steps]
            for own, x in zip(self.runner.names, self.inputs, strict=True)
        }
        own_names = dict(zip(self.runner.names, network.input_names, strict=True))
        renamed = {own_names[name]: values for name, values in sent.items()}
        model = {n: _renamed(p, own_names) for n, p in self.folded.items()}
        chains = {n: chain for n, chain in self.run.chains.items() if n in names}
        exact = self.inputs[0].dtype == torch.float64
        return check_steps(Stepper(network, lag), model, chains, renamed, exact=exact, names=names)


def _renamed(p: FoldedPopulation, names: Mapping[str, str]) -> FoldedPopulation:
    from dataclasses import replace

    return replace(p, terms={(names.get(source, source), d): w for (source, d), w in p.terms.items()})


def record(module: Module, samples: Tensor, dt: float | None) -> Recorded:
    """Run a module by its own forward on samples of shape (time, batch, *shape), from rest.

    Args:
        module: see :func:`ssdp_hw.from_torch`.
        samples: one array, or for several inputs a dict of arrays by name, in the order of the forward.
        dt: length of a step in seconds; None takes that of Norse's neurons.

    Raises:
        UnsupportedError: the module cannot be run on them, or cannot be read.
        ParameterError: fewer steps were run than there are samples.
    """
    kinds = [p.dtype for p in module.parameters() if p.is_floating_point()]
    dtype = (kinds or [torch.float32])[0]
    arrays = tuple(samples.values()) if isinstance(samples, Mapping) else (samples,)
    inputs = tuple(torch.as_tensor(np.array(x)).to(dtype) for x in arrays)
    runner = _runner(module, inputs, _dt(module) if dt is None else dt)
    static = runner.style.kind == "static"
    taken = tuple(x[0] for x in inputs) if static else inputs
    run = runner.run(taken)
    model = folded(run.chains, exact=run.exact)
    steps = len(next(iter(run.chains.values())).calls)
    if static and len(inputs[0]) != steps:
        inputs = tuple(x[:1].expand(steps, *x.shape[1:]) for x in inputs)
    if steps != len(inputs[0]):
        raise ParameterError(f"the module runs {steps} steps on samples of {len(inputs[0])}; give as many as it runs")
    sizes = {name: int(np.prod(x.shape[2:])) for name, x in zip(runner.names, inputs, strict=True)}
    return Recorded(runner, run, model, taken, inputs, lags_of(model, sizes))


def _runner(module: Module, inputs: Tensors, dt: float) -> Runner:
    """The runner of a module: it passes all steps in one call, or one step a call, as the module takes them."""
    first = tuple(x[0] for x in inputs)
    constant = not any(bool((x != x[:1]).any()) for x in inputs)
    if constant:  # a forward such as x.repeat(steps, 1, 1) takes all steps as well, and repeats them
        try:
            runner = Runner(module, first, dt, DEFAULT_MAX_SYNAPSES)
            if runner.style.kind == "static":
                return runner
        except UnsupportedError:
            pass
    if any(merged(m) for m in module.modules()):  # its layers are made for a number of samples, the first axis
        inputs = tuple(x.movedim(0, 1).contiguous() for x in inputs)
    last = tuple(x.movedim(0, -1).contiguous() for x in inputs)
    for all_steps in (inputs, last):  # a module whose last axis is time cannot be run on samples whose first one is
        try:
            runner = Runner(module, all_steps, dt, DEFAULT_MAX_SYNAPSES)
        except UnsupportedError:
            continue
        if runner.style.kind == "loop":
            return runner
        break
    runner = Runner(module, first, dt, DEFAULT_MAX_SYNAPSES)
    if runner.style.kind != "step" and not constant:
        raise UnsupportedError(
            f"{type(module).__name__} takes one input for all steps of a loop of its own, and the samples change in "
            "time; give that input as ssdp_hw.DirectInput, or the same values in every step"
        )
    return runner


def _dt(module: Module) -> float:
    found = {float(m.dt) for m in module.modules() if is_neuron(m) and framework_of(m) == "norse"}
    return found.pop() if len(found) == 1 else 1e-3


def _layers(run: Run) -> Layers:
    found: Layers = {}
    for name, chain in run.chains.items():
        spikes = np.stack([call.spikes for call in chain.calls])
        states = {k: np.stack([call.states[k] for call in chain.calls]) for k in chain.calls[0].states}
        found[name] = spikes != 0, chain.neurons.equivalents(states, spikes)[1]
    return found
