"""Neuron models by name: those of the toolkit and those that other packages register.

A package registers a model as an entry point of the group ``ssdp_hw.models``: a name, and the model, an instance of a
subclass of :class:`~ssdp_hw.models.base.NeuronModel`. A script or a notebook calls :func:`register_model` instead.
"""

from __future__ import annotations

from ssdp_hw import models
from ssdp_hw.errors import ParameterError
from ssdp_hw.models.base import NeuronModel
from ssdp_hw.models.declaration import check_declaration
from ssdp_hw.registry import Registry

GROUP = "ssdp_hw.models"


def _check(model: object, owner: str) -> NeuronModel:
    if not isinstance(model, NeuronModel):
        raise ParameterError(f"{owner}: {model!r} is no neuron model: an instance of a subclass of NeuronModel")
    check_declaration(model, owner)
    return model


KNOWN_MODELS: Registry[NeuronModel] = Registry("neuron model", GROUP, models, "MODEL", _check)


def register_model(model: NeuronModel) -> NeuronModel:
    """Make a model known by its name in this process, so that files which name it can be read; returns it.

    Raises:
        ParameterError: no model, or another model has that name.
    """
    return KNOWN_MODELS.register(model, "register_model")


def model_names() -> list[str]:
    """Names of all models that are known, sorted."""
    return KNOWN_MODELS.names()


def neuron_model(model: str | NeuronModel) -> NeuronModel:
    """A model itself, or the model of that name.

    Raises:
        ParameterError: no such model; or the package that registers it is broken.
    """
    return KNOWN_MODELS.get(model) if isinstance(model, str) else _check(model, "model")
