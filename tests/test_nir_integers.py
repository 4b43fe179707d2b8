"""Fixed networks and learning rules in NIR: every integer comes back, and the nodes say what the integers mean."""

import copy
import dataclasses
import json

import nir
import numpy as np
import pytest
from conv_strategies import fixed_conv_networks
from example_counts import examples
from hypothesis import HealthCheck, given, settings, strategies as st
from strategies import fixed_networks
from test_nir_writer import network as float_network
from test_storage import fixed_network, report, same

import ssdp_hw as sh
from ssdp_hw.chips import chip_from_table, chip_to_table, load_chip
from ssdp_hw.conversion.nir.integers import FIXED_KEY, RULE_KEY
from ssdp_hw.errors import ParameterError, SsdpHwError, UnsupportedError
from ssdp_hw.network.float_network import Network
from ssdp_hw.quantization.normal_form import normal_form

QUIET = list(HealthCheck)
OWN_CHIP = dataclasses.replace(load_chip("loihi"), name="own", state_bits=30)


def there_and_back(network, folder, rule=None):
    sh.write_nir(network, folder / "a.nir", rule=rule)
    loaded = sh.from_nir(folder / "a.nir")
    same(loaded, network)
    same(sh.from_nir(sh.to_nir(network)), network)
    sh.write_nir(loaded, folder / "b.nir", rule=sh.rule_from_nir(folder / "a.nir"))
    assert (folder / "a.nir").read_bytes() == (folder / "b.nir").read_bytes()


@examples(50, default=8, base=settings(suppress_health_check=QUIET))
@given(st.one_of(fixed_networks(), fixed_networks(), fixed_conv_networks()))
def test_generated_networks_come_back_and_give_the_same_bytes(tmp_path_factory, network):
    there_and_back(network, tmp_path_factory.mktemp("nir"))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"dt": 1e-3, "report": report()},
        {"chip": chip_from_table(chip_to_table(OWN_CHIP), "own")},
        {"chip": "loihi2"},
    ],
)
def test_chip_dt_report_names_and_notes_come_back(tmp_path, more):
    there_and_back(fixed_network(**more), tmp_path)


@pytest.mark.parametrize("granularity", ["projection", "channel"])
def test_a_quantised_network_comes_back(tmp_path, granularity):
    fixed = sh.quantize(quantisable(), "generic16" if granularity == "channel" else "loihi", granularity=granularity)
    there_and_back(fixed, tmp_path)


def quantisable():
    """A network of a convolution and a matrix whose neurons differ in gain."""
    rng = np.random.default_rng(4)
    conv = sh.ConvWeight(rng.normal(size=(2, 1, 3)), (1, 6))
    return sh.Network(
        [sh.Input("in", 6)],
        [
            sh.Population(
                name="a",
                neuron=sh.CubaLIF(
                    size=8,
                    tau_mem=0.02,
                    tau_syn=0.01,
                    v_threshold=0.5,
                    v_reset=-0.1,
                ),
            ),
            sh.Population(name="b", neuron=sh.LIF(size=3, tau_mem=[0.01, 0.02, 0.03], r=[1, 2, 3], v_leak=0.2)),
            sh.Population(name="c", neuron=sh.IF(size=2, r=[300, 500]), bias=[0.1, -0.2]),
        ],
        [
            sh.Projection(pre="in", post="a", weight=conv),
            sh.Projection(pre="a", post="b", weight=rng.normal(size=(3, 8))),
            sh.Projection(pre="b", post="c", weight=rng.normal(size=(2, 3))),
        ],
        ["c"],
        sh.Semantics(1e-3),
    )


def test_weights_of_a_quantised_network_are_those_that_it_came_from():
    net = quantisable()
    back = sh.dequantize(sh.quantize(net, "generic16"))
    for p, q in zip(net.projections, back.projections, strict=True):
        a, b = p.stored_weights, q.stored_weights
        np.testing.assert_allclose(a, b, rtol=0, atol=np.abs(a).max() / 2**14)


