"""Each test breaks one rule about archived orders, by SQL, and expects that one line."""

from pathlib import Path

import pytest
from django.utils import timezone

from charites.tests.audit.busy_shop import copy_row, execute, findings
from charites.tests.audit.split_shop import Split, in_orders
from lab.kit.factories import SANDBOX, make_command, make_goods
from lab.kit.old_orders import archive, make_completed_order, make_refunded_order
from orders.models import Archive, ArchivedOrder, ArchivedPieces, Order, Payment
from orders.services import place_order
from stock.models import StockRecord

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]


@pytest.fixture
def archived(settings, tmp_path: Path) -> ArchivedOrder:
    """A completed order that has left, beside one that was paid and refunded."""
    settings.PAYMENT_PROVIDER = SANDBOX
    for goods_id in (1, 2):
        make_goods(goods_id, stock=100)
    completed = make_completed_order({1: 2, 2: 1}, idempotency_key="mine")
    make_refunded_order()
    assert archive(tmp_path).orders == 2
    assert findings() == {}
    return ArchivedOrder.objects.get(order_id=completed.order_id)


def test_archived_order_that_is_gone_is_found(archived: ArchivedOrder) -> None:
    execute("DELETE FROM shopping_order_archived WHERE order_id = %s", archived.order_id)

    assert findings() == {
        "I3-archived-orders": [str(archived.archive_id)],
        "I3-archived-pieces": [str(archived.user_id)],
        "I9-capture-without-effect": [str(archived.payment_id)],
    }


def test_archived_order_with_another_amount_is_found(archived: ArchivedOrder) -> None:
    execute("UPDATE shopping_order_archived SET pay_amount = pay_amount + 1 WHERE order_id = %s", archived.order_id)

    assert findings() == {
        "I3-archived-orders": [str(archived.archive_id)],
        "I9-archived-paid": [str(archived.order_id)],
        "I9-capture-without-effect": [str(archived.payment_id)],
    }


def test_archived_order_of_no_file_is_found(archived: ArchivedOrder) -> None:
    execute("UPDATE shopping_order_archive SET id = id + 1")

    assert findings() == {"I3-archived-orders": [str(archived.archive_id), str(archived.archive_id + 1)]}


def test_pieces_of_a_buyer_that_archived_orders_did_not_sell_are_found(archived: ArchivedOrder) -> None:
    execute("UPDATE shopping_order_archived_pieces SET user_id = 8 WHERE goods_id = 2")

    assert findings() == {"I3-archived-pieces": ["7", "8"]}


def test_record_of_archived_orders_with_another_quantity_is_found(archived: ArchivedOrder) -> None:
    execute("UPDATE shopping_stock_record SET num = num - 1 WHERE order_id = 0 AND goods_id = 1")
    execute("UPDATE shopping_stock SET sold = sold - 1, num = num + 1 WHERE goods_id = 1")

    assert findings() == {"I3-carried-over": ["1"]}


def test_lost_record_of_archived_orders_is_found(archived: ArchivedOrder) -> None:
    StockRecord.objects.filter(order_id=0, goods_id=2).delete()

    assert findings() == {"I1-sold": ["2"], "I3-carried-over": ["2"]}


def test_archived_order_whose_payment_is_gone_is_found(archived: ArchivedOrder) -> None:
    Payment.objects.filter(payment_id=archived.payment_id).delete()

    assert findings() == {"I9-archived-paid": [str(archived.order_id)]}


def test_money_of_an_archived_order_that_goes_back_by_itself_is_found(archived: ArchivedOrder) -> None:
    columns = {"payment_id": str(archived.payment_id), "order_id": str(archived.order_id), "own_id": "NULL"}
    amount = str(archived.pay_amount)
    copy_row("shopping_refund", "reason = 'staff'", **columns, reason="'late'", amount=amount, idempotency_key="''")

    assert findings() == {"I9-refunded-once": [str(archived.payment_id)]}


def test_number_of_an_archived_order_that_is_used_again_is_found(archived: ArchivedOrder) -> None:
    order = place_order(command=make_command(), now=timezone.now()).new
    assert order
    for table in ("shopping_order", "shopping_order_detail", "shopping_stock_record"):
        execute(f"UPDATE {table} SET order_id = {archived.order_id} WHERE order_id = {order.order.order_id}")

    assert findings() == {"I11-archived": [str(archived.order_id)]}


def test_key_of_an_archived_order_that_is_used_again_is_found(archived: ArchivedOrder) -> None:
    place_order(command=make_command(), now=timezone.now())
    execute("UPDATE shopping_order SET idempotency_key = 'mine'")

    assert findings() == {"I11-archived": [str(archived.order_id)]}


# Split


def archive_in_orders(split: Split) -> None:
    """The paid order leaves; stock is another service, and keeps its records."""
    order, pieces = split.paid, {1: 2, 3: 1}
    sums = {"pay_amount": order.pay_amount, "pieces": sum(pieces.values())}
    archive = Archive.objects.create(name="a", digest="d", orders=1, amount=order.pay_amount, pieces=sums["pieces"])
    payment = Payment.objects.get(order_id=order.order_id)
    row = {"user_id": order.user_id, "status": order.status, "payment_id": payment.payment_id, **sums}
    ArchivedOrder.objects.create(order_id=order.order_id, archive_id=archive.pk, **row)
    for goods_id, number in pieces.items():
        ArchivedPieces.objects.create(goods_id=goods_id, user_id=order.user_id, pieces=number)
    for table in ("shopping_order", "shopping_order_detail"):
        in_orders(f"DELETE FROM {table} WHERE order_id = {order.order_id}")


def test_records_of_archived_orders_in_another_database_have_their_order(split: Split) -> None:
    archive_in_orders(split)

    assert split.findings() == {}


def test_record_of_an_archived_order_in_another_state_is_found(split: Split) -> None:
    archive_in_orders(split)
    order_id = split.paid.order_id
    split.in_stock(f"UPDATE shopping_stock_record SET status = 2 WHERE order_id = {order_id} AND goods_id = 3")
    split.in_stock("UPDATE shopping_stock SET sold = sold - 1, num = num + 1 WHERE goods_id = 3")

    assert split.findings() == {("orders + stock", "I4-status"): [f"{order_id}/3"]}
    assert not Order.objects.filter(order_id=order_id).exists()
