"""A line in the log for each fact, once, after its COMMIT, and with nothing in it that is private."""

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from charites.common.logs import Origin, note_actor, request_context
from charites.common.transactions import outermost
from goods.services import pin_goods, remove_room_goods
from lab.kit.factories import (
    NOW,
    STAFF_ID,
    later,
    make_capture,
    make_command,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    make_room,
    stored,
)
from lab.kit.interleaving import Interruption, LostCommit
from lab.kit.log_lines import Lines, facts
from lab.kit.rest_client import buyer, staff
from lab.kit.stock_steps import roll_back_stock
from messaging.models import Message
from messaging.relay import deliver_due
from orders import services
from orders.models import Order, Payment
from orders.participant import OrderParticipant
from orders.payloads import Paying
from orders.queue import Queued, place_batch
from stock.moves import confirm
from stock.services import Adjustment, adjust_stock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox")]
PRIVATE = ("1 Harbour Road", "Li Lei", "13800000000", "delivery for Li Lei")


@pytest.fixture(autouse=True)
def lines() -> Iterator[Lines]:
    """The lines of facts; whatever happened, nothing private is in them."""
    with facts() as lines:
        yield lines
        assert not [text for text in PRIVATE if text in str(lines())]


def told(lines: Lines) -> list[tuple[str, str, str]]:
    """Returns (event, request_id, actor) of every line."""
    return [(line["event"], line["request_id"], line["actor"]) for line in lines()]


def since(lines: Lines, number: int) -> list[str]:
    return [line["event"] for line in lines()[number:]]


def lost(*, carried_out: bool) -> LostCommit:
    return LostCommit(carried_out=carried_out, error=OperationalError(2013, "Lost connection"))


# Placing


def test_order_that_is_placed_is_told_with_its_request_and_buyer(lines: Lines) -> None:
    make_goods(1, stock=5)
    items = {"items": [{"goods_id": "1", "quantity": 2}]}
    address = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}

    response = buyer().send("POST", "/api/orders", {**items, **address}, {"X-Request-ID": "req-1"})

    assert lines()[1:] == [
        {
            "event": "order_placed",
            "request_id": "req-1",
            "actor": "customer:7",
            "order_id": response.json()["order_id"],
            "user_id": "7",
            "room_id": None,
            "pieces": 2,
            "amount": 19900,
            "currency": "CNY",
        }
    ]


def test_orders_of_a_batch_are_told_apart_and_only_those_that_are_new(lines: Lines) -> None:
    make_goods(1, stock=2)
    make_order(idempotency_key="k")
    commands = [make_command(idempotency_key="k"), make_command(user_id=8), make_command({1: 9}), make_command({2: 1})]

    placed = services.place_orders(commands=commands, now=NOW)

    (line,) = lines()[2:]
    assert placed[1].new is not None
    assert (line["event"], line["order_id"], line["user_id"]) == (
        "order_placed",
        str(placed[1].new.order.order_id),
        "8",
    )


def test_orders_that_queued_up_keep_their_own_requests(lines: Lines) -> None:
    make_goods(1, stock=5)
    origins = [Origin(name, f"customer:{name}") for name in ("1", "2", "3")]
    commands = [make_command({number: 1}, user_id=number) for number in (1, 2, 1)]

    with request_context("the-leader"):
        place_batch([Queued(*item) for item in zip(commands, origins, strict=True)])

    assert told(lines)[1:] == [("order_placed", name, f"customer:{name}") for name in ("1", "3")]


@pytest.mark.parametrize("carried_out", [True, False])
def test_order_whose_commit_has_no_reply_is_told_if_it_is_there(lines: Lines, carried_out: bool) -> None:
    make_goods(1, stock=2)

    with lost(carried_out=carried_out):
        services.place_orders(commands=[make_command()], now=NOW)

    assert since(lines, 1) == (["order_placed"] if Order.objects.exists() else [])
    assert Order.objects.exists() == carried_out


