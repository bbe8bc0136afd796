"""Who runs in this checkout, as in var/run.pid: a second `make run` is refused, what a killed one left is ended.

A small process of its own sees to that (`python -m lab.run.leftovers <file>`), and the next run, should both be killed.
One line per process: name, pid, and when it was started, because pids are used again.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SUPERVISOR = "supervisor"


def started_at(pid: int) -> str:
    """Returns when the process was started, as the system puts it; an empty string when there is no such process."""
    if not Path("/proc/self/stat").exists():  # macOS
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    try:
        # The name in the second field may hold spaces and parentheses; the state follows it.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else fields[18]


def note(file: Path, pids: dict[str, int]) -> None:
    """Writes down the processes of this run, in one step: who reads it meanwhile sees all of them."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_text("".join(f"{name} {pid} {started_at(pid)}\n" for name, pid in pids.items()))
    draft.replace(file)


def find(file: Path) -> dict[str, int]:
    """Returns name -> pid of the processes written down that are still the same ones."""
    if not file.exists():
        return {}
    rows = [line.split(" ", 2) for line in file.read_text().splitlines()]
    return {name: int(pid) for name, pid, start in rows if start and started_at(int(pid)) == start}


def end(pids: dict[str, int], *, patience_seconds: float = 5) -> None:
    """Ends these process groups, kindly first."""
    deadline = time.monotonic() + patience_seconds
    send(pids, signal.SIGTERM)
    while any(started_at(pid) for pid in pids.values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    send(pids, signal.SIGKILL)


def send(pids: dict[str, int], number: signal.Signals) -> None:
    for pid in pids.values():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


def end_after_this_process(file: Path) -> subprocess.Popen[bytes]:
    """Starts who ends the processes written down when this one is gone, however it ends. Keep what is returned."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab.run.leftovers", str(file)],
        stdin=subprocess.PIPE,  # closes with this process
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def main(file: Path) -> None:
    supervisor = os.getppid()
    sys.stdin.read()  # until it has closed its files, a moment before it is gone
    running = find(file)
    if running.pop(SUPERVISOR, supervisor) == supervisor:  # or the next run has ended them, and these are its own
        end(running)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
