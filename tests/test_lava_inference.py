"""Lava against the specification: fixed networks bit by bit, float networks up to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from declared_models import declared_fixed_networks, declared_float_networks, lively_network
from example_counts import share
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from strategies import drives_for, fixed_networks, float_networks, not_the_simplest

import ssdp_hw as sh
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.result import Record, Recording
from ssdp_hw.running.run import checked_record
from ssdp_hw.running.target_registry import get_target

LAVA = get_target("lava")
if not LAVA.availability().installed:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from ssdp_hw.targets.lava.inference import Task, run_all  # noqa: E402

SPEC = get_target("spec")

# Lava computes u * (1 - du) with du = 1 - decay, and adds up its inputs and folded gains in another
# order: a handful of float64 roundings a step, each within 2**-53 of the largest magnitude so far.
FLOAT_BOUND = 1e-12


def record_all(network: sh.Network | sh.FixedNetwork) -> Record:
    states = dict.fromkeys(state for p in network.populations for state in p.state_names)
    return checked_record(network, ("spikes", *states), None, "ignore")


@st.composite
def tasks(draw: st.DrawFn, networks: st.SearchStrategy) -> Task:
    network = draw(networks)
    return Task(network, make_drive(network, draw(drives_for(network, max_steps=20, analog=True))), record_all(network))


def several(networks: st.SearchStrategy, count: int) -> st.SearchStrategy:
    """Many networks an example: a worker costs more to start than a network to run."""
    count = share(count, default=count // 2 + 1)
    return not_the_simplest(st.lists(tasks(networks), min_size=count, max_size=count))


GENERATED = settings(
    max_examples=share(6, default=1),
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def specified(task: Task) -> Recording:
    return SPEC.run(task.network, task.drive, task.record, {})


def traces_of(recording: Recording) -> dict[str, Any]:
    """Spikes and every state, by population each."""
    return {"spikes": recording.spikes, "u": recording.u, "v": recording.v, **recording.states}


def assert_equal(task: Task, found: Recording) -> None:
    """Bit equality of all that was recorded."""
    wanted = specified(task)
    mine, theirs = traces_of(wanted), traces_of(found)
    assert mine.keys() == theirs.keys()
    for variable, traces in mine.items():
        assert traces.keys() == theirs[variable].keys()
        for name, trace in traces.items():
            other = theirs[variable][name]
            assert other.dtype == trace.dtype
            np.testing.assert_array_equal(other, trace, err_msg=f"{variable} of {name}")


def assert_close(task: Task, found: Recording) -> None:
    """Equal spikes, and states within the rounding bound of the largest magnitude."""
    wanted = specified(task)
    for name, trace in wanted.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], trace, err_msg=f"spikes of {name}")
    mine, theirs = traces_of(wanted), traces_of(found)
    assert mine.keys() == theirs.keys()
    for variable in mine.keys() - {"spikes"}:
        for name, trace in mine[variable].items():
            bound = FLOAT_BOUND * max(1.0, float(np.abs(trace).max()))
            np.testing.assert_allclose(
                theirs[variable][name], trace, rtol=0, atol=bound, err_msg=f"{variable} of {name}"
            )


@pytest.mark.more_examples
@pytest.mark.parametrize("processes", ["auto", "own"])
def test_generated_fixed_networks_are_bit_equal(processes):
    @GENERATED
    @given(several(fixed_networks(), 10))
    def check(cases):
        for task, found in zip(cases, run_all(cases, LAVA.resolve({"processes": processes})), strict=True):
            assert_equal(task, found)

    check()


@pytest.mark.slow
@pytest.mark.more_examples
def test_generated_float_networks_are_equal_up_to_rounding():
    @GENERATED
    @given(several(float_networks(), 10), st.sampled_from(("auto", "own")))
    def check(cases, processes):
        for task, found in zip(cases, run_all(cases, LAVA.resolve({"processes": processes})), strict=True):
            assert_close(task, found)

    check()


@pytest.mark.slow
@pytest.mark.more_examples
def test_generated_networks_run_by_the_declarations_of_their_models():
    @GENERATED
    @given(several(st.one_of(declared_fixed_networks(), fixed_networks()), 12))
    def check(cases):
        for task, found in zip(cases, run_all(cases, LAVA.resolve({"fast_paths": False})), strict=True):
            assert_equal(task, found)
            assert found.overflow == specified(task).overflow

    check()


@pytest.mark.slow
@pytest.mark.more_examples
def test_generated_float_networks_of_declared_models_are_equal_up_to_rounding():
    @GENERATED
    @given(several(declared_float_networks(), 10))
    def check(cases):
        for task, found in zip(cases, run_all(cases, LAVA.resolve({})), strict=True):
            assert_close(task, found)

    check()


@pytest.mark.slow
def test_every_operation_in_batches():
    spikes = np.random.default_rng(2).random((30, 3, 5)) < 0.4
    fixed, real = run_together([(lively_network(fixed=fixed), spikes) for fixed in (True, False)], batch_size=2)
    assert_equal(*fixed)
    assert_close(*real)
    for task, found in (fixed, real):
        assert found.overflow == specified(task).overflow
        assert all(0.02 < raster.mean() < 0.9 for raster in found.spikes.values())


def run_together(cases, **options) -> list[tuple[Task, Recording]]:
    """Networks and their inputs, run in one worker, which takes longer to start than a network to run."""
    made = [Task(network, make_drive(network, inputs), record_all(network)) for network, inputs in cases]
    return list(zip(made, run_all(made, LAVA.resolve(options)), strict=True))


def run_one(network, inputs, **options) -> tuple[Task, Recording]:
    return run_together([(network, inputs)], **options)[0]


def chain(**hidden) -> sh.FixedNetwork:
    """Input, hidden layer, output; arguments are those of the hidden population."""
    rng = np.random.default_rng(1)
    return sh.FixedNetwork(
        [sh.Input("in", 9)],
        [
            sh.FixedPopulation(name="hid", size=7, **{"du": 1500, "dv": 200, "vth": 400, **hidden}),
            sh.FixedPopulation(name="out", size=4, vth=150, spiking=False),
        ],
        [
            sh.FixedProjection(pre="in", post="hid", weight=2 * rng.integers(-60, 120, (7, 9))),
            sh.FixedProjection(
                pre="hid", post="out", weight=2 * rng.integers(-60, 120, (4, 7)), delay=rng.integers(0, 4, (4, 7))
            ),
        ],
        ["out"],
    )


# Options of the hidden population, number of samples, and what Lava's own processes then run.
EXPRESSED = {
    "auto": [
        ({}, 1, ["population hid", "projection in->hid", "projection hid->out"]),
        ({}, 3, ["population hid"]),
        ({"reset": "subtract"}, 3, []),
        ({"threshold": ">="}, 3, []),
        ({"dv": np.arange(7)}, 3, []),
        ({"bias_mant": np.arange(7) - 3, "bias_exp": 7, "v_init": np.arange(7) * 999}, 3, ["population hid"]),
    ],
    "own": [({}, 1, [])],
}


@pytest.mark.slow
@pytest.mark.parametrize("processes", EXPRESSED)
def test_lavas_own_processes_run_what_they_express(processes):
    cases = EXPRESSED[processes]
    ran = run_together(
        [(chain(**hidden), np.random.default_rng(2).random((25, batch, 9)) < 0.3) for hidden, batch, _ in cases],
        processes=processes,
    )
    for (hidden, _, on_lava), (task, found) in zip(cases, ran, strict=True):
        assert found.info["on_lava"] == on_lava, hidden
        assert found.spikes["hid"].any(), hidden
        assert_equal(task, found)


@pytest.mark.slow
def test_batches_are_split_and_joined_in_order():
    spikes = np.random.default_rng(3).random((15, 5, 9)) < 0.3
    task, found = run_one(chain(), spikes, batch_size=2)
    assert_equal(task, found)


@pytest.mark.slow
def test_current_wraps_and_voltage_saturates():
    """Half the register's range a step, with little decay."""
    network = sh.FixedNetwork(
        [sh.Input("in", 8)],
        [
            sh.FixedPopulation(name="stock", size=2, du=100, dv=0, vth=131071),
            sh.FixedPopulation(name="ours", size=2, du=100, dv=0, vth=131071, reset="subtract"),
        ],
        [
            sh.FixedProjection(pre="in", post=name, weight=np.array([[254] * 8, [-256] * 8]), weight_exp=5)
            for name in ("stock", "ours")
        ],
        ["ours"],
    )
    task, found = run_one(network, np.ones((12, 1, 8), bool))
    overflow = specified(task).overflow
    assert all(overflow[name].u_wraps and overflow[name].v_saturations for name in ("stock", "ours"))
    assert_equal(task, found)


