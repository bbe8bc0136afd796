"""The instrument that sends clients who do harm: what its table says."""

import httpx

from lab.doors.__main__ import Asked, measure


def test_share_and_slowest_of_what_was_answered_are_shown() -> None:
    assert Asked([0.01] * 99 + [9.0], failed=100).shown() == "50 % of 200, 10 ms"
    assert Asked(failed=3).shown() == "0 of 3"


def test_questions_are_asked_side_by_side_and_failures_are_counted() -> None:
    def fail() -> None:
        raise httpx.ReadTimeout("too late")

    asked = measure({"good": lambda: None, "bad": fail}, seconds=0.1)

    assert asked["good"].took
    assert not asked["good"].failed
    assert not asked["bad"].took
    assert asked["bad"].failed
