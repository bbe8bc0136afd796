"""Products from a file: first what would change, or all that is wrong, then all of it or nothing."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import Workbook

from goods import services
from goods.admin import import_page
from goods.models import Goods
from lab.kit import factories
from lab.kit.admin_site import list_url, make_operator, sign_in
from lab.kit.interleaving import Parked

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/admin/goods/goods/import/"


@pytest.fixture
def client(settings: Any) -> Client:
    settings.OPERATORS_TIME_ZONE = "Asia/Shanghai"
    return sign_in(make_operator())


def send(client: Client, content: str | bytes) -> Any:
    """Sends a file, and returns the page that shows what it would do."""
    body = content.encode() if isinstance(content, str) else content
    page = client.post(URL, {"file": SimpleUploadedFile("products.csv", body)})
    assert page.status_code == 200
    return page


def confirm(client: Client, page: Any) -> list[str]:
    """Presses the button of that page, and returns the messages that follow."""
    data = {"rows": page.context["rows"], "mark": page.context["plan"].mark}
    return [str(message) for message in client.post(URL, data, follow=True).context["messages"]]


def told(page: Any) -> list[str]:
    return [str(message) for message in page.context["messages"]]


def faults(page: Any) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.column, fault.reason) for fault in page.context["plan"].faults]


def differences(page: Any) -> list[tuple[int, str, str, str]]:
    return [
        (step.goods.goods_id, found.column, found.before, found.after)
        for step in page.context["plan"].steps
        for found in step.differences
    ]


def test_file_adds_and_changes_products_once_it_is_confirmed(client: Client) -> None:
    factories.make_goods(1, title="Tea", price=990, brand_name="Longjing")
    factories.make_goods(2)
    content = (
        "goods_id,title,price (CNY),sale_starts_at (Asia/Shanghai),status\n"
        "1,Green tea,19.90,2026-06-01 20:00:00,off_sale\n2,Goods 2,99.50,,on_sale\n7,Cup,5,,on_sale\n"
    )

    page = send(client, content)

    assert differences(page) == [
        *[(1, "status", "on_sale", "off_sale"), (1, "title", "Tea", "Green tea"), (1, "price", "9.90", "19.90")],
        (1, "sale_starts_at", "", "2026-06-01 20:00:00"),
        *[(7, "status", "", "on_sale"), (7, "title", "", "Cup"), (7, "price", "", "5")],
    ]
    assert page.context["plan"].unchanged == 1
    assert Goods.objects.count() == 2
    assert Goods.objects.get(goods_id=1).title == "Tea"

    assert confirm(client, page) == ["Products added: 1. Products changed: 1."]

    tea, cup = Goods.objects.get(goods_id=1), Goods.objects.get(goods_id=7)
    assert (tea.title, tea.price, tea.brand_name, tea.status) == ("Green tea", 1990, "Longjing", Goods.Status.OFF_SALE)
    assert tea.sale_starts_at == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert (tea.version, tea.updated_by) == (1, "operator")
    assert (cup.title, cup.price, cup.created_by) == ("Cup", 500, "operator")
    assert Goods.objects.get(goods_id=2).version == 0
    assert {entry.change_message for entry in LogEntry.objects.all()} == {"import_goods"}
    assert LogEntry.objects.count() == 2


def test_what_is_exported_comes_back_and_changes_nothing(client: Client) -> None:
    texts = {"title": "=1+1", "brief": 'a "b", c', "head_imgs": ["a.svg", "b.svg"], "ext_json": {"colour": "青"}}
    factories.make_goods(1, **texts, sale_ends_at=datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC))
    factories.make_goods(2, status=Goods.Status.OFF_SALE, limit_per_buyer=3)

    for kind in ("csv", "xlsx"):
        page = send(client, client.get(f"{list_url(Goods)}export.{kind}").content)

        assert (faults(page), differences(page), page.context["plan"].unchanged) == ([], [], 2), kind


def test_deleted_products_of_an_exported_file_stay_as_they_are_while_others_change(client: Client) -> None:
    factories.make_goods(1)
    factories.make_goods(2, is_deleted=True)
    exported = client.get(f"{list_url(Goods)}export.csv").content

    page = send(client, exported.replace(b"Goods 1", b"Green tea"))

    assert (faults(page), page.context["plan"].unchanged) == ([], 1)
    assert confirm(client, page) == ["Products added: 0. Products changed: 1."]
    rows = Goods.objects.order_by("goods_id").values_list("title", "is_deleted", "version")
    assert list(rows) == [("Green tea", False, 1), ("Goods 2", True, 0)]
    page = send(client, exported.replace(b"Goods 2", b"Black tea"))
    assert faults(page) == [(3, "goods_id", "This product is deleted.")]


def test_every_wrong_cell_is_named_with_its_line_and_nothing_is_done(client: Client) -> None:
    factories.make_goods(1)
    factories.make_goods(3, is_deleted=True)
    content = (
        "goods_id,title,price,head_imgs,sale_starts_at,sale_ends_at,status\n"
        "1,,19.999,a.svg,2026-06-01,,gone\n"
        "x,New,1,[],,,on_sale\n\n"
        "2,New,,[],2026-06-02 00:00:00,2026-06-01 00:00:00,on_sale\n"
        "2,Again,1,[],,,on_sale\n3,Deleted,1,[],,,on_sale\n4,Wide,1,[],,,on_sale,more\n"
    )

    page = send(client, content)

    assert faults(page) == [
        (2, "status", "It has to be one of these: on_sale, off_sale."),
        (2, "title", "This field is required."),
        (2, "price", "2 places after the point at most."),
        (2, "sale_starts_at", "Type a time such as 2026-06-01 20:00:00."),
        (2, "head_imgs", "This is not valid JSON."),
        (3, "goods_id", "This is no id of a product."),
        (5, "price", "This field is required."),
        (5, "sale_ends_at", "The sale must end after it has started."),
        (6, "goods_id", "This product is in line 5, too."),
        (7, "goods_id", "This product is deleted."),
        (8, "", "There are more cells than columns."),
    ]
    assert 'name="rows"' not in page.content.decode()
    assert Goods.objects.count() == 2


@pytest.mark.parametrize("typed", ["2026/6/1 20:00", "2026.06.01 20:00:00", "2026-6-1T20:00", "2026-06-01 20:00"])
def test_time_is_taken_as_spreadsheets_write_it(client: Client, typed: str) -> None:
    page = send(client, f"goods_id,title,price,sale_starts_at\n7,Cup,5,{typed}\n")

    assert differences(page)[-1] == (7, "sale_starts_at", "", "2026-06-01 20:00:00")
    confirm(client, page)
    assert Goods.objects.get().sale_starts_at == datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("typed", ["tomorrow", "2026-13-01 20:00", "2026/6-1 20:00", "1/6/2026 20:00"])
def test_time_that_is_none_names_its_form(client: Client, typed: str) -> None:
    page = send(client, f"goods_id,title,price,sale_ends_at\n7,Cup,5,{typed}\n")

    assert faults(page) == [(2, "sale_ends_at", "Type a time such as 2026-06-01 20:00:00.")]


@pytest.mark.parametrize(
    "typed", ["0001-01-01 00:00:00", "1999-12-31 23:59:59", "2100/1/1 0:00", "9999-12-31 23:59:59"]
)
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York"])
def test_time_of_an_age_without_orders_is_named(client: Client, settings: Any, typed: str, zone: str) -> None:
    settings.OPERATORS_TIME_ZONE = zone

    page = send(client, f"goods_id,title,price,sale_ends_at\n7,Cup,5,{typed}\n")

    assert faults(page) == [(2, "sale_ends_at", "Type a time of the years 2000 to 2099.")]


def test_empty_cell_of_a_number_that_may_be_0_is_0(client: Client) -> None:
    factories.make_goods(1, limit_per_buyer=3, market_price=500)

    page = send(client, "goods_id,title,price,limit_per_buyer,market_price,code,category_id\n1,Goods 1,99.50,,,,\n")

    assert (faults(page), differences(page)) == (
        [],
        [(1, "market_price", "5.00", "0"), (1, "limit_per_buyer", "3", "0")],
    )


def test_formula_without_a_value_is_refused_and_not_taken_for_nothing(client: Client) -> None:
    book, file = Workbook(), io.BytesIO()
    for row in (["goods_id", "title", "price"], [1, "Cup", 5], [2, "Tea", "=4+1"]):
        book.worksheets[0].append(row)
    book.save(file)

    fault = "A formula in line 3 has no value yet. Open the file in a spreadsheet, and save it."
    assert told(send(client, file.getvalue())) == [fault]


@pytest.mark.parametrize(
    ("header", "column", "reason"),
    [
        ("title,price", "goods_id", "This column is missing."),
        ("goods_id,name", "name", "There is no such column."),
        ("goods_id,title,title", "title", "This column is there twice."),
        ("goods_id,price (EUR)", "price (EUR)", "This column is in CNY here."),
        ("goods_id,sale_ends_at (UTC)", "sale_ends_at (UTC)", "This column is in Asia/Shanghai here."),
    ],
)
def test_columns_that_there_are_not_or_that_are_in_something_else_are_named(
    client: Client, header: str, column: str, reason: str
) -> None:
    assert faults(send(client, f"{header}\n1,a,b\n")) == [(1, column, reason)]


def test_xlsx_is_taken_as_it_would_be_typed(client: Client) -> None:
    book, file = Workbook(), io.BytesIO()
    for row in (["goods_id", "title", "price", "limit_per_buyer"], [7.0, "Cup", 19.9, 2]):
        book.worksheets[0].append(row)
    book.save(file)

    page = send(client, file.getvalue())

    assert confirm(client, page) == ["Products added: 1. Products changed: 0."]
    cup = Goods.objects.get()
    assert (cup.goods_id, cup.price, cup.limit_per_buyer) == (7, 1990, 2)


def test_file_that_is_too_long_or_none_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_page, "MOST_ROWS", 1)

    assert told(send(client, "goods_id\n1\n2\n")) == ["There are more than 1 rows."]
    assert told(send(client, b"\xff\xfe")) == [
        "This is neither XLSX nor CSV in UTF-8. In Excel, save it as “CSV UTF-8”."
    ]
    long = f"goods_id,brief\n1,{'x' * 60_000}\n"
    assert told(send(client, long)) == ["There is more text than 56 KB."]
    assert "This field is required." in client.post(URL, {}).content.decode()


ODD = ("[[Infinity, [%s]]]", "[[1e400, [%s]]]", "[[1.5, [%s]]]", "[[true, [%s]]]", "[[1, [[%s]]]]", "[[1, %s]]")
NEVER_SHOWN = ["", "{}", "[]", "[[1]]", '[["x", []]]', "[" * 10_000]
OF_A_FILE = '[[1, ["goods_id"]], [2, ["9"]]]'
HALF = '[[1, ["goods_id", "title"]], [2, ["9", "\\ud800"]]]'


@pytest.mark.parametrize("rows", [OF_A_FILE, *NEVER_SHOWN, *(text % '"goods_id"' for text in ODD), HALF])
def test_rows_that_nobody_was_shown_are_not_taken(client: Client, rows: str) -> None:
    page = client.post(URL, {"rows": rows, "mark": "x"})

    assert page.status_code == 200
    assert Goods.objects.count() == 0


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        *((rows, "What was shown did not come back. Send the file again.") for rows in NEVER_SHOWN),
        (f"[{','.join(['[1, []]'] * 502)}]", "There are more than 500 rows."),
    ],
)
def test_rows_that_are_none_are_refused_with_what_is_wrong(client: Client, rows: str, reason: str) -> None:
    assert told(client.post(URL, {"rows": rows, "mark": "x"})) == [reason]


def test_change_that_came_between_is_shown_before_anything_is_done(client: Client) -> None:
    factories.make_goods(1, title="Tea", price=990)
    page = send(client, "goods_id,title\n1,Green tea\n")
    services.change_goods(goods_id=1, values={"title": "White tea"}, actor="another")

    assert confirm(client, page) == ["Something has changed meanwhile: look at it again."]

    assert Goods.objects.get().title == "White tea"


def test_change_at_the_last_moment_undoes_all_of_it(client: Client) -> None:
    factories.make_goods(1, title="Tea", price=990)
    page = send(client, "goods_id,title,price\n1,Green tea,9.90\n2,Cup,1\n")

    with Parked(lambda: confirm(client, page), at="^BEGIN|FOR UPDATE") as importing:
        services.set_goods_status(goods_ids=[1], status=Goods.Status.OFF_SALE, actor="another")
        assert importing.go() == ["Something has changed meanwhile: look at it again."]

    assert [goods.title for goods in Goods.objects.all()] == ["Tea"]


def test_new_id_that_is_taken_at_the_last_moment_undoes_all_of_it() -> None:
    factories.make_goods(1, title="Tea")
    factories.make_goods(2)
    new = services.NewValues(1, 0, {"title": "Green tea"})
    cups = [Goods(goods_id=goods_id, title="Cup", price=1) for goods_id in (2, 3)]

    assert services.store_goods(added=cups, changed=[new], actor="staff") == [2]

    assert list(Goods.objects.order_by("goods_id").values_list("title", flat=True)) == ["Tea", "Goods 2"]


def test_same_new_product_of_two_people_at_once_is_shown_anew_to_the_second(client: Client) -> None:
    page = send(client, "goods_id,title,price\n1,Tea,9.90\n")

    with Parked(lambda: confirm(client, page), at="^BEGIN|^INSERT INTO shopping_goods ") as importing:
        factories.make_goods(1, title="Green tea")
        assert importing.go() == ["Something has changed meanwhile: look at it again."]

    assert Goods.objects.get().title == "Green tea"


@pytest.mark.parametrize("missing", ["add_goods", "change_goods"])
def test_import_takes_both_permissions(missing: str) -> None:
    operator = make_operator()
    operator.user_permissions.remove(*operator.user_permissions.filter(codename=missing))
    client = sign_in(operator)

    assert client.get(URL).status_code == client.post(URL, {}).status_code == 403
    assert URL not in client.get(list_url(Goods)).content.decode()


def test_page_names_the_columns_and_what_they_are_in(client: Client) -> None:
    page = client.get(URL).content.decode()

    assert "<code>sale_ends_at</code>" in page
    assert "in CNY, times like 2026-06-01 20:00:00, of Asia/Shanghai" in page
    assert URL in client.get(list_url(Goods)).content.decode()


def test_file_takes_as_many_statements_however_many_rows_it_has(client: Client) -> None:
    def count(*goods_ids: int) -> tuple[int, int]:
        lines = "".join(f"{goods_id},Cup,5\n" for goods_id in goods_ids)
        with CaptureQueriesContext(connection) as looking:
            page = send(client, f"goods_id,title,price\n{lines}")
        data = {"rows": page.context["rows"], "mark": page.context["plan"].mark}
        with CaptureQueriesContext(connection) as doing:
            assert client.post(URL, data).status_code == 302
        return len(looking), len(doing)

    for goods_id in range(1, 8):
        factories.make_goods(goods_id)
    count(1, 11)  # after it, what is remembered for good is

    few, many = count(2, 12), count(*range(3, 8), *range(13, 18))

    assert few == many
    assert few[0] < 10
    assert Goods.objects.filter(title="Cup").count() == 14


def test_address_of_a_picture_that_is_none_is_named_and_one_that_was_there_may_stay(client: Client) -> None:
    factories.make_goods(1, head_imgs=["a.svg"])

    page = send(client, 'goods_id,title,head_imgs\n1,Tea,"[""a.svg""]"\n')
    assert (faults(page), [step.goods.title for step in page.context["plan"].steps]) == ([], ["Tea"])

    page = send(client, 'goods_id,title,head_imgs\n1,Tea,"[""//evil.example/x""]"\n')
    (fault,) = faults(page)
    assert fault[:2] == (2, "head_imgs")
    assert fault[2].startswith("holds “//evil.example/x”")