def float_layer(neuron: sh.LIF | sh.CubaLIF | sh.IF, **population) -> sh.Network:
    weight = np.random.default_rng(5).normal(0.2, 0.4, (7, 9))
    return sh.Network(
        [sh.Input("in", 9)],
        [sh.Population(name="hid", neuron=neuron, **population)],
        [sh.Projection(pre="in", post="hid", weight=weight)],
        ["hid"],
        sh.Semantics(1e-3),
    )


CUBA = sh.CubaLIF(size=7, tau_mem=5e-3, tau_syn=2e-3, r=np.linspace(0.5, 2, 7), v_threshold=0.1)
LEAKY = sh.LIF(size=7, tau_mem=5e-3, v_leak=0.02, v_threshold=0.3)
SHIFTED = sh.LIF(size=7, tau_mem=5e-3, v_reset=-0.1, v_threshold=0.2)


@pytest.mark.slow
def test_float_populations_that_lavas_lif_expresses_with_folded_gains():
    cases = {  # network: whether Lava's LIF does it
        float_layer(LEAKY, bias=0.1): True,
        float_layer(CUBA): True,
        float_layer(CUBA, bias=0.1): False,
        float_layer(sh.IF(size=7, r=50.0, v_threshold=0.3)): True,
        float_layer(SHIFTED): False,
        float_layer(LEAKY, reset="subtract"): False,
    }
    spikes = np.random.default_rng(7).random((20, 1, 9)) < 0.4
    ran = run_together([(network, spikes) for network in cases])
    for (task, recording), expressed in zip(ran, cases.values(), strict=True):
        assert ("population hid" in recording.info["on_lava"]) == expressed
        assert recording.spikes["hid"].any()
        assert_close(task, recording)


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["auto", "own"])
def test_bias_of_each_sample(processes):
    """Direct input acts through the bias, in fixed and in float networks."""
    networks = [chain(du=4095), float_layer(LEAKY, bias=0.1), float_layer(CUBA, bias=0.1)]
    values = [sh.DirectInput(np.random.default_rng(4).random((batch, 9)), 12) for batch in (1, 3)]
    ran = run_together([(network, given) for network in networks for given in values], processes=processes)
    assert all(found.spikes["hid"].any() for _, found in ran)
    for fixed in ran[:2]:
        assert_equal(*fixed)
    for real in ran[2:]:
        assert_close(*real)


