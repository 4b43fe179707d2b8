import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, strategies as st

from ssdp_hw import LI, LIF, FixedProjection, Input, Network, Population, Projection, Semantics
from ssdp_hw.errors import ParameterError, ShapeError
from ssdp_hw.network.projection import MAX_DELAY


def lif(name, size=2):
    return Population(name=name, neuron=LIF(size=size, tau_mem=0.01))


def join(pre, post, n_pre=2, n_post=2, **more):
    return Projection(pre=pre, post=post, weight=np.ones((n_post, n_pre)), **more)


def network(projections, populations=None, inputs=None, outputs=("a",)):
    return Network(
        [Input("x", 2)] if inputs is None else inputs,
        [lif("a")] if populations is None else populations,
        projections,
        outputs,
        Semantics(1e-3),
    )


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: network([], inputs=[]), "no input"),
        (lambda: network([], populations=[]), "no population"),
        (lambda: network([], outputs=()), "no output"),
        (lambda: network([], outputs=("b",)), "'b' is no population; there are: a"),
        (lambda: network([], outputs=("x",)), "'x' is no population"),
        (lambda: network([], outputs=("a", "a")), "output 'a' occurs twice"),
        (lambda: network([], populations=[lif("a"), lif("a")]), "population 'a' occurs twice"),
        (lambda: network([], populations=[lif("a"), lif("x")]), "population 'x' occurs twice"),
        (lambda: network([join("x", "a"), join("x", "a")]), "projection 'x->a' occurs twice"),
        (lambda: network([join("x", "b")]), "post 'b' is no population"),
        (lambda: network([join("a", "x")]), "post 'x' is no population"),
        (lambda: network([join("y", "a")]), "'y' is no population"),
    ],
)
def test_malformed_graphs(build, words):
    with pytest.raises(ParameterError, match=words):
        build()


def test_readout_cannot_project():
    readout = Population(name="out", neuron=LI(size=2, tau_mem=0.01))
    with pytest.raises(ParameterError, match="'out->a': pre 'out' is a readout without spikes"):
        network([join("out", "a")], populations=[lif("a"), readout])


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (1, 2)])
def test_weight_must_fit_its_populations(shape):
    with pytest.raises(ShapeError, match=r"\(post, pre\) = \(2, 2\)"):
        network([Projection(pre="x", post="a", weight=np.ones(shape))])


@pytest.mark.parametrize("weight", [np.ones(3), np.ones((0, 2)), 1.0, [[1, 2], [3]], np.ones((1, 1, 1))])
def test_weight_must_be_a_matrix(weight):
    with pytest.raises(ShapeError, match="projection 'x->a'"):
        Projection(pre="x", post="a", weight=weight)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "2", None])
def test_input_size(size):
    with pytest.raises(ParameterError, match="input 'x'"):
        Input("x", size)


def test_delay_forms_of_a_dense_weight():
    by_synapse = np.arange(6).reshape(2, 3)
    for given_as in (by_synapse, by_synapse.reshape(-1), by_synapse.tolist()):
        p = Projection(pre="x", post="a", weight=np.ones((2, 3)), delay=given_as)
        assert p.synapse_delays.tolist() == list(range(6))
        assert p.max_delay == 5
    p = Projection(pre="x", post="a", weight=np.ones((2, 3)), delay=np.full((2, 3), 4))
    assert p.delay == 4
    assert p.synapse_delays.tolist() == [4] * 6


@pytest.mark.parametrize("delay", [np.ones(5, int), np.ones((3, 2), int), np.ones((2, 1), int), [[1], [1, 2]]])
def test_delay_of_another_shape(delay):
    with pytest.raises(ShapeError, match=r"'x->a'.*delay"):
        Projection(pre="x", post="a", weight=np.ones((2, 3)), delay=delay)


@pytest.mark.parametrize("delay", [-1, 0.5, MAX_DELAY + 1, "1"])
def test_delay_of_another_value(delay):
    with pytest.raises(ParameterError, match="'x->a': delay"):
        Projection(pre="x", post="a", weight=np.ones((2, 3)), delay=delay)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["csr", "csc", "coo"]))
def test_sparse_delays_stay_with_their_synapses_in_any_stored_order(seed, form):
    rng = np.random.default_rng(seed)
    cells = rng.permutation(12)[:7]
    rows, cols = cells // 4, cells % 4
    stored = sp.coo_array((cells + 1.0, (rows, cols)), shape=(3, 4))
    if form == "csr":  # columns of a row in no order
        order = np.argsort(rows, kind="stable")
        pointers = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=3))])
        stored = sp.csr_array((cells[order] + 1.0, cols[order], pointers), shape=(3, 4))
    elif form == "csc":
        stored = stored.tocsc()
    p = Projection(pre="x", post="a", weight=stored, delay=stored.data.astype(int))
    assert p.synapse_weights.tolist() == sorted(cells + 1.0)
    assert p.synapse_delays.tolist() == sorted(cells + 1)


def test_sparse_delay_as_a_matrix_and_without_synapses():
    weight = sp.csr_array(([1.0, 2.0], [2, 0], [0, 1, 2]), shape=(2, 3))
    by_place = np.arange(6).reshape(2, 3)
    for delay in (by_place, sp.csr_array(by_place)):
        assert Projection(pre="x", post="a", weight=weight, delay=delay).synapse_delays.tolist() == [2, 3]
    empty = Projection(pre="x", post="a", weight=sp.csr_array((2, 3)), delay=3)
    assert empty.synapse_delays.shape == (0,)
    assert empty.max_delay == 0


def test_look_ups_by_name():
    net = network([join("x", "a"), join("a", "a", name="loop")])
    assert net.size_of("x") == net.size_of("a") == 2
    assert [p.name for p in net.incoming("a")] == ["x->a", "loop"]
    assert net.projection("loop").pre == "a"
    for look in (net.population, net.projection, net.size_of):
        with pytest.raises(ParameterError, match="'none' is no"):
            look("none")


def test_latency_counts_projections_and_delays_on_the_shortest_way():
    chain = [join("x", "a", delay=3), join("a", "b"), join("b", "b", delay=50)]
    assert network(chain, [lif("b"), lif("a")], outputs=("b",)).latency == 5
    shortcut = [*chain, join("x", "b", delay=1)]
    assert network(shortcut, [lif("b"), lif("a")], outputs=("b",)).latency == 2
    assert network(shortcut, [lif("b"), lif("a")], outputs=("a", "b")).latency == 4
    assert network([], [lif("a")]).latency == 0


def test_summary_names_everything():
    text = "\n".join(network([join("x", "a", delay=3)]).summary())
    for words in ("input x: 2", "population a: 2", "x->a: 2 -> 2, dense, delay up to 3", "output a"):
        assert words in text


@pytest.mark.parametrize("kind", [Projection, FixedProjection])
def test_ends_by_their_old_names(kind):
    with pytest.warns(DeprecationWarning, match=rf"{kind.__name__}\((source|target)=") as caught:
        p = kind(source="x", target="a", weight=np.ones((1, 1), int) * 2)
    assert len(caught) == 2
    assert (p.pre, p.post, p.name) == ("x", "a", "x->a")
    with pytest.warns(DeprecationWarning, match=rf"{kind.__name__}\.(source|target) is now"):
        assert (p.source, p.target) == ("x", "a")
