"""HAProxy in front of the shop's servers, with the configuration of production: what it says by itself."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from lab.servers import LOOPBACK, ShopHAProxy
from lab.servers.ports import free_port

pytestmark = pytest.mark.servers

SECONDS = 60  # a bound for busy machines, no measurement
GRPC = (1, 1)  # nobody is there


class BreaksOff(BaseHTTPRequestHandler):
    """A server that is well, and does not come to its answer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def breaks_off() -> Iterator[int]:
    with ThreadingHTTPServer((LOOPBACK, 0), BreaksOff) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def said(web: int, path: str) -> tuple[httpx.Response, int, list[int]]:
    """What is answered where the servers are at this port: the number in front, and ours where it is in the details."""
    with ShopHAProxy((web, web), GRPC) as proxy:
        answer = httpx.post(f"{proxy.url}{path}", json={}, timeout=SECONDS)
    body = answer.json()
    return answer, body["code"], [detail["code"] for detail in body["details"]] if path.startswith("/v1") else []


@pytest.mark.parametrize(
    ("path", "expected"), [("/api/orders", (10000004, [])), ("/v1/createorder", (14, [10000004]))], ids=["api", "v1"]
)
def test_nobody_there_is_busy_in_the_form_that_the_caller_reads(path: str, expected: tuple[int, list[int]]) -> None:
    answer, *numbers = said(free_port(), path)

    assert (answer.status_code, tuple(numbers)) == (503, expected)
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "expected"), [("/api/orders", (10000005, [])), ("/v1/createorder", (4, [10000005]))], ids=["api", "v1"]
)
def test_server_that_breaks_off_is_unknown_in_the_form_that_the_caller_reads(
    breaks_off: int, path: str, expected: tuple[int, list[int]]
) -> None:
    answer, *numbers = said(breaks_off, path)

    assert (answer.status_code, tuple(numbers)) == (504, expected)
    assert answer.headers["Retry-After"] == "3"
