"""What a script may rely on: exit codes, errors as JSON, versions of schemas, texts as they are, limits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from command_calls import call, call_process
from example_counts import examples
from hypothesis import given, strategies as st

import ssdp_hw as sh
from ssdp_hw import errors
from ssdp_hw.cli import exit_codes, main
from ssdp_hw.cli.main import COMMANDS
from ssdp_hw.cli.output import compact_json, print_table
from ssdp_hw.conversion.nir.presets import PRESETS
from ssdp_hw.files.numpy_arrays import read_arrays
from ssdp_hw.running.many import run_many

SSDP_HW = str(Path(sys.executable).with_name("ssdp-hw"))


@pytest.fixture
def command(monkeypatch, capsys):
    """Call the command line in this process: exit code, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ssdp-hw", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


def network(bias: float = 0.0, name: str = "fc [bold]x[/bold]") -> sh.Network:
    rng = np.random.default_rng(0)
    return sh.Network(
        [sh.Input("in", 6)],
        [
            sh.Population(name=name, neuron=sh.LIF(size=8, tau_mem=5e-3, v_threshold=0.4)),
            sh.Population(name="out", neuron=sh.LIF(size=3, tau_mem=5e-3, v_threshold=0.4, v_reset=bias)),
        ],
        [
            sh.Projection(pre="in", post=name, weight=rng.normal(0.3, 0.8, (8, 6))),
            sh.Projection(pre=name, post="out", weight=rng.normal(0.3, 0.8, (3, 8))),
        ],
        ["out"],
        sh.Semantics(1e-3),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("contract")
    rng = np.random.default_rng(1)
    net, spikes = network(), rng.random((20, 200, 6)) < 0.3
    sh.save(net, here / "net.h5")
    sh.save(sh.quantize(net, calibration=spikes, weight_bits=3), here / "fixed.h5")
    labels = sh.run(net, spikes, steps=22).predict() % 3
    np.savez(here / "data.npz", spikes=spikes, labels=labels)
    np.savez(here / "few.npz", spikes=spikes[:, :4])
    return here


def all_errors() -> list[type[errors.SsdpHwError]]:
    found = [errors.SsdpHwError]
    for kind in found:
        found += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == errors.__name__]


@pytest.mark.slow_after(12)
@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("as_json", [False, True])
def test_every_error_has_its_code_and_one_line(kind, as_json, command, folder, monkeypatch):
    from ssdp_hw.running import many

    def fail(*_, **__):
        raise kind("no [such] thing:\nsecond line")

    monkeypatch.setattr(many, "run", fail)
    json_option = ("--json",) if as_json else ()
    code, out, err = command("run", folder / "fixed.h5", "--spikes", folder / "few.npz", *json_option)
    wanted = {
        "MissingPackageError": 3,
        "TargetUnavailableError": 3,
        "TargetRunError": 4,
        "LimitError": 5,
        "TimeLimitError": 5,
        "StateOverflowError": 5,
    }.get(kind.__name__, 2)
    assert (code, out) == (wanted, "")
    if as_json:
        said = json.loads(err)["error"]
        assert said["type"] == kind.__name__
        assert said["message"] == "no [such] thing:\\nsecond line"
        assert said["exit_code"] == wanted
    else:
        assert err == "error: no [such] thing:\\nsecond line\n"


def test_the_help_names_every_code(command):
    code, out, _ = command("--help")
    assert code == 0
    text = " ".join(out.split())
    for number, meaning in exit_codes.MEANINGS.items():
        assert f"{number} {meaning}" in text
    assert command()[1] == out  # nothing asked is help asked


def test_the_list_of_commands_fits_a_screen_of_80_columns(command, monkeypatch):
    """Click cuts a summary that does not."""
    monkeypatch.setenv("COLUMNS", "80")
    listed = command("--help")[1].partition("Commands:")[2].partition("Exit codes")[0].strip().splitlines()
    assert len(listed) == len(COMMANDS)
    assert [line for line in listed if line.endswith("...") or len(line) > 80] == []


def test_the_help_names_every_preset(command):
    assert all(name in " ".join(command("inspect", "--help")[1].split()) for name in PRESETS)


def test_bad_options_are_bad_input(command, folder):
    for arguments in (
        ("run",),
        ("rum",),
        ("run", folder / "net.h5", "--steps", "x"),
        ("--time-limit", "-1", "targets"),
    ):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        code, _, err = command(*arguments, "--json")
        assert code == json.loads(err)["error"]["exit_code"] == 2


