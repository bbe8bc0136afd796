"""Runs the checks, every database in a snapshot of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from charites.audit.check import MAX_IDS, Check, Result
from charites.audit.comparison import compare
from charites.audit.databases import Database, find_holder, own_database
from charites.audit.messaging import MESSAGING
from charites.audit.orders import ORDERS
from charites.audit.orders_and_stock import ORDERS_AND_STOCK, TOGETHER
from charites.audit.stock import STOCK
from orders.payments.schedule import PROVIDER_PATIENCE


class AuditInTransaction(RuntimeError):
    """An audit opens a snapshot of its own, so it must not run inside somebody's transaction."""


def run_audit(
    *,
    now: datetime,
    report: Callable[[Result], None] = lambda result: None,
    databases: Sequence[Database] = (),
) -> list[Result]:
    """Runs every check and returns what each found, in order; calls `report` after each.

    `databases`: one per service in the split form; when left out, this process's own. Each is read in one snapshot;
    where orders and stock are apart, they are compared afterwards. What is younger than AUDIT_GRACE_SECONDS at
    `now` may still be on its way. Takes no lock. Call it outside any transaction. Raises AuditInTransaction.
    """
    databases = databases or [own_database()]
    results = []
    with ExitStack() as stack:
        cursors = {database.name: stack.enter_context(snapshot(database.connection)) for database in databases}
        for database in databases:
            cursor, parameters = cursors[database.name], parameters_for(database.connection, now)
            for check in checks_of(database):
                results.append(run_check(cursor, check, parameters, database.name))
                report(results[-1])
        if apart := find_apart(databases):
            sides = [(cursors[side.name], parameters_for(side.connection, now)["grace_end"]) for side in apart]
            for result in compare(*sides):
                results.append(result)
                report(result)
    return results


def checks_of(database: Database) -> list[Check]:
    """Returns the checks of what a database holds; messages are in every one."""
    has_orders, has_stock = "orders" in database.services, "stock" in database.services
    return [
        *(STOCK if has_stock else ()),
        *(ORDERS if has_orders else ()),
        *((*ORDERS_AND_STOCK, *TOGETHER) if has_orders and has_stock else ()),
        *MESSAGING,
    ]


def count_checks(databases: Sequence[Database]) -> int:
    """Returns how many results an audit of these databases has."""
    own = sum(len(checks_of(database)) for database in databases)
    return own + (len(ORDERS_AND_STOCK) if find_apart(databases) else 0)


def find_apart(databases: Sequence[Database]) -> tuple[Database, Database] | None:
    """Returns the databases of orders and of stock, where there are both and they are two."""
    orders, stock = find_holder(databases, "orders"), find_holder(databases, "stock")
    return (orders, stock) if orders and stock and orders is not stock else None


def parameters_for(connection: BaseDatabaseWrapper, now: datetime) -> dict[str, Any]:
    """Returns what the statements of checks may use, as this database wants it."""
    grace_end = now - timedelta(seconds=settings.AUDIT_GRACE_SECONDS)
    return {
        "grace_end": connection.ops.adapt_datetimefield_value(grace_end),
        "patient": connection.ops.adapt_datetimefield_value(grace_end - PROVIDER_PATIENCE),
        "currency": settings.CURRENCY,
    }


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


def run_check(cursor: Any, check: Check, parameters: dict[str, Any], database: str) -> Result:
    """Reads the first ids that break a rule; only when there are more of them, it counts them as well."""
    used = {name: value for name, value in parameters.items() if f"%({name})s" in check.sql}
    cursor.execute(f"{check.sql} LIMIT {MAX_IDS + 1}", used or None)
    rows = cursor.fetchall()
    total = len(rows)
    if total > MAX_IDS:
        cursor.execute(f"SELECT COUNT(*) FROM ({check.sql}) AS found", used or None)
        (total,) = cursor.fetchone()
    return Result(check, database, total, ["/".join(map(str, row)) for row in sorted(rows[:MAX_IDS])])
