"""Stripe and the shop's own faults: two web processes, lost COMMITs, and money that meets the end of an order at every
pair of statements."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.utils import timezone

from charites.common import ids
from charites.common.errors import Kind
from lab.kit.factories import bearer, counts, make_goods, make_order, stored
from lab.kit.findings import findings, wrong_endings
from lab.kit.interleaving import Background
from lab.kit.processes.shop import Shop
from lab.kit.proxy import lossy_database
from lab.kit.rest_client import buyer
from lab.kit.schedules import Side, alone, meet, pairs_of_stops, two_sides
from lab.kit.stripe_api import StripeApi, signature
from lab.kit.trials import Trials
from orders.errors import OrderStateConflict, PaymentsUnavailable
from orders.models import Order, Payment, Refund, StripeSession
from orders.payments.stripe.ledger import CLOSED
from orders.services import receive_notice, send_refunds
from orders.tests.paying.stripe.steps import (
    NOTIFY,
    begin,
    end_in_time,
    notify,
    pay,
    request_refund,
    send,
    session_of,
    status_of,
)

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


# Two web processes


@pytest.fixture
def shop(process_environment: dict[str, str], tmp_path: Path, api: StripeApi) -> Iterator[Shop]:
    with Shop(tmp_path, {**process_environment, **api.environment}) as shop:
        shop.start("web", "web2")
        shop.await_web()
        yield shop


def paid_at(shop: Shop, api: StripeApi) -> tuple[Order, str]:
    """An order whose buyer has asked the shop for the page and has paid; nobody has told the shop."""
    order = make_order({1: 2}, now=timezone.now())
    headers = {"Authorization": bearer(order.user_id)}
    answer = httpx.post(f"{shop.url}/api/orders/{order.order_id}/pay", json={}, headers=headers, timeout=60)
    session_id = session_of(Payment.objects.get(order_id=order.order_id))
    assert answer.json()["pay_url"] == f"https://checkout.stripe.com/c/{session_id}"
    api.pay(session_id)
    return order, session_id


def call_back(shop: Shop, *events: dict[str, Any], **options: Any) -> list[int]:
    """Sends events at once, each over a connection of its own; returns the answers."""

    def post(event: dict[str, Any]) -> int:
        body = json.dumps(event).encode()
        return httpx.post(shop.url + NOTIFY, content=body, headers=signature(body, **options), timeout=60).status_code

    with ThreadPoolExecutor(len(events)) as pool:
        return list(pool.map(post, events))


@pytest.mark.long
def test_callbacks_at_two_processes_pay_once_and_what_is_wrong_is_refused_or_sent_back(
    shop: Shop, api: StripeApi
) -> None:
    make_goods(1, stock=100)
    (often, one), (early, two), (turned, three), (forged, four), (short, five) = [paid_at(shop, api) for _ in range(5)]

    assert call_back(shop, *[api.event(one)] * 20) == [200] * 20
    StripeSession.objects.filter(session_id=two).delete()  # the answer with the page is still under way
    assert call_back(shop, *[api.event(two)] * 3) == [200] * 3
    completed = api.event(three, payment_status="unpaid")
    succeeded = api.event(three, "checkout.session.async_payment_succeeded")
    assert [call_back(shop, event) for event in (succeeded, completed)] == [[200], [200]]
    assert call_back(shop, api.event(four), secret="whsec_forged") == [401]
    assert call_back(shop, api.event(four) | {"account": "acct_another"}) == [200]
    api.sessions[five]["amount_total"] -= 1
    assert call_back(shop, *[api.event(five)] * 3) == [200] * 3

    assert [status_of(order) for order in (often, early, turned)] == [Order.Status.PAID] * 3
    assert [status_of(order) for order in (forged, short)] == [Order.Status.UNPAID] * 2
    assert [(refund.order_id, refund.amount, refund.reason) for refund in Refund.objects.all()] == [
        (short.order_id, 19_899, "amount")
    ]
    assert counts(1) == (90, 4, 6)
    assert findings() == []


@pytest.mark.long
def test_provider_that_was_silent_for_an_hour_and_refuses_the_refund_leaves_rows_that_say_so(
    shop: Shop, api: StripeApi
) -> None:
    make_goods(1, stock=100)
    late, one = paid_at(shop, api)
    kept, two = paid_at(shop, api)
    assert call_back(shop, api.event(two)) == [200]
    api.is_away = True
    for minutes in (0, 10, 60):
        end_in_time(late, minutes=minutes)
    assert [status_of(order) for order in (late, kept)] == [Order.Status.CLOSED, Order.Status.PAID]
    api.is_away = False

    assert call_back(shop, *[api.event(one)] * 3) == [200] * 3
    assert send(Refund.objects.get()) == []
    refund = request_refund(api, kept, 100)
    api.refusal = "charge_disputed"
    assert send(refund) == []

    assert set(Refund.objects.values_list("order_id", "reason", "status", "amount")) == {
        (late.order_id, "late", "done", 19_900),
        (kept.order_id, "staff", "refused", 100),
    }
    assert [made["amount"] for made in api.refunds] == [19_900]
    assert counts(1) == (98, 0, 2)
    assert findings() == []


# The reply to a COMMIT is lost

FATES = [(True, False), (False, False), (True, True), (False, True)]  # carried out, and the database gone afterwards


def lose(at: str, carried_out: bool, away: bool, call: Callable[[], Any]) -> Any:
    """What a call ends with whose COMMIT after that statement has no reply."""
    with lossy_database(after=at, carried_out=carried_out, away=away) as proxy:
        with Background(call) as sent:
            ended = sent.result()
    assert proxy.lost == 1
    return ended


@pytest.mark.parametrize(("carried_out", "away"), FATES)
def test_page_whose_session_may_not_be_kept_is_not_told_and_found_again(
    api: StripeApi, order: Order, carried_out: bool, away: bool
) -> None:
    def ask() -> Any:
        return buyer().post(f"/api/orders/{order.order_id}/pay", {})

    lost = lose("INSERT INTO stripe_session", carried_out, away, ask)
    again = ask()

    assert (lost.status_code, again.status_code) == (504, 202)
    assert again.json()["pay_url"] == "https://checkout.stripe.com/c/cs_1"
    assert (len(api.sessions), StripeSession.objects.count(), Payment.objects.count()) == (1, 1, 1)
    api.pay("cs_1")
    assert notify(api.event("cs_1")).status_code == 200
    assert status_of(order) == Order.Status.PAID
    assert findings() == []


@pytest.mark.parametrize(("carried_out", "away"), FATES)
def test_callback_is_answered_with_what_is_true_and_pays_once_when_it_comes_again(
    api: StripeApi, order: Order, carried_out: bool, away: bool
) -> None:
    event = api.event(pay(api, order))

    lost = lose("UPDATE shopping_stock ", carried_out, away, lambda: notify(event))
    is_paid = status_of(order) == Order.Status.PAID

    assert lost.status_code == (504 if away else 200 if carried_out else 503)
    assert is_paid is carried_out
    assert notify(event).status_code == 200
    assert status_of(order) == Order.Status.PAID
    assert (Refund.objects.count(), counts(1)) == (0, (8, 0, 2))
    assert findings() == []


@pytest.mark.parametrize(("carried_out", "away"), FATES)
def test_cancelling_again_closes_once(api: StripeApi, order: Order, carried_out: bool, away: bool) -> None:
    session_id = session_of(begin(order))

    def cancel() -> Any:
        return buyer().post(f"/api/orders/{order.order_id}/cancel")

    lost = lose("UPDATE shopping_payment", carried_out, away, cancel)
    cancel()

    assert lost.status_code in (503, 504)
    assert status_of(order) == Order.Status.CLOSED
    assert api.sessions[session_id]["status"] == "expired"
    assert counts(1) == (10, 0, 0)
    assert findings() == []


@pytest.mark.parametrize(("carried_out", "away"), FATES)
def test_money_is_sent_back_once(api: StripeApi, order: Order, carried_out: bool, away: bool) -> None:
    refund = request_refund(api, order)

    def send_back() -> Any:
        return send_refunds(refund_ids=[refund.refund_id], now=timezone.now())

    lose("SET status = 'done'", carried_out, away, send_back)
    assert send(refund) == []

    assert Refund.objects.get().status == Refund.Status.DONE
    assert [made["amount"] for made in api.refunds] == [100]
    assert findings() == []


# Money meets the end of an order


@dataclass(frozen=True, slots=True)
class Case:
    """An order whose page is open; or is not yet."""

    api: StripeApi
    order: Order

    def session(self) -> str:
        return session_of(Payment.objects.get(order_id=self.order.order_id))

    def take_news(self) -> None:
        body = json.dumps(self.api.event(self.session())).encode()
        headers = {name.lower(): value for name, value in signature(body).items()}
        receive_notice(headers=headers, body=body, now=timezone.now())

    def pay(self) -> None:
        """The buyer pays, if the page is still open, and Stripe tells of it."""
        session_id = self.session()
        self.api.pay(session_id)
        if self.api.sessions[session_id]["payment_status"] == "paid":
            self.take_news()

    def begin(self) -> None:
        try:
            begin(self.order)
        except OrderStateConflict:  # closed by then
            return
        except PaymentsUnavailable as error:
            if error.kind is not Kind.BUSY:  # closed while its page was made: it is known that nobody can pay it
                raise

    def end(self) -> None:
        end_in_time(self.order)


@dataclass(frozen=True, slots=True)
class Duel:
    first: Callable[[Case], None]
    second: Callable[[Case], None]
    before: tuple[Callable[[Case], None], ...]


def buyer_pays(case: Case) -> None:
    case.api.pay(case.session())


DUELS = {
    "the buyer pays, the sweep closes": Duel(Case.pay, Case.end, (Case.begin,)),
    "news of money, the sweep asks": Duel(Case.take_news, Case.end, (Case.begin, buyer_pays)),
    "the same news twice": Duel(Case.take_news, Case.take_news, (Case.begin, buyer_pays)),
    "the page opens, the sweep closes": Duel(Case.begin, Case.end, ()),
    "the page opens twice": Duel(Case.begin, Case.begin, ()),
}


@pytest.fixture
def sides(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Side, Side]]:
    settings.STOCK_STRATEGY = "atomic_update"  # two sides of one process would meet in the queue of group_commit
    monkeypatch.setattr(ids, "LEASE_SECONDS", 7200)  # nobody renews a lease in the middle of a schedule
    ids._snowflake.forget()
    with two_sides() as sides:
        yield sides


def prepared(duel: Duel, api: StripeApi) -> Case:
    case = Case(api, make_order({1: 1}, now=timezone.now()))
    for step in duel.before:
        step(case)
    return case


def end(case: Case) -> str:
    """Lets a page that is still open be paid, and everything come to its end; returns how."""
    payments = Payment.objects.filter(order_id=case.order.order_id)
    opened = StripeSession.objects.exclude(session_id=CLOSED)
    if opened.filter(payment_id__in=payments.values("payment_id")).exists():
        case.pay()
    end_in_time(case.order, minutes=11)
    assert wrong_endings([case.order.order_id]) == {}
    return str(stored(case.order).get_status_display())


@pytest.mark.parametrize("name", DUELS)
def test_money_meets_the_end_of_an_order_and_is_kept_or_sent_back(
    name: str, api: StripeApi, sides: tuple[Side, Side], trials: Trials
) -> None:
    duel, endings = DUELS[name], Counter[str]()
    make_goods(1, stock=100_000)
    case = prepared(duel, api)
    first = alone(sides[0], lambda: duel.first(case))
    end(case)
    case = prepared(duel, api)
    second = alone(sides[1], lambda: duel.second(case))
    end(case)
    pairs = pairs_of_stops((first, second))

    for turned, i, j in trials.random.sample(pairs, trials.count(sample=40, full=len(pairs))):
        case = prepared(duel, api)
        functions = (lambda: duel.first(case)), (lambda: duel.second(case))  # noqa: B023 (ends in its round)
        meet(sides, functions[::-1] if turned else functions, (i, j))
        endings[end(case)] += 1

    known = set(Payment.objects.filter(status=Payment.Status.CAPTURED).values_list("trade_id", flat=True))
    assert {row["payment_intent"] for row in api.sessions.values() if row["payment_status"] == "paid"} <= known
    assert findings() == []
    trials.tell(f"{len(pairs)} pairs of {first} and {second} statements: {dict(endings)}")
