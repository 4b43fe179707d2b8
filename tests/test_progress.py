"""Progress on a terminal, nothing elsewhere; Ctrl-C keeps what there is, and what is kept is a part of the whole."""

from __future__ import annotations

import io
import itertools
import logging
import re
import sys
import threading
import time
from types import SimpleNamespace

import numba as nb
import numpy as np
import pytest
from command_calls import call
from ssdp_hw.targets.engine import compilation

import ssdp_hw as sh
from ssdp_hw.analysis import comparison
from ssdp_hw.analysis.ladder import climb
from ssdp_hw.errors import Interrupted
from ssdp_hw.learning import learner, pieces
from ssdp_hw.running import notebook_line, progress as module, run as running
from ssdp_hw.running.progress import describe, no_progress, progress, say, shows_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Standard error is a terminal, and a line appears at once."""
    found = Terminal()
    # pytest gives sys.stderr another file for each phase of a test.
    monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=found, modules=sys.modules))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(module, "DELAY", 0.0)
    return found


def wait_for(text: str, where: io.StringIO) -> None:
    end = time.monotonic() + 10
    while text not in where.getvalue():
        assert time.monotonic() < end, where.getvalue()
        time.sleep(0.01)


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


def test_a_line_says_what_is_done_and_how_much_of_it(terminal):
    with progress("counting [bold]sheep[/]", 7) as advance:
        assert shows_progress()
        advance(3)
        wait_for("3/7", terminal)
        describe("compiling")
        wait_for("compiling", terminal)
        say("a sentence")
    assert "counting [bold]sheep[/]" in terminal.getvalue()
    assert "a sentence\n" in terminal.getvalue()
    assert not shows_progress()


@pytest.mark.parametrize("shown", [True, None])
def test_only_the_outermost_is_shown(terminal, shown):
    with progress("outer", 2, shown) as advance, progress("inner", 5, True) as ignored:
        ignored(4)
        advance(1)
        wait_for("1/2", terminal)
    assert "inner" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("done", "seconds", "said"), [(0, 5.0, ""), (3, 2.0, "1.5 a second"), (3, 360.0, "0.5 a minute"), (3, 0.0, "")]
)
def test_a_rate_below_one_a_second_is_by_the_minute(done, seconds, said):
    assert notebook_line.rate(done, seconds) == said


def test_nothing_is_shown_where_it_was_switched_off(terminal):
    with no_progress(), progress("hidden"):
        say("nothing")
    with progress("hidden", shown=False), progress("within", 3):
        time.sleep(0.05)
    assert terminal.getvalue() == ""


def test_nothing_is_shown_without_a_terminal_or_beside_the_main_thread(monkeypatch, terminal):
    def elsewhere() -> None:
        with progress("in a thread", 3):
            time.sleep(0.05)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert terminal.getvalue() == ""
    plain = io.StringIO()
    monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=plain, modules=sys.modules))
    with progress("in a file", 3):
        time.sleep(0.05)
    assert plain.getvalue() == ""


def test_what_is_short_shows_nothing(terminal, monkeypatch, case):
    monkeypatch.setattr(module, "DELAY", 1000.0)
    sh.run(case[0], case[2], "spec")  # which never compiles
    assert terminal.getvalue() == ""


def test_sentences_are_logged_wherever(caplog):
    with caplog.at_level(logging.INFO, "ssdp_hw"):
        say("compiled in 3 s")
    assert caplog.messages == ["compiled in 3 s"]


def slow(monkeypatch, terminal, where, text):
    """Runs of that module wait until the terminal shows a text."""
    original = where.run

    def waiting(*args, **kwargs):
        wait_for(text, terminal)
        return original(*args, **kwargs)

    monkeypatch.setattr(where, "run", waiting)


@pytest.mark.slow
def test_commands_show_what_they_do(terminal, monkeypatch, case):
    net, fixed, spikes, labels = case
    slow(monkeypatch, terminal, comparison, "comparing on spec")
    sh.compare(net, fixed, spikes, labels, "spec")
    slow(monkeypatch, terminal, climb, "taking the loss apart")
    sh.loss_ladder(net, spikes, labels, fixed)
    rule = sh.SSDP(a_plus=0.05, a_baseline=0.01, sigma=5.0)
    slow(monkeypatch, terminal, learner, "learning on spec")
    sh.learn(fixed, spikes, labels, rule, "spec", teach="errors")


def test_a_run_shows_that_it_runs(terminal, monkeypatch, case):
    target = running.choose_target("spec", case[1])
    original = type(target).run

    def waiting(self, *args):
        wait_for("spec: 30 samples of 12 steps", terminal)
        return original(self, *args)

    monkeypatch.setattr(type(target), "run", waiting)
    sh.run(case[1], case[2], "spec")


class Pressed:
    """Calls of a function of which one raises KeyboardInterrupt, as Ctrl-C does."""

    def __init__(self, monkeypatch, where, name, after):
        self._original, self._calls, self._after = getattr(where, name), itertools.count(), after
        monkeypatch.setattr(where, name, self)

    def __call__(self, *args, **kwargs):
        if next(self._calls) == self._after:
            raise KeyboardInterrupt
        return self._original(*args, **kwargs)


@pytest.mark.parametrize("after", [0, 1, 5, 6, 7, 9])
def test_an_interrupted_comparison_is_that_of_the_whole_batches(monkeypatch, case, after):
    net, fixed, spikes, labels = case
    size = 10
    monkeypatch.setattr(comparison, "batch_size", lambda *_: size)
    Pressed(monkeypatch, comparison, "run", after)
    with pytest.raises(KeyboardInterrupt) as stop:
        sh.compare(net, fixed, spikes, labels, ["spec", "engine"])
    whole = after // 4 * size
    if not whole:
        assert not isinstance(stop.value, Interrupted)
        return
    assert f"interrupted after {whole} of 30 samples" in str(stop.value)
    monkeypatch.undo()
    wanted = sh.compare(net, fixed, spikes[:, :whole], labels[:whole], ["spec", "engine"])

    def without_time(found):
        return [{**row, "seconds": 0} for row in found.to_dict()["rows"]]

    assert without_time(stop.value.result) == without_time(wanted)


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 17, 25])
def test_an_interrupted_ladder_is_that_of_the_whole_batches(monkeypatch, case, after):
    net, fixed, spikes, labels = case
    monkeypatch.setattr(climb, "batch_size", lambda *_: 10)
    Pressed(monkeypatch, climb, "run", after)
    with pytest.raises(KeyboardInterrupt) as stop:
        sh.loss_ladder(net, spikes, labels, fixed)
    if not isinstance(stop.value, Interrupted):
        assert after == 3
        return
    found = stop.value.result
    monkeypatch.undo()
    wanted = sh.loss_ladder(net, spikes[:, : found.samples], labels[: found.samples], fixed)
    assert found == wanted


RULE = sh.SSDP(a_plus=0.05, a_baseline=0.01, sigma=5.0, rounding="carry")


def equal_lessons(found, wanted):
    assert found.order.tolist() == wanted.order.tolist()
    for name in wanted.state.counters:
        np.testing.assert_array_equal(found.state.counters[name], wanted.state.counters[name])
    for q in wanted.network.projections:
        np.testing.assert_array_equal(found.network.projection(q.name).stored_weights, q.stored_weights)
    for name, counts in wanted.synchrony.items():
        np.testing.assert_array_equal(found.synchrony[name], counts)
    assert (found.windows, found.overflow) == (wanted.windows, wanted.overflow)
    assert (found.curve, found.teacher_hits) == (wanted.curve, wanted.teacher_hits)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["spec", "engine"])
@pytest.mark.parametrize("teach", ["all", "delta"])
def test_pieces_learn_the_same_bits(terminal, monkeypatch, case, target, teach):
    _, fixed, spikes, labels = case
    lesson = dict(teach=sh.Teaching(teach), presentation=sh.Presentation(2))
    wanted = sh.learn(fixed, spikes, labels, RULE, target, **lesson, progress=False)
    monkeypatch.setattr(pieces, "_FIRST", 4)
    monkeypatch.setattr(pieces, "_SECONDS", 1e-9)
    calls = []
    original = learner.Learner.present
    monkeypatch.setattr(learner.Learner, "present", lambda s, *a: calls.append(a) or original(s, *a))
    equal_lessons(sh.learn(fixed, spikes, labels, RULE, target, **lesson, progress=True), wanted)
    assert len(calls) > 4 or teach == "delta"


@pytest.mark.slow_after(4)
@pytest.mark.parametrize("place", ["take", "finish_piece", "note_accuracy", "half of take"])
@pytest.mark.parametrize("after", [2, 4, 6])
def test_an_interrupted_lesson_goes_on_where_it_stopped(monkeypatch, tmp_path, case, place, after):
    """Wherever Ctrl-C comes: what is kept is whole pieces, and the rest of the lesson leads to the same bits."""
    _, fixed, spikes, labels = case
    lesson = dict(teach=sh.Teaching("errors", refresh=7), target="engine")
    whole = sh.learn(fixed, spikes, labels, RULE, presentation=sh.Presentation(2), **lesson)
    original = learner.Progress.take
    if place == "half of take":  # in the middle of taking over what a target handed back

        def half(self, learned, *rest):
            if next(calls) == after:
                self.observed.setdefault("made up", []).append((0, 0))
                self.order.append(np.zeros(1, np.int64))
                self.counters = {}
                raise KeyboardInterrupt
            original(self, learned, *rest)

        calls = itertools.count()
        monkeypatch.setattr(learner.Progress, "take", half)
    else:
        pressed, taken = itertools.count(), getattr(learner.Progress, place)

        def stopping(self, *args):
            if next(pressed) == after:
                raise KeyboardInterrupt
            return taken(self, *args)

        monkeypatch.setattr(learner.Progress, place, stopping)
    path = tmp_path / "saved.h5"
    with pytest.raises(Interrupted, match=r"interrupted after \d+ of 60 samples") as stop:
        sh.learn(
            fixed, spikes, labels, RULE, presentation=sh.Presentation(2), checkpoint=sh.Checkpoint(path, 1000), **lesson
        )
    monkeypatch.undo()
    found = stop.value.result
    network, state = sh.load_learning(path)
    assert (state.epochs, state.presented) == (found.state.epochs, found.state.presented)
    left = 2 - state.epochs
    assert str(stop.value).endswith(f"with epochs={left} goes on from there"), stop.value
    rest = sh.learn(network, spikes, labels, RULE, presentation=sh.Presentation(left), state=state, **lesson)
    for q in whole.network.projections:
        np.testing.assert_array_equal(rest.network.projection(q.name).stored_weights, q.stored_weights)
    assert [*found.order, *rest.order] == whole.order.tolist()
    assert [p.accuracy for p in (*found.curve, *rest.curve)] == [p.accuracy for p in whole.curve]


def test_the_engine_says_that_it_compiles_and_how_long(terminal, monkeypatch, caplog):
    monkeypatch.setattr(compilation, "_SECONDS", 0.0)
    wait = threading.Event()

    @nb.extending.intrinsic
    def while_compiling(typing):
        wait_for("compiling the engine", terminal)
        wait.set()
        return nb.types.int64(), lambda context, *_: context.get_constant(nb.types.int64, 7)

    compiled = nb.njit(lambda: while_compiling())
    with caplog.at_level(logging.INFO, "ssdp_hw"), progress("engine", shown=True), compilation.told():
        assert compiled() == 7
    assert wait.is_set()
    (said,) = caplog.messages
    assert said.startswith("compiled the engine for this kind of network in ")
    assert said in terminal.getvalue().replace("\n", " ")
    caplog.clear()
    with caplog.at_level(logging.INFO, "ssdp_hw"), compilation.told():
        assert compiled() == 7  # it is compiled already
    assert not caplog.messages or "in 0.0 s" in caplog.messages[0]


def test_commands_print_the_part_that_is_done(monkeypatch, tmp_path, case, capsys):
    net, fixed, spikes, labels = case
    sh.save(net, tmp_path / "net.h5")
    sh.save(fixed, tmp_path / "fixed.h5")
    np.savez(tmp_path / "data.npz", spikes=spikes, labels=labels)
    common = (str(tmp_path / "fixed.h5"), "--spikes", str(tmp_path / "data.npz"))
    monkeypatch.setattr(comparison, "batch_size", lambda *_: 10)
    Pressed(monkeypatch, comparison, "run", 9)
    stopped = call("compare", str(tmp_path / "net.h5"), *common, "--target", "spec", "--target", "engine")
    assert stopped.returncode == 130
    assert "interrupted after 20 of 30 samples" in stopped.stderr
    assert "│ 20      │" in stopped.stdout
    monkeypatch.undo()
    taken, calls = learner.Progress.take, itertools.count()

    def stopping(self, *args):
        if next(calls) == 7:
            raise KeyboardInterrupt
        return taken(self, *args)

    monkeypatch.setattr(learner.Progress, "take", stopping)
    part, samples = str(tmp_path / "part.h5"), common[1:]
    lesson = ("--teach", "errors", "--refresh", "7", *samples)
    stopped = call("learn", common[0], *lesson, "--epochs", "3", "--out", part)
    assert stopped.returncode == 130
    monkeypatch.undo()
    _, state = sh.load_learning(part)
    assert state.epochs == 1
    assert f"interrupted after {30 + state.presented} of 90 samples" in stopped.stderr
    # What the message says ends the lesson: it has the weights of one that was not interrupted.
    advice = "ssdp-hw learn " + part + " --resume --epochs 2,"
    assert advice in " ".join(stopped.stderr.split()), stopped.stderr
    assert call("learn", part, "--resume", "--epochs", "2", *lesson, "--out", part).returncode == 0
    assert call("learn", common[0], *lesson, "--epochs", "3", "--out", str(tmp_path / "whole.h5")).returncode == 0
    assert (tmp_path / "part.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


class Cell:
    """What a notebook's cell shows: the last state of each line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.states: list[str] = []

    def display(self, bundle: dict[str, str], raw: bool, display_id: bool = False) -> SimpleNamespace:
        number = len(self.lines)
        self.lines.append(bundle["text/plain"])

        def update(bundle: dict[str, str], raw: bool) -> None:
            self.lines[number] = bundle["text/plain"]
            self.states.append(bundle["text/plain"])

        return SimpleNamespace(update=update)


