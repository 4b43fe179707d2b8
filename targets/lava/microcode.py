"""Compiled learning rules on Lava's LearningDense: its own object, and runs in the worker.

Lava 0.10.0 deviates from its documentation in five points, which this package deals with as follows:

* ``u12`` is read as u1 times 2, impulses with a fraction are biased: :mod:`ssdp_hw.microcode.learning_engine`
  writes neither.
* Products of two traces or of a trace and the weight are 8 and 32 times smaller in ``fixed_pt`` than in
  ``floating_pt``: the exponents that are written for ``fixed_pt`` compensate it.
* ``floating_pt`` refuses x0*y0: :mod:`.worker.learning_rule` patches Lava to accept it.
* ``floating_pt`` lets weights leave their range, ``fixed_pt`` makes weights even before the first step:
  :func:`run_microcode` raises instead.
* Time constants below 1 work as long as no Var of the connection is set at run time: Lava then reads
  all of them back from integer Vars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdp_hw.arrays import Numbers
from ssdp_hw.checks import as_array, as_int, real_array
from ssdp_hw.errors import ParameterError, ShapeError, StateOverflowError
from ssdp_hw.microcode import Arithmetic, Microcode
from ssdp_hw.microcode.learning_engine import WEIGHT_MAX, WEIGHT_MIN

from .blueprint import Blueprint, Choice, LearningRule, Node, input_node
from .inference import source_node
from .session import Job, run_jobs

_DENSE = "learning dense"
_SEED_MAX = 2**31 - 1


def learning_rule(code: Microcode, arithmetic: Arithmetic | str = Arithmetic.FIXED, rng_seed: int = 1) -> Any:
    """Make Lava's ``Loihi2FLearningRule`` in this program, for a ``LearningDense`` of the user's own::

        code = ssdp_hw.compile_microcode(rule, window=32, scale=256)
        dense = LearningDense(weights=weights, learning_rule=learning_rule(code), name="plastic")
        neurons.s_out.connect(dense.s_in_bap)
        dense.run(RunSteps(steps), Loihi2SimCfg(select_tag="fixed_pt"))

    The rule is written for ProcessModels of that ``arithmetic``, which is the tag to select.
    """
    from .worker.compat import enable

    enable()
    from .worker.learning_rule import learning_rule as make

    return make(**code.lava_arguments(arithmetic, rng_seed))


@dataclass(frozen=True, eq=False)
class MicrocodeRun:
    """Spikes for one LearningDense.

    Attributes:
        code: the rule of the LearningDense.
        arithmetic: ``fixed_pt`` or ``floating_pt``.
        pre, post: spikes, bool, shapes (time, pre) and (time, post).
        weights: weights before the first step, shape (post, pre); in ``fixed_pt`` even integers, since Lava
            rounds the first weights to even.
        rng_seed: seed of the random rounding of traces. (Lava fixes the seed of the rounding of weights.)

    Raises:
        ShapeError: spikes or weights of another shape, or no whole number of epochs.
        ParameterError: a weight or seed out of range, or odd weights in ``fixed_pt``.
    """

    code: Microcode
    arithmetic: Arithmetic
    pre: NDArray[np.bool_]
    post: NDArray[np.bool_]
    weights: Numbers
    rng_seed: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "arithmetic", Arithmetic(self.arithmetic))
        for name in ("pre", "post"):
            spikes = as_array(getattr(self, name), f"microcode: {name}")
            if spikes.dtype != np.bool_ or spikes.ndim != 2 or spikes.size == 0:
                raise ShapeError(f"microcode: {name} is {spikes.dtype}{spikes.shape}; give bool of shape (time, n)")
        steps = len(self.pre)
        if len(self.post) != steps or steps % self.code.t_epoch:
            raise ShapeError(
                f"microcode: pre has {steps} steps and post {len(self.post)}; both need the same whole number of "
                f"epochs of {self.code.t_epoch} steps"
            )
        weights = real_array(self.weights, "microcode: weights")
        wanted = (self.post.shape[1], self.pre.shape[1])
        if weights.shape != wanted:
            raise ShapeError(
                f"microcode: weights have shape {weights.shape}, the spikes ask for (post, pre) = {wanted}"
            )
        if np.any((weights < WEIGHT_MIN) | (weights > WEIGHT_MAX)):
            raise ParameterError(f"microcode: a weight is outside {WEIGHT_MIN} .. {WEIGHT_MAX}")
        if self.arithmetic is Arithmetic.FIXED and np.any(weights % 2 != 0):
            raise ParameterError("microcode: in fixed_pt Lava makes the first weights even; give even integers")
        if not 0 <= as_int(self.rng_seed, "microcode: rng_seed") <= _SEED_MAX:
            raise ParameterError(f"microcode: rng_seed = {self.rng_seed} is outside 0 .. {_SEED_MAX}")

    def job(self) -> Job:
        """The job. It runs one step more than the spikes have, since a step records the weights that it began with."""
        dtype = np.int32 if self.arithmetic is Arithmetic.FIXED else np.float64
        nodes = [source_node(name, getattr(self, name)[:, None]) for name in ("pre", "post")]
        rule = LearningRule(self.code.lava_arguments(self.arithmetic, self.rng_seed))
        parameters = {
            "weights": np.asarray(self.weights).astype(dtype),
            "learning_rule": rule,
            "sign_mode": Choice("MIXED"),
        }
        links = [(input_node("pre"), "s_out", _DENSE, "s_in"), (input_node("post"), "s_out", _DENSE, "s_in_bap")]
        blueprint = Blueprint(self.arithmetic.value, [*nodes, Node(_DENSE, "LearningDense", parameters)], links)
        return Job(blueprint, len(self.pre) + 1, {_DENSE: ["weights"]})

    def checked(self, weights: Numbers) -> NDArray[np.float64]:
        """Weights before the first epoch and after every epoch, selected from the weights of every step.

        Raises:
            StateOverflowError: in ``floating_pt`` a weight left its range.
        """
        after_epochs = weights[:: self.code.t_epoch].astype(np.float64)
        if self.arithmetic is Arithmetic.FLOATING and np.any((after_epochs < WEIGHT_MIN) | (after_epochs > WEIGHT_MAX)):
            largest = after_epochs.flat[np.argmax(np.abs(after_epochs))]
            raise StateOverflowError(
                f"microcode: a weight reached {largest:.6g}; Lava's floating_pt does not "
                f"saturate at {WEIGHT_MIN} .. {WEIGHT_MAX}: use fewer windows or a smaller a_plus"
            )
        return after_epochs


def run_microcode(
    runs: Sequence[MicrocodeRun], *, python: str | None = None, time_limit: float = 600.0
) -> list[NDArray[np.float64]]:
    """Run each entry of ``runs`` on a LearningDense of its own; returns its weights, shape (epochs + 1, post, pre).

    Args:
        runs: spikes, rules and first weights; one worker runs them all.
        python, time_limit: see :class:`ssdp_hw.targets.lava.target.LavaTarget`.

    Raises:
        TargetUnavailableError, TargetRunError: see :func:`.session.run_jobs`.
        StateOverflowError: in ``floating_pt`` a weight left its range.
    """
    if not runs:
        return []
    with run_jobs([run.job() for run in runs], python=python, time_limit=time_limit) as results:
        return [run.checked(results.arrays(number, _DENSE)["weights"]) for number, run in enumerate(runs)]
