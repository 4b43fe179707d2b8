"""A limit of time on every target: the run ends soon after it, what is finished is kept, later runs are not hurt."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
from command_calls import call
from hypothesis import given, strategies as st
from ssdp_hw.targets.engine import inference, listening, run
from ssdp_hw.targets.engine.program import compile_program
from ssdp_hw.targets.engine.run import available_threads, together
from ssdp_hw.targets.engine.thread_group_loops import STOPPED

import ssdp_hw as sh
from ssdp_hw.analysis import comparison
from ssdp_hw.analysis.ladder import climb
from ssdp_hw.errors import Interrupted, ParameterError, TimeLimitError
from ssdp_hw.learning import learner, pieces
from ssdp_hw.rules.derivation import fixed_rule
from ssdp_hw.running import many, time_limit as module
from ssdp_hw.running.drive import make_drive
from ssdp_hw.running.learning_plan import LearningPlan
from ssdp_hw.running.many import run_many
from ssdp_hw.running.target_registry import get_target
from ssdp_hw.running.time_limit import STOPS, check_time, limited_time, remaining_time, unlimited_time, with_result

RULE = sh.SSDP(a_plus=0.05, a_baseline=0.01, sigma=5.0, rounding="carry")
RULES = [
    RULE,
    sh.Rule("0.05 * x1 * y0 - 0.04 * x0 * y1", tau_x1=5.0, tau_y1=5.0),
]


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(1)
    net = sh.Network(
        [sh.Input("in", 10)],
        [
            sh.Population(name="hid", neuron=sh.LIF(size=8, tau_mem=5.0, v_threshold=0.3)),
            sh.Population(name="out", neuron=sh.LIF(size=4, tau_mem=5.0, v_threshold=0.3)),
        ],
        [
            sh.Projection(pre="in", post="hid", weight=rng.normal(0.4, 0.6, (8, 10))),
            sh.Projection(pre="hid", post="out", weight=rng.normal(0.4, 0.8, (4, 8))),
        ],
        ["out"],
        sh.Semantics(1.0),
    )
    return net, sh.quantize(net, weight_bits=4), rng.random((12, 30, 10)) < 0.3, rng.integers(0, 4, 30)


@pytest.fixture
def over_after(monkeypatch):
    """A function that lets the time be over when so many runs were begun."""
    places = (comparison, climb, many)
    originals = [where.run for where in places]

    def let(runs: int) -> None:
        seen = itertools.count()

        def limited(original):
            def called(*given, **options):
                if next(seen) >= runs:
                    raise TimeLimitError("over the time limit of 99 s; raise the limit")
                return original(*given, **options)

            return called

        for where, original in zip(places, originals, strict=True):
            monkeypatch.setattr(where, "run", limited(original))
            monkeypatch.setattr(where, "batch_size", lambda *_: 10)

    return let


@given(st.lists(st.one_of(st.none(), st.floats(0.5, 1e6)), max_size=5))
def test_of_limits_within_each_other_the_earliest_counts(limits):
    with pytest.MonkeyPatch.context() as patch:
        now = [0.0]
        patch.setattr(module.time, "monotonic", lambda: now[0])

        def within(left):
            if not left:
                yield remaining_time()
                return
            with limited_time(left[0]):
                yield from within(left[1:])

        wanted = min((x for x in limits if x is not None), default=None)
        assert list(within(limits)) == [wanted]
        assert remaining_time() is None
        if wanted is not None:
            with limited_time(wanted):
                now[0] = np.nextafter(wanted, 0)
                check_time()
                now[0] = wanted
                with pytest.raises(TimeLimitError, match="over the time limit"):
                    check_time()
                with unlimited_time():
                    check_time()


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), "3", True, [1]])
def test_limits_that_are_none(case, seconds):
    with pytest.raises(ParameterError, match=r"time_limit = .*expected seconds above 0"):
        sh.run(case[1], case[2], "spec", time_limit=seconds)


# Steps that take each target longer than its limit by far, and what it takes to start.
ENDLESS = {
    "spec": ("spec", {}, 10**6, 0.3),
    "copies": ("brian2", {}, 10**6, 2.0),
    "sequence": ("brian2", {"batching": "sequence"}, 10**6, 2.0),
}
# Each once by default.
ENDED = [
    pytest.param(*case, arithmetic, id=f"{name}-{arithmetic}", marks=[] if arithmetic == once else pytest.mark.slow)
    for (name, case), once in zip(ENDLESS.items(), (0, 1, 0), strict=True)
    for arithmetic in (0, 1)
]


@pytest.mark.slow
@pytest.mark.parametrize(("target", "options", "steps", "limit", "arithmetic"), ENDED)
def test_a_run_ends_with_its_limit(case, target, options, steps, limit, arithmetic):
    spikes = np.zeros((10, 1, 10), bool)
    with pytest.raises(TimeLimitError, match=f"over the time limit of {limit:g} s") as stop:
        sh.run(case[arithmetic], spikes, target, steps=steps, options=options, time_limit=limit)
    assert stop.value.result is None
    assert sh.run(case[arithmetic], case[2], target, options=options).steps == 12  # nothing is left of it


@pytest.mark.slow
@pytest.mark.parametrize("ended", ["compiler", "program"])
def test_a_compiled_brian2_program_ends_with_its_limit(case, monkeypatch, ended):
    from ssdp_hw.targets.brian2 import session

    original, make = session._limited_commands, "devices.cpp_standalone.make_cmd_unix"

    def only_the_program(prefs):
        """Give the compiler all the time that it needs, and the program a second, after which the time is over."""
        found = original(prefs)
        assert found.pop(make).startswith(found["devices.cpp_standalone.run_cmd_unix"][0])
        found["devices.cpp_standalone.run_cmd_unix"][2] = "1"
        module._current.get().end = time.monotonic()
        return found

    if ended == "program":
        monkeypatch.setattr(session, "_limited_commands", only_the_program)
    steps, limit = (2 * 10**7, 600.0) if ended == "program" else (12, 3.0)
    options = {"device": "cpp_standalone"}
    with pytest.raises(TimeLimitError, match="over the time limit"):
        sh.run(case[1], case[2][:, :1], "brian2", steps=steps, populations=[], options=options, time_limit=limit)


@pytest.mark.slow
def test_lava_ends_with_the_limit(case):
    if not next(t for t in sh.list_targets() if t.name == "lava").installed:
        pytest.skip("lava-nc is not installed")
    with pytest.raises(TimeLimitError, match="over the time limit of 3 s"):
        sh.run(case[1], case[2], "lava", steps=10**6, populations=["out"], time_limit=3.0)


def big(recurrent: bool) -> tuple[sh.Network, sh.FixedNetwork]:
    """A network that runs in compiled code layer by layer, or step by step; its neurons always fire."""
    rng = np.random.default_rng(0)
    projections = [
        sh.Projection(pre="in", post="hid", weight=np.full((2000, 20), 0.2)),
        sh.Projection(pre="hid", post="out", weight=np.full((1, 2000), 0.1)),
    ]
    if recurrent:
        projections.append(sh.Projection(pre="hid", post="hid", weight=rng.normal(0, 0.01, (2000, 2000))))
    populations = [sh.Population(name=n, neuron=sh.LIF(size=k, tau_mem=5.0)) for n, k in (("hid", 2000), ("out", 1))]
    net = sh.Network([sh.Input("in", 20)], populations, projections, ["out"], sh.Semantics(1.0))
    return net, sh.quantize(net)


@pytest.fixture(scope="module", params=["layers", "steps"])
def long_run(request):
    """Networks, a short input, and their runs on it; the loops are compiled here."""
    nets = big(request.param == "steps")
    short = np.random.default_rng(0).random((40, 3, 20)) < 0.8
    return nets, short, [sh.run(net, short, "engine") for net in nets]


def endless(batch: int, steps: int) -> np.ndarray:
    """Seconds of compiled code."""
    return np.ones((steps, batch, 20), bool)


THREADS = [None, 1, *([2] if available_threads() > 1 else [])]


# Each number of threads once by default.
ENDLESS_RUNS = [
    pytest.param(*run, threads, marks=[] if k == number else pytest.mark.slow)
    for number, run in enumerate([(0, 30, 10_000), (1, 1, 200_000), (1, 30, 10_000)])
    for k, threads in enumerate(THREADS)
]


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(("arithmetic", "batch", "steps", "threads"), ENDLESS_RUNS)
def test_compiled_loops_end_in_the_middle_of_a_sample(long_run, monkeypatch, arithmetic, batch, steps, threads):
    """Ctrl-C comes when the first spike is seen; the last step, and the last sample, are never run."""
    nets, short, wanted = long_run
    traces, original, wait = [], inference._traces, listening.wait

    def watched(*given):
        made = original(*given)
        traces.append(made[1])
        return made

    def pressed(futures, timeout=None):
        if not pressed_at:
            while not traces[0].any():
                time.sleep(0.001)
            pressed_at.append(time.monotonic())
            raise KeyboardInterrupt
        return wait(futures)  # however long the threads take to end

    pressed_at: list[float] = []
    monkeypatch.setattr(inference, "_traces", watched)
    monkeypatch.setattr(listening, "wait", pressed)
    options = {"threads": threads}
    with pytest.raises(KeyboardInterrupt):
        sh.run(nets[arithmetic], endless(batch, steps), "engine", populations=["out"], options=options)
    assert traces[0].any()
    assert not traces[0][-1, -1].any()
    monkeypatch.undo()
    again = sh.run(nets[arithmetic], short, "engine", options={"threads": threads})
    for name, spikes in wanted[arithmetic].spikes.items():
        np.testing.assert_array_equal(again.spikes[name], spikes)
    assert again.overflow == wanted[arithmetic].overflow


@pytest.mark.slow_after(1)
def test_a_compiled_run_ends_with_its_limit(long_run):
    with pytest.raises(TimeLimitError, match=r"over the time limit of 0\.1 s"):
        sh.run(long_run[0][1], endless(1, 200_000), "engine", populations=[], time_limit=0.1)


@pytest.mark.parametrize("arithmetic", [0, 1])
@pytest.mark.parametrize("threads", THREADS)
def test_listening_changes_no_bit(long_run, monkeypatch, arithmetic, threads):
    nets, short, wanted = long_run
    monkeypatch.setattr(listening, "_WORTH_LISTENING", 0)
    for spikes in (short, short[:, :1]):
        found = sh.run(nets[arithmetic], spikes, "engine", options={"threads": threads})
        np.testing.assert_array_equal(found.spikes["hid"], wanted[arithmetic].spikes["hid"][:, : spikes.shape[1]])


@pytest.mark.slow_after(1)
def test_ctrl_c_is_heard_in_compiled_code(long_run):
    """The signal itself, to the process; processes in the background are started without a handler of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    began = time.monotonic()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sh.run(long_run[0][1], endless(1, 200_000), "engine", populations=[])
        assert time.monotonic() - began < 20  # the whole run takes longer where neurons excite each other
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("members", [1, 2, 3])
def test_an_error_in_a_call_is_that_of_the_caller(long_run, members):
    program = compile_program(long_run[0][1])

    def fails(thread_group):
        if thread_group.member == thread_group.members - 1:
            raise TimeoutError("a disk's")

    with pytest.raises(TimeoutError, match="a disk's"):
        together(fails, min(members, available_threads()), program.layout, listening=True)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("target", "rule"), [("spec", RULES[0]), ("spec", RULES[1]), ("engine", RULES[0])])
