"""Every test file is run by some command of the Makefile."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
MAKEFILE = (TESTS.parent / "Makefile").read_text(encoding="utf-8")
# Packages that `make test-frameworks` alone installs.
FRAMEWORKS = ("torch", "snntorch", "norse", "sinabs", "aeon")


def test_files_that_ask_for_a_framework_are_run_where_it_is_installed():
    """Elsewhere they are skipped, so that one not listed would never run."""
    files = re.search(r"^FRAMEWORKS_TESTS := (.*?[^\\])$", MAKEFILE, re.MULTILINE | re.DOTALL)
    assert files is not None
    listed = {f"test_{name}" for name in re.findall(r"\w+\.py", files.group(1))}
    asks = re.compile(rf"importorskip\(\s*[\"'](?:{'|'.join(FRAMEWORKS)})\b")
    asking = {file.name for file in TESTS.glob("test_*.py") if asks.search(file.read_text(encoding="utf-8"))}
    assert {"test_fine_tuning.py", "test_torch_graph.py"} <= asking
    assert asking - listed == set()
    assert all((TESTS / name).exists() for name in listed)


def test_the_browsers_tests_are_run_by_their_command_alone():
    """They fail where no browser is installed, so `make test` leaves them out and `.ci/run` runs them."""
    marked = {file.name for file in TESTS.glob("test_*.py") if "mark.browser" in file.read_text(encoding="utf-8")}
    assert marked - {"test_commands.py"} == {"test_browser.py", "test_site_browser.py"}
    assert re.search(r"^test-browser:.*(\n\t.*)*tests/test_browser.py", MAKEFILE, re.MULTILINE)
    for target in ("test", "test-random"):
        command = re.search(rf"^{target}: install\n\t(.*)$", MAKEFILE, re.MULTILINE)
        assert command is not None
        assert "not browser" in command.group(1)
    assert "make test-browser" in (TESTS.parent / ".ci" / "run").read_text(encoding="utf-8")