@examples(80, default=12, base=settings(suppress_health_check=QUIET))
@given(st.one_of(fixed_networks(), fixed_conv_networks()), st.sampled_from((None, 2e-3)), st.booleans())
def test_the_float_network_takes_the_step_of_the_integers(fixed, dt, with_scales):
    rng = np.random.default_rng(0)
    if with_scales:
        fixed = dataclasses.replace(
            fixed,
            populations=[dataclasses.replace(p, scale=float(rng.uniform(9, 99))) for p in fixed.populations],
            projections=[
                dataclasses.replace(p, scale=np.full(p.shape[0], rng.uniform(3, 9))) for p in fixed.projections
            ],
        )
    fixed = dataclasses.replace(fixed, dt=dt)
    chip, net = fixed.limits, sh.dequantize(fixed)
    assert net.semantics.dt == (1.0 if dt is None else dt)
    for p in fixed.populations:
        scale, normal = np.ones(p.size) if p.scale is None else p.scale, normal_form(net, p.name)
        close = {"rtol": 1e-12, "atol": 1e-11}  # 2**-40 stands for no leak
        np.testing.assert_allclose(normal.decay_u, 1 - (p.du + 1) / 4096, **close)
        np.testing.assert_allclose(normal.decay_v, 1 - p.dv / 4096, **close)
        np.testing.assert_allclose(normal.bias * scale, p.bias, rtol=1e-12)
        np.testing.assert_allclose(normal.v_init * scale, p.v_init, rtol=1e-12)
        assert (normal.reset, normal.comparison, normal.threshold is not None) == (p.reset, p.threshold, p.spiking)
        if p.spiking:
            np.testing.assert_allclose(normal.threshold * scale, np.maximum(p.vth << 6, 0.5), rtol=1e-12)
        for q in normal.incoming:
            integers = fixed.projection(q.name)
            meant = integers.synapse_weights * 2.0 ** (integers.weight_exp + chip.activation_shift)
            found = sh.Projection(pre="x", post="y", weight=q.weight)
            in_units = found.synapse_weights * scale[found.synapse_indices[0]]
            np.testing.assert_allclose(in_units, meant, rtol=1e-11)


def test_what_a_float_neuron_cannot_state_is_noted():
    def notes(**values):
        network = sh.FixedNetwork(
            [sh.Input("in", 1)],
            [sh.FixedPopulation(name="p", size=1, **values)],
            [sh.FixedProjection(pre="in", post="p", weight=[[2]])],
            ["p"],
            dt=1e-3,
        )
        return list(sh.dequantize(network).notes[1:])

    assert notes(du=4095, dv=0, vth=1) == notes(du=7, dv=9, vth=1) == []
    assert notes(du=7, dv=0, vth=1) == [
        "population 'p': no such neuron is without a leak of the voltage: 2**-40 a step stands for it"
    ]
    assert notes(vth=0) == ["population 'p': a threshold of 0 stands at half a unit of the chip's voltage"]
    assert "does not fire at rest" in notes(vth=0, threshold=">=")[0]


def test_nirs_own_reader_and_writer_keep_it(tmp_path):
    fixed = sh.quantize(quantisable(), "loihi")
    sh.write_nir(fixed, tmp_path / "ours.nir", rule=sh.SSDP())
    graph = nir.read(tmp_path / "ours.nir")  # with its type check
    assert isinstance(graph.nodes["a->b"], nir.Linear)
    nir.write(tmp_path / "theirs.nir", graph)
    same(sh.from_nir(tmp_path / "theirs.nir"), fixed)
    assert sh.rule_from_nir(tmp_path / "theirs.nir") == sh.SSDP()


def changed(network, change):
    graph = sh.to_nir(network)
    graph.metadata = copy.deepcopy(graph.metadata)
    change(graph, graph.metadata[FIXED_KEY])
    return graph


def a_node(name, **values):
    def change(graph, _):
        for parameter, value in values.items():
            setattr(graph.nodes[name], parameter, value)

    return change


def an_array(group, index, name, value):
    def change(_, tree):
        array = tree[group][str(index)][name].copy()
        array.reshape(-1)[0] += value
        tree[group][str(index)][name] = array

    return change


def header(**values):
    def change(_, tree):
        tree["header"] = json.dumps(json.loads(tree["header"]) | values)

    return change


def rewired(graph, _):
    graph.nodes["more"] = nir.Linear(np.ones((3, 3)))
    graph.edges += [("b", "more"), ("more", "b")]


