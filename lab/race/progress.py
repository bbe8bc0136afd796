"""How far a race is, in a file: for whoever shows it and is another program."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Lane(NamedTuple):
    """A strategy, and how many of its buyers have their answer."""

    strategy: str
    answered: int
    buyers: int


def write_progress(lanes: Sequence[Lane], file: Path) -> None:
    """Writes it in one step: who reads it meanwhile sees all of it."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(json.dumps(lanes))
    draft.replace(file)


def read_progress(file: Path) -> list[Lane]:
    """Returns what was written last; nothing before a race has begun."""
    try:
        return [Lane(*lane) for lane in json.loads(file.read_text())]
    except FileNotFoundError:
        return []
