"""METRICS_ADDRESS, and what strangers do there: nobody is slow at the expense of who reads metrics."""

import socket
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from charites import counters
from lab.kit.processes.shop import wait_until
from lab.servers import LOOPBACK, free_port

SECONDS = 60  # a bound for busy machines
LONG = 10 * SECONDS


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(autouse=True, scope="module")
def _shown(port: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.METRICS_ADDRESS", f"{LOOPBACK}:{port}")
        counters.show_counters()
        yield


def get(port: int, path: str = "/metrics", token: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"http://{LOOPBACK}:{port}{path}", headers=headers, timeout=SECONDS)


def call(port: int, begun: bytes = b"") -> socket.socket:
    """A caller who has said no more than this yet."""
    caller = socket.create_connection((LOOPBACK, port), timeout=SECONDS)
    caller.sendall(begun)
    return caller


def is_hung_up(caller: socket.socket, more: bytes = b"") -> bool:
    """Whether the caller finds itself alone, after it has sent some more."""
    try:
        caller.sendall(more)
        caller.setblocking(False)
        return caller.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        caller.settimeout(SECONDS)


def test_counters_are_for_who_may_see_them_and_nothing_else_is_there(port, settings) -> None:
    settings.PUBLIC_PARTS, settings.OPERATORS_TOKEN = (), "operators-token"

    shown = get(port, token="operators-token")

    assert (shown.status_code, shown.headers["server"]) == (200, "charites")
    assert "# TYPE charites_" in shown.text
    assert "charites_queue_depth" in shown.text
    refused = [get(port), get(port, token="another"), get(port, "/")]
    assert [(answer.status_code, answer.content) for answer in refused] == [(401, b""), (401, b""), (404, b"")]


def test_callers_who_say_nothing_hold_up_nobody(port, monkeypatch) -> None:
    monkeypatch.setattr(counters, "SECONDS", LONG)
    silent = [call(port), *(call(port, b"GET /metrics HTTP/1.1\r\n") for _ in range(10))]

    assert get(port).status_code == 200

    for caller in silent:
        caller.close()


def test_caller_who_sends_a_byte_now_and_then_is_hung_up_on(port, monkeypatch) -> None:
    monkeypatch.setattr(counters, "SECONDS", 0.5)
    with closing(call(port, b"GET /metrics HTTP/1.1\r\nHost: ")) as caller:
        wait_until(lambda: is_hung_up(caller, b"x"), seconds=SECONDS, what="the caller is hung up on")


def test_caller_who_sends_too_much_is_hung_up_on(port, monkeypatch) -> None:
    monkeypatch.setattr(counters, "SECONDS", LONG)
    with closing(call(port, b"GET /metrics HTTP/1.1\r\nHost: ")) as caller:
        wait_until(lambda: is_hung_up(caller, bytes(1_000)), seconds=SECONDS, what="the caller is hung up on")


def test_callers_are_few_at_once_and_who_leaves_makes_room(port, monkeypatch) -> None:
    monkeypatch.setattr(counters, "SECONDS", LONG)
    monkeypatch.setattr(counters, "MOST_CALLERS", 2)
    first, second, third = (call(port) for _ in range(3))
    wait_until(lambda: is_hung_up(third), seconds=SECONDS, what="the third is hung up on")
    assert not is_hung_up(first)

    first.close()

    def is_served() -> bool:
        try:
            return get(port).status_code == 200
        except httpx.HTTPError:
            return False

    wait_until(is_served, seconds=SECONDS, what="there is room")
    second.close()
    third.close()
