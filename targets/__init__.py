"""Targets that ship with the toolkit; each registers itself as an entry point.

Importing a target makes this module an attribute of ``ssdp_hw`` and so hides the function
``ssdp_hw.targets()``. The module is therefore callable and does what that function does.
"""

import sys
from types import ModuleType

from ssdp_hw.running.target import TargetInfo, list_targets


class _CallableModule(ModuleType):
    def __call__(self) -> list[TargetInfo]:
        return list_targets()


sys.modules[__name__].__class__ = _CallableModule
