"""Whether the files of archived orders are there, whole, and say what the database has kept of them."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import partial
from os.path import realpath
from pathlib import Path
from typing import NamedTuple

from charites.common.transactions import reading, run
from orders import selectors
from orders.archives import ArchiveUnreadable, Filed, digest_of, is_part, read_archive, read_numbers
from orders.models import Archive, Order

MOST_SHOWN = 10  # orders that one finding names


class Stray(StrEnum):
    """What a file in the folder is that the database does not name."""

    UNFINISHED = "part of a file, and no archive. It may be deleted; a run that is writing it ends with an error."
    LEFT = (
        "no archive of this database. Its orders are in it, or in other files; it may be deleted before anything is "
        "archived again."
    )
    SAME = "another name of an archive; left alone."
    FOREIGN = "no archive of ours; left alone."


class CheckedFile(NamedTuple):
    """A file of the database, or of the folder. `wrong`: what is, if anything; `stray`: what it is where the database
    does not name it and has all that it holds."""

    name: str
    wrong: str = ""
    stray: Stray | None = None


def check_archives(*, folder: Path) -> Iterator[CheckedFile]:
    """Yields every file that the database names, oldest first, then those in the folder that it does not. Changes
    nothing; may run beside archiving. Raises OSError where the folder cannot be read, Busy, OutcomeUnknown."""
    found = sorted(folder.glob("orders-*"))  # before the names: whoever commits a file later has not written it yet
    names, archives = set(), set()
    with reading():
        for archive in selectors.each_archive():
            names.add(archive.name)
            archives.add(realpath(folder / archive.name))
            yield CheckedFile(archive.name, find_wrong(archive, folder))
        for path in found:
            if path.name not in names:
                yield CheckedFile(path.name, stray=Stray.SAME) if realpath(path) in archives else check_stray(path)


def check_stray(path: Path) -> CheckedFile:
    """Looks at a file that no row named a moment ago. A run that is killed leaves one, and so does a database that has
    become an older one, or is not the one whose files these are: then it may be the only copy."""
    if is_part(path):
        return CheckedFile(path.name, stray=Stray.UNFINISHED)
    try:
        numbers = read_numbers(path) if path.is_file() else []
    except ArchiveUnreadable:
        numbers = []
    except OSError as error:
        return CheckedFile(path.name, unread(error))
    if not numbers:
        return CheckedFile(path.name, stray=Stray.FOREIGN)
    look = partial(look_up, path.name, numbers)
    archive, gone = run(look, name="check_archive", find=look)
    if archive:
        return CheckedFile(path.name, find_wrong(archive, path.parent))
    if missing := find_missing(gone, path.parent):
        told = ", ".join(map(str, missing[:MOST_SHOWN]))
        return CheckedFile(path.name, f"Neither the database nor a right file of it has these orders: {told}. Keep it.")
    return CheckedFile(path.name, stray=Stray.LEFT)


def look_up(name: str, numbers: Sequence[int]) -> tuple[Archive | None, list[int]]:
    """Returns the row of a file, and which of its orders are not there. Locks the orders first, and so waits for a run
    that is archiving them."""
    orders = Order.objects.filter(order_id__in=numbers).order_by("order_id").select_for_update()
    gone = set(numbers) - set(orders.values_list("order_id", flat=True))
    return selectors.find_archive(name=name), sorted(gone)


def find_missing(gone: Sequence[int], folder: Path) -> list[int]:
    """Which of the orders are in no other file either that the database names, and that is as it should be."""
    archived = selectors.list_archived(order_ids=gone)
    archives = selectors.list_archives(ids={order.archive_id for order in archived.values()})
    right = {archive.pk for archive in archives if not find_wrong(archive, folder)}
    return [order_id for order_id in gone if order_id not in archived or archived[order_id].archive_id not in right]


def find_wrong(archive: Archive, folder: Path) -> str:
    """What is wrong with a file; empty when nothing is."""
    path = folder / archive.name
    try:
        if not path.is_file():
            return "It is not there."
        if digest_of(path) != archive.digest:
            return "It is not as it was written: its SHA-256 is another one."
        filed = list(read_archive(path))
    except (ArchiveUnreadable, OSError) as error:
        return unread(error)
    sums = (len(filed), sum(order.pay_amount for order in filed), sum(order.pieces for order in filed))
    if sums != (archive.orders, archive.amount, archive.pieces):
        return "Its orders come to another sum than was written down of them."
    archived = selectors.list_archived(order_ids=[order.order_id for order in filed])
    kept = {
        Filed(order.order_id, order.user_id, order.status, order.pay_amount, order.pieces)
        for order in archived.values()
        if order.archive_id == archive.pk
    }
    if differing := sorted({order.order_id for order in kept ^ set(filed)}):
        numbers = ", ".join(map(str, differing[:MOST_SHOWN]))
        return f"The database has kept something else of these orders: {numbers}"
    return ""


def unread(error: Exception) -> str:
    return f"It cannot be read: {error}"
