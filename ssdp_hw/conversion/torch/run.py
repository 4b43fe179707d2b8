"""Runs of a torch module by its own forward, step by step, each recorded on a tape."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.torch.affine import Affine
from ssdp_hw.conversion.torch.chains import Chain, Chains, as_given
from ssdp_hw.conversion.torch.folding import ALWAYS
from ssdp_hw.conversion.torch.given import CannotRunError, why_it_failed
from ssdp_hw.conversion.torch.known_neurons import check_neurons, is_neuron
from ssdp_hw.conversion.torch.late_maxima import complete_maxima
from ssdp_hw.conversion.torch.neurons import framework_of
from ssdp_hw.conversion.torch.operations import interpret
from ssdp_hw.conversion.torch.readouts import add_readouts
from ssdp_hw.conversion.torch.sequentials import check_hooks, check_states, in_order
from ssdp_hw.conversion.torch.stateful import (
    check_merged_size,
    copied,
    keeps_states,
    merged,
    put_to_rest,
    steps_in,
)
from ssdp_hw.conversion.torch.tape import Tape, tensors_in
from ssdp_hw.conversion.torch.types import Function, Module, Nested, Tensor, Tensors
from ssdp_hw.conversion.torch.undisturbed import undisturbed
from ssdp_hw.conversion.torch.values import Sequence
from ssdp_hw.conversion.weight_algebra import Budget
from ssdp_hw.errors import ParameterError, SsdpHwError, UnsupportedError


@dataclass(frozen=True)
class Style:
    """How a module takes its input.

    Attributes:
        kind: ``step`` (one step a call), ``loop`` (all steps in a call) or ``static`` (the same input in every
            step of a loop of its own).
        axis: that of time, for a loop: 0, 1, or -1, the last one.
        chained: whether the module is a Sequential whose own forward hands no states on, so its children are
            called in order instead.
        state: name of the argument by which a forward of one step takes the state that it returned.
        merged: whether a loop takes batch and steps as one axis, (batch * time, *shape).
    """

    kind: str
    axis: int = 0
    chained: bool = False
    state: str | None = None
    merged: bool = False

    def as_taken(self, x: Tensor) -> Nested:
        """A tensor of shape (time, batch, *shape), for a loop, as the module takes it."""
        x = x.movedim(0, self.axis).contiguous() if self.axis else x
        return x.flatten(0, 1) if self.merged else x

    def in_time(self, x: Tensor, lead: tuple[int, int]) -> Nested:
        """The inverse of :meth:`as_taken`; ``lead`` is (batch, time) where these are one axis."""
        x = x.reshape(*lead, *x.shape[1:]) if self.merged else x
        return x.movedim(self.axis, 0).contiguous() if self.axis else x


@dataclass(frozen=True, eq=False)
class Run:
    """One recorded run.

    Attributes:
        chains: the populations, with every step of them.
        returned: what the module returned, call by call.
        readouts: by ``id`` of a returned tensor, the population that stands for a last linear layer.
        tape: the recording.
        exact: whether it was taken in float64.
    """

    chains: dict[str, Chain]
    returned: list[Tensor]
    readouts: dict[int, str]
    tape: Tape
    exact: bool


class Runner:
    """Runs a module on inputs of shape (time, batch, *shape), each from rest, and leaves it as it was.

    Args:
        module: the module.
        sample: inputs as its forward takes them, with their batch and, where it loops over time, their steps.
        dt: length of a step in seconds.
        max_synapses: limit of what multiplying matrices may make.

    Raises:
        UnsupportedError: it cannot be run on the sample.
    """

    def __init__(self, module: Module, sample: Tensors, dt: float, max_synapses: int) -> None:
        self.module, self.dt = module, dt
        self.budget = Budget(max_synapses)
        self.cache: dict[Hashable, Nested] = {}
        self.algebra: Any = None
        self.names = _input_names(module, len(sample))
        self.style = self._found(sample)

    def run(self, inputs: Tensors, *, second: bool = False) -> Run:
        """Record a run.

        Args:
            inputs: tensors of shape (time, batch, *shape), for a static module (batch, *shape).
            second: record the second of two runs, with what the module kept of the first but its neurons' states;
                a module of one step a call may keep states of its own, and is run once.

        Raises:
            UnsupportedError: the module cannot be run on them, or does something that cannot be followed.
        """
        if any(merged(m) for m in self.module.modules()):
            check_merged_size(self.module, *inputs[0].shape[:2])
        with undisturbed(self.module), torch.no_grad():
            if second and self.style.kind != "step":
                static = self.style.kind == "static"
                self._rest()
                self._called(None, tuple(x if static else self.style.as_taken(x) for x in inputs))
            self._rest()
            tape = Tape(self.module, self.budget, interpret)
            tape.cache, tape.inputs = self.cache, self.names
            self.algebra = tape.algebra = self.algebra or tape.algebra
            chains = Chains(tape, self.module, self.dt)
            with chains.watched():
                returned = self._driven(tape, inputs)
            if self.style.kind == "step":
                _check_handed_on(self.module, chains.populations, len(inputs[0]))
            complete_maxima(chains.populations, self.sent(inputs, chains.populations))
            readouts = add_readouts(tape, chains.populations, returned, self.dt)
        return Run(chains.populations, returned, readouts, tape, inputs[0].dtype == torch.float64)

    def sent(self, inputs: Tensors, populations: Mapping[str, Chain]) -> dict[str, Real]:
        """What every input sends in the steps that populations ran, shape (time, batch, n)."""
        steps = max((len(chain.calls) for chain in populations.values()), default=0)
        found = {}
        for name, x in zip(self.names, inputs, strict=True):
            values = x.double().numpy()
            if self.style.kind == "static":
                values = np.broadcast_to(values, (steps, *values.shape))
            found[name] = values.reshape(*values.shape[:2], -1)[:steps]
        return found

    def _driven(self, tape: Tape, inputs: Tensors) -> list[Tensor]:
        kind, returned = self.style.kind, []
        if kind == "static":
            for name, x in zip(self.names, inputs, strict=True):
                tape.note(x, Affine.source(name, ALWAYS, tuple(x.shape[1:]), spikes=False))
            return [self._called(tape, inputs)]
        if kind == "loop":
            given = []
            for name, x in zip(self.names, inputs, strict=True):
                steps = [Affine.source(name, t, tuple(x.shape[2:]), spikes=False) for t in range(len(x))]
                given.append(self.style.as_taken(x))
                axis = self.style.axis % given[-1].ndim
                tape.note(given[-1], Sequence(tuple(steps), axis, "the input", self.style.merged))
            return [self._called(tape, tuple(given))]
        states: dict[str, Nested] = {}
        for t in range(len(inputs[0])):
            given = [x[t].clone() for x in inputs]
            for name, x in zip(self.names, given, strict=True):
                tape.note(x, Affine.source(name, t, tuple(x.shape[1:]), spikes=False))
            returned.append(self._called(tape, tuple(given), states))
        return returned

    def _called(self, tape: Any, given: Tensors, states: dict[str, Nested] | None = None) -> Nested:
        states = {} if states is None else states
        try:
            with tape or torch.no_grad():
                if self.style.chained:
                    return in_order(self.module, given[0], states, "")
                if self.style.state is None:
                    return self.module(*given)
                made = self.module(*given, **states)
                if not isinstance(made, tuple | list) or len(made) < 2:
                    return made  # it returns no state: its neurons keep them, or begin anew
                states[self.style.state] = made[1]
                return made[0]
        except SsdpHwError:
            raise
        except Exception as error:
            raise CannotRunError(why_it_failed(self.module, given, error, recorded=tape is not None)) from None

    def leaves_apart(self, sample: Tensors, axis: int) -> bool:
        """Whether a module of one step treats what lies along an axis of its samples alike and apart, as a batch."""
        twice = tuple(torch.cat([x, x], axis) for x in sample)
        made = []
        with undisturbed(self.module), torch.no_grad():
            for given in (sample, twice):
                self._rest()
                try:
                    made.append(list(tensors_in(self._called(None, given))))
                except CannotRunError:
                    return False
        # Two states of one call may be no tensors of samples, for example before the first spike.
        pairs = [(a, b) for a, b in zip(*made, strict=True) if a.ndim > axis]
        return bool(pairs) and all(torch.equal(torch.cat([a, a], axis), b) for a, b in pairs)

    def _rest(self) -> None:
        for layer in self.module.modules():
            if not is_neuron(layer):
                continue
            if keeps_states(layer):
                put_to_rest(layer)
            elif framework_of(layer) == "snntorch" and hasattr(layer, "reset_mem"):
                layer.reset_mem()
        for layer in self.module.modules():
            if not is_neuron(layer) and framework_of(layer) == "spikingjelly" and "_memories" in vars(layer):
                layer.reset()  # containers that keep spikes of the step before

    def _found(self, sample: Tensors) -> Style:
        """How the module takes its input: which of its axes makes it call its neurons more often."""
        check_neurons(self.module)
        check_states(self.module, "", {})
        layers = [m for m in self.module.modules() if is_neuron(m)]
        if any(merged(m) for m in layers):
            return Style("loop", 1, merged=not self._merges(sample))
        plain = type(self.module).forward is torch.nn.Sequential.forward
        if plain and not all(keeps_states(m) or getattr(m, "init_hidden", False) for m in layers):
            check_hooks(self.module, "the Sequential")
            self.style = Style("step", chained=True)
            return self.style
        self.style = Style("step")
        count = self._calls(sample)
        if count <= 1:
            self._check_several_steps(sample, count)
            self.style = Style("step", state=_state_argument(self.module, len(sample)) if count else None)
            return self.style
        cut: int | None = None
        # The layers of a Sequential may loop over time themselves.
        for axis in (0, 1, -1):
            if all(x.ndim > axis % 3 for x in sample):
                longer = tuple(torch.cat([x, x.narrow(axis, 0, 1)], axis) for x in sample)
                with_more = self._calls(longer, none=count)
                per_step = count // sample[0].shape[axis] if count % sample[0].shape[axis] == 0 else 0
                if with_more > count and per_step and with_more - count == per_step:
                    return Style("loop", axis)
                cut = axis if cut is None and with_more > count else cut
        for axis in (0, 1, -1):  # a loop over a fixed number of steps fails with an index out of range
            fewer = tuple(x.narrow(axis, 0, 1) for x in sample)
            if sample[0].shape[axis] > 1 and self._calls(fewer, none=count, short=0) < count:
                return Style("loop", axis)
        return Style("static") if cut is None else Style("loop", cut)  # it leaves out some of the steps

    def _merges(self, sample: Tensors) -> bool:
        """Whether a module with squeezed layers takes (batch, time, ...), and makes one axis of these itself."""
        lengths: list[int] = []
        layer = next(m for m in self.module.modules() if merged(m))
        forward = layer.forward

        def watched(x: Nested) -> Nested:
            lengths.append(len(x))
            return forward(x)

        with undisturbed(self.module), torch.no_grad():
            self._rest()
            vars(layer)["forward"] = watched
            self.style = Style("step")
            with suppress(CannotRunError):  # layers behind the first one may need the shape that it has
                self._called(None, sample)
        one = sample[0]
        return bool(lengths) and one.ndim > 2 and one.shape[1] > 1 and lengths[0] == one.shape[0] * one.shape[1]

    def _check_several_steps(self, sample: Tensors, count: int) -> None:
        """Raise if a module that loops over time is given one step.

        Raises:
            ParameterError: it is.
        """
        for axis in (0, 1):
            if any(x.ndim < 3 or x.shape[axis] != 1 for x in sample):
                continue
            if self._calls(tuple(torch.cat([x, x], axis) for x in sample), none=count) > count:
                shape = ", ".join(str(tuple(x.shape)) for x in sample)
                raise ParameterError(
                    f"sample: {type(self.module).__name__} loops over axis {axis} of {shape}, which has one step; give "
                    "at least two steps, by which it is seen what every step does"
                )

    def _calls(self, sample: Tensors, none: int | None = None, short: int | None = None) -> int:
        """The number of calls of the layer of neurons that is called most.

        It is ``none`` if the module cannot be run, and ``short`` if it fails with an index out of range.
        """
        counts: dict[str, int] = {}

        def counted(name: str, layer: Module, forward: Function) -> Nested:
            def call(*args: Nested, **kwargs: Nested) -> Nested:
                given = args[0] if args else next(iter(kwargs.values()))
                counts[name] = counts.get(name, 0) + steps_in(layer, given)
                return as_given(layer, given, forward(*args, **kwargs))

            return call

        with undisturbed(self.module), torch.no_grad():
            self._rest()
            for name, layer in self.module.named_modules():
                if is_neuron(layer):
                    vars(layer)["forward"] = counted(name, layer, layer.forward)
            try:
                self._called(None, sample)
            except UnsupportedError as error:
                if none is None:
                    raise
                return short if short is not None and "(IndexError" in str(error) else none
        return max(counts.values(), default=0)


def with_float64(runner: Runner, sample: Tensors) -> Runner | None:
    """The same for a copy of the module in float64; None if it cannot be copied or run so."""
    try:
        module = copied(runner.module).double()
        found = object.__new__(Runner)
        found.__dict__.update(runner.__dict__)
        found.module, found.cache, found.algebra = module, {}, None
        found.budget = Budget(runner.budget.limit)
        found.run(tuple(x.double() for x in sample))
    except (RuntimeError, TypeError, UnsupportedError):
        return None
    return found


def _input_names(module: Module, count: int) -> tuple[str, ...]:
    names = ["input"]
    if count > 1:
        names = [p.name for p in inspect.signature(module.forward).parameters.values()]
        names += [f"input.{k + 1}" for k in range(len(names), count)]
    layers = {name for name, _ in module.named_modules()}
    return tuple(f"{name}.given" if name in layers else name for name in names[:count])


def _state_argument(module: Module, inputs: int) -> str | None:
    """The argument by which a forward of one step takes a state, if it has one."""
    rest = list(inspect.signature(module.forward).parameters.values())[inputs:]
    optional = [p for p in rest if p.default is None and p.kind is p.POSITIONAL_OR_KEYWORD]
    known = ("state", "states", "hidden", "hx", "s", "mem", "hidden_state")
    return optional[0].name if len(optional) == 1 and optional[0].name in known else None


def _check_handed_on(module: Module, populations: Mapping[str, Chain], steps: int) -> None:
    """Raise if a layer begins at rest in every call of a module of one step a call.

    Raises:
        UnsupportedError: it does.
    """
    for layer in dict.fromkeys(chain.layer for chain in populations.values() if not chain.neurons.relay):
        of_layer = [chain for chain in populations.values() if chain.layer == layer]
        if 1 < steps <= len(of_layer) and all(len(chain.calls) == 1 for chain in of_layer):
            raise UnsupportedError(
                f"{of_layer[0].calls[0].where}: layer '{layer}' begins anew in every call of {type(module).__name__}, "
                "which takes one step a call; let its forward take all states as one optional argument, state=None, "
                "and return (spikes, state), or loop over all steps itself"
            )


def returned_tensors(run: Run) -> list[Tensor]:
    """All tensors that the module returned."""
    return [t for out in run.returned for t in tensors_in(out)]
