"""What was read a moment ago: how long it is kept, and what is not kept."""

import time

import pytest

from charites.common.recent import Recent


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, as its one number."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_value_is_kept_for_its_seconds_from_when_it_was_read(clock: list[float]) -> None:
    recent: Recent[int, str] = Recent(0.5)

    recent.note(1, "one", read_at=99.9)

    assert recent.get(1) == "one"
    clock[0] = 100.4
    assert recent.get(1) == "one"
    clock[0] = 100.41
    assert recent.get(1) is None


def test_what_is_forgotten_is_gone_and_what_was_read_before_that_is_not_noted_again(clock: list[float]) -> None:
    recent: Recent[int, str] = Recent(0.5)
    recent.note(1, "old", read_at=100.0)
    recent.note(2, "other", read_at=100.0)
    clock[0] = 100.1

    recent.forget([1, 3])
    recent.note(1, "old", read_at=100.05)

    assert (recent.get(1), recent.get(2)) == (None, "other")
    recent.note(1, "new", read_at=100.2)
    assert recent.get(1) == "new"


def test_number_of_values_is_bounded() -> None:
    recent: Recent[int, int] = Recent(60, most=3)

    for key in range(10):
        recent.note(key, key, read_at=time.monotonic())
        assert recent.get(key) == key

    assert sum(recent.get(key) is not None for key in range(10)) <= 3


def test_nothing_is_left_after_clear() -> None:
    recent: Recent[int, int] = Recent(60)
    recent.note(1, 1, read_at=time.monotonic())
    recent.forget([2])

    recent.clear()
    recent.note(3, 3, read_at=0.0)

    assert recent.get(1) is None
    assert recent.get(3) is None  # it is old