def test_a_lesson_that_is_over_its_limit_goes_on_to_the_same_bits(case, monkeypatch, target, rule):
    _, fixed, spikes, labels = case
    lesson = dict(target=target, health=False, on_overflow="ignore")
    whole = sh.learn(fixed, spikes, labels, rule, **lesson)
    monkeypatch.setattr(pieces, "_FIRST", 4)
    original, calls = learner.Learner.present, itertools.count()

    def present(self, *given):
        if next(calls) == 3:
            raise TimeLimitError("over the time limit of 99 s; raise the limit")
        original(self, *given)

    monkeypatch.setattr(learner.Learner, "present", present)
    with pytest.raises(TimeLimitError, match=r"over the time limit of 99 s after \d+ of 30 samples") as stop:
        sh.learn(fixed, spikes, labels, rule, time_limit=99.0, **lesson)
    monkeypatch.undo()
    found = stop.value.result
    assert 0 < found.state.presented < 30
    rest = sh.learn(found.network, spikes, labels, rule, state=found.state, **lesson)
    for q in whole.network.projections:
        np.testing.assert_array_equal(rest.network.projection(q.name).stored_weights, q.stored_weights)


@pytest.mark.parametrize("windows", [1, 2])
def test_a_lesson_that_is_stopped_learns_nothing_more(case, monkeypatch, windows):
    """From its first group on: the loops look at the counter before each."""
    _, fixed, spikes, _ = case
    projection = fixed.projections[0]
    rule, _ = fixed_rule(replace(RULE, windows_per_update=windows), projection, fixed.limits)
    target, plan = get_target("engine"), LearningPlan({projection.name: rule}, windows_per_sample=windows)
    drive, original = make_drive(fixed, spikes), run.alone

    def stopped(layout):
        group = original(layout)
        group.counter[0] = STOPPED
        return group

    learned = target.learn(fixed, drive, plan, target.resolve({}))
    monkeypatch.setattr(run, "alone", stopped)
    untaught = target.learn(fixed, drive, plan, target.resolve({}))
    before = projection.mantissa.reshape(-1)
    assert (learned.weights[projection.name].reshape(-1) != before).any()
    np.testing.assert_array_equal(untaught.weights[projection.name].reshape(-1), before)


