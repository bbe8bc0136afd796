"""Pages of other origins that call the API: those that a setting names may, whatever the answer is and who gives it."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from charites.common.web import Answer
from charites.tests.web.asked import Web, as_buyer, order
from lab.kit.log_lines import json_lines

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shop")]

SHOP_FRONT, ELSEWHERE = "https://shop.example", "https://evil.example"
PLACING = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
ASKED: dict[str, tuple[str, str, bytes, dict[str, str]]] = {
    "an order, in the event loop": ("POST", "/api/orders", order(), {}),
    "a list, in a thread": ("GET", "/api/rooms", b"", {}),
    "no token": ("GET", "/api/rooms", b"", {"Authorization": ""}),
    "no such address": ("GET", "/api/nothing", b"", {}),
    "too large a body, before Django": ("POST", "/api/orders", b" " * 65_537, {}),
}


def allowed(answer: Answer) -> tuple[str | None, bool]:
    """Whom an answer is for, and whether it says that others get another one."""
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return headers.get("access-control-allow-origin"), "origin" in headers.get("vary", "").lower()


@pytest.mark.parametrize("what", ASKED)
def test_answers_may_be_read_by_the_origins_that_are_named(web: Web, settings: Any, what: str) -> None:
    method, path, body, more = ASKED[what]
    settings.CORS_ALLOWED_ORIGINS = [SHOP_FRONT]

    ours = web.send(method, path, body, as_buyer(**more, Origin=SHOP_FRONT))
    others = web.send(method, path, body, as_buyer(**more, Origin=ELSEWHERE))
    settings.CORS_ALLOWED_ORIGINS = []
    nobody = web.send(method, path, body, as_buyer(**more, Origin=SHOP_FRONT))

    assert [allowed(answer) for answer in (ours, others, nobody)] == [(SHOP_FRONT, True), (None, True), (None, False)]
    assert ours.status == others.status == nobody.status


def test_browser_that_asks_first_is_told_what_it_may_send(web: Web, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP_FRONT]

    answer = web.send("OPTIONS", "/api/orders", headers={**PLACING, "Origin": SHOP_FRONT})

    headers = {name.decode(): value.decode() for name, value in answer.headers}
    assert answer.status == 200
    assert headers["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE"
    assert {"authorization", "idempotency-key", "content-type"} < set(
        headers["access-control-allow-headers"].split(", ")
    )
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", [SHOP_FRONT, ELSEWHERE])
def test_browser_that_asks_first_is_counted_and_logged_and_told_its_id(web: Web, settings: Any, origin: str) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP_FRONT]
    labels = {"protocol": "http", "route": "OPTIONS -", "status": "200"}
    before = REGISTRY.get_sample_value("charites_requests_total", labels) or 0

    with json_lines() as lines:
        answer = web.send(
            "OPTIONS", "/api/orders", headers={**PLACING, "Origin": origin, "X-Request-ID": "asked-first"}
        )

        (line,) = (line for line in lines() if line["event"] == "request")
    assert (line["method"], line["path"], line["status"]) == ("OPTIONS", "/api/orders", 200)
    assert line["request_id"] == "asked-first"
    assert dict(answer.headers)[b"x-request-id"] == b"asked-first"
    assert REGISTRY.get_sample_value("charites_requests_total", labels) == before + 1


def test_pages_of_the_shop_itself_are_for_nobody_else(web: Web, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP_FRONT]

    assert allowed(web.send("GET", "/", headers={"Origin": SHOP_FRONT}))[0] is None
    assert allowed(web.send("GET", "/admin/login/", headers={"Origin": SHOP_FRONT}))[0] is None
