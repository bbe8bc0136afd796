"""What the log says while a test does something."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

from django.conf import settings

from charites.common import logs
from charites.common.events import LOGGER

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def json_lines() -> Iterator[Lines]:
    """Writes the log as JSON while the block runs; gives a function that returns its lines so far."""
    stream, root = io.StringIO(), logging.getLogger()
    before, level = list(root.handlers), root.level

    def lines() -> list[dict[str, Any]]:
        logs.flush()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    try:
        with redirect_stderr(stream):
            logs.configure({"level": "INFO", "as_json": True})
            yield lines
    finally:
        logs.configure(settings.LOGGING)
        root.handlers[:] = before
        root.setLevel(level)


@contextmanager
def facts() -> Iterator[Lines]:
    """The same for the lines of facts alone, without their times, which differ."""
    with json_lines() as lines:
        yield lambda: [without_times(line) for line in lines() if line["logger"] == LOGGER]


def without_times(line: dict[str, Any]) -> dict[str, Any]:
    """A line of a fact as a test compares it."""
    assert line.pop("ms") >= 0
    assert line.pop("timestamp").endswith("Z")
    del line["logger"], line["level"]
    return line
