"""A Brian2 session of our own: the device and the preferences of the user's are left as they were."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ssdp_hw.errors import SsdpHwError, TargetRunError
from ssdp_hw.running.time_limit import remaining_time

# The active device and the preferences are global to the process.
_LOCK = threading.RLock()


@dataclass(frozen=True)
class Session:
    """What a run needs to know of its session.

    Attributes:
        device: the Brian2 device, used by nothing else.
        standalone: whether it is C++ standalone.
        directory: for files of this run; removed at its end.
    """

    device: Any
    standalone: bool
    directory: Path


def _import_brian2() -> None:
    hook = sys.excepthook
    try:
        import brian2  # noqa: F401

        if "brian2" in getattr(sys.excepthook, "__module__", ""):
            sys.excepthook = hook  # Brian2's calls every uncaught exception of the process an error of Brian2
    except Exception as error:
        # Brian2 2.9 with numpy 2.4 raises AttributeError here.
        raise TargetRunError(
            f"brian2 {metadata.version('brian2')} cannot be imported with numpy {np.__version__}: {error}; "
            "brian2 2.9 needs numpy < 2.4"
        ) from error


def _root(error: BaseException) -> BaseException:
    """The first cause: Brian2's own errors only say which object was being prepared."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _limited_commands(prefs: Any) -> dict[str, Any]:
    """Preferences by which a compiled program, and the compiler before it, end with the limit of time, if there is one.

    Brian2 starts both and waits for them, so that nothing here could look at the clock meanwhile.
    """
    left, command = remaining_time(), shutil.which("timeout")
    if left is None or command is None:
        return {}
    limited = [command, "--foreground", f"{max(left, 0.01):.2f}"]  # 0 would be no limit
    make, run = "devices.cpp_standalone.make_cmd_unix", "devices.cpp_standalone.run_cmd_unix"
    program = [prefs[run]] if isinstance(prefs[run], str) else list(prefs[run])
    return {make: f"{shlex.join(limited)} {prefs[make]}", run: [*limited, *program]}


@contextmanager
def open_session(device: str, codegen: str) -> Iterator[Session]:
    """Make a fresh device the active one for the time of a run.

    A device of our own, rather than a ``set_device`` to a shared one, keeps a standalone project
    that the user is about to build apart from ours, and needs no subprocess. What a user may have
    set and would change results (precision, threads) is set to its default meanwhile; how to
    compile is left as set.

    Raises:
        TargetRunError: Brian2 cannot be imported, or it failed in the body.
    """
    with _LOCK, warnings.catch_warnings(), TemporaryDirectory(prefix="ssdp-hw-brian2-") as directory:
        # Brian2 calls deprecated functions of pyparsing and of NumPy: nothing that a user could mend.
        warnings.simplefilter("ignore", DeprecationWarning)
        _import_brian2()
        from brian2 import prefs
        from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

        devices: Any = import_module("brian2.devices.device")  # "import ... as" finds a proxy of that name
        standalone = device == "cpp_standalone"
        ours: dict[str, Any] = {
            "codegen.target": codegen,
            "codegen.string_expression_target": "numpy",
            "core.default_float_dtype": np.float64,
            "core.default_integer_dtype": np.int32,
            "devices.cpp_standalone.openmp_threads": 0,
        }
        if prefs["devices.cpp_standalone.extra_make_args_unix"] == ["-j"]:
            # Brian2's default starts a compiler for every file at once, some fifty, which stalls a small machine.
            ours["devices.cpp_standalone.extra_make_args_unix"] = [f"-j{os.cpu_count() or 1}"]
        if standalone:
            ours.update(_limited_commands(prefs))
        users_device, users = devices.active_device, {name: prefs[name] for name in ours}
        try:
            for name, value in ours.items():
                prefs[name] = value
            own = CPPStandaloneDevice() if standalone else devices.RuntimeDevice()
            devices.active_device = own
            own.activate(build_on_run=False)
            yield Session(own, standalone, Path(directory))
        except SsdpHwError:
            raise
        except Exception as error:
            if isinstance(_root(error), SsdpHwError):  # raised by an operation of ours, as where the time is over
                raise _root(error) from None
            raise TargetRunError(f"brian2 failed on device '{device}': {_root(error)}") from error
        finally:
            devices.active_device = users_device
            for name, value in users.items():
                prefs[name] = value
