"""Lines of facts: one place knows their names, every line has what it promises, and docs/events.md lists them."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from charites.common.events import EVENTS, ON_EVERY_LINE, Event
from charites.common.logs import Origin, note_actor, request_context
from lab.kit.log_lines import facts, json_lines

for app in ("goods", "stock", "messaging", "orders"):
    import_module(f"{app}.events")
DOCS = Path(__file__).resolve().parents[3] / "docs" / "events.md"


@pytest.fixture
def event(monkeypatch: pytest.MonkeyPatch) -> Event:
    monkeypatch.setattr("charites.common.events.EVENTS", {})
    return Event("tea_brewed", "There is tea.", ("pot_id", "cups"))


def test_fact_names_its_request_and_who_called(event: Event) -> None:
    with facts() as lines, request_context("request-1"):
        note_actor("customer:5")
        event.tell("7", 2)

        (line,) = lines()
    assert line == {"event": "tea_brewed", "request_id": "request-1", "actor": "customer:5", "pot_id": "7", "cups": 2}


def test_facts_of_a_set_have_their_own_origins(event: Event) -> None:
    with facts() as lines, request_context("the-leader"):
        event.tell_all([("1", 1), ("2", 2)], [Origin("a", "customer:1"), Origin("b", "customer:2")])

        told = [(line["request_id"], line["actor"], line["pot_id"]) for line in lines()]
    assert told == [("a", "customer:1", "1"), ("b", "customer:2", "2")]


def test_failure_is_a_line_of_level_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charites.common.events.EVENTS", {})
    failure = Event("tea_spilt", "Tea on the floor.", ("pot_id",), is_failure=True)

    with json_lines() as lines:
        failure.tell("7")

        (line,) = lines()
    assert (line["event"], line["level"], line["logger"], line["pot_id"]) == (
        "tea_spilt",
        "error",
        "charites.events",
        "7",
    )


def test_who_calls_is_nobody_outside_of_a_request(event: Event) -> None:
    note_actor("customer:5")

    with facts() as lines:
        event.tell("7", 2)

        (line,) = lines()
    assert line["actor"] == ""


def test_docs_list_every_event_with_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", DOCS.read_text(), re.MULTILINE)

    documented = {name: (meaning, tuple(re.findall(r"`(\w+)`", fields))) for name, meaning, fields in rows}
    assert documented == {event.name: (event.meaning, event.fields) for event in EVENTS.values()}


def test_no_event_has_a_field_for_what_people_are_called_or_where_they_live() -> None:
    fields = {field for event in EVENTS.values() for field in (*ON_EVERY_LINE, *event.fields)}

    assert not [field for field in fields if re.search(r"name|phone|address|username|password|email", field)]
