"""The processes of a race, as their parent sees them."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
ANSWER_SECONDS = 120.0  # without a word for so long, something hangs
LAST_LINES = 15


_asked_to_end = threading.Event()


def end_race(*_signal: object) -> None:
    """Handles Ctrl-C. Python drops an exception that meets a finaliser, so it is remembered as well: the next word of
    a child brings it up again."""
    _asked_to_end.set()
    raise KeyboardInterrupt


class RaceFailed(Exception):
    """A race that could not be run to its end, and why."""


class Child:
    """A program of the race. Lines of JSON go to it and come from it.

    It runs in a session of its own, so Ctrl-C is the parent's; it ends when the parent ends it, or is gone.
    """

    def __init__(self, module: str, *words: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = module.rpartition(".")[2]
        self._log = folder / f"{self.name}-{os.urandom(4).hex()}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Ends the process at once: whatever it has open is the race's own and is thrown away."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):  # words that it did not listen to any more
                if pipe:
                    pipe.close()

    def say(self, **words: Any) -> None:
        """Tells the program something. Raises RaceFailed when it is gone."""
        try:
            assert self._process.stdin
            self._process.stdin.write(json.dumps(words) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failed("ended early") from error

    def hear(self) -> dict[str, Any]:
        """Returns the program's next words. Raises RaceFailed when it is gone or has nothing to say for long, and
        KeyboardInterrupt when the race was asked to end."""
        if _asked_to_end.is_set():
            _asked_to_end.clear()
            raise KeyboardInterrupt
        try:
            line = self._lines.get(timeout=ANSWER_SECONDS)
        except queue.Empty as error:
            raise self._failed(f"said nothing for {ANSWER_SECONDS:.0f} s") from error
        if not line:
            raise self._failed("ended early")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def ask(self, **words: Any) -> dict[str, Any]:
        self.say(**words)
        return self.hear()

    def _failed(self, what: str) -> RaceFailed:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return RaceFailed("\n".join([f"The process {self.name} {what}:", *lines[-LAST_LINES:]]))