def test_a_notebook_shows_a_line_that_goes(monkeypatch):
    """Without rich, which warns at each state where ipywidgets is not installed."""
    cell = Cell()
    monkeypatch.setattr(module, "DELAY", 0.0)
    monkeypatch.setattr(notebook_line, "INTERVAL", 0.0)
    monkeypatch.setattr(module, "_bar", lambda total: notebook_line.NotebookLine(cell.display))
    with progress("learning", 8, shown=True) as advance:
        end = time.monotonic() + 10
        while not cell.lines and time.monotonic() < end:
            time.sleep(0.01)
        say("compiled")
        advance(2)
        advance(6)
    assert cell.lines == ["", "compiled"]
    assert re.match(r"learning: 2 of 8, 0 s, [\d.e+]+ a second, 0 s left", cell.states[0])
    assert cell.states[1] == "learning: 8 of 8, 0 s"


def test_in_a_notebook_the_line_is_that_of_a_notebook(monkeypatch):
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=Cell().display))
    assert isinstance(module._bar(3), notebook_line.NotebookLine)


def test_the_environment_says_never(terminal, monkeypatch):
    assert module.is_shown(None)
    monkeypatch.setenv("SSDP_HW_PROGRESS", "0")
    assert not module.is_shown(None)
    assert module.is_shown(True)