@pytest.mark.slow
def test_a_compiled_lesson_ends_with_its_limit(long_run, monkeypatch):
    """Of what it was given at once nothing is kept, and the network that was given is not changed."""
    monkeypatch.setattr(pieces, "_FIRST", 10**6)
    net = long_run[0][1]
    before = net.projections[0].stored_weights.copy()
    lesson = dict(plastic=net.projections[0].name, health=False)
    with pytest.raises(TimeLimitError) as stop:
        sh.learn(net, np.ones((50, 20_000, 20), bool), None, RULE, "engine", **lesson, time_limit=0.5)
    assert stop.value.result is None
    np.testing.assert_array_equal(net.projections[0].stored_weights, before)


@pytest.mark.parametrize("after", [9, 4])
def test_what_is_finished_is_the_exceptions_result(case, monkeypatch, over_after, after):
    net, fixed, spikes, labels = case
    over_after(after)
    with pytest.raises(TimeLimitError, match=r"99 s after \d+ of 30 samples; the comparison") as stop:
        sh.compare(net, fixed, spikes, labels, ["spec", "engine"], time_limit=99.0)
    assert stop.value.result.rows[0].samples == after // 4 * 10
    over_after(2)
    with pytest.raises(TimeLimitError) as stop:
        run_many(fixed, spikes, "engine", time_limit=99.0)
    assert 0 < stop.value.result.batch < 30
    monkeypatch.undo()
    part = stop.value.result
    whole = run_many(fixed, spikes[:, : part.batch], "engine")
    np.testing.assert_array_equal(part.predictions["out"], whole.predictions["out"])
    assert (part.spike_counts, part.cells, part.overflow) == (whole.spike_counts, whole.cells, whole.overflow)


