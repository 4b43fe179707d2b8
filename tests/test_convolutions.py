"""Convolutions through the whole toolkit: every target, files, NIR, quantisation and the counts of a run."""

from dataclasses import replace
from importlib.util import find_spec

import nir
import numpy as np
import pytest
from conv_strategies import fixed_conv_networks, float_conv_networks, unrolled
from example_counts import examples
from hypothesis import HealthCheck, Phase, event, given, settings, strategies as st
from plan_strategies import learning_runs
from strategies import drives_for, not_the_simplest
from test_engine import assert_close, assert_equal, run
from test_engine_learning import assert_bits_equal, assert_close as assert_learned_close, learn
from test_nir_writer import equal

import ssdp_hw as sh
from ssdp_hw.errors import FileFormatError, ParameterError
from ssdp_hw.network.convolution import ConvWeight
from ssdp_hw.rules import FixedSSDP
from ssdp_hw.running.target_registry import get_target

SPEC, ENGINE = get_target("spec"), get_target("engine")
GENERATED = settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow], deadline=None)


@examples(100, default=20, base=GENERATED)
@given(st.data())
def test_fixed_convolutions_are_bit_equal_on_spec_and_engine(data):
    network = data.draw(fixed_conv_networks())
    inputs = data.draw(drives_for(network, max_steps=12, analog=True))
    wanted = run(SPEC, unrolled(network), inputs)
    assert_equal(wanted, run(SPEC, network, inputs))
    for threads in (1, None):
        assert_equal(wanted, run(ENGINE, network, inputs, threads=threads))
    alone = {name: spikes[:, :1] for name, spikes in inputs.items()}
    assert_equal(run(SPEC, network, alone), run(ENGINE, network, alone))
    event(f"the readout fires: {wanted.spikes['c'].any()}")


@examples(60, default=12, base=GENERATED)
@given(st.data())
def test_float_convolutions_equal_their_matrices(data):
    network = data.draw(float_conv_networks())
    inputs = data.draw(drives_for(network, max_steps=12, analog=True))
    wanted = run(SPEC, network, inputs)
    assert_equal(wanted, run(SPEC, unrolled(network), inputs))
    assert_close(wanted, run(ENGINE, network, inputs))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("brian2", {"batching": "copies"}),
        ("brian2", {"batching": "sequence"}),
        ("lava", {}),
    ],
)
@examples(8, default=1, base=settings(GENERATED, phases=(Phase.generate,)))
@given(data=st.data())
def test_other_targets_are_bit_equal(data, target, options):
    other = get_target(target)
    if not other.availability().installed:
        pytest.skip(f"{target} is not installed")
    network = data.draw(not_the_simplest(fixed_conv_networks()))
    inputs = data.draw(drives_for(network, max_steps=8, max_batch=2))
    wanted, found = run(SPEC, network, inputs), run(other, network, inputs, **options)
    for variable in ("spikes", "v", "u"):
        for name, trace in getattr(wanted, variable).items():
            np.testing.assert_array_equal(getattr(found, variable)[name], trace, err_msg=f"{variable} of {name}")


