"""Files of orders that have left the database: gzip, a JSON object a line, an order each, with every row about it.

Name, phone and address are not in them: nobody could make a file forget. Columns have their own names; ids are texts,
as in all JSON of ours, times are UTC.
"""

import gzip
import hashlib
import json
import os
import re
import secrets
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from django.db.models import Model

from charites.common.models import MAX_INT64
from orders.history import History
from orders.models import Order

SUFFIX = ".jsonl.gz"
PART = re.compile(r"orders-\d+-\d+\.[0-9a-f]+\.part")  # the name of a file that is being written
DIGITS = 12  # of the digest, in a name
VERSION = 1
UNREADABLE = (EOFError, gzip.BadGzipFile, zlib.error, ValueError, KeyError, TypeError, RecursionError)
PERSONAL = {"receive_address", "receive_name", "receive_phone", "request_digest"}
ANY_SIZE = 1 << 62
MOST_BYTES, MOST_ORDERS = 256 * 1024 * 1024, 10_000  # of a file that may be anybody's, unpacked


class ArchiveFile(NamedTuple):
    """A file that is on the disk; `digest`: SHA-256."""

    name: str
    digest: str


class Filed(NamedTuple):
    """What a file says of an order, as far as it is kept here as well."""

    order_id: int
    user_id: int
    status: int
    pay_amount: int
    pieces: int  # that it sold


class ArchiveUnreadable(Exception):
    """A file that is no archive, or not whole any more."""


def write_archive(folder: Path, histories: Sequence[History]) -> ArchiveFile:
    """Writes orders to a file, and returns once the disk has it whole. It is called after its first and last order and
    its digest: two files of one name are the same, whoever wrote them. Raises OSError."""
    numbers = [history.order.order_id for history in histories]
    name = f"orders-{min(numbers)}-{max(numbers)}"
    part = folder / f"{name}.{secrets.token_hex(8)}.part"  # of this call alone, whoever else writes the same orders
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb") as raw:
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                for history in histories:
                    packed.write(as_line(history))
            raw.flush()
            os.fsync(raw.fileno())
        digest = digest_of(part)
        file = ArchiveFile(f"{name}-{digest[:DIGITS]}{SUFFIX}", digest)
        part.replace(folder / file.name)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(folder)
    return file


def as_line(history: History) -> bytes:
    """One order, all on one line."""
    rows: dict[str, Sequence[Model]] = {
        "lines": history.lines,
        "stock_records": history.records,
        "payments": history.payments,
        "refunds": history.refunds,
        "returned": history.returned,
    }
    told = {"v": VERSION, "order": as_columns(history.order)}
    told |= {name: [as_columns(row) for row in found] for name, found in rows.items()}
    line = json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=as_text)
    # Half a character, which JSON in the database may hold, becomes the escape that JSON has for it.
    return line.encode(errors="backslashreplace") + b"\n"


def as_columns(row: Model) -> dict[str, Any]:
    """The columns of a row, but for name, phone and address, and the digest of a request that had them."""
    values = {str(field.column): field.value_from_object(row) for field in row._meta.concrete_fields}
    return {
        column: str(value) if is_id(column) and value is not None else value
        for column, value in values.items()
        if column not in PERSONAL
    }


def is_id(column: str) -> bool:
    return column == "id" or column.endswith("_id")


def as_text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def sync_folder(folder: Path) -> None:
    """Returns once the disk knows the names in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_part(path: Path) -> bool:
    """Whether a file has the name of one that is being written: no order leaves while it has that name."""
    return bool(PART.fullmatch(path.name))


def digest_of(path: Path) -> str:
    """The SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_archive(path: Path, *, most_bytes: int = ANY_SIZE) -> Iterator[Filed]:
    """Yields what a file says of its orders. Raises ArchiveUnreadable, also where it holds more, unpacked; OSError."""
    left = most_bytes
    try:
        with gzip.open(path, "rb") as lines:
            while line := lines.readline(left + 1):
                left -= len(line)
                if left < 0:
                    raise ArchiveUnreadable(f"it holds more than {most_bytes} bytes")
                yield as_filed(json.loads(line))
    except UNREADABLE as error:
        raise ArchiveUnreadable(repr(error)) from error


def read_numbers(path: Path) -> list[int]:
    """Returns which orders a file has that may be anybody's. Raises ArchiveUnreadable, OSError."""
    filed = islice(read_archive(path, most_bytes=MOST_BYTES), MOST_ORDERS + 1)
    numbers = [order.order_id for order in filed]
    if not 0 < len(numbers) <= MOST_ORDERS:
        raise ArchiveUnreadable("it has no orders, or more than one file of ours")
    return numbers


def as_filed(told: dict[str, Any]) -> Filed:
    order = told["order"]
    order_id, user_id = as_number(order["order_id"]), as_number(order["user_id"])
    status, pay_amount = as_number(order["status"]), as_number(order["pay_amount"])
    pieces = 0 if status == Order.Status.CLOSED else sum(as_number(line["num"]) for line in told["lines"])
    return Filed(order_id, user_id, status, pay_amount, pieces)


def as_number(told: object) -> int:
    """A number as the database has it, from its text or itself. Raises ValueError."""
    number = int(told) if isinstance(told, int | str) else -1
    if not 0 <= number <= MAX_INT64:
        raise ValueError(f"{type(told).__name__} is no number of ours")
    return number
