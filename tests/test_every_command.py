"""Every command: it works as its help says, prints JSON of a versioned schema alone, and names bad input in one line.

A command that is added to the command line, and not here, is found.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from command_calls import call

import ssdp_hw as sh
from ssdp_hw.cli.main import COMMANDS

NAME = "fc [bold]x[/bold]"
SPIKES = ("--spikes", "data.npz")
# The arguments of each command, whose files lie in the folder that is current. Targets that compile nothing.
CALLS = {
    "check": ("net.h5", *SPIKES, "--target", "spec"),
    "inspect": ("net.h5",),
    "quantize": ("net.h5", "--out", "new.h5"),
    "to-nir": ("net.h5", "--out", "new.nir"),
    "encode": ("values.npz", "--out", "new.npz", "--steps", 4, "--seed", 0),
    "run": ("fixed.h5", *SPIKES, "--target", "spec"),
    "learn": ("fixed.h5", *SPIKES, "--out", "new.h5", "--target", "spec"),
    "compare": ("net.h5", "fixed.h5", *SPIKES, "--target", "spec"),
    "ladder": ("net.h5", *SPIKES, "--target", "spec"),
    "verify": ("net.h5", "net.h5", *SPIKES, "--target", "spec"),
    "report": ("net.h5", *SPIKES, "-o", "new.html", "--target", "spec"),
    "plot": ("net.h5", "-o", "new.svg"),
    "microcode": (
        "--window",
        12,
        "--scale",
        100,
        "--set",
        "a_plus=0.04",
        "--set",
        "a_baseline=0.02",
        "--set",
        "sigma=2",
    ),
}
# What these do takes longer, and has tests of its own.
ELSEWHERE = {"demo", "warm-up", "sweep", "targets"}
NAMES = [command.__name__.replace("_", "-") for command in COMMANDS]
NEED = {"report": "jinja2", "plot": "matplotlib"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("commands")
    rng = np.random.default_rng(1)
    net = sh.Network(
        [sh.Input("in", 6)],
        [
            sh.Population(name=NAME, neuron=sh.LIF(size=8, tau_mem=5e-3, v_threshold=0.4)),
            sh.Population(name="out", neuron=sh.LIF(size=3, tau_mem=5e-3, v_threshold=0.4)),
        ],
        [
            sh.Projection(pre="in", post=NAME, weight=rng.normal(0.3, 0.8, (8, 6))),
            sh.Projection(pre=NAME, post="out", weight=rng.normal(0.3, 0.8, (3, 8))),
        ],
        ["out"],
        sh.Semantics(1e-3),
    )
    spikes = rng.random((20, 100, 6)) < 0.3
    sh.save(net, here / "net.h5")
    sh.save(sh.quantize(net, calibration=spikes), here / "fixed.h5")
    np.savez(here / "data.npz", spikes=spikes, labels=rng.integers(0, 3, 100))
    np.savez(here / "values.npz", values=rng.random((50, 6)))
    np.savez(here / "nothing.npz", something=np.zeros(3))
    (here / "text.txt").write_text("no network at all\n", encoding="utf-8")
    return here


@pytest.fixture(autouse=True)
def _here(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(params=sorted(CALLS))
def name(request):
    if request.param in NEED:
        pytest.importorskip(NEED[request.param])
    return request.param


def test_every_command_is_called_here():
    assert set(NAMES) == set(CALLS) | ELSEWHERE


def test_it_works_and_its_text_fits_a_screen_or_two(name):
    done = call(name, *CALLS[name])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 300
    if name in ("inspect", "check", "run", "ladder", "verify"):
        assert NAME in done.stdout  # rich would take its brackets for markup
    assert "Traceback" not in done.stderr


def test_its_json_has_a_versioned_schema(name):
    done = call(name, *CALLS[name], "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"]["name"] == f"ssdp-hw {name}"
    assert found["schema"]["version"] >= 1
    assert len(done.stdout.splitlines()) <= 3000


@pytest.mark.slow_after(16)
@pytest.mark.parametrize("given", ["missing.h5", "text.txt", "nothing.npz", "."])
def test_a_file_that_is_none_is_named_in_one_line(name, given):
    """Each of the files that it reads in turn is another one."""
    arguments = CALLS[name]
    written = {k + 1 for k, word in enumerate(arguments) if word in ("--out", "-o")}
    files = [k for k, word in enumerate(arguments) if str(word).endswith((".h5", ".npz")) and k not in written]
    for k in files:
        other = [*arguments[:k], given, *arguments[k + 1 :]]
        done = call(name, *other)
        assert done.returncode == 2, (other, done.stdout, done.stderr)
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1].startswith("error: ")
        assert given in done.stderr
        found = json.loads(call(name, *other, "--json").stderr.splitlines()[-1])["error"]
        assert found["exit_code"] == 2
        assert found["message"] in done.stderr


def test_an_option_that_is_none_is_named(name):
    done = call(name, *CALLS[name], "--no-such-option")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--no-such-option" in done.stderr
    assert f"ssdp-hw {name} --help" in done.stderr


def test_its_help_says_what_it_reads_and_writes(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = call(name, "--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for word in CALLS[name]:
        if str(word).startswith("-"):
            assert word in done.stdout
