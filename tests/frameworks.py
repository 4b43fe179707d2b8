"""Training frameworks run on generated networks, step by step, with the modules that their own NIR importers make.

``cases`` are chains of linear nodes and neurons, some recurrent. A runner takes a case and returns, for each
neuron node, its spikes and its voltages after the reset, shape (time, batch, n), in the time of the framework.
tests/record_frameworks.py writes what they return into tests/data, which tests/test_presets.py reads without any
framework; tests/test_frameworks.py runs those that are installed.
"""

from __future__ import annotations

import copy
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import nir
import numpy as np

from ssdp_hw.conversion.alignment import lags
from ssdp_hw.conversion.nir import from_nir
from ssdp_hw.conversion.nir.presets import PRESETS
from ssdp_hw.running.run import run as run_here

STEPS, BATCH = 48, 2


@dataclass(frozen=True)
class Case:
    """A generated network for one framework.

    Attributes:
        name: unique.
        preset: that of from_nir.
        graph: the network; its neuron nodes are n0, n1 ..., behind w0, w1 ..., and r0 feeds n0 back to itself.
        spikes: input, (time, batch, channels).
        dt: in seconds.
    """

    name: str
    preset: str
    graph: nir.NIRGraph
    spikes: np.ndarray
    dt: float

    @property
    def layers(self):
        """For each neuron node (name, linear node, neuron node, recurrent node or None)."""
        nodes = self.graph.nodes
        count = sum(name.startswith("n") for name in nodes)
        return [(f"n{k}", nodes[f"w{k}"], nodes[f"n{k}"], nodes.get(f"r{k}")) for k in range(count)]


def chain(neurons, rng, *, recurrent="", channels=12, scale=1.0):
    """A graph of Affine nodes and these neurons; the first with a recurrent node of the type that is named."""
    nodes, size = {"input": nir.Input({"input": np.array([channels])})}, channels
    edges, last = [], "input"
    for k, neuron in enumerate(neurons):
        post = np.size(neuron.v_threshold)
        weight = rng.normal(0.25, 0.6, (post, size)) * scale
        nodes[f"w{k}"] = nir.Affine(weight.astype(np.float32), rng.normal(0.02, 0.05, post).astype(np.float32))
        nodes[f"n{k}"] = neuron
        edges += [(last, f"w{k}"), (f"w{k}", f"n{k}")]
        if recurrent and k == 0:
            weight = rng.normal(-0.05, 0.3, (post, post)) * scale
            weight = rng.normal(-0.05, 0.3, (post, post)) * scale
            bias = [rng.normal(0, 0.05, post).astype(np.float32)] if recurrent == "Affine" else []
            nodes["r0"] = getattr(nir, recurrent)(weight.astype(np.float32), *bias)
            edges += [("n0", "r0"), ("r0", "n0")]
        last, size = f"n{k}", post
    nodes["output"] = nir.Output({"output": np.array([size])})
    return nir.NIRGraph(nodes, [*edges, (last, "output")], type_check=False)


def full(size, value):
    return np.full(size, value)


def lif(size, tau, r):
    return nir.LIF(full(size, tau), full(size, r), full(size, 0.0), full(size, 1.0))


def cuba(size, tau_mem, tau_syn, r, w_in):
    return nir.CubaLIF(
        full(size, tau_syn),
        full(size, tau_mem),
        full(size, r),
        full(size, 0.0),
        full(size, 1.0),
        w_in=full(size, w_in),
    )


def integrate(size, r=1.0):
    return nir.IF(full(size, r), full(size, 1.0))


# What each preset's runner imports.
MODULES = {
    "snntorch": "snntorch",
    "norse": "norse",
    "sinabs": "sinabs",
    "spikingjelly": "spikingjelly",
    "spyx": "spyx",
    "rockpool": "rockpool",
    "lava-dl": "lava.lib.dl",
}
# Rounding to 1/4096 a step, summed up over the time constants of current and voltage.
SLAYER_ROUNDING = 40 / 4096
RECORDED = Path(__file__).parent / "data" / "frameworks.npz"


