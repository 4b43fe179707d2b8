"""Random torch modules: forwards put together of what converts, and, where asked for, one operation that does not."""

import random

import snntorch as snn
import torch
from torch import nn
from torch.nn import functional

try:
    from spikingjelly.activation_based import neuron as jelly
except ImportError:
    jelly = None
try:
    from sinabs import layers as sinabs
    from sinabs.activation import SingleSpike
except ImportError:
    sinabs = None

# What no network can be made to do; each acts on the input of a layer (h), or on its voltage (m).
OUTSIDE = {
    "relu": lambda h, t: torch.relu(h),
    "clamp": lambda h, t: h.clamp(max=0.3),
    "square": lambda h, t: h * h,
    "sigmoid": lambda h, t: torch.sigmoid(h) - 0.5,
    "abs": lambda h, t: h.abs(),
    "maximum": lambda h, t: torch.maximum(h, h.flip(1)),
    "a step that differs": lambda h, t: h * 2 if t == 3 else h,
    "the batch's mean": lambda h, t: h - h.mean(0, keepdim=True),
    "a comparison": lambda h, t: (h > 0.1).to(h.dtype),
    "the softmax": lambda h, t: torch.softmax(h, 1),
    "what the input decides": lambda h, t: h * 3 if bool(h.sum() > 0) else h,
    "noise": lambda h, t: h + 0.1 * torch.randn_like(h),
    "an index that the input gives": lambda h, t: h.gather(1, h.argsort(1)),
    "where": lambda h, t: torch.where(h > 0, h, h * 0.5),
}
STATES = {
    "a voltage that is clamped": lambda m: m.clamp(min=-0.1),
    "a voltage that decays again": lambda m: m * 0.9,
    "a voltage that is reset": lambda m: torch.zeros_like(m),
}
# A loop of several layers whose spikes come back before they could have passed them, a step a layer.
TOO_SOON = "a loop that is too soon"


