"""Answers that go on: they end with whoever is there, and with whoever takes nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from django.http import StreamingHttpResponse

from charites.common import web
from charites.common.web import pass_on
from charites.tests.web.asked import Web, as_buyer
from lab.kit.factories import make_goods, make_room
from live.stream import STREAMS


class Parts:
    """So many parts, and then silence. Says whether it was closed."""

    def __init__(self, number: int, *, is_endless: bool) -> None:
        self.number, self.is_endless = number, is_endless
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(self.number):
            yield b"%d" % number
        if self.is_endless:
            await asyncio.Event().wait()

    def close(self) -> None:
        self.closed += 1


async def exchange(parts: Parts, *, hangs_up: bool = False, takes: int = 100) -> tuple[bool, list[bytes]]:
    taken: list[bytes] = []

    async def receive() -> Mapping[str, Any]:
        while not hangs_up or len(taken) < parts.number:
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(event: Mapping[str, Any]) -> None:
        assert event["more_body"]
        if len(taken) >= takes:
            await asyncio.Event().wait()
        taken.append(event["body"])

    return await pass_on(StreamingHttpResponse(parts), receive, send), taken


def test_stream_that_comes_to_its_end_is_finished() -> None:
    parts = Parts(3, is_endless=False)

    assert asyncio.run(exchange(parts)) == (True, [b"0", b"1", b"2"])
    assert parts.closed == 1


def test_stream_ends_when_somebody_hangs_up() -> None:
    parts = Parts(2, is_endless=True)

    assert asyncio.run(exchange(parts, hangs_up=True)) == (False, [b"0", b"1"])
    assert parts.closed == 1


def test_who_takes_nothing_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "STALL_SECONDS", 0.05)
    parts = Parts(3, is_endless=True)

    assert asyncio.run(exchange(parts, takes=1)) == (False, [b"0"])
    assert parts.closed == 1


@pytest.mark.django_db(transaction=True)
def test_room_is_watched_through_the_web_application(web: Web) -> None:
    make_goods(1, stock=5)
    make_room(1, goods_ids=[1])

    # The request is whole, and the one who sent it goes: what was sent until then is the beginning of the stream.
    answer = web.send("GET", "/api/rooms/1/events", [b"", b"left"], as_buyer(Cookie="sessionid=whatever"))

    headers = dict(answer.headers)
    assert answer.status == 200
    assert headers[b"content-type"] == b"text/event-stream"
    assert headers[b"x-accel-buffering"] == b"no"
    assert b"content-length" not in headers
    assert not STREAMS._rooms
    assert not STREAMS._by_address


@pytest.mark.django_db(transaction=True)
def test_who_is_gone_before_the_stream_begins_keeps_no_place(web: Web) -> None:
    make_goods(1, stock=5)
    make_room(1, goods_ids=[1])
    web.is_cut = True

    with pytest.raises(ConnectionResetError):
        web.send("GET", "/api/rooms/1/events", headers=as_buyer())

    assert not STREAMS._by_address


@pytest.mark.django_db(transaction=True)
def test_what_is_for_all_is_answered_without_a_token_and_the_same_with_one(web: Web) -> None:
    make_goods(1, stock=5)
    make_room(1, goods_ids=[1])

    answers = [
        web.send("GET", "/api/rooms/1/live", headers=headers)
        for headers in ({"Host": "127.0.0.1"}, as_buyer(), as_buyer(Authorization="Bearer nonsense"))
    ]

    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert web.send("GET", "/api/rooms/9/live", headers=as_buyer()).status == 404
    assert web.send("GET", "/api/rooms/9/events", headers=as_buyer()).status == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("address", "accepted"), [("/api/rooms/1/events", "text/event-stream"), ("/rooms/1/parts", "text/html")]
)
def test_what_is_no_json_is_answered_to_who_wants_none_also_in_a_thread(web: Web, address: str, accepted: str) -> None:
    make_goods(1, stock=5)
    make_room(1, goods_ids=[1])

    answer = web.send("GET", f"{address}?again=1", headers=as_buyer(Accept=accepted))

    assert answer.status == 200
    assert dict(answer.headers)[b"content-type"].startswith(accepted.encode())
