"""A fixed network as Lava processes in the user's own program, or as a script that builds them.

A program that runs these processes itself has to call ``stop()`` even after an error, since otherwise the
interpreter hangs at exit, and must not set a multiprocessing start method.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ssdp_hw.arrays import Numbers
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.files.atomic import write_atomically
from ssdp_hw.files.failure_keeper import kept_failure
from ssdp_hw.network.fixed_network import FixedNetwork
from ssdp_hw.running.drive import Drive

from . import fixed
from .blueprint import Blueprint, input_node, population_node, projection_node
from .inference import link

if TYPE_CHECKING:
    from lava.magma.core.process.ports.ports import InPort
    from lava.magma.core.process.process import AbstractProcess

PACKAGE = "ssdp_hw.targets.lava.worker"
# Where the classes of each kind of node are imported from.
MODULES = {
    "LIF": "lava.proc.lif.process",
    "Dense": "lava.proc.dense.process",
    "DelayDense": "lava.proc.dense.process",
    "SpikeSource": f"{PACKAGE}.processes.spike_source",
    "Neurons": f"{PACKAGE}.processes.neurons",
    "Connection": f"{PACKAGE}.processes.connection",
}


@dataclass(frozen=True)
class LavaNetwork:
    """Connected Lava processes of a network, for one sample.

    Run them by ``any_process.run(condition, Loihi2SimCfg(select_tag="fixed_pt"))``; a spike sent in
    step t acts in step t + 1 + delay.

    Attributes:
        populations: for each name a LIF or Neurons process, with ports ``a_in``, ``s_out`` and variables ``u``, ``v``.
        projections: for each name a Dense, DelayDense or Connection process, with ports ``s_in``, ``a_out``.
        inputs: by input name, the ``s_in`` ports to which the user's source of spikes (shape
            (channels,)) has to be connected: ``for port in inputs[name]: source.s_out.connect(port)``.
    """

    populations: Mapping[str, AbstractProcess]
    projections: Mapping[str, AbstractProcess]
    inputs: Mapping[str, list[InPort]]


def _blueprint(network: FixedNetwork) -> Blueprint:
    """The populations and projections of a network for one sample, without sources of spikes.

    Raises:
        UnsupportedError: neurons of another model than the CUBA LIF.
    """
    for p in network.populations:
        if not p.is_cuba_lif:
            raise UnsupportedError(
                f"population '{p.name}': export to Lava processes knows the CUBA LIF alone, and this is {p.declared}; "
                "run it on target 'lava' instead"
            )
    one = Drive({}, 1, 1)
    blueprint = Blueprint("fixed_pt")
    blueprint.nodes += [fixed.population(network, p, one, own=False) for p in network.populations]
    blueprint.nodes += [fixed.projection(q, batch=1, own=False) for q in network.projections]
    link(blueprint, network)
    sources = {input_node(name) for name in network.input_names}
    blueprint.links = [k for k in blueprint.links if k[0] not in sources]
    return blueprint


def export(network: FixedNetwork) -> LavaNetwork:
    """Make the network's connected Lava processes in this program, Lava's own wherever they are exact.

    Raises:
        UnsupportedError: neurons of another model than the CUBA LIF.
    """
    from .worker.compat import enable

    enable()
    from .worker.build import build

    plain, arrays = _blueprint(network).described()
    made = build(plain["nodes"], plain["links"], arrays)
    projections = {q.name: made[projection_node(q.name)] for q in network.projections}
    return LavaNetwork(
        {p.name: made[population_node(p.name)] for p in network.populations},
        projections,
        {
            name: [projections[q.name].s_in for q in network.projections if q.pre == name]
            for name in network.input_names
        },
    )


def export_script(network: FixedNetwork, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a Python script that builds the network from Lava processes and runs it.

    Beside the script goes an .npz of the same name with its arrays. Run as
    ``python SCRIPT spikes.npz out.npz``: ``spikes.npz`` holds for each input, by its name, an array
    (time, channels) of 0 and 1; ``out.npz`` gets the spikes (time, n) of each ``population NAME``.

    Returns:
        The script and its arrays.

    Raises:
        ParameterError: the path does not end in .py, or its folder does not exist.
        UnsupportedError: neurons of another model than the CUBA LIF.
        FileFormatError: a file cannot be written.
    """
    script = Path(path)
    if script.suffix != ".py" or not script.parent.is_dir():
        raise ParameterError(f"export to '{script}': give a path that ends in .py, in a folder that exists")
    text, arrays = _script(network)

    def write_arrays(partial: Path) -> None:
        with kept_failure(partial) as file:
            np.savez(file, **arrays)

    write_atomically(script.with_suffix(".npz"), write_arrays)
    write_atomically(script, lambda partial: partial.write_text(text, encoding="utf-8"))
    return script, script.with_suffix(".npz")


