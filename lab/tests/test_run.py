"""`make run` itself, in a copy of the checkout: the real processes on free ports."""

import os
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from dotenv import dotenv_values

from lab.kit.processes.shop import wait_until
from lab.run import leftovers
from lab.servers import LOOPBACK
from lab.tests.runs import START_SECONDS, Run

pytestmark = [pytest.mark.slow, pytest.mark.sqlite]


def test_run_serves_the_shop_starts_again_what_was_killed_and_keeps_its_data(copied_checkout):
    first = Run(copied_checkout)
    first.await_welcome()
    ready, pids = first.get("statusz"), first.pids()
    values = dotenv_values(copied_checkout / "var" / "env", interpolate=False)
    password = urlsplit(values["REDIS_URL"]).password
    with redis.Redis.from_url(values["REDIS_URL"].replace(f":{password}@", "")) as stranger:
        pytest.raises(redis.AuthenticationError, stranger.ping)
    told = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids.values() if Path("/proc").is_dir()]

    killed = ("redis", "worker", "web", "grpc")
    for name in killed:
        os.kill(pids[name], signal.SIGKILL)
    wait_until(
        lambda: all(first.pids().get(name, pids[name]) != pids[name] for name in killed),
        seconds=START_SECONDS,
        what="all processes run again",
    )
    wait_until(lambda: first.says("livez"), seconds=START_SECONDS, what="web answers again")
    others = first.pids()
    code = first.end()

    assert ready["status"] == "ready"
    assert [line for line in told if str(password) in line] == []
    assert set(pids) == {"supervisor", "redis", "web", "grpc", "worker", "sweep"}
    assert {name for name in pids if others[name] != pids[name]} == set(killed)
    for name in killed:
        assert f"charites: {name} ended with code -9; it is started again in 0.5 s.\n" in first.out.read_text()
    assert code == 0
    assert first.out.read_text().splitlines()[-1] == "charites: stopped."
    assert [name for name, pid in (pids | others).items() if leftovers.started_at(pid)] == []

    second = Run(copied_checkout)
    second.await_welcome()
    values_again = dotenv_values(copied_checkout / "var" / "env", interpolate=False)
    pids = second.pids()
    before = copied_checkout / "var" / "log" / "grpc.log.1"

    os.kill(pids["supervisor"], signal.SIGKILL)
    second.process.wait(START_SECONDS)
    wait_until(lambda: not second.pids(), seconds=START_SECONDS, what="nothing outlives the supervisor")

    assert [name for name, pid in pids.items() if leftovers.started_at(pid)] == []
    assert values_again["SECRET_KEY"] == values["SECRET_KEY"]
    assert "gRPC on" in before.read_text()
    assert values_again["HTTP_PORT"] == second.ports["HTTP_PORT"]


def test_run_on_a_taken_port_says_which_and_how_to_choose_another(copied_checkout):
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]

        run = Run(copied_checkout, HTTP_PORT=str(port))

        assert run.process.wait(START_SECONDS) == 1
    assert run.out.read_text() == (
        f"charites: Port {port} on {LOOPBACK}, the HTTP port, cannot be had (Address already in use): "
        "choose others with make run HTTP_PORT=8010 GRPC_PORT=8091\n"
    )


def test_run_beside_another_in_one_checkout_is_refused(copied_checkout):
    (copied_checkout / "var").mkdir()
    leftovers.note(copied_checkout / "var" / "run.pid", {leftovers.SUPERVISOR: os.getpid()})

    run = Run(copied_checkout)

    assert run.process.wait(START_SECONDS) == 1
    assert run.out.read_text().startswith(f"charites: This checkout is running already (pid {os.getpid()})")
    (copied_checkout / "var" / "run.pid").unlink()


def test_run_that_cannot_migrate_says_so_and_leaves_nothing(copied_checkout):
    run = Run(copied_checkout, DATABASE_URL="sqlite:////nowhere/at/all.sqlite3")

    assert run.process.wait(START_SECONDS) == 1
    assert "charites: manage.py migrate --verbosity 0 failed:" in run.out.read_text()
    assert run.pids() == {}
