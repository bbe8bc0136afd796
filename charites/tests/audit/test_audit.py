"""How the audit reads, and what it says."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from charites.audit import AuditInTransaction, run_audit
from charites.tests.audit.busy_shop import NOW, TOPIC, Shop, execute, findings
from messaging.models import Message
from orders.models import Order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.unguarded_stock_sql]


def test_audit_of_a_busy_shop_finds_nothing(shop: Shop) -> None:
    results = run_audit(now=timezone.now())

    assert [result.check.id for result in results if result.total] == []
    assert len({result.check.id for result in results}) == len(results)
    assert Order.objects.filter(status=Order.Status.UNPAID).count() == 2


def test_audit_inside_a_transaction_is_refused(shop: Shop) -> None:
    with transaction.atomic(), pytest.raises(AuditInTransaction):
        run_audit(now=timezone.now())


def test_audit_reads_one_snapshot_while_the_shop_goes_on(
    shop: Shop, in_another_connection: Callable[..., None]
) -> None:
    def break_after_the_first_check(result: Any) -> None:
        if result.check.id == "I1-adjustments":
            in_another_connection("DELETE FROM shopping_stock_adjustment")

    assert findings(report=break_after_the_first_check) == {}
    assert findings() == {"I1-first-adjustment": ["1", "2", "3"]}


@pytest.fixture
def in_another_connection() -> Iterator[Callable[..., None]]:
    """Runs a statement as another process would: on a connection of its own, committed at once."""
    other = connection.copy()

    def execute_there(sql: str) -> None:
        with other.cursor() as cursor:
            cursor.execute(sql)

    yield execute_there
    other.close()


def test_audit_ends_its_transaction_when_a_check_fails(shop: Shop) -> None:
    def fail(result: Any) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run_audit(now=timezone.now(), report=fail)

    assert findings() == {}


def test_audit_names_a_hundred_ids_and_counts_the_rest(shop: Shop) -> None:
    Message.objects.bulk_create(
        Message(topic=TOPIC, key="1", payload={}, state=Message.State.DEAD, deliver_at=NOW) for _ in range(130)
    )

    found = {result.check.id: result for result in run_audit(now=timezone.now())}["I6-dead"]

    assert (found.total, len(found.ids)) == (130, 100)


def test_command_passes_for_a_healthy_shop(shop: Shop, tmp_path: Path) -> None:
    output = StringIO()

    call_command("audit", json=tmp_path / "audit.json", stdout=output)

    assert "checks passed" in output.getvalue()
    written = json.loads((tmp_path / "audit.json").read_text())
    assert written["ok"] is True
    assert {check["total"] for check in written["checks"]} == {0}


def test_command_fails_with_the_ids_of_a_broken_shop(shop: Shop, tmp_path: Path) -> None:
    execute("DELETE FROM shopping_stock_adjustment WHERE goods_id = 2")
    output = StringIO()

    with pytest.raises(CommandError) as failure:
        call_command("audit", json=tmp_path / "audit.json", stdout=output)

    assert failure.value.returncode == 1
    line = next(line for line in output.getvalue().splitlines() if "I1-first-adjustment" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")][2:] == ["1", "2"]
    written = json.loads((tmp_path / "audit.json").read_text())
    assert written["ok"] is False
    assert [check["ids"] for check in written["checks"] if check["total"]] == [["2"]]


def test_command_on_tables_of_an_older_version_says_which_migrations_they_lack(shop: Shop) -> None:
    later = MigrationRecorder.Migration.objects.filter(name__in=["0012_stripe_sessions", "0005_webhooks"])
    rows = list(later)
    output = StringIO()

    later.delete()
    try:
        with pytest.raises(CommandError) as refusal:
            call_command("audit", stdout=output)
    finally:
        MigrationRecorder.Migration.objects.bulk_create(rows)

    assert "lacks migrations of this code: orders.0012_stripe_sessions, messaging.0005_webhooks. " in str(refusal.value)
    assert (refusal.value.returncode, output.getvalue()) == (2, "")
