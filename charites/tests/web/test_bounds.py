"""What is bounded: requests under way, waits for a thread, bodies on their way; and the end of a server."""

import asyncio
import io
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from prometheus_client import REGISTRY

from charites.common import line_stream, logs
from charites.common.threads import Turns
from charites.common.web import ARRIVING_BYTES, MOST_SIGNING_IN
from charites.tests.web.asked import ORDER_OF_OLD, Web, as_buyer, order, told
from lab.kit.interleaving import TIMEOUT_SECONDS
from lab.kit.processes.shop import wait_until
from orders.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def go_on(web: Web) -> Iterator[threading.Event]:
    """What held threads wait for; set at the latest when the test has ended."""
    event = threading.Event()
    yield event
    event.set()


def on(path: str, status: int) -> int:
    """The status there: grpc-gateway has no other for what is wrong with a request."""
    return 400 if path.startswith("/v1/") else status


@pytest.mark.parametrize("path", ["/api/orders", "/v1/createorder"])
def test_request_past_the_bound_is_busy_at_once_and_does_nothing(web: Web, shop: None, settings, path: str) -> None:
    settings.WEB_MAX_CONCURRENT = 0

    labels = {"protocol": "http", "status": "503"}
    before = REGISTRY.get_sample_value("charites_requests_total", {**labels, "route": "POST -"}) or 0

    answer = web.send("POST", path, order(), as_buyer(Accept_Language="en"))

    assert told(answer) == (503, 10000004)
    assert 1 <= int(dict(answer.headers)[b"retry-after"]) <= 3
    assert not Order.objects.exists()
    in_chinese = web.send("GET", "/api/rooms", headers=as_buyer(Accept_Language="zh-hans"))
    assert json.loads(in_chinese.body)["message"] != json.loads(answer.body)["message"]
    assert REGISTRY.get_sample_value("charites_requests_total", {**labels, "route": "POST -"}) == before + 1


def test_process_that_is_full_says_so_to_callers_and_is_looked_at_by_operators(web: Web, shop: None, settings) -> None:
    settings.WEB_MAX_CONCURRENT = 0

    assert told(web.send("GET", "/api/goods/1", headers=as_buyer())) == (503, 10000004)
    assert [web.send("GET", path, [], as_buyer()).status for path in ("/livez", "/metrics")] == [200, 200]
    assert web.send("GET", "/statusz", headers=as_buyer()).body.startswith(b'{"')


def test_place_is_given_back_with_every_answer(web: Web, shop: None, settings) -> None:
    settings.WEB_MAX_CONCURRENT = 1
    asked = [("POST", "/api/orders", order()), ("GET", "/api/rooms", b""), ("GET", "/api/nothing", b"")]

    assert [web.send(*ask, as_buyer()).status for ask in asked * 2] == [201, 200, 404] * 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/api/rooms", b""), ("POST", "/v1/createorder", ORDER_OF_OLD), ("GET", "/admin/login/", b"")],
    ids=["rest", "gateway", "admin"],
)
def test_request_whose_turn_does_not_come_is_busy_and_was_not_begun(
    web: Web, shop: None, settings, go_on: threading.Event, method: str, path: str, body: bytes
) -> None:
    settings.WEB_WAIT_SECONDS = 0.2
    web.app._turns = Turns(1, "web")
    web.run(web.app._turns.begin(lambda: go_on.wait(TIMEOUT_SECONDS), TIMEOUT_SECONDS))

    answer = web.send(method, path, body, as_buyer())
    go_on.set()

    assert told(answer) == (503, 10000004)
    assert 1 <= int(dict(answer.headers)[b"retry-after"]) <= 3
    assert not Order.objects.exists()
    settings.WEB_WAIT_SECONDS = TIMEOUT_SECONDS
    assert web.send(method, path, body, as_buyer()).status == 200


@pytest.mark.parametrize("path", ["/api/auth/token", "/admin/login/"])
def test_sign_ins_take_turns_of_their_own_and_few_of_them_wait(
    web: Web, shop: None, settings, go_on: threading.Event, path: str
) -> None:
    settings.WEB_WAIT_SECONDS = TIMEOUT_SECONDS
    for _ in range(settings.PASSWORD_HASHINGS):
        web.run(web.app._signing_in.begin(lambda: go_on.wait(TIMEOUT_SECONDS), TIMEOUT_SECONDS))
    waiting = [web.begin("POST", path, b"{}", as_buyer()) for _ in range(MOST_SIGNING_IN)]
    wait_until(lambda: web.app._signing_in._waiting == MOST_SIGNING_IN, seconds=TIMEOUT_SECONDS, what="they wait")

    one_more = web.begin("POST", path, b"{}", as_buyer()).result(TIMEOUT_SECONDS / 4)

    assert told(one_more) == (503, 10000004)
    assert {web.send("GET", read, headers=as_buyer()).status for read in ("/api/rooms", "/livez")} == {200}
    assert web.send("POST", "/api/orders", order(), as_buyer()).status == 201
    go_on.set()
    assert {answer.result(TIMEOUT_SECONDS).status for answer in waiting} <= {400, 403}
    assert web.app._signing_in._waiting == 0