@pytest.mark.slow
def test_the_version_and_the_completion(command):
    assert command("--version") == (0, f"ssdp-hw {sh.__version__}\n", "")
    done = subprocess.run(
        [SSDP_HW],
        env={"_SSDP_HW_COMPLETE": "complete_bash", "COMP_WORDS": "ssdp-hw run x --target s", "COMP_CWORD": "4"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["spec"]


def test_names_and_advice_keep_their_brackets(command, folder, capsys):
    code, out, _ = command("inspect", folder / "net.h5")
    assert code == 0
    assert "fc [bold]x[/bold]" in out
    code, out, _ = command("run", folder / "net.h5", "--spikes", folder / "few.npz")
    assert "fc [bold]x[/bold]" in out
    print_table(("a [b]", ":smile:"), [("pip install 'ssdp-hw[lava]'", "[/]")])
    said = capsys.readouterr().out
    for text in ("a [b]", ":smile:", "pip install 'ssdp-hw[lava]'", "[/]"):
        assert text in said
    code, out, _ = command("run", "--help")
    assert "[the fastest]" in out


def test_targets_say_how_to_install_what_is_missing(command, monkeypatch):
    from importlib import metadata

    def version(name, real=metadata.version):
        if name in ("lava-nc", "brian2"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.delenv("SSDP_HW_LAVA_PYTHON", raising=False)
    out = " ".join(command("targets")[1].replace("│", " ").split())
    assert "ssdp-hw[brian2]" in out.replace(" ", "")
    assert "ssdp-hw[lava]" in out.replace(" ", "")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@examples(100, default=35)
@given(JSON_VALUES)
def test_compact_json_is_the_same_json(value):
    assert json.loads(compact_json(value)) == value


def test_long_lists_take_one_line():
    text = compact_json({"a": list(range(10_000)), "b": [[1, 2], [3, 4]], "c": {"d": 1}})
    assert len(text.splitlines()) == 10


def test_run_prints_accuracy_and_the_first_predictions(command, folder):
    code, out, _ = command("run", folder / "net.h5", "--spikes", folder / "data.npz")
    assert code == 0
    assert "accuracy: 100.0 %" in out
    line = next(line for line in out.splitlines() if line.startswith("spike_count of out"))
    assert len(re.findall(r"(?<= )-?\d+(?= )", f"{line.split(':')[1]} ".replace("(190 more) ", ""))) == 10
    assert "(190 more)" in line
    found = json.loads(command("run", folder / "net.h5", "--spikes", folder / "data.npz", "--json")[1])
    assert found["accuracy"]["value"] == 1.0
    assert len(found["predictions"]["out"]) == 200
    found = json.loads(command("run", folder / "net.h5", "--spikes", folder / "few.npz", "--json")[1])
    assert found["accuracy"] is None


@pytest.mark.slow
def test_quiet_and_verbose(tmp_path):
    np.save(tmp_path / "silent.npy", np.ones((20, 1, 6), bool))
    net = network()
    quiet = sh.Network(
        net.inputs, net.populations, [_scaled(q, 1e-6) for q in net.projections], net.outputs, net.semantics
    )
    sh.save(quiet, tmp_path / "silent.h5")
    arguments = ("run", tmp_path / "silent.h5", "--spikes", tmp_path / "silent.npy")

    def said(run, *options):
        done = run(*options, *arguments)
        assert done.returncode == 0
        return done.stderr

    assert "warning: nothing fires" in said(call)
    assert said(call, "-q") == ""
    # Logging is set up once a process.
    assert re.search(r"ssdp_hw\.running\.run: engine: 1 sample of 22 steps in", said(call_process, "-q", "-v"))


def _scaled(q, factor):
    return sh.Projection(pre=q.pre, post=q.post, weight=q.weight * factor)


@pytest.mark.slow
def test_over_the_time_limit(folder, tmp_path):
    """Python code is interrupted; what was being written is not there."""
    spikes = np.random.default_rng(0).random((40_000, 200, 6)) < 0.3
    np.save(tmp_path / "long.npy", spikes)
    out = tmp_path / "out.npz"
    done = subprocess.run(
        [
            *(SSDP_HW, "--time-limit", "4", "run", folder / "net.h5", "--target", "spec"),
            *("--spikes", tmp_path / "long.npy", "--out", out, "--record", "v"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 5
    assert "over the time limit of 4 s" in done.stderr
    assert not out.exists()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "given", [("compare", "net.h5", "fixed.h5"), ("ladder", "net.h5", "--fixed", "fixed.h5"), ("check", "net.h5")]
)
def test_over_the_limit_of_loss(command, folder, given):
    arguments = [given[0], *(folder / a if a.endswith(".h5") else a for a in given[1:])]
    arguments += ["--spikes", folder / "data.npz"]
    if given[0] == "check":
        arguments += ["--weight-bits", "2"]
    code, out, _ = command(*arguments, "--json")
    found = json.loads(out)
    loss = found["loss_points"] if given[0] == "check" else found["loss"]
    assert code == 0
    assert loss > 0
    assert command(*arguments, "--max-loss", loss)[0] == 0
    code, out, err = command(*arguments, "--max-loss", loss / 2)
    assert code == 5
    assert "points, more than --max-loss" in err
    assert out  # the results are printed all the same


def test_check_tells_what_the_api_tells(command, folder):
    found = json.loads(command("check", folder / "net.h5", "--spikes", folder / "data.npz", "--json")[1])
    net = sh.load(folder / "net.h5")
    with np.load(folder / "data.npz") as data:
        spikes, labels = data["spikes"], data["labels"]
    fixed = sh.quantize(net, calibration=spikes)
    proof = sh.prove(fixed)
    assert found["convertible"] is True
    assert found["notes"] == list(net.notes)
    assert found["quantization"] == fixed.report.warnings
    assert found["proofs"] == [str(r) for r in proof.registers]
    assert found["never_overflows"] == proof.holds
    assert found["fits"] == sh.resources(fixed).fits
    assert found["loss_points"] == pytest.approx(sh.compare(net, fixed, spikes, labels, "spec").loss)
    assert found["silent"] == {"float": [], "fixed": []}
    assert command("check", folder / "fixed.h5", "--max-loss", "1")[0] == 5


def test_check_names_silent_populations(command, tmp_path, folder):
    net = network()
    dead = [net.projections[0], _scaled(net.projections[1], 0.0)]
    sh.save(sh.Network(net.inputs, net.populations, dead, net.outputs, net.semantics), tmp_path / "dead.h5")
    found = json.loads(command("check", tmp_path / "dead.h5", "--spikes", folder / "few.npz", "--json")[1])
    assert found["silent"] == {"float": ["out"], "fixed": ["out"]}
    assert "silent in fixed: out" in command("check", tmp_path / "dead.h5", "--spikes", folder / "few.npz")[1]


def test_verify_holds_a_network_to_a_recording(command, folder, tmp_path):
    """What run --out writes is a source; one spike that is changed is found."""
    recorded = tmp_path / "recorded.npz"
    spikes = ("--spikes", folder / "few.npz")
    assert command("run", folder / "net.h5", *spikes, "--out", recorded, "--record", "v")[0] == 0
    arguments = ("verify", recorded, folder / "net.h5", *spikes, "--timing", "projections")
    # A recording has the steps of the samples.
    with np.load(recorded) as arrays:
        kept = {name: array[:20] for name, array in arrays.items()}
    np.savez(recorded, **kept)
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    assert "every spike is the same" in out
    kept["spikes.out"][7, 1, 2] ^= True
    np.savez(recorded, **kept)
    code, out, err = command(*arguments, "--json")
    found = json.loads(out)
    assert code == 5
    assert found["equal"] is False
    wrong = next(layer for layer in found["layers"] if layer["different"])
    assert (wrong["layer"], wrong["first"]["step"], wrong["first"]["sample"]) == ("out", 7, 1)
    assert command("verify", folder / "net.h5", folder / "net.h5", *spikes)[0] == 0


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("encoder", ["rate", "latency"])
def test_encode_writes_what_the_api_gives(command, tmp_path, suffix, encoder):
    rng = np.random.default_rng(0)
    values, labels = rng.random((5, 2, 3)), np.arange(5)
    np.savez(tmp_path / "values.npz", values=values, labels=labels)
    out = tmp_path / f"spikes{suffix}"
    given = ("--steps", 9, "--encoder", encoder, "--seed", 4)
    code, said, _ = command("encode", tmp_path / "values.npz", "--out", out, *given, "--json")
    assert code == 0
    expected = sh.encode(values.reshape(5, 6), encoder, steps=9, seed=4)
    found = read_arrays(out)
    np.testing.assert_array_equal(found["spikes"], expected)
    assert json.loads(said)["spikes"] == expected.sum()
    if suffix == ".npz":
        np.testing.assert_array_equal(found["labels"], labels)


def test_encode_refuses(command, tmp_path):
    np.save(tmp_path / "wide.npy", np.full((2, 3), 7.0))
    for options, said in (
        (("--out", tmp_path / "x.txt", "--steps", 3), "ends with .npz or .npy"),
        (("--out", tmp_path / "x.npy", "--steps", 3, "--seed", 1), "scale them first"),
        (("--out", tmp_path / "x.npy", "--steps", 3, "--encoder", "direct"), "makes no spikes"),
    ):
        code, _, err = command("encode", tmp_path / "wide.npy", *options)
        assert code == 2
        assert said in err
    assert sorted(f.name for f in tmp_path.iterdir()) == ["wide.npy"]


@pytest.mark.slow
def test_batches_give_the_same_and_bound_the_memory():
    """The peak of a run in batches is that of a batch, whatever the number of samples."""
    net = network()
    fixed = sh.quantize(net, weight_bits=3)
    rng = np.random.default_rng(0)

    few = rng.random((20, 2, 6)) < 0.3, np.zeros(2, int)
    sh.compare(net, fixed, *few, ["spec", "engine"])  # what is imported and compiled is no memory of a run
    sh.loss_ladder(net, *few, fixed, target="engine")

    def numbers(samples, size):
        spikes, labels = rng.random((20, samples, 6)) < 0.3, rng.integers(0, 3, samples)
        rows = []
        for options in ({}, {"max_batch_bytes": size}):
            tracemalloc.start()
            table = sh.compare(net, fixed, spikes, labels, ["spec", "engine"], **options)
            ladder = sh.loss_ladder(net, spikes, labels, fixed, target="engine", **options)
            many = run_many(fixed, spikes, "engine", **options)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            # Float voltages are the same up to rounding, which depends on how many samples are summed at once.
            assert all(row.largest_v_difference < 1e-12 for row in table.rows)
            known = ("seconds", "largest_v_difference")
            found = [{k: v for k, v in vars(row).items() if k not in known} for row in table.rows]
            rows.append(((found, ladder.to_dict(), many.predictions["out"].tolist(), many.spike_counts), peak))
        return rows

    whole, parts = numbers(1000, 1 << 17)
    assert parts[0] == whole[0]
    assert parts[1] < whole[1] / 3
    whole, single = numbers(4, 1)  # one sample at a time
    assert single[0] == whole[0]


@pytest.mark.slow
def test_after_warming_up_nothing_is_compiled(tmp_path):
    """In a new process with a cache of its own: what the first run would compile is on disk then."""
    import os

    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [SSDP_HW, "warm-up", "--target", "engine", "--json"],
        capture_output=True,
        text=True,
        timeout=1200,
        env=environment,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["skipped"] == {}
    assert {"dense, fixed", "convolution, float", "SSDP, fixed"} <= found["seconds"].keys()
    before = sorted((tmp_path / "cache").rglob("*.nb?"))
    assert before
    subprocess.run([SSDP_HW, "warm-up", "--target", "engine"], timeout=1200, env=environment, check=True)
    assert sorted((tmp_path / "cache").rglob("*.nb?")) == before


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("what", ["network", "weights", "resources", "run", "ranges"])
def test_plot_draws_what_it_says(command, folder, tmp_path, what):
    pytest.importorskip("matplotlib")
    out = tmp_path / "picture.svg"
    given = ("--spikes", folder / "few.npz") if what in ("run", "ranges") else ()
    assert command("plot", folder / "net.h5", "--what", what, *given, "-o", out)[0] == 0
    drawn = out.read_text(encoding="utf-8")
    assert drawn.count("<path") > 10
    for options, said in ((("-o", tmp_path / "x.doc"), "writes no such file"), (("-o", out), "give --spikes")):
        missing = () if "writes" in said else ("--what", "run")
        code, _, err = command("plot", folder / "net.h5", *missing, *options)
        assert code == 2
        assert said in err
    assert sorted(f.name for f in tmp_path.iterdir()) == ["picture.svg"]


@pytest.mark.slow
def test_a_drawn_run_says_the_label_that_the_file_has(command, folder, tmp_path):
    """The class that the network gives is not to be taken for the label."""
    pytest.importorskip("matplotlib")
    spikes, out = np.load(folder / "few.npz")["spikes"], tmp_path / "run.png"
    bare, labelled = tmp_path / "bare.npz", tmp_path / "labelled.npz"
    np.savez(bare, spikes=spikes)
    np.savez(labelled, spikes=spikes, labels=np.full(spikes.shape[1], 1))
    for samples, said in ((bare, "Sample 0 is given class"), (labelled, "Sample 0 of class 1:")):
        code, told, _ = command("plot", folder / "net.h5", "--what", "run", "--spikes", samples, "-o", out, "--json")
        assert code == 0
        assert json.loads(told)["titles"][0].replace("\n", " ").startswith(said), told
