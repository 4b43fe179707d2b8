"""Without torch its file says which extra brings it; with torch or without, nothing else imports it."""

import importlib
import subprocess
import sys

import pytest

from ssdp_hw.errors import UnsupportedError


@pytest.mark.parametrize("name", ["ssdp_hw.rules.torch_ssdp", "ssdp_hw.quantization.fine_tuning"])
def test_missing_torch_names_the_extra(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(UnsupportedError, match=r"pip install 'ssdp-hw\[train\]'"):
        importlib.import_module(name)


@pytest.mark.slow
def test_the_numpy_rule_does_not_import_torch():
    names = "rules.batch_ssdp", "learning.learn", "conversion", "analysis.verification"
    code = f"import sys, ssdp_hw, {', '.join(f'ssdp_hw.{n}' for n in names)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_from_torch_names_the_extra(monkeypatch):
    from ssdp_hw.conversion import from_torch

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'ssdp-hw\[train\]'"):
        from_torch(None, (3,))
