"""``from_torch``: a torch module with layers of neurons as a network, held to its own runs on the way."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ssdp_hw.arrays import Real
from ssdp_hw.checks import as_int
from ssdp_hw.conversion.alignment import Timing
from ssdp_hw.conversion.nir.presets import PRESETS, find_preset
from ssdp_hw.conversion.nir.reader import DEFAULT_MAX_SYNAPSES
from ssdp_hw.conversion.silent_readouts import with_silent_readouts
from ssdp_hw.conversion.torch.types import Module, Nested, Tensors
from ssdp_hw.errors import MissingPackageError, ParameterError, UnsupportedError
from ssdp_hw.network.float_network import Network
from ssdp_hw.network.graph import Reset

if TYPE_CHECKING:
    from ssdp_hw.conversion.torch.check import Stepper
    from ssdp_hw.conversion.torch.reading import Reading

# Number of steps of the runs in which network and module are compared, beside the caller's sample.
_STEPS = 16
# Names of two of the runs in which network and module are compared.
_SAMPLE, _STEP_MORE = "the sample", "a step more"
# Steps by which the longest of these runs is longer than the sample, at least and at most: a forward that counts its
# steps may begin to do something else behind the last of the sample.
_LONGER = (25, 50)
# Largest difference between a decay of the module and that of the network.
_DECAY = 1e-9


@dataclass(frozen=True)
class _Trial:
    """An input to hold a network to.

    Attributes:
        what: its name.
        inputs: the tensors.
        may_fail: whether the module's own forward may fail on it.
        may_differ: whether the module may be such that it cannot be read on it.
        long: whether it has many steps, so that it is not run in float64 as well.
    """

    what: str
    inputs: tuple[Any, ...]
    may_fail: bool = False
    may_differ: bool = False
    long: bool = False


def from_torch(
    module: Module,
    sample: Nested,
    dt: float = 1e-3,
    *,
    timing: Timing | str = Timing.SAME_STEP,
    max_synapses: int = DEFAULT_MAX_SYNAPSES,
    preset: str | None = None,
    reset: Reset | str | None = None,
) -> Network:
    """Import a torch module with layers of neurons, whatever its forward does between them, if synapses can do it.

    The module's own forward is run and every operation of torch is recorded. What lies between neurons must be
    affine: linear layers and convolutions, average poolings, batch normalisation in evaluation, views,
    constant factors and offsets, sums (branches, residual connections), parts of tensors, and spikes of this
    step or of steps before (recurrence, lateral inhibition; round a loop of several layers, spikes of at least as many
    steps before as the loop has layers). A maximum of spikes (``torch.maximum``, max-pooling,
    ``clamp(a + b, max=1)``) becomes a population of its own, which takes a step more, as a layer does. A layer may
    be used several times, each with a state of its own. Layers of neurons: snnTorch's Leaky, Synaptic, RLeaky and
    RSynaptic; Norse's LIFBoxCell, LIFCell, LIFRecurrentCell, IAFCell, LIBoxCell, LICell and LILinearCell; Sinabs'
    LIF, IAF, ExpLeak, LIFRecurrent, IAFRecurrent and their squeezed kinds; SpikingJelly's IFNode, LIFNode,
    ParametricLIFNode (either step_mode) and CUBALIFNode. Anything else is refused with its source line. The forward
    may take one step a call, all of them, (time, batch, *shape), (batch, time, *shape), (batch, *shape, time) or, as
    Sinabs' squeezed layers, (batch * time, *shape), or one input for all steps of a loop of its own.

    Nothing is trusted. The steps of the run must repeat, every parameter must be used, and the network is held
    to the module: from the state and spikes that the module had, each step must give its voltages within what
    rounding explains and its spikes, and a run in float64 must be equal. That is so on the sample, silence,
    ones, spikes of two densities, another batch size, a step more and a run of 25 to 50 steps more.

    Args:
        module: the module; it is left as it was, and run in evaluation mode, every run from rest.
        sample: an input with its batch (and, where the forward loops over it, time), or the shape of one
            sample of one step; for a forward of several inputs a tuple of these.
        dt: length of a step in seconds. snnTorch counts in steps, so it acts on nothing but reports.
        timing: as for :func:`ssdp_hw.from_nir`; the default is that of torch.
        max_synapses: limit of what multiplying linear operations may make.
        preset, reset: deprecated, since the module says what they are: the framework of its neurons, and what a
            spike does to their voltages. They are accepted where they agree with it.

    Raises:
        UnsupportedError: torch is missing; an operation, a setting or a forward that cannot be expressed; a
            module that answers twice differently.
        ParameterError, ShapeError: a parameter or a sample that makes no sense.
    """
    try:
        import torch
    except ImportError:
        raise MissingPackageError("from_torch needs torch: pip install 'ssdp-hw[train]'") from None
    if not isinstance(module, torch.nn.Module):
        raise ParameterError(f"from_torch reads a torch.nn.Module, not {type(module).__name__}")
    from ssdp_hw.conversion.torch.network import network_of
    from ssdp_hw.conversion.torch.reading import read_module

    reading = read_module(module, sample, float(dt), as_int(max_synapses, "max_synapses"))
    network = network_of(reading.folded, reading.layout)
    _check_decays(network, reading)
    _check_stated(network, reading, preset, reset)
    notes = hold(network, reading)
    chosen = Timing(timing)
    if chosen is not Timing.SAME_STEP:
        network = network_of(reading.folded, reading.layout, chosen)
    one = ", ".join(str(tuple(x.shape[2:])) for x in reading.sample)
    style = {
        "step": f"one step a call, each sample of shape {one}",
        "loop": "all steps in a call",
        "static": "one input for all steps",
    }
    how = f"run by its own forward ({style[reading.runner.style.kind]})"
    if reading.runner.style.chained:
        how = "its layers run in order with their states"
    first = f"read from the torch module {type(module).__name__}, {how}"
    acts = (torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._NormBase)
    if any(layer.training and isinstance(layer, acts) for layer in module.modules()):
        first += (
            "; it is in training mode, in which its dropout and batch normalisation act otherwise: it was read, and "
        )
        first += "is compared, as after module.eval()"
    return with_silent_readouts(replace(network, notes=[first, *notes, *reading.notes, *network.notes]))


def _check_stated(network: Network, reading: Reading, preset: str | None, reset: Reset | str | None) -> None:
    """Raise if the caller's ``preset`` or ``reset`` contradicts the module.

    Raises:
        ParameterError: it is not.
    """
    from ssdp_hw.conversion.torch.known_neurons import is_neuron
    from ssdp_hw.conversion.torch.neurons import framework_of

    for name, value in (("preset", preset), ("reset", reset)):
        if value is not None:
            warnings.warn(
                f"from_torch({name}=...) is no longer needed, since the module itself says so; it will go with version "
                "1.0",
                DeprecationWarning,
                stacklevel=3,
            )
    frameworks = {framework_of(m) for m in reading.runner.module.modules() if is_neuron(m)}
    if preset is not None and find_preset(preset) is not PRESETS.get(next(iter(frameworks), "")):
        raise ParameterError(
            f"preset = {preset!r}, but the module's neurons are those of {', '.join(sorted(frameworks))}; leave it out"
        )
    wanted = None if reset is None else Reset(reset)
    for p in network.populations:
        layer = reading.folded.get(p.name)
        own = layer is not None and p.spiking and not layer.neurons.relay
        if wanted is not None and own and p.reset is not wanted:
            raise ParameterError(
                f"reset = '{wanted}', but layer '{p.name}' of the module has '{p.reset}'; change it in the module"
            )


def _check_decays(network: Network, reading: Reading) -> None:
    """Raise if a decay of the network is not the module's."""
    for name, p in reading.folded.items():
        coefficients = network.coefficients(name)
        for what, decay in p.neurons.decays.items():
            far = np.max(np.abs(np.ravel(decay) - getattr(coefficients, what)), initial=0.0)
            if not far <= _DECAY:
                raise UnsupportedError(f"layer '{p.layer}': {what} differs by {far:.3g} from the module's")