@pytest.mark.slow
def test_parts_that_are_not_connected():
    """A population driven by its bias alone, and an input that goes nowhere."""
    network = sh.FixedNetwork(
        [sh.Input("in", 3), sh.Input("unused", 2)],
        [
            sh.FixedPopulation(name="fed", size=2, vth=20),
            sh.FixedPopulation(name="alone", size=2, bias_mant=[300, -300], vth=10),
        ],
        [sh.FixedProjection(pre="in", post="fed", weight=np.full((2, 3), 30))],
        ["fed"],
    )
    spikes = {"in": np.random.default_rng(6).random((8, 2, 3)) < 0.5, "unused": np.ones((8, 2, 2), bool)}
    task, found = run_one(network, spikes)
    assert found.spikes["alone"].any()
    assert_equal(task, found)


@pytest.mark.slow
def test_only_what_is_asked_for_is_recorded():
    network = chain()
    drive = make_drive(network, np.zeros((3, 1, 9), bool))
    found = LAVA.run(network, drive, Record(("v",), ("out",)), LAVA.resolve({}))
    assert found.v.keys() == {"out"}
    assert not found.spikes
    assert not found.u
    nothing = LAVA.run(network, drive, Record((), ()), LAVA.resolve({}))
    assert [nothing.spikes, nothing.v, nothing.u] == [{}, {}, {}]


