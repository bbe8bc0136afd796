"""nginx in front of the shop, with the configuration of production: what passes, and what does not get through."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from charites.common.rpc import read_error
from lab.kit.factories import bearer, make_goods, make_room, make_user, staff_bearer
from lab.kit.processes.shop import Shop
from lab.servers import LOOPBACK, Nginx
from lab.servers.nginx import SERVER_NAME
from lab.servers.ports import free_port
from stock.rpc.stock_pb2 import StockLevel
from stock.rpc.stock_pb2_grpc import StockStub
from stock.services import Adjustment, adjust_stock

pytestmark = pytest.mark.once

SHOP = {"TRUST_PROXY": "true", "NUM_PROXIES": "1", "HTTPS_ONLY": "true", "ALLOWED_HOSTS": f"{SERVER_NAME},127.0.0.1"}
SHOP |= {"TOKEN_NAME_RATE": "3/h"}
WORDS = {"username": "mei", "password": "guess"}


@pytest.fixture
def nginx(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[Nginx]:
    make_goods(1, stock=5)
    make_room(3, goods_ids=[1])
    make_user("mei")
    with Shop(tmp_path, {**process_environment, **SHOP, "MEDIA_ROOT": str(tmp_path / "elsewhere")}) as shop:
        shop.start("web", "grpc")
        shop.await_web()
        shop.await_grpc(60)
        web, changes = shop.url.removeprefix("http://"), {"client_body_timeout 5s;": "client_body_timeout 1s;"}
        changes["root /srv;"] = f"root {tmp_path};"
        with Nginx(web=web, grpc=shop.grpc_address, changes=changes) as server:
            yield server


@pytest.fixture
def browser(nginx: Nginx) -> Iterator[httpx.Client]:
    with visitor_of(nginx) as client:
        yield client


@contextmanager
def visitor_of(nginx: Nginx) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"https://{LOOPBACK}:{nginx.port}",
        headers={"Host": SERVER_NAME, "Authorization": bearer()},
        verify=ssl.create_default_context(cafile=str(nginx.certificate)),
        timeout=60,
    ) as client:
        client.event_hooks["request"].append(say_the_name)
        yield client


def say_the_name(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = SERVER_NAME


def told(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


def told_of_old(answer: httpx.Response) -> tuple[int, int, int]:
    """Of /v1: the status, the number of gRPC, ours in its details. The id of the request is in the header alone."""
    body = answer.json()
    (detail,) = body["details"]
    assert detail["@type"] == "type.googleapis.com/Error"
    assert body.keys() == {"code", "message", "details"}
    assert answer.headers["X-Request-ID"]
    return answer.status_code, body["code"], detail["code"]


@pytest.mark.long
def test_shop_answers_behind_it_and_callers_words_about_themselves_do_not_count(
    nginx: Nginx, browser: httpx.Client
) -> None:
    forged = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example", "X_Forwarded_Proto": "http"}

    room = browser.get("/api/rooms/3/goods", headers=forged)
    plain = httpx.get(f"http://{LOOPBACK}:{nginx.plain_port}/api/rooms", headers={"Host": SERVER_NAME})

    assert (room.status_code, room.json()["goods"][0]["goods_id"]) == (200, "1")
    assert room.headers["Strict-Transport-Security"]
    assert (plain.status_code, plain.headers["Location"]) == (301, f"https://{SERVER_NAME}/api/rooms")
    order = {"items": [{"goods_id": "1", "quantity": 1}], "address": "a", "name": "n", "phone": "p"}
    assert browser.post("/api/orders", json=order).status_code == 201


@pytest.mark.long
def test_uploaded_pictures_are_served_by_it_and_what_it_does_not_have_by_the_shop(
    browser: httpx.Client, tmp_path: Path
) -> None:
    here, there = f"{'a' * 32}.webp", f"{'b' * 32}.webp"
    for folder, name in (("media", here), ("elsewhere", there)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(folder.encode())
    (tmp_path / "media" / "note.txt").write_text("not for others")
    (tmp_path / "media").chmod(0o755)

    served, passed_on = browser.get(f"/media/{here}"), browser.get(f"/media/{there}")

    assert (served.content, served.headers["Content-Type"]) == (b"media", "image/webp")
    assert served.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert (passed_on.content, passed_on.headers["Content-Type"]) == (b"elsewhere", "image/webp")
    for path in ("note.txt", f"{'c' * 32}.webp", ""):
        assert browser.get(f"/media/{path}").status_code == 404


@pytest.mark.long
def test_viewer_of_a_room_hears_of_each_change_at_once(browser: httpx.Client) -> None:
    with browser.stream("GET", "/api/rooms/3/events") as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event")) == "event: room"

        adjust_stock(adjustments=[Adjustment(1, "delivery", "staff", delta=1)])

        assert next(line for line in lines if line.startswith("event")) == "event: stock"


@pytest.mark.long
def test_sign_ins_are_counted_by_the_address_that_it_has_seen(browser: httpx.Client) -> None:
    answers = [
        browser.post("/api/auth/token", json=WORDS, headers={"X-Forwarded-For": f"198.51.100.{number}"})
        for number in range(5)
    ]

    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
    more = [browser.post("/api/auth/token", json=WORDS) for _ in range(60)]
    assert {told(answer) for answer in more} == {(429, 10000007)}  # nginx says it as the shop does
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in more)


def test_old_client_that_calls_too_often_is_told_so_in_the_form_of_old() -> None:
    nowhere = f"{LOOPBACK}:{free_port()}"
    one_a_minute = {"rate=200r/s": "rate=1r/m", "zone=requests burst=400 nodelay": "zone=requests"}
    with Nginx(web=nowhere, grpc=nowhere, changes=one_a_minute) as nginx, visitor_of(nginx) as visitor:
        first, *others = [visitor.post("/v1/goods", content="{}") for _ in range(5)]

    assert told_of_old(first) == (504, 4, 10000005)
    assert (429, 8, 10000007) in {told_of_old(answer) for answer in others}
    assert all(answer.headers["Retry-After"] for answer in others)


@pytest.mark.long
def test_what_is_too_large_too_slow_or_for_operators_does_not_get_to_the_shop(
    nginx: Nginx, browser: httpx.Client
) -> None:
    large = {"content": b"x" * 70_000, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}
    paths = ("/livez", "/admin/login/", "/sandbox/pay/x", "/static/x", "/api/orders", "/nothing")
    assert {path: told(browser.post(path, **large)) for path in paths} == dict.fromkeys(paths, (413, 10000001))
    assert told_of_old(browser.post("/v1/goods", **large)) == (400, 3, 10000001)

    pages = {path: browser.get(path).status_code for path in ("/livez", "/metrics", "/readyz", "/statusz")}
    assert pages == {"/livez": 200, "/metrics": 404, "/readyz": 404, "/statusz": 404}

    context = ssl.create_default_context(cafile=str(nginx.certificate))
    head = f"POST /api/orders HTTP/1.1\r\nHost: {SERVER_NAME}\r\nContent-Length: 60000\r\n\r\nx"
    with socket.create_connection((LOOPBACK, nginx.port), timeout=60) as plain:
        with context.wrap_socket(plain, server_hostname=SERVER_NAME) as connection:
            connection.sendall(head.encode())
            assert is_closed(connection)


def is_closed(connection: socket.socket) -> bool:
    """Waits until the other side closes it without an answer of the shop. Raises TimeoutError."""
    try:
        return b"x-request-id" not in connection.recv(1000).lower()
    except ConnectionError:
        return True


def test_calls_of_grpc_pass_with_their_errors(nginx: Nginx) -> None:
    credentials = grpc.ssl_channel_credentials(nginx.certificate.read_bytes())
    options = [("grpc.ssl_target_name_override", SERVER_NAME)]
    staff = [("authorization", staff_bearer())]

    with grpc.secure_channel(f"{LOOPBACK}:{nginx.grpc_port}", credentials, options) as channel:
        stub = StockStub(channel)
        level = stub.GetStock(StockLevel(goods_id=1), metadata=staff, timeout=60)
        refused: dict[str, Any] = {}
        for name, request, metadata in [
            ("no token", StockLevel(goods_id=1), []),
            ("none such", StockLevel(goods_id=9), staff),
        ]:
            with pytest.raises(grpc.RpcError) as caught:
                stub.GetStock(request, metadata=metadata, timeout=60)
            refused[name] = (caught.value.code().name, read_error(caught.value).code)
        with pytest.raises(grpc.RpcError) as reflected:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60)

    assert level.num == 5
    assert refused == {"no token": ("UNAUTHENTICATED", 10000002), "none such": ("NOT_FOUND", 40010002)}
    assert reflected.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_shop_that_is_away_is_told_so_that_programs_understand_it() -> None:
    nowhere = f"{LOOPBACK}:{free_port()}"
    with Nginx(web=nowhere, grpc=nowhere) as nginx, visitor_of(nginx) as visitor:
        answer, answer_of_old = (visitor.post(path, content="{}") for path in ("/api/orders", "/v1/createorder"))

    assert told(answer) == (504, 10000005)
    assert told_of_old(answer_of_old) == (504, 4, 10000005)
