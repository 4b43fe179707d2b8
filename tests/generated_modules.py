"""How many random torch modules are converted and right, refused, or wrong: of what converts, and with something else.

    python tests/generated_modules.py --count 300

Needs torch and snnTorch; of Sinabs and SpikingJelly those are used that are installed. It fails if any module is wrong,
or fewer than 95 % of those that have nothing else are converted.
"""

import argparse
import sys
import warnings
from collections import Counter

import numpy as np
import torch
from torch_generator import OUTSIDE, STATES, TOO_SOON, Generated

from ssdp_hw.analysis.verification import verify
from ssdp_hw.conversion import from_torch
from ssdp_hw.errors import SsdpHwError
from ssdp_hw.running.run import run

STEPS, BATCH = 30, 3
KINDS = (*OUTSIDE, *STATES, TOO_SOON)
_SHARE = 0.95


def spikes_for(module, seed):
    """An input, shape (time, batch, width)."""
    return np.random.default_rng(seed).random((STEPS, BATCH, module.width)) < 0.4


def converted(module):
    """The network, or why there is none."""
    try:
        return from_torch(module, module.sample()), ""
    except SsdpHwError as error:
        return None, str(error)


def difference(module, network, spikes):
    """What differs between a module and its network, in words; empty if nothing does.

    ``verify`` must have called the module, and in float64 the engine's spikes must be those of its forward.
    """
    module.calls.clear()
    found = verify(module, network, spikes)
    if not found.agrees:
        return found.to_markdown()
    if not module.calls:
        return "verify did not call the module"
    with torch.no_grad():
        expected = module.double()(torch.tensor(spikes).double()).numpy() != 0
    check = found.layers[-1]
    sent = run(network, spikes, "engine", steps=STEPS + check.lag).spikes[check.population][check.lag :]
    return "" if np.array_equal(sent, expected) else f"{(sent != expected).sum()} spikes differ in float64"


def outcome(seed, outside=None):
    """``right``, ``refused`` or ``wrong`` of the module of a seed, and what was said."""
    module = Generated(seed, outside, loops=True).eval()
    network, why = converted(module)
    if network is None:
        return "refused", why
    wrong = difference(module, network, spikes_for(module, seed))
    return ("wrong", wrong) if wrong else ("right", "")


def summary(count, inside, other):
    """How many of so many modules of either kind did what."""
    return (
        f"of what converts: {inside['right']} of {count} converted and equal to the module, "
        f"{inside['refused']} refused, {inside['wrong']} wrong\n"
        f"with something else, of {len(KINDS)} kinds: {other['refused']} of {count} refused, "
        f"{other['right']} converted and equal, {other['wrong']} wrong"
    )


def main():
    """Try them, and print how many did what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="modules of either kind")
    count = parser.parse_args().count
    warnings.simplefilter("ignore")
    inside, other = Counter(), Counter()
    for seed in range(count):
        kind = KINDS[seed % len(KINDS)]
        for outside, counted in ((None, inside), (kind, other)):
            what, said = outcome(seed, outside)
            counted[what] += 1
            if what == "wrong" or (what == "refused" and outside is None):
                print(f"seed {seed}, {outside or 'nothing else'}: {what}: {said}", flush=True)
        if (seed + 1) % 50 == 0 or seed + 1 == count:
            print(summary(seed + 1, inside, other), flush=True)
    if inside["wrong"] or other["wrong"] or inside["right"] < _SHARE * count:
        sys.exit("there are wrong modules, or too few are converted")


if __name__ == "__main__":
    main()
