"""How a replica is compared with its writer. What comes of it is tried on two servers, in charites/tests/drills."""

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from charites.common import replicas
from charites.common.replicas import FreshAfterWriteMiddleware, Watch, is_past, may_be_old, position


class Server:
    """A connection to a server that is somewhere in its binary log."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def cursor(self) -> "Server":
        return self

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def execute(self, sql: str) -> None:
        return

    def fetchone(self) -> tuple[str | None]:
        return (self.text,)


@pytest.mark.parametrize(
    ("text", "found"),
    [("0-1-4711", {"0": 4711}), ("0-1-4711,5-2-8", {"0": 4711, "5": 8}), ("", {}), (None, {})],
)
def test_position_is_read_domain_by_domain(text: str | None, found: dict[str, int]) -> None:
    server: Any = Server(text)

    assert position(server, "gtid_slave_pos") == found


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        ({"0": 7}, {"0": 7}, True),
        ({"0": 8}, {"0": 7}, True),
        ({"0": 6}, {"0": 7}, False),
        ({"0": 9}, {"0": 7, "5": 1}, False),
        ({}, {}, True),
    ],
)
def test_replica_has_what_the_writer_had_when_it_has_all_domains(
    there: dict[str, int], wanted: dict[str, int], expected: bool
) -> None:
    assert is_past(there, wanted) is expected


def test_replica_is_good_for_a_second_from_when_the_writer_was_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, known, ends = Watch(), deque[Any](), []
    for at, writer, replica in [(100.0, 5, 5), (100.5, 9, 6), (101.0, 12, 9), (101.6, 12, 9), (102.2, 12, 9)]:
        monkeypatch.setattr(replicas, "time", SimpleNamespace(monotonic=lambda now=at: now))
        watch._look(Server(f"0-1-{writer}"), Server(f"0-1-{replica}"), known)  # type: ignore[arg-type]
        ends.append(watch._good_until)

    assert ends == [101.0, 101.0, 101.5, 0.0, 0.0]


def test_replica_of_a_writer_without_a_log_is_not_used() -> None:
    watch = Watch()

    watch._look(Server(""), Server("0-1-9"), deque())  # type: ignore[arg-type]

    assert watch._good_until == 0


@pytest.mark.parametrize(("path", "expected"), [("/admin/stock/stock/", True), ("/api/orders", False)])
def test_only_who_changes_something_in_the_admin_reads_the_writer_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, path: str, expected: bool
) -> None:
    monkeypatch.setattr(replicas, "is_there", lambda: True)
    request = RequestFactory().post(path)

    response = FreshAfterWriteMiddleware(lambda _: HttpResponse())(request)

    assert ("fresh" in response.cookies) is expected


def test_without_a_replica_everything_is_the_writers() -> None:
    read = may_be_old(lambda: replicas._reads_from.get())

    assert read() == "default"
