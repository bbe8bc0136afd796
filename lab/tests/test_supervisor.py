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

def say(line):
    print(line, flush=True)

supervisor = Supervisor(Path(sys.argv[1]), say=say, first_pause_seconds=float(sys.argv[2]))
for line in sys.stdin.read().splitlines():
    supervisor.add(*line.split(":", 1))
supervisor.is_up = sys.argv[3] == "up"
supervisor.loop()
print("given up:", supervisor.given_up)
"""


def supervise(folder: Path, *lines: str, pause: float = 0.01, state: str = "up") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(pause), state],
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


def test_supervisor_starts_again_what_has_ended_and_leaves_the_others_alone(tmp_path):
    process = supervise(
        tmp_path,
        f"calm:echo $$ >> {tmp_path}/calm; exec sleep 1000",
        f"ill:echo $$ >> {tmp_path}/ill; exec sleep 1000",
    )
    first = pid_in(tmp_path / "ill")

    os.kill(first, signal.SIGKILL)
    wait_until(lambda: (tmp_path / "ill").read_text().count("\n") == 2)
    process.terminate()
    out, _ = process.communicate(timeout=SECONDS)

    assert out == "charites: ill ended with code -9; it is started again in 0.01 s.\ngiven up: None\n"
    assert len((tmp_path / "calm").read_text().splitlines()) == 1
    assert [pid for pid in (tmp_path / "ill").read_text().split() if leftovers.started_at(int(pid))] == []


def test_supervisor_with_a_process_that_ends_again_and_again_pauses_longer_then_ends_all_and_names_it(tmp_path):
    process = supervise(
        tmp_path,
        f"calm:echo $$ > {tmp_path}/calm; exec sleep 1000",
        f"ill:while [ ! -s {tmp_path}/calm ]; do :; done; exit 3",
    )

    out, _ = process.communicate(timeout=SECONDS)

    pauses = ["0.01", "0.02", "0.04", "0.08", "0.16"]
    again = [f"charites: ill ended with code 3; it is started again in {pause} s." for pause in pauses]
    assert out.splitlines() == [*again, "given up: ill"]
    assert leftovers.started_at(pid_in(tmp_path / "calm")) == ""


def test_supervisor_with_a_process_that_never_ran_ends_all_at_once(tmp_path):
    calm, ill = "calm:exec sleep 1000", "ill:exit 3"

    out, _ = supervise(tmp_path, calm, ill, state="starting").communicate(timeout=SECONDS)

    assert out == "given up: ill\n"


def test_supervisor_bears_a_process_that_cannot_be_started(tmp_path):
    too_long = f"ill:: {'x' * 3_000_000}"

    out, errors = supervise(tmp_path, too_long).communicate(timeout=SECONDS)

    assert out.splitlines()[-1] == "given up: ill"
    assert errors.count("ill: [error] cannot be started: ") == 6


def test_supervisor_ends_the_children_of_a_killed_process_too(tmp_path):
    parent = f"parent:echo $$ > {tmp_path}/parent; sleep 1000 & echo $! >> {tmp_path}/children; wait"
    process = supervise(tmp_path, parent)
    first = pid_in(tmp_path / "children")

    os.kill(pid_in(tmp_path / "parent"), signal.SIGKILL)
    wait_until(lambda: len((tmp_path / "children").read_text().splitlines()) == 2)
    is_gone = leftovers.started_at(first) == ""
    process.terminate()
    process.communicate(timeout=SECONDS)

    assert is_gone
    children = [int(pid) for pid in (tmp_path / "children").read_text().splitlines()]
    assert [pid for pid in children if leftovers.started_at(pid)] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_supervisor_asked_to_end_ends_all_and_blames_nobody(tmp_path, number):
    process = supervise(tmp_path, f"calm:echo $$ > {tmp_path}/calm; exec sleep 1000")
    calm = pid_in(tmp_path / "calm")

    process.send_signal(number)
    out, _ = process.communicate(timeout=SECONDS)

    assert out == "given up: None\n"
    assert leftovers.started_at(calm) == ""


def test_supervisor_asked_to_end_while_a_process_pauses_does_not_start_it_again(tmp_path):
    process = supervise(tmp_path, f"ill:echo once >> {tmp_path}/ill", pause=1000)
    assert process.stdout is not None
    said = process.stdout.readline()

    process.terminate()
    out, _ = process.communicate(timeout=SECONDS)

    assert (said, out) == ("charites: ill ended with code 0; it is started again in 1000 s.\n", "given up: None\n")
    assert (tmp_path / "ill").read_text() == "once\n"


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
    process = supervise(
        tmp_path, f"web:printf '%s\\n' {' '.join(repr(line) for line in lines)}; exit 1", state="starting"
    )

    _, errors = process.communicate(timeout=SECONDS)

    assert errors.splitlines() == ["web: [warning  ] loud", "web:   more of it", 'web: {"level": "error"}']
    assert (tmp_path / "web.log").read_text().splitlines() == lines