def cases():
    """All of them, the same in every run."""

    def made(name, preset, dt, neurons, **kind):
        rng = np.random.default_rng([len(found), 7])
        graph = chain(neurons, rng, **kind)
        found.append(Case(name, preset, graph, rng.random((STEPS, BATCH, 12)) < 0.3, dt))

    found = []
    dt = 1e-4  # snnTorch knows no other
    made("snntorch-lif", "snntorch", dt, [lif(16, 9 * dt, 9.0), lif(8, 5 * dt, 5.0)], scale=0.5)
    made("snntorch-lif-gain", "snntorch", dt, [lif(16, 8 * dt, 4.0), lif(8, 5 * dt, 2.5)])
    made("snntorch-rleaky", "snntorch", dt, [lif(16, 9 * dt, 9.0), lif(8, 5 * dt, 5.0)], recurrent="Affine", scale=0.5)
    made(
        "snntorch-synaptic",
        "snntorch",
        dt,
        [cuba(16, 8 * dt, 2.5 * dt, 8.0, 2.5), cuba(8, 5 * dt, 2 * dt, 5.0, 2.0)],
        scale=0.3,
    )
    made(
        "snntorch-braille",
        "snntorch",
        dt,
        [
            cuba(38, 0.0009999997615814777, 0.0002222222281091009, 9.999997615814776, 2.2222222810910086),
            cuba(7, 0.0002222222281091009, 0.0002, 2.2222222810910086, 2.0),
        ],
        recurrent="Affine",
        scale=0.25,
    )
    dt = 1e-3
    made("norse-lif", "norse", dt, [lif(16, 9e-3, 1.0), lif(8, 5e-3, 1.0)], scale=4.0)
    made("norse-lif-recurrent", "norse", dt, [lif(16, 9e-3, 1.0), lif(8, 5e-3, 1.0)], recurrent="Affine", scale=4.0)
    made("norse-cuba", "norse", dt, [cuba(16, 8e-3, 3e-3, 3.0, 2.0), cuba(8, 5e-3, 2e-3, 2.0, 3.0)], scale=2.0)
    made("norse-if", "norse", dt, [integrate(16), integrate(8)], scale=0.4)
    made("sinabs-lif", "sinabs", dt, [lif(16, 9.0, 1.0), lif(8, 5.0, 1.0)], scale=0.2)
    made("sinabs-lif-recurrent", "sinabs", dt, [lif(16, 9.0, 1.0), lif(8, 5.0, 1.0)], recurrent="Affine", scale=0.2)
    made("sinabs-lif-syn", "sinabs", dt, [cuba(16, 8.0, 3.0, 1.0, 1.0), cuba(8, 5.0, 2.0, 1.0, 1.0)], scale=0.1)
    made("sinabs-if", "sinabs", dt, [integrate(16), integrate(8)], scale=0.15)
    made("spyx-lif", "spyx", dt, [lif(16, 9.0, 1.0), lif(8, 5.0, 1.0)], scale=0.3)
    made("spyx-lif-recurrent", "spyx", dt, [lif(16, 9.0, 1.0), lif(8, 5.0, 1.0)], recurrent="Linear", scale=0.3)
    made(
        "spyx-cuba-recurrent",
        "spyx",
        dt,
        [cuba(16, 8.0, 3.0, 1.0, 1.0), cuba(8, 5.0, 2.0, 1.0, 1.0)],
        recurrent="Linear",
        scale=0.15,
    )
    made("spyx-if", "spyx", dt, [integrate(16), integrate(8)], scale=0.3)
    made("rockpool-lif", "rockpool", dt, [cuba(16, 8e-3, 3e-3, 1.0, 1.0), cuba(8, 5e-3, 2e-3, 1.0, 1.0)], scale=0.1)
    made(
        "rockpool-lif-recurrent",
        "rockpool",
        dt,
        [cuba(16, 8e-3, 3e-3, 1.0, 1.0), cuba(8, 5e-3, 2e-3, 1.0, 1.0)],
        recurrent="Linear",
        scale=0.1,
    )
    made("lava-dl-cuba", "lava-dl", dt, [cuba(16, 8e-3, 4e-3, 1.0, 1.0)], scale=0.1)
    made("spikingjelly-lif", "spikingjelly", 1e-4, [lif(16, 9e-4, 1.0), lif(8, 5e-4, 5.0)], scale=2.0)
    made(
        "spikingjelly-lif-recurrent",
        "spikingjelly",
        1e-4,
        [lif(16, 9e-4, 9.0), lif(8, 5e-4, 5.0)],
        recurrent="Affine",
        scale=0.5,
    )
    made("spikingjelly-if", "spikingjelly", 1e-4, [integrate(16, 1e4), integrate(8, 1e4)], scale=0.4)
    made(
        "spikingjelly-cuba",
        "spikingjelly",
        1e-4,
        [cuba(16, 8e-4, 3e-4, 8.0, 3.0), cuba(8, 5e-4, 2e-4, 5.0, 2.0)],
        scale=0.3,
    )
    return found


