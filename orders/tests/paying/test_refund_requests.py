"""Refunds that people ask for: never more than came in, whole or in parts, with the pieces that came back."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from charites.common.errors import Busy, Invalid, KeyReused
from lab.kit.factories import (
    counts,
    make_capture,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    stored,
)
from lab.kit.findings import findings
from lab.kit.interleaving import LostCommit
from lab.kit.log_lines import json_lines
from lab.kit.providers import Scripted
from messaging.models import Message
from messaging.relay import deliver_due
from orders.errors import OrderNotFound, OrderStateConflict, RefundTooLarge, ReturnTooLarge
from orders.models import Order, Refund, RefundLine
from orders.payloads import RefundOrder
from orders.payments.port import RefundRefused
from orders.services import (
    close_unsellable,
    complete_order,
    record_captures,
    refund_order,
    refund_orders,
    send_refunds,
)
from stock.models import StockAdjustment

pytestmark = pytest.mark.django_db(transaction=True)


def command_for(order: Order, amount: int = 100, *, key: str = "k1", **changes: Any) -> RefundOrder:
    command = RefundOrder(order.order_id, amount, "one mug arrived broken", "staff:3", key)
    return replace(command, **changes)


def refund(order: Order, amount: int = 100, **changes: Any) -> Refund:
    requested = refund_order(command=command_for(order, amount, **changes))
    assert requested.refund
    return requested.refund


def paid_order(**changes: Any) -> Order:
    """Two pieces of product 1 and one of product 2: 298.50."""
    make_goods(1, stock=10)
    make_goods(2, stock=10)
    return make_paid_order({1: 2, 2: 1}, **changes)


def send(*refunds: Refund) -> dict[int, Exception]:
    return send_refunds(refund_ids=[refund.refund_id for refund in refunds], now=timezone.now())


def deliver() -> None:
    """What the sweep does about the messages that are due."""
    deliver_due(now=timezone.now() + timedelta(seconds=1))


def reread(refund: Refund) -> Refund:
    return Refund.objects.get(pk=refund.pk)


# What may go back


def test_part_of_a_paid_order_is_written_down_and_sent_under_a_number_of_its_own(provider: type[Scripted]) -> None:
    order = paid_order()

    requested = refund_order(command=command_for(order, 9950))

    made = requested.refund
    assert (requested.is_new, made.status, made.reason, made.amount) == (True, "requested", "staff", 9950)
    assert (made.actor, made.note, made.currency) == ("staff:3", "one mug arrived broken", "CNY")
    assert made.refund_id not in (made.payment_id, order.order_id)
    deliver()
    assert provider.refunded == {order.trade_id: 9950}
    assert (reread(made).status, stored(order).status) == ("done", Order.Status.PAID)
    assert findings() == []


def test_completed_order_is_refunded_too(provider: type[Scripted]) -> None:
    order = paid_order()
    complete_order(order_id=order.order_id, actor="staff", now=timezone.now())

    assert send(refund(order, order.pay_amount)) == {}

    assert provider.refunded == {order.trade_id: order.pay_amount}
    assert stored(order).status == Order.Status.COMPLETED


def test_parts_go_back_until_nothing_is_left(provider: type[Scripted]) -> None:
    order = paid_order()
    refunds = [refund(order, 10_000, key="a"), refund(order, 19_850, key="b")]

    with pytest.raises(RefundTooLarge) as refused:
        refund(order, 1, key="c")

    assert (refused.value.details["left"], refused.value.details["amount"]) == (0, 1)
    assert send(*refunds) == {}
    assert provider.refunded == {order.trade_id: order.pay_amount}
    assert findings() == []


def test_more_than_came_in_is_refused_and_says_what_is_left() -> None:
    order = paid_order()
    refund(order, 29_000)

    with pytest.raises(RefundTooLarge) as refused:
        refund(order, 851, key="k2")

    assert refused.value.message == (f"8.50\u00a0CNY of order {order.order_id} can be refunded, not 8.51\u00a0CNY.")
    assert Refund.objects.count() == 1


def test_what_is_refused_does_not_disturb_what_is_beside_it() -> None:
    order = paid_order()
    closed = make_closed_order({1: 1})
    commands = [
        command_for(order, 29_000, key="a"),
        command_for(order, 851, key="b"),
        command_for(closed, 1, key="c"),
        replace(command_for(order, 1, key="d"), order_id=1),
        command_for(order, 850, key="e"),
    ]

    outcomes = refund_orders(commands=commands)

    errors = [None, RefundTooLarge, OrderStateConflict, OrderNotFound, None]
    assert [outcome.error and type(outcome.error) for outcome in outcomes] == errors
    assert [refund.amount for refund in Refund.objects.order_by("pk")] == [29_000, 850]


@pytest.mark.parametrize("make", [make_order, make_closed_order])
def test_order_that_is_not_paid_is_not_refunded(make: Any) -> None:
    make_goods(1, stock=10)
    order = make({1: 1})

    with pytest.raises(OrderStateConflict):
        refund(order, 1)

    assert not Refund.objects.exists()
    assert not Message.objects.exists()


def test_order_of_which_nobody_knows_whether_it_is_paid_is_not_refunded() -> None:
    make_goods(1, stock=10)
    order = make_order({1: 1})
    make_payment(order, outcome="now")  # the money is at the provider; its news is still on the way

    with pytest.raises(OrderStateConflict):
        refund(order, 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 2**63}, "amount"),
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 256}, "reason"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"currency": "EUR"}, "currency"),
        ({"returned": {1: 0}}, "quantity"),
        ({"returned": {0: 1}}, "goods_id"),
        ({"returned": {1: 1}, "returns_all": True}, "return_stock"),
        ({"returned": dict.fromkeys(range(1, 102), 1)}, "items"),
    ],
)
def test_senseless_request_is_refused_and_names_the_field(changes: dict[str, Any], field: str) -> None:
    order = paid_order()

    with pytest.raises(Invalid) as refused:
        refund_order(command=replace(command_for(order), **changes))

    assert refused.value.details["field"] == field
    assert not Refund.objects.exists()


# Once


def test_same_key_is_answered_with_the_same_refund_whatever_is_left(provider: type[Scripted]) -> None:
    order = paid_order()
    command = command_for(order, order.pay_amount, returns_all=True)
    first = refund_order(command=command)
    send(first.refund)

    again = refund_order(command=command)

    assert (again.is_new, again.refund.refund_id, again.refund.status) == (False, first.refund.refund_id, "done")
    assert Refund.objects.count() == 1
    assert Message.objects.filter(topic="order_refund").count() == 1


@pytest.mark.parametrize(
    "changes",
    [{"amount": 101}, {"reason": "another"}, {"actor": "staff:4"}, {"returns_all": True}, {"returned": {1: 1}}],
)
def test_key_of_another_request_is_refused(changes: dict[str, Any]) -> None:
    order = paid_order()
    refund(order, 100)

    with pytest.raises(KeyReused):
        refund_order(command=replace(command_for(order, 100), **changes))


def test_refused_request_binds_no_key() -> None:
    order = paid_order()
    with pytest.raises(RefundTooLarge):
        refund(order, order.pay_amount + 1)

    assert refund(order, 1).amount == 1


@pytest.mark.parametrize("carried_out", [True, False])
def test_reply_to_the_commit_is_lost_and_the_answer_is_true(carried_out: bool) -> None:
    order = paid_order()

    with LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection")):
        if carried_out:
            assert refund_order(command=command_for(order)).is_new
        else:
            with pytest.raises(Busy):
                refund_order(command=command_for(order))

    assert Refund.objects.count() == carried_out
    assert refund_order(command=command_for(order)).is_new is not carried_out


# What the provider says


def test_refund_that_the_provider_refuses_is_over_and_its_amount_may_be_asked_for_again(
    provider: type[Scripted],
) -> None:
    order = paid_order()
    first = refund(order, order.pay_amount)
    provider.script["refund"] = RefundRefused("disputed")

    assert send(first) == {}

    refused = reread(first)
    assert (refused.status, refused.last_error, refused.next_try_at) == ("refused", "disputed", None)
    provider.script.clear()
    assert send(first) == {}
    assert provider.refunded == {}
    assert send(refund(order, order.pay_amount, key="k2")) == {}
    assert provider.refunded == {order.trade_id: order.pay_amount}
    assert findings() == []


def test_money_that_was_sent_though_another_try_was_told_no_is_told(provider: type[Scripted]) -> None:
    requested = refund(paid_order())
    ended = {"status": Refund.Status.REFUSED, "next_try_at": None, "leased_until": None}
    provider.script["refund"] = lambda _: Refund.objects.update(**ended) and None

    with json_lines() as lines:
        send(requested)

        told = [line for line in lines() if line["event"] == "refund_contradicted"]
    assert [(line["level"], line["refund_id"]) for line in told] == [("error", str(requested.refund_id))]
    assert reread(requested).status == "refused"


def test_money_that_paid_no_order_is_sent_until_the_provider_takes_it(provider: type[Scripted]) -> None:
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    assert record_captures(captures=[make_capture(payment, amount=5, trade_id="T-wrong")]) == [None]
    late = Refund.objects.get()
    provider.script["refund"] = RefundRefused("not yet")

    assert list(send(late)) == [late.refund_id]

    assert (reread(late).status, reread(late).last_error) == ("pending", "refused: not yet")
    provider.script.clear()
    Refund.objects.update(leased_until=None)
    assert send(late) == {}
    assert provider.refunded == {"T-wrong": 5}


def test_refusal_of_an_order_that_was_closed_meanwhile_is_no_end_for_its_money(provider: type[Scripted]) -> None:
    """The stock service refuses to sell it: all of its money has to go back, that which was asked for before, too."""
    order = paid_order()
    part = refund(order, 9950)
    assert close_unsellable(order_id=order.order_id)
    provider.script["refund"] = RefundRefused("not now")

    assert list(send(part)) == [part.refund_id]

    assert reread(part).status == "requested"
    provider.script.clear()
    Refund.objects.update(leased_until=None)
    assert send(*Refund.objects.all()) == {}
    assert provider.refunded == {order.trade_id: order.pay_amount}


def test_order_that_stock_refuses_after_a_part_went_back_gets_the_rest(provider: type[Scripted]) -> None:
    order = paid_order()
    refund(order, 9950)

    with json_lines() as lines:
        assert close_unsellable(order_id=order.order_id)

    assert [line["amount"] for line in lines() if line["event"] == "order_closed"] == [order.pay_amount]
    rows = Refund.objects.order_by("pk").values_list("reason", "amount", "status")
    assert list(rows) == [("staff", 9950, "requested"), ("stock", 19_900, "pending")]


def test_order_that_stock_refuses_after_all_went_back_gets_nothing_more(provider: type[Scripted]) -> None:
    order = paid_order()
    refund(order, order.pay_amount)

    with json_lines() as lines:
        assert close_unsellable(order_id=order.order_id)

    assert [line["amount"] for line in lines() if line["event"] == "order_closed"] == [order.pay_amount]
    assert Refund.objects.count() == 1


# Pieces that came back


def test_pieces_that_came_back_are_available_again_and_stay_sold(provider: type[Scripted]) -> None:
    order = paid_order()
    assert counts(1) == (8, 0, 2)

    made = refund(order, 9950, returned={1: 1})
    deliver()

    assert (counts(1), counts(2)) == ((9, 0, 2), (9, 0, 1))
    adjustment = StockAdjustment.objects.get(idempotency_key=f"refund:{made.refund_id}:1")
    assert (adjustment.delta, adjustment.reason) == (1, f"came back, order {order.order_id}")
    assert findings() == []


def test_all_pieces_come_back_but_those_that_did_before(provider: type[Scripted]) -> None:
    order = paid_order()
    refund(order, 1, key="a", returned={1: 1})

    refund(order, 1, key="b", returns_all=True)
    refund(order, 1, key="c", returns_all=True)
    deliver()

    rows = RefundLine.objects.order_by("pk").values_list("goods_id", "num")
    assert list(rows) == [(1, 1), (1, 1), (2, 1)]
    assert (counts(1), counts(2)) == ((10, 0, 2), (10, 0, 1))


@pytest.mark.parametrize("returned", [{1: 3}, {3: 1}])
def test_more_pieces_than_were_bought_are_refused(returned: dict[int, int]) -> None:
    order = paid_order()

    with pytest.raises(ReturnTooLarge) as refused:
        refund(order, 1, returned=returned)

    assert re.match(r"(2 pieces of product 1|0 pieces of product \d+) can come back with order", refused.value.message)
    assert not Refund.objects.exists()


def test_pieces_that_stock_hears_of_twice_are_added_once(provider: type[Scripted]) -> None:
    order = paid_order()
    refund(order, 1, returned={1: 1})
    deliver()
    Message.objects.filter(topic="stock_returned").update(state=Message.State.READY, deliver_at=timezone.now())

    deliver()

    assert counts(1) == (9, 0, 2)


def test_pieces_stay_back_when_the_provider_refuses_the_money(provider: type[Scripted]) -> None:
    order = paid_order()
    provider.script["refund"] = RefundRefused("disputed")
    refund(order, 1, returned={1: 1})

    deliver()

    assert counts(1) == (9, 0, 2)
    assert findings() == []
