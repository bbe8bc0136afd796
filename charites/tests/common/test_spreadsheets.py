"""Tables as CSV and XLSX."""

import io
import zipfile
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from openpyxl import Workbook, load_workbook

from charites.common import spreadsheets
from charites.common.spreadsheets import Amount, Line, Unreadable, Unwritable, as_csv, as_xlsx, read_table

NOON = datetime(2026, 6, 1, 12, 0, 0, 5, tzinfo=UTC)
EVENING = datetime(2026, 6, 1, 20, tzinfo=UTC).replace(tzinfo=None)
NUMBER = 650487761299570701  # longer than what XLSX has digits for
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1"]
DOCTYPE, ENCODINGS = '<!DOCTYPE a [<!ENTITY b "c">]>', ("utf-8", "utf-16", "utf-16-le", "utf-16-be")


def sheet_of(content: bytes):
    return load_workbook(io.BytesIO(content)).worksheets[0]


def xlsx(*rows) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(file)
    return file.getvalue()


def rewritten(content: bytes, *changes: tuple[str, str]) -> bytes:
    """A file as other programs write it: with other words in its parts."""
    parts, file = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(file, "w") as changed:
        for name in parts.namelist():
            text = parts.read(name).decode()
            for old, new in changes:
                text = text.replace(old, new)
            changed.writestr(name, text)
    return file.getvalue()


def test_csv_has_amounts_in_their_places_and_times_of_the_active_zone():
    row = ["茶, green", NUMBER, Amount(1990, "CNY"), Amount(1990, "JPY"), Amount(-5, "CNY"), NOON, None]

    with timezone.override(ZoneInfo("Asia/Shanghai")):
        content = as_csv([*"abcdefg"], [row])

    header, line = content.decode("utf-8-sig").splitlines()
    assert content.startswith(b"\xef\xbb\xbf")
    assert header == "a,b,c,d,e,f,g"
    assert line == f'"茶, green",{NUMBER},19.90,1990,-0.05,2026-06-01 20:00:00,'


def test_xlsx_has_numbers_times_and_exact_texts():
    row = ["茶", NUMBER, 7, Amount(1990, "CNY"), Amount(1990, "JPY"), Amount(10**17, "CNY"), NOON, None, "a\x00b"]

    with timezone.override(ZoneInfo("Asia/Shanghai")):
        sheet = sheet_of(as_xlsx([*"abcdefghi"], [row]))

    cells = sheet[2]
    assert [cell.value for cell in cells] == [
        *("茶", str(NUMBER), 7, 19.9, 1990, "1000000000000000.00", EVENING, None, "ab")
    ]
    assert (cells[3].number_format, cells[4].number_format) == ("0.00", "0")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula(text):
    (cell,) = as_csv(["a"], [[text]]).decode("utf-8-sig").split("\r\n", 1)[1:]
    assert cell.strip('"').startswith("'")
    written = sheet_of(as_xlsx(["a"], [[text]]))["A2"]
    assert (written.data_type, written.quotePrefix) == ("s", True)


@pytest.mark.parametrize("text", ["=1+1", "'=1", "'", "plain", "-1"])
def test_text_that_was_written_is_read_as_it_was(text):
    for write in (as_csv, as_xlsx):
        assert read_table(write(["a"], [[text]]), most=1)[1].cells == [text]


@pytest.mark.parametrize("text", ["x" * 32_767, "茶" * 32_767, "🍵" * 16_383])
def test_longest_text_of_a_cell_is_written_whole(text):
    assert read_table(as_xlsx(["a"], [[text]]), most=1)[1].cells == [text]


@pytest.mark.parametrize("text", ["x" * 32_768, "=" + "x" * 32_767, "🍵" * 16_384])
def test_text_that_no_cell_of_xlsx_holds_is_refused_and_named_and_csv_has_it(text):
    header, rows = ["id", "detail"], [[7, "short"], [8, text]]

    with pytest.raises(Unwritable) as refusal:
        as_xlsx(header, rows)

    assert str(refusal.value) == "detail of id 8 has more than the 32,767 characters of a cell of XLSX. Take CSV."
    assert read_table(as_csv(header, rows), most=2)[2].cells == ["8", text]