class Generated(nn.Module):
    """A forward of 2 to 4 layers over time, which a seed decides; ``outside`` names what it does besides.

    With ``loops`` spikes of some of them also come back to a layer before.
    """

    def __init__(self, seed: int, outside: str | None = None, loops: bool = False):
        super().__init__()
        rng = random.Random(seed)
        torch.manual_seed(seed)
        self.calls, self.outside = [], outside
        self.width = rng.choice((6, 8))
        count = rng.randint(2, 4)
        self.at = rng.randrange(count)
        self.plan = [self._layer(rng, k) for k in range(count)]
        self.linear = nn.ModuleList(nn.Linear(self.width, self.width, bias=rng.random() < 0.7) for _ in range(count))
        self.recurrent = nn.ModuleList(nn.Linear(self.width, self.width, bias=False) for _ in range(count))
        self.norm = nn.BatchNorm1d(self.width)
        self.norm.running_mean.uniform_(-0.2, 0.2)
        self.norm.running_var.uniform_(0.5, 2.0)
        for layer in (*self.linear, *self.recurrent):
            layer.weight.data.mul_(2.0)
        self.neurons = nn.ModuleList(self._neurons(rng, k == self.at and outside in STATES) for k in range(count))
        # What is not used is not there: from_torch refuses parameters that nothing uses.
        used = {op for layer in self.plan for op in layer["ops"]}
        self.recurrent = nn.ModuleDict(
            {str(k): self.recurrent[k] for k, layer in enumerate(self.plan) if "recurrent" in layer["ops"]}
        )
        if "norm" not in used:
            del self.norm
        shared = [k for k, layer in enumerate(self.plan) if "shared" in layer["ops"]]
        self.linear = nn.ModuleDict({str(k): self.linear[k] for k in range(count) if k not in shared or k == 0})
        self.back = self._back(random.Random(f"{seed} back"), count) if loops or outside == TOO_SOON else None
        if self.back:
            self.returning = nn.Linear(self.width, self.width, bias=False)

    def _layer(self, rng, k):
        ops = [
            op
            for op in ("factor", "offset", "view", "pool", "norm", "recurrent", "inhibition", "parts", "initial")
            if rng.random() < 0.25
        ]
        if k and rng.random() < 0.5:
            ops.append(rng.choice(("residual", "branch", "skip")))
        if k and rng.random() < 0.2:
            ops.append("shared")
        if rng.random() < 0.3:
            ops.append(rng.choice(("or_before", "or_first", "or_pool", "or_clamp")))
        return {"ops": ops, "factor": rng.uniform(0.5, 2.0), "offset": rng.uniform(-0.1, 0.2)}

    def _back(self, rng, count):
        """A layer, a later one whose spikes drive it, and of how many steps before: the least that can be."""
        soon = self.outside == TOO_SOON
        if not soon and rng.random() > 0.3:
            return None
        first, last = sorted(rng.sample(range(count), 2))
        passed = [1 + any(op.startswith("or_") and (op != "or_before" or k) for op in layer["ops"])
                  for k, layer in enumerate(self.plan)]  # fmt: skip
        return first, last, sum(passed[first + 1 : last + 1]) + 1 - soon

    def sample(self):
        """An input of shape (time, batch, width): spikes, where the module takes an OR of its input."""
        x = torch.rand(10, 2, self.width)
        ors = any(op.startswith("or_") for layer in self.plan for op in layer["ops"])
        return (x < 0.4).to(x.dtype) if ors else x

    def _neurons(self, rng, hands_on):
        """A layer; one that hands its state on where that is asked for."""
        if rng.random() < 0.3 and not hands_on:
            return self._keeping(rng)
        beta = torch.rand(self.width) * 0.6 + 0.3 if rng.random() < 0.3 else rng.uniform(0.3, 0.95)
        threshold = rng.uniform(0.5, 1.2)
        kind = rng.choice(("leaky", "leaky", "zero", "synaptic"))
        if kind == "synaptic":
            return snn.Synaptic(alpha=rng.uniform(0.2, 0.8), beta=beta, threshold=threshold)
        return snn.Leaky(beta=beta, threshold=threshold, reset_mechanism="zero" if kind == "zero" else "subtract")

    def _keeping(self, rng):
        """A layer that keeps its states, of a framework that is installed."""
        kinds = []
        if jelly is not None:
            reset = rng.choice((None, 0.0, -0.3))
            kinds += [
                lambda: jelly.IFNode(v_reset=reset),
                lambda: jelly.LIFNode(tau=rng.uniform(1.2, 6), decay_input=rng.random() < 0.5, v_reset=reset),
                lambda: jelly.ParametricLIFNode(init_tau=rng.uniform(1.2, 6), decay_input=False, v_reset=reset),
            ]
        if sinabs is not None:
            settings = {"spike_fn": SingleSpike, "norm_input": False}
            kinds += [
                lambda: sinabs.LIF(tau_mem=rng.uniform(1.0, 9.0), **settings),
                lambda: sinabs.LIF(tau_mem=rng.uniform(1.0, 9.0), tau_syn=rng.uniform(1.0, 4.0), **settings),
                lambda: sinabs.IAF(spike_fn=SingleSpike),
            ]
        return rng.choice(kinds)() if kinds else snn.Leaky(beta=rng.uniform(0.3, 0.95))

    def _rested(self):
        for layer in self.neurons:
            if jelly is not None and isinstance(layer, jelly.BaseNode):
                layer.reset()
            elif sinabs is not None and isinstance(layer, sinabs.StatefulLayer):
                for name in layer._buffers:
                    layer._buffers[name] = torch.zeros(0)

    def forward(self, x):
        """``x`` of shape (time, batch, width); the spikes of the last layer."""
        self.calls.append(1)
        self._rested()
        batch, sent = x.shape[1], []
        states = [None] * len(self.plan)
        last = [x.new_zeros(batch, self.width) for _ in self.plan]
        before = []
        for t in range(len(x)):
            now = [x[t]]
            for k, layer in enumerate(self.plan):
                h = self._current(k, layer["ops"], layer, now, last)
                if self.back and self.back[0] == k and len(before) >= self.back[2]:
                    h = h + self.returning(before[-self.back[2]][self.back[1]])
                if k == self.at and self.outside in OUTSIDE:
                    h = OUTSIDE[self.outside](h, t)
                spikes, states[k] = self._fired(k, layer["ops"], h, states[k])
                if k == self.at and self.outside in STATES:
                    states[k] = (*states[k][:-1], STATES[self.outside](states[k][-1]))
                now.append(spikes.to(x.dtype))
            last = now[1:]
            before.append(last)
            sent.append(now[-1])
        return torch.stack(sent)

    def _current(self, k, ops, layer, now, last):
        h = self.linear["0" if "shared" in ops else str(k)](self._or(k, ops, now, last))
        if "residual" in ops:
            h = h + now[-1]
        if "branch" in ops:
            h = h - 0.5 * now[0]
        if "skip" in ops:
            h += now[max(0, k - 1)][:, torch.arange(self.width).flip(0)]
        if "factor" in ops:
            h = h * layer["factor"]
        if "offset" in ops:
            h = layer["offset"] - h
        if "view" in ops:
            h = h.view(len(h), 2, -1).transpose(1, 2).flatten(1)
        if "pool" in ops:
            h = h + functional.avg_pool1d(h[:, None], 2).repeat_interleave(2, 2).reshape(len(h), -1)
        if "norm" in ops:
            h = self.norm(h)
        if "parts" in ops:
            h = torch.cat([h[:, 3:], h[:, :3]], 1)
        if "recurrent" in ops:
            h = h + self.recurrent[str(k)](last[k])
        if "inhibition" in ops:
            h = h - 0.3 * (last[k].sum(1, keepdim=True) - last[k])
        return h

    def _or(self, k, ops, now, last):
        """What drives a layer: the spikes of the one before, or an OR of them and of others."""
        sent = now[-1]
        if "or_before" in ops and k:  # of the step before
            return torch.maximum(sent, last[k - 1])
        if "or_first" in ops:
            return torch.max(sent, now[0])
        if "or_pool" in ops:
            return functional.max_pool1d(sent[:, None], 3, 1, 1).flatten(1)
        if "or_clamp" in ops:
            return torch.clamp(sent + now[0] + sent.flip(1), max=1)
        return sent

    def _fired(self, k, ops, h, state):
        neurons = self.neurons[k]
        if not isinstance(neurons, snn.SpikingNeuron):
            several = sinabs is not None and isinstance(neurons, sinabs.StatefulLayer)
            return (neurons(h[:, None])[:, 0] if several else neurons(h)), (neurons,)
        if state is None:
            state = neurons.reset_mem()
            state = state if isinstance(state, tuple) else (state,)
            if "initial" in ops:
                state = (*(torch.zeros_like(h) for _ in state[1:]), torch.full_like(h, 0.25))
        spikes, *state = neurons(h, *state)
        return spikes, tuple(state)
