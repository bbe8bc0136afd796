"""Attempts to sign in: by address, by user name, and by both."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from charites.common import rates, sign_in
from charites.common.errors import Limited
from lab.kit.factories import NOW

HERE, THERE = "203.0.113.1", "203.0.113.2"


@pytest.fixture(autouse=True)
def _alone(settings: Any) -> None:
    """Keys of its own: the Redis may serve tests that run beside this one."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}
    settings.TOKEN_RATE, settings.TOKEN_NAME_RATE, settings.TOKEN_REFRESH_RATE = "6/h", "2/h", "1/h"


def attempts(times: int, username: str, address: str = HERE) -> int:
    """How many of the attempts were let through."""
    through = 0
    for _ in range(times):
        try:
            sign_in.count_attempt(username=username, address=address, now=NOW)
            through += 1
        except Limited:
            continue
    return through


def test_address_may_try_a_name_a_few_times_and_other_names_after_it() -> None:
    assert [attempts(2, name) for name in ("a", "b", "c", "d")] == [2, 2, 2, 0]
    assert attempts(3, "a", THERE) == 2
    sign_in.count_attempt(username="a", address=HERE, now=NOW + timedelta(hours=1))


def test_name_may_be_tried_from_everywhere_together_a_few_times_more() -> None:
    tried = [attempts(3, "mei", f"198.51.100.{number}") for number in range(8)]

    assert tried == [2, 2, 2, 2, 2, 0, 0, 0]
    assert attempts(3, "other", "198.51.100.7") == 2


def test_one_address_keeps_nobody_else_out() -> None:
    attempts(1000, "mei", THERE)

    assert attempts(2, "mei", HERE) == 2


@pytest.mark.parametrize(
    "other", ["MEI", " mei", "mei ", "méi", "ｍｅｉ", "m\u200bei", "mei\u0000", "m\u00adei", "ᵐei"]
)
def test_name_that_the_database_takes_for_the_same_has_the_same_budget(other: str) -> None:
    assert attempts(2, "mei") == 2

    assert attempts(1, other) == 0


@pytest.mark.parametrize("name", ["", "\ud800", "x" * 10_000, "美"])
def test_any_name_is_counted(name: str) -> None:
    assert attempts(3, name) == 2


def test_limits_hold_without_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(rates, "shared", rates.Shared())

    assert [attempts(2, name) for name in ("a", "b", "c", "d")] == [2, 2, 2, 0]


def test_limits_are_shared_by_the_processes() -> None:
    attempts(2, "a")
    sign_in.clear()  # as in another process

    assert attempts(1, "a") == 0


def test_renewals_have_a_budget_of_their_own() -> None:
    attempts(9, "a")
    sign_in.count_renewal(address=HERE, now=NOW)

    with pytest.raises(Limited):
        sign_in.count_renewal(address=HERE, now=NOW)
    sign_in.count_renewal(address=THERE, now=NOW)


def test_limits_can_be_switched_off(settings: Any) -> None:
    settings.TOKEN_RATE = settings.TOKEN_NAME_RATE = settings.TOKEN_REFRESH_RATE = "0"

    assert attempts(50, "a") == 50


def test_caller_has_all_addresses_of_his_network() -> None:
    assert attempts(3, "a", "2001:db8:1:2::1") == 2
    assert attempts(1, "a", "2001:db8:1:2:ffff::") == 0
    assert attempts(3, "a", "2001:db8:1:3::1") == 2
