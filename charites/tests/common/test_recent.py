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
    clock[0] = 101.0

    recent.note(1, "one", read_at=100.9)

    assert recent.get(1) == "one"
    clock[0] = 101.4
    assert recent.get(1) == "one"
    clock[0] = 101.41
    assert recent.get(1) is None


def test_what_is_forgotten_is_gone_and_what_was_read_before_that_is_not_noted_again(clock: list[float]) -> None:
    recent: Recent[int, str] = Recent(0.5)
    clock[0] = 101.0
    recent.note(1, "old", read_at=101.0)
    recent.note(2, "other", read_at=101.0)
    clock[0] = 101.1

    recent.forget([1, 3])
    recent.note(1, "old", read_at=101.05)

    assert (recent.get(1), recent.get(2)) == (None, "other")
    recent.note(1, "new", read_at=101.2)
    assert recent.get(1) == "new"


def test_one_caller_reads_anew_in_the_second_half_and_the_others_go_on(clock: list[float]) -> None:
    recent: Recent[int, str] = Recent(1.0)
    clock[0] = 101.0
    recent.note(1, "old", read_at=101.0)
    clock[0] = 101.5
    assert [recent.recall(1), recent.recall(1), recent.get_fresh(1)] == ["old"] * 3

    clock[0] = 101.6
    assert [recent.recall(1), recent.recall(1), recent.get(1)] == [None, "old", "old"]
    assert recent.get_fresh(1) is None

    recent.note(1, "new", read_at=101.6)
    assert [recent.recall(1), recent.get_fresh(1)] == ["new"] * 2
    clock[0] = 102.2
    assert [recent.recall(1), recent.recall(1)] == [None, "new"]


def test_whoever_reads_anew_in_vain_is_no_reason_to_keep_a_value_longer(clock: list[float]) -> None:
    recent: Recent[int, str] = Recent(1.0)
    clock[0] = 101.0
    recent.note(1, "old", read_at=101.0)
    clock[0] = 101.9
    assert recent.recall(1) is None

    clock[0] = 102.01

    assert recent.recall(1) is None
    assert recent.recall(2) is None


def test_number_of_values_is_bounded() -> None:
    recent: Recent[int, int] = Recent(60, most=3)

    for key in range(10):
        recent.note(key, key, read_at=time.monotonic())
        assert recent.get(key) == key

    assert sum(recent.get(key) is not None for key in range(10)) <= 3


def test_what_is_out_of_date_takes_no_room(clock: list[float]) -> None:
    recent: Recent[int, int] = Recent(0.5)
    for key in range(100):
        clock[0] += 0.1
        recent.note(key, key, read_at=clock[0])

    assert len(recent._noted) <= 6


def test_nothing_is_left_after_clear_and_what_was_read_before_is_not_noted(clock: list[float]) -> None:
    recent: Recent[int, int] = Recent(60)
    clock[0] = 101.0
    recent.note(1, 1, read_at=101.0)
    clock[0] = 102.0

    recent.clear()
    recent.note(2, 2, read_at=101.5)

    assert (recent.get(1), recent.get(2)) == (None, None)
