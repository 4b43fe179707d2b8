"""Record what training frameworks do on the generated networks of frameworks.py: tests/data/frameworks.npz.

    python tests/record_frameworks.py

Those that are not installed keep what was recorded before. Each case has its graph as a NIR file, its input,
and for each neuron node spikes and voltages of the framework (voltages in float32, after the reset).
"""

import importlib.metadata
import importlib.util
import io

import frameworks
import nir
import numpy as np

# By the module that is looked for.
DISTRIBUTIONS = {"lava.lib.dl": "lava-dl"}


def packed(case):
    """A case and its recording as arrays by name."""
    file = io.BytesIO()
    nir.write(file, case.graph)
    module = frameworks.MODULES[case.preset]
    arrays = {
        "graph": np.frombuffer(file.getvalue(), np.uint8),
        "spikes": np.packbits(case.spikes),
        "version": np.array(importlib.metadata.version(DISTRIBUTIONS.get(module, module))),
    }
    for name, (spikes, voltages) in frameworks.run(case).items():
        arrays |= {f"{name}/spikes": np.packbits(spikes), f"{name}/v": voltages.astype(np.float32)}
    return {f"{case.name}/{key}": value for key, value in arrays.items()}


def main():
    """Record what can be, and keep the rest."""
    found = {}
    if frameworks.RECORDED.exists():
        with np.load(frameworks.RECORDED) as before:
            found = dict(before)
    for case in frameworks.cases():
        if importlib.util.find_spec(frameworks.MODULES[case.preset].split(".")[0]) is None:
            print(f"{case.name}: {case.preset} is not installed")
            continue
        found = {key: value for key, value in found.items() if not key.startswith(f"{case.name}/")} | packed(case)
        print(f"{case.name}: recorded, {found[f'{case.name}/version']}")
    frameworks.RECORDED.parent.mkdir(exist_ok=True)
    np.savez_compressed(frameworks.RECORDED, **dict(sorted(found.items())))
    print(f"{frameworks.RECORDED}: {frameworks.RECORDED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
