"""A study that comes with the toolkit: what a network loses to a chip's integers, by how it is quantised."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ssdp_hw.analysis.activity import measure_activity
from ssdp_hw.analysis.resources import resources
from ssdp_hw.analysis.statistics import mcnemar, wilson
from ssdp_hw.checks import as_int, class_labels
from ssdp_hw.errors import ParameterError, UnsupportedError
from ssdp_hw.files.json_values import JSON
from ssdp_hw.network.float_network import Network
from ssdp_hw.quantization import quantize
from ssdp_hw.running.many import run_many
from ssdp_hw.sweeping.widths import narrow_decays


def quantised(
    network: Network,
    spikes: ArrayLike,
    labels: ArrayLike,
    *,
    calibration: ArrayLike | None = None,
    chip: str = "loihi",
    weight_bits: int | dict[str, int] | None = None,
    decay_bits: int | dict[str, int] | None = None,
    method: str = "max_abs",
    granularity: str = "projection",
    sign_mode: str = "mixed",
    split: int = 1,
    headroom: float = 2.0,
    target: str | None = None,
    decode: str | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> dict[str, JSON]:
    """Quantise a network, run float and fixed, and count what differs.

    Args:
        network: the float network.
        spikes: test samples, shape (time, batch, channels).
        labels: their classes, shape (batch,).
        calibration, chip, weight_bits, method, granularity, sign_mode, split, headroom: see :func:`ssdp_hw.quantize`.
        decay_bits: bits that are left of the decay registers, one for all or by population.
        target, decode: see :func:`ssdp_hw.compare`.
        samples: how many of the samples are drawn, without replacement; default all.
        seed: of that choice.

    Returns:
        ``accuracy`` with the ends of its 95 % interval ``low`` and ``high``, ``float_accuracy``, ``loss`` in points,
        ``lost`` and ``won`` samples with McNemar's exact ``p``, ``agreement`` of the classes, ``spike_rate`` of the
        outputs, ``synaptic_operations`` and ``energy_nj`` (None where the chip has no figures) of a sample,
        ``synaptic_bytes`` (None where the chip has no limits of a core), ``overflows``.

    Raises:
        SsdpHwError: as the functions named above.
    """
    given = np.asarray(spikes)
    if given.ndim != 3:
        raise ParameterError(f"quantised: spikes of shape {given.shape}; expected (time, batch, channels)")
    classes = class_labels(labels, given.shape[1], network.size_of(network.outputs[0]), given.shape[0])
    if samples is not None:
        count = as_int(samples, "quantised: samples")
        if not 1 <= count <= len(classes):
            raise ParameterError(f"quantised: samples = {count} is outside 1 .. {len(classes)}")
        chosen = np.random.default_rng(seed).permutation(len(classes))[:count]
        given, classes = given[:, chosen], classes[chosen]
    fixed = quantize(
        network, chip, calibration, weight_bits=weight_bits, method=method, granularity=granularity,
        sign_mode=sign_mode, split=split, headroom=headroom,
    )  # fmt: skip
    if decay_bits is not None:
        fixed = narrow_decays(fixed, decay_bits)
    [output] = network.outputs
    exact = run_many(network, given, target, decode=decode).predictions[output]
    ran = run_many(fixed, given, target, decode=decode, on_overflow="ignore")
    found = ran.predictions[output]
    lost = int(np.count_nonzero((exact == classes) & (found != classes)))
    won = int(np.count_nonzero((exact != classes) & (found == classes)))
    right, float_right = int(np.count_nonzero(found == classes)), int(np.count_nonzero(exact == classes))
    accuracy = wilson(right, len(classes))
    active = measure_activity(fixed, given, target)
    return {
        "accuracy": accuracy.value,
        "low": accuracy.low,
        "high": accuracy.high,
        "float_accuracy": float_right / len(classes),
        "loss": 100 * (float_right - right) / len(classes),
        "lost": lost,
        "won": won,
        "p": mcnemar(lost, won),
        "agreement": float(np.mean(found == exact)),
        "spike_rate": ran.spike_rate(output),
        "synaptic_operations": active.effective_acs,
        "energy_nj": sum(active.energy_nj.values()) if active.energy_nj else None,
        "synaptic_bytes": _synaptic_bytes(fixed),
        "overflows": sum(count.total for count in (ran.overflow or {}).values()),
    }


def _synaptic_bytes(fixed: Any) -> int | None:
    try:
        return sum(p.synaptic_bytes for p in resources(fixed).populations)
    except UnsupportedError:
        return None
