"""Runs the checks in one snapshot."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from charites.audit.check import Check, Result
from charites.audit.messaging import MESSAGING
from charites.audit.orders import ORDERS
from charites.audit.orders_and_stock import ORDERS_AND_STOCK
from charites.audit.stock import STOCK

MAX_IDS = 100  # named of each check; the rest is counted
CHECKS = (*STOCK, *ORDERS, *ORDERS_AND_STOCK, *MESSAGING)


class AuditInTransaction(RuntimeError):
    """An audit opens a snapshot of its own, so it must not run inside somebody's transaction."""


def run_audit(
    *, now: datetime, report: Callable[[Result], None] = lambda result: None, using: str = "default"
) -> list[Result]:
    """Runs every check in one snapshot and returns what each found, in order; calls `report` after each.

    What is younger than AUDIT_SETTLING_SECONDS at `now` may still be on its way. Takes no lock. Call it outside any
    transaction. Raises AuditInTransaction.
    """
    connection = connections[using]
    settled = now - timedelta(seconds=settings.AUDIT_SETTLING_SECONDS)
    parameters = {
        "settled": connection.ops.adapt_datetimefield_value(settled),
        "currency": settings.CURRENCY,
    }
    results = []
    with snapshot(connection) as cursor:
        for check in CHECKS:
            results.append(run_check(cursor, check, parameters))
            report(results[-1])
    return results


@contextmanager
def snapshot(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    """A cursor whose reads all see the database as it was at one moment."""
    if connection.in_atomic_block:
        raise AuditInTransaction
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            # Under READ COMMITTED, which the sessions use, the words WITH CONSISTENT SNAPSHOT would do nothing.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        else:
            # Django's atomic() would say BEGIN IMMEDIATE here and keep every writer waiting.
            cursor.execute("BEGIN")
        try:
            yield cursor
        finally:
            cursor.execute("ROLLBACK")


def run_check(cursor: Any, check: Check, parameters: dict[str, Any]) -> Result:
    """Reads the first ids that break a rule; only when there are more of them, it counts them as well."""
    used = {name: value for name, value in parameters.items() if f"%({name})s" in check.sql}
    cursor.execute(f"{check.sql} LIMIT {MAX_IDS + 1}", used or None)
    rows = cursor.fetchall()
    total = len(rows)
    if total > MAX_IDS:
        cursor.execute(f"SELECT COUNT(*) FROM ({check.sql}) AS found", used or None)
        (total,) = cursor.fetchone()
    return Result(check, total, ["/".join(map(str, row)) for row in sorted(rows[:MAX_IDS])])
