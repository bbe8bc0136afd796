"""Answers of the event loop and of Django in a thread are the same."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.middleware.security import SecurityMiddleware
from prometheus_client import REGISTRY
from structlog import wrap_logger
from structlog.testing import LogCapture

from charites.common import logs
from charites.common.rest import in_loop
from charites.common.web import Answer
from charites.tests.web.asked import Web, as_buyer, order, told
from lab.kit.interleaving import TIMEOUT_SECONDS
from orders.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

OF_EACH_ANSWER = {"order_id", "created_at", "expires_at", "request_id"}


def comparable(answer: Answer) -> tuple[int, dict[str, Any], Any]:
    """An answer without what differs from one to the next."""
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    headers |= {name: "..." for name in ("x-request-id", "content-length") if name in headers}
    headers |= {"vary": ", ".join(sorted(headers.get("vary", "").replace(" ", "").split(",")))}
    body = json.loads(answer.body) if answer.body.startswith((b"{", b"[")) else answer.body
    if isinstance(body, dict):
        body = {name: "..." if name in OF_EACH_ANSWER else value for name, value in body.items()}
    return answer.status, headers, body


Ask = tuple[str, str, bytes, dict[str, str]]
IN_LOOP: dict[str, Ask] = {
    "an order": ("POST", "/api/orders", order(), {}),
    "an order in Chinese": ("POST", "/api/orders", order(), {"Accept_Language": "zh-hans"}),
    "an order with a key": ("POST", "/api/orders", order(), {"Idempotency_Key": "k"}),
    "sold out": ("POST", "/api/orders", order(items=[{"goods_id": 2, "quantity": 1}]), {}),
    "sold out, in Chinese": (
        "POST", "/api/orders", order(items=[{"goods_id": 2, "quantity": 1}]), {"Accept_Language": "zh-hans"}
    ),
    "no such product": ("POST", "/api/orders", order(items=[{"goods_id": 99, "quantity": 1}]), {}),
    "an order in no room": ("POST", "/api/orders", order(room_id="404"), {}),
    "a room": ("GET", "/api/rooms/3/goods", b"", {}),
    "a room in Chinese": ("GET", "/api/rooms/3/goods", b"", {"Accept_Language": "zh-CN,zh;q=0.9"}),
    "a product": ("GET", "/api/goods/1", b"", {"Accept": "application/json"}),
}  # fmt: skip
USUAL: dict[str, Ask] = {
    "no token": ("GET", "/api/goods/1", b"", {"Authorization": ""}),
    "another token": ("POST", "/api/orders", order(), {"Authorization": "Bearer x.y.z"}),
    "a field too many": ("POST", "/api/orders", order(price=1), {}),
    "no JSON": ("POST", "/api/orders", b"{", {}),
    "not a number": ("POST", "/api/orders", b'{"items": NaN}', {}),
    "another kind of body": ("POST", "/api/orders", order(), {"Content_Type": "text/plain"}),
    "another way to write JSON": ("POST", "/api/orders", order(), {"Content_Type": "application/json; charset=utf-16"}),
    "another kind of answer": ("GET", "/api/goods/1", b"", {"Accept": "text/html"}),
    "a query": ("GET", "/api/goods/1?format=xml", b"", {}),
    "another host": ("GET", "/api/goods/1", b"", {"Host": "evil.example"}),
    "no such page": ("GET", "/api/nothing", b"", {}),
    "no such room": ("GET", "/api/rooms/404/goods", b"", {}),
    "another method": ("DELETE", "/api/orders", b"", {}),
    "HEAD": ("HEAD", "/api/goods/1", b"", {}),
    "an endpoint in threads": ("GET", "/api/rooms", b"", {}),
    "a name with NUL": ("POST", "/api/orders", order(name="x\u0000"), {}),
    "too long a path": ("GET", "/api/goods/" + "1" * 200, b"", {}),
    "half a character": ("POST", "/api/orders", b'{"items": [], "name": "\\ud800"}', {}),
    "null": ("POST", "/api/orders", b"null", {}),
    "a cookie": ("GET", "/api/goods/1", b"", {"Cookie": "sessionid=x"}),
    "an empty body": ("POST", "/api/orders", b"", {}),
}


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("what", [*IN_LOOP, *USUAL])
def test_event_loop_answers_as_django_does(web: Web, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, path, body, more = (IN_LOOP | USUAL)[what]
    for plain in ("/api/goods/1", "/api/rooms/3/goods"):  # so that what may be remembered is
        for language in ("en", "zh-hans"):
            web.send("GET", plain, headers=as_buyer(Accept_Language=language))
    web.send(method, path, body, as_buyer(**more))
    seen: list[bool] = []
    answer = in_loop.answer

    async def watched(environ: dict[str, Any]) -> Any:
        found = await answer(environ)
        seen.append(found is not None)
        return found

    monkeypatch.setattr(in_loop, "answer", watched)
    first = web.send(method, path, body, as_buyer(**more))

    async def never(environ: dict[str, Any]) -> None:
        return None

    monkeypatch.setattr(in_loop, "answer", never)
    second = web.send(method, path, body, as_buyer(**more))

    assert comparable(first) == comparable(second)
    assert seen == [what in IN_LOOP]


@pytest.mark.usefixtures("shop")
def test_answers_of_the_loop_are_counted_and_carry_the_request_id(web: Web) -> None:
    labels = {"protocol": "http", "route": "POST api/orders", "status": "201"}
    before = REGISTRY.get_sample_value("charites_requests_total", labels) or 0

    answer = web.send("POST", "/api/orders", order(), as_buyer(X_Request_ID="shop-1"))

    assert (answer.status, dict(answer.headers)[b"x-request-id"]) == (201, b"shop-1")
    assert REGISTRY.get_sample_value("charites_requests_total", labels) == before + 1


@pytest.mark.usefixtures("shop")
def test_key_that_is_empty_is_refused_and_does_not_pass_for_none(web: Web) -> None:
    answer = web.send("POST", "/api/orders", order(), as_buyer(Idempotency_Key=""))

    assert told(answer) == (400, 10000001)
    assert not Order.objects.exists()


@pytest.mark.usefixtures("shop")
def test_line_of_the_log_is_short_whatever_the_caller_sends(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = LogCapture()
    monkeypatch.setattr(logs.Access, "log", wrap_logger(None, [lines]))

    web.send("M" * 9000, "/api/" + "x" * 9000, headers=as_buyer())

    assert [(len(line["method"]), len(line["path"])) for line in lines.entries] == [(256, 256)]


@pytest.mark.usefixtures("shop")
def test_read_that_is_remembered_takes_no_statement_and_no_thread(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    first = web.send("GET", "/api/rooms/3/goods", headers=as_buyer())
    monkeypatch.setattr(web.app._turns, "begin", None)

    assert web.send("GET", "/api/rooms/3/goods", headers=as_buyer()).body == first.body


@pytest.mark.usefixtures("shop")
def test_many_orders_at_once_take_no_thread_each(web: Web, settings) -> None:
    answers = [web.begin("POST", "/api/orders", order(), as_buyer()) for _ in range(40)]

    assert {answer.result(TIMEOUT_SECONDS).status for answer in answers} == {201}
    assert Order.objects.count() == 40
    assert not web.app._turns._threads._threads


@pytest.fixture
def encrypted(web: Web, shop: None, settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A server that sends plain requests to HTTPS; what it remembers is from before."""
    assert web.send("GET", "/api/goods/1", headers=as_buyer()).status == 200
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    monkeypatch.setattr(in_loop, "SECURITY", SecurityMiddleware(in_loop.no_further))
    web = Web()
    yield web
    web.close()


def test_plain_request_is_sent_to_https_also_where_the_loop_would_answer(encrypted: Web) -> None:
    assert encrypted.send("GET", "/api/goods/1", headers=as_buyer()).status == 301
    assert encrypted.send("GET", "/api/goods/1", headers=as_buyer(X_Forwarded_Proto="https")).status == 200


def test_header_with_an_underscore_does_not_pass_for_another(encrypted: Web) -> None:
    headers = {**as_buyer(), "X_Forwarded_Proto": "https"}

    assert encrypted.send("GET", "/api/nothing", headers=headers).status == 301


@pytest.mark.parametrize("method", ["S_VIEW", "LLOWED_METHODS", "PATCH", "GETT"])
def test_method_that_there_is_not_is_refused_whatever_its_name(web: Web, shop: None, method: str) -> None:
    assert told(web.send(method, "/api/orders", order(), as_buyer())) == (405, 10000008)
