"""How many examples Hypothesis generates: a share of them by default, all of them in ``make test-slow``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import settings

SHARE, ALL, RANDOM = "share", "all", "random"
Test = TypeVar("Test", bound=Callable[..., object])
Value = TypeVar("Value")


def register_profiles() -> None:
    """Register the profiles of Hypothesis, of which ``--hypothesis-profile`` chooses one, and load SHARE.

    No example has a time limit of its own. SHARE and ALL generate the same examples in every run. RANDOM draws them
    from the seed that ``--hypothesis-seed`` gives, and keeps no database, so that the seed alone decides.
    """
    settings.register_profile(SHARE, deadline=None, derandomize=True, print_blob=True)
    settings.register_profile(ALL, settings.get_profile(SHARE))
    settings.register_profile(RANDOM, deadline=None, derandomize=False, database=None, print_blob=True)
    settings.load_profile(SHARE)


def share(count: int, default: int) -> int:
    """The number of examples in this run, for a test that generates inside of its function.

    The test is marked by ``pytest.mark.more_examples``, so that the slow run has it.

    Args:
        count, default: see :func:`examples`.
    """
    if not 0 < default < count:
        raise ValueError(f"examples: default = {default} is outside 1 .. {count - 1}; use @settings(max_examples=...)")
    return default if _is_share() else count


def values(every: Sequence[Value], default: Sequence[Value]) -> Sequence[Value]:
    """What a strategy samples from in this run: ``every`` value, or in the profile SHARE only ``default``.

    For what is costly by itself, as each new combination of types is that the engine compiles its loops for. All tests
    that draw from the strategy are decorated by :func:`examples` or marked by ``pytest.mark.more_examples``.
    """
    return default if _is_share() else every


def _is_share() -> bool:
    # The profile is loaded before the test modules are imported; options like --hypothesis-explain add to its name.
    return settings.get_current_profile_name().startswith(SHARE)


def examples(count: int, default: int, base: settings | None = None) -> Callable[[Test], Test]:
    """Decorate a test of which only the slow run generates all examples; it stands in the place of ``@settings``.

    Args:
        count: number of examples in every profile but SHARE, and so in ``make test-slow`` and ``make test-random``.
        default: number of examples in the profile SHARE, which is that of ``make test``; less than ``count``.
        base: further settings.

    Raises:
        ValueError: if ``default`` is not between 1 and ``count - 1``, since then no run would be shorter.
    """
    limited = settings(base, max_examples=share(count, default))

    def decorate(test: Test) -> Test:
        return pytest.mark.more_examples(limited(test))

    return decorate
