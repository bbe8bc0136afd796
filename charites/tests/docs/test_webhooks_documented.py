"""The page of webhooks against what is announced; and its receiver, which takes what the shop sends."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from charites.common.announcements import KINDS
from charites.common.transactions import run
from goods.announcements import announce_pinned
from lab.kit.factories import NOW, make_goods, make_order
from lab.kit.processes.shop import wait_until
from messaging.models import WebhookDelivery
from messaging.tests.webhooks.told import add, happen, tell
from messaging.webhooks.outbox import spread
from orders.announcements import announce_closed, announce_completed, announce_paid, announce_refunded
from orders.models import Order, Refund
from orders.payloads import Capture

DOCS = Path(__file__).resolve().parents[3] / "docs"
EVENT = re.compile(r"^\| `(\w+\.\w+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
WORD = re.compile(r"`(\w+)`")


def rows(page: Path) -> dict[str, tuple[str, str]]:
    return {name: (when, data) for name, when, data in EVENT.findall(page.read_text())}


def fields(data: str) -> list[str]:
    """What is named outside of brackets."""
    return WORD.findall(re.sub(r"[(（].*?[)）]", "", data))


@pytest.mark.parametrize("page", [DOCS / "webhooks.md", DOCS / "zh" / "webhooks.md"], ids=lambda page: page.parent.name)
def test_table_has_every_event(page: Path) -> None:
    assert sorted(rows(page)) == sorted(KINDS)


def test_table_says_of_events_what_the_admin_says() -> None:
    said = {name: when for name, (when, _) in rows(DOCS / "webhooks.md").items()}

    assert said == {name: str(kind.meaning) for name, kind in KINDS.items()}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", [DOCS / "webhooks.md", DOCS / "zh" / "webhooks.md"], ids=lambda page: page.parent.name)
def test_table_has_what_is_told_of_each_event(page: Path) -> None:
    add("https://shop.example/", list(KINDS))
    make_goods(1, stock=django_settings.STOCK_LOW + 2)
    order = make_order({1: 2})
    make_order({1: django_settings.STOCK_LOW})
    capture = Capture(payment_id=1, channel="sandbox", trade_id="T-1", amount=1, currency="CNY", captured_at=NOW)
    row = Refund.objects.create(order_id=1, own_id=1, payment_id=1, amount=1, currency="CNY", reason="staff")
    refund = Refund.objects.get(pk=row.pk)

    def announce() -> None:
        announce_paid([(order.order_id, capture)])
        announce_closed([order.order_id], "timeout")
        announce_completed([order.order_id])
        announce_refunded(refund)
        announce_pinned([1], 1)

    run(announce, name="test")
    spread()

    told = {delivery.kind: list(delivery.data) for delivery in WebhookDelivery.objects.all()}
    assert told == {name: fields(data) for name, (_, data) in rows(page).items()}


def test_values_of_words_are_those_of_the_rows() -> None:
    data = {name: WORD.findall(data) for name, (_, data) in rows(DOCS / "webhooks.md").items()}

    assert data["order.refunded"][5:] == Refund.Reason.values
    assert sorted(data["order.closed"][2:]) == sorted(filter(None, Order.ClosedBy.values))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.django_db(transaction=True)
def test_receiver_of_the_page_takes_what_is_signed_and_prints_it(settings, tmp_path: Path) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    (code,) = re.findall(r"^```python\n(.*?)^```$", (DOCS / "webhooks.md").read_text(), re.MULTILINE | re.DOTALL)
    program, port = tmp_path / "receiver.py", free_port()
    program.write_text(code.replace("9000", str(port)))
    endpoint, forger = (add(f"http://127.0.0.1:{port}/hooks", [kind]) for kind in ("order.paid", "order.closed"))

    command = [sys.executable, str(program), endpoint.secret]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            wait_until(lambda: is_listening(port), seconds=60, what="the receiver listens")
            happen("order.paid", "7")
            happen("order.closed", "7")
            assert (tell(endpoint), tell(forger)) == (1, 0)
        finally:
            running.kill()
        assert running.stdout
        assert running.stdout.read() == "order.paid {'order_id': '7'}\n"
