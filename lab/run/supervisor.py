"""Keeps processes running: what has ended is started again, nothing is left behind, logs go to files.

running --ends--> pausing --pause is over--> running
   |                 |
   +--asked to end---+----> ended
"""

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from honcho.process import Popen, Process

# How long a process may take to end after it was asked, before it is killed.
KILL_SECONDS = 12
LOOK_SECONDS = 0.1
# A process that ends soon after its start is started again after a pause that doubles, a few times.
SHORT_LIFE_SECONDS = 60
MOST_SHORT_LIVES = 6

# Our logs for people, our logs as JSON, the web server's, Celery's.
LEVEL = re.compile(
    r"\[(?P<ours>debug|info|warning|error|critical) *\]"
    r'|"level": "(?P<json>\w+)"'
    r"|^\[(?P<web>DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL)\]"
    r"|: (?P<celery>DEBUG|INFO|WARNING|ERROR|CRITICAL)/"
)
LOUD = {"warning", "warn", "error", "critical"}
# What the others need until their end.
LAST = {"redis"}


class GroupProcess(Process):
    """A process whose whole group ends with it.

    Otherwise the children of a killed web server would go on, and hold its output open, so that nobody notices.
    """

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        """Runs it to its end; tells `events` of its start, its lines and its end."""
        self._child_ctor = self._start
        try:
            super().run(events, ignore_signals)
        except OSError as error:  # this machine has no process left, or the like
            self._send_message(f"[error] cannot be started: {error}\n")
            self._send_message({"returncode": 1}, type="stop")

    def _start(self, *arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        child: subprocess.Popen[bytes] = Popen(*arguments, stdin=subprocess.DEVNULL, **options)
        threading.Thread(target=end_group_of, args=[child], daemon=True).start()
        return child


def end_group_of(child: subprocess.Popen[bytes]) -> None:
    child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


class LogPrinter:
    """Writes every line to `<folder>/<name>.log`, and warnings, errors and what follows them to the terminal too."""

    def __init__(self, folder: Path, quiet: set[str]) -> None:
        """`quiet`: processes whose lines never go to the terminal."""
        self.folder = folder
        self.quiet = quiet
        self.is_loud: dict[str, bool] = {}

    def write(self, message: Any) -> None:
        line = message.data.decode(errors="replace") if isinstance(message.data, bytes) else message.data
        with (self.folder / f"{message.name}.log").open("a") as log:
            log.write(line)
        if message.name not in self.quiet and self._is_loud(message.name, line):
            sys.stderr.write(f"{message.name}: {line}")

    def _is_loud(self, name: str, line: str) -> bool:
        """Whether the line is a warning or worse. A line without a level goes with the one before it."""
        if found := LEVEL.search(line):
            self.is_loud[name] = str(found[found.lastgroup or 0]).lower() in LOUD
        elif line.startswith("Traceback "):
            self.is_loud[name] = True
        return self.is_loud.get(name, False)


class Child:
    """One process through all its lives. `pid`: while it runs. `code`: of its last end."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.is_running = False
        self.pid: int | None = None
        self.code: int | None = None
        self.short_lives = 0
        self._is_asked = False
        self._started_at = self._pause_ends_at = 0.0

    def start(self, events: "queue.Queue[Any]") -> None:
        self.is_running, self._started_at = True, time.monotonic()
        threading.Thread(target=self.process.run, args=[events], daemon=True).start()

    def note_end(self, code: int, first_pause_seconds: float) -> float:
        """Returns how long to wait, in seconds, before it is started again."""
        self.is_running, self.pid, self.code = False, None, code
        life = time.monotonic() - self._started_at
        self.short_lives = self.short_lives + 1 if life < SHORT_LIFE_SECONDS else 1
        pause: float = first_pause_seconds * 2 ** (self.short_lives - 1)
        self._pause_ends_at = time.monotonic() + pause
        return pause

    @property
    def is_due(self) -> bool:
        return not self.is_running and time.monotonic() >= self._pause_ends_at

    def ask(self) -> None:
        """Asks it to end, once: the leader alone, which takes its own children down in order."""
        if self.pid and not self._is_asked:
            self._is_asked = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Ends its whole group at once."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


class Supervisor:
    """Runs processes, and starts again what has ended, until somebody asks for the end or one ends again and again.

    Until `is_up` is set, by who knows that all is well, a process that ends is the end of all: what has never run is
    misconfigured.
    """

    def __init__(
        self,
        folder: Path,
        *,
        say: Callable[[str], None],
        on_start: Callable[[], None] = lambda: None,
        on_change: Callable[[dict[str, int]], None] = lambda pids: None,
        first_pause_seconds: float = 0.5,
    ) -> None:
        """`folder`: where the logs go. `on_start`: called once, in a thread. `on_change`: is told who runs now."""
        self.children: dict[str, Child] = {}
        self.given_up: str | None = None
        self.is_ending = False
        self.is_up = False
        self._events: queue.Queue[Any] = queue.Queue()
        self._printer = LogPrinter(folder, quiet={"redis"})
        self._say, self._on_start, self._on_change = say, on_start, on_change
        self._first_pause_seconds = first_pause_seconds
        self._kill_at: float | None = None

    def add(self, name: str, command: str, environment: dict[str, str] | None = None) -> None:
        """`environment`: this process's own, when left out."""
        self.children[name] = Child(GroupProcess(command, name=name, env=environment))

    def loop(self) -> None:
        """Returns when every process has ended for good."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end_by_signal)
        try:
            for child in self.children.values():
                child.start(self._events)
            threading.Thread(target=self._on_start, daemon=True).start()
            while not self.is_ending or self._running():
                self._take_event()
                if self.is_ending:
                    self._end()
                else:
                    self._start_again()
        finally:
            self._kill()

    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self.children.items() if child.pid}

    def _end_by_signal(self, *_: Any) -> None:
        self.is_ending = True

    def _take_event(self) -> None:
        with contextlib.suppress(queue.Empty):
            event = self._events.get(timeout=LOOK_SECONDS)
            match event.type:
                case "line":
                    self._printer.write(event)
                case "start":
                    self.children[event.name].pid = event.data["pid"]
                    self._on_change(self.pids())
                case "stop":
                    self._bear_end_of(event.name, event.data["returncode"])

    def _bear_end_of(self, name: str, code: int) -> None:
        child = self.children[name]
        pause = child.note_end(code, self._first_pause_seconds)
        if self.is_ending:
            return
        if not self.is_up or child.short_lives == MOST_SHORT_LIVES:
            self.given_up, self.is_ending = name, True
        else:
            self._say(f"charites: {name} ended with code {code}; it is started again in {pause:g} s.")

    def _start_again(self) -> None:
        for child in self.children.values():
            if child.is_due:
                child.start(self._events)

    def _running(self) -> set[str]:
        return {name for name, child in self.children.items() if child.is_running}

    def _end(self) -> None:
        """Asks all processes to end, Redis last; who still has not after a while is killed."""
        self._kill_at = self._kill_at or time.monotonic() + KILL_SECONDS
        if time.monotonic() > self._kill_at:
            self._kill()
        for name in self._running() - LAST or self._running():
            self.children[name].ask()

    def _kill(self) -> None:
        for child in self.children.values():
            child.kill()
