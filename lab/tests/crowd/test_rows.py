"""What the rows say after a run, beside what the buyers were told."""

import pytest
from django.db import connection

from lab.crowd.answers import Answer
from lab.crowd.rows import compare_rows
from lab.crowd.runs import Run, Told
from lab.kit.factories import make_goods, make_order

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "crowd:1"
RUN = Run(room_id=1, goods_id=1, buyers=3, quantity=2, key=KEY)


@pytest.fixture
def got() -> dict[int, Answer]:
    """Two buyers who got two pieces each; a third was too late."""
    make_goods(1, stock=5)
    orders = [make_order({1: 2}, user_id=user_id, idempotency_key=KEY) for user_id in (1, 2)]
    return {order.user_id: Answer(Told.GOT_IT, order.order_id) for order in orders} | {3: Answer(Told.SOLD_OUT)}


def test_rows_agree_with_true_answers(got: dict[int, Answer]) -> None:
    make_order({1: 1}, user_id=1, idempotency_key="another")

    rows = compare_rows(RUN, got)

    assert rows.agree
    assert (rows.orders, rows.pieces, rows.missing, rows.unexpected, rows.late, rows.broken) == (2, 4, 0, 0, 0, [])


def test_buyer_who_got_it_without_a_row_is_missed(got: dict[int, Answer]) -> None:
    rows = compare_rows(RUN, got | {1: Answer(Told.GOT_IT, 12345), 4: Answer(Told.GOT_IT, 777)})

    assert (rows.agree, rows.missing) == (False, 2)


def test_buyer_who_was_refused_with_a_row_is_noticed(got: dict[int, Answer]) -> None:
    rows = compare_rows(RUN, got | {1: Answer(Told.SOLD_OUT), 2: Answer(Told.BUSY)})

    assert (rows.agree, rows.unexpected) == (False, 2)


def test_buyer_without_an_answer_may_have_a_row(got: dict[int, Answer]) -> None:
    rows = compare_rows(RUN, got | {1: Answer(), 3: Answer()})

    assert (rows.agree, rows.orders, rows.late) == (True, 2, 1)


@pytest.mark.unguarded_stock_sql
@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE shopping_stock SET num = num + 1 WHERE goods_id = 1", ["I1-adjustments"]),
        ("UPDATE shopping_stock SET `lock` = `lock` - 1, num = num + 1 WHERE goods_id = 1", ["I1-reserved"]),
        ("UPDATE shopping_stock_record SET num = num - 1 WHERE goods_id = 1", ["I1-reserved"]),
    ],
)
def test_stock_that_does_not_add_up_is_noticed(got: dict[int, Answer], change: str, broken: list[str]) -> None:
    make_goods(2, stock=5)
    other = Run(room_id=1, goods_id=2, buyers=1, quantity=1, key="crowd:2")
    with connection.cursor() as cursor:
        cursor.execute(change)

    assert compare_rows(RUN, got).broken == broken
    assert not compare_rows(RUN, got).agree
    assert compare_rows(other, {9: Answer(Told.SOLD_OUT)}).agree  # another product's
