"""The nearest sum of a few exponentials to a Gaussian, at whole distances from 1 on.

The fit leaves distance 0 out: the compiled rule counts it twice, and the coincidence term that corrects
this can take it to any value. The fit therefore need not have the Gaussian's zero slope at 0, and its
largest error is much smaller than that of a sum that must be 1 at distance 0: for sigma = 1 it is 0.013 with
one exponential, against 0.111 for the best ``exp(-d / tau)`` and 0.064 for ``2 exp(-d / tau) - exp(-2 d / tau)``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import linprog, minimize

from ssdp_hw.arrays import Real

# Two exponentials of opposite sign fit ever better with ever larger amplitudes, but their difference then
# shows the rounding of both. Amplitudes above this limit improve the fit by little.
AMPLITUDE_MAX = 4.0
TAU_MIN, TAU_MAX = 1.0 / 64, 4096.0
# A second exponential that improves the largest error by less than this is left out: where the learning window is so
# narrow that one fits all distances, the second could decay as slowly as it likes.
_WORTH = 1e-4
# Weight of the amplitudes in the objective: of two fits with the same error the smaller amplitudes win.
_THRIFT = 1e-5


def fit_gaussian(sigma: float, count: int, longest: int) -> tuple[tuple[float, float], ...]:
    """Pairs (amplitude, tau) of at most ``count`` exponentials that fit a Gaussian.

    Their sum minimises the largest error to ``exp(-d**2 / (2 sigma**2))`` over d = 1 .. longest;
    an exponential that would not help is left out.
    """
    fewer = _fitted(sigma, 1, longest)
    if count == 1:
        return fewer[0]
    more = _fitted(sigma, count, longest)
    return more[0] if more[1] < fewer[1] - _WORTH else fewer[0]


@lru_cache(maxsize=64)
def _fitted(sigma: float, count: int, longest: int) -> tuple[tuple[tuple[float, float], ...], float]:
    """The exponentials, and what is minimised: their largest error and a little for the amplitudes."""
    distance = np.arange(1, longest + 1, dtype=np.float64)
    target = np.exp(-np.square(distance / sigma) / 2)

    def basis(log_tau: Real) -> Real:
        return np.asarray(np.exp(-distance[:, None] / np.clip(np.exp(log_tau), TAU_MIN, TAU_MAX)))

    starts = ([0.6], [1.2]) if count == 1 else ([0.4, 1.0], [0.9, 1.1], [0.6, 1.2])
    found = [
        minimize(
            lambda x: _amplitudes(basis(x), target)[1],
            np.log(np.array(start) * sigma),
            method="Nelder-Mead",
            options={"xatol": 1e-3, "fatol": 1e-6, "maxiter": 200},
        )
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.fun)).x
    amplitudes, objective = _amplitudes(basis(best), target)
    taus = np.clip(np.exp(best), TAU_MIN, TAU_MAX)
    return tuple((float(q), float(tau)) for q, tau in zip(amplitudes, taus, strict=True) if abs(q) > 1e-6), objective


def _amplitudes(basis: Real, target: Real) -> tuple[Real, float]:
    """The bounded amplitudes that minimise the largest error, by a linear programme, and that error."""
    n, ones = basis.shape[1], np.ones((len(target), 1))
    result = linprog(
        np.r_[np.full(2 * n, _THRIFT), 1.0],  # positive parts, negative parts, error
        A_ub=np.block([[basis, -basis, -ones], [-basis, basis, -ones]]),
        b_ub=np.r_[target, -target],
        bounds=[(0.0, AMPLITUDE_MAX)] * (2 * n) + [(0.0, None)],
    )
    return result.x[:n] - result.x[n : 2 * n], float(result.fun)
