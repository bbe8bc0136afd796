"""Rates: what goes through, what the processes share, and what is left of it without Redis."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from charites.common import rates
from charites.common.errors import Limited
from charites.common.rates import Rate, Rates, parse_rate, take_or_refuse
from lab.kit.factories import NOW
from lab.kit.log_lines import json_lines
from lab.servers import EmbeddedRedis

TWICE = Rate(2, 60)
LATER = NOW + timedelta(seconds=30)


@pytest.fixture
def kind() -> str:
    """Keys of its own: the Redis may serve tests that run beside this one."""
    return uuid.uuid4().hex


@pytest.fixture
def redis(settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedRedis]:
    """A server of its own, which may be killed."""
    with EmbeddedRedis() as server:
        settings.REDIS_URL = server.url
        monkeypatch.setattr(rates, "shared", rates.Shared())
        yield server


@pytest.fixture
def nobody(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Redis at all."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(rates, "shared", rates.Shared())


@pytest.mark.parametrize("shared", [True, False])
def test_key_goes_through_as_often_as_it_may_and_then_evenly(kind: str, shared: bool, settings, monkeypatch) -> None:
    if not shared:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        monkeypatch.setattr(rates, "shared", rates.Shared())
    taken = Rates(kind)

    assert taken.take(["a", "a", "b", "a"], TWICE, NOW) == [0.0, 0.0, 0.0, 30.0]
    assert taken.take(["a", "b", "b"], TWICE, NOW + timedelta(seconds=10)) == [20.0, 0.0, 20.0]
    assert taken.take(["a", "a"], TWICE, LATER) == [0.0, 30.0]
    assert taken.take(["a", "a", "a"], TWICE, LATER + timedelta(hours=1)) == [0.0, 0.0, 30.0]


def test_processes_share_what_went_through(redis: EmbeddedRedis, kind: str) -> None:
    one, other = Rates(kind), Rates(kind)

    assert one.take(["a", "b"], TWICE, NOW) == [0.0, 0.0]
    assert other.take(["a", "a", "b"], TWICE, NOW) == [0.0, 30.0, 0.0]
    assert one.take(["a", "b"], TWICE, NOW) == [30.0, 30.0]
    assert Rates(f"{kind}-2").take(["a"], TWICE, NOW) == [0.0]


def test_who_is_refused_is_not_counted(redis: EmbeddedRedis, kind: str) -> None:
    one, other = Rates(kind), Rates(kind)
    one.take(["a", "a"], TWICE, NOW)

    refused = [other.take(["a"], TWICE, NOW + timedelta(seconds=second)) for second in range(20)]

    assert refused == [[30.0 - second] for second in range(20)]
    assert other.take(["a"], TWICE, LATER) == [0.0]


def test_process_refuses_by_itself_what_it_knows_to_be_too_much(redis: EmbeddedRedis, kind: str) -> None:
    one, other = Rates(kind), Rates(kind)
    one.take(["a", "a"], TWICE, NOW)
    other.take(["a"], TWICE, NOW)
    redis.kill()

    assert other.take(["a"], TWICE, NOW) == [30.0]
    assert rates.monotonic() >= rates.shared._resting_until  # nobody was asked


def test_redis_that_has_forgotten_everything_leaves_a_bound_a_process(redis: EmbeddedRedis, kind: str) -> None:
    taken = Rates(kind)
    taken.take(["a", "a"], TWICE, NOW)
    redis.kill()

    redis.start()

    assert taken.take(["a"], TWICE, NOW) == [30.0]


@pytest.mark.long
def test_redis_that_is_away_or_hangs_is_not_asked_again_at_once(redis: EmbeddedRedis, kind: str, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(rates, "monotonic", lambda: now[0])
    taken = Rates(kind)
    taken.take(["a"], TWICE, NOW)
    redis.pause()

    with json_lines() as lines:
        assert taken.take(["a", "b"], TWICE, NOW) == [0.0, 0.0]
        redis.resume()
        assert Rates(kind).take(["a", "a", "a"], TWICE, NOW) == [0.0, 0.0, 30.0]  # by itself
        now[0] += rates.REST_SECONDS

        assert Rates(kind).take(["a", "a"], TWICE, NOW)[1] == 30.0
        said = lines()

    assert [line["event"] for line in said] == ["rates_not_shared"]


def test_no_redis_costs_one_attempt_a_second_and_a_warning(nobody: None, kind: str, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(rates, "monotonic", lambda: now[0])
    taken = Rates(kind)

    with json_lines() as lines:
        for _ in range(100):
            taken.take([str(_)], TWICE, NOW)
        now[0] += rates.REST_SECONDS
        taken.take(["a"], TWICE, NOW)
        said = lines()

    assert [line["event"] for line in said] == ["rates_not_shared"]


def test_keys_are_bounded_and_forgotten_when_they_have_caught_up(nobody: None, kind: str) -> None:
    taken = Rates(kind, most=100)

    taken.take([str(number) for number in range(1000)], TWICE, NOW)
    assert list(taken._due) == [str(number) for number in range(900, 1000)]
    taken.take(["a"], TWICE, NOW + timedelta(hours=1))
    assert list(taken._due) == ["a"]


def test_redis_keeps_no_key_longer_than_it_matters(redis: EmbeddedRedis, kind: str) -> None:
    Rates(kind).take(["a"], TWICE, NOW)

    client = rates.script(redis.url).registered_client
    (key,) = client.keys()
    assert key.endswith(f"rate:{kind}:a".encode())
    assert 0 < client.pttl(key) <= 60_000


def test_clock_that_goes_back_locks_nobody_out_for_longer_than_the_rate(redis: EmbeddedRedis, kind: str) -> None:
    Rates(kind).take(["a", "a"], TWICE, NOW + timedelta(days=9))

    assert Rates(kind).take(["a"], TWICE, NOW) == [30.0]


def test_no_rate_lets_everybody_through(nobody: None, kind: str) -> None:
    assert Rates(kind).take(["a"] * 5, None, NOW) == [0.0] * 5


def test_one_that_is_refused_is_told_when_to_come_back(nobody: None, kind: str) -> None:
    taken = Rates(kind)
    take_or_refuse(taken, "a", Rate(1, 60), NOW)

    with pytest.raises(Limited) as refused:
        take_or_refuse(taken, "a", Rate(1, 60), NOW + timedelta(seconds=0.5))

    assert refused.value.details == {"retry_after_seconds": 60}


@pytest.mark.parametrize(
    ("text", "rate"),
    [("60/min", Rate(60, 60)), ("1/s", Rate(1, 1)), ("5/hour", Rate(5, 3600)), ("9/d", Rate(9, 86400)), ("0", None)],
)
def test_rate_is_read(text: str, rate: Rate | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "sixty", "60", "60/", "/min", "-1/min", "1.5/s", "60/min/min", "6 0/s", "60/fortnight"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="60/min"):
        parse_rate(text)
