"""The weight changes by SADP."""

from __future__ import annotations

from collections.abc import Callable

from numba.core import types

from .jit import compiled_loop, typed_overload
from .plastic import ByTrains
from .segments import BITS
from .trace_loops import product
from .types import (
    CounterArray,
    Int32Array,
    Int64Array,
    Number,
    TrainArray,
    WordArray,
)
from .vectors import add_where


def agreement_step(
    numerator: int, denominator: int, a_plus: Number, a_minus: Number, kappa_bits: int, shift: int
) -> Number:
    """The step of SADP for ``kappa = numerator / denominator``."""
    raise NotImplementedError("compiled code only")


@typed_overload(agreement_step)
def _agreement_step(
    numerator: types.Integer,
    denominator: types.Integer,
    a_plus: types.Number,
    a_minus: types.Number,
    kappa_bits: types.Integer,
    shift: types.Integer,
) -> Callable[..., object]:
    def fixed(numerator: int, denominator: int, a_plus: int, a_minus: int, kappa_bits: int, shift: int) -> Number:
        kappa = (abs(numerator) << kappa_bits) // denominator
        return product(a_plus, kappa, shift) if numerator > 0 else -product(a_minus, kappa, shift)

    def real(numerator: int, denominator: int, a_plus: float, a_minus: float, kappa_bits: int, shift: int) -> float:
        return (a_plus if numerator > 0 else a_minus) * numerator / denominator

    return fixed if isinstance(a_plus, types.Integer) else real


@compiled_loop
def agreement_dw(
    dw: CounterArray,
    words: WordArray,
    amounts: TrainArray,
    steps: Int32Array,
    begin: int,
    end: int,
    count: Int64Array,
    n: int,
    r: ByTrains,
) -> None:
    """Write the weight changes by SADP of a postsynaptic neuron that fires in ``steps[begin:end]``.

    ``amounts`` are ones, ``count`` the numbers of spikes of the ``n`` presynaptic neurons, and ``r`` the rule.
    """
    width = len(dw)
    for i in range(width):
        dw[i] = 0
    for i in range(0, width, BITS):
        add_where(dw, i, words, i // BITS, width // BITS, steps, begin, end, amounts, r.chunk)
    b, length = end - begin, len(amounts)
    for i in range(n):
        a = count[i]
        denominator = length * (a + b) - 2 * a * b
        # The numerator is 0 if the presynaptic neuron is silent, or if both neurons fire in every step.
        if a == 0 or denominator == 0:
            dw[i] = 0
        else:
            dw[i] = agreement_step(
                2 * (length * dw[i] - a * b), denominator, r.a_plus, r.a_minus, r.kappa_bits, r.dw_shift
            )