@examples(25, default=10, base=GENERATED)
@given(st.data())
def test_files_keep_convolutions_and_give_the_same_bytes(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("conv")
    for network in (data.draw(float_conv_networks()), data.draw(fixed_conv_networks())):
        network.save(folder / "a.h5")
        loaded = sh.load(folder / "a.h5")
        equal(loaded, network)
        loaded.save(folder / "b.h5")
        assert (folder / "a.h5").read_bytes() == (folder / "b.h5").read_bytes()


@examples(40, default=8, base=GENERATED)
@given(float_conv_networks())
def test_nir_keeps_convolutions_and_gives_the_same_bytes(tmp_path_factory, network):
    folder = tmp_path_factory.mktemp("conv")
    sh.write_nir(network, folder / "a.nir")
    loaded = sh.from_nir(folder / "a.nir")
    equal(loaded, network)
    sh.write_nir(loaded, folder / "b.nir")
    assert (folder / "a.nir").read_bytes() == (folder / "b.nir").read_bytes()


def chain(*weights, bias=0.0, neuron=sh.IF):
    """in -> weights, each into a population of its own."""
    sizes = [w.shape[0] for w in weights]
    names = [f"p{k}" for k in range(len(weights))]
    return sh.Network(
        [sh.Input("in", weights[0].shape[1])],
        [sh.Population(name=n, neuron=neuron(size=size), bias=bias) for n, size in zip(names, sizes, strict=True)],
        [
            sh.Projection(pre=s, post=t, weight=w, name=f"w{t}")
            for s, t, w in zip(["in", *names], names, weights, strict=False)
        ],
        names[-1:],
        sh.Semantics(1.0),
    )


def test_nir_has_its_own_nodes_between_neurons_of_their_shapes():
    conv = ConvWeight(np.ones((3, 2, 3, 2)), (2, 6, 6), (2, 1), ((1, 1), (0, 0)))
    pool = ConvWeight.pooling(0.25, (2, 2), conv.shape_out, (2, 2))
    graph = sh.to_nir(chain(conv, pool, np.ones((4, pool.shape[0])), bias=0.5))
    assert type(graph.nodes["wp0"]) is nir.Conv2d
    assert graph.nodes["wp0"].bias.tolist() == [0.5] * 3
    assert type(graph.nodes["wp1"]) is nir.AvgPool2d
    shapes = {name: graph.nodes[name].r.shape for name in ("p0", "p1", "p2")}
    assert shapes == {"p0": conv.shape_out, "p1": pool.shape_out[1:], "p2": (4,)}
    assert type(graph.nodes["wp2.flatten"]) is nir.Flatten
    # A pooling has no bias in NIR, so an Affine that nothing feeds has it.
    np.testing.assert_array_equal(graph.nodes["p1.bias"].bias, 0.5)


def test_what_nir_has_no_node_for_is_a_matrix_that_other_tools_read():
    network = chain(ConvWeight(np.arange(6.0).reshape(1, 1, 6), (1, 9), padding=((0, 2),)))
    node = sh.to_nir(network).nodes["wp0"]
    np.testing.assert_array_equal(node.weight, network.projections[0].matrix.toarray())
    graph = sh.to_nir(network)
    graph.nodes["wp0"].weight[0, 0] = 7
    with pytest.raises(ParameterError, match=r"'wp0'.*is not the matrix beside it"):
        sh.from_nir(graph)
    for change in ({"stride": np.array(0)}, {"kernel": np.ones((1, 2))}, {"groups": "x"}):
        graph = sh.to_nir(network)
        graph.nodes["wp0"].metadata |= change
        with pytest.raises(ParameterError, match=r"'wp0'.*the convolution in its metadata"):
            sh.from_nir(graph)


def nodes(*middle, shape=(2, 6, 6)):
    """in -> middle -> an IF of one value -> out."""
    named = {f"x{k}": node for k, node in enumerate(middle)}
    size = nir.IF(np.array(1.0), np.array(1.0), np.array(0.0))
    everything = {"in": nir.Input({"input": np.array(shape)}), **named, "n": size}
    edges = list(zip(everything, list(everything)[1:], strict=False))
    out = nir.Output({"output": np.array([1])})
    return nir.NIRGraph({**everything, "out": out}, [*edges, ("n", "out")], type_check=False)


def conv2d(c_out, c_in, *taps, stride=1, padding=0):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(c_out, c_in, *taps))
    return nir.Conv2d(None, weight, stride, padding, 1, 1, rng.normal(size=c_out))


def read(*middle, shape=(2, 6, 6)):
    graph = nodes(*middle, shape=shape)
    found = sh.from_nir(graph_with_outputs(graph), 1.0)
    (p,) = found.projections
    return p, "\n".join(found.notes)


def graph_with_outputs(graph):
    """The graph without the declared size of its Output, which takes what arrives."""
    graph.nodes["out"] = nir.Output({"output": None})
    return graph


def test_linear_nodes_beside_a_convolution():
    pool = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    by_channel = nir.Scale(np.repeat([2.0, 3.0], 36).reshape(2, 6, 6))
    by_value = nir.Scale(np.arange(72.0).reshape(2, 6, 6))
    p, notes = read(pool, conv2d(3, 2, 2, 2, padding=1))
    assert p.is_convolution
    assert p.weight.kernel.shape == (3, 2, 4, 4)
    assert "are one convolution" in notes
    p, _ = read(by_channel, conv2d(3, 2, 2, 2))
    assert p.is_convolution
    for middle in (
        (by_value, conv2d(3, 2, 2, 2)),
        (conv2d(3, 2, 2, 2), conv2d(3, 3, 2, 2)),
        (conv2d(3, 2, 2, 2), nir.Linear(np.ones((4, 75)))),
    ):
        p, notes = read(*middle)
        assert not p.is_convolution
        assert "unrolled, without shared weights" in notes


