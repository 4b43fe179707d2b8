"""The numbers of a report: plain values, from which the page is made and which its JSON file holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

import numpy as np

from ssdp_hw.display import Table, shown
from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.hdf5_guard import first_line
from ssdp_hw.files.json_values import JSON

# The name and version of the JSON; a change of meaning or a key that goes raises the version, a new key does not.
SCHEMA_NAME, SCHEMA_VERSION = "ssdp-hw report", 1

# A part of the report: numbers and texts by name, in as many levels as it needs.
Facts: TypeAlias = Mapping[str, Any]


def plain(value: object) -> Any:
    """A value as JSON reads it back: lists for tuples, Python's numbers for NumPy's, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


@shown
@dataclass(frozen=True)
class ReportData:
    """All numbers of a report, as plain values; a section that was not measured is None.

    Attributes:
        title: of the page.
        network: inputs, populations, projections, semantics and ``notes`` on what was assumed or repaired.
        samples: how many samples, steps and channels, the inputs that have real values, and spikes of the others per
            channel and step.
        quantization: the report of :func:`ssdp_hw.quantize` and its ``warnings``.
        proof: for every register what :func:`ssdp_hw.prove` found.
        agreement: float and fixed run of all samples: accuracies, predictions in common, spikes of every layer.
        comparison: :func:`ssdp_hw.compare` over several targets.
        ladder: :func:`ssdp_hw.loss_ladder`.
        raster: the spikes of one sample, float and fixed, layer by layer, and the first step in which they differ.
        ranges: for every state of every population what some samples reached, beside register and proved bounds.
        weights: for every projection a histogram of its weight integers.
        learning: ``runs`` of learning with accuracies before and after, and the health of the synapses.
        same_bits: whether targets learned the same weights and counters.
        resources: cores, memory and axons, with the limits' sources.
        activity: operations and spikes per sample, and energy where it is known, with its sources.
        skipped: targets that did not run, and why.
        environment: versions, machine, seeds, hashes and seconds.
    """

    title: str
    network: Facts
    samples: Facts | None = None
    quantization: Facts | None = None
    proof: Facts | None = None
    agreement: Facts | None = None
    comparison: Facts | None = None
    ladder: Facts | None = None
    raster: Facts | None = None
    ranges: Facts | None = None
    weights: Facts | None = None
    learning: Facts | None = None
    same_bits: Facts | None = None
    resources: Facts | None = None
    activity: Facts | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    environment: Facts = field(default_factory=dict)

    def _table(self) -> Table:
        sections = [f.name for f in fields(self) if f.name != "title"]
        measured = [(name, "not measured" if getattr(self, name) is None else "measured") for name in sections]
        return Table(self.title, ("section", "state"), measured)

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, plain(getattr(self, f.name)))

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for JSON."""
        return {"schema": {"name": SCHEMA_NAME, "version": SCHEMA_VERSION}, **vars(self)}

    def to_json(self) -> str:
        """The JSON text; numbers in it are exact, so that a page made of it is the same."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> ReportData:
        """The numbers of a text that :meth:`to_json` made.

        Raises:
            FileFormatError: no JSON, or not that of a report, or of a newer version.
        """
        try:
            values = json.loads(text)
            schema = values["schema"]
            name, version = schema["name"], schema["version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FileFormatError(f"this is not the JSON of a report ({first_line(error)})") from None
        if name != SCHEMA_NAME or not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
            raise FileFormatError(
                f"the JSON says '{name}', version {version!r}; this ssdp-hw reads '{SCHEMA_NAME}' up to version "
                f"{SCHEMA_VERSION}"
            )
        known = {f.name for f in fields(cls)}
        if not {"title", "network"} <= values.keys():
            raise FileFormatError("the JSON of the report has no title or no network")
        return cls(**{key: value for key, value in values.items() if key in known})
