"""Exported Lava processes and scripts, run outside the worker."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp

import ssdp_hw as sh
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.running.target_registry import get_target

if not get_target("lava").availability().installed:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from ssdp_hw.targets.lava import export_script

# Would end a comment, a string or a docstring if it went into the script as it is.
ODD_NAME = '\'"""{0}#\\'


def stock_network() -> sh.FixedNetwork:
    """A network that Lava's own processes express."""
    rng = np.random.default_rng(5)
    first, second = 2 * rng.integers(-40, 90, (5, 6)), 2 * rng.integers(-40, 90, (3, 5))
    return sh.FixedNetwork(
        [sh.Input("in", 6)],
        [
            sh.FixedPopulation(name="hid", size=5, du=2047, dv=300, vth=200),
            sh.FixedPopulation(name="out", size=3, vth=90),
        ],
        [
            sh.FixedProjection(pre="in", post="hid", weight=first),
            sh.FixedProjection(pre="hid", post="out", weight=second, delay=2, weight_exp=1),
        ],
        ["out"],
    )


def own_network() -> sh.FixedNetwork:
    """Per-neuron parameters, a sparse recurrent projection, an unconnected part, odd names."""
    rng = np.random.default_rng(6)
    sparse = sp.csr_array(2 * rng.integers(-30, 60, (4, 4)) * (rng.random((4, 4)) < 0.6))
    return sh.FixedNetwork(
        [sh.Input(ODD_NAME, 5), sh.Input("b", 2)],
        [
            sh.FixedPopulation(name="p", size=4, du=[0, 900, 4095, 20], vth=[90, 200, 300, 400], reset="subtract"),
            sh.FixedPopulation(name="alone", size=2, bias_mant=[900, 70], bias_exp=3, dv=400, vth=300, threshold=">="),
        ],
        [
            sh.FixedProjection(pre=ODD_NAME, post="p", weight=2 * rng.integers(-40, 90, (4, 5))),
            sh.FixedProjection(pre="b", post="p", weight=2 * rng.integers(-40, 90, (4, 2)), weight_exp=-1),
            sh.FixedProjection(pre="p", post="p", weight=sparse, delay=rng.integers(0, 4, sparse.nnz)),
        ],
        ["p"],
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [stock_network, own_network])
def test_exported_script_computes_what_the_specification_does(make, tmp_path):
    network = make()
    rng = np.random.default_rng(7)
    spikes = {i.name: rng.random((25, 1, i.size)) < 0.4 for i in network.inputs}
    script, arrays = export_script(network, tmp_path / "net.py")
    assert sorted(tmp_path.iterdir()) == [arrays, script]
    np.savez(tmp_path / "spikes.npz", **{name: s[:, 0] for name, s in spikes.items()})
    subprocess.run(
        [sys.executable, "-W", "error::UserWarning", script, tmp_path / "spikes.npz", tmp_path / "out.npz"],
        check=True,
        timeout=60,
    )
    with np.load(tmp_path / "out.npz") as file:
        found = dict(file)
    wanted = sh.run(network, spikes, "spec").spikes
    assert wanted["out" if "out" in wanted else "alone"].any()
    for name, raster in wanted.items():
        np.testing.assert_array_equal(found[f"population {name}"], raster[:, 0])


@pytest.mark.slow
def test_exported_processes_run_in_the_users_program(tmp_path):
    """The membrane of the output, read as a Lava user does, after a run of a script of his own."""
    network = stock_network()
    spikes = np.random.default_rng(8).random((12, 1, 6)) < 0.4
    np.save(tmp_path / "spikes.npy", spikes[:, 0].T.astype(int))
    script = """
        import sys
        import numpy as np
        sys.path.insert(0, sys.argv[1])
        from test_lava_export import stock_network
        from ssdp_hw.targets.lava import export
        net = export(stock_network())
        from lava.magma.core.run_conditions import RunSteps
        from lava.magma.core.run_configs import Loihi2SimCfg
        from lava.proc.io.source import RingBuffer
        source = RingBuffer(data=np.load(sys.argv[2]))
        for port in net.inputs["in"]:
            source.s_out.connect(port)
        out = net.populations["out"]
        try:
            out.run(condition=RunSteps(num_steps=12), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
            print(*out.v.get().astype(int), type(out).__name__, type(net.projections["hid->out"]).__name__)
        finally:
            out.stop()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), __file__.rpartition("/")[0], tmp_path / "spikes.npy"],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    wanted = sh.run(network, spikes, "spec", record=("v",)).v["out"][-1, 0]
    assert done.stdout.split() == [*map(str, wanted), "LIF", "DelayDense"]


def test_export_refuses_a_path_that_is_no_script(tmp_path):
    for path in (tmp_path / "net.txt", tmp_path / "missing" / "net.py"):
        with pytest.raises(ParameterError, match=r"ends in \.py"):
            export_script(stock_network(), path)


def test_another_neuron_model_than_the_cuba_lif_is_refused(tmp_path):
    network = sh.FixedNetwork(
        [sh.Input("in", 1)],
        [sh.FixedPopulation(name="p", size=1, model="AdaptiveLIF", parameters={"da": 1, "jump": 1})],
        [sh.FixedProjection(pre="in", post="p", weight=[[2]])],
        ["p"],
        chip="loihi2",
    )
    with pytest.raises(UnsupportedError, match="population 'p': export to Lava processes knows the CUBA LIF alone"):
        export_script(network, tmp_path / "script.py")
