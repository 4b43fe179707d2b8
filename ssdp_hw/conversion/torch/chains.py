"""Layers of neurons in a recorded run: every call is a step of the population whose state it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.torch.affine import Affine, LinearStep
from ssdp_hw.conversion.torch.known_neurons import is_neuron, known_or_refused, neurons_of
from ssdp_hw.conversion.torch.neurons import Neurons, array, framework_of
from ssdp_hw.conversion.torch.stateful import in_steps, keeps_states, merged, run_all_steps, states_of, time_axis
from ssdp_hw.conversion.torch.tape import Tape
from ssdp_hw.conversion.torch.types import Arguments, Function, Keywords, Module, Nested, Tensor
from ssdp_hw.conversion.torch.values import Opaque, Readout, Sequence, Value, Voltage
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.network.graph import Reset
from ssdp_hw.network.neurons import Discretization, without_memory
from ssdp_hw.network.weight import DenseWeight

_SNNTORCH = {
    "Leaky": ("mem",), "RLeaky": ("spk", "mem"), "Synaptic": ("syn", "mem"), "RSynaptic": ("spk", "syn", "mem"),
}  # fmt: skip
_SPIKES, _VOLTAGE = ("spk", "z"), ("mem", "v")


class SeveralSpikesError(UnsupportedError):
    """Neurons of the module fire several times in a step."""


@dataclass
class Call:
    """One step of a population: what drove it, and what it left, of shape (batch, n)."""

    current: Affine
    spikes: Real
    states: dict[str, Real]
    where: str


@dataclass
class Chain:
    """A population: the calls of a layer that hand its state on, from rest to the end of the run.

    Attributes:
        name: the layer's, with a number from the second chain of the layer on.
        layer: name of the module.
        neurons: what its parameters say.
        calls: one a step.
        v_init: voltage before the first step, shape (n,).
    """

    name: str
    layer: str
    neurons: Neurons
    v_init: Real
    calls: list[Call] = field(default_factory=list)


class Chains:
    """The populations of a run, filled as the layers are called.

    Args:
        tape: the recording.
        module: whose layers of neurons are followed.
        dt: length of a step in seconds.
    """

    def __init__(self, tape: Tape, module: Module, dt: float) -> None:
        self.tape, self.dt = tape, dt
        self.layers = {name: m for name, m in module.named_modules() if is_neuron(m)}
        self.populations: dict[str, Chain] = {}
        self._relays: dict[str, list[Chain]] = {}
        tape.relay = self.relay

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Take over the forward of every layer of neurons, however it is called."""
        before = [(layer, vars(layer).get("forward")) for layer in self.layers.values()]
        try:
            for name, layer in self.layers.items():
                vars(layer)["forward"] = self._wrapped(name, layer, layer.forward)
            yield
        finally:
            for layer, own in before:
                vars(layer).pop("forward", None)
                if own is not None:  # the user replaced the forward of this one layer
                    vars(layer)["forward"] = own

    def _wrapped(self, name: str, layer: Module, forward: Function) -> Function:
        def call(*args: Nested, **kwargs: Nested) -> Nested:
            where = self.tape.where()
            with self.tape.paused():
                known_or_refused(name, layer)
                given = args[0] if args else next(iter(kwargs.values()))
                if time_axis(layer) is not None:
                    return self._all_steps(name, layer, forward, given, where)
                current = self._current(name, given, self.tape.value(given), where)
                taken = _taken(name, layer, args, kwargs)
                out = forward(*_of_one_type(layer, given, args), **kwargs)
                spikes, left, out = _left(layer, as_given(layer, given, out))
                self.tape.used |= {id(t) for t in layer.parameters()} | {id(t) for t in layer.buffers()}
                self._record(name, layer, current, taken, spikes, left, given, where)
            return out

        return call

    def relay(self, name: str, count: Affine, made: Nested, where: str) -> Value:
        """The spikes of a population that fires in a step where a number of spikes is above 0.

        Args:
            name: the operation that made them.
            count: numbers of spikes.
            made: what the module made of them, shape (batch, *shape).
            where: the operation's source line, by which it is found again in the next step.
        """
        fired = made.detach().double().numpy().reshape(len(made), -1)
        if np.any((fired != 0) & (fired != 1)):
            return Opaque(f"'{name}' acts on values that are no spikes", "take the maximum of spikes alone", where)
        step = max(sent for _, sent in count.terms)
        known = self._relays.setdefault(where, [])
        chain = next((c for c in known if len(c.calls) == step), None)
        if chain is None and step:
            what = f"'{name}' is taken of spikes in some steps alone, or of an input that is the same in all of them"
            return Opaque(what, "take it in every step, of what the step sent", where)
        if chain is None:
            chain = self._new_relay(name, count, where)
            known.append(chain)
        states = {"v": np.zeros(fired.shape)}
        chain.calls.append(Call(count, fired, states, where))
        return Affine.source(chain.name, step, count.shape, spikes=True)

    def _new_relay(self, name: str, count: Affine, where: str) -> Chain:
        layer, of_torch = self.tape.layer_in_call()
        own = layer if layer and of_torch else f"{layer}.{name}" if layer else name
        number = sum(c.layer == own for c in self.populations.values())
        found = own if not number else f"{own}.{number + 1}"
        neuron = without_memory(np.full(count.size, 0.5), self.dt, Discretization.EULER)
        inputs = [source for source, _ in count.terms if source not in self.populations]
        said = f"'{name}' of spikes ({where}) is population '{found}', which fires where at least one of them arrives"
        said += f"; values of '{inputs[0]}' are taken for spikes, 0 or 1" if inputs else ""
        neurons = Neurons(neuron, Reset.ZERO, count.shape, notes=[said], relay=True)
        neurons.equivalents = lambda states, _: (np.zeros_like(states["v"]), states["v"])
        self.populations[found] = Chain(found, own, neurons, np.zeros(count.size))
        return self.populations[found]

    def _all_steps(self, name: str, layer: Module, forward: Function, given: Nested, where: str) -> Nested:
        """A call of a layer that takes all steps at once."""
        values = self._values_of_steps(name, layer, given, where)
        given_steps = in_steps(layer, given)
        currents = [self._current(name, x, v, where) for x, v in zip(given_steps, values, strict=True)]
        taken = states_of(layer)
        out, left = run_all_steps(layer, forward, given)
        self.tape.used |= {id(t) for t in layer.parameters()} | {id(t) for t in layer.buffers()}
        sent = in_steps(layer, out)
        for current, spikes, states, x in zip(currents, sent, left, given_steps, strict=True):
            self._record(name, layer, current, taken, spikes, states, x, where)
            taken = states
        for key, kept in states_of(layer).items():  # the next call of the layer goes on from this state
            if kept is not None:
                self.tape.note(kept, self.tape.value(left[-1][key]))
        stored = getattr(layer, "v_seq", None) if getattr(layer, "store_v_seq", False) else None
        if isinstance(stored, torch.Tensor):  # SpikingJelly's voltages of all steps, which a forward may return
            self.tape.note(stored, Sequence(tuple(self.tape.value(states["v"]) for states in left), 0, where))
        made = tuple(self.tape.value(x) for x in sent)
        # A single step, whose tensor has an axis of time of length 1.
        if isinstance(self.tape.value(given), Affine) and isinstance(made[0], Affine):
            self.tape.note(out, made[0].reshaped((1, *made[0].shape)))
        else:
            self.tape.note(out, Sequence(made, time_axis(layer) or 0, where, merged(layer)))
        return out

    def _values_of_steps(self, name: str, layer: Module, given: Nested, where: str) -> list[Tensor]:
        """What a tensor of all steps is in each of them."""
        value, axis = self.tape.value(given), time_axis(layer)
        steps = len(in_steps(layer, given))
        if value is None:
            return [None] * steps
        if isinstance(value, Opaque):
            raise value.error(f"layer '{name}' is driven by it")
        if isinstance(value, Affine) and axis == 1 and steps == 1 and not merged(layer):
            return [value.reshaped(value.shape[1:])]
        if not isinstance(value, Sequence) or (value.axis, value.merged) != (axis, merged(layer)):
            order = "(time, batch, ...)" if axis == 0 else "(batch, time, ...)"
            order = "(batch * time, ...)" if merged(layer) else order
            raise UnsupportedError(
                f"{where}: layer '{name}' takes all steps at once as {order}, and is given a tensor that is not so; "
                "hand all steps on in that order"
            )
        return list(value.steps)

    def _current(self, name: str, given: Nested, value: Value | None, where: str) -> Affine:
        used = f"layer '{name}' is driven by it"
        if isinstance(value, Opaque):
            raise value.error(used)
        if value is None:
            shape = tuple(given.shape[1:])
            rows = array(given, f"the input of layer '{name}'").reshape(len(given), -1)
            if np.any(rows != rows[:1]):
                raise UnsupportedError(
                    f"{where}: layer '{name}' is driven by values that differ between samples and come from no "
                    "operation that could be recorded; write in plain torch what torch.jit, a compiled function or "
                    "another library makes of them, and leave out noise"
                )
            return Affine(shape, {}, rows[0], np.abs(rows[0]), where=where)
        if isinstance(value, Voltage) and value.field in _SPIKES:
            raise UnsupportedError(
                f"{where}: layer '{name}' is driven by the spikes of '{value.population}', which never resets or has "
                "an infinite threshold; only a last layer may be such a membrane readout"
            )
        if isinstance(value, Voltage) and value.field in _VOLTAGE:
            raise UnsupportedError(
                f"{where}: layer '{name}' is driven by the voltage of '{value.population}', and only spikes pass "
                "between neurons; give it the spikes"
            )
        if isinstance(value, Sequence):
            raise UnsupportedError(f"{where}: layer '{name}' is given all steps at once; call it in a loop over time")
        if isinstance(value, Voltage | Readout) or given.ndim < 2:
            raise UnsupportedError(f"{where}: layer '{name}' is driven by a state or a sum over time; give it spikes")
        return value

    def _record(
        self,
        name: str,
        layer: Module,
        current: Affine,
        taken: Nested,
        spikes: Tensor,
        left: Nested,
        given: Nested,
        where: str,
    ) -> None:
        chain = self._chain(name, layer, current, taken, len(given), where)
        step, size = len(chain.calls), chain.neurons.neuron.size
        if chain.neurons.input_weight is not None:
            weight = chain.neurons.input_weight
            key = ("input weight", name)
            made = self.tape.cache.setdefault(
                key, LinearStep(DenseWeight(weight), None, weight.shape[1], (f"{name}.input_weights",))
            )
            current = self.tape.algebra.through(made, current, chain.neurons.shape, where)
        batch = len(given)

        def rows(tensor: Tensor) -> Real:
            return np.broadcast_to(array(tensor, name), (batch, *chain.neurons.shape)).reshape(batch, size).copy()

        try:
            states = {key: rows(t) for key, t in left.items()}
        except ParameterError:
            raise UnsupportedError(
                f"{where}: layer '{name}' has a state in step {step} that is not finite; with an infinite threshold "
                "a reset that subtracts it makes 0 * inf of the voltage: use snnTorch's reset_mechanism='none', or a "
                "number as SpikingJelly's v_reset"
            ) from None
        readout = not chain.neurons.neuron.spiking
        fired = np.zeros((batch, size)) if spikes is None or readout else rows(spikes)
        if np.any((fired != 0) & (fired != 1)):
            raise SeveralSpikesError(
                f"layer '{name}': {np.mean(fired > 1):.2%} of its neurons' steps have several spikes; a neuron here "
                "fires once a step: train with a spike function of one spike a step (SingleSpike of Sinabs)"
            )
        chain.calls.append(Call(current, fired, states, where))
        for key, t in left.items():
            self.tape.note(t, Voltage(chain.name, step, key, where))
        if spikes is not None and readout:
            self.tape.note(spikes, Voltage(chain.name, step, _SPIKES[0], where))
        elif spikes is not None:
            self.tape.note(spikes, Affine.source(chain.name, step, chain.neurons.shape, spikes=True))

    def _chain(self, name: str, layer: Module, current: Affine, taken: Nested, batch: int, where: str) -> Chain:
        """The population whose state the call takes; a new one where the state is a constant."""
        found: set[str] = set()
        initial: dict[str, Nested] = {}
        for key, tensor in taken.items():
            value = None if tensor is None else self.tape.value(tensor)
            if value is None:
                initial[key] = tensor
                continue
            source = self._last(value, key)
            if source is None:
                if isinstance(value, Opaque):
                    raise value.error(f"layer '{name}' takes it as its {key}")
                raise UnsupportedError(
                    f"{where}: layer '{name}' takes as its {key} something else than it left in the step before; hand "
                    "on its state as it is"
                )
            found.add(source)
        if not found:
            return self._begun(name, layer, current.shape, initial, batch, where)
        if initial or len(found) > 1 or self.populations[next(iter(found))].layer != name:
            raise UnsupportedError(
                f"{where}: layer '{name}' takes only a part of its state, {', '.join(taken)}, from its step before; "
                "hand on all of it"
            )
        return self.populations[found.pop()]

    def _last(self, value: Nested, key: str) -> str | None:
        """The population whose last step left this value in its field ``key``."""
        if isinstance(value, Voltage) and value.field == key:
            source, step = value.population, value.step
        elif isinstance(value, Affine) and value.spikes and key in _SPIKES:
            ((source, step),) = value.terms
        else:
            return None
        known = self.populations.get(source)
        return source if known is not None and step == len(known.calls) - 1 else None

    def _begun(self, name: str, layer: Module, shape: Nested, initial: Nested, batch: int, where: str) -> Chain:
        count = sum(chain.layer == name for chain in self.populations.values())
        own = name if not count else f"{name}.{count + 1}"
        key = ("neurons", name, shape)
        if key not in self.tape.cache:
            self.tape.cache[key] = neurons_of(name, layer, shape, self.dt)
        neurons: Neurons = self.tape.cache[key]
        v_init = np.array(neurons.neuron.v_init)
        for field_name, tensor in initial.items():
            fits = tensor is not None and (framework_of(layer) != "snntorch" or tensor.shape == (batch, *shape))
            if not fits:
                continue
            values = np.broadcast_to(array(tensor, name), (batch, *neurons.shape)).reshape(batch, -1)
            if np.any(values != values[:1]):
                raise UnsupportedError(f"{where}: layer '{name}' begins with another {field_name} in each sample")
            if field_name in _VOLTAGE:
                v_init = values[0].copy()
            elif values.any():
                raise UnsupportedError(
                    f"{where}: layer '{name}' begins with a {field_name} that is not 0; only voltages can be given"
                )
        if neurons.neuron.spiking and np.any(v_init > neurons.neuron.parameter("v_threshold")):
            raise UnsupportedError(f"{where}: layer '{name}' begins with a voltage above its threshold")
        chain = Chain(own, name, neurons, v_init)
        self.populations[own] = chain
        return chain


