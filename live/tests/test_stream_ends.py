"""Streams of a process that is asked to end."""

import os
from pathlib import Path

import httpx
import pytest

from lab.kit.processes.shop import Shop
from lab.kit.room_pages import BOUND_SECONDS
from live.tests.conftest import make_room_of_the_demo

pytestmark = pytest.mark.slow


def test_streams_come_to_their_end_when_the_process_does(process_environment: dict[str, str], tmp_path: Path) -> None:
    make_room_of_the_demo()
    with Shop(tmp_path, {**os.environ, **process_environment}) as shop:
        shop.start("web")
        shop.await_web()
        with httpx.stream("GET", f"{shop.url}/api/rooms/1/events", timeout=BOUND_SECONDS) as answer:
            lines = answer.iter_lines()
            assert "event: room" in lines

            assert shop.end("web") == 0

            assert list(lines)[-1] == ""  # or this raises: the answer was cut off
    assert "gracefully" not in shop.log("web")
