"""Recordings as tables of pandas and as data sets of xarray, with named axes (extra ``frames``)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from ssdp_hw.arrays import Array
from ssdp_hw.errors import MissingPackageError, ParameterError

AXES = ("time", "sample", "neuron")


def _imported(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise MissingPackageError(
            f"this needs {package}, which is not installed: pip install 'ssdp-hw[frames]'"
        ) from None


def to_xarray(recorded: Mapping[str, Array], attributes: Mapping[str, Any]) -> Any:
    """An ``xarray.Dataset`` with one array of shape (time, sample, neuron) for each variable.

    Raises:
        ParameterError: nothing was recorded.
        MissingPackageError: xarray is not installed.
    """
    xarray, shape = _imported("xarray"), _shape(recorded)
    coordinates = {axis: np.arange(length) for axis, length in zip(AXES, shape, strict=True)}
    variables = {name: (AXES, array) for name, array in recorded.items()}
    return xarray.Dataset(variables, coordinates, dict(attributes))


def to_pandas(recorded: Mapping[str, Array], attributes: Mapping[str, Any]) -> Any:
    """A ``pandas.DataFrame`` with a row for each time, sample and neuron, and a column for each variable.

    Raises:
        ParameterError: nothing was recorded.
        MissingPackageError: pandas is not installed.
    """
    pandas, shape = _imported("pandas"), _shape(recorded)
    index = pandas.MultiIndex.from_product([range(length) for length in shape], names=AXES)
    frame = pandas.DataFrame({name: array.reshape(-1) for name, array in recorded.items()}, index=index)
    frame.attrs.update(attributes)
    return frame


def _shape(recorded: Mapping[str, Array]) -> tuple[int, ...]:
    if not recorded:
        raise ParameterError("nothing was recorded of this population: run(..., record=('spikes', 'v'))")
    shape: tuple[int, ...] = next(iter(recorded.values())).shape
    return shape
