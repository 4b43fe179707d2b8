"""Networks written as NIR: what comes back is equal, also through NIR's own reader and writer."""

import dataclasses

import h5py
import nir
import numpy as np
import pytest
import scipy.sparse as sp
from example_counts import examples
from hypothesis import HealthCheck, given, settings
from strategies import float_networks
from test_nir_semantics import OPTIONS, graphs

import ssdp_hw as sh
from ssdp_hw.conversion.nir import from_nir, to_nir, write_nir
from ssdp_hw.conversion.nir.metadata import KEY
from ssdp_hw.errors import FileFormatError, ParameterError, UnsupportedError


def equal(a, b, where="network"):
    """Bit equality of networks, but that weights are float64 in NIR."""
    if sp.issparse(a) or sp.issparse(b):
        assert sp.issparse(a), where
        assert sp.issparse(b), where
        for part in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part), where)
    elif dataclasses.is_dataclass(a):
        assert type(a) is type(b), where
        for f in dataclasses.fields(a):
            equal(getattr(a, f.name), getattr(b, f.name), f"{where}.{f.name}")
    elif isinstance(a, tuple):
        assert len(a) == len(b), where
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            equal(x, y, f"{where}[{k}]")
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, where)
        assert a.shape == b.shape, where
    else:
        assert a == b, where


def network(**changes):
    """A network with everything that NIR has no field for."""
    rng = np.random.default_rng(0)
    lif = sh.LIF(size=3, tau_mem=[0.01, 0.02, 0.03], v_threshold=0.7, v_init=[0.1, 0, -0.2])
    values = {
        "inputs": [sh.Input("z", 2), sh.Input("a/b", 4)],
        "populations": [
            sh.Population(name="rec", neuron=lif, bias=[0.1, 0.2, 0.3], reset="subtract", threshold=">="),
            sh.Population(name="alone", neuron=sh.IF(size=2), bias=[1, 2]),
            sh.Population(name="..", neuron=sh.CubaLI(size=1, tau_mem=0.01, tau_syn=0.002)),
        ],
        "projections": [
            sh.Projection(pre="rec", post="rec", weight=rng.normal(size=(3, 3)), delay=rng.integers(0, 4, (3, 3))),
            sh.Projection(pre="z", post="rec", weight=rng.normal(size=(3, 2)), delay=7, name="rec"),
            sh.Projection(
                pre="a/b",
                post="rec",
                weight=sp.csr_array(([0.0, 2, 3], ([0, 1, 2], [3, 0, 0])), shape=(3, 4)),
                delay=np.array([1, 0, 5]),
            ),
            sh.Projection(pre="rec", post="..", weight=np.ones((1, 3))),
            sh.Projection(pre="rec", post="..", weight=np.ones((1, 3)), name="again", delay=1),
        ],
        "outputs": ["..", "alone"],
        "semantics": sh.Semantics(1e-3, "exponential", "voltage_first"),
        "notes": ["said before"],
        **changes,
    }
    return sh.Network(**values)


def test_everything_comes_back(tmp_path):
    write_nir(network(), tmp_path / "n.nir")
    for source in (to_nir(network()), tmp_path / "n.nir"):
        equal(from_nir(source), network())


@examples(60, default=10, base=settings(suppress_health_check=list(HealthCheck)))
@given(net=float_networks())
def test_generated_networks_come_back_and_give_the_same_bytes(tmp_path_factory, net):
    folder = tmp_path_factory.mktemp("nir")
    write_nir(net, folder / "a.nir")
    loaded = from_nir(folder / "a.nir")
    equal(loaded, net)
    write_nir(loaded, folder / "b.nir")
    assert (folder / "a.nir").read_bytes() == (folder / "b.nir").read_bytes()


@examples(60, default=10, base=settings(suppress_health_check=list(HealthCheck)))
@given(graphs(), OPTIONS)
def test_networks_read_from_nir_come_back(tmp_path_factory, generated, options):
    graph, dt, _ = generated
    net = from_nir(graph, dt, **options)
    path = tmp_path_factory.mktemp("nir") / "a.nir"
    write_nir(net, path)
    equal(from_nir(path), net)


def test_nirs_own_reader_and_writer_keep_it(tmp_path):
    net = network(
        inputs=[sh.Input("z", 2), sh.Input("ab", 4)],
        populations=network().populations[:1],
        outputs=["rec"],
        projections=[dataclasses.replace(p, pre=p.pre.replace("/", "")) for p in network().projections[:3]],
    )
    write_nir(net, tmp_path / "ours.nir")
    graph = nir.read(tmp_path / "ours.nir")  # with its type check
    nir.write(tmp_path / "theirs.nir", graph)
    equal(from_nir(tmp_path / "theirs.nir"), net)


