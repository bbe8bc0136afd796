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
from pathlib import Path
from typing import Any, NamedTuple

from django.db.models import Model

from orders.history import History
from orders.models import Order

SUFFIX = ".jsonl.gz"
PART = re.compile(r"orders-\d+-\d+\.[0-9a-f]+\.part")  # the name of a file that is being written
DIGITS = 12  # of the digest, in a name
VERSION = 1
PERSONAL = {"receive_address", "receive_name", "receive_phone", "request_digest"}
READ_BYTES = 1 << 20


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
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=as_text).encode() + b"\n"


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


def read_archive(path: Path) -> Iterator[Filed]:
    """Yields what a file says of its orders. Raises ArchiveUnreadable, OSError."""
    try:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                yield as_filed(json.loads(line))
    except (EOFError, gzip.BadGzipFile, zlib.error, ValueError, KeyError, TypeError) as error:
        raise ArchiveUnreadable(repr(error)) from error


def as_filed(told: dict[str, Any]) -> Filed:
    order = told["order"]
    numbers = (int(order["order_id"]), int(order["user_id"]), order["status"], order["pay_amount"])
    is_closed = order["status"] == Order.Status.CLOSED
    return Filed(*numbers, 0 if is_closed else sum(line["num"] for line in told["lines"]))
