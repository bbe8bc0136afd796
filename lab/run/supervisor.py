"""Honcho's manager, made strict and quiet: one dead process ends all, nothing is left behind, logs go to files."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import honcho.manager
from honcho.process import Popen, Process

# How long a process may take to end after it was asked, before it is killed.
honcho.manager.KILL_WAIT = 12

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
        self._child_ctor = self._start
        super().run(events, ignore_signals)

    def _start(self, *arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        child: subprocess.Popen[bytes] = Popen(*arguments, stdin=subprocess.DEVNULL, **options)
        threading.Thread(target=end_group_of, args=[child], daemon=True).start()
        return child


def end_group_of(child: subprocess.Popen[bytes]) -> None:
    child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def later(seconds: float, function: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()


class LogPrinter:
    """Writes every line to `<folder>/<name>.log`, and warnings, errors and what follows them to the terminal too."""

    width = 0

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


class Supervisor(honcho.manager.Manager):
    """Runs processes until one ends or somebody asks for the end, then ends all of them."""

    def __init__(self, folder: Path, on_start: Callable[[], None]) -> None:
        """`folder`: where the logs go. `on_start`: called once, when every process has been started."""
        super().__init__(LogPrinter(folder, quiet={"system", "redis"}))
        self._process_ctor = GroupProcess
        self.on_start = on_start
        self.first_stopped: str | None = None

    def add(self, name: str, command: str, environment: dict[str, str] | None = None) -> None:
        """`environment`: this process's own, when left out."""
        self.add_process(name, command, env=environment)

    def _start(self) -> None:
        super()._start()
        # Honcho forks in there, and a fork is only safe before the first thread.
        threading.Thread(target=self.on_start, daemon=True).start()

    def loop(self) -> None:
        try:
            super().loop()
        finally:
            self.kill()

    def terminate(self) -> None:
        """Asks all processes to end; who still has not after a while is killed."""
        if not self._all_started():  # a signal in the first moments: honcho does not know every pid yet
            later(0.1, self.terminate)
            return
        if not self._terminating:
            self.first_stopped = next(iter(self.return_codes()), None)
            later(honcho.manager.KILL_WAIT, self.kill)
        super().terminate()

    def _killall(self, force: bool = False) -> None:
        """Asks the leaders alone, who take their own children down in order; `force` kills whole groups."""
        if force:
            super()._killall(force=True)
            return
        self._ask(self.pids().keys() - LAST)
        threading.Thread(target=self._ask_last, daemon=True).start()

    def _ask_last(self) -> None:
        while self.pids().keys() - LAST - self.return_codes().keys():
            time.sleep(0.05)
        self._ask(LAST)

    def _ask(self, names: Set[str]) -> None:
        for name in names & self.pids().keys() - self.return_codes().keys():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pids()[name], signal.SIGTERM)

    def pids(self) -> dict[str, int]:
        return {name: process["pid"] for name, process in self._processes.items() if "pid" in process}

    @property
    def is_started(self) -> bool:
        return bool(self._all_started())

    def return_codes(self) -> dict[str, int]:
        """Returns name -> return code of the processes that have ended."""
        ended = {name: process.get("returncode") for name, process in self._processes.items()}
        return {name: code for name, code in ended.items() if code is not None}
