"""The numbers of /metrics that come from the database: right, read seldom, and never waited for."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from charites import health, metrics
from charites.common import clock
from charites.common.transactions import outermost
from lab.kit.factories import later, make_capture, make_goods, make_order, make_paid_order, make_payment
from lab.kit.rest_client import anybody
from messaging.models import Message
from messaging.services import publish
from orders import selectors
from orders.models import Order, Refund
from orders.services import record_captures

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def forget() -> Callable[[], None]:
    """Has the next look at /metrics read anew."""

    def forget() -> None:
        metrics.READER.forget()
        cache.delete_many([metrics.READING, metrics.READ])

    forget()
    cache.delete(metrics.AUDIT)
    return forget


@pytest.fixture(autouse=True)
def nobody_is_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time."""
    monkeypatch.setattr(metrics, "WAIT_SECONDS", 60.0)


def state() -> metrics.State:
    assert anybody().get("/metrics").status_code == 200
    return metrics.READER.latest()


def test_state_counts_money_messages_and_what_is_due() -> None:
    make_goods(1, stock=9)
    began = timezone.now()
    make_paid_order(now=began)
    make_payment(make_order(now=began), now=began)
    record_captures(captures=[make_capture(make_payment(make_order(now=began), now=began), amount=5)])
    Order.objects.filter(status=Order.Status.UNPAID).update(expires_at=later(-100, start=began))
    with outermost():
        publish("nobody_takes_it", {"v": 1}, key="1", deliver_at=later(-50, start=began))

    found = state()

    took = (timezone.now() - began).total_seconds()
    assert found["charites_payments_by_status"] == {"begun": 1, "captured": 2, "closed": 0}
    assert (
        found["charites_refunds_by_status"]
        == {"pending": Refund.objects.count(), "requested": 0, "done": 0, "refused": 0}
        == {"pending": 1, "requested": 0, "done": 0, "refused": 0}
    )
    assert found["charites_messages"]["ready"] == Message.objects.count() == 2
    assert found["charites_due_orders"] == {"": 2}
    assert 100 <= found["charites_oldest_overdue_order_seconds"][""] <= 100 + took
    assert 50 <= found["charites_oldest_due_message_seconds"][""] <= 50 + took
    newest = selectors.last_placed_at()
    assert newest is not None
    assert found["charites_last_order_timestamp_seconds"] == {"": newest.timestamp()}


def test_state_of_an_empty_shop_has_no_last_order_and_no_audit() -> None:
    found = state()

    assert found["charites_due_orders"] == found["charites_oldest_overdue_order_seconds"] == {"": 0}
    assert found["charites_last_order_timestamp_seconds"] == {}
    assert "charites_audit_findings" not in found


def test_counts_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    make_goods(1, stock=9)
    for _ in range(3):
        make_payment(make_order())
    for module in ("charites.common.pages", "orders.selectors"):
        monkeypatch.setattr(f"{module}.MOST_COUNTED", 2)

    found = state()

    assert (found["charites_payments_by_status"]["begun"], found["charites_due_orders"]) == (2, {"": 2})


def test_readiness_is_shown_by_name() -> None:
    named = {check.name for check in health.check_all()}

    found = state()["charites_ready"]

    assert found.keys() == named >= {"database", "redis", "worker", "sweep"}
    assert (found["database"], found["worker"]) == (1, 0)


def test_audit_is_shown_with_what_it_found_and_when(forget: Callable[[], None]) -> None:
    make_goods(1, stock=9)
    began = clock.now().timestamp()
    call_command("audit", verbosity=0)

    found = state()
    assert found["charites_audit_findings"] == {"": 0}
    assert began <= found["charites_audit_timestamp_seconds"][""] <= clock.now().timestamp()

    forget()
    make_paid_order()
    Order.objects.update(pay_amount=1)
    with pytest.raises(CommandError):
        call_command("audit", verbosity=0)
    assert state()["charites_audit_findings"][""] > 0


# Seldom, and by one


def test_state_is_read_once_for_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    read = metrics.read_state
    monkeypatch.setattr(metrics, "read_state", lambda: calls.append(1) or read())

    first = state()
    for _ in range(3):
        assert state() == first
        metrics.READER.forget()  # as if this were another process

    assert len(calls) == 1


def test_state_is_read_again_after_a_moment(monkeypatch: pytest.MonkeyPatch, forget: Callable[[], None]) -> None:
    assert state()["charites_due_orders"] == {"": 0}
    make_goods(1, stock=9)
    make_order()
    assert state()["charites_due_orders"] == {"": 0}

    monkeypatch.setattr(metrics, "FRESH_SECONDS", 0.0)
    cache.delete(metrics.READING)

    assert state()["charites_due_orders"] == {"": 1}


def test_database_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "WAIT_SECONDS", 0.01)
    hanging, go_on, readings = threading.Event(), threading.Event(), []

    def hang() -> metrics.State:
        readings.append(1)
        hanging.set()
        assert go_on.wait(60)
        return {}

    monkeypatch.setattr(metrics, "read_for_all", hang)
    anybody().get("/livez")  # is counted
    for _ in range(3):
        text = anybody().get("/metrics").text
        assert "charites_requests_total" in text
        assert "charites_messages" not in text
    assert hanging.wait(60)
    go_on.set()

    assert len(readings) == 1


def test_state_that_nobody_could_read_for_a_while_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state()
    monkeypatch.setattr(metrics, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(metrics, "read_for_all", lambda: 1 / 0)
    assert state()
    monkeypatch.setattr(metrics, "STALE_SECONDS", 0.0)

    assert state() == {}


def test_metrics_without_a_database_keep_their_counters_and_say_what_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(metrics, "count_by_state", gone)
    monkeypatch.setattr(health, "ping_database", gone)

    text = anybody().get("/metrics").text

    assert "charites_requests_total" in text
    assert "charites_messages" not in text
    assert 'charites_ready{check="database"} 0.0' in text


# Of several processes


def test_queue_of_a_process_that_has_ended_counts_no_more(tmp_path: Path) -> None:
    """As the library writes them: a file for each process, by its number."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    for number in (int(ended.stdout), os.getpid(), 1):
        (tmp_path / f"gauge_livesum_{number}.db").touch()
        (tmp_path / f"counter_{number}.db").touch()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        metrics.forget_the_dead(tmp_path)

    left = {path.stem for path in tmp_path.iterdir()}
    assert left == {
        f"gauge_livesum_{os.getpid()}",
        "gauge_livesum_1",
        *(f"counter_{number}" for number in (int(ended.stdout), os.getpid(), 1)),
    }