def test_quantisation_rounds_the_kernel():
    rng = np.random.default_rng(0)
    network = chain(ConvWeight(rng.normal(size=(4, 2, 3, 3)), (2, 6, 6)), bias=0.1)
    fixed = sh.quantize(network)
    (p,), (about,) = fixed.projections, fixed.report.projections
    assert p.is_convolution
    assert p.weight.geometry() == network.projections[0].weight.geometry()
    assert p.mantissa.size == about.synapses == 72
    # Neurons of one channel with gains of their own cannot share the chip's weights.
    gains = replace(network.populations[0], neuron=sh.IF(size=64, r=rng.uniform(1, 2, 64)))
    apart = sh.quantize(replace(network, populations=[gains]))
    assert not apart.projections[0].is_convolution
    assert apart.projections[0].synapse_count == p.synapse_count
    by_channel = replace(network.populations[0], neuron=sh.IF(size=64, r=np.repeat([1.0, 1.5, 2.0, 3.0], 16)))
    assert sh.quantize(replace(network, populations=[by_channel])).projections[0].is_convolution


@examples(20, default=8, base=GENERATED)
@given(st.data())
def test_counts_of_a_run_are_those_of_the_matrices(data):
    network = data.draw(fixed_conv_networks())
    inputs = data.draw(drives_for(network, max_steps=6))
    kept, apart = (sh.measure_activity(n, inputs, "spec") for n in (network, unrolled(network)))
    assert kept.to_dict() == apart.to_dict()


def test_a_core_holds_the_kernels_of_its_channels():
    weight = ConvWeight(np.full((8, 2, 5, 5), 2), (2, 100, 100), padding=2)
    network = sh.FixedNetwork(
        [sh.Input("in", weight.shape[1])],
        [sh.FixedPopulation(name="p", size=80_000, vth=10)],
        [sh.FixedProjection(pre="in", post="p", weight=weight)],
        ["p"],
    )
    (p,) = sh.resources(network).populations
    assert p.synapses == weight.synapses
    one_channel = 2 * 5 * 5 * (8 + 10)  # bits of its weights, with the index of the target
    assert p.synaptic_bytes <= np.ceil(2 * p.cores * one_channel / 8)
    assert p.used["synaptic_memory"] <= 2 * one_channel / 8 / (128 * 1024) + 1e-4
    assert p.cores == 79  # as many as its neurons need


@examples(60, default=3, base=GENERATED)
@given(learning_runs(fixed=True, max_steps=8, max_batch=4, networks=fixed_conv_networks()))
def test_fixed_kernels_learn_the_same_bits(case):
    network, _, plan = case
    wanted = learn(SPEC, *case)
    kernels = [network.projection(name) for name in plan.rules if network.projection(name).is_convolution]
    event(f"a kernel moves: {any(np.any(wanted.weights[p.name] != p.mantissa) for p in kernels)}")
    assert_bits_equal(wanted, learn(ENGINE, *case))


@pytest.mark.slow
@examples(25, default=3, base=GENERATED)
@given(learning_runs(fixed=False, max_steps=8, max_batch=4, networks=float_conv_networks()))
def test_float_kernels_learn_the_same_up_to_rounding(case):
    assert_learned_close(learn(SPEC, *case), learn(ENGINE, *case))


def one_kernel():
    """A convolution of 2 kernels over 40 inputs, and spikes by which it learns."""
    rng = np.random.default_rng(4)
    network = sh.FixedNetwork(
        [sh.Input("in", 40)],
        [sh.FixedPopulation(name="p", size=76, vth=20)],
        [
            sh.FixedProjection(
                pre="in", post="p", weight=ConvWeight(rng.integers(0, 40, (2, 1, 3)) * 2, (1, 40)), name="conv"
            )
        ],
        ["p"],
    )
    return network, rng.random((12, 30, 40)) < 0.1


def test_synapses_of_a_kernel_learn_together():
    """With ``carry`` what a kernel has learned is the sum of what its synapses would have, each by itself.

    Of one window, in which both networks fire alike.
    """
    network, spikes = one_kernel()
    rule = FixedSSDP(a_plus=3, a_baseline=1, lut=(255, 155, 35, 3), lsb_shift=8, counter_bits=24)
    together = sh.learn(network, spikes[:, :1], None, rule, plastic="conv")
    apart = sh.learn(unrolled(network), spikes[:, :1], None, rule, plastic="conv")
    p = network.projection("conv")

    def gathered(result, before):
        change = result.network.projection("conv").mantissa - before.projection("conv").mantissa
        return (change << rule.lsb_shift) + result.counters["conv"]

    assert np.any(together.network.projection("conv").mantissa != p.mantissa)
    np.testing.assert_array_equal(gathered(together, network), p.sum_shared(gathered(apart, unrolled(network))))