def disagreement(case, ours, theirs):
    """Number of spikes that differ, and the largest difference of voltages; for SLAYER see below."""
    spikes, voltages = 0, 0.0
    for name, (fired, v) in theirs.items():
        mine, my_v = ours[name]
        different = mine != fired
        if case.preset == "lava-dl":
            # It rounds its state: a spike may differ where the voltage is that near to the threshold of 1, and from
            # there on the neuron is another; up to there all is compared.
            first = np.maximum.accumulate(different, axis=0)
            before = np.concatenate([np.zeros_like(first[:1]), first[:-1]])
            margin = np.abs(np.where(mine, 1.0, my_v) - np.where(fired, 1.0, v))
            different &= ~before & (margin > SLAYER_ROUNDING)
            my_v, v = np.where(first, 0.0, my_v), np.where(first, 0.0, v)
        spikes += int(np.count_nonzero(different))
        voltages = max(voltages, float(np.max(np.abs(my_v - v))))
    return spikes, voltages


def ours(case, source):
    """The same as :func:`run`, by this toolkit; ``source`` is the case's graph, or a file of it."""
    network = from_nir(source, preset=case.preset, dt=case.dt)
    lag = lags(network, PRESETS[case.preset].timing)
    steps = len(case.spikes)
    result = run_here(network, case.spikes, "spec", record=("spikes", "v"), steps=steps + max(lag.values()))
    return {
        name: tuple(variable[name][lag[name] : lag[name] + steps] for variable in (result.spikes, result.v))
        for name in network.population_names
        if name.startswith("n")
    }


def run(case):
    """Spikes and voltages of every neuron node; skipped by the caller where the framework is missing."""
    framework = _RUNNERS[case.preset](case)
    sent = {name: None for name, *_ in case.layers}
    recorded: dict[str, tuple[list, list]] = {name: ([], []) for name in sent}
    for inputs in case.spikes.astype(np.float64):
        x = framework.tensor(inputs)
        for name, linear, _, feedback in case.layers:
            current = framework.linear(linear, x)
            if feedback is not None and framework.adds_feedback:
                before = framework.tensor(np.zeros((BATCH, len(feedback.weight)))) if sent[name] is None else sent[name]
                current = current + framework.linear(feedback, before)
            x, fired, v = framework.neuron(name, current)
            sent[name] = x
            recorded[name][0].append(np.asarray(fired, np.float64))
            recorded[name][1].append(np.asarray(v, np.float64))
    found = {name: (np.stack(s), np.stack(v)) for name, (s, v) in recorded.items()}
    for spikes, _ in found.values():
        assert set(np.unique(spikes)) <= {0.0, 1.0}, "a neuron fired several times in a step"
    return {name: (spikes != 0, v) for name, (spikes, v) in found.items()}


