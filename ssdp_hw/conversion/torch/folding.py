"""A recorded run as one step that repeats; every step is compared with it, so that nothing is assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Real
from ssdp_hw.conversion.torch.affine import Affine, Path
from ssdp_hw.conversion.torch.chains import Chain
from ssdp_hw.conversion.torch.neurons import Feedback, Neurons
from ssdp_hw.conversion.weight_algebra import absolute, identity, same_weight, total
from ssdp_hw.errors import UnsupportedError

# Stands for the step of an input that is the same in all steps.
ALWAYS = -1
# Constants of two steps that differ by less than this, relative to their size, differ by rounding alone.
_ROUNDING = 1e-12
# Advice where what drives a layer reaches back to the first step.
CARRIED = (
    "forward itself carries a current or a trace from step to step, which only neurons can: use such as have that "
    "state, as snnTorch's Synaptic or SpikingJelly's CUBALIFNode have a current that decays, and snnTorch's "
    "Leaky(reset_mechanism='none') is a readout that adds up (docs/first-hour.md)"
)
# Largest relative rounding of an operation in float32, in which torch computes constants before any spike arrived.
_FLOAT32 = 2.0**-24


@dataclass(frozen=True, eq=False)
class FoldedPopulation:
    """A population and what drives it in every step.

    Attributes:
        name, layer: its own name, and that of the module's layer.
        neurons: its model.
        terms: by source and by how many steps before it sent, the weight.
        constant, gross_constant: shape (n,), what drives it besides, and the sum of its absolute parts.
        roundings: of the operations that make its input in torch.
        v_init: voltage before the first step, shape (n,).
        where: source line of the call.
    """

    name: str
    layer: str
    neurons: Neurons
    terms: dict[tuple[str, int], Path]
    constant: Real
    gross_constant: Real
    roundings: int
    v_init: Real
    where: str


def folded(chains: Mapping[str, Chain], *, exact: bool) -> dict[str, FoldedPopulation]:
    """The step that repeats, by population in the order in which they are first called.

    Every step must do to the spikes of the steps before it, border included, what the last step does: what
    lies before the first step is silence.

    Args:
        chains: the populations of a run.
        exact: whether the run computed in float64, so that constants of two steps hardly differ by rounding.

    Raises:
        UnsupportedError: a step differs from another one, or the populations have different numbers of steps.
    """
    if not chains:
        raise UnsupportedError(
            "the module runs no neurons of snnTorch, Norse, Sinabs or SpikingJelly, so no network can be made of it; "
            "put such layers where neurons are written by hand (docs/first-hour.md has which layer a formula is), and "
            "keep lists of layers in a torch.nn.ModuleList"
        )
    counts = {name: len(chain.calls) for name, chain in chains.items()}
    steps = max(counts.values())
    for name, count in counts.items():
        if count != steps:
            raise UnsupportedError(
                f"{chains[name].calls[0].where}: layer '{name}' runs {count} steps where {steps} are expected, so its "
                "state begins anew within the run, or it is called several times a step with the same state; hand its "
                "state on from step to step, and give every use of a layer a state of its own"
            )
    for chain in chains.values():
        _check_in_turn(chain, set(chains))
    return {name: _folded(chain, steps, exact) for name, chain in chains.items()}


def _check_in_turn(chain: Chain, populations: set[str]) -> None:
    """Raise if each step of a layer is driven by another step of an input than the one of the same number.

    Raises:
        UnsupportedError: it is.
    """
    for source in {name for call in chain.calls for name, _ in call.current.terms} - populations:
        taken = [[sent for name, sent in call.current.terms if name == source] for call in chain.calls]
        if any(len(steps) != 1 or steps == [ALWAYS] for steps in taken):
            continue
        order = [step for (step,) in taken]
        if order != list(range(order[0], order[0] + len(order))) or order[0] > 0:
            known = ", ".join(map(str, order[:4]))
            raise UnsupportedError(
                f"{chain.calls[0].where}: the steps of layer '{chain.name}' take steps {known}, ... of '{source}', and "
                "a network takes each step once, in turn: pick, repeat or leave out steps of the samples outside the "
                "module, as its forward does"
            )


def _folded(chain: Chain, steps: int, exact: bool) -> FoldedPopulation:
    last = _relative(chain.calls[-1].current, steps - 1)
    model = chain.calls[-1].current
    for step, call in enumerate(chain.calls[:-1]):
        terms = _relative(call.current, step)
        expected = {key: weight for key, weight in last.items() if key[1] <= step}
        rounding = _ROUNDING if exact else _FLOAT32 * (4 + model.roundings)
        differs = _difference(terms, expected, call.current, model, rounding)
        if differs:
            where = call.current.where or call.where
            raise UnsupportedError(
                f"{where}: the input of layer '{chain.name}' is made in step {step} otherwise than in step "
                f"{steps - 1}: {differs}; {_advice(last, steps)}"
            )
    negative = [key for key in last if key[1] < 0]
    if negative:
        raise UnsupportedError(
            f"{model.where or chain.calls[-1].where}: layer '{chain.name}' is driven by '{negative[0][0]}' of a later "
            "step; only what came before can act"
        )
    neurons = chain.neurons
    return FoldedPopulation(
        chain.name,
        chain.layer,
        neurons,
        _with_feedback(last, chain.name, neurons.feedback),
        model.constant + neurons.bias,
        model.gross_constant + np.abs(neurons.bias),
        model.roundings + sum(2 + int(np.max(_fan_in(f), initial=0)) for f in neurons.feedback),
        chain.v_init,
        model.where or chain.calls[-1].where,
    )


def _relative(current: Affine, step: int) -> dict[tuple[str, int], Path]:
    """Weights by source and by the steps between its spikes and this one."""
    found = {}
    for (source, sent), weight in current.terms.items():
        found[source, 0 if sent == ALWAYS else step - sent] = weight
    return found


def _difference(
    terms: dict[tuple[str, int], Path],
    expected: dict[tuple[str, int], Path],
    current: Affine,
    model: Affine,
    rounding: float,
) -> str:
    for source, delay in {**terms, **expected}:
        ago = "of the same step" if not delay else f"of {delay} steps before"
        if (source, delay) not in terms or (source, delay) not in expected:
            return f"'{source}' {ago} drives it in one of them alone"
        if not same_weight(terms[source, delay].weight, expected[source, delay].weight):
            return f"'{source}' {ago} drives it with other weights"
    scale = 1.0 + float(np.max(model.gross_constant, initial=0.0))
    if np.max(np.abs(current.constant - model.constant), initial=0.0) > rounding * scale:
        return "another constant is added"
    return ""


def _advice(last: dict[tuple[str, int], Path], steps: int) -> str:
    """What to write instead of steps that differ: ``last`` has what drives the last of them."""
    reached = max((delay for _, delay in last), default=0)
    for source in {source for source, _ in last}:
        delays = {delay for name, delay in last if name == source}
        if steps > 3 and delays >= set(range(1, steps)):
            return CARRIED
    alike = "a network does the same in every step"
    return f"{alike}: before its first step spikes are zeros, not ones and not left out" if reached else alike


def _fan_in(feedback: Feedback) -> NDArray[np.int64]:
    return feedback.weight.stored_rows(np.arange(feedback.weight.shape[0] + 1))


def _with_feedback(
    terms: dict[tuple[str, int], Path], name: str, feedback: list[Feedback]
) -> dict[tuple[str, int], Path]:
    found = dict(terms)
    for part in feedback:
        key = (name, part.delay)
        size = part.weight.shape[0]
        path = Path(part.weight, absolute(part.weight), part.via)
        if key in found:
            old = found[key]
            path = Path(
                total(identity(old.weight, size), part.weight),
                total(identity(old.gross, size), absolute(part.weight)),
                tuple(dict.fromkeys((*old.via, *part.via))),
            )
        found[key] = path
    return found


def same_step(a: Mapping[str, FoldedPopulation], b: Mapping[str, FoldedPopulation], rounding: float = _ROUNDING) -> str:
    """A sentence about the first difference of two folded runs beyond rounding; empty if there is none."""
    if list(a) != list(b):
        return f"populations {list(a)} in one run and {list(b)} in another"
    for name, one in a.items():
        other = b[name]
        if list(one.terms) != list(other.terms) and set(one.terms) != set(other.terms):
            return f"what drives '{name}'"
        if any(not same_weight(path.weight, other.terms[key].weight, rounding) for key, path in one.terms.items()):
            return f"the weights that drive '{name}'"
        scale = 1.0 + float(np.max(one.gross_constant, initial=0.0))
        for x, y in ((one.constant, other.constant), (one.v_init, other.v_init)):
            if np.max(np.abs(x - y), initial=0.0) > rounding * scale:
                return f"the constants or initial voltages of '{name}'"
    return ""