def hold(network: Network, reading: Reading) -> list[str]:
    """Compare a network with runs of its module, and raise where they differ by more than rounding.

    Returns:
        What to know, one sentence each.

    Raises:
        UnsupportedError: they differ, or the module answers twice differently.
    """
    from ssdp_hw.conversion.torch.chains import SeveralSpikesError
    from ssdp_hw.conversion.torch.check import Stepper, check_steps
    from ssdp_hw.conversion.torch.folding import CARRIED
    from ssdp_hw.conversion.torch.given import CannotRunError
    from ssdp_hw.conversion.torch.lags import lags_of

    stepper = Stepper(network, lags_of(reading.folded, reading.layout.inputs))
    notes: list[str] = []
    ties = outside = steps = longest = 0
    for trial in _trials(reading):
        what, inputs = trial.what, trial.inputs
        try:
            run, other = reading.run(inputs)
        except SeveralSpikesError as error:
            if what == _SAMPLE:
                raise
            notes.append(f"on {what} the network differs from the module, so it was not held to it there: {error}")
            continue
        except UnsupportedError as error:
            if not trial.may_fail:
                raise
            if not trial.may_differ and not isinstance(error, CannotRunError):
                raise UnsupportedError(f"{_differs_on(what)}: {error}") from None
            notes.append(f"the module cannot be run on {what}, so the network was not held to it there: {error}")
            continue
        if other:
            carried = f"; {CARRIED}" if what == _STEP_MORE and other.startswith("what drives") else ""
            raise UnsupportedError(f"{_differs_on(what)}: {other}{carried}")
        if what == _SAMPLE:
            _answers_alike(reading, inputs, run)
        sent = reading.runner.sent(inputs, run.chains)
        found = check_steps(stepper, reading.folded, run.chains, sent, exact=_is_double(inputs))
        if found.wrong:
            raise UnsupportedError(f"on {what} the network differs from the module: {found.wrong}")
        ties, outside, steps = ties + found.ties, outside + found.outside, steps + found.steps
        longest = max(longest, *(len(chain.calls) for chain in run.chains.values()))
        if reading.exact is not None and not trial.long:
            wrong = _wrong_in_float64(reading, inputs, sent, stepper)
            if wrong:
                raise UnsupportedError(f"on {what} the network differs from the module: {wrong}")
    notes.insert(
        0,
        f"held to the module in {steps} steps of neurons, in runs of up to {longest} steps: equal but for rounding; in "
        f"{ties} of them the voltage lies so near to the threshold that rounding decides",
    )
    if outside:
        notes.append(
            f"{outside / steps:.3%} of the steps compared were left out: a voltage stayed above its threshold after "
            "the reset, where snnTorch with reset_delay=False subtracts twice"
        )
    if reading.exact is None:
        notes.append("the module cannot be run in float64, so whole runs were not compared")
    return notes


