"""What the statements of the shop read where there is much of everything, also of what waits: a few rows, by an index.

Each is explained by MariaDB's planner, and the rows that it really read are counted. How fast they are with a million
orders is for `make bench` to say (lab/bench/b9_scale.py).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from charites import dashboard
from charites.common import admin_lists
from charites.common.ids import first_id_at
from charites.common.pages import Cursor
from goods import selectors as goods
from goods.models import Goods, Room
from lab.kit import factories
from lab.kit.admin_site import list_url, sign_in
from lab.kit.large_shop import TABLES, LargeShop, fill
from lab.kit.plans import Sent, all_statements
from lab.kit.stock_steps import confirm_stock, deduct_stock, reserve_stock, roll_back_stock
from messaging import check_back, relay
from messaging import selectors as messages
from messaging.models import Message
from messaging.services import Draft, abort, prepare_many, publish_many, submit
from orders import lists, sales, selectors, services
from orders.models import Allowance, LimitedGoods, Order, OrderDetail, Payment, Refund, SandboxPayment
from orders.payloads import Closing
from orders.services.closing import PROVIDER_BATCH, close
from orders.services.sold_out import answer_sold_out
from stock import selectors as stock
from stock.models import StockRecord
from stock.moves import Status
from stock.services import Adjustment, adjust_stock
from stock.strategies import STRATEGIES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.servers, pytest.mark.unguarded_stock_sql]

SHOP = LargeShop(orders=6_000, goods=1_000, rooms=5_000, available=10_000)
# Enough for the planner to want an index wherever one helps: what is asked for is found among two thousand rows.
WAITING = (
    """
    UPDATE messaging_message SET deliver_at = NOW(6) - INTERVAL 1 HOUR, state = ELT(1 + id % 3, 'ready', 'half', 'done')
    """,
    """
    INSERT INTO shopping_refund (created_at, updated_at, payment_id, order_id, amount, currency, reason, status,
        attempts)
    SELECT created_at, updated_at, payment_id, order_id, amount, currency, 'late', IF(id % 2, 'pending', 'done'), 0
    FROM shopping_payment
    """,
    """
    INSERT INTO sandbox_payment (created_at, updated_at, payment_id, amount, currency, status, trade_id, refunded,
        expires_at)
    SELECT created_at, updated_at, payment_id, amount, currency, 'open', trade_id, 0, NOW(6) FROM shopping_payment
    """,
    """
    UPDATE shopping_payment SET status = ELT(1 + id % 3, 'begun', 'closed', 'captured'),
        next_question_at = IF(id % 3 < 2, NOW(6) - INTERVAL 1 HOUR, NULL)
    """,
)
FILLED = (*TABLES, "shopping_refund", "sandbox_payment")

LINES = dict.fromkeys((1, 2, 3), 1)
BATCH = 20  # orders in one call
FEW = 200  # rows that a statement about such a batch, or about a page, may read
# Who changes the status of an order needs their entries; see `orders.selectors.in_status`.
OF_STATUS = {"shopping_order_due", "shopping_order_of_status", "shopping_payment_begun", "shopping_payment_to_ask"}
# What is read whole on purpose, by what it contains -> why.
ON_PURPOSE = {
    "UNION ALL SELECT %s, COUNT(*) FROM (SELECT 1": "gauges of states, in an index, each up to a bound",
    "SELECT COUNT(*) FROM (SELECT": "a gauge of what is due, in an index, up to a bound",
    "NOT (`messaging_message`.`topic` IN": "looks for topics that nobody here knows, among all that is due",
}


@pytest.fixture(autouse=True)
def sent(transactional_db: None, settings: Any) -> Iterator[list[Sent]]:
    """What a test sends in a large shop; at its end, none of it has read many rows."""
    settings.PAYMENT_PROVIDER = factories.SANDBOX
    with connection.cursor() as cursor:
        fill(cursor, SHOP)
        for statement in WAITING:
            cursor.execute(statement)
        cursor.execute(f"ANALYZE TABLE {', '.join(FILLED)}")
        cursor.fetchall()
    with all_statements() as sent:
        yield sent
    with connection.cursor() as cursor:
        for table in FILLED:
            cursor.execute(f"TRUNCATE {table}")  # quicker than the tests' own clean-up
    assert not (found := faults_of(sent)), "\n".join(found)


def faults_of(sent: Sequence[Sent]) -> list[str]:
    ours = [one for one in sent if any(table in one.sql for table in FILLED)]
    assert ours
    looked_at = [one for one in ours if not any(words in one.sql for words in ON_PURPOSE)]
    locked = [one for one in ours if one.locks and any(step.key in OF_STATUS for step in one.steps)]
    return [
        *(f"{faults} of {one.sql}" for one in looked_at if (faults := one.faults(FEW))),
        *(f"locks by an index of statuses: {one.sql}" for one in locked),
    ]


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
    assert len(selectors.list_pending_refunds(payment_ids=numbers)) == BATCH


def test_page_of_orders_reads_few_rows_wherever_it_lies() -> None:
    for user_id, status, before_id in product([None, 5], [None, *Order.Status], [None, 5_000, 500]):
        page = lists.list_orders(user_id=user_id, status=status, before_id=before_id)

        is_full = status != Order.Status.COMPLETED and user_id is None
        assert not is_full or len(page) == 20


def test_page_of_orders_of_a_room_or_with_a_product_reads_few_rows() -> None:
    for name, before in product(["room_id", "goods_id"], [None, 5_000, 500]):
        page = lists.page_orders(lists.OrderFilter(**{name: 5}), Cursor(before=before))

        assert page.items


def test_page_of_what_staff_look_at_reads_few_rows() -> None:
    for cursor in (Cursor(), Cursor(before=500), Cursor(after=500)):
        assert len(lists.page_payments(cursor).items) == 20
        assert len(lists.page_refunds(cursor).items) == 20
        assert len(stock.page_stock(cursor).items) == 20
        assert len(messages.page_messages(cursor).items) == 20


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


def test_page_of_rooms_reads_few_rows_wherever_it_lies() -> None:
    for status, after_id in product([None, *Room.Status], [None, 1_000]):
        assert len(goods.page_rooms(status, Cursor(after=after_id)).items) == 20


def test_rooms_and_goods_by_number_read_few_rows() -> None:
    assert len(goods.get_room_goods(room_id=5).goods) == 10
    assert len(goods.list_existing_rooms(room_ids=[5, 6])) == 2
    assert len(goods.list_entries(room_id=5)) == 10
    assert goods.get_goods(goods_id=5)
    assert goods.list_entries_of_goods(goods_id=7)


def test_steps_of_stock_read_few_rows() -> None:
    for order_id in (900_001, 900_002, 900_002):
        reserve_stock(order_id=order_id, quantities=LINES)
    confirm_stock(order_id=900_001)
    roll_back_stock(order_id=900_002, goods_ids=list(LINES))
    deduct_stock(goods_id=1, quantity=1)
    for _ in range(2):
        adjust_stock(adjustments=[Adjustment(1, "count", "staff", delta=-1, idempotency_key="key")])

    assert stock.get_stock(goods_id=1)
    assert len(stock.list_records(order_ids=[900_001, 900_002])) == 6
    assert stock.list_adjustments(goods_id=1, limit=100)


def test_delivery_reads_few_messages_however_many_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "PURGE_STEP", 100)
    now = timezone.now()
    with transaction.atomic():
        publish_many([Draft("payment_notify", "5", {})])

    assert relay.deliver_due(now=now) > 0
    assert relay.hold_unknown(now=now) == 0
    assert messages.oldest_due_at(now=now) is not None
    assert messages.list_by_key(topic="payment_notify", key="5")
    assert sum(messages.count_by_state().values()) > FEW
    assert relay.purge(now=now + timedelta(days=8)) == relay.PURGE_STEP


def test_half_messages_are_decided_by_reading_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_back, "CHECK_BATCH", BATCH)
    first, second = (prepare_many([Draft("topic", str(n), {}) for n in range(BATCH)]) for _ in range(2))

    assert submit(first) == BATCH
    with transaction.atomic():
        abort(second)
    assert check_back.check_back(now=timezone.now() + timedelta(days=1)) > 0


FILTERS: Sequence[tuple[type[Model], str]] = (
    *((Order, f"status__exact={status}") for status in Order.Status),
    (Order, "status__exact=300&closed_by__exact=user"),
    (Order, "closed_by__exact=user"),
    (Order, "room=5"),
    *((Order, f"placed={word}") for word in ("today", "24h", "7d", "2026", "24h&status__exact=200")),
    (Order, "q=77"),
    (Order, "q=1380"),
    (Order, "o=4"),  # sorted by another column
    (OrderDetail, "pay_time__isnull=False"),
    (OrderDetail, "q=77"),
    *((Payment, f"status__exact={status}") for status in Payment.Status),
    (Payment, "q=SB1"),
    (Refund, "status__exact=pending"),
    (SandboxPayment, "q=SB1"),
    (StockRecord, "kind__exact=receipt"),
    (StockRecord, "q=77"),
    *((Message, f"state__exact={state}") for state in Message.State),
    (Message, "topic=payment_refund"),
    (Message, "q=payment"),
)
LISTS = [(admin_lists, name) for name in ("LISTED", "LOOKED_AT", "MOST_FOUND")]


def test_lists_of_the_admin_read_a_list_and_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for where, name in LISTS:
        monkeypatch.setattr(where, name, FEW // 3)  # counting rows reads them twice
    operator = sign_in(factories.make_user("root", is_staff=True))
    plain = [(model, words) for model in dict(FILTERS) for words in ("", "p=2")]

    for model, words in [*plain, *FILTERS]:
        page = operator.get(f"{list_url(model)}?{words}")
        assert page.status_code == 200, (model, words)


def test_first_page_of_the_admin_and_orders_of_a_day_read_few_rows(
    monkeypatch: pytest.MonkeyPatch, sent: list[Sent]
) -> None:
    for where, name in [(sales, "MOST_ORDERS"), (dashboard, "LOOKED_AT"), (dashboard, "AMONG"), *LISTS]:
        monkeypatch.setattr(where, name, FEW // 4)
    minute = sales.NUMBERS_A_MINUTE
    before_all = first_id_at(timezone.now()) - minute * (SHOP.orders + 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE shopping_order SET created_at = NOW(6) - INTERVAL %s - order_id MINUTE, "
            "order_id = %s + order_id * %s ORDER BY id DESC",
            [SHOP.orders, before_all, minute],
        )
        cursor.execute("ANALYZE TABLE shopping_order")
        cursor.fetchall()
    sent.clear()
    operator = sign_in(factories.make_user("root", is_staff=True))

    page = operator.get("/admin/")
    assert page.context["dashboard"].is_cut
    for words in ("placed=24h", "placed=24h&status__exact=200", "placed=24h&status__in=200,400"):
        assert operator.get(f"{list_url(Order)}?{words}").context["cl"].is_cut
