"""A small race that a page starts and shows: in a program of its own, one at a time, whichever process is asked.

none --start()--> running --the program ends--> done: it has written a report
                     ^                          failed: it has not
                     |                             |
                     +-----------start()-----------+    from done, too
"""

import subprocess
import sys
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from django.conf import settings

from charites.common.folders import is_locked, lock
from lab.race.progress import HowFar, read_progress
from lab.run.environment import ROOT, VAR
from lab.web.race_program import LOCK, LOG, PROGRESS, REPORT

FOLDER = VAR / "race" / settings.SHOP
LAST_LINES = 15


class State(StrEnum):
    """How a race stands; the values stand in the page."""

    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Seen:
    """`words`: the last ones of a race that failed, in its log."""

    state: State
    far: HowFar = HowFar()
    words: str = ""


def start(language: str) -> None:
    """Starts a race, unless one is under way, whose report is in a language; does not wait for it.

    The lock goes over to the program, which holds it as long as it lives, and with it goes an input that closes when
    this process ends, whatever ends it.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / LOCK).open("a") as locked, (FOLDER / LOG).open("a") as log:
        try:
            lock(locked)
        except BlockingIOError:
            return
        for name in (REPORT, PROGRESS):
            (FOLDER / name).unlink(missing_ok=True)
        log.truncate(0)
        program = subprocess.Popen(
            [sys.executable, "-m", "lab.web.race_program", str(FOLDER), language],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[locked.fileno()],
            start_new_session=True,  # or what ends the web server would kill it before it has cleaned up
        )
    threading.Thread(target=see_off, args=[program], daemon=True).start()


def see_off(program: subprocess.Popen[bytes]) -> None:
    """Keeps the program's input open to its end."""
    program.wait()
    if program.stdin:
        program.stdin.close()


def look() -> Seen:
    """Returns how the race stands, or how the last one ended."""
    if is_running():
        return Seen(State.RUNNING, read_progress(FOLDER / PROGRESS))
    if (FOLDER / REPORT).exists():
        return Seen(State.DONE, read_progress(FOLDER / PROGRESS))
    if (FOLDER / LOG).exists():
        lines = (FOLDER / LOG).read_text(errors="replace").splitlines()
        return Seen(State.FAILED, words="\n".join(lines[-LAST_LINES:]).strip())
    return Seen(State.NONE)


def is_running() -> bool:
    """Whether somebody holds the lock."""
    try:
        with (FOLDER / LOCK).open() as file:
            return is_locked(file)
    except FileNotFoundError:
        return False


def find_report() -> str | None:
    """Returns the report of the last race; None while there is none."""
    file: Path = FOLDER / REPORT
    return file.read_text() if file.exists() and not is_running() else None
