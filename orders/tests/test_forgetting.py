"""Buyers are forgotten: by name, and by age; the ledger stays as true as it was."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from charites.common import clock
from charites.common.errors import KeyReused
from lab.kit.factories import BUYER_ID, later, make_closed_order, make_goods, make_order, make_paid_order, stored
from lab.kit.findings import findings
from lab.kit.interleaving import AwayAfter
from lab.kit.message_rows import make_message
from messaging.models import Message
from orders import services
from orders.errors import OrderNotFound, OrdersOpen
from orders.models import Order
from orders.services import complete_order, forget_buyer, forget_old, forget_order, forgetting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox")]

ACTOR = "somebody"
WHOLE = ("Li Lei", "13800000000", "1 Harbour Road")
BLANK = ("", "", "")
SOMEBODY_ELSE = 8
BUSY = "The shop is busy, or its database is away; the last step had no effect, and may be tried again."


def person(order: Order) -> tuple[str, str, str]:
    row = stored(order)
    return row.receive_name, row.receive_phone, row.receive_address


def run(name: str, *words: str) -> str:
    out = io.StringIO()
    call_command(name, *words, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _goods() -> None:
    make_goods(1, stock=2000)


def make_completed_order(**changes: Any) -> Order:
    order = make_paid_order(**changes)
    complete_order(order_id=order.order_id, actor="staff", now=clock.now())
    return stored(order)


def age(order: Order, days: float, *, changed_days: float | None = None) -> Order:
    """Makes an order so many days old, and as long unchanged unless told otherwise."""
    now = clock.now()
    changed = now - timedelta(days=days if changed_days is None else changed_days)
    Order.objects.filter(pk=order.pk).update(created_at=now - timedelta(days=days), updated_at=changed)
    return order


# By name


def test_buyer_is_forgotten_in_all_orders_that_have_ended_and_nobody_else_is():
    mine = [make_closed_order(), make_completed_order()]
    other = make_closed_order(user_id=SOMEBODY_ELSE)
    versions = [stored(order).version for order in mine]

    assert sum(forget_buyer(user_id=BUYER_ID, actor=ACTOR)) == 2

    assert [person(order) for order in mine] == [BLANK] * 2
    assert person(other) == WHOLE
    assert [stored(order).version for order in mine] == [version + 1 for version in versions]
    assert {stored(order).updated_by for order in mine} == {ACTOR}
    assert findings() == []


def test_forgetting_again_finds_nothing_and_changes_nothing():
    order = make_closed_order()
    sum(forget_buyer(user_id=BUYER_ID, actor=ACTOR))
    before = stored(order).version

    assert sum(forget_buyer(user_id=BUYER_ID, actor=ACTOR)) == 0
    assert forget_order(order_id=order.order_id, actor=ACTOR) == 0

    assert stored(order).version == before


@pytest.mark.parametrize("make_open", [make_order, make_paid_order])
def test_buyer_with_an_open_order_is_not_forgotten(make_open):
    ended, still_open = make_closed_order(), make_open()

    with pytest.raises(OrdersOpen) as refused:
        sum(forget_buyer(user_id=BUYER_ID, actor=ACTOR))

    assert refused.value.details == {"order_ids": str(still_open.order_id)}
    assert (person(ended), person(still_open)) == (WHOLE, WHOLE)


def test_one_order_is_forgotten_and_the_buyers_others_are_not():
    one, other = make_closed_order(), make_closed_order()

    assert forget_order(order_id=one.order_id, actor=ACTOR) == 1

    assert (person(one), person(other)) == (BLANK, WHOLE)


def test_open_or_unknown_order_is_not_forgotten():
    still_open = make_order()

    with pytest.raises(OrdersOpen):
        forget_order(order_id=still_open.order_id, actor=ACTOR)
    with pytest.raises(OrderNotFound):
        forget_order(order_id=1, actor=ACTOR)

    assert person(still_open) == WHOLE


def test_key_of_a_forgotten_order_stays_used():
    order = make_closed_order(idempotency_key="k")
    sum(forget_buyer(user_id=BUYER_ID, actor=ACTOR))

    with pytest.raises(KeyReused):
        make_order(idempotency_key="k")

    assert stored(order).request_digest == ""


def test_many_orders_are_forgotten_in_small_steps(monkeypatch):
    monkeypatch.setattr(forgetting, "STEP", 2)
    orders = [make_closed_order() for _ in range(5)]

    with CaptureQueriesContext(connection) as captured:
        assert sum(forget_buyer(user_id=BUYER_ID, actor=ACTOR)) == 5

    assert len([query for query in captured if query["sql"].startswith("UPDATE")]) == 3
    assert {person(order) for order in orders} == {BLANK}


def test_forgetting_is_logged_without_what_was_forgotten(caplog):
    make_closed_order()
    caplog.set_level("INFO")

    sum(forget_buyer(user_id=BUYER_ID, actor=ACTOR))

    (line,) = [record.msg for record in caplog.records if record.msg["event"] == "personal_data_forgotten"]
    assert (line["user_id"], line["orders"], line["actor"]) == (BUYER_ID, 1, ACTOR)
    assert not any(word in caplog.text for word in WHOLE)


def test_command_forgets_and_says_how_much():
    order = make_closed_order()

    assert run("forget", "--user", str(BUYER_ID)) == "Forgotten: who bought, in 1 order.\n"
    said = run("forget", "--order", str(order.order_id))
    assert said == f"Nothing to forget: order {order.order_id} does not say who bought.\n"
    assert run("forget", "--user", "404") == "Nothing to forget: no order of user 404 says who bought.\n"

    assert person(order) == BLANK


def test_command_refuses_in_one_sentence():
    still_open = make_order()

    with pytest.raises(CommandError, match=f"have not ended: {still_open.order_id}"):
        run("forget", "--user", str(BUYER_ID))
    with pytest.raises(CommandError, match="no order 1"):
        run("forget", "--order", "1")


def test_command_leaves_orders_of_another_service_alone(settings):
    settings.APPS = ["stock"]

    with pytest.raises(CommandError, match="another service's"):
        run("forget", "--user", "7")


def test_database_that_goes_away_between_steps_is_told_with_how_many_are_forgotten(monkeypatch):
    monkeypatch.setattr(forgetting, "STEP", 2)
    for _ in range(3):
        make_closed_order()

    with connection.execute_wrapper(AwayAfter("UPDATE shopping_order ")), pytest.raises(CommandError) as stopped:
        run("forget", "--user", str(BUYER_ID))

    assert str(stopped.value) == f"{BUSY} Before it: who bought is forgotten in 2 orders."
    assert run("forget", "--user", str(BUYER_ID)) == "Forgotten: who bought, in 1 order.\n"


# By age


def test_old_orders_that_have_ended_are_forgotten_and_no_others(monkeypatch):
    monkeypatch.setattr(forgetting, "STEP", 2)
    old = [age(make_closed_order(), 31), age(make_completed_order(), 31)]
    kept = [age(make_paid_order(), 31), age(make_closed_order(), 31, changed_days=1), age(make_closed_order(), 29)]

    steps = list(forget_old(before=clock.now() - timedelta(days=30), actor=ACTOR))

    assert sum(steps) == 2
    assert max(steps) <= 2
    assert [person(order) for order in old] == [BLANK] * 2
    assert [person(order) for order in kept] == [WHOLE] * 3
    assert findings() == []


def test_old_order_behind_younger_ones_is_found(monkeypatch):
    monkeypatch.setattr(forgetting, "STEP", 2)
    young = [age(make_closed_order(), 1) for _ in range(3)]
    old = age(make_closed_order(), 31)

    assert sum(forget_old(before=clock.now() - timedelta(days=30), actor=ACTOR)) == 1

    assert person(old) == BLANK
    assert {person(order) for order in young} == {WHOLE}


def test_prune_takes_what_is_old_and_nobody_needs():
    order = age(make_closed_order(), 31)
    now = clock.now()
    rows = {
        state: make_message(state=state, deliver_at=now - timedelta(days=31)).pk
        for state in ("done", "aborted", "ready", "half", "dead")
    }
    young = make_message(state="done", deliver_at=now - timedelta(days=29)).pk
    Session.objects.create(session_key="old", session_data="", expire_date=now - timedelta(days=31))
    Session.objects.create(session_key="young", session_data="", expire_date=now - timedelta(days=29))
    expected = ["orders that say who bought: 1", "messages that are done: 2", "sessions that have expired: 1"]

    found = run("prune", "--older-than", "30", "--dry-run")

    assert found.splitlines() == [f"{line} found" for line in expected]
    assert person(order) == WHOLE
    assert Message.objects.count() == 6

    done = run("prune", "--older-than", "30")

    assert done.splitlines() == [f"{line} done" for line in expected]
    assert person(order) == BLANK
    assert set(Message.objects.values_list("pk", flat=True)) == {rows["ready"], rows["half"], rows["dead"], young}
    assert list(Session.objects.values_list("session_key", flat=True)) == ["young"]
    again = run("prune", "--older-than", "30")
    assert [line.split()[-2] for line in again.splitlines()] == ["0"] * 3


def test_database_that_goes_away_between_steps_is_told_with_how_much_was_pruned(monkeypatch):
    monkeypatch.setattr(forgetting, "STEP", 2)
    for _ in range(3):
        age(make_closed_order(), 31)

    with connection.execute_wrapper(AwayAfter("UPDATE shopping_order ")), pytest.raises(CommandError) as stopped:
        run("prune", "--older-than", "30")

    assert str(stopped.value) == f"{BUSY} Before it: orders that say who bought: 2 done."


@pytest.mark.parametrize("days", ["0", "-1", "99999"])
def test_prune_of_an_age_that_is_none_is_refused(days):
    with pytest.raises(CommandError, match="1 to 36500"):
        run("prune", f"--older-than={days}")


def test_rules_hold_before_and_after_everything_was_pruned():
    for make in (make_closed_order, make_completed_order, make_paid_order):
        age(make(), 31)
    services.close_due(now=later(86_400))
    assert findings() == []

    run("prune", "--older-than", "1")

    assert findings() == []
