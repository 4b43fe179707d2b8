"""What all tests share: the profiles of Hypothesis, and less work for the garbage collection."""

import gc

import pytest
from example_counts import register_profiles

register_profiles()


@pytest.fixture(scope="module", autouse=True)
def _collections_pass_over_what_is_here_to_stay() -> None:
    """Freeze what earlier files and imports left, compiled kernels above all: Brian2 collects garbage twice a run,
    and to look through millions of objects each time took longer than the runs."""
    gc.collect()
    gc.freeze()