def _taken(name: str, layer: Module, args: Arguments, kwargs: Keywords) -> dict[str, Nested]:
    """The state that a call takes, by field; None where it begins by itself."""
    if framework_of(layer) == "snntorch":
        fields = _SNNTORCH.get(type(layer).__name__, ())
        given = dict(zip(fields, args[1:], strict=False)) | {k: v for k, v in kwargs.items() if k in fields}
        return {k: getattr(layer, k) if given.get(k) is None else given[k] for k in fields}
    if keeps_states(layer):
        return states_of(layer)
    state = args[1] if len(args) > 1 else kwargs.get("state")
    if state is None:
        return {"v": None}
    if not hasattr(state, "_asdict"):
        raise UnsupportedError(f"layer '{name}' is given a state of type {type(state).__name__}")
    return dict(state._asdict())


def _of_one_type(layer: Module, given: Nested, args: Arguments) -> Arguments:
    """The arguments of a call, states of snnTorch in the type of the input: in float64, all of it is."""
    if framework_of(layer) != "snntorch" or not given.is_floating_point():
        return args
    return tuple(a.to(given.dtype) if hasattr(a, "dtype") and a.is_floating_point() else a for a in args)


def as_given(layer: Module, given: Nested, out: Nested) -> Nested:
    """What a call returned, with spikes of the type of its input: snnTorch's are float32 whatever the voltage is."""
    if framework_of(layer) == "sinabs" and given.is_floating_point():
        return out.to(given.dtype)
    if framework_of(layer) != "snntorch" or not given.is_floating_point():
        return out
    spikes = (out[0] if isinstance(out, tuple) else out).to(given.dtype)
    if hasattr(layer, "spk"):
        layer.spk = spikes
    return (spikes, *out[1:]) if isinstance(out, tuple) else spikes


def _left(layer: Module, out: Nested) -> tuple[Nested, dict[str, Nested], Nested]:
    """The spikes of a call (None of a readout), the states that it left by field, and what it returned."""
    if framework_of(layer) == "snntorch":
        fields = [k for k in _SNNTORCH[type(layer).__name__] if k not in _SPIKES]
        return out[0] if isinstance(out, tuple) else out, {k: getattr(layer, k) for k in fields}, out
    if keeps_states(layer):
        return out, states_of(layer), out
    sent, state = out
    left = {k: v for k, v in state._asdict().items() if k not in _SPIKES}
    silent = any(sent is v for v in left.values())
    if not silent and "z" in state._fields and state.z is not sent:
        raise UnsupportedError("a recurrent cell of Norse that hands on other spikes than it sends")
    return None if silent else sent, left, out
