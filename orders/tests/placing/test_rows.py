"""Orders and lines as sets: column by column what the ORM would have written, whatever the words, in one statement or
many."""

import itertools
from dataclasses import replace

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from charites.common import rows
from charites.common.transactions import outermost
from goods.models import Goods
from lab.kit.factories import NOW, make_command, make_goods, make_room
from orders.models import Order, OrderDetail
from orders.payloads import NewLine, NewOrder, Placing
from orders.rows import find_keys, insert_orders
from orders.services import place_order, place_orders
from orders.services.placing import as_stored

pytestmark = pytest.mark.django_db

HOSTILE = [
    'O\'Brien "the" \\ backslash \\\' \\" \\\\',
    "%s %(name)s %% {} {now} {sent} $[0] ?",
    '["a", null, {"b": "\\u0000"}] \\u4e2d',
    "\t\r\n\x01\x1f\x7f\x85\u2028\u2029\ufeff",
    "中文 \U0001f375 e\u0301 \u202eRTL \ud7ff\ue000\uffff",
    "  spaces around  ",
    "'; DROP TABLE shopping_order; --",
]
TEXTS = [*HOSTILE, "\U0001f375" * 32]


def make_placing(number: int, text: str, **changes) -> Placing:
    """An order whose every text is `text`, cut to its length."""
    goods = Goods(
        goods_id=number,
        title=text,
        market_price=2**63 - 1,
        price=9950,
        brief=text * 2,
        head_imgs=[text, "/a.svg"],
        videos=[],
        detail=[{"text": text, "size": [1, 2.5, None, True]}],
    )
    order = NewOrder(
        order_id=number,
        user_id=2**63 - number,
        room_id=None,
        pay_amount=9950,
        created_at=NOW,
        expires_at=NOW.replace(microsecond=123456),
        receive_address=text,
        receive_name=text,
        receive_phone=text[:32],
        idempotency_key=None,
        request_digest="",
    )
    return Placing(order._replace(**changes), (NewLine(goods, 1), NewLine(make_other(goods), 3)))


def make_other(goods: Goods) -> Goods:
    return Goods(
        **{field.attname: getattr(goods, field.attname) for field in Goods._meta.fields} | {"goods_id": 10**18}
    )


def insert(*placings: Placing) -> None:
    with outermost():
        insert_orders(placings)


def stored_rows() -> list[list[tuple]]:
    """Both tables as the database has them, without ids."""
    found = []
    for table, order in {"shopping_order": "order_id", "shopping_order_detail": "order_id, goods_id"}.items():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table} ORDER BY {order}")
            names = [column[0] for column in cursor.description]
            found.append([tuple(zip(names, row, strict=True))[1:] for row in cursor.fetchall()])
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_rows_are_what_the_orm_would_have_written(text):
    optional = {"room_id": 7, "idempotency_key": text[:32], "request_digest": "d" * 64}
    placings = [make_placing(1, text), make_placing(2, text, **optional)]

    insert(*placings)
    ours = stored_rows()
    Order.objects.all().delete()
    OrderDetail.objects.all().delete()
    for placing in placings:
        order = as_stored(placing)
        order.order.save()
        OrderDetail.objects.bulk_create(order.lines)

    assert ours == stored_rows()
    assert [len(table) for table in ours] == [2, 4]


def test_rows_that_are_read_back_are_what_the_caller_was_told():
    make_room(7)
    make_goods(1, stock=5, title=HOSTILE[0], head_imgs=[HOSTILE[4]], detail=[{"a": [1, None]}])
    told = place_order(command=make_command(room_id=7, address=HOSTILE[1], idempotency_key="k"), now=NOW).order

    order, line = Order.objects.get(), OrderDetail.objects.get()

    def columns(row) -> dict:
        return {field.attname: getattr(row, field.attname) for field in row._meta.fields if field.attname != "id"}

    assert columns(order) == columns(told.order)
    assert columns(line) == columns(told.lines[0])


def test_product_that_changed_between_two_calls_of_one_batch_is_sold_to_each_as_it_was_offered():
    placings = [make_placing(number, "before") for number in (1, 2)]
    for line in placings[1].lines:
        line.goods.goods_id, line.goods.title, line.goods.price = placings[0].lines[0].goods.goods_id, "after", 1
    both = [replace(placing, lines=placing.lines[:1]) for placing in placings]

    insert(*both)

    found = OrderDetail.objects.order_by("order_id").values_list("goods_id", "title", "price", "pay_amount")
    assert list(found) == [(1, "before", 9950, 9950), (1, "after", 1, 1)]


def test_large_set_goes_in_as_many_statements_as_it_needs_and_what_is_shared_only_where_it_is_used(monkeypatch):
    placings = [make_placing(number, "text") for number in range(1, 21)]
    monkeypatch.setattr(rows, "MOST_CHARACTERS", 1_000)

    with CaptureQueriesContext(connection) as captured:
        insert(*placings)

    statements = [query["sql"] for query in captured if "INSERT" in query["sql"]]
    assert 8 < len(statements) < 60
    assert max(map(len, statements)) < 3_000
    assert [Order.objects.count(), OrderDetail.objects.count()] == [20, 40]


@pytest.mark.long
@pytest.mark.servers
def test_batch_larger_than_a_packet_of_the_database_is_placed():
    """256 products with 100 KB of description each, where one packet may have 16 MB."""
    for number in range(1, 257):
        make_goods(number, stock=1, detail=["x" * 100_000])

    placed = place_orders(commands=[make_command({number: 1}) for number in range(1, 257)], now=NOW)

    assert all(result.created for result in placed)
    assert OrderDetail.objects.filter(detail__0="x" * 100_000).count() == 256


def test_number_or_key_that_is_taken_is_an_integrity_error():
    insert(make_placing(1, "a", idempotency_key="k"))

    for taken in (make_placing(1, "b"), make_placing(2, "b", user_id=2**63 - 1, idempotency_key="k")):
        with pytest.raises(IntegrityError):
            insert(taken)


def test_keys_are_found_letter_by_letter_and_by_their_user():
    keys = ["key", "KEY", "k%s'\\\"", "[1, null]"]
    make_goods(1, stock=99)
    for key, user_id in itertools.product([*keys, "not asked for"], (7, 9)):
        place_order(command=make_command(user_id=user_id, idempotency_key=key), now=NOW)
    order = make_placing(1, "a").order
    asked = [
        order._replace(user_id=user_id, idempotency_key=key) for key in [*keys, "Key", "cle"] for user_id in (7, 8)
    ]

    found = find_keys(asked)

    assert found.keys() == {(7, key) for key in keys}
    assert {len(used.request_digest or "") for used in found.values()} == {64}
    assert {used.archived_order_id for used in found.values()} == {None}


def test_set_of_nothing_sends_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        insert_orders([])