# Money


def test_payment_is_told_when_it_is_begun_and_its_order_when_it_is_paid_each_once(lines: Lines) -> None:
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    services.begin_payment(order_id=payment.order_id, user_id=7, outcome="page", now=NOW)
    capture = make_capture(payment)

    services.record_captures(captures=[capture])
    services.record_captures(captures=[capture, capture])

    begun, paid = lines()[2:]
    ids = {"payment_id": str(payment.payment_id), "order_id": str(payment.order_id)}
    money = {"channel": "sandbox", "amount": 9950, "currency": "CNY", "request_id": "", "actor": ""}
    assert begun == {"event": "payment_begun", **ids, **money}
    assert paid == {"event": "order_paid", **ids, **money}


def test_capture_that_somebody_else_stores_between_two_tries_is_theirs_to_tell() -> None:
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    move = confirm(payment.order_id, payload=Paying(make_capture(payment), 1))

    noted = []
    for _ in range(2):
        with outermost():
            OrderParticipant().write([move])
        noted.append(move.payload.stored_as)

    assert noted == [payment.payment_id, 0]


@pytest.mark.parametrize(("amount", "event"), [(9950, "order_paid"), (1, "refund_made")])
def test_capture_whose_commit_has_no_reply_is_told_as_what_it_became(lines: Lines, amount: int, event: str) -> None:
    make_goods(1, stock=5)
    capture = make_capture(make_payment(make_order()), amount=amount)

    with lost(carried_out=True):
        assert services.record_captures(captures=[capture]) == [None]
    services.record_captures(captures=[capture])

    assert since(lines, 3) == [event]


def test_money_that_pays_nothing_is_told_made_failed_and_done(lines: Lines, settings) -> None:
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    services.record_captures(captures=[make_capture(payment, amount=5)])
    settings.PAYMENT_PROVIDER = "lab.kit.providers.Away"
    now = timezone.now()
    services.send_refunds(refund_ids=[payment.payment_id], now=now)
    settings.PAYMENT_PROVIDER = "lab.kit.providers.Scripted"
    for _ in range(2):
        services.send_refunds(refund_ids=[payment.payment_id], now=later(60, start=now))

    made, failed, done = lines()[3:]
    about = {
        "payment_id": str(payment.payment_id),
        "order_id": str(payment.order_id),
        "amount": 5,
        "currency": "CNY",
        "request_id": "",
        "actor": "",
    }
    assert made == {"event": "refund_made", "reason": "amount", **about}
    about |= {"refund_id": about["payment_id"]}
    assert failed == {"event": "refund_failed", "attempts": 1, **about}
    assert done == {"event": "refund_done", **about}


def test_money_for_an_order_that_stock_refuses_is_told_with_the_end_of_the_order(lines: Lines) -> None:
    make_goods(1, stock=5)
    order = make_order()
    capture = make_capture(make_payment(order))
    roll_back_stock(order_id=order.order_id, goods_ids=[])

    for _ in range(2):
        services.record_captures(captures=[capture])

    assert since(lines, 3) == ["refund_made", "order_closed"]
    assert (lines()[3]["reason"], lines()[4]["closed_by"]) == ("stock", "stock")


def test_paid_order_that_stock_refuses_later_is_told_once(lines: Lines) -> None:
    make_goods(1, stock=5)
    order = make_paid_order()
    before = len(lines())

    assert [services.close_unsellable(order_id=order.order_id) for _ in range(2)] == [True, True]

    made, closed = lines()[before:]
    about = {"order_id": str(order.order_id), "amount": order.pay_amount, "currency": "CNY"}
    assert made.items() >= {"event": "refund_made", "reason": "stock", **about}.items()
    assert closed.items() >= {"event": "order_closed", "closed_by": "stock", **about}.items()


# Ends


