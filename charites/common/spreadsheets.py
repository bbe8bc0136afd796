"""Tables as files that a spreadsheet opens, CSV and XLSX: written so that no cell is a formula, and read within bounds.

Whoever opens a file trusts it; what stands in a cell came from anybody. In CSV an apostrophe goes before a text that
would be a formula, and is taken away when the file comes back. In XLSX such a cell is a text and marked as one.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zipfile import ZipFile

from django.utils import timezone
from django.utils.translation import gettext as _
from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils import get_column_letter

from charites.common.money import places_of, typed

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
TEXT = "'"  # spreadsheets' own mark for: what follows is a text
DELIMITERS = ",;\t"
MOST_EXACT = 10**15  # a number of XLSX has as many digits
MOST_IN_CELL = 32_767  # of XLSX, in units of UTF-16; of a longer text its library keeps the beginning without a word
MOST_UNPACKED_BYTES = 4 * 1024 * 1024  # of the parts of an XLSX
MOST_TAGS = 300_000  # of its parts, which its library keeps while it reads a row: 500 rows of 64 full cells have fewer
MOST_READ_AGAIN = 4  # times as many, where each of its sheets were as long: as many names may lead to the same part
MOST_SHEETS = 50
SHEET = re.compile(rb"<(?:[^<>\s/:]*:)?sheet\s")
DOCTYPES = tuple("<!DOCTYPE".encode(name) for name in ("utf-8", "utf-16-le", "utf-16-be"))  # what parsers know unasked
COMPUTED_TEXT = "str"  # what a cell of XLSX says of itself
MOST_COLUMNS = 64
MOST_EMPTY = 10  # rows of a sheet for each that may hold something
TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in the smallest units of a currency."""

    units: int
    currency: str


Cell = str | int | Amount | datetime | None


class Line(NamedTuple):
    """A row of a file that was read, with where it begins there, from 1."""

    number: int
    cells: list[str]


class Unreadable(Exception):
    """A file that is no such table; the text is for whoever sent it."""


class Unwritable(Exception):
    """A table that this kind of file cannot hold; the text is for whoever asked for it."""


def defused(text: str) -> str:
    return TEXT + text if text.lstrip(TEXT).startswith(FORMULA) else text


def as_typed(text: str) -> str:
    """The text that `defused` has made this of."""
    return text[1:] if text.startswith(TEXT) and text.lstrip(TEXT).startswith(FORMULA) else text


def local_time(moment: datetime) -> datetime:
    """To the second, in the zone that is active."""
    return timezone.localtime(moment).replace(tzinfo=None, microsecond=0)


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Returns a file in UTF-8 that says so, or spreadsheets would take it for something else."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)
    return file.getvalue().encode("utf-8-sig")


def csv_cell(cell: Cell) -> str | int:
    match cell:
        case None:
            return ""
        case str():
            return defused(cell)
        case Amount():
            return typed(cell.units, cell.currency)
        case datetime():
            return f"{local_time(cell):{TIME}}"
        case _:
            return cell


