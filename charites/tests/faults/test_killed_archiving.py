"""Archiving is killed (-9) at its statements; what is there is whole at every moment, and the next run goes on."""

import json
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from charites.common import clock
from lab.kit.factories import SANDBOX, counts, make_goods
from lab.kit.findings import findings
from lab.kit.old_orders import make_ended_orders, make_refunded_order
from lab.kit.processes.shop import START_SECONDS
from lab.kit.trials import Trials
from orders.models import ArchivedOrder, Order, OrderDetail
from orders.services import archive_old, check_archives

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

ORDERS, STEP = 7, 3
STATEMENTS = 40  # about what two steps of it send


def run_until(environment: dict[str, str], folder: Path, skip: int, now: str) -> bool:
    """Runs it until it has sent so many statements, and kills it there; False: it was done before. One that says
    nothing for too long is killed, too."""
    wanted = json.dumps({"folder": str(folder), "step": STEP, "skip": skip, "now": now})
    command = [sys.executable, "-m", "lab.kit.processes.archiver", wanted]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        assert process.stdout
        word = process.stdout.readline().strip()
        watchdog.cancel()
        process.kill()
    assert word in ("standing", "done")
    return word == "standing"


def test_archiving_killed_at_any_statement_loses_and_doubles_nothing(
    process_environment: dict[str, str], tmp_path: Path, trials: Trials, settings: Any
) -> None:
    settings.PAYMENT_PROVIDER = SANDBOX
    for goods_id in (1, 2):
        make_goods(goods_id, stock=1000)
    orders = [*make_ended_orders(), *make_ended_orders(), make_refunded_order()]
    before = [counts(1), counts(2)]
    now = (clock.now() + timedelta(days=400)).isoformat()
    wanted = trials.count(sample=3, full=STATEMENTS)
    skips = range(STATEMENTS) if wanted == STATEMENTS else sorted(trials.random.sample(range(STATEMENTS), wanted))
    kills = 0

    for skip in skips:
        if not Order.objects.exists():
            break
        kills += run_until(process_environment, tmp_path, skip, now)
        gone = set(ArchivedOrder.objects.values_list("order_id", flat=True))
        there = set(Order.objects.values_list("order_id", flat=True))
        assert gone | there == {order.order_id for order in orders}
        assert not gone & there
        assert set(OrderDetail.objects.values_list("order_id", flat=True)) == there
        assert [counts(1), counts(2)] == before
        assert findings() == []
        assert [file for file in check_archives(folder=tmp_path) if file.wrong] == []

    moment = clock.now() + timedelta(days=400)
    for _step in archive_old(folder=tmp_path, placed_before=moment, now=moment):
        pass
    assert ArchivedOrder.objects.count() == ORDERS
    assert [file for file in check_archives(folder=tmp_path) if file.wrong] == []
    assert findings() == []
    trials.tell(f"{kills} kills of archiving between the locks and COMMIT: {ORDERS} orders left, each once")
