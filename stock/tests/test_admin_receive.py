"""A delivery: looked at with titles first, then booked, all or nothing, once."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from charites.common.models import MAX_INT64
from charites.common.spreadsheets import as_csv, as_xlsx
from goods.models import Goods
from lab.kit import factories
from lab.kit.admin_site import list_url, make_operator, sign_in, submit
from stock.admin.receive_plan import MOST_LINES
from stock.models import Stock, StockAdjustment

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    factories.make_goods(1, stock=10)
    factories.make_goods(2)
    factories.make_goods(3)
    return sign_in(make_operator())


def page_url() -> str:
    return reverse("admin:stock_stock_receive")


def look(client: Client, lines: str = "", **fields: Any) -> Any:
    return client.post(page_url(), {"lines": lines, "reason": "delivery 7", **fields})


def hidden(page: Any) -> dict[str, str]:
    """What the button of the page that shows it sends."""
    text = page.content.decode()
    return dict(re.findall(r'<input type="hidden" name="(lines|reason|key|mark)" value="([^"]*)"', text))


def faults(page: Any) -> list[tuple[str, str]]:
    return [(fault.line, fault.reason) for fault in page.context["plan"].faults]


def steps(page: Any) -> list[tuple[int, int | None, int]]:
    return [(step.goods_id, step.before, step.after) for step in page.context["plan"].steps]


def counted() -> dict[int, int]:
    return dict(Stock.objects.values_list("goods_id", "available"))


def test_what_is_wrong_is_told_in_the_order_of_the_lines(client: Client) -> None:
    assert [line for line, _reason in faults(look(client, "1 5\n77 5\n1 6\n88 1\nx\n99 1"))] == list("23456")


def test_list_of_stock_leads_there(client: Client) -> None:
    assert f'<a href="{page_url()}">Receive stock</a>' in client.get(list_url(Stock)).content.decode()


def test_lines_are_shown_with_titles_and_nothing_is_done(client: Client) -> None:
    page = look(client, "1 20\r\n2, 5")

    assert steps(page) == [(1, 10, 30), (2, None, 5)]
    text = page.content.decode()
    assert "Goods 1</a>" in text
    assert "Goods 2</a>" in text
    assert counted() == {1: 10}


def test_what_was_shown_is_done_once_however_often_the_button_is_pressed(client: Client) -> None:
    shown = hidden(look(client, "1 20\n2 5"))

    for _press in range(2):
        assert submit(client, page_url(), shown) == ["Received: pieces 25, of products 2."]

    assert counted() == {1: 30, 2: 5}
    written = StockAdjustment.objects.filter(reason="delivery 7")
    assert sorted(written.values_list("goods_id", "delta", "actor")) == [(1, 20, "operator"), (2, 5, "operator")]
    assert LogEntry.objects.filter(change_message="receive reason=delivery 7").count() == 2  # products


@pytest.mark.parametrize(
    "change", [{"lines": "1 200"}, {"lines": "1 20\n2 5"}, {"reason": "delivery 8"}, {"pieces-3": "7"}, {"mark": ""}]
)
def test_what_was_not_shown_is_shown_before_anything_is_done(client: Client, change: dict[str, str]) -> None:
    shown = hidden(look(client, "1 20"))

    page = client.post(page_url(), shown | change)

    assert [str(text) for text in page.context["messages"]] == ["Something has changed meanwhile: look at it again."]
    assert hidden(page)["key"] != shown["key"]
    assert counted() == {1: 10}


def test_line_that_comes_beside_those_that_were_done_is_shown_first(client: Client) -> None:
    shown = hidden(look(client, "1 20"))
    submit(client, page_url(), shown)

    page = client.post(page_url(), shown | {"lines": "1 20\n2 5"})

    assert steps(page) == [(1, 30, 50), (2, None, 5)]
    assert counted() == {1: 30}


def test_the_same_delivery_shown_anew_is_another_one(client: Client) -> None:
    for _delivery in range(2):
        submit(client, page_url(), hidden(look(client, "1 20")))

    assert counted() == {1: 50}


@pytest.mark.parametrize("kind", ["csv", "xlsx", "plain"])
def test_file_is_taken_too(client: Client, kind: str) -> None:
    table = (["title", "goods_id", "pieces"], [["Goods 1", 1, 20], ["Goods 2", 2, 5]])
    content = {"csv": as_csv(*table), "xlsx": as_xlsx(*table), "plain": b"1;20\n2;5\n"}[kind]

    page = look(client, file=SimpleUploadedFile("delivery", content))
    submit(client, page_url(), hidden(page))

    assert counted() == {1: 30, 2: 5}


def test_newest_products_without_stock_have_a_field_each(client: Client) -> None:
    text = client.get(page_url()).content.decode()
    assert re.findall(r'name="pieces-(\d+)"', text) == ["3", "2"]

    submit(client, page_url(), hidden(look(client, "1 20", **{"pieces-3": "7", "pieces-2": ""})))

    assert counted() == {1: 30, 3: 7}


def test_product_that_is_counted_since_the_page_was_made_keeps_what_was_typed_for_it(client: Client) -> None:
    assert 'name="pieces-3"' in client.get(page_url()).content.decode()
    factories.make_stock(3, 4)

    page = look(client, **{"pieces-3": "7", "pieces-2": "5"})

    assert steps(page) == [(2, None, 5), (3, 4, 11)]
    assert counted() == {1: 10, 3: 4}


def test_field_of_no_product_is_a_fault_and_stays_on_the_page(client: Client) -> None:
    page = look(client, **{"pieces-77": "5", "pieces-2": "6"}, key="0" * 32)

    assert faults(page) == [("77", "There is no product 77.")]
    assert re.findall(r'name="pieces-(\d+)" value="(\d+)"', page.content.decode()) == [("2", "6"), ("77", "5")]
    assert counted() == {1: 10}


def test_product_with_as_long_a_number_as_there_is_is_received(client: Client) -> None:
    factories.make_goods(MAX_INT64)

    submit(client, page_url(), hidden(look(client, f"{MAX_INT64} 5")))

    assert counted() == {1: 10, MAX_INT64: 5}


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("1 20\n2", ("2", "“2” is not a product and its pieces.")),
        ("1 20\n2 -5", ("2", "“2 -5” is not a product and its pieces.")),
        ("1 0", ("1", "“1 0” is not a product and its pieces.")),
        ("1 20\n\n1 5", ("3", "Product 1 is in line 1, too.")),
        ("1 20\n77 5", ("2", "There is no product 77.")),
        ("\n", ("", "Type at least one line.")),
        ("\n".join(f"{number} 1" for number in range(1, MOST_LINES + 2)), ("", "There are more than 200 rows.")),
    ],
)
def test_line_that_is_wrong_leaves_all_of_them_undone(client: Client, lines: str, fault: tuple[str, str]) -> None:
    page = look(client, lines, key="0" * 32)

    assert faults(page) == [fault]
    assert counted() == {1: 10}


@pytest.mark.parametrize("goods_id", [1, 2])  # one that is counted, one that is not
def test_product_that_is_deleted_meanwhile_gets_no_pieces_and_neither_do_the_others(
    client: Client, goods_id: int
) -> None:
    shown = hidden(look(client, f"3 4\n{goods_id} 5"))
    Goods.objects.filter(goods_id=goods_id).update(is_deleted=True)

    page = client.post(page_url(), shown)

    assert faults(page) == [("2", f"Product {goods_id} is deleted.")]
    assert faults(look(client, f"{goods_id} 5")) == [("1", f"Product {goods_id} is deleted.")]
    assert counted() == {1: 10}


def test_delivery_that_the_service_refuses_is_refused_whole(client: Client) -> None:
    shown = hidden(look(client, f"2 5\n1 {10**18 - 1}"))
    factories.make_stock(1, 9 * 10**18)

    page = client.post(page_url(), shown)

    assert "makes the stock larger than" in str(next(iter(page.context["messages"])))
    assert hidden(page) == shown
    assert counted() == {1: 9 * 10**18 + 10}


def test_file_that_is_no_table_is_refused_beside_its_field(client: Client) -> None:
    page = look(client, file=SimpleUploadedFile("delivery.csv", b"id,number\n1,20\n"))

    fault = "The first line of the file has to name the columns goods_id and pieces."
    assert page.context["form"].errors == {"file": [fault]}


@pytest.mark.parametrize("column", ["goods_id", "pieces"])
def test_column_that_is_there_twice_is_refused(client: Client, column: str) -> None:
    page = look(client, file=SimpleUploadedFile("delivery.csv", f"goods_id,pieces,{column}\n1,20,5\n".encode()))

    assert page.context["form"].errors == {"file": [f"The column {column} is there twice."]}


def test_line_that_is_longer_than_the_header_is_a_fault(client: Client) -> None:
    page = look(client, file=SimpleUploadedFile("delivery.csv", b"goods_id,pieces\n1,20,9,9\n2,5\n"))

    assert faults(page) == [("2", "“1 20 9 9” is not a product and its pieces.")]


@pytest.mark.parametrize("typed", ["５", "+5", "5.0", "1_0"])
def test_field_takes_the_digits_that_a_line_takes(client: Client, typed: str) -> None:
    assert faults(look(client, f"2 {typed}")) == [("1", f"“2 {typed}” is not a product and its pieces.")]

    assert look(client, **{"pieces-2": typed}).context["form"].errors == {"pieces-2": ["Enter a whole number."]}


def test_file_without_a_header_has_two_cells_a_line(client: Client) -> None:
    page = look(client, file=SimpleUploadedFile("delivery.csv", b"1,101,20\n2,5\n"), key="0" * 32)

    assert faults(page) == [("1", "“1 101 20” is not a product and its pieces.")]
    assert counted() == {1: 10}


def test_who_may_not_change_stock_has_no_such_page(client: Client) -> None:
    viewer = clerk("viewer", "view_stock")

    assert "Receive stock" not in viewer.get(list_url(Stock)).content.decode()
    assert viewer.get(page_url()).status_code == 403
    assert look(viewer, "1 20", key="0" * 32).status_code == 403
    assert counted() == {1: 10}


def test_who_may_not_add_stock_receives_what_is_counted_alone(client: Client) -> None:
    host = clerk("host", "view_stock", "change_stock")

    assert not host.get(page_url()).context["form"].products
    assert faults(look(host, "2 5", key="0" * 32)) == [("1", "Product 2 has no stock yet, and you may not add any.")]
    submit(host, page_url(), hidden(look(host, "1 5")))

    assert counted() == {1: 15}


def clerk(name: str, *codenames: str) -> Client:
    user = factories.make_user(name)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return sign_in(user)
