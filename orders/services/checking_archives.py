"""Whether the files of archived orders are there, whole, and say what the database has kept of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from orders import selectors
from orders.archives import ArchiveUnreadable, Filed, digest_of, read_archive
from orders.models import Archive

MOST_SHOWN = 10  # orders that one finding names


class CheckedFile(NamedTuple):
    """A file of the database, or of the folder. `wrong`: what is, if anything; `is_ours`: the database names it."""

    name: str
    wrong: str = ""
    is_ours: bool = True


def check_archives(*, folder: Path) -> Iterator[CheckedFile]:
    """Yields every file that the database names, oldest first, then those in the folder that it does not: whoever wrote
    them died, and their orders are all there. Changes nothing. Raises OSError."""
    names = set()
    for archive in selectors.each_archive():
        names.add(archive.name)
        yield CheckedFile(archive.name, find_wrong(archive, folder))
    for path in sorted(folder.glob("orders-*")):
        if path.name not in names:
            yield CheckedFile(path.name, is_ours=False)


def find_wrong(archive: Archive, folder: Path) -> str:
    """What is wrong with a file; empty when nothing is."""
    path = folder / archive.name
    if not path.is_file():
        return "It is not there."
    if digest_of(path) != archive.digest:
        return "It is not as it was written: its SHA-256 is another one."
    try:
        filed = list(read_archive(path))
    except ArchiveUnreadable as error:
        return f"It cannot be read: {error}"
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
