"""Between the web server and Django: answers of the event loop and of a thread are the same, and what is bounded is."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.middleware.security import SecurityMiddleware
from prometheus_client import REGISTRY

from charites.common import clock
from charites.common.auth import Role, issue_token
from charites.common.rest import in_loop
from charites.common.web import Answer, WebApp
from goods import remembered
from lab.kit.factories import BUYER_ID, make_goods, make_room
from lab.kit.interleaving import TIMEOUT_SECONDS
from orders.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = {"items": [{"goods_id": "1", "quantity": 1}], "address": "1 Road", "name": "Li Lei", "phone": "138"}
OF_EACH_ANSWER = {"order_id", "created_at", "expires_at", "request_id"}
Headers = Mapping[str, str]


class Web:
    """The web application, asked in an event loop of its own thread."""

    def __init__(self) -> None:
        self.app = WebApp(WSGIHandler())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def send(self, method: str, path: str, body: bytes | list[bytes] = b"", headers: Headers | None = None) -> Answer:
        return self.begin(method, path, body, headers).result(TIMEOUT_SECONDS)

    def begin(self, method: str, path: str, body: bytes | list[bytes] = b"", headers: Headers | None = None) -> Any:
        """A request whose body comes in parts; an empty list: nothing of it ever comes."""
        return asyncio.run_coroutine_threadsafe(self._exchange(method, path, body, headers or {}), self._loop)

    async def _exchange(self, method: str, path: str, body: bytes | list[bytes], headers: Headers) -> Answer:
        parts = [body] if isinstance(body, bytes) else list(body)
        self.taken = 0
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
        }
        sent: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            if not parts:
                await asyncio.Event().wait()
            part = parts.pop(0)
            self.taken += 1
            return {"type": "http.request", "body": part, "more_body": bool(parts) or part == b"part"}

        async def send(event: Mapping[str, Any]) -> None:
            sent.append(event)

        await self.app(scope, receive, send)
        start, *rest = sent
        return Answer(start["status"], start["headers"], b"".join(event["body"] for event in rest))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.app._threads.shutdown()


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


@pytest.fixture(autouse=True)
def moments_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time."""
    clock.now()  # so that the event loop knows it
    for memory in remembered._all:
        monkeypatch.setattr(memory, "_seconds", 600.0)


@pytest.fixture
def shop() -> None:
    make_goods(1, stock=50)
    make_goods(2, stock=0)
    make_room(3, goods_ids=[1, 2])


def as_buyer(**more: str) -> Headers:
    token = issue_token(user_id=BUYER_ID, role=Role.CUSTOMER, now=clock.now())
    return {
        "Host": "127.0.0.1",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def comparable(answer: Answer) -> tuple[int, dict[str, Any], Any]:
    """An answer without what differs from one to the next."""
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    headers |= {name: "..." for name in ("x-request-id", "content-length") if name in headers}
    headers |= {"vary": ", ".join(sorted(headers.get("vary", "").replace(" ", "").split(",")))}
    body = json.loads(answer.body) if answer.body.startswith((b"{", b"[")) else answer.body
    if isinstance(body, dict):
        body = {name: "..." if name in OF_EACH_ANSWER else value for name, value in body.items()}
    return answer.status, headers, body


def order(**changes: Any) -> bytes:
    return json.dumps({**ORDER, **changes}).encode()


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
    "no endpoint": ("GET", "/livez", b"", {}),
    "a name with NUL": ("POST", "/api/orders", order(name="x\u0000"), {}),
    "too long a path": ("GET", "/api/goods/" + "1" * 200, b"", {}),
    "half a character": ("POST", "/api/orders", b'{"items": [], "name": "\\ud800"}', {}),
    "null": ("POST", "/api/orders", b"null", {}),
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
def test_read_that_is_remembered_takes_no_statement_and_no_thread(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    first = web.send("GET", "/api/rooms/3/goods", headers=as_buyer())
    monkeypatch.setattr(web.app._threads, "submit", None)

    assert web.send("GET", "/api/rooms/3/goods", headers=as_buyer()).body == first.body


@pytest.mark.usefixtures("shop")
def test_many_orders_at_once_take_no_thread_each(web: Web, settings) -> None:
    answers = [web.begin("POST", "/api/orders", order(), as_buyer()) for _ in range(40)]

    assert {answer.result(TIMEOUT_SECONDS).status for answer in answers} == {201}
    assert Order.objects.count() == 40
    assert not web.app._threads._threads


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


# Bounds


def busy(answer: Answer) -> tuple[int, int]:
    return answer.status, json.loads(answer.body)["code"]


def test_request_past_the_bound_is_busy_at_once_and_does_nothing(web: Web, shop: None, settings) -> None:
    settings.WEB_MAX_CONCURRENT = 1
    waiting = web.begin("POST", "/api/orders", [b"part"], as_buyer())

    answer = asyncio.run(until_refused(web))

    assert busy(answer) == (503, 10000004)
    assert 1 <= int(dict(answer.headers)[b"retry-after"]) <= 3
    assert not Order.objects.exists()
    in_chinese = web.send("GET", "/livez", headers=as_buyer(Accept_Language="zh-hans"))
    assert json.loads(in_chinese.body)["message"] != json.loads(answer.body)["message"]
    waiting.cancel()


def test_place_is_given_back_with_every_answer(web: Web, shop: None, settings) -> None:
    settings.WEB_MAX_CONCURRENT = 1
    asked = [("POST", "/api/orders", order()), ("GET", "/livez", b""), ("GET", "/api/nothing", b"")]

    assert [web.send(*ask, as_buyer()).status for ask in asked * 2] == [201, 200, 404] * 2


async def until_refused(web: Web) -> Answer:
    while True:
        answer = web.send("POST", "/api/orders", order(), as_buyer(Accept_Language="en"))
        if answer.status == 503:
            return answer
        Order.objects.all().delete()


def test_request_whose_turn_does_not_come_is_busy_and_was_not_begun(web: Web, shop: None, settings) -> None:
    settings.WEB_WAIT_SECONDS = 0.2
    web.app._threads = ThreadPoolExecutor(1)
    inside, go_on = threading.Event(), threading.Event()
    web.app._threads.submit(lambda: (inside.set(), go_on.wait(TIMEOUT_SECONDS)))
    assert inside.wait(TIMEOUT_SECONDS)

    answer = web.send("GET", "/livez", headers=as_buyer())
    go_on.set()

    assert busy(answer) == (503, 10000004)
    settings.WEB_WAIT_SECONDS = TIMEOUT_SECONDS
    assert web.send("GET", "/livez", headers=as_buyer()).status == 200


def test_body_that_does_not_come_in_time_ends_the_request(web: Web, shop: None, settings) -> None:
    settings.WEB_BODY_SECONDS = 0.2

    answer = web.send("POST", "/api/orders", [b"part"], as_buyer())

    assert busy(answer) == (408, 10000001)
    assert not web.app._threads._threads


@pytest.mark.parametrize("declared", [True, False])
def test_body_that_is_too_large_is_refused_without_reading_all_of_it(web: Web, settings, declared: bool) -> None:
    settings.REQUEST_MAX_BYTES = 100
    parts = [b"x" * 60, b"x" * 60, *[b"x" * 60] * 5]
    headers = as_buyer(**({"Content_Length": "420"} if declared else {}))

    assert busy(web.send("POST", "/api/orders", parts, headers)) == (413, 10000001)
    assert web.taken == 2
