"""A projection that learns by SSDP, in integers or in float."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from scipy.sparse import csr_matrix, issparse

from ...registers import SpikeTimes
from ..connection import AbstractConnectionModel


class PlasticConnection(AbstractProcess):
    """Synapses as in Connection, whose weights change at the end of windows.

    Besides the spikes of its source it receives those of its target (``s_in_bap``, as in Lava's
    LearningDense). Time is cut into rounds of ``window`` steps. A round presents up to ``batch``
    windows side by side; they are learned from one after the other.

    Args:
        weights, delays, weight_exp, batch, window: see Connection.
        sizes: number of windows in each round.
        commits: whether the weights move at the end of each round.
        last: the last spike of a window stands for a neuron, not the first.
        skip_silent: a pair in which no neuron fired does nothing.
        time_shift: a tick is ``2**time_shift`` steps.
        rule: what else the rule needs: see the models.
        record: where the last step writes weights, registers and counters: ``file`` and ``steps``.
    """

    def __init__(
        self, *, weights: Any, delays: Any, batch: int, window: int, sizes: Any, commits: Any, last: bool,
        skip_silent: bool, weight_exp: int = 0, time_shift: int = 0, **rule: Any,
    ) -> None:
        super().__init__(
            weights=weights, delays=delays, batch=batch, window=window, sizes=sizes, commits=commits, last=last,
            skip_silent=skip_silent, weight_exp=weight_exp, time_shift=time_shift, **rule,
        )
        post, pre = weights.shape
        leading = () if batch == 1 else (batch,)
        self.s_in = InPort(shape=(*leading, pre))
        self.s_in_bap = InPort(shape=(*leading, post))
        self.a_out = OutPort(shape=(*leading, post))


class AbstractPlasticModel(AbstractConnectionModel):
    """Registers, windows and results, which both arithmetics share."""

    s_in_bap: Any = LavaPyType(PyInPort.VEC_DENSE, bool, precision=1)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        p = proc_params
        post, pre = p["weights"].shape
        if issparse(p["weights"]):
            self.rows = np.repeat(np.arange(post), np.diff(p["weights"].indptr))
            self.cols = p["weights"].indices
        else:
            self.rows, self.cols = (index.reshape(-1) for index in np.indices((post, pre)))
        silent = ((p["window"] - 1) >> p["time_shift"]) + 1
        self.pre = SpikeTimes(p["batch"], pre, silent, p["last"])
        self.post = SpikeTimes(p["batch"], post, silent, p["last"])
        self.times: tuple[list[Any], list[Any]] = ([], [])

    def run_spk(self) -> None:
        super().run_spk()
        p = self.proc_params
        number, step = divmod(self.time_step - 1, p["window"])
        self.pre.note(step >> p["time_shift"], self.spikes)
        self.post.note(step >> p["time_shift"], self.s_in_bap.recv().astype(bool).reshape(p["batch"], -1))
        if step == p["window"] - 1:
            for window in range(int(p["sizes"][number])):
                self.learn(*self.pairs(window))
                self.times[0].append(self.pre.time[window].copy())
                self.times[1].append(self.post.time[window].copy())
            if p["commits"][number]:
                self.commit()
            self.pre.clear()
            self.post.clear()
        if self.time_step == p["record"]["steps"]:
            np.savez(
                p["record"]["file"], pre_time=np.array(self.times[0]), post_time=np.array(self.times[1]),
                **self.results(),
            )

    def pairs(self, window: int) -> tuple[Any, Any, Any]:
        """For each synapse: both neurons fired, none fired, distance of their registers."""
        pre, post = self.pre.fired[window][self.cols], self.post.fired[window][self.rows]
        distance = np.abs(self.pre.time[window][self.cols] - self.post.time[window][self.rows])
        return pre & post, ~(pre | post), distance

    def act(self, values: Any) -> None:
        """Let these weights, one a synapse in row-major order, act from the next step on."""
        like = self.proc_params["weights"]
        if issparse(like):
            self.synapses.set_weights(csr_matrix((values, like.indices, like.indptr), shape=like.shape))
        else:
            self.synapses.set_weights(values.reshape(like.shape))

    def initial(self) -> Any:
        """The first weights, one a synapse in row-major order."""
        weights = self.proc_params["weights"]
        return weights.data.copy() if issparse(weights) else weights.reshape(-1).copy()

    def learn(self, both: Any, none: Any, distance: Any) -> None:
        """Learn from one window."""
        raise NotImplementedError

    def commit(self) -> None:
        """Move the weights."""
        raise NotImplementedError

    def results(self) -> dict[str, Any]:
        """Arrays to be written at the end."""
        raise NotImplementedError


@implements(proc=PlasticConnection, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyPlasticFixed(AbstractPlasticModel):
    """SSDP in integers: evidence gathers in a saturating counter of each synapse.

    Needs ``a_plus``, ``a_baseline``, ``lut`` (kernel of every tick distance), ``evidence_shift``,
    ``counter_min``, ``counter_max``, ``counters`` (first values), ``lsb_shift`` (counter units of one
    weight LSB), ``weight_shift`` (from stored integer to weight), ``stored_min``, ``stored_max``,
    ``rounding``, and for stochastic rounding ``random``, ``seed``, ``layer`` and ``first_commit``.
    """

    a_out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=16)
    exact_product = np.float64  # weights move, so the bound of a narrower type would too

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.stored = self.initial().astype(np.int64) >> proc_params["weight_shift"]
        self.counters = np.array(proc_params["counters"], np.int64)
        self.full = self.clipped = self.commits = 0

    def scaled(self, total: Any) -> Any:
        exponent = self.proc_params["weight_exp"]
        total = total.astype(np.int64)
        return total << exponent if exponent > 0 else total >> -exponent

    def learn(self, both: Any, none: Any, distance: Any) -> None:
        p = self.proc_params
        amplitude = np.where(both, p["a_plus"], p["a_baseline"])
        evidence = (amplitude * p["lut"][distance] + ((1 << p["evidence_shift"]) >> 1)) >> p["evidence_shift"]
        evidence[~both] *= -1
        if p["skip_silent"]:
            evidence[none] = 0
        self.counters += evidence
        out = (self.counters < p["counter_min"]) | (self.counters > p["counter_max"])
        self.full += int(out.sum())
        np.clip(self.counters, p["counter_min"], p["counter_max"], out=self.counters)

    def commit(self) -> None:
        p, k = self.proc_params, self.proc_params["lsb_shift"]
        sign, magnitude = np.sign(self.counters), np.abs(self.counters)
        if p["rounding"] == "carry":
            move = sign * (magnitude >> k)
            self.counters -= move * (1 << k)
        elif p["rounding"] == "nearest":
            move = sign * ((magnitude + ((1 << k) >> 1)) >> k)
            self.counters[:] = 0
        else:
            index = np.arange(self.counters.size)
            drawn = p["random"](p["seed"], p["layer"], index, p["first_commit"] + self.commits, k)
            move = (self.counters + drawn) >> k
            self.counters[:] = 0
        self.commits += 1
        self.stored += move
        out = (self.stored < p["stored_min"]) | (self.stored > p["stored_max"])
        self.clipped += int(out.sum())
        np.clip(self.stored, p["stored_min"], p["stored_max"], out=self.stored)
        self.act(self.stored << p["weight_shift"])

    def results(self) -> dict[str, Any]:
        return {
            "weights": self.stored, "counters": self.counters, "full": np.int64(self.full),
            "clipped": np.int64(self.clipped),
        }


@implements(proc=PlasticConnection, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyPlasticFloat(AbstractPlasticModel):
    """SSDP in float64; needs ``a_plus``, ``a_baseline``, ``sigma`` (steps) and ``clip``."""

    a_out: Any = LavaPyType(PyOutPort.VEC_DENSE, float)
    fixed = False

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.weights = self.initial()
        self.pending = self.weights  # with the windows since the last commit

    def learn(self, both: Any, none: Any, distance: Any) -> None:
        p = self.proc_params
        change = np.where(both, p["a_plus"], -p["a_baseline"]) * np.exp(-((distance / p["sigma"]) ** 2) / 2)
        if p["skip_silent"]:
            change[none] = 0.0
        self.pending = self.pending + np.clip(change, -p["clip"], p["clip"])

    def commit(self) -> None:
        self.weights = self.pending
        self.act(self.weights)

    def results(self) -> dict[str, Any]:
        return {"weights": self.weights}
