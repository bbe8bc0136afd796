"""Messages read over REST."""

import pytest

from lab.kit.message_rows import make_message
from lab.kit.rest_client import error_of, staff

pytestmark = pytest.mark.django_db


def test_messages_are_listed_newest_first_by_what_they_are() -> None:
    first = make_message(topic="a.topic", key="1", state="done")
    second = make_message(topic="a.topic", key="2", state="dead", last_error="gone")

    def ids(query: str) -> list[str]:
        return [message["message_id"] for message in staff().get(f"/api/messages{query}").json()["messages"]]

    assert ids("?topic=a.topic") == [str(second.pk), str(first.pk)]
    assert ids("?state=dead&topic=a.topic") == [str(second.pk)]
    assert ids("?key=1&topic=a.topic") == [str(first.pk)]
    assert staff().get(f"/api/messages?before={first.pk}").json()["messages"] == []


@pytest.mark.parametrize("number", [1, 2, 2**63 - 1])
@pytest.mark.parametrize(("way", "there", "beside"), [("before", "previous", "next"), ("after", "next", "previous")])
def test_empty_page_behind_a_cursor_leads_back(number: int, way: str, there: str, beside: str) -> None:
    message = make_message(pk=2)
    page = staff().get(f"/api/messages?topic={message.topic}&{way}={number}").json()
    is_empty = page["messages"] == []

    back = staff().get(page[there]).json()

    assert is_empty is (number <= 2 if way == "before" else number >= 2)
    assert page[beside] is None
    assert [found["message_id"] for found in back["messages"]] == (["2"] if is_empty else [])


@pytest.mark.parametrize("query", ["state=gone", "topic=", "key=%0A"])
def test_messages_asked_for_wrongly_are_not_listed(query: str) -> None:
    assert error_of(staff().get(f"/api/messages?{query}"))[:2] == (400, 10000001)