def as_xlsx(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Returns a file of one sheet. Rows go through a temporary file; none is kept in memory. Raises Unwritable, which
    names a row by its first cell."""
    book, file = Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet()
    sheet.append(list(header))
    try:
        for row in rows:
            check_lengths(header, row)
            sheet.append([xlsx_cell(sheet, cell) for cell in row])
    finally:
        book.save(file)  # only then its temporary file is taken away
    return file.getvalue()


def check_lengths(header: Sequence[str], row: Sequence[Cell]) -> None:
    """Raises Unwritable: whoever takes the file for all that there is would bring half of it back."""
    for column, cell in zip(header, row, strict=True):
        if isinstance(cell, str) and len(cell.encode("utf-16-le")) > 2 * MOST_IN_CELL:
            text = _("%(column)s of %(row)s has more than the %(most)s characters of a cell of XLSX. Take CSV.")
            words = {"column": column, "row": f"{header[0]} {row[0]}", "most": f"{MOST_IN_CELL:,}"}
            raise Unwritable(text % words)


def xlsx_cell(sheet: Any, cell: Cell) -> Any:
    match cell:
        case str():
            return xlsx_text(sheet, cell)
        case datetime():
            return formatted(sheet, local_time(cell), "yyyy-mm-dd hh:mm:ss")
        case Amount() if abs(cell.units) < MOST_EXACT:
            places = places_of(cell.currency)
            return formatted(sheet, Decimal(typed(cell.units, cell.currency)), f"0.{'0' * places}" if places else "0")
        case Amount():
            return typed(cell.units, cell.currency)
        case int() if abs(cell) >= MOST_EXACT:
            return str(cell)
        case _:
            return cell


def xlsx_text(sheet: Any, text: str) -> Any:
    text = ILLEGAL_CHARACTERS_RE.sub("", text)
    if not text.startswith(FORMULA):
        return text
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type, cell.quotePrefix = "s", True
    return cell


def formatted(sheet: Any, value: Any, number_format: str) -> Any:
    cell = WriteOnlyCell(sheet, value=value)
    cell.number_format = number_format
    return cell


def read_table(content: bytes, *, most: int) -> list[Line]:
    """Returns the lines of a CSV or XLSX file that are not empty, the first of them the header, and `most` after it at
    most; empty cells at the end of one are left out. Raises Unreadable."""
    lines = read_xlsx(content, most) if content.startswith(b"PK\x03\x04") else read_csv(content)
    found = []
    for number, cells in lines:
        if used := max((place for place, cell in enumerate(cells, start=1) if cell), default=0):
            found.append(Line(number, cells[:used]))
        if len(found) > most + 1:
            raise Unreadable(_("There are more than %(most)s rows.") % {"most": most})
    if not found:
        raise Unreadable(_("The file is empty."))
    return found


def read_csv(content: bytes) -> Iterator[Line]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(_("This is neither XLSX nor CSV in UTF-8. In Excel, save it as “CSV UTF-8”.")) from error
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count), strict=True)
    begins = 1
    try:
        for cells in reader:
            yield Line(begins, [as_typed(cell.strip()) for cell in cells])
            begins = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(_("Line %(line)s is no CSV.") % {"line": begins}) from error


def read_xlsx(content: bytes, most: int) -> list[Line]:
    """Reads the one sheet that holds something, of those that are seen; of a formula, the value that it had: one that
    no spreadsheet has computed is refused."""
    try:
        check_parts(content)
        values, formulas = (
            load_workbook(io.BytesIO(content), read_only=True, data_only=only) for only in (True, False)
        )
        place = place_of_sheet(formulas, MOST_EMPTY * most + 1)
        rows = sheet_rows(values.worksheets[place], MOST_EMPTY * most + 1, MOST_COLUMNS)
        all_written = rows_as_written(formulas.worksheets[place], MOST_EMPTY * most + 1)
        lines = []
        for number, (cells, written) in enumerate(zip(rows, all_written, strict=True), start=1):
            check_columns(written)
            check_computed(number, cells, written)
            lines.append(Line(number, [as_text(cell.value) for cell in cells]))
    except Unreadable:
        raise
    except Exception as error:  # whatever is wrong in it: the library raises what it stumbles over
        raise Unreadable(_("This XLSX file cannot be read.")) from error
    if len(lines) > MOST_EMPTY * most:
        raise Unreadable(_("There are more than %(most)s rows.") % {"most": most})
    return lines


def place_of_sheet(book: Any, most: int) -> int:
    """Which of the sheets is read. Raises Unreadable where that could be another one than is meant."""
    seen = [place for place, sheet in enumerate(book.worksheets) if sheet.sheet_state == "visible"]
    full = [place for place in seen if holds_something(book.worksheets[place], most)]
    if len(full) > 1:
        names = ", ".join(book.worksheets[place].title for place in full)
        raise Unreadable(
            _("Several sheets hold something: %(sheets)s. Leave one of them in the file.") % {"sheets": names}
        )
    return (full or seen)[0]


def holds_something(sheet: Any, most: int) -> bool:
    """Also where it has more rows than are looked at."""
    rows = enumerate(sheet_rows(sheet, most, MOST_COLUMNS), start=1)
    return any(number == most or any(cell.value is not None for cell in cells) for number, cells in rows)


def sheet_rows(sheet: Any, most: int, columns: int) -> Iterator[Sequence[Any]]:
    """The first cells of a sheet, row by row."""
    sheet.reset_dimensions()  # they are what the file says, whatever it holds
    rows: Iterator[Sequence[Any]] = sheet.iter_rows(max_row=most, max_col=columns)
    return rows


def rows_as_written(sheet: Any, most: int) -> Iterator[Sequence[Any]]:
    """What stands in all the cells of a sheet, row by row; each row is as long as it is there."""
    sheet.reset_dimensions()
    rows: Iterator[Sequence[Any]] = sheet.iter_rows(max_row=most, values_only=True)
    return rows


def check_columns(written: Sequence[Any]) -> None:
    """Raises Unreadable, where something stands beside what is read."""
    beside = written[MOST_COLUMNS:]
    if beside.count(None) == len(beside):  # a row may be very long
        return
    place = next(place for place, value in enumerate(beside, start=MOST_COLUMNS + 1) if value is not None)
    text = _("Something stands in column %(column)s: there may be %(most)s columns at most.")
    raise Unreadable(text % {"column": get_column_letter(place), "most": MOST_COLUMNS})


def check_computed(number: int, cells: Sequence[Any], written: Sequence[Any]) -> None:
    """Raises Unreadable, where a formula has no value: what it means is not nothing. One that is computed to an empty
    text has none either, but the file says that it is a text."""
    missing = (
        cell.value is None and cell.data_type != COMPUTED_TEXT and value is not None
        for cell, value in zip(cells, written, strict=False)  # these end where the row does
    )
    if any(missing):
        text = _("A formula in line %(line)s has no value yet. Open the file in a spreadsheet, and save it.")
        raise Unreadable(text % {"line": number})


def check_parts(content: bytes) -> None:
    """A small file may unpack to a large one, and XML may name what is not in it. Raises Unreadable."""
    tags = sheets = 0
    with ZipFile(io.BytesIO(content)) as parts:
        if sum(part.file_size for part in parts.infolist()) > MOST_UNPACKED_BYTES:
            raise Unreadable(_("This XLSX file is too large."))
        for part in parts.infolist():
            text = parts.read(part)
            if any(doctype in text for doctype in DOCTYPES):
                raise Unreadable(_("This XLSX file cannot be read."))
            tags += text.count(b"<")
            sheets += len(SHEET.findall(text.replace(b"\0", b"")))  # UTF-16, too
    if tags > MOST_TAGS or tags * sheets > MOST_READ_AGAIN * MOST_TAGS or sheets > MOST_SHEETS:
        raise Unreadable(_("This XLSX file is too large."))


def as_text(value: Any) -> str:
    """The value of a cell as one would type it."""
    if isinstance(value, float):  # of which a spreadsheet shows 15 digits: there 1.1 + 2.2 is 3.3
        return f"{Decimal(f'{value:.15g}'):f}"
    if isinstance(value, datetime):
        return f"{value:{TIME}}"
    return "" if value is None else str(value).strip()
