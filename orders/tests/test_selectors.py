import pytest

from lab.kit.factories import (
    NOW,
    SANDBOX,
    later,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
)
from orders.errors import OrderNotFound
from orders.lists import list_orders
from orders.models import Order, Payment
from orders.selectors import (
    get_order,
    list_begun_payments,
    list_due,
    list_overdue_payments,
    oldest_overdue_at,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _goods(settings):
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.ORDER_PAY_TIMEOUT_SECONDS = 60
    make_goods(1, stock=200)
    make_goods(2, stock=200)


def test_get_order_returns_the_order_with_its_lines_in_order():
    order = make_order({2: 1, 1: 3})

    found = get_order(order_id=order.order_id, user_id=7)

    assert found.order == order
    assert [(line.goods_id, line.num) for line in found.lines] == [(1, 3), (2, 1)]


def test_get_order_of_somebody_else_is_not_found_and_of_anybody_is():
    order = make_order()

    with pytest.raises(OrderNotFound):
        get_order(order_id=order.order_id, user_id=8)
    assert get_order(order_id=order.order_id, user_id=None).order == order


def test_list_orders_pages_through_ones_own_newest_first(django_assert_num_queries):
    own = [make_order().order_id for _ in range(5)]
    make_order(user_id=8)

    with django_assert_num_queries(2):
        first = list_orders(user_id=7, limit=3)
    second = list_orders(user_id=7, limit=3, before_id=first[-1].order.order_id)

    numbers = [found.order.order_id for found in [*first, *second]]
    assert numbers == sorted(own, reverse=True)
    assert [len(found.lines) for found in first] == [1, 1, 1]


def test_list_orders_by_status_and_of_everybody():
    unpaid, paid, closed = make_order(), make_paid_order(user_id=8), make_closed_order()

    assert [found.order for found in list_orders(user_id=None, status=Order.Status.PAID)] == [paid]
    assert [found.order.order_id for found in list_orders(user_id=None)] == [
        order.order_id for order in (closed, paid, unpaid)
    ]


def test_list_orders_never_returns_more_than_a_hundred():
    for _ in range(101):
        make_order()

    assert len(list_orders(user_id=7, limit=1000)) == 100


def test_list_due_pages_without_gaps_through_orders_of_one_moment():
    orders = [make_order() for _ in range(5)]
    now = later(60)

    first = list_due(now=now, after=None, limit=2)
    second = list_due(now=now, after=first[-1], limit=2)
    third = list_due(now=now, after=second[-1], limit=2)

    assert [due.order_id for due in [*first, *second, *third]] == [order.order_id for order in orders]
    assert list_due(now=now, after=third[-1], limit=2) == []


def test_list_due_is_longest_overdue_first_and_leaves_out_begun_payments():
    late, early, begun = make_order(now=later(5)), make_order(), make_order()
    make_payment(begun)

    assert [due.order_id for due in list_due(now=later(90), after=None, limit=9)] == [
        early.order_id,
        late.order_id,
    ]


def test_list_overdue_payments_leaves_out_those_that_somebody_asks_about():
    asked, free = make_payment(make_order()), make_payment(make_order())
    Payment.objects.filter(pk=asked.pk).update(leased_until=later(100))

    assert [found.pk for found, _ in list_overdue_payments(now=later(61), limit=9)] == [free.pk]
    assert len(list_overdue_payments(now=later(101), limit=9)) == 2


def test_list_overdue_payments_is_not_blocked_by_a_page_of_payments_under_way():
    asked, free = make_payment(make_order()), make_payment(make_order())
    Payment.objects.filter(pk=asked.pk).update(leased_until=later(100))

    assert [found.pk for found, _ in list_overdue_payments(now=later(61), limit=1)] == [free.pk]


def test_oldest_overdue_at_is_when_the_longest_overdue_order_expired():
    assert oldest_overdue_at(now=NOW) is None
    make_order(now=later(5))
    make_order()

    assert oldest_overdue_at(now=later(59)) is None
    assert oldest_overdue_at(now=later(99)) == later(60)


def test_list_begun_payments_returns_only_begun_ones():
    order, other = make_order(), make_order()
    asked = [order.order_id, other.order_id]
    assert list_begun_payments(order_ids=asked) == {}
    payment = make_payment(order)

    assert list_begun_payments(order_ids=asked) == {order.order_id: payment}
    assert list_begun_payments(order_ids=[other.order_id]) == {}
    Payment.objects.update(status=Payment.Status.CLOSED)
    assert list_begun_payments(order_ids=asked) == {}
