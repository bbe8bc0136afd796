"""What a provider says it has done in a day, read line by line from its file. Hostile until looked at, as its calls
are."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from django.utils.translation import gettext as _

from charites.common.text import is_key, whole
from orders.models import TRADE_LENGTH
from orders.payments.port import get_provider, is_count, is_currency, is_time

LONGEST_LINE_BYTES = 64 * 1024
MOST_LINES_OF_A_ROW = 100  # a text in quotes may go over several
MOST_SHOWN = 40  # characters of what cannot be


class Kind(StrEnum):
    CAPTURE = "capture"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class StatementLine:
    """Money that came in for our `payment_id`, or went back under our `refund_id`, by the provider's `trade_id`.
    `our_id`: None where the provider knows none of ours: a refund that somebody made on its pages, a chargeback.
    `number`: of the line in the file, from 1."""

    number: int
    kind: Kind
    trade_id: str
    our_id: int | None
    amount: int
    currency: str
    happened_at: datetime


class StatementUnreadable(Exception):
    """A file that is no such statement; its text says which line is wrong, and how. Nothing was booked."""


class WithStatements(Protocol):
    """A provider that can read its own statements. What it raises other than StatementUnreadable is a defect."""

    channel: str

    def read_statement(self, lines: Iterable[str]) -> Iterator[StatementLine]:
        """Yields the lines that are about money; fees and the like are passed over. Raises StatementUnreadable."""


def find_reader() -> WithStatements:
    """Returns the provider in charge. Raises PaymentsUnavailable when there is none, StatementUnreadable when it reads
    no statements."""
    provider: Any = get_provider()
    if not hasattr(provider, "read_statement"):
        raise StatementUnreadable(_("The provider %(channel)s reads no statements.") % {"channel": provider.channel})
    reader: WithStatements = provider
    return reader


def read_statement(path: Path, reader: WithStatements) -> Iterator[StatementLine]:
    """Yields the lines of a file. Raises StatementUnreadable, OSError."""
    for line in reader.read_statement(read_texts(path)):
        if wrong := wrong_fields(line):
            words = [_("%(field)s cannot be %(text)s") % {"field": name, "text": text} for name, text in wrong.items()]
            raise unreadable(line.number, "; ".join(words))
        yield line


def read_texts(path: Path) -> Iterator[str]:
    """Yields the lines of a file in UTF-8, of which no part is held but one line."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST_LINE_BYTES + 1):
            number += 1
            if len(raw) > LONGEST_LINE_BYTES:
                raise unreadable(number, _("it is longer than %(most)s bytes") % {"most": LONGEST_LINE_BYTES})
            try:
                yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise unreadable(number, _("it is no UTF-8")) from error


def rows_of(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows of a CSV, each with the number of its last line; blank lines are passed over. Raises
    StatementUnreadable, also for a row that goes on and on: quotes can gather a whole file into one."""
    ended_at = 0  # the last line of the row before

    def of_one_row() -> Iterator[str]:
        for line in lines:
            if reader.line_num - ended_at == MOST_LINES_OF_A_ROW:
                words = _("its row goes over more than %(most)s lines") % {"most": MOST_LINES_OF_A_ROW}
                raise unreadable(ended_at + 1, words)
            yield line

    reader = csv.reader(of_one_row(), strict=True)
    try:
        for cells in reader:
            ended_at = reader.line_num
            if cells:
                yield ended_at, cells
    except csv.Error as error:
        raise unreadable(reader.line_num, str(error)) from error


def number_in(text: str) -> Any:
    """A whole number, or the text where it is none: `read_statement` refuses that, and says what stands there."""
    number = whole(text)
    return text if number is None else number


def wrong_fields(line: StatementLine) -> dict[str, str]:
    """Returns the fields of a line that cannot be true, each with what was read."""
    fine = {
        "trade_id": is_key(line.trade_id, TRADE_LENGTH),
        "our_id": line.our_id is None or is_count(line.our_id),
        "amount": is_count(line.amount),
        "currency": is_currency(line.currency),
        "happened_at": is_time(line.happened_at),
    }
    read = {name: getattr(line, name) for name, is_fine in fine.items() if not is_fine}
    return {name: repr(value[:MOST_SHOWN]) if isinstance(value, str) else str(value) for name, value in read.items()}


def unreadable(number: int, reason: str) -> StatementUnreadable:
    return StatementUnreadable(_("Line %(number)s: %(reason)s.") % {"number": number, "reason": reason})
