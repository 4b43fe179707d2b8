"""Spikes that go round loops of several layers: converted where they take a step a layer, refused with what is lacking.

Which loops a network can have is found here by trying all of them, and the advice of a refusal is followed.
"""

import functools
import itertools
import re

import numpy as np
import pytest
from example_counts import examples
from hypothesis import given, strategies as st

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import UnsupportedError

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore")

N = 5


class Loops(nn.Module):
    """Layers driven by the input and by spikes of layers.

    ``edges`` has by (target, source) how many steps before the spikes were sent. ``maximum`` is a layer which takes the
    maximum of the spikes that drive it, of one layer's that of these and of the input.
    """

    def __init__(self, layers, edges, maximum=None, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.edges, self.maximum = edges, maximum
        self.own = nn.ModuleList(nn.Linear(N, N) for _ in range(layers))
        plain = [k for k in edges if k[0] != maximum]
        self.between = nn.ModuleDict({f"{t}{s}": nn.Linear(N, N, bias=False) for t, s in plain})
        self.neurons = nn.ModuleList(snn.Leaky(beta=0.8) for _ in range(layers))
        for p in self.parameters():
            p.data *= 2.0

    def forward(self, x):
        states, before, sent = [layer.init_leaky() for layer in self.neurons], [], []
        for xt in x:
            now = []
            for k, layer in enumerate(self.neurons):
                drive = {s: self.ago(d, before, now, s, xt) for (t, s), d in self.edges.items() if t == k}
                if k == self.maximum:
                    given = [*drive.values()] if len(drive) > 1 else [xt, *drive.values()]
                    h = self.own[k](functools.reduce(torch.maximum, given)) + 2 * xt
                else:
                    h = self.own[k](xt)
                    for s, spikes in drive.items():
                        h = h + self.between[f"{k}{s}"](spikes)
                spikes, states[k] = layer(h, states[k])
                now.append(spikes)
            before.append(now)
            sent.append(torch.cat(now, 1))
        return torch.stack(sent)

    def ago(self, delay, before, now, source, x):
        if not delay:
            return now[source]
        return before[-delay][source] if len(before) >= delay else torch.zeros_like(x)


def too_soon(edges):
    """The loops of several layers that take fewer steps than they have layers, found by trying all."""
    layers = {k for edge in edges for k in edge}
    found = []
    for count in range(2, len(layers) + 1):
        for order in itertools.permutations(layers, count):
            loop = [(order[(k + 1) % count], order[k]) for k in range(count)]
            if all(e in edges for e in loop) and sum(edges[e] for e in loop) < count:
                found.append(loop)
    return found


def advised(message):
    """The delays that a refusal advises, by (target, source)."""
    advice = message.split("train it so: ")[1]
    parts = re.findall(r"'neurons\.(\d)' take those of 'neurons\.(\d)' of (\d) steps? before", advice)
    return {(int(target), int(source)): int(delay) for target, source, delay in parts}


def held(module):
    network = from_torch(module, torch.rand(6, 2, N).round())
    found = verify(module, network, np.random.default_rng(1).random((20, 3, N)) < 0.4)
    assert found.agrees, found.to_markdown()
    assert sum(layer.source_spikes for layer in found.layers) > 20
    return network


@st.composite
def wirings(draw):
    layers = draw(st.integers(2, 4))
    pairs = [(t, s) for t in range(layers) for s in range(layers)]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=2, max_size=6, unique=True))
    # Within a step spikes pass forwards alone.
    return layers, {(t, s): draw(st.integers(0 if s < t else 1, 3)) for t, s in chosen}, draw(st.integers(0, 9))


@examples(60, default=10)
@given(wirings())
def test_loops_are_converted_or_refused_with_advice_that_works(wiring):
    layers, edges, seed = wiring
    if not too_soon(edges):
        held(Loops(layers, edges, seed=seed))
        return
    with pytest.raises(UnsupportedError, match="spikes go round a loop of") as caught:
        from_torch(Loops(layers, edges, seed=seed), torch.rand(6, 2, N))
    longer = advised(str(caught.value))
    assert longer
    assert all(delay > edges[edge] for edge, delay in longer.items())
    assert not too_soon(edges | longer)
    held(Loops(layers, edges | longer, seed=seed))


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_the_loop_is_named_with_what_it_lacks(layers):
    edges = {(k, k - 1): 0 for k in range(1, layers)} | {(0, layers - 1): 1}
    with pytest.raises(UnsupportedError) as caught:
        from_torch(Loops(layers, edges), torch.rand(6, 2, N))
    message = str(caught.value)
    assert f"a loop of {layers} layers in 1 step, " in message
    assert re.search(rf"'neurons.0' takes those of 'neurons.{layers - 1}' of 1 step before \(\S+loops.py:\d+", message)
    assert "'neurons.1' takes those of 'neurons.0' of the same step" in message
    assert advised(message) == {(0, layers - 1): layers}
    assert held(Loops(layers, edges | {(0, layers - 1): layers})).latency == layers


def test_a_maximum_is_a_layer_of_its_loop():
    with pytest.raises(UnsupportedError, match=r"a loop of 3 layers \(a maximum of spikes is a layer too: 'maximum'\)"):
        from_torch(Loops(2, {(1, 0): 0, (0, 1): 2}, maximum=1), torch.rand(6, 2, N).round())
    held(Loops(2, {(1, 0): 0, (0, 1): 3}, maximum=1))


def test_a_maximum_of_spikes_that_act_later_alone():
    network = held(Loops(2, {(1, 0): 0, (0, 1): 3, (0, 0): 2}, maximum=0))
    assert [p.name for p in network.populations][:3] == ["neurons.0", "neurons.1", "maximum"]
    with pytest.raises(
        UnsupportedError, match=r"a loop of 2 layers .a maximum of spikes is a layer too: 'maximum'. in 1"
    ):
        from_torch(Loops(2, {(1, 0): 0, (0, 1): 3, (0, 0): 1}, maximum=0), torch.rand(6, 2, N).round())


@pytest.mark.parametrize(
    ("made", "outputs"),
    [
        (lambda s: torch.cat(s, 1), ("neurons.1",)),  # what drives another layer is no output beside it
        (lambda s: s[0][:, 1:4], ("neurons.0",)),
        (lambda s: s[1].flip(1), ("neurons.1",)),
        (lambda s: s[0] + s[1], ("neurons.1",)),
    ],
)
def test_spikes_joined_or_picked_are_those_of_their_populations(made, outputs):
    class Joined(Loops):
        def forward(self, x):
            return torch.stack([made(list(step.chunk(2, 1))) for step in super().forward(x)])

    network = held(Joined(2, {(1, 0): 0}))
    assert network.outputs == outputs
    assert any("joins, picks or adds up" in note for note in network.notes)