RESETS = {"stock": "zero", "ours": "subtract"}
ENDS = [254, 254, 254, 254, 8]  # times 2**7 for the exponent and 2**6 for the chip's scale: 2**23


@pytest.mark.slow
def test_current_at_the_very_ends_of_its_register():
    """2**23 stays, as in Lava; -2**23 turns."""
    network = sh.FixedNetwork(
        [sh.Input("in", 5)],
        [sh.FixedPopulation(name=name, size=2, vth=131071, reset=reset) for name, reset in RESETS.items()],
        [
            sh.FixedProjection(pre="in", post=name, weight=np.array([ENDS, np.negative(ENDS)]), weight_exp=7)
            for name in RESETS
        ],
        list(RESETS),
    )
    task, found = run_one(network, np.ones((4, 1, 5), bool))
    assert set(np.unique(specified(task).u["ours"])) == {0, 2**23}
    assert_equal(task, found)


@pytest.mark.slow
def test_sums_beyond_what_float32_holds_stay_exact():
    """Both sides of the 2**24 at which the matrix product changes its type."""
    cases = []
    for inputs in (65_000, 66_000):
        weight = np.full((1, inputs), 255, np.int64)
        weight[0, 0] = 254
        network = sh.FixedNetwork(
            [sh.Input("in", inputs)],
            [sh.FixedPopulation(name="p", size=1, vth=0, spiking=False)],
            [sh.FixedProjection(pre="in", post="p", weight=weight, format=sh.WeightFormat(sign_mode="excitatory"))],
            ["p"],
        )
        cases.append((network, np.ones((3, 2, inputs), bool)))
    for task, found in run_together(cases):
        assert_equal(task, found)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["CubaLIF", "AdaptiveLIF"])
def test_overflows_are_counted_where_neurons_are_not_lavas_lif(model):
    """Currents that wrap, also out of their range, and voltages that saturate, beside a declared model too."""
    rng = np.random.default_rng(3)
    adaptive = model == "AdaptiveLIF"
    second = {"model": model, "parameters": {"da": 200, "jump": 5}} if adaptive else {}
    network = sh.FixedNetwork(
        [sh.Input("in", 40)],
        [
            sh.FixedPopulation(name="a", size=5, du=[0, 1, 2, 3, 900], dv=10, vth=131071),
            sh.FixedPopulation(name="b", size=4, dv=30, vth=100, **second),
        ],
        [
            sh.FixedProjection(pre="in", post="a", weight=2 * rng.integers(-20, 127, (5, 40)), weight_exp=4),
            sh.FixedProjection(pre="in", post="b", weight=2 * rng.integers(-90, 127, (4, 40)), weight_exp=3),
        ],
        ["b"],
        chip="loihi2",
    )
    spikes = rng.random((60, 2, 40)) < 0.6
    wanted = sh.run(network, spikes, "spec", on_overflow="ignore").overflow
    found = sh.run(network, spikes, "lava", options={"processes": "own"}, on_overflow="ignore").overflow
    assert wanted["a"].u_wraps
    assert wanted["a"].v_saturations
    assert found == wanted
    uniform = sh.run(network, spikes, "lava", on_overflow="ignore").overflow
    assert uniform == (wanted if adaptive else None)