def test_other_tools_see_the_delay_the_bias_and_the_weights():
    graph = to_nir(network())
    assert graph.nodes["rec.delay"].delay.tolist() == [7e-3] * 2
    assert ("z", "rec.delay") in graph.edges
    first = graph.nodes["rec->rec"]
    assert isinstance(first, nir.Affine)
    assert first.bias.tolist() == [0.1, 0.2, 0.3]
    assert sum(isinstance(n, nir.Affine) for n in graph.nodes.values()) == 2  # and that of 'alone'
    assert graph.nodes["a|b->rec"].weight.tolist() == [[0, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0]]


def test_arguments_win_over_the_metadata_and_are_noted():
    net = from_nir(to_nir(network()), 2e-3, reset="zero", discretization="euler")
    assert (net.semantics.dt, net.semantics.discretization, net.semantics.update_order) == (
        2e-3,
        "euler",
        "voltage_first",
    )
    assert {p.reset for p in net.populations} == {"zero"}
    assert net.population("rec").threshold == ">="
    assert net.projection("rec").delay == 4  # 7 ms in steps of 2 ms, to the even number
    notes = "\n".join(net.notes)
    for words in (
        "dt is 0.002, as the caller chose; the graph states 0.001",
        "reset is 'zero' in every population",
        "discretization is euler",
        "rounded to steps of 0.002 s",
    ):
        assert words in notes


def test_a_changed_graph_is_read_with_what_is_new():
    graph = to_nir(network())
    graph.nodes["new"] = nir.LIF(*(np.full(3, v) for v in (0.1, 1.0, 0.0, 1.0, 0.0)))
    graph.edges.append(("rec", "new"))
    net = from_nir(graph)
    assert net.population_names == ("rec", "alone", "..", "new")
    assert net.projections[-1].name == "rec->new"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ("[" * 100_000, "damaged"),
        ("{}", "damaged"),
        ("3", "damaged"),
        (3, "damaged"),
    ],
)
def test_damaged_header(text, words):
    graph = to_nir(network())
    graph.metadata[KEY] = text
    with pytest.raises(ParameterError, match=words):
        from_nir(graph)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"dt":0.001', '"dt":-1', "must be finite and above 0"),
        ('"dt":0.001', '"dt":"x"', "not a number of seconds"),
        ('"version":1', '"version":2', "has version 2"),
        ('"exponential"', '"rk4"', "unknown"),
        ('"outputs":["..","alone"]', '"outputs":"alone"', "damaged"),
        ('"notes":["said before"]', '"notes":[1]', "damaged"),
    ],
)
def test_wrong_header(old, new, words):
    graph = to_nir(network())
    assert old in graph.metadata[KEY]
    graph.metadata[KEY] = graph.metadata[KEY].replace(old, new)
    with pytest.raises(ParameterError, match=words):
        from_nir(graph)


@pytest.mark.parametrize(
    ("node", "metadata", "words"),
    [
        ("a|b->rec", {"indices": np.array([9, 0, 0])}, "sparse pattern in its metadata is malformed|malformed"),
        ("a|b->rec", {"indptr": np.array([0, 1, 2, 9])}, "malformed"),
        ("a|b->rec", {"indices": "x"}, "malformed"),
        ("a|b->rec", {"indices": np.array([3, 1, 0])}, "leaves out weights"),
        ("a|b->rec", {"delay": np.array([0.0, 1.0])}, "delay in its metadata has 2 values"),
        ("a|b->rec", {"delay": np.array([0.0, -1.0, 0])}, "delay in its metadata = -1 s is outside"),
        ("rec", {"reset": "soft"}, "Reset 'soft' is unknown"),
        ("rec", {"v_init": np.ones(5)}, "v_init has 5 values"),
    ],
)
def test_wrong_metadata_of_a_node(node, metadata, words):
    graph = to_nir(network())
    graph.nodes[node].metadata |= metadata
    with pytest.raises(ParameterError, match=words):
        from_nir(graph)


def test_what_cannot_be_written():
    with pytest.raises(ParameterError, match="not int"):
        to_nir(3)


def test_weights_that_are_too_large_as_dense_ones():
    size = 1 << 14
    weight = sp.csr_array((np.ones(1), ([0], [0])), shape=(size, size))
    net = sh.Network(
        [sh.Input("in", size)],
        [sh.Population(name="p", neuron=sh.IF(size=size))],
        [sh.Projection(pre="in", post="p", weight=weight)],
        ["p"],
        sh.Semantics(1.0),
    )
    with pytest.raises(UnsupportedError, match=f"would take {8 << 28} bytes"):
        to_nir(net)


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "n.nir"
    write_nir(network(), path)
    before = path.read_bytes()

    def fails(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(h5py.Group, "create_dataset", fails)
    with pytest.raises(FileFormatError, match="disk full"):
        write_nir(network(notes=[]), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_dt_is_needed_where_nothing_states_it():
    graph = to_nir(network())
    graph.metadata = {}
    with pytest.raises(ParameterError, match="give dt, in seconds"):
        from_nir(graph)
