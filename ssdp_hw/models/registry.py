"""Neuron models by name: those of the toolkit and those that other packages register.

A package registers a model as an entry point of the group ``ssdp_hw.models``: a name, and the model, an instance of a
subclass of :class:`~ssdp_hw.models.base.NeuronModel`. A script or a notebook calls :func:`register_model` instead.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module, metadata
from keyword import iskeyword
from pkgutil import iter_modules

from ssdp_hw import models
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import ARRIVING, BIAS, NeuronModel

GROUP = "ssdp_hw.models"

_registered: dict[str, NeuronModel] = {}


def register_model(model: NeuronModel) -> NeuronModel:
    """Make a model known by its name in this process, so that files which name it can be read; returns it.

    Raises:
        ParameterError: no model, or another model has that name.
    """
    _check(model, "register_model")
    known = _registered.get(model.name) or _shipped().get(model.name)
    if known is not None and known != model and type(known).__qualname__ != type(model).__qualname__:
        raise ParameterError(f"neuron model '{model.name}' is already {type(known).__name__}; give the new one a name")
    _registered[model.name] = model
    return model


def _check(model: object, owner: str) -> None:
    if not isinstance(model, NeuronModel):
        raise ParameterError(f"{owner}: {model!r} is no neuron model: an instance of a subclass of NeuronModel")
    names = [model.name, *(s.name for s in model.states), *(q.name for q in model.parameters)]
    for name in names:
        if not isinstance(name, str) or not name.isascii() or not name.isidentifier() or iskeyword(name):
            raise ParameterError(f"{owner}: {name!r} names a model, state or parameter; it must be a Python identifier")
    if len(set(names)) < len(names) or {BIAS, ARRIVING} & set(names):
        raise ParameterError(f"{owner}: names of {model} must differ, also from '{BIAS}' and '{ARRIVING}': {names}")


@lru_cache(maxsize=1)
def _shipped() -> dict[str, NeuronModel]:
    """The models of this folder: every module's ``MODEL`` or ``MODELS``."""
    found = {}
    for module in iter_modules(models.__path__):
        loaded = import_module(f"{models.__name__}.{module.name}")
        for model in (*getattr(loaded, "MODELS", ()), *filter(None, [getattr(loaded, "MODEL", None)])):
            found[model.name] = model
    return found


@lru_cache(maxsize=1)
def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {e.name: e for e in metadata.entry_points(group=GROUP)}


def model_names() -> list[str]:
    """Names of all models that are known, sorted."""
    return sorted({*_shipped(), *_entry_points(), *_registered})


def neuron_model(model: str | NeuronModel) -> NeuronModel:
    """A model itself, or the model of that name.

    Raises:
        ParameterError: no such model; or the package that registers it is broken.
    """
    if not isinstance(model, str):
        _check(model, "model")
        return model
    if model in _registered:
        return _registered[model]
    if model in _shipped():
        return _shipped()[model]
    if model not in _entry_points():
        raise ParameterError(f"neuron model '{model}' is unknown; there are: {', '.join(model_names())}")
    try:
        loaded = _entry_points()[model].load()
    except Exception as error:  # any: the package of someone else
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ParameterError(f"neuron model '{model}' cannot be loaded ({reason}); reinstall its package") from error
    _check(loaded, f"entry point '{model}' of the group {GROUP}")
    _registered[model] = loaded
    return _registered[model]
