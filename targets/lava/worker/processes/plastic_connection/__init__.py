"""A projection that learns by a local rule, in integers or in float."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from ...declared_changes import LASTING, DeclaredChanges
from ...synapses import Matrix, Parameters, Values
from ...weight_changes import SADP, SSDP, STDP, Synapses, WeightChanges
from ..connection import AbstractConnectionModel
from ..shown_states import read_port

# Of a rule that sees spikes as they arrive, where samples are pieces of one run: the spikes of the steps before, shape
# (step, pre), oldest first.
SENT = f"{LASTING}spikes_sent"

# The rules by name: those with code of their own, and any other by the functions of its declaration.
RULES: dict[str, type[WeightChanges]] = {"SSDP": SSDP, "STDP": STDP, "SADP": SADP, "declared": DeclaredChanges}


class PlasticConnection(AbstractProcess):
    """Synapses as in Connection, whose weights change at the end of samples.

    It receives the spikes of its presynaptic neurons (``s_in``) and of its postsynaptic neurons (``s_in_bap``, as in
    Lava's LearningDense). A round presents up to ``batch`` samples side by side; they are learned from one after the
    other, each window by window.

    Args:
        weights, delays, weight_exp, batch, restart: see Connection.
        round_steps: number of steps of a round.
        windows: windows of equal length in a sample.
        sizes: number of samples in each round.
        updates: whether the weights move at the end of each round.
        rule: a name in ``RULES``; for the rule's own parameters see its class there.
        gates: gates from outside, shape (window, post).
        own_gate: parameters of the gate that the rule makes itself.
        line_neurons, line_delays, line_of_synapse: of a rule that sees spikes as they arrive the presynaptic neuron and
            the delay of each arrival line, and the line of each synapse; None for other rules.
        shared, place_of_synapse: of a convolution its stored weights, and for each synapse, in row-major order, which
            of these it has; None where each synapse has one to itself.
        reads: for each state that the rule reads its name, such as ``post_v``, its home, and the ends of its register,
            which are None in float; it arrives at a port of its own, see :mod:`.shown_states`.
        further: what else the model needs, see there.
        record: where the last step writes weights, counters, the rule's lasting variables and what was observed:
            ``file`` and ``steps``.
    """

    def __init__(
        self,
        *,
        weights: Matrix,
        delays: int | NDArray[np.int64],
        batch: int,
        restart: int,
        round_steps: int,
        windows: int,
        sizes: NDArray[np.int64],
        updates: NDArray[np.bool_],
        rule: str,
        weight_exp: int = 0,
        gates: Values | None = None,
        own_gate: Sequence[float] | None = None,
        line_neurons: NDArray[np.int64] | None = None,
        line_delays: NDArray[np.int64] | None = None,
        line_of_synapse: NDArray[np.int64] | None = None,
        shared: Values | None = None,
        place_of_synapse: NDArray[np.int64] | None = None,
        reads: Sequence[tuple[str, str, int | None, int | None]] = (),
        **further: object,
    ) -> None:
        super().__init__(
            weights=weights,
            delays=delays,
            batch=batch,
            restart=restart,
            round_steps=round_steps,
            windows=windows,
            sizes=sizes,
            updates=updates,
            rule=rule,
            weight_exp=weight_exp,
            gates=gates,
            own_gate=own_gate,
            line_neurons=line_neurons,
            line_delays=line_delays,
            line_of_synapse=line_of_synapse,
            shared=shared,
            place_of_synapse=place_of_synapse,
            reads=reads,
            **further,
        )
        post, pre = weights.shape
        leading = () if batch == 1 else (batch,)
        self.s_in = InPort(shape=(*leading, pre))
        self.s_in_bap = InPort(shape=(*leading, post))
        self.a_out = OutPort(shape=(*leading, post))
        for name, home, *_ in reads:
            setattr(self, read_port(name), InPort(shape=(*leading, pre if home == "pre" else post)))


class AbstractPlasticModel(AbstractConnectionModel):
    """Windows, gates and results, which both arithmetics share."""

    s_in_bap: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool, precision=1)

    def __init__(self, proc_params: Parameters) -> None:
        super().__init__(proc_params)
        p = proc_params
        post, pre = p["weights"].shape
        if issparse(p["weights"]):
            self.rows = np.repeat(np.arange(post), np.diff(p["weights"].indptr))
            self.cols = p["weights"].indices
        else:
            self.rows, self.cols = (index.reshape(-1) for index in np.indices((post, pre)))
        if p["line_of_synapse"] is not None:
            self.cols = p["line_of_synapse"]
        self.rule = RULES[p["rule"]](p)
        self.rasters = [np.zeros((p["round_steps"], p["batch"], n), bool) for n in (pre, post)]  # of this round
        self.sent = np.asarray(p.get(SENT, np.zeros((max(self.synapses.delays), pre))), bool)
        kind = np.int64 if self.fixed else np.float64
        sizes = {name: pre if home == "pre" else post for name, home, *_ in p["reads"]}
        of_round = p["round_steps"], p["batch"]
        self.states = {name: np.zeros((*of_round, n), kind) for name, n in sizes.items()}
        self.read: dict[str, list[Values]] = {name: [] for name in sizes}  # of every window so far
        self.observed: tuple[list[Values], list[Values]] = ([], [])  # of every window so far

    def run_spk(self) -> None:
        super().run_spk()
        p = self.proc_params
        number, step = divmod(self.time_step - 1, p["round_steps"])
        self.rasters[0][step] = self.spikes
        self.rasters[1][step] = self.s_in_bap.recv().reshape(p["batch"], -1)
        for name, _, low, high in p["reads"]:
            values = getattr(self, read_port(name)).recv().reshape(p["batch"], -1)
            self.states[name][step] = values if low is None else np.clip(values, low, high)
        if step == p["round_steps"] - 1:
            seen = self.arrived(self.rasters[0]), self.rasters[1]
            for sample in range(int(p["sizes"][number])):
                ends = [np.split(raster[:, sample], p["windows"]) for raster in seen]
                for name, values in self.states.items():
                    self.read[name] += [part.copy() for part in np.split(values[:, sample], p["windows"])]
                for pre, post in zip(*ends, strict=True):
                    self.learn(pre, post)
            if p["updates"][number]:
                self.update_weights()
        if self.time_step == p["record"]["steps"]:
            observed = [np.stack(observation, self.rule.axis) for observation in self.observed]
            found = {f"{LASTING}{name}": values for name, values in self.rule.lasting.items()}
            found |= {read_port(name): np.stack(values) for name, values in self.read.items()}
            if not p["restart"]:
                found["waiting"] = self.waiting
            if p.get(SENT) is not None:
                found[SENT] = self.sent.astype(np.int64)
            np.savez(p["record"]["file"], pre=observed[0], post=observed[1], **self.results(), **found)

    def arrived(self, spikes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What the rule sees of the presynaptic spikes of a round, shape (time, sample, n)."""
        p = self.proc_params
        if p["line_neurons"] is None:
            return spikes
        before = np.broadcast_to(self.sent[:, np.newaxis], (len(self.sent), *spikes.shape[1:]))
        run = np.concatenate([before, spikes])
        lines = np.zeros((*spikes.shape[:2], p["line_neurons"].size), bool)
        for k, (neuron, delay) in enumerate(zip(p["line_neurons"], p["line_delays"], strict=True)):
            first = len(before) - delay
            lines[:, :, k] = run[first : first + len(spikes), :, neuron]
        if p.get(SENT) is not None:
            self.sent = run[len(spikes) :, 0]
        return lines

    def learn(self, pre: NDArray[np.bool_], post: NDArray[np.bool_]) -> None:
        """Learn from the spikes of one window, shapes (time, n)."""
        p = self.proc_params
        gate = None
        if p["own_gate"] is not None:
            gate = self.own_gate(pre.any(axis=0), post.any(axis=0))
        elif p["gates"] is not None:
            gate = p["gates"][len(self.observed[0])][self.rows]
        for observed, spikes in zip(self.observed, (pre, post), strict=True):
            observed.append(self.rule.observe(spikes))
        window = len(self.observed[0]) - 1
        states = {name: values[window] for name, values in self.read.items()}
        synapses = Synapses(self.rows, self.cols, self.of_synapses(self.readable()), window, states)
        step = self.rule.step(self.observed[0][-1], self.observed[1][-1], synapses)
        self.gather(self.sum_shared(self.gated(step, gate)))

    def of_synapses(self, stored: Values) -> Values:
        """Values of all stored weights as those of the synapses that use them."""
        places = self.proc_params["place_of_synapse"]
        values: Values = stored if places is None else stored[places]
        return values

    def sum_shared(self, values: Values) -> Values:
        """Values of all synapses, those that share a stored weight added up."""
        places = self.proc_params["place_of_synapse"]
        if places is None:
            return values
        total = np.zeros(self.proc_params["shared"].size, values.dtype)
        np.add.at(total, places, values)
        return total

    def act(self, stored: Values) -> None:
        """Replace the stored weights, from the next step on."""
        like, values = self.proc_params["weights"], self.of_synapses(stored)
        if issparse(like):
            self.synapses.set_weights(csr_matrix((values, like.indices, like.indptr), shape=like.shape))
        else:
            self.synapses.set_weights(values.reshape(like.shape))

    def initial(self) -> Values:
        """The initial stored weights, one for each synapse in row-major order where they are not shared."""
        weights, shared = self.proc_params["weights"], self.proc_params["shared"]
        if shared is not None:
            return np.array(shared)
        first: Values = weights.data.copy() if issparse(weights) else weights.reshape(-1).copy()
        return first

    def readable(self) -> Values:
        """The stored weights as a rule reads them."""
        raise NotImplementedError

    def own_gate(self, pre: NDArray[np.bool_], post: NDArray[np.bool_]) -> int | float:
        """The rule's own gate, from which ends fired, one flag each.

        The presynaptic ends are neurons, or arrival lines for a rule that sees spikes as they arrive.
        """
        raise NotImplementedError

    def gated(self, step: Values, gate: Values | int | float | None) -> Values:
        """The step under a gate (or None), clipped."""
        raise NotImplementedError

    def gather(self, step: Values) -> None:
        """Add the step of a window to the counters."""
        raise NotImplementedError

    def update_weights(self) -> None:
        """Move the weights."""
        raise NotImplementedError

    def results(self) -> dict[str, Values | np.int64]:
        """Arrays to be written at the end."""
        raise NotImplementedError


@implements(proc=PlasticConnection, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyPlasticFixed(AbstractPlasticModel):
    """Integers: weight changes gather in a saturating counter of each stored weight.

    Needs ``counter_min``, ``counter_max``, ``counters`` (first values), ``gate_bits``, ``lsb_shift``
    (counter units of one weight LSB), ``weight_shift`` (from stored integer to weight), ``stored_min``,
    ``stored_max``, ``rounding``, and for stochastic rounding ``random``, ``seed``, ``layer`` and
    ``first_update``. ``own_gate`` is (offset, slope, shift).
    """

    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=16)
    exact_product = np.float64  # weights move, so the bound of a narrower type would too

    def __init__(self, proc_params: Parameters) -> None:
        super().__init__(proc_params)
        self.stored = self.initial().astype(np.int64) >> proc_params["weight_shift"]
        self.counters = np.array(proc_params["counters"], np.int64)
        self.full = self.clipped = self.updates = 0

    def scaled(self, total: Values) -> Values:
        exponent = self.proc_params["weight_exp"]
        total = total.astype(np.int64)
        activation: Values = total << exponent if exponent > 0 else total >> -exponent
        return activation

    def readable(self) -> Values:
        stored: Values = self.stored
        return stored

    def own_gate(self, pre: NDArray[np.bool_], post: NDArray[np.bool_]) -> int | float:
        offset, slope, shift = self.proc_params["own_gate"]
        pairs = int(pre.sum()) * int(post.sum())
        gate: int = np.clip(offset + ((pairs * slope) >> shift), 0, 2 << self.proc_params["gate_bits"])
        return gate

    def gated(self, step: Values, gate: Values | int | float | None) -> Values:
        if gate is None:
            return step
        bits = self.proc_params["gate_bits"]
        product = step * gate
        rounded: Values = np.sign(product) * ((np.abs(product) + (1 << (bits - 1))) >> bits)
        return rounded

    def gather(self, step: Values) -> None:
        p = self.proc_params
        self.counters += step
        out = (self.counters < p["counter_min"]) | (self.counters > p["counter_max"])
        self.full += int(out.sum())
        np.clip(self.counters, p["counter_min"], p["counter_max"], out=self.counters)

    def update_weights(self) -> None:
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
            drawn = p["random"](p["seed"], p["layer"], index, p["first_update"] + self.updates, k)
            move = (self.counters + drawn) >> k
            self.counters[:] = 0
        self.updates += 1
        self.stored += move
        out = (self.stored < p["stored_min"]) | (self.stored > p["stored_max"])
        self.clipped += int(out.sum())
        np.clip(self.stored, p["stored_min"], p["stored_max"], out=self.stored)
        self.act(self.stored << p["weight_shift"])

    def results(self) -> dict[str, Values | np.int64]:
        return {
            "weights": self.stored,
            "counters": self.counters,
            "full": np.int64(self.full),
            "clipped": np.int64(self.clipped),
        }


@implements(proc=PlasticConnection, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyPlasticFloat(AbstractPlasticModel):
    """float64: steps are clipped and gathered until a weight update adds them.

    Needs ``counters`` (steps gathered before) and ``clip``. ``own_gate`` is (k, mean, deviation).
    """

    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    fixed = False

    def __init__(self, proc_params: Parameters) -> None:
        super().__init__(proc_params)
        self.weights = self.initial().astype(np.float64)  # a kernel may have been given in integers
        self.counters = np.array(proc_params["counters"], np.float64)

    def readable(self) -> Values:
        return self.weights

    def own_gate(self, pre: NDArray[np.bool_], post: NDArray[np.bool_]) -> int | float:
        k, mean, deviation = self.proc_params["own_gate"]
        synchrony = int(pre.sum()) * int(post.sum()) / (pre.size * post.size)
        gate: float = np.clip(1 + k * (synchrony - mean) / deviation, 0, 2)
        return gate

    def gated(self, step: Values, gate: Values | int | float | None) -> Values:
        clip = self.proc_params["clip"]
        return np.clip(step if gate is None else step * gate, -clip, clip)

    def gather(self, step: Values) -> None:
        self.counters = self.counters + step

    def update_weights(self) -> None:
        self.weights = self.weights + self.counters
        self.counters = np.zeros_like(self.weights)
        self.act(self.weights)

    def results(self) -> dict[str, Values | np.int64]:
        return {"weights": self.weights, "counters": self.counters}
