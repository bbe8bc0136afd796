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


class HowFar(NamedTuple):
    """`lanes`: none before the buyers run; until then `ready` of so many `processes` have started."""

    lanes: Sequence[Lane] = ()
    ready: int = 0
    processes: int = 0


def write_progress(far: HowFar, file: Path) -> None:
    """Writes it in one step: who reads it meanwhile sees all of it."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(json.dumps(far))
    draft.replace(file)


def read_progress(file: Path) -> HowFar:
    """Returns what was written last; nothing before a race has begun."""
    try:
        lanes, ready, processes = json.loads(file.read_text())
    except FileNotFoundError:
        return HowFar()
    return HowFar([Lane(*lane) for lane in lanes], ready, processes)