_HEAD = '''"""A spiking network as Lava processes (exported by ssdp-hw).

python SCRIPT SPIKES.npz OUT.npz

SPIKES.npz: an array (time, channels) of 0 and 1 for each of INPUTS below
OUT.npz: the spikes of each of POPULATIONS, bool, shape (time, n)
"""

import sys
from pathlib import Path

import numpy as np
{compat}
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix
{imports}

INPUTS = {{  # by input, the projections that its spikes go to
{targets}
}}
POPULATIONS = [
{populations}
]


def build():
    """All processes by name, connected; each input still needs a source."""
    a = np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False)
    p = {{}}
{nodes}
{links}
    return p


'''

_MAIN = """def main(spikes_file, out_file):
    processes = build()
    spikes = np.load(spikes_file, allow_pickle=False)
    steps = len(spikes[next(iter(INPUTS))])
    for name, projections in INPUTS.items():
        source = Source(data=spikes[name].T.astype(int))
        for projection in projections:
            source.s_out.connect(processes[projection].s_in)
    sinks = {}
    for name in POPULATIONS:
        sinks[name] = Sink(shape=processes[name].s_out.shape, buffer=steps)
        processes[name].s_out.connect(sinks[name].a_in)
    started = []
    try:
        for sink in sinks.values():
            if sink.runtime is None:  # not connected to what runs already
                sink.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
                started.append(sink)
        np.savez(out_file, **{name: sink.data.get().T.astype(bool) for name, sink in sinks.items()})
    finally:
        for sink in started:
            sink.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
"""

_COMPAT = """from ssdp_hw.targets.lava.worker.compat import enable

enable()  # mends lava-nc 0.10.0: its import on Python 3.11 and newer, and runs that never end
"""
# A network of Lava's own processes runs without the toolkit too, on Python 3.10.
_OPTIONAL_COMPAT = """
try:
    from ssdp_hw.targets.lava.worker.compat import enable
except ImportError:
    pass
else:
    enable()  # mends lava-nc 0.10.0: its import on Python 3.11 and newer, and runs that never end
"""


def _script(network: FixedNetwork) -> tuple[str, dict[str, Numbers]]:
    """The script and its arrays. Names go into the script as Python literals, since they may come from a file."""
    plain, arrays = _blueprint(network).described()
    kinds = sorted({node["kind"] for node in plain["nodes"]})
    ours = [kind for kind in kinds if MODULES[kind].startswith(PACKAGE)]
    nodes = []
    for node in plain["nodes"]:
        arguments = "".join(f"        {key}={_source(value)},\n" for key, value in node["parameters"].items())
        nodes.append(f"    p[{node['name']!r}] = {node['kind']}(\n{arguments}    )")
    targets = {
        name: [projection_node(q.name) for q in network.projections if q.pre == name] for name in network.input_names
    }
    head = _HEAD.format(
        compat=_COMPAT if ours else _OPTIONAL_COMPAT,
        imports="\n".join(f"from {MODULES[kind]} import {kind}" for kind in kinds),
        targets="\n".join(f"    {name!r}: {names!r}," for name, names in targets.items()),
        populations="\n".join(f"    {population_node(p.name)!r}," for p in network.populations),
        nodes="\n".join(nodes),
        links="\n".join(f"    p[{a!r}].{out}.connect(p[{b!r}].{into})" for a, out, b, into in plain["links"]),
    )
    return head + _MAIN, arrays


def _source(value: object) -> str:
    """The Python expression of a parameter that :meth:`.Blueprint.described` made plain."""
    if not isinstance(value, dict):
        return repr(value)
    if "array" in value:
        return f"a[{value['array']!r}]"
    if "csr" in value:
        return f"csr_matrix(({', '.join(f'a[{key!r}]' for key in value['csr'])}), shape={tuple(value['shape'])!r})"
    return f"SignMode.{value['sign_mode']}"
