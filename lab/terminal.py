"""Where commands that tables and panels suit write to."""

from typing import TextIO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console


def console_on(stream: OutputWrapper) -> Console:
    """Returns a rich console on a command's stdout or stderr."""
    stream.ending = ""  # rich ends its own lines
    return Console(file=cast(TextIO, stream))
