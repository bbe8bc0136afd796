"""How a replica is compared with its writer. What comes of it is tried on two servers, in charites/tests/drills."""

import math
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.http import HttpResponse
from django.test import RequestFactory

from charites.common import replicas
from charites.common.replicas import FreshAfterWriteMiddleware, Watch, is_past, may_be_old, position
from lab.kit.processes.shop import wait_until


class Server:
    """A connection to a server that is somewhere in its binary log."""

    def __init__(self, text: str | None) -> None:
        self.text, self.asked = text, 0

    def cursor(self) -> "Server":
        return self

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def execute(self, sql: str) -> None:
        self.asked += 1

    def close(self) -> None:
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


@pytest.mark.parametrize(("replica", "is_good"), [("0-1-9", True), ("0-2-10", False), ("0-1-9,7-3-1", True)])
def test_replica_with_what_the_writer_never_had_is_not_used(replica: str, is_good: bool) -> None:
    """It follows another writer, or was one and has kept what nobody was told of. Of what is not in the writer's log
    (7: of a writer before this one) nobody knows."""
    watch = Watch()

    watch._look(Server("0-1-9"), Server(replica), deque())  # type: ignore[arg-type]

    assert (watch._good_until > 0) is is_good


@pytest.mark.parametrize("answer", ["a-b-c", "0-1", "0:1-9"])
def test_replica_that_answers_nonsense_is_left_out_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    servers = {"default": Server("0-1-9"), replicas.REPLICA: Server(answer)}
    monkeypatch.setattr(replicas, "is_there", lambda: True)
    monkeypatch.setattr(replicas, "connection_to", servers.__getitem__)
    watch = Watch()

    before = watch.keeps_up()
    thread = watch._thread
    assert thread
    wait_until(lambda: servers[replicas.REPLICA].asked > 2, seconds=60, what="it is asked again")

    assert (before, watch.keeps_up(), watch._thread is thread) == (False, False, True)
    watch._asked_at = -math.inf  # nobody asks any longer
    thread.join(60)
    assert caplog.text.count("replica_left_out") == 1


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


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (OperationalError(2013, "Lost connection to server during query"), "default"),
        (OperationalError(1040, "Too many connections"), "default"),
        (OperationalError(1045, "Access denied"), "default"),
        (ProgrammingError(1146, "Table doesn't exist"), "default"),
        (InterfaceError(), "default"),
        (OperationalError(1969, "Query execution was interrupted (max_statement_time exceeded)"), None),
    ],
)
def test_what_the_replica_refuses_is_read_on_the_writer(
    monkeypatch: pytest.MonkeyPatch, error: Exception, answer: str | None
) -> None:
    monkeypatch.setattr(replicas, "watch", watch := Watch())
    monkeypatch.setattr(watch, "keeps_up", lambda: True)
    watch._good_until = 1e12

    @may_be_old
    def read() -> str:
        if replicas._reads_from.get() == replicas.REPLICA:
            raise error
        return replicas._reads_from.get()

    if answer is None:
        with pytest.raises(type(error)):
            read()
    else:
        assert read() == answer
    assert (watch._good_until == 0) is (answer is not None)
