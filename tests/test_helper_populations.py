"""Populations that only bring others' biases appear in no table, picture or count of what a network does."""

import json

import numpy as np
import pytest
from command_calls import call
from example_counts import examples
from hypothesis import given, strategies as st

pytest.importorskip("matplotlib")

from matplotlib import pyplot as plt
from matplotlib.text import Text

import ssdp_hw as sh

HELPER = "zz-pacemaker"


def made(layers, seed):
    """A chain of layers, whose biases come from a neuron that fires in every step."""
    rng = np.random.default_rng(seed)
    names = [f"layer-{k}" for k in range(layers)]
    sizes = [6, *rng.integers(3, 7, layers)]
    populations = [
        sh.Population(name=name, neuron=sh.LIF(size=int(n), tau_mem=5.0, v_threshold=0.4))
        for name, n in zip(names, sizes[1:], strict=True)
    ]
    populations.insert(
        int(rng.integers(layers + 1)),
        sh.Population(name=HELPER, neuron=sh.LIF(size=1, tau_mem=1.0, v_threshold=0.5), bias=1.0),
    )
    projections = []
    for k, name in enumerate(names):
        weight = np.abs(rng.normal(0.2, 0.5, (sizes[k + 1], sizes[k])))
        projections.append(sh.Projection(pre=names[k - 1] if k else "in", post=name, weight=weight, name=f"w{k}"))
        bias = rng.normal(0, 0.2, (sizes[k + 1], 1))
        projections.append(sh.Projection(pre=HELPER, post=name, weight=bias, name=f"b{k}"))
    return sh.Network([sh.Input("in", 6)], populations, projections, [names[-1]], sh.Semantics(1.0))


def told(subject, *, pictures=False):
    """All that an object says of itself."""
    found = [str(subject), repr(subject)]
    found += [subject._repr_html_()] if hasattr(subject, "_repr_html_") else []
    found += [subject.to_markdown()] if hasattr(subject, "to_markdown") else []
    if hasattr(subject, "to_pandas"):
        found.append(subject.to_pandas().to_string())
    if pictures and hasattr(subject, "plot"):
        panels = np.ravel(subject.plot())
        found += [text.get_text() for text in panels[0].figure.findobj(Text)]
        plt.close(panels[0].figure)
    return "\n".join(found)


def given_data(seed):
    rng = np.random.default_rng(seed)
    return rng.random((12, 8, 6)) < 0.4, rng.integers(0, 3, 8)


@examples(20, default=2)
@given(layers=st.integers(1, 3), seed=st.integers(0, 99))
def test_no_table_has_them(layers, seed):
    network = made(layers, seed)
    x, y = given_data(seed)
    fixed = sh.quantize(network, calibration=x)
    assert network.helpers == fixed.helpers == {HELPER}
    recorded = sh.run(fixed, x, "spec", record=("spikes", "u", "v"))
    subjects = {
        "rounding": fixed.report,
        "a run": sh.run(network, x, "spec"),
        "a run with states": recorded,
        "activity": sh.measure_activity(fixed, x, target="spec"),
        "proof": sh.prove(fixed, "spec"),
        "comparison": sh.compare(network, fixed, x, y),
        "verification": sh.verify(network, fixed, x),
    }
    for what, subject in subjects.items():
        assert HELPER not in told(subject, pictures=seed % 5 == 0), what
        if what not in ("activity", "comparison"):  # which tell of the network as a whole
            assert network.outputs[0] in told(subject), what
    assert HELPER in recorded.spikes  # it is recorded all the same
    # What a network is made of, and what of a chip it takes, is told whole.
    assert f"{HELPER}  population  1 neurons" in str(network)
    assert "brings biases" in str(network)
    assert HELPER in str(sh.resources(fixed))


def test_a_register_of_theirs_that_may_overflow_is_told():
    helper = sh.FixedPopulation(name=HELPER, size=1, du=0, dv=0, vth=(1 << 17) - 1, bias_mant=4000, bias_exp=7)
    out = sh.FixedPopulation(name="out", size=1, du=4095, dv=4095, vth=100)
    fixed = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [helper, out],
        [sh.FixedProjection(pre=pre, post="out", weight=[[2]], weight_exp=0) for pre in ("in", HELPER)],
        ["out"],
    )
    verdicts = {r.population: r.verdict for r in sh.prove(fixed, "spec").registers if r.count == "v_saturations"}
    assert verdicts["out"] == "proved"
    assert HELPER not in verdicts or verdicts[HELPER] != "proved"


@pytest.mark.slow
def test_no_page_and_no_command_has_them(tmp_path):
    network = made(2, 0)
    x, y = given_data(0)
    fixed = sh.quantize(network, calibration=x)
    sh.report(tmp_path / "page.html", network, x, y, fixed)
    page, data = (tmp_path / "page.html").read_text(), json.loads((tmp_path / "page.json").read_text())
    rows = [r for part in ("proof", "ranges") for r in next(v for v in data[part].values() if isinstance(v, list))]
    assert rows
    assert HELPER not in {r["population"] for r in rows}
    assert page.count("layer-1") > 5
    sh.save(network, tmp_path / "n.h5")
    sh.save(fixed, tmp_path / "f.h5")
    np.savez(tmp_path / "x.npz", spikes=x, labels=y)
    for words in (["run", "f.h5"], ["compare", "n.h5", "f.h5"], ["verify", "n.h5", "f.h5"], ["ladder", "n.h5"]):
        files = [tmp_path / w if w.endswith(".h5") else w for w in words]
        done = call(*files, "--spikes", tmp_path / "x.npz")
        assert done.returncode in (0, 5), (words, done.stderr)  # verify: fixed point is not the float network
        assert "layer-" in done.stdout or words[0] in ("compare", "ladder")
        assert HELPER not in done.stdout, (words, done.stdout)
