"""Lists of the admin as files: what the filters leave, for whom, and how much of it."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from charites.common import admin_export
from charites.groups import make_groups
from goods.models import Goods
from lab.kit import factories
from lab.kit.admin_site import list_url, make_operator, sign_in
from lab.kit.log_lines import json_lines
from orders.models import Order, OrderDetail, Payment, Refund
from orders.payloads import RefundOrder
from orders.services import refund_order
from stock.models import Stock

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def client(settings: Any) -> Client:
    settings.OPERATORS_TIME_ZONE = "Asia/Shanghai"
    settings.PAYMENT_PROVIDER = factories.SANDBOX
    factories.make_goods(1, stock=1000, title="=cmd|' /C calc'!A0")
    return sign_in(make_operator())


def export(client: Client, model: type, kind: str = "csv", **words: Any) -> Any:
    return client.get(f"{list_url(model)}export.{kind}", words)


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_orders_are_exported_as_the_filters_leave_them_newest_first(client: Client) -> None:
    buyer = factories.make_user("buyer")
    first = factories.make_paid_order({1: 2}, user_id=buyer.pk, now=NOON)
    second = factories.make_order(now=NOON)
    closed = factories.make_closed_order(now=NOON)

    found = rows_of(export(client, Order, status__exact="200"))

    assert [row["order_id"] for row in found] == [str(first.order_id)]
    assert found[0]["user"] == "buyer"
    assert found[0]["status"] == "paid"
    assert found[0]["pay_amount (CNY)"] == "199.00"
    assert found[0]["created_at (Asia/Shanghai)"] == "2026-06-01 20:00:00"
    assert found[0]["receive_phone"] == first.receive_phone
    numbers = [row["order_id"] for row in rows_of(export(client, Order))]
    assert numbers == [str(order.order_id) for order in (closed, second, first)]


def test_orders_say_what_is_to_be_packed_and_where_it_was_bought(client: Client) -> None:
    factories.make_goods(2, stock=10)
    factories.make_room(3, goods_ids=[1, 2])
    factories.make_order({2: 3, 1: 1}, room_id=3, now=NOON)
    factories.make_order({1: 1}, now=NOON)

    found = [(row["room_id"], row["room"], row["items (goods_id × pieces)"]) for row in rows_of(export(client, Order))]

    assert found == [("", "", "1 × 1"), ("3", "Room 3", "1 × 1; 2 × 3")]


def test_lines_of_orders_are_exported_with_status_and_room_of_their_order(client: Client) -> None:
    factories.make_goods(2, stock=10)
    factories.make_room(3, goods_ids=[1, 2])
    order = factories.make_paid_order({1: 1, 2: 3}, room_id=3, now=NOON)

    first, second = sorted(rows_of(export(client, OrderDetail)), key=lambda row: row["goods_id"])

    assert (first["order_id"], first["status"], first["room"]) == (str(order.order_id), "paid", "Room 3")
    assert (first["title"], first["pieces"]) == ("'=cmd|' /C calc'!A0", "1")
    assert (second["goods_id"], second["pieces"], second["pay_amount (CNY)"]) == ("2", "3", "298.50")
    assert "receive_name" not in first


def test_orders_and_their_lines_say_what_came_back(client: Client) -> None:
    factories.make_goods(2, stock=10)
    order = factories.make_paid_order({1: 2, 2: 3}, now=NOON)
    for key in ("k", "l"):
        refund_order(command=RefundOrder(order.order_id, 100, "broken", "staff:3", key, returned={2: 1}))
    Refund.objects.filter(idempotency_key="l").update(status=Refund.Status.REFUSED)

    (row,) = rows_of(export(client, Order))
    assert (row["refunded (CNY)"], row["returned (goods_id × pieces)"]) == ("1.00", "2 × 2")
    assert {row["goods_id"]: row["returned"] for row in rows_of(export(client, OrderDetail))} == {"1": "0", "2": "2"}


def test_xlsx_has_the_same_rows_and_exact_numbers(client: Client) -> None:
    order = factories.make_order(now=NOON)

    answer = export(client, Order, "xlsx")

    header, row = load_workbook(io.BytesIO(answer.content)).worksheets[0].iter_rows(values_only=True)
    found = dict(zip(header, row, strict=True))
    assert (found["order_id"], found["pay_amount (CNY)"]) == (str(order.order_id), 99.5)
    assert str(found["created_at (Asia/Shanghai)"]) == "2026-06-01 20:00:00"


def test_text_that_xlsx_cannot_hold_is_named_on_the_list_and_csv_has_it(client: Client) -> None:
    Goods.objects.filter(goods_id=1).update(detail=["x" * 40_000])

    answer = export(client, Goods, "xlsx", status__exact="0")

    assert (answer.status_code, answer["Location"]) == (302, f"{list_url(Goods)}?status__exact=0")
    (told,) = client.get(answer["Location"]).context["messages"]
    reason = "detail of goods_id 1 has more than the 32,767 characters of a cell of XLSX. Take CSV."
    assert (told.level_tag, str(told)) == ("error", reason)
    (row,) = rows_of(export(client, Goods))
    assert row["detail"] == f'["{"x" * 40_000}"]'


def test_payments_refunds_and_stock_are_exported_in_their_currency_and_by_title(client: Client) -> None:
    order = factories.make_order(now=NOON)
    columns: dict[str, Any] = {"order_id": order.order_id, "amount": 1990, "currency": "JPY"}
    Payment.objects.create(payment_id=5, channel="sandbox", **columns)
    Refund.objects.create(payment_id=5, reason="late", last_error="-1", **columns)

    (payment,) = rows_of(export(client, Payment))
    (refund,) = rows_of(export(client, Refund))
    (stock,) = rows_of(export(client, Stock))

    assert (payment["payment_id"], payment["amount"], payment["currency"]) == ("5", "1990", "JPY")
    assert (refund["reason"], refund["status"], refund["last_error"]) == ("late", "pending", "'-1")
    assert (stock["goods_id"], stock["available"], stock["title"]) == ("1", "999", "'=cmd|' /C calc'!A0")


def test_export_is_cut_and_its_name_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_export, "MOST_ROWS", 2)
    monkeypatch.setattr(admin_export, "ROWS_AT_ONCE", 1)
    orders = [factories.make_order(now=NOON) for _ in range(3)]

    answer = export(client, Order)

    assert [row["order_id"] for row in rows_of(answer)] == [str(order.order_id) for order in orders[:0:-1]]
    assert 'filename="order-first-2-' in answer["Content-Disposition"]
    assert "Export what is listed, 2 rows at most:" in client.get(list_url(Order)).content.decode()
    assert "no-store" in answer["Cache-Control"]


def test_export_reads_rows_some_at_a_time(client: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as sent:
            export(client, Order)
        return len(sent)

    factories.make_order(now=NOON)
    first = count()
    for _ in range(5):
        factories.make_order(now=NOON)

    assert count() == first


def member_of(name: str) -> Any:
    make_groups(using="default")
    user = factories.make_user(f"a-{name}")
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=name))
    return user


@pytest.mark.parametrize(("name", "may"), [("operator", True), ("viewer", False), ("host", False)])
def test_group_says_who_exports(name: str, may: bool) -> None:
    factories.make_goods(1, stock=10)
    operator = sign_in(member_of(name))

    for model in (Order, Stock, Goods):
        assert export(operator, model).status_code == (200 if may else 403)
        assert ("Export what is listed" in operator.get(list_url(model)).content.decode()) == may


def test_viewers_who_are_given_it_export_without_personal_data_and_only_what_they_see() -> None:
    factories.make_goods(1, stock=10)
    factories.make_order(now=NOON)
    viewer = member_of("viewer")
    viewer.user_permissions.add(Permission.objects.get(codename="export_lists"))
    client = sign_in(viewer)

    (row,) = rows_of(export(client, Order))
    assert "receive_phone" not in row
    assert row["pay_amount (CNY)"] == "99.50"

    Group.objects.get(name="viewer").permissions.remove(Permission.objects.get(codename="view_order"))
    assert export(client, Order).status_code == 403


def test_buyer_and_unknown_kind_get_nothing(client: Client) -> None:
    assert export(sign_in(factories.make_user("buyer")), Order).status_code == 302
    assert export(client, Order, "pdf").status_code == 403


def test_filter_that_there_is_not_leads_to_the_list(client: Client) -> None:
    answer = export(client, Order, nonsense="1")

    assert (answer.status_code, answer["location"]) == (302, list_url(Order))


def test_log_says_who_exported_how_much_and_not_what_was_looked_for(client: Client) -> None:
    factories.make_order(now=NOON)

    with json_lines() as lines:
        export(client, Order, q="13800000000")
        (line,) = [line for line in lines() if line["event"] == "admin_export"]

    assert (line["model"], line["kind"], line["rows"]) == ("orders.Order", "csv", 1)
    assert "13800000000" not in str(line)
