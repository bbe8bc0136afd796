"""`make run` itself, in a copy of the checkout: the real processes on free ports."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from deploy import leftovers
from deploy.servers import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("charites", "goods", "stock", "orders", "messaging", "fixtures", "deploy", "manage.py", "Procfile")
START_SECONDS = 90  # a bound for slow machines, no measurement

pytestmark = [pytest.mark.slow, pytest.mark.sqlite]


class Run:
    """One `make run` in a folder."""

    def __init__(self, folder: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        self.folder = folder
        self.ports = {"HTTP_PORT": str(free_port()), "GRPC_PORT": str(free_port())}
        self.out = folder / "out"
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.run"],
                cwd=folder,
                env=kept | self.ports | settings,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def pids(self) -> dict[str, int]:
        return leftovers.find(self.folder / "var" / "run.pid")

    def await_welcome(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C stops" not in self.out.read_text():
            assert self.process.poll() is None, self.out.read_text()
            assert time.monotonic() < deadline, self.out.read_text()
            time.sleep(0.1)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.ports['HTTP_PORT']}/{path}", timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    # A space in the path is as good a test of quoting as any.
    folder = tmp_path / "a shop"
    folder.mkdir()
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    yield folder
    leftovers.end(leftovers.find(folder / "var" / "run.pid"))


def test_run_serves_the_shop_until_a_process_dies_and_again_with_the_same_data(checkout):
    first = Run(checkout)
    first.await_welcome()
    ready, pids = first.get("readyz"), first.pids()
    values = dotenv_values(checkout / "var" / "env", interpolate=False)

    os.kill(pids["worker"], signal.SIGKILL)
    code = first.process.wait(30)

    assert ready["status"] == "ready"
    assert set(pids) == {"supervisor", "redis", "web", "grpc", "worker", "sweep"}
    assert code == 1
    assert first.out.read_text().splitlines()[-1] == "charites: worker died with code -9, so everything was stopped."
    assert [name for name, pid in pids.items() if leftovers.started_at(pid)] == []

    second = Run(checkout)
    second.await_welcome()
    values_again = dotenv_values(checkout / "var" / "env", interpolate=False)

    assert second.end(signal.SIGINT) == 0
    assert second.out.read_text().splitlines()[-1] == "charites: stopped."
    assert values_again["SECRET_KEY"] == values["SECRET_KEY"]
    assert values_again["HTTP_PORT"] == second.ports["HTTP_PORT"]


def test_run_on_a_taken_port_says_which_and_how_to_choose_another(checkout):
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]

        run = Run(checkout, HTTP_PORT=str(port))

        assert run.process.wait(30) == 1
    assert run.out.read_text() == (
        f"charites: Port {port} on {LOOPBACK}, the HTTP port, cannot be had (Address already in use): "
        "choose others with make run HTTP_PORT=8010 GRPC_PORT=8091\n"
    )


def test_run_beside_another_in_one_checkout_is_refused(checkout):
    (checkout / "var").mkdir()
    leftovers.note(checkout / "var" / "run.pid", {leftovers.SUPERVISOR: os.getpid()})

    run = Run(checkout)

    assert run.process.wait(30) == 1
    assert run.out.read_text().startswith(f"charites: This checkout is running already (pid {os.getpid()})")
    (checkout / "var" / "run.pid").unlink()


def test_run_that_cannot_migrate_says_so_and_leaves_nothing(checkout):
    run = Run(checkout, DATABASE_URL="sqlite:////nowhere/at/all.sqlite3")

    assert run.process.wait(60) == 1
    assert "charites: manage.py migrate --verbosity 0 failed:" in run.out.read_text()
    assert run.pids() == {}
