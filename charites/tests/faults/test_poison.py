"""Messages that nobody can digest: dead and visible, and the queue behind them flows."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from lab.kit.admin_site import list_url, make_operator, sign_in
from lab.kit.factories import SANDBOX
from lab.kit.findings import findings
from lab.kit.receivers import TOPIC, effects, register_receivers, unregister_receivers
from lab.kit.rest_client import anybody
from lab.kit.trials import Trials
from messaging import relay
from messaging.models import Message
from messaging.registry import list_topics

pytestmark = pytest.mark.django_db(transaction=True)

PAYLOADS: list[Any] = [
    {"v": 1},
    {"v": 1, "payment_id": "x", "order_id": "x"},
    {"v": 1, "payment_id": None, "order_id": None},
    {"v": 1, "amount": float(10**300), "captured_at": 5, "trade_id": []},
]
SENSELESS: list[Any] = [{"v": 99}, {"v": "1"}, {}, [], "text", 5]


@pytest.fixture(autouse=True)
def _topics(settings: Any) -> Iterator[None]:
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.PAYMENT_NOTIFY_URL = "http://127.0.0.1:1/"
    register_receivers()
    yield
    unregister_receivers()


def make_messages(topic: str, payloads: list[Any]) -> list[int]:
    rows = [
        Message(topic=topic, key=f"{topic} {n}", payload=payload, state="ready", deliver_at=timezone.now())
        for n, payload in enumerate(payloads)
    ]
    Message.objects.bulk_create(rows)
    return list(Message.objects.filter(topic=topic).order_by("-pk").values_list("pk", flat=True)[: len(rows)])


def sweep_for_days() -> None:
    """Rounds of all loops that deliver; between two of them passes more time than any ladder's longest step."""
    for hours in range(0, 3 * 20, 3):
        now = timezone.now() + timedelta(hours=hours)
        while relay.deliver_due(now=now) + relay.hold_unknown(now=now):
            pass


def test_poison_is_dead_and_visible_and_holds_up_nobody(trials: Trials) -> None:
    product = [topic for topic in list_topics() if topic != TOPIC]
    poison = [key for topic in product for key in make_messages(topic, PAYLOADS)]
    poison += make_messages("unheard of", [{"v": 1}])
    poison += [key for topic in (*product, TOPIC) for key in make_messages(topic, SENSELESS)]
    behind = [f"behind {n}" for n in range(50)]
    Message.objects.bulk_create(
        Message(topic=TOPIC, key=key, payload={"v": 1}, state="ready", deliver_at=timezone.now()) for key in behind
    )

    sweep_for_days()

    done = effects()
    assert {done[key] for key in behind} == {1}
    dead = Message.objects.filter(state="dead").order_by("pk")
    assert set(dead.values_list("pk", flat=True)) <= set(poison)
    others = Message.objects.filter(pk__in=poison).exclude(state="dead")
    assert list(others.values_list("topic", "payload", "state")) == []
    assert all(dead.values_list("last_error", flat=True))
    assert [line.split(":")[0] for line in findings()] == ["I6-dead"]
    assert f'charites_messages{{state="dead"}} {len(poison)}.0' in anybody().get("/metrics").text
    listed = sign_in(make_operator()).get(list_url(Message), {"state__exact": "dead"}).context["cl"]
    assert listed.result_count == len(poison)
    trials.tell(f"{len(poison)} messages that nobody can take, {len(behind)} behind them delivered")