def test_a_stream_keeps_whole_pieces(case, tmp_path):
    _, fixed, spikes, _ = case
    over = threading.Event()

    def given():
        yield spikes
        yield spikes
        while remaining_time():
            over.wait(0.05)
        yield spikes

    path = tmp_path / "recorded.h5"
    with pytest.raises(TimeLimitError, match="holds the first 24 steps"):
        sh.stream(fixed, given(), path, "engine", time_limit=1.0)
    with h5py.File(path) as file:
        assert not file.attrs["complete"]
        assert len(file["spikes/out"]) == 24


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), TimeLimitError("over the limit; advice")])
def test_a_stop_hands_out_what_there_is(stop):
    made = with_result(stop, "after 3 of 9 samples; they are the result", 7)
    assert isinstance(made, Interrupted if isinstance(stop, KeyboardInterrupt) else TimeLimitError)
    assert isinstance(made, STOPS)
    assert made.result == 7
    assert str(made).endswith("after 3 of 9 samples; they are the result")
    assert "advice" not in str(made)


def test_commands_print_what_is_finished_and_end_with_5(case, over_after, tmp_path):
    net, fixed, spikes, labels = case
    sh.save(net, tmp_path / "net.h5")
    sh.save(fixed, tmp_path / "fixed.h5")
    np.savez(tmp_path / "data.npz", spikes=spikes, labels=labels)
    given = ("--spikes", tmp_path / "data.npz")
    for command, runs in (
        (("compare", tmp_path / "net.h5", tmp_path / "fixed.h5"), 4),
        (("ladder", tmp_path / "net.h5"), 20),
        (("run", tmp_path / "fixed.h5"), 2),
    ):
        over_after(runs)
        found = call("--time-limit", 500, *command, *given)
        assert found.returncode == 5
        assert "over the time limit of 99 s after" in found.stderr
        assert "of 30 samples; what is printed is of these" in found.stderr
        assert found.stdout
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_a_command_that_looks_at_no_clock_ends_from_outside(monkeypatch, tmp_path, case):
    from ssdp_hw.cli import time_limit as of_commands

    monkeypatch.setattr(of_commands, "_GRACE", 0.0)
    monkeypatch.setattr(comparison, "run", lambda *_, **__: time.sleep(60))
    net, fixed, spikes, labels = case
    sh.save(net, tmp_path / "net.h5")
    sh.save(fixed, tmp_path / "fixed.h5")
    np.savez(tmp_path / "data.npz", spikes=spikes, labels=labels)
    names = (tmp_path / "net.h5", tmp_path / "fixed.h5")
    found = call("--time-limit", 0.3, "compare", *names, "--spikes", tmp_path / "data.npz")
    assert found.returncode == 5
    assert "over the time limit of 0.3 s" in found.stderr
    assert remaining_time() is None
