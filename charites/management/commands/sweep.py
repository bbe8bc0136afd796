"""The guarantee behind every wake-up: what is due gets done, within a second or so. Run any number of copies."""

import signal
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from charites import health
from charites.common import auth, clock
from charites.common.logs import note_actor, request_context
from charites.counters import show_counters
from charites.start import prepare_to_serve
from messaging import relay
from messaging.broker.receiving import Receiver
from messaging.broker.sending import Sender
from messaging.check_back import check_back
from messaging.webhooks import senders
from orders import services as orders

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 1.0
SENDERS = senders.Senders()
SENDER, RECEIVER = Sender(), Receiver()
Work = Callable[[datetime], int]


def close_orders(now: datetime) -> int:
    """Closes overdue orders and gives their stock back."""
    return orders.close_due(now=now)


def call(now: datetime) -> int:
    """Calls others: everything that waits for somebody else's server, so that a hanging one delays no close."""
    work = [relay.deliver_due]
    if "orders" in settings.APPS:
        work += [orders.close_overdue_payments, orders.reconcile]
    return sum(do(now=now) for do in work)


def check(now: datetime) -> int:
    """Decides over half messages whose sender was silent."""
    return check_back(now=now)


def send(now: datetime) -> int:
    """Sends messages for other services to the broker between them."""
    return SENDER.round(now=now)


def receive(now: datetime) -> int:
    """Takes what other services have sent there, questions and answers."""
    return RECEIVER.round(now=now)


def send_webhooks(now: datetime) -> int:
    """Tells other systems of events; an endpoint that hangs holds up no other."""
    return SENDERS.round(now=now)


def finish_webhooks(now: datetime) -> int:
    """The same until nothing is due."""
    return SENDERS.finish(clock=clock.now)


def tidy(now: datetime) -> int:
    """Puts off messages that nobody takes; deletes what is long finished, and what is remembered of tokens that have
    expired."""
    return relay.hold_unknown(now=now) + relay.purge(now=now) + senders.purge(now=now) + auth.prune(now=now)


WORKS: dict[str, Work] = {
    "close": close_orders,
    "call": call,
    "check": check,
    "webhooks": send_webhooks,
    "tidy": tidy,
    "send": send,
    "receive": receive,
}
LOOPS = {name: WORKS[name] for name in health.LOOPS}


class Command(BaseCommand):
    help = "Close overdue orders and deliver messages, once per second, until stopped. Any number may run at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due now, say how much, and end")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        prepare_to_serve()
        if once:
            counts = {name: run_round(name, work) for name, work in {**LOOPS, "webhooks": finish_webhooks}.items()}
            self.stdout.write(", ".join(f"{name}: {count or 0}" for name, count in counts.items()))
            return
        show_counters()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        ended: set[str] = set()
        threads = [
            threading.Thread(target=run_loop, args=(name, work, stop, ended), name=name, daemon=True)
            for name, work in LOOPS.items()
        ]
        for thread in threads:
            thread.start()
        while not stop.wait(INTERVAL_SECONDS):
            if dead := [thread.name for thread in threads if not thread.is_alive()]:
                raise CommandError(f"The loop {', '.join(dead)} has ended; the log says why.")
            health.beat("sweep")
            beat_for(ended)
        for thread in threads:
            thread.join(relay.CLAIM_SECONDS)


def beat_for(ended: set[str]) -> None:
    """Heartbeats for the loops that have ended a round since the last look. They wait for no Redis themselves."""
    while ended:
        health.beat(f"sweep-{ended.pop()}")


def run_loop(name: str, work: Work, stop: threading.Event, ended: set[str]) -> None:
    """Rounds until told to stop; without a pause while there is work. Notes in `ended` what went well."""
    while not stop.is_set():
        count = run_round(name, work)
        if count is not None:
            ended.add(name)
        if not count:
            stop.wait(INTERVAL_SECONDS)


def run_round(name: str, work: Work) -> int | None:
    """One round of one loop; returns how much was done. Whatever goes wrong is logged and tried again in the next
    round; None then."""
    close_old_connections()
    with request_context(loop=name):
        note_actor("sweep")
        try:
            return work(clock.now())
        except Exception as error:  # noqa: BLE001 (the sweep outlives databases and providers)
            log.warning("sweep_round_failed", error=repr(error))
            return None
        finally:
            close_old_connections()
