"""The command line as a user meets it: what it prints and writes, exit codes, one line for bad input."""

import json
import subprocess
import sys

import nir
import numpy as np
import pytest
from command_calls import call

import ssdp_hw as sh
from ssdp_hw.datasets import DIGITS_MODEL


def refused(*arguments):
    """Exit code and what is said of bad input."""
    done = call(*arguments)
    return done.returncode, done.stderr


def call_json(*arguments):
    done = call(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    schema = found.pop("schema")
    assert schema == {"name": f"ssdp-hw {arguments[0]}", "version": 1}
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small network in NIR, its fixed form, spikes and labels."""
    here = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    graph = nir.NIRGraph(
        nodes={
            "in": nir.Input(np.array([6])),
            "fc": nir.Linear(rng.normal(0.5, 0.5, (3, 6))),
            "out": nir.LIF(np.full(3, 0.02), np.full(3, 20.0), np.zeros(3), np.ones(3), np.zeros(3)),
            "end": nir.Output(np.array([3])),
        },
        edges=[("in", "fc"), ("fc", "out"), ("out", "end")],
    )
    nir.write(str(here / "net.nir"), graph)
    spikes = rng.random((20, 8, 6)) < 0.3
    np.savez(here / "data.npz", spikes=spikes, labels=rng.integers(0, 3, 8))
    np.save(here / "spikes.npy", spikes)
    source, data = here / "net.nir", here / "data.npz"
    done = call("quantize", source, "--dt", "1e-3", "--calibration", data, "--out", here / "net.h5")
    assert done.returncode == 0, done.stderr
    return here


@pytest.mark.slow
def test_targets_lists_all_four():
    assert {t["name"] for t in call_json("targets")["targets"]} == {"spec", "engine", "lava", "brian2"}


@pytest.mark.slow
def test_microcode_prints_what_the_compiler_gives_and_draws(tmp_path):
    given = "--window", "31", "--scale", "100", "--set", "a_plus=0.04", "--set", "a_baseline=0.02"
    picture = tmp_path / "windows.svg"
    code = sh.compile_microcode(sh.SSDP(a_plus=0.04, a_baseline=0.02), window=31, scale=100.0)
    assert call_json("microcode", *given, "--plot", picture) == json.loads(json.dumps(code.to_dict()))
    assert picture.read_text(encoding="utf-8").count("<svg") == 1
    done = call("microcode", *given)
    assert done.returncode == 0
    assert done.stdout.strip() == str(code)
    refused = call("microcode", "--window", "31", "--scale", "100", "--rule", "stdp")
    assert refused.returncode == 2
    assert "STDP" in refused.stderr


def test_microcode_takes_a_formula(tmp_path):
    given = "--rule", "a*x1*y0 - b*x0*y1", "--set", "a=0.04", "--set", "b=0.03", "--scale", "100"
    code = sh.compile_microcode(sh.Rule("a*x1*y0 - b*x0*y1", a=0.04, b=0.03), scale=100.0)
    assert call_json("microcode", *given, "--plot", tmp_path / "pair.svg") == json.loads(json.dumps(code.to_dict()))
    assert (tmp_path / "pair.svg").read_text(encoding="utf-8").count("<svg") == 1


def test_ladder_prints_json_and_draws(folder, tmp_path):
    data, picture = folder / "data.npz", tmp_path / "ladder.svg"
    np.save(tmp_path / "source.npy", np.zeros(8, int))
    found = call_json(
        "ladder",
        folder / "net.nir",
        "--dt",
        "1e-3",
        "--spikes",
        data,
        "--fixed",
        folder / "net.h5",
        "--source",
        tmp_path / "source.npy",
        "--plot",
        picture,
    )
    net = sh.from_nir(folder / "net.nir", dt=1e-3)
    with np.load(data) as arrays:
        ladder = sh.loss_ladder(
            net, arrays["spikes"], arrays["labels"], sh.load(folder / "net.h5"), source=np.zeros(8, int)
        )
    assert found == json.loads(ladder.to_json())
    assert picture.read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_ladder_quantises_here_and_prints_a_table(folder):
    data = folder / "data.npz"
    done = call(
        "ladder",
        folder / "net.nir",
        "--dt",
        "1e-3",
        "--spikes",
        data,
        "--calibration",
        data,
        "--weight-bits",
        "3",
        "--method",
        "mse",
        "--no-alone",
    )
    assert done.returncode == 0, done.stderr
    assert "decays rounded" in done.stdout
    assert "alone" not in done.stdout
    assert "fixed point costs" in done.stdout


def test_inspect_says_what_was_assumed(folder):
    found = call_json("inspect", folder / "net.nir", "--dt", "1e-3", "--reset", "subtract")
    assert found["kind"] == "Network"
    assert found["semantics"]["dt"] == 1e-3
    assert found["semantics"]["reset"] == {"out": "subtract"}
    assert found["latency"] == 1
    fixed = call_json("inspect", folder / "net.h5")
    assert fixed["kind"] == "FixedNetwork"
    assert fixed["quantization"]["chip"] == "loihi"


def test_quantize_writes_what_the_api_gives(folder):
    net = sh.from_nir(folder / "net.nir", dt=1e-3)
    with np.load(folder / "data.npz") as data:
        expected = sh.quantize(net, calibration=data["spikes"])
    sh.save(expected, folder / "again.h5")
    assert (folder / "again.h5").read_bytes() == (folder / "net.h5").read_bytes()


@pytest.mark.parametrize("target", ["spec", "engine"])
def test_run_gives_what_the_api_gives(folder, target):
    found = call_json(
        "run",
        folder / "net.h5",
        "--spikes",
        folder / "spikes.npy",
        "--target",
        target,
        "--record",
        "v",
        "--out",
        folder / f"{target}.npz",
    )
    spikes = np.load(folder / "spikes.npy")
    result = sh.run(sh.load(folder / "net.h5"), spikes, target, record=("spikes", "v"), steps=len(spikes) + 1)
    assert found["predictions"]["out"] == result.predict().tolist()
    assert found["spike_rate"]["out"] == result.spike_rate("out")
    with np.load(folder / f"{target}.npz") as kept:
        np.testing.assert_array_equal(kept["v.out"], result.v["out"])
        np.testing.assert_array_equal(kept["spikes.out"], result.spikes["out"])


def test_the_old_name_of_decode(folder):
    arguments = ("run", folder / "net.h5", "--spikes", folder / "spikes.npy", "--json")
    old, new = (call(*arguments, option, "max_membrane") for option in ("--readout", "--decode"))
    assert "warning: --readout is now --decode" in old.stderr
    assert new.stderr == ""
    found = json.loads(old.stdout)
    assert found["readout"] == "max_membrane"
    assert found["predictions"] == json.loads(new.stdout)["predictions"]
    assert "--readout" not in call("run", "--help").stdout


def test_learn_saves_a_network_that_differs_in_weights_alone(folder):
    found = call_json(
        "learn",
        folder / "net.h5",
        "--spikes",
        folder / "data.npz",
        "--out",
        folder / "learned.h5",
        "--set",
        "a_plus=0.05",
        "--set",
        "a_baseline=0.01",
        "--set",
        "sigma=5",
        "--set",
        "rounding=stochastic",
        "--seed",
        "3",
    )
    before, after = sh.load(folder / "net.h5"), sh.load(folder / "learned.h5")
    name = before.projections[0].name
    moved = np.mean(before.projection(name).weight != after.projection(name).weight)
    assert found["changed"][name] == moved > 0
    health = found["health"][name]
    assert health["changed"] == moved
    assert health["synapses"] == after.projection(name).synapse_count
    assert sum(health["histogram_after"]) == after.projection(name).weight.size
    mantissa, form = after.projection(name).mantissa, after.projection(name).format
    assert health["at_limit"] == np.mean((mantissa == form.mantissa_min) | (mantissa == form.mantissa_max))
    assert (found["written"], found["alive"]) == ({}, {})
    np.testing.assert_array_equal(before.population("out").vth, after.population("out").vth)


def test_learning_goes_on_from_the_file(folder, tmp_path):
    """Two epochs at once are one epoch, then another from its file."""
    rule = (
        "--target",
        "spec",
        "--spikes",
        folder / "data.npz",
        "--rule",
        "sadp",
        "--set",
        "a_plus=0.02",
        "--set",
        "windows_per_update=7",
    )
    call_json("learn", folder / "net.h5", *rule, "--epochs", "2", "--out", tmp_path / "both.h5")
    call_json("learn", folder / "net.h5", *rule, "--out", tmp_path / "one.h5")
    call_json("learn", tmp_path / "one.h5", *rule, "--resume", "--out", tmp_path / "two.h5")
    assert (tmp_path / "two.h5").read_bytes() == (tmp_path / "both.h5").read_bytes()
    assert (tmp_path / "one.h5").read_bytes() != (tmp_path / "both.h5").read_bytes()


def test_learn_evaluates_and_saves_itself_meanwhile(folder, tmp_path):
    shared = ("learn", folder / "net.h5", "--spikes", folder / "data.npz", "--out", tmp_path / "out.h5")
    with np.load(folder / "data.npz") as data:
        batch = len(data["labels"])
    some = batch // 2 + 1
    asked = ("--evaluate", folder / "data.npz", "--evaluate-every", str(some))
    saved = ("--checkpoint", tmp_path / "meanwhile.h5", "--checkpoint-every", str(some))
    found = call_json(*shared, *asked, *saved)["evaluations"]
    assert [point["presented"] for point in found] == [0, some, batch]
    assert all(0 <= point["accuracy"]["value"] <= 1 for point in found)
    assert (tmp_path / "meanwhile.h5").read_bytes() == (tmp_path / "out.h5").read_bytes()
    for alone in (asked[2:], saved[2:]):
        assert call(*shared, *alone).returncode == 2


def test_compare_reports_accuracy_with_its_interval(folder):
    found = call_json("compare", folder / "net.nir", folder / "net.h5", "--spikes", folder / "data.npz", "--dt", "1e-3")
    assert [(r["target"], r["arithmetic"]) for r in found["rows"]] == [
        ("spec", "float"),
        ("spec", "fixed"),
        ("engine", "float"),
        ("engine", "fixed"),
    ]
    assert found["fixed_runs_equal"]
    for row in found["rows"]:
        assert 0 <= row["accuracy"]["low"] <= row["accuracy"]["value"] <= row["accuracy"]["high"] <= 1


def bad_nir(path, **changes):
    values = {"tau": np.full(3, 0.02), "weight": np.ones((3, 6))} | changes
    graph = nir.NIRGraph(
        nodes={
            "in": nir.Input(np.array([6])),
            "fc": nir.Linear(values["weight"]),
            "out": nir.LIF(values["tau"], np.ones(3), np.zeros(3), np.ones(3), np.zeros(3)),
            "end": nir.Output(np.array([3])),
        },
        edges=[("in", "fc"), ("fc", "out"), ("out", "end")],
    )
    nir.write(str(path), graph)
    return path


def test_bad_input_ends_with_2_and_one_line(folder, tmp_path):
    (tmp_path / "text.nir").write_text("not a network")
    np.save(tmp_path / "flat.npy", np.zeros((4, 6), bool))
    np.save(tmp_path / "wide.npy", np.zeros((4, 2, 7), bool))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    spikes = ("--spikes", folder / "spikes.npy")
    nan, negative = np.full((3, 6), np.nan), np.full(3, -0.02)
    cases = [
        (("inspect", tmp_path / "missing.nir", "--dt", "1e-3"), "no such file"),
        (("inspect", tmp_path / "text.nir", "--dt", "1e-3"), "text.nir"),
        (("inspect", folder / "net.nir"), "--dt"),
        (("inspect", folder / "net.h5", "--dt", "1e-3"), "states its own"),
        (("inspect", folder / "net.nir", "--dt", "0.1"), "larger than tau_mem"),
        (("inspect", bad_nir(tmp_path / "nan.nir", weight=nan), "--dt", "1e-3"), "NaN"),
        (("inspect", bad_nir(tmp_path / "tau.nir", tau=negative), "--dt", "1e-3"), "above 0"),
        (("run", folder / "net.h5", "--spikes", tmp_path / "flat.npy"), "expected (time, batch, 6)"),
        (("run", folder / "net.h5", "--spikes", tmp_path / "wide.npy"), "expected (time, batch, 6)"),
        (("run", folder / "net.h5", "--spikes", tmp_path / "objects.npy"), "objects.npy"),
        (("run", folder / "net.h5", *spikes, "--target", "loihi9"), "unknown"),
        (("run", folder / "net.h5", *spikes, "-o", "wings=2"), "has no option 'wings'"),
        (("run", folder / "net.h5", *spikes, "--decode", "tea"), "decode"),
        (("quantize", folder / "net.h5", "--out", tmp_path / "x.h5"), "a float network is needed"),
        (("quantize", folder / "net.nir", "--dt", "1e-3", "--chip", "potato", "--out", tmp_path / "x.h5"), "potato"),
        (("quantize", folder / "net.nir", "--dt", "1e-3", "--out", tmp_path / "no" / "x.h5"), "cannot be written"),
        (("learn", folder / "net.h5", *spikes, "--out", tmp_path / "x.h5"), "labels"),
        (
            (
                "learn",
                folder / "net.h5",
                "--spikes",
                folder / "data.npz",
                "--out",
                tmp_path / "x.h5",
                "--set",
                "rounding=up",
            ),
            "up",
        ),
        (
            (
                "learn",
                folder / "net.h5",
                "--spikes",
                folder / "data.npz",
                "--out",
                tmp_path / "x.h5",
                "--set",
                "b_plus=1",
            ),
            "ssdp has a_baseline",
        ),
        (
            ("learn", folder / "net.h5", "--spikes", folder / "data.npz", "--out", tmp_path / "x.h5", "--rule", "hebb"),
            "choose ssdp, stdp, sadp",
        ),
        (
            ("learn", folder / "net.h5", "--spikes", folder / "data.npz", "--out", tmp_path / "x.h5", "--resume"),
            "without a learning state; to go on with a lesson, give the file that",
        ),
    ]
    for arguments, expected in cases:
        code, said = refused(*arguments)
        assert code == 2, (arguments, code, said)
        lines = said.strip().splitlines()
        assert len(lines) == 1, (arguments, said)
        assert lines[0].startswith("error: "), lines
        assert expected in lines[0], (arguments, lines)
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.slow
def test_a_missing_target_says_how_to_install_it(folder):
    # The same process without the package that the target runs on.
    code = (
        "import sys, importlib.metadata as m; real = m.version\n"
        "def version(name):\n"
        "    if name == 'brian2': raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version; from ssdp_hw.cli import main; main()"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "run",
            str(folder / "net.h5"),
            "--spikes",
            str(folder / "spikes.npy"),
            "--target",
            "brian2",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3
    assert "pip install 'ssdp-hw[brian2]'" in done.stderr


def test_the_packaged_network_is_readable():
    assert call_json("inspect", DIGITS_MODEL, "--dt", "1e-3")["latency"] == 2


def test_nir_is_written_by_its_own_verb(folder, tmp_path):
    code, said = refused("quantize", folder / "net.nir", "--dt", "1e-3", "--out", tmp_path / "q.nir")
    assert code == 2
    assert "ssdp-hw to-nir" in said
    assert not (tmp_path / "q.nir").exists()
    done = call("to-nir", folder / "net.h5", "--out", tmp_path / "q.nir")
    assert done.returncode == 0, done.stderr
    assert nir.read(str(tmp_path / "q.nir")).nodes
    again, fixed = sh.from_nir(tmp_path / "q.nir"), sh.load(folder / "net.h5")
    assert [p.weight.tolist() for p in again.projections] == [p.weight.tolist() for p in fixed.projections]


@pytest.mark.parametrize("command", ["run", "learn", "quantize"])
def test_labels_that_contradict_the_spikes_are_named(folder, tmp_path, command):
    """Samples on the first axis, as most frameworks have them, and their labels beside them."""
    turned = tmp_path / "batch_first.npz"
    with np.load(folder / "data.npz") as data:
        np.savez(turned, spikes=data["spikes"].swapaxes(0, 1), labels=data["labels"])
    out = ("--out", tmp_path / "o.h5") if command != "run" else ()
    option = "--calibration" if command == "quantize" else "--spikes"
    code, said = refused(command, folder / "net.nir", "--dt", "1e-3", option, turned, *out)
    assert code == 2
    assert "swap the first two" in said


@pytest.mark.slow
def test_report_writes_what_the_api_writes(folder, tmp_path):
    pytest.importorskip("matplotlib")
    data = folder / "data.npz"
    given = (folder / "net.nir", "--dt", "1e-3", "--spikes", data, "--weight-bits", "4", "--target", "engine")
    done = call("report", *given, "-o", tmp_path / "out.html", "--title", "a [bold]title")
    assert done.returncode == 0, done.stderr
    net = sh.from_nir(folder / "net.nir", dt=1e-3)
    with np.load(data) as arrays:
        expected = sh.report(
            tmp_path / "api.html",
            net,
            arrays["spikes"],
            arrays["labels"],
            targets="engine",
            weight_bits=4,
            title="a [bold]title",
        )
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    for part in ("title", "network", "quantization", "proof", "ladder", "raster", "ranges", "weights", "activity"):
        assert found[part] == getattr(expected, part)
    right = expected.agreement["runs"]["fixed"]["right"]
    assert f"classifies {right} of 8 samples right" in done.stdout
    assert "a [bold]title" in (tmp_path / "out.html").read_text(encoding="utf-8")


def test_a_report_needs_no_samples(folder, tmp_path):
    pytest.importorskip("matplotlib")
    found = call_json("report", folder / "net.h5", "--out", tmp_path / "bare.html", "--no-prove")
    assert found["agreement"] is None
    assert (tmp_path / "bare.html").exists()


RULE_FILE = """
import ssdp_hw as sh
from ssdp_hw.rules.models.oja import Oja

RULE = sh.Rule("0.02*x1*y0", tau_x1=10)
MODEL = Oja()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--rule", "0.02*x1*y0 - b*x0*y1", "--set", "b=0.01"], "FixedDeclaredRule"),
        (["--rule", "Oja", "--set", "eta=1e-4", "--set", "forget=1e-4"], "FixedDeclaredRule"),
        (["--rule", "own_rule.py:RULE"], "FixedDeclaredRule"),
        (["--rule", "own_rule.py:MODEL", "--set", "eta=1e-4", "--set", "forget=1e-4"], "FixedDeclaredRule"),
        (["--rule", "own_rule.py:RULE", "--set", "b=1"], "leave --set out"),
        (["--rule", "own_rule.py:NOTHING"], "cannot be loaded"),
        (["--rule", "Hopfield"], "a formula, as 'a*x1*y0 - b*x0*y1'; or file.py:RULE"),
        (["--rule", "0.02*x1*nothing"], "nothing"),
    ],
)
def test_any_rule_learns_from_the_command_line(words, shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_rule.py").write_text(RULE_FILE)
    rng = np.random.default_rng(0)
    sh.FixedNetwork(
        [sh.Input("in", 6)],
        [sh.FixedPopulation(name="out", size=3, du=4095, dv=100, vth=60)],
        [sh.FixedProjection(pre="in", post="out", weight=2 * rng.integers(0, 60, (3, 6)), scale=64.0)],
        ["out"],
    ).save(tmp_path / "net.h5")
    np.savez(tmp_path / "s.npz", spikes=rng.random((12, 8, 6)) < 0.4, labels=rng.integers(0, 3, 8))
    done = call("learn", "net.h5", "--spikes", "s.npz", "--out", "learned.h5", *words)
    assert shown in done.stdout + done.stderr
    assert (done.returncode == 0) == (shown == "FixedDeclaredRule")


def test_an_output_that_never_fires_is_said_with_its_reason(tmp_path):
    """Hidden spikes are there, so that nothing else warns; a loss between two silent outputs is none."""
    rng = np.random.default_rng(0)
    net = sh.Network(
        [sh.Input("in", 6)],
        [
            sh.Population(name=n, neuron=sh.LIF(size=4, tau_mem=5.0, v_threshold=v))
            for n, v in (("a", 0.2), ("b", 50.0))
        ],
        [
            sh.Projection(pre="in", post="a", weight=rng.random((4, 6))),
            sh.Projection(pre="a", post="b", weight=rng.random((4, 4))),
        ],
        ["b"],
        sh.Semantics(1.0),
    )
    net.save(tmp_path / "net.h5")
    np.savez(tmp_path / "s.npz", spikes=rng.random((20, 8, 6)) < 0.4, labels=rng.integers(0, 4, 8))
    words = [tmp_path / "net.h5", "--spikes", tmp_path / "s.npz"]
    said = call("check", *words).stdout
    assert "warning: float: output 'b' never fires, so that no sample gets a class; its voltage reaches" in said
    assert "silent in float: b" in said
    assert "points" not in said
    assert "output 'b' never fires" in call("run", *words).stdout
    limited = call("check", *words, "--max-loss", "1")
    assert (limited.returncode, "outputs that fire" in limited.stderr) == (5, True)
