"""What the databases of the private shop say: the truth beside the answers, and its changes as they happen."""

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.utils import timezone

from charites.audit import Database, open_database, run_audit

POLL_SECONDS = 0.03
RECORD_STATES = {1: "reserved", 2: "rolled back", 3: "sold"}
UNPAID = 100

Tell = Callable[[str, str], None]  # who, what


@dataclass(frozen=True, slots=True)
class Count:
    """Pieces of one product: the stock row's three numbers, and what unpaid orders hold. `leaked`: pieces that are
    reserved for nobody."""

    available: int
    reserved: int
    sold: int
    ordered: int

    @property
    def leaked(self) -> int:
        return self.reserved - self.ordered


class Ledger:
    """Reads the three databases; one connection each, so one thread at a time."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._stack = ExitStack()
        self._databases: dict[str, Database] = {}

    def __enter__(self) -> Self:
        for service, url in self._urls.items():
            self._databases[service] = open_database(service, url)
            self._databases[service].connection.inc_thread_sharing()  # the watch reads from a thread of its own
            self._stack.callback(self._databases[service].connection.close)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def count(self, goods_id: int) -> Count:
        stock = self._read("stock", "SELECT num, `lock`, sold FROM shopping_stock WHERE goods_id = %s", goods_id)
        ordered = self._read(
            "orders",
            "SELECT COALESCE(SUM(line.num), 0) FROM shopping_order_detail line"
            " JOIN shopping_order orders ON orders.order_id = line.order_id"
            " WHERE line.goods_id = %s AND orders.status = %s",
            goods_id,
            UNPAID,
        )
        available, reserved, sold = stock[0]
        return Count(available, reserved, sold, ordered=int(ordered[0][0]))

    def messages(self) -> dict[int, tuple[str, str, str, int, int]]:
        """Returns id -> (topic, key, state, checks, attempts) of the order service's messages."""
        rows = self._read("orders", "SELECT id, topic, `key`, state, checks, attempts FROM messaging_message")
        return {row[0]: row[1:] for row in rows}

    def records(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Returns (order_id, goods_id) -> (pieces, status) of the stock service's records."""
        rows = self._read("stock", "SELECT order_id, goods_id, num, status FROM shopping_stock_record")
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    def orders(self) -> set[int]:
        return {row[0] for row in self._read("orders", "SELECT order_id FROM shopping_order")}

    def is_at_rest(self) -> bool:
        """Whether no message waits for anything."""
        return not self._read("orders", "SELECT 1 FROM messaging_message WHERE state IN ('half', 'ready') LIMIT 1")

    def reserved_for_nobody(self) -> list[int]:
        """Returns the orders for which stock is reserved and which do not exist."""
        orders = self.orders()
        return sorted({order for (order, _), (_, status) in self.records().items() if status == 1} - orders)

    def findings(self) -> list[str]:
        """Audits all three databases as if every grace period were over; returns the names of broken rules."""
        later = timezone.now() + timedelta(seconds=settings.AUDIT_GRACE_SECONDS + 1)
        results = run_audit(now=later, databases=list(self._databases.values()))
        return [result.check.id for result in results if result.total]

    def _read(self, service: str, sql: str, *parameters: int) -> list[tuple[Any, ...]]:
        with self._databases[service].connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            rows: list[tuple[Any, ...]] = list(cursor.fetchall())
            return rows


class Watch:
    """Tells every change of orders, messages and stock records while its block runs, a few times per second."""

    def __init__(self, urls: Mapping[str, str], tell: Tell) -> None:
        self._urls, self._tell = urls, tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_ready = threading.Event()
        self._told: dict[Any, Any] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_ready.wait()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with Ledger(self._urls) as ledger:
            self._told = self._look(ledger)
            self._is_ready.set()
            while not self._stop.wait(POLL_SECONDS):
                self._compare(self._look(ledger))
            self._compare(self._look(ledger))

    def _look(self, ledger: Ledger) -> dict[Any, tuple[str, str]]:
        """Returns what there is: some key -> (who, what)."""
        seen: dict[Any, tuple[str, str]] = {}
        for message_id, (topic, key, state, checks, attempts) in ledger.messages().items():
            counted = f" (checks: {checks}, tries: {attempts})" if checks or attempts else ""
            seen["message", message_id] = ("message", f"{topic} of order {short(key)}: {state.upper()}{counted}")
        for (order_id, goods_id), (pieces, status) in ledger.records().items():
            what = f"record of order {short(order_id)}, product {goods_id}: {pieces} {RECORD_STATES[status]}"
            seen["record", order_id, goods_id] = ("stock", what)
        for order_id in ledger.orders():
            seen["order", order_id] = ("orders", f"order {short(order_id)} is there, unpaid")
        return seen

    def _compare(self, seen: dict[Any, tuple[str, str]]) -> None:
        for key, event in seen.items():
            if self._told.get(key) != event:
                self._tell(*event)
        self._told = seen


def short(order_id: int | str) -> str:
    """The end of an order number, by which one run's orders can be told apart."""
    return f"…{str(order_id)[-6:]}"
