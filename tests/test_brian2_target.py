"""What Brian2 says of itself as a target."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest
from brian2_helpers import requires_brian2

from ssdp_hw.errors import ParameterError
from ssdp_hw.running.target_registry import get_target


@pytest.mark.slow
@requires_brian2
def test_asking_whether_it_is_installed_does_not_import_it():
    code = (
        "import ssdp_hw, sys; print([t.name for t in ssdp_hw.list_targets() if t.installed], 'brian2' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'brian2'" in printed
    assert printed.strip().endswith("False")


def test_a_missing_package_comes_with_the_way_to_install_it(monkeypatch):
    from ssdp_hw.targets.brian2 import TARGET

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    availability = TARGET.availability()
    assert not availability.installed
    assert availability.install == "pip install 'ssdp-hw[brian2]'"


@requires_brian2
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"device": "gpu"}, "device = 'gpu'"),
        ({"codegen": "weave"}, "codegen = 'weave'"),
        ({"batching": "all"}, "batching = 'all'"),
        ({"device": "cpp_standalone", "batching": "copies"}, "choose batching = 'sequence'"),
        ({"threads": 2}, "no option 'threads'"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, named):
    with pytest.raises(ParameterError, match=named):
        get_target("brian2").resolve(options)


@pytest.mark.slow
@requires_brian2
def test_errors_of_the_users_stay_his():
    """Brian2 takes the hook for uncaught exceptions, and calls each of them an error of Brian2."""
    code = "import sys; hook = sys.excepthook; from ssdp_hw.targets.brian2 import session; session._import_brian2(); "
    code += "assert 'brian2' in sys.modules; assert sys.excepthook is hook"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
