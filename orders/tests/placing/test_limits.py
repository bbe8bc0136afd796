"""What one buyer may have: pieces, unpaid orders, orders in a while; under every safe strategy, and at once."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from charites.audit import run_audit
from charites.common import clock
from charites.common.errors import Limited
from goods.models import Goods
from lab.kit.factories import NOW, counts, later, make_command, make_goods, make_order, make_paid_order
from lab.kit.interleaving import Background, Parked, await_lock_wait
from orders.errors import OverBuyersLimit, TooManyUnpaid
from orders.models import Allowance, LimitedGoods, Order
from orders.services import cancel_order, close_due, place_order, place_orders
from orders.tests.placing.placed import errors_of, place
from stock.errors import NotEnoughStock
from stock.strategies import STRATEGIES

pytestmark = pytest.mark.django_db(transaction=True)

SAFE = sorted(name for name, strategy in STRATEGIES.items() if strategy.safe)
CALLERS = 12


@pytest.fixture(params=SAFE)
def _strategy(request: pytest.FixtureRequest, settings) -> None:
    settings.STOCK_STRATEGY = request.param


def limit(goods_id: int, pieces: int) -> None:
    Goods.objects.filter(goods_id=goods_id).update(limit_per_buyer=pieces)


def held() -> dict[tuple[int, int], int]:
    """(goods_id, user_id) -> pieces, as they are counted."""
    return {(row.goods_id, row.user_id): row.pieces for row in Allowance.objects.all()}


def cancel(order: Order) -> None:
    cancel_order(order_id=order.order_id, user_id=order.user_id, closed_by=Order.ClosedBy.USER, now=NOW)


def broken_rules() -> list[str]:
    return [result.check.id for result in run_audit(now=NOW) if result.total]


def place_at_once(user_ids: list[int], *, num: int = 1) -> Counter[str]:
    """Orders by callers who share no queue, as those of several processes do; what became of them, counted."""

    def place_one(user_id: int) -> str:
        try:
            place_order(command=make_command({1: num}, user_id=user_id), now=NOW)
        except (OverBuyersLimit, TooManyUnpaid, Limited, NotEnoughStock) as error:
            return type(error).__name__
        return "placed"

    callers = [Background(lambda user_id=user_id: place_one(user_id)) for user_id in user_ids]
    for caller in callers:
        caller.__enter__()
    for caller in callers:
        caller.__exit__(None, None, None)
    return Counter(caller.result() for caller in callers)


@pytest.mark.usefixtures("_strategy")
def test_buyer_gets_as_many_pieces_as_the_limit_and_again_after_a_cancellation():
    make_goods(1, stock=50, limit_per_buyer=2)
    first = make_order()
    make_order()
    make_order(user_id=8)

    with pytest.raises(OverBuyersLimit) as refused:
        place()
    assert refused.value.details == {"goods_id": 1, "limit": 2, "held": 2, "requested": 1}
    cancel(first)
    make_order()
    with pytest.raises(OverBuyersLimit):
        place()

    assert held() == {(1, 7): 2, (1, 8): 1}
    assert counts(1) == (47, 3, 0)
    assert broken_rules() == []


@pytest.mark.usefixtures("_strategy")
def test_in_a_batch_the_first_that_fit_get_it_and_who_is_over_the_limit_takes_nothing_from_others():
    make_goods(1, stock=5, limit_per_buyer=2)
    commands = [
        make_command({1: num}, user_id=user) for user, num in [(7, 5), (7, 1), (8, 2), (7, 1), (7, 1), (9, 1), (9, 1)]
    ]

    placed = place_orders(commands=commands, now=NOW)

    nothing = type(None)
    assert errors_of(placed) == [OverBuyersLimit, nothing, nothing, nothing, OverBuyersLimit, nothing, NotEnoughStock]
    assert held() == {(1, 7): 2, (1, 8): 2, (1, 9): 1}
    assert (counts(1), broken_rules()) == ((0, 5, 0), [])


@pytest.mark.usefixtures("_strategy")
def test_callers_at_once_get_no_more_than_the_limit():
    make_goods(1, stock=50, limit_per_buyer=2)

    assert place_at_once([7] * CALLERS + [8]) == {"placed": 3, "OverBuyersLimit": CALLERS - 2}

    assert held() == {(1, 7): 2, (1, 8): 1}
    assert (counts(1), broken_rules()) == ((47, 3, 0), [])


@pytest.mark.servers
def test_first_order_of_a_buyer_that_another_one_overtakes_is_decided_anew():
    """Before its first order a buyer has no row that could be locked."""
    make_goods(1, stock=50, limit_per_buyer=2)
    place({1: 1}, user_id=9)  # from now on the product is counted

    with Parked(lambda: place({1: 2}), at=r"INSERT INTO shopping_order ") as parked:
        assert place({1: 1}).created
        with pytest.raises(OverBuyersLimit):
            parked.go()

    assert held() == {(1, 7): 1, (1, 9): 1}
    assert counts(1) == (48, 2, 0)
    assert broken_rules() == []


@pytest.mark.servers
def test_orders_of_different_buyers_wait_for_each_other_at_no_count(settings):
    settings.MAX_UNPAID_ORDERS = 5
    for goods_id in (1, 2):
        make_goods(goods_id, stock=50, limit_per_buyer=2)
    place({1: 1, 2: 1}, user_id=9)  # from now on both are counted

    with Parked(lambda: place({1: 1}, user_id=8), at=r"UPDATE shopping_stock ") as parked:
        assert place({2: 1}).created
        assert parked.go().created

    assert held() == {(1, 9): 1, (2, 9): 1, (1, 8): 1, (2, 7): 1}
    assert broken_rules() == []


@pytest.mark.servers
def test_order_and_cancellation_of_one_buyer_that_meet_crosswise_are_both_carried_out(settings):
    """One has the count and wants the orders, the other has an order and wants the count: one of them begins anew."""
    settings.MAX_UNPAID_ORDERS = 5
    make_goods(1, stock=50, limit_per_buyer=5)
    order = make_order({1: 2})

    with Parked(lambda: cancel(order), at=r"UPDATE shopping_order SET", after=True) as parked:
        with Background(place) as placing:
            await_lock_wait()
            parked.go()
        assert placing.result().created

    assert held() == {(1, 7): 1}
    assert (counts(1), broken_rules()) == ((49, 1, 0), [])


def test_pieces_of_several_products_are_counted_apart():
    make_goods(1, stock=5, limit_per_buyer=1)
    make_goods(2, stock=5, limit_per_buyer=2)
    make_goods(3, stock=5)
    order = make_order({1: 1, 2: 1, 3: 4})

    assert held() == {(1, 7): 1, (2, 7): 1}
    with pytest.raises(OverBuyersLimit):
        place({1: 1, 2: 1})
    assert counts(2) == (4, 1, 0)
    cancel(order)
    assert held() == {(1, 7): 0, (2, 7): 0}
    assert broken_rules() == []


def test_a_limit_that_is_switched_on_counts_what_is_open_or_paid_and_not_what_is_closed(settings, pay_timeout):
    make_goods(1, stock=50)
    cancel(make_order({1: 4}))
    make_order({1: 2})
    make_paid_order({1: 1}, user_id=8)
    assert held() == {}

    limit(1, 3)
    make_order({1: 1})
    with pytest.raises(OverBuyersLimit):
        place({1: 1})
    with pytest.raises(OverBuyersLimit):
        place({1: 3}, user_id=8)

    assert held() == {(1, 7): 3, (1, 8): 1}
    assert broken_rules() == []


def test_a_limit_that_is_lowered_touches_no_order_and_one_that_is_off_goes_on_counting():
    make_goods(1, stock=50, limit_per_buyer=5)
    order = make_order({1: 4})

    limit(1, 2)
    with pytest.raises(OverBuyersLimit):
        place({1: 1})
    limit(1, 0)
    make_order({1: 9})
    cancel(order)

    assert held() == {(1, 7): 9}
    limit(1, 9)
    with pytest.raises(OverBuyersLimit):
        place({1: 1})
    assert broken_rules() == []


def test_time_out_gives_the_pieces_back(settings, pay_timeout):
    make_goods(1, stock=5, limit_per_buyer=1)
    make_order()
    with pytest.raises(OverBuyersLimit):
        place()

    assert close_due(now=later(1801)) == 1

    assert held() == {(1, 7): 0}
    assert place_order(command=make_command(), now=later(1802)).created
    assert broken_rules() == []


def others() -> dict[str, tuple[Callable[[], object], str]]:
    """Changes of what user 7 has, and the statement after which their rows are written, and not counted yet."""
    order = make_order({1: 2})
    return {
        "place": (place, r"INSERT INTO shopping_order_detail"),
        "cancel": (lambda: cancel(order), r"UPDATE shopping_order SET"),
    }


@pytest.mark.servers
@pytest.mark.parametrize("name", ["place", "cancel"])
def test_who_begins_to_count_waits_for_those_who_are_counting(name):
    make_goods(1, stock=50)
    other, _at = others()[name]
    with Parked(other, at=r"limited_goods .*LOCK IN SHARE MODE", after=True) as parked:
        limit(1, 5)
        with Background(lambda: place({1: 1}, user_id=9)) as counting:
            await_lock_wait()
            parked.go()
        assert counting.result().created

    assert held() == {(1, 9): 1, (1, 7): 3} if name == "place" else {(1, 9): 1}
    assert broken_rules() == []


@pytest.mark.servers
@pytest.mark.parametrize("name", ["place", "cancel"])
def test_who_has_written_and_not_counted_counts_by_itself_what_somebody_begins_to_count(name):
    make_goods(1, stock=50)
    other, at = others()[name]
    with Parked(other, at=at, after=True) as parked:
        limit(1, 5)
        assert place({1: 1}, user_id=9).created
        parked.go()

    assert held() == {(1, 9): 1, (1, 7): 3 if name == "place" else 0}
    assert broken_rules() == []


HELD = r"shopping_order_allowance AS held"  # read in the transaction, before stock is


@pytest.mark.servers
def test_two_transactions_of_one_buyer_wait_for_each_other():
    make_goods(1, stock=50, limit_per_buyer=2)
    make_order()
    with Parked(place, at=HELD, after=True) as parked:
        with Background(place) as other:
            await_lock_wait()
            parked.go()
        with pytest.raises(OverBuyersLimit):
            other.result()

    assert (held(), broken_rules()) == ({(1, 7): 2}, [])


@pytest.mark.servers
def test_who_is_over_the_limit_by_the_order_of_its_own_key_gets_that_order():
    make_goods(1, stock=50, limit_per_buyer=2)
    cancel(make_order())
    with Parked(lambda: place({1: 2}, idempotency_key="k"), at=HELD, after=True) as parked:
        with Background(lambda: place({1: 2}, idempotency_key="k")) as twin:
            await_lock_wait()
            first = parked.go()
        second = twin.result()

    assert (first.created, second.created) == (True, False)
    assert second.order.order.order_id == first.order.order.order_id


def test_who_is_over_the_limit_by_now_gets_the_order_of_an_accepted_key():
    make_goods(1, stock=5, limit_per_buyer=2)
    first = place({1: 2}, idempotency_key="k")
    limit(1, 1)

    again = place({1: 2}, idempotency_key="k")

    assert (again.created, again.order.order.order_id) == (False, first.order.order.order_id)
    assert held() == {(1, 7): 2}


def test_a_wrong_count_keeps_no_order_open_and_the_audit_names_it(caplog):
    make_goods(1, stock=5, limit_per_buyer=2)
    order, other = make_order(), make_order(user_id=8)
    Allowance.objects.filter(user_id=7).update(pieces=0)
    Allowance.objects.filter(user_id=8).delete()
    assert broken_rules() == ["I18-pieces-of-a-buyer"]

    cancel(order)
    cancel(other)

    assert counts(1) == (5, 0, 0)
    assert "pieces_were_not_counted" in caplog.text
    assert broken_rules() == []


# Unpaid orders, and orders in a while


def test_buyer_has_no_more_unpaid_orders_than_allowed(settings):
    settings.MAX_UNPAID_ORDERS = 2
    make_goods(1, stock=50)
    first = make_order()
    make_paid_order()
    make_order()

    with pytest.raises(TooManyUnpaid) as refused:
        place()
    assert refused.value.details == {"unpaid": 2, "limit": 2}
    assert place(user_id=8).created
    cancel(first)
    assert place().created


@pytest.mark.usefixtures("_strategy")
def test_callers_at_once_have_no_more_unpaid_orders_than_allowed(settings):
    settings.MAX_UNPAID_ORDERS = 3
    make_goods(1, stock=50)

    assert place_at_once([7] * CALLERS + [8]) == {"placed": 4, "TooManyUnpaid": CALLERS - 3}

    assert (Order.objects.filter(user_id=7).count(), counts(1)) == (3, (46, 4, 0))


def test_in_a_batch_the_first_orders_of_a_buyer_are_placed(settings):
    settings.MAX_UNPAID_ORDERS = 2
    make_goods(1, stock=50)

    placed = place_orders(commands=[make_command(user_id=user) for user in (7, 7, 8, 7)], now=NOW)

    assert errors_of(placed) == [type(None), type(None), type(None), TooManyUnpaid]


def test_buyer_places_no_more_orders_in_a_while_than_allowed(settings):
    settings.PLACE_RATE = "2/min"
    make_goods(1, stock=50)
    cancel(make_order(now=NOW))
    cancel(make_order(now=later(30)))

    with pytest.raises(Limited) as refused:
        place_order(command=make_command(), now=later(59))
    assert (refused.value.code, refused.value.details) == (10000007, {"retry_after_seconds": 60})
    assert place_order(command=make_command(), now=later(61)).created


def test_buyer_cancels_no_more_orders_in_a_while_than_allowed(settings):
    settings.CANCEL_RATE = "1/min"
    make_goods(1, stock=50)
    now = clock.now()
    orders = [make_order(now=now) for _ in range(4)]
    by_user = {"user_id": 7, "closed_by": Order.ClosedBy.USER}
    cancel_order(order_id=orders[0].order_id, now=now, **by_user)

    with pytest.raises(Limited) as refused:
        cancel_order(order_id=orders[1].order_id, now=now, **by_user)
    assert (refused.value.code, refused.value.details) == (10000007, {"retry_after_seconds": 60})
    cancel_order(order_id=orders[2].order_id, user_id=7, closed_by=Order.ClosedBy.STAFF, now=now)
    cancel_order(order_id=orders[3].order_id, now=now + timedelta(minutes=2), **by_user)

    assert counts(1) == (49, 1, 0)


def test_accepted_key_answers_its_order_whatever_the_rules_say_by_now(settings):
    settings.MAX_UNPAID_ORDERS = 1
    make_goods(1, stock=1)
    first = place(idempotency_key="k", expected_amount=9950)
    settings.PLACE_RATE = "1/min"
    Goods.objects.update(status=Goods.Status.OFF_SALE, price=1, sale_starts_at=later(60), limit_per_buyer=1)

    again = place(idempotency_key="k", expected_amount=9950)

    assert (again.created, again.order.order.order_id) == (False, first.order.order.order_id)


def test_lock_that_those_who_count_share_is_in_every_database():
    assert LimitedGoods.objects.filter(goods_id=0).count() == 1
