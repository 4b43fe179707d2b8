"""Lava's own modules in a test process, which Lava expects to have started no process before it."""

from __future__ import annotations

import multiprocessing

import pytest


def importable() -> None:
    """Make Lava's modules importable here; the test is skipped where there is no Lava.

    Lava sets the way in which processes start when it is imported, which Python allows once; another test may have
    used it. Nothing is started here: process models are called step by step.
    """
    pytest.importorskip("lava")
    from ssdp_hw.targets.lava.worker.compat import enable

    enable()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing, "set_start_method", lambda *_args, **_options: None)
        import lava.magma.runtime.message_infrastructure.multiprocessing  # noqa: F401
