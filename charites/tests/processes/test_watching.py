"""What watches the shop: alerts, dashboard and docs name what the servers really export."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from charites import metrics
from charites.common.errors import Limited, Why, busy
from charites.common.refused import count_refusal
from lab.kit.factories import later, make_capture, make_goods, make_order, make_paid_order, make_payment
from lab.kit.interleaving import Interruption
from lab.kit.processes.shop import wait_until
from lab.kit.receiver import Receiver
from lab.kit.rest_client import anybody, buyer
from messaging.relay import deliver_due
from messaging.webhooks.endpoints import add_endpoint
from messaging.webhooks.outbox import spread
from messaging.webhooks.sending import serve
from orders import services

ROOT = Path(__file__).resolve().parents[3]
ALERTS, DASHBOARD = ROOT / "deploy" / "prometheus" / "alerts.yml", ROOT / "deploy" / "grafana" / "charites.json"
DOCS = ROOT / "docs" / "metrics.md"
SELECTOR = re.compile(r"\b(charites_\w+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
PARTS = ("_total", "_bucket", "_sum", "_count", "_created")

pytestmark = pytest.mark.django_db(transaction=True)


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return list(json.loads(DASHBOARD.read_text())["panels"])


def expressions() -> list[str]:
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [rule["expr"] for rule in rules()] + shown


def family_of(name: str) -> str:
    """A metric without what its kind adds to its samples."""
    return next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)


@pytest.fixture
def exported(settings) -> Iterator[dict[str, set[str]]]:
    """What /metrics shows after an eventful day: the name of each sample -> its labels."""
    settings.PAYMENT_PROVIDER = "lab.kit.providers.Away"
    settings.WEBHOOK_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    metrics.READER.forget()
    cache.clear()
    with Receiver() as receiver:
        endpoint = add_endpoint(url=receiver.url, kinds=["order.placed"])
        happen()
        spread()
        serve(endpoint.pk, now=timezone.now())
    found: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(anybody().get("/metrics").text):
        for sample in family.samples:
            found[sample.name] |= sample.labels.keys()
    yield found
    cache.clear()


def happen() -> None:
    deadlock = Interruption(OperationalError(1213, "Deadlock found"), at="^UPDATE shopping_stock")
    with connection.execute_wrapper(deadlock):
        make_goods(1, stock=9)
    make_paid_order()
    assert buyer().post("/api/orders", ORDER).status_code == 201
    make_order(now=later(-9))
    services.close_due(now=later(99_999))
    services.record_captures(captures=[make_capture(make_payment(make_order()), amount=5)])
    deliver_due(now=timezone.now())
    for error in (busy(Why.QUEUE), Limited()):
        count_refusal(error)
    with suppress(CommandError):  # it finds that a day has passed in a moment
        call_command("audit", verbosity=0)
    wait_until(lambda: sampled("charites_wakeups_total"), seconds=60, what="a wake-up is set")
    wait_until(lambda: sampled("charites_hints_total"), seconds=60, what="a hint is sent")


def sampled(name: str) -> bool:
    return f"\n{name}{{" in anybody().get("/metrics").text


ORDER = {"items": [{"goods_id": "1", "quantity": 1}], "address": "a", "name": "n", "phone": "p"}


def test_alerts_and_dashboard_name_only_what_is_exported(exported: dict[str, set[str]]) -> None:
    selectors = [found for expression in expressions() for found in SELECTOR.findall(expression)]

    assert len({name for name, _words in selectors}) > 10
    assert sorted({name for name, _words in selectors} - exported.keys()) == []
    wrong = {
        (name, label)
        for name, words in selectors
        for label in re.findall(r"(\w+)[=!]", words)
        if label not in exported[name]
    }
    assert wrong == set()


def test_what_is_grouped_by_has_that_label(exported: dict[str, set[str]]) -> None:
    for expression in expressions():
        names = [name for name, _words in SELECTOR.findall(expression)]
        labels = {label.strip() for words in GROUPED.findall(expression) for label in words.split(",")}

        assert labels <= set().union(*(exported[name] for name in names)), expression


def test_docs_list_every_metric_with_its_labels(exported: dict[str, set[str]]) -> None:
    rows = re.findall(r"^\| `(charites_\w+)` \| (.*?) \|", DOCS.read_text(), re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}

    found: dict[str, set[str]] = defaultdict(set)
    for name, labels in exported.items():
        if name.startswith("charites_"):
            found[family_of(name)] |= labels - {"le"}
    assert found.keys() - documented.keys() == set()
    assert {name: documented[name] for name in found} == found


def test_every_alert_has_a_name_of_its_own_a_bound_and_words() -> None:
    names = [rule["alert"] for rule in rules()]

    assert len(set(names)) == len(names) >= 15
    for rule in rules():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}, rule
        assert re.fullmatch(r"Charites\w+", rule["alert"])
        assert rule["labels"].keys() == {"severity"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"].endswith((".", "slow."))
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert re.search(r"[<>=]|absent", rule["expr"])


def test_expressions_are_what_prometheus_takes(tmp_path: Path) -> None:
    """Its own checker says so, where it is installed; it takes rules, so the dashboard's are made into some."""
    shown = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions())]
    panels = tmp_path / "panels.yml"
    panels.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": shown}]}))

    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "check", "rules", str(ALERTS), str(panels)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
    for expression in expressions():  # at least, everywhere
        for pair in ("()", "{}", "[]"):
            assert expression.count(pair[0]) == expression.count(pair[1]), expression


def test_dashboard_is_one_screen_of_panels_beside_each_other() -> None:
    dashboard = json.loads(DASHBOARD.read_text())

    assert dashboard["uid"] == "charites"
    assert dashboard["templating"]["list"][0]["name"] == "datasource"
    places: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not places & covered, panel["title"]
        places |= covered
    assert max(x for x, _y in places) < 24
    assert max(y for _x, y in places) < 33
    assert len({panel["id"] for panel in panels()}) == len(panels())