def test_file_that_is_not_written_to_its_end_leaves_none_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with pytest.raises(Unwritable):
        as_xlsx(["a"], [["first"], ["x" * 32_768]])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_whatever_its_delimiter_and_lines_have_their_numbers(delimiter):
    rows = [["id", "title"], ["1", '"two\nlines"'], ["", ""], ["2", " b "]]
    content = "\r\n".join(delimiter.join(row) for row in rows).encode()

    assert read_table(content, most=5) == [Line(1, ["id", "title"]), Line(2, ["1", "two\nlines"]), Line(5, ["2", "b"])]


def test_xlsx_is_read_as_it_would_be_typed():
    content = xlsx(["id", "price"], [1.0, 19.9], [None, None], [2, EVENING])

    assert read_table(content, most=5) == [
        *(Line(1, ["id", "price"]), Line(2, ["1", "19.9"]), Line(4, ["2", "2026-06-01 20:00:00"]))
    ]


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("3.3000000000000003", "3.3"),
        ("0.30000000000000004", "0.3"),
        ("19.899999999999999", "19.9"),
        ("1.0000000000000001E-5", "0.00001"),
        ("2.9999999999999996", "3"),
        ("1.23456789012345E+17", "123456789012345000"),
    ],
)
def test_number_is_read_with_the_digits_that_a_spreadsheet_shows(stored, typed):
    content = rewritten(xlsx(["price"], [4711]), ("<v>4711</v>", f"<v>{stored}</v>"))

    assert read_table(content, most=1)[1].cells == [typed]


@pytest.mark.parametrize("value", ["<v></v>", "<v/>", ""])
def test_formula_that_is_computed_to_an_empty_text_is_empty(value):
    cell = f'<c r="B2" t="str"><f>""</f>{value}</c>'
    content = rewritten(xlsx(["id", "brief"], [1, '=""']), ('<c r="B2"><f>""</f><v /></c>', cell))

    assert cell in zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml").decode()
    assert read_table(content, most=1) == [Line(1, ["id", "brief"]), Line(2, ["1"])]


def test_formula_that_nobody_has_computed_is_refused():
    with pytest.raises(Unreadable, match="A formula in line 2 has no value yet"):
        read_table(xlsx(["id", "brief"], [1, '=""']), most=1)


@pytest.mark.parametrize(("place", "column"), [(65, "BM"), (16_384, "XFD")])
@pytest.mark.parametrize("row", [1, 2])
@pytest.mark.parametrize("value", ["title", "=1+1"])
def test_column_that_would_not_be_read_is_named(place, column, row, value):
    book, file = Workbook(), io.BytesIO()
    book.worksheets[0].append(["id"])
    book.worksheets[0].append([1])
    book.worksheets[0].cell(row, place, value)
    book.save(file)

    with pytest.raises(Unreadable) as refusal:
        read_table(file.getvalue(), most=1)

    assert str(refusal.value) == f"Something stands in column {column}: there may be 64 columns at most."


def sheets(*tables: tuple[str, str, list[list[object]]]) -> bytes:
    """A file of sheets with these names, states and rows."""
    book, file = Workbook(), io.BytesIO()
    book.remove(book.worksheets[0])
    for name, state, rows in tables:
        sheet = book.create_sheet(name)
        sheet.sheet_state = state
        for row in rows:
            sheet.append(row)
    book.active = next(place for place, (_name, state, _rows) in enumerate(tables) if state == "visible")
    book.save(file)
    return file.getvalue()


def test_sheet_that_people_see_is_read():
    hidden, seen, empty = ("Old", "hidden", [["id"], [7]]), ("New", "visible", [["id"], [1]]), ("Sheet3", "visible", [])

    for content in (sheets(hidden, seen, empty), sheets(empty, hidden, seen)):
        assert read_table(content, most=1) == [Line(1, ["id"]), Line(2, ["1"])]
    with pytest.raises(Unreadable, match="The file is empty"):
        read_table(sheets(hidden, empty), most=1)


