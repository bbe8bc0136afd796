"""A process that was asked to end, says so, and still takes everything for a while."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

MOST_DELAY_SECONDS = 8  # that DRAIN_DELAY_SECONDS may be


@contextmanager
def while_it_drains(asked_at: float) -> Iterator[None]:
    """`asked_at`: the monotonic time before the process was asked to end. What fails in the block when so much has
    passed since that the process may have ended says nothing: the machine was too slow, and the test is skipped."""
    try:
        yield
    except Exception:
        if time.monotonic() - asked_at >= MOST_DELAY_SECONDS:
            pytest.skip(f"to ask while it drains took this machine longer than {MOST_DELAY_SECONDS} s")
        raise