def _wrong_in_float64(reading: Reading, inputs: Tensors, sent: Mapping[str, Real], stepper: Stepper) -> str:
    """What differs between the module and a network of it, both in float64, in single steps or over a whole run.

    Args:
        reading: the module.
        inputs: of the run.
        sent: what each input sends in its steps, shape (time, batch, n).
        stepper: of the network in the module's own type, whose lags hold here too.

    Raises:
        UnsupportedError: the module does something else in float64.
    """
    from ssdp_hw.conversion.torch.check import Stepper, check_free_run, check_steps
    from ssdp_hw.conversion.torch.folding import folded
    from ssdp_hw.conversion.torch.network import network_of

    run, other = reading.run(inputs, exact=True)
    if other:
        raise UnsupportedError(f"in float64 the module does something else than in its own type: {other}")
    model = folded(run.chains, exact=True)
    twin = Stepper(network_of(model, reading.layout), stepper.lag)
    steps = check_steps(twin, model, run.chains, sent, exact=True)
    _, wrong = check_free_run(twin, run.chains, sent)
    return steps.wrong or wrong


def _differs_on(what: str) -> str:
    return f"on {what} the module does something else than on the sample"


def _is_double(inputs: Tensors) -> bool:
    return "float64" in str(inputs[0].dtype)


def _trials(reading: Reading) -> list[_Trial]:
    """Inputs to hold a network to."""
    import torch

    static = reading.runner.style.kind == "static"
    generator = torch.Generator().manual_seed(2)

    def made(density: float, steps: int = 0, batch: int = 0) -> tuple[Any, ...]:
        found = []
        for x in reading.sample:
            shape = list(x.shape)
            if not static:
                shape[0] += steps
            at = 0 if static else 1
            shape[at] += batch
            found.append((torch.rand(*shape, generator=generator) < density).to(x.dtype))
        return tuple(found)

    trials = [
        _Trial(_SAMPLE, reading.sample),
        _Trial("silence", made(0.0)),
        _Trial("ones", made(1.1)),
        _Trial("sparse spikes", made(0.1)),
        _Trial("dense spikes", made(0.5)),
        _Trial("another batch size", made(0.3, batch=2), may_fail=True, may_differ=True),
    ]
    if not static:
        longer = min(max(len(reading.sample[0]), _LONGER[0]), _LONGER[1])
        trials += [
            _Trial(_STEP_MORE, made(0.3, steps=1), may_fail=True),
            _Trial(f"{longer} steps more", made(0.3, steps=longer), may_fail=True, long=True),
        ]
    return trials


def _answers_alike(reading: Reading, inputs: Tensors, run: Any) -> None:
    again = reading.runner.run(inputs, second=True)
    for name, chain in run.chains.items():
        for step, (a, b) in enumerate(zip(chain.calls, again.chains[name].calls, strict=True)):
            states = all(np.array_equal(a.states[k], b.states[k]) for k in a.states)
            if not states or not np.array_equal(a.spikes, b.spikes):
                raise UnsupportedError(
                    f"the module answers twice differently on the same input (layer '{name}', step {step}): dropout "
                    "that is left on in evaluation, another source of randomness, or something that it keeps of the "
                    "call before; turn it off, or set it back in forward"
                )