@pytest.mark.slow_after(6)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (a_node("b", tau=np.array([0.01, 0.02, 0.0300001])), "'b': .* contradict each other in tau_mem"),
        (a_node("c", v_threshold=np.array([1.0, 1.1])), "'c': .* in v_threshold"),
        (a_node("a->b", weight=np.ones((3, 8))), "'a->b': .* in weights"),
        (rewired, "the graph: .* in inputs"),
        (an_array("projections", 1, "weight", 2), "'a->b': .* in weights"),
        (an_array("projections", 0, "kernel", 2), "'in->a': .* in weights"),
        (an_array("populations", 1, "dv", 1), "'b': .* in tau_mem"),
        (an_array("populations", 2, "bias_mant", 1), "'c': .* in bias"),
        (an_array("populations", 2, "v_init", 1), "'c': .* in v_init"),
        (an_array("populations", 0, "du", 4096), "du = .* outside 0 .. 4095|register"),
        (header(dt=2e-3), "the graph: .* in dt"),
        (header(chip="loihi3"), "loihi3"),
        (header(outputs=["b"]), "outputs"),
        (header(kind="float"), "holds a float network, not a fixed one"),
        (header(projections=[]), "contradict each other in inputs"),
        (lambda _, tree: tree.pop("header"), "damaged"),
        (lambda graph, _: graph.metadata.update({FIXED_KEY: 3}), "damaged"),
    ],
)
def test_a_graph_that_contradicts_itself_is_refused(tmp_path, change, words):
    fixed = sh.quantize(quantisable(), "loihi")
    graph = changed(fixed, change)
    with pytest.raises(ParameterError, match=words):
        sh.from_nir(graph)
    nir.write(tmp_path / "n.nir", graph)
    with pytest.raises(ParameterError, match=rf"n\.nir: .*({words})"):
        sh.from_nir(tmp_path / "n.nir")


@pytest.mark.parametrize(
    "options",
    [
        {"dt": 1e-3},
        {"reset": "zero"},
        {"threshold": ">"},
        {"discretization": "euler"},
        {"preset": "snntorch"},
        {"update_order": "current_first"},
    ],
)
def test_a_fixed_network_takes_no_semantics(options):
    with pytest.raises(ParameterError, match=f"leave {next(iter(options))} out"):
        sh.from_nir(sh.to_nir(fixed_network()), **options)
    with pytest.raises(ParameterError, match="preset and timing are for graphs of other tools"):
        sh.from_nir(sh.to_nir(fixed_network()), timing="same_step")


def test_without_the_integers_the_nodes_are_read():
    fixed = sh.quantize(quantisable(), "loihi")
    graph = sh.to_nir(fixed)
    del graph.metadata[FIXED_KEY]
    net = sh.from_nir(graph)
    assert isinstance(net, Network)
    assert "rounding and overflow of the integers of chip 'loihi' are left out" in net.notes


# Learning rules.

FIXED_SSDP = sh.FixedSSDP(
    a_plus=3,
    a_baseline=1,
    lut=(255, 9),
    lut_baseline=(7,),
    gate=sh.FixedGate(offset=-3, slope=4, shift=2, gate_bits=5),
    spike_time="last",
    windows_per_update=4,
    lsb_shift=3,
)
RULES = [
    sh.SSDP(
        a_plus=1 / 3, learning_window="exponential", gate=sh.Gate(k=0.1, mean=0.2, deviation=0.3), rounding="stochastic"
    ),
    sh.STDP(tau_plus=1 / 7, pairing="nearest"),
    sh.SADP(kappa_bits=5),
    FIXED_SSDP,
    sh.FixedSTDP(a_plus=3, a_minus=4, decay_plus=5, decay_minus=6, lsb_shift=2),
    sh.FixedSADP(a_plus=3, a_minus=4, lsb_shift=1),
]


@pytest.mark.parametrize("rule", [*RULES, {"readout": FIXED_SSDP, "late": sh.SADP()}])
def test_rules_come_back(tmp_path, rule):
    there_and_back(fixed_network(), tmp_path, rule)
    assert sh.rule_from_nir(tmp_path / "a.nir") == rule
    assert sh.rule_from_nir(sh.to_nir(float_network())) is None