def test_requests_on_their_way_take_no_place_and_are_bounded_by_their_bytes(web: Web, shop: None, settings) -> None:
    settings.WEB_MAX_CONCURRENT = 1
    slow = web.begin("POST", "/api/orders", [b"part"], as_buyer())

    assert web.send("POST", "/api/orders", order(), as_buyer()).status == 201
    web.app._arriving_bytes = ARRIVING_BYTES
    assert told(web.send("POST", "/api/orders", order(), as_buyer())) == (503, 10000004)
    web.app._arriving_bytes = 0
    slow.cancel()


def test_caller_who_hangs_up_before_the_request_is_whole_has_no_order(web: Web, shop: None) -> None:
    assert told(web.send("POST", "/api/orders", [order()[:40], b"gone"], as_buyer())) == (400, 10000001)

    assert not Order.objects.exists()
    assert web.app._arriving_bytes == 0


def test_end_of_the_server_waits_for_what_has_begun_and_writes_the_log(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    running = web.run(web.app._turns.begin(lambda: (begun.set(), go_on.wait(TIMEOUT_SECONDS))[1], 1))
    stream = line_stream.AccessStream(io.StringIO(), seconds=600)
    monkeypatch.setattr(logs.Access, "stream", stream)
    stream.info("the last line")
    events = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
    said: list[str] = []

    async def receive() -> Mapping[str, Any]:
        return events.pop()

    async def send(event: Mapping[str, Any]) -> None:
        said.append(event["type"])

    ending = asyncio.run_coroutine_threadsafe(web.app({"type": "lifespan"}, receive, send), web._loop)
    assert begun.wait(TIMEOUT_SECONDS)
    go_on.set()
    ending.result(TIMEOUT_SECONDS)

    assert running.result() is True
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert stream._stream.getvalue() == "the last line\n"


@pytest.mark.parametrize("path", ["/api/orders", "/v1/createorder", "/admin/login/"])
@pytest.mark.parametrize("parts", [[b"part"], []], ids=["half", "nothing"])
def test_body_that_does_not_come_in_time_ends_the_request(
    web: Web, shop: None, settings, parts: list[bytes], path: str
) -> None:
    settings.WEB_BODY_SECONDS = 0.2

    answer = web.send("POST", path, parts, as_buyer(Content_Length="60000"))

    assert told(answer) == (on(path, 408), 10000001)
    assert not web.app._turns._threads._threads


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("method", ["POST", "GET", "BREW"])
@pytest.mark.parametrize(
    "path",
    ["/api/orders", "/v1/createorder", "/admin/login/", "/sandbox/pay/x", "/static/x.js", "/nothing", "/", "*"],
)
def test_body_that_is_too_large_takes_no_thread_whatever_it_is_for(
    web: Web, settings, declared: bool, method: str, path: str
) -> None:
    settings.REQUEST_MAX_BYTES = 100
    parts = [b"x" * 60, b"x" * 60, *[b"x" * 60] * 5]
    headers = as_buyer(**({"Content_Length": "420"} if declared else {}))

    assert told(web.send(method, path, parts, headers)) == (on(path, 413), 10000001)
    assert web.taken == (0 if declared else 2)
    assert not web.app._turns._threads._threads
    assert not web.app._arriving_bytes


@pytest.mark.parametrize("hangs", ["/readyz", "/statusz", "/metrics"])
def test_probe_that_hangs_holds_up_no_other(web: Web, shop: None, settings, go_on: threading.Event, hangs: str) -> None:
    settings.WEB_WAIT_SECONDS = 0.2
    web.run(web.app._operators[hangs].begin(lambda: go_on.wait(TIMEOUT_SECONDS), TIMEOUT_SECONDS))
    probes = {"/livez", "/readyz", "/statusz", "/metrics"}

    busy = {path for path in probes if b"10000004" in web.send("GET", path, headers=as_buyer()).body}
    go_on.set()

    assert busy == {hangs}
    assert web.send("GET", "/api/rooms", headers=as_buyer()).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/statusz", "/metrics"])
def test_body_for_operators_is_not_read(web: Web, shop: None, path: str) -> None:
    assert web.send("POST", path, [b"x" * 10_000_000], as_buyer()).status == 403
    assert web.taken == 0


@pytest.mark.parametrize("path", ["/api/orders", "/v1/createorder"])
def test_headers_that_are_too_long_are_refused_before_anybody_reads_them(web: Web, shop: None, path: str) -> None:
    answer = web.send("POST", path, order(), as_buyer(Cookie=f'a="{"!" * 20_000}"'))

    assert told(answer) == (on(path, 431), 10000001)
    assert web.taken == 0