def test_order_that_is_closed_says_by_whom_and_once(lines: Lines) -> None:
    make_goods(1, stock=5)
    mine, late = make_order(), make_order()
    for _ in range(2):
        buyer().send("POST", f"/api/orders/{mine.order_id}/cancel", {}, {"X-Request-ID": "req-1"})
        with request_context("round-1"):
            note_actor("sweep")
            services.close_due(now=later(99_999))

    money = {"amount": 9950, "currency": "CNY"}
    assert lines()[3:] == [
        {
            "event": "order_closed",
            "request_id": "req-1",
            "actor": "customer:7",
            "order_id": str(mine.order_id),
            "closed_by": "user",
            **money,
        },
        {
            "event": "order_closed",
            "request_id": "round-1",
            "actor": "sweep",
            "order_id": str(late.order_id),
            "closed_by": "timeout",
            **money,
        },
    ]


def test_close_that_is_undone_is_not_told(lines: Lines) -> None:
    make_goods(1, stock=5)
    order = make_order()

    with lost(carried_out=False):
        services.close_due(now=later(99_999))

    assert since(lines, 2) == []
    assert stored(order).status == Order.Status.UNPAID


def test_order_that_is_completed_is_told_with_who_did(lines: Lines) -> None:
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    services.record_captures(captures=[make_capture(payment)])

    for _ in range(2):
        staff().post(f"/api/orders/{payment.order_id}/complete")

    (line,) = lines()[4:]
    assert (line["event"], line["order_id"], line["actor"]) == (
        "order_completed",
        str(payment.order_id),
        f"staff:{STAFF_ID}",
    )


# By hand


def test_adjustment_is_told_once_and_without_its_reason(lines: Lines) -> None:
    for _ in range(2):
        adjustment = Adjustment(5, "delivery for Li Lei", "staff", delta=3, idempotency_key="k")
        adjust_stock(adjustments=[adjustment])
    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="^UPDATE shopping_stock")
    with connection.execute_wrapper(deadlock):
        adjust_stock(adjustments=[Adjustment(5, "delivery", "staff", delta=7)])
    with lost(carried_out=False), pytest.raises(Exception, match="Busy"):
        adjust_stock(adjustments=[Adjustment(5, "delivery", "staff", delta=1)])
    with lost(carried_out=True):
        adjust_stock(adjustments=[Adjustment(5, "delivery", "staff", delta=2)])

    assert deadlock.seen == 2
    assert [(line["event"], line["goods_id"], line["delta"]) for line in lines()] == [
        ("stock_adjusted", "5", 3),
        ("stock_adjusted", "5", 7),
        ("stock_adjusted", "5", 2),
    ]


def test_pinned_product_is_told_when_it_changes(lines: Lines) -> None:
    make_goods(1)
    make_goods(2)
    make_room(1, goods_ids=[1, 2])
    for goods_id in (1, 1, 2):
        staff().put("/api/rooms/1/current", {"goods_id": str(goods_id)})
    remove_room_goods(room_id=1, goods_ids=[2], actor="staff")
    pin_goods(room_id=1, goods_id=None)

    assert [(line["event"], line["room_id"], line["goods_id"], line["actor"]) for line in lines()] == [
        ("goods_pinned", "1", "1", f"staff:{STAFF_ID}"),
        ("goods_pinned", "1", "2", f"staff:{STAFF_ID}"),
        ("goods_pinned", "1", None, ""),
    ]


def test_dead_message_is_told(lines: Lines) -> None:
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    services.record_captures(captures=[make_capture(payment, amount=5)])
    Message.objects.update(attempts=99, headers={"request_id": "req-1"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orders.payments.calls.get_provider", lambda: None)
        deliver_due(now=timezone.now())

    assert Payment.objects.count() == 1
    dead = [line for line in lines() if line["event"] == "message_dead"]
    assert [(line["request_id"], line["topic"], line["key"]) for line in dead] == [
        ("req-1", "payment_refund", str(payment.payment_id))
    ]