def test_a_float_network_has_its_rule_beside_it(tmp_path):
    sh.write_nir(float_network(), tmp_path / "n.nir", rule=sh.STDP())
    assert sh.rule_from_nir(tmp_path / "n.nir") == sh.STDP()
    assert isinstance(sh.from_nir(tmp_path / "n.nir"), Network)


def test_rules_that_cannot_be_written():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Mine(sh.SADP):
        pass

    with pytest.raises(UnsupportedError, match="Mine has no form in a file"):
        sh.to_nir(fixed_network(), rule=Mine())
    with pytest.raises(ParameterError, match="3 is no learning rule"):
        sh.to_nir(fixed_network(), rule=3)
    with pytest.raises(ParameterError, match="'nobody' is no projection"):
        sh.to_nir(fixed_network(), rule={"nobody": sh.SADP()})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        (3, "damaged"),
        ("[" * 100_000, "damaged"),
        ('{"rule": 3}', "not by '3'"),
        ('{"rule": {"kind": "Own"}}', "kind 'Own' are unknown"),
        ('{"rule": {"kind": "SADP", "a_plus": -1}}', "a_plus = -1"),
        ('{"rule": {"kind": "SADP", "x": 1}}', "parameter 'x'"),
        ('{"rule": {"kind": "FixedSADP"}}', "missing"),
        ('{"rule": {"kind": "SADP", "gate": {"kind": "SADP"}}}', "gate is of type SADP; expected Gate"),
        ('{"rule": {"kind": "Gate", "k": 0, "mean": 0, "deviation": 1}}', "Gate is no learning rule"),
        ('{"rules": {"late": {"kind": "SSDP", "sigma": NaN}}}', "NaN or infinite"),
        ('{"rules": 3}', "damaged"),
    ],
)
def test_wrong_rules(text, words):
    graph = sh.to_nir(fixed_network())
    graph.metadata[RULE_KEY] = text
    with pytest.raises(ParameterError, match=words):
        sh.rule_from_nir(graph)


# Hostile metadata.

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**63, 10**400, -1e308, 1e-320, 0.5]),
    st.text(max_size=3),
    st.sampled_from([[], {}, [1, 2], ["in"], {"kind": "SSDP"}, "in", "out", "loihi", "/etc/passwd", "w8/8-mixed"]),
)
ARRAYS = st.one_of(
    st.sampled_from([(0,), (1,), (2,), (3,), (2, 3), (3, 2, 1)]).flatmap(
        lambda shape: st.sampled_from(["f8", "i8", "i2", "u1", "?", "S3", "c16"]).map(lambda kind: np.ones(shape, kind))
    ),
    st.sampled_from([0, 2**62, float("nan"), "text", b"\xff", {}, {"0": 3}]),
    st.integers(-5, 5).map(np.int64),
)


def places(tree, path=()):
    """Every place in nested dicts and lists."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def put(tree, path, value, remove):
    for key in path[:-1]:
        tree = tree[key]
    if remove:
        del tree[path[-1]]
    else:
        tree[path[-1]] = value


@examples(250, default=40, base=settings(suppress_health_check=QUIET))
@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(0, 1, exclude_max=True), PLAIN, ARRAYS, st.integers(0, 4)),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
)
def test_changed_metadata_are_read_or_refused(changes, with_report):
    network = fixed_network(dt=1e-3, report=report() if with_report else None)
    graph = sh.to_nir(network, rule={"late": RULES[0], "readout": RULES[3]})
    texts = {key: json.loads(text) for key, text in graph.metadata.items() if isinstance(text, str)}
    tree = graph.metadata[FIXED_KEY]
    texts["header"] = json.loads(tree.pop("header"))
    for in_text, where, plain, array, kind in changes:
        chosen = texts if in_text else tree
        paths = list(places(chosen))
        # A copy: a dict that is drawn twice is the same object, and put into itself would have no end.
        put(chosen, paths[int(where * len(paths))], copy.deepcopy(plain if in_text else array), kind == 0)
        if not texts or not tree:
            break
    tree |= {"header": json.dumps(texts.pop("header", None))}
    graph.metadata |= {key: json.dumps(values) for key, values in texts.items()}
    for read in (sh.from_nir, sh.rule_from_nir):
        said = ""
        try:
            read(graph)
        except SsdpHwError as error:
            said = str(error)
        assert "\n" not in said