def test_a_run_on_kernels_stops_and_goes_on_and_reports_its_health():
    network, spikes = one_kernel()
    rule = FixedSSDP(a_plus=3, a_baseline=1, lut=(255, 155, 35, 3), lsb_shift=12, counter_bits=24, windows_per_update=4)
    whole = sh.learn(network, spikes, None, rule, plastic="conv", presentation=sh.Presentation(shuffle=False))
    first = sh.learn(network, spikes[:, :13], None, rule, plastic="conv", presentation=sh.Presentation(shuffle=False))
    second = sh.learn(
        first.network,
        spikes[:, 13:],
        None,
        rule,
        plastic="conv",
        presentation=sh.Presentation(shuffle=False),
        state=first.state,
    )
    np.testing.assert_array_equal(second.network.projection("conv").mantissa, whole.network.projection("conv").mantissa)
    np.testing.assert_array_equal(second.counters["conv"], whole.counters["conv"])
    health = whole.health["conv"]
    assert (health.synapses, sum(health.histogram_after)) == (228, 6)
    assert health.changed == whole.changed["conv"] > 0
    assert health.lost_lsb == 0
    assert abs(health.rounding_bias_lsb) < 1e-9


@pytest.mark.skipif(find_spec("brian2") is None, reason="brian2 is not installed")
def test_brian2_moves_one_weight_for_all_synapses_that_share_it():
    network, spikes = one_kernel()
    rule = FixedSSDP(a_plus=1, a_baseline=0, lut=(255,), lsb_shift=4)
    wanted, found = (sh.learn(network, spikes, None, rule, target, plastic="conv") for target in ("spec", "brian2"))
    for learned in (wanted, found):
        assert np.any(learned.network.projection("conv").stored_weights != network.projection("conv").stored_weights)
    kernels = [learned.network.projection("conv").stored_weights for learned in (wanted, found)]
    np.testing.assert_array_equal(*kernels, strict=True)


def test_damaged_convolutions_in_files(tmp_path):
    import h5py

    network = chain(ConvWeight(np.ones((1, 1, 2)), (1, 4)))
    for change in (np.ones((1, 2)), np.full((1, 1, 2), np.nan), np.ones((1, 1, 9)), np.array([b"x"])):
        network.save(tmp_path / "n.h5")
        with h5py.File(tmp_path / "n.h5", "r+") as file:
            del file["projections/0/kernel"]
            file["projections/0/kernel"] = change
        with pytest.raises(FileFormatError, match=r"n\.h5"):
            sh.load(tmp_path / "n.h5")


@pytest.mark.slow
def test_the_integrator_is_a_readout_on_every_target():
    """dv/dt = r S, nothing else: v is the running sum of what arrives."""
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(3, 5))
    network = sh.Network(
        [sh.Input("in", 5)],
        [sh.Population(name="p", neuron=sh.I(size=3, r=2.0))],
        [sh.Projection(pre="in", post="p", weight=weight)],
        ["p"],
        sh.Semantics(0.5),
    )
    spikes = rng.random((9, 2, 5)) < 0.5
    wanted = np.concatenate([np.zeros((1, 2, 3)), np.cumsum(spikes @ weight.T, axis=0)[:-1]])
    fixed = sh.quantize(network)
    (p,) = fixed.populations
    assert (p.dv.tolist(), p.spiking) == ([0] * 3, False)
    reference = run(SPEC, fixed, spikes)
    for name in ("spec", "engine", "brian2", "lava"):
        target = get_target(name)
        if not target.availability().installed:
            continue
        np.testing.assert_allclose(run(target, network, spikes).v["p"], wanted, atol=1e-12)  # dt r = 1
        found = run(target, fixed, spikes)
        np.testing.assert_array_equal(found.v["p"], reference.v["p"])
        assert not found.spikes["p"].any()
    np.testing.assert_allclose(reference.v["p"] / p.scale, wanted, atol=0.05)
    loaded = sh.from_nir(sh.to_nir(network))
    equal(loaded, network)
    assert type(sh.to_nir(network).nodes["p"]) is nir.I
