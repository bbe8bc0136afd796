"""What orders and their money read on their way, from being placed to money sent back."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from charites.tests.plans.shop import BATCH, FEW, LINES, PLANS, SHOP
from goods.models import Goods
from lab.kit import factories
from orders import sales, selectors, services
from orders.models import Allowance, LimitedGoods, Order, Refund
from orders.payloads import Closing
from orders.services.closing import PROVIDER_BATCH, close
from orders.services.sold_out import answer_sold_out
from stock.moves import Status
from stock.services import Adjustment, adjust_stock
from stock.strategies import STRATEGIES

pytestmark = PLANS


def place(**changes: Any) -> list[Order]:
    commands = [factories.make_command(LINES, user_id=n, **changes) for n in range(1, BATCH + 1)]
    placed = services.place_orders(commands=commands, now=timezone.now())
    return [result.order.order for result in placed if result.order]


@pytest.mark.parametrize("strategy", [name for name, strategy in STRATEGIES.items() if strategy.safe])
def test_placing_reads_few_rows(strategy: str, settings: Any) -> None:
    settings.STOCK_STRATEGY = strategy
    assert len(place(room_id=5)) == BATCH
    first, again = place(idempotency_key="key"), place(idempotency_key="key")

    assert [order.order_id for order in first] == [order.order_id for order in again]


def test_placing_and_closing_read_few_rows_however_many_products_have_had_a_limit() -> None:
    LimitedGoods.objects.bulk_create(LimitedGoods(goods_id=n) for n in range(10_000, 12_000))
    Goods.objects.filter(goods_id__in=LINES).update(limit_per_buyer=50)
    place()

    placed = {order.order_id: 0 for order in place()[:5]}

    cancelled = close(placed, Closing(Order.ClosedBy.USER, timezone.now()))

    assert [outcome.status for outcome in cancelled] == [Status.OK] * 5
    assert Allowance.objects.filter(goods_id=1, user_id=1).exists()


def test_refusing_what_is_sold_out_reads_few_rows() -> None:
    adjust_stock(adjustments=[Adjustment(1, "count", "staff", target=0)])
    first, second = (factories.make_command({1: 1}, idempotency_key=key, user_id=9) for key in ("a", "b"))

    assert services.place_orders(commands=[first], now=timezone.now())[0].error is not None
    assert answer_sold_out([second], timezone.now())[0].error is not None


def test_closing_what_is_due_reads_few_rows_however_much_is_due() -> None:
    after_all = timezone.now() + timedelta(days=2)
    first = selectors.list_due(now=after_all, after=None, limit=BATCH)
    second = selectors.list_due(now=after_all, after=first[-1], limit=BATCH)

    closed = close({due.order_id: due.pay_amount for due in second}, Closing(Order.ClosedBy.TIMEOUT, after_all))
    assert [outcome.done for outcome in closed] == [True] * BATCH
    assert selectors.oldest_overdue_at(now=after_all) == first[0].expires_at


def test_paying_cancelling_and_completing_read_few_rows() -> None:
    now, orders = timezone.now(), place()
    paid, cancelled, begun = orders[:8], orders[8:12], orders[12:]
    captures = [factories.make_capture(factories.make_payment(order, now=now)) for order in paid]

    assert services.record_captures(captures=captures) == [None] * 8
    assert services.record_captures(captures=captures[:2]) == [None] * 2
    assert len(services.complete_orders(order_ids=[o.order_id for o in paid], actor="staff", now=now)) == 8
    numbers = [order.order_id for order in cancelled]
    errors = services.cancel_orders(order_ids=numbers, closed_by=Order.ClosedBy.STAFF, now=now)
    assert errors == dict.fromkeys(numbers)
    assert len(services.begin_payments(order_ids=[o.order_id for o in begun], now=now)) == len(begun)


def test_asking_the_provider_and_sending_back_read_few_rows() -> None:
    now = timezone.now()
    for order in [*place(), *place()]:
        factories.make_payment(order, now=now)

    assert services.close_overdue_payments(now=now + timedelta(days=2)) == PROVIDER_BATCH
    assert services.reconcile(now=now + timedelta(days=2)) > 0
    numbers = list(Refund.objects.filter(status="pending").values_list("payment_id", flat=True)[:BATCH])
    assert len(selectors.list_refunds_to_send(refund_ids=numbers)) == BATCH


def test_orders_by_number_and_what_belongs_to_them_read_few_rows() -> None:
    assert selectors.get_order(order_id=5, user_id=6).lines
    assert len(selectors.list_by_numbers(order_ids=[5, 6, 7])) == 3
    keys = [(1 + order_id % SHOP.buyers, f"key-{order_id}") for order_id in range(1, BATCH + 1)]
    assert len(selectors.list_by_keys(keys=keys)) == BATCH
    assert selectors.list_payments(order_id=5)
    assert selectors.list_refunds(order_id=5)
    assert selectors.last_placed_at()


def test_what_is_sold_of_products_reads_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sales, "MOST_LINES", 100)
    goods_ids = list(range(1, 11))

    assert len(sales.list_newest_orders(goods_ids=goods_ids, limit=5)) == 5
    assert sales.list_newest_orders(goods_ids=[999_999], limit=5) == []
    assert sum(minute.orders for minute in sales.list_sales(goods_ids=goods_ids, minutes=15, now=timezone.now())) == 0
    assert len(place()) == BATCH
    assert sum(minute.orders for minute in sales.list_sales(goods_ids=[1], minutes=15, now=timezone.now())) == BATCH


def test_gauges_count_in_an_index() -> None:
    assert selectors.count_due(now=timezone.now() + timedelta(days=99)) > FEW
    assert sum(selectors.count_payments_by_status().values()) > FEW
    assert sum(selectors.count_refunds_by_status().values()) > FEW
    assert selectors.oldest_overdue_at(now=timezone.now() + timedelta(days=99))