class _Torch:
    """Double precision, so that only rounding of a few last bits can differ."""

    adds_feedback = True

    def __init__(self, case):
        import torch

        self.torch, self.case, self.state = torch, case, {}
        self.modules = {name: self.module(node) for name, _, node, _ in case.layers}

    def tensor(self, values):
        return self.torch.tensor(values, dtype=self.torch.float64)

    def linear(self, node, x):
        bias = self.tensor(node.bias) if hasattr(node, "bias") else None
        return self.torch.nn.functional.linear(x, self.tensor(node.weight), bias)


class _SnnTorch(_Torch):
    def module(self, node):
        """What snnTorch's importer makes of the node; in double precision."""
        importer = importlib.import_module("snntorch.import_nir")
        return importer._nir_to_snntorch_module(node).double()

    def neuron(self, name, current):
        module, node = self.modules[name], self.case.graph.nodes[name]
        with self.torch.no_grad():
            spikes, *state = module(current, *self.state.get(name, ()))
        self.state[name] = state
        # It scales the threshold instead of the input.
        scale = 1.0 / float(module.threshold) * float(node.v_threshold[0])
        return spikes.double(), spikes, state[-1] * scale


class _Norse(_Torch):
    def module(self, node):
        importer = importlib.import_module("norse.torch.utils.import_nir")
        return importer._import_norse_module(node, ignore_warnings=True, dt=self.case.dt)

    def neuron(self, name, current):
        with self.torch.no_grad():
            spikes, state = self.modules[name](current, self.state.get(name))
        self.state[name] = state
        own = state[1] if isinstance(state, tuple) and type(state) is tuple else state
        return spikes.double(), spikes, own.v


class _Sinabs(_Torch):
    def module(self, node):
        layers = importlib.import_module("sinabs.layers")
        if isinstance(node, nir.CubaLIF):  # its importer has none
            return layers.LIF(
                tau_mem=self.tensor(node.tau_mem),
                tau_syn=self.tensor(node.tau_syn),
                norm_input=False,
                spike_threshold=self.tensor(node.v_threshold),
            )
        importer = importlib.import_module("sinabs.nir")
        node = copy.copy(node)  # with tensors, which the importer expects of older releases of nir
        for key in ("tau", "v_threshold", "v_leak"):
            if hasattr(node, key):
                setattr(node, key, self.tensor(getattr(node, key)))
        return importer._import_sinabs_module(node, BATCH, 1)

    def neuron(self, name, current):
        module = self.modules[name]
        squeezed = "Squeeze" in type(module).__name__
        with self.torch.no_grad():
            spikes = module(current if squeezed else current[:, None]).reshape(current.shape)
        return spikes.double(), spikes, module.v_mem


class _SpikingJelly(_Torch):
    def module(self, node):
        """What its importer makes of the node: a module that takes and returns its states."""
        mapper = importlib.import_module("spikingjelly.activation_based.nir_exchange.from_nir")._NodeMapper(
            self.case.dt
        )
        return mapper.map_dict[type(node)](node).double()

    def neuron(self, name, current):
        with self.torch.no_grad():
            spikes, self.state[name] = self.modules[name](current, self.state.get(name))
        return spikes, spikes, self.state[name][0]


