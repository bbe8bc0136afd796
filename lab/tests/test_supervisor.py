"""The supervisor with small stand-ins for the processes of the shop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.run import leftovers

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.once
SECONDS = 120  # a bound for busy machines, no measurement
PROGRAM = """
import sys
from pathlib import Path
from lab.run.supervisor import Supervisor

supervisor = Supervisor(Path(sys.argv[1]), on_start=lambda: None)
for line in sys.stdin.read().splitlines():
    supervisor.add(*line.split(":", 1))
supervisor.loop()
print("first:", supervisor.first_stopped, supervisor.return_codes().get(supervisor.first_stopped))
"""


def supervise(folder: Path, *lines: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("\n".join(lines))
    process.stdin.close()
    process.stdin = None
    return process


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pid_in(file: Path) -> int:
    wait_until(lambda: file.exists() and file.read_text().strip() != "")
    return int(file.read_text())


def test_supervisor_with_a_dead_process_ends_all_and_names_it(tmp_path):
    process = supervise(
        tmp_path,
        f"calm:echo $$ > {tmp_path}/calm; exec sleep 1000",
        f"ill:while [ ! -s {tmp_path}/calm ]; do :; done; exit 3",
    )

    out, _ = process.communicate(timeout=SECONDS)

    assert out == "first: ill 3\n"
    assert leftovers.started_at(pid_in(tmp_path / "calm")) == ""


def test_supervisor_ends_the_children_of_a_killed_process_too(tmp_path):
    parent = f"parent:echo $$ > {tmp_path}/parent; sleep 1000 & echo $! > {tmp_path}/child; wait"
    process = supervise(tmp_path, parent)
    child = pid_in(tmp_path / "child")

    os.kill(pid_in(tmp_path / "parent"), signal.SIGKILL)
    out, _ = process.communicate(timeout=SECONDS)

    assert out == "first: parent -9\n"
    assert leftovers.started_at(child) == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_supervisor_asked_to_end_ends_all_and_blames_nobody(tmp_path, number):
    process = supervise(tmp_path, f"calm:echo $$ > {tmp_path}/calm; exec sleep 1000")
    calm = pid_in(tmp_path / "calm")

    process.send_signal(number)
    out, _ = process.communicate(timeout=SECONDS)

    assert out == "first: None None\n"
    assert leftovers.started_at(calm) == ""


def test_supervisor_ends_redis_after_those_who_need_it(tmp_path):
    note = f"trap 'echo NAME >> {tmp_path}/order; exit 0' TERM; echo $$ > {tmp_path}/NAME; while :; do sleep 0.05; done"
    process = supervise(tmp_path, *(f"{name}:{note.replace('NAME', name)}" for name in ("redis", "worker")))
    pid_in(tmp_path / "redis")
    pid_in(tmp_path / "worker")

    process.terminate()
    process.communicate(timeout=SECONDS)

    assert (tmp_path / "order").read_text() == "worker\nredis\n"


def test_supervisor_shows_warnings_and_keeps_the_rest_in_files(tmp_path):
    lines = ["[info     ] quiet", "[warning  ] loud", "  more of it", "[info     ] quiet again", '{"level": "error"}']
    process = supervise(tmp_path, f"web:printf '%s\\n' {' '.join(repr(line) for line in lines)}; exit 1")

    _, errors = process.communicate(timeout=SECONDS)

    assert errors.splitlines() == ["web: [warning  ] loud", "web:   more of it", 'web: {"level": "error"}']
    assert (tmp_path / "web.log").read_text().splitlines() == lines
