"""A crowd in a shop of real processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth import get_user_model

from lab.crowd import runs, start
from lab.crowd.runs import Run, RunUnderWay
from lab.kit.factories import counts, make_goods, make_room
from lab.kit.processes.shop import START_SECONDS, Shop, wait_until
from lab.servers import LOOPBACK
from orders.models import Order

BOUND_SECONDS = 120  # for slow machines, no measurement
ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ("charites", "goods", "stock", "orders", "messaging", "live", "fixtures", "manage.py")


@pytest.fixture
def room(transactional_db: None) -> None:
    """Five pieces of what is pinned in room 1, and of what is not."""
    for goods_id in (1, 2):
        make_goods(goods_id, stock=5)
    make_room(1, goods_ids=[1, 2], current_goods_id=1)


@pytest.fixture
def shop(room: None, process_environment: dict[str, str], tmp_path: Path) -> Iterator[Shop]:
    given = {"DEMO": "true", "STATIC_ROOT": str(tmp_path / "static"), "METRICS_DIR": str(tmp_path / "metrics")}
    (tmp_path / "static").mkdir()
    with Shop(tmp_path, {**os.environ, **process_environment, **given, "WEB_PROCESSES": "2"}) as started:
        started.start("web")
        started.await_web()
        yield started


@contextmanager
def desk(shop: Shop) -> Iterator[httpx.Client]:
    """Somebody at the desk, with a session's cookie for forms."""
    with httpx.Client(base_url=shop.url, timeout=BOUND_SECONDS) as client:
        client.get("/rooms/1").raise_for_status()
        client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
        yield client


def await_end(client: httpx.Client) -> dict[str, Any]:
    def ended() -> Any:
        found = client.get("/rooms/1/desk/crowd").json()
        return found if found["state"] != "running" else None

    return wait_until(ended, seconds=BOUND_SECONDS, what="the crowd has gone")


@pytest.mark.long
def test_of_two_hundred_buyers_at_five_pieces_five_get_one(shop: Shop) -> None:
    with desk(shop) as client:
        sent = client.post("/rooms/1/desk/send", data={"buyers": "200"})
        found = await_end(client)

        assert (sent.status_code, sent.headers["Location"]) == (302, "/rooms/1/desk#send-crowd")
        told = {name: count for name, count in found["told"].items() if count}
        assert (found["state"], found["why"], told) == ("done", "", {"got_it": 5, "sold_out": 195})
        assert (found["agree"], found["rows"]["orders"], found["rows"]["pieces"]) == (True, 5, 5)
        assert counts(1) == (0, 5, 0)
        assert Order.objects.filter(room_id=1).values("user_id").distinct().count() == 5
        crowd = get_user_model().objects.filter(username__startswith="crowd-")
        assert crowd.count() == 200
        assert not any(user.has_usable_password() for user in crowd)

        client.post("/rooms/1/desk/send", data={"buyers": "4", "goods_id": "2", "quantity": "2", "stock": "7"})
        found = await_end(client)

    assert (found["told"]["got_it"], found["told"]["sold_out"]) == (3, 1)
    assert (found["rows"]["pieces"], found["agree"], counts(2)) == (6, True, (1, 6, 0))
    assert crowd.count() == 200
    assert list(ROOT.glob("*.db")) == []  # of what the program counts
    audit = shop.manage("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch, process_environment: dict[str, str]) -> Iterator[socket.socket]:
    """A server where the shop should be, which says nothing."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        listening.settimeout(START_SECONDS)
        for name, value in {
            **process_environment,
            "DEMO": "true",
            "HTTP_PORT": str(listening.getsockname()[1]),
        }.items():
            monkeypatch.setenv(name, value)
        yield listening


def last_run() -> Run:
    found = runs.find_last(1)
    assert found
    return found


def test_run_ends_by_itself_when_the_shop_is_gone(room: None, mute: socket.socket) -> None:
    start.start_run(room_id=1, goods_id=1, buyers=2, quantity=1)
    with mute.accept()[0], mute.accept()[0]:
        pytest.raises(RunUnderWay, start.start_run, room_id=1, goods_id=1, buyers=2, quantity=1)
        assert (last_run().state, runs.is_under_way()) == ("running", True)
    wait_until(lambda: not runs.is_under_way(), seconds=BOUND_SECONDS, what="it has ended")

    ended = last_run()
    assert (ended.state, ended.told) == ("done", {"no_answer": 2})
    assert ended.rows
    assert (ended.rows.agree, ended.rows.orders) == (True, 0)
    assert not runs.is_under_way()


def test_lock_ends_with_the_program_that_was_killed(room: None, mute: socket.socket) -> None:
    file = runs.next_file()
    runs.write(Run(room_id=1, goods_id=1, buyers=1, quantity=1, key="crowd:1"), file)
    with runs.alone() as lock:
        program = start.start_program(file, lock.fileno())
    with mute.accept()[0]:
        assert runs.is_under_way()
        program.kill()
        wait_until(lambda: not runs.is_under_way(), seconds=BOUND_SECONDS, what="the lock is free")

    assert last_run().state == "running"  # as it says; a desk says that it was cut off
    with runs.alone():
        pass


@pytest.mark.long
@pytest.mark.slow
def test_shop_without_the_instruments_has_no_such_address_and_no_error(tmp_path: Path) -> None:
    for name in SHIPPED:
        (tmp_path / name).symlink_to(ROOT / name)
    look = (
        "import django; django.setup()\n"
        "from django.urls import resolve\n"
        "for path in ('', '/desk/send', '/desk/crowd', '/desk/reset'):\n"
        "    print(resolve(f'/rooms/1{path}').func.__name__)\n"
    )
    given = {"DEMO": "true", "DEBUG": "true", "ENV_FILE": "", "DJANGO_SETTINGS_MODULE": "charites.settings"}
    given |= {"METRICS_DIR": "", "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}

    done = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, env=given, capture_output=True, text=True)

    assert (done.stdout.split(), done.stderr) == (["room_page", *["no_such_page"] * 3], "")
