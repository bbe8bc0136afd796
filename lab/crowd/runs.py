"""Runs of a crowd as files: what was asked for, how far it is, what came of it. One run at a time.

Whoever has the lock may begin one. The web process that begins it takes the lock and hands it to the program that
buys; it ends with that program, however that ends. So a run whose file says that it is under way, while nobody has the
lock, was cut off.

    RUNNING ──> DONE      it ended, with its result
       └──────> FAILED    it could not be carried out; the log says why
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from charites.common.folders import is_locked, lock

MOST_KEPT = 20
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)  # what a file brings that holds no run


class State(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Told(StrEnum):
    """What a buyer was told; NO_ANSWER also where the shop says that nobody knows."""

    GOT_IT = "got_it"
    SOLD_OUT = "sold_out"
    LIMITED = "limited"
    NOT_STARTED = "not_started"
    OVER = "over"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Rows:
    """What the shop's rows say after a run, and where that is not what the buyers were told.

    `pieces` are those that stock has under the orders. `missing`: buyers who got it, without a row; `unexpected`: who
    were refused, with one; `late`: who had no answer, with one, which is as it should be. `broken`: rules of the audit
    that the product breaks.
    """

    orders: int
    pieces: int
    wanted_pieces: int
    missing: int
    unexpected: int
    late: int
    broken: list[str]

    @property
    def agree(self) -> bool:
        return not (self.missing or self.unexpected or self.broken) and self.pieces == self.wanted_pieces


@dataclass(frozen=True, slots=True)
class Run:
    """`key` is the idempotency key of every buyer's order; `stock`: pieces that were made available before, None: as
    it was; `seconds`: from the first request to the last answer."""

    room_id: int
    goods_id: int
    buyers: int
    quantity: int
    key: str
    stock: int | None = None
    state: State = State.RUNNING
    told: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    rows: Rows | None = None
    why: str = ""  # of the first answer that nobody foresaw

    @property
    def answered(self) -> int:
        return sum(self.told.values())


class RunUnderWay(Exception):
    """There is a run, or a room is being put back."""


def folder() -> Path:
    """Where this shop's runs are: beside what else its processes on this machine share."""
    made = Path(settings.METRICS_DIR or settings.BASE_DIR / "var") / f"crowd-{settings.SHOP}"
    made.mkdir(parents=True, exist_ok=True)
    return made


@contextmanager
def alone() -> Iterator[IO[str]]:
    """Inside, nobody else begins a run; the lock is the file's, and goes with it to whoever it is handed to. Raises
    RunUnderWay."""
    with (folder() / "lock").open("a") as file:
        try:
            lock(file)
        except BlockingIOError as error:
            raise RunUnderWay from error
        yield file


def is_under_way() -> bool:
    """Whether somebody has the lock."""
    with (folder() / "lock").open("a") as file:
        return is_locked(file)


def next_file() -> Path:
    """A file for a run that begins now; the oldest go. For whoever has the lock."""
    files = newest_first()
    for old in files[MOST_KEPT:]:
        old.unlink(missing_ok=True)
    number = int(files[0].stem) if files else 0
    return folder() / f"{number + 1:09}.json"


def newest_first() -> list[Path]:
    return sorted(folder().glob("[0-9]*.json"), reverse=True)


def find_last(room_id: int) -> Run | None:
    """The last run in a room, of those that are kept."""
    for file in newest_first():
        with suppress(FileNotFoundError, *UNREADABLE):  # it has just gone, or another version has written it
            if (run := read(file)).room_id == room_id:
                return run
    return None


def read(file: Path) -> Run:
    found: dict[str, Any] = json.loads(file.read_text())
    rows = found.pop("rows")
    return Run(**found | {"state": State(found["state"]), "rows": rows and Rows(**rows)})


def write(run: Run, file: Path) -> None:
    """In one step: who reads it meanwhile sees all of it."""
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(run)))
    draft.replace(file)
