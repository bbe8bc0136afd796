"""The web server, started as the Procfile says: connections that say nothing, and a process that is killed."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from honcho.environ import parse_procfile

from lab.kit.processes.draining import MOST_DELAY_SECONDS, while_it_drains
from lab.kit.processes.shop import ROOT, Shop, wait_until
from lab.servers import LOOPBACK

pytestmark = pytest.mark.once

SECONDS = 50  # a bound for busy machines, no measurement; less than the longest time for a header
IDLE = 1_500  # more than the server would take by itself, and than WEB_MAX_CONCURRENT
HEAD = b"GET /livez HTTP/1.1\r\nHost: "
HEADER_TIME = r"(?<=--http1-header-read-timeout )\d+"


class OfProcfile(Shop):
    """A shop whose web server is started by the line of the Procfile, with another time for headers."""

    header_milliseconds = 60_000

    def command(self, name: str) -> list[str]:
        line = parse_procfile((ROOT / "Procfile").read_text()).processes[name]
        changed, count = re.subn(HEADER_TIME, str(self.header_milliseconds), line)
        assert count == 1
        return ["sh", "-c", changed]

    @property
    def environment(self) -> dict[str, str]:
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"WEB_PROCESSES": "1", **super().environment, "HTTP_HOST": LOOPBACK, "PATH": programs}


Started = Callable[..., OfProcfile]


@pytest.fixture
def started(tmp_path: Path, process_environment: dict[str, str]) -> Iterator[Started]:
    with ExitStack() as stack:

        def start(*, header_milliseconds: int = 60_000, **settings: str) -> OfProcfile:
            shop = stack.enter_context(OfProcfile(tmp_path, {**process_environment, **settings}))
            shop.header_milliseconds = header_milliseconds
            shop.start("web")
            shop.await_web()
            return shop

        yield start


def connect(shop: Shop, said: bytes = b"") -> socket.socket:
    connection = socket.create_connection((LOOPBACK, shop.http_port), timeout=SECONDS)
    connection.sendall(said)
    return connection


def test_connections_that_say_nothing_keep_nobody_out(started: Started) -> None:
    shop = started()
    with ExitStack() as held:
        for number in range(IDLE):
            held.enter_context(connect(shop, HEAD if number % 2 else b""))

        answers = [httpx.get(f"{shop.url}/livez", timeout=SECONDS).status_code for _ in range(3)]

    assert answers == [200] * 3


@pytest.mark.long
@pytest.mark.parametrize("said", [b"", HEAD], ids=["nothing", "half a head"])
def test_connection_whose_head_does_not_come_is_ended(started: Started, said: bytes) -> None:
    shop = started(header_milliseconds=1000)

    with connect(shop, said) as connection:
        assert b"200" not in connection.recv(1000)


def both_processes_of(shop: Shop) -> set[int]:
    """The numbers of its two processes; none while one is missing."""
    command = ["ps", "-A", "-o", "pid=,ppid="]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [tuple(map(int, line.split())) for line in lines]
    found = {pid for pid, parent in rows if parent == shop.processes["web"].pid}
    return found if len(found) == 2 else set()


@pytest.mark.long
def test_process_that_is_killed_is_replaced(started: Started) -> None:
    shop = started(WEB_PROCESSES="2")
    first = wait_until(lambda: both_processes_of(shop), seconds=SECONDS, what="both are there")
    killed = max(first)

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: both_processes_of(shop) - {killed} - first, seconds=SECONDS, what="another one stands in")
    shop.await_web()
    assert shop.processes["web"].poll() is None


@pytest.mark.long
def test_server_that_is_asked_to_end_says_so_first_and_takes_requests_for_a_while(started: Started) -> None:
    shop = started(DRAIN_DELAY_SECONDS=f"{MOST_DELAY_SECONDS}")
    ready = httpx.get(f"{shop.url}/readyz", timeout=SECONDS)

    asked_at = time.monotonic()
    shop.processes["web"].terminate()
    wait_until(
        lambda: httpx.get(f"{shop.url}/readyz", timeout=SECONDS).status_code == 503, seconds=SECONDS, what="it says so"
    )
    with while_it_drains(asked_at):
        told = httpx.get(f"{shop.url}/readyz", timeout=SECONDS)
        answer = httpx.get(f"{shop.url}/api/rooms", timeout=SECONDS)
    code = shop.processes["web"].wait(SECONDS)

    assert time.monotonic() - asked_at >= MOST_DELAY_SECONDS
    assert (ready.status_code, answer.status_code, code) == (200, 401, 0)  # it wants a token
    assert told.json()["checks"]["process"] == {"ok": False, "detail": "is about to end"}
    assert "Traceback" not in shop.log("web")