@pytest.mark.parametrize("rows", [[["id"]], [*[[None]] * 30, [7]]], ids=["at once", "far below"])
def test_file_whose_sheets_hold_something_each_is_refused_and_they_are_named(rows):
    content = sheets(("June", "visible", [["id"], [1]]), ("Empty", "visible", []), ("July", "visible", rows))

    with pytest.raises(Unreadable) as refusal:
        read_table(content, most=1)

    assert str(refusal.value) == "Several sheets hold something: June, July. Leave one of them in the file."


def with_part(name: str, text: str | bytes) -> bytes:
    file = io.BytesIO(xlsx(["id"], [1]))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr(name, text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty."),
        (b"\n,,\n", "The file is empty."),
        ("标题".encode("gbk"), "This is neither XLSX nor CSV in UTF-8. In Excel, save it as “CSV UTF-8”."),
        (b'a\n"b', "Line 2 is no CSV."),
        (b"a\n1\n2\n3\n", "There are more than 2 rows."),
        (xlsx(["a"], [1], [2], [3]), "There are more than 2 rows."),
        (xlsx(["a"], *[[None]] * 50, [1]), "There are more than 2 rows."),
        (b"PK\x03\x04 and no more", "This XLSX file cannot be read."),
        *((with_part("x.xml", DOCTYPE.encode(name)), "This XLSX file cannot be read.") for name in ENCODINGS),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(content, reason):
    with pytest.raises(Unreadable) as refusal:
        read_table(content, most=2)

    assert str(refusal.value) == reason


def test_part_that_is_no_text_is_no_reason_to_refuse():
    content = with_part("xl/printerSettings/printerSettings1.bin", "HP LaserJet\0".encode("utf-16-le"))

    assert read_table(content, most=1) == [Line(1, ["id"]), Line(2, ["1"])]


def test_sheet_that_unpacks_to_much_more_is_refused():
    with pytest.raises(Unreadable, match="too large"):
        read_table(with_part("x.xml", " " * 9_000_000), most=2)


def with_rows(rows: str) -> bytes:
    """A file of one sheet with an id and what is added, as small as other files are large."""
    content, file = rewritten(xlsx(["id"], [1]), ("</sheetData>", f"{rows}</sheetData>")), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as parts, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in parts.namelist():
            packed.writestr(name, parts.read(name))
    return file.getvalue()


@pytest.mark.parametrize(
    "rows", ["<row/>" * 400_000, f"<row>{'<c/>' * 400_000}</row>", f"<x:row>{'<x:c/>' * 400_000}</x:row>"]
)
def test_sheet_of_very_many_cells_or_rows_is_refused_before_it_is_parsed(rows):
    content = with_rows(rows)
    assert len(content) < 20_000

    with pytest.raises(Unreadable, match="too large"):
        read_table(content, most=500)


@pytest.mark.parametrize(("rows", "times"), [(30_000, 40), (1, 50)])
def test_workbook_that_names_a_sheet_many_times_is_refused(rows, times):
    entry = '<sheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" name="Sheet" sheetId="1"'
    entries = f'{entry} state="hidden" r:id="rId1"/>' * times
    content = rewritten(with_rows("<row/>" * rows), ("</sheets>", f"{entries}</sheets>"))

    with pytest.raises(Unreadable, match="too large"):
        read_table(content, most=500)


@pytest.mark.long
@pytest.mark.parametrize("texts", ["shared", "inline"])
def test_sheet_of_as_many_full_cells_as_may_be_is_read(texts):
    header, *rows = [[f"{row} {place}" for place in range(64)] for row in range(501)]
    content = as_xlsx(header, rows) if texts == "inline" else xlsx(header, *rows)

    assert [line.cells for line in read_table(content, most=500)] == [header, *rows]


def test_sheet_without_a_workbook_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as parts:
        parts.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")

    with pytest.raises(Unreadable):
        read_table(file.getvalue(), most=2)


def test_row_that_says_it_is_far_below_costs_no_million_rows():
    content = rewritten(xlsx(["a"], [1]), ('r="2"', 'r="1048576"'), ('"A2"', '"A1048576"'))

    with pytest.raises(Unreadable) as refusal:
        read_table(content, most=2)

    assert str(refusal.value) == "There are more than 2 rows."
    assert spreadsheets.MOST_EMPTY == 10