class _Spyx:
    adds_feedback = False

    def __init__(self, case):
        jax = importlib.import_module("jax")
        jax.config.update("jax_enable_x64", True)
        self.np, self.nn, self.nnx = jax.numpy, importlib.import_module("spyx.nn"), importlib.import_module("flax.nnx")
        self.case, self.modules, self.state = case, {}, {}
        for name, _, node, feedback in case.layers:
            self.modules[name] = self.module(node, feedback)
            self.state[name] = self.modules[name].initial_state(BATCH).astype("float64")

    def tensor(self, values):
        return self.np.asarray(values, "float64")

    def linear(self, node, x):
        return x @ self.tensor(node.weight).T + (self.tensor(node.bias) if hasattr(node, "bias") else 0.0)

    def module(self, node, feedback):
        """As in spyx.nir, whose own loader is one function for whole chains; dt is 1."""
        kind = {"LIF": "LIF", "CubaLIF": "CuBaLIF", "IF": "IF"}[type(node).__name__]
        kind = kind if feedback is None else {"LIF": "RLIF", "CuBaLIF": "RCuBaLIF"}[kind]
        made = getattr(self.nn, kind)(
            (len(node.v_threshold),), threshold=self.tensor(node.v_threshold), rngs=self.nnx.Rngs(0)
        )
        decays = {"alpha": "tau_syn", "beta": "tau" if hasattr(node, "tau") else "tau_mem"}
        for ours, tau in decays.items():
            if hasattr(made, ours):
                setattr(made, ours, self.nnx.Param(self.tensor(1 - 1 / getattr(node, tau))))
        if feedback is not None:
            made.recurrent_w = self.nnx.Param(self.tensor(feedback.weight.T))
        return made

    def neuron(self, name, current):
        """It sends the spikes of the voltage before the step; those of this step are found by its own function."""
        module = self.modules[name]
        sent, self.state[name] = module(current, self.state[name])
        v = self.state[name][:, : current.shape[1]]
        fired = module.spike(v - module.threshold)
        return sent, fired, v - fired * module.threshold  # it subtracts in the next step


class _Rockpool(_Torch):
    adds_feedback = False

    def module(self, node):
        made = importlib.import_module("rockpool.nn.modules.torch.lif_torch").LIFTorch
        feedback = next(f for _, _, n, f in self.case.layers if n is node)
        kind = {} if feedback is None else {"has_rec": True, "w_rec": self.tensor(feedback.weight.T)}
        size = len(node.v_threshold)
        return made(
            (size, size),
            tau_mem=self.tensor(node.tau_mem),
            tau_syn=self.tensor(node.tau_syn)[:, None],
            threshold=self.tensor(node.v_threshold),
            bias=self.tensor(np.zeros(size)),
            dt=self.case.dt,
            **kind,
        )

    def neuron(self, name, current):
        """Sample by sample, since it keeps the state of the first of a batch only."""
        modules = self.state.setdefault(name, [copy.deepcopy(self.modules[name]) for _ in current])
        with self.torch.no_grad():
            spikes = self.torch.cat([m(x[None, None])[0][:, 0] for m, x in zip(modules, current, strict=True)]).double()
        return spikes, spikes, self.torch.stack([m.vmem.reshape(-1) for m in modules])


class _Slayer(_Torch):
    """One step is one call; its neurons keep their state where they are told to."""

    adds_feedback = True

    def __init__(self, case):
        # Its object detection wants cv2 and torchvision; nothing here does.
        sys.modules.setdefault("lava.lib.dl.slayer.object_detection", ModuleType("object_detection"))
        super().__init__(case)

    def module(self, node):
        neurons = importlib.import_module("lava.lib.dl.slayer.neuron")
        return neurons.cuba.Neuron(
            threshold=float(node.v_threshold[0]),
            current_decay=self.case.dt / float(node.tau_syn[0]),
            voltage_decay=self.case.dt / float(node.tau_mem[0]),
            persistent_state=True,
        )

    def neuron(self, name, current):
        """It sends a spike one step late: a block of SLAYER shifts it by a step."""
        with self.torch.no_grad():
            spikes = self.modules[name](current.float()[..., None])[..., 0].double()
        sent = self.state.get(name, self.torch.zeros_like(spikes))
        self.state[name] = spikes
        return sent, spikes, self.modules[name].voltage_state


_RUNNERS = {
    "snntorch": _SnnTorch,
    "norse": _Norse,
    "sinabs": _Sinabs,
    "spikingjelly": _SpikingJelly,
    "spyx": _Spyx,
    "rockpool": _Rockpool,
    "lava-dl": _Slayer,
}
