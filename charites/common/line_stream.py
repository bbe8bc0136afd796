"""Lines of the log that are written often, on their way to a stream."""

import atexit
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TextIO

from prometheus_client import Counter

MOMENT_SECONDS, FLUSH_SECONDS = 0.05, 1.0  # for which access lines are collected; how long the end waits for a writer
MOST_LINES = 20_000  # that wait to be written: a few seconds of all that a process can do
LINES_DROPPED = Counter("charites_access_lines_dropped", "Lines that the log was too slow for.")


class AccessStream:
    """Collects lines; a thread of its own writes those of a moment in one go. To write lets go of Python's lock, which
    for every line costs a busy server more than the line; and nobody waits for who reads the log. Lines that cannot be
    written are dropped, as the standard library does it: a full disk makes no answer untrue. A process that is killed
    takes its last moment along.
    """

    def __init__(self, stream: TextIO, seconds: float = MOMENT_SECONDS) -> None:
        self._stream, self._seconds = stream, seconds
        self.forget()
        os.register_at_fork(after_in_child=self.forget)  # the parent writes what it has collected
        atexit.register(self.flush)

    def forget(self) -> None:
        self._lines: deque[str] = deque()
        self._has_lines, self._writing = threading.Event(), threading.Lock()
        self._has_thread = False

    def write_to(self, stream: TextIO) -> None:
        """From now on the lines go elsewhere."""
        self._stream = stream

    def msg(self, line: str) -> None:
        if len(self._lines) >= MOST_LINES:
            LINES_DROPPED.inc()
            return
        self._lines.append(line)
        if not self._has_lines.is_set():
            self._has_lines.set()
            self._start_thread()

    debug = info = warning = error = msg

    def _start_thread(self) -> None:
        if not self._has_thread:
            self._has_thread = True
            try:
                threading.Thread(target=self._write, name="access-log", daemon=True).start()
            except RuntimeError:  # no thread left, or Python is about to end
                self._has_thread = False
                self.flush()

    def _write(self) -> None:
        while True:
            self._has_lines.wait()
            time.sleep(self._seconds)
            self._has_lines.clear()
            self.flush()

    def flush(self) -> None:
        """Writes what was collected, unless whoever writes is held up."""
        if not self._writing.acquire(timeout=FLUSH_SECONDS):
            return
        try:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            with suppress(OSError, ValueError):  # ValueError: the stream is closed
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()
        finally:
            self._writing.release()
