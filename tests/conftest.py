"""What all tests share: generated cases are the same in every run and have no time limit each."""

import gc

import pytest
from hypothesis import settings

settings.register_profile("ssdp-hw", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ssdp-hw")


@pytest.fixture(scope="module", autouse=True)
def _collections_pass_over_what_is_here_to_stay() -> None:
    """Freeze what earlier files and imports left, compiled kernels above all: Brian2 collects garbage twice a run,
    and to look through millions of objects each time took longer than the runs."""
    gc.collect()
    gc.freeze()
